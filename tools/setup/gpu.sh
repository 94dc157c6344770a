#!/bin/sh
# Puts ONNX Runtime for NVIDIA cards, and the CUDA libraries that it needs, where
# micodata looks first:
#   ${XDG_CACHE_HOME:-$HOME/.cache}/micodata/onnxruntime/1.27.0-gpu/
#
# 1.4 GB to download, 2.2 GB on disk. Only the driver is the machine's own (580 or
# later). The libraries are taken out of the Python wheels that are named, with
# their checksums, in gpu-requirements.txt; no Python environment is made. Running
# it again does nothing.
set -eu

version=1.27.0
here=$(cd "$(dirname "$0")" && pwd)
dir=${XDG_CACHE_HOME:-$HOME/.cache}/micodata/onnxruntime/$version-gpu

if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
	echo "gpu: no pinned libraries for $(uname -s) $(uname -m); get ONNX Runtime $version with CUDA yourself and set ORT_LIB to its library" >&2
	exit 1
fi
# The requirements are the folder's name for what is in it.
if cmp -s "$here/gpu-requirements.txt" "$dir/gpu-requirements.txt"; then
	echo "onnxruntime $version with CUDA: $dir"
	exit 0
fi
if ! python3 -m pip --version >/dev/null 2>&1; then
	echo "gpu: python3 with pip is missing (Debian: apt-get install python3-pip)" >&2
	exit 1
fi

mkdir -p "$(dirname "$dir")"
work=$(mktemp -d "$dir.setup.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The libraries are the same for every Python, so one tag is named and the
# machine's own Python version doesn't matter.
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
	--implementation cp --python-version 3.12 --abi cp312 --abi none \
	--platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux2014_x86_64 --platform manylinux2010_x86_64 \
	-d "$work/wheels" -r "$here/gpu-requirements.txt"
mkdir "$work/lib"
python3 - "$work" <<'PY'
import pathlib, shutil, sys, zipfile
work = pathlib.Path(sys.argv[1])
for wheel in sorted((work / "wheels").glob("*.whl")):
    with zipfile.ZipFile(wheel) as z:
        for member in z.namelist():
            name = member.rpartition("/")[2]
            # Python's own module and the variants that nothing here opens stay behind.
            if ".so" in name and "pybind" not in name and ".alt." not in name and not name.startswith(("libnvblas", "libcufftw")):
                with z.open(member) as src, open(work / "lib" / name, "wb") as dst:
                    shutil.copyfileobj(src, dst, 16 << 20)
    wheel.unlink()
PY
cp "$here/gpu-requirements.txt" "$work/lib/"
rm -rf "$dir"
mv "$work/lib" "$dir"
echo "onnxruntime $version with CUDA: $dir"
