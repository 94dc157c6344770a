#!/usr/bin/env python3
"""Streams a set as a training loop does: train_datasets.py SET

Pictures come decoded. Video and audio come as bytes here; with torchcodec
installed, leave out the two casts and they come decoded too.
"""

import sys

import datasets
import numpy as np

folder = sys.argv[1]
ds = datasets.load_dataset(folder, split="train", streaming=True)
ds = ds.cast_column("video", datasets.Video(decode=False)).cast_column("audio", datasets.Audio(decode=False))
ds = ds.shuffle(seed=0, buffer_size=100)
for n, row in enumerate(ds):
    image = np.asarray(row["image"], dtype=np.float32) / 255  # H x W x 3
    shapes = {"image": image.shape, "video bytes": len(row["video"]["bytes"])}
    if row["depth"] is not None:
        meta = row["depth_meta"]
        depth = meta["min"] + np.asarray(row["depth"], dtype=np.float32) / 65535 * (meta["max"] - meta["min"])
        shapes["depth"] = (depth.shape, float(depth.min()), float(depth.max()))
    if row["normal"] is not None:
        normal = 2 * np.asarray(row["normal"], dtype=np.float32) / 255 - 1  # unit vectors; visible ones have z < 0
        shapes["normal"] = (normal.shape, float(np.linalg.norm(normal, axis=-1).mean()))
    print(row["key"], repr(row["text"]), shapes)
    if n == 3:
        break
