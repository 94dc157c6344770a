#!/usr/bin/env python3
"""Copies one blob out of a set by its place: one_clip.py SET KEY COLUMN FILE

SET is a folder or s3://BUCKET/PREFIX. The index says in which shard the blob is, and
where: one range request fetches it. `micodata get` does so too, and checks the
blob's checksum, which stands in the page header before it: this script does not.
"""

import sys

import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq


def fetch(location, key, column):
    """The bytes of a blob, None where the tuple has none."""
    place = pq.read_table(
        location + "/index.parquet",
        columns=["shard", column + "_offset", column + "_size"],
        filters=pc.field("key") == key,
    ).to_pylist()
    if not place or place[0][column + "_offset"] is None:
        return None
    shard, offset, size = place[0].values()
    fs, path = pafs.FileSystem.from_uri(location) if "://" in location else (pafs.LocalFileSystem(), location)
    with fs.open_input_file(f"{path}/{shard}") as f:
        return f.read_at(size, offset)


def main(location, key, column, target):
    """Writes the blob to a file."""
    data = fetch(location, key, column)
    if data is None:
        sys.exit(f"{key} has no {column}")
    with open(target, "wb") as out:
        out.write(data)
    print(f"{target}: {len(data)} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
