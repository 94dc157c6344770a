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


# Arguments: the clone, the version, the folder of the networks, the inputs and where the outputs go.
ORIGINAL_GEOWIZARD = """
import sys, types, torch, numpy as np
import diffusers.models.attention_processor  # before the stand-in, which is no package
clone, version, folder, inputs, outputs = sys.argv[1:]
sys.path.insert(0, clone)
def attention(q, k, v, attn_bias=None):
    return ((q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)).softmax(-1) @ v
ops = types.ModuleType("xformers.ops"); ops.memory_efficient_attention = attention
x = types.ModuleType("xformers"); x.ops = ops
sys.modules["xformers"], sys.modules["xformers.ops"] = x, ops  # which has no code for CPUs
from diffusers import AutoencoderKL, DDIMScheduler
from models.unet_2d_condition import UNet2DConditionModel
from utils.depth_ensemble import ensemble_depths
from utils.normal_ensemble import ensemble_normals
unet = UNet2DConditionModel.from_pretrained(folder, subfolder={"v1": "unet", "v2": "unet_v2"}[version])
for m in unet.modules():
    if type(m).__name__ == "CustomJointAttention":
        m.set_use_memory_efficient_attention_xformers(True)
common = dict(unet=unet, vae=AutoencoderKL.from_pretrained(folder, subfolder="vae"), scheduler=DDIMScheduler.from_pretrained(folder, subfolder="scheduler"))
if version == "v1":
    from models.geowizard_pipeline import DepthNormalEstimationPipeline
    from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection
    pipe = DepthNormalEstimationPipeline(**common, image_encoder=CLIPVisionModelWithProjection.from_pretrained(folder, subfolder="image_encoder"),
                                         feature_extractor=CLIPImageProcessor.from_pretrained(folder, subfolder="feature_extractor"))
else:
    from models.geowizard_v2_pipeline import DepthNormalEstimationPipeline
    from transformers import CLIPTextModel, CLIPTokenizer
    pipe = DepthNormalEstimationPipeline(**common, text_encoder=CLIPTextModel.from_pretrained(folder, subfolder="text_encoder"),
                                         tokenizer=CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer"))
data = dict(np.load(inputs))
image = torch.from_numpy(data["image"])
out = {}
for domain in ("indoor", "outdoor", "object"):
    depths, normals = [], []
    for noise in data["noise"]:
        torch.randn = lambda *a, **k: torch.from_numpy(noise)[None]
        d, n = pipe.single_infer(image, int(data["steps"]), domain, False)
        depths.append(d[0, 0].clone()); normals.append(n[0].clone())
    depths, normals = torch.stack(depths), torch.stack(normals)
    out[domain + ".depth"], out[domain + ".normal"] = depths.numpy(), normals.numpy()
    for count in (2, 3, 4):
        aligned, doubt = ensemble_depths(depths[:count])
        out[f"{domain}.{count}.depth"], out[f"{domain}.{count}.doubt"] = aligned.numpy(), doubt.numpy()
        out[f"{domain}.{count}.normal"] = ensemble_normals(normals[:count]).numpy()
np.savez(outputs, **out)
"""


def geowizard(a, folder, picture):
    import common
    import ensemble
    import geowizard as ours

    bucket, steps = (64, 128), 4
    for version in a.version:
        for prediction in ("v_prediction", "epsilon"):
            source = os.path.join(folder, f"{version}-{prediction}")
            ours.write_random(source, version, True, prediction, picture, bucket)
            parts = ours.Parts(source, version, None)
            target = source + "-onnx"
            os.makedirs(target)
            ours.export(parts, target, False, True)
            image = ours.image_for(picture, bucket)
            noise = torch.randn(4, 4, bucket[0] // 8, bucket[1] // 8, generator=torch.Generator().manual_seed(3))
            inputs, outputs = os.path.join(folder, "in.npz"), os.path.join(folder, "out.npz")
            np.savez(inputs, image=image.numpy(), noise=noise.numpy(), steps=steps)
            subprocess.run([a.python, "-W", "ignore", "-c", ORIGINAL_GEOWIZARD, a.clone, version, source, inputs, outputs], check=True)
            want = np.load(outputs)
            sessions = {n: common.session(os.path.join(target, f"{n}.onnx")) for n in parts.modules()}
            for i, domain in enumerate(ours.DOMAINS):
                # All members are one batch, as upstream can't do it.
                got = ours.run_onnx(sessions, parts.scheduler_card(), image.repeat(4, 1, 1, 1), noise, i, steps)
                d, n = np.abs(got["depth"][:, 0] - want[domain + ".depth"]).max(), np.abs(got["normal"] - want[domain + ".normal"])
                line = f"{version} {prediction:12} {domain:7} depth max {d:.1e}, normals max {n.max():.1e}, 99.9% {np.quantile(n, 0.999):.1e}; of 2, 3, 4 members:"
                depths, normals = torch.from_numpy(want[domain + ".depth"]), torch.from_numpy(want[domain + ".normal"])
                for count in (2, 3, 4):
                    aligned, doubt = ensemble.combine(depths[:count], ensemble.solve(depths[:count]).x)
                    plain, _ = ensemble.combine(depths[:count], ensemble.begin(depths[:count]))
                    best, _ = ensemble.best_normals(normals[:count])
                    e = [np.abs(x.numpy() - want[f"{domain}.{count}.{k}"]).max() for x, k in ((aligned, "depth"), (doubt, "doubt"), (best, "normal"))]
                    line += f" {e[0]:.0e}/{e[1]:.0e}/{e[2]:.0e} (min-max {np.abs(plain.numpy() - want[f'{domain}.{count}.depth']).max():.0e})"
                print(line, flush=True)


def main():
    import common

    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=["dpt", "omnidata", "geowizard"])
    p.add_argument("--clone", required=True)
    p.add_argument("--python", required=True, help="interpreter of the environment for the original code")
    p.add_argument("--size", nargs="+", default=["384x384"])
    p.add_argument("--version", nargs="+", choices=["v1", "v2"], default=["v1", "v2"], help="of GeoWizard")
    p.add_argument("--pictures", nargs="+", default=common.default_pictures())
    a = p.parse_args()
    pictures = [common.open_rgb(f) for f in a.pictures]
    with tempfile.TemporaryDirectory() as folder:
        if a.what == "geowizard":
            geowizard(a, folder, pictures[0])
        else:
            dpt(a, folder, pictures)


if __name__ == "__main__":
    main()
