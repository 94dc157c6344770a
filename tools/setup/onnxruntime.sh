#!/bin/sh
# Puts ONNX Runtime's shared library where micodata looks for it:
#   ${XDG_CACHE_HOME:-$HOME/.cache}/micodata/onnxruntime/1.27.0/libonnxruntime.so.1.27.0
#
# No Python environment is made: the library is taken out of the Python wheel,
# or, where pip is missing or can't get it, out of the npm package. Each file is
# checked against the sha256 below before it is put in place, by one rename.
# Running it again does nothing. pip and npm ask whatever index they are
# configured with.
set -eu

version=1.27.0

case "$(uname -s)-$(uname -m)" in
Linux-x86_64)
	wheel_arch=x86_64 npm_arch=x64
	wheel_sha=b5c9d4f124d24707f514dad926dc181820807178855df1c528e3addb2dd0e6f7
	npm_sha=d8aff4aa8abee8fb2abb2f2f2459ffc94461e781e41b9f7c072829dd0d470221
	;;
Linux-aarch64 | Linux-arm64)
	wheel_arch=aarch64 npm_arch=arm64
	wheel_sha=9275ef52956228686ae47b0219f67476a1148505084bdc5571e7bf1bf69b11f2
	npm_sha=c36bc200e7e6c093b8abb0b34590fbdd8c52fd3fb5e33795b9523ffdde2fce0f
	;;
*)
	echo "onnxruntime: no pinned library for $(uname -s) $(uname -m); get ONNX Runtime $version yourself and set ORT_LIB to its library" >&2
	exit 1
	;;
esac

dir=${XDG_CACHE_HOME:-$HOME/.cache}/micodata/onnxruntime/$version
lib=$dir/libonnxruntime.so.$version

sha_of() { sha256sum "$1" | cut -d ' ' -f 1; }

if [ -f "$lib" ]; then
	case "$(sha_of "$lib")" in
	"$wheel_sha" | "$npm_sha")
		echo "onnxruntime $version: $lib"
		exit 0
		;;
	esac
	echo "onnxruntime: $lib is damaged or of another build; getting it again" >&2
fi

mkdir -p "$dir"
work=$(mktemp -d "$dir/.setup.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# install FILE SHA256 puts FILE in place if it is what was pinned.
install() {
	got=$(sha_of "$1")
	if [ "$got" != "$2" ]; then
		echo "onnxruntime: what was downloaded has sha256 $got, not the pinned $2; nothing was installed" >&2
		exit 1
	fi
	chmod 0644 "$1"
	mv -f "$1" "$lib"
	echo "onnxruntime $version: $lib"
	exit 0
}

why=
if ! command -v python3 >/dev/null 2>&1; then
	why="python3 is missing"
elif ! python3 -m pip --version >/dev/null 2>&1; then
	why="python3 has no pip"
# The wheel's library is the same for every Python, so one tag is named and the
# machine's own Python version doesn't matter.
elif ! python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
	--implementation cp --python-version 3.12 --abi cp312 \
	--platform "manylinux_2_28_$wheel_arch" --platform "manylinux_2_27_$wheel_arch" \
	-d "$work" "onnxruntime==$version"; then
	why="pip could not download onnxruntime==$version"
else
	python3 - "$work" "$version" <<'PY'
import pathlib, sys, zipfile
work, version = pathlib.Path(sys.argv[1]), sys.argv[2]
(wheel,) = work.glob("onnxruntime-*.whl")
with zipfile.ZipFile(wheel) as z:
    (work / "lib.so").write_bytes(z.read(f"onnxruntime/capi/libonnxruntime.so.{version}"))
PY
	install "$work/lib.so" "$wheel_sha"
fi

if ! command -v npm >/dev/null 2>&1; then
	echo "onnxruntime: $why, and npm is missing; install one of them (Debian: apt-get install python3-pip) and run this again, or set ORT_LIB to an ONNX Runtime $version library" >&2
	exit 1
fi
echo "onnxruntime: $why; trying npm" >&2
if ! (cd "$work" && npm pack --silent "onnxruntime-node@$version" >/dev/null); then
	echo "onnxruntime: $why, and npm could not download onnxruntime-node@$version" >&2
	exit 1
fi
tar -xzf "$work/onnxruntime-node-$version.tgz" -C "$work" "package/bin/napi-v6/linux/$npm_arch/libonnxruntime.so.1"
install "$work/package/bin/napi-v6/linux/$npm_arch/libonnxruntime.so.1" "$npm_sha"
