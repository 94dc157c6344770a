// Package dataset is the vocabulary that all rooms share: sources, clips and
// keys, the status and class of a failure, the rows of each stage's part files,
// where files lie, and the frozen settings. It knows no media and no models.
//
// A dataset is a folder of immutable parts. A part is some tens of sources and
// all that was derived from them: one file a stage, committed in one atomic
// step. Part i of a stage depends on part i of the stage before and on nothing
// else; which parts exist is all the state there is.
package dataset
