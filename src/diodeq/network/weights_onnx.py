"""Networks from ONNX: one chain of Gemm or MatMul + Add layers with Relu between them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from diodeq.errors import InputError
from diodeq.network.activations import Activation
from diodeq.network.network import Network, Stage
from diodeq.network.weights_keys import Arrays, Floats, check_size, matrix, numbers

ACCEPTED = "diodeq reads one chain of Gemm, MatMul, Add, Relu and Flatten (also Identity and Constant)"


@dataclass(frozen=True, eq=False)
class _Layer:
    name: str
    U: Floats
    b: Floats
    activated: bool = False


@dataclass(frozen=True, eq=False)
class _Chain:
    """What has been read so far: ``value`` is the tensor that the next node must take."""

    value: str
    flat: bool
    layers: tuple[_Layer, ...] = ()


def read(path: Path) -> Network:
    """The network of an ONNX model.

    Raises:
        InputError: the package onnx is not installed; the file is damaged or refers to other files; an operator is not
            supported or the graph is not one chain (the node is named).
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
            return _network(onnx, model.graph)
    except (TypeError, ValueError, IndexError) as error:  # names, attributes and inputs that no operator has
        raise InputError("it is damaged: a node has what none can have", "export the model again") from error


def _network(onnx: Any, graph: Any) -> Network:
    if not graph.node:
        raise InputError("it holds no layers", ACCEPTED)
    constants = {tensor.name: _constant(onnx, tensor) for tensor in graph.initializer}
    chain = _Chain(*_input(graph, constants))
    for node in graph.node:
        where = f"its node {(node.name or ' '.join(node.output))!r} ({node.op_type})"
        if node.domain not in ("", "ai.onnx") or node.op_type not in ("Constant", *STEPS):
            raise InputError(f"{where} is not supported", ACCEPTED)
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Constant":
            if not isinstance(attributes.get("value"), onnx.TensorProto):
                raise InputError(f"{where} is not a plain tensor", "use an initializer")
            constants[node.output[0]] = _constant(onnx, attributes["value"])
            continue
        if len(node.output) != 1 or chain.value not in node.input or list(node.input).count(chain.value) > 1:
            raise InputError(f"{where} does not continue the chain: it does not take {chain.value!r}", ACCEPTED)
        chain = STEPS[node.op_type](chain, _Node(where, list(node.input), attributes, constants))
        chain = replace(chain, value=node.output[0])
    outputs = [output.name for output in graph.output]
    if outputs != [chain.value]:
        raise InputError(f"its outputs {outputs} are not the end of the chain, {chain.value!r}", ACCEPTED)
    if not chain.layers:
        raise InputError("it holds no Gemm or MatMul", ACCEPTED)
    return Network(
        tuple(
            Stage(U=layer.U, b=layer.b, W=None, activation=Activation("relu" if layer.activated else "identity"))
            for layer in chain.layers
        )
    )


@dataclass(frozen=True, eq=False)
class _Node:
    where: str
    inputs: list[str]
    attributes: dict[str, Any]
    constants: Arrays

    def constant(self, place: int) -> Floats:
        """The weights at one place of the node's inputs."""
        name = self.inputs[place] if place < len(self.inputs) else ""
        if name not in self.constants:
            raise InputError(f"{self.where} takes {name!r}, which is not a constant", ACCEPTED)
        return numbers(name, self.constants[name])


def _gemm(chain: _Chain, node: _Node) -> _Chain:
    """alpha · x · B' + beta · C, with B' = B transposed if transB says so."""
    if node.inputs[0] != chain.value or node.attributes.get("transA", 0):
        raise InputError(f"{node.where} transposes its input or takes it in another place", ACCEPTED)
    B = matrix(node.inputs[1], node.constant(1)) * float(node.attributes.get("alpha", 1.0))
    U = B if node.attributes.get("transB", 0) else B.T
    b = np.zeros(len(U))
    if len(node.inputs) > 2 and node.inputs[2]:
        b = b + _row(node, 2, len(U)) * float(node.attributes.get("beta", 1.0))
    return _linear(chain, node, U, b)


def _matmul(chain: _Chain, node: _Node) -> _Chain:
    if node.inputs[0] != chain.value:
        raise InputError(f"{node.where} multiplies from the left", "write x @ weights")
    U = matrix(node.inputs[1], node.constant(1)).T
    return _linear(chain, node, U, np.zeros(len(U)))


def _linear(chain: _Chain, node: _Node, U: Floats, b: Floats) -> _Chain:
    if not chain.flat:
        raise InputError(f"{node.where} takes an input that is not one row a sample", "put a Flatten before it")
    if chain.layers and U.shape[1] != len(chain.layers[-1].b):
        raise InputError(
            f"{node.where} takes {U.shape[1]} inputs but the layer before it has {len(chain.layers[-1].b)} outputs",
            "export the model again",
        )
    return replace(chain, layers=(*chain.layers, _Layer(node.where, U, b)))


def _add(chain: _Chain, node: _Node) -> _Chain:
    layer = _last(chain, node)
    row = _row(node, 1 if node.inputs[0] == chain.value else 0, len(layer.b))
    return replace(chain, layers=(*chain.layers[:-1], replace(layer, b=layer.b + row)))


def _relu(chain: _Chain, node: _Node) -> _Chain:
    return replace(chain, layers=(*chain.layers[:-1], replace(_last(chain, node), activated=True)))


def _flatten(chain: _Chain, node: _Node) -> _Chain:
    if node.attributes.get("axis", 1) != 1:
        raise InputError(f"{node.where} has axis {node.attributes['axis']}", "flatten from axis 1, sample by sample")
    return replace(chain, flat=True)


def _identity(chain: _Chain, node: _Node) -> _Chain:
    return chain


# operator -> what it adds to the chain
STEPS = {"Gemm": _gemm, "MatMul": _matmul, "Add": _add, "Relu": _relu, "Flatten": _flatten, "Identity": _identity}


def _last(chain: _Chain, node: _Node) -> _Layer:
    if not chain.layers or chain.layers[-1].activated:
        raise InputError(f"{node.where} does not follow a Gemm or MatMul", ACCEPTED)
    return chain.layers[-1]


def _row(node: _Node, place: int, n: int) -> Floats:
    """A bias as one row of n numbers; ONNX broadcasts."""
    value = node.constant(place)
    if value.size not in (1, n) or value.size != (value.shape[-1] if value.shape else 1):
        raise InputError(
            f"{node.where} adds {node.inputs[place]!r} of shape {value.shape}", f"give it the shape ({n},)"
        )
    return np.broadcast_to(value.reshape(-1), (n,))


def _constant(onnx: Any, tensor: Any) -> Any:
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise InputError(f"its tensor {tensor.name!r} lies in another file", "save the model with its weights inside")
    check_size(tensor.name, tuple(tensor.dims))
    try:
        return np.asarray(onnx.numpy_helper.to_array(tensor))
    except Exception as error:  # whatever the package meets in damaged bytes
        raise InputError(f"its tensor {tensor.name!r} is damaged", "export the model again") from error


def _input(graph: Any, constants: Arrays) -> tuple[str, bool]:
    """The name of the one input that is not a weight, and whether it is one row a sample."""
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1:
        raise InputError(f"it has {len(inputs)} inputs", "diodeq reads models with one input")
    tensor = inputs[0].type.tensor_type
    return inputs[0].name, not tensor.HasField("shape") or len(tensor.shape.dim) == 2
