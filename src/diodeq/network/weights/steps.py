"""What ONNX operators with weights or constants compute: linear layers, convolutions, pooling, scalings, sums."""

from __future__ import annotations

import math

import numpy as np
from scipy import sparse

from diodeq.errors import InputError
from diodeq.network.weights import windows
from diodeq.network.weights.keys import matrix
from diodeq.network.weights.node import GraphNode
from diodeq.network.weights.values import EXPORT, Matrix, Value, check_unrolled
from diodeq.network.weights.windows import WindowGrid


def gemm(node: GraphNode) -> Value:
    """alpha · x · B' + beta · C, with B' = B transposed if transB says so."""
    if not node.computed(0) or node.number("transA", 0):
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
    value = node.value(0)
    if len(value.shape.sample) != 1:
        raise InputError(f"{node.where} takes an input that is not one row a sample", "put a Flatten before it")
    return value.linear(node.where, sparse.csr_array(U), b, (len(U),))


def matmul(node: GraphNode) -> Value:
    """x · weights along the last axis of every sample, or weights · x along the one before it."""
    if node.computed(0):
        U = matrix(node.inputs[1], node.weights(1)).T
        value = node.value(0)
        if len(value.shape.sample) == 1:
            return value.linear(node.where, sparse.csr_array(U), np.zeros(len(U)), (len(U),))
        extents = value.index(node.where).shape
        rows = math.prod(extents[:-1])
        check_unrolled(node.where, rows * U.size, U.size)
        map_ = sparse.kron(sparse.eye_array(rows), sparse.csr_array(U), format="csr")
        return value.linear(node.where, map_, np.zeros(rows * len(U)), (*extents[:-1], len(U)))
    value, W = node.value(1), matrix(node.inputs[0], node.weights(0))
    if len(value.shape.sample) != 2:
        raise InputError(f"{node.where} multiplies from the left", "write x @ weights")
    columns = value.index(node.where).shape[1]
    check_unrolled(node.where, columns * W.size, W.size)
    map_ = sparse.kron(sparse.csr_array(W), sparse.eye_array(columns), format="csr")
    return value.linear(node.where, map_, np.zeros(columns * len(W)), (len(W), columns))


def _image(node: GraphNode) -> tuple[Value, int, tuple[int, ...]]:
    """The input, the number of its channels and its other axes."""
    value = node.value(0)
    extents = value.index(node.where).shape
    if len(extents) < 2:
        raise InputError(f"{node.where} takes samples of shape {extents}", "give them channels and at least one axis")
    return value, extents[0], extents[1:]


def _grid(node: GraphNode, kernel: tuple[int, ...], extents: tuple[int, ...]) -> WindowGrid:
    """The window of a node, with the padding that ``auto_pad`` asks for."""
    axes = len(extents)
    strides, steps = node.numbers("strides", 1, axes), node.numbers("dilations", 1, axes)
    pads = node.numbers("pads", 0, 2 * axes)
    auto = node.attributes.get("auto_pad", b"NOTSET").decode()
    if len(pads) != 2 * axes or not len(kernel) == len(strides) == len(steps) == axes or min(strides) < 1:
        raise InputError(f"{node.where} has a window of other axes than its input", EXPORT)
    ceil = bool(node.number("ceil_mode", 0))
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        gaps = max(steps) > 1 or any(size < stride for size, stride in zip(kernel, strides, strict=True))
        if ceil or (node.kind == "AveragePool" and gaps):  # programs do not agree what that is
            raise InputError(f"{node.where} has auto_pad {auto!r} beside ceil_mode, dilations or gaps", "give it pads")
        wanted = [
            max((-(-length // stride) - 1) * stride + (size - 1) * step + 1 - length, 0)
            for length, stride, size, step in zip(extents, strides, kernel, steps, strict=True)
        ]
        less, more = tuple(n // 2 for n in wanted), tuple(n - n // 2 for n in wanted)
        pads = (*less, *more) if auto == "SAME_UPPER" else (*more, *less)
    elif auto not in ("NOTSET", "VALID"):
        raise InputError(f"{node.where} has auto_pad {auto!r}", EXPORT)
    return WindowGrid(kernel, strides, steps, pads[:axes], pads[axes:], ceil)


def convolution(node: GraphNode) -> Value:
    """Conv: every output place sees a window of all channels of its group."""
    value, channels, extents = _image(node)
    kernel = node.weights(1)
    groups = int(node.number("group", 1))
    if kernel.ndim != len(extents) + 2 or groups < 1 or len(kernel) % groups or kernel.shape[1] * groups != channels:
        raise InputError(f"{node.where} has weights of shape {kernel.shape} for {channels} channels", EXPORT)
    places = _grid(node, kernel.shape[2:], extents).places(node.where, extents)
    U = windows.convolution(node.where, kernel, places, groups, math.prod(extents))
    return _with_bias(node, value, U, (len(kernel), *places.shape[: len(extents)]))


def transposed_convolution(node: GraphNode) -> Value:
    """ConvTranspose: the matrix of a Conv from its outputs to its inputs, turned."""
    value, channels, extents = _image(node)
    kernel = node.weights(1)
    axes, groups = len(extents), int(node.number("group", 1))
    if kernel.ndim != axes + 2 or groups < 1 or len(kernel) != channels or channels % groups:
        raise InputError(f"{node.where} has weights of shape {kernel.shape} for {channels} channels", EXPORT)
    if "output_shape" in node.attributes or node.attributes.get("auto_pad", b"NOTSET") != b"NOTSET":
        raise InputError(f"{node.where} computes its padding from its output's shape", "give it pads")
    grid = _grid(node, kernel.shape[2:], extents)
    more = node.numbers("output_padding", 0, axes)
    outputs = tuple(
        grid.strides[k] * (extents[k] - 1)
        + more[k]
        + (kernel.shape[2 + k] - 1) * grid.dilations[k]
        + 1
        - grid.before[k]
        - grid.after[k]
        for k in range(axes)
    )
    places = grid.places(node.where, outputs)
    if places.shape[:axes] != extents:
        raise InputError(f"{node.where} has an output_padding that does not fit its strides", EXPORT)
    U = windows.convolution(node.where, kernel, places, groups, math.prod(outputs)).T
    return _with_bias(node, value, sparse.csr_array(U), (kernel.shape[1] * groups, *outputs))


def _with_bias(node: GraphNode, value: Value, U: Matrix, sample: tuple[int, ...]) -> Value:
    b = np.zeros(sample[0])
    if node.has(2):
        b = node.weights(2)
        if b.shape != sample[:1]:
            raise InputError(f"{node.where} has a bias of shape {b.shape}", f"give it the shape ({sample[0]},)")
    return value.linear(node.where, U, np.repeat(b, math.prod(sample[1:])), sample)


def average_pool(node: GraphNode) -> Value:
    """AveragePool: linear, so nothing is lost."""
    value, channels, extents = _image(node)
    kernel = node.numbers("kernel_shape", 1, 0)
    places = _grid(node, kernel, extents).places(node.where, extents)
    counted = bool(node.number("count_include_pad", 0))
    map_ = windows.average(node.where, channels, places, math.prod(kernel), math.prod(extents), counted)
    return value.mapped(node.where, map_, (channels, *places.shape[: len(extents)]))


def arithmetic(node: GraphNode) -> Value:
    """Add, Sub, Mul and Div with a constant; Add and Sub of two that the network computes."""
    if node.computed(0) and node.computed(1):
        if node.kind in ("Mul", "Div"):
            raise InputError(f"{node.where} multiplies or divides what the network computes", "use constants there")
        return node.value(0).plus(node.where, node.value(1), 1.0 if node.kind == "Add" else -1.0)
    place = 0 if node.computed(0) else 1
    other = 1 - place
    constant = node.weights(other)
    if node.kind == "Div":
        if place:
            raise InputError(f"{node.where} divides by what the network computes", "use a network of linear layers")
        if not constant.all():
            raise InputError(f"{node.where} divides by 0", EXPORT)
    value, row = node.value(place).entries(node.where, node.inputs[other], constant)
    one, zero = np.ones(()), np.zeros(())
    if node.kind == "Mul":
        return value.scaled(row, zero)
    if node.kind == "Div":
        return value.scaled(1.0 / row, zero)
    if node.kind == "Add":
        return value.scaled(one, row)
    return value.scaled(one, -row) if place == 0 else value.scaled(-one, row)


def total(node: GraphNode) -> Value:
    """Sum of any number of inputs."""
    places = [place for place in range(len(node.inputs)) if node.computed(place)]
    found = node.value(places[0])
    for place in places[1:]:
        found = found.plus(node.where, node.value(place))
    for place in range(len(node.inputs)):
        if place not in places:
            found, row = found.entries(node.where, node.inputs[place], node.weights(place))
            found = found.scaled(np.ones(()), row)
    return found


def negative(node: GraphNode) -> Value:
    """Neg."""
    return node.value(0).scaled(-np.ones(()), np.zeros(()))


def batch_normalization(node: GraphNode) -> Value:
    """``(x - mean) / √(variance + epsilon) · scale + shift``, channel by channel, as after training."""
    trains = not node.number("is_test", 0) if node.opset < 7 else node.number("training_mode", 0)
    if not node.computed(0) or trains or not node.number("spatial", 1):
        raise InputError(f"{node.where} takes its statistics from the batch", "export the model in evaluation mode")
    scale, shift, mean, variance = (node.weights(place) for place in (1, 2, 3, 4))
    value = node.value(0)
    sample = value.shape.sample
    if not sample or not scale.shape == shift.shape == mean.shape == variance.shape == (scale.size,):
        raise InputError(f"{node.where} has constants of different shapes", EXPORT)
    deviation = variance + node.number("epsilon", 1e-5)
    if not np.all(deviation > 0.0):
        raise InputError(f"{node.where} has a variance that is not positive", EXPORT)
    if sample[0] not in (None, scale.size):
        raise InputError(f"{node.where} has {scale.size} channels, its input {sample[0]}", EXPORT)
    channels = (scale.size, *(1 for _ in sample[1:]))
    factor = scale / np.sqrt(deviation)
    value, row = value.entries(node.where, node.inputs[1], factor.reshape(channels))
    value, moved = value.entries(node.where, node.inputs[2], (shift - mean * factor).reshape(channels))
    return value.scaled(row, moved)


def scaler(node: GraphNode) -> Value:
    """``(x - offset) · scale``: scikit-learn's StandardScaler."""
    given = (np.asarray(node.attributes.get(name, default), np.float64) for name, default in _SCALER.items())
    offset, scale = given
    if not (np.isfinite(offset).all() and np.isfinite(scale).all()):
        raise InputError(f"{node.where} has numbers that are not finite", EXPORT)
    value, row = node.value(0).entries(node.where, "scale", scale)
    value, moved = value.entries(node.where, "offset", -offset * scale)
    return value.scaled(row, moved)


_SCALER = {"offset": [0.0], "scale": [1.0]}


def linear_model(node: GraphNode) -> Value:
    """LinearRegressor, or the scores of LinearClassifier."""
    coefficients = np.asarray(node.attributes.get("coefficients", []), np.float64)
    intercepts = np.asarray(node.attributes.get("intercepts", []), np.float64)
    targets = int(node.number("targets", 1)) if node.kind == "LinearRegressor" else len(intercepts)
    if node.attributes.get("post_transform", b"NONE") not in (b"NONE", b"SOFTMAX", b"LOGISTIC"):
        raise InputError(f"{node.where} has post_transform {node.attributes['post_transform']!r}", EXPORT)
    if targets < 1 or not coefficients.size or coefficients.size % targets or len(intercepts) not in (0, targets):
        raise InputError(f"{node.where} has coefficients that do not fit its outputs", EXPORT)
    U = coefficients.reshape(targets, -1)
    b = intercepts if len(intercepts) else np.zeros(targets)
    if not (np.isfinite(U).all() and np.isfinite(b).all()):
        raise InputError(f"{node.where} has numbers that are not finite", EXPORT)
    return node.value(0).linear(node.where, sparse.csr_array(U), b, (targets,))
