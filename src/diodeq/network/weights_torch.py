"""Networks from PyTorch: ``nn.Sequential`` modules in memory, and state dicts in files.

A state dict holds no activations. ``0.weight 0.bias 2.weight 2.bias`` leaves one layer without weights between two
linear ones: it is taken to be ReLU, the only one accepted there. Two linear layers in a row have none between them.
"""

from __future__ import annotations

import re
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
from diodeq.network.weights_keys import Arrays, Floats, Texts, check_size, matrix, shaped

ACCEPTED = (
    "diodeq reads the state dict of an nn.Sequential of Linear and ReLU layers, or diodeq's own keys W0, U0, b0, …"
)
LAYERS = "use Linear layers, each followed by at most one of ReLU, LeakyReLU, Hardtanh, Softshrink or Identity"

_KEY = re.compile(r"(0|[1-9][0-9]{0,5})\.(weight|bias)")


def is_state_dict(arrays: Arrays) -> bool:
    """Whether some key is one of an nn.Sequential's state dict."""
    return any(_KEY.fullmatch(key) for key in arrays)


def read(path: Path) -> tuple[Arrays, Texts]:
    """The tensors of a ``.pt`` or ``.pth`` file by name, read with ``weights_only=True``.

    Raises:
        InputError: PyTorch is not installed; the file is damaged, or holds anything but a dictionary of plain tensors.
    """
    torch = _torch()
    remedy = "save the state dict alone: torch.save(model.state_dict(), FILE)"
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
            "it is damaged, or holds pickled code or a whole module, which diodeq never opens", remedy
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"it holds a {type(content).__name__}, not a state dict", remedy)
    arrays: Arrays = {}
    texts: Texts = {}
    for key, value in content.items():
        if isinstance(value, str) and str(key).startswith("activation"):
            texts[str(key)] = value
        elif isinstance(value, torch.Tensor):
            arrays[str(key)] = _array(str(key), value)
        else:
            raise InputError(f"its {key!r} is a {type(value).__name__}, not a tensor", remedy)
    return arrays, texts


def from_arrays(arrays: Arrays) -> Network:
    """The network of an nn.Sequential's state dict.

    Raises:
        InputError: a key that is not a linear layer's, layers that do not fit, or more than one layer between two.
    """
    layers: dict[int, dict[str, str]] = {}
    for key in arrays:
        match = _KEY.fullmatch(key)
        if not match:
            raise InputError(f"its key {key!r} is not a weight of a Linear layer", ACCEPTED)
        layers.setdefault(int(match[1]), {})[match[2]] = key
    order = sorted(layers)
    stages = []
    for index, following in zip(order, [*order[1:], None], strict=True):
        keys = layers[index]
        if "weight" not in keys:
            raise InputError(f"its layer {index} has a bias but no weight", ACCEPTED)
        gap = 0 if following is None else following - index - 1
        if gap > 1:
            raise InputError(
                f"{gap} layers without weights lie between its layers {index} and {following}",
                "load the module by diodeq.network.weights_torch.from_module, which sees what they are",
            )
        bias = arrays.get(f"{index}.bias")
        stages.append(_linear(f"{index}.weight", arrays[f"{index}.weight"], f"{index}.bias", bias, gap == 1))
    for (index, first), (after, second) in zip(
        zip(order, stages, strict=True), zip(order[1:], stages[1:], strict=True), strict=False
    ):
        if second.U.shape[1] != first.size:
            raise InputError(
                f"its {after}.weight has shape {second.U.shape} but layer {index} has {first.size} outputs",
                f"give {after}.weight the shape ({second.size}, {first.size})",
            )
    return Network(tuple(stages))


def from_module(module: Any) -> Network:
    """The network of an ``nn.Sequential`` in memory, as it computes in evaluation mode.

    Nested Sequentials are unrolled. Accepted: Linear (with or without bias), each followed by at most one activation
    (ReLU, LeakyReLU, Hardtanh that is symmetric, Softshrink); Identity and Dropout anywhere; Flatten first.

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
                raise InputError(f"{where} has {weight.shape[1]} inputs, not {stages[-1].size}", "make the layers fit")
            stages.append(_linear(f"{name}.weight", weight, f"{name}.bias", bias, False))
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
    if kind is nn.ReLU:
        return Activation("relu")
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


def _linear(weight_key: str, weight: Any, bias_key: str, bias: Any, rectified: bool) -> Stage:
    U = matrix(weight_key, weight)
    b = np.zeros(len(U)) if bias is None else shaped(bias_key, bias, (len(U),), f"{weight_key} has {len(U)} rows")
    return Stage(U=U, b=b, W=None, activation=Activation("relu" if rectified else "identity"))


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
