"""Pictures a second of a model's dense networks: PyTorch eager, torch.compile and ONNX Runtime, one table row each.

    python bench.py MODEL-FOLDER --family omnidata --threads 1 --batch 1 4
    python bench.py MODEL-FOLDER --family omnidata --checkpoint depth=omnidata_dpt_depth_v2.ckpt   # PyTorch with the real weights

The time does not depend on the weights, so PyTorch's network has random ones unless a checkpoint is given. Where there is a
CUDA device (and, for ONNX Runtime, the onnxruntime-gpu package) it is measured too, in fp32 and fp16. On a busy machine trust the CPU seconds.
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


def torch_rows(net, size, batch, seconds, least, want):
    devices = [("cpu", torch.float32)]
    if torch.cuda.is_available():
        devices += [("cuda", torch.float32), ("cuda", torch.float16)]
    for device, dtype in devices:
        module = dpt.folded(net).to(device, dtype)
        x = torch.rand(batch, 3, *size, device=device)

        def sync():
            if device == "cuda":
                torch.cuda.synchronize()

        for way in ("eager", "compile"):
            if way not in want:
                continue
            f = torch.compile(module) if way == "compile" else module
            with torch.inference_mode():
                try:
                    yield f"PyTorch {way}", device, str(dtype)[-2:], *rate(lambda: f(x), sync, batch, seconds, least)
                except Exception as e:  # torch.compile needs a C++ compiler
                    yield f"PyTorch {way}", device, str(dtype)[-2:], f"failed: {type(e).__name__}", "", 0
        del module


def onnx_rows(path, size, batch, threads, seconds, least):
    x = np.random.default_rng(0).random((batch, 3, *size), np.float32)
    providers = [p for p in ("CPUExecutionProvider", "CUDAExecutionProvider") if p in onnxruntime.get_available_providers()]
    for provider in providers:
        o = onnxruntime.SessionOptions()
        o.intra_op_num_threads = threads
        o.log_severity_level = 3
        s = onnxruntime.InferenceSession(path, o, providers=[provider] if provider.startswith("CPU") else [provider, "CPUExecutionProvider"])
        if s.get_providers()[0] != provider:
            continue
        yield "ONNX Runtime", provider[:-17].lower(), "file", *rate(lambda: s.run(None, {"image": x}), lambda: None, batch, seconds, least)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder")
    p.add_argument("--family", choices=dpt.FAMILIES, required=True)
    p.add_argument("--task", choices=["depth", "normal"], help="only this network")
    p.add_argument("--tiny", action="store_true", help="the model is a tiny twin")
    p.add_argument("--checkpoint", nargs="*", default=[], metavar="TASK=CKPT")
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
        networks = card["networks"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as e:
        raise Refused(f"{a.folder}: not a folder of dense networks: {e}") from None
    paths = dict(v.split("=", 1) for v in a.checkpoint)
    print(f"{platform.machine()}, {a.threads} threads, PyTorch {torch.__version__}, ONNX Runtime {onnxruntime.__version__}"
          + (f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""))
    print("| model | network | size | run by | device | precision | batch | pictures/s | CPU s/picture | runs |")
    print("| --- | --- | --- | --- | --- | --- | --: | --: | --: | --: |")
    for n in networks:
        task, = n["outputs"]
        if a.task not in (None, task):
            continue
        size = n["input"]["resize"]["size"]
        net = None
        if set(a.only) & {"eager", "compile"}:
            cfg = dpt.config(dpt.FAMILIES[a.family]["hybrid"], a.tiny)
            net = dpt.network(cfg, 3 if task == "normal" else 1)
            if task in paths:
                dpt.load(net, checkpoint.read(paths[task]), paths[task])
            net = dpt.Network(net, size).eval()
        for batch in a.batch:
            rows = [torch_rows(net, size, batch, a.seconds, a.runs, a.only)] if net else []
            if "onnx" in a.only:
                rows.append(onnx_rows(os.path.join(a.folder, n["file"]), size, batch, a.threads, a.seconds, a.runs))
            for way, device, precision, *figures in itertools.chain(*rows):
                cells = [card["name"], task, f"{size[0]}x{size[1]}", way, device, precision, batch, *figures]
                print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    common.run(main)
