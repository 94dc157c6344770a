#!/bin/sh
# What DPT and GeoWizard cost through PyTorch, bare ONNX Runtime and the whole
# labeler, in one run: run.sh PYTHON FOLDER (for models of random weights: they
# cost as much as any). On the GPU where there is one, else on the CPU.
set -eu
python=$1 folder=$2
frames=$folder/label-frames
mkdir -p "$frames"
go build -trimpath -o bin/label ./tools/bench/label
for v in sintel_a bbb_b; do
	[ -f "$frames/$v.jpg" ] || ffmpeg -v error -ss 5 -i "testdata/media/$v.mp4" -vf scale=1280:720 -q:v 2 -frames:v 1 "$frames/$v.jpg"
done

# export_model NAME SCRIPT ARGUMENT...: a model of random weights, if it is not there yet.
export_model() {
	name=$1 script=$2
	shift 2
	[ -d "$folder/$name" ] || "$python" -W ignore "tools/export/$script" --random-weights "$@" -o "$folder" --name "$name"
}

# torch_gpu MODEL ARGUMENT...: PyTorch on the GPU.
torch_gpu() {
	model=$1
	shift
	"$python" -W ignore tools/export/bench.py "$folder/$model" --device cuda "$@"
}

# labeler_gpu MODEL BATCH PICTURES: the labeler or the bare networks, one at
# a time, so that each has the card's memory.
labeler_gpu() {
	for only in bare labeler; do
		bin/label -only $only -model "$1" -model-dir "$folder" -device cuda:0 -workers "$(nproc)" -batch "$2" -pictures "$3" -rounds 2 "$frames"/*.jpg
	done
}

if command -v nvidia-smi >/dev/null 2>&1; then
	export_model random-dpt dpt.py --family omnidata
	export_model random-dpt-fp16 dpt.py --family omnidata --fp16
	export_model random-geowizard-fp16 geowizard.py --version v1 --parity-bucket 192x256 --steps 2 --fp16
	torch_gpu random-dpt --family omnidata --batch 16 --precision 32 --only eager
	torch_gpu random-dpt-fp16 --family omnidata --batch 16 --precision 16 --only eager
	torch_gpu random-dpt-fp16 --family omnidata --batch 16 --precision 16 --only compile --task depth # a minute a network
	torch_gpu random-geowizard-fp16 --bucket 576x768 --batch 1 4 --precision 16 --only eager --seconds 0 --runs 2
	labeler_gpu random-dpt 8 512 # in fp32 cuDNN works in 9 GB at a batch of 16
	labeler_gpu random-dpt-fp16 8 512
	labeler_gpu random-dpt-fp16 16 512
	labeler_gpu random-geowizard-fp16 4 16
	exit
fi

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

export_model random-dpt dpt.py --family omnidata
# A small size: a CPU needs minutes for a picture of the usual one.
export_model random-geowizard geowizard.py --version v1 --buckets 192x256 --steps 2
torch random-dpt --family omnidata --seconds 90
labeler random-dpt 6 4
torch random-geowizard --seconds 0 --runs 1
labeler random-geowizard 1 1
