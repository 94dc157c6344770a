// Package engine decides when stages run; what they do is theirs.
//
// A plan is a list of independent chains, one a part: ingest, extract, label.
// Which part files exist is the whole state, so a resumed run is a new run that
// finds less to do. The last step, shard, begins when every chain has ended.
//
// The local engine works on a few chains at once. What a stage [Resource] says it
// needs decides what runs beside what: one part is fetched, one labelled on the
// GPUs, while the CPU works on others. Fetching goes through the list in order and
// is ahead of the chains by one part, so that the disk does not fill with media
// that nobody works on. One slow source holds its part up, and those after it
// once the parts before it are done.
package engine
