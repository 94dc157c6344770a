"""What was made of a source, by either program, as JSON: the spans of the clips, the
bytes of their videos, and how far the separate sound of each is off its place, ms.

    VENV/bin/python clips.py SOURCE FOLDER

FOLDER is a dataset of micodata or an output folder of video2dataset (files).
"""
import json
import pathlib
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq

RATE = 16000
REACH = RATE * 3 // 10  # how far around its place a sound is looked for
SURE = 0.9  # correlation from which a sound counts as found: a silent clip has no place


def of_micodata(folder):
    for part in sorted(folder.glob("extract/*.parquet")):
        for row in pq.read_table(part, columns=["status", "start", "end", "video", "audio"]).to_pylist():
            if row["status"] == "ok":
                yield row["start"], row["end"], row["video"]["bytes"], row["audio"]["bytes"]


def of_video2dataset(folder):
    for video in sorted(folder.glob("*/*.mp4")):
        start, end = json.loads(video.with_suffix(".json").read_text())["clips"][0]
        yield start, end, video.read_bytes(), video.with_suffix(".mp3").read_bytes()


def samples(source, sound=None):
    """Mono samples; of a file with its gaps filled, so that sample i is heard at i / RATE."""
    placed = ["-af", "aresample=async=1:min_hard_comp=0.01:first_pts=0"] if sound is None else []
    return np.frombuffer(subprocess.run(
        ["ffmpeg", "-v", "error", "-i", source, "-map", "0:a:0", *placed, "-ac", "1", "-ar", str(RATE), "-f", "f32le", "-"],
        input=sound, check=True, stdout=subprocess.PIPE).stdout, np.float32)


def ahead(whole, start, sound):
    """Milliseconds by which sound is ahead of where the source has it; None where it isn't found."""
    place = round(start * RATE)
    first = max(0, place - REACH)
    near = whole[first:place + len(sound) + REACH].astype(np.float64)
    match = np.correlate(near, sound.astype(np.float64), "valid")
    energy = np.concatenate([[0], np.cumsum(near ** 2)])
    energy = energy[len(sound):] - energy[:-len(sound)]
    match /= np.sqrt(np.maximum(energy * np.sum(sound.astype(np.float64) ** 2), 1e-12))
    best = int(np.argmax(match))
    return 1000 * (first + best - place) / RATE if match[best] > SURE else None


def main():
    source, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    whole = samples(source)
    spans, size, offsets = [], 0, []
    for start, end, video, audio in (of_micodata if (folder / "extract").is_dir() else of_video2dataset)(folder):
        spans.append([round(start, 3), round(end, 3)])
        size += len(video)
        # The last 100 ms may be short of, or beyond, the span.
        offset = ahead(whole, start, samples("-", audio)[:int((end - start - 0.1) * RATE)])
        if offset is not None:
            offsets.append(abs(offset))
    json.dump({"spans": spans, "bytes": size, "placed": len(offsets),
               "mean": float(np.mean(offsets or [0])), "most": max(offsets, default=0)}, sys.stdout)


if __name__ == "__main__":
    main()
