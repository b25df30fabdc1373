"""ONNX operators that give a sample another shape and leave its numbers in their order."""

from __future__ import annotations

from dataclasses import replace

from diodeq.errors import InputError
from diodeq.network.weights.constants import BATCH
from diodeq.network.weights.values import EXPORT, Shape, product

Extents = tuple[int | None, ...]


def flatten(where: str, shape: Shape, axis: int) -> Shape:
    """Samples as rows.

    Raises:
        InputError: the axis mixes samples, or takes them apart.
    """
    axis = axis + 1 + len(shape.sample) if axis < 0 else axis
    axis = 1 if axis == 0 and shape.batch == 1 else axis  # of a single sample it is the same
    if axis < 1 or product(shape.sample[: axis - 1]) != 1 or axis > len(shape.sample) + 1:
        raise InputError(f"{where} has axis {axis}", "flatten from axis 1, sample by sample")
    return replace(shape, sample=(product(shape.sample[axis - 1 :]),))


def reshape(where: str, shape: Shape, target: list[int], allow_zero: bool) -> Shape:
    """Samples of another shape.

    Raises:
        InputError: the target does not keep every sample for itself, or cannot be known to.
    """
    mixed = InputError(f"{where} gives the shape {_shown(target)} to {_shown(_all(shape))}", "keep every sample a row")
    if not target or target.count(-1) > 1 or any(n < -1 and n != BATCH for n in target) or BATCH in target[1:]:
        raise mixed
    first, rest = target[0], target[1:]
    sample: list[int | None] = []
    for place, extent in enumerate(rest):
        if extent == 0 and not allow_zero:
            if place >= len(shape.sample):
                raise mixed
            sample.append(shape.sample[place])
        else:
            sample.append(extent)
    alone = first == 1 and shape.batch is None  # such a model takes one sample at a time
    kept = first == BATCH or (first == 0 and not allow_zero) or (first == shape.batch and first > 0) or alone
    if -1 in rest:
        at = rest.index(-1)
        others = product(sample[:at] + sample[at + 1 :])
        if not kept or others is None or others == 0:
            raise mixed
        if shape.size is not None and shape.size % others:
            raise mixed
        sample[at] = None if shape.size is None else shape.size // others
        if shape.size is None and len(sample) > 1:
            raise mixed
    elif not (kept or first == -1) or (tuple(sample) != shape.sample and (None in sample or shape.size is None)):
        raise mixed
    if product(sample) != shape.size:
        raise mixed
    return replace(shape, sample=tuple(sample))


def squeeze(where: str, shape: Shape, axes: list[int] | None) -> Shape:
    """Without axes of one.

    Raises:
        InputError: an axis is that of the samples, or longer than one.
    """
    rank = 1 + len(shape.sample)
    if axes is None and shape.batch is not None and shape.batch > 1:
        axes = [at + 1 for at, extent in enumerate(shape.sample) if extent == 1]
    gone = {axis % rank for axis in axes} if axes is not None and all(-rank <= n < rank for n in axes) else {0}
    if 0 in gone or any(shape.sample[at - 1] != 1 for at in gone):
        raise InputError(f"{where} takes an axis away that is not one of the sample's", "name an axis of length 1")
    return replace(shape, sample=tuple(n for at, n in enumerate(shape.sample, 1) if at not in gone))


def unsqueeze(where: str, shape: Shape, axes: list[int] | None) -> Shape:
    """With new axes of one.

    Raises:
        InputError: one comes before the samples, or there is none.
    """
    rank = 1 + len(shape.sample) + len(axes or ())
    new = {axis % rank for axis in axes or ()}
    if not axes or len(new) < len(axes) or 0 in new or rank > 16 or any(not -rank <= n < rank for n in axes):
        raise InputError(f"{where} puts an axis before the samples'", f"{EXPORT} with samples along the first axis")
    left = iter(shape.sample)
    return replace(shape, sample=tuple(1 if at in new else next(left) for at in range(1, rank)))


def _all(shape: Shape) -> list[int | None]:
    return [shape.batch, *shape.sample]


def _shown(extents: list[int | None] | list[int]) -> str:
    return f"({', '.join('?' if n is None or n == BATCH else str(n) for n in extents[:16])})"
