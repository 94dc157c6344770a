#!/bin/sh
# Writing a shard: micodata, pyarrow and dd in turns, on one disk: run.sh PYTHON [ROUNDS]
set -eu
python=$1 rounds=${2:-3}
go build -trimpath -o bin/write ./tools/bench/write
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
rows=1000 group=134217728
echo '| writer | MB | MB/s | CPU s | peak MB | peak / row group |'
echo '| --- | --- | --- | --- | --- | --- |'
for _ in $(seq "$rounds"); do
	bin/write -rows $rows -row-group $group "$dir/m"
	rm -r "$dir/m"
	"$python" tools/bench/write/write.py $rows $group "$dir/p.parquet"
	rm "$dir/p.parquet"
	dd if=/dev/zero of="$dir/d" bs=1M count=1278 conv=fsync 2>&1 | awk -F, '/copied/ { print "| dd, with fsync |" $(NF-2) "," $(NF-1) "," $NF " |" }'
	rm "$dir/d"
done
echo 'four times the rows, for the memory:'
bin/write -rows $((4 * rows)) -row-group $group "$dir/m"
