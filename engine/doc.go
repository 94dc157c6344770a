// Package engine decides when stages run; what they do is theirs.
//
// A plan is a list of independent chains, one a part: ingest, extract, label.
// Which part files exist is the whole state, so a resumed run is a new run that
// finds less to do. The last step, shard, begins when every chain has ended.
//
// The local engine works on a few chains at once, so that sources are extracted
// while the pictures of others are labelled; an account of CPU slots that the
// stages share bounds what is computed at once. Fetching goes through the list in
// order and is ahead of the chains by one part, so that the disk does not fill
// with media that nobody works on. One slow source holds its part up, and those
// after it once the parts before it are done.
package engine
