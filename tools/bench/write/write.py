"""The rows of main.go, written by pyarrow in the same physical layout.

    python write.py ROWS ROW-GROUP-BYTES FILE
"""

import os
import resource
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SIZES = {"image": 32 << 10, "video": 567 << 10, "audio": 328 << 10, "depth": 154 << 10, "normal": 197 << 10}


def main():
    rows, group, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    noise = np.random.default_rng(1).bytes(16 << 20)
    at = 0

    def blob(size, name):
        nonlocal at
        at = (at + 4099) % (len(noise) - size)
        return {"bytes": noise[at:at + size], "path": name}

    media = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema([("key", pa.string()), ("text", pa.string()), ("start", pa.float64()), ("end", pa.float64())] + [(c, media) for c in SIZES])
    plain = [f"{c}.bytes" for c in SIZES]
    scalars = [f"{c}.path" for c in SIZES] + ["key", "text", "start", "end"]
    begin = time.perf_counter()
    with open(path, "wb") as f:
        with pq.ParquetWriter(f, schema, compression={**{c: "none" for c in plain}, **{c: "zstd" for c in scalars}}, use_dictionary=False,
                              write_statistics=["key", "text", "start", "end"], data_page_size=1, write_batch_size=1) as w:
            per = group // sum(SIZES.values())
            for first in range(0, rows, per):
                part = [{"key": f"source.{i:05d}", "text": "what is said in it", "start": float(i), "end": float(i + 5),
                         **{c: blob(size, f"source.{i:05d}.{c}") for c, size in SIZES.items()}} for i in range(first, min(rows, first + per))]
                w.write_table(pa.Table.from_pylist(part, schema), row_group_size=per)
        f.flush()
        os.fsync(f.fileno())
    took = time.perf_counter() - begin
    u = resource.getrusage(resource.RUSAGE_SELF)
    size = os.path.getsize(path) / 1e6
    print(f"| pyarrow {pa.__version__} | {size:.0f} | {size / took:.0f} | {u.ru_utime + u.ru_stime:.2f} | {u.ru_maxrss / 1e3:.0f} | {u.ru_maxrss * 1024 / group:.1f} |")


if __name__ == "__main__":
    main()
