"""Operators that move a window over a sample, or move its numbers: any of their attributes, as in onnxruntime."""

from __future__ import annotations

import random

import numpy as np
import pytest

from diodeq.errors import InputError
from diodeq.network import solve, weights

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
FLOAT = onnx.TensorProto.FLOAT


def drawn(rng, kind, axes, channels):
    """Attributes and constants of an operator on samples of so many channels and further axes."""
    pads = [rng.randint(0, 2) for _ in range(2 * axes)]
    moved = {"strides": [rng.randint(1, 3) for _ in range(axes)]}
    moved |= rng.choice(
        [{"pads": pads}, {"pads": pads}, {"auto_pad": rng.choice(["SAME_UPPER", "SAME_LOWER", "VALID"])}]
    )
    kernel = [rng.randint(1, 3) for _ in range(axes)]
    values = np.random.default_rng(rng.randrange(1 << 30))
    if kind == "AveragePool":
        moved |= {"kernel_shape": kernel, "count_include_pad": rng.randint(0, 1), "ceil_mode": rng.randint(0, 1)}
        return moved, []
    if kind == "Slice":
        over = rng.sample(range(1, axes + 2), rng.randint(1, axes))
        limits = [[rng.choice([*range(-8, 9), -100, 100, 1 << 62]) for _ in over] for _ in range(2)]
        return {}, [np.int64(each) for each in (*limits, over, [rng.choice([1, 2, -1, -2]) for _ in over])]
    if kind == "Pad":
        return {"mode": rng.choice(["constant", "reflect", "edge"])}, [
            np.int64([0, 0, *pads[:axes], 0, 0, *pads[axes:]]),
            np.float32(1.5),
        ]
    if kind == "ReduceMean":
        return {"keepdims": rng.randint(0, 1)}, [np.int64(rng.sample(range(1, axes + 2), rng.randint(1, axes + 1)))]
    groups = rng.choice([group for group in (1, 2) if channels % group == 0])
    moved |= {"dilations": [rng.randint(1, 2) for _ in range(axes)], "group": groups}
    outputs = groups * rng.randint(1, 2)
    if kind == "Conv":
        shape = (outputs, channels // groups, *kernel)
    else:
        moved.pop("auto_pad", None)
        moved["output_padding"] = [rng.randint(0, 1) for _ in range(axes)]
        shape = (channels, outputs // groups, *kernel)
    return moved, [values.normal(size=shape).astype(np.float32), values.normal(size=outputs).astype(np.float32)]


@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose", "AveragePool", "Pad", "Slice", "ReduceMean"])
def test_windows_are_where_onnxruntime_has_them(tmp_path, kind):
    make, rng, read = onnx.helper, random.Random(kind), 0
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    for _ in range(60):
        axes, channels = rng.choice([1, 2, 2, 3]), rng.randint(1, 4)
        extents = [rng.randint(1, 7) for _ in range(axes)]
        attributes, constants = drawn(rng, kind, axes, channels)
        names = [f"c{k}" for k in range(len(constants))]
        graph = make.make_graph(
            [make.make_node(kind, ["x", *names], ["y"], **attributes)],
            "one",
            [make.make_tensor_value_info("x", FLOAT, [None, channels, *extents])],
            [make.make_tensor_value_info("y", FLOAT, None)],
            [onnx.numpy_helper.from_array(np.asarray(each), name) for name, each in zip(names, constants, strict=True)],
        )
        model = make.make_model(graph, opset_imports=[make.make_opsetid("", 18)], ir_version=8)
        (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
        x = np.random.default_rng(0).normal(size=(2, channels, *extents)).astype(np.float32)
        try:
            session = runtime.InferenceSession(model.SerializeToString(), options)
            wanted = session.run(None, {"x": x})[0].reshape(2, -1)
        except Exception:  # what onnxruntime refuses has no right answer
            wanted = np.zeros((2, 0))
        try:
            network = weights.load(tmp_path / "net.onnx")
        except InputError:
            continue
        if not wanted.size:
            continue
        found = solve(network, x.reshape(2, -1)).outputs
        assert found.shape == wanted.shape, (extents, attributes)
        assert found == pytest.approx(wanted, abs=1e-5), (extents, attributes)
        read += 1
    assert read > 10
