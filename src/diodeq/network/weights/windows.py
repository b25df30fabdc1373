"""Convolution and average pooling as sparse matrices that act on a whole sample, channels first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import sparse

from diodeq.errors import InputError
from diodeq.network.weights.keys import Floats
from diodeq.network.weights.values import EXPORT, Indices, Matrix, check_sample, check_unrolled

Ints = tuple[int, ...]
PADDING, OUTSIDE = -1, -2
"""In windows: a place in the padding, and one beyond it."""


@dataclass(frozen=True)
class WindowGrid:
    """How a window of ``kernel`` places moves over an axis each; pads are those before and after."""

    kernel: Ints
    strides: Ints
    dilations: Ints
    before: Ints
    after: Ints
    ceil: bool = False

    def places(self, where: str, extents: Ints) -> Indices:
        """int64[*outputs, *kernel]: the place of every number in every window.

        Raises:
            InputError: the numbers make no sense, or there are too many windows.
        """
        axes = len(extents)
        if not all(len(each) == axes for each in (self.kernel, self.strides, self.dilations, self.before, self.after)):
            raise InputError(f"{where} has a window of other axes than its input", EXPORT)
        if (
            min((*self.kernel, *self.strides, *self.dilations, *extents), default=1) < 1
            or min(self.before + self.after) < 0
        ):
            raise InputError(f"{where} has a window, step or padding that is not positive", EXPORT)
        spans = [(kernel - 1) * step + 1 for kernel, step in zip(self.kernel, self.dilations, strict=True)]
        padded = [sum(each) for each in zip(extents, self.before, self.after, strict=True)]
        outputs, whole = [], []
        for k, (length, span, stride) in enumerate(zip(padded, spans, self.strides, strict=True)):
            steps = length - span
            if steps < 0:
                raise InputError(f"{where} has a window of {span} places on an axis of {length}", EXPORT)
            count = (-(-steps // stride) if self.ceil else steps // stride) + 1
            if self.ceil and (count - 1) * stride >= extents[k] + self.before[k]:
                count -= 1  # no window begins beyond the sample
            outputs.append(count)
            whole.append(max(length, (count - 1) * stride + span))
        check_sample(where, whole)
        check_unrolled(where, math.prod(outputs) * math.prod(self.kernel))
        index = np.full(whole, OUTSIDE)
        index[tuple(slice(length) for length in padded)] = PADDING
        inner = tuple(slice(at, at + length) for at, length in zip(self.before, extents, strict=True))
        index[inner] = np.arange(math.prod(extents)).reshape(extents)
        seen = sliding_window_view(index, spans)
        seen = seen[tuple(slice(None, None, stride) for stride in self.strides)]
        taps = tuple(slice(None, None, step) for step in self.dilations)
        found: Indices = seen[(slice(None),) * axes + taps]
        return found


def convolution(where: str, weights: Floats, places: Indices, groups: int, size: int) -> Matrix:
    """The matrix of a convolution with ``weights`` [channels out, channels in a group, *kernel] over ``size`` places.

    Raises:
        InputError: it has too many entries.
    """
    outputs, inputs, kernel = weights.shape[0], weights.shape[1], math.prod(weights.shape[2:])
    seen = places.reshape(-1, kernel)
    window, tap = np.nonzero(seen >= 0)
    check_unrolled(where, outputs * inputs * len(window))
    out = np.arange(outputs)[:, None, None]
    channel = np.arange(inputs)[None, :, None] + out // (outputs // groups) * inputs
    shape = (outputs, inputs, len(window))
    rows = np.broadcast_to(out * len(seen) + window, shape)
    columns = np.broadcast_to(channel * size + seen[window, tap], shape)
    values = weights.reshape(outputs, inputs, kernel)[:, :, tap]
    return _matrix(values, rows, columns, (outputs * len(seen), inputs * groups * size))


def average(where: str, channels: int, places: Indices, kernel: int, size: int, count_padding: bool) -> Matrix:
    """The matrix of an average over every window, channel by channel.

    Raises:
        InputError: it has too many entries.
    """
    seen = places.reshape(-1, kernel)
    counted = (seen >= (PADDING if count_padding else 0)).sum(axis=1)
    if not counted.all():
        raise InputError(f"{where} averages over nothing but padding", "pad by less than its kernel")
    window, tap = np.nonzero(seen >= 0)
    check_unrolled(where, channels * len(window))
    channel = np.arange(channels)[:, None]
    shape = (channels, len(window))
    rows = channel * len(seen) + window
    columns = channel * size + seen[window, tap]
    values = np.broadcast_to(1.0 / counted[window], shape)
    return _matrix(values, rows, columns, (channels * len(seen), channels * size))


def _matrix(values: NDArray[Any], rows: NDArray[Any], columns: NDArray[Any], shape: tuple[int, int]) -> Matrix:
    return sparse.csr_array((values.ravel(), (rows.ravel(), columns.ravel())), shape=shape)
