// Package ingest turns what a user names into rows of ingest parts.
//
// What enters [List] is a mix of media files, folders, globs, URLs and tables;
// what leaves is a stream of [Item]s in an order that depends on nothing but
// the input. Tables are read row by row, in memory that does not grow with
// them; of folders the names of the one being read, and of those above it, are
// held, to be sorted: some 100 bytes a name. What enters [Run] is the items of
// one part; what leaves is one committed part file with exactly one row an
// item, in the items' order: the media fetched, hashed and probed, or the class
// of what went wrong.
//
// # Guarantees
//
// Nothing is dropped silently: a malformed row of a table, a folder that cannot
// be read and a dead link are all rows. A malformed row has the class corrupt
// and a message that says where it stands ("line 7 of /data/list.jsonl: ...").
// What this machine is to blame for (a full disk, no more open files, no
// memory) is no row but ends the run: the next run goes on from there.
//
// An id is the only one of its kind within its part. Sources of different parts
// may share one, as parts are made without regard to each other; the shard
// stage keeps the first and counts the others as failures in the manifest.
//
// URLs are hostile. Only http and https are spoken, by GET; every address is
// checked after DNS resolution and again on each redirect, so that no name can
// lead to a private, loopback or link-local address; sizes, times, redirects
// and retries have limits. Local paths are read only for items that came from
// the command line or a list named there ([Item.Trusted]).
//
// A name that is not UTF-8 cannot stand in a table: such a file's URI is stored
// as a file:// URL with the odd bytes escaped, and its media is copied into the
// dataset rather than referenced; text found beside it is used, subtitles
// beside it are reported to [Env.Warn] and left out.
package ingest
