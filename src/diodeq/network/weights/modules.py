"""Networks from PyTorch's ``nn.Sequential`` modules in memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from diodeq.errors import InputError
from diodeq.network.activations import Activation
from diodeq.network.network import Network
from diodeq.network.weights import windows
from diodeq.network.weights.activating import clipped, exponentially, leaking
from diodeq.network.weights.cascade import cascade
from diodeq.network.weights.keys import Floats
from diodeq.network.weights.pytorch import array, package
from diodeq.network.weights.values import NetworkUnits, Shape, Value
from diodeq.network.weights.windows import WindowGrid


def from_module(module: Any, sample: tuple[int, ...] | None = None) -> Network:
    """The network of an ``nn.Sequential`` in memory, as it computes in evaluation mode.

    Nested Sequentials are unrolled; weight and spectral normalization are computed. ``sample`` is the shape of a
    sample, such as (1, 28, 28), which convolutions need; it is flattened in that order.

    Raises:
        InputError: PyTorch is not installed; a layer is not among ``LAYERS``, has hooks, or needs a shape; it is named.
    """
    torch = package()
    if not isinstance(module, torch.nn.Sequential):
        raise InputError(f"a {type(module).__name__} is not an nn.Sequential", ACCEPTED)
    units = NetworkUnits()
    (value,) = units.samples("the module", [Shape(None, (None,) if sample is None else sample)])
    with _settled(torch, module), np.errstate(over="ignore", invalid="ignore"):  # a stage refuses what is not finite
        for name, layer in _unrolled(torch, module, ""):
            kind = torch.nn.utils.parametrize.type_before_parametrizations(layer).__name__
            where = f"layer {name} ({kind})"
            if kind not in LAYERS or not type(layer).__module__.startswith("torch."):
                raise InputError(f"{where} is not supported", ACCEPTED)
            _prepare(torch, layer, where)
            value = LAYERS[kind](layer, where, value)
    if not units.blocks and not value.weighted:
        raise InputError("the module has no Linear layer", ACCEPTED)
    return cascade(units, value)


@contextmanager
def _settled(torch: Any, module: Any) -> Iterator[None]:
    """The module in evaluation mode, and afterwards as it was."""
    training = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, was in training:
            part.training = was


def _unrolled(torch: Any, module: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    _prepare(torch, module, f"layer {prefix.rstrip('.') or 'the module'}")
    for name, layer in module.named_children():
        full = prefix + name
        if type(layer) is torch.nn.Sequential:
            yield from _unrolled(torch, layer, f"{full}.")
        else:
            yield full, layer


def _prepare(torch: Any, layer: Any, where: str) -> None:
    """Compute weights that a normalization's hook would; any other hook may change what the layer computes."""
    known = (
        torch.nn.utils.weight_norm.__globals__["WeightNorm"],
        torch.nn.utils.spectral_norm.__globals__["SpectralNorm"],
    )
    for hook in layer._forward_pre_hooks.values():
        if not isinstance(hook, known):
            raise InputError(f"{where} has a hook", "remove it")
        hook(layer, None)
    if layer._forward_hooks:
        raise InputError(f"{where} has a hook", "remove it")


def _bias(layer: Any, where: str, count: int) -> Floats:
    return np.zeros(count) if layer.bias is None else array(f"{where}.bias", layer.bias)


def _linear(layer: Any, where: str, value: Value) -> Value:
    U = array(f"{where}.weight", layer.weight)
    if len(value.shape.sample) != 1:
        raise InputError(f"{where} takes samples of shape {value.shape.sample}", "put a Flatten before it")
    return value.linear(where, sparse.csr_array(U), _bias(layer, where, len(U)), (len(U),))


def _image(where: str, value: Value) -> tuple[int, tuple[int, ...]]:
    if value.shape.size is None or len(value.shape.sample) < 2:
        raise InputError(f"{where} takes samples of shape {value.shape.sample}", "give from_module(…, sample=SHAPE)")
    extents = value.index(where).shape
    return extents[0], extents[1:]


def _each(number: Any, axes: int) -> tuple[int, ...]:
    return tuple(number) if isinstance(number, tuple | list) else (number,) * axes


def _convolution(layer: Any, where: str, value: Value) -> Value:
    channels, extents = _image(where, value)
    kernel, axes = array(f"{where}.weight", layer.weight), len(extents)
    if kernel.ndim != axes + 2 or channels != layer.in_channels or layer.padding_mode != "zeros":
        raise InputError(f"{where} does not take samples of shape {value.shape.sample} or pads otherwise", ACCEPTED)
    if layer.padding == "same":
        wanted = [step * (size - 1) for step, size in zip(layer.dilation, layer.kernel_size, strict=True)]
        before, after = tuple(n // 2 for n in wanted), tuple(n - n // 2 for n in wanted)
    else:
        before = after = (0,) * axes if layer.padding == "valid" else tuple(layer.padding)
    grid = WindowGrid(kernel.shape[2:], layer.stride, layer.dilation, before, after)
    places = grid.places(where, extents)
    U = windows.convolution(where, kernel, places, layer.groups, math.prod(extents))
    sample = (len(kernel), *places.shape[:axes])
    return value.linear(where, U, np.repeat(_bias(layer, where, len(kernel)), math.prod(sample[1:])), sample)


def _average(layer: Any, where: str, value: Value) -> Value:
    channels, extents = _image(where, value)
    axes = len(extents)
    kernel, strides, pads = (_each(n, axes) for n in (layer.kernel_size, layer.stride, layer.padding))
    if getattr(layer, "divisor_override", None) is not None:
        raise InputError(f"{where} divides by another number", "leave divisor_override out")
    places = WindowGrid(kernel, strides, (1,) * axes, pads, pads, layer.ceil_mode).places(where, extents)
    size = math.prod(kernel)
    map_ = windows.average(where, channels, places, size, math.prod(extents), layer.count_include_pad)
    return value.mapped(where, map_, (channels, *places.shape[:axes]))


def _adaptive(layer: Any, where: str, value: Value) -> Value:
    channels, extents = _image(where, value)
    axes = len(extents)
    if _each(layer.output_size, axes) != (1,) * axes:
        raise InputError(f"{where} has an output_size other than 1", "use AvgPool with a kernel")
    places = WindowGrid(extents, (1,) * axes, (1,) * axes, (0,) * axes, (0,) * axes).places(where, extents)
    map_ = windows.average(where, channels, places, math.prod(extents), math.prod(extents), True)
    return value.mapped(where, map_, (channels, *(1,) * axes))


def _normalization(layer: Any, where: str, value: Value) -> Value:
    if layer.running_mean is None:
        raise InputError(f"{where} takes its statistics from the batch", "train it with track_running_stats")
    mean, variance = array(f"{where}.running_mean", layer.running_mean), array(where, layer.running_var)
    scale = np.ones(len(mean)) if layer.weight is None else array(f"{where}.weight", layer.weight)
    shift = np.zeros(len(mean)) if layer.bias is None else array(f"{where}.bias", layer.bias)
    factor = scale / np.sqrt(variance + layer.eps)
    shape = (len(mean), *(1 for _ in value.shape.sample[1:]))
    if value.shape.sample[0] not in (None, len(mean)):
        raise InputError(f"{where} has {len(mean)} channels, its input {value.shape.sample[0]}", "make the layers fit")
    value, row = value.entries(where, "weight", factor.reshape(shape))
    value, moved = value.entries(where, "bias", (shift - mean * factor).reshape(shape))
    return value.scaled(row, moved)


def _flatten(layer: Any, where: str, value: Value) -> Value:
    if layer.start_dim != 1 or layer.end_dim != -1:
        raise InputError(f"{where} keeps axes apart", "flatten all of a sample")
    return replace(value, shape=replace(value.shape, sample=(value.shape.size,)))


def _same(layer: Any, where: str, value: Value) -> Value:
    return value


def _named(layer: Any, where: str, value: Value) -> Value:
    return value.activated(where, Activation(type(layer).__name__.lower()))


def _leaky(layer: Any, where: str, value: Value) -> Value:
    return leaking(where, value, np.asarray(float(layer.negative_slope)))


def _learned(layer: Any, where: str, value: Value) -> Value:
    slopes = array(f"{where}.weight", layer.weight)
    value, row = value.entries(where, "weight", slopes.reshape(-1, *(1 for _ in value.shape.sample[1:])))
    return leaking(where, value, row)


def _clipped(layer: Any, where: str, value: Value) -> Value:
    return clipped(where, value, np.asarray(float(layer.min_val)), np.asarray(float(layer.max_val)))


def _hard_sigmoid(layer: Any, where: str, value: Value) -> Value:
    return clipped(where, value.scaled(np.asarray(1.0 / 6.0), np.asarray(0.5)), np.zeros(()), np.ones(()))


def _shrink(layer: Any, where: str, value: Value) -> Value:
    return value.activated(where, Activation("soft-threshold", float(layer.lambd)))


def _exponential(layer: Any, where: str, value: Value) -> Value:
    return exponentially(where, value, float(layer.alpha))


LAYERS: dict[str, Callable[[Any, str, Value], Value]] = {
    "Linear": _linear,
    **dict.fromkeys(("Conv1d", "Conv2d", "Conv3d"), _convolution),
    **dict.fromkeys(("AvgPool1d", "AvgPool2d", "AvgPool3d"), _average),
    **dict.fromkeys(("AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d"), _adaptive),
    **dict.fromkeys(("BatchNorm1d", "BatchNorm2d", "BatchNorm3d"), _normalization),
    "Flatten": _flatten,
    **dict.fromkeys(("Identity", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout"), _same),
    **dict.fromkeys(("ReLU", "Tanh", "Sigmoid"), _named),
    "LeakyReLU": _leaky,
    "ELU": _exponential,
    "PReLU": _learned,
    "Hardtanh": _clipped,
    "ReLU6": _clipped,
    "Hardsigmoid": _hard_sigmoid,
    "Softshrink": _shrink,
}
ACCEPTED = f"use an nn.Sequential of {', '.join(LAYERS)}"
