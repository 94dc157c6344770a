// Package export writes a finished training set in the forms that trainers'
// own loaders read: folders of media with lists beside them, or tar files.
//
// [Run] enters with a set and leaves a folder: media, lists, configurations, the
// map from the trainers' ids to the set's keys (clips.jsonl), and last
// [ManifestName], without which the export is not finished. It goes by parts, one a
// shard of the set: a part is noted once its files are durable, and what is in no
// part, or is not there any more, is made again. The same set gives the same bytes.
// What a loader cannot take, or would take for something else without a word, is left
// out and counted by reason; clips whose media are broken have failed, and are named.
//
// Memory is that of one row group of the set, what is made of a few of its tuples,
// and one shard's lines of lists.
package export
