// Package testmedia makes small media files whose truth is known, for tests
// only: a catalogue of the oddities found in the wild ([File], [All]), files
// under hostile names ([Named], [HostileNames]), clips whose frames carry their
// own number ([Counter], [ReadCounter]), clips in which every flash has a beep
// at the same instant ([MakeFlashBeep], [FindFlashes], [FindBeeps]), subtitle
// files with known cues ([Subtitles]), and the helpers that decode what a test
// got ([DecodeGray], [DecodePCM]).
//
// What enters is a name or a handful of options; what leaves is a path. Files
// are made by the real ffmpeg found in PATH (5.1 or newer, with libx264,
// libx265, libsvtav1, libvpx, libopus and libmp3lame) and kept in
// [os.UserCacheDir]/micodata/testmedia/<hash>/<name>.<ext>. The hash covers
// everything that shapes the bytes: ffmpeg's version, its arguments, and the
// content of whatever is fed to it. So each file is made once per machine, and a
// changed recipe never meets an old file. A file appears by an atomic rename,
// complete or not at all, so any number of test processes may share the folder.
// Treat the files as read-only; copy one before changing it.
//
// All functions are safe for use by parallel tests. They end the test with
// t.Fatal when ffmpeg is missing or fails: media that cannot be made is a
// failure, not a reason to skip.
package testmedia
