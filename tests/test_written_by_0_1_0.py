"""What diodeq 0.1.0 wrote is still read, and means what it meant: circuits, a finished run and an interrupted one.

``written_by_0_1_0`` was written by that version with ngspice 39: ``everything.npz`` is ``circuits.everything()``,
``two_models.npz`` a layered circuit with two diodes' models at 35 °C, the runs are ``diodeq train iris --hidden 3``;
``answers.npz`` has what it found for each circuit (node voltages, and those of the adjoint with 1 A into each output),
``resumed.jsonl`` the metrics of the interrupted run after it had gone on itself.
"""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import circuits
from decks import run_ngspice
from diodeq.circuit import Circuit, check
from diodeq.circuit.kinds import KINDS
from diodeq.cli.main import main
from diodeq.netlist.listing import circuit_digest

HERE = Path(__file__).parent / "written_by_0_1_0"
CIRCUITS = {
    "everything": HERE / "everything.npz",
    "two_models": HERE / "two_models.npz",
    "finished": HERE / "finished" / "circuit.npz",
}
DIGESTS = {
    "everything": "8a65aba70a5aaaa3e6f56b5e0d3c6f6dc9c80642d5cd1dda7a49688309bea85c",
    "two_models": "2fbc084beedbbda10a9121c8fa9942da0b2158ae2be2bb49ab15c494741d73b3",
    "finished": "6024f86d3a70b1751c421c6700d2202f6e84e1373adfc3d3cdad87db37c65460",
}


def answers(name):
    with np.load(HERE / "answers.npz") as found:
        return [found[f"{name}_{what}"] for what in ("drives", "volts", "adjoint")]


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("name", CIRCUITS)
def test_circuits_have_the_voltages_they_had(name, ngspice):
    circuit = check(Circuit.load(CIRCUITS[name]))
    drives, volts, adjoint = answers(name)
    point = ngspice.operate(circuit, drives)
    assert point.node_voltages == pytest.approx(volts, rel=0, abs=5e-9)
    found = ngspice.small_signal(point, np.ones(point.outputs.shape)).node_voltages
    assert np.abs(found - adjoint).max() <= 1e-7 * np.abs(adjoint).max()
    # A deck of then names the circuit that it was made from by this.
    assert circuit_digest(circuit) == DIGESTS[name]


def test_nothing_of_a_circuit_is_lost(tmp_path):
    old, now = Circuit.load(CIRCUITS["everything"]), circuits.everything()
    assert all(len(old.bank(kind)) for kind in KINDS)
    for kind in KINDS:
        assert np.array_equal(old.bank(kind).terminals, now.bank(kind).terminals), kind
        # Another machine's exp may round otherwise where the values are drawn.
        np.testing.assert_allclose(old.bank(kind).values, now.bank(kind).values, rtol=1e-15, err_msg=kind)
        assert (old.bank(kind).names, old.bank(kind).groups) == (now.bank(kind).names, now.bank(kind).groups)
    assert (old.nodes, old.inputs.names, old.output_names, old.title) == (
        now.nodes,
        now.inputs.names,
        now.output_names,
        now.title,
    )
    assert np.array_equal(old.mask, now.mask)
    two = Circuit.load(CIRCUITS["two_models"])
    assert [model.name for model in two.models] == ["1N4148", "BAT54"]
    assert two.diodes.values.dtype == np.int32
    assert two.diodes.values.tolist() == [0, 1, 0, 1]
    assert (two.temperature, two.notes) == (35.0, ("a note",))
    two.save(tmp_path / "again.npz")
    assert circuit_digest(Circuit.load(tmp_path / "again.npz")) == DIGESTS["two_models"]


@pytest.mark.parametrize("name", CIRCUITS)
def test_the_commands_take_them(name, tmp_path, capsys):
    drives, volts, _ = answers(name)
    circuit = Circuit.load(CIRCUITS[name])
    rows = drives / circuit.scaling.scale + circuit.scaling.offset
    np.savetxt(tmp_path / "x.csv", rows, delimiter=",", fmt="%.17g")
    assert main(["simulate", str(CIRCUITS[name]), "--inputs", str(tmp_path / "x.csv"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert np.array(found["outputs"]) == pytest.approx(
        circuit.scaling.from_volts(circuit.read_outputs(volts)), abs=1e-7
    )
    deck = tmp_path / "written.cir"
    assert (
        main(["export", str(CIRCUITS[name]), "--to", "ngspice", "--at", str(tmp_path / "x.csv"), "-o", str(deck)]) == 0
    )
    printed = run_ngspice(deck.read_text(), tmp_path)
    assert [printed[node] for node in circuit.nodes[1:]] == pytest.approx(volts[0, 1:], abs=1e-8)


def test_a_finished_run_is_reported_and_not_trained_again(tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(HERE / "finished", run)
    before = (run / "metrics.jsonl").read_bytes()
    assert main(["report", str(run), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    summary = json.loads((run / "summary.json").read_text())
    assert summary["diodeq_version"] == "0.1.0"
    assert found["test_accuracy"] == summary["test_accuracy"]
    page = (run / "report.html").read_text()
    assert len(page) > 10_000
    assert "blas" not in summary
    assert re.search(r"linear algebra\s*not recorded", re.sub(r"<[^>]*>", " ", page))
    assert main(["train", "iris", "--out", str(run), "--resume"]) == 0
    assert (run / "metrics.jsonl").read_bytes() == before


def test_an_interrupted_run_goes_on_as_it_would_have(tmp_path):
    run = tmp_path / "run"
    shutil.copytree(HERE / "interrupted", run)
    assert main(["train", "iris", "--out", str(run), "--resume"]) == 0
    found, wanted = lines(run / "metrics.jsonl"), lines(HERE / "resumed.jsonl")
    assert [line["epoch"] for line in found] == [1, 2, 3, 4]
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-6)
        for name in ("train_accuracy", "test_accuracy", "solves"):
            assert ours[name] == theirs[name]
    summary = json.loads((run / "summary.json").read_text())
    assert summary["epochs"] == 4
    assert summary["test_accuracy"] == wanted[-1]["test_accuracy"]
