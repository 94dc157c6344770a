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


def index(location):
    """A lazy frame of all columns but the media, whose sizes it has: to ask for the length of a video itself reads the video."""
    return pl.scan_parquet(location + "/index.parquet")


def main(location):
    """Prints, for each source, what the set has of it, and the texts of some tuples."""
    sources = index(location).group_by("source_id").agg(
        pl.len().alias("tuples"),
        pl.col("duration").sum().round(2).alias("seconds"),
        pl.col("captions").list.len().sum().alias("captions"),
        pl.col("video_size").sum().alias("video_bytes"),
        pl.col("depth_size").is_null().sum().alias("without_depth"),
    )
    print(sources.sort("source_id").collect())
    print(scan(location).filter(pl.col("duration") >= 1).select("key", "text").head(10).collect())


if __name__ == "__main__":
    main(*sys.argv[1:])
