"""Measures depth and normals on a rendered store, beside what needs no network at all.

    python evaluate.py --data DIR/test --train DIR/train [--onnx small.onnx] [--size 160x256]

Per picture: prediction fitted to the truth by scale and shift (least squares on depth), over pixels that are no sky, no
letterbox bar and at most 4 medians deep; then the mean of the pictures' figures. Normals over the same pixels.
"""

import argparse
import json

import numpy as np
import torch
import torch.nn.functional as F

from data import Store, normalise


def ranks(v):
    r = np.empty(len(v))
    r[np.argsort(v, kind="stable")] = np.arange(len(v))
    return r


def score(depth, normal, true_depth, true_normal):
    """Figures of one picture, or None where nothing can be measured."""
    true_depth = true_depth.astype(np.float64)
    seen = np.isfinite(true_depth) & (true_depth > 0)
    if not seen.any():
        return None
    seen &= true_depth <= 4 * np.median(true_depth[seen])
    if seen.sum() < 100:
        return None
    t, p = true_depth[seen], depth[seen].astype(np.float64)
    flat = p.std() < 1e-9
    fit = np.full_like(t, t.mean()) if flat else np.polyval(np.polyfit(p, t, 1), p)
    fit_r = np.maximum(fit, 1e-3)
    pick = np.random.default_rng(0).integers(len(t), size=(2, 4000))
    far = np.abs(np.log(t[pick[0]] / t[pick[1]])) > 0.05  # pairs that differ enough to have an order
    a, b = pick[:, far]
    order = np.nan if not far.any() else np.mean(np.where(p[a] == p[b], 0.5, (p[a] > p[b]) == (t[a] > t[b])))
    m = true_normal[seen].astype(np.float64)
    m /= np.linalg.norm(m, axis=1, keepdims=True)
    angle = np.degrees(np.arccos(np.clip((normal[seen] * m).sum(1), -1, 1)))
    rp, rt = ranks(p) - len(p) / 2, ranks(t) - len(t) / 2
    return dict(
        absrel=np.mean(np.abs(fit - t) / t),
        delta=np.mean(np.maximum(fit_r / t, t / fit_r) < 1.25),
        spearman=0.0 if flat else (rp * rt).mean() / (rp.std() * rt.std() + 1e-12),
        order=order,
        mean=angle.mean(),
        median=np.median(angle),
        slope=np.nan if flat else float(np.polyfit(p, t, 1)[0] > 0),
    )


def summary(rows):
    rows = [r for r in rows if r]
    return {"pictures": len(rows), **{k: round(float(np.nanmean([r[k] for r in rows])), 4) for k in rows[0]}}


def pictures(store, limit):
    for i in range(min(limit, len(store))):
        rgb, depth, normal = store[i]
        yield rgb, depth, normal.astype(np.float32) / 127


def size_for(w, h, short):
    """The card's rule: the short side at `short`, both to the nearest multiple of 32."""
    s = short / min(w, h)
    return tuple(max(32, int(v * s / 32 + 0.5) * 32) for v in (w, h))


def resized(rgb, size):
    x = torch.from_numpy(np.array(rgb)).permute(2, 0, 1)[None].float() / 255
    return normalise(x if size is None else F.interpolate(x, size, mode="bilinear", antialias=True))


def enlarge(depth, normal, shape):
    """Back to the picture's own size, as a user would."""
    if depth.shape[2:] != shape:
        depth, normal = (F.interpolate(v, shape, mode="bilinear", align_corners=False) for v in (depth, normal))
        normal = normal / normal.norm(dim=1, keepdim=True)
    return depth[0, 0].numpy(), normal[0].permute(1, 2, 0).numpy()


def score_net(net, store, limit, size=None):
    from net import Exported

    model, out = Exported(net).eval(), []
    with torch.no_grad():
        for rgb, depth, normal in pictures(store, limit):
            out.append(score(*enlarge(*model(resized(rgb, size)), depth.shape), depth, normal))
    return out


def score_onnx(path, store, limit, size=None):
    import onnxruntime

    s, out = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]), []
    for rgb, depth, normal in pictures(store, limit):
        d, n = (torch.from_numpy(v) for v in s.run(["depth", "normal"], {"image": resized(rgb, size).numpy()}))
        out.append(score(*enlarge(d, n, depth.shape), depth, normal))
    return out


def trivial(train, test, limit, learn=3000):
    """What can be said without looking: a constant, a ramp and row means, the mean map; fitted on training pictures."""
    maps, normals = [], []
    for _, depth, normal in pictures(train, learn):
        d = depth.astype(np.float32)
        seen = np.isfinite(d) & (d > 0)
        if seen.sum() < 100:
            continue
        med = np.median(d[seen])
        maps.append(np.where(seen, np.minimum(d / med, 4), np.where(d == 0, np.nan, 4)))
        normals.append(np.where((seen & (d <= 4 * med))[..., None], normal, 0))
    mean_map, mean_normal = np.nanmean(maps, 0), np.sum(normals, 0)
    rows = mean_normal.sum(1, keepdims=True)
    unit = lambda v: v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)
    h, w = mean_map.shape
    ramp = np.polyval(np.polyfit(np.arange(h), np.nanmean(mean_map, 1), 1), np.arange(h))
    facing = np.broadcast_to(np.array([0, 0, -1.0]), (h, w, 3))
    guesses = {
        "constant; facing normals": (np.zeros((h, w)), facing),
        "vertical ramp fitted on train; row means": (np.repeat(ramp[:, None], w, 1), np.broadcast_to(unit(rows), (h, w, 3))),
        "mean map": (mean_map, unit(mean_normal)),
    }
    return {k: summary([score(d, n, td, tn) for _, td, tn in pictures(test, limit)]) for k, (d, n) in guesses.items()}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", required=True)
    p.add_argument("--train", help="store for the trivial predictors")
    p.add_argument("--onnx")
    p.add_argument("--limit", type=int, default=300)
    p.add_argument("--size", action="append", help="HxW to run at, each a row; the pictures' own size if absent")
    a = p.parse_args()
    test, rows = Store(a.data), {}
    if a.train:
        rows.update(trivial(Store(a.train), test, a.limit))
    if a.onnx:
        for size in a.size or [None]:
            rows[f"net at {size or 'own size'}"] = summary(
                score_onnx(a.onnx, test, a.limit, size and tuple(int(v) for v in size.split("x")))
            )
    print("| predictor | AbsRel | delta < 1.25 | Spearman | pair order | normals mean / median |\n| --- | --- | --- | --- | --- | --- |")
    for k, v in rows.items():
        print(
            f"| {k} | {v['absrel']:.3f} | {v['delta']:.3f} | {v['spearman']:.3f} | {v['order']:.3f} | {v['mean']:.1f} / {v['median']:.1f} |"
        )
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
