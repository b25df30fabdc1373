"""The builder of circuits: what layered circuits were they are, and any graph of its pieces is what it says."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from diodeq.circuit import KINDS, Circuit
from diodeq.devices import catalogue
from diodeq.devices.hardware.technology import Technology
from diodeq.devices.units import Unit
from diodeq.synthesis import layered

DIODE = catalogue.get("1N4148")


def structure(circuit: Circuit) -> str:
    """SHA-256 of all of a circuit but its conductances, whose last bits are the processor's."""
    found = hashlib.sha256(repr((circuit.nodes, circuit.output_names, circuit.inputs.names, circuit.title)).encode())
    found.update(repr([model.name for model in circuit.models]).encode())
    for kind in KINDS:
        parts = circuit.bank(kind)
        found.update(repr((kind, len(parts), parts.names, parts.groups, str(parts.values.dtype))).encode())
        found.update(parts.terminals.astype("<i4").tobytes())
        if kind != "resistors":
            found.update(parts.values.astype("<f8").tobytes())
    for array in (circuit.inputs.source, circuit.inputs.column, circuit.inputs.gain, circuit.outputs, circuit.mask):
        found.update(repr(array.shape).encode() + array.astype("<f8").tobytes())
    return found.hexdigest()


# As they were before circuits were assembled from pieces.
LAYERED = {
    "plain": ((3, 4, 2), {}, "13b0aa495bdae2bd58da13ac50375acc12e00a8b52d3e1d4a21a5e78a25aba1e"),
    "least": ((1, 1, 1), {}, "d494d791c6ce966ff6e9776b1de3328d47931f2602a0d3b261e8ad985ef3d6af"),
    "deep and lateral": (
        (4, 5, 1, 3, 2),
        {"lateral": True, "seed": 3},
        "0718be506b66540d43f6f990d44034bc667ace7c46618d0f5d116c73d6a35b73",
    ),
    "pairs": (
        (2, 3, 2, 2),
        {"unit": "pair:2.5", "seed": [1, 2], "volts": 3.0},
        "c0a721c9c687c78fd15d7ade3872cedb9a312c66fe814f1858f26faff6170e1e",
    ),
    "clamps": (
        (2, 3, 2, 2),
        {"unit": "clamp:1.5", "temperature": 50.0, "title": "of clamps"},
        "fa1928b2cb00c9c47f0c1eed446626e7fdd3350e3eb83f2866e4f985fc05fc18",
    ),
    "zener pairs": (
        (5, 4, 3),
        {"unit": "zener-pair", "diode": catalogue.get("BZX84C3V3")},
        "586c62b58d506a18fadd7bebc20ca29656a1b0fdd963d22bd0cfc27cdc21f83e",
    ),
}


@pytest.mark.parametrize("name", LAYERED)
def test_layered_circuits_are_what_they_were(name):
    widths, more, digest = LAYERED[name]
    given = {"volts": 5.0, "seed": 0, "diode": DIODE, "median": 2e-5, "spread": 1.5, **more}
    technology = Technology(1e-6, 1e-3)
    circuit = layered(widths, given.pop("diode"), given.pop("volts"), technology=technology, **given)
    assert structure(circuit) == digest
    logarithms = np.random.default_rng(given["seed"]).standard_normal(len(circuit.resistors))
    wanted = technology.clip(np.exp(math.log(2e-5) + 1.5 * logarithms))
    assert np.array_equal(circuit.conductances, wanted)
    assert circuit.temperature == given.get("temperature", 27.0)
    assert circuit.models == (Unit.parse(given.get("unit", "diode")).kind.device(more.get("diode", DIODE)),)
