"""A chain of layers as it is read: linear layers, activations, and scalings that are folded into the nearest layer.

The tensor in the chain is ``(batch, *sample)``; what lies in a sample is one row, whatever shape it is given.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from diodeq.errors import InputError
from diodeq.network.activations import Activation
from diodeq.network.network import Network, Stage
from diodeq.network.weights.keys import LARGEST, Floats
from diodeq.printable import counted

EXPORT = "export the model again"
# A file of a few bytes can declare these, so they must not cost much memory.
DIAGONAL = 4096
"""Units, at most, of a layer that only scales."""
SAMPLE = 1 << 22
"""Numbers, at most, in a sample that is scaled entry by entry."""


@dataclass(frozen=True, eq=False)
class Layer:
    """``σ(U x + b)``; without ``activation`` it may still get one, or be scaled."""

    U: Floats
    b: Floats
    activation: Activation | None = None


@dataclass(frozen=True)
class Shape:
    """Of the tensor in the chain: ``batch`` samples of shape ``sample``; None stands for a number that is not said."""

    batch: int | None
    sample: tuple[int | None, ...]

    @property
    def size(self) -> int | None:
        """Numbers in a sample, if known."""
        return product(self.sample)


def product(extents: Iterable[int | None]) -> int | None:
    """Of all of them; None if one is not known."""
    found = 1
    for extent in extents:
        if extent is None:
            return None
        found *= extent
    return found


@dataclass(frozen=True, eq=False)
class Chain:
    """What has been read so far; ``scale`` and ``shift``, scalars or rows, wait for a layer.

    ``joined``: the samples have been strung together, each still whole, which must be the end.
    """

    shape: Shape
    layers: tuple[Layer, ...] = ()
    scale: Floats | None = None
    shift: Floats | None = None
    joined: bool = False

    def linear(self, where: str, U: Floats, b: Floats) -> Chain:
        """Followed by ``U x + b``.

        Raises:
            InputError: a sample has another size, or the layers are too large together.
        """
        size = self.shape.size
        if size is not None and size != U.shape[1]:
            before = (
                f"the layer before it has {counted(size, 'output')}"
                if self.layers
                else f"a sample has {counted(size, 'number')}"
            )
            raise InputError(f"{where} takes {counted(U.shape[1], 'input')} but {before}", EXPORT)
        if sum(layer.U.size for layer in self.layers) + U.size > LARGEST:
            raise InputError(f"its layers have more than {LARGEST:,} weights together", "give a smaller network")
        if self.scale is not None and self.shift is not None:
            b = b + U @ np.broadcast_to(self.shift, U.shape[1])
            U = U * self.scale
        shape = replace(self.shape, sample=(len(b),))
        return Chain(shape, (*self.layers, Layer(U, b)))

    def scaled(self, scale: Floats, shift: Floats) -> Chain:
        """Followed by ``scale · x + shift``, entry by entry: folded into the layer before it, or kept for the next."""
        if self.layers and self.layers[-1].activation is None:
            last = self.layers[-1]
            U, b = np.reshape(scale, (-1, 1)) * last.U, scale * last.b + shift
            return replace(self, layers=(*self.layers[:-1], Layer(U, b)))
        if self.scale is not None and self.shift is not None:
            scale, shift = scale * self.scale, scale * self.shift + shift
        return replace(self, scale=scale, shift=shift)

    def activated(self, where: str, activation: Activation) -> Chain:
        """Followed by an activation.

        Raises:
            InputError: there is no layer for it.
        """
        chain = self._closed(where)
        if not chain.layers or chain.layers[-1].activation is not None:
            raise InputError(f"{where} does not follow a layer with weights", "give every activation its own layer")
        last = replace(chain.layers[-1], activation=activation)
        return replace(chain, layers=(*chain.layers[:-1], last))

    def network(self) -> Network:
        """The network, once all is read; a scaling that nothing follows becomes a layer."""
        layers = self._closed("its end").layers
        return Network(
            tuple(Stage(layer.U, layer.b, None, layer.activation or Activation("identity")) for layer in layers)
        )

    def _closed(self, where: str) -> Chain:
        """The same without a waiting scaling: a diagonal layer stands for it."""
        if self.scale is None or self.shift is None:
            return self
        size = self.shape.size
        if size is None:
            raise InputError(f"{where} follows a scaling of unknown size", f"{EXPORT} with its input's shape")
        if size > DIAGONAL:
            raise InputError(
                f"{where} follows a scaling of {counted(size, 'number')}", "put a layer with weights between them"
            )
        diagonal = replace(self, scale=None, shift=None).linear(where, np.eye(size), np.zeros(size))
        return replace(diagonal.scaled(self.scale, self.shift), shape=self.shape)

    def entries(self, where: str, name: str, value: NDArray[np.float64]) -> tuple[Chain, Floats]:
        """A constant that acts entry by entry on a sample, as a scalar or one row; a shape not said before is learned.

        Raises:
            InputError: it acts on more than one sample, or does not fit.
        """
        sample = self.shape.sample
        unfit = InputError(f"{where} takes {name!r} of shape {value.shape}", f"give it the shape {sample}")
        if value.ndim > len(sample) + 1 or (value.ndim == len(sample) + 1 and value.shape[0] != 1):
            raise unfit
        if value.size == 1:
            return self, value.reshape(())
        if value.ndim == len(sample) + 1:
            value = value[0]
        if sample == (None,):
            sample = value.shape
        extents = tuple(extent for extent in sample if extent is not None)
        if len(extents) < len(sample):
            raise InputError(f"{where} acts on a sample of unknown shape", f"{EXPORT} with its input's shape")
        if math.prod(extents) > SAMPLE:
            raise InputError(
                f"{where} acts on a sample of {counted(math.prod(extents), 'number')}", "give a smaller network"
            )
        try:
            row = np.broadcast_to(value, extents).ravel()
        except ValueError:
            raise unfit from None
        return replace(self, shape=replace(self.shape, sample=sample)), row
