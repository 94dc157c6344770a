"""Solid procedural textures: a point of an object's own space in, a blend weight and a brightness out.

Families in HELD_OUT are never used for training pictures, and are the only ones in test pictures.
"""

import math

import numpy as np
from numba import njit

FAMILIES = (
    "plain",
    "cloudy",
    "checker",
    "stripes",
    "bricks",
    "marble",
    "dots",
    "tiles",
    "streaks",
    "gradient",
    "facade",
    "camouflage",
    "planks",
    "glyphs",
    "bark",
    "two_scale",
    "wood",
    "plaid",
    "cracks",
    "patches",
    "zigzag",
    "ripples",
)
HELD_OUT = (16, 17, 18, 19, 20, 21)
TRAIN = tuple(i for i in range(len(FAMILIES)) if i not in HELD_OUT)

jit = njit(cache=True, fastmath=True, nogil=True)


@jit
def hash3(x, y, z, seed):
    """A number in [0, 1) for a lattice point: integer mixing, the same on every machine."""
    h = (np.uint32(x & 0xFFFFFFFF) * np.uint32(0x8DA6B343)) ^ (np.uint32(y & 0xFFFFFFFF) * np.uint32(0xD8163841))
    h = h ^ (np.uint32(z & 0xFFFFFFFF) * np.uint32(0xCB1AB31F)) ^ (np.uint32(seed & 0xFFFFFFFF) * np.uint32(0x9E3779B1))
    h = np.uint32(h ^ (h >> np.uint32(15))) * np.uint32(0x2C1B3C6D)
    h = np.uint32(h ^ (h >> np.uint32(12))) * np.uint32(0x297A2D39)
    h = np.uint32(h ^ (h >> np.uint32(15)))
    return np.float64(np.uint32(h)) / 4294967296.0


@jit
def noise(x, y, z, seed):
    fx, fy, fz = math.floor(x), math.floor(y), math.floor(z)
    i, j, k = int(fx), int(fy), int(fz)
    u, v, w = x - fx, y - fy, z - fz
    u, v, w = u * u * (3 - 2 * u), v * v * (3 - 2 * v), w * w * (3 - 2 * w)
    a = hash3(i, j, k, seed) * (1 - u) + hash3(i + 1, j, k, seed) * u
    b = hash3(i, j + 1, k, seed) * (1 - u) + hash3(i + 1, j + 1, k, seed) * u
    c = hash3(i, j, k + 1, seed) * (1 - u) + hash3(i + 1, j, k + 1, seed) * u
    d = hash3(i, j + 1, k + 1, seed) * (1 - u) + hash3(i + 1, j + 1, k + 1, seed) * u
    return (a * (1 - v) + b * v) * (1 - w) + (c * (1 - v) + d * v) * w


@jit
def fbm(x, y, z, seed):
    return (
        noise(x, y, z, seed) * 0.55 + noise(x * 2.1, y * 2.1, z * 2.1, seed + 1) * 0.28 + noise(x * 4.3, y * 4.3, z * 4.3, seed + 2) * 0.17
    )


@jit
def cell(a, b, seed):
    """Nearest and second nearest of one jittered point a cell: (d1, d2, the cell's own number)."""
    i, j = int(math.floor(a)), int(math.floor(b))
    d1, d2, own = 9.0, 9.0, 0.0
    for di in range(-1, 2):
        for dj in range(-1, 2):
            p = i + di + hash3(i + di, j + dj, 1, seed)
            q = j + dj + hash3(i + di, j + dj, 2, seed)
            d = math.sqrt((p - a) ** 2 + (q - b) ** 2)
            if d < d1:
                d1, d2, own = d, d1, hash3(i + di, j + dj, 3, seed)
            elif d < d2:
                d2 = d
    return d1, d2, own


@jit
def frac(v):
    return v - math.floor(v)


@jit
def texture(fam, x, y, z, a, b, seed, par):
    """(x, y, z): solid coordinates; (a, b): the same point on the face it lies on; par: two numbers in 0..1.

    Returns (blend of the two colours in 0..1, brightness factor about 1).
    """
    p, q = par[0], par[1]
    if fam == 0:
        return 0.0, 0.95 + 0.1 * hash3(int(math.floor(a * 9)), int(math.floor(b * 9)), 0, seed)
    if fam == 1:
        return min(1.0, max(0.0, (fbm(x, y, z, seed) - 0.25) * 2.0)), 1.0
    if fam == 2:
        return float((int(math.floor(a)) + int(math.floor(b))) & 1), 1.0
    if fam == 3:
        c = a * math.cos(p * 3.14) + b * math.sin(p * 3.14)
        return 1.0 if frac(c) < 0.2 + 0.6 * q else 0.0, 1.0
    if fam == 4:
        row = math.floor(b * 2.0)
        col = a + 0.5 * (int(row) & 1)
        mortar = frac(b * 2.0) < 0.12 or frac(col) < 0.06
        own = hash3(int(row), int(math.floor(col)), 0, seed)
        return (1.0, 1.0) if mortar else (0.0, 0.75 + 0.5 * own)
    if fam == 5:
        return 0.5 + 0.5 * math.sin(6.28 * (x + 0.6 * y) + 9.0 * fbm(x, y, z, seed)), 1.0
    if fam == 6:
        r = 0.18 + 0.25 * p
        da, db = frac(a) - 0.5, frac(b + 0.5 * (int(math.floor(a)) & 1)) - 0.5
        return 1.0 if da * da + db * db < r * r else 0.0, 1.0
    if fam == 7:
        own = hash3(int(math.floor(a)), int(math.floor(b)), 0, seed)
        g = 0.04 + 0.06 * p
        return (1.0, 0.9) if frac(a) < g or frac(b) < g else (0.0, 0.85 + 0.3 * own * q)
    if fam == 8:
        n = noise(a * 3.0, b * 0.7, z * 3.0, seed) * 0.5 + noise(a * 7.0, b * 1.6, z * 7.0, seed + 1) * 0.5
        return min(1.0, max(0.0, n * 1.6 - 0.3)), 0.7 + 0.6 * n
    if fam == 9:
        return 0.5 + 0.5 * math.sin(a * 0.7 + b * (0.4 + p)), 0.97 + 0.06 * hash3(int(math.floor(a * 12)), int(math.floor(b * 12)), 0, seed)
    if fam == 10:
        i, j = int(math.floor(a)), int(math.floor(b))
        u, v = frac(a), frac(b)
        if 0.2 < u < 0.8 and 0.25 < v < 0.85:
            if abs(u - 0.5) < 0.02:
                return 0.0, 1.1
            lit = hash3(i, j, 7, seed)
            return 1.0, 0.35 + (2.2 if lit < 0.25 * p else 0.5 * lit)
        return 0.0, 1.0
    if fam == 11:
        n = fbm(x * 0.8, y * 0.8, z * 0.8, seed)
        return (1.0 if n > 0.5 else 0.0), (1.3 if n > 0.6 or n < 0.4 else 0.9)
    if fam == 12:
        row = int(math.floor(b * 3.0))
        own = hash3(row, int(math.floor(a * 0.3 + hash3(row, 0, 1, seed))), 0, seed)
        gap = frac(b * 3.0) < 0.05
        return 0.6 * noise(a * 1.2, b * 14.0, own * 40.0, seed), (0.4 if gap else 0.75 + 0.4 * own)
    if fam == 13:
        line = frac(b * 2.0) > 0.35
        ink = hash3(int(math.floor(a * 7)), int(math.floor(b * 10)), 5, seed) < 0.5
        word = hash3(int(math.floor(a * 1.6)), int(math.floor(b * 2)), 6, seed) < 0.75
        return (1.0 if line and ink and word else 0.0), 1.0
    if fam == 14:
        n = noise(a * 4.0, b * 0.5, z * 4.0, seed)
        return n, 0.6 + 0.8 * abs(2 * noise(a * 6.0, b * 0.9, z * 6.0, seed + 3) - 1)
    if fam == 15:
        return noise(x, y, z, seed), 0.6 + 0.8 * noise(x * 7.3, y * 7.3, z * 7.3, seed + 9)
    if fam == 16:
        r = math.sqrt((x + 0.2) ** 2 + (z * 1.7) ** 2) * 3.0 + 1.6 * noise(x, y * 0.4, z, seed)
        return frac(r) ** 2, 0.9 + 0.2 * noise(a * 9, b, z, seed + 1)
    if fam == 17:
        s = (0.5 if frac(a) < 0.35 else 0.0) + (0.5 if frac(b) < 0.35 else 0.0)
        thin = frac(a * 2 + 0.3) < 0.08 or frac(b * 2 + 0.3) < 0.08
        return s, 1.35 if thin else 1.0
    if fam == 18:
        d1, d2, own = cell(a, b, seed)
        return (1.0, 0.6) if d2 - d1 < 0.08 + 0.06 * p else (0.0, 0.9 + 0.2 * own)
    if fam == 19:
        d1, d2, own = cell(a, b, seed)
        return own, 0.7 + 0.6 * frac(own * 17.0)
    if fam == 20:
        return 1.0 if frac(b + abs(frac(a) - 0.5) * (0.6 + p)) < 0.5 else 0.0, 1.0
    d1, d2, own = cell(a * 0.6, b * 0.6, seed)
    return 0.5 + 0.5 * math.sin(d1 * 18.0), 1.0
