"""What each ONNX operator adds to a chain of layers: one function each, and the attributes it understands."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from diodeq.errors import InputError
from diodeq.network.activations import Activation
from diodeq.network.weights import shapes
from diodeq.network.weights.chain import EXPORT, Chain, product
from diodeq.network.weights.constants import EXACT, Constants
from diodeq.network.weights.keys import Floats, matrix

LARGEST_FLOAT32 = 3.4e38  # exporters write it, a little rounded, where there is no limit


@dataclass(frozen=True, eq=False)
class Node:
    """A node whose data input is the chain; ``place`` says which of its inputs that is."""

    kind: str
    where: str
    inputs: list[str]
    attributes: dict[str, Any]
    constants: Constants
    place: int

    def number(self, name: str, default: float) -> float:
        """A finite attribute."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise InputError(f"{self.where} has {name} {value!r}", f"give {name} as a finite number")
        return float(value)

    def has(self, place: int) -> bool:
        """Whether there is an input at that place."""
        return place < len(self.inputs) and bool(self.inputs[place])

    def weights(self, place: int) -> Floats:
        """The constant at one place of the inputs, float64."""
        return self.constants.floats(self.named(place))

    def whole(self, place: int, attribute: str) -> list[int] | None:
        """Whole numbers from an input, or in old models from an attribute; None if there are none."""
        if self.has(place):
            value = self.constants.raw(self.named(place))
            if value.dtype.kind not in "iu" or value.ndim > 1 or value.size > 64:
                raise InputError(f"{self.where} takes {self.inputs[place]!r}, not whole numbers", EXPORT)
            return [int(n) for n in value.reshape(-1)]
        return [int(n) for n in self.attributes[attribute]] if attribute in self.attributes else None

    def named(self, place: int) -> str:
        """The name of the constant at one place of the inputs."""
        name = self.inputs[place] if place < len(self.inputs) else ""
        if name not in self.constants:
            raise InputError(f"{self.where} takes {name!r}, which is not a constant", "build one chain of layers")
        return name


Step = Callable[[Chain, Node], Chain]


def _gemm(chain: Chain, node: Node) -> Chain:
    """alpha · x · B' + beta · C, with B' = B transposed if transB says so."""
    if node.place or node.number("transA", 0):
        raise InputError(f"{node.where} transposes its input or takes it in another place", "write x @ weights + bias")
    B = matrix(node.inputs[1], node.weights(1)) * node.number("alpha", 1.0)
    U = B if node.number("transB", 0) else B.T
    b = np.zeros(len(U))
    if node.has(2):
        row = node.weights(2)
        if row.size not in (1, len(U)) or row.size != (row.shape[-1] if row.shape else 1):
            raise InputError(
                f"{node.where} adds {node.inputs[2]!r} of shape {row.shape}", f"give it the shape ({len(U)},)"
            )
        b = b + row.reshape(-1) * node.number("beta", 1.0)
    return _flat(chain, node).linear(node.where, U, b)


def _matmul(chain: Chain, node: Node) -> Chain:
    if node.place:
        raise InputError(f"{node.where} multiplies from the left", "write x @ weights")
    U = matrix(node.inputs[1], node.weights(1)).T
    before = chain.shape.sample[:-1]
    if before and product(before) == 1:  # a row with axes of one before it keeps them
        after = replace(chain, shape=replace(chain.shape, sample=chain.shape.sample[-1:]))
        after = after.linear(node.where, U, np.zeros(len(U)))
        return replace(after, shape=replace(after.shape, sample=(*before, len(U))))
    return _flat(chain, node).linear(node.where, U, np.zeros(len(U)))


def _flat(chain: Chain, node: Node) -> Chain:
    if len(chain.shape.sample) != 1:
        raise InputError(f"{node.where} takes an input that is not one row a sample", "put a Flatten before it")
    return chain


def _arithmetic(chain: Chain, node: Node) -> Chain:
    """Add, Sub, Mul and Div with a constant."""
    other = 1 - node.place
    value = node.weights(other)
    if node.kind == "Div":
        if node.place:
            raise InputError(f"{node.where} divides by what the network computes", "use a network of linear layers")
        if not value.all():
            raise InputError(f"{node.where} divides by 0", EXPORT)
    chain, row = chain.entries(node.where, node.inputs[other], value)
    one, zero = np.ones(()), np.zeros(())
    if node.kind == "Mul":
        return chain.scaled(row, zero)
    if node.kind == "Div":
        return chain.scaled(1.0 / row, zero)
    if node.kind == "Add":
        return chain.scaled(one, row)
    return chain.scaled(one, -row) if node.place == 0 else chain.scaled(-one, row)


def _negative(chain: Chain, node: Node) -> Chain:
    return chain.scaled(-np.ones(()), np.zeros(()))


def _batch_normalization(chain: Chain, node: Node) -> Chain:
    """``(x - mean) / √(variance + epsilon) · scale + shift``, channel by channel, as after training."""
    if node.place or node.number("training_mode", 0) or not node.number("spatial", 1):
        raise InputError(f"{node.where} takes its statistics from the batch", "export the model in evaluation mode")
    scale, shift, mean, variance = (node.weights(place) for place in (1, 2, 3, 4))
    sample = chain.shape.sample
    if not sample or not scale.shape == shift.shape == mean.shape == variance.shape == (scale.size,):
        raise InputError(f"{node.where} has constants of different shapes", EXPORT)
    deviation = variance + node.number("epsilon", 1e-5)
    if not np.all(deviation > 0.0):
        raise InputError(f"{node.where} has a variance that is not positive", EXPORT)
    if sample[0] not in (None, scale.size):
        raise InputError(f"{node.where} has {scale.size} channels, its input {sample[0]}", EXPORT)
    channels = (scale.size, *(1 for _ in sample[1:]))
    factor = scale / np.sqrt(deviation)
    chain, row = chain.entries(node.where, node.inputs[1], factor.reshape(channels))
    chain, moved = chain.entries(node.where, node.inputs[2], (shift - mean * factor).reshape(channels))
    return chain.scaled(row, moved)


def _scaler(chain: Chain, node: Node) -> Chain:
    """``(x - offset) · scale``: scikit-learn's StandardScaler."""
    offset, scale = (np.asarray(node.attributes.get(name, default), np.float64) for name, default in _SCALER.items())
    if not (np.isfinite(offset).all() and np.isfinite(scale).all()):
        raise InputError(f"{node.where} has numbers that are not finite", EXPORT)
    chain, row = chain.entries(node.where, "scale", scale)
    chain, moved = chain.entries(node.where, "offset", -offset * scale)
    return chain.scaled(row, moved)


_SCALER = {"offset": [0.0], "scale": [1.0]}


def _plain(chain: Chain, node: Node) -> Chain:
    """An activation of ONNX's without a parameter, by its name in lower case."""
    return chain.activated(node.where, Activation(node.kind.lower()))


def _leaky(chain: Chain, node: Node) -> Chain:
    """LeakyRelu, and PRelu with one slope for all units."""
    if node.kind == "PRelu":
        slopes = node.weights(1)
        chain, slopes = chain.entries(node.where, ", ".join(node.inputs[1:]), slopes)
        if node.place or slopes.size == 0 or np.ptp(slopes) > 0.0:
            raise InputError(f"{node.where} has several slopes", "use one slope for a layer")
        slope = float(slopes.flat[0])
    else:
        slope = node.number("alpha", 0.01)
    if not 0.0 <= slope <= 1.0:
        raise InputError(f"{node.where} has the slope {slope:g} below zero", "use a slope from 0 to 1")
    return chain.activated(node.where, Activation("leaky-relu", slope) if slope else Activation("relu"))


def _clip(chain: Chain, node: Node) -> Chain:
    """Clip between -c and c is hard-tanh; above 0 alone it is relu."""
    if node.place:
        raise InputError(f"{node.where} has limits that the network computes", "use constant limits")
    low, high = _limit(node, 1, "min", -math.inf), _limit(node, 2, "max", math.inf)
    if low == -math.inf and high == math.inf:
        return chain
    if low == 0.0 and high == math.inf:
        return chain.activated(node.where, Activation("relu"))
    if 0.0 < high < math.inf and low == -high:
        return chain.activated(node.where, Activation("hard-tanh", high))
    raise InputError(f"{node.where} has the limits {low:g} and {high:g}", "use limits -c and c, or 0 alone")


def _limit(node: Node, place: int, name: str, missing: float) -> float:
    if node.has(place):
        value = node.constants.raw(node.named(place))
        if value.size != 1 or value.dtype.kind not in "fiu":
            raise InputError(f"{node.where} has a {name} that is not one number", EXPORT)
        found = float(value.reshape(()))
    else:
        found = float(node.attributes.get(name, missing))
    return missing if abs(found) >= LARGEST_FLOAT32 and (found > 0) == (missing > 0) else found


def _shrink(chain: Chain, node: Node) -> Chain:
    threshold = node.number("lambd", 0.5)
    if node.number("bias", 0.0) != threshold or threshold <= 0.0:
        raise InputError(f"{node.where} has a bias that is not its lambd", "use a soft threshold")
    return chain.activated(node.where, Activation("soft-threshold", threshold))


def _cast(chain: Chain, node: Node) -> Chain:
    if node.attributes.get("to") not in EXACT:
        raise InputError(f"{node.where} rounds what passes through", f"cast to {' or '.join(EXACT.values())}")
    return chain


def _dropout(chain: Chain, node: Node) -> Chain:
    if node.place or (node.has(2) and node.constants.raw(node.named(2)).any()):
        raise InputError(f"{node.where} drops units at random", "export the model in evaluation mode")
    return chain


def _identity(chain: Chain, node: Node) -> Chain:
    return chain


def _flatten(chain: Chain, node: Node) -> Chain:
    return replace(chain, shape=shapes.flatten(node.where, chain.shape, int(node.number("axis", 1))))


def _reshape(chain: Chain, node: Node) -> Chain:
    target = node.whole(1, "shape")
    if node.place or target is None:
        raise InputError(f"{node.where} has no constant shape", EXPORT)
    if target in ([-1], [-1, 1]) and chain.shape.size != 1:  # as scikit-learn's regressors with several outputs end
        return replace(chain, joined=True)
    return replace(chain, shape=shapes.reshape(node.where, chain.shape, target, bool(node.number("allowzero", 0))))


def _squeeze(chain: Chain, node: Node) -> Chain:
    return replace(chain, shape=shapes.squeeze(node.where, chain.shape, node.whole(1, "axes")))


def _unsqueeze(chain: Chain, node: Node) -> Chain:
    return replace(chain, shape=shapes.unsqueeze(node.where, chain.shape, node.whole(1, "axes")))


# operator -> what it adds to the chain, the attributes it may have, and how many inputs
STEPS: dict[str, tuple[Step, set[str], int]] = {
    "Gemm": (_gemm, {"alpha", "beta", "transA", "transB"}, 3),
    "MatMul": (_matmul, set(), 2),
    "Add": (_arithmetic, set(), 2),
    "Relu": (_plain, set(), 1),
    "Tanh": (_plain, set(), 1),
    "Sigmoid": (_plain, set(), 1),
    "Flatten": (_flatten, {"axis"}, 1),
    "Sub": (_arithmetic, set(), 2),
    "Mul": (_arithmetic, set(), 2),
    "Div": (_arithmetic, set(), 2),
    "Neg": (_negative, set(), 1),
    "BatchNormalization": (_batch_normalization, {"epsilon", "momentum", "training_mode", "spatial"}, 5),
    "Scaler": (_scaler, {"offset", "scale"}, 1),
    "LeakyRelu": (_leaky, {"alpha"}, 1),
    "PRelu": (_leaky, set(), 2),
    "Clip": (_clip, {"min", "max"}, 3),
    "Shrink": (_shrink, {"lambd", "bias"}, 1),
    "Reshape": (_reshape, {"allowzero", "shape"}, 2),
    "Squeeze": (_squeeze, {"axes"}, 2),
    "Unsqueeze": (_unsqueeze, {"axes"}, 2),
    "Cast": (_cast, {"to", "saturate", "round_mode"}, 1),
    "Dropout": (_dropout, {"ratio", "seed"}, 3),
    "Identity": (_identity, set(), 1),
}
DOMAINS = {"Scaler": "ai.onnx.ml"}
"""Operators that are not of ONNX's own domain."""
