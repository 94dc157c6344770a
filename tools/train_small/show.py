"""Real frames beside what the network says of them.

    python show.py --onnx ../../models/small/small.onnx --media FOLDER --to ../../docs/models [--short-side 160]

Each row: the frame, depth (near is bright), normals (n = 2v/255 - 1). Frames are taken at fixed times, right or wrong.
"""

import argparse
import os
import subprocess

import numpy as np
import onnxruntime
from PIL import Image

from data import MEAN, STD
from evaluate import size_for

FRAMES = (
    [("sintel_a.mp4", t) for t in (3, 8, 11, 14, 17, 20)] + [("bbb_b.mp4", t) for t in (1, 5, 9, 13)] + [("tc_nasa.mp4", t) for t in (3, 8)]
)


def predict(session, frame, short):
    small = frame.resize(size_for(*frame.size, short), Image.Resampling.BILINEAR)  # Pillow's bilinear is antialiased
    x = ((np.asarray(small, np.float32) / 255 - MEAN) / STD).astype(np.float32).transpose(2, 0, 1)[None]
    depth, normal = session.run(["depth", "normal"], {"image": x})
    return depth[0, 0], normal[0].transpose(1, 2, 0)


def views(depth, normal, size):
    lo, hi = np.quantile(depth, (0.005, 0.995))
    near = 255 * (1 - np.clip((depth - lo) / max(hi - lo, 1e-6), 0, 1))
    return (
        Image.fromarray(near.astype(np.uint8)).convert("RGB").resize(size, Image.Resampling.BILINEAR),
        Image.fromarray(((normal + 1) * 127.5).astype(np.uint8)).resize(size, Image.Resampling.BILINEAR),
    )


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--onnx", required=True)
    p.add_argument("--media", required=True)
    p.add_argument("--to", required=True)
    p.add_argument("--short-side", type=int, default=128)
    p.add_argument("--width", type=int, default=256)
    a = p.parse_args()
    session = onnxruntime.InferenceSession(a.onnx, providers=["CPUExecutionProvider"])
    os.makedirs(a.to, exist_ok=True)
    rows = {}
    for name, t in FRAMES:
        ppm = subprocess.run(
            [
                "ffmpeg",
                "-v",
                "error",
                "-ss",
                str(t),
                "-i",
                os.path.join(a.media, name),
                "-map",
                "0:v:0",
                "-frames:v",
                "1",
                "-f",
                "image2pipe",
                "-c:v",
                "ppm",
                "-",
            ],
            check=True,
            capture_output=True,
        ).stdout
        w, h = (int(v) for v in ppm.split(b"\n", 2)[1].split())
        frame = Image.frombytes("RGB", (w, h), ppm[-w * h * 3 :])
        size = (a.width, round(a.width * h / w))
        parts = [frame.resize(size, Image.Resampling.LANCZOS), *views(*predict(session, frame, a.short_side), size)]
        row = Image.new("RGB", (3 * a.width + 8, size[1] + 4), "white")
        for i, part in enumerate(parts):
            row.paste(part, (i * (a.width + 4), 2))
        rows.setdefault(name.split("_")[0], []).append(row)
    for name, r in rows.items():
        sheet = Image.new("RGB", (r[0].width, sum(v.height for v in r)), "white")
        y = 0
        for v in r:
            sheet.paste(v, (0, y))
            y += v.height
        sheet.save(os.path.join(a.to, f"small-{name}.jpg"), quality=82)


if __name__ == "__main__":
    main()
