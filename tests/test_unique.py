"""Whether a circuit is said to have a single operating point."""

import json
from dataclasses import replace

import numpy as np
import pytest

from circuits import CIRCUITS, DRIVES
from diodeq.analysis.certificate import doubt
from diodeq.circuit import Circuit, Inputs, bank
from diodeq.cli.main import main
from diodeq.devices import DiodeModel, catalogue
from diodeq.network import Network, Stage
from diodeq.simulators.ngspice.jobs import judge_of
from diodeq.synthesis import compile_network


def latch() -> Circuit:
    """Two inverting amplifiers of gain 5 round a loop, each through 1 kOhm onto a pair of clamping diodes."""
    return Circuit(
        nodes=("0", "a", "b", "p", "q", "i"),
        resistors=bank("resistors", [(3, 1, 1e-3), (4, 2, 1e-3), (5, 1, 1e-4), (1, 0, 1e-5), (2, 0, 1e-5)]),
        diodes=bank("diodes", [(1, 0, 0), (0, 1, 0), (2, 0, 0), (0, 2, 0)]),
        voltage_sources=bank("voltage_sources", [(5, 0, 0.0)]),
        buffers=bank("buffers", [(3, 0, 2, 0, -5.0), (4, 0, 1, 0, -5.0)]),
        models=(catalogue.get("1N4148"),),
        inputs=Inputs([0], [0], [1.0], ("x",)),  # type: ignore[arg-type]
        outputs=np.array([(1, 0), (2, 0)], np.int32),
    )


def test_passive_circuits_and_cascades_have_one() -> None:
    for name in ("layered", "lateral", "transformer", "gyrator"):
        assert doubt(CIRCUITS[name]()) is None
    rng = np.random.default_rng(0)
    stages = (
        Stage(rng.normal(size=(4, 3)), rng.normal(size=4)),
        Stage(rng.normal(size=(2, 4)), rng.normal(size=2)),
    )
    assert doubt(compile_network(Network(stages), "buffered", diode="1N4148").circuit) is None


def test_a_latch_has_several() -> None:
    """It does have them: both states, and the one between, satisfy every equation."""
    circuit = latch()
    assert doubt(circuit) == "it has amplifiers, and nothing proves the contrary"
    weak = replace(circuit, buffers=circuit.buffers.with_values([-0.5, -0.5]))
    assert doubt(weak) is None
    judge = judge_of(circuit)
    right = judge.equations.driven(circuit.source_values([[0.0]]))
    states = []
    for volts in (0.6, -0.6, 0.0):
        start = np.zeros((1, judge.equations.size))
        start[0, :4] = volts * np.array([1.0, -1.0, 5.0, -5.0])
        found, _, error = judge.settle(start, right, anew=False)
        assert error[0] < 1e-9
        states.append(found[0, 0])
    assert states[0] > 0.3
    assert states[1] == pytest.approx(-states[0])
    assert abs(states[2]) < 1e-9


def test_simulate_says_so(tmp_path, capsys) -> None:
    (tmp_path / "x.csv").write_text("0.5\n")
    latch().save(tmp_path / "latch.npz")
    assert main(["simulate", str(tmp_path / "latch.npz"), "--inputs", str(tmp_path / "x.csv"), "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["unique"] is False
    assert "may have several operating points, of which one is printed: it has amplifiers" in printed.err
    CIRCUITS["layered"]().save(tmp_path / "layered.npz")
    np.savetxt(tmp_path / "y.csv", DRIVES, delimiter=",")
    assert main(["simulate", str(tmp_path / "layered.npz"), "--inputs", str(tmp_path / "y.csv"), "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["unique"] is True
    assert not printed.err


@pytest.mark.parametrize(("parameters", "several"), [({}, False), ({"isr": 1e-9}, True), ({"ikr": 1e-3}, True)])
def test_laws_that_fall(parameters, several) -> None:
    """Three in series across a source, backwards: the fallen current is that of one of them or of all."""
    circuit = Circuit(
        nodes=("0", "a", "b", "c", "d"),
        resistors=bank("resistors", [(4, 0, 1e-3)]),
        diodes=bank("diodes", [(1, 2, 0), (2, 3, 0), (3, 4, 0)]),
        voltage_sources=bank("voltage_sources", [(1, 0, -1.0)]),
        models=(DiodeModel("x", {"is": 5e-9, "rs": 30.0, "nr": 5.0, **parameters}),),
    )
    assert (doubt(circuit) or "").startswith("the current of a x falls") is several
