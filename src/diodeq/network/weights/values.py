"""Tensors of a network as it is read: each is affine in the units before it, the inputs and what activations give.

A tensor is ``(batch, *sample)``; the numbers of a sample, in their order, are the rows of a sparse matrix over units.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from diodeq.errors import InputError
from diodeq.network.activations import Activation
from diodeq.network.weights.keys import Floats
from diodeq.printable import counted

Matrix = Any
"""``scipy.sparse.csr_array`` of float64."""
Indices = NDArray[np.int64]

EXPORT = "export the model again"
# A file of a few bytes can declare these, so they must not cost much memory.
SAMPLE = 1 << 22
"""Numbers, at most, in a sample that is more than reshaped."""
UNROLLED = 1 << 23
"""Numbers other than zero, at most, in a matrix that is larger than the weights it is made of."""


@dataclass(frozen=True)
class Shape:
    """``batch`` samples of shape ``sample``; None stands for a number that is not said."""

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
class UnitBlock:
    """Units ``σ(matrix · units before them + offset)``."""

    matrix: Matrix
    offset: Floats
    activation: Activation


@dataclass(eq=False)
class NetworkUnits:
    """All units of a network, in order: the inputs, then block after block.

    ``inputs`` is None until the size of a sample is known.
    """

    inputs: int | None = None
    blocks: list[UnitBlock] = field(default_factory=list)
    count: int = 0

    def samples(self, where: str, shapes: Sequence[Shape]) -> list[Value]:
        """The inputs of the network, side by side.

        Raises:
            InputError: they are too large, or one of several has no known size.
        """
        sizes = [shape.size for shape in shapes]
        if len(shapes) == 1 and sizes[0] is None:
            return [Value(self, shapes[0], sparse.csr_array(np.ones((1, 1))), np.zeros(1))]
        total = product(sizes) and sum(size or 0 for size in sizes)
        if total is None:
            raise InputError(f"{where} have no known sizes", f"{EXPORT} with their shapes")
        self.begin(where, total)
        ends = np.cumsum([0, *(size or 0 for size in sizes)])
        eye = sparse.eye_array(total, format="csr")
        parts = [eye[begin:end] for begin, end in pairwise(ends)]
        return [Value(self, shape, part, np.zeros(part.shape[0])) for shape, part in zip(shapes, parts, strict=True)]

    def begin(self, where: str, size: int) -> None:
        """Learn the number of inputs; raises ``InputError`` when it was another, or is too large."""
        if size > SAMPLE:
            raise InputError(f"{where} acts on a sample of {counted(size, 'number')}", "give a smaller network")
        if self.inputs not in (None, size):
            raise InputError(f"{where} takes {counted(size, 'number')}, another part {self.inputs}", EXPORT)
        self.inputs, self.count = size, max(self.count, size)

    def add(self, value: Value, activation: Activation) -> Value:
        """The units ``activation(value)``."""
        self.blocks.append(UnitBlock(value.matrix, value.offset, activation))
        size = len(value.offset)
        places = np.arange(self.count, self.count + size)
        self.count += size
        matrix = sparse.csr_array((np.ones(size), places, np.arange(size + 1)), shape=(size, self.count))
        return Value(self, value.shape, matrix, np.zeros(size))


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor, ``matrix · units + offset``; without a known size one row stands for all numbers of a sample.

    ``weighted``: weights lie between it and the units, so that further weights make units of it first.
    """

    units: NetworkUnits
    shape: Shape
    matrix: Matrix
    offset: Floats
    weighted: bool = False

    def sized(self, where: str, size: int | None = None) -> Value:
        """The same with a known size, ``size`` if nothing else says it.

        Raises:
            InputError: no size is known, or another.
        """
        known = self.shape.size
        if known is not None and len(self.offset) == known:
            return self
        if size is None and known is None:
            raise InputError(f"{where} acts on a sample of unknown shape", f"{EXPORT} with its input's shape")
        number = known if size is None else size
        assert number is not None
        self.units.begin(where, number)
        shape = self.shape if known is not None else replace(self.shape, sample=_solved(self.shape.sample, number))
        eye = sparse.eye_array(number, format="csr")
        return replace(
            self, shape=shape, matrix=eye * self.matrix.toarray().item(), offset=np.full(number, self.offset[0])
        )

    def mapped(self, where: str, map_: Matrix, sample: tuple[int, ...], offset: Floats | float = 0.0) -> Value:
        """``map_ · value + offset``, of another shape.

        Raises:
            InputError: the sizes do not fit, or the matrix is too large.
        """
        value = self.sized(where, map_.shape[1])
        if len(value.offset) != map_.shape[1]:
            raise InputError(
                f"{where} takes {counted(map_.shape[1], 'input')} but what goes into it has"
                f" {counted(len(value.offset), 'number')}",
                EXPORT,
            )
        width = np.diff(value.matrix.indptr)
        check_unrolled(where, int(width[map_.indices].sum()), 2 * map_.nnz + 2 * value.matrix.nnz)
        return replace(
            value,
            shape=replace(value.shape, sample=sample),
            matrix=sparse.csr_array(map_ @ value.matrix),
            offset=map_ @ value.offset + offset,
        )

    def linear(self, where: str, U: Matrix, b: Floats, sample: tuple[int, ...]) -> Value:
        """Followed by weights ``U x + b``; raises ``InputError`` as `mapped` does."""
        value = self.units.add(self, Activation("identity")) if self.weighted else self
        return replace(value.mapped(where, sparse.csr_array(U), sample, b), weighted=True)

    def scaled(self, scale: Floats, shift: Floats) -> Value:
        """``scale · value + shift``, entry by entry; both are rows or single numbers."""
        size = len(self.offset)
        diagonal = sparse.diags_array(np.broadcast_to(scale, size), format="csr")
        return replace(self, matrix=sparse.csr_array(diagonal @ self.matrix), offset=scale * self.offset + shift)

    def picked(self, where: str, index: Indices, fill: float = 0.0) -> Value:
        """The numbers at ``index`` of a sample, whose shape is the new one; -1 stands for ``fill``."""
        value = self.sized(where)
        check_sample(where, index.shape)
        flat = index.reshape(-1)
        kept = flat >= 0
        rows = np.concatenate([[0], np.cumsum(kept)])
        choice = sparse.csr_array((np.ones(rows[-1]), flat[kept], rows), shape=(len(flat), len(value.offset)))
        return value.mapped(where, choice, index.shape, np.where(kept, 0.0, fill))

    def index(self, where: str) -> Indices:
        """Where each number of a sample is, in the sample's shape; raises ``InputError`` when that is not known."""
        extents = tuple(-1 if extent is None else extent for extent in self.sized(where).shape.sample)
        if -1 in extents:
            raise InputError(f"{where} acts on a sample of unknown shape", f"{EXPORT} with its input's shape")
        check_sample(where, extents)
        return np.arange(math.prod(extents)).reshape(extents)

    def activated(self, where: str, activation: Activation) -> Value:
        """Followed by an activation."""
        return self.units.add(self.sized(where), activation)

    def plus(self, where: str, other: Value, sign: float = 1.0) -> Value:
        """``self + sign · other``, with axes of one repeated.

        Raises:
            InputError: their shapes do not fit.
        """
        first, second = self.index(where), other.index(where)
        if first.shape != second.shape:
            try:
                if first.ndim != second.ndim:
                    raise ValueError
                extents = np.broadcast_shapes(first.shape, second.shape)
            except ValueError:
                raise InputError(f"{where} takes samples of shapes {first.shape} and {second.shape}", EXPORT) from None
            check_sample(where, extents)
            first, second = np.broadcast_to(first, extents), np.broadcast_to(second, extents)
            return self.picked(where, first).plus(where, other.picked(where, second), sign)
        one, two = widened([self.sized(where), other.sized(where)])
        return replace(
            self.sized(where),
            matrix=sparse.csr_array(one + sign * two),
            offset=self.sized(where).offset + sign * other.sized(where).offset,
            weighted=self.weighted or other.weighted,
        )

    def entries(self, where: str, name: str, value: NDArray[np.float64]) -> tuple[Value, Floats]:
        """A constant that acts entry by entry on a sample, as a row or one number; repeats the sample where it must.

        A shape not said before is learned.

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
            return self.sized(where, len(value)), value
        place = self.index(where)
        try:
            extents = np.broadcast_shapes(place.shape, value.shape)
        except ValueError:
            raise unfit from None
        check_sample(where, extents)
        row = np.broadcast_to(value, extents).ravel()
        if extents == place.shape:
            return self.sized(where), row
        return self.picked(where, np.broadcast_to(place, extents)), row


def joined(where: str, values: Sequence[Value], index: Indices) -> Value:
    """The numbers at ``index`` of all values strung together."""
    values = [value.sized(where) for value in values]
    whole = replace(
        values[0],
        shape=Shape(values[0].shape.batch, (sum(len(value.offset) for value in values),)),
        matrix=sparse.csr_array(sparse.vstack(widened(values))),
        offset=np.concatenate([value.offset for value in values]),
        weighted=any(value.weighted for value in values),
    )
    return whole.picked(where, index)


def widened(values: Sequence[Value]) -> list[Matrix]:
    """Their matrices, over the same units."""
    width = max(value.matrix.shape[1] for value in values)
    matrices = (value.matrix for value in values)
    return [sparse.csr_array((m.data, m.indices, m.indptr), shape=(m.shape[0], width)) for m in matrices]


def check_sample(where: str, extents: Sequence[int]) -> None:
    """Raise ``InputError`` if a sample of that shape is too large."""
    if math.prod(extents) > SAMPLE:
        raise InputError(
            f"{where} acts on a sample of {counted(math.prod(extents), 'number')}", "give a smaller network"
        )


def check_unrolled(where: str, entries: int, known: int = 0) -> None:
    """Raise ``InputError`` if a matrix has too many entries, more than ``known`` that are there already."""
    if entries > max(UNROLLED, known):
        raise InputError(
            f"{where} unrolls to {counted(entries, 'weight')}, more than {UNROLLED:,}", "give a smaller network"
        )


def _solved(sample: tuple[int | None, ...], size: int) -> tuple[int | None, ...]:
    """The shape, if its size says its one unknown number; else one row."""
    others = product(extent for extent in sample if extent is not None) or 1
    if sample.count(None) == 1 and size % others == 0:
        return tuple(size // others if extent is None else extent for extent in sample)
    return (size,)
