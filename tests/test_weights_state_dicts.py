"""State dicts: activations must be said, layers have any names, and their order is certain or asked for."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from diodeq.cli.main import main
from diodeq.errors import InputError
from diodeq.network import solve, weights

U0, B0 = np.arange(12.0).reshape(3, 4) / 10, np.array([0.1, -0.2, 0.3])
U1, B1 = np.array([[1.0, -2.0, 0.5], [0.0, 1.0, -1.0]]), np.array([0.5, -0.5])
LAYERS = {"0.weight": U0, "0.bias": B0, "2.weight": U1, "2.bias": B1}
SQUARES = [np.eye(2) + k * np.array([[0.0, 1.0], [0.0, 0.0]]) for k in range(12)]


def npz(folder, arrays):
    np.savez(folder / "net.npz", **arrays)
    return folder / "net.npz"


def tensors(folder, arrays, ordered=False):
    """A .safetensors file, in the order that its own package writes (sorted by name) or as given."""
    arrays = arrays if ordered else dict(sorted(arrays.items()))
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, array in arrays.items():
        part = np.asarray(array, "<f8").tobytes()
        header[name] = {"dtype": "F64", "shape": np.shape(array), "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header).encode()
    (folder / "net.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    return folder / "net.safetensors"


def refused(path, *words, **given):
    with pytest.raises(InputError) as caught:
        weights.load(path, **given)
    for word in words:
        assert word in str(caught.value)
    assert path.name in caught.value.problem
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


def named(*names, matrices=(U0, U1)):
    return {f"{name}.weight": matrix for name, matrix in zip(names, matrices, strict=True)}


def order(network):
    """Which of ``SQUARES`` the stages are."""
    return [int(stage.U[0, 1]) for stage in network.stages]


@pytest.mark.parametrize("write", [npz, tensors])
@pytest.mark.parametrize(
    "names",
    [("0", "2"), ("fc1", "fc2"), ("module.net.0", "module.net.3"), ("hidden", "output"), ("z", "a"), ("h.9", "h.10")],
)
def test_any_names_are_read_and_activations_must_be_said(tmp_path, write, names):
    arrays = named(*names)
    arrays |= {f"{names[0]}.bias": B0, f"{names[1]}.bias": B1}
    path = write(tmp_path, arrays)
    refused(path, f"activations of its layers {names[0]}, {names[1]}", "--activation", "relu", "hard-tanh")
    x = np.random.default_rng(0).standard_normal((5, 4))
    before = x @ U0.T + B0
    for activation, after in [
        ("relu", np.maximum(before, 0.0)),
        ("hard-tanh:0.5", np.clip(before, -0.5, 0.5)),
        ("identity", before),
        ("tanh", np.tanh(before)),
        ("sigmoid", 1.0 / (1.0 + np.exp(-before))),
        ("leaky-relu:0.2,identity", np.where(before > 0.0, before, 0.2 * before)),
    ]:
        network = weights.load(path, activation)
        assert solve(network, x).outputs == pytest.approx(after @ U1.T + B1, abs=1e-14)
    last = weights.load(path, "identity,relu")
    assert solve(last, x).outputs == pytest.approx(np.maximum(before @ U1.T + B1, 0.0), abs=1e-14)


def test_a_lone_layer_needs_its_activation_too(tmp_path):
    path = npz(tmp_path, {"weight": U0, "bias": B0})
    refused(path, "activations of its layers the only layer")
    assert weights.load(path, "relu").stages[0].activation.name == "relu"


@pytest.mark.parametrize(
    ("write", "names", "wanted"),
    [
        (npz, "c b a", [0, 1, 2]),  # the file's order
        (npz, "a b c", [0, 1, 2]),
        (npz, "0 2 10", [0, 1, 2]),
        (npz, "0 10 2", [0, 2, 1]),  # sorted by letters, which says nothing
        (npz, "net.1.b net.2.b net.10.b", [0, 1, 2]),
        (tensors, "fc1 fc2 fc10", [0, 1, 2]),
        (tensors, "encoder.0.w encoder.2.w encoder.11.w", [0, 1, 2]),
        (lambda folder, arrays: tensors(folder, arrays, True), "c a b", [0, 1, 2]),
    ],
)
def test_the_order_of_layers_that_fit_in_any(tmp_path, write, names, wanted):
    path = write(tmp_path, named(*names.split(), matrices=SQUARES[:3]))
    assert order(weights.load(path, "relu")) == wanted


@pytest.mark.parametrize(
    ("write", "names", "words"),
    [
        (npz, "2 0 1", "not certain: 0, 1, 2, or 2, 0, 1"),
        (npz, "fc2 fc1 fc3", "not certain: fc1, fc2, fc3, or fc2, fc1, fc3"),
        (tensors, "input middle output", "not certain: "),
        (tensors, "head net.0 net.2", "not certain: "),
    ],
)
def test_orders_that_are_not_certain_are_asked_for(tmp_path, write, names, words):
    names = names.split()
    path = write(tmp_path, named(*names, matrices=SQUARES[:3]))
    refused(path, words, "--layers", activation="relu")
    assert order(weights.load(path, "relu", [names[1], names[2], names[0]])) == [1, 2, 0]


def test_flax_layers_that_are_alike_are_taken_by_their_numbers_and_this_is_said(tmp_path):
    arrays = {f"params.Dense_{k}.kernel": SQUARES[k].T for k in (2, 0, 1)}
    arrays |= {f"params.Dense_{k}.bias": np.zeros(len(SQUARES[0])) for k in range(3)}
    loaded = weights.read(tensors(tmp_path, arrays), activation="relu")
    (note,) = loaded.notes
    assert note.startswith("its layers are alike, and were taken in the order of their numbers: ")
    assert [f"Dense_{k}" in word for k, word in enumerate(note.partition(": ")[2].split(", "))] == [True] * 3
    assert order(loaded.network) == [0, 1, 2]
    wide = {**arrays, "params.Dense_3.kernel": np.ones((len(SQUARES[0]), 1))}
    assert weights.read(tensors(tmp_path, wide), activation="relu").notes == ()


def test_many_layers_that_fit_in_any_order_are_refused_at_once(tmp_path):
    path = tensors(tmp_path, {f"{'x' * k}.weight": np.eye(2) for k in range(1, 200)})
    refused(path, "too many orders", "--layers", activation="relu")


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (("2", "0"), ["its layer 0 has 4 inputs but 2, the layer before it, has 2 outputs"]),
        (("0", "fc"), ["no layer 'fc'", "0, 2"]),
        (("0", "0"), ["names a layer twice"]),
        ((), ["names none"]),
    ],
)
def test_layers_that_do_not_fit(tmp_path, layers, words):
    refused(npz(tmp_path, LAYERS), *words, activation="relu", layers=layers)


def test_layers_that_are_not_named_are_left_out(tmp_path):
    path = npz(tmp_path, {**LAYERS, "value.weight": np.ones((1, 3))})
    refused(path, "its layer value has 3 inputs but 2", "--layers", activation="relu")
    assert weights.load(path, "relu", ["0", "value"]).widths == (4, 3, 1)


def test_one_activation_for_layers_that_leave_no_room_for_it(tmp_path):
    path = npz(tmp_path, named("0", "1", "3", matrices=SQUARES[:3]))
    refused(path, "nothing lies between its layers 0 and 1", activation="relu")
    network = weights.load(path, "identity,relu,identity")
    assert [stage.activation.name for stage in network.stages] == ["identity", "relu", "identity"]
    path = npz(tmp_path, named("0", "1", "2", matrices=SQUARES[:3]))  # a ModuleList
    assert [stage.activation.name for stage in weights.load(path, "relu").stages] == ["relu", "relu", "identity"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"1.running_mean": B0}, ["'1.running_mean' is not a weight of a Linear layer", "ONNX"]),
        ({"1.weight": B0, "1.bias": B0}, ["1.weight has shape (3,)", "ONNX"]),  # a BatchNorm's, LayerNorm's or PReLU's
        ({"W0": U0}, ["'W0'"]),
        ({"1.bias": B0}, ["layer 1 has a bias but no weight"]),
        ({"2.weight": U1.T, "2.bias": B0}, ["its layer 2 has 2 inputs but 0", "3 outputs"]),
        ({"0.weight": np.ones((3, 1, 2, 2))}, ["0.weight has shape (3, 1, 2, 2)"]),
        ({"0.weight": np.array([["a"] * 4] * 3)}, ["0.weight holds <U1"]),
        ({"0.bias": B1}, ["0.bias has shape (2,)", "(3,)"]),
        ({"2.bias": B1 * np.nan}, ["2.bias[0] is nan"]),
        ({"activation0": "relu"}, ["activation0"]),
    ],
)
def test_bad_state_dicts(tmp_path, changes, words):
    refused(npz(tmp_path, {**LAYERS, **changes}), *words, activation="relu")


def test_tensors_that_share_their_bytes_are_counted_once_each(tmp_path):
    shape, layers = [1 << 13, 1 << 13], 8  # 64 Mi numbers each
    header = {f"{k}.weight": {"dtype": "I8", "shape": shape, "data_offsets": [0, 1 << 26]} for k in range(layers)}
    text = json.dumps(header).encode()
    with (tmp_path / "net.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + (1 << 26))  # a hole
    refused(tmp_path / "net.safetensors", "536,870,912 numbers", activation="relu")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scale_": [7e-312, 1.0]}, "is inf"),
        ({"scale_": [0.0, 1.0]}, "divides by 0"),
        ({"scale_": None}, "has mean_ alone"),
        ({"mean_": np.ones(3), "scale_": np.ones(3)}, "3 features, coefs_0 2 rows"),
        ({"coefs_0": np.full((2, 3), 1e200), "scale_": [1e-200, 1.0]}, "is inf"),
        ({"intercepts_1": None}, "has no intercepts_1"),
        ({"activation": None}, "does not say its activation"),
        ({"activation": "cubic"}, "activation 'cubic'"),
        ({"coefs_2": np.ones((1, 1))}, "has no intercepts_2"),
        ({"tol": 1e-4}, "key 'tol' is unknown"),
    ],
)
def test_perceptrons_of_scikit_learn_that_make_no_sense(tmp_path, changes, words):
    sound = {"coefs_0": np.ones((2, 3)), "coefs_1": np.ones((3, 1)), "intercepts_0": B0, "intercepts_1": np.ones(1)}
    sound |= {"activation": "tanh", "out_activation_": "identity", "mean_": np.ones(2), "scale_": np.ones(2)}
    assert weights.load(npz(tmp_path, sound)).widths == (2, 3, 1)
    given = {key: value for key, value in {**sound, **changes}.items() if value is not None}
    refused(npz(tmp_path, given), words)


def test_weight_normalization_of_no_direction(tmp_path):
    for v, words in ((np.zeros((2, 3)), "no length"), (np.full((2, 3), 1e200), "beyond all numbers")):
        refused(npz(tmp_path, {"fc.weight_v": v, "fc.weight_g": np.ones((2, 1))}), words, activation="relu")
    refused(
        npz(tmp_path, {"fc.weight_v": U0, "fc.weight_g": np.ones(3)}), "fc.weight_g has shape (3,)", activation="relu"
    )
    refused(npz(tmp_path, {"fc.weight_v": U0}), "layer fc has fc.weight_v", activation="relu")


# --- the commands ---------------------------------------------------------------------------------------------------


def test_the_commands_ask_for_activations_and_pass_them_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    npz(tmp_path, {**named("fc2", "fc1"), "fc2.bias": B0, "fc1.bias": B1})
    (tmp_path / "X.csv").write_text("1,-1,0.5,0.2\n-0.3,0.1,1,0\n")
    assert main(["compile", "net.npz", "-o", "c.npz"]) == 3
    assert "--activation" in capsys.readouterr().err
    assert main(["compile", "net.npz", "-o", "c.npz", "--activation", "softmax"]) == 2
    error = capsys.readouterr().err
    assert "'softmax'" in error
    assert "leaky-relu" in error
    given = ["--activation", "leaky-relu:0.25", "--layers", "fc2,fc1"]
    assert main(["compile", "net.npz", "-o", "c.npz", *given, "--json"]) == 0
    stages = json.loads(capsys.readouterr().out)["stages"]
    assert [stage["activation"] for stage in stages] == ["leaky-relu:0.25", "identity"]
    options = ["--weights", "net.npz", "--inputs", "X.csv"]
    assert main(["verify", "c.npz", *options]) == 3
    capsys.readouterr()
    assert main(["verify", "c.npz", *options, *given, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert all(entry["max"] < 1e-6 for stage in found["stages"] for entry in stage.values())
    assert main(["report", "c.npz", *options, *given]) == 0
    page = (tmp_path / "c.html").read_text()
    assert "--activation leaky-relu:0.25 --layers fc2,fc1" in page
