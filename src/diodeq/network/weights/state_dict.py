"""Networks from state dicts: named weights and biases of linear layers, in the order they were written in.

A state dict says nothing of activations, nor of what happens between its layers: activations must be given, and the
order is the file's, or that of the numbers in the names, or given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np

from diodeq.errors import InputError
from diodeq.network.activations import ACTIVATIONS, Activation
from diodeq.network.network import Network, Stage
from diodeq.network.weights.keys import Arrays, for_layers, listed, matrix, shaped
from diodeq.network.weights.layers import ACCEPTED, WeightLayer, is_part, linear_layers
from diodeq.printable import counted

ORDER = "give the layers in their order: --layers"

LAYERS = 32
"""So many are put in order by their shapes."""


def is_state_dict(arrays: Iterable[str]) -> bool:
    """Whether some key is that of a weight or bias in a state dict."""
    return any(is_part(key) for key in arrays)


def from_arrays(
    arrays: Arrays,
    activations: tuple[Activation, ...] | None = None,
    layers: tuple[str, ...] | None = None,
    keeps_order: bool = True,
) -> tuple[Network, tuple[str, ...]]:
    """The network of the linear layers in a state dict, and what was left out.

    ``activations`` are as `for_layers` takes them, ``layers`` the names of the layers in their order (``fc1`` of
    ``fc1.weight``); others are left out then. ``keeps_order`` says whether the file lists tensors as they were given.

    Raises:
        InputError: no activations are given, a key is not a linear layer's, or the order of the layers is not certain.
    """
    found = linear_layers(arrays)
    order = _given(found, layers) if layers is not None else _ordered(found, arrays, keeps_order)
    for first, second in pairwise(order):
        outputs, inputs = len(found[first].weight), found[second].weight.shape[1]
        if outputs != inputs:
            raise InputError(
                f"its layer {second} has {counted(inputs, 'input')} but {first}, the layer before it, has"
                f" {counted(outputs, 'output')}",
                ORDER,
            )
    if activations is None:
        raise InputError(
            f"it does not say the activations of its layers {listed(order)}",
            f"give --activation with one of {', '.join(ACTIVATIONS)} for all but the last, or each as in relu,identity",
        )
    each = for_layers(activations, order)
    if len(activations) == 1:
        _refuse_neighbours(order, each)
    left = [name for name in found if name not in order]
    notes: tuple[str, ...] = (f"left out, since --layers does not name them: {listed(left)}",) if left else ()
    shapes = {layer.weight.shape for layer in found.values()}
    if layers is None and len(order) > 1 and len(shapes) == 1 and any(key.endswith("kernel") for key in arrays):
        # They would fit in any order, and flax writes none.
        notes += (f"its layers are alike, and were taken in the order of their numbers: {listed(order)}",)
    return Network(tuple(_stage(found[name], each[k]) for k, name in enumerate(order))), notes


def linear(weight_key: str, weight: Any, bias_key: str, bias: Any, activation: Activation) -> Stage:
    """The stage of a linear layer; raises ``InputError`` naming the key that does not fit."""
    U = matrix(weight_key, weight)
    b = (
        np.zeros(len(U))
        if bias is None
        else shaped(bias_key, bias, (len(U),), f"{weight_key} has {counted(len(U), 'row')}")
    )
    return Stage(U=U, b=b, W=None, activation=activation)


def _stage(layer: WeightLayer, activation: Activation) -> Stage:
    return linear(layer.weight_key, layer.weight, layer.bias_key, layer.bias, activation)


def _given(found: dict[str, WeightLayer], layers: tuple[str, ...]) -> list[str]:
    for name in layers:
        if name not in found:
            raise InputError(f"it has no layer {name!r}", f"its layers are {listed(found)}")
    if not layers or len(set(layers)) < len(layers):
        raise InputError(f"--layers names {'a layer twice' if layers else 'none'}", f"its layers are {listed(found)}")
    return list(layers)


def _ordered(found: dict[str, WeightLayer], arrays: Arrays, keeps_order: bool) -> list[str]:
    """The one order that the file, or the numbers in the names, or the shapes make certain.

    Writers that sort their keys put ``10`` before ``2`` and ``decoder`` before ``encoder``: what is sorted so says
    nothing, unless the format keeps the order and no number contradicts it.
    """
    names = list(found)
    numbers = [tuple(int(n) for n in re.findall(r"[0-9]{1,9}", name)) for name in names]
    numbered = len({re.sub(r"[0-9]+", "#", name) for name in names}) == 1 and len(set(numbers)) == len(names)
    by_number = [names[k] for k in sorted(range(len(names)), key=lambda k: numbers[k])]
    is_sorted = list(arrays) == sorted(arrays)
    candidates = [by_number] if numbered else []
    if not is_sorted or (keeps_order and not numbered):
        candidates.append(names)
    shapes = {name: layer.weight.shape for name, layer in found.items()}
    if not candidates:
        candidates = _chainings(shapes)
        if not candidates:
            raise InputError(f"its layers {_sized(shapes)} do not fit each other in any order", ACCEPTED)
    fitting = [order for order in candidates if _fits(order, shapes)]
    if len(fitting) == 2 and fitting[0] != fitting[1]:
        raise InputError(
            f"the order of its layers is not certain: {listed(fitting[0])}, or {listed(fitting[1])}", ORDER
        )
    if not fitting:
        fitting = _chainings(shapes) if len(shapes) <= LAYERS else []
        return fitting[0] if len(fitting) == 1 else candidates[-1]
    return fitting[0]


def _fits(order: list[str], shapes: dict[str, tuple[int, ...]]) -> bool:
    return all(shapes[a][0] == shapes[b][1] for a, b in pairwise(order))


def _chainings(shapes: dict[str, tuple[int, ...]]) -> list[list[str]]:
    """Up to two orders in which every layer takes what the one before it gives."""
    many = InputError("its layers fit each other in too many orders", ORDER)
    if len(shapes) > LAYERS:
        raise many
    complete: list[list[str]] = []
    open_: list[list[str]] = [[name] for name in shapes]
    for _ in range(10_000):
        if not open_ or len(complete) == 2:
            return complete
        order = open_.pop()
        following = [name for name in shapes if name not in order and shapes[name][1] == shapes[order[-1]][0]]
        open_ += [[*order, name] for name in following]
        complete += [order] if len(order) == len(shapes) else []
    raise many


def _sized(shapes: dict[str, tuple[int, ...]]) -> str:
    return listed(f"{name} ({shape[1]} to {shape[0]})" for name, shape in shapes.items())


def _refuse_neighbours(order: list[str], each: tuple[Activation, ...]) -> None:
    """Refuse one activation for all, where a Sequential's numbers leave room for it between some layers only."""
    places = [int(name.rpartition(".")[2]) for name in order if re.fullmatch(r"(.*\.)?[0-9]{1,9}", name)]
    if len(places) < len(order) or len({name.rpartition(".")[0] for name in order}) > 1:
        return
    gaps = [after - before for before, after in pairwise(places)]
    if gaps and min(gaps) == 1 < max(gaps) and any(activation.name != "identity" for activation in each):
        at = gaps.index(1)
        raise InputError(
            f"nothing lies between its layers {order[at]} and {order[at + 1]}, but something between others",
            f"give --activation for each of its {counted(len(order), 'layer')}, as in relu,identity",
        )
