"""The ray caster: unit shapes under affine maps, exact depth and normals, lights, shadows, haze and sky.

Camera frame as OpenCV's: x right, y down, z forward; a pixel's ray is ((u-cx)/f, (v-cy)/f, 1), so that the
ray's parameter t *is* the depth (z). Each shape is cast only inside the rectangle that it covers, against a
depth buffer; only pixels on the border of two shapes get four more samples for the colour.
"""

import math

import numpy as np
from numba import njit

from textures import fbm, hash3, noise, texture

BOX, BALL, FRUSTUM, WEDGE, ROOM = range(5)
jit = njit(cache=True, fastmath=True, nogil=True)
FAR = 1e9


@jit
def hit(kind, k, ox, oy, oz, dx, dy, dz):
    """First hit of a ray with a unit shape: (t, normal, face). t = FAR: none. face: 0..5 for flat ones.

    BOX [-1,1]^3 - BALL radius 1 - FRUSTUM y in [-1,1], radius 1 at y=1 and 1-k at y=-1 (y is down)
    WEDGE a roof: |x| <= (1+y)/2, |z| <= 1 - ROOM the inside of the box.
    """
    none = (FAR, 0.0, 0.0, 0.0, 0)
    if kind == BALL:
        a = dx * dx + dy * dy + dz * dz
        b = ox * dx + oy * dy + oz * dz
        disc = b * b - a * (ox * ox + oy * oy + oz * oz - 1.0)
        if disc <= 0.0:
            return none
        t = (-b - math.sqrt(disc)) / a
        return t, ox + t * dx, oy + t * dy, oz + t * dz, 0
    if kind == BOX or kind == ROOM:
        t0, t1, f0, f1 = -FAR, FAR, 0, 0
        for ax in range(3):
            o = ox if ax == 0 else (oy if ax == 1 else oz)
            d = dx if ax == 0 else (dy if ax == 1 else dz)
            if abs(d) < 1e-12:
                if abs(o) > 1.0:
                    return none
                continue
            s = -1.0 if d > 0 else 1.0
            a, b = (s - o) / d, (-s - o) / d
            fa, fb = ax * 2 + (1 if s > 0 else 0), ax * 2 + (0 if s > 0 else 1)
            if a > t0:
                t0, f0 = a, fa
            if b < t1:
                t1, f1 = b, fb
        if t0 >= t1:
            return none
        t, f, inward = (t1, f1, -1.0) if kind == ROOM else (t0, f0, 1.0)
        s = inward * (1.0 if f & 1 else -1.0)
        ax = f >> 1
        return t, s if ax == 0 else 0.0, s if ax == 1 else 0.0, s if ax == 2 else 0.0, f
    if kind == FRUSTUM:
        best, nx, ny, nz, face = FAR, 0.0, 0.0, 0.0, 0
        m = 1.0 - 0.5 * k + 0.5 * k * oy  # radius at the ray's point: m + n t
        n = 0.5 * k * dy
        a = dx * dx + dz * dz - n * n
        b = ox * dx + oz * dz - m * n
        disc = b * b - a * (ox * ox + oz * oz - m * m)
        if disc > 0.0 and abs(a) > 1e-14:
            root = math.sqrt(disc)
            for sgn in (-1.0, 1.0):
                t = (-b + sgn * root) / a
                y = oy + t * dy
                if 1e-6 < t < best and -1.0 <= y <= 1.0 and m + n * t > 0:
                    best, face = t, 0
                    nx, nz = ox + t * dx, oz + t * dz
                    ny = -0.5 * k * (m + n * t)
        if abs(dy) > 1e-12:
            for cap in (-1.0, 1.0):
                t = (cap - oy) / dy
                x, z = ox + t * dx, oz + t * dz
                r = 1.0 if cap > 0 else 1.0 - k
                if 1e-6 < t < best and x * x + z * z <= r * r:
                    best, nx, ny, nz, face = t, 0.0, cap, 0.0, 1
        return best, nx, ny, nz, face
    t0, t1, face = -FAR, FAR, -1
    for i in range(5):  # WEDGE: planes n.p <= c
        px = 1.0 if i == 3 else (-1.0 if i == 4 else 0.0)
        py = 1.0 if i == 0 else (-0.5 if i >= 3 else 0.0)
        pz = 1.0 if i == 1 else (-1.0 if i == 2 else 0.0)
        c = 0.5 if i >= 3 else 1.0
        den = px * dx + py * dy + pz * dz
        num = c - (px * ox + py * oy + pz * oz)
        if abs(den) < 1e-12:
            if num < 0:
                return none
        elif den < 0:
            if num / den > t0:
                t0, face = num / den, i
        elif num / den < t1:
            t1 = num / den
    if t0 >= t1 or face < 0:
        return none
    px = 1.0 if face == 3 else (-1.0 if face == 4 else 0.0)
    py = 1.0 if face == 0 else (-0.5 if face >= 3 else 0.0)
    pz = 1.0 if face == 1 else (-1.0 if face == 2 else 0.0)
    return t0, px, py, pz, face


@jit
def ray_hit(kind, k, m, x, y, z, dx, dy, dz):
    return hit(
        kind,
        k,
        m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3],
        m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3],
        m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3],
        m[0, 0] * dx + m[0, 1] * dy + m[0, 2] * dz,
        m[1, 0] * dx + m[1, 1] * dy + m[1, 2] * dz,
        m[2, 0] * dx + m[2, 1] * dy + m[2, 2] * dz,
    )


@jit
def raster(kinds, ks, mats, rects, f, w, h, du, dv, todo, tbuf, ibuf):
    """Nearest shape of each pixel where todo is set, rays through (u + du, v + dv)."""
    tbuf[:] = FAR
    ibuf[:] = -1
    for i in range(kinds.shape[0]):
        m = mats[i]
        for v in range(rects[i, 1], rects[i, 3]):
            dy = (v + dv - 0.5 * h) / f
            for u in range(rects[i, 0], rects[i, 2]):
                if not todo[v, u]:
                    continue
                dx = (u + du - 0.5 * w) / f
                t = ray_hit(kinds[i], ks[i], m, 0.0, 0.0, 0.0, dx, dy, 1.0)[0]
                if 0.02 < t < tbuf[v, u]:
                    tbuf[v, u] = t
                    ibuf[v, u] = i


@jit
def blocked(kinds, ks, mats, balls, casters, x, y, z, dx, dy, dz, tmax):
    """Is there a caster between the point and the light? Bounding balls first: most rays miss most shapes."""
    dd = dx * dx + dy * dy + dz * dz
    for c in casters:
        bx, by, bz = balls[c, 0] - x, balls[c, 1] - y, balls[c, 2] - z
        along = (bx * dx + by * dy + bz * dz) / dd
        r2 = balls[c, 3] * balls[c, 3]
        if bx * bx + by * by + bz * bz - along * along * dd > r2 or (along < 0 and bx * bx + by * by + bz * bz > r2):
            continue
        t = ray_hit(kinds[c], ks[c], mats[c], x, y, z, dx, dy, dz)[0]
        if 1e-3 < t < tmax:
            return True
    return False


@jit
def sky_colour(dx, dy, dz, up, sky, out):
    """sky: 0-2 horizon, 3-5 zenith, 6-8 sun direction, 9-11 glow colour, 12 glow width, 13 disc, 14 cloud, 15 seed,
    16 stars, 17 cloud scale."""
    n = 1.0 / math.sqrt(dx * dx + dy * dy + dz * dz)
    dx, dy, dz = dx * n, dy * n, dz * n
    e = dx * up[0] + dy * up[1] + dz * up[2]
    s = max(0.0, e) ** 0.6
    toward = max(0.0, dx * sky[6] + dy * sky[7] + dz * sky[8])
    glow = toward ** sky[12] + (3.0 if toward > sky[13] else 0.0)
    seed = int(sky[15])
    cloud = 0.0
    if sky[14] > 0:
        q = sky[17] / (0.15 + max(0.0, e))
        cloud = min(1.0, max(0.0, fbm(dx * q, e * q * 2.0, dz * q, seed) - 0.62 + 0.35 * sky[14]) * 3.0) * min(1.0, 6.0 * max(0.0, e))
    star = 0.0
    if sky[16] > 0 and hash3(int(math.floor(dx * 90)), int(math.floor(dy * 90)), int(math.floor(dz * 90)), seed) < sky[16]:
        star = 0.8 * hash3(int(math.floor(dx * 90)), int(math.floor(dy * 90)), 5, seed)
    for c in range(3):
        v = sky[c] * (1 - s) + sky[3 + c] * s
        out[c] = v + glow * sky[9 + c] + cloud * (0.75 * (sky[c] + sky[9 + c] * 0.3) + 0.15 - 0.6 * v) + star


@jit
def shade(
    kinds,
    ks,
    mats,
    sizes,
    matid,
    balls,
    casters,
    mat,
    matpar,
    lights,
    ambient,
    up,
    haze,
    sky,
    f,
    w,
    h,
    du,
    dv,
    todo,
    tbuf,
    ibuf,
    rgb,
    want_geom,
    nrm,
    shadow,
):
    """Colour of each hit; with want_geom also the exact normal, and the shadow of each light for later samples.

    mat: 0 family, 1-3 colour A, 4-6 colour B, 7 frequency, 8 seed, 9 gloss, 10 emission, 11 bump
    lights: 0 kind (0 sun, 1 lamp), 1-3 direction or place, 4-6 colour, 7 casts, 8 reach
    """
    col = np.zeros(3)
    for v in range(h):
        for u in range(w):
            if not todo[v, u]:
                continue
            dx, dy = (u + du - 0.5 * w) / f, (v + dv - 0.5 * h) / f
            i = ibuf[v, u]
            if i < 0:
                sky_colour(dx, dy, 1.0, up, sky, col)
                rgb[v, u, 0], rgb[v, u, 1], rgb[v, u, 2] = col[0], col[1], col[2]
                if want_geom:
                    nrm[v, u, 0], nrm[v, u, 1], nrm[v, u, 2] = 0.0, 0.0, -1.0
                continue
            m = mats[i]
            t, ux, uy, uz, face = ray_hit(kinds[i], ks[i], m, 0.0, 0.0, 0.0, dx, dy, 1.0)
            # normals go by the inverse transpose: m's rows are the inverse map
            nx = m[0, 0] * ux + m[1, 0] * uy + m[2, 0] * uz
            ny = m[0, 1] * ux + m[1, 1] * uy + m[2, 1] * uz
            nz = m[0, 2] * ux + m[1, 2] * uy + m[2, 2] * uz
            q = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz + 1e-20)
            nx, ny, nz = nx * q, ny * q, nz * q
            if want_geom:
                nrm[v, u, 0], nrm[v, u, 1], nrm[v, u, 2] = nx, ny, nz
            px, py, pz = t * dx, t * dy, t
            k = matid[i]
            if kinds[i] == ROOM:  # walls, ceiling (-y) and floor (+y) have three materials in a row
                k += 1 if face == 2 else (2 if face == 3 else 0)
            fr = mat[k, 7]
            x = (m[0, 0] * px + m[0, 1] * py + m[0, 2] * pz + m[0, 3]) * sizes[i, 0]
            y = (m[1, 0] * px + m[1, 1] * py + m[1, 2] * pz + m[1, 3]) * sizes[i, 1]
            z = (m[2, 0] * px + m[2, 1] * py + m[2, 2] * pz + m[2, 3]) * sizes[i, 2]
            ax, ay, az = abs(ux), abs(uy), abs(uz)
            if ay > ax and ay > az:
                a, b = x, z
            elif ax > az:
                a, b = z, y
            else:
                a, b = x, y
            away = math.sqrt(dx * dx + dy * dy + 1.0)
            cosv = -(nx * dx + ny * dy + nz) / away
            seed = int(mat[k, 8])
            fade = min(1.0, max(0.0, 1.6 - 2.2 * fr * t / (f * max(0.08, cosv))))  # what a pixel can't resolve is its mean
            mix, bright = 0.4, 1.0
            if fade > 0:
                mix, bright = texture(int(mat[k, 0]), x * fr, y * fr, z * fr, a * fr, b * fr, seed, matpar[k])
                mix, bright = 0.4 + (mix - 0.4) * fade, 1.0 + (bright - 1.0) * fade
            sx, sy, sz = nx, ny, nz
            if mat[k, 11] > 0 and fade > 0:  # relief in the shading only: the true normal stays as it is
                g = mat[k, 11] * fade
                sx += g * (noise(x * fr * 5, y * fr * 5, z * fr * 5, seed + 21) - 0.5)
                sy += g * (noise(x * fr * 5, y * fr * 5, z * fr * 5, seed + 22) - 0.5)
                sz += g * (noise(x * fr * 5, y * fr * 5, z * fr * 5, seed + 23) - 0.5)
                q = 1.0 / math.sqrt(sx * sx + sy * sy + sz * sz + 1e-9)
                sx, sy, sz = sx * q, sy * q, sz * q
            sky_side = 0.5 + 0.5 * (sx * up[0] + sy * up[1] + sz * up[2])
            occ = 1.0
            if kinds[i] == ROOM:  # corners get less light
                for e in range(3):
                    d = sizes[i, e] - abs(x if e == 0 else (y if e == 1 else z))
                    if (face >> 1) != e:
                        occ *= 1.0 - 0.45 * math.exp(-d * 2.5)
            for c in range(3):
                col[c] = ambient[c] * (0.45 + 0.55 * sky_side) * occ
            gloss = 0.0
            for li in range(lights.shape[0]):
                L = lights[li]
                if L[0] == 0:
                    lx, ly, lz, fall, tmax = L[1], L[2], L[3], 1.0, FAR
                else:
                    lx, ly, lz = L[1] - px, L[2] - py, L[3] - pz
                    d2 = lx * lx + ly * ly + lz * lz
                    fall, tmax = 1.0 / (1.0 + d2 / (L[8] * L[8])), 1.0
                ln = 1.0 / math.sqrt(lx * lx + ly * ly + lz * lz)
                lam = (sx * lx + sy * ly + sz * lz) * ln
                if lam <= 0:
                    continue
                if L[7] > 0:
                    if want_geom:
                        off = 2e-3 * (1 + t)
                        shadow[v, u, li] = blocked(
                            kinds, ks, mats, balls, casters, px + nx * off, py + ny * off, pz + nz * off, lx, ly, lz, tmax
                        )
                    if shadow[v, u, li]:
                        continue
                hx, hy, hz = lx * ln - dx / away, ly * ln - dy / away, lz * ln - 1.0 / away
                sp = (sx * hx + sy * hy + sz * hz) / math.sqrt(hx * hx + hy * hy + hz * hz + 1e-9)
                gloss += mat[k, 9] * max(0.0, sp) ** 30 * fall
                for c in range(3):
                    col[c] += L[4 + c] * lam * fall
            fog = math.exp(-haze[3] * t * away)
            for c in range(3):
                base = (mat[k, 1 + c] * (1 - mix) + mat[k, 4 + c] * mix) * bright
                lit = base * (col[c] + mat[k, 10]) + gloss
                rgb[v, u, c] = lit * fog + haze[c] * (1 - fog)
