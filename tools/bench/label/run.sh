#!/bin/sh
# What DPT costs through PyTorch, bare ONNX Runtime and the whole labeler, in one
# run: run.sh PYTHON FOLDER (for a model of random weights: they cost as much as
# any). GPU rows appear where there is a GPU.
set -eu
python=$1 folder=$2
frames=$folder/label-frames
mkdir -p "$frames"
[ -d "$folder/random-dpt" ] || "$python" -W ignore tools/export/dpt.py --random-weights --family omnidata -o "$folder" --name random-dpt
go build -trimpath -o bin/label ./tools/bench/label
for v in sintel_a bbb_b; do
	[ -f "$frames/$v.jpg" ] || ffmpeg -v error -ss 5 -i "testdata/media/$v.mp4" -vf scale=1280:720 -q:v 2 -frames:v 1 "$frames/$v.jpg"
done
"$python" -W ignore tools/export/bench.py "$folder/random-dpt" --family omnidata --threads 1 --batch 1
bin/label -model random-dpt -model-dir "$folder" -device cpu -workers 1 -pictures 6 -rounds 3 "$frames"/*.jpg
if command -v nvidia-smi >/dev/null 2>&1; then
	"$python" -W ignore tools/export/bench.py "$folder/random-dpt" --family omnidata --batch 8 16
	for batch in 8 16; do
		bin/label -model random-dpt -model-dir "$folder" -device cuda -workers "$(nproc)" -batch "$batch" -pictures 512 -rounds 3 "$frames"/*.jpg
	done
fi
