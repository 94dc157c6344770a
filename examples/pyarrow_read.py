#!/usr/bin/env python3
"""Reads tuples with pyarrow: pyarrow_read.py SET

SET is a folder or s3://BUCKET/PREFIX, with AWS's own settings (AWS_ACCESS_KEY_ID,
AWS_REGION, AWS_ENDPOINT_URL for servers that aren't AWS') in the environment.
"""

import io
import sys

import pyarrow.dataset as ds
from PIL import Image


def rows(location, columns=None, where=None, at_once=8):
    """Yields tuples. Columns that are not asked for are not read; neither are row groups in which nothing can be true of where.

    A tuple can have megabytes of media, so only a few are in memory at once: pyarrow's
    own 131072 rows a batch, 16 batches ahead, are meant for numbers.
    """
    data = ds.dataset(location + "/data", format="parquet")
    for batch in data.to_batches(columns=columns, filter=where, batch_size=at_once, batch_readahead=2, fragment_readahead=1):
        yield from batch.to_pylist()


def picture(blob):
    """The picture in a column of pictures or maps, None where the tuple has none; depth is 16-bit (mode I;16)."""
    return blob and Image.open(io.BytesIO(blob["bytes"]))


def main(location):
    """Prints what the tuples of a second or more show."""
    for row in rows(location, ["key", "text", "image", "depth", "normal", "depth_meta"], ds.field("duration") >= 1):
        image, depth, normal = (picture(row[name]) for name in ("image", "depth", "normal"))
        kind = row["depth_meta"] and row["depth_meta"]["kind"]
        print(row["key"], image and image.size, depth and depth.mode, normal and normal.mode, kind, repr(row["text"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
