"""Reads state dicts out of checkpoints without running any code that lies in them."""

import pickle
import types

import torch

from common import Refused

# What a pickled tensor is made of. A checkpoint of a training holds more (callbacks, hyperparameters); all of that
# becomes empty placeholders.
TENSOR_PARTS = {
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch._tensor", "_rebuild_from_type_v2"),
    ("torch", "Size"),
    ("torch", "device"),
}


class Placeholder:
    def __init__(self, *args, **kwargs):
        pass

    def __call__(self, *args, **kwargs):
        return self

    def __setstate__(self, state):
        pass

    def __setitem__(self, key, value):
        pass

    def append(self, value):
        pass

    def extend(self, values):
        pass


class TensorUnpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) in TENSOR_PARTS or (module == "torch" and name.endswith("Storage")):
            return super().find_class(module, name)
        return Placeholder


TENSORS_ONLY = types.SimpleNamespace(
    __name__="tensors_only", Unpickler=TensorUnpickler,
    load=lambda file, **kw: TensorUnpickler(file, **kw).load(), loads=pickle.loads)


def read(path):
    """The state dict of a checkpoint: name to tensor."""
    try:
        with open(path, "rb"):
            pass
    except OSError as e:
        raise Refused(f"{path}: {e.strerror}") from None
    try:
        try:
            c = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:
            c = torch.load(path, map_location="cpu", weights_only=False, pickle_module=TENSORS_ONLY)
    except Exception as e:  # torch.load raises whatever the bytes lead it to
        raise Refused(f"{path}: not a PyTorch checkpoint ({type(e).__name__})") from None
    prefix = ""
    if isinstance(c, dict) and isinstance(c.get("state_dict"), dict):  # Lightning
        c, prefix = c["state_dict"], "model."
    elif isinstance(c, dict) and "optimizer" in c and isinstance(c.get("model"), dict):  # isl-org's training
        c = c["model"]
    if not isinstance(c, dict) or not c or not all(isinstance(v, torch.Tensor) for v in c.values()):
        raise Refused(f"{path}: a PyTorch file, but not a checkpoint with a state dict")
    if prefix and not all(isinstance(k, str) and k.startswith(prefix) for k in c):
        raise Refused(f"{path}: a Lightning checkpoint whose keys don't all begin with {prefix!r}")
    return {k[len(prefix):]: v for k, v in c.items()}
