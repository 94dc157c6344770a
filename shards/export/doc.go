// Package export writes a finished training set in the forms that trainers'
// own loaders read: folders of media with lists beside them, or tar files.
//
// [Run] enters with a set and leaves a folder: media, lists, configurations, the
// map from the trainers' ids to the set's keys (clips.jsonl), and last
// [ManifestName], without which the export is not finished. A file is there or
// not, whole; a run that was interrupted goes on from the files that are there.
// The same set gives the same bytes. What a loader cannot take, or would take for
// something else without a word, is left out and counted by reason.
//
// Memory is that of one row group of the set and what is made of a few of its
// tuples.
package export
