"""diodeq's own keys for weights: ``W0? U0 b0 activation0? W1? U1 b1 …``, stage by stage.

Stage k is ``z = σ(Wk z + Uk x + bk)``; without Wk it is feed-forward. Instead of Wk, ``Ak Pk mk`` give a monotone one:
``W = (1 - m) I - AᵀA + P - Pᵀ`` (Winston and Kolter 2020), whose margin is at least m. ``activationk`` is text such as
``hard-tanh:0.5``, or a document in JSON that gives each unit a one-port (``network.units``); without it the last stage
is ``identity`` and the others are ``relu``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.errors import InputError
from diodeq.network.activations import Activation
from diodeq.network.network import Network, Stage
from diodeq.network.units import OnePortUnits
from diodeq.printable import counted

Floats = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]
Texts = dict[str, str]


@dataclass(frozen=True)
class Tensors:
    """The named arrays of a file, its activations' texts, and what was left out of it."""

    arrays: Arrays
    texts: Texts = field(default_factory=dict)
    notes: tuple[str, ...] = ()


ACCEPTED = "diodeq reads W0 (or A0, P0 and m0; none for a feed-forward stage), U0, b0, activation0, W1, U1, b1, …"
LARGEST = 1 << 28
"""Numbers in one file; 2 GiB in float64."""

_KEY = re.compile(r"(W|U|b|A|P|m|activation)(0|[1-9][0-9]{0,5})")


def assemble(arrays: Arrays, texts: Texts, given: tuple[Activation, ...] | None = None) -> Network:
    """The network that named arrays describe; ``texts`` holds the activations (in an .npz they are arrays of text).

    ``given`` are the activations of a file that holds none, as `for_layers` takes them.

    Raises:
        InputError: a key is unknown, missing or of the wrong shape or type, or a value is not finite; it is named. Also
            if activations are given and in the file.
    """
    arrays, texts = dict(arrays), dict(texts)
    for key in [key for key in arrays if key.startswith("activation")]:
        texts[key] = text(key, arrays.pop(key))
    stages: dict[int, dict[str, str]] = {}
    for key in (*arrays, *texts):
        match = _KEY.fullmatch(key)
        if not match or (match[1] == "activation") != (key in texts):
            raise InputError(f"its key {key!r} is unknown", ACCEPTED)
        stages.setdefault(int(match[2]), {})[match[1]] = key
    if not stages:
        raise InputError("it holds no weights", ACCEPTED)
    count = max(stages) + 1
    if len(stages) < count:
        missing = next(k for k in range(count) if k not in stages)
        raise InputError(
            f"it has no stage {missing} but a stage {count - 1}", "number the stages 0, 1, 2, … without gaps"
        )
    if given is not None:
        if texts:
            raise InputError(f"it says its activations itself, by {min(texts)}", "leave --activation out")
        each = for_layers(given, [f"stage {k}" for k in range(count)])
        texts = {f"activation{k}": str(activation) for k, activation in enumerate(each)}
    return Network(tuple(_stage(k, stages[k], arrays, texts, k == count - 1) for k in range(count)))


def for_layers(given: tuple[Activation, ...], names: list[str]) -> tuple[Activation, ...]:
    """One activation for each layer: as many are given, or all but the last, or one for all of those.

    Without one of its own the last layer, the read-out, is ``identity``.

    Raises:
        InputError: another number of activations.
    """
    if len(given) == len(names):
        return given
    if len(given) in (1, len(names) - 1):
        return (*(given if len(given) > 1 else given * (len(names) - 1)), Activation("identity"))
    raise InputError(
        f"{counted(len(given), 'activation')} for its {counted(len(names), 'layer')} {listed(names)}",
        f"give one for all, {len(names) - 1} for all but the last, or {len(names)}",
    )


def listed(names: Iterable[str]) -> str:
    """Names in a sentence, not too many of them."""
    names = list(names)
    return ", ".join(names if len(names) <= 12 else [*names[:10], "…", names[-1]])


def _stage(k: int, keys: dict[str, str], arrays: Arrays, texts: Texts, last: bool) -> Stage:
    for name in ("U", "b"):
        if name not in keys:
            raise InputError(f"its stage {k} has no {name}{k}", "every stage needs a U and a b; b may be zeros")
    U = matrix(f"U{k}", arrays[f"U{k}"])
    n = len(U)
    b = shaped(f"b{k}", arrays[f"b{k}"], (n,), f"U{k} has {counted(n, 'row')}")
    default = "identity" if last else "relu"
    try:
        said = texts.get(f"activation{k}", default)
        activation = OnePortUnits.parse(said) if said.startswith("{") else Activation.parse(said)
    except InputError as error:
        raise InputError(f"its activation{k} is unusable: {error.problem}", error.remedy) from None
    return Stage(U=U, b=b, W=_recurrent(k, n, keys, arrays), activation=activation)


def _recurrent(k: int, n: int, keys: dict[str, str], arrays: Arrays) -> Floats | None:
    """W of stage k, given as such or by the monotone parameterization; None if by neither."""
    monotone = [name for name in ("A", "P", "m") if name in keys]
    if monotone and "W" in keys:
        raise InputError(f"its stage {k} has both W{k} and {monotone[0]}{k}", f"give W{k}, or A{k}, P{k} and m{k}")
    if monotone and len(monotone) < 3:
        absent = next(name for name in ("A", "P", "m") if name not in keys)
        raise InputError(f"its stage {k} has {monotone[0]}{k} but no {absent}{k}", f"give A{k}, P{k} and m{k}, or W{k}")
    why = f"U{k} has {counted(n, 'row')}"
    if "W" in keys:
        return shaped(f"W{k}", arrays[f"W{k}"], (n, n), why)
    if not monotone:
        return None
    A = matrix(f"A{k}", arrays[f"A{k}"])
    if A.shape[1] != n:
        raise InputError(f"its A{k} has shape {A.shape}, {why}", f"give A{k} {counted(n, 'column')}")
    P = shaped(f"P{k}", arrays[f"P{k}"], (n, n), why)
    scalar = arrays[f"m{k}"]
    m = float(shaped(f"m{k}", scalar.reshape(()) if scalar.size == 1 else scalar, (), "it is one number"))
    with np.errstate(over="ignore", invalid="ignore"):  # refused below
        W = (1.0 - m) * np.eye(n) - A.T @ A + P - P.T
    if not np.isfinite(W).all():
        raise InputError(f"its A{k}, P{k} and m{k} give a W{k} that is not finite", "use smaller values")
    return W


def disassemble(network: Network) -> tuple[Arrays, Texts]:
    """The arrays and the activations' texts that `assemble` makes the network from."""
    arrays: Arrays = {}
    texts: Texts = {}
    for k, stage in enumerate(network.stages):
        if stage.W is not None:
            arrays[f"W{k}"] = stage.W
        arrays[f"U{k}"], arrays[f"b{k}"] = stage.U, stage.b
        given = stage.activation
        texts[f"activation{k}"] = given.text if isinstance(given, OnePortUnits) else str(given)
    return arrays, texts


def matrix(key: str, array: NDArray[Any]) -> Floats:
    """A finite float64 matrix; raises ``InputError`` naming ``key`` for anything else."""
    if array.ndim != 2:
        raise InputError(f"its {key} has shape {array.shape}", f"give {key} two dimensions")
    return numbers(key, array)


def shaped(key: str, array: NDArray[Any], shape: tuple[int, ...], why: str) -> Floats:
    """A finite float64 array of the shape that ``why`` asks for; raises ``InputError`` naming ``key``."""
    if array.shape != shape:
        raise InputError(f"its {key} has shape {array.shape}, {why}", f"give {key} the shape {shape}")
    return numbers(key, array)


def numbers(key: str, array: NDArray[Any]) -> Floats:
    """A finite float64 array; raises ``InputError`` naming ``key`` and the first bad entry."""
    if array.dtype.kind not in "fiu":
        raise InputError(f"its {key} holds {array.dtype} values, not real numbers", f"save {key} as float64 or float32")
    check_size(key, array.shape)
    with np.errstate(invalid="ignore"):  # refused below
        values = np.array(array, dtype=np.float64)
    if not np.isfinite(values).all():
        at = [int(i) for i in np.argwhere(~np.isfinite(values))[0]]
        place = f"{key}{at}" if at else key
        raise InputError(f"its {place} is {values[tuple(at)]}", "every weight must be finite")
    return values


def check_size(key: str, shape: tuple[int, ...]) -> None:
    """Raise ``InputError`` if an array of that shape is too large to be a network's weights."""
    count = 1
    for extent in shape:
        count *= max(int(extent), 0)
    if count > LARGEST:
        raise InputError(f"its {key} has {count:,} numbers, more than {LARGEST:,}", "give a smaller network")


def check_total(shapes: Iterable[tuple[int, ...]]) -> None:
    """Raise ``InputError`` if all the arrays of a file are too large together: several may share their bytes in it."""
    count = sum(math.prod(shape) for shape in shapes)
    if count > LARGEST:
        raise InputError(f"it has {count:,} numbers, more than {LARGEST:,}", "give a smaller network")


def text(key: str, array: NDArray[Any]) -> str:
    """One string; raises ``InputError`` naming ``key`` for anything else."""
    if array.dtype.kind not in "US" or array.size != 1:
        raise InputError(f"its {key} is not text", f"save {key} as a string such as 'relu' or 'leaky-relu:0.1'")
    value = array.reshape(-1)[0]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
