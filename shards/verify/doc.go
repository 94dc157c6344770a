// Package verify checks a finished training set. It trusts nothing of how the set was
// made: it reads all files again, and decodes a sample of the tuples.
//
// [Set] enters with a set and leaves a [Report] of the promises that it breaks; it
// changes nothing. It compares every file with the manifest, every row with the index,
// every blob with its place, and the manifest with itself. Of the sample it compares
// the media with each other, and with the source where that is at hand.
//
// What a storage fails at is an error; what is wrong with the data that it gave is a
// [Problem]. Memory is that of a row group, of a clip's frames, made small, and of its
// sounds, made 8 kHz (some 0.5 GB for an hour's clip), each worker, and 8 bytes for
// each key and source.
package verify
