"""What the pictures show: rooms, streets, meadows, clutter, figures, dark and glowing ones. Pure chance from a seed.

World frame: x right, y down, z forward, the camera at the origin; `Scene.finish` turns it to the camera's own frame.
"""

import math

import numpy as np

from cast import BALL, BOX, FRUSTUM, ROOM, WEDGE
from textures import HELD_OUT, TRAIN


def rot(yaw=0.0, pitch=0.0, roll=0.0):
    cy, sy, cp, sp, cr, sr = (math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch), math.cos(roll), math.sin(roll))
    ry = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rx = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    rz = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return ry @ rx @ rz


def random_rots(rng, n):
    q = rng.normal(size=(n, 4))
    w, x, y, z = (q / np.linalg.norm(q, axis=1, keepdims=True)).T
    return np.stack(
        [
            1 - 2 * (y * y + z * z),
            2 * (x * y - z * w),
            2 * (x * z + y * w),
            2 * (x * y + z * w),
            1 - 2 * (x * x + z * z),
            2 * (y * z - x * w),
            2 * (x * z - y * w),
            2 * (y * z + x * w),
            1 - 2 * (x * x + y * y),
        ],
        1,
    ).reshape(n, 3, 3)


def hsv(h, s, v):
    k = (np.array([5.0, 3.0, 1.0]) + h * 6) % 6
    return v * (1 - s * np.clip(np.minimum(k, 4 - k), 0, 1))


class Scene:
    def __init__(self, rng, held_out=False):
        self.rng, self.families = rng, HELD_OUT if held_out else TRAIN
        self.kind, self.k, self.centre, self.size, self.turn, self.mat_of, self.cast = [], [], [], [], [], [], []
        self.mat, self.matpar, self.lights = [], [], []
        self.ambient = np.array([0.35, 0.35, 0.35])
        self.haze = np.array([0.6, 0.65, 0.7, 0.0])
        self.sky = np.zeros(18)
        self.exposure = 1.0

    # ---- materials
    def material(self, a=None, b=None, fam=None, freq=None, gloss=None, glow=0.0, bump=None):
        r = self.rng
        a = hsv(r.random(), r.random() ** 1.5 * 0.9, r.uniform(0.08, 0.95)) if a is None else np.asarray(a, float)
        if b is None:
            b = (
                np.clip(a * r.uniform(0.3, 1.7) + r.normal(0, 0.08, 3), 0.02, 1)
                if r.random() < 0.7
                else hsv(r.random(), r.random(), r.uniform(0.05, 1))
            )
        plain = self.families[0]
        if fam is None or fam not in self.families:  # half of all surfaces are nearly plain, as in the world
            fam = plain if r.random() < 0.3 else r.choice(self.families)
        freq = math.exp(r.uniform(math.log(0.6), math.log(9))) if freq is None else freq
        if fam == HELD_OUT[0] and r.random() < 0.5:
            b = a * r.uniform(0.85, 1.1)  # nearly plain
        gloss = (r.uniform(0.1, 0.8) if r.random() < 0.25 else 0.0) if gloss is None else gloss
        bump = (r.uniform(0.2, 1.6) if r.random() < 0.35 else 0.0) if bump is None else bump
        self.mat.append([fam, *a, *b, freq, r.integers(1 << 20), gloss, glow, bump])
        self.matpar.append(r.random(2))
        return len(self.mat) - 1

    # ---- shapes
    def add(self, kind, centre, size, mat, turn=None, k=0.0, cast=True):
        self.kind.append(np.array([kind]))
        self.k.append(np.array([k], float))
        self.centre.append(np.asarray(centre, float)[None])
        self.size.append(np.maximum(np.asarray(size, float), 1e-3)[None])
        self.turn.append((np.eye(3) if turn is None else turn)[None])
        self.mat_of.append(np.array([mat]))
        self.cast.append(np.array([cast]))

    def add_many(self, kind, centres, sizes, mats, turns, cast=False):
        n = len(centres)
        for to, v in (
            (self.kind, np.full(n, kind)),
            (self.k, np.zeros(n)),
            (self.centre, centres),
            (self.size, np.maximum(sizes, 1e-3)),
            (self.turn, turns),
            (self.mat_of, np.broadcast_to(mats, (n,))),
            (self.cast, np.full(n, cast)),
        ):
            to.append(v)

    def limb(self, a, b, ra, rb, mat, cast=True):
        """A tapered rod from a to b: radius ra at a and rb <= ra at b, with a round joint at a."""
        a, b = np.asarray(a, float), np.asarray(b, float)
        d = a - b
        n = np.linalg.norm(d) + 1e-9
        y = d / n  # unit y = +1 is the thick end a
        x = np.cross(y, [0.3, 0.1, 1.0])
        x /= np.linalg.norm(x) + 1e-9
        turn = np.stack([x, y, np.cross(x, y)], 1)
        self.add(FRUSTUM, (a + b) / 2, (ra, n / 2, ra), mat, turn, k=min(0.9, max(0.0, 1 - rb / ra)), cast=cast)
        self.add(BALL, a, (ra, ra, ra), mat, cast=False)

    def leaves(self, centre, size, n, leaf, mat):
        """A rough ball of small tilted discs: foliage, fur, hair, heaps."""
        r = self.rng
        p = r.normal(size=(n, 3))
        p /= np.linalg.norm(p, axis=1, keepdims=True)
        p *= r.uniform(0.75, 1.05, (n, 1))
        s = leaf * r.uniform(0.6, 1.5, (n, 3)) * np.array([1.0, 0.45, 1.0])
        mats = mat if np.isscalar(mat) else r.choice(mat, n)
        self.add_many(BALL, np.asarray(centre) + p * size, s, mats, random_rots(r, n))

    def light(self, place, colour, kind=1, casts=True, reach=3.0):
        self.lights.append([kind, *place, *colour, float(casts), reach])

    # ---- to arrays in the camera's frame
    def finish(self, pitch, roll, f, w, h):
        turn = rot(0, pitch, roll).T  # world to camera
        kinds, ks = np.concatenate(self.kind).astype(np.int64), np.concatenate(self.k).astype(float)
        centre = np.concatenate(self.centre) @ turn.T
        size, cast = np.concatenate(self.size), np.concatenate(self.cast)
        axes = turn @ np.concatenate(self.turn)  # columns are the shape's axes in the camera's frame
        inv = np.zeros((len(kinds), 3, 4))
        inv[:, :, :3] = np.swapaxes(axes, 1, 2) / size[:, :, None]
        inv[:, :, 3] = -np.einsum("nij,nj->ni", inv[:, :, :3], centre)
        corner = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
        pts = np.einsum("nij,cj,nj->nci", axes, corner, size) + centre[:, None]
        z = pts[:, :, 2]
        u, v = pts[:, :, 0] / np.maximum(z, 1e-6) * f + w / 2, pts[:, :, 1] / np.maximum(z, 1e-6) * f + h / 2
        rect = np.stack([np.floor(u.min(1)) - 1, np.floor(v.min(1)) - 1, np.ceil(u.max(1)) + 1, np.ceil(v.max(1)) + 1], 1)
        rect[z.min(1) < 0.02] = (0, 0, w, h)
        rect[z.max(1) < 0.02] = 0
        rect = np.clip(np.nan_to_num(rect), 0, [w, h, w, h]).astype(np.int64)
        inside = ((np.abs(inv[:, :, 3]) - 1) * size < 0.03).all(1) & (kinds != ROOM)  # the camera sits in it: leave it out
        keep = ~inside & ((rect[:, 2] > rect[:, 0]) | cast)
        kinds, ks, inv, rect, size, cast, centre = kinds[keep], ks[keep], inv[keep], rect[keep], size[keep], cast[keep], centre[keep]
        balls = np.concatenate([centre, np.where(kinds == BALL, size.max(1), np.linalg.norm(size, axis=1))[:, None]], 1)
        lights = np.array(self.lights, float).reshape(-1, 9)
        lights[:, 1:4] = lights[:, 1:4] @ turn.T
        sky = self.sky.copy()
        sky[6:9] = turn @ sky[6:9]
        return dict(
            kinds=kinds,
            ks=ks,
            mats=np.ascontiguousarray(inv),
            rects=rect,
            sizes=size,
            matid=np.concatenate(self.mat_of)[keep].astype(np.int64),
            balls=balls,
            casters=np.flatnonzero(cast & (kinds != ROOM)),
            mat=np.array(self.mat, float),
            matpar=np.array(self.matpar),
            lights=lights,
            ambient=np.asarray(self.ambient, float),
            up=turn @ np.array([0, -1.0, 0]),
            haze=np.asarray(self.haze, float),
            sky=sky,
        )


# ---------------------------------------------------------------- things
def figure(s, x, floor, z, tall, yaw=None, detail=True):
    """A person-like figure of random build: head, hair, eyes, trunk, arms and legs in some posture; at times an animal's ears."""
    r = s.rng
    yaw = r.uniform(-3.14, 3.14) if yaw is None else yaw
    q = rot(yaw)
    at = lambda px, py, pz: np.array([x, floor, z]) + q @ (np.array([px, -py, pz]) * tall)
    skin = s.material(
        a=hsv(r.uniform(0.02, 0.1), r.uniform(0.2, 0.6), r.uniform(0.2, 0.95)) if r.random() < 0.8 else None,
        fam=r.choice([0, 1]),
        freq=5,
        bump=0.2,
    )
    shirt, trousers, hair = (
        s.material(freq=r.uniform(3, 14)),
        s.material(freq=r.uniform(3, 14)),
        s.material(a=hsv(r.random(), 0.5 * r.random(), r.uniform(0.02, 0.6)), fam=14, freq=12, bump=1.0),
    )
    toon = r.random() < 0.3
    hr = r.uniform(0.11, 0.17) if toon else r.uniform(0.062, 0.08)
    fat = r.uniform(0.85, 1.5) * (1.4 if toon else 1.0)
    sit = r.random() < 0.2
    hip, shoulder = (0.27 if sit else 0.5), (0.55 if sit else 0.8)
    head = shoulder + 0.05 + hr
    lean = r.normal(0, 0.03, 2)
    trunk = at(lean[0], (hip + shoulder) / 2, lean[1])
    s.add(
        BALL if toon else FRUSTUM,
        trunk,
        np.array([0.115 * fat, (shoulder - hip) / 2 + 0.03, 0.07 * fat]) * tall,
        shirt,
        q @ rot(0, 3.14159, 0),
        k=0.25,
    )
    s.add(BALL, at(lean[0], shoulder - 0.01, lean[1]), np.array([0.13 * fat, 0.05, 0.07 * fat]) * tall, shirt, q)
    s.add(BALL, at(lean[0], hip, lean[1]), np.array([0.1 * fat, 0.08, 0.075 * fat]) * tall, trousers, q)
    hx, hz = lean[0] * 1.5, lean[1] * 1.5
    s.limb(at(lean[0], shoulder - 0.02, lean[1]), at(hx, head, hz), 0.04 * tall * fat**0.5, 0.03 * tall, skin)
    look = q @ rot(r.normal(0, 0.5), r.normal(0, 0.2), r.normal(0, 0.15))
    hc = at(hx, head, hz)
    on = lambda px, py, pz: hc + look @ (np.array([px, -py, pz]) * hr * tall)  # -z is where it looks
    s.add(BALL, hc, np.array([0.8, 1.1, 0.95]) * hr * tall, skin, look)
    if detail:
        s.add(BALL, on(0, -0.55, -0.35), np.array([0.5, 0.4, 0.45]) * hr * tall, skin, look, cast=False)  # jaw
        s.add(FRUSTUM, on(0, -0.1, -0.95), np.array([0.17, 0.28, 0.25]) * hr * tall, skin, look, k=0.6, cast=False)  # nose
        eye = s.material(a=(0.9, 0.9, 0.88), b=(0.05, 0.05, 0.08), gloss=0.8, fam=0)
        dark = s.material(a=(0.04, 0.03, 0.03), b=(0.1, 0.05, 0.03), gloss=0.8, fam=0)
        lip = s.material(a=(0.6, 0.25, 0.22), b=(0.5, 0.2, 0.2), fam=0)
        for e in (-0.34, 0.34):
            s.add(BALL, on(e, 0.1, -0.78), np.full(3, 0.16) * hr * tall, eye, look, cast=False)
            s.add(BALL, on(e, 0.1, -0.9), np.full(3, 0.08) * hr * tall, dark, look, cast=False)
            s.add(BALL, on(e, 0.3, -0.82), np.array([0.22, 0.05, 0.1]) * hr * tall, hair, look, cast=False)
            s.add(BALL, on(e * 2.4, 0.0, 0.0), np.array([0.08, 0.25, 0.16]) * hr * tall, skin, look, cast=False)
            if toon and r.random() < 0.6:
                s.add(
                    BALL,
                    on(e * 1.6, 1.5, 0.1),
                    np.array([0.25, r.uniform(0.4, 1.0), 0.12]) * hr * tall,
                    skin,
                    look @ rot(0, 0, -0.5 * np.sign(e)),
                )
        s.add(BALL, on(0, -0.5, -0.8), np.array([0.25, 0.07, 0.1]) * hr * tall, lip, look, cast=False)
    style = r.random()
    if style < 0.75:
        s.add(BALL, on(0, 0.28, 0.18), np.array([0.88, 0.95, 0.98]) * hr * tall, hair, look)
        if style < 0.45 and detail:
            s.leaves(on(0, 0.3, 0.25), np.array([0.85, 0.95, 0.85]) * hr * tall, 40, 0.25 * hr * tall, hair)
        if style < 0.2:
            s.add(BALL, on(0, -0.5, 0.6), np.array([0.8, 1.3, 0.4]) * hr * tall, hair, look)
    elif style < 0.85:
        s.add(FRUSTUM, on(0, 1.0, 0.1), np.array([0.9, 0.5, 0.9]) * hr * tall, s.material(), look, k=r.uniform(0, 0.5))
    for e in (-1, 1):
        sh = at(lean[0] + e * 0.12 * fat, shoulder - 0.02, lean[1])
        elbow = sh + q @ (np.array([e * r.uniform(0.02, 0.12), r.uniform(0.02, 0.17), r.uniform(-0.12, 0.08)]) * tall)
        hand = elbow + q @ (np.array([r.uniform(-0.1, 0.1), r.uniform(-0.12, 0.16), r.uniform(-0.16, 0.03)]) * tall)
        s.limb(sh, elbow, 0.034 * tall * fat, 0.026 * tall * fat, shirt)
        s.limb(elbow, hand, 0.027 * tall * fat, 0.02 * tall, skin if r.random() < 0.5 else shirt)
        s.add(BALL, hand, np.full(3, 0.03) * tall, skin)
        hipj = at(lean[0] + e * 0.055 * fat, hip, lean[1])
        knee = hipj + q @ (np.array([e * 0.02, 0.02, -0.22]) * tall) if sit else at(e * r.uniform(0.04, 0.09), 0.26, r.uniform(-0.1, 0.02))
        foot = at(e * r.uniform(0.04, 0.12), 0.03, r.uniform(-0.25, -0.15) if sit else r.uniform(-0.05, 0.14))
        s.limb(hipj, knee, 0.055 * tall * fat, 0.038 * tall * fat, trousers)
        s.limb(knee, foot, 0.038 * tall * fat, 0.025 * tall * fat, trousers)
        s.add(BALL, foot + q @ (np.array([0, 0.01, -0.03]) * tall), np.array([0.03, 0.025, 0.06]) * tall, hair, q)
    return hc


def tree(s, x, floor, z, tall, mats):
    r = s.rng
    bark, leaf = mats[0], list(mats[1:])
    s.limb((x, floor, z), (x + r.normal(0, 0.05) * tall, floor - tall * 0.6, z), 0.035 * tall, 0.015 * tall, bark)
    if r.random() < 0.3:  # a conifer
        for i in range(3):
            s.add(
                FRUSTUM, (x, floor - tall * (0.4 + 0.22 * i), z), np.array([0.22 - 0.05 * i, 0.17, 0.22 - 0.05 * i]) * tall, leaf[0], k=0.95
            )
        return
    n = r.integers(2, 5)
    for _ in range(n):
        c = np.array([x, floor - tall * 0.72, z]) + r.normal(0, 0.13, 3) * tall
        size = np.array([r.uniform(0.12, 0.24), r.uniform(0.1, 0.2), r.uniform(0.12, 0.24)]) * tall
        s.add(BALL, c, size * 0.93, leaf[0])
        if z < 18:
            s.leaves(c, size, int(np.clip(500 / max(z, 3), 12, 90)), 0.035 * tall * r.uniform(0.6, 1.4), leaf)


def house(s, x, floor, z, wide, deep, tall, yaw):
    r = s.rng
    q = rot(yaw)
    s.add(
        BOX, (x, floor - tall / 2, z), (wide / 2, tall / 2, deep / 2), s.material(fam=r.choice([10, 4, 0, 12]), freq=r.uniform(0.3, 1.2)), q
    )
    if r.random() < 0.6:
        rh = wide * r.uniform(0.15, 0.45)
        s.add(
            WEDGE,
            (x, floor - tall - rh / 2, z),
            (wide / 2 * 1.1, rh / 2, deep / 2 * 1.08),
            s.material(fam=r.choice([4, 7, 12]), freq=r.uniform(1, 3)),
            q,
        )
    for _ in range(r.integers(0, 4)):  # doors, bays, signs
        o = np.array([r.uniform(-0.4, 0.4) * wide, 0, -deep / 2])
        hh = r.uniform(0.15, 0.4) * tall
        s.add(
            BOX,
            np.array([x, floor - r.uniform(hh, tall * 0.9), z]) + q @ o,
            (wide * r.uniform(0.05, 0.15), hh / 2, r.uniform(0.03, 0.3)),
            s.material(glow=r.choice([0, 0, 0.8])),
            q,
        )


def table(s, x, floor, z, w, d, h, yaw, mat, things=3):
    q = rot(yaw)
    at = lambda px, py, pz: np.array([x, floor, z]) + q @ np.array([px, -py, pz])
    s.add(BOX, at(0, h, 0), (w, 0.03, d), mat, q)
    for a in (-0.9, 0.9):
        for b in (-0.9, 0.9):
            s.add(BOX, at(a * w, h / 2, b * d), (0.03, h / 2, 0.03), mat, q)
    for _ in range(things):
        p = at(s.rng.uniform(-0.8, 0.8) * w, h + 0.03, s.rng.uniform(-0.8, 0.8) * d)
        thing(s, p, s.rng.uniform(0.06, 0.2))


def chair(s, x, floor, z, yaw, mat):
    q = rot(yaw)
    at = lambda px, py, pz: np.array([x, floor, z]) + q @ np.array([px, -py, pz])
    s.add(BOX, at(0, 0.45, 0), (0.22, 0.03, 0.22), mat, q)
    s.add(BOX, at(0, 0.75, 0.2), (0.22, 0.3, 0.025), mat, q)
    for a in (-0.19, 0.19):
        for b in (-0.19, 0.19):
            s.add(BOX, at(a, 0.22, b), (0.02, 0.22, 0.02), mat, q)


def sofa(s, x, floor, z, yaw, mat):
    q, w = rot(yaw), s.rng.uniform(0.5, 1.1)
    at = lambda px, py, pz: np.array([x, floor, z]) + q @ np.array([px, -py, pz])
    s.add(BOX, at(0, 0.22, 0), (w, 0.2, 0.4), mat, q)
    s.add(BOX, at(0, 0.55, 0.33), (w, 0.35, 0.12), mat, q @ rot(0, -0.15))
    for e in (-1, 1):
        s.add(BOX, at(e * w, 0.35, 0), (0.1, 0.3, 0.4), mat, q)
        s.add(BALL, at(e * w * 0.5, 0.5, 0.0), (0.22, 0.22, 0.12), s.material(), q @ rot(0, -0.3))


def shelf(s, x, floor, z, yaw, mat):
    r = s.rng
    q, w, h, d = rot(yaw), r.uniform(0.4, 0.9), r.uniform(0.8, 2.1), 0.18
    at = lambda px, py, pz: np.array([x, floor, z]) + q @ np.array([px, -py, pz])
    s.add(BOX, at(0, h / 2, d), (w, h / 2, 0.02), mat, q)
    for e in (-1, 1):
        s.add(BOX, at(e * w, h / 2, 0), (0.02, h / 2, d), mat, q)
    books = [s.material(fam=0) for _ in range(5)]
    for i in range(r.integers(3, 6)):
        y = h * (i + 0.02) / 5
        s.add(BOX, at(0, y, 0), (w, 0.015, d), mat, q)
        px = -w + 0.08
        while px < w - 0.1:
            bw, bh = r.uniform(0.02, 0.06), h / 5 * r.uniform(0.4, 0.85)
            if r.random() < 0.75:
                s.add(BOX, at(px, y + bh / 2, 0.03 + 0.05 * r.random()), (bw, bh / 2, 0.11), r.choice(books), q, cast=False)
            px += 2 * bw + 0.005


def thing(s, p, size, mat=None):
    """Some object of about that size standing on p."""
    r = s.rng
    mat = s.material() if mat is None else mat
    kind = r.choice([BOX, BALL, FRUSTUM, FRUSTUM, WEDGE, BOX])
    a = size * r.uniform(0.4, 1.2, 3)
    s.add(
        kind,
        np.asarray(p) - [0, a[1], 0],
        a,
        mat,
        rot(r.uniform(0, 6.28), *(r.normal(0, 0.3, 2) if kind == BALL else (0, 0))),
        k=r.choice([0, 0, 0.3, 0.7, 1.0]),
    )
    if r.random() < 0.25:
        s.add(BALL, np.asarray(p) - [0, 2 * a[1], 0], a * r.uniform(0.3, 0.7), s.material())
    if r.random() < 0.12:
        g = s.material(a=hsv(r.uniform(0.2, 0.4), 0.6, 0.4))
        s.leaves(np.asarray(p) - [0, 2.4 * a[1], 0], a * 0.9, 25, size * 0.25, g)
