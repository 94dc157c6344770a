"""Makes golden.json.gz: what Pillow, PyTorch and OpenCV make of noise of many sizes.

    python -m venv venv && venv/bin/pip install numpy==2.4.6 pillow==12.2.0 opencv-python-headless==5.0.0.93 torch==2.15.0
    venv/bin/python make_golden.py

Pillow 13 goes along the columns first where the height shrinks much more than the width (pull request 9549), so that some pixels
differ by a level or a few. The models' authors had Pillow 9 to 11; 9.5.0, 11.3.0 and 12.2.0 give equal bytes.
The file is committed; run this only to change it. The sources are not in it: noise() is in the Go test too.
"""

import base64
import gzip
import hashlib
import json
import pathlib

import cv2
import numpy as np
import PIL
import torch
from PIL import Image

HERE = pathlib.Path(__file__).parent

# From width and height to width and height: larger, smaller, odd, one axis only, and sides of one pixel.
SIZES = [
    (16, 12, 16, 12), (16, 12, 40, 30), (40, 30, 16, 12), (37, 23, 17, 29), (17, 29, 37, 23), (64, 5, 8, 5), (8, 5, 64, 5),
    (5, 64, 5, 8), (5, 8, 5, 64), (1, 1, 7, 5), (7, 5, 1, 1), (1, 9, 6, 4), (9, 1, 4, 6), (3, 3, 2, 2), (2, 2, 3, 3), (50, 50, 7, 49),
]
LARGE = [(640, 360, 256, 192), (320, 180, 384, 384), (641, 363, 224, 224)]


def noise(n):
    """n numbers of 32 bits of a linear congruential generator."""
    out, x = np.empty(n, np.uint32), 1
    for i in range(n):
        x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = x
    return out


def pillow(kernel, sw, sh, dw, dh):
    src = Image.fromarray((noise(3 * sw * sh) >> 24).astype(np.uint8).reshape(sh, sw, 3))
    return np.asarray(src.resize((dw, dh), {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}[kernel]))


def floats(sw, sh):
    return ((noise(sw * sh) >> 8).astype(np.float32) / np.float32(1 << 24)).reshape(sh, sw)


def pytorch(kernel, sw, sh, dw, dh):
    x = torch.from_numpy(floats(sw, sh))[None, None]
    return torch.nn.functional.interpolate(x, (dh, dw), mode=kernel, antialias=True, align_corners=False)[0, 0].numpy()


def opencv(kernel, sw, sh, dw, dh):
    how = {"bilinear": cv2.INTER_LINEAR, "bicubic-opencv": cv2.INTER_CUBIC}[kernel]
    return cv2.resize(floats(sw, sh), (dw, dh), interpolation=how)


def main():
    cases = []
    for library, run, kernels in (
        ("pillow", pillow, ("bilinear", "bicubic")),
        ("pytorch", pytorch, ("bilinear", "bicubic")),
        ("opencv", opencv, ("bilinear", "bicubic-opencv")),
    ):
        for kernel in kernels:
            for size in SIZES + (LARGE if library == "pillow" else []):
                out = run(kernel, *size)
                case = {"library": library, "kernel": kernel, "size": size}
                if size in LARGE:
                    case["sha256"] = hashlib.sha256(out.tobytes()).hexdigest()
                else:
                    case["out"] = base64.b64encode(out.tobytes()).decode()
                cases.append(case)
    made_by = f"Pillow {PIL.__version__}, PyTorch {torch.__version__}, OpenCV {cv2.__version__}"
    text = json.dumps({"made_by": made_by, "cases": cases})
    (HERE / "golden.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    print(made_by, len(cases), "cases")


main()
