#!/usr/bin/env python3
"""Reads finished training sets by the examples, from a folder and from S3.

Usage: check.py [--full] FOLDER SET...

Each SET is a folder in FOLDER, which is served as a bucket. Every example reads
every set with no code of micodata's, and what it gives is compared with the index
or the manifest. One line a check; exit status 1 and the reason at the first thing
that is not as promised. --full also checks what takes PyTorch, torchcodec or Spark.
"""

import argparse
import io
import json
import math
import os
import subprocess
import sys
import tempfile

import s3

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples")
sys.path.insert(0, EXAMPLES)
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"  # nothing is to come from elsewhere; offline mode would refuse S3 too
os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"

BLOBS = ["image", "video", "audio", "depth", "normal"]
MAPS = ["image", "depth", "normal"]
STRUCT = "struct<bytes: binary, path: string>"
COLUMNS = """key clip_id source_id source_uri source_sha256 title license start end text captions subtitles
image image_time video audio depth depth_meta normal normal_meta frames width height fps frame_count video_codec
audio_rate audio_channels audio_offset_ms motion sharpness brightness phash silence duration status""".split()
TYPES = {
    "key": "string",
    "start": "double",
    "captions": "list<element: struct<text: string, kind: string, model: string, lang: string, score: float>>",
    "subtitles": "list<element: struct<start: double, end: double, text: string, lang: string>>",
    "image_time": "double",
    "depth_meta": "struct<model: string, weights_sha256: string, kind: string, min: float, max: float>",
    "normal_meta": "struct<model: string, weights_sha256: string>",
    "frames": f"list<element: struct<time: double, image: {STRUCT}, depth: {STRUCT}, normal: {STRUCT}>>",
    "width": "int32",
    "phash": "int64",
    "status": "list<element: struct<stage: string, error_class: string, error: string>>",
} | {name: STRUCT for name in BLOBS}


def same(what, got, want):
    """Raises an error unless got is want."""
    if got != want:
        raise AssertionError(f"{what}: {got!r}, want {want!r}")


def check_format(folder, manifest, index):
    """Types, feature metadata, checksums, values, and blobs by the index's offsets."""
    import pyarrow.parquet as pq

    rows = 0
    for shard in manifest["shards"]:
        path = os.path.join(folder, shard["name"])
        f = pq.ParquetFile(path, page_checksum_verification=True)
        schema = f.schema_arrow
        same("columns", schema.names, COLUMNS)
        for name, kind in TYPES.items():
            got = str(schema.field(name).type).replace("item:", "element:")
            same(f"type of {name}", got, kind)
        features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        same("features", sorted(features), sorted(COLUMNS))
        same("video", features["video"], {"_type": "Video"})
        same("audio", features["audio"].get("sampling_rate"), manifest["audio_rate"] or None)
        same("row groups", [f.metadata.row_group(i).num_rows for i in range(f.num_row_groups)], shard["row_groups"])
        check_physical(f.metadata)
        with open(path, "rb") as raw:
            for row in f.read().to_pylist():
                want = index[row["key"]]
                same("shard", want["shard"], shard["name"])
                same(f"text of {row['key']}", row["text"], want["text"])
                check_blobs(raw, row, want)
                rows += 1
    same("rows", rows, manifest["tuples"])
    check_checksums(folder, next(iter(index.values())))
    return f"{rows} rows, every blob stands where the index says, a flipped bit is seen by the pages' checksums"


def check_checksums(folder, row):
    """A bit that flips in a blob fails a reader that verifies, and only that one."""
    import pyarrow.parquet as pq

    with open(os.path.join(folder, row["shard"]), "rb") as f:
        flipped = bytearray(f.read())
    flipped[row["video_offset"] + row["video_size"] // 2] ^= 1
    pq.ParquetFile(io.BytesIO(flipped)).read(["video.bytes"])
    try:
        pq.ParquetFile(io.BytesIO(flipped), page_checksum_verification=True).read(["video.bytes"])
    except OSError as e:
        same("the error names the checksum", "CRC checksum" in str(e), True)
        return
    raise AssertionError("a flipped bit of a video went unseen: its page has no checksum")


def check_physical(metadata):
    """Blob leaves plain, uncompressed, without statistics; the others zstd."""
    for g in range(metadata.num_row_groups):
        for c in range(metadata.num_columns):
            col = metadata.row_group(g).column(c)
            blob = col.path_in_schema.endswith(".bytes")
            same(f"compression of {col.path_in_schema}", col.compression, "UNCOMPRESSED" if blob else "ZSTD")
            same(f"dictionary of {col.path_in_schema}", col.has_dictionary_page, False)
            if blob:
                same(f"statistics of {col.path_in_schema}", col.is_stats_set, False)


def check_blobs(raw, row, want):
    """One range of the file is the blob."""

    def at(offset, size):
        if offset is None:
            return None
        raw.seek(offset)
        return raw.read(size)

    for name in BLOBS:
        got = row[name] and row[name]["bytes"]
        same(f"{name} of {row['key']}", at(want[name + "_offset"], want[name + "_size"]) == got, True)
    same(f"frames of {row['key']}", len(row["frames"]), len(want["frames"]))
    for frame, place in zip(row["frames"], want["frames"]):
        same("time of a frame", frame["time"], place["time"])
        for name in ("image", "depth", "normal"):
            got = frame[name] and frame[name]["bytes"]
            same(f"{name} of a frame", at(place[name + "_offset"], place[name + "_size"]) == got, True)


def check_pyarrow(location, manifest, index):
    """Every tuple once, pictures and maps of one size, sound of the clip's length; a filter."""
    import pyarrow.dataset as ds
    import pyarrow_read

    keys = []
    for row in pyarrow_read.rows(location, ["key", "image", "depth", "normal", "audio", "text"]):
        want = index[row["key"]]
        keys.append(row["key"])
        check_maps({name: pyarrow_read.picture(row[name]) for name in MAPS}, want)
        same("text", row["text"], want["text"])
        if row["audio"] is not None:
            check_sound(row["key"], *flac(row["audio"]["bytes"]), want)
    same("keys", sorted(keys), sorted(index))
    got = [r["key"] for r in pyarrow_read.rows(location, ["key"], ds.field("frame_count") >= 60)]
    same("filtered keys", sorted(got), sorted(k for k, r in index.items() if r["frame_count"] >= 60))
    return f"{len(keys)} tuples, maps of the pictures' size, sound of the clips' length, {len(got)} by a filter"


def flac(data):
    """Samples and rate by FLAC's own header."""
    same("FLAC", data[:4], b"fLaC")
    bits = int.from_bytes(data[18:26], "big")  # 20 of rate, 3 of channels, 5 of sample size, 36 of samples
    return bits & (1 << 36) - 1, bits >> 44


def check_sound(key, samples, rate, want):
    """The clip's length, to a sample."""
    same(f"rate of {key}", rate, want["audio_rate"])
    length = round((want["end"] - want["start"]) * rate)
    same(f"{key} has {length} samples, or one more or less: {samples}", abs(samples - length) <= 1, True)


def check_duckdb(location, manifest, index):
    """Counts, a filter on scalars, lengths of blobs."""
    import duckdb_read

    db = duckdb_read.connect(location)
    ((n, seconds),) = db.sql("SELECT count(*), sum(duration) FROM tuples").fetchall()
    same("rows", n, manifest["tuples"])
    same("seconds", round(seconds, 3), round(manifest["seconds"], 3))
    median = sorted(r["brightness"] for r in index.values())[len(index) // 2]
    got = db.sql(f"SELECT key FROM tuples WHERE brightness >= {median!r} AND duration > 0 ORDER BY key").fetchall()
    want = sorted(r["key"] for r in index.values() if r["brightness"] >= median)
    same("filtered keys", [r[0] for r in got], want)
    wrong = db.sql("SELECT count(*) FROM tuples JOIN places USING (key) WHERE octet_length(video.bytes) IS DISTINCT FROM video_size").fetchall()
    same("videos of other lengths than the index has", wrong, [(0,)])
    return f"{n} tuples, {len(got)} of them by a filter, video lengths"


def check_polars(location, manifest, index):
    """A lazy scan of some columns, and nested ones."""
    import polars as pl
    import polars_read

    got = polars_read.scan(location).select("key", "text", "frame_count", pl.col("captions").list.len().alias("n"),
                                            pl.col("depth").struct.field("bytes").bin.size().alias("depth_size")).collect()
    same("rows", len(got), manifest["tuples"])
    same("bytes of video by the index", polars_read.index(location).select("video_size").collect()["video_size"].sum(),
         sum(r["video_size"] or 0 for r in index.values()))
    for row in got.to_dicts():
        want = index[row["key"]]
        same("row", (row["text"], row["frame_count"], row["n"], row["depth_size"]),
             (want["text"], want["frame_count"], len(want["captions"]), want["depth_size"]))
    return f"{len(got)} tuples by a lazy scan, nested columns"


def check_one_clip(location, manifest, index):
    """A blob by its place is the blob that a scan finds."""
    import one_clip
    import pyarrow_read

    row = next(pyarrow_read.rows(location, ["key", *BLOBS]))
    for name in BLOBS:
        same(f"{name} of {row['key']}", one_clip.fetch(location, row["key"], name) == (row[name] and row[name]["bytes"]), True)
    same("no such tuple", one_clip.fetch(location, "nobody.00000", "video"), None)
    return f"{len(BLOBS)} blobs of a tuple"


def check_datasets(location, manifest, index, decode=False):
    """Loaded and streamed: every tuple once, pictures decoded, and with torchcodec video and sound too."""
    import datasets
    import datasets_read

    pictures = 0
    for split, n in manifest["splits"].items():
        if n == 0:
            continue
        for streaming in (False, True):
            ds = datasets_read.load(location, split, streaming, decode)
            for name in MAPS:
                same(f"feature of {name}", type(ds.features[name]).__name__, "Image")
            same("feature of video", ds.features["video"], datasets.Video(decode=decode))
            same("feature of audio", ds.features["audio"], datasets.Audio(sampling_rate=manifest["audio_rate"] or None, decode=decode))
            keys = []
            for row in ds:
                keys.append(row["key"])
                pictures += check_row(row, index[row["key"]], decode)
            same(f"keys, streaming={streaming}", len(keys), n)
            same(f"keys, streaming={streaming}", len(set(keys)), n)
    if "://" not in location:
        with tempfile.TemporaryDirectory() as cache:  # its own takes folders of one name for one set
            card = datasets.load_dataset(location, cache_dir=cache)  # by the card's YAML header
            same("splits of the card", {k: len(v) for k, v in card.items()}, {k: n for k, n in manifest["splits"].items() if n})
    return f"{manifest['tuples']} tuples loaded and streamed, {pictures} pictures decoded, video and sound {'decoded' if decode else 'typed'}"


def check_row(row, want, decode):
    """Pictures and their maps have one size, video and sound the clip's length; returns how many pictures decoded."""
    import datasets_read

    n = check_maps(row, want)
    for frame, place in zip(row["frames"], want["frames"]):
        n += check_maps(frame, place)
    image, depth, _ = datasets_read.arrays(row)
    if depth is not None:
        low, high = sorted((want["depth_meta"]["min"], want["depth_meta"]["max"]))
        same(f"depth of {row['key']} is within its range", low - 1e-3 <= depth.min() <= depth.max() <= high + 1e-3, True)
    if not decode:
        same("video", row["video"]["bytes"][4:8], b"ftyp")
        same("audio", row["audio"] is None or row["audio"]["bytes"] is None, want["audio_size"] is None)
        return n
    same(f"frames of {row['key']}", len(row["video"]), want["frame_count"])
    same(f"last frame of {row['key']}", tuple(row["video"][-1].shape), (3, want["height"], want["width"]))
    sound = datasets_read.sound(row)
    same(f"{row['key']} is silent", sound is None, want["audio_size"] is None)
    if sound is not None:
        check_sound(row["key"], sound[0].shape[1], sound[1], want)
    return n


def check_maps(picture, want):
    """The maps of a key frame or a frame are there where the index has them, and of its size."""
    n = 0
    for name, mode in (("image", "RGB"), ("depth", "I;16"), ("normal", "RGB")):
        got = picture[name]
        same(f"{name} is null", got is None, want[name + "_size"] is None)
        if got is not None:
            same(f"mode of {name}", got.mode, mode)
            same(f"size of {name}", got.size, picture["image"].size)
            got.load()
            n += 1
    return n


def check_decoded(location, manifest, index):
    """As check_datasets, through torchcodec."""
    return check_datasets(location, manifest, index, decode=True)


class Bytes:
    """Leaves tuples as they come."""

    def __call__(self, row, chance):
        return row


def check_torch(location, manifest, index):
    """Workers read every tuple once an epoch and what they read is the tuple's; ranks share evenly; a network trains."""
    import pickle

    import one_clip
    import torch_train

    want = sorted(k for k, r in index.items() if all(r[m + "_size"] for m in MAPS))
    for by in ("rowgroup", "range"):
        steps = list(torch_train.train(location, by, workers=2, epochs=2, size=64))
        orders = [[k for epoch, keys, _ in steps for k in keys if epoch == e] for e in (0, 1)]
        for order in orders:
            same(f"keys by {by}", sorted(order), want)
        same("both epochs have one order", orders[0] == orders[1], False)
        same("losses are finite", all(math.isfinite(loss) for *_, loss in steps), True)
        with tempfile.TemporaryDirectory() as scratch:
            for world in (2, 3):
                data = [torch_train.Tuples(location, Bytes(), scratch, by=by, rank=rank, world=world) for rank in range(world)]
                ranks = [list(rank) for rank in data]
                keys = [row["key"] for rank in ranks for row in rank]
                same(f"tuples of {world} ranks by {by}", [len(rank) for rank in ranks], [len(want) // world] * world)
                same(f"lengths of {world} ranks by {by}", [len(rank) for rank in data], [len(want) // world] * world)
                same(f"keys of {world} ranks by {by} occur once", len(set(keys) & set(want)), len(want) // world * world)
            ranks = [list(torch_train.Tuples(location, Bytes(), scratch, by=by))]
            same("a worker gets little", len(pickle.dumps(data[0])) < 2000 + 8 * len(data[0].counts) + 100 * len(data[0].shards), True)
        same(f"keys of one rank by {by}", sorted(row["key"] for row in ranks[0]), want)
        for row in ranks[0]:
            same(f"text of {row['key']} by {by}", row["text"], index[row["key"]]["text"])
        for row in ranks[0][:3]:
            for m in MAPS:
                same(f"{m} of {row['key']} by {by}", row[m] == one_clip.fetch(location, row["key"], m), True)
        for row in ranks[0][:3]:
            image, depth, normal = torch_train.decode(row)
            same("sizes", (depth.shape[1:], normal.shape[1:]), (image.shape[1:],) * 2)
            same("normals have unit length", abs(normal.norm(dim=0) - 1).mean().item() < 0.02, True)
    return f"{len(want)} tuples, once in each of 2 epochs by 2 workers, by row groups and by ranges, shared evenly by ranks; a network trained"


def check_open_shards():
    """Of a set of many shards few are open at once, and a row group that lies in two batches of the index is one."""
    import weakref

    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    import torch_train

    class File:
        def read_at(self, size, offset):
            return b"x" * size

    class Files:
        alive, most = weakref.WeakSet(), 0

        def open_input_file(self, path):
            f = File()
            self.alive.add(f)
            self.most = max(self.most, len(self.alive))
            return f

    shards, groups, rows = 500, 2, 150
    n = shards * groups * rows
    numbers = np.arange(n)
    meta = pa.array([{"model": "", "weights_sha256": "", "kind": "", "min": 0.0, "max": 1.0}]).take(pa.array(np.zeros(n, np.int32)))
    table = pa.table({"key": numbers.astype(str), "text": [""] * n, "depth_meta": meta,
                      "shard": [f"data/train-{i // groups // rows:05}.parquet" for i in numbers],
                      "row_group": (numbers // rows % groups).astype(np.int32), "row": numbers % (groups * rows),
                      "image_offset": numbers, "image_size": np.ones(n, np.int64)})
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(table, os.path.join(folder, "index.parquet"))
        data = torch_train.Tuples(folder, Bytes(), folder, modalities=["image"], by="range")
        same("tuples of row groups", (len(data.counts), set(data.counts.tolist())), (shards * groups, {rows}))
        files = Files()
        with pa.memory_map(data.index) as f:
            read = sum(1 for _ in data.blobs(files, "", pa.ipc.open_file(f).read_all(), 0, 3000))
        same("tuples read", read, 3000)
        same(f"shards open at once: {files.most}", files.most <= torch_train.OPEN_SHARDS + 16, True)
    return f"3000 tuples of {shards} shards in random order, {files.most} of them open at once"


def check_crops():
    """Pictures that hold their own coordinates, cropped: all three still agree on them, and normals turned where flipped."""
    import random

    import torch
    import torch_train

    y, x = torch.meshgrid(torch.linspace(0, 1, 120), torch.linspace(0, 1, 160), indexing="ij")
    flips = 0
    for seed in range(40):
        # A surface that faces more to the right, and down, the further right and down it is.
        normal = torch.nn.functional.normalize(torch.stack([x, y, -torch.ones_like(x)]), dim=0)
        image, depth, normal = torch_train.crop_alike(torch.stack([x, y, x]), x[None] + 2 * y, normal, 48, random.Random(seed))
        same("sizes", (tuple(image.shape), tuple(depth.shape), tuple(normal.shape)), ((3, 48, 48), (1, 48, 48), (3, 48, 48)))
        flipped = bool(image[0, 0, 0] > image[0, 0, -1])
        flips += flipped
        sign = -1 if flipped else 1
        for what, got, want in (("depth", depth[0], image[0] + 2 * image[1]), ("normals' x", normal[0] / -normal[2], sign * image[0]),
                                ("normals' y", normal[1] / -normal[2], image[1])):
            same(f"{what} with crop {seed} is off by {(got - want).abs().max():.4f}", (got - want).abs().max().item() < 0.01, True)
    same("some crops are flipped, some are not", 0 < flips < 40, True)
    return f"40 crops, {flips} of them flipped: picture, depth and normals agree to a hundredth"


def check_spark(location, manifest, index):
    """Counts, a filter on scalars, lengths of blobs."""
    import spark_read
    from pyspark.sql import functions as F

    spark = spark_read.session()
    spark.sparkContext.setLogLevel("ERROR")
    df = spark_read.tuples(spark, location)
    rows = df.select("key", "text", F.length("video.bytes").alias("video"), F.length("depth.bytes").alias("depth"), F.size("frames").alias("frames")).collect()
    same("rows", sorted((r.key, r.text, r.video, r.depth, r.frames) for r in rows),
         sorted((k, r["text"], r["video_size"], r["depth_size"], len(r["frames"])) for k, r in index.items()))
    got = df.where("duration >= 2 AND size(status) = 0").select("key").collect()
    same("filtered keys", sorted(r.key for r in got), sorted(k for k, r in index.items() if r["duration"] >= 2 and not r["status"]))
    return f"{len(rows)} tuples, {len(got)} of them by a filter, lengths of blobs"


def spark_read_has_java():
    """Says so where Spark can't be checked."""
    import spark_read

    if not spark_read.java():
        print("spark_read: skipped, there is no Java (apt install openjdk-17-jre-headless)")
    return spark_read.java()


def version(module):
    """A library's version."""
    from importlib.metadata import version

    return version(module)


def main():
    """Runs all checks."""
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--full", action="store_true")
    args.add_argument("folder")
    args.add_argument("sets", nargs="+")
    args = args.parse_args()
    # name, what its version is of, the check, whether S3 is for it too
    checks = [("format", "pyarrow", check_format, False), ("pyarrow_read", "pyarrow", check_pyarrow, True), ("one_clip", "pyarrow", check_one_clip, True),
              ("duckdb_read", "duckdb", check_duckdb, True), ("polars_read", "polars", check_polars, True), ("datasets_read", "datasets", check_datasets, True)]
    if args.full:
        checks[-1:] = [("datasets_read", "datasets", check_decoded, True), ("torch_train", "torch", check_torch, True)]
        if spark_read_has_java():
            checks.append(("spark_read", "pyspark", check_spark, False))
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HF_HOME"] = os.path.join(scratch, "huggingface")
        os.mkdir(os.path.join(scratch, "s3"))
        try:
            if args.full:
                print(f"torch_train {version('torch')}: {check_crops()}")
                print(f"torch_train {version('torch')}: {check_open_shards()}")
            with s3.serve(args.folder, os.path.join(scratch, "s3")):
                for name in args.sets:
                    check(os.path.join(args.folder, name), name, checks)
                for name in args.sets:
                    run_examples(args.folder, name, checks[1:])
        except AssertionError as e:
            print(e, file=sys.stderr)
            return 1
    return 0


def run_examples(folder, name, checks):
    """The examples also run as programs, as a user would start them."""
    ran = []
    for reader, _, _, remote in checks:
        if reader == "torch_train" and not trainable(os.path.join(folder, name)):
            continue
        location = "s3://" + name if remote else os.path.join(folder, name)
        args = [location]
        if reader == "one_clip":
            import pyarrow_read

            args += [next(pyarrow_read.rows(location, ["key"]))["key"], "video", os.devnull]
        if reader == "torch_train":
            args += ["--epochs", "1"]
        done = subprocess.run([sys.executable, os.path.join(EXAMPLES, reader + ".py"), *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        same(f"exit status of {reader}.py, which said {done.stdout}", done.returncode, 0)
        same(f"{reader}.py says something", done.stdout.strip() != "", True)
        ran.append(reader + ".py")
    print(f"as programs on {name}: " + " ".join(ran))


def trainable(folder):
    """Whether a set has maps to train on."""
    import pyarrow.parquet as pq

    return pq.read_table(os.path.join(folder, "index.parquet"), columns=["depth_size"])["depth_size"].null_count == 0


def check(folder, name, checks):
    """Runs the checks on a set, in its folder and in its bucket."""
    import pyarrow.parquet as pq

    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as f:
        manifest = json.load(f)
    index = {row["key"]: row for row in pq.read_table(os.path.join(folder, "index.parquet")).to_pylist()}
    same("index rows", len(index), manifest["tuples"])
    for reader, module, run, remote in checks:
        if reader == "torch_train" and not trainable(folder):
            continue
        for location in [folder, "s3://" + name][: 2 if remote else 1]:
            try:
                said = run(location, manifest, index)
            except AssertionError as e:
                raise AssertionError(f"{reader}, {location}: {e}") from e
            print(f"{reader} {version(module)}, {'S3' if location != folder else 'local'}: {said}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
