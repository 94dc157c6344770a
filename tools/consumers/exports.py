#!/usr/bin/env python3
"""Reads exports of a training set by the rules of the trainers' own loaders.

Usage: exports.py FORMAT FOLDER

What a loader would take for something else without a word (silence, another
clip, a white picture) is an error here. One line; exit status 1 and the reason at
the first thing that is not as a loader wants it.
"""

import glob
import io
import json
import os
import sys
import wave

import numpy as np
from PIL import Image

LINK = "datasets/micodata/"


def same(what, got, want):
    """Raises an error unless got is want."""
    if got != want:
        raise AssertionError(f"{what}: {got!r}, want {want!r}")


def read(folder, name):
    """A JSON file of an export."""
    with open(os.path.join(folder, name), encoding="utf-8") as f:
        return json.load(f)


def local(folder, path, link=LINK):
    """The file behind a path as configurations and lists have it."""
    same("start of " + path, path.startswith(link), True)
    return os.path.join(folder, path[len(link):])


def wav(path):
    """Sound is 16-bit PCM of at least one window of a spectrogram."""
    with wave.open(path) as f:
        same("sample width of " + path, f.getsampwidth(), 2)
        same("length of " + path, f.getnframes() >= 0.025 * f.getframerate(), True)
        same("bytes of " + path, len(f.readframes(f.getnframes())), f.getnframes() * f.getnchannels() * 2)


def picture(path):
    """What Pillow makes of a map for a loader is what is stored: 8 bits, three channels."""
    with Image.open(path) as img:
        same("mode of " + path, img.mode, "RGB")
        return np.asarray(img.convert("RGB"))


def annoindexed(folder, d, link=LINK, sound=".wav"):
    """A set of a configuration, as MiCo's, VAST's and GRAM's AnnoIndexedDataset find its files."""
    rows = read(folder, d["txt"][len(link):])
    for row in rows:
        name = next(row[k] for k in ("clip_id", "video_id", "image_id", "image", "id") if k in row)
        same("type of the id", (type(name), "." in name), (str, False))
        same("type of desc", type(row["desc"]), str)
        same("empty desc", row["desc"] == "", d["task"].startswith("cap%"))
        same("subtitle in each row", type(row.get("subtitle")), str)
        if "vision" in d:
            path = os.path.join(local(folder, d["vision"], link), name + ".mp4")
            same("video of " + name, open(path, "rb").read(12)[4:8], b"ftyp")
        if "audio" in d:
            path = os.path.join(local(folder, d["audio"], link), name + sound)
            same("sound of " + name, os.path.getsize(path) > 0, True)
            if sound == ".wav":
                wav(path)
    same("rows", len(rows) >= d["batch_size"] or not d["training"], True)
    return len(rows)


def configured(folder, link=LINK, sound=".wav"):
    """All sets of all configurations."""
    n = 0
    configs = sorted(glob.glob(os.path.join(folder, "configs", "*.json")))
    same("some configurations", len(configs) > 0, True)
    for config in configs:
        data = read(folder, os.path.join("configs", os.path.basename(config)))["data_cfg"]
        n += sum(annoindexed(folder, d, link, sound) for d in list(data["train"]) + list(data["val"]))
    return f"{n} rows of {len(configs)} configurations"


def check_mico(folder):
    """Rows, files, and the two forms of depth."""
    said = configured(folder)
    twins = sorted(glob.glob(os.path.join(folder, "depth", "*.png")))
    for path in twins:
        with Image.open(path.replace("/depth/", "/depth16/")) as img:
            same("mode of the lossless depth", img.mode, "I;16")
            full = np.asarray(img).astype(np.float64)
        want = np.repeat(np.rint(full / 257).astype(np.uint8)[:, :, None], 3, axis=2)
        same("the twin of " + path, bool((picture(path) == want).all()), True)
        picture(path.replace("/depth/", "/normal/"))
    same("some maps", len(twins) > 0, True)
    return f"{said}, {len(twins)} maps in 8 and in 16 bits"


def check_vast(folder):
    """The captioners' inputs."""
    return configured(folder)


def check_gram(folder):
    """Rows, MP3, depth arrays."""
    link = "datasets/vast_micodata/"
    said = configured(folder, link, ".mp3")
    shapes = set()
    for row in read(folder, "annotations/train.json"):
        depth = np.load(os.path.join(folder, "depth", row["clip_id"] + "_depth.npy"))
        pixels = depth.transpose(0, 3, 1, 2) / 255.0
        same("depth", (depth.dtype, depth.ndim, depth.shape[3], pixels.max() <= 1), (np.dtype("uint8"), 4, 3, True))
        shapes.add(depth.shape[0])
    same("one number of pictures", len(shapes), 1)
    return f"{said}, depth of {shapes.pop()} pictures a clip"


def check_onellm(folder):
    """Pictures and videos, and pairs of pictures, opened and resized as load_rgbx does."""
    n = 0
    for name in ("image", "video"):
        for row in read(folder, f"annotations/{name}.train.json"):
            same("keys", sorted(row), ["conversations", "id", "image"])
            path = local(folder, row["image"])
            if name == "image":
                Image.open(path).convert("RGB")
            else:
                same("video " + path, open(path, "rb").read(12)[4:8], b"ftyp")
            n += 1
    for name in ("depth", "normal"):
        for row in read(folder, f"annotations/{name}.train.json"):
            same("one map a row", ("depth_image" in row, "normal_image" in row), (name == "depth", name == "normal"))
            image = Image.open(local(folder, row["image"])).convert("RGB")
            same("size of the map", picture(local(folder, row[name + "_image"])).shape, (image.size[1], image.size[0], 3))
            same("roles", [t["from"] for t in row["conversations"]], ["human", "gpt"])
            n += 1
    same("some rows", n > 0, True)
    return f"{n} pictures, videos and pairs of pictures"


def check_meta_transformer(folder):
    """Lists as pandas and AST read them."""
    import pandas

    n = 0
    for name in ("train", "pretrain"):
        rows = pandas.read_csv(os.path.join(folder, "video", name + ".csv"), header=None, delimiter=" ")
        same("columns", rows.shape[1], 3 if name == "pretrain" else 2)
        for path in rows[0]:
            same("video " + path, os.path.getsize(local(folder, path)) > 0, True)
            n += 1
    classes = set(pandas.read_csv(os.path.join(folder, "audio", "class_labels_indices.csv"))["mid"])
    for row in read(folder, "audio/train.json")["data"]:
        wav(local(folder, row["wav"]))
        same("labels", set(row["labels"].split(",")) <= classes, True)
        n += 1
    return f"{n} lines of lists"


def check_webdataset(folder):
    """Samples as the library makes them, with its own decoders."""
    import webdataset as wds

    n = 0
    captions = read(folder, "captions.json")
    for split in ("train", "validation", "test"):
        if not os.path.exists(os.path.join(folder, f"tars.{split}.json")):
            continue
        tars = [local(folder, t) for t in read(folder, f"tars.{split}.json")]
        for s in wds.WebDataset(tars, shardshuffle=False).decode("pilrgb"):
            same("dots in the key", "." in s["__key__"], False)
            same("id", s["json"]["id"], s["__key__"])
            same("text", s["json"]["text"], s["txt"])
            same("video", s["mp4"][4:8], b"ftyp")
            same("size of depth", s["depth.png"].size, s["jpg"].size)
            same("size of normals", s["normal.png"].size, s["jpg"].size)
            full = np.asarray(Image.open(io.BytesIO(s["depth16"]))).astype(np.float64)
            same("levels of depth", np.array_equal(np.asarray(s["depth.png"])[:, :, 0], np.rint(full / 257)), True)
            same("white depth", np.asarray(s["depth.png"]).min() < 255, True)
            same("caption", captions.get(s["__key__"], "") != "", s["txt"] != "")
            n += 1
    same("samples", n, read(folder, "export.json")["clips"])
    return f"{n} samples by webdataset {wds.__version__}"


def main(kind, folder):
    """Runs the check of a format."""
    try:
        print(f"{kind}: {globals()['check_' + kind.replace('-', '_')](folder)}")
    except (AssertionError, OSError, KeyError) as e:
        print(f"{kind}: {e!r}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
