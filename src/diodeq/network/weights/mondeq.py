"""Monotone equilibrium networks as their authors save them (Winston and Kolter 2020, arXiv:2006.08591).

A state dict with ``U``, ``A`` and ``B`` of one fully connected layer, ``W = (1 - m) I - AᵀA + B - Bᵀ``, and a linear
read-out. In the authors' code m is no parameter, so their files do not hold it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from diodeq.errors import InputError
from diodeq.network.activations import Activation
from diodeq.network.network import Network
from diodeq.network.weights import keys, layers
from diodeq.network.weights.keys import Arrays

ACCEPTED = "diodeq reads one fully connected monotone layer U, A, B and one linear read-out after it"


def _prefixes(arrays: Iterable[str]) -> list[str]:
    names = set(arrays)
    ends = [name.removesuffix("A.weight") for name in names if name == "A.weight" or name.endswith(".A.weight")]
    return [end for end in ends if {f"{end}B.weight", f"{end}U.weight"} <= names]


def is_mondeq(arrays: Iterable[str]) -> bool:
    """Whether the names are those of a monotone equilibrium layer's parts."""
    return bool(_prefixes(arrays))


def from_arrays(arrays: Arrays, activations: tuple[Activation, ...] | None, margin: float | None) -> Network:
    """The equilibrium layer and its read-out.

    Raises:
        InputError: there is more than that, the layer is a convolution, m is missing, in the file too, or not finite,
            or no activations are given.
    """
    found = _prefixes(arrays)
    if len(found) > 1:
        raise InputError(f"it has several monotone layers: {', '.join(sorted(found))}", ACCEPTED)
    prefix = found[0]
    parts = {part: f"{prefix}{part}" for part in ("U.weight", "U.bias", "A.weight", "B.weight", "m")}
    rest = {key: array for key, array in arrays.items() if key not in parts.values()}
    readouts = layers.linear_layers(rest)
    if len(readouts) != 1:
        raise InputError(f"it has {len(readouts)} layers beside {prefix}A, B and U", ACCEPTED)
    for part in ("U.weight", "A.weight", "B.weight"):
        if arrays[parts[part]].ndim != 2:
            raise InputError(f"its {parts[part]} has shape {arrays[parts[part]].shape}, not that of a matrix", ACCEPTED)
    if parts["m"] in arrays and margin is not None:
        raise InputError(f"it says its m itself, by {parts['m']}", "leave --margin out")
    if parts["m"] not in arrays and margin is None:
        raise InputError(
            f"it does not say the m of its monotone layer {prefix}A, B",
            "give --margin, as in MONSingleFc(…, m=1.0) where it was made (0.1 by default)",
        )
    if activations is None:
        raise InputError("it does not say the activation of its monotone layer", "give --activation, such as relu")
    (readout,) = readouts.values()
    U = arrays[parts["U.weight"]]
    renamed = {
        "U0": U,
        "b0": arrays.get(parts["U.bias"], np.zeros(len(U))),
        "A0": arrays[parts["A.weight"]],
        "P0": arrays[parts["B.weight"]],
        "m0": arrays[parts["m"]] if margin is None else np.asarray(margin, np.float64),
        "U1": readout.weight,
        "b1": np.zeros(len(readout.weight)) if readout.bias is None else readout.bias,
    }
    return keys.assemble(renamed, {}, activations)
