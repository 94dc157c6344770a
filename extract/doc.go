// Package extract turns sources into clips: one decode of each source feeds the
// cuts, the clips' video, their sound, frames, key frames and measures.
//
// What enters is a committed ingest part; what leaves is the extract part with
// the same number, a row a clip in the order of sources and, within a source, of
// time. A source that yields no clip has one row that says why.
//
// For each source one ffmpeg decodes. Its pictures and sound come by pipes, with
// their times, to one event loop ([pass]), which knows the cuts as soon as the
// decoder has reached them, and hands what belongs to a clip to a second ffmpeg,
// which encodes all clips and pictures of the source. So the number of processes
// does not depend on the number of clips. Scenes that turn out longer than the
// longest clip are cut evenly by a second pass, with the spans known.
//
// Guaranteed: a clip's video has exactly the frames with start <= time < end;
// its sound, its frames' times and its subtitles are on the same clock, which is
// the container's, zero at its start; and the same part, settings and ffmpeg
// give the same bytes whatever the number of workers.
package extract
