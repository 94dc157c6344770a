"""The renderer's promise is exact geometry; these check it against closed forms. Half a minute at first (compiling), 3 s after."""

import math

import numpy as np
import pytest

import cast
import render
import worlds
from scenes import Scene, rot
from textures import HELD_OUT, TRAIN

W, H, FOV = 64, 48, math.radians(60)


def rays():
    f = 0.5 * W / math.tan(FOV / 2)
    v, u = np.mgrid[0:H, 0:W]
    return np.stack([(u + 0.5 - W / 2) / f, (v + 0.5 - H / 2) / f, np.ones((H, W))], 2)


def one(kind, centre, size, turn=None, pitch=0.0, roll=0.0, k=0.0):
    s = Scene(np.random.default_rng(0))
    first = [s.material() for _ in range(3)][0]  # a ROOM takes three in a row: walls, ceiling, floor
    s.add(kind, centre, size, first, turn, k)
    s.light((0.3, -1, -0.5), (1, 1, 1), 0)
    return render.trace(s, pitch, roll, FOV, W, H)


def test_plane():
    turn = rot(0.5, 0.3, 0.1)
    rgb, depth, nrm = one(cast.BOX, (0, 0, 5), (50, 50, 0.5), turn)
    n = turn @ np.array([0, 0, -1.0])
    on = np.array([0, 0, 5.0]) + 0.5 * n
    np.testing.assert_allclose(depth, (n @ on) / (rays() @ n), rtol=1e-9)
    np.testing.assert_allclose(nrm, np.broadcast_to(n, nrm.shape), atol=1e-9)


def test_floor_with_pitched_camera():
    """Pitch down by p: the floor's normal in the camera frame is (0, -cos p, -sin p), up being -y."""
    p = 0.4
    _, depth, nrm = one(cast.BOX, (0, 51.5, 0), (500, 50, 500), pitch=-p)
    seen = np.isfinite(depth)
    n = np.array([0, -math.cos(p), -math.sin(p)])
    assert seen.mean() > 0.5
    np.testing.assert_allclose(nrm[seen], np.broadcast_to(n, nrm[seen].shape), atol=1e-9)
    np.testing.assert_allclose(depth[seen], (-1.5 / (rays() @ n))[seen], rtol=1e-9)
    assert depth[-1][seen[-1]].mean() < depth[H // 2][seen[H // 2]].mean()  # near is small


def test_sphere():
    c, radius = np.array([0.2, -0.1, 4.0]), 1.3
    _, depth, nrm = one(cast.BALL, c, (radius,) * 3)
    d = rays()
    a, b = (d * d).sum(2), d @ c
    disc = b * b - a * (c @ c - radius * radius)
    seen = np.isfinite(depth)
    assert (seen == (disc > 0)).all() and 0.1 < seen.mean() < 0.9
    t = (b - np.sqrt(np.maximum(disc, 0))) / a
    np.testing.assert_allclose(depth[seen], t[seen], rtol=1e-7)
    want = (d * t[..., None] - c) / radius
    plain = seen & (want[..., 2] < -0.02)  # the rest is laid flat against the limit
    np.testing.assert_allclose(nrm[plain], want[plain], atol=1e-6)
    assert (nrm[~seen] == [0, 0, -1]).all()


@pytest.mark.parametrize(
    "kind,k", [(cast.FRUSTUM, 0.0), (cast.FRUSTUM, 0.6), (cast.FRUSTUM, 1.0), (cast.WEDGE, 0.0), (cast.BALL, 0.0), (cast.ROOM, 0.0)]
)
def test_normals_agree_with_the_depth(kind, k):
    """Cross products of neighbouring points, away from borders, are the normals."""
    size = (3, 2, 6) if kind == cast.ROOM else (1.2, 1.5, 0.9)
    _, depth, nrm = one(kind, (0.1, 0.1, 4), size, rot(0.4, 0.3, 0.2), k=k)
    p = rays() * np.where(np.isfinite(depth), depth, 0)[..., None]
    fd = np.cross(p[1:-1, 2:] - p[1:-1, :-2], p[2:, 1:-1] - p[:-2, 1:-1])
    fd /= np.linalg.norm(fd, axis=2, keepdims=True) + 1e-20
    fd *= -np.sign(fd[..., 2:])
    n = nrm[1:-1, 1:-1]
    smooth = np.isfinite(depth[1:-1, 1:-1]) & (n[..., 2] < -0.2)
    for dy, dx in ((0, 1), (2, 1), (1, 0), (1, 2)):
        smooth &= (nrm[dy : dy + H - 2, dx : dx + W - 2] * n).sum(2) > 0.98
    angle = np.degrees(np.arccos(np.clip((fd * n).sum(2), -1, 1)))[smooth]
    assert smooth.mean() > 0.05 and np.median(angle) < 1.0 and np.quantile(angle, 0.95) < 4.0


@pytest.mark.parametrize("seed", range(6))
def test_pictures(seed):
    img, depth, nrm = render.picture(seed, held_out=seed % 2 == 1)
    assert img.shape == (render.H, render.W, 3) and img.dtype == np.uint8
    np.testing.assert_allclose(np.linalg.norm(nrm, axis=2), 1, atol=1e-5)
    assert (nrm[..., 2] < 0).all()
    assert (depth >= 0).all() and not np.isnan(depth).any()
    again = render.picture(seed, held_out=seed % 2 == 1)
    assert all((x == y).all() for x, y in zip((img, depth, nrm), again)), "a seed is a picture"


def test_held_out_textures_are_apart():
    assert not set(TRAIN) & set(HELD_OUT)
    for held, allowed in ((False, TRAIN), (True, HELD_OUT)):
        used = {int(m[0]) for seed in range(12) for m in worlds.make(seed, held)[0].mat}
        assert used <= set(allowed)
