"""ONNX as exporters write it: right by onnxruntime's and onnx's own arithmetic, or refused in one sentence."""

from __future__ import annotations

import os

import numpy as np
import pytest

from diodeq.errors import InputError
from diodeq.network import solve, weights
from diodeq.network.weights import onnx as reader

onnx = pytest.importorskip("onnx")
evaluation = pytest.importorskip("onnx.reference")
FLOAT = onnx.TensorProto.FLOAT


def wave(*shape):
    """Weights that need no generator of random numbers."""
    return np.sin(1.7 * np.arange(1, 1 + np.prod(shape)) ** 1.1).reshape(shape).astype(np.float32)


W0, B0, W1, B1 = wave(4, 6), wave(4), wave(2, 4) + 0.25, wave(2)
NORM = {"gain": wave(6) + 1.5, "bias": wave(6), "mean": wave(6) / 2, "var": wave(6) ** 2}
NORM4 = {f"{name}4": value[:4] for name, value in NORM.items()}
NORM2 = {f"{name}2": value[:2] for name, value in NORM.items()}
CONSTANTS = {
    "W0": W0,
    "b0": B0,
    "W1": W1,
    "b1": B1,
    "W0t": W0.T.copy(),
    "W1t": W1.T.copy(),
    "row": B0[None],
    "row1": B1[None],
    **NORM,
    **NORM4,
    **NORM2,
    "half": np.float32(0.5),
    "six": wave(6) + 2,
    "slope": np.float32([[0.25]]),
    "low": np.float32(-0.5),
    "rows": np.int64([-1, 2]),
    "ones": np.int64([1]),
    "image": np.int64([0, 6]),
    "minus": np.int64([-1]),
    "zero": np.int64(0),
    "first": np.int64([0]),
    "column": np.int64([-1, 1]),
    "W": wave(6, 6),
    "three": np.int64([-1, 3]),
    "none": np.zeros(2, np.float32),
    "word": np.array(["x"], object),
}
GEMM0 = ("Gemm", ["x", "W0", "b0"], "h0", {"transB": 1, "alpha": 1.0, "beta": 1.0, "transA": 0})
GEMM1 = ("Gemm", ["r", "W1", "b1"], "y", {"transB": 1})
RELU = ("Relu", ["h0"], "r", {})
EPSILON = {"epsilon": 1e-5, "momentum": 0.9}


def model(path, nodes, shape=("batch", 6), out="y", constants=CONSTANTS, kind=FLOAT, domains=(("", 17),)):
    """Write a model: ``nodes`` are (operator, inputs, output, attributes); only the constants in use go in."""
    make = onnx.helper
    used = {name for _, inputs, _, _ in nodes for name in inputs}
    graph = make.make_graph(
        [
            make.make_node(op, inputs, [name], name, domain="ai.onnx.ml" if op == "Scaler" else None, **more)
            for op, inputs, name, more in nodes
        ],
        "net",
        [make.make_tensor_value_info("x", kind, shape)],
        [make.make_tensor_value_info(out, FLOAT, None)],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items() if name in used],
    )
    opsets = [make.make_opsetid(*domain) for domain in domains]
    path.write_bytes(make.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString())
    return path


def refused(path, *words):
    with pytest.raises(InputError) as caught:
        weights.load(path)
    for word in words:
        assert word in str(caught.value)
    assert path.name in caught.value.problem
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


SKLEARN = [
    ("Cast", ["x"], "c", {"to": FLOAT}),
    ("MatMul", ["c", "W0t"], "m", {}),
    ("Add", ["m", "row"], "h0", {}),
    RELU,
    ("MatMul", ["r", "W1t"], "n", {}),
    ("Add", ["n", "row1"], "s", {}),
    ("Reshape", ["s", "rows"], "y", {}),
]
LEAKY = [GEMM0, ("LeakyRelu", ["h0"], "r", {"alpha": 0.1}), GEMM1]
NORMS = [
    ("BatchNormalization", ["x", "gain", "bias", "mean", "var"], "x1", EPSILON),
    ("Gemm", ["x1", "W0", "b0"], "u", {"transB": 1}),
    ("BatchNormalization", ["u", "gain4", "bias4", "mean4", "var4"], "h0", EPSILON),
    RELU,
    ("BatchNormalization", ["r", "bias4", "gain4", "var4", "var4"], "r1", EPSILON),
    ("Gemm", ["r1", "W1", "b1"], "t", {"transB": 1}),
    ("LeakyRelu", ["t"], "l", {"alpha": 0.3}),
    ("BatchNormalization", ["l", "gain2", "bias2", "mean2", "var2"], "y", EPSILON),
]
X = np.array([wave(6), 1 - wave(6), [0.0] * 6], np.float32)

# Printed by onnxruntime 1.32.0 for X.
ONNXRUNTIME = {
    "sklearn": [[7.18642282, -2.56519413], [0.803513229, 0.824568152], [3.47091746, -1.36958015]],
    "leaky": [[7.26122808, -2.85732508], [0.611334205, 0.896089673], [3.49918199, -1.43126988]],
    "norms": [[84.0139465, -4.50899506], [12.99123, -3.24869514], [19.9457664, -1.29791903]],
}


@pytest.mark.parametrize("name", ONNXRUNTIME)
def test_models_answer_as_in_onnxruntime(tmp_path, name):
    network = weights.load(model(tmp_path / "net.onnx", {"sklearn": SKLEARN, "leaky": LEAKY, "norms": NORMS}[name]))
    wanted = np.array(ONNXRUNTIME[name])
    assert solve(network, X).outputs == pytest.approx(wanted, abs=1e-6 * float(np.abs(wanted).max()))


@pytest.mark.parametrize(("kind", "formula"), [("Tanh", np.tanh), ("Sigmoid", lambda a: 1.0 / (1.0 + np.exp(-a)))])
def test_smooth_activations(tmp_path, kind, formula):
    pytest.importorskip("onnx")
    network = weights.load(model(tmp_path / "net.onnx", [GEMM0, (kind, ["h0"], "r", {}), GEMM1]))
    hidden = formula(X.astype(float) @ CONSTANTS["W0"].T.astype(float) + CONSTANTS["b0"])
    wanted = hidden @ CONSTANTS["W1"].T.astype(float) + CONSTANTS["b1"]
    assert solve(network, X).outputs == pytest.approx(wanted, abs=1e-6)


SCALED = [
    ("Sub", ["x", "half"], "a", {}),
    ("Div", ["a", "six"], "b", {}),
    ("Mul", ["six", "b"], "c", {}),
    ("Sub", ["half", "c"], "d", {}),
    ("Neg", ["d"], "e", {}),
    ("Gemm", ["e", "W0", "b0"], "h0", {"transB": 1}),
    RELU,
    ("Add", ["half", "r"], "r1", {}),
    ("Gemm", ["r1", "W1", "b1"], "f", {"transB": 1}),
    ("Mul", ["f", "half"], "y", {}),
]
VIEW = [  # x.view(x.size(0), -1), as PyTorch's older exporter writes it
    ("Shape", ["x"], "s", {}),
    ("Gather", ["s", "zero"], "n", {"axis": 0}),
    ("Unsqueeze", ["n", "first"], "n1", {}),
    ("Concat", ["n1", "minus"], "t", {"axis": 0}),
    ("Reshape", ["x", "t"], "f", {"allowzero": 0}),
    ("Gemm", ["f", "W0", "b0"], "h0", {"transB": 1}),
    RELU,
    GEMM1,
]
IMAGE = [
    ("BatchNormalization", ["x", "gain2", "bias2", "mean2", "var2"], "n", EPSILON),
    ("Reshape", ["n", "image"], "f", {}),
    ("Gemm", ["f", "W0", "b0"], "h0", {"transB": 1}),
    ("Clip", ["h0", "low", "half"], "r", {}),
    GEMM1,
]
TURNED = [
    ("Transpose", ["W0"], "t", {"perm": [1, 0]}),
    ("Cast", ["t"], "d", {"to": FLOAT}),
    ("Unsqueeze", ["x", "ones"], "x1", {}),
    ("MatMul", ["x1", "d"], "m", {}),
    ("PRelu", ["m", "slope"], "p", {}),
    ("Squeeze", ["p", "ones"], "r", {}),
    ("Dropout", ["r"], "k", {}),
    ("Flatten", ["k"], "q", {"axis": -1}),
    ("Gemm", ["q", "W1", "b1"], "y", {"transB": 1}),
]
COLUMN = [*SKLEARN[:-1], ("Reshape", ["s", "column"], "y", {})]
DIAGONAL = [
    ("Mul", ["x", "six"], "a", {}),
    ("Relu", ["a"], "b", {}),
    ("Gemm", ["b", "W0", "b0"], "y", {"transB": 1}),
]


@pytest.mark.parametrize(
    ("nodes", "shape"),
    [
        (SKLEARN, (None, 6)),
        (LEAKY, (1, 6)),
        (NORMS, ("batch", 6)),
        (SCALED, ("batch", 6)),
        (VIEW, ("batch", 2, 1, 3)),
        (VIEW, (1, 2, 1, 3)),
        (VIEW, (4, 2, "height", "width")),
        (IMAGE, ("batch", 2, 3)),
        (TURNED, ("batch", 6)),
        (COLUMN, ("batch", 6)),
        (DIAGONAL, ("batch", 6)),
        ([GEMM0, ("Clip", ["h0", "zero32"], "r", {}), GEMM1], ("batch", 6)),
        ([GEMM0, ("Shrink", ["h0"], "r", {"lambd": 0.25, "bias": 0.25}), GEMM1], ("batch", 6)),
    ],
)
def test_models_answer_as_in_the_reference_evaluator(tmp_path, nodes, shape):
    constants = {**CONSTANTS, "zero32": np.float32(0.0)}
    path = model(tmp_path / "net.onnx", nodes, shape, constants=constants)
    x = np.array([wave(6) * (k + 1) - k for k in range(4)], np.float32)
    evaluator = evaluation.ReferenceEvaluator(str(path))
    inner = [extent if isinstance(extent, int) else {"height": 1, "width": 3}[extent] for extent in shape[1:]]
    wanted = np.concatenate([evaluator.run(None, {"x": row.reshape(1, *inner)})[0].reshape(1, -1) for row in x])
    found = solve(weights.load(path), x).outputs
    assert found == pytest.approx(wanted, abs=1e-6 * float(np.abs(wanted).max()))


def test_a_standard_scaler_is_folded_into_the_first_layer(tmp_path):
    offset, scale = wave(6).tolist(), (wave(6) + 2).tolist()
    nodes = [
        ("Scaler", ["x"], "s", {"offset": offset, "scale": scale}),
        ("Gemm", ["s", "W0", "b0"], "y", {"transB": 1}),
    ]
    path = model(tmp_path / "net.onnx", nodes, domains=(("", 17), ("ai.onnx.ml", 1)))
    network = weights.load(path)
    assert network.widths == (6, 4)
    wanted = ((X - wave(6)) * (wave(6) + 2)).astype(float) @ W0.T.astype(float) + B0
    assert solve(network, X).outputs == pytest.approx(wanted, abs=1e-6 * float(np.abs(wanted).max()))


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([("Cast", ["x"], "y", {"to": onnx.TensorProto.INT64})], ["(Cast) rounds"]),
        ([("Cast", ["x"], "y", {"to": onnx.TensorProto.FLOAT16})], ["(Cast) rounds"]),
        ([GEMM0, ("LeakyRelu", ["h0"], "y", {"alpha": float("nan")})], ["alpha nan", "finite"]),
        ([GEMM0, ("LeakyRelu", ["h0"], "y", {"alpha": "wide"})], ["alpha b'wide'", "finite"]),
        ([GEMM0, ("Clip", ["h0", "low", "six"], "y", {})], ["max that is not one number"]),
        ([GEMM0, ("Clip", ["h0", "half", "low"], "y", {})], ["limits that do not leave room"]),
        ([GEMM0, ("Clip", ["h0", "nan"], "y", {})], ["min that is not a number"]),
        ([GEMM0, ("Max", ["h0", "h0"], "y", {})], ["compares values that the network computes"]),
        ([GEMM0, ("Clip", ["half", "h0"], "y", {})], ["limits that the network computes"]),
        ([GEMM0, ("Shrink", ["h0"], "y", {"lambd": 0.25})], ["bias that is not its lambd"]),
        ([("BatchNormalization", ["x", "gain", "bias", "mean", "var"], "y", {"training_mode": 1})], ["from the batch"]),
        (
            [("BatchNormalization", ["x", "gain", "bias", "mean", "var"], "y", {"epsilon": -9.0})],
            ["variance that is not positive"],
        ),
        ([("BatchNormalization", ["x", "gain4", "bias4", "mean4", "var4"], "y", {})], ["4 channels, its input 6"]),
        ([("BatchNormalization", ["x", "gain", "bias4", "mean", "var"], "y", {})], ["different shapes"]),
        ([("BatchNormalization", ["x", "gain", "bias", "mean"], "y", {})], ["takes ''"]),
        ([("Add", ["x", "W0"], "y", {})], ["'W0' of shape (4, 6)", "(6,)"]),
        ([("Add", ["x", "b0"], "y", {})], ["'b0' of shape (4,)", "(6,)"]),
        ([("Add", ["x", "six"], "y", {"broadcast": 1})], ["attribute 'broadcast'"]),
        ([("Add", ["x", "word"], "y", {})], ["word holds object"]),
        ([("Div", ["half", "x"], "y", {})], ["divides by what the network computes"]),
        ([GEMM0, ("Div", ["h0", "none"], "y", {})], ["divides by 0"]),
        ([("Reshape", ["x", "three"], "s", {})], ["(-1, 3) to (?, 6)", "every sample a row"]),
        ([("Reshape", ["x", "half"], "s", {})], ["'half', not whole numbers"]),
        ([("Reshape", ["x", "column"], "s", {}), ("Gemm", ["s", "W0"], "y", {})], ["(Gemm) follows", "(Reshape)"]),
        ([("Squeeze", ["x"], "y", {})], ["(Squeeze) takes an axis away"]),
        ([("Squeeze", ["x", "first"], "y", {})], ["(Squeeze) takes an axis away"]),
        ([("Unsqueeze", ["x", "first"], "y", {})], ["before the samples'"]),
        ([("Flatten", ["x"], "y", {"axis": 2})], ["axis 2"]),
        ([("Softmax", ["W0t"], "c", {}), ("MatMul", ["x", "c"], "y", {})], ["(Softmax) computes with constants"]),
        ([("Reshape", ["W0", "three"], "c", {}), ("MatMul", ["x", "c"], "y", {})], ["takes 8 inputs but"]),
        ([("Reshape", ["W0", "fives"], "c", {}), ("MatMul", ["x", "c"], "y", {})], ["constants that do not fit it"]),
        ([("ConstantOfShape", ["many"], "c", {}), ("MatMul", ["x", "c"], "y", {})], ["too many constants of a few"]),
        ([("Relu", ["x"], "x", {})], ["the name 'x' a second time"]),
        (
            [("Relu", ["y"], "r", {}), ("Gemm", ["r", "W0", "b0"], "y", {})],
            ["'y', which nothing before it gives"],
        ),  # a ring
        ([("Gemm", ["y", "W0", "b0"], "y", {})], ["'y', which nothing before it gives"]),
        ([GEMM0, ("Dropout", ["h0", "half", "true"], "y", {})], ["drops units at random"]),
        ([("Mul", ["x", "six"], "a", {}), ("Softplus", ["a"], "y", {})], ["'y' (Softplus) is not supported"]),
        ([("Relu", ["x"], "y", {})] * 10_001, ["10,001 nodes"]),
    ],
)
def test_what_is_no_such_chain_is_refused(tmp_path, nodes, words):
    more = {"true": np.array(True), "nan": np.float32(np.nan), "fives": np.int64([5, 5]), "many": np.int64([1 << 40])}
    constants = {**CONSTANTS, **more}
    refused(model(tmp_path / "net.onnx", nodes, constants=constants), *words)


def test_inputs_that_hold_no_real_numbers_and_operators_of_ones_own(tmp_path):
    refused(model(tmp_path / "net.onnx", [GEMM0], kind=onnx.TensorProto.STRING), "'x' is not of real numbers")
    refused(model(tmp_path / "net.onnx", [GEMM0], shape=(6,)), "'x' is not one row a sample")
    path = model(tmp_path / "net.onnx", [GEMM0, RELU], out="r")
    read = onnx.load(path)
    node = onnx.helper.make_node("Neg", ["a"], ["b"])
    read.functions.append(
        onnx.helper.make_function("", "Relu", ["a"], ["b"], [node], [onnx.helper.make_opsetid("", 17)])
    )
    path.write_bytes(read.SerializeToString())
    refused(path, "'Relu' a meaning of its own")


@pytest.mark.parametrize("used", [False, True])
def test_an_input_without_samples_can_only_be_passed_on(tmp_path, used):
    path = model(tmp_path / "net.onnx", [GEMM0, RELU, GEMM1, ("Identity", ["state"], "next", {})])
    read = onnx.load(path)
    read.graph.input.append(onnx.helper.make_tensor_value_info("state", FLOAT, [1]))
    read.graph.output.append(onnx.helper.make_tensor_value_info("next", FLOAT, None))
    if used:
        read.graph.node[1].op_type = "Add"
        read.graph.node[1].input.append("state")
    path.write_bytes(read.SerializeToString())
    if used:
        refused(path, "(Add) follows input 'state', which can only be left out")
    else:
        found = weights.read(path)
        assert found.network.widths == (6, 4, 2)
        assert found.notes == ("left out, since it only passes an input on: its output 'state'",)


def test_few_bytes_do_not_become_much_memory(tmp_path, monkeypatch):
    nodes = [("MatMul", [f"a{k}" if k else "x", "W"], f"a{k + 1}", {}) for k in range(40)]
    refused(model(tmp_path / "net.onnx", [("MatMul", ["x", "W"], "a", {})] * 9999, out="a"), "'a' a second time")
    monkeypatch.setattr("diodeq.network.weights.onnx.ENTRIES", 1000)
    refused(model(tmp_path / "net.onnx", nodes, out="a40"), "brings its matrices to 1,008 weights")
    monkeypatch.undo()
    monkeypatch.setattr("diodeq.network.weights.cascade.DENSE", 20)
    nodes = [("Mul", ["x", "half"], "a", {}), ("Relu", ["a"], "y", {})]
    refused(model(tmp_path / "net.onnx", nodes, (1, 40)), "40 units makes too many weights, zeros too: 1,600")
    nodes = [("MatMul", ["x", "W"], "a", {}), ("MatMul", ["a", "W"], "y", {})]
    monkeypatch.setattr("diodeq.network.weights.constants.LARGEST", 30)
    refused(model(tmp_path / "net.onnx", nodes), "more than 30 numbers")


@pytest.mark.parametrize(
    ("nodes", "shape", "words"),
    [
        (
            [("Mul", ["x", "half"], "a", {}), ("Relu", ["a"], "y", {})],
            ("batch", 20_000),
            "20,000 units makes too many weights, zeros too",
        ),
        ([("Mul", ["x", "six"], "y", {})], ("batch", 10**5, 10**4, 6), "a sample of 6,000,000,000 numbers"),
        ([("Relu", ["x"], "y", {})], ("batch", 10**9, 10**9, 10**9), "a sample of 1,000"),
    ],
)
def test_shapes_that_a_file_only_declares_cost_no_memory(tmp_path, nodes, shape, words):
    refused(model(tmp_path / "net.onnx", nodes, shape), words)


# --- weights beside the model -------------------------------------------------------------------------------------


def beside(folder, **changes):
    """A model whose first weights lie in ``net.onnx.data``, as PyTorch writes it; entries may be changed."""
    path = model(folder / "net.onnx", [GEMM0, RELU, GEMM1])
    read = onnx.load(path)
    tensor = next(tensor for tensor in read.graph.initializer if tensor.name == "W0")
    (folder / "net.onnx.data").write_bytes(b"before " + W0.tobytes())
    entries = {"location": "net.onnx.data", "offset": "7", "length": str(W0.nbytes), **changes}
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in entries.items():
        if value is not None:
            tensor.external_data.add(key=key, value=value)
    path.write_bytes(read.SerializeToString())
    return path


@pytest.mark.parametrize("changes", [{}, {"length": None}])
def test_weights_beside_the_model(tmp_path, monkeypatch, changes):
    network = weights.load(beside(tmp_path, **changes))
    assert np.array_equal(network.stages[0].U, W0)
    assert np.array_equal(network.stages[1].U, W1)
    monkeypatch.chdir(tmp_path)
    assert np.array_equal(weights.load("net.onnx").stages[0].U, W0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"location": "../net.onnx.data"}, "not the plain name"),
        ({"location": "/etc/passwd"}, "not the plain name"),
        ({"location": "sub/net.onnx.data"}, "not the plain name"),
        ({"location": "..\\net.onnx.data"}, "not the plain name"),
        ({"location": ".."}, "not the plain name"),
        ({"location": None}, "not the plain name"),
        ({"location": "other.data"}, "No such file"),
        ({"location": "folder"}, "Is a directory"),
        ({"location": "link"}, "is a link"),
        ({"location": "pipe"}, "is not a file"),
        ({"offset": "8"}, "up to byte 104, which has only 103"),
        ({"offset": "-1"}, "offset '-1'"),
        ({"offset": "1e3"}, "offset '1e3'"),
        ({"offset": "9" * 400}, "at offset"),
        ({"length": "64"}, "64 bytes of it, but its shape needs 96"),
        ({"length": "²"}, "length '²'"),
    ],
)
def test_weights_that_are_not_beside_the_model(tmp_path, changes, words):
    (tmp_path / "model" / "folder").mkdir(parents=True)
    (tmp_path / "net.onnx.data").write_bytes(bytes(200))
    (tmp_path / "model" / "link").symlink_to("../net.onnx.data")
    os.mkfifo(tmp_path / "model" / "pipe")
    refused(beside(tmp_path / "model", **changes), "'W0' lies in", words)


def test_sizes_of_external_weights_are_checked_before_memory_is_asked_for(tmp_path):
    path = beside(tmp_path, length=None)
    read = onnx.load(path, load_external_data=False)
    tensor = next(tensor for tensor in read.graph.initializer if tensor.name == "W0")
    tensor.dims[:] = [1 << 14, 1 << 14]
    path.write_bytes(read.SerializeToString())
    refused(path, "which has only 103")
    tensor.dims[:] = [-4, -6]
    path.write_bytes(read.SerializeToString())
    refused(path, "shape (-4, -6)")
    tensor.data_type = 77
    tensor.dims[:] = [4, 6]
    path.write_bytes(read.SerializeToString())
    refused(path, "'W0' is damaged")


def test_every_step_is_named_in_what_is_accepted():
    assert all(step in reader.ACCEPTED for step in ("Gemm", "BatchNormalization", "Cast", "Reshape", "LeakyRelu"))
