#!/usr/bin/env python3
"""Copies one blob out of a set by its place: one_clip.py SET KEY COLUMN FILE

The index says in which shard the blob is, and where. From object storage the
same two numbers make one range request.
"""

import os
import sys

import pyarrow.compute as pc
import pyarrow.parquet as pq

folder, key, column, target = sys.argv[1:]
index = pq.read_table(
    os.path.join(folder, "index.parquet"),
    columns=["key", "shard", column + "_offset", column + "_size"],
    filters=pc.field("key") == key,
).to_pylist()
if not index or index[0][column + "_offset"] is None:
    sys.exit(f"{key} has no {column}")
place = index[0]
with open(os.path.join(folder, place["shard"]), "rb") as shard:
    shard.seek(place[column + "_offset"])
    data = shard.read(place[column + "_size"])
with open(target, "wb") as out:
    out.write(data)
print(f"{target}: {len(data)} bytes")
