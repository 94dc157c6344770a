package ingest

// Arithmetic is part of the stage's fingerprint: raise it whenever the same
// source, settings and ffmpeg would give other bytes than before.
const Arithmetic = "3"
