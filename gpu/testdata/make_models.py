"""Makes the tiny ONNX files of this folder and ../probe.onnx.

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


def save(path, nodes, inputs, outputs, constants=()):
    graph = h.make_graph(nodes, path.stem, inputs, outputs, list(constants))
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def const(name, values, dtype):
    return nh.from_array(np.array(values, dtype), name)


# y = relu(conv3x3(x)), one channel, padded: the sum of the 4-neighbours minus
# 4 times the middle, plus 0.5.
laplace = [[[[0, 1, 0], [1, -4, 1], [0, 1, 0]]]]
save(
    HERE / "conv.onnx",
    [h.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1]), h.make_node("Relu", ["c"], ["y"])],
    [h.make_tensor_value_info("x", T.FLOAT, ["n", 1, "h", "w"])],
    [h.make_tensor_value_info("y", T.FLOAT, ["n", 1, "h", "w"])],
    [const("w", laplace, np.float32), const("b", [0.5], np.float32)],
)

# sum = x + float(t), twice = 2 * t: two inputs and two outputs of two types.
save(
    HERE / "types.onnx",
    [
        h.make_node("Cast", ["t"], ["tf"], to=T.FLOAT),
        h.make_node("Add", ["x", "tf"], ["sum"]),
        h.make_node("Add", ["t", "t"], ["twice"]),
    ],
    [h.make_tensor_value_info("x", T.FLOAT, ["n"]), h.make_tensor_value_info("t", T.INT64, ["n"])],
    [h.make_tensor_value_info("sum", T.FLOAT, ["n"]), h.make_tensor_value_info("twice", T.INT64, ["n"])],
)

# y = x repeated 2^45 times: 128 TiB, more than a 47-bit address space, so that
# no machine's allocator can grant it.
save(
    HERE / "huge.onnx",
    [h.make_node("Expand", ["x", "shape"], ["y"])],
    [h.make_tensor_value_info("x", T.FLOAT, [1])],
    [h.make_tensor_value_info("y", T.FLOAT, [1 << 15, 1 << 30])],
    [const("shape", [1 << 15, 1 << 30], np.int64)],
)

# y = x * 2^40 additions of 0: it ends when it is cancelled.
body = h.make_graph(
    [h.make_node("Identity", ["go"], ["go_on"]), h.make_node("Add", ["a", "zero"], ["a_next"])],
    "body",
    [
        h.make_tensor_value_info("i", T.INT64, []),
        h.make_tensor_value_info("go", T.BOOL, []),
        h.make_tensor_value_info("a", T.FLOAT, ["n"]),
    ],
    [h.make_tensor_value_info("go_on", T.BOOL, []), h.make_tensor_value_info("a_next", T.FLOAT, ["n"])],
    [const("zero", 0, np.float32)],
)
save(
    HERE / "endless.onnx",
    [h.make_node("Loop", ["trips", "start", "x"], ["y"], body=body)],
    [h.make_tensor_value_info("x", T.FLOAT, ["n"])],
    [h.make_tensor_value_info("y", T.FLOAT, ["n"])],
    [const("trips", 1 << 40, np.int64), const("start", True, np.bool_)],
)

# y = x + x: what a device must be able to run to count as usable.
save(
    HERE.parent / "probe.onnx",
    [h.make_node("Add", ["x", "x"], ["y"])],
    [h.make_tensor_value_info("x", T.FLOAT, [1])],
    [h.make_tensor_value_info("y", T.FLOAT, [1])],
)
