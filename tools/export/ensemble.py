"""GeoWizard's way of making one answer of several, for the goldens; upstream's float32 rounding matters to it."""

import itertools

import numpy as np
import torch
from scipy.optimize import minimize


def median(x):
    """The lower of the two middle values where the count is even."""
    return x.median(0).values


def stretch(depth):
    return (depth - depth.min()) / (depth.max() - depth.min())


def begin(depths):
    """Scales and shifts that bring every member to [0, 1], [2n]."""
    flat = depths.flatten(1)
    least, most = flat.min(1).values.numpy(), flat.max(1).values.numpy()
    scale = 1.0 / (most - least)
    return np.concatenate([scale, -scale * least])


def apply(depths, x):
    n = len(depths)
    x = torch.from_numpy(np.asarray(x)).to(depths.dtype)
    return depths * x[:n, None, None] + x[n:, None, None]


def disagreement(depths, x):
    """What is made small: the spread between members, and how far the median is from filling [0, 1]."""
    aligned = apply(depths, x)
    pairs = torch.stack([aligned[i] - aligned[j] for i, j in itertools.combinations(range(len(depths)), 2)])
    middle = median(aligned)
    edges = middle.min().abs() + (1 - middle.max()).abs()
    return ((pairs**2).mean().sqrt() + 0.02 * edges).numpy()


def solve(depths):
    """Upstream's optimiser: BFGS by numeric differences, two iterations."""
    return minimize(lambda x: disagreement(depths, x), begin(depths), method="BFGS", tol=1e-3, options={"maxiter": 2})


def combine(depths, x):
    """The median of the aligned members over [0, 1], and its uncertainty."""
    aligned = apply(depths, x)
    middle = median(aligned)
    spread = median((aligned - middle).abs())
    return stretch(middle), spread / (middle.max() - middle.min())


def best_normals(normals):
    """Of members [n,3,H,W] the one nearest to their mean direction, with unit vectors, and its number."""
    unit = normals / (normals.norm(dim=1, keepdim=True) + 1e-5)
    phi = torch.atan2(unit[:, 1], unit[:, 0]).mean(0)
    theta = torch.atan2(unit[:, :2].norm(dim=1), unit[:, 2]).mean(0)
    mean = torch.stack([theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()])
    angles = torch.cosine_similarity(mean[None], unit, dim=1).clip(-0.999, 0.999).acos()
    best = int(angles.flatten(1).sum(1).argmin())
    return unit[best], best
