#!/usr/bin/env python3
"""Picks tuples by their measures: filter_duckdb.py SET"""

import os
import sys

import duckdb

folder = sys.argv[1]
rows = duckdb.connect().execute(
    """
    SELECT key, round(duration, 2), round(motion, 4), text
    FROM read_parquet(?)
    WHERE duration >= 1 AND brightness BETWEEN 0.05 AND 0.95 AND len(status) = 0
    ORDER BY motion DESC LIMIT 10
    """,
    [os.path.join(folder, "data", "*.parquet")],
).fetchall()
for row in rows:
    print(*row, sep="\t")
