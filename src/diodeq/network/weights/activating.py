"""ONNX operators that are activations, or are made of them exactly."""

from __future__ import annotations

import math

import numpy as np

from diodeq.errors import InputError
from diodeq.network.activations import Activation
from diodeq.network.weights.keys import Floats
from diodeq.network.weights.node import GraphNode
from diodeq.network.weights.values import EXPORT, Value

LARGEST_FLOAT32 = 3.4e38  # exporters write it, a little rounded, where there is no limit
ONE, ZERO = np.ones(()), np.zeros(())
RELU = Activation("relu")


def plain(node: GraphNode) -> Value:
    """An activation of ONNX's without a parameter, by its name in lower case."""
    return node.value(0).activated(node.where, Activation(node.kind.lower()))


def leaky(node: GraphNode) -> Value:
    """LeakyRelu, and PRelu with its slopes as constants."""
    value, slope = node.value(0), np.asarray(node.number("alpha", 0.01))
    if node.kind == "PRelu":
        value, slope = value.entries(node.where, node.inputs[1], node.weights(1))
    return leaking(node.where, value, slope)


def leaking(where: str, value: Value, slope: Floats) -> Value:
    """A number times its slope where it is negative; ``slope`` is a row or one number.

    Where no leaky ReLU has such slopes, two ReLUs are needed: ``max(x, 0) - slope · max(-x, 0)``.
    """
    one = float(slope.flat[0]) if slope.size and np.ptp(slope) == 0.0 else math.nan
    if one == 0.0:
        return value.activated(where, RELU)
    if 0.0 < one <= 1.0:
        return value.activated(where, Activation("leaky-relu", one))
    below = value.scaled(-ONE, ZERO).activated(where, RELU).scaled(slope, ZERO)
    return value.activated(where, RELU).plus(where, below, -1.0)


def exponential(node: GraphNode) -> Value:
    """Elu."""
    return exponentially(node.where, node.value(0), node.number("alpha", 1.0))


def exponentially(where: str, value: Value, scale: float) -> Value:
    """A number, or ``scale (e^x - 1)`` where it is negative."""
    if 0.0 < scale <= 1.0:
        return value.activated(where, Activation("elu", scale))
    raise InputError(f"{where} has the scale {scale:g}", "use an ELU with a scale above 0 and at most 1")


def magnitude(node: GraphNode) -> Value:
    """Abs: a slope of -1 below zero."""
    return leaking(node.where, node.value(0), np.asarray(-1.0))


def clip(node: GraphNode) -> Value:
    """Clip between two constants."""
    if node.computed(1) or node.computed(2):
        raise InputError(f"{node.where} has limits that the network computes", "use constant limits")
    low, high = _limit(node, 1, "min", -math.inf), _limit(node, 2, "max", math.inf)
    return clipped(node.where, node.value(0), np.asarray(low), np.asarray(high))


def clipped(where: str, value: Value, low: Floats, high: Floats) -> Value:
    """A number between limits, which are rows or single numbers: a hard tanh moved there, or ReLU for one limit."""
    lower, upper = bool(np.all(low > -math.inf)), bool(np.all(high < math.inf))
    if (
        (lower and upper and not np.all(low < high))
        or (np.any(low > -math.inf) and not lower)
        or (np.any(high < math.inf) and not upper)
    ):
        raise InputError(f"{where} has limits that do not leave room between them for every number", EXPORT)
    if lower and upper:
        middle, half = (low + high) / 2.0, (high - low) / 2.0
        first = float(half.flat[0])
        if np.all(half == first):
            moved = value.scaled(ONE, -middle) if np.any(middle) else value
            found = moved.activated(where, Activation("hard-tanh", first))
            return found.scaled(ONE, middle) if np.any(middle) else found
        moved = value.scaled(1.0 / half, -middle / half).activated(where, Activation("hard-tanh", 1.0))
        return moved.scaled(half, middle)
    if lower:
        found = (value.scaled(ONE, -low) if np.any(low) else value).activated(where, RELU)
        return found.scaled(ONE, low) if np.any(low) else found
    return value.scaled(-ONE, high).activated(where, RELU).scaled(-ONE, high) if upper else value


def extreme(node: GraphNode) -> Value:
    """Max or Min of what the network computes and constants."""
    places = [place for place in range(len(node.inputs)) if node.computed(place)]
    if len(places) > 1:
        raise InputError(f"{node.where} compares values that the network computes", "compare with constants")
    value = node.value(places[0])
    for place in range(len(node.inputs)):
        if place not in places:
            value, row = value.entries(node.where, node.inputs[place], node.weights(place))
            value = value.sized(node.where)
            none = np.asarray(math.inf)
            low, high = (row, none) if node.kind == "Max" else (-none, row)
            value = clipped(node.where, value, low, high)
    return value


def hard_sigmoid(node: GraphNode) -> Value:
    """``min(1, max(0, alpha x + beta))``."""
    alpha, beta = node.number("alpha", 0.2), node.number("beta", 0.5)
    value = node.value(0).scaled(np.asarray(alpha), np.asarray(beta))
    return clipped(node.where, value, ZERO, ONE)


def shrink(node: GraphNode) -> Value:
    """Shrink with its bias as its threshold."""
    threshold = node.number("lambd", 0.5)
    if node.number("bias", 0.0) != threshold or threshold <= 0.0:
        raise InputError(f"{node.where} has a bias that is not its lambd", "use a soft threshold")
    return node.value(0).activated(node.where, Activation("soft-threshold", threshold))


def _limit(node: GraphNode, place: int, name: str, missing: float) -> float:
    if node.has(place):
        value = node.constants.raw(node.named(place))
        if value.size != 1 or value.dtype.kind not in "fiu":
            raise InputError(f"{node.where} has a {name} that is not one number", EXPORT)
        found = float(value.reshape(()))
    else:
        found = float(node.attributes.get(name, missing))
    if math.isnan(found):
        raise InputError(f"{node.where} has a {name} that is not a number", EXPORT)
    return missing if abs(found) >= LARGEST_FLOAT32 and (found > 0) == (missing > 0) else found
