"""Pictures a second of a model's networks: PyTorch eager, torch.compile and ONNX Runtime, one table row each.

    python bench.py MODEL-FOLDER --family omnidata --threads 1 --batch 1 4
    python bench.py MODEL-FOLDER --family omnidata --checkpoint depth=omnidata_dpt_depth_v2.ckpt   # PyTorch with the real weights
    python bench.py MODEL-FOLDER --steps 10   # GeoWizard: the whole chain of its networks, at the card's first bucket

The time does not depend on the weights, so PyTorch's network has random ones unless a checkpoint is given. With --device
cuda PyTorch is measured in fp32 and fp16 (and ONNX Runtime where the onnxruntime-gpu package is). On a busy machine trust the CPU seconds.
"""

import argparse
import itertools
import os
import platform
import time

import numpy as np
import onnxruntime
import torch
import yaml

import checkpoint
import common
import dpt
import geowizard
from common import Refused


def rate(step, sync, batch, seconds, least):
    """Pictures a second (the median over runs, after a warm-up), CPU seconds a picture, runs."""
    step()
    sync()
    times, begin, cpu = [], time.perf_counter(), time.process_time()
    while len(times) < least or time.perf_counter() - begin < seconds:
        t = time.perf_counter()
        step()
        sync()
        times.append(time.perf_counter() - t)
    cpu = (time.process_time() - cpu) / (len(times) * batch)
    return f"{batch / float(np.median(times)):.3g}", f"{cpu:.2f}", len(times)


def torch_rows(place, device, precisions, batch, seconds, least, want):
    """place(device, dtype, compiled) puts the networks there and gives what runs them once."""
    for dtype in (getattr(torch, f"float{p}") for p in precisions):
        def sync():
            if device == "cuda":
                torch.cuda.synchronize()

        for way in ("eager", "compile"):
            if way not in want:
                continue
            step = place(device, dtype, torch.compile if way == "compile" else lambda m: m)
            with torch.inference_mode():
                try:
                    yield f"PyTorch {way}", device, str(dtype)[-2:], *rate(step, sync, batch, seconds, least)
                except Exception as e:  # torch.compile needs a C++ compiler
                    yield f"PyTorch {way}", device, str(dtype)[-2:], f"failed: {type(e).__name__}", "", 0
            del step


def onnx_rows(place, device, batch, threads, seconds, least):
    """place(load) loads the networks' files and gives what runs them once."""
    provider = f"{device.upper()}ExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        return

    def load(path):
        o = onnxruntime.SessionOptions()
        o.intra_op_num_threads = threads
        o.log_severity_level = 3
        return onnxruntime.InferenceSession(path, o, providers=list(dict.fromkeys([provider, "CPUExecutionProvider"])))

    yield "ONNX Runtime", device, "file", *rate(place(load), lambda: None, batch, seconds, least)


def dense(a, card, n):
    """What runs one dense network, in PyTorch and in ONNX Runtime."""
    task, = n["outputs"]
    size = n["input"]["resize"]["size"]
    net = None
    if set(a.only) & {"eager", "compile"}:
        net = dpt.network(dpt.config(dpt.FAMILIES[a.family]["hybrid"], a.tiny), 3 if task == "normal" else 1)
        paths = dict(v.split("=", 1) for v in a.checkpoint)
        if task in paths:
            dpt.load(net, checkpoint.read(paths[task]), paths[task])
        net = dpt.Network(net, size).eval()

    def torch_place(batch):
        def place(device, dtype, compiled):
            f, x = compiled(dpt.folded(net).to(device, dtype)), torch.rand(batch, 3, *size, device=device)
            return lambda: f(x)
        return place

    def onnx_place(batch):
        def place(load):
            s, x = load(os.path.join(a.folder, n["file"])), np.random.default_rng(0).random((batch, 3, *size), np.float32)
            return lambda: s.run(None, {"image": x})
        return place

    return task, size, torch_place, onnx_place


def wizard(a, card):
    """What runs GeoWizard's whole chain on pictures at its first bucket's size."""
    w = card["geowizard"]
    bucket = geowizard.parse_buckets(a.bucket)[0] if a.bucket else w["buckets"][0]
    unet, vae, vision, _ = geowizard.shapes(w["version"], a.tiny)

    def inputs(batch):
        return torch.rand(batch, 3, *bucket) * 2 - 1, torch.randn(batch, 4, bucket[0] // 8, bucket[1] // 8)

    def torch_place(batch):
        def place(device, dtype, compiled):
            v1 = w["version"] == "v1"
            texts = None if v1 else torch.randn(3, 4, unet["cross_attention_dim"])
            with torch.device(device):  # a GPU draws the weights at once
                net = geowizard.AutoencoderKL(**vae)
                m = {"vae_encoder": geowizard.Encoder(net), "vae_decoder": geowizard.Decoder(net),
                     "unet": geowizard.Unet(geowizard.join(geowizard.UNet2DConditionModel(**unet)), texts)}
                if v1:
                    m["image_encoder"] = geowizard.ImageEncoder(geowizard.CLIPVisionModelWithProjection(geowizard.CLIPVisionConfig(**vision)))
            m = {k: compiled(v.eval().requires_grad_(False).to(device, dtype)) for k, v in m.items()}
            image, noise = (v.to(device) for v in inputs(batch))
            scheduler = {"num_train_timesteps": 1000, "steps_offset": 1, "clip_sample": False, "prediction_type": w["scheduler"]["prediction"]}
            return lambda: geowizard.run_torch(m, scheduler, image, noise, 0, a.steps)
        return place

    def onnx_place(batch):
        def place(load):
            files = {"vae_encoder": w["encoder"], "unet": w["unet"], "vae_decoder": w["decoder"]}
            if "image_encoder" in w:
                files["image_encoder"] = w["image_encoder"]
            sessions = {k: load(os.path.join(a.folder, f)) for k, f in files.items()}
            image, noise = inputs(batch)
            return lambda: geowizard.run_onnx(sessions, w["scheduler"], image, noise, 0, a.steps)
        return place

    return f"all, {a.steps} steps", bucket, torch_place, onnx_place


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder")
    p.add_argument("--family", choices=dpt.FAMILIES, help="of a model of dense networks")
    p.add_argument("--task", choices=["depth", "normal"], help="only this network")
    p.add_argument("--tiny", action="store_true", help="the model is a tiny twin")
    p.add_argument("--steps", type=int, default=10, help="of a GeoWizard's diffusion")
    p.add_argument("--bucket", help="a GeoWizard's size, HEIGHTxWIDTH; default: the card's first")
    p.add_argument("--checkpoint", nargs="*", default=[], metavar="TASK=CKPT")
    p.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    p.add_argument("--precision", type=int, nargs="+", choices=[32, 16], help="PyTorch's; default 32, on a GPU both")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--batch", type=int, nargs="+", default=[1])
    p.add_argument("--seconds", type=float, default=10, help="of each measurement, at least")
    p.add_argument("--runs", type=int, default=3, help="of each measurement, at least")
    p.add_argument("--only", nargs="+", choices=["eager", "compile", "onnx"], default=["eager", "compile", "onnx"])
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    try:
        with open(os.path.join(a.folder, "model.yaml")) as f:
            card = yaml.safe_load(f)
        if "geowizard" in card:
            chains = [wizard(a, card)]
        elif not a.family:
            raise Refused("--family of the networks is wanted")
        else:
            chains = [dense(a, card, n) for n in card["networks"] if a.task in (None, *n["outputs"])]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as e:
        raise Refused(f"{a.folder}: not a model's folder: {e}") from None
    print(f"{platform.machine()}, {a.threads} threads, PyTorch {torch.__version__}, ONNX Runtime {onnxruntime.__version__}"
          + (f", {torch.cuda.get_device_name()}" if a.device == "cuda" else ""))
    print("| model | network | size | run by | device | precision | batch | pictures/s | CPU s/picture | runs |")
    print("| --- | --- | --- | --- | --- | --- | --: | --: | --: | --: |")
    for what, size, torch_place, onnx_place in chains:
        for batch in a.batch:
            rows = [torch_rows(torch_place(batch), a.device, a.precision or ([32] if a.device == "cpu" else [32, 16]), batch, a.seconds, a.runs, a.only)]
            if "onnx" in a.only:
                rows.append(onnx_rows(onnx_place(batch), a.device, batch, a.threads, a.seconds, a.runs))
            for way, device, precision, *figures in itertools.chain(*rows):
                cells = [card["name"], what, f"{size[0]}x{size[1]}", way, device, precision, batch, *figures]
                print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    common.run(main)
