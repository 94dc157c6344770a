#!/usr/bin/env python3
"""Picks tuples by their measures with SQL: duckdb_read.py SET

SET is a folder or s3://BUCKET/PREFIX. Media that no query names are not read.
"""

import sys

import duckdb


def connect(location):
    """A database in which the view `tuples` is the set, and `places` its index: sizes of media, for one, without reading media."""
    db = duckdb.connect()
    if location.startswith("s3://"):
        # DuckDB's own extension (INSTALL httpfs) is fetched from DuckDB's server at the
        # first use. Python's s3fs needs nothing but its package.
        import fsspec

        db.register_filesystem(fsspec.filesystem("s3"))
    for view, name in (("tuples", "data/*.parquet"), ("places", "index.parquet")):
        files = f"{location}/{name}".replace("'", "''")  # a view takes no parameters
        db.execute(f"CREATE VIEW {view} AS SELECT * FROM read_parquet('{files}')")
    return db


def main(location):
    """Prints those that move most, of good brightness and without a failure."""
    found = connect(location).execute("""
        SELECT key, round(duration, 2), round(motion, 4), video_size, text
        FROM places
        WHERE duration >= 1 AND brightness BETWEEN 0.05 AND 0.95 AND len(status) = 0
        ORDER BY motion DESC LIMIT 10
    """)
    for row in found.fetchall():
        print(*row, sep="\t")


if __name__ == "__main__":
    main(*sys.argv[1:])
