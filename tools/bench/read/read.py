#!/usr/bin/env python3
"""What reading a set from S3 into PyTorch costs: read.py MICODATA SAMPLES

The same media lie on one S3 server (versitygw, on this machine) as micodata's
Parquet set, as WebDataset tars and as loose files, and two workers read them by
 rowgroup    whole row groups, the columns asked for (examples/torch_train.py)
 range       single blobs by index.parquet, in random order (examples/torch_train.py)
 webdataset  tars, by the webdataset library
 files       a file a blob, in random order
for three jobs: the bytes of picture, depth and normals; the bytes of video and sound too;
and training, where picture, depth and normals are decoded, cropped alike and trained
with. The ways take turns. Every reader has read the set once before it is measured, over
five epochs; training over one, in the first round alone.

Tuples and MB of media a second are by the wall clock, CPU seconds are of the reader and its
workers, and apart from that the server's; what the server sent is by its own count.
"""

import argparse
import collections
import concurrent.futures
import io
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "consumers"), os.path.join(HERE, "..", "..", "..", "examples")]

import numpy as np  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import s3  # noqa: E402
import torch  # noqa: E402
import torch_train  # noqa: E402

SAMPLES = {"sintel_a.mp4": 26, "bbb_b.mp4": 15, "tc_nasa.mp4": 13}  # seconds
SET, TARS, FILES = "s3://bench/set", "s3://bench/tars", "s3://bench/files"
EXTENSIONS = {"image": "jpg", "depth": "depth.png", "normal": "normal.png", "video": "mp4", "audio": "flac"}
PICTURES = ["image", "depth", "normal"]
JOBS = {"pictures": PICTURES, "all media": list(EXTENSIONS), "training": PICTURES}
WAYS = ["rowgroup", "range", "webdataset", "files"]
ROW_GROUP = 32 << 20  # the default's 128 MiB would be too few for two workers to share a set of this size


def make_set(micodata, samples, folder, copies):
    """The sample videos in clips of a second, some times over with other spans."""
    with tempfile.TemporaryDirectory() as scratch:
        table = os.path.join(scratch, "sources.jsonl")
        with open(table, "w", encoding="utf-8") as f:
            for copy in range(copies):
                for name, seconds in SAMPLES.items():
                    clips = [[s + copy / copies, s + 1 + copy / copies] for s in range(seconds - 1)]
                    source = {"id": f"{name.split('.')[0]}-{copy}", "url": os.path.abspath(os.path.join(samples, name)), "clips": clips}
                    f.write(json.dumps(source) + "\n")
        subprocess.run([micodata, "run", table, "-o", folder, "--dataset", os.path.join(scratch, "ds"), "--columns", ",".join(EXTENSIONS),
                        "--row-group-bytes", str(ROW_GROUP), "--splits", "train=1"], check=True)


def make_others(set_folder, tars, files):
    """The set's media as tars of a row group each, and as loose files."""
    os.makedirs(tars)
    os.makedirs(files)
    with open(os.path.join(set_folder, "manifest.json"), encoding="utf-8") as f:
        shards = [os.path.join(set_folder, s["name"]) for s in json.load(f)["shards"]]
    number = 0
    for shard in shards:
        file = pq.ParquetFile(shard)
        for group in range(file.num_row_groups):
            with tarfile.open(os.path.join(tars, f"{number:05d}.tar"), "w", format=tarfile.USTAR_FORMAT) as tar:
                for row in file.read_row_group(group, ["key", "text", "depth_meta", *EXTENSIONS]).to_pylist():
                    name = row["key"].replace(".", "_")  # WebDataset's keys end at the first dot
                    media = {EXTENSIONS[m]: row[m]["bytes"] for m in EXTENSIONS if row[m]}
                    media["json"] = json.dumps({k: row[k] for k in ("key", "text", "depth_meta")}).encode()
                    for extension, data in media.items():
                        info = tarfile.TarInfo(f"{name}.{extension}")
                        info.size = len(data)
                        tar.addfile(info, io.BytesIO(data))
                        with open(os.path.join(files, f"{name}.{extension}"), "wb") as out:
                            out.write(data)
            number += 1
    return number


class Sizes:
    """For reading alone: of the media only their sizes go on."""

    def __init__(self, modalities):
        self.modalities = modalities

    def __call__(self, row, chance):
        return {"key": row["key"], "bytes": sum(len(row[m]) for m in self.modalities)}


class Files(torch_train.Tuples):
    """Loose files in random order, as many tuples ahead as with ranges."""

    def blobs(self, fs, root, index, begin, end, ahead=8):
        _, files = torch_train.open_set(FILES)

        def get(name):
            with fs.open_input_stream(f"{files}/{name}") as f:
                return f.read()

        def fetch(row):  # text and the like are in a table here too
            return row | {m: get(f"{row['key'].replace('.', '_')}.{EXTENSIONS[m]}") for m in self.modalities}

        with concurrent.futures.ThreadPoolExecutor(ahead) as pool:
            waiting = collections.deque()
            for at in np.random.default_rng([self.seed, self.epoch]).permutation(int(self.counts.sum()))[begin:end]:
                waiting.append(pool.submit(fetch, self.scalars(index, at)))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


class Tars(torch.utils.data.IterableDataset):
    """Tars, by webdataset, which has no S3 client of its own: it gets AWS', one request a tar."""

    def __init__(self, number, transform, modalities):
        self.number, self.transform, self.modalities, self.epoch = number, transform, modalities, 0

    def __iter__(self):
        import botocore.session
        import webdataset
        from webdataset.gopen import gopen_schemes

        client = botocore.session.get_session().create_client("s3")

        def get(url, *args, **kw):
            bucket, key = url.removeprefix("s3://").split("/", 1)
            return client.get_object(Bucket=bucket, Key=key)["Body"]

        gopen_schemes["s3"] = get
        chance = random.Random(self.epoch)
        self.epoch += 1
        names = [f"{TARS}/{n:05d}.tar" for n in range(self.number)]
        chance.shuffle(names)
        for sample in webdataset.WebDataset(names, shardshuffle=False, empty_check=False):
            row = json.loads(sample["json"]) | {m: sample[EXTENSIONS[m]] for m in self.modalities}
            yield self.transform(row, chance)


def measure(way, job, tars, server, log, result):
    """Reads one epoch to warm up and others to measure, in a process of its own."""
    modalities, scratch = JOBS[job], os.path.dirname(result)
    transform = torch_train.Transform(128) if job == "training" else Sizes(modalities)
    if way == "webdataset":
        data = Tars(tars, transform, modalities)
    elif way == "files":
        data = Files(SET, transform, scratch, modalities, by="range")
    else:
        data = torch_train.Tuples(SET, transform, scratch, modalities, by=way)
    torch.set_num_threads(1)  # two workers and this process share the machine
    net = torch_train.network()
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    batches = torch_train.loader(data, 8, 2)
    epochs = 1 if job == "training" else 5
    for epoch in range(1 + epochs):
        if epoch == 1:
            before = read_counters(server, log)
        keys = []
        for batch in batches:
            keys += batch["key"]
            if job == "training":
                loss = torch_train.loss_of(net, batch)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    after = read_counters(server, log)
    seconds, cpu, server_cpu, sent, requests = ((a - b) / epochs for a, b in zip(after, before))
    with open(result, "w", encoding="utf-8") as f:
        json.dump({"keys": sorted(keys), "seconds": seconds, "cpu": cpu, "server_cpu": server_cpu, "sent": sent, "requests": requests}, f)


def read_counters(server, log):
    """Time, CPU seconds of this process and its workers, the server's, bytes that it sent, requests that it had."""
    mine = [os.getpid()]
    for pid in mine:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            mine += [int(child) for child in f.read().split()]
    with open(f"/proc/{server}/io", encoding="ascii") as f:
        written = int(dict(line.split(": ") for line in f.read().splitlines())["wchar"])
    with open(log, "rb") as f:
        lines = f.read()
    # The server writes to its clients and to its access log alone.
    return time.monotonic(), sum(map(cpu_of, mine)), cpu_of(server), written - len(lines), lines.count(b"\n")


def cpu_of(pid):
    """User and system seconds of a process."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def report(results, sizes, number):
    """The tables: medians over the rounds, and the range of tuples a second; training has one round."""
    for job, modalities in JOBS.items():
        mb = sum(sizes[m] for m in modalities) / 1e6
        print(f"\n{job}: {number} tuples, {mb:.0f} MB of media\n")
        print("| way | tuples/s | MB/s | wall s | CPU s | server's CPU s | MB sent | requests |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        for way in WAYS:
            rounds = results[job, way]
            m = {k: statistics.median(r[k] for r in rounds) for k in ("seconds", "cpu", "server_cpu", "sent", "requests")}
            span = f"{min(number / r['seconds'] for r in rounds):.0f}-{max(number / r['seconds'] for r in rounds):.0f}"
            print(f"| {way} | {number / m['seconds']:.0f} ({span}) | {mb / m['seconds']:.0f} | {m['seconds']:.1f} | {m['cpu']:.1f} | {m['server_cpu']:.1f} "
                  f"| {m['sent'] / 1e6:.0f} | {m['requests']:.0f} |")


def report_get(micodata, server, log, row):
    """What one clip takes, by the server's count."""
    print("\n| one clip's video | bytes | MB sent | requests | wall s |\n| --- | --- | --- | --- | --- |")
    out = os.path.join(tempfile.gettempdir(), f"one-clip-{os.getpid()}")
    ways = {"micodata get": [micodata, "get", SET, row["key"], "--column", "video"],
            "examples/one_clip.py": [sys.executable, os.path.join(HERE, "..", "..", "..", "examples", "one_clip.py"), SET, row["key"], "video", out]}
    for name, command in ways.items():
        before = read_counters(server, log)
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        after = read_counters(server, log)
        size = len(done.stdout) if name == "micodata get" else os.path.getsize(out)
        if size != row["video_size"]:
            sys.exit(f"{name} gave {size} bytes of {row['video_size']}")
        seconds, _, _, sent, requests = (a - b for a, b in zip(after, before))
        print(f"| {name} | {size} | {sent / 1e6:.3f} | {requests} | {seconds:.2f} |")
    os.remove(out)


def main():
    """Makes the media, measures, prints."""
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("micodata")
    args.add_argument("samples")
    args.add_argument("--copies", type=int, default=8)
    args.add_argument("--rounds", type=int, default=3)
    args.add_argument("--folder", help="where the media are kept, and found again")
    args.add_argument("--one", nargs=6, help=argparse.SUPPRESS)  # one measurement
    args = args.parse_args()
    if args.one:
        way, job, tars, server, log, result = args.one
        return measure(way, job, int(tars), int(server), log, result)

    with tempfile.TemporaryDirectory() as scratch:
        root = os.path.join(args.folder or scratch, "buckets")
        bucket = os.path.join(root, "bench")
        folder, tars, files = (os.path.join(bucket, name) for name in ("set", "tars", "files"))
        if not os.path.exists(os.path.join(folder, "manifest.json")):
            make_set(args.micodata, args.samples, folder, args.copies)
        for name in (tars, files):
            shutil.rmtree(name, ignore_errors=True)
        number = make_others(folder, tars, files)
        index = pq.read_table(os.path.join(folder, "index.parquet")).to_pylist()
        sizes = {m: sum(row[m + "_size"] for row in index) for m in EXTENSIONS}
        keys = sorted(row["key"] for row in index)
        with s3.serve(root, scratch) as (server, log):
            results = collections.defaultdict(list)
            for number_of_round in range(args.rounds):
                for job in list(JOBS)[: 3 if number_of_round == 0 else 2]:  # training takes minutes, of which reading is little
                    for way in WAYS:
                        result = os.path.join(scratch, "result.json")
                        subprocess.run([sys.executable, __file__, args.micodata, args.samples, "--one", way, job, str(number), str(server.pid), log, result], check=True)
                        with open(result, encoding="utf-8") as f:
                            got = json.load(f)
                        if got.pop("keys") != keys:
                            sys.exit(f"{way} did not read every tuple once")
                        results[job, way].append(got)
                        print(f"{way}, {job}: {got}", file=sys.stderr)
            report(results, sizes, len(keys))
            report_get(args.micodata, server.pid, log, index[len(index) // 2])
    return 0


if __name__ == "__main__":
    sys.exit(main())
