"""Topologies of layered circuits: what of one layer is joined to what of the layer before it.

Bias rails are joined to every node, and outputs to every node of the last hidden layer, whatever the topology.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from diodeq.errors import UsageError
from diodeq.synthesis.assembly import every_pair
from diodeq.synthesis.parts import Index, Ints

Random = np.random.Generator


class Topology(Protocol):
    """How a hidden layer is joined to what comes before it."""

    def first(self, rails: Index, nodes: Index, random: Random) -> Ints:
        """Pairs int32[n, 2] of a rail and a node of the first hidden layer; ``rails`` are x0_p x0_n x1_p …"""

    def later(self, before: Index, nodes: Index, random: Random) -> Ints:
        """Pairs int32[n, 2] of a node of a hidden layer and one of the next."""


@dataclass(frozen=True)
class Dense:
    """Everything with everything."""

    def first(self, rails: Index, nodes: Index, random: Random) -> Ints:
        """All pairs."""
        return every_pair(rails.astype(np.int32), nodes.astype(np.int32))

    later = first


@dataclass(frozen=True)
class Sparse:
    """Each node with a share of what comes before it, drawn without replacement: ``density`` of it, at least one."""

    density: float

    def first(self, rails: Index, nodes: Index, random: Random) -> Ints:
        """So many pairs for each node."""
        each = max(1, round(self.density * len(rails)))
        drawn = np.stack([random.choice(len(rails), each, replace=False) for _ in nodes])
        return _sorted(rails, nodes, drawn.ravel(), np.repeat(np.arange(len(nodes)), each))

    later = first


@dataclass(frozen=True)
class Local:
    """Receptive fields of the first hidden layer in an image; later layers are dense.

    A field of (rows, columns) ``field`` lies wherever it fits wholly on the image, every ``stride`` rows and columns
    from the upper left. Hidden nodes are spread evenly over these positions, in their order: every position has one
    more or one less than another at most. A node is joined to both rails of every pixel in its field. ``image`` is
    (rows, columns), (0, 0) for a square of as many pixels as there are inputs.
    """

    field: tuple[int, int]
    stride: int = 1
    image: tuple[int, int] = (0, 0)

    def first(self, rails: Index, nodes: Index, random: Random) -> Ints:
        """The pairs of all nodes' fields."""
        _, columns = self._image(len(rails) // 2)
        corners = self._corners(len(rails) // 2, len(nodes))
        inside = np.add.outer(np.arange(self.field[0]) * columns, np.arange(self.field[1])).ravel()
        pixels = np.add.outer(corners[np.arange(len(nodes)) * len(corners) // len(nodes)], inside)
        which = np.repeat(np.arange(len(nodes)), 2 * pixels.shape[1])
        return _sorted(rails, nodes, np.add.outer(2 * pixels, [0, 1]).ravel(), which)

    def later(self, before: Index, nodes: Index, random: Random) -> Ints:
        """All pairs."""
        return Dense().first(before, nodes, random)

    def _image(self, pixels: int) -> tuple[int, int]:
        side = math.isqrt(pixels)
        rows, columns = self.image if self.image[0] else (side, side)
        if rows * columns != pixels:
            what = "no square image" if not self.image[0] else f"no image of {rows}x{columns}"
            raise _impossible(f"{pixels} inputs are {what}", "name its rows and columns, as in local:5x5:28x20")
        if self.field[0] > rows or self.field[1] > columns:
            size = f"{self.field[0]}x{self.field[1]}"
            raise _impossible(f"a field of {size} is larger than the image of {rows}x{columns}", "give a smaller one")
        return rows, columns

    def _corners(self, pixels: int, width: int) -> Index:
        """The upper left pixels of all positions, at most ``width``."""
        rows, columns = self._image(pixels)
        down, right = (range(0, n - k + 1, self.stride) for n, k in zip((rows, columns), self.field, strict=True))
        if len(down) * len(right) > width:
            raise _impossible(
                f"{width} hidden nodes are too few for {len(down) * len(right)} positions of the field, one for each",
                f"give --hidden {len(down) * len(right)} or more, or a larger stride",
            )
        corners: Index = np.add.outer(np.array(down) * columns, np.array(right)).ravel()
        return corners


def topology(text: str) -> Topology:
    """The topology that ``text`` names: a key of ``TOPOLOGIES``, with options after colons.

    Raises:
        UsageError: there is none such.
    """
    name, *options = text.split(":")
    try:
        return TOPOLOGIES[name](*options)
    except (KeyError, TypeError, ValueError):
        raise UsageError(f"there is no topology {text!r}", f"use one of {described()}") from None


def described() -> str:
    """All topologies as they are written."""
    return "dense, local:5x5, local:5x5:stride2, local:5x5:stride2:28x28, random:0.1"


def _sparse(density: str) -> Topology:
    if not 0.0 < float(density) <= 1.0:
        raise _impossible(f"a density of {density} is not possible", "give a share such as 0.1")
    return Sparse(float(density))


def _local(field: str, *options: str) -> Topology:
    stride, image = 1, (0, 0)
    if options and options[0].startswith("stride"):
        matched = re.fullmatch(r"stride([1-9][0-9]{0,5})", options[0])
        if matched is None:
            raise _impossible(f"{options[0]} is no stride", "write stride1 or more, as in local:5x5:stride2")
        stride, options = int(matched[1]), options[1:]
    if options:
        image = _size(*options)
    return Local(_size(field), stride, image)


def _size(text: str) -> tuple[int, int]:
    matched = re.fullmatch(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})", text)
    if matched is None:
        raise ValueError
    return int(matched[1]), int(matched[2])


TOPOLOGIES: dict[str, Callable[..., Topology]] = {"dense": Dense, "local": _local, "random": _sparse}


def _sorted(rails: Index, nodes: Index, first: Index, second: Index) -> Ints:
    """Pairs of places among ``rails`` and ``nodes``, as pairs of nodes rail by rail: the order of ``every_pair``."""
    order = np.lexsort((second, first))
    return np.stack([rails[first[order]], nodes[second[order]]], axis=1).astype(np.int32)


def _impossible(problem: str, remedy: str) -> UsageError:
    return UsageError(f"topology: {problem}", remedy, arguments=("topology",))
