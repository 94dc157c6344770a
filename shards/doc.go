// Package shards turns the committed parts of a dataset into a training set, and
// reads one back.
//
// [Write] enters with a dataset whose extract and label parts are all there and
// leaves a folder of Parquet shards, an index of where every blob is, a manifest,
// a dataset card and statistics. The join is a zip: part i of every stage has
// the same clips in the same order, which is checked key by key. Files are
// planned from the parts' scalar columns and footers alone; no blob is read
// before it is written.
//
// After a crash or a kill the next Write keeps the shards that are whole and
// goes on. The manifest is written last: a set without one is not finished. The
// same parts, settings and versions give the same bytes in data/, index.parquet,
// README.md and assets/, and in manifest.json and stats.json but for their cost.
//
// Package verify trusts nothing of this: it re-reads all files and re-decodes a sample.
package shards
