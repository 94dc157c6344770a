#!/usr/bin/env python3
"""Reads a finished training set with the libraries that trainers use.

Usage: check.py SET

Each library reads the set with no code of micodata's and its content is
compared with the index or the manifest. One line a library; exit status 1 and
the reason at the first thing that is not as promised.
"""

import glob
import io
import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"  # nothing here is to come from elsewhere
os.environ["HF_DATASETS_OFFLINE"] = "1"

BLOBS = ["image", "video", "audio", "depth", "normal"]
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


def check_pyarrow(folder, manifest, index):
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


def check_duckdb(folder, manifest, index):
    """Counts, a filter on scalars, lengths of blobs."""
    import duckdb

    files = os.path.join(folder, "data", "*.parquet")
    db = duckdb.connect()
    ((n, seconds),) = db.sql(f"SELECT count(*), sum(duration) FROM '{files}'").fetchall()
    same("rows", n, manifest["tuples"])
    same("seconds", round(seconds, 3), round(manifest["seconds"], 3))
    median = sorted(r["brightness"] for r in index.values())[len(index) // 2]
    got = db.sql(f"SELECT key FROM '{files}' WHERE brightness >= {median!r} AND duration > 0 ORDER BY key").fetchall()
    want = sorted(r["key"] for r in index.values() if r["brightness"] >= median)
    same("filtered keys", [r[0] for r in got], want)
    for key, size in db.sql(f"SELECT key, octet_length(video.bytes) FROM '{files}'").fetchall():
        same(f"video of {key}", size, index[key]["video_size"])
    return f"{n} rows, {len(got)} of them by a filter, video lengths"


def check_polars(folder, manifest, index):
    """A lazy scan of some columns, and nested ones."""
    import polars as pl

    scan = pl.scan_parquet(os.path.join(folder, "data", "*.parquet"))
    got = scan.select("key", "text", "frame_count", pl.col("captions").list.len().alias("n"),
                      pl.col("depth").struct.field("bytes").bin.size().alias("depth_size")).collect()
    same("rows", len(got), manifest["tuples"])
    for row in got.to_dicts():
        want = index[row["key"]]
        same("row", (row["text"], row["frame_count"], row["n"], row["depth_size"]),
             (want["text"], want["frame_count"], len(want["captions"]), want["depth_size"]))
    return f"{len(got)} rows by a lazy scan, nested columns"


def check_datasets(folder, manifest, index):
    """Images decode as images, video and audio keep their features; streaming as well."""
    import datasets

    files = {split: sorted(glob.glob(os.path.join(folder, "data", split + "-*.parquet"))) for split in manifest["splits"]}
    whole = datasets.load_dataset("parquet", data_files=files)
    same("splits", {k: len(v) for k, v in whole.items()}, manifest["splits"])
    by_card = datasets.load_dataset(folder)  # by the card's YAML header
    same("splits of the card", {k: len(v) for k, v in by_card.items()}, manifest["splits"])
    images = 0
    for split, ds in whole.items():
        features = ds.features
        for name in ("image", "depth", "normal"):
            same(f"feature of {name}", type(features[name]).__name__, "Image")
        same("feature of video", type(features["video"]).__name__, "Video")
        same("feature of audio", (type(features["audio"]).__name__, features["audio"].sampling_rate), ("Audio", manifest["audio_rate"] or None))
        stream = datasets.load_dataset("parquet", data_files=files, split=split, streaming=True)
        for rows, how in ((bytes_only(ds), "loaded"), (bytes_only(stream), "streamed")):
            n = 0
            for row in rows:
                images += check_pictures(row, index[row["key"]])
                n += 1
            same(f"rows {how}", n, manifest["splits"][split])
    return f"{manifest['tuples']} rows loaded and streamed, {images} pictures decoded, video and audio typed"


def bytes_only(ds):
    """Video and Audio decode through torchcodec, which is not asked for here."""
    import datasets

    ds = ds.cast_column("video", datasets.Video(decode=False))
    return ds.cast_column("audio", datasets.Audio(decode=False))


def check_pictures(row, want):
    """Pictures and their maps have one size; returns how many decoded."""
    n = check_maps(row, want)
    for frame, place in zip(row["frames"], want["frames"]):
        n += check_maps(frame, place)
    same("video", row["video"]["bytes"][4:8], b"ftyp")
    same("audio", row["audio"] is None or row["audio"]["bytes"] is None, want["audio_size"] is None)
    return n


def check_maps(picture, want):
    """The maps of a key frame or a frame are there where the index has them, and of its size."""
    picture["image"].load()
    n = 1
    for name, mode in (("depth", "I;16"), ("normal", "RGB")):
        got = picture[name]
        same(f"{name} is null", got is None, want[name + "_size"] is None)
        if got is not None:
            same(f"mode of {name}", got.mode, mode)
            same(f"size of {name}", got.size, picture["image"].size)
            got.load()
            n += 1
    return n


def main(folder):
    """Runs all checks."""
    import pyarrow.parquet as pq

    with io.open(os.path.join(folder, "manifest.json"), encoding="utf-8") as f:
        manifest = json.load(f)
    index = {row["key"]: row for row in pq.read_table(os.path.join(folder, "index.parquet")).to_pylist()}
    same("index rows", len(index), manifest["tuples"])
    for name, check in (("pyarrow", check_pyarrow), ("duckdb", check_duckdb), ("polars", check_polars), ("datasets", check_datasets)):
        try:
            said = check(folder, manifest, index)
        except AssertionError as e:
            print(f"{name}: {e}", file=sys.stderr)
            return 1
        print(f"{name} {__import__(name).__version__}: {said}")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
