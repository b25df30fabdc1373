"""The table of the networks in this folder: by which program each was written, and that program's own outputs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


class Table:
    def __init__(self, part):
        self._path = HERE / f"{part}.json"
        self._entries = json.loads(self._path.read_text()) if self._path.exists() else {}

    def read(self, path, by, x, y, **given):
        """A file that must read, and answer ``y`` at ``x``, one row a sample."""
        rows = [np.asarray(value, np.float64).reshape(len(x), -1).tolist() for value in (x, y)]
        rows[1] = [[float(f"{number:.10g}") for number in row] for row in rows[1]]
        self._entries[path.name] = {"by": by, **({"given": given} if given else {}), "x": rows[0], "y": rows[1]}

    def refused(self, path, by, words, **given):
        """A file that must be refused in these words."""
        self._entries[path.name] = {"by": by, **({"given": given} if given else {}), "refused": words}

    def write(self):
        lines = [f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in sorted(self._entries.items())]
        self._path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def short(x):
    """Multiples of 1/64, which have few digits in decimal."""
    return (x * 64).round() / 64


LEFT_OUT = {"Softmax", "LogSoftmax", "ArgMax", "ZipMap", "ArrayFeatureExtractor", "Binarizer"}


def onnxruntime_outputs(path, x):
    """What goes into a final Softmax, ArgMax or table of probabilities, else the outputs side by side."""
    import onnx
    import onnxruntime

    model = onnx.load(str(path))
    made = {name: node for node in model.graph.node for name in node.output}
    wanted = []
    for output in model.graph.output:
        name = output.name
        behind, at = name, name
        while at in made and made[at].op_type in {*LEFT_OUT, "Cast", "Reshape", "Identity", "Squeeze"}:
            node = made[at]
            at = node.input[1 if node.op_type == "ArrayFeatureExtractor" else 0]
            behind = at if node.op_type in LEFT_OUT else behind
        wanted += [behind] if behind not in wanted else []
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    found = session.run(None, {session.get_inputs()[0].name: x})
    return np.concatenate([np.reshape(part, (len(x), -1)) for part in found], axis=1)
