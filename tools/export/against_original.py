"""Compares exports with the original code, which is not part of this repository.

    python against_original.py dpt       --clone PATH/TO/DPT                                --python PYTHON
    python against_original.py omnidata  --clone PATH/TO/omnidata                           --python PYTHON
    python against_original.py geowizard --clone PATH/TO/GeoWizard/geowizard                --python PYTHON

PYTHON is the interpreter of a second environment with what the original code needs (README.md says which). It makes the
original network with random weights, saves them as a checkpoint and runs it on the pictures; dpt.py and geowizard.py export
that checkpoint here, and ONNX Runtime gets the same input. Random networks enlarge rounding errors, so whether both are the
same function is seen in float64, and the original's own float32 error is the measure for ONNX Runtime's.
"""

import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

# Run by PYTHON: arguments are the clone, the backbone, channels, the checkpoint to write and the input to run.
ORIGINAL_DPT = """
import sys, torch, numpy as np
clone, package, backbone, channels, prefix, checkpoint, inputs, outputs = sys.argv[1:]
sys.path.insert(0, clone)
import timm
make = timm.create_model
timm.create_model = lambda name, pretrained=False, **kw: make(name, pretrained=False, **kw)  # no download: weights are set below
module = __import__(package, fromlist=["DPTDepthModel"])
from common_values import random_values
net = module.DPTDepthModel(backbone=backbone, **({"num_channels": int(channels)} if int(channels) != 1 else {}))
state = random_values({k: v.shape for k, v in net.state_dict().items()}, 7)
net.load_state_dict(state)
x = torch.from_numpy(np.load(inputs))
seen = []
net.scratch.output_conv[4].register_forward_hook(lambda m, i, o: seen.append(o))
with torch.no_grad():
    net(x)
    last, y = net.scratch.output_conv[4], seen.pop().transpose(0, 1).flatten(1)  # spread the output over [0, 1]
    scale = 0.2 / y.std(1)
    last.weight *= scale[:, None, None, None]
    last.bias.copy_(last.bias * scale + 0.5 - y.mean(1) * scale)
    np.save(outputs, net(x).numpy())
    np.save(outputs + ".double.npy", net.double()(x.double()).numpy())
state = net.float().state_dict()
torch.save({"state_dict": {prefix + k: v for k, v in state.items()}, "epoch": 3} if prefix else state, checkpoint)
"""


def dpt(a, folder, pictures):
    import checkpoint
    import common
    from dpt import FAMILIES, Network, config, load, network, prepare

    if a.what == "omnidata":
        package, root = "modules.midas.dpt_depth", os.path.join(a.clone, "omnidata_tools", "torch")
        cases = [("omnidata", "vitb_rn50_384", "depth", "model."), ("omnidata", "vitb_rn50_384", "normal", "model.")]
    else:
        package, root = "dpt.models", a.clone
        cases = [("midas-hybrid", "vitb_rn50_384", "depth", ""), ("midas-large", "vitl16_384", "depth", "")]
    with open(os.path.join(HERE, "common.py")) as f:  # random_values without the rest of common.py
        text = f.read()
    start = text.index("def random_values")
    with open(os.path.join(folder, "common_values.py"), "w") as f:
        f.write("import torch\n\n" + text[start:text.index("\n\n\n", start)] + "\n")
    for family, backbone, task, prefix in cases:
        for size in a.size:
            h, w = (int(v) for v in size.split("x"))
            x = np.concatenate([prepare(p, task, FAMILIES[family], (h, w)).numpy() for p in pictures])
            inputs, outputs, ckpt = (os.path.join(folder, n) for n in ("x.npy", "y.npy", "net.ckpt"))
            np.save(inputs, x)
            subprocess.run([a.python, "-W", "ignore", "-c", ORIGINAL_DPT, root, package, backbone, "3" if task == "normal" else "1",
                            prefix, ckpt, inputs, outputs], check=True, env={**os.environ, "PYTHONPATH": folder})
            name = f"{family}-{task}-{size}"
            subprocess.run([sys.executable, os.path.join(HERE, "dpt.py"), f"--{task}", ckpt, "--family", family, "--size", size,
                            "-o", folder, "--name", name, "--pictures", *a.pictures], check=True, stdout=subprocess.DEVNULL)
            want = np.load(outputs)
            got = common.session(os.path.join(folder, name, f"{task}.onnx")).run(None, {"image": x})[0]
            want64 = np.load(outputs + ".double.npy")
            net = network(config(FAMILIES[family]["hybrid"], False), 3 if task == "normal" else 1)
            load(net, checkpoint.read(ckpt), ckpt)
            with torch.no_grad():
                got64 = Network(net, (h, w)).double().map(torch.from_numpy(x).double()).numpy()
            del net
            e, own = np.abs(got.reshape(want.shape) - want64), np.abs(want - want64)
            print(f"{family:13} {task:7} {size:8} in float64 {np.abs(got64.reshape(want.shape) - want64).max():.1e}; float32: ONNX Runtime max {e.max():.1e}, "
                  f"99.9% {np.quantile(e, 0.999):.1e}, original max {own.max():.1e}, 99.9% {np.quantile(own, 0.999):.1e}; "
                  f"output {want.min():.2f} to {want.max():.2f}, std {want.std():.2f}", flush=True)
            os.remove(ckpt)
            os.remove(os.path.join(folder, name, f"{task}.onnx"))


def main():
    import common

    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=["dpt", "omnidata", "geowizard"])
    p.add_argument("--clone", required=True)
    p.add_argument("--python", required=True, help="interpreter of the environment for the original code")
    p.add_argument("--size", nargs="+", default=["384x384"])
    p.add_argument("--pictures", nargs="+", default=common.default_pictures())
    a = p.parse_args()
    pictures = [common.open_rgb(f) for f in a.pictures]
    with tempfile.TemporaryDirectory() as folder:
        dpt(a, folder, pictures)


if __name__ == "__main__":
    main()
