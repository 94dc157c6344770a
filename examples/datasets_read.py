#!/usr/bin/env python3
"""Reads a set with Hugging Face's datasets: datasets_read.py SET [--stream]

SET is a folder or s3://BUCKET/PREFIX (which takes s3fs). Pictures and maps come as
PIL images. Video and audio come as torchcodec's decoders where torchcodec and
ffmpeg's libraries are installed, else as bytes.
"""

import argparse
import importlib.util

import datasets
import numpy as np


def load(location, split="train", streaming=False, decode=importlib.util.find_spec("torchcodec") is not None):
    """A split, whole (map-style: copied to datasets' cache, then rows by number) or streamed (rows in order, nothing copied)."""
    files = {split: f"{location}/data/{split}-*.parquet"}
    ds = datasets.load_dataset("parquet", data_files=files, split=split, streaming=streaming)
    if not decode:
        rate = ds.features["audio"].sampling_rate
        ds = ds.cast_column("video", datasets.Video(decode=False)).cast_column("audio", datasets.Audio(rate, decode=False))
    return ds


def arrays(row):
    """Picture (0..1), depth in its model's units and unit normals of a tuple, as arrays; None where the tuple has none."""
    image, depth, normal = row["image"], row["depth"], row["normal"]
    if image is not None:
        image = np.asarray(image, dtype=np.float32) / 255
    if depth is not None:
        meta = row["depth_meta"]
        depth = meta["min"] + np.asarray(depth, dtype=np.float32) / 65535 * (meta["max"] - meta["min"])
    if normal is not None:
        normal = 2 * np.asarray(normal, dtype=np.float32) / 255 - 1  # x right, y down, z forward: visible surfaces have z < 0
    return image, depth, normal


def sound(row):
    """Samples (channels x time) and rate of a decoded tuple's sound, None without sound."""
    if row["audio"] is None:
        return None
    samples = row["audio"].get_all_samples()
    return samples.data, samples.sample_rate


def short(media):
    """A video or a sound in short: without torchcodec it is megabytes of bytes."""
    return f"{len(media['bytes'] or b'')} bytes" if isinstance(media, dict) else media


def main():
    """Prints the shapes of the first tuples."""
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("set")
    args.add_argument("--stream", action="store_true")
    args = args.parse_args()
    ds = load(args.set, streaming=args.stream)
    if args.stream:
        ds = ds.shuffle(seed=0, buffer_size=100)
    for row in ds.take(4):
        image, depth, normal = arrays(row)
        print(row["key"], repr(row["text"]), image is not None and image.shape, depth is not None and depth.shape, normal is not None and normal.shape, short(row["video"]), short(row["audio"]))


if __name__ == "__main__":
    main()
