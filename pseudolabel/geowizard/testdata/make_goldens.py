"""Makes ddim.json and alignment.json, alignment*.npy: what diffusers and scipy say of what this package does by itself.

    python -m venv venv && venv/bin/pip install numpy==2.4.6 scipy==1.17.1 diffusers==0.42.1 torch==2.15.0
    venv/bin/python make_goldens.py

The files are committed; run this only to change them. It also prints how far GeoWizard's own optimiser, with slopes from
differences of float32, ends from this one.
"""

import json
import pathlib

import numpy as np
import scipy
from diffusers import DDIMScheduler
from scipy.ndimage import gaussian_filter
from scipy.optimize import minimize

import torch

HERE = pathlib.Path(__file__).parent


# Samples and predictions that every step is shown. Where nothing is clipped the first two give the factors of either;
# the others are on both sides of where clipping begins.
SAMPLES, PREDICTIONS = [1, 0, -2.5, 0.25, 3], [0, 1, 1.5, -0.5, 0.125]


def ddim():
    """What diffusers makes of them in each step of several schedules, under the names of the cards."""
    schedules = [(p, o, {}) for p in ("v_prediction", "epsilon") for o in (False, True)]
    schedules += [(p, False, c) for p in ("v_prediction", "epsilon") for c in (
        {"beta_schedule": "linear"}, {"clip_sample": True}, {"beta_schedule": "linear", "clip_sample": True})]
    schedules += [("epsilon", True, {"beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear", "steps_offset": 0, "clip_sample": True})]
    cases = []
    for prediction, to_one, change in schedules:
        config = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "set_alpha_to_one": to_one, "steps_offset": 1,
                  "timestep_spacing": "leading", "clip_sample": False, **change}
        for steps in (3, 10) if change else (1, 3, 7, 10, 50):
            s = DDIMScheduler(num_train_timesteps=1000, prediction_type=prediction, **config)
            s.set_timesteps(steps)
            x, p = (torch.tensor(v, dtype=torch.float64) for v in (SAMPLES, PREDICTIONS))
            plan = [{"timestep": int(t), "next": s.step(p, t, x).prev_sample.tolist()} for t in s.timesteps]
            cases.append({"scheduler": {"train_timesteps": 1000, "prediction": prediction, **config}, "steps": steps, "plan": plan})
    if any(getattr(DDIMScheduler().config, k) != v for k, v in config.items()):
        raise SystemExit("the last schedule is not diffusers' own defaults any more")
    (HERE / "ddim.json").write_text(json.dumps({"samples": SAMPLES, "predictions": PREDICTIONS, "cases": cases}))


def members(n, seed, noise, outlier, height, width):
    """Estimates of one smooth depth, each with its own scale, shift and noise, and perhaps one wild pixel."""
    rng = np.random.default_rng(seed)
    truth = gaussian_filter(rng.standard_normal((height, width)), height / 12)
    truth = (truth - truth.min()) / np.ptp(truth)
    maps = []
    for _ in range(n):
        d = truth * rng.uniform(0.6, 1) + rng.uniform(0, 0.2)
        d += 8 * noise * gaussian_filter(rng.standard_normal((height, width)), 3)
        if outlier:
            d[rng.integers(height), rng.integers(width)] = rng.choice([0, 1])
        maps.append(np.clip(d, 0, 1))
    return truth, np.stack(maps).astype(np.float32)


def start(maps):
    flat = maps.reshape(len(maps), -1).astype(np.float64)
    scale = 1 / (flat.max(1) - flat.min(1))
    return np.concatenate([scale, -scale * flat.min(1)])


def objective(maps, dtype):
    """GeoWizard's, in a type of number."""
    n = len(maps)
    left, right = np.triu_indices(n, 1)

    def f(x):
        x = np.asarray(x, dtype)
        a = maps.astype(dtype) * x[:n, None, None] + x[n:, None, None]
        root = np.sqrt(np.mean((a[left] - a[right]) ** 2, dtype=dtype))
        median = np.sort(a, 0)[(n - 1) // 2]
        return dtype(root + dtype(0.02) * (abs(median.min()) + abs(1 - median.max())))

    return f


def slope_of_abs(v):
    """0 at a kink, also where rounding errors put the value beside it."""
    return 0 if abs(v) < 1e-9 else np.sign(v)


def slopes(maps):
    n = len(maps)
    flat = maps.reshape(n, -1).astype(np.float64)

    def g(x):
        a = flat * x[:n, None] + x[n:, None]
        left, right = np.triu_indices(n, 1)
        d = a[left] - a[right]
        root = np.sqrt(np.mean(d**2))
        out = np.zeros(2 * n)
        for k, (i, j) in enumerate(zip(left, right)):
            for member, sign in ((i, 1), (j, -1)):
                out[member] += sign * np.sum(d[k] * flat[member]) / (d.size * root)
                out[n + member] += sign * np.sum(d[k]) / (d.size * root)
        middle = np.sort(a, 0)[(n - 1) // 2]
        for pixel, weight in ((middle.argmin(), 0.02 * slope_of_abs(middle.min())), (middle.argmax(), -0.02 * slope_of_abs(1 - middle.max()))):
            member = int(np.flatnonzero(a[:, pixel] == middle[pixel])[0])
            out[member] += weight * flat[member, pixel]
            out[n + member] += weight
        return out

    return g


def result(maps, x):
    n = len(maps)
    median = np.sort(maps.astype(np.float64) * x[:n, None, None] + x[n:, None, None], 0)[(n - 1) // 2]
    return (median - median.min()) / np.ptp(median)


def optimise(maps, dtype, exact):
    jac = slopes(maps) if exact else None
    return minimize(objective(maps, dtype), start(maps).astype(dtype), jac=jac, method="BFGS", tol=1e-3, options={"maxiter": 2})


def alignment():
    cases = []
    for n, noise, outlier in ((2, 0.01, True), (3, 0.05, False), (5, 0.01, False), (10, 0.05, True)):
        _, maps = members(n, n, noise, outlier, 20, 28)
        r = optimise(maps, np.float64, True)
        # The members, and after them the depth that they give.
        np.save(HERE / f"alignment{n}.npy", np.concatenate([maps, result(maps, r.x)[None].astype(np.float32)]))
        cases.append({
            "members": n, "start": start(maps).tolist(), "x": r.x.tolist(), "evaluations": r.nfev, "value": float(r.fun),
            "begin": float(objective(maps, np.float64)(start(maps))),
        })  # fmt: skip
    (HERE / "alignment.json").write_text(json.dumps(cases))


def fit_error(depth, truth):
    """Mean distance from the truth after the best scale and shift."""
    scale, shift = np.polyfit(depth.ravel(), truth.ravel(), 1)
    return np.abs(scale * depth + shift - truth).mean()


def compare():
    print("members noise outlier | error: extremes, GeoWizard's, this | GeoWizard's from this: mean, max | steps of GeoWizard's")
    for n in (3, 10):
        for noise in (0.01, 0.05):
            for outlier in (False, True):
                rows = []
                for seed in range(5):
                    truth, maps = members(n, 100 + seed, noise, outlier, 144, 192)
                    ref, own = optimise(maps, np.float32, False), optimise(maps, np.float64, True)
                    a, b, c = (result(maps, x) for x in (start(maps), ref.x, own.x))
                    away = np.abs(b - c)
                    rows.append((fit_error(a, truth), fit_error(b, truth), fit_error(c, truth), away.mean(), away.max(), ref.nit))
                m = np.mean(rows, 0)
                print(f"{n:2} {noise} {outlier!s:5} | {m[0]:.4f} {m[1]:.4f} {m[2]:.4f} | {m[3]:.4f} {m[4]:.4f} | {[r[5] for r in rows]}", flush=True)


ddim()
alignment()
print("scipy", scipy.__version__)
compare()
