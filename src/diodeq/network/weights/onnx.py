"""Networks from ONNX: a graph of layers, activations, scalings and changes of shape (``operators.STEPS``)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from diodeq.errors import InputError
from diodeq.network.network import Network
from diodeq.network.weights.cascade import cascade
from diodeq.network.weights.constants import BATCH, ELEMENTWISE, FILLED, SMALLER, UNKNOWN, Constants, constant, fold
from diodeq.network.weights.moving import strings_samples
from diodeq.network.weights.node import GraphNode, GraphNotes
from diodeq.network.weights.operators import AFTER_ENDINGS, ENDINGS, MACHINE_LEARNING, SEVERAL, SINGLE, STEPS
from diodeq.network.weights.values import EXPORT, NetworkUnits, Shape, Value, joined
from diodeq.printable import counted

ACCEPTED = f"diodeq reads {', '.join(STEPS)} (also Constant, what computes shapes, and a Softmax or ArgMax at the end)"
NODES = 10_000
INPUTS = 16
ENTRIES = 1 << 24
"""Of all matrices while a model is read, at most, if the file does not hold an eighth of them."""
STANDARD = ("", "ai.onnx")
NUMERIC = {1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13}
"""ONNX's element types that hold real numbers a sample can be given in."""


@dataclass(frozen=True, eq=False)
class Ending:
    """What is left out at the end of a model: ``where`` names the first node of it, and it comes of ``source``.

    Without ``source`` it comes of an input that has no samples, which can only be passed on.
    """

    source: Value | None
    name: str
    where: str


@dataclass(frozen=True, eq=False)
class OnnxModel:
    """What an ONNX model says: its network, the tensors that its outputs are, and what was read otherwise."""

    network: Network
    outputs: tuple[str, ...]
    notes: tuple[str, ...]
    inputs: dict[str, tuple[int, ...]]
    """The shape of a sample of each input; the network's inputs are those of ``taken``, in this order."""
    taken: tuple[str, ...]


def read(path: Path) -> OnnxModel:
    """The network of an ONNX model; weights beside it are read from its folder.

    Raises:
        InputError: the package onnx is not installed; the file is damaged; weights that it names are not beside it; an
            operator is not supported or not where it can be (the node is named).
    """
    try:
        onnx = import_module("onnx")
    except ImportError:
        raise InputError("the package onnx is not installed", "run: pip install diodeq[onnx]") from None
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf's errors have no public base class
        raise InputError("it is damaged or not an ONNX model", EXPORT) from error
    try:
        return _Reader(onnx, model, path.parent).model()
    except (TypeError, ValueError, IndexError, KeyError, OverflowError, AttributeError) as error:
        # names, attributes and inputs that no operator has
        raise InputError("it is damaged: a node has what none can have", EXPORT) from error


class _Reader:
    """One model while it is read: every name is a constant, a value, or left out."""

    def __init__(self, onnx: Any, model: Any, folder: Path) -> None:
        self.onnx, self.graph = onnx, model.graph
        if not self.graph.node:
            raise InputError("it holds no layers", ACCEPTED)
        if len(self.graph.node) > NODES:
            raise InputError(f"it has {len(self.graph.node):,} nodes, more than {NODES:,}", "give a smaller network")
        for function in model.functions:
            if function.domain in STANDARD:
                raise InputError(f"it gives {function.name!r} a meaning of its own", "export it without functions")
        known = {*STEPS, *ENDINGS, *AFTER_ENDINGS, *ELEMENTWISE, *SMALLER, *FILLED, "Constant", "Shape"}
        for node in self.graph.node:
            if node.op_type not in known:
                raise InputError(f"{_where(node)} is not supported", ACCEPTED)
        self.opset = max((each.version for each in model.opset_import if each.domain in STANDARD), default=1)
        self.constants, self.units, self.notes = Constants(onnx, folder), NetworkUnits(), GraphNotes()
        for tensor in self.graph.initializer:
            self.constants.declare(tensor.name, tensor)
        for node in self.graph.node:
            if node.op_type == "Constant":
                self._declare(node)
        self.values: dict[str, Value] = {}
        self.endings: dict[str, Ending] = {}
        self.entries = 0

    def model(self) -> OnnxModel:
        """The network, after every node was read."""
        inputs = self._inputs()
        where = "its inputs" if len(inputs) > 1 else f"its input {next(iter(inputs))!r}"
        values = self.units.samples(where, list(inputs.values()))
        self.values = dict(zip(inputs, values, strict=True))
        for node in self.graph.node:
            self._read(node)
        outputs = self._outputs(values)
        network = cascade(self.units, self._side_by_side(outputs))
        taken = tuple(inputs)
        if len(inputs) > 1:
            network, taken = self._without_unused(network, {name: shape.size or 0 for name, shape in inputs.items()})
        shapes = {}
        for name, shape in inputs.items():
            if len(shape.sample) > 1 and name in taken:
                size = counted(network.widths[0] if len(taken) == 1 else shape.size or 0, "input")
                extents = " x ".join("?" if extent is None else str(extent) for extent in shape.sample)
                self.notes.add(f"a sample of {extents} is one row of {size}", "in that order, the last axis fastest")
            known = tuple(extent or 0 for extent in shape.sample if extent is not None)
            shapes[name] = known if len(known) == len(shape.sample) else (network.widths[0],)
        return OnnxModel(network, tuple(outputs), self.notes.sentences(), shapes, taken)

    def _inputs(self) -> dict[str, Shape]:
        """Every input that is not a weight, and its shape."""
        inputs = [value for value in self.graph.input if value.name not in self.constants]
        if not 1 <= len(inputs) <= INPUTS:
            raise InputError(f"it has {counted(len(inputs), 'input')}", f"diodeq reads models with 1 to {INPUTS}")
        for each in inputs if len(inputs) > 1 else ():
            tensor = each.type.tensor_type
            if tensor.HasField("shape") and len(tensor.shape.dim) < 2:
                self.endings[each.name] = Ending(None, each.name, f"its input {each.name!r}")
        sampled = [each for each in inputs if each.name not in self.endings]
        if not sampled:
            raise InputError("its inputs have no samples", "export the model with a batch of samples")
        return {each.name: self._shape(each) for each in sampled}

    def _shape(self, value: Any) -> Shape:
        tensor, name = value.type.tensor_type, value.name
        if tensor.elem_type not in NUMERIC and tensor.elem_type != 0:
            raise InputError(f"its input {name!r} is not of real numbers", "export the model with float32 inputs")
        if not tensor.HasField("shape"):
            return Shape(None, (None,))
        known = [dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in tensor.shape.dim]
        if len(known) == 1 and all(node.op_type in SINGLE for node in self.graph.node):
            self.notes.add("it takes one sample at a time, and was read as taking many", f"its input {name!r}")
            return Shape(None, (known[0],))
        if len(known) < 2:
            raise InputError(f"its input {name!r} is not one row a sample", "export the model with a batch of samples")
        return Shape(known[0], tuple(known[1:]))

    def _without_unused(self, network: Network, sizes: dict[str, int]) -> tuple[Network, tuple[str, ...]]:
        """The network without the inputs that it does not depend on, and the names of the others."""
        first, at, kept, taken = network.stages[0], 0, [], []
        for name, size in sizes.items():
            if first.U[:, at : at + size].any():
                taken.append(name)
                kept.append(np.arange(at, at + size))
            else:
                self.notes.add("left out, since no output depends on it", f"its input {name!r}")
            at += size
        if not taken:
            raise InputError("its outputs do not depend on its inputs", ACCEPTED)
        if len(taken) > 1:
            self.notes.add("its inputs stand side by side, in this order", ", ".join(taken))
        return Network((replace(first, U=first.U[:, np.concatenate(kept)]), *network.stages[1:])), tuple(taken)

    def _read(self, node: Any) -> None:
        if node.op_type == "Constant":
            return
        where = _where(node)
        attributes = {a.name: self.onnx.helper.get_attribute_value(a) for a in node.attribute}
        for output in node.output:
            if output and (output in self.constants or output in self.values or output in self.endings):
                raise InputError(f"{where} gives the name {output!r} a second time", EXPORT)
        inputs = [name for name in node.input if name]
        unknown = [name for name in inputs if name not in self.constants and name not in self.values | self.endings]
        if unknown:
            raise InputError(f"{where} takes {unknown[0]!r}, which nothing before it gives", EXPORT)
        if any(name in self.endings for name in inputs) or (node.op_type in ENDINGS and self._takes_values(inputs)):
            self._end(node, where, inputs)
        elif node.domain in STANDARD and self._is_constant(node, where, inputs, attributes):
            pass
        else:
            self._step(node, where, attributes)

    def _declare(self, node: Any) -> None:
        """Note a Constant, which some programs write behind what takes it."""
        tensor = constant(self.onnx, {a.name: self.onnx.helper.get_attribute_value(a) for a in node.attribute})
        if tensor is None:
            raise InputError(f"{_where(node)} is not a plain tensor", "use an initializer")
        if node.output[0] in self.constants:
            raise InputError(f"{_where(node)} gives the name {node.output[0]!r} a second time", EXPORT)
        self.constants.declare(node.output[0], tensor)

    def _takes_values(self, inputs: list[str]) -> bool:
        return any(name in self.values for name in inputs)

    def _is_constant(self, node: Any, where: str, inputs: list[str], attributes: dict[str, Any]) -> bool:
        """Whether a node takes nothing that the network computes; its value is noted then."""
        if node.op_type == "Shape" and len(inputs) == 1 and inputs[0] in self.values:
            shape = self.values[inputs[0]].shape
            sample = (UNKNOWN if extent is None else extent for extent in shape.sample)
            extents = [BATCH if shape.batch is None else shape.batch, *sample]
            begin, end = attributes.get("start", 0), attributes.get("end", len(extents))
            self.constants.put(node.output[0], np.array(extents[begin:end], np.int64))
            return True
        if not inputs or self._takes_values(inputs):
            return False
        found = [self.constants.raw(name) for name in inputs]
        self.constants.put(
            node.output[0], fold(self.onnx, node, where, found, attributes, self.opset, self.constants.room)
        )
        return True

    def _step(self, node: Any, where: str, attributes: dict[str, Any]) -> None:
        """One more node that computes something of the input."""
        kind, inputs = node.op_type, list(node.input)
        domains = ("ai.onnx.ml",) if kind in MACHINE_LEARNING else STANDARD
        if kind not in STEPS or node.domain not in domains:
            raise InputError(f"{where} is not supported", ACCEPTED)
        step, known, most = STEPS[kind]
        unknown = sorted(set(attributes) - known)
        if unknown or len(inputs) > most:
            what = f"the attribute {unknown[0]!r}" if unknown else counted(len(inputs), "input")
            raise InputError(f"{where} has {what}, which diodeq does not know", "export the model with a newer opset")
        outputs = list(node.output)
        if not outputs or (any(outputs[1:]) and kind not in SEVERAL):
            if kind != "Dropout":
                raise InputError(f"{where} has {counted(len(outputs), 'output')}", EXPORT)
            outputs = outputs[:1]  # the other is a mask, for training
        context = (self.constants, self.values, self.units, self.notes, self.opset)
        each = GraphNode(kind, where, inputs, len(outputs), attributes, *context)
        if kind == "Reshape" and strings_samples(each):
            self.endings[outputs[0]] = Ending(each.value(0), inputs[0], where)
            return
        found = step(each)
        for name, value in zip(outputs, found if isinstance(found, list) else [found], strict=True):
            self.values[name] = value
            self.entries += value.matrix.nnz
        if self.entries > max(ENTRIES, 8 * self.constants.numbers):
            raise InputError(f"{where} brings its matrices to {self.entries:,} weights", "give a smaller network")

    def _end(self, node: Any, where: str, inputs: list[str]) -> None:
        """Leave a node out that makes a decision of an output, or follows one that does."""
        before = [self.endings[name] for name in inputs if name in self.endings]
        if before and node.op_type not in ENDINGS | AFTER_ENDINGS:
            raise InputError(
                f"{where} follows {before[0].where.removeprefix('its ')}, which can only be left out at the end",
                "end the model there",
            )
        if node.op_type in ENDINGS:
            self.notes.add("left out at the end; the outputs are what goes into it", where.removeprefix("its node "))
        name = next(name for name in inputs if name in self.endings or name in self.values)
        first = before[0] if before else Ending(self.values[name], name, where)
        for output in node.output:
            self.endings[output] = first

    def _outputs(self, inputs: list[Value]) -> dict[str, Value]:
        """The tensors that are the outputs; of several, those that only pass an input on are left out."""
        found: dict[str, Value] = {}
        for output in self.graph.output:
            name = output.name
            value = self.values.get(name)
            if name in self.endings:
                name, value = self.endings[name].name, self.endings[name].source
            elif value is None and name in self.constants and len(self.graph.output) > 1:
                self.notes.add("left out, since it depends on no input", f"its output {name!r}")
                continue
            elif value is None:
                raise InputError(f"its output {name!r} is not computed from its input", ACCEPTED)
            several = len(self.graph.output) > 1
            if value is None or (several and any(value.matrix is each.matrix for each in inputs)):
                self.notes.add("left out, since it only passes an input on", f"its output {name!r}")
            elif not any(value.matrix is other.matrix and value.offset is other.offset for other in found.values()):
                found[name] = value
        if not found:
            raise InputError("it has no outputs", EXPORT)
        return found

    def _side_by_side(self, outputs: dict[str, Value]) -> Value:
        values = [value.sized("its end") for value in outputs.values()]
        if len(values) == 1:
            return values[0]
        self.notes.add("its outputs stand side by side, in this order", ", ".join(outputs))
        return joined("its end", values, np.arange(sum(len(value.offset) for value in values)))


def _where(node: Any) -> str:
    return f"its node {(node.name or ' '.join(node.output))!r} ({node.op_type})"
