"""Parts that come near an activation: what is proposed is what the parts do, in ngspice too."""

from __future__ import annotations

import json

import numpy as np
import pytest

from diodeq.circuit import Circuit, Inputs, bank
from diodeq.circuit.check import check
from diodeq.cli.main import main
from diodeq.devices import catalogue
from diodeq.devices.units import Unit
from diodeq.errors import UsageError
from diodeq.network import Activation
from diodeq.synthesis.proposals import STAGES, proposals, structures

PART = catalogue.get("1N4148")


@pytest.fixture(scope="module")
def tanh():
    return list(proposals(Activation("tanh"), [PART]))


def built(proposal) -> Circuit:
    """A node behind the proposal's resistance with its diodes, rails and resistors."""
    rails = list(proposal.rails)
    nodes = ["0", "in", "node", *rails]
    resistors, diodes = [(1, 2, 1.0 / proposal.ohms)], []
    if not rails:
        diodes = [(2, 0, 0), (0, 2, 0)]
    for rail in rails:
        stage, end = int(rail.removeprefix("high").removeprefix("low")), 2
        if stage <= len(proposal.resistors) // 2:
            end = len(nodes)
            nodes.append(f"behind_{rail}")
            resistors.append((2, end, 1.0 / proposal.resistors[2 * (stage - 1)]))
        at = nodes.index(rail)
        diodes.append((end, at, 0) if rail.startswith("high") else (at, end, 0))
    sources = [(1, 0, 0.0), *((nodes.index(rail), 0, volts) for rail, volts in proposal.rails.items())]
    return check(
        Circuit(
            tuple(nodes),
            resistors=bank("resistors", resistors),
            diodes=bank("diodes", diodes),
            voltage_sources=bank("voltage_sources", sources),
            models=(proposal.part,),
            inputs=Inputs(np.zeros(1, np.int32), np.zeros(1, np.int32), np.ones(1), ("x",)),
            outputs=np.array([(2, 0)], np.int32),
        )
    )


def test_what_is_proposed_is_what_the_parts_do(tanh, ngspice):
    assert [each.structure for each in tanh] == ["pair", "clamp", "2 clamps a side"]
    for each in tanh:
        volts = each.volts_per_unit
        found = ngspice.operate(built(each), volts * each.x[:, None]).outputs[:, 0] / volts
        assert np.abs(found - each.found).max() < 1e-7
        assert np.abs(found - np.tanh(each.x)).max() == pytest.approx(each.error, abs=1e-7)
        assert max(np.abs(volts * each.x).max(), *map(abs, each.rails.values()), 0.0) <= 5.0 * (1 + 1e-12)


def test_rails_take_up_a_drop_of_several_units():
    diode, _ = proposals(Activation("relu"), [catalogue.get("NMOS-1V")])
    assert diode.error < 0.02
    assert diode.volts_per_unit < 0.4
    assert 0.9 < diode.rails["low"] < 1.1


def test_more_parts_come_nearer(tanh):
    pair, clamp, two = (each.error for each in tanh)
    assert clamp < pair * 1.02 < 0.05
    assert two < 0.4 * clamp
    assert [each.parts for each in tanh] == [2, 2, 4]
    assert [len(structures(True, stages)) for stages in (1, 2, 4)] == [2, 3, 5]
    assert STAGES == 2


def test_a_pair_is_the_asinh_it_is():
    pair = next(iter(proposals(Activation("asinh", 1.0), [PART], stages=1)))
    thermal = 1.752 * 0.025865
    assert pair.error < 1e-3
    assert pair.volts_per_unit == pytest.approx(thermal, rel=0.02)
    assert Unit("pair").element.branches == Unit.parse("pair:0").element.branches


def test_a_diode_is_the_diode_relu_it_is():
    diode = next(each for each in proposals(Activation("diode-relu", 0.05), [PART]) if each.structure == "diode")
    assert diode.error < 2e-3


@pytest.mark.parametrize("text", ["relu", "leaky-relu:0.2"])
def test_one_sided_activations_get_one_diode(text):
    found = {each.structure: each for each in proposals(Activation.parse(text), [PART])}
    assert {each.parts for each in found.values()} == {1}
    assert found["diode" if text == "relu" else "diode behind a resistor"].error < 0.08


def test_a_lower_supply_is_kept_to():
    for each in proposals(Activation("tanh"), [PART], supply=1.0, stages=1):
        assert np.abs(each.volts_per_unit * each.x).max() <= 1.0 + 1e-12
        assert all(abs(volts) <= 1.0 for volts in each.rails.values())


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("identity", {}, "identity is not made of diodes"),
        ("soft-threshold", {}, "soft-threshold is not made"),
        ("tanh", {"stages": 9}, "9 stages are not possible"),
        ("tanh", {"supply": 0.0}, "supply of 0 V"),
        ("tanh", {"reach": np.inf}, "reach of inf"),
    ],
)
def test_what_cannot_be_fitted(name, given, words):
    with pytest.raises(UsageError, match=words):
        next(proposals(Activation.parse(name), [PART], **given))


def test_the_command(tmp_path, capsys):
    picture = tmp_path / "fit.svg"
    words = ["devices", "fit", "sigmoid", "--part", "1N4148", "--stages", "1"]
    assert main([*words, "-o", str(picture), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["activation"] == "sigmoid"
    errors = [each["largest_error"] for each in found["proposals"]]
    assert errors == sorted(errors)
    assert picture.read_text().lstrip().startswith("<svg")
    assert main([*words, "--top", "1"]) == 0
    told = capsys.readouterr().out
    assert "these are for tanh" in told
    assert " 1. " in told
    assert " 2. " not in told
    assert main(["devices", "fit", "softmax"]) == 3
    assert main(["devices", "fit", "tanh", "--part", "1N9999"]) == 2
    assert "there is no diode called '1N9999'" in capsys.readouterr().err
