"""Checkpoint to ONNX with its card, checked against PyTorch and measured on the held-out store.

    python export.py --checkpoint DIR/checkpoint.pt --data DIR/test --to ../../models/small

The averaged weights are exported, batch norms folded in, opset 17, batch and sizes free (sizes in multiples of 32).
"""

import argparse
import hashlib
import os

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from data import MEAN, STD, Store
from evaluate import score_onnx, size_for, summary
from net import Block, Exported, Net

CARD = """# Written by tools/train_small/export.py; see docs/models.md for what these figures mean.
name: small
task: [depth, normal]
runner: small
files:
  - path: small.onnx
    sha256: {sha}
networks:
- file: small.onnx
  input:
    name: image
    layout: NCHW
    color: RGB
    mean: [{mean}]
    std: [{std}]
    resize: {{short_side: {short}, multiple_of: 32, mode: squash-to-nearest-multiple, filter: bilinear-antialias}}
  outputs:
    depth: {{name: depth, convention: near_small, kind: affine_invariant_depth}}
    normal: {{name: normal, axes: opencv, range: [-1, 1]}}
licence: Apache-2.0
source: tools/train_small
note: "demonstration; use DPT or GeoWizard for real sets"
metrics:
  held_out_scenes: {pictures}
  absrel: {absrel}
  delta_1_25: {delta}
  spearman: {spearman}
  pair_order: {order}
  normal_mean_degrees: {mean_deg}
  normal_median_degrees: {median_deg}
training:
  seed: {seed}
  minutes: {minutes}
  pictures_seen: {seen}
  steps: {steps}
  parameters: {params}
"""


def fold(net):
    """Batch norms into the convolutions before them."""
    for m in net.modules():
        if isinstance(m, Block):
            m.a, m.b = fuse_conv_bn_eval(m.a, m.na), fuse_conv_bn_eval(m.b, m.nb)
            m.na = m.nb = nn.Identity()
        elif isinstance(m, nn.Sequential) and len(m) > 1 and isinstance(m[1], nn.BatchNorm2d):
            m[0], m[1] = fuse_conv_bn_eval(m[0], m[1]), nn.Identity()
    return net


def load(path):
    c = torch.load(path, weights_only=True, map_location="cpu")
    net = Net()
    net.load_state_dict(c["ema"])
    return net.eval(), c


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--checkpoint", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--to", required=True)
    p.add_argument("--short-side", type=int, default=128)
    a = p.parse_args()
    net, c = load(a.checkpoint)
    params = sum(v.numel() for v in net.parameters())
    model = Exported(net).eval()
    plain = Exported(fold(load(a.checkpoint)[0])).eval()
    os.makedirs(a.to, exist_ok=True)
    path = os.path.join(a.to, "small.onnx")
    free = {0: "batch", 2: "height", 3: "width"}
    torch.onnx.export(
        plain,
        (torch.randn(2, 3, 96, 128),),
        path,
        dynamo=False,
        opset_version=17,
        input_names=["image"],
        output_names=["depth", "normal"],
        dynamic_axes={"image": free, "depth": free, "normal": free},
    )
    onnx.checker.check_model(path)
    s = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    worst = 0.0
    for shape in ((1, 3, 160, 288), (3, 3, 96, 128), (2, 3, 224, 160), (1, 3, 32, 32)):
        x = torch.randn(shape)
        with torch.no_grad():
            want = [v.numpy() for v in model(x)]
        got = s.run(["depth", "normal"], {"image": x.numpy()})
        assert [g.shape for g in got] == [w.shape for w in want]
        assert np.abs(np.linalg.norm(got[1], axis=1) - 1).max() < 1e-5 and (got[1][:, 2] < 0).all()
        worst = max(worst, *(float(np.abs(g - w).max()) for g, w in zip(got, want)))
    assert worst < 2e-4, f"ONNX differs from PyTorch by {worst}"
    assert os.path.getsize(path) <= 9_000_000, os.path.getsize(path)
    store = Store(a.data)
    h, w = store[0][1].shape
    m = summary(score_onnx(path, store, 300, size_for(w, h, a.short_side)[::-1]))  # as the card says to run it
    with open(path, "rb") as f:
        sha = hashlib.sha256(f.read()).hexdigest()
    text = CARD.format(
        sha=sha,
        mean=", ".join(map(str, MEAN)),
        std=", ".join(map(str, STD)),
        short=a.short_side,
        pictures=m["pictures"],
        absrel=m["absrel"],
        delta=m["delta"],
        spearman=m["spearman"],
        order=m["order"],
        mean_deg=round(m["mean"], 2),
        median_deg=round(m["median"], 2),
        seed=c["seed"],
        minutes=round(c["minutes"], 1),
        seen=c["seen"],
        steps=c["step"],
        params=params,
    )
    with open(os.path.join(a.to, "model.yaml"), "w") as f:
        f.write(text)
    print(f"{path}: {os.path.getsize(path)} bytes, differs from PyTorch by at most {worst:.1e}\n{m}")


if __name__ == "__main__":
    main()
