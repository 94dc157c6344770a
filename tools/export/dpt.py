"""DPT checkpoints to ONNX with their card, checked against PyTorch.

    python dpt.py --family omnidata --depth omnidata_dpt_depth_v2.ckpt --normal omnidata_dpt_normal_v2.ckpt -o models --name omnidata-dpt
    python dpt.py --family midas-hybrid --depth dpt_hybrid-midas-501f0c75.pt -o models --name midas-hybrid
    python dpt.py --depth dpt_large-midas-2f21e586.pt -o models --name midas-large

The networks are those of transformers; the names of the original code's weights are turned into theirs. omnidata's and
isl-org's hybrids have the same keys and shapes and opposite depths, so the family of a hybrid must be named.
"""

import argparse
import copy
import os
import re
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import BitConfig, DPTConfig, DPTForDepthEstimation
from transformers.models.bit.modeling_bit import BitMaxPool2d, WeightStandardizedConv2d

import checkpoint
import common
from common import BILINEAR, CUBIC, Flow, Parity, Refused

HALF = ([0.5] * 3, [0.5] * 3)
PLAIN = ([0.0] * 3, [1.0] * 3)

OMNIDATA = {
    "hybrid": True,
    "filter": BILINEAR,
    "normalise": {"depth": HALF, "normal": PLAIN},
    "depth": {"convention": "near_small", "kind": "affine_invariant_depth", "clamp": [0.0, 1.0]},
    "normal": {"axes": "opencv", "range": [0.0, 1.0], "clamp": [0.0, 1.0]},
    "licence": "Omnidata Starter Dataset EULA (its clause 9 covers the weights): research and education, non-commercial; "
               "the copies of omnidata_models are CC BY-NC 4.0",
    "source": "https://github.com/EPFL-VILAB/omnidata",
}
MIDAS = {
    "filter": CUBIC,
    "normalise": {"depth": HALF},
    "depth": {"convention": "near_large", "kind": "inverse_depth"},
    "licence": "MIT",
    "source": "https://github.com/isl-org/DPT",
}
FAMILIES = {"omnidata": OMNIDATA, "midas-hybrid": {**MIDAS, "hybrid": True}, "midas-large": {**MIDAS, "hybrid": False}}

# Whether random weights are alive is seen only where their outputs vary: mean and spread that the last layer is given.
RANDOM_OUTPUT = {
    ("omnidata", "depth"): ([0.5], [0.25]),  # some of it outside [0, 1], to be clamped
    ("omnidata", "normal"): ([0.5, 0.5, 0.2], [0.15, 0.15, 0.08]),
    ("midas", "depth"): ([8.0], [3.0]),
}


def config(hybrid, tiny):
    """The network's shape; tiny ones have every kind of layer of the big ones."""
    if hybrid:
        sizes = {"depths": [2, 1, 1], "hidden_sizes": [8, 16, 24], "embedding_size": 8, "num_groups": 4} if tiny else \
                {"depths": [3, 4, 9], "hidden_sizes": [256, 512, 1024], "embedding_size": 64}
        bit = BitConfig(layer_type="bottleneck", global_padding="same", embedding_dynamic_padding=True,
                        out_features=["stage1", "stage2", "stage3"], **sizes)
        shape = {"is_hybrid": True, "backbone_config": bit, "layer_norm_eps": 1e-6, "readout_type": "project"}
        if tiny:
            shape |= {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32, "image_size": 64,
                      "neck_hidden_sizes": [8, 16, 16, 16], "fusion_hidden_size": 8, "backbone_out_indices": [0, 0, 1, 2],
                      "backbone_featmap_shape": [1, 24, 4, 4]}
        else:
            shape |= {"neck_hidden_sizes": [256, 512, 768, 768], "backbone_out_indices": [2, 5, 8, 11]}
    else:
        shape = {"layer_norm_eps": 1e-6, "readout_type": "project"}
        if tiny:
            shape |= {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 32, "image_size": 64,
                      "neck_hidden_sizes": [8, 12, 16, 16], "fusion_hidden_size": 8, "backbone_out_indices": [0, 1, 2, 3]}
        else:
            shape |= {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096,
                      "neck_hidden_sizes": [256, 512, 1024, 1024], "backbone_out_indices": [5, 11, 17, 23]}
    return DPTConfig(**shape)


def network(cfg, channels):
    dpt = DPTForDepthEstimation(cfg)
    if channels != 1:
        dpt.head.head[4] = nn.Conv2d(32, channels, 1)
    return dpt.eval().requires_grad_(False)


# From transformers' names to the original code's.
RENAMES = [
    (r"^dpt\.embeddings\.backbone\.bit\.embedder\.convolution", "pretrained.model.patch_embed.backbone.stem.conv"),
    (r"^dpt\.embeddings\.backbone\.bit\.embedder\.norm", "pretrained.model.patch_embed.backbone.stem.norm"),
    (r"^dpt\.embeddings\.backbone\.bit\.encoder\.stages\.(\d+)\.layers\.", r"pretrained.model.patch_embed.backbone.stages.\1.blocks."),
    (r"^dpt\.embeddings\.(patch_embeddings\.)?projection", "pretrained.model.patch_embed.proj"),
    (r"^dpt\.embeddings\.position_embeddings", "pretrained.model.pos_embed"),
    (r"^dpt\.embeddings\.cls_token", "pretrained.model.cls_token"),
    (r"^dpt\.encoder\.layer\.", "pretrained.model.blocks."),
    (r"^dpt\.layernorm", "pretrained.model.norm"),
    (r"\.layernorm_before", ".norm1"),
    (r"\.layernorm_after", ".norm2"),
    (r"\.attention\.attention\.(query|key|value)", ".attn.qkv"),
    (r"\.attention\.output\.dense", ".attn.proj"),
    (r"\.intermediate\.dense", ".mlp.fc1"),
    (r"\.output\.dense", ".mlp.fc2"),
    (r"^neck\.reassemble_stage\.readout_projects\.(\d+)\.0", lambda m: f"pretrained.act_postprocess{int(m[1]) + 1}.0.project.0"),
    (r"^neck\.reassemble_stage\.layers\.(\d+)\.projection", lambda m: f"pretrained.act_postprocess{int(m[1]) + 1}.3"),
    (r"^neck\.reassemble_stage\.layers\.(\d+)\.resize", lambda m: f"pretrained.act_postprocess{int(m[1]) + 1}.4"),
    (r"^neck\.convs\.(\d+)", lambda m: f"scratch.layer{int(m[1]) + 1}_rn"),
    (r"^neck\.fusion_stage\.layers\.(\d+)\.", lambda m: f"scratch.refinenet{4 - int(m[1])}."),  # theirs begin at the deepest
    (r"\.residual_layer(\d)\.convolution(\d)", r".resConfUnit\1.conv\2"),
    (r"(refinenet\d)\.projection", r"\1.out_conv"),
    (r"^head\.head\.", "scratch.output_conv."),
]
UNUSED = ("pretrained.model.head.weight", "pretrained.model.head.bias")  # ImageNet's classes


def original_name(name):
    """The original code's name of a weight, and which third of that tensor it is: query, key, value or (None) all."""
    part = next((i for i, k in enumerate(("query", "key", "value")) if f".attention.{k}." in name), None)
    for pattern, to in RENAMES:
        name = re.sub(pattern, to, name)
    return name, part


def load(dpt, state, path):
    """Fills the network from a state dict of the original code; what does not fit exactly is refused."""
    own = dpt.state_dict()
    source = {k: original_name(k) for k in own}
    known = {name for name, _ in source.values()}
    missing = sorted(known - state.keys())
    unexpected = sorted(state.keys() - known - set(UNUSED))
    if missing or unexpected:
        what = [f"{len(keys)} {kind} (such as {keys[0]})" for kind, keys in (("keys are missing", missing), ("keys are unknown", unexpected)) if keys]
        raise Refused(f"{path}: not a checkpoint of this network: {', '.join(what)}")
    head = state["scratch.output_conv.4.weight"]
    want = own["head.head.4.weight"]
    if head.shape != want.shape:
        names = {1: "depth", 3: "normals"}
        raise Refused(f"{path}: its last layer has {head.shape[0]} channels ({names.get(head.shape[0], 'unknown')}), "
                      f"{names[want.shape[0]]} have {want.shape[0]}")
    filled = {}
    for k, (name, part) in source.items():
        v = state[name]
        if part is not None and v.shape[0] % 3 == 0:
            v = v.chunk(3)[part]
        if v.shape != own[k].shape:
            raise Refused(f"{path}: {name} is {list(state[name].shape)}, not what this network has")
        if not torch.isfinite(v).all():
            raise Refused(f"{path}: {name} is not finite")
        filled[k] = v.float()
    dpt.load_state_dict(filled)


def as_original(dpt):
    """The network's weights under the original code's names."""
    parts = {}
    for k, v in dpt.state_dict().items():
        name, part = original_name(k)
        parts.setdefault(name, {})[part or 0] = v
    return {name: torch.cat([p[i] for i in sorted(p)]) if len(p) > 1 else p[0] for name, p in parts.items()}


class Network(nn.Module):
    """Image to map at one size. The position embedding is resized once, here, as the original code does in every call."""

    def __init__(self, dpt, size):
        super().__init__()
        self.dpt = dpt
        self.grid = (size[0] // 16, size[1] // 16)
        e = dpt.dpt.embeddings
        old = e.position_embeddings
        side = int((old.shape[1] - 1) ** 0.5)
        grid = old[0, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
        grid = F.interpolate(grid, size=self.grid, mode="bilinear").permute(0, 2, 3, 1).flatten(1, 2)
        e.position_embeddings = nn.Parameter(torch.cat([old[:, :1], grid], 1), requires_grad=False)
        e._resize_pos_embed = lambda position, *_: position
        self.hooks = dpt.config.backbone_out_indices

    def features(self, image):
        dpt = self.dpt.dpt
        if self.dpt.config.is_hybrid:
            e = dpt.embeddings(image, interpolate_pos_encoding=True)
            maps, hooks = list(e.intermediate_activations), self.hooks[2:]
        else:
            e = dpt.embeddings(image)
            maps, hooks = [], self.hooks
        tokens = e.last_hidden_states
        for i, layer in enumerate(dpt.encoder.layer):
            tokens = layer(tokens)
            if i in hooks:
                maps.append(tokens)
        maps = self.dpt.neck(maps, *self.grid)
        return maps[-1]

    def map(self, image):
        return self.dpt.head.head(self.features(image))

    def forward(self, image):
        return self.map(image.to(self.dpt.head.head[4].weight.dtype)).float()  # an fp16 twin still takes and gives float32


def same_padding(kernel, stride):
    """TensorFlow's SAME padding of an even side: left or top, right or bottom."""
    total = max(kernel - stride, 0)
    return total // 2, total - total // 2


def folded(net):
    """The same network in plain layers: standardised weights computed once, paddings constant (sides are multiples of 32)."""
    net = copy.deepcopy(net)
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, WeightStandardizedConv2d):
                w = child.weight
                var, mean = torch.var_mean(w.flatten(1), 1, correction=0)
                w = (w - mean[:, None, None, None]) * torch.rsqrt(var + child.eps)[:, None, None, None]
                conv = nn.Conv2d(*w.shape[1::-1], w.shape[2:], child.stride, child.padding, bias=child.bias is not None)
                conv.weight, conv.bias = nn.Parameter(w, requires_grad=False), child.bias
                if child.pad is not None:
                    a, b = same_padding(w.shape[2], child.stride[0])
                    conv = nn.Sequential(nn.ZeroPad2d((a, b, a, b)), conv) if a or b else conv
                setattr(module, name, conv)
            elif isinstance(child, BitMaxPool2d):  # zeros do as -inf: it follows a ReLU
                a, b = same_padding(child.kernel_size[0], child.stride[0])
                setattr(module, name, nn.Sequential(nn.ZeroPad2d((a, b, a, b)), nn.MaxPool2d(child.kernel_size, child.stride)))
    return net.eval()


def prepare(picture, task, family, size):
    mean, std = family["normalise"][task]
    return common.as_input(common.squash(picture, size, family["filter"]), mean, std)


def random_network(cfg, family_name, task, size, pictures, seed=1):
    """Random weights whose output varies over real pictures."""
    channels = 3 if task == "normal" else 1
    family = FAMILIES[family_name]
    dpt = network(cfg, channels)
    dpt.load_state_dict(common.random_values({k: v.shape for k, v in dpt.state_dict().items()}, seed))
    net = Network(copy.deepcopy(dpt), size)
    kind = "omnidata" if family_name == "omnidata" else "midas"
    mean, std = (torch.tensor(v) for v in RANDOM_OUTPUT[kind, task])
    with torch.no_grad():
        x = torch.cat([prepare(p, task, family, size) for p in pictures])
        y = dpt.head.head[:5](net.features(x)).transpose(0, 1).flatten(1)
        scale = std / y.std(1)
        last = dpt.head.head[4]
        last.weight *= scale[:, None, None, None]
        last.bias.copy_(last.bias * scale + mean - y.mean(1) * scale)
    return dpt


def parse_size(text):
    m = re.fullmatch(r"(\d+)x(\d+)", text)
    size = (int(m[1]), int(m[2])) if m else (0, 0)
    if not all(32 <= v <= 4096 and v % 32 == 0 for v in size):
        raise Refused(f"--size {text}: HEIGHTxWIDTH in multiples of 32 is wanted")
    return size


def is_hybrid(state):
    return any(k.startswith("pretrained.model.patch_embed.backbone.") for k in state)


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--depth", metavar="CKPT")
    p.add_argument("--normal", metavar="CKPT")
    p.add_argument("--family", choices=FAMILIES)
    p.add_argument("-o", "--out", required=True, metavar="DIR", help="the model's folder is made in it")
    p.add_argument("--name", required=True)
    p.add_argument("--size", help="HEIGHTxWIDTH, default 384x384 (tiny: 64x64)")
    p.add_argument("--fp16", action="store_true", help="half-precision weights and sums; inputs and outputs stay float32")
    p.add_argument("--pictures", nargs="+", metavar="FILE", help="for the parity report; default: the repository's test frames")
    p.add_argument("--random-weights", action="store_true", help="no checkpoint: for tests and timing")
    p.add_argument("--tiny", action="store_true", help="a small network of the same structure, for tests")
    return p.parse_args()


def choose(a):
    """The family and the state dicts (None: random) of the tasks."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", a.name):
        raise Refused(f"--name {a.name}: lower-case letters, digits and ._- are wanted")
    if a.random_weights:
        if a.depth or a.normal:
            raise Refused("--random-weights goes without --depth and --normal")
        name = a.family or "omnidata"
        return name, {task: None for task in FAMILIES[name]["normalise"]}
    paths = {task: path for task, path in (("depth", a.depth), ("normal", a.normal)) if path}
    if not paths:
        raise Refused("--depth or --normal is wanted, or --random-weights")
    states = {task: checkpoint.read(path) for task, path in paths.items()}
    kinds = {is_hybrid(s) for s in states.values()}
    name = a.family
    if not name:
        if kinds != {False}:
            raise Refused("omnidata's and isl-org's hybrids have the same keys and opposite depths: name one with --family omnidata or --family midas-hybrid")
        name = "midas-large"
    for task, state in states.items():
        if any(k.startswith("scratch.output_conv.") for k in state) and is_hybrid(state) != FAMILIES[name]["hybrid"]:
            raise Refused(f"{paths[task]}: a {'hybrid' if is_hybrid(state) else 'large'} network, not one of --family {name}")
        if task not in FAMILIES[name]["normalise"]:
            raise Refused(f"--family {name} has no network for normals")
    return name, states


def card_network(task, family, size, file):
    mean, std = family["normalise"][task]
    resize = Flow(mode="squash", size=list(size), filter=family["filter"])
    image = Flow(name="image", layout="NCHW", color="RGB", mean=mean, std=std, resize=resize)
    return {"file": file, "input": image, "outputs": {task: Flow(name=task, **family[task])}}


def main():
    a = arguments()
    size = parse_size(a.size or ("64x64" if a.tiny else "384x384"))
    family_name, states = choose(a)
    family = FAMILIES[family_name]
    cfg = config(family["hybrid"], a.tiny)
    paths = {"depth": a.depth, "normal": a.normal}
    dpts = {}
    for task, state in states.items():
        if state is not None:  # all are looked at before anything is written
            dpts[task] = network(cfg, 3 if task == "normal" else 1)
            load(dpts[task], state, paths[task])
    files = a.pictures or common.default_pictures()
    if not files:
        raise Refused("no pictures for the parity report: name some with --pictures")
    pictures = {f: common.open_rgb(f) for f in files}
    # What half precision costs grows with the weights: random ones give 0.051 of the range at full size.
    parity = Parity(0.1 if a.fp16 else 1e-3)
    with common.Folder(a.out, a.name) as folder:
        for task, state in states.items():
            start = time.time()
            dpt = dpts.pop(task, None) or random_network(cfg, family_name, task, size, list(pictures.values()))
            net = Network(dpt, size).eval()
            plain = folded(net)
            if a.fp16:
                plain = plain.half()
            path = os.path.join(folder, f"{task}.onnx")
            common.save_onnx(plain, (torch.rand(2, 3, *size),), path, ["image"], [task], {"image": {0: "N"}, task: {0: "N"}}, a.tiny)
            del plain
            print(f"{task}.onnx: {os.path.getsize(path) / 1e6:.1f} MB in {time.time() - start:.1f} s")
            s = common.session(path)
            for f, picture in pictures.items():
                x = prepare(picture, task, family, size)
                with torch.no_grad():
                    want = net(x).numpy()
                parity.add(task, f, want, s.run(None, {"image": x.numpy()})[0])
            del s
        about = {"family": family_name, "size": list(size), "precision": "fp16" if a.fp16 else "fp32", "random_weights": a.random_weights,
                 "checkpoints": {t: {"file": os.path.basename(paths[t]), "sha256": common.sha256(paths[t])} for t in states if paths[t]}}
        parity.finish(folder, about)
        note = [f"{family_name} DPT at {size[0]}x{size[1]}, {about['precision']}"]
        if a.random_weights:
            note.append("random weights: for tests only")
        common.write_card(folder, {
            "name": a.name, "task": list(states), "runner": "dpt",
            "networks": [card_network(t, family, size, f"{t}.onnx") for t in states],
            "licence": "Apache-2.0" if a.random_weights else family["licence"],
            "source": "tools/export" if a.random_weights else family["source"],
            "note": "; ".join(note),
            "metrics": {f"{t}_onnx_max_error": float(np.format_float_scientific(parity.worst(t), 1)) for t in states},
        }, "dpt.py")
    print(f"{os.path.join(a.out, a.name)}: written")


if __name__ == "__main__":
    common.run(main)
