"""Batches from the rendered store: views, flips and colour changes, made by a thread ahead of the training step.

One compiled pass a picture: on two cores the tensor library's own small operations would cost as much as the training.
"""

import glob
import math
import os
import queue
import threading

import numpy as np
import torch
from numba import njit

MEAN, STD = (0.45, 0.43, 0.41), (0.27, 0.27, 0.28)


class Store:
    """Rendered pictures by number. Read, not mapped: here page faults took five times as long as reads."""

    def __init__(self, folder):
        self.chunks, self.where = [], []
        for name in sorted(glob.glob(f"{folder}/rgb-*.npy")):
            maps = [np.load(name.replace("rgb-", kind), mmap_mode="r") for kind in ("rgb-", "depth-", "normal-")]
            self.chunks.append([(os.open(m.filename, os.O_RDONLY), m.offset, m.shape[1:], m.dtype, m[0].nbytes) for m in maps])
            self.where += [(len(self.chunks) - 1, i) for i in range(len(maps[0]))]

    def __len__(self):
        return len(self.where)

    def __getitem__(self, k):
        """(rgb u8 [h,w,3], depth f16 [h,w], normal i8 [h,w,3])"""
        chunk, i = self.where[k]
        return [np.frombuffer(os.pread(fd, n, at + i * n), dtype).reshape(shape) for fd, at, shape, dtype, n in self.chunks[chunk]]


def normalise(image):
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    return (image - mean) / std


@njit(cache=True, nogil=True)  # no fastmath: sky is inf
def view(rgb, depth, normal, top, left, ch, cw, flip, colour, curve, noise, seed, x, target, normal_out, weights):
    """One view into its place in the batch.

    colour: 3x4, applied after the tone curve (256 entries). target: log of depth in medians, at most log 4.
    weights: 0 measurable depth, 1 merely far (sky, beyond 4 medians; letterbox bars a little), 2 normals.
    """
    h, w = target.shape
    rows, cols = np.empty((2, h), np.int64), np.empty((2, w), np.int64)
    for k in range(2):  # two samples a side: smooth when the view is larger than the batch's pictures
        for i in range(h):
            rows[k, i] = top + int((i + 0.25 + 0.5 * k) * ch / h)
        for j in range(w):
            cols[k, j] = left + int(((w - 1 - j if flip else j) + 0.25 + 0.5 * k) * cw / w)
    seen, n = np.empty(h * w // 9 + h + w, np.float32), 0
    for i in range(0, h, 3):
        for j in range(0, w, 3):
            d = depth[rows[0, i], cols[0, j]]
            if d > 0 and d < 1e30:
                seen[n] = d
                n += 1
    med = max(1e-3, np.median(seen[:n])) if n > 20 else 1e30
    state = np.uint32(seed)
    sign = np.float32(-1.0 if flip else 1.0)
    for i in range(h):
        for j in range(w):
            r, g, b = 0.0, 0.0, 0.0
            for k in range(2):
                for m in range(2):
                    p = rgb[rows[k, i], cols[m, j]]
                    r, g, b = r + curve[p[0]], g + curve[p[1]], b + curve[p[2]]
            r, g, b = r * 0.25, g * 0.25, b * 0.25
            for c in range(3):
                state = np.uint32(state * np.uint32(1664525) + np.uint32(1013904223))
                v = colour[c, 0] * r + colour[c, 1] * g + colour[c, 2] * b + colour[c, 3]
                v += noise * (float(state >> np.uint32(8)) / 8388608.0 - 1.0)
                x[i, j, c] = (min(1.0, max(0.0, v)) - MEAN[c]) / STD[c]
            y0, x0 = rows[0, i], cols[0, j]
            d = depth[y0, x0]
            far = not (d < 1e30)
            ratio = 1.0 if far else d / med
            near = 0 < ratio <= 4 and not far and med < 1e29
            target[i, j] = math.log(min(4.0, max(0.01, ratio)))
            weights[0, i, j] = 1.0 if near else 0.0
            weights[1, i, j] = 0.0 if near else (0.3 if d == 0 else 1.0)
            weights[2, i, j] = 0.07 if far else (0.0 if d == 0 else 1.0)
            normal_out[0, i, j] = sign * normal[y0, x0, 0] / 127.0
            normal_out[1, i, j] = normal[y0, x0, 1] / 127.0
            normal_out[2, i, j] = normal[y0, x0, 2] / 127.0


def recolour(rng):
    """(3x4 colour map, tone curve, noise): gamma, contrast, casts, saturation, grey, channels in another order."""
    curve = (np.arange(256) / 255.0) ** math.exp(rng.uniform(-0.45, 0.45))
    m = np.diag(rng.uniform(0.85, 1.15, 3))
    if rng.random() < 0.4:
        m = m[rng.permutation(3)]
    grey = np.full((3, 3), 1 / 3)
    s = 0.0 if rng.random() < 0.08 else rng.uniform(0.4, 1.4)
    m = (grey + (np.eye(3) - grey) * s) @ m
    gain = rng.uniform(0.7, 1.3)
    shift = 0.5 - 0.5 * gain + rng.uniform(-0.12, 0.12)
    noise = rng.uniform(0, 0.1) if rng.random() < 0.4 else 0.0
    return np.concatenate([m * gain, np.full((3, 1), shift)], 1), curve, noise


def batch(store, rng, n, h, w):
    """(image, target, normal, weights) of n random views. Views keep most of the picture: what a scene is, is in its whole."""
    x, target = np.empty((n, h, w, 3), np.float32), np.empty((n, h, w), np.float32)
    normal, weights = np.empty((n, 3, h, w), np.float32), np.empty((n, 3, h, w), np.float32)
    for k in range(n):
        rgb, depth, nrm = store[rng.integers(len(store))]
        H, W = depth.shape
        scale = 1.0 if rng.random() < 0.4 else rng.uniform(0.7, 1.0)
        ch = int(H * scale)
        cw = min(W, int(W * scale * rng.uniform(0.85, 1.1)))
        view(
            rgb,
            depth.astype(np.float32),
            nrm,
            rng.integers(H - ch + 1),
            rng.integers(W - cw + 1),
            ch,
            cw,
            rng.random() < 0.5,
            *recolour(rng),
            rng.integers(1 << 31),
            x[k],
            target[k],
            normal[k],
            weights[k],
        )
    return torch.from_numpy(x).permute(0, 3, 1, 2), torch.from_numpy(target)[:, None], torch.from_numpy(normal), torch.from_numpy(weights)


class Feeder:
    """Keeps a few batches ready; `size` may be changed while it runs."""

    def __init__(self, folder, n, size, seed):
        self.n, self.size, self.rng = n, size, np.random.default_rng(seed)
        self.store, self.ready, self.stop, self.error = Store(folder), queue.Queue(3), False, None
        if not len(self.store):
            raise SystemExit(f"no rendered chunks in {folder}: run render.py first")
        threading.Thread(target=self.work, daemon=True).start()

    def work(self):
        try:
            while not self.stop:
                self.ready.put(batch(self.store, self.rng, self.n, *self.size))
        except Exception as e:  # a dead thread must not leave the trainer waiting for ever
            self.error = e
            self.ready.put(None)

    def __iter__(self):
        return self

    def __next__(self):
        got = self.ready.get()
        if got is None:
            raise RuntimeError("the feeder stopped") from self.error
        return got
