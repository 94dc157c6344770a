"""Makes the models and expected outputs that the Go tests of pseudolabel read: what the reference chain gives, in PyTorch.

    python goldens.py            # all of pseudolabel/testdata/{dpt-tiny,dpt-tiny-midas}, pseudolabel/geowizard/testdata
    python goldens.py --check    # makes them elsewhere and compares: same names, same values within rounding

The frames are stills of the sample films, made once:
    ffmpeg -ss 4 -i testdata/media/sintel_a.mp4 -vf crop=624:352,scale=320:180 -pix_fmt yuvj420p -q:v 3 -frames:v 1 sintel.jpg
    ffmpeg -ss 11 -i testdata/media/bbb_b.mp4 -vf scale=211:160 -pix_fmt yuvj420p -q:v 3 -frames:v 1 bbb.jpg
    ffmpeg -ss 6 -i testdata/media/tc_nasa.mp4 -map 0:v:0 -vf scale=60:44 -pix_fmt rgb24 -frames:v 1 nasa.png
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

import common
import dpt
import ensemble
import geowizard

ROOT = os.path.join(common.HERE, "..", "..")
# The families and sizes (height, width) of the small DPTs; one is not square, so that its sides can't be exchanged unseen.
DPTS = {"dpt-tiny": ("omnidata", (64, 64)), "dpt-tiny-midas": ("midas-hybrid", (64, 128))}
BUCKET = (64, 128)
STEPS = 4
MEMBERS = 3
SEED = {"v1": 38, "v2": 22}  # of the noise; upstream's optimiser moves for one seed in five, and these are such


def save(folder, name, value):
    np.save(os.path.join(folder, name + ".npy"), np.ascontiguousarray(np.asarray(value, np.float32)))


def tool(script, *args):
    subprocess.run([sys.executable, "-W", "ignore", os.path.join(common.HERE, script), *args], check=True, stdout=subprocess.DEVNULL)


def to_frame(maps, picture):
    """A network's maps [C,H,W] at the frame's size."""
    width, height = picture.size
    return F.interpolate(maps[None], size=(height, width), mode="bilinear", antialias=True, align_corners=False)[0]


def unit(normals):
    return normals / normals.norm(dim=0, keepdim=True).clamp_min(1e-12)


def facing(normals):
    """What is stored: unit vectors, and none that points away from the camera (z < 0 towards it, 8 bits)."""
    n = unit(normals)
    return unit(torch.cat([n[:2], n[2:].clamp(max=-1 / 255)]))


def save_maps(folder, name, depth, normals):
    """Depth [H,W] over its own range in 16 bits, normals [3,H,W] in 8; returns the range."""
    least, most = depth.min(), depth.max()
    levels = ((depth - least) / (most - least) * 65535).round().numpy().astype(np.uint16)
    Image.fromarray(levels).save(os.path.join(folder, f"{name}.depth.png"))
    pixels = ((normals + 1) / 2 * 255).round().permute(1, 2, 0).numpy().astype(np.uint8)
    Image.fromarray(pixels).save(os.path.join(folder, f"{name}.normal.png"))
    return [float(least), float(most)]


def demo_crop(picture, side):
    """As torchvision's Resize(side) of the short side and CenterCrop(side) do it to a Pillow picture."""
    w, h = picture.size
    if w <= h:
        size = (side, int(side * h / w))
    else:
        size = (int(side * w / h), side)
    picture = picture.resize(size, Image.Resampling.BILINEAR)
    left, top = int(round((size[0] - side) / 2.0)), int(round((size[1] - side) / 2.0))
    return picture.crop((left, top, left + side, top + side))


def dpt_goldens(out, name, family_name, size, frames, tiny=True):
    family = dpt.FAMILIES[family_name]
    pictures = {os.path.basename(f).split(".")[0]: common.open_rgb(f) for f in frames}
    cfg = dpt.config(family["hybrid"], tiny)
    folder = os.path.join(out, name)
    golden = os.path.join(folder, "golden")
    os.makedirs(golden)
    for task in family["normalise"]:
        net = dpt.Network(dpt.random_network(cfg, family_name, task, size, list(pictures.values())), size).eval()
        clamp = family[task].get("clamp")

        def maps(pixels):
            mean, std = family["normalise"][task]
            with torch.no_grad():
                m = net(common.as_input(pixels, mean, std))[0]
            return m.clamp(*clamp) if clamp else m

        for stem, picture in pictures.items():
            pixels = common.squash(picture, size, family["filter"])
            at_net = maps(pixels)
            at_frame = to_frame(at_net, picture)
            if task == "depth":
                if pixels.dtype == np.uint8:
                    Image.fromarray(pixels).save(os.path.join(golden, f"{stem}.squashed.png"))
                else:
                    save(golden, f"{stem}.squashed", pixels)
                save(golden, f"{stem}.depth", at_frame[0])
            else:
                save(golden, f"{stem}.normal", unit(2 * at_frame - 1).permute(1, 2, 0))
            if family_name == "omnidata":
                crop = demo_crop(picture, size[0])
                if task == "depth":
                    crop.save(os.path.join(golden, f"{stem}.demo.png"))
                    save(golden, f"{stem}.demo.depth", maps(np.asarray(crop))[0])
                else:
                    save(golden, f"{stem}.demo.normal", unit(2 * maps(np.asarray(crop)) - 1).permute(1, 2, 0))


def geowizard_goldens(out, version, frame):
    folder = os.path.join(out, f"tiny-{version}")
    golden = os.path.join(folder, "golden")
    os.makedirs(golden)
    picture = common.open_rgb(frame)
    with tempfile.TemporaryDirectory() as scratch:
        # The twin was made with the first frame; its weights are the same for the same frame.
        geowizard.write_random(scratch, version, True, "v_prediction", common.open_rgb(common.default_pictures()[0]), BUCKET)
        parts = geowizard.Parts(scratch, version, None)
    modules = parts.modules()
    image = geowizard.image_for(picture, BUCKET)
    Image.fromarray(np.asarray(picture.resize(BUCKET[::-1], Image.Resampling.BICUBIC))).save(os.path.join(golden, "bucket.png"))
    if version == "v1":
        clip = geowizard.clip_image(image)
        save(golden, "clip.every2", clip[0, :, ::2, ::2])  # every second pixel, to keep it small
        with torch.no_grad():
            save(golden, "context", modules["image_encoder"](clip)[0])
    noise = torch.randn(MEMBERS, 4, BUCKET[0] // 8, BUCKET[1] // 8, generator=torch.Generator().manual_seed(SEED[version]))
    # One at a time, as upstream runs them. Domain: indoor for v1, object for v2, upstream's own defaults.
    domain = 0 if version == "v1" else 2
    runs = [geowizard.run_torch(modules, parts.scheduler, image, noise[i:i + 1], domain, STEPS) for i in range(MEMBERS)]
    for i in range(MEMBERS):
        save(golden, f"noise{i}", noise[i])
    save(golden, "latent", runs[0]["latent"][0])
    save(golden, "predictions", runs[0]["predictions"][:, 0])
    save(golden, "geo", runs[0]["geo"][0])
    depths = torch.stack([r["depth"][0, 0] for r in runs])
    normals = torch.stack([r["normal"][0] for r in runs])
    save(golden, "depths", depths)
    save(golden, "normals", normals.permute(0, 2, 3, 1))
    save(golden, "depth", ensemble.stretch(depths[0]))  # of the first member alone, as upstream gives it
    # The same at the frame's size; GeoWizard's axes are left, up, to the camera, stored ones right, down, away.
    frame_range = save_maps(golden, "frame", to_frame(ensemble.stretch(depths[0])[None], picture)[0], facing(-to_frame(normals[0], picture)))
    solved, precise = ensemble.solve(depths), ensemble.solve(depths.double())
    begun = ensemble.begin(depths)
    for kind, x in (("bfgs", solved.x), ("minmax", begun)):
        depth, doubt = ensemble.combine(depths, x)
        save(golden, f"ensemble.{kind}.depth", depth)
        save(golden, f"ensemble.{kind}.uncertainty", doubt)
    best, number = ensemble.best_normals(normals)
    save(golden, "ensemble.normal", best.permute(1, 2, 0))
    card = parts.scheduler_card()
    ddim = {}
    for steps in (4, 10, 50):
        t, a, b = geowizard.coefficients(card, steps)
        ddim[str(steps)] = [{"t": int(t[i]), "abar": float(a[i]), "abar_next": float(b[i])} for i in range(steps)]
    with open(os.path.join(golden, "golden.json"), "w") as f:
        json.dump({
            "frame": os.path.basename(frame), "bucket": BUCKET, "steps": STEPS, "domain": geowizard.DOMAINS[domain], "members": MEMBERS,
            "frame_depth": frame_range, "ddim": ddim,
            "ensemble": {
                "scale_shift_minmax": [float(v) for v in begun], "scale_shift_bfgs": [float(v) for v in solved.x],
                "objective_minmax": float(ensemble.disagreement(depths, begun)), "objective_bfgs": float(solved.fun),
                "iterations": int(solved.nit), "best_normal": number,
                # The same two iterations without float32's rounding, which upstream's steps drown in.
                "scale_shift_bfgs_float64": [float(v) for v in precise.x], "objective_bfgs_float64": float(precise.fun),
            },
        }, f, indent=1)
        f.write("\n")


def make(out):
    frames = common.default_pictures()
    sintel = next(f for f in frames if "sintel" in f)
    dense, diffusion = os.path.join(out, "pseudolabel", "testdata"), os.path.join(out, "pseudolabel", "geowizard", "testdata")
    for name, (family, size) in DPTS.items():
        shutil.rmtree(os.path.join(dense, name), ignore_errors=True)
        tool("dpt.py", "--random-weights", "--tiny", "--family", family, "--size", "{}x{}".format(*size), "-o", dense, "--name", name)
        dpt_goldens(dense, name, family, size, frames)
    for version in ("v1", "v2"):
        name = f"tiny-{version}"
        shutil.rmtree(os.path.join(diffusion, name), ignore_errors=True)
        tool("geowizard.py", "--random-weights", "--tiny", "--version", version, "-o", diffusion, "--name", name)
        geowizard_goldens(diffusion, version, sintel)
    for folder in (dense, diffusion):
        for name in os.listdir(folder):
            path = os.path.join(folder, name, "parity.json")
            if os.path.exists(path):
                os.remove(path)  # timing and rounding of one machine


def goldens(root):
    base = os.path.join(root, "pseudolabel")
    return sorted(os.path.relpath(os.path.join(d, f), base) for d, _, files in os.walk(base) if os.path.basename(d) == "golden" for f in files)


def compare(a, b):
    """The largest difference between two sets of goldens; their names must be the same."""
    names = goldens(a)
    assert names == goldens(b), set(names) ^ set(goldens(b))
    worst = {}
    for n in names:
        x, y = (os.path.join(r, "pseudolabel", n) for r in (a, b))
        if n.endswith(".npy"):
            worst[n] = float(np.abs(np.load(x) - np.load(y)).max())
        elif n.endswith(".png"):
            a_level = 257 if Image.open(x).mode.startswith("I;16") else 1  # differences are in levels of 255
            worst[n] = float(np.abs(np.asarray(Image.open(x), int) - np.asarray(Image.open(y), int)).max()) / a_level
    return worst


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--check", action="store_true")
    a = p.parse_args()
    if not a.check:
        make(ROOT)
        return
    with tempfile.TemporaryDirectory() as scratch:
        make(scratch)
        worst = compare(ROOT, scratch)
    name = max(worst, key=worst.get)
    print(f"{len(worst)} files, the largest difference is {worst[name]:.1e} ({name})")


if __name__ == "__main__":
    common.run(main)
