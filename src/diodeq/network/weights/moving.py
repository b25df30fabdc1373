"""ONNX operators that move, choose, repeat or average the numbers of a sample."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy import sparse

from diodeq.errors import InputError
from diodeq.network.weights import shapes
from diodeq.network.weights.constants import EXACT, places
from diodeq.network.weights.node import GraphNode, sample_axis
from diodeq.network.weights.values import EXPORT, Indices, Shape, Value, check_sample, joined


def flatten(node: GraphNode) -> Value:
    """Flatten: every sample one row."""
    value = node.value(0)
    return replace(value, shape=shapes.flatten(node.where, value.shape, int(node.number("axis", 1))))


def reshape(node: GraphNode) -> Value:
    """Reshape that keeps every sample for itself."""
    value, target = node.value(0), node.whole(1, "shape")
    if target is None:
        raise InputError(f"{node.where} has no constant shape", EXPORT)
    return replace(value, shape=shapes.reshape(node.where, value.shape, target, bool(node.number("allowzero", 0))))


def strings_samples(node: GraphNode) -> bool:
    """Whether a Reshape puts the numbers of all samples in one row, as scikit-learn's regressors end."""
    return node.kind == "Reshape" and node.whole(1, "shape") in ([-1], [-1, 1]) and node.value(0).shape.size != 1


def squeeze(node: GraphNode) -> Value:
    """Squeeze."""
    value = node.value(0)
    return replace(value, shape=shapes.squeeze(node.where, value.shape, node.whole(1, "axes")))


def unsqueeze(node: GraphNode) -> Value:
    """Unsqueeze."""
    value = node.value(0)
    return replace(value, shape=shapes.unsqueeze(node.where, value.shape, node.whole(1, "axes")))


def transpose(node: GraphNode) -> Value:
    """Transpose of a sample's own axes."""
    value = node.value(0)
    index = value.index(node.where)
    order = node.numbers("perm", 0, 0) or tuple(range(index.ndim, -1, -1))
    if order[:1] != (0,) or sorted(order) != list(range(index.ndim + 1)):
        raise InputError(f"{node.where} has perm {list(order)}", "keep every sample for itself")
    return value.picked(node.where, index.transpose([axis - 1 for axis in order[1:]]))


def concat(node: GraphNode) -> Value:
    """Concat along an axis of the samples; constants may take part."""
    parts = [_part(node, place) for place in range(len(node.inputs))]
    indices, values, before = [], [], 0
    for value in parts:
        index = value.index(node.where)
        indices.append(index + before)
        values.append(value.sized(node.where))
        before += index.size
    check_sample(node.where, (before,))
    if len({index.ndim for index in indices}) > 1:
        raise InputError(f"{node.where} takes samples of different numbers of axes", EXPORT)
    axis = node.axis(0, indices[0].ndim)
    return joined(node.where, values, np.concatenate(indices, axis=axis))


def _part(node: GraphNode, place: int) -> Value:
    """An input; a constant as a value that depends on nothing."""
    if node.computed(place):
        return node.value(place)
    constant = node.weights(place)
    if constant.ndim < 1 or constant.shape[0] != 1:
        raise InputError(f"{node.where} takes {node.inputs[place]!r} of shape {constant.shape}", "give it one sample")
    nothing = sparse.csr_array((constant.size, max(node.units.count, 1)))
    return Value(node.units, Shape(1, constant.shape[1:]), nothing, constant.reshape(-1))


def split(node: GraphNode) -> list[Value]:
    """Split along an axis of the samples."""
    value = node.value(0)
    index = value.index(node.where)
    axis = node.axis(0, index.ndim)
    length, count = index.shape[axis], node.outputs
    sizes = node.whole(1, "split")
    if sizes is None:
        each = -(-length // max(count, 1))
        sizes = [min(each, length - each * k) for k in range(count)]
    if len(sizes) != count or min(sizes) < 0 or sum(sizes) != length:
        raise InputError(f"{node.where} splits {length} into {sizes}", EXPORT)
    return [value.picked(node.where, part) for part in np.split(index, np.cumsum(sizes)[:-1], axis=axis)]


def slice_(node: GraphNode) -> Value:
    """Slice along axes of the samples."""
    value = node.value(0)
    index = value.index(node.where)
    starts, ends = node.whole(1, "starts"), node.whole(2, "ends")
    if starts is None or ends is None:
        raise InputError(f"{node.where} has no constant limits", EXPORT)
    axes = node.whole(3, "axes") or list(range(len(starts)))
    steps = node.whole(4, "steps") or [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise InputError(f"{node.where} has limits for other axes", EXPORT)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        place = sample_axis(node.where, axis, index.ndim)
        index = index.take(places(start, end, step, index.shape[place]), axis=place)
    return value.picked(node.where, index)


def gather(node: GraphNode) -> Value:
    """Gather with constant places along an axis of the samples."""
    value = node.value(0)
    index = value.index(node.where)
    at = node.constants.raw(node.named(1))
    axis = node.axis(0, index.ndim)
    if at.dtype.kind not in "iu" or np.any((at < -index.shape[axis]) | (at >= index.shape[axis])):
        raise InputError(f"{node.where} takes places that a sample has not", EXPORT)
    check_sample(node.where, (at.size, index.size // max(index.shape[axis], 1)))
    return value.picked(node.where, np.take(index, at, axis=axis))


def pad(node: GraphNode) -> Value:
    """Pad with a constant, or with what a sample has at its edges."""
    value = node.value(0)
    index = value.index(node.where)
    mode = node.attributes.get("mode", b"constant").decode()
    pads = node.whole(1, "pads") or []
    axes = node.whole(3, "") or list(range(index.ndim + 1))
    if mode not in ("constant", "reflect", "edge") or len(pads) != 2 * len(axes) or min(pads) < 0:
        raise InputError(f"{node.where} pads by {pads} in mode {mode!r}", "pad by constants, from 0 up")
    widths = [(0, 0)] * index.ndim
    for k, axis in enumerate(axes):
        both = (pads[k], pads[k + len(axes)])
        if any(both):
            widths[sample_axis(node.where, axis, index.ndim)] = both
    extents = [sum(each) + length for each, length in zip(widths, index.shape, strict=True)]
    check_sample(node.where, extents)
    fill = float(node.weights(2).reshape(-1)[0]) if node.has(2) else node.number("value", 0.0)
    padded: Indices = np.pad(index, widths, constant_values=-1) if mode == "constant" else np.pad(index, widths, mode)  # type: ignore[call-overload]
    return value.picked(node.where, padded, fill)


def reduce(node: GraphNode) -> Value:
    """ReduceMean and ReduceSum over axes of the samples."""
    value = node.value(0)
    index = value.index(node.where)
    axes = node.whole(1, "axes") or []
    if not axes:
        raise InputError(f"{node.where} reduces all axes", "keep every sample for itself")
    return _reduced(node, value, {sample_axis(node.where, axis, index.ndim) for axis in axes}, index)


def global_average(node: GraphNode) -> Value:
    """GlobalAveragePool: the mean of every channel."""
    value = node.value(0)
    index = value.index(node.where)
    return _reduced(node, value, set(range(1, index.ndim)), index)


def _reduced(node: GraphNode, value: Value, axes: set[int], index: Indices) -> Value:
    kept = [axis for axis in range(index.ndim) if axis not in axes]
    count = math.prod(index.shape[axis] for axis in axes)
    flat = index.transpose([*kept, *sorted(axes)]).reshape(-1)
    if not flat.size:
        raise InputError(f"{node.where} reduces nothing", EXPORT)
    weight = 1.0 if node.kind == "ReduceSum" else 1.0 / count
    starts = np.arange(0, flat.size + 1, count)
    map_ = sparse.csr_array((np.full(flat.size, weight), flat, starts), shape=(len(starts) - 1, index.size))
    one = node.number("keepdims", 1)
    sample = tuple(1 if axis in axes else n for axis, n in enumerate(index.shape) if one or axis not in axes)
    return value.mapped(node.where, map_, sample)


def cast(node: GraphNode) -> Value:
    """Cast to a type that holds what passes through."""
    if node.attributes.get("to") not in EXACT:
        raise InputError(f"{node.where} rounds what passes through", f"cast to {' or '.join(EXACT.values())}")
    return node.value(0)


def dropout(node: GraphNode) -> Value:
    """Dropout, which does nothing after training."""
    drops = node.opset < 7 and not node.number("is_test", 0)
    if drops or not node.computed(0) or (node.has(2) and node.constants.raw(node.named(2)).any()):
        raise InputError(f"{node.where} drops units at random", "export the model in evaluation mode")
    return same(node)


def same(node: GraphNode) -> Value:
    """Identity."""
    node.notes.add("left out, since it does nothing after training", node.short)
    return node.value(0)
