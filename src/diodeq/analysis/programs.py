"""A weights file run by the program it was made for, so that a network is not judged by its own reader alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from diodeq.circuit.bank import Floats
from diodeq.errors import InputError
from diodeq.network import Network, solve
from diodeq.network.weights import external, onnx

OWN = "diodeq's own solver"
DOUBTFUL = 1e-3
"""Of the largest output: single precision does not explain more."""


@dataclass(frozen=True)
class ProgramComparison:
    """``program`` and the largest difference of its outputs from the network's, over its largest output.

    ``difference`` is None where no other program could be asked, and ``reason`` says why.
    """

    program: str
    difference: float | None = None
    reason: str = ""

    def sentence(self) -> str:
        """In words."""
        if self.difference is None:
            return f"reference: {self.program}; {self.reason}"
        return f"reference: {self.program} runs the file itself; outputs differ by {self.difference:.1e} of the largest"

    def to_json(self) -> dict[str, Any]:
        """As a plain dict."""
        return {"program": self.program, "max": self.difference, "reason": self.reason or None}


def against_program(path: Path, network: Network, x: Floats) -> ProgramComparison:
    """The network's outputs for ``x`` float64[B, n_in] beside those of the program that runs its file, if there is one.

    Raises:
        InputError: the program cannot run the file.
    """
    if path.suffix.lower() != ".onnx":
        return ProgramComparison(OWN, reason=f"{path.suffix} files hold weights, which no other program runs alone")
    try:
        runtime = import_module("onnxruntime")
    except ImportError:
        return ProgramComparison(OWN, reason="pip install diodeq[verify] lets onnxruntime run the file itself")
    try:
        found = _run(runtime, path, x)
    except InputError:
        raise
    except Exception as error:  # its errors have no public base class
        return ProgramComparison(OWN, reason=f"onnxruntime could not run the file ({type(error).__name__})")
    own = solve(network, x).outputs
    scale = float(np.max(np.abs(found), initial=0.0)) or 1.0
    difference = float(np.max(np.abs(found - own), initial=0.0)) / scale
    return ProgramComparison(f"onnxruntime {runtime.__version__}", difference)


def _run(runtime: Any, path: Path, x: Floats) -> Floats:
    """What the tensors that the network's outputs are have in onnxruntime; it opens no file but this one."""
    package = import_module("onnx")
    read = onnx.read(path)
    model = package.load(str(path), load_external_data=False)
    tensors = [*model.graph.initializer, *(a.t for node in model.graph.node for a in node.attribute if a.HasField("t"))]
    for tensor in tensors:
        if tensor.data_location == package.TensorProto.EXTERNAL:
            external.embed(package, path.parent, tensor)
    del model.graph.output[:]
    model.graph.output.extend(package.ValueInfoProto(name=name) for name in read.outputs)
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found = []
    for row in x:
        feed, at = {}, 0
        for port in session.get_inputs():
            kind = np.float64 if port.type == "tensor(double)" else np.float32
            if port.name not in read.inputs:  # it is only passed on
                feed[port.name] = np.zeros([n if isinstance(n, int) else 1 for n in port.shape], kind)
                continue
            shape = read.inputs[port.name]
            size = math.prod(shape) if port.name in read.taken else 0
            sample = row[at : at + size] if size else np.zeros(math.prod(shape))
            at += size
            if len(port.shape) == 1:  # one sample at a time
                feed[port.name] = np.reshape(sample, -1).astype(kind)
                batch = 1
                continue
            batch = port.shape[0] if isinstance(port.shape[0], int) and port.shape[0] > 0 else 1
            repeated = np.broadcast_to(sample.reshape(shape), (batch, *shape))
            feed[port.name] = repeated.astype(kind)
        outputs = session.run(None, feed)
        found.append(np.concatenate([np.reshape(one, (batch, -1))[0] for one in outputs]))
    return np.asarray(found, np.float64)
