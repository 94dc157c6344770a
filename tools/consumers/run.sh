#!/bin/sh
# Makes a set of the sample videos and reads it with the libraries that users
# have: tools/consumers/run.sh MICODATA PYTHON SAMPLES
set -eu
set_dir=$(mktemp -d)
trap 'rm -rf "$set_dir"' EXIT
"$1" run "$3" -o "$set_dir/set"
"$1" verify "$set_dir/set"
"$2" "$(dirname "$0")/check.py" "$set_dir/set"
