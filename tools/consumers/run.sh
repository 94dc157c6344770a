#!/bin/sh
# Makes sets of the sample videos and lets the examples read them, from a folder and
# from S3: tools/consumers/run.sh MICODATA PYTHON SAMPLES [--full]
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# In a bucket each: a set in one file, and one in several with maps of all frames.
"$1" ingest "$3" -o "$dir/one"
"$1" extract "$dir/one"
cp -r "$dir/one" "$dir/many"
"$1" run "$3" --dataset "$dir/one" -o "$dir/sets/one/tuples"
"$1" run "$3" --dataset "$dir/many" -o "$dir/sets/many/tuples" --geometry frames --shard-bytes 20000000 --row-group-bytes 8000000
for set in one many; do
	"$1" verify "$dir/sets/$set/tuples"
done
"$2" "$(dirname "$0")/check.py" ${4:-} "$dir/sets" one/tuples many/tuples
