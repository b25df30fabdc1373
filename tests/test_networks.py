"""Networks by the programs that write them: each reads, and answers as its own program did, or is refused by name.

The files of ``tests/networks`` were made by its scripts, which say how; tables beside them hold the programs' answers.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from diodeq.errors import InputError
from diodeq.network import solve, weights

FOLDER = Path(__file__).parent / "networks"
TABLES = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]
ENTRIES = {name: entry for table in TABLES for name, entry in table.items()}
NEEDS = {".onnx": "onnx", ".pt": "torch", ".skops": "skops"}
NOTED = {
    "softmax-dynamo.onnx": ["left out at the end; the outputs are what goes into it: 'node_softmax' (Softmax)"],
    "argmax-script.onnx": ["left out at the end; the outputs are what goes into it: '/ArgMax' (ArgMax)"],
    "policy.onnx": [
        "left out, since it does nothing after training: 'Identity_3' (Identity)",
        "left out, since it only passes an input on: its output '9'",
        "left out, since no output depends on it: its input 'state_ins'",
    ],
    "both.onnx": ["its inputs stand side by side, in this order: obs, state_ins"],
    "heads-dynamo.onnx": ["its outputs stand side by side, in this order: linear_1, linear_4"],
    "conv-dynamo.onnx": ["a sample of 2 x 6 x 6 is one row of 72 inputs: in that order, the last axis fastest"],
    "classes.skops": ["left out at the end; the outputs are what goes into it: the softmax of its classes"],
    "checkpoint.pt": ["left out of the checkpoint, beside its model_state_dict: epoch, optimizer_state_dict"],
    "layers.pt": ["left out, since --layers does not name them: value"],
}


def opened(name):
    needed = NEEDS.get(Path(name).suffix)
    if needed:
        pytest.importorskip(needed)
    return weights.read(FOLDER / name, **ENTRIES[name].get("given", {}))


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if "y" in entry])
def test_a_network_answers_as_its_own_program(name):
    loaded, entry = opened(name), ENTRIES[name]
    wanted = np.array(entry["y"])
    found = solve(loaded.network, np.array(entry["x"])).outputs
    assert found.shape == wanted.shape
    assert np.max(np.abs(found - wanted)) < 1e-6 * np.max(np.abs(wanted))
    assert list(loaded.notes) == NOTED.get(name, list(loaded.notes))


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if "refused" in entry])
def test_a_network_is_refused_by_the_name_of_what_is_in_the_way(name):
    with pytest.raises(InputError) as caught:
        opened(name)
    assert any(words in str(caught.value) for words in ENTRIES[name]["refused"].split("|")), str(caught.value)
    assert name in caught.value.problem
    assert "\n" not in str(caught.value)


def test_every_file_is_in_a_table():
    files = {path.name for path in FOLDER.iterdir() if path.suffix not in (".py", ".json") and path.is_file()}
    assert files - {"beside.onnx.data"} == set(ENTRIES)
    assert len(ENTRIES) >= 60
