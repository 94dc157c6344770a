"""Makes the tiny ONNX files of this folder; the cards for them are in the tests.

    python -m venv venv && venv/bin/pip install onnx==1.20.0 && venv/bin/python make_models.py

The files are committed; run this only to change them.
"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

HERE = pathlib.Path(__file__).parent
IMAGE = h.make_tensor_value_info("image", T.FLOAT, ["n", 3, "h", "w"])


def save(name, nodes, outputs, constants):
    constants = [nh.from_array(np.array(v, t), k) for k, (v, t) in constants.items()]
    graph = h.make_graph(nodes, name, [IMAGE], outputs, constants)
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    (HERE / f"{name}.onnx").write_bytes(model.SerializeToString())


RED = ([[[[1]], [[0]], [[0]]]], np.float32)

# For an image of 0..1: depth = 2 + 3 red, normal = 2 image - 1. So a picture of
# normals comes out as itself.
save(
    "colours",
    [
        h.make_node("Conv", ["image", "red"], ["r"]),
        h.make_node("Mul", ["r", "three"], ["r3"]),
        h.make_node("Add", ["r3", "two"], ["depth"]),
        h.make_node("Mul", ["image", "two"], ["i2"]),
        h.make_node("Sub", ["i2", "one"], ["normal"]),
    ],
    [
        h.make_tensor_value_info("depth", T.FLOAT, ["n", 1, "h", "w"]),
        h.make_tensor_value_info("normal", T.FLOAT, ["n", 3, "h", "w"]),
    ],
    {"red": RED, "one": (1, np.float32), "two": (2, np.float32), "three": (3, np.float32)},
)

# depth = sqrt(red - 0.5), NaN for a dark picture; half the size, without the
# channel's axis.
save(
    "root",
    [
        h.make_node("Conv", ["image", "red"], ["r"]),
        h.make_node("AveragePool", ["r"], ["small"], kernel_shape=[2, 2], strides=[2, 2]),
        h.make_node("Sub", ["small", "half"], ["shifted"]),
        h.make_node("Sqrt", ["shifted"], ["s"]),
        h.make_node("Squeeze", ["s", "axis"], ["depth"]),
    ],
    [h.make_tensor_value_info("depth", T.FLOAT, ["n", "h2", "w2"])],
    {"red": RED, "half": (0.5, np.float32), "axis": ([1], np.int64)},
)

# Three 3x3 convolutions with fixed random weights: sums long enough for their
# order to show in the last bits.
rng = np.random.default_rng(1)


def weights(out, into):
    return (rng.normal(0, (2 / (9 * into)) ** 0.5, (out, into, 3, 3)).tolist(), np.float32)


save(
    "net",
    [
        h.make_node("Conv", ["image", "w1"], ["c1"], pads=[1, 1, 1, 1]),
        h.make_node("Relu", ["c1"], ["r1"]),
        h.make_node("Conv", ["r1", "w2"], ["c2"], pads=[1, 1, 1, 1], strides=[2, 2]),
        h.make_node("Relu", ["c2"], ["r2"]),
        h.make_node("Conv", ["r2", "w3"], ["depth"], pads=[1, 1, 1, 1]),
        h.make_node("Conv", ["r2", "w4"], ["normal"], pads=[1, 1, 1, 1]),
    ],
    [
        h.make_tensor_value_info("depth", T.FLOAT, ["n", 1, "h2", "w2"]),
        h.make_tensor_value_info("normal", T.FLOAT, ["n", 3, "h2", "w2"]),
    ],
    {"w1": weights(8, 3), "w2": weights(8, 8), "w3": weights(1, 8), "w4": weights(3, 8)},
)
