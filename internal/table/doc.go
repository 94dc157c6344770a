// Package table moves typed Go rows to and from Parquet files.
//
// A [Schema] is a list of columns, each of which knows how to find its field in
// a row, so that writing and reading need neither reflection nor a second
// description of the layout. Rows go in through a [Writer], which cuts row
// groups by bytes, and come back through a [Reader].
//
// The physical rules are those of the training set: blobs are optional structs
// of optional bytes and path, PLAIN, uncompressed, without dictionary or
// statistics, one blob a page, so that each blob's bytes stand whole in the
// file at an offset that the writer reports; everything else is zstd with
// statistics. The same rows in the same order give the same bytes.
//
// Each page has Parquet's checksum, and the footer one of ours, so that a bit
// that flips on a disk is an error of whoever reads it.
//
// A [File] reads Parquet files of any making, leaf by leaf. Over broken pages
// both it and a Reader end with an error.
package table
