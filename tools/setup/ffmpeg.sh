#!/bin/sh
# Installs ffmpeg by the system's package manager when it is missing. Never
# prompts: where it may not install, it says what is needed and fails.
set -eu

if command -v ffmpeg >/dev/null 2>&1 && command -v ffprobe >/dev/null 2>&1; then
	exit 0
fi

if command -v apt-get >/dev/null 2>&1; then
	install='apt-get install -y --no-install-recommends ffmpeg'
	refresh='apt-get update'
elif command -v dnf >/dev/null 2>&1; then
	install='dnf install -y ffmpeg-free'
	refresh=true
elif command -v apk >/dev/null 2>&1; then
	install='apk add ffmpeg'
	refresh=true
elif command -v pacman >/dev/null 2>&1; then
	install='pacman -Sy --noconfirm ffmpeg'
	refresh=true
elif command -v brew >/dev/null 2>&1; then
	exec brew install ffmpeg
else
	echo 'setup: ffmpeg and ffprobe 4.4 or newer are needed on the PATH, and no known package manager is here to install them' >&2
	exit 1
fi

if [ "$(id -u)" -eq 0 ]; then
	as_root=''
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
	as_root='sudo -n'
else
	echo "setup: ffmpeg is missing and this user may not install it; ask for: $install" >&2
	exit 1
fi

# The refresh may fail for one unreachable list among several; the install tells.
DEBIAN_FRONTEND=noninteractive $as_root $refresh >/dev/null 2>&1 || true
DEBIAN_FRONTEND=noninteractive $as_root $install >/dev/null || {
	echo "setup: '$install' failed; install ffmpeg by hand and run make again" >&2
	exit 1
}
command -v ffmpeg >/dev/null 2>&1 && command -v ffprobe >/dev/null 2>&1
