#!/bin/sh
# What DPT and GeoWizard cost through PyTorch, bare ONNX Runtime and the whole
# labeler, in one run: run.sh PYTHON FOLDER (for models of random weights: they
# cost as much as any). GPU rows appear where there is a GPU.
set -eu
python=$1 folder=$2
frames=$folder/label-frames
mkdir -p "$frames"
[ -d "$folder/random-dpt" ] || "$python" -W ignore tools/export/dpt.py --random-weights --family omnidata -o "$folder" --name random-dpt
# A small size: a CPU needs minutes for a picture of the usual one.
[ -d "$folder/random-geowizard" ] || "$python" -W ignore tools/export/geowizard.py --random-weights --version v1 --buckets 192x256 --steps 2 -o "$folder" --name random-geowizard
go build -trimpath -o bin/label ./tools/bench/label
for v in sintel_a bbb_b; do
	[ -f "$frames/$v.jpg" ] || ffmpeg -v error -ss 5 -i "testdata/media/$v.mp4" -vf scale=1280:720 -q:v 2 -frames:v 1 "$frames/$v.jpg"
done

# What is compared runs at the same time on one core, so that what else the machine
# does meets all alike; the CPU seconds count.

# torch MODEL ARGUMENT...: PyTorch, compiled PyTorch and ONNX Runtime.
torch() {
	model=$1
	shift
	for only in eager compile onnx; do
		taskset -c 0 "$python" -W ignore tools/export/bench.py "$folder/$model" --only $only --threads 1 "$@" >"$folder/$only.txt" &
	done
	wait
	cat "$folder/eager.txt"
	grep -h " compile " "$folder/compile.txt"
	grep -h " ONNX Runtime | " "$folder/onnx.txt"
}

# labeler MODEL PICTURES ROUNDS: the labeler and the bare networks.
labeler() {
	for only in bare labeler; do
		taskset -c 0 bin/label -only $only -model "$1" -model-dir "$folder" -device cpu -workers 1 -pictures "$2" -rounds "$3" "$frames"/*.jpg >"$folder/$only.txt" &
	done
	wait
	cat "$folder/bare.txt" "$folder/labeler.txt"
	awk -F'|' '$2 ~ /bare|labeler/ { n[$2]++; s[$2] += $5 } END { printf "bare / labeler, CPU s a picture: %.3f\n", s[" bare "] / n[" bare "] / (s[" labeler "] / n[" labeler "]) }' "$folder/bare.txt" "$folder/labeler.txt"
}

torch random-dpt --family omnidata --seconds 90
labeler random-dpt 6 4
torch random-geowizard --seconds 0 --runs 1
labeler random-geowizard 1 1
if command -v nvidia-smi >/dev/null 2>&1; then
	[ -d "$folder/random-dpt-fp16" ] || "$python" -W ignore tools/export/dpt.py --random-weights --family omnidata --fp16 -o "$folder" --name random-dpt-fp16
	[ -d "$folder/random-geowizard-fp16" ] || "$python" -W ignore tools/export/geowizard.py --random-weights --version v1 --parity-bucket 192x256 --steps 2 --fp16 -o "$folder" --name random-geowizard-fp16
	for model in random-dpt random-dpt-fp16; do
		"$python" -W ignore tools/export/bench.py "$folder/$model" --family omnidata --batch 8 16 --device cuda
		for batch in 8 16; do
			bin/label -model $model -model-dir "$folder" -device cuda -workers "$(nproc)" -batch "$batch" -pictures 512 -rounds 3 "$frames"/*.jpg
		done
	done
	"$python" -W ignore tools/export/bench.py "$folder/random-geowizard-fp16" --batch 4 --device cuda
	bin/label -model random-geowizard-fp16 -model-dir "$folder" -device cuda -workers "$(nproc)" -batch 4 -pictures 16 -rounds 2 "$frames"/*.jpg
fi
