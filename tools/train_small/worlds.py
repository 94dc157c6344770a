"""The kinds of places a scene can be, put together from scenes.py's things."""

import math

import numpy as np

from cast import BALL, BOX, FRUSTUM, ROOM
from scenes import (
    Scene,
    chair,
    figure,
    house,
    hsv,
    rot,
    shelf,
    sofa,
    table,
    thing,
    tree,
)


def warm(r, v):
    return np.clip(v * np.array([1.0, r.uniform(0.65, 1.0), r.uniform(0.35, 1.0)]), 0, None)


def room(s):
    r = s.rng
    w, d, h = r.uniform(1.5, 4.5), r.uniform(1.8, 6), r.uniform(2.2, 3.8)
    cam = h * r.uniform(0.3, 0.7)  # camera height
    floor, yaw = cam, r.choice([0, 0, 1, 1]) * r.uniform(-0.8, 0.8)
    q = rot(yaw)
    back = r.uniform(0.05, 0.9) * d
    mid = q @ np.array([r.uniform(-0.7, 0.7) * w, 0, d - back])
    at = lambda px, py, pz: mid + q @ np.array([px, 0, pz]) + np.array([0, floor - py, 0])
    walls = s.material(bump=0)
    s.material(a=hsv(r.random(), 0.15 * r.random(), r.uniform(0.4, 0.95)))
    s.material(fam=r.choice([12, 7, 1, 2, 0, 5]))
    s.add(ROOM, at(0, h / 2, 0), (w, h / 2, d), walls, q)
    inside = lambda: (r.uniform(-0.9, 0.9) * w, r.uniform(-0.8, 0.95) * d)
    clear = lambda px, pz, m: np.linalg.norm(at(px, 0, pz)[[0, 2]]) > m
    wood = s.material()
    for _ in range(r.integers(0, 4)):  # pictures, windows and doors on walls
        side, u, y = r.integers(0, 3), r.uniform(-0.8, 0.8), r.uniform(1.0, h * 0.75)
        a, b = r.uniform(0.2, 0.8), r.uniform(0.2, 0.7)
        bright = r.random() < 0.35
        m = s.material(a=(0.9, 0.95, 1.0), b=(0.8, 0.9, 1.0), glow=r.uniform(1, 3), fam=0) if bright else s.material()
        if side == 0:
            p, size, n = at(u * w, y, d), (a, b, 0.03), (0, 0, -1)
        else:
            e = 1 if side == 1 else -1
            p, size, n = at(e * w, y, u * d), (0.03, b, a), (-e, 0, 0)
        s.add(BOX, p, size, m, q, cast=False)
        if bright:
            s.light(p + q @ np.array(n) * 0.4, np.array([0.9, 0.95, 1.0]) * r.uniform(0.4, 1.5), casts=r.random() < 0.5, reach=2.5)
            s.add(BOX, p + q @ np.array(n) * 0.03, np.where(np.array(size) > 0.05, [0.02, b, 0.02], 0.03), wood, q, cast=False)
    for _ in range(r.integers(1, 8)):
        px, pz = inside()
        if not clear(px, pz, 0.9):
            continue
        p, t, kind = at(px, 0, pz), yaw + r.uniform(-3.14, 3.14) * r.choice([0, 1]) + r.choice([0, 1.57, 3.14, -1.57]), r.random()
        if kind < 0.28:
            table(s, p[0], floor, p[2], r.uniform(0.3, 0.9), r.uniform(0.3, 0.6), r.uniform(0.35, 0.95), t, s.material(), r.integers(0, 5))
        elif kind < 0.46:
            chair(s, p[0], floor, p[2], t, s.material())
        elif kind < 0.58:
            sofa(s, p[0], floor, p[2], t, s.material())
        elif kind < 0.72:
            shelf(s, p[0], floor, p[2], t, s.material())
        elif kind < 0.8:
            s.add(FRUSTUM, (p[0], floor - h / 2, p[2]), (r.uniform(0.1, 0.3), h / 2, r.uniform(0.1, 0.3)), s.material())
        elif kind < 0.9:
            s.add(
                BOX,
                (p[0], floor - r.uniform(0.3, 0.9), p[2]),
                (r.uniform(0.2, 0.6), r.uniform(0.3, 0.9), r.uniform(0.2, 0.5)),
                s.material(),
                rot(t),
            )
        else:
            s.add(
                BOX,
                (p[0], floor - r.uniform(0.5, 1.5), p[2]),
                (r.uniform(0.2, 0.8), r.uniform(0.2, 0.8), 0.03),
                s.material(),
                rot(t, *r.normal(0, 0.5, 2)),
            )
    for _ in range(r.integers(0, 12)):  # small clutter on the floor
        px, pz = inside()
        if clear(px, pz, 0.7):
            thing(s, at(px, 0, pz), r.uniform(0.05, 0.35))
    if r.random() < 0.35:  # a rug, beams, a curtain
        px, pz = inside()
        s.add(BOX, at(px, 0.01, pz), (r.uniform(0.4, 1.3), 0.012, r.uniform(0.4, 1.3)), s.material(), q)
    if r.random() < 0.2:
        for i in range(5):
            s.add(BOX, at(0, h - 0.08, (i / 2.5 - 0.9) * d), (w, 0.09, 0.09), wood, q)
    if r.random() < 0.2:
        c, e = s.material(fam=14), r.choice([-1, 1])
        for i in range(9):
            s.add(FRUSTUM, at(e * (w - 0.12), h * 0.45, d * (0.2 + 0.05 * i)), (0.1, h * 0.45, 0.06 + 0.05 * r.random()), c, q, cast=False)
    for _ in range(r.choice([0, 0, 0, 1, 1, 2, 3])):
        px, pz = inside()
        if clear(px, pz, 1.1):
            p = at(px, 0, pz)
            figure(s, p[0], floor, p[2], min(r.uniform(1.1, 1.95), h - 0.2), detail=np.hypot(p[0], p[2]) < 5)
    dark = r.random() < 0.25
    s.ambient = warm(r, r.uniform(0.02, 0.12) if dark else r.uniform(0.2, 0.6))
    for i in range(r.integers(1, 4)):
        px, pz = inside()
        p = at(px, h - r.uniform(0.1, 1.2), pz)
        c = warm(r, r.uniform(0.6, 2.2)) if r.random() < 0.8 else hsv(r.random(), 0.7, 1.5)
        s.light(p, c, casts=i < 2, reach=r.uniform(1.2, 4))
        if r.random() < 0.5 and np.linalg.norm(p) > 0.6:
            s.add(BALL, p, np.full(3, r.uniform(0.04, 0.18)), s.material(a=np.minimum(c, 1), fam=0, glow=4.0), cast=False)
    if r.random() < 0.12:
        s.haze = np.array([*(s.ambient * 0.8), r.uniform(0.02, 0.15)])
    return floor


def set_sky(s, kind):
    """kind: day, grey, glow (sunset, strong light from ahead), night, black."""
    r, k = s.rng, s.sky
    az, el = r.uniform(-3.14, 3.14), r.uniform(0.2, 1.3)
    sun = np.array([math.sin(az) * math.cos(el), -math.sin(el), math.cos(az) * math.cos(el)])
    k[12], k[13], k[15], k[17] = r.uniform(6, 60), 2.0, r.integers(1 << 16), r.uniform(0.5, 2.5)
    if kind == "day":
        k[0:3], k[3:6] = (
            hsv(r.uniform(0.5, 0.6), r.uniform(0.05, 0.35), r.uniform(0.7, 1.0)),
            hsv(r.uniform(0.55, 0.65), r.uniform(0.3, 0.8), r.uniform(0.4, 0.9)),
        )
        k[9:12], k[14] = r.uniform(0, 0.4), r.choice([0, 0.4, 0.7, 1.0])
        s.ambient = k[3:6] * 0.4 + r.uniform(0.1, 0.3)
        s.light(sun, warm(r, r.uniform(0.6, 1.5)), 0)
    elif kind == "grey":
        v = r.uniform(0.5, 1.05)
        k[0:3] = k[3:6] = v
        k[3:6] *= r.uniform(0.7, 1.1)
        k[14] = r.choice([0, 0.5, 1.0])
        s.ambient = np.full(3, r.uniform(0.45, 0.9))
        s.light(sun, np.full(3, r.uniform(0.05, 0.35)), 0)
    elif kind == "glow":
        el, az = r.uniform(-0.05, 0.35), r.uniform(-0.8, 0.8)
        sun = np.array([math.sin(az) * math.cos(el), -math.sin(el), math.cos(az) * math.cos(el)])
        h = r.choice([r.uniform(0.02, 0.13), r.uniform(0.5, 0.65), r.random()], p=[0.6, 0.25, 0.15])
        k[0:3], k[3:6] = (
            hsv(h, r.uniform(0.2, 0.9), r.uniform(0.5, 1.2)),
            hsv((h + r.uniform(0, 0.5)) % 1, r.uniform(0.2, 0.7), r.uniform(0.05, 0.6)),
        )
        k[9:12], k[12], k[14] = hsv(h, r.uniform(0, 0.5), r.uniform(0.5, 2.0)), r.uniform(3, 120), r.choice([0, 0.6, 1.0])
        k[13] = r.choice([2.0, r.uniform(0.985, 0.9995)])
        s.ambient = k[0:3] * r.uniform(0.08, 0.4)
        s.light(sun, k[9:12] * r.uniform(0.4, 1.0), 0)
    else:
        if kind == "night":
            k[0:3], k[3:6] = (
                hsv(r.uniform(0.5, 0.75), r.uniform(0.2, 0.8), r.uniform(0.02, 0.25)),
                hsv(r.uniform(0.55, 0.7), 0.6, r.uniform(0, 0.08)),
            )
            k[14], k[16] = r.choice([0, 0.7]), r.choice([0, 0.004, 0.01])
        elif r.random() < 0.3:
            k[16] = 0.006
        s.ambient = hsv(r.random(), 0.4 * r.random(), r.uniform(0.01, 0.12))
        s.light(sun, hsv(r.random(), 0.4 * r.random(), r.uniform(0.3, 1.2)), 0)
    k[6:9] = sun / np.linalg.norm(sun)
    if r.random() < 0.6:
        s.haze = np.array([*np.minimum(k[0:3] * r.uniform(0.8, 1.05), 1.2), math.exp(r.uniform(math.log(0.002), math.log(0.06)))])
    if kind in ("night", "glow") and r.random() < 0.5:
        p = np.array([r.uniform(-4, 4), -r.uniform(0, 3), r.uniform(1, 9)])
        s.light(p, hsv(r.random(), r.random(), r.uniform(0.5, 2.5)), casts=r.random() < 0.5, reach=r.uniform(1.5, 4))


def outdoors(s):
    r = s.rng
    set_sky(s, r.choice(["day", "grey", "glow", "night"], p=[0.42, 0.17, 0.28, 0.13]))
    floor = r.choice([r.uniform(0.5, 2.2), r.uniform(2, 8)], p=[0.8, 0.2])
    big = 1.0 if floor < 2.2 else floor / 2
    green = lambda: hsv(r.uniform(0.12, 0.4), r.uniform(0.2, 0.8), r.uniform(0.1, 0.7))
    grass = s.material(a=green() if r.random() < 0.6 else None, fam=r.choice([8, 1, 15, 11]), freq=r.uniform(0.6, 4), bump=1.0)
    s.add(BOX, (0, floor + 50, 0), (2000, 50, 2000), grass, rot(r.uniform(0, 3)), cast=False)
    street = r.random() < 0.3
    for _ in range(r.integers(0, 6)):  # hills, near and far
        z = r.uniform(8, 120) * big
        a = z * r.uniform(0.25, 1.0)
        s.add(
            BALL,
            (r.uniform(-1, 1) * z * 1.2, floor + a * 0.08, z + a * 0.5),
            (a, a * r.uniform(0.1, 0.5), a),
            grass if r.random() < 0.5 else s.material(fam=r.choice([1, 8, 15]), freq=0.3, bump=1.0),
            cast=False,
        )
    if r.random() < 0.3:  # mountains
        m = s.material(a=hsv(r.random(), 0.2, r.uniform(0.3, 0.9)), fam=r.choice([1, 5, 15]), freq=0.05, bump=1.5)
        for _ in range(r.integers(2, 6)):
            z = r.uniform(60, 200) * big
            a = z * r.uniform(0.3, 0.8)
            s.add(
                FRUSTUM,
                (r.uniform(-1, 1) * z, floor - a * 0.3, z),
                (a, a * r.uniform(0.3, 0.7), a),
                m,
                rot(r.uniform(0, 6), *r.normal(0, 0.1, 2)),
                k=1.0,
                cast=False,
            )
    if street:
        yaw, road = r.uniform(-0.4, 0.4), r.uniform(3, 9)
        q = rot(yaw)
        s.add(BOX, (0, floor, 0), (road * 0.7, 0.02, 200), s.material(a=np.full(3, r.uniform(0.1, 0.5)), fam=1), q, cast=False)
        for e in (-1, 1):
            z = r.uniform(0, 4)
            for _ in range(r.integers(2, 8)):
                deep, tall = r.uniform(4, 12), r.uniform(3, 15)
                p = q @ np.array([e * (road + 4), 0, z + deep / 2])
                house(s, p[0], floor, p[2], 8, deep * 0.97, tall, yaw)
                z += deep + r.choice([0, 0, r.uniform(0, 6)])
        for _ in range(r.integers(0, 5)):
            p = q @ np.array([r.uniform(-0.8, 0.8) * road, 0, r.uniform(4, 30)])
            m, t = s.material(gloss=0.6, fam=0), rot(yaw + r.choice([0, 1.57], p=[0.8, 0.2]))
            s.add(BOX, (p[0], floor - 0.6, p[2]), (0.85, 0.35, 2.0), m, t)
            s.add(BALL, (p[0], floor - 0.9, p[2]), (0.75, 0.55, 1.3), s.material(a=(0.1, 0.12, 0.15), gloss=0.8, fam=0), t)
            for a in (-0.8, 0.8):
                for b in (-1.2, 1.2):
                    s.add(
                        BALL,
                        np.array([p[0], floor - 0.3, p[2]]) + t @ np.array([a, 0, b]),
                        (0.12, 0.32, 0.32),
                        s.material(a=(0.05, 0.05, 0.05), fam=0),
                        t,
                    )
    else:
        for _ in range(r.choice([0, 0, 1, 2, 3])):
            z = r.uniform(8, 50) * big
            house(s, r.uniform(-0.8, 0.8) * z, floor, z, r.uniform(4, 10), r.uniform(4, 10), r.uniform(2.5, 9), r.uniform(-3, 3))
        mats = [s.material(a=hsv(0.08, 0.5, r.uniform(0.05, 0.5)), fam=14, freq=4)] + [
            s.material(a=green() if r.random() < 0.8 else None, fam=r.choice([1, 8]), freq=5, bump=1.5) for _ in range(3)
        ]
        forest = r.random() < 0.3
        for _ in range(r.integers(6, 22) if forest else r.integers(0, 7)):
            z = math.exp(r.uniform(math.log(3), math.log(50)))
            tree(s, r.uniform(-0.9, 0.9) * z, floor, z, r.uniform(2, 7) * big, mats)
        for _ in range(r.integers(0, 8)):  # bushes and rocks
            z = math.exp(r.uniform(math.log(1.5), math.log(20)))
            x, a = r.uniform(-0.8, 0.8) * z, r.uniform(0.15, 0.9)
            if r.random() < 0.5:
                s.add(BALL, (x, floor - a * 0.5, z), np.array([a, a * 0.7, a]) * 0.93, mats[1])
                s.leaves((x, floor - a * 0.5, z), np.array([a, a * 0.7, a]), 60, 0.12 * a, mats[1:])
            else:
                m = s.material(a=hsv(r.random(), 0.15, r.uniform(0.15, 0.7)), fam=r.choice([1, 15]), bump=1.5)
                for _ in range(3):
                    s.add(
                        r.choice([BALL, BOX]),
                        np.array([x, floor, z]) + r.normal(0, 0.3, 3) * a,
                        a * r.uniform(0.3, 0.9, 3),
                        m,
                        rot(*r.uniform(0, 6, 3)),
                    )
        if r.random() < 0.2:  # a fence
            m, z, t = s.material(), r.uniform(3, 12), r.uniform(-0.6, 0.6)
            q = rot(t)
            for i in range(-8, 9):
                s.add(BOX, np.array([0, floor - 0.5, z]) + q @ np.array([i * 0.9, 0, 0]), (0.05, 0.5, 0.05), m, q)
            for y in (0.35, 0.8):
                s.add(BOX, (0, floor - y, z), (8, 0.05, 0.02), m, q)
        if r.random() < 0.5:  # blades of grass near the camera
            n = 150
            p = np.stack([r.uniform(-1.5, 1.5, n), np.full(n, floor - 0.06), r.uniform(1.0, 4, n)], 1)
            s.add_many(
                BALL,
                p,
                np.stack([np.full(n, 0.008), r.uniform(0.04, 0.15, n), np.full(n, 0.008)], 1),
                grass,
                np.stack([rot(*r.normal(0, 0.4, 3)) for _ in range(n)]),
            )
    for _ in range(r.choice([0, 0, 1, 1, 2, 4])):
        z = math.exp(r.uniform(math.log(2), math.log(15)))
        figure(s, r.uniform(-0.5, 0.5) * z, floor, z, r.uniform(1.2, 1.9), detail=z < 6)
    for _ in range(r.integers(0, 4)):
        z = r.uniform(1.5, 12)
        thing(s, (r.uniform(-0.6, 0.6) * z, floor, z), r.uniform(0.1, 0.8))
    return floor


def void(s):
    """Objects before nothing: a black stage, a gradient, planets, a table top."""
    r = s.rng
    set_sky(s, r.choice(["black", "night", "grey", "glow"], p=[0.5, 0.1, 0.2, 0.2]))
    s.haze[3] = 0
    floor = r.uniform(0.3, 1.2)
    kind = r.random()
    if kind < 0.25:  # planets and moons
        for _ in range(r.integers(1, 4)):
            z = r.uniform(2, 12)
            a = z * r.uniform(0.1, 0.7)
            s.add(
                BALL,
                (r.uniform(-0.6, 0.6) * z, r.uniform(-0.5, 0.5) * z, z + a),
                np.full(3, a) * r.uniform(0.9, 1, 3),
                s.material(bump=r.uniform(0, 1.5), freq=r.uniform(0.5, 4) / a),
                rot(*r.uniform(0, 6, 3)),
            )
        return floor
    if kind < 0.7:
        s.add(BOX, (0, floor + 0.1, 3), (r.uniform(1, 30), 0.1, r.uniform(2.5, 30)), s.material(), rot(r.uniform(-1, 1)))
        for _ in range(r.integers(3, 16)):
            z = r.uniform(0.9, 5)
            thing(s, (r.uniform(-0.6, 0.6) * z, floor, z), r.uniform(0.08, 0.5))
    else:
        for _ in range(r.integers(4, 25)):
            z = r.uniform(1.2, 9)
            s.add(
                r.integers(0, 4),
                np.array([r.uniform(-0.6, 0.6), r.uniform(-0.45, 0.45), 1]) * z,
                z * r.uniform(0.03, 0.3, 3),
                s.material(),
                rot(*r.uniform(0, 6, 3)),
                k=r.random(),
            )
    for _ in range(r.choice([0, 1, 1, 2])):
        z = r.uniform(1.5, 5)
        figure(s, r.uniform(-0.4, 0.4) * z, floor + r.choice([0, 0.5]), z, r.uniform(0.8, 1.9))
    return floor


def close_up(s, floor):
    """One or two figures near the camera, seen from the waist or the shoulders up."""
    r = s.rng
    for i in range(r.choice([1, 1, 2])):
        tall = r.uniform(1.3, 1.9)
        z = r.uniform(0.5, 1.8)
        top = r.uniform(-0.35, 0.15) * z  # the head's height in the picture
        figure(
            s,
            r.uniform(-0.35, 0.35) * z + 0.5 * i * r.choice([-1, 1]),
            top + 0.92 * tall,
            z + 0.3 * i,
            tall,
            yaw=r.normal(0, 0.7) if r.random() < 0.8 else None,
        )
    s.light(
        (r.uniform(-1.5, 1.5), r.uniform(-1.5, 0.3), r.uniform(-0.3, 1)), warm(r, r.uniform(0.2, 1.0)), casts=False, reach=r.uniform(0.8, 2)
    )


def make(seed, held_out=False):
    """A scene and its camera: (Scene, pitch, roll, horizontal field of view in radians)."""
    rng = np.random.default_rng([seed, 7 if held_out else 3])
    s = Scene(rng, held_out)
    kind = rng.random()
    floor = room(s) if kind < 0.52 else (outdoors(s) if kind < 0.9 else void(s))
    if rng.random() < 0.18:
        close_up(s, floor)
    pitch = rng.normal(-0.06, 0.16) if kind < 0.9 else rng.normal(-0.2, 0.2)
    return s, pitch, rng.normal(0, 0.05), math.radians(rng.uniform(32, 88))
