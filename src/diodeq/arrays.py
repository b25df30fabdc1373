"""Arrays that callers give: real numbers, or refused by name. numpy takes text, dates and half of a complex number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.errors import InputError
from diodeq.printable import counted


def real(what: str, values: ArrayLike) -> NDArray[np.float64]:
    """``values`` as float64, itself where it is; not finite where float64 has no such number, or where it is masked.

    Raises:
        InputError: what ``what`` names is ragged, or holds anything but real numbers.
    """
    with np.errstate(over="ignore"):
        return numbers(what, values).astype(np.float64, copy=False)


def whole(what: str, values: ArrayLike, dtype: type[np.integer[Any] | np.bool_] = np.int32) -> NDArray[Any]:
    """``values`` as numbers of ``dtype``, itself where it is.

    Raises:
        InputError: as in ``real``, or a value is none of them.
    """
    given = numbers(what, values)
    with np.errstate(invalid="ignore"):
        found = given.astype(dtype, copy=False)
    if found is not given and not np.array_equal(found, given):
        wanted = "true and false" if dtype is np.bool_ else f"whole numbers of {8 * found.itemsize} bits"
        raise InputError(f"{what} cannot hold {given[found != given].flat[0]}", f"give {wanted}")
    return found


def numbers(what: str, values: ArrayLike) -> NDArray[Any]:
    """``values`` as an array of real numbers, whole numbers or flags, itself where it is.

    Raises:
        InputError: as in ``real``.
    """
    try:
        found = np.asarray(values)
        if found.dtype.kind == "O" and all(isinstance(each, Real) for each in found.flat):
            found = found.astype(np.float64)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:  # a tensor that requires a gradient, too
        raise InputError(f"{what} cannot be made an array of numbers", "give rows of one length") from error
    if found.dtype.kind not in "fiub":
        kind = "objects" if found.dtype.kind in "OV" else f"values of type {found.dtype}"
        raise InputError(f"{what} cannot hold {kind}", "give an array of real numbers")
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        return np.where(values.mask, np.nan, found)
    return found


def scalar(what: str, value: float) -> float:
    """``value`` as one float.

    Raises:
        InputError: as in ``real``, or there are none or several.
    """
    found = real(what, value)
    if found.ndim:
        raise InputError(f"{what} cannot be {counted(found.size, 'number')}", "give one number")
    return float(found)


def text(what: str, value: str) -> str:
    """``value`` itself; raises ``InputError`` where it is no text."""
    if not isinstance(value, str):
        raise InputError(f"{what} cannot be {value!r}", "give a text")
    return value


def seeds(seed: int | Sequence[int]) -> np.random.SeedSequence:
    """What random numbers derive from; raises ``InputError`` for what is no whole number of 0 or more, or several."""
    try:
        if seed is None:  # numpy would take any
            raise TypeError
        return np.random.SeedSequence(seed)
    except (TypeError, ValueError):
        raise InputError(f"the seed cannot be {seed!r}", "give a whole number of 0 or more, or several") from None


def is_finite(value: float) -> bool:
    """Whether a number, however large a whole one, is a finite float64."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
