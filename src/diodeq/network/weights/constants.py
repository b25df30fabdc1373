"""What an ONNX graph knows without its input: weights, decoded when they are used, and the arithmetic of shapes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.errors import InputError
from diodeq.network.weights import external
from diodeq.network.weights.keys import LARGEST, Floats, check_size, numbers

Values = NDArray[Any]

BATCH = -(1 << 40)
"""Stands in a computed shape for the number of samples, which is not known."""
UNKNOWN = BATCH - 1
"""Stands there for another number that is not known."""
SHAPES = 64
"""Numbers in a computed shape, at most: what computes shapes must not compute weights."""
EXACT = {1: "float32", 11: "float64"}
"""ONNX's element types that a Cast may give numbers: others round them."""


class Constants:
    """The constants of a graph by name; each is decoded once, and all together have at most ``LARGEST`` numbers."""

    def __init__(self, onnx: Any, folder: Path) -> None:
        self._onnx, self._folder = onnx, folder
        self._tensors: dict[str, Any] = {}
        self._values: dict[str, Values] = {}
        self._numbers = 0

    def __contains__(self, name: str) -> bool:
        return name in self._tensors or name in self._values

    def declare(self, name: str, tensor: Any) -> None:
        """A tensor that may be asked for."""
        self._tensors[name] = tensor

    def put(self, name: str, value: Values) -> None:
        """A value that was computed."""
        self._values[name] = value

    def raw(self, name: str) -> Values:
        """The value of that name, in its own type."""
        if name not in self._values:
            self._values[name] = self._decode(self._tensors[name])
        return self._values[name]

    def floats(self, name: str) -> Floats:
        """The weights of that name, float64 and finite."""
        return numbers(name, self.raw(name))

    def _decode(self, tensor: Any) -> Values:
        kinds, shape = self._onnx.TensorProto, tuple(tensor.dims)
        if min(shape, default=0) < 0:
            raise InputError(f"its tensor {tensor.name!r} has shape {shape}", "export the model again")
        check_size(tensor.name, shape)
        self._numbers += math.prod(shape)
        if self._numbers > LARGEST:
            raise InputError(f"its tensors have more than {LARGEST:,} numbers", "give a smaller network")
        try:
            if tensor.data_location == kinds.EXTERNAL:
                dtype = np.dtype(self._onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
                data = external.read(self._folder, tensor, math.prod(shape) * dtype.itemsize)
                tensor = kinds(name=tensor.name, dims=shape, data_type=tensor.data_type, raw_data=data)
            return np.asarray(self._onnx.numpy_helper.to_array(tensor))
        except InputError:
            raise
        except Exception as error:  # whatever the package meets in damaged bytes
            raise InputError(f"its tensor {tensor.name!r} is damaged", "export the model again") from error


def constant(onnx: Any, attributes: dict[str, Any]) -> Any:
    """The tensor that a Constant node holds, or None for a kind that no weights come in."""
    value = attributes.get("value")
    if isinstance(value, onnx.TensorProto):
        return value
    for name, dtype in (("value_float", np.float64), ("value_floats", np.float64), ("value_int", np.int64)):
        if name in attributes:
            return onnx.numpy_helper.from_array(np.asarray(attributes[name], dtype))
    if "value_ints" in attributes:
        return onnx.numpy_helper.from_array(np.asarray(attributes["value_ints"], np.int64))
    return None


def _gather(inputs: list[Values], attributes: dict[str, Any]) -> Values:
    shape, at = inputs
    if shape.ndim != 1 or attributes.get("axis", 0) not in (0, -1):
        raise ValueError
    return np.asarray(shape[at])


def _slice(inputs: list[Values], attributes: dict[str, Any]) -> Values:
    shape, start, stop, *rest = inputs
    axes, step = rest[0] if rest else np.zeros(1), rest[1] if len(rest) > 1 else np.ones(1)
    if shape.ndim != 1 or np.any(axes):
        raise ValueError
    return shape[slice(int(start.item()), int(stop.item()), int(step.item()))]


def _concat(inputs: list[Values], attributes: dict[str, Any]) -> Values:
    if len(inputs) > SHAPES or any(part.ndim != 1 for part in inputs):
        raise ValueError
    return np.concatenate(inputs)


def _flat(inputs: list[Values], attributes: dict[str, Any]) -> Values:
    """Unsqueeze of a number to a list of one."""
    if inputs[0].size != 1:
        raise ValueError
    return inputs[0].reshape(1)


def _single(inputs: list[Values], attributes: dict[str, Any]) -> Values:
    """Squeeze of a list of one to a number."""
    return inputs[0].reshape(())


# What computes shapes from shapes: whole numbers, a few of them.
SHAPE_STEPS: dict[str, Callable[[list[Values], dict[str, Any]], Values]] = {
    "Gather": _gather,
    "Slice": _slice,
    "Concat": _concat,
    "Unsqueeze": _flat,
    "Squeeze": _single,
    "Cast": lambda inputs, attributes: inputs[0],
    "Identity": lambda inputs, attributes: inputs[0],
}


def shape_step(kind: str, where: str, inputs: list[Values], attributes: dict[str, Any]) -> Values:
    """The value of a node that computes a shape.

    Raises:
        InputError: it computes something else.
    """
    sound = kind in SHAPE_STEPS and all(value.dtype.kind in "iu" and value.size <= SHAPES for value in inputs)
    try:
        if not sound:
            raise ValueError
        return SHAPE_STEPS[kind](inputs, attributes)
    except (ValueError, IndexError, TypeError):
        raise InputError(f"{where} computes with constants", "simplify the model first, or export it again") from None


def computed_weights(kind: str, value: Values, attributes: dict[str, Any]) -> Values | None:
    """Weights that a node only passes on, turns or casts; None if it does something else."""
    if kind == "Identity":
        return value
    if kind == "Transpose" and value.ndim <= 2 and attributes.get("perm", [1, 0]) == [1, 0]:
        return value.T
    if kind == "Cast" and value.dtype.kind == "f" and attributes.get("to") in EXACT:
        return value.astype(EXACT[attributes["to"]])
    return None
