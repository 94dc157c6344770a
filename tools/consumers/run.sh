#!/bin/sh
# Makes sets of the sample videos, with maps of key frames alone and of all frames,
# and reads them with the libraries that users have:
# tools/consumers/run.sh MICODATA PYTHON SAMPLES
set -eu
set_dir=$(mktemp -d)
trap 'rm -rf "$set_dir"' EXIT
for geometry in image frames; do
	"$1" run "$3" -o "$set_dir/$geometry" --geometry $geometry
	"$1" verify "$set_dir/$geometry"
	"$2" "$(dirname "$0")/check.py" "$set_dir/$geometry"
done
