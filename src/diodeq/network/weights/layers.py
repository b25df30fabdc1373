"""The linear layers in a state dict, by the names that programs give their parts.

PyTorch: ``weight`` (outputs, inputs) and ``bias``, or, of a weight normalization, ``weight_g`` and ``weight_v``
(``parametrizations.weight.original0`` and ``original1``). Flax: ``kernel`` (inputs, outputs) and ``bias``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.errors import InputError
from diodeq.network.weights.keys import Arrays, numbers

ACCEPTED = "diodeq reads state dicts of Linear layers (export other models to ONNX), or its own keys W0, U0, b0, …"
LONE = "the only layer"

_KEY = re.compile(
    r"(?:(.*)[./])??(weight|bias|kernel|weight_g|weight_v|parametrizations\.weight\.original[01])", re.DOTALL
)
_PART = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}


@dataclass(frozen=True, eq=False)
class WeightLayer:
    """``weight`` [outputs, inputs] and, if there is one, ``bias``, with the keys that an error names."""

    weight: NDArray[Any]
    weight_key: str
    bias: NDArray[Any] | None = None
    bias_key: str = ""


def is_part(key: str) -> bool:
    """Whether a key is that of a part of a linear layer."""
    return bool(_KEY.fullmatch(key))


def linear_layers(arrays: Arrays) -> dict[str, WeightLayer]:
    """Each layer by its name, in the file's order.

    Raises:
        InputError: a key is not a linear layer's, or parts of one are missing, or have other shapes.
    """
    parts: dict[str, dict[str, str]] = {}
    for key in arrays:
        match = _KEY.fullmatch(key)
        if not match:
            raise InputError(f"its key {key!r} is not a weight of a Linear layer", ACCEPTED)
        parts.setdefault(match[1] or LONE, {})[_PART.get(match[2], match[2])] = key
    return {name: _layer(name, keys, arrays) for name, keys in parts.items()}


def _layer(name: str, keys: dict[str, str], arrays: Arrays) -> WeightLayer:
    bias = keys.pop("bias", "")
    if not keys:
        raise InputError(f"its layer {name} has a bias but no weight", ACCEPTED)
    if set(keys) not in ({"weight"}, {"kernel"}, {"weight_g", "weight_v"}):
        raise InputError(f"its layer {name} has {' and '.join(keys.values())}", "give it one weight")
    key = keys.get("weight") or keys.get("kernel") or keys["weight_v"]
    weight = arrays[key]
    if weight.ndim != 2:
        raise InputError(f"its {key} has shape {weight.shape}, not that of a Linear layer", ACCEPTED)
    if "kernel" in keys:
        weight = weight.T
    if "weight_g" in keys:
        weight = _normalized(key, weight, keys["weight_g"], arrays[keys["weight_g"]])
    return WeightLayer(weight, key, arrays[bias] if bias else None, bias)


def _normalized(key: str, direction: NDArray[Any], gain_key: str, gain: NDArray[Any]) -> NDArray[Any]:
    """``g v / ‖v‖``, row by row, column by column or as a whole, as the shape of g says (Salimans and Kingma 2016)."""
    v, g = numbers(key, direction), numbers(gain_key, gain)
    rows, columns = v.shape
    if g.shape not in ((rows, 1), (1, columns), ()):
        raise InputError(f"its {gain_key} has shape {g.shape}, {key} {v.shape}", f"give it the shape {(rows, 1)}")
    norm = np.linalg.norm(v) if g.ndim == 0 else np.linalg.norm(v, axis=1 if g.shape == (rows, 1) else 0, keepdims=True)
    if not np.all((norm > 0.0) & np.isfinite(norm)):
        raise InputError(f"its {key} has a direction of no length, or of one beyond all numbers", "train it again")
    return np.asarray(v * (g / norm))
