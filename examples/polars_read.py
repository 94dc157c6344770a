#!/usr/bin/env python3
"""Reads columns of a set with Polars: polars_read.py SET

SET is a folder or s3://BUCKET/PREFIX. The scan is lazy: columns that are not asked
for are not read.
"""

import sys

import polars as pl


def scan(location):
    """A lazy frame of the whole set. AWS's settings come from the environment; storage_options gives others."""
    return pl.scan_parquet(location + "/data/*.parquet")


def main(location):
    """Prints, for each source, what the set has of it."""
    sources = scan(location).group_by("source_id").agg(
        pl.len().alias("tuples"),
        pl.col("duration").sum().round(2).alias("seconds"),
        pl.col("captions").list.len().sum().alias("captions"),
        pl.col("video").struct.field("bytes").bin.size().sum().alias("video_bytes"),
        pl.col("depth").is_null().sum().alias("without_depth"),
    )
    print(sources.sort("source_id").collect())


if __name__ == "__main__":
    main(*sys.argv[1:])
