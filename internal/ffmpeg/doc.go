// Package ffmpeg starts ffmpeg and ffprobe, and is the only place in this
// module that starts a process.
//
// What enters is an argument list made by the caller; what leaves is a running
// [Process] with pipes, or a parsed [Probe]. Guaranteed of every process:
//
//   - no shell: arguments go to the program as they are, and [FileURL] makes a
//     path safe from being read as an option, a protocol or a list;
//   - it belongs to its own process group, which gets SIGTERM when the context
//     ends or a limit is passed, and SIGKILL 5 s later;
//   - its address space, the size of the files it writes, its run time and the
//     time it may go without progress are bounded by [Limits];
//   - what it says on standard error is kept to the last 8 KiB and comes back
//     in [ExitError].
//
// Media is hostile. [InputArgs] opens a file with only the protocols "file" and
// "pipe", and only the demuxers of [FormatWhitelist], none of which opens a
// second file or URL: a playlist named a.mp4 is refused.
package ffmpeg
