"""What an ONNX graph knows without its input: weights, decoded when they are used, and the arithmetic of shapes."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib import import_module
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
COMPUTED = 1 << 22
"""Constants, at most, that are computed of others, if the file does not hold a fourth of them."""
SHAPES = 64
"""Numbers in a computed shape, at most: what computes shapes must not compute weights."""
EXPORT = "export the model again"
EXACT = {1: "float32", 11: "float64"}
"""ONNX's element types that a Cast may give numbers: others round them."""


class Constants:
    """The constants of a graph by name; each is decoded once, and all together have at most ``LARGEST`` numbers."""

    def __init__(self, onnx: Any, folder: Path) -> None:
        self._onnx, self._folder = onnx, folder
        self._tensors: dict[str, Any] = {}
        self._values: dict[str, Values] = {}
        self._numbers = self._made = 0

    def __contains__(self, name: str) -> bool:
        return name in self._tensors or name in self._values

    def declare(self, name: str, tensor: Any) -> None:
        """A tensor that may be asked for."""
        self._tensors[name] = tensor

    def put(self, name: str, value: Values) -> None:
        """A value that was computed."""
        self._values[name] = value
        self._made += value.size

    @property
    def numbers(self) -> int:
        """How many the file itself holds, of those that were asked for."""
        return self._numbers

    @property
    def room(self) -> int:
        """How many more numbers may be computed of them."""
        return max(COMPUTED, 4 * self._numbers) - self._made

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
                external.embed(self._onnx, self._folder, tensor)
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


def places(start: int, end: int, step: int, length: int) -> range:
    """What ONNX's Slice takes of an axis: limits below 0 count from the end, and all are moved to the axis."""
    start, end = (n + length if n < 0 else n for n in (start, end))
    if step > 0:
        return range(min(max(start, 0), length), min(max(end, 0), length), step)
    return range(min(max(start, 0), length - 1), min(max(end, -1), length - 1), step)


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
    return shape[list(places(int(start.item()), int(stop.item()), int(step.item()), len(shape)))]


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
    "Shape": lambda inputs, attributes: np.array(inputs[0].shape),
    "Cast": lambda inputs, attributes: inputs[0],
    "Identity": lambda inputs, attributes: inputs[0],
}


ELEMENTWISE = {
    *("Abs", "Add", "And", "Div", "Equal", "Exp", "Greater", "Less", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or"),
    *("Pow", "Reciprocal", "Sqrt", "Sub", "Where"),
}
SMALLER = {
    *("Cast", "Concat", "Flatten", "Gather", "Identity", "ReduceL2", "ReduceMean", "ReduceSum", "ReduceSumSquare"),
    *("Reshape", "Shape", "Slice", "Squeeze", "Transpose", "Unsqueeze"),
}
"""What gives no more numbers than it takes."""
FILLED = {"ConstantOfShape", "Expand"}
"""What gives as many numbers as its last input says."""


def fold(
    onnx: Any, node: Any, where: str, inputs: list[Values], attributes: dict[str, Any], opset: int, room: int
) -> Values:
    """The value of a node that takes only constants, by the package's own evaluator; of shapes not known, here.

    Raises:
        InputError: it is another operator, gives too much, or cannot be computed.
    """
    if any(value.dtype.kind in "iu" and np.isin(value, (BATCH, UNKNOWN)).any() for value in inputs):
        return _of_shapes(node.op_type, where, inputs, attributes)
    if node.op_type not in ELEMENTWISE | SMALLER | FILLED or len(node.output) != 1:
        raise InputError(f"{where} computes with constants", "simplify the model first, or export it again")
    try:
        if _extent(node.op_type, inputs) > room:
            raise InputError(f"{where} makes too many constants of a few", "give a smaller network")
        helper, names = onnx.helper, [f"i{k}" for k in range(len(inputs))]
        alone = helper.make_node(node.op_type, names, ["o"])
        alone.attribute.extend(node.attribute)
        ports = [helper.make_tensor_value_info(name, 0, None) for name in [*names, "o"]]
        graph = helper.make_graph([alone], "constants", ports[:-1], ports[-1:])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        evaluator = import_module("onnx.reference").ReferenceEvaluator(model)
        with np.errstate(all="ignore"):  # weights that are not finite are refused where they are used
            return np.asarray(evaluator.run(None, dict(zip(names, inputs, strict=True)))[0])
    except InputError:
        raise
    except Exception as error:  # whatever the evaluator meets in values that do not fit
        raise InputError(f"{where} computes with constants that do not fit it", "export the model again") from error


def _extent(kind: str, inputs: list[Values]) -> int:
    """Numbers that a node gives, at most."""
    if kind in FILLED:
        shape = [int(n) for n in inputs[-1].reshape(-1)]
        return math.prod(max(n, 1) for n in shape) * (inputs[0].size if kind == "Expand" else 1)
    if kind in ELEMENTWISE:
        return math.prod(np.broadcast_shapes(*(value.shape for value in inputs)))
    if kind == "Gather":
        return inputs[0].size * max(inputs[1].size, 1)
    return sum(value.size for value in inputs)


def _of_shapes(kind: str, where: str, inputs: list[Values], attributes: dict[str, Any]) -> Values:
    sound = kind in SHAPE_STEPS and all(value.dtype.kind in "iu" and value.size <= SHAPES for value in inputs)
    try:
        if not sound:
            raise ValueError
        return SHAPE_STEPS[kind](inputs, attributes)
    except (ValueError, IndexError, TypeError):
        raise InputError(f"{where} computes with a size that is not known", f"{EXPORT} with a fixed shape") from None
