"""What both exports share: pictures, random weights, ONNX files and their sessions, parity, cards."""

import glob
import hashlib
import json
import os
import shutil
import sys
import warnings

import cv2
import numpy as np
import onnx
import onnxruntime
import torch
import yaml
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
FRAMES = os.path.join(HERE, "..", "..", "pseudolabel", "testdata", "frames")  # stills of the sample films
OPSET = 17
MICROSOFT = "com.microsoft"  # the domain of ONNX Runtime's own operators
EXTERNAL_ABOVE = 1_900_000_000  # bytes of weights; a protobuf holds 2 GB

BILINEAR, CUBIC = "bilinear-antialias", "cubic-opencv"  # filters, as cards name them


class Refused(Exception):
    """Something about the input that makes an export impossible: one line, exit code 2."""


def run(main):
    """Runs a tool: its errors are one line, 2 for wrong input and 1 for an export that came out wrong."""
    try:
        main()
    except Refused as e:
        print(f"{os.path.basename(sys.argv[0])}: {e}", file=sys.stderr)
        sys.exit(2)
    except Unlike as e:
        print(f"{os.path.basename(sys.argv[0])}: {e}", file=sys.stderr)
        sys.exit(1)


def open_rgb(path):
    try:
        return Image.open(path).convert("RGB")
    except OSError as e:
        raise Refused(f"{path}: not a picture: {e}") from None


def squash(picture, size, filter):
    """The whole picture at size (height, width), as an array: 8 bit for Pillow's filter, float of 0..255 for OpenCV's."""
    height, width = size
    if filter == BILINEAR:
        return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))
    # isl-org's code resizes what it has divided by 255; a resize is linear, so the order does not matter.
    return cv2.resize(np.asarray(picture, np.float32), (width, height), interpolation=cv2.INTER_CUBIC)


def as_input(pixels, mean, std):
    """HWC pixels of 0..255 to a float32 [1,3,H,W]."""
    v = (np.asarray(pixels, np.float32) / 255 - np.float32(mean)) / np.float32(std)
    return torch.from_numpy(np.ascontiguousarray(v.transpose(2, 0, 1)[None]))


def default_pictures():
    return sorted(p for e in ("jpg", "png") for p in glob.glob(os.path.join(FRAMES, f"*.{e}")))


def random_values(shapes, seed):
    """Values for a state dict of these names and shapes: every layer passes on about the variance that it gets.

    So nothing is dead, and no branch is drowned by another, as it would be with the initial values of a training.
    """
    g = torch.Generator().manual_seed(seed)
    out = {}
    for name, shape in shapes.items():
        n = torch.randn(shape, generator=g)
        if name.endswith("bias"):
            out[name] = 0.05 * n
        elif name.endswith("weight") and len(shape) == 1:  # of a norm
            out[name] = 1 + 0.1 * n
        elif len(shape) >= 2 and name.endswith("weight"):
            out[name] = n / max(1, n[0].numel()) ** 0.5
        else:  # embeddings of positions and classes
            out[name] = 0.5 * n
    return out


def shorten(path):
    """Short names and each constant once: in a tiny twin, names take more room than weights."""
    model = onnx.load(path)
    graph = model.graph
    names = {v.name: v.name for v in [*graph.input, *graph.output]}
    names[""] = ""  # an optional input that is left out
    constants, nodes = {}, []
    for n in graph.node:
        if n.op_type == "Constant":
            value = n.attribute[0].SerializeToString()
            if value in constants:
                names[n.output[0]] = names[constants[value]]
                continue
            constants[value] = n.output[0]
        nodes.append(n)
        for o in n.output:
            names.setdefault(o, f"v{len(names)}")
    for i in graph.initializer:
        names[i.name] = i.name = f"w{len(names)}"
    for n in nodes:
        n.name = ""
        n.input[:] = [names[v] for v in n.input]
        n.output[:] = [names[v] for v in n.output]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    onnx.save(model, path)


def save_onnx(module, args, path, inputs, outputs, dynamic, short=False):
    """Traces a module into an ONNX file, with its weights beside it (PATH.data) where they don't fit into one."""
    size = sum(v.numel() * v.element_size() for v in list(module.parameters()) + list(module.buffers()))
    big = size > EXTERNAL_ABOVE
    target = os.path.join(path + ".parts", "graph.onnx") if big else path
    os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
    # A CPU takes minutes to trace half precision.
    device = "cuda" if torch.cuda.is_available() else "cpu"
    module, args = module.to(device), tuple(v.to(device) for v in args)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sizes that become constants (they are), of the exporter's age (it is pinned)
        torch.onnx.export(module, args, target, dynamo=False, opset_version=OPSET, input_names=inputs, output_names=outputs,
                          dynamic_axes=dynamic)
    module.cpu()
    if big:  # the exporter writes a file for each tensor: make it one
        model = onnx.load(target)
        data = os.path.basename(path) + ".data"
        onnx.save(model, path, save_as_external_data=True, all_tensors_to_one_file=True, location=data, size_threshold=1024)
        shutil.rmtree(path + ".parts")
    if short:
        shorten(path)
    onnx.checker.check_model(path)


def session(path, threads=0):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class Unlike(Exception):
    """ONNX Runtime does not give what PyTorch gives."""


class Parity:
    """Collects how far ONNX Runtime is from PyTorch, in the output's own unit and as a part of its range."""

    def __init__(self, bound):
        self.bound = bound
        self.rows = []

    def add(self, what, picture, want, got):
        want, got = np.asarray(want, np.float64), np.asarray(got, np.float64)
        if want.shape != got.shape:
            raise Unlike(f"{what}: ONNX Runtime gives {got.shape}, PyTorch {want.shape}")
        e = np.abs(want - got)
        extent = float(want.max() - want.min())
        self.rows.append({
            "output": what, "picture": os.path.basename(picture), "max": float(e.max()), "p999": float(np.quantile(e, 0.999)),
            "least": float(want.min()), "most": float(want.max()), "std": float(want.std()), "relative": float(e.max() / max(extent, 1e-12)),
        })

    def finish(self, folder, about):
        """Prints the table, writes parity.json; refuses an export that is too far off or that proves nothing."""
        print(f"{'output':12} {'picture':24} {'max error':>10} {'99.9%':>10} {'least':>9} {'most':>9} {'std':>9}")
        for r in self.rows:
            print(f"{r['output']:12} {r['picture']:24} {r['max']:10.2e} {r['p999']:10.2e} {r['least']:9.4f} {r['most']:9.4f} {r['std']:9.4f}")
        with open(os.path.join(folder, "parity.json"), "w") as f:
            json.dump({**about, "bound_of_range": self.bound, "rows": self.rows}, f, indent=1)
            f.write("\n")
        for r in self.rows:
            if not r["relative"] <= self.bound:  # NaN too
                raise Unlike(f"{r['output']} of {r['picture']}: ONNX Runtime is {r['max']:.2e} off, {r['relative']:.1e} of the range; at most {self.bound} is right")
            if r["std"] == 0:
                raise Unlike(f"{r['output']} of {r['picture']} is the same everywhere: the weights are dead")

    def worst(self, what):
        return max(r["max"] for r in self.rows if r["output"] == what)


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


class Flow(dict):
    """A mapping that is written on one line."""


class Card(yaml.SafeDumper):
    def increase_indent(self, flow=False, indentless=False):
        return super().increase_indent(flow, False)


Card.add_representer(Flow, lambda d, v: d.represent_mapping("tag:yaml.org,2002:map", v, flow_style=True))
Card.add_representer(list, lambda d, v: d.represent_sequence("tag:yaml.org,2002:seq", v, flow_style=not any(isinstance(x, dict) for x in v)))


def write_card(folder, card, tool):
    """model.yaml, with the checksums of all the folder's ONNX files and their data."""
    names = sorted(n for n in os.listdir(folder) if n.endswith((".onnx", ".onnx.data")))
    files = [Flow(path=n, sha256=sha256(os.path.join(folder, n))) for n in names]
    card = {**card, "files": files}
    order = ["name", "task", "runner", "files", "networks", "geowizard", "licence", "source", "note", "metrics"]
    card = {k: card[k] for k in order if k in card}
    with open(os.path.join(folder, "model.yaml"), "w") as f:
        f.write(f"# Written by tools/export/{tool}.\n")
        yaml.dump(card, f, Dumper=Card, sort_keys=False, width=1000)


class Folder:
    """A model's folder that appears whole or not at all."""

    def __init__(self, out, name):
        self.final = os.path.join(out, name)
        self.partial = os.path.join(out, f".{name}.partial")
        if os.path.exists(self.final):
            raise Refused(f"{self.final} exists: remove it, or choose another --name")

    def __enter__(self):
        shutil.rmtree(self.partial, ignore_errors=True)
        os.makedirs(self.partial)
        return self.partial

    def __exit__(self, kind, *_):
        if kind is None:
            os.rename(self.partial, self.final)
        else:
            shutil.rmtree(self.partial, ignore_errors=True)
