#!/usr/bin/env python3
"""What writing a shard costs micodata, pyarrow and dd, in turns on one disk.

    write.py bin/write [--rounds 5] [--rows 350] [--dir DIR]

All write the same rows to local disk and wait until they are there (fsync). pyarrow
reads them from the shard that micodata has just written, a row group at a time; that
is not counted, nor is how micodata makes its rows. pyarrow writes them twice: with
settings equal to ours (a blob a page, but a row's frames share one, which it does not
cut; nothing but scalars compressed, statistics of scalars alone, checksums), and with
its own pages. Figures are medians of the rounds,
ratios those of the rounds' own. Peaks are resident memory, of pyarrow with a table of
one row group read. At the end micodata writes three times the rows, for its memory.
Some 2.5 GB of disk.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

GROUP = 128 << 20
PAGE = 16 << 10  # smaller than any blob, so that each ends its page


def main():
    p = argparse.ArgumentParser()
    p.add_argument("write", help="the built command write")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--rows", type=int, default=350)
    p.add_argument("--dir", help="a folder on the disk to write to")
    a = p.parse_args()
    took = {"micodata": [], "pyarrow, the same pages": [], "pyarrow, its own pages": [], "dd": []}
    with tempfile.TemporaryDirectory(dir=a.dir) as folder:
        shard, copy = os.path.join(folder, "shard.parquet"), os.path.join(folder, "copy")
        for _ in range(a.rounds):
            for name, runs in took.items():
                if name == "micodata":
                    argv = [a.write, "-rows", str(a.rows), "-row-group", str(GROUP), folder]
                elif name == "dd":
                    argv = ["dd", f"if={shard}", f"of={copy}", "bs=1M", "conv=fsync"]
                else:
                    argv = [sys.executable, __file__, "pyarrow", "same" if "same" in name else "own", shard, copy]
                os.sync()  # what the last one left is not this one's
                runs.append(measure(argv))
                if name != "micodata":
                    os.remove(copy)
        os.remove(shard)
        large = measure([a.write, "-rows", str(3 * a.rows), "-row-group", str(GROUP), folder])
    report(took, large)


def measure(argv):
    """Runs a writer: what it says that it took, else what the kernel says."""
    begin = time.perf_counter()
    p = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = p.stdout.read(), p.stderr.read()
    _, status, usage = os.wait4(p.pid, 0)
    wall = time.perf_counter() - begin
    if status != 0:
        sys.exit(f"{argv[0]}: {err}")
    if out:
        return json.loads(out)
    target = next(x[3:] for x in argv if x.startswith("of="))
    return {"bytes": os.path.getsize(target), "wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss * 1024}


def report(took, large):
    def median(runs, figure):
        return statistics.median(figure(r) for r in runs)

    print("| writer | MB | MB/s | of pyarrow, the same pages | CPU s a GB | peak MB | row groups of 128 MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    base = took["pyarrow, the same pages"]
    for name, runs in took.items():
        ratios = [speed(r) / speed(b) for r, b in zip(runs, base)]
        print(f"| {name} | {median(runs, lambda r: r['bytes']) / 1e6:.0f} | {median(runs, speed):.0f} | {statistics.median(ratios):.2f} "
              f"({min(ratios):.2f}-{max(ratios):.2f}) | {median(runs, lambda r: r['cpu'] / r['bytes']) * 1e9:.2f} | {peaks(runs)} |")
    print(f"| micodata, three times the rows | {large['bytes'] / 1e6:.0f} | {speed(large):.0f} | | {large['cpu'] / large['bytes'] * 1e9:.2f} | {peaks([large])} |")


def speed(r):
    return r["bytes"] / 1e6 / r["wall"]


def peaks(runs):
    peak = max(r["peak"] for r in runs)
    return f"{peak / 1e6:.0f} | {peak / GROUP:.1f}"


def pyarrow(pages, shard, copy):
    """Writes a shard's rows again; what reading them takes is left out."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = pq.ParquetFile(shard)
    columns = [source.schema.column(i).path for i in range(len(source.schema))]
    blobs = [c for c in columns if c.endswith(".bytes")]
    settings = {
        "compression": {c: "none" if c in blobs else "zstd" for c in columns},
        "use_dictionary": False,
        "write_statistics": [c for c in columns if c not in blobs],
    }
    if pages == "same":
        settings |= {"data_page_size": PAGE, "write_batch_size": 1, "write_page_checksum": True}
    wall = cpu = 0.0

    def timed(step):
        nonlocal wall, cpu
        begin, before = time.perf_counter(), time.process_time()
        out = step()
        wall, cpu = wall + time.perf_counter() - begin, cpu + time.process_time() - before
        return out

    def sync():
        f = os.open(copy, os.O_RDONLY)
        os.fsync(f)
        os.close(f)

    writer = timed(lambda: pq.ParquetWriter(copy, source.schema_arrow, **settings))
    for i in range(source.num_row_groups):
        group = source.read_row_group(i)
        timed(lambda: writer.write_table(group, row_group_size=len(group)))
        del group
    timed(writer.close)
    timed(sync)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    json.dump({"bytes": os.path.getsize(copy), "wall": wall, "cpu": cpu, "peak": peak, "version": pa.__version__}, sys.stdout)


if __name__ == "__main__":
    if sys.argv[1:2] == ["pyarrow"]:
        pyarrow(*sys.argv[2:])
    else:
        main()
