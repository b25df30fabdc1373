"""Writes the state dicts and modules' files of PyTorch, flax and safetensors: ``python make_weights.py``."""

from __future__ import annotations

import flax.linen
import flax.nnx
import jax
import numpy as np
import safetensors.flax
import safetensors.torch
import torch
from flax.traverse_util import flatten_dict
from table import HERE, Table
from torch import nn

table = Table("weights")
BY = f"PyTorch {torch.__version__}"
X = np.random.default_rng(0).normal(size=(3, 3))


class Net(nn.Module):
    """Layers of any names, one activation between them."""

    def __init__(self, activation=torch.relu, bias=True, **sizes):
        super().__init__()
        self.names, self.between = list(sizes), activation
        for name, (inputs, outputs) in sizes.items():
            self.add_module(name, nn.Linear(inputs, outputs, bias=bias))

    def forward(self, x):
        for name in self.names[:-1]:
            x = self.between(getattr(self, name)(x))
        return getattr(self, self.names[-1])(x)


def answers(module):
    return module.double()(torch.tensor(X)).detach().numpy()


def torch_file(name, module, wrap=lambda state: state, **given):
    y = answers(module)
    path = HERE / f"{name}.pt"
    torch.save(wrap(module.state_dict()), path)
    table.read(path, BY, X, y, **given)


def torch_files():
    torch.manual_seed(1)
    fc = {"fc1": (3, 4), "fc2": (4, 2)}
    sequential = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    torch_file("sequential", sequential, activation="tanh")
    torch_file("names", Net(**fc), activation="relu")
    torch_file("reversed", Net(output=(3, 4), input=(4, 2)), activation="relu")
    torch_file("no-bias", Net(bias=False, **fc), activation="relu")
    torch_file(
        "parallel",
        nn.DataParallel(Net(**fc)).module,
        lambda s: {f"module.{k}": v for k, v in s.items()},
        activation="relu",
    )
    torch_file("nested", nn.Sequential(Net(**fc)), lambda s: {f"net.{k}": v for k, v in s.items()}, activation="relu")
    torch_file("leaky", Net(lambda x: nn.functional.leaky_relu(x, 0.1), **fc), activation="leaky-relu:0.1")
    torch_file("hardtanh", Net(nn.functional.hardtanh, **fc), activation="hard-tanh:1,identity")
    optimizer = torch.optim.Adam(Net(**fc).parameters())
    wrap = {"epoch": 7, "optimizer_state_dict": optimizer.state_dict()}
    torch_file("checkpoint", Net(**fc), lambda s: {**wrap, "model_state_dict": s}, activation="relu")
    torch_file(
        "lightning",
        Net(**fc),
        lambda s: {"state_dict": {f"model.{k}": v for k, v in s.items()}, "global_step": 3, "loops": {}},
        activation="relu",
    )
    torch_file(
        "weight-norm",
        nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 4)), nn.ReLU(), nn.Linear(4, 2)),
        activation="relu",
    )
    torch_file(
        "weight-norm-columns",
        nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 4), dim=1), nn.ReLU(), nn.Linear(4, 2)),
        activation="relu",
    )
    old = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    nn.utils.weight_norm(old[0])
    with torch.no_grad():
        old[0].weight_g *= 2
    torch_file("weight-norm-old", old, activation="relu")
    ordered = nn.Sequential(*[layer for k in range(12) for layer in (nn.Linear(3, 3), nn.ReLU())], nn.Linear(3, 2))
    torch_file("deep", ordered, activation="relu")
    mixed = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2), nn.Sigmoid())
    torch_file("mixed", mixed, activation="relu,tanh,sigmoid")
    shared = Net(**fc, value=(4, 1))
    shared.names = ["fc1", "fc2"]
    torch_file("layers", shared, activation="relu", layers=["fc1", "fc2"])
    torch_file("legacy", Net(**fc), activation="relu")
    module = Net(**fc)
    y = answers(module)
    torch.save(module.state_dict(), HERE / "legacy.pt", _use_new_zipfile_serialization=False)
    table.read(HERE / "legacy.pt", BY, X, y, activation="relu")
    safetensors.torch.save_file(module.state_dict(), HERE / "torch.safetensors")
    table.read(HERE / "torch.safetensors", BY, X, y, activation="relu")
    deep = nn.Sequential(*[layer for k in range(11) for layer in (nn.Linear(3, 3), nn.ReLU())], nn.Linear(3, 2))
    y = answers(deep)
    safetensors.torch.save_file(deep.state_dict(), HERE / "torch-deep.safetensors")
    table.read(HERE / "torch-deep.safetensors", BY, X, y, activation="relu")
    for name, content, words in [
        (
            "two-models",
            {"actor": Net(**fc).state_dict(), "critic": Net(**fc).state_dict()},
            "several state dicts: actor, critic",
        ),
        (
            "batch-norm",
            nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)).state_dict(),
            "1.running_mean",
        ),
        ("convolution", nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Linear(4, 2)).state_dict(), "0.weight"),
        ("recurrent", nn.GRU(3, 2).state_dict(), "weight_ih_l0"),
        ("transformer", nn.TransformerEncoderLayer(4, 1, 4).state_dict(), "self_attn.in_proj_weight"),
        ("whole", sequential, "whole module"),
    ]:
        torch.save(content, HERE / f"{name}.pt")
        table.refused(HERE / f"{name}.pt", BY, words, activation="relu")
    scripted = torch.jit.script(sequential.float())
    scripted.save(str(HERE / "scripted.pt"))
    table.refused(HERE / "scripted.pt", BY, "whole module", activation="relu")


def mondeq():
    """The monotone equilibrium network of Winston and Kolter under their own names, solved by fixed-point iteration."""
    torch.manual_seed(2)
    m, n = 0.5, 4
    part = {name: nn.Linear(size, n, bias=name == "U").double() for name, size in (("U", 3), ("A", n), ("B", n))}
    out, x = nn.Linear(n, 2).double(), torch.tensor(X)
    A, B = part["A"].weight, part["B"].weight
    z = torch.zeros(3, n).double()
    with torch.no_grad():
        for _ in range(20000):
            Wz = (1 - m) * z - part["A"](z) @ A + part["B"](z) - z @ B
            z = 0.9 * z + 0.1 * torch.relu(Wz + part["U"](x))
        y = out(z).numpy()
    state = {f"mon.linear_module.{k}.{key}": v for k, layer in part.items() for key, v in layer.state_dict().items()}
    state |= {f"Wout.{key}": value for key, value in out.state_dict().items()}
    torch.save(state, HERE / "mondeq.pt")
    table.read(HERE / "mondeq.pt", f"{BY}, by iteration", X, y, activation="relu", margin=m)
    torch.save({**state, "mon.linear_module.m": torch.tensor(m)}, HERE / "mondeq-m.pt")
    table.read(HERE / "mondeq-m.pt", f"{BY}, by iteration", X, y, activation="relu")
    table.refused(HERE / "mondeq-m.pt", BY, "says its m itself", activation="relu", margin=1.0)
    torch.save(state, HERE / "mondeq-without.pt")
    table.refused(HERE / "mondeq-without.pt", BY, "does not say the m", activation="relu")
    table.read(HERE / "mondeq-m.pt", f"{BY}, by iteration", X, y, activation="relu")


class Dense(flax.linen.Module):
    @flax.linen.compact
    def __call__(self, x):
        for size in (3, 4):
            x = jax.nn.tanh(flax.linen.Dense(size)(x))
        return flax.linen.Dense(2)(x)


class Nested(flax.linen.Module):
    """Made from the outside in, so that Dense_0 comes last."""

    @flax.linen.compact
    def __call__(self, x):
        return flax.linen.Dense(2)(jax.nn.relu(flax.linen.Dense(4)(x)))


class Named(flax.nnx.Module):
    def __init__(self, rngs):
        self.hidden = flax.nnx.Linear(3, 4, rngs=rngs)
        self.output = flax.nnx.Linear(4, 2, rngs=rngs)

    def __call__(self, x):
        return self.output(jax.nn.relu(self.hidden(x)))


class Normed(flax.linen.Module):
    @flax.linen.compact
    def __call__(self, x):
        return flax.linen.Dense(2)(flax.linen.LayerNorm()(flax.linen.Dense(4)(x)))


def flax_files():
    by = f"flax {flax.__version__}"
    parameters = Dense().init(jax.random.key(0), X)
    y = Dense().apply(parameters, X)
    for name, separator, tree in (("flax-dots", ".", parameters), ("flax-slashes", "/", parameters["params"])):
        flat = flatten_dict(tree, sep=separator)
        safetensors.flax.save_file(flat, HERE / f"{name}.safetensors")
        table.read(HERE / f"{name}.safetensors", by, X, y, activation="tanh")
    nested = Nested().init(jax.random.key(0), X)
    safetensors.flax.save_file(flatten_dict(nested, sep="."), HERE / "flax-nested.safetensors")
    table.read(HERE / "flax-nested.safetensors", by, X, Nested().apply(nested, X), activation="relu")
    np.savez(HERE / "flax.npz", **{key: np.asarray(value) for key, value in flatten_dict(parameters, sep="/").items()})
    table.read(HERE / "flax.npz", by, X, y, activation="tanh")
    model = Named(flax.nnx.Rngs(1))
    state = flax.nnx.state(model, flax.nnx.Param)
    flat = {".".join(map(str, path)): leaf[...] for path, leaf in flax.nnx.to_flat_state(state)}
    safetensors.flax.save_file(flat, HERE / "nnx.safetensors")
    table.read(HERE / "nnx.safetensors", by, X, model(X), activation="relu")
    flat = flatten_dict(Normed().init(jax.random.key(0), X), sep=".")
    safetensors.flax.save_file(flat, HERE / "flax-norm.safetensors")
    table.refused(HERE / "flax-norm.safetensors", by, "LayerNorm_0", activation="relu")


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    torch_files()
    mondeq()
    flax_files()
    table.write()
