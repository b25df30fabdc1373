"""The linearized adjoint as a deck, and ``diodeq export`` that writes it and all others."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from decks import CIRCUITS, every_element, layered, run_ngspice, run_ngspice_as_ltspice
from diodeq.cli.export import export
from diodeq.cli.simulate import simulate
from diodeq.devices import catalogue
from diodeq.errors import CircuitError, InputError, UsageError
from diodeq.learning.encoding import units
from diodeq.learning.losses import cross_entropy
from diodeq.learning.rules import RULES
from diodeq.netlist.dialects import DIALECTS, full_deck
from diodeq.netlist.linearized import adjoint_circuit, linearized_deck
from diodeq.simulators import create
from diodeq.synthesis.layered import layered as trainable
from oracle import Oracle


@pytest.mark.parametrize("dialect", ["ngspice", "ltspice"])
@pytest.mark.parametrize("name", CIRCUITS)
def test_linearized_deck_solves_the_adjoint(name: str, dialect: str, tmp_path: Path) -> None:
    build, drives = CIRCUITS[name]
    circuit, oracle = build(), Oracle()
    point = oracle.operate(circuit, np.array([drives]))
    injections = np.linspace(-1e-3, 2e-3, len(circuit.outputs))
    wanted = oracle.small_signal(point, injections[None]).node_voltages[0]
    deck = linearized_deck(circuit, point.node_voltages[0], point.diode_conductances[0], injections, dialect)
    found = (run_ngspice if dialect == "ngspice" else run_ngspice_as_ltspice)(deck.text, tmp_path)
    scale = np.abs(wanted).max()
    for node, volts in zip(circuit.nodes[1:], wanted[1:].tolist(), strict=True):
        assert found[node] == pytest.approx(volts, abs=1e-8 * scale), node


def test_gradient_by_hand_from_two_decks(tmp_path: Path) -> None:
    """What the header of a linearized deck says: dl/dG = -(forward volts) * (volts here); against differences."""
    circuit, drives = every_element(), [0.2, 1e-4]
    point = Oracle().operate(circuit, np.array([drives]))
    injections = [1.0, -0.5]
    deck = linearized_deck(circuit, point.node_voltages[0], point.diode_conductances[0], injections)
    forward = {n: float(v) for n, v in re.findall(r"^\* forward v\((\w+)\) = (\S+)$", deck.text, re.MULTILINE)}
    adjoint = run_ngspice(deck.text, tmp_path)
    volts = np.array([0.0, *(forward[node] for node in circuit.nodes[1:])])
    adjoint_volts = np.array([0.0, *(adjoint[node] for node in circuit.nodes[1:])])
    a, b = circuit.resistors.terminals.T
    gradient = -(volts[a] - volts[b]) * (adjoint_volts[a] - adjoint_volts[b])
    for k, g in enumerate(circuit.conductances):
        step = np.zeros(len(circuit.conductances))
        step[k] = 1e-4 * g
        up, down = (
            Oracle().operate(circuit.with_conductances(circuit.conductances + s), np.array([drives])).outputs[0]
            @ injections
            for s in (step, -step)
        )
        assert gradient[k] == pytest.approx((up - down) / (2 * step[k]), abs=1e-6 * np.abs(gradient).max())


def test_gradient_by_hand_as_the_readme_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """∂ℓ/∂v = β·(p − 1) at the class, β·p at the others, with p the softmax of what ``simulate`` prints."""
    monkeypatch.chdir(tmp_path)
    flowers, beta, own = np.array([[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]), 4.0, 1
    circuit = trainable((4, 6, 3), catalogue.get("1N4148"), volts=5.0, units=units(flowers, "unbounded", 5.0, beta))
    circuit.save("c.npz")
    np.savetxt("x.csv", flowers, delimiter=",")
    printed = CliRunner().invoke(simulate, ["c.npz", "--inputs", "x.csv", "--json"], catch_exceptions=False)
    said = json.loads(printed.stdout)
    p = np.exp(said["outputs"][1]) / np.sum(np.exp(said["outputs"][1]))
    injected = {name: float(beta * (p[k] - (k == own))) for k, name in enumerate(said["output_names"])}
    words = [word for name, amperes in injected.items() for word in ("--inject", f"{name}={amperes!r}")]
    words = ["c.npz", "--to", "ngspice", "--linearized-at", "x.csv", "--row", "2", *words, "-o", "adjoint.cir"]
    assert CliRunner().invoke(export, words, catch_exceptions=False).exit_code == 0
    text = Path("adjoint.cir").read_text()
    forward = {n: float(v) for n, v in re.findall(r"^\* forward v\((\w+)\) = (\S+)$", text, re.MULTILINE)}
    adjoint = run_ngspice(text, tmp_path)
    first, second = ([0.0, *(found[node] for node in circuit.nodes[1:])] for found in (forward, adjoint))
    a, b = circuit.resistors.terminals.T
    by_hand = -(np.take(first, a) - np.take(first, b)) * (np.take(second, a) - np.take(second, b))
    loss = cross_entropy(np.array([own]), beta)
    drives = circuit.scaling.to_volts(flowers[1:])
    wanted = RULES["finite-difference"](create("wave"), circuit, drives, loss).conductances
    assert np.allclose(by_hand[circuit.mask], wanted, rtol=0, atol=1e-6 * np.abs(wanted).max())


def test_adjoint_circuit_refuses_what_does_not_fit() -> None:
    with pytest.raises(CircuitError, match="injected"):
        adjoint_circuit(layered(), [1e-3, 1e-3], [1.0])
    with pytest.raises(CircuitError, match="conductance"):
        adjoint_circuit(layered(), [1e-3, 0.0])


# --- the command --------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    layered().save("c.npz")
    Path("x.csv").write_text("x0\n0.7\n-0.3\n")
    return tmp_path


def run(*arguments: str):
    return CliRunner().invoke(export, ["c.npz", *arguments])


@pytest.mark.parametrize("dialect", DIALECTS)
def test_export(dialect: str, files: Path) -> None:
    result = run("--to", dialect, "-o", "out", "--at", "x.csv", "--row", "2", "--json")
    assert result.exit_code == 0, result.output
    deck = full_deck(layered(), dialect, [-0.3])
    assert Path("out").read_text() == deck.text
    assert f'"sha256": "{deck.digest}"' in result.stdout


def test_export_linearized(files: Path) -> None:
    result = run(
        "--to", "ngspice", "-o", "out.cir", "--linearized-at", "x.csv", "--inject", "y1=0.5", "--inject", "class a"
    )
    assert result.exit_code == 0, result.output
    text = Path("out.cir").read_text()
    assert "\ni_inject0 y_n y_p 1\n" in text
    assert "\ni_inject1 0 y_p 0.5\n" in text
    assert "i_inject2" not in text
    assert not re.search(r"^d", text, re.MULTILINE)
    assert set(run_ngspice(text, files)) == set(layered().nodes[1:])


@pytest.mark.parametrize(
    ("arguments", "error", "complaint"),
    [
        (["--at", "x.csv", "--linearized-at", "x.csv"], UsageError, "give one"),
        (["--inject", "y1"], UsageError, "--linearized-at"),
        (["--row", "2"], UsageError, "--row has no meaning without --at or --linearized-at"),
        (["--linearized-at", "x.csv", "--inject", "y9"], UsageError, "y9"),
        (["--linearized-at", "x.csv", "--inject", "y1=a lot"], UsageError, "number"),
        (["--at", "x.csv", "--row", "3"], InputError, "row 3"),
        (["--at", "missing.csv"], InputError, "missing.csv"),
        (["-o", "nowhere/out"], InputError, "nowhere"),
    ],
)
def test_export_refuses(arguments: list[str], error: type, complaint: str, files: Path) -> None:
    result = run("--to", "ngspice", "-o", "out", *arguments)
    assert isinstance(result.exception, error)
    assert complaint in str(result.exception)
    assert sorted(path.name for path in files.iterdir()) == ["c.npz", "x.csv"]
