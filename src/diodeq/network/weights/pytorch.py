"""Networks from PyTorch: ``nn.Sequential`` modules in memory, and the tensors of its files."""

from __future__ import annotations

import warnings
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from diodeq import archives
from diodeq.errors import InputError
from diodeq.network.activations import Activation
from diodeq.network.network import Network, Stage
from diodeq.network.weights.keys import Arrays, Floats, Tensors, Texts, check_size, check_total, listed
from diodeq.network.weights.state_dict import linear
from diodeq.printable import counted

SAVE = "save the state dict alone: torch.save(model.state_dict(), FILE)"
LAYERS = (
    "use Linear layers, each followed by at most one of ReLU, LeakyReLU, Tanh, Sigmoid, Hardtanh, Softshrink, Identity"
)


def read(path: Path) -> Tensors:
    """The tensors of a ``.pt`` or ``.pth`` file by name, read with ``weights_only=True``.

    Of a checkpoint, whose tensors lie in one dictionary beside other things, it is that dictionary.

    Raises:
        InputError: PyTorch is not installed; the file is damaged, or holds anything but a dictionary of plain tensors.
    """
    torch = _torch()
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                total = sum(member.file_size for member in archive.infolist())
            if total > archives.believable(path.stat().st_size):
                raise InputError(f"it unpacks to {total:,} bytes", "give a smaller network")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is refused below
            content = torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # torch raises whatever its unpickler and its archive reader do
        raise InputError(
            "it is damaged, or holds pickled code or a whole module, which diodeq never opens", SAVE
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"it holds a {type(content).__name__}, not a state dict", SAVE)
    content, notes = _of_checkpoint(torch, content)
    arrays: Arrays = {}
    texts: Texts = {}
    tensors = {str(key): value for key, value in content.items() if isinstance(value, torch.Tensor)}
    for key, value in tensors.items():
        check_size(key, tuple(value.shape))
        if value.layout == torch.strided and value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise InputError(f"its {key} has fewer numbers in the file than its shape", "save tensor.contiguous()")
    check_total(tuple(value.shape) for value in tensors.values())
    for key, value in content.items():
        if isinstance(value, str) and str(key).startswith("activation"):
            texts[str(key)] = value
        elif isinstance(value, torch.Tensor):
            arrays[str(key)] = _array(str(key), value)
        else:
            raise InputError(f"its {key!r} is a {type(value).__name__}, not a tensor", SAVE)
    return Tensors(arrays, texts, notes)


def _of_checkpoint(torch: Any, content: dict[Any, Any]) -> tuple[dict[Any, Any], tuple[str, ...]]:
    """The one dictionary of tensors in a dictionary without any of its own, and what is left out beside it."""
    inner = {
        str(key): value
        for key, value in content.items()
        if isinstance(value, dict) and value and all(isinstance(each, torch.Tensor) for each in value.values())
    }
    if not inner or any(isinstance(value, torch.Tensor) for value in content.values()):
        return content, ()
    if len(inner) > 1:
        raise InputError(f"it holds several state dicts: {listed(inner)}", SAVE)
    (name,) = inner
    others = [str(key) for key in content if str(key) != name]
    return inner[name], (f"left out of the checkpoint, beside its {name}: {listed(others)}",) if others else ()


def from_module(module: Any) -> Network:
    """The network of an ``nn.Sequential`` in memory, as it computes in evaluation mode.

    Nested Sequentials are unrolled. Accepted: Linear (with or without bias), each followed by at most one activation
    (ReLU, LeakyReLU, Tanh, Sigmoid, Hardtanh that is symmetric, Softshrink); Identity and Dropout anywhere; Flatten
    first.

    Raises:
        InputError: PyTorch is not installed, or a layer is another; it is named.
    """
    nn = _torch().nn
    if not isinstance(module, nn.Sequential):
        raise InputError(f"a {type(module).__name__} is not an nn.Sequential", LAYERS)
    stages: list[Stage] = []
    activated = True
    for name, layer in _unrolled(module, nn.Sequential, ""):
        kind = type(layer)
        where = f"layer {name} ({kind.__name__})"
        if kind is nn.Linear:
            bias = None if layer.bias is None else _array(f"{name}.bias", layer.bias)
            weight = _array(f"{name}.weight", layer.weight)
            if stages and weight.shape[1] != stages[-1].size:
                raise InputError(
                    f"{where} has {counted(weight.shape[1], 'input')}, not {stages[-1].size}", "make the layers fit"
                )
            stages.append(linear(f"{name}.weight", weight, f"{name}.bias", bias, Activation("identity")))
            activated = False
        elif kind not in (nn.Identity, nn.Dropout) and not _flattens(nn, layer, bool(stages)):
            activation = _activation(nn, layer, where)
            if activated:
                raise InputError(f"{where} does not follow a Linear layer", LAYERS)
            last = stages.pop()
            stages.append(Stage(U=last.U, b=last.b, W=None, activation=activation))
            activated = True
    if not stages:
        raise InputError("the module has no Linear layer", LAYERS)
    return Network(tuple(stages))


def _flattens(nn: Any, layer: Any, inside: bool) -> bool:
    """Whether a layer only makes every sample one row, as samples are here anyway."""
    return type(layer) is nn.Flatten and layer.start_dim == 1 and layer.end_dim == -1 and not inside


def _activation(nn: Any, layer: Any, where: str) -> Activation:
    kind = type(layer)
    if kind in (nn.ReLU, nn.Tanh, nn.Sigmoid):
        return Activation(kind.__name__.lower())
    if kind is nn.LeakyReLU:
        return Activation("leaky-relu", float(layer.negative_slope))
    if kind is nn.Hardtanh and layer.min_val == -layer.max_val:
        return Activation("hard-tanh", float(layer.max_val))
    if kind is nn.Softshrink:
        return Activation("soft-threshold", float(layer.lambd))
    raise InputError(f"{where} is not supported", LAYERS)


def _unrolled(module: Any, sequential: Any, prefix: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, layer in module.named_children():
        full = prefix + name
        found += _unrolled(layer, sequential, f"{full}.") if type(layer) is sequential else [(full, layer)]
    return found


def _array(key: str, tensor: Any) -> Floats:
    check_size(key, tuple(tensor.shape))
    torch = _torch()
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex():
        raise InputError(f"its {key} is sparse, quantized or complex", "save plain real tensors")
    return np.array(tensor.detach().to(device="cpu", dtype=torch.float64).numpy(), np.float64)


def _torch() -> Any:
    try:
        return import_module("torch")
    except ImportError:
        raise InputError("PyTorch is not installed", "run: pip install diodeq[torch]") from None
