"""Renders scenes with exact depth and normals, and keeps a store of them.

    python render.py --out DIR --count 16000 [--held-out] [--first 0] [--workers 2]

A scene is a pure function of its seed. The store is chunks of 250: rgb-N.npy u8 [n,h,w,3], depth-N.npy f16 [n,h,w]
(sky = inf, letterbox bars = 0), normal-N.npy i8 [n,h,w,3] (127 = 1).
"""

import argparse
import io
import os
import sys
import time

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

import cast
import worlds

W, H = 256, 160
CHUNK = 250
QUARTERS = ((0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75))


def trace(scene, pitch, roll, fov, w=W, h=H, smooth=True):
    """(linear rgb, depth, normal) with depth and normal of the pixels' centres; sky has depth inf and normal (0,0,-1)."""
    f = 0.5 * w / np.tan(fov / 2)
    a = scene.finish(pitch, roll, f, w, h)
    tbuf, ibuf = np.empty((h, w)), np.empty((h, w), np.int64)
    rgb, nrm = np.zeros((h, w, 3)), np.zeros((h, w, 3))
    shadow = np.zeros((h, w, max(1, len(a["lights"]))), np.bool_)
    shape = (a["kinds"], a["ks"], a["mats"])
    look = (
        a["sizes"],
        a["matid"],
        a["balls"],
        a["casters"],
        a["mat"],
        a["matpar"],
        a["lights"],
        a["ambient"],
        a["up"],
        a["haze"],
        a["sky"],
        f,
        w,
        h,
    )
    todo = np.ones((h, w), np.bool_)
    cast.raster(*shape, a["rects"], f, w, h, 0.5, 0.5, todo, tbuf, ibuf)
    cast.shade(*shape, *look, 0.5, 0.5, todo, tbuf, ibuf, rgb, True, nrm, shadow)
    depth = np.where(ibuf >= 0, tbuf, np.inf)
    if smooth:  # four more samples where two shapes or two faces meet
        edge = np.zeros((h, w), np.bool_)
        for ax in (0, 1):
            d = (np.diff(ibuf, axis=ax) != 0) | ((np.diff(nrm, axis=ax) ** 2).sum(2) > 0.1)
            first, second = (slice(None, -1), slice(1, None))
            edge[first if ax == 0 else slice(None), first if ax == 1 else slice(None)] |= d
            edge[second if ax == 0 else slice(None), second if ax == 1 else slice(None)] |= d
        total, one = np.zeros_like(rgb), np.zeros_like(rgb)
        t2, i2 = np.empty_like(tbuf), np.empty_like(ibuf)
        for du, dv in QUARTERS:
            cast.raster(*shape, a["rects"], f, w, h, du, dv, edge, t2, i2)
            cast.shade(*shape, *look, du, dv, edge, t2, i2, one, False, nrm, shadow)
            total += np.minimum(one, 3.0)
        rgb[edge] = total[edge] / 4
    # A surface may face away from the camera's axis and still be seen near the border of a wide view (z a little above 0).
    # The convention says z < 0, so such normals are laid flat against that limit.
    z = np.minimum(nrm[..., 2], -0.01)
    nrm[..., 2] = z
    nrm /= np.linalg.norm(nrm, axis=2, keepdims=True)
    return rgb, depth, nrm


def develop(rng, rgb, depth):
    """Linear light to a picture as a film or a phone gives it: exposure, glow, blur, curve, colour, bars, text, JPEG."""
    h, w = depth.shape
    lum = rgb.mean(2)
    want = rng.uniform(0.28, 0.55) if rng.random() < 0.75 else rng.uniform(0.06, 0.25)  # the rest stays dark
    rgb = rgb * np.clip(want / (np.mean(np.minimum(lum, 1.5)) + 1e-3), 0.3, 12.0)
    if rng.random() < 0.3:  # bright things bleed
        over = np.clip(rgb - 0.8, 0, 3)
        rgb = rgb + rng.uniform(0.1, 0.6) * gaussian_filter(over, (6 * rng.uniform(0.5, 2),) * 2 + (0,))
    if rng.random() < 0.25:  # shallow focus
        near = np.minimum(depth, 200.0)
        focus = np.quantile(near, rng.uniform(0.05, 0.5))
        amount = np.clip(np.abs(1 - focus / near) * rng.uniform(0.7, 2.0), 0, 1)[..., None]
        b1, b2 = gaussian_filter(rgb, (1.2, 1.2, 0)), gaussian_filter(rgb, (3.5, 3.5, 0))
        rgb = np.where(amount < 0.5, rgb * (1 - 2 * amount) + b1 * 2 * amount, b1 * (2 - 2 * amount) + b2 * (2 * amount - 1))
    if rng.random() < 0.3:  # darker corners
        y, x = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
        rgb = rgb * (1 - rng.uniform(0.2, 0.7) * (x * x + y * y) / 2)[..., None]
    if rng.random() < 0.4:  # colour grading
        rgb = rgb * np.exp(rng.normal(0, 0.15, 3))
        grey = rgb.mean(2, keepdims=True)
        rgb = grey + (rgb - grey) * rng.uniform(0, 1.5)
    rgb = np.clip(rgb, 0, None)
    rgb = rgb / (1 + rgb) * 1.6 if rng.random() < 0.4 else rgb  # a soft shoulder
    img = np.clip(rgb, 0, 1) ** (1 / rng.uniform(1.6, 2.4))
    if rng.random() < 0.3:
        img = gaussian_filter(img, (rng.uniform(0.3, 1.0),) * 2 + (0,))
    im = Image.fromarray((img * 255 + 0.5).astype(np.uint8))
    bars = np.zeros((h, w), np.bool_)
    if rng.random() < 0.12:
        n = int(h * rng.uniform(0.05, 0.16))
        if rng.random() < 0.85:
            bars[:n], bars[h - n :] = True, True
        else:
            bars[:, :n], bars[:, w - n :] = True, True
    if rng.random() < 0.06:  # titles lie on the picture, not in the scene
        d, v = ImageDraw.Draw(im), int(rng.uniform(0.5, 1) * 255)
        text = "".join(rng.choice(list("abcdefghij klmnop qrstuvwxyz "), rng.integers(6, 24)))
        d.text((rng.uniform(0, 0.5) * w, rng.choice([0.8, 0.45]) * h), text, fill=(v, v, v), font_size=int(rng.uniform(8, 24)))
    a = np.asarray(im).copy()
    a[bars] = rng.integers(0, 12) if rng.random() < 0.95 else 255
    if rng.random() < 0.4:
        out = io.BytesIO()
        Image.fromarray(a).save(out, "JPEG", quality=int(rng.integers(25, 90)))
        a = np.asarray(Image.open(out))
    return a, bars


def picture(seed, held_out=False, w=W, h=H):
    """(rgb u8, depth f32, normal f32) of one seed; unlucky scenes (hardly anything in view) are drawn again."""
    for again in range(8):
        one = seed + again * 10_000_019
        scene, pitch, roll, fov = worlds.make(one, held_out)
        rgb, depth, nrm = trace(scene, pitch, roll, fov, w, h)
        seen = np.isfinite(depth)
        if seen.mean() > 0.2 and depth[seen].max() > 1.05 * depth[seen].min() and (nrm[seen] @ [0, 0, 1.0] < -0.05).mean() > 0.5:
            break
    img, bars = develop(np.random.default_rng([one, 11]), rgb, depth)
    depth = np.minimum(depth.astype(np.float32), np.where(np.isfinite(depth), 60000, np.inf)).astype(np.float32)
    depth[bars] = 0
    return img, depth, nrm.astype(np.float32)


def chunk(out, n, seeds, held_out):
    if os.path.exists(f"{out}/rgb-{n:04d}.npy"):
        return
    got = [picture(int(s), held_out) for s in seeds]
    np.save(f"{out}/depth-{n:04d}.npy", np.stack([g[1] for g in got]).astype(np.float16))
    np.save(f"{out}/normal-{n:04d}.npy", np.round(np.stack([g[2] for g in got]) * 127).astype(np.int8))
    np.save(f"{out}/tmp-{n:04d}.npy", np.stack([g[0] for g in got]))
    os.replace(f"{out}/tmp-{n:04d}.npy", f"{out}/rgb-{n:04d}.npy")  # last, in one step: its presence says the chunk is whole


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--out", required=True)
    p.add_argument("--count", type=int, default=16000)
    p.add_argument("--first", type=int, default=0, help="first chunk to render")
    p.add_argument("--held-out", action="store_true", help="texture families and seeds that training never sees")
    p.add_argument("--workers", type=int, default=2)
    a = p.parse_args()
    os.makedirs(a.out, exist_ok=True)
    last = a.first + (a.count + CHUNK - 1) // CHUNK
    picture(0)  # compile once, before the workers start
    kids = []
    for w in range(a.workers):
        pid = os.fork()
        if pid == 0:
            t0 = time.time()
            for n in range(a.first + w, last, a.workers):
                size = min(CHUNK, a.count - (n - a.first) * CHUNK)
                chunk(a.out, n, range(n * CHUNK, n * CHUNK + size), a.held_out)
                print(f"chunk {n} of {last}: {time.time() - t0:.0f} s", flush=True)
            os._exit(0)
        kids.append(pid)
    sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(k, 0)[1]) for k in kids))


if __name__ == "__main__":
    main()
