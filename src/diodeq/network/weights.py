"""Weights files: one reader per format, a literal registry from the file's ending to it.

Formats: diodeq's own keys (``weights_keys``) or a Sequential's state dict (``weights_torch``) in ``.npz``,
``.safetensors``, ``.pt`` or ``.pth``; a chain of layers in ``.onnx`` (``weights_onnx``). Nothing in a file is executed.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from diodeq import archives
from diodeq.errors import DiodeqError, InputError
from diodeq.files import write_atomically
from diodeq.network import weights_keys, weights_onnx, weights_safetensors, weights_torch
from diodeq.network.network import Network
from diodeq.network.weights_keys import Arrays, Texts
from diodeq.network.weights_torch import from_module

__all__ = ["READERS", "WRITERS", "from_module", "load", "save"]

LARGEST_FILE = 1 << 32
"""Bytes; half a billion weights in float64."""


def _tensors(read: Callable[[Path], tuple[Arrays, Texts]]) -> Callable[[Path], Network]:
    """A reader of named arrays, as a reader of networks."""

    def reader(path: Path) -> Network:
        arrays, texts = read(path)
        if weights_torch.is_state_dict(arrays):
            if texts:
                raise InputError(f"its {next(iter(texts))} does not belong to a state dict", weights_torch.ACCEPTED)
            return weights_torch.from_arrays(arrays)
        return weights_keys.assemble(arrays, texts)

    return reader


READERS: dict[str, Callable[[Path], Network]] = {
    ".npz": _tensors(lambda path: (archives.read(path), {})),
    ".safetensors": _tensors(weights_safetensors.read),
    ".pt": _tensors(weights_torch.read),
    ".pth": _tensors(weights_torch.read),
    ".onnx": weights_onnx.read,
}


def _npz(arrays: Arrays, texts: Texts) -> bytes:
    buffer = io.BytesIO()
    members: dict[str, Any] = {**arrays, **{name: np.array(text) for name, text in texts.items()}}
    np.savez(buffer, **members)
    return buffer.getvalue()


WRITERS: dict[str, Callable[[Arrays, Texts], bytes]] = {
    ".npz": _npz,
    ".safetensors": weights_safetensors.encode,
}


def load(path: str | Path) -> Network:
    """The network in a weights file; its format is told by the ending.

    Raises:
        InputError: the file is missing, damaged, too large or of another kind, or holds what is not such a network; the
            key, tensor, layer or operator is named, with what would be accepted. Also if the package that reads the
            format is not installed.
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path} does not end like a weights file", f"give one of {', '.join(READERS)}")
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise InputError("it is a folder", "name a file in it")
        if size == 0:
            raise InputError("it is empty", "save the weights again")
        if size > LARGEST_FILE:
            raise InputError(f"it has {size:,} bytes, more than {LARGEST_FILE:,}", "give a smaller network")
        return reader(path)
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
    write_atomically(path, writer(*weights_keys.disassemble(network)))
