"""Networks from ONNX: one chain of linear layers, activations, scalings and changes of shape (``steps.STEPS``)."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from diodeq.errors import InputError
from diodeq.network.network import Network
from diodeq.network.weights.chain import Chain, Shape
from diodeq.network.weights.constants import BATCH, UNKNOWN, Constants, computed_weights, constant, shape_step
from diodeq.network.weights.steps import DOMAINS, STEPS, Node
from diodeq.printable import counted

ACCEPTED = f"diodeq reads one chain of {', '.join(STEPS)} (also Constant and what computes shapes)"
NODES = 10_000
STANDARD = ("", "ai.onnx")
NUMERIC = {1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13}
"""ONNX's element types that hold real numbers a sample can be given in."""


def read(path: Path) -> Network:
    """The network of an ONNX model; weights beside it are read from its folder.

    Raises:
        InputError: the package onnx is not installed; the file is damaged; weights that it names are not beside it; an
            operator is not supported or the graph is not one chain (the node is named).
    """
    try:
        onnx = import_module("onnx")
    except ImportError:
        raise InputError("the package onnx is not installed", "run: pip install diodeq[onnx]") from None
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf's errors have no public base class
        raise InputError("it is damaged or not an ONNX model", "export the model again") from error
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # a stage refuses what is not finite
            return _network(onnx, model, path.parent)
    except (TypeError, ValueError, IndexError, KeyError, OverflowError, AttributeError) as error:
        # names, attributes and inputs that no operator has
        raise InputError("it is damaged: a node has what none can have", "export the model again") from error


def _network(onnx: Any, model: Any, folder: Path) -> Network:
    graph = model.graph
    if not graph.node:
        raise InputError("it holds no layers", ACCEPTED)
    if len(graph.node) > NODES:
        raise InputError(f"it has {len(graph.node):,} nodes, more than {NODES:,}", "give a smaller network")
    for function in model.functions:
        if function.domain in STANDARD:
            raise InputError(f"it gives {function.name!r} a meaning of its own", "export the model without functions")
    constants = Constants(onnx, folder)
    for tensor in graph.initializer:
        constants.declare(tensor.name, tensor)
    value, chain = _input(graph, constants)
    shapes = {value: chain.shape}
    for node in graph.node:
        where = f"its node {(node.name or ' '.join(node.output))!r} ({node.op_type})"
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        for output in node.output:
            if output and (output in constants or output in shapes):
                raise InputError(f"{where} gives the name {output!r} a second time", "export the model again")
        if not _constant(onnx, node, where, attributes, constants, shapes):
            chain = _step(node, where, attributes, constants, value, chain)
            value = node.output[0]
            shapes[value] = chain.shape
    outputs = [output.name for output in graph.output]
    if outputs != [value]:
        raise InputError(f"its outputs {outputs[:8]} are not the end of the chain, {value!r}", ACCEPTED)
    if not chain.layers:
        raise InputError("it holds no Gemm or MatMul", ACCEPTED)
    return chain.network()


def _step(node: Any, where: str, attributes: dict[str, Any], constants: Constants, value: str, chain: Chain) -> Chain:
    """The chain with one more node."""
    kind, inputs = node.op_type, list(node.input)
    domains = (DOMAINS[kind],) if kind in DOMAINS else STANDARD
    if kind not in STEPS or node.domain not in domains:
        raise InputError(f"{where} is not supported", ACCEPTED)
    if chain.joined and kind not in ("Identity", "Cast"):
        raise InputError(f"{where} follows a Reshape that makes one row of all samples", ACCEPTED)
    step, known, most = STEPS[kind]
    unknown = sorted(set(attributes) - known)
    if unknown or len(inputs) > most:
        what = f"the attribute {unknown[0]!r}" if unknown else counted(len(inputs), "input")
        raise InputError(f"{where} has {what}, which diodeq does not know", "export the model with a newer opset")
    extra = [output for output in node.output[1:] if output]
    if not node.output or (extra and kind != "Dropout") or inputs.count(value) != 1:
        raise InputError(f"{where} does not continue the chain: it does not take {value!r}", ACCEPTED)
    return step(chain, Node(kind, where, inputs, attributes, constants, inputs.index(value)))


def _constant(
    onnx: Any,
    node: Any,
    where: str,
    attributes: dict[str, Any],
    constants: Constants,
    shapes: dict[str, Shape],
) -> bool:
    """Whether a node does not continue the chain because it is a constant; its value is noted then."""
    kind, inputs = node.op_type, list(node.input)
    if node.domain not in STANDARD or len(node.output) != 1:
        return False
    name = node.output[0]
    if kind == "Constant":
        tensor = constant(onnx, attributes)
        if tensor is None:
            raise InputError(f"{where} is not a plain tensor", "use an initializer")
        constants.declare(name, tensor)
        return True
    if kind == "Shape" and len(inputs) == 1 and inputs[0] in shapes:
        shape = shapes[inputs[0]]
        sample = (UNKNOWN if extent is None else extent for extent in shape.sample)
        extents = [BATCH if shape.batch is None else shape.batch, *sample]
        begin, end = attributes.get("start", 0), attributes.get("end", len(extents))
        constants.put(name, np.array(extents[begin:end], np.int64))
        return True
    if not inputs or any(one not in constants for one in inputs):
        return False
    found = [constants.raw(one) for one in inputs]
    turned = computed_weights(kind, found[0], attributes) if len(found) == 1 else None
    constants.put(name, shape_step(kind, where, found, attributes) if turned is None else turned)
    return True


def _input(graph: Any, constants: Constants) -> tuple[str, Chain]:
    """The name of the one input that is not a weight, and the chain before its first node."""
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1:
        raise InputError(f"it has {len(inputs)} inputs", "diodeq reads models with one input")
    tensor = inputs[0].type.tensor_type
    if tensor.elem_type not in NUMERIC and tensor.elem_type != 0:
        raise InputError(f"its input {inputs[0].name!r} is not of real numbers", "export the model with float32 inputs")
    if not tensor.HasField("shape"):
        return inputs[0].name, Chain(Shape(None, (None,)))
    extents = [dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in tensor.shape.dim]
    if len(extents) < 2:
        raise InputError(
            f"its input {inputs[0].name!r} is not one row a sample", "export the model with a batch of samples"
        )
    return inputs[0].name, Chain(Shape(extents[0], tuple(extents[1:])))
