#!/bin/sh
# Makes sets of the sample videos and lets the examples read them, from a folder and
# from S3, and their exports by the rules of trainers' loaders:
# tools/consumers/run.sh MICODATA PYTHON SAMPLES [--full]
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# In a bucket each: a set in one file, and one in several with maps of all frames.
"$1" ingest "$3" -o "$dir/one"
"$1" extract "$dir/one"
cp -r "$dir/one" "$dir/many"
"$1" run "$3" --dataset "$dir/one" -o "$dir/sets/one/tuples"
"$1" run "$3" --dataset "$dir/many" -o "$dir/sets/many/tuples" --geometry frames --shard-bytes 20000000 --row-group-bytes 8000000
# And one of nulls: without pictures and maps, and half of it without sound.
mkdir "$dir/media"
cp "$3/tc_nasa.mp4" "$dir/media/a.mp4"
ffmpeg -v error -i "$3/tc_nasa.mp4" -map 0:v -c copy "$dir/media/silent.mp4"
"$1" run "$dir/media" -o "$dir/sets/nulls/tuples" --dataset "$dir/nulls" --labels "" --columns video,audio
for set in one many nulls; do
	"$1" verify "$dir/sets/$set/tuples"
done
"$2" "$(dirname "$0")/check.py" ${4:-} "$dir/sets" one/tuples many/tuples nulls/tuples

# Trainers want captions.
mkdir "$dir/captions"
for video in "$3"/*.mp4; do
	cp "$video" "$dir/captions"
	echo "a clip of $(basename "$video" .mp4)" >"$dir/captions/$(basename "$video" .mp4).txt"
done
"$1" run "$dir/captions" -o "$dir/captioned" --geometry frames
for format in mico vast gram onellm meta-transformer webdataset; do
	"$1" export "$dir/captioned" --format $format -o "$dir/$format"
	"$2" "$(dirname "$0")/exports.py" $format "$dir/$format"
done
