"""micodata's maps of real frames beside PyTorch's, through full-size networks: from the picture's file to the PNG.

    python parity.py ../../bin/micodata [--family omnidata] [--keep DIR]

Random weights, made the same way for both. What goldens.py does for small twins that the Go tests read is done here for
networks of full size: Pillow, torchvision's or OpenCV's resizing, PyTorch, and back to the frame's size; micodata does its own by
`models try`. Exits with 1 where depth differs by more than 2e-3 of its range, or more than 0.1% of the normals' channels by more
than one level of 255.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

import common
import dpt
import goldens

DEPTH = 2e-3  # of the range
NORMALS = 1e-3  # share of channels off by more than a level
FACING = -1 / 255  # what does not face the camera is stored as if it just did: not compared


def depth_difference(line, want):
    levels = np.asarray(Image.open(line["depth"])).astype(np.float64)
    got = line["min"] + levels / 65535 * (line["max"] - line["min"])
    return np.abs(got - want).max() / (want.max() - want.min())


def normal_difference(line, want):
    got = np.asarray(Image.open(line["normal"])).astype(np.float64) / 127.5 - 1
    off = np.abs(got - want)[want[..., 2] <= FACING] * 127.5
    return (off > 1).mean(), off.max()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("micodata")
    p.add_argument("--family", choices=dpt.FAMILIES, default="omnidata")
    p.add_argument("--keep", metavar="DIR", help="for the model and the maps; default: thrown away")
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        compare(os.path.abspath(a.micodata), a.family, a.keep or scratch)


def compare(micodata, family, out):
    name, frames = "full", common.default_pictures()
    model = os.path.join(out, name)
    if not os.path.exists(model):
        goldens.tool("dpt.py", "--random-weights", "--family", family, "-o", out, "--name", name)
        goldens.dpt_goldens(out, name, family, (384, 384), frames, tiny=False)
    maps = subprocess.run([micodata, "models", "try", name, *frames, "-o", os.path.join(out, "maps"), "--model-dir", out, "--device", "cpu"],
                          check=True, stdout=subprocess.PIPE, text=True).stdout
    bad = False
    print("| frame | depth, of its range | normals' channels off by more than a level | the worst, levels |\n| --- | --- | --- | --- |")
    for line in map(json.loads, maps.splitlines()):
        stem = os.path.basename(line["picture"]).split(".")[0]
        want = {t: np.load(os.path.join(model, "golden", f"{stem}.{t}.npy")) for t in dpt.FAMILIES[family]["normalise"]}
        depth = depth_difference(line, want["depth"])
        share, worst = normal_difference(line, want["normal"]) if "normal" in want else (0, 0)
        bad |= bool(depth > DEPTH or share > NORMALS)
        print(f"| {os.path.basename(line['picture'])} | {depth:.1e} | {share:.1e} | {worst:.2f} |")
    if bad:
        sys.exit("parity: out of bounds")


if __name__ == "__main__":
    common.run(main)
