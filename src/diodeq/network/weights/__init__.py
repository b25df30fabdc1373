"""Weights files: one reader per format, a literal registry from the file's ending to it.

Formats: diodeq's own keys (``keys``), a state dict of linear layers (``state_dict``), a monotone equilibrium network
(``mondeq``) or scikit-learn's arrays (``sklearn``) in ``.npz``, ``.safetensors``, ``.pt`` or ``.pth``; a graph in
``.onnx`` (``onnx``); an estimator in ``.skops`` (``sklearn``). Nothing in a file is executed.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diodeq import archives
from diodeq.errors import DiodeqError, InputError
from diodeq.files import write_atomically
from diodeq.network.activations import Activation
from diodeq.network.network import Network
from diodeq.network.weights import keys, layers, mondeq, onnx, pytorch, safetensors, sklearn, state_dict
from diodeq.network.weights.keys import Arrays, Tensors, Texts
from diodeq.network.weights.modules import from_module

__all__ = ["READERS", "WRITERS", "Loaded", "from_module", "load", "read", "save"]

LARGEST_FILE = 1 << 32
"""Bytes; half a billion weights in float64."""


@dataclass(frozen=True)
class Said:
    """What the user says of a file that does not say it itself."""

    activations: tuple[Activation, ...] | None = None
    layers: tuple[str, ...] | None = None
    margin: float | None = None

    def refuse(self, why: str, *names: str) -> None:
        """Raise ``InputError`` if one of these was given, which a file has no use for."""
        for name in names:
            if getattr(self, name) is not None:
                option = f"--{'activation' if name == 'activations' else name}"
                raise InputError(f"{why}: {option} has no use", f"leave {option} out")


@dataclass(frozen=True)
class Loaded:
    """A network, and what in its file was read differently from how it stands."""

    network: Network
    notes: tuple[str, ...] = ()


Reader = Callable[[Path, Said], Loaded]


def _tensors(read_tensors: Callable[[Path], Tensors], keeps_order: bool = True) -> Reader:
    """A reader of named arrays, as a reader of networks."""

    def reader(path: Path, said: Said) -> Loaded:
        tensors = read_tensors(path)
        keys.check_total(array.shape for array in tensors.arrays.values())
        network, notes = _named(tensors.arrays, tensors.texts, said, keeps_order)
        return Loaded(network, (*tensors.notes, *notes))

    return reader


def _named(arrays: Arrays, texts: Texts, said: Said, keeps_order: bool) -> tuple[Network, tuple[str, ...]]:
    """The network of named arrays, by whose names they are, and what is to be said."""
    if mondeq.is_mondeq(arrays):
        said.refuse("it says the order of its layers itself", "layers")
        return mondeq.from_arrays(arrays, said.activations, said.margin), ()
    if {"header", "nodes"} <= arrays.keys() | texts.keys():
        raise InputError("it holds a circuit and no weights", "of a circuit `diodeq extract` makes weights")
    said.refuse("its layers have no margin of their own", "margin")
    if sklearn.is_mlp(arrays):
        said.refuse("its layers are numbered", "layers")
        return sklearn.from_arrays(arrays, said.activations)
    if state_dict.is_state_dict(arrays):
        if texts:
            raise InputError(f"its {next(iter(texts))} does not belong to a state dict", layers.ACCEPTED)
        return state_dict.from_arrays(arrays, said.activations, said.layers, keeps_order)
    said.refuse("its stages are numbered", "layers")
    return keys.assemble(arrays, texts, said.activations), ()


def _model(path: Path, said: Said) -> Loaded:
    said.refuse("it is a model, which says its layers and activations itself", "activations", "layers", "margin")
    model = onnx.read(path)
    return Loaded(model.network, model.notes)


def _estimator(path: Path, said: Said) -> Loaded:
    said.refuse("it is a model, which says its layers and activations itself", "activations", "layers", "margin")
    return Loaded(*sklearn.read(path))


READERS: dict[str, Reader] = {
    ".npz": _tensors(lambda path: Tensors(archives.read(path))),
    ".safetensors": _tensors(safetensors.read, keeps_order=False),
    ".pt": _tensors(pytorch.read),
    ".pth": _tensors(pytorch.read),
    ".onnx": _model,
    ".skops": _estimator,
}


def _npz(arrays: Arrays, texts: Texts) -> bytes:
    buffer = io.BytesIO()
    members: dict[str, Any] = {**arrays, **{name: np.array(text) for name, text in texts.items()}}
    np.savez(buffer, **members)
    return buffer.getvalue()


WRITERS: dict[str, Callable[[Arrays, Texts], bytes]] = {
    ".npz": _npz,
    ".safetensors": safetensors.encode,
}


def load(
    path: str | Path, activation: str | None = None, layers: Sequence[str] | None = None, margin: float | None = None
) -> Network:
    """The network in a weights file, as `read` finds it, without what there is to say of it."""
    return read(path, activation, layers, margin).network


def read(
    path: str | Path, activation: str | None = None, layers: Sequence[str] | None = None, margin: float | None = None
) -> Loaded:
    """The network in a weights file, whose format its ending tells, and what of the file was left out.

    A state dict does not say its activations: ``activation`` must, by one name for all layers but the last (which is
    then the identity) or one for each, joined by commas (``relu,identity``). ``layers`` names the layers of a state
    dict in their order, where the file does not make it certain. ``margin`` is the m of a monotone equilibrium layer
    whose file does not hold it.

    Raises:
        InputError: the file is missing, damaged, too large or of another kind, or holds what is not such a network; the
            key, tensor, layer or operator is named, with what would be accepted. Also if the package that reads the
            format is not installed, if activations are missing, or if the file says itself what is given.
    """
    path = Path(path)
    given = None if activation is None else tuple(Activation.parse(name) for name in activation.split(","))
    said = Said(given, None if layers is None else tuple(layers), margin)
    if path.is_dir():
        raise InputError(f"{path} is a folder", "name a file of weights in it")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path} does not end like a weights file", f"give one of {', '.join(READERS)}")
    try:
        size = path.stat().st_size
        if size == 0:
            raise InputError("it is empty", "save the weights again")
        if size > LARGEST_FILE:
            raise InputError(f"it has {size:,} bytes, more than {LARGEST_FILE:,}", "give a smaller network")
        with np.errstate(over="ignore", invalid="ignore"):  # a stage refuses what is not finite
            return reader(path, said)
    except FileNotFoundError:
        raise InputError(f"there is no weights file {path}", "check the path") from None
    except DiodeqError as error:
        raise InputError(f"weights file {path} cannot be used: {error.problem}", error.remedy) from error
    except MemoryError:
        raise InputError(f"weights file {path} does not fit into memory", "give a smaller network") from None
    except OSError as error:
        raise InputError(f"weights file {path} cannot be read: {error.strerror or error}", "check the file") from error


def save(network: Network, path: str | Path) -> None:
    """Write a network with diodeq's own keys, in float64 and atomically, to ``.npz`` or ``.safetensors``.

    Raises:
        InputError: another ending, or the place cannot be written.
    """
    writer = WRITERS.get(Path(path).suffix.lower())
    if writer is None:
        raise InputError(f"{path} does not end like a file diodeq writes", f"use one of {', '.join(WRITERS)}")
    write_atomically(path, writer(*keys.disassemble(network)))
