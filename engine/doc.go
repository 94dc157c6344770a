// Package engine decides when stages run; what they do is theirs.
//
// A plan is a list of independent chains, one a part: ingest, extract, label.
// Which part files exist is the whole state, so a resumed run is a new run that
// finds less to do. The last step, shard, begins when every chain has ended.
// The local engine runs a few chains at once under one budget of CPU and GPU
// slots.
package engine
