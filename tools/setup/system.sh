#!/bin/sh
# Installs what the system must have by its own package manager, if it is
# missing: ffmpeg, a C compiler (the ONNX Runtime binding is cgo) and Python with
# pip and venv (ONNX Runtime's library comes as a Python package). Never prompts:
# where it may not install, it says what is needed and fails.
set -eu

missing=''
have() { command -v "$1" >/dev/null 2>&1; }
have ffmpeg && have ffprobe || missing="$missing ffmpeg"
have cc || have gcc || missing="$missing cc"
have python3 && python3 -m pip --version >/dev/null 2>&1 && python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python"
[ -n "$missing" ] || exit 0

# packages NAME-ON-THIS-SYSTEM... for each missing thing
packages() {
	for thing in $missing; do
		case "$1:$thing" in
		apt:ffmpeg) echo ffmpeg ;;
		apt:cc) echo gcc libc6-dev ;;
		apt:python) echo python3 python3-pip python3-venv ;;
		dnf:ffmpeg) echo ffmpeg-free ;;
		dnf:cc) echo gcc glibc-devel ;;
		dnf:python) echo python3 python3-pip ;;
		apk:ffmpeg) echo ffmpeg ;;
		apk:cc) echo build-base ;;
		apk:python) echo python3 py3-pip ;;
		pacman:ffmpeg) echo ffmpeg ;;
		pacman:cc) echo gcc ;;
		pacman:python) echo python python-pip ;;
		esac
	done | tr '\n' ' '
}

refresh=true
if have apt-get; then
	refresh='apt-get update'
	install="apt-get install -y --no-install-recommends $(packages apt)"
elif have dnf; then
	install="dnf install -y $(packages dnf)"
elif have apk; then
	install="apk add $(packages apk)"
elif have pacman; then
	install="pacman -Sy --noconfirm $(packages pacman)"
else
	echo "setup: missing:$missing; no package manager that this script knows is here to install them" >&2
	exit 1
fi

if [ "$(id -u)" -eq 0 ]; then
	as_root=''
elif have sudo && sudo -n true 2>/dev/null; then
	as_root='sudo -n'
else
	echo "setup: missing:$missing, and this user may not install them; ask for: $install" >&2
	exit 1
fi

echo "setup: $install"
export DEBIAN_FRONTEND=noninteractive
# The refresh may fail for one unreachable list among several; the install tells.
$as_root $refresh >/dev/null 2>&1 || true
$as_root $install >/dev/null || {
	echo "setup: '$install' failed; install them by hand and run make again" >&2
	exit 1
}
