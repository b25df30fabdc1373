"""Pruning: what stays is held, what is measured does not depend on what goes, and training goes on where it was."""

from __future__ import annotations

import csv
from dataclasses import replace

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from circuits import CIRCUITS, DRIVES
from diodeq.circuit import Circuit, bank
from diodeq.circuit.check import check
from diodeq.circuit.graph import driven_nodes
from diodeq.circuit.schematic import svg
from diodeq.circuit.survey import Survey
from diodeq.cli.main import main
from diodeq.devices import catalogue
from diodeq.errors import NotRealizableError
from diodeq.learning.experiment import beginning, stored
from diodeq.netlist.bom import bill
from diodeq.simulators import create
from diodeq.synthesis import Assembly
from diodeq.synthesis.layered import layered
from diodeq.synthesis.pruning import kept, without
from oracle import Oracle

DIODE = catalogue.get("1N4148")


def held(circuit: Circuit) -> bool:
    """Whether resistors join every free node to a node that a source holds."""
    graph = networkx.Graph()
    driven = driven_nodes(circuit)
    graph.add_nodes_from(range(len(circuit.nodes)))
    graph.add_edges_from(circuit.resistors.terminals.tolist())
    graph.add_edges_from((0, node) for node in np.flatnonzero(driven).tolist())
    return networkx.is_connected(graph)


@settings(max_examples=60, deadline=None)
@given(
    widths=some.lists(some.integers(1, 6), min_size=3, max_size=5),
    lateral=some.booleans(),
    seed=some.integers(0, 2**16),
    share=some.floats(0.05, 1.0),
)
def test_every_node_that_stays_is_held_and_reaches_an_output(widths, lateral, seed, share):
    circuit = layered(widths, DIODE, 5.0, lateral=lateral, seed=seed)
    contributions = np.random.default_rng(seed).random(len(circuit.resistors))
    parts = max(1, int(share * len(circuit.resistors)))
    try:
        stays = kept(circuit, contributions, parts)
    except NotRealizableError:
        assert parts < len(circuit.nodes)  # a tree holds them all
        return
    left = check(without(circuit, stays))
    assert len(left.resistors) == stays.sum() <= parts
    assert held(left)
    assert sum(count for _, count in left.resistors.groups) == len(left.resistors)
    rails = driven_nodes(left)
    graph = networkx.Graph()
    graph.add_nodes_from(np.flatnonzero(~rails).tolist())
    graph.add_edges_from(ends for ends in left.resistors.terminals.tolist() if not rails[ends].any())
    outputs = set(left.outputs.ravel().tolist())
    assert all(outputs & part for part in networkx.connected_components(graph))
    # Nothing better was left out than what a tree or a node that went forced.
    names = set(left.nodes)
    there = np.array([{circuit.nodes[a], circuit.nodes[b]} <= names for a, b in circuit.resistors.terminals.tolist()])
    if (there & ~stays).any() and len(left.resistors) == parts:
        best_left_out = contributions[there & ~stays].max()
        assert (contributions[stays] < best_left_out).sum() <= len(left.nodes)


@pytest.mark.parametrize("name", CIRCUITS)
def test_circuits_of_every_kind_lose_what_reaches_no_output_and_answer_the_same(name):
    circuit = CIRCUITS[name]()
    drives = DRIVES[:, : len(circuit.inputs)]
    # Every other resistor to ground's neighbours goes, as long as all nodes are held.
    stays = kept(circuit, np.random.default_rng(0).random(len(circuit.resistors)), len(circuit.resistors) * 3 // 4)
    left = check(without(circuit, stays))
    # The same by making what goes as good as nothing.
    faint = circuit.with_conductances(np.where(stays, circuit.conductances, 1e-16))
    wanted = Oracle().operate(faint, drives).outputs
    assert np.abs(Oracle().operate(left, drives).outputs - wanted).max() < 1e-5
    assert left.output_names == circuit.output_names
    assert len(left.inputs) == len(circuit.inputs)


@pytest.mark.parametrize(
    ("contributions", "stays", "nodes", "buffers"),
    [
        ((1.0, 0.9, 0.2, 0.1), [0, 1], ("0", "x", "h", "y"), 0),  # past the buffer, which then drives nothing
        ((1.0, 0.1, 0.9, 0.2), [0, 2], ("0", "x", "h", "e", "y"), 1),  # through it: what controls it is held, too
        ((0.1, 0.2, 0.3, 1.0), [3], ("0", "x", "y"), 0),
    ],
)
def test_a_buffer_holds_what_it_drives_and_goes_where_that_is_nothing(contributions, stays, nodes, buffers):
    circuit = check(
        Circuit(
            ("0", "x", "h", "e", "y"),
            resistors=bank("resistors", [(1, 2, 1e-4), (2, 4, 1e-4), (3, 4, 1e-4), (4, 0, 1e-4)]),
            voltage_sources=bank("voltage_sources", [(1, 0, 1.0)]),
            buffers=bank("buffers", [(3, 0, 2, 0, 2.0)]),
            outputs=[[4, 0]],
            trainable=np.ones(4, bool),
        )
    )
    found = kept(circuit, np.array(contributions), len(stays))
    assert np.flatnonzero(found).tolist() == stays
    left = check(without(circuit, found))
    assert (left.nodes, len(left.buffers)) == (nodes, buffers)


def test_sources_that_nothing_uses_are_no_parts(tmp_path):
    """Of four inputs two are read after pruning; columns and sources stay in their order."""
    circuit = layered((4, 2, 1), DIODE, 5.0)
    ends = circuit.resistors.terminals
    read = np.isin(ends[:, 0], [circuit.nodes.index(f"x{k}_{sign}") for k in (1, 3) for sign in "pn"])
    rails = np.isin(ends[:, 0], circuit.voltage_sources.terminals[circuit.inputs.source, 0])
    left = check(without(circuit, read | ~rails))
    drives = np.array([[1.0, 2.0, 3.0, 4.0]])
    values = dict(zip(left.nodes, Oracle().operate(left, drives).node_voltages[0], strict=True))
    assert [values[f"x{k}_p"] for k in range(4)] == pytest.approx([1.0, 2.0, 3.0, 4.0])
    rows = [row for row in csv.DictReader(bill(left).splitlines()) if row["reference"].startswith("V")]
    nodes = [left.nodes[node] for node in left.voltage_sources.terminals[:, 0].tolist()]
    driven = [f"V{nodes.index(f'x{k}_{sign}') + 1}" for k in (1, 3) for sign in "pn"]
    listed = [(row["value"], name) for row in rows for name in row["reference"].replace("-", " ").split()]
    assert [name for value, name in listed if not value] == [*driven[:2], *driven[2:]]
    assert [value for value, _ in listed if value] == ["5 V", "-5 V"]
    assert sum(int(row["count"]) for row in rows) == 6
    assert "6 voltage sources" in svg(left)
    assert "x0" not in svg(left)
    # 40 V at what nobody reads are asked of no supply.
    volts = left.voltage_sources.values.copy()
    volts[nodes.index("x0_p")] = 40.0
    survey = Survey(left.with_values("voltage_sources", volts))
    assert survey.feasibility().supply_volts == 5.0


def test_a_fan_in_is_of_the_best_before_each_node():
    circuit = layered((5, 4, 3), DIODE, 5.0)
    contributions = np.random.default_rng(1).random(len(circuit.resistors))
    left = without(circuit, kept(circuit, contributions, fan_in=3))
    assert np.bincount(left.resistors.terminals.max(axis=1)).max() == 3
    free = circuit.resistors.terminals.max(axis=1)
    for node in np.unique(free):
        at = np.flatnonzero(free == node)
        best = {circuit.resistors.values[k] for k in at[np.argsort(-contributions[at])[:3]]}
        assert best <= set(left.resistors.values.tolist())


def test_what_is_not_trainable_stays():
    circuit = layered((5, 4, 3), DIODE, 5.0)
    fixed = np.arange(len(circuit.resistors)) < 6
    circuit = replace(circuit, trainable=~fixed)
    stays = kept(circuit, np.where(fixed, 0.0, np.random.default_rng(2).random(len(fixed))), 40)
    assert stays[fixed].all()
    assert stays.sum() == 40
    with pytest.raises(NotRealizableError, match="are needed to hold every node, and 5 are allowed"):
        kept(circuit, np.ones(len(circuit.resistors)), 5)


@pytest.mark.parametrize("options", [["--parts", "25"], ["--parts", "30", "--power", "1e-3", "--fan-in", "4"]])
def test_a_run_that_prunes_is_the_same_after_an_interruption(tmp_path, options, monkeypatch):
    words = ["train", "iris", "--epochs", "8", "--simulator", "wave", "--supply", "5", "--encode", "range", *options]
    assert main([*words, "--out", str(tmp_path / "whole")]) == 0
    from diodeq.learning import checkpoint as module

    save, count = module.save, 0

    def dying(path, snapshot, document):
        nonlocal count
        count += 1
        save(path, snapshot, document)
        if count == 5:  # the start, and four epochs
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "save", dying)
    assert main([*words, "--out", str(tmp_path / "parts")]) == 130
    monkeypatch.setattr(module, "save", save)
    assert main([*words, "--out", str(tmp_path / "parts"), "--resume"]) == 0
    whole, parts = (Circuit.load(tmp_path / name / "circuit.npz") for name in ("whole", "parts"))
    assert np.array_equal(whole.conductances, parts.conductances)
    assert whole.same_topology(parts)
    assert len(whole.resistors) <= int(options[1])
    assert held(whole)
    assert np.abs(whole.scaling.to_volts(np.random.default_rng(0).normal(size=(50, 4)) * 20.0)).max() == 5.0
    # A run that is finished has nothing to go on with, and says the same.
    assert main([*words, "--out", str(tmp_path / "parts"), "--resume"]) == 0
    again = Circuit.load(tmp_path / "parts" / "circuit.npz")
    assert np.array_equal(whole.conductances, again.conductances)
    with create("wave") as wave:
        drives = whole.scaling.to_volts(np.zeros((1, 4)))
        assert np.isfinite(wave.operate(whole, drives).outputs).all()


def test_power_is_steered_to_its_target(tmp_path):
    from diodeq.learning import datasets
    from diodeq.learning.power import power_gradient

    run = tmp_path / "run"
    words = ["train", "iris", "--simulator", "wave", "--encode", "range", "--power", "3e-3", "--epochs", "25"]
    assert main([*words, "--out", str(run)]) == 0
    circuit, data = Circuit.load(run / "circuit.npz"), datasets.load("iris", 0)
    with create("wave") as wave:
        found = power_gradient(wave, wave.operate(circuit, circuit.scaling.to_volts(data.x_train))).watts
    assert 1.5e-3 < found < 6e-3  # without it 200 mW
    assert stored(run).recipe.power == 3e-3


def test_a_pruned_run_is_reported(tmp_path):
    out = tmp_path / "run"
    words = ["train", "xor", "--parts", "20", "--epochs", "4", "--simulator", "wave", "--out", str(out)]
    assert main(words) == 0
    before, after = beginning(out)[1], Circuit.load(out / "circuit.npz")
    assert before.same_topology(after)
    assert not np.array_equal(before.conductances, after.conductances)
    assert main(["report", str(out), "--simulator", "wave"]) == 0


@pytest.mark.parametrize("value", ["5mV", "5 apples"])
def test_power_is_in_watts(value, capsys):
    assert main(["train", "xor", "--power", value, "--out", "never"]) == 2
    assert "--power" in capsys.readouterr().err


@pytest.mark.parametrize("most", [1, 20, 40])
def test_many_small_resistors_at_an_output_hold_it(most):
    """Thirty hidden nodes of two resistors each, two outputs of thirty: no share at an output is among the largest."""
    board, random = Assembly(), np.random.default_rng(most)
    rails = board.inputs(1)
    hidden, outputs = board.layer(30), board.outputs(2, differential=False)
    board.join(rails, hidden)
    board.join(hidden, outputs)
    circuit = board.circuit()
    shares = np.where(np.arange(len(circuit.resistors)) < 60, 0.5, 1 / 30) * random.uniform(0.9, 1.1, 120)
    if most < 32:  # a tree of all nodes
        with pytest.raises(NotRealizableError, match="allow at least 32 parts"):
            kept(circuit, shares, most)
    else:
        assert held(check(without(circuit, kept(circuit, shares, most))))


def test_hidden_nodes_stay_where_every_share_is_the_same():
    """Each of them keeps a resistor to an output, though those before it are all better."""
    circuit = layered((4, 10, 3), DIODE, 5.0)
    groups = np.repeat([name for name, _ in circuit.resistors.groups], [count for _, count in circuit.resistors.groups])
    shares = np.where(np.char.endswith(groups, "outputs"), 1 / 12, 1 / 10)
    left = check(without(circuit, kept(circuit, shares, 60)))
    assert len(left.resistors) == 60
    assert len(left.diodes) == 10
