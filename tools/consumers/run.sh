#!/bin/sh
# Makes sets of the sample videos, with maps of key frames alone and of all frames,
# and reads them with the libraries that users have, and their exports by the rules of
# trainers' loaders:
# tools/consumers/run.sh MICODATA PYTHON SAMPLES
set -eu
set_dir=$(mktemp -d)
trap 'rm -rf "$set_dir"' EXIT
for geometry in image frames; do
	"$1" run "$3" -o "$set_dir/$geometry" --geometry $geometry
	"$1" verify "$set_dir/$geometry"
	"$2" "$(dirname "$0")/check.py" "$set_dir/$geometry"
done
# Trainers want captions.
mkdir "$set_dir/media"
for video in "$3"/*.mp4; do
	cp "$video" "$set_dir/media"
	name=$(basename "$video" .mp4)
	echo "a clip of $name" >"$set_dir/media/$name.txt"
done
"$1" run "$set_dir/media" -o "$set_dir/captioned" --geometry frames
for format in mico vast gram onellm meta-transformer webdataset; do
	"$1" export "$set_dir/captioned" --format $format -o "$set_dir/$format"
	"$2" "$(dirname "$0")/exports.py" $format "$set_dir/$format"
done
