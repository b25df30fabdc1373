"""Weights files: every format comes back as it went in, every unusable file ends in one sentence naming the place."""

from __future__ import annotations

import io
import json
import pickle
import struct
import warnings
import zipfile

import numpy as np
import pytest

from diodeq.errors import InputError
from diodeq.network import Activation, Network, Stage, certify_network, solve, weights

U0, B0 = np.arange(12.0).reshape(3, 4) / 10, np.array([0.1, -0.2, 0.3])
U1, B1 = np.array([[1.0, -2.0, 0.5], [0.0, 1.0, -1.0]]), np.array([0.5, -0.5])
W0 = np.array([[0.2, -0.3, 0.0], [0.1, 0.0, 0.4], [0.0, -0.2, 0.1]])
PLAIN = {"W0": W0, "U0": U0, "b0": B0, "U1": U1, "b1": B1}


def rewritten(**changes):
    return {key: value for key, value in {**PLAIN, **changes}.items() if value is not None}


def npz(folder, **arrays):
    np.savez(folder / "net.npz", **arrays)
    return folder / "net.npz"


def tensors(folder, arrays, metadata=None, header=None, data=None, dtypes=("F64", "<f8")):
    """A .safetensors file written byte by byte, so that it can be wrong."""
    entries, at, parts = {"__metadata__": metadata} if metadata is not None else {}, 0, []
    for name, array in arrays.items():
        parts.append(np.asarray(array).astype(dtypes[1]).tobytes())
        end = at + len(parts[-1])
        entries[name] = {"dtype": dtypes[0], "shape": list(np.shape(array)), "data_offsets": [at, end]}
        at = end
    text = json.dumps(entries if header is None else header(entries)).encode()
    path = folder / "net.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + (b"".join(parts) if data is None else data))
    return path


def same(a: Network, b: Network) -> bool:
    return len(a.stages) == len(b.stages) and all(
        np.array_equal(p.U, q.U)
        and np.array_equal(p.b, q.b)
        and (p.W is None) == (q.W is None)
        and (p.W is None or np.array_equal(p.W, q.W))
        and p.activation == q.activation
        for p, q in zip(a.stages, b.stages, strict=True)
    )


def refused(path, *words, **given):
    with pytest.raises(InputError) as caught:
        weights.load(path, **given)
    for word in words:
        assert word in str(caught.value)
    assert path.name in caught.value.problem
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


# --- diodeq's own keys --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", weights.WRITERS)
def test_saved_networks_come_back(tmp_path, ending):
    rng = np.random.default_rng(0)
    network = Network(
        (
            Stage(rng.standard_normal((5, 3)), rng.standard_normal(5), rng.standard_normal((5, 5))),
            Stage(rng.standard_normal((4, 5)), rng.standard_normal(4), None, Activation("hard-tanh", 0.1 + 0.2)),
            Stage(rng.standard_normal((0, 4)), np.zeros(0), np.zeros((0, 0)), Activation("asinh", 1 / 3)),
            Stage(np.zeros((1, 0)), [1.0], [[0.5]], Activation("relu")),
        )
    )
    weights.save(network, tmp_path / f"net{ending}")
    assert same(weights.load(tmp_path / f"net{ending}"), network)
    assert [path.name for path in tmp_path.iterdir()] == [f"net{ending}"]


def test_activations_that_files_do_not_hold_may_be_given(tmp_path):
    path = npz(tmp_path, **PLAIN)
    assert [str(stage.activation) for stage in weights.load(path, "hard-tanh:2").stages] == ["hard-tanh:2", "identity"]
    assert [str(stage.activation) for stage in weights.load(path, "asinh,relu").stages] == ["asinh:1", "relu"]
    refused(path, "3 activations for its 2 layers stage 0, stage 1", activation="relu,relu,relu")
    refused(path, "leave --layers out", layers=("U0", "U1"))
    refused(
        npz(tmp_path, **PLAIN, activation1="relu"), "says its activations itself, by activation1", activation="relu"
    )


def test_defaults_and_types(tmp_path):
    network = weights.load(npz(tmp_path, **rewritten(U0=U0.astype(np.float32), b1=np.array([1, 2]))))
    assert [stage.activation.name for stage in network.stages] == ["relu", "identity"]
    assert network.stages[1].W is None
    assert network.stages[0].U.dtype == network.stages[1].b.dtype == np.float64
    assert np.array_equal(network.stages[0].W, W0)
    lone = weights.load(npz(tmp_path, U0=U0, b0=B0))
    assert lone.stages[0].activation.name == "identity"


@pytest.mark.parametrize("text", ["leaky-relu:0.1", np.array(["leaky-relu:0.1"]), np.bytes_(b"leaky-relu:0.1")])
def test_activations_in_npz(tmp_path, text):
    path = npz(tmp_path, **PLAIN, activation0=text, activation1="relu")
    assert [str(stage.activation) for stage in weights.load(path).stages] == ["leaky-relu:0.1", "relu"]


@pytest.mark.parametrize("m", [0.25, np.array([0.25]), np.array([[0.25]])])
def test_monotone_parameterization(tmp_path, m):
    A, P = np.random.default_rng(1).standard_normal((2, 3, 3))
    arrays = rewritten(W0=None, A0=A[:2], P0=P, m0=m)  # A may have any number of rows
    network = weights.load(npz(tmp_path, **arrays))
    assert np.allclose(network.stages[0].W, 0.75 * np.eye(3) - A[:2].T @ A[:2] + P - P.T, 1e-14, 1e-14)
    assert certify_network(network).margin == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"U0": None}, ["stage 0 has no U0"]),
        ({"b1": None}, ["stage 1 has no b1", "may be zeros"]),
        ({"U1": None, "b1": None, "U2": U1, "b2": B1}, ["no stage 1 but a stage 2"]),
        ({"V0": U0}, ["key 'V0' is unknown", "W0"]),
        ({"W00": W0}, ["key 'W00' is unknown"]),
        ({"W0": W0[:2]}, ["W0 has shape (2, 3)", "(3, 3)"]),
        ({"W0": np.eye(4)}, ["W0 has shape (4, 4)", "U0 has 3 rows", "(3, 3)"]),
        ({"b0": B1}, ["b0 has shape (2,)", "(3,)"]),
        ({"b0": B0[:, None]}, ["b0 has shape (3, 1)"]),
        ({"U0": B0}, ["U0 has shape (3,)", "two dimensions"]),
        ({"U1": U1[:, :2]}, ["U1 has 2 columns but stage 0 has 3 units", "(2, 3)"]),
        ({"U1": np.where(U1 == -2, np.nan, U1)}, ["U1[0, 1] is nan"]),
        ({"W0": W0 + np.inf}, ["W0[0, 0] is inf"]),
        ({"b0": -np.inf + B0}, ["b0[0] is -inf"]),
        ({"U0": U0 + 1j}, ["U0 holds complex128"]),
        ({"U0": U0 > 0}, ["U0 holds bool"]),
        ({"b0": np.array(["a", "b", "c"])}, ["b0 holds <U1"]),
        ({"activation0": "swish"}, ["activation0", "'swish'", "relu"]),
        ({"activation0": "leaky-relu:2"}, ["activation0", "is 2"]),
        ({"activation0": np.array(["relu", "relu"])}, ["activation0 is not text"]),
        ({"activation0": np.array(1)}, ["activation0 is not text"]),
        ({"activation5": "relu"}, ["no stage 2"]),
        ({"A0": W0}, ["both W0 and A0"]),
        ({"W0": None, "A0": W0, "m0": 1.0}, ["A0 but no P0"]),
        ({"W0": None, "A0": W0[:, :2], "P0": W0, "m0": 1.0}, ["A0 has shape (3, 2)", "3 columns"]),
        ({"W0": None, "A0": W0, "P0": W0[:2], "m0": 1.0}, ["P0 has shape (2, 3)"]),
        ({"W0": None, "A0": W0, "P0": W0, "m0": B0}, ["m0 has shape (3,)", "one number"]),
        ({"W0": None, "A0": W0, "P0": W0, "m0": np.nan}, ["m0 is nan"]),
        ({"W0": None, "A0": 1e200 + W0, "P0": W0, "m0": 1.0}, ["W0 that is not finite"]),
        ({"U1": np.array([[None, 1.0]])}, ["U1 holds pickled objects"]),
    ],
)
def test_bad_keys(tmp_path, changes, words):
    refused(npz(tmp_path, **rewritten(**changes)), *words)
    if "U1" not in changes or changes["U1"] is None or changes["U1"].dtype != object:
        arrays = rewritten(**changes)
        if all(np.asarray(a).dtype.kind == "f" for a in arrays.values()):
            refused(tensors(tmp_path, arrays), *words)


# --- files that are none ------------------------------------------------------------------------------------------


def test_files_that_cannot_be_opened(tmp_path):
    refused(tmp_path / "none.npz", "there is no weights file")
    (tmp_path / "folder.npz").mkdir()
    refused(tmp_path / "folder.npz", "is a folder")
    (tmp_path / "net.txt").write_text("1")
    refused(tmp_path / "net.txt", ".npz", ".safetensors", ".onnx")
    with pytest.raises(InputError, match=r"\.npz, \.safetensors"):
        weights.save(Network((Stage(U0, B0),)), tmp_path / "net.onnx")
    with pytest.raises(InputError, match="cannot be written"):
        weights.save(Network((Stage(U0, B0),)), tmp_path / "missing" / "net.npz")


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_damaged_files(tmp_path, ending):
    path = tmp_path / f"net{ending}"
    weights.save(weights.load(npz(tmp_path, **PLAIN)), path)
    whole = path.read_bytes()
    path.write_bytes(b"")
    refused(path, "is empty")
    for content in (b"junk", b"x" * 4000, whole[:7], whole[: len(whole) // 2], whole[:-40]):
        path.write_bytes(content)
        refused(path, "damaged")


def test_nothing_is_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path.joinpath("executed").write_text, ("yes",))

    for ending in (".npz", ".safetensors"):
        path = tmp_path / f"net{ending}"
        path.write_bytes(pickle.dumps(Bomb()))
        refused(path, "pickle" if ending == ".npz" else "damaged")
    bomb = np.empty(1, object)
    bomb[0] = Bomb()
    refused(npz(tmp_path, U0=bomb, b0=B0), "U0 holds pickled objects")
    assert not (tmp_path / "executed").exists()


def test_a_single_array_and_an_empty_archive(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, U0)
    (tmp_path / "net.npz").write_bytes(buffer.getvalue())
    refused(tmp_path / "net.npz", "single array")
    refused(npz(tmp_path), "no weights")


def test_sizes_that_files_only_promise_are_not_believed(tmp_path):
    huge = io.BytesIO()
    np.lib.format.write_array_header_1_0(huge, {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)})
    with zipfile.ZipFile(tmp_path / "net.npz", "w") as archive:
        archive.writestr("U0.npy", huge.getvalue())
    refused(tmp_path / "net.npz", "header promises 8,000,000,000,000 bytes")
    short = io.BytesIO()
    np.lib.format.write_array_header_1_0(short, {"descr": "<f8", "fortran_order": False, "shape": (1000, 1000)})
    with zipfile.ZipFile(tmp_path / "net.npz", "w") as archive:
        archive.writestr("U0.npy", short.getvalue())
    refused(tmp_path / "net.npz", "U0 is damaged", "8,000,000 bytes")
    with zipfile.ZipFile(tmp_path / "net.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("U0.npy", "w", force_zip64=True) as member:
            block = bytes(1 << 24)
            for _ in range(4):
                member.write(block)
        info = archive.infolist()[0]
        info.file_size = 1 << 40  # what a real bomb's directory says
    refused(tmp_path / "net.npz", "1,099,511,627,776 bytes", "smaller network")


# --- safetensors --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtypes", "exact"),
    [(("F64", "<f8"), True), (("F32", "<f4"), False), (("F16", "<f2"), False), (("I8", "<i1"), None)],
)
def test_safetensors_types(tmp_path, dtypes, exact):
    path = tensors(tmp_path, PLAIN, {"activation0": "asinh:2", "format": "pt"}, dtypes=dtypes)
    network = weights.load(path)
    assert str(network.stages[0].activation) == "asinh:2"
    assert np.array_equal(network.stages[0].U, U0.astype(dtypes[1]))
    if exact is not None:
        assert np.allclose(network.stages[0].U, U0, 1e-15 if exact else 1e-3, 0.0)


def test_safetensors_bfloat16(tmp_path):
    def bf16(header):
        return {name: {**entry, "dtype": "BF16"} for name, entry in header.items()}

    upper = {name: np.asarray(array, np.float32).view("<u4") >> 16 for name, array in PLAIN.items()}
    path = tensors(tmp_path, upper, header=bf16, dtypes=("BF16", "<u2"))
    assert np.allclose(weights.load(path).stages[0].U, U0, 2.0**-7, 0.0)


def change_u0(**fields):
    return lambda header: {**header, "U0": {**header["U0"], **fields}}


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (change_u0(dtype="F8_E4M3"), ["'U0' is of type F8_E4M3", "F64"]),
        (change_u0(shape=[4, 4]), ["'U0' has the wrong number of bytes"]),
        (change_u0(shape=[-3, -4]), ["does not describe 'U0'"]),
        (change_u0(shape=[3.0, 4]), ["does not describe 'U0'"]),
        (change_u0(shape=[10**9, 10**9]), ["U0 has 1,000,000,000,000,000,000 numbers"]),
        (change_u0(data_offsets=[0, 10**6]), ["wrong number of bytes"]),
        (change_u0(data_offsets=[96, 0]), ["wrong number of bytes"]),
        (change_u0(data_offsets=3), ["does not describe 'U0'"]),
        (lambda header: {**header, "U0": "x"}, ["does not describe 'U0'"]),
        (lambda header: {**header, "__metadata__": 3}, ["metadata are not a table"]),
        (lambda header: {**header, "__metadata__": {"activation0": "cos"}}, ["activation0", "'cos'"]),
        (lambda header: [1, 2], ["header is not a table"]),
        (lambda header: {}, ["no weights"]),
    ],
)
def test_bad_safetensors(tmp_path, header, words):
    refused(tensors(tmp_path, PLAIN, header=header), *words)


def test_safetensors_twice_the_same_key(tmp_path):
    text = (
        b'{"U0":{"dtype":"F64","shape":[0],"data_offsets":[0,0]},"U0":{"dtype":"F64","shape":[0],"data_offsets":[0,0]}}'
    )
    path = tmp_path / "net.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    refused(path, "header is not JSON")


def test_safetensors_agree_with_the_reference_package(tmp_path):
    package = pytest.importorskip("safetensors.numpy")
    package.save_file(PLAIN, tmp_path / "net.safetensors", metadata={"activation0": "hard-tanh:2"})
    network = weights.load(tmp_path / "net.safetensors")
    assert str(network.stages[0].activation) == "hard-tanh:2"
    weights.save(network, tmp_path / "again.safetensors")
    again = package.load_file(tmp_path / "again.safetensors")
    assert set(again) == set(PLAIN)
    assert all(np.array_equal(again[key], PLAIN[key]) for key in PLAIN)


# --- PyTorch ------------------------------------------------------------------------------------------------------


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def test_modules_and_their_files(tmp_path, torch):
    nn = torch.nn
    model = nn.Sequential(
        nn.Flatten(),
        nn.Linear(6, 5),
        nn.LeakyReLU(0.25),
        nn.Dropout(),
        nn.Sequential(nn.Linear(5, 4, bias=False), nn.Hardtanh(-0.5, 0.5), nn.Linear(4, 3), nn.Softshrink(0.25)),
        nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3), nn.Sigmoid()),
        nn.Linear(3, 3),
        nn.ReLU(),
        nn.Identity(),
        nn.Linear(3, 2),
    ).eval()
    x = torch.randn(7, 2, 3, generator=torch.Generator().manual_seed(0))
    network = weights.from_module(model)
    wanted = model(x).detach().numpy()
    assert solve(network, x.reshape(7, 6).numpy()).outputs == pytest.approx(wanted, abs=1e-5)
    plain = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).double()
    for name in ("net.pt", "net.pth"):
        torch.save(plain.state_dict(), tmp_path / name)
        assert same(weights.load(tmp_path / name, "relu"), weights.from_module(plain))
        refused(tmp_path / name, "activations of its layers 0, 2", "--activation")
    torch.save({"U0": torch.tensor(U0), "b0": torch.tensor(B0), "activation0": "relu"}, tmp_path / "net.pt")
    assert same(weights.load(tmp_path / "net.pt"), Network((Stage(U0, B0),)))


def test_a_state_dict_alone_in_a_list_beside_figures(tmp_path, torch):
    plain = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2)).double()
    path = tmp_path / "net.pt"
    torch.save({"accuracy": torch.tensor(960), "state_dict": [plain.state_dict()]}, path)
    loaded = weights.read(path, activation="relu")
    assert same(loaded.network, weights.from_module(plain))
    assert loaded.notes == ("left out of the checkpoint, beside its state_dict: accuracy",)
    torch.save({"state_dict": [plain.state_dict(), plain.state_dict()]}, path)
    refused(path, "'state_dict' is a list", activation="relu")


def test_bad_modules(torch):
    nn = torch.nn
    linear = nn.Linear(2, 2)
    for layers, words in [
        ((linear, nn.GELU()), r"layer 1 \(GELU\) is not supported"),
        ((linear, nn.MaxPool1d(2)), r"layer 1 \(MaxPool1d\)"),
        ((nn.ReLU(), linear), r"layer 0 \(ReLU\) acts on a sample of unknown shape"),
        ((linear, nn.Sequential(nn.Conv1d(1, 1, 1))), r"layer 1\.0 \(Conv1d\) takes samples of shape \(2,\)"),
        ((linear, nn.Flatten(2)), r"layer 1 \(Flatten\) keeps axes apart"),
        ((linear, nn.Linear(3, 1)), r"layer 1 \(Linear\) takes 3 inputs but what goes into it has 2 numbers"),
        ((nn.BatchNorm1d(2, track_running_stats=False), linear), r"layer 0 \(BatchNorm1d\) takes its statistics"),
        ((type("Linear", (nn.Linear,), {})(2, 2),), r"layer 0 \(Linear\) is not supported"),
        ((linear, nn.Softmax(dim=1)), r"layer 1 \(Softmax\)"),
        ((), "no Linear layer"),
    ]:
        with pytest.raises(InputError, match=words):
            weights.from_module(nn.Sequential(*layers))
    with pytest.raises(InputError, match=r"a Linear is not an nn\.Sequential"):
        weights.from_module(linear)
    for hook in ("register_forward_hook", "register_forward_pre_hook"):
        hooked = nn.Sequential(nn.Linear(2, 2))
        getattr(hooked[0], hook)(lambda *more: None)
        with pytest.raises(InputError, match=r"layer 0 \(Linear\) has a hook"):
            weights.from_module(hooked)


def learned(torch, *layers):
    """Layers whose statistics are not the initial ones, in float64 and still in training."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(*layers).double().train()
    for part in model.modules():
        if hasattr(part, "running_mean"):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2.0)
    return model


@pytest.mark.parametrize("name", ["norms", "parametrized", "hooked", "image", "line"])
def test_modules_are_read_as_they_compute_after_training(torch, name):
    nn, shape = torch.nn, (3,)
    if name == "norms":
        layers = [nn.BatchNorm1d(3), nn.Linear(3, 4), nn.BatchNorm1d(4, affine=False), nn.ReLU6(), nn.Dropout()]
        layers += [nn.Linear(4, 4), nn.Hardtanh(-1, 0.5), nn.Linear(4, 2), nn.Hardsigmoid()]
    elif name == "parametrized":
        made = nn.utils.parametrizations
        layers = [made.weight_norm(nn.Linear(3, 4)), nn.PReLU(4), made.spectral_norm(nn.Linear(4, 2))]
    elif name == "hooked":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of their age
            layers = [nn.utils.weight_norm(nn.Linear(3, 4)), nn.ReLU(), nn.utils.spectral_norm(nn.Linear(4, 2))]
    elif name == "image":
        shape = (2, 6, 6)
        layers = [nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2), nn.BatchNorm2d(4), nn.PReLU(4)]
        layers += [
            nn.AvgPool2d(2, 1, 1, count_include_pad=False),
            nn.Conv2d(4, 3, 3, padding="same"),
            nn.LeakyReLU(2.0),
        ]
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)]
    else:
        shape = (2, 7)
        layers = [nn.Conv1d(2, 3, 3, dilation=2), nn.ReLU(), nn.AvgPool1d(2, ceil_mode=True), nn.Flatten()]
        layers += [nn.Linear(6, 2)]
    model = learned(torch, *layers)
    if name == "hooked":
        model[0].weight_g.data *= 2  # as an optimizer does, after which the weight that is there is the old one
    x = torch.randn(5, *shape, dtype=torch.float64)
    network = weights.from_module(model, shape)
    assert all(part.training for part in model.modules())
    wanted = model.eval()(x).detach().numpy()
    assert solve(network, x.reshape(5, -1).numpy()).outputs == pytest.approx(wanted, abs=1e-14)


def test_bad_torch_files(tmp_path, torch):
    path = tmp_path / "net.pt"

    class Bomb:
        def __reduce__(self):
            return (tmp_path.joinpath("executed").write_text, ("yes",))

    model = torch.nn.Sequential(torch.nn.Linear(2, 2))
    zeros = torch.zeros(2, 2)
    for content, words in [
        (model, "whole module"),
        (Bomb(), "pickled code"),
        ({"0.weight": Bomb()}, "pickled code"),
        (zeros, "holds a Tensor, not a state dict"),
        ({"a": model.state_dict(), "b": model.state_dict()}, "several state dicts: a, b"),
        ({"a": {"b": model.state_dict()}}, "'a' is a dict"),
        ({"epoch": 3}, "'epoch' is a int"),
        ({}, "no weights"),
        ({"0.weight": zeros.to_sparse()}, "0.weight is sparse"),
        ({"0.weight": torch.zeros(1).expand(10**6, 10**6)}, "1,000,000,000,000 numbers"),
        ({"0.weight": torch.zeros(1).expand(10**4, 10**4)}, "0.weight has fewer numbers in the file"),
        ({"0.weight": zeros * torch.nan}, "0.weight[0, 0] is nan"),
        ({"0.weight": zeros, "1.num_batches_tracked": torch.tensor(1)}, "'1.num_batches_tracked'"),
    ]:
        torch.save(content, path)
        refused(path, words, activation="relu" if isinstance(content, dict) else None)
    path.write_bytes(b"junk")
    refused(path, "damaged")
    path.write_bytes(pickle.dumps(Bomb()))
    refused(path, "pickled code")
    assert not (tmp_path / "executed").exists()


# --- ONNX ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def onnx():
    return pytest.importorskip("onnx")


def model_of(onnx, path, nodes, constants, shape=("batch", 4), out="y", extra_outputs=()):
    """Write a model: ``nodes`` are (operator, inputs, output, attributes)."""
    make = onnx.helper
    graph = make.make_graph(
        [make.make_node(kind, inputs, [output], name=output, **more) for kind, inputs, output, more in nodes],
        "net",
        [make.make_tensor_value_info("x", onnx.TensorProto.DOUBLE, list(shape))],
        [make.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, None) for name in (out, *extra_outputs)],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    path.write_bytes(make.make_model(graph).SerializeToString())
    return path


CONSTANTS = {"U0": U0, "U0t": U0.T.copy(), "b0": B0, "U1t": U1.T.copy(), "b1": B1, "row": B0[None, :]}
MLP = Network((Stage(U0, B0), Stage(U1, B1, None, Activation("identity"))))
GEMM0 = ("Gemm", ["x", "U0", "b0"], "h", {"transB": 1})
GEMM1 = ("Gemm", ["r", "U1t", "b1"], "y", {})
RELU = ("Relu", ["h"], "r", {})


@pytest.mark.parametrize(
    ("nodes", "shape"),
    [
        ([GEMM0, RELU, GEMM1], ("batch", 4)),
        (
            [
                ("Flatten", ["x"], "f", {}),
                ("MatMul", ["f", "U0t"], "m", {}),
                ("Add", ["row", "m"], "h", {}),
                RELU,
                ("Identity", ["r"], "i", {}),
                ("MatMul", ["i", "U1t"], "n", {}),
                ("Add", ["n", "b1"], "y", {}),
            ],
            ("batch", 1, 2, 2),
        ),
    ],
)
def test_onnx_chains(tmp_path, onnx, nodes, shape):
    network = weights.load(model_of(onnx, tmp_path / "net.onnx", nodes, CONSTANTS, shape))
    assert same(network, MLP)
    x = np.random.default_rng(0).standard_normal((5, 4))
    run = pytest.importorskip("onnx.reference").ReferenceEvaluator(str(tmp_path / "net.onnx"))
    wanted = run.run(None, {"x": x.reshape(5, *shape[1:])})[0]
    assert solve(network, x).outputs == pytest.approx(wanted, abs=1e-12)


def test_an_output_that_no_input_reaches_is_left_out(tmp_path, onnx):
    path = model_of(onnx, tmp_path / "net.onnx", [GEMM0, RELU, GEMM1], CONSTANTS, extra_outputs=("b0",))
    assert weights.read(path).network.widths[-1] == len(weights.load(path).stages[-1].b)
    assert weights.read(path).notes == ("left out, since it depends on no input: its output 'b0'",)


def test_a_model_of_one_sample_is_one_of_many(tmp_path, onnx):
    nodes = [("MatMul", ["x", "U0t"], "h", {}), RELU, ("Identity", ["r"], "y", {})]
    path = model_of(onnx, tmp_path / "net.onnx", nodes, {**CONSTANTS, "U0t": U0.T}, (U0.shape[1],))
    assert solve(weights.load(path), np.eye(U0.shape[1])).outputs == pytest.approx(np.maximum(U0.T, 0.0))
    refused(model_of(onnx, path, [("Flatten", ["x"], "y", {})], CONSTANTS, (2,)), "not one row a sample")


def test_onnx_scales_and_constants(tmp_path, onnx):
    value = onnx.numpy_helper.from_array(2.0 * B0, "ignored")
    nodes = [
        ("Constant", [], "c", {"value": value}),
        ("Gemm", ["x", "U0", "c"], "y", {"transB": 1, "alpha": 0.5, "beta": 0.25}),
    ]
    stage = weights.load(model_of(onnx, tmp_path / "net.onnx", nodes, CONSTANTS)).stages[0]
    assert np.allclose(stage.U, 0.5 * U0, 1e-15, 0.0)
    assert stage.b == pytest.approx(0.5 * B0)
    assert stage.activation.name == "identity"


@pytest.mark.parametrize(
    ("nodes", "options", "words"),
    [
        ([GEMM0, ("Softplus", ["h"], "y", {})], {}, ["'y' (Softplus) is not supported", "Gemm, MatMul, Conv"]),
        ([("Conv", ["x", "U0"], "y", {})], {}, ["(Conv)"]),
        ([("Softmax", ["x"], "s", {}), ("Gemm", ["s", "U0"], "y", {})], {}, ["(Gemm) follows", "(Softmax)"]),
        ([GEMM0, ("Mul", ["h", "h"], "y", {})], {}, ["(Mul) multiplies"]),
        ([GEMM0, ("Tanh", ["h"], "r", {}), ("Add", ["h", "r"], "y", {})], {}, ["passes its tanh"]),
        ([GEMM0, RELU, GEMM1], {"out": "q"}, ["output 'q' is not computed"]),
        ([("MatMul", ["U0", "x"], "y", {})], {}, ["multiplies from the left"]),
        ([("Gemm", ["x", "U0", "b0"], "y", {"transA": 1, "transB": 1})], {}, ["transposes its input"]),
        ([("Gemm", ["x", "U0", "b1"], "y", {"transB": 1})], {}, ["'b1' of shape (2,)", "(3,)"]),
        ([("Gemm", ["x", "U9"], "y", {})], {}, ["takes 'U9', which nothing before it gives"]),
        ([("MatMul", ["x", "b0"], "y", {})], {}, ["b0 has shape (3,)"]),
        ([GEMM0, RELU, ("Gemm", ["r", "U0t"], "y", {})], {}, ["takes 4 inputs", "3 numbers"]),
        ([GEMM0], {"shape": ("batch", 2, 2), "out": "h"}, ["not one row a sample", "Flatten"]),
        ([("Flatten", ["x"], "f", {"axis": 0})], {"out": "f"}, ["axis 0"]),
        ([], {"out": "x"}, ["no layers"]),
        ([("Gemm", ["x", "nan", "b0"], "y", {"transB": 1})], {}, ["nan[0, 0] is nan"]),
    ],
)
def test_bad_onnx(tmp_path, onnx, nodes, options, words):
    refused(model_of(onnx, tmp_path / "net.onnx", nodes, {**CONSTANTS, "nan": U0 * np.nan}, **options), *words)


def test_onnx_files_that_are_none(tmp_path, onnx):
    path = model_of(onnx, tmp_path / "net.onnx", [GEMM0, RELU, GEMM1], CONSTANTS)
    whole = path.read_bytes()
    for content in (b"junk", whole[:-30], whole[:50]):
        path.write_bytes(content)
        refused(path, "ONNX")
    model = onnx.load_from_string(whole)
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    path.write_bytes(model.SerializeToString())
    refused(path, f"{tensor.name!r} lies in '../../etc/passwd', which is not the plain name")
    model = onnx.load_from_string(whole)
    model.graph.initializer[0].dims[0] = 10**12
    path.write_bytes(model.SerializeToString())
    refused(path, "numbers, more than")


@pytest.mark.parametrize(("ending", "package"), [(".pt", "torch"), (".onnx", "onnx")])
def test_missing_packages_are_named(tmp_path, monkeypatch, ending, package):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    (tmp_path / f"net{ending}").write_bytes(b"x")
    refused(tmp_path / f"net{ending}", f"pip install diodeq[{package}]")
