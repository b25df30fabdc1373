"""The circuit: soundness, storage, folding and the adjoint."""

import copy
import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace

import networkx
import numpy as np
import pytest

from circuits import CIRCUITS, DRIVES, everything, plain
from diodeq import archives
from diodeq.circuit import KINDS, Bank, Circuit, bank, check, linearize, transpose
from diodeq.circuit.blocks import occurrence
from diodeq.circuit.fold import FoldPlan
from diodeq.circuit.inputs import Inputs
from diodeq.circuit.reduce import ReductionPlan
from diodeq.devices import catalogue
from diodeq.errors import CircuitError, InputError
from diodeq.simulators import create
from diodeq.synthesis.layered import layered
from oracle import Oracle


@pytest.mark.parametrize("name", CIRCUITS)
def test_sound_circuits_pass(name):
    circuit = CIRCUITS[name]()
    assert check(circuit) is circuit


def broken(change):
    circuit = plain()
    return {
        "floating node": (lambda: replace(circuit, nodes=(*circuit.nodes, "island")), "island has no path to ground"),
        "dangling output": (
            lambda: replace(
                circuit, nodes=(*circuit.nodes, "q"), outputs=np.array([[len(circuit.nodes), 0]]), output_names=("z",)
            ),
            "read by output z",
        ),
        "output to itself": (
            lambda: replace(circuit, outputs=np.array([[1, 1]]), output_names=("z",)),
            "output z is measured",
        ),
        "loop of sources": (
            lambda: replace(
                circuit,
                voltage_sources=Bank(
                    np.concatenate([circuit.voltage_sources.terminals, [[1, 2]]]),
                    np.append(circuit.voltage_sources.values, 1.0),
                ),
            ),
            "form a loop",
        ),
        "negative": (
            lambda: circuit.with_conductances(-circuit.conductances),
            "resistor r1 between bias_p|resistor r1 between",
        ),
        "zero": (lambda: circuit.with_conductances(0 * circuit.conductances), "make it positive and finite"),
        "nan": (lambda: circuit.with_conductances(np.nan * circuit.conductances), "the value nan"),
        "infinite source": (
            lambda: replace(
                circuit, voltage_sources=circuit.voltage_sources.with_values(circuit.voltage_sources.values + np.inf)
            ),
            "voltage source v1",
        ),
        "zero turns": (
            lambda: replace(circuit, transformers=bank("transformers", [(1, 0, 2, 0, 0.0)])),
            "transformer t1",
        ),
        "shorted part": (
            lambda: replace(circuit, diodes=Bank(np.full((4, 2), 3), np.zeros(4))),
            "both ends of diode d1",
        ),
        "duplicate node": (
            lambda: replace(circuit, nodes=("0", *["a"] * (len(circuit.nodes) - 1))),
            "the name a is used",
        ),
        "illegal node": (lambda: replace(circuit, nodes=("0", "R 1", *circuit.nodes[2:])), "'R 1' cannot be printed"),
        "ground's other name": (lambda: replace(circuit, nodes=("0", "gnd", *circuit.nodes[2:])), "'gnd'"),
        "illegal part": (
            lambda: replace(circuit, diodes=replace(circuit.diodes, names=("d1", "d2", "d3", "x4"))),
            "diode x4 must begin with 'd'",
        ),
        "duplicate part": (
            lambda: replace(circuit, diodes=replace(circuit.diodes, names=("d1", "d2", "d3", "d3"))),
            "the name d3 is used",
        ),
        "absolute zero": (lambda: replace(circuit, temperature=-300.0), "absolute zero"),
    }[change]


@pytest.mark.parametrize(
    "change",
    [
        "floating node", "dangling output", "output to itself", "loop of sources", "negative", "zero", "nan",
        "infinite source", "zero turns", "shorted part", "duplicate node", "illegal node", "ground's other name",
        "illegal part", "duplicate part", "absolute zero",
    ],
)  # fmt: skip
def test_unsound_circuits_are_refused_by_name(change):
    make, said = broken(change)
    with pytest.raises(CircuitError, match=said) as caught:
        check(make())
    assert caught.value.remedy


def test_parts_that_do_not_fit_are_refused():
    circuit = plain()
    with pytest.raises(CircuitError, match="unknown model"):
        replace(circuit, models=())
    with pytest.raises(CircuitError, match="does not exist"):
        replace(circuit, nodes=circuit.nodes[:5])
    with pytest.raises(CircuitError, match="first node must be ground"):
        replace(circuit, nodes=("g", *circuit.nodes[1:]))
    with pytest.raises(CircuitError, match="2 input columns"):
        circuit.source_values(np.zeros((1, 2)))


def test_arrays_cannot_be_changed_and_topology_is_shared():
    circuit = plain()
    with pytest.raises(ValueError, match="read-only"):
        circuit.conductances[0] = 1.0
    mine = np.ones(1)
    kept = Bank(np.array([[1, 0]]), mine)
    mine[0] = 2.0
    assert kept.values[0] == 1.0
    doubled = circuit.with_conductances(2 * circuit.conductances)
    assert doubled.resistors.terminals is circuit.resistors.terminals
    assert doubled.same_topology(circuit)
    assert circuit.same_topology(plain())  # an equal one, though nothing is shared
    assert not circuit.same_topology(replace(plain(), outputs=circuit.outputs[:, ::-1]))


@pytest.mark.parametrize("again", [copy.deepcopy, lambda circuit: pickle.loads(pickle.dumps(circuit))])
def test_the_arrays_of_a_copy_cannot_be_changed_either(again):
    circuit = again(everything())
    holders = [circuit, circuit.inputs, circuit.scaling, *(circuit.bank(kind) for kind in KINDS)]
    arrays = [each for holder in holders for each in vars(holder).values() if isinstance(each, np.ndarray)]
    assert len(arrays) >= 2 * len(KINDS) + 7
    assert not any(each.flags.writeable for each in arrays)


def test_a_circuit_does_not_follow_what_a_read_only_view_shows():
    circuit = plain()
    mine = np.array(circuit.conductances)
    view = mine[:]
    view.flags.writeable = False
    viewed, drives = circuit.with_conductances(view), np.ones((1, len(circuit.inputs)))
    with create("wave") as simulator:
        before = simulator.operate(viewed, drives).node_voltages
        mine[:] = 1.0
        np.testing.assert_array_equal(viewed.conductances, circuit.conductances)
    np.testing.assert_array_equal(create("wave").operate(viewed, drives).node_voltages, before)


def test_graph_has_every_port():
    circuit = everything()
    graph = circuit.graph()
    assert isinstance(graph, networkx.MultiGraph)
    assert set(graph.nodes) == set(circuit.nodes)
    assert graph.number_of_edges() == sum(len(circuit.bank(kind)) * len(spec.ports) for kind, spec in KINDS.items())
    assert networkx.is_connected(graph)


@pytest.mark.parametrize("name", CIRCUITS)
def test_saved_circuits_come_back_whole(name, tmp_path):
    circuit = replace(CIRCUITS[name](), notes=("made by a test", "zweite Notiz, 27 °C"))
    circuit.save(tmp_path / "c.npz")
    again = Circuit.load(tmp_path / "c.npz")
    for kind in KINDS:
        ours, theirs = circuit.bank(kind), again.bank(kind)
        assert np.array_equal(ours.terminals, theirs.terminals)
        assert np.array_equal(ours.values, theirs.values)
        assert (ours.names, ours.groups) == (theirs.names, theirs.groups)
    for field in ("nodes", "models", "output_names", "temperature", "title", "notes"):
        assert getattr(circuit, field) == getattr(again, field)
    for ours, theirs in ((circuit.inputs, again.inputs), (circuit.scaling, again.scaling)):
        assert all(np.array_equal(value, getattr(theirs, key)) for key, value in vars(ours).items())
    assert np.array_equal(circuit.outputs, again.outputs)
    assert np.array_equal(circuit.mask, again.mask)
    assert os.listdir(tmp_path) == ["c.npz"]


def test_other_files_are_not_circuits(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "executed"),))

    files = {
        "missing.npz": None,
        "empty.npz": b"",
        "text.npz": b"hello",
        "pickle.npz": pickle.dumps(Bomb()),
        "array.npy": None,
    }
    np.save(tmp_path / "array.npy", np.zeros(3))
    np.savez(tmp_path / "objects.npz", header=np.array([Bomb()], dtype=object))
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    plain().save(tmp_path / "whole.npz")
    whole = (tmp_path / "whole.npz").read_bytes()
    files["cut.npz"] = whole[: len(whole) // 2]
    arrays = dict(np.load(tmp_path / "whole.npz"))
    header = json.loads(bytes(arrays["header"]))
    future = np.frombuffer(json.dumps({**header, "version": 99}).encode(), np.uint8)
    np.savez(tmp_path / "future.npz", **{**arrays, "header": future})
    np.savez(tmp_path / "range.npz", **{**arrays, "resistors_terminals": arrays["resistors_terminals"] + 1000})
    np.savez(tmp_path / "model.npz", **{**arrays, "diodes_values": arrays["diodes_values"] + 7})
    for name, content in files.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
    for name in [*files, "objects.npz", "other.npz", "future.npz", "range.npz", "model.npz", "."]:
        with pytest.raises(InputError) as caught:
            Circuit.load(tmp_path / name)
        assert str(tmp_path) in str(caught.value)
        assert caught.value.remedy
    assert not (tmp_path / "executed").exists()


def test_a_failed_save_leaves_the_old_file(tmp_path):
    target = tmp_path / "no" / "c.npz"
    with pytest.raises(InputError, match="cannot be written"):
        plain().save(target)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", CIRCUITS)
def test_folding_is_exact(name):
    """The folded circuit, driven by Norton currents and held voltages, settles to the voltages of the full one."""
    circuit = CIRCUITS[name]()
    whole = Oracle().operate(circuit, DRIVES)
    folded = FoldPlan.of(circuit).fold(circuit)
    sources = circuit.source_values(DRIVES)
    known = folded.known_voltages(sources)
    currents, volts = folded.injections(sources, known), folded.source_voltages(sources, known)
    small = folded.circuit
    assert len(small.nodes) < len(circuit.nodes)
    assert len(small.resistors) < len(circuit.resistors)
    for k in range(len(DRIVES)):
        driven = replace(
            small,
            voltage_sources=small.voltage_sources.with_values(volts[k]),
            current_sources=bank("current_sources", [(0, n, c) for n, c in enumerate(currents[k]) if n]),
        )
        settled = Oracle().operate(driven, np.zeros((1, 0))).node_voltages
        assert np.allclose(folded.unfold(settled, known[k : k + 1])[0], whole.node_voltages[k], rtol=0, atol=1e-10)


@pytest.mark.parametrize(("widths", "gone"), [((2, 6, 3), 6), ((2, 24, 3), 0), ((2, 24, 24, 3), 6)])
def test_reduction_shortens_factorizations(widths, gone):
    """The outputs of a deep circuit go although the mesh has more resistors; those of one layer only where it has
    fewer. Either way voltages stay what they are."""
    circuit = layered(widths, catalogue.get("1N4148"), 5.0, seed=0)
    folded = FoldPlan.of(circuit).fold(circuit).circuit
    reduced = ReductionPlan.of(folded).reduce(folded)
    assert len(reduced.plan.eliminated) == gone
    assert (len(reduced.circuit.resistors) > len(folded.resistors)) is (len(widths) > 3)
    drives = np.array([[1.5, -2.0]])
    with create("ngspice") as ngspice:
        found = ngspice.operate(circuit, drives).node_voltages
    np.testing.assert_allclose(found, create("wave").operate(circuit, drives).node_voltages, rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", CIRCUITS)
def test_reduction_is_exact(name):
    """Eliminating resistive nodes changes no voltage, of kept nodes or of eliminated ones."""
    circuit = CIRCUITS[name]()
    folded = FoldPlan.of(circuit).fold(circuit).circuit
    reduced = ReductionPlan.of(folded).reduce(folded)
    if name == "layered":
        assert len(reduced.plan.eliminated) == 2 * len(circuit.outputs)
    assert len(reduced.circuit.resistors) <= len(folded.resistors)
    volts = np.linspace(-1, 1, len(folded.voltage_sources))
    currents = np.random.default_rng(4).normal(size=(1, len(folded.nodes))) * 1e-4
    currents[:, 0] = 0.0

    def settle(small, injected):
        sources = [(0, n, c) for n, c in enumerate(injected) if n]
        driven = replace(
            small,
            voltage_sources=small.voltage_sources.with_values(volts),
            current_sources=bank("current_sources", sources),
        )
        return Oracle().operate(driven, np.zeros((1, 0))).node_voltages

    whole = settle(folded, currents[0])
    again = reduced.restore(settle(reduced.circuit, reduced.injections(currents)[0]), currents)
    assert np.allclose(again, whole, rtol=0, atol=1e-9)


def test_sparse_and_dense_folding_agree():
    circuit = plain()
    sources = circuit.source_values(DRIVES)
    dense = FoldPlan.of(circuit).fold(circuit)
    sparse = FoldPlan.of(circuit).fold(circuit, emptier=0)
    assert isinstance(dense.scattered, np.ndarray)
    assert not isinstance(sparse.scattered, np.ndarray)
    known = dense.known_voltages(sources)
    assert np.allclose(dense.injections(sources, known), sparse.injections(sources, known), rtol=1e-14)


@pytest.mark.parametrize("name", CIRCUITS)
def test_transposing_twice_changes_nothing(name):
    circuit = CIRCUITS[name]()
    twice = transpose(transpose(circuit))
    for kind in ("resistors", "diodes", "transformers", "gyrators", "buffers", "mirrors"):
        assert np.array_equal(circuit.bank(kind).terminals, twice.bank(kind).terminals)
        assert np.array_equal(circuit.bank(kind).values, twice.bank(kind).values)


@pytest.mark.parametrize("name", CIRCUITS)
def test_the_transposed_linearized_circuit_solves_the_transposed_equations(name):
    """Solving the adjoint *circuit* gives what the transpose of the forward *matrix* gives."""
    circuit = CIRCUITS[name]()
    point = Oracle().operate(circuit, DRIVES[:1])
    wanted = np.random.default_rng(0).normal(size=(1, len(circuit.outputs))) * 1e-3
    by_matrix = Oracle().small_signal(point, wanted).node_voltages
    adjoint = transpose(linearize(circuit, point.diode_conductances[0]))
    currents = circuit.output_injections(wanted)[0]
    injected = replace(
        adjoint,
        inputs=type(circuit.inputs)(np.zeros(0), np.zeros(0), np.zeros(0), ()),
        units=None,
        current_sources=bank("current_sources", [(0, n, c) for n, c in enumerate(currents) if n]),
    )
    by_circuit = Oracle().operate(injected, np.zeros((1, 0))).node_voltages
    assert np.abs(by_matrix).max() > 1e-3
    assert np.allclose(by_circuit, by_matrix, rtol=1e-9, atol=1e-12)


def test_linearizing_needs_a_good_conductance_for_every_diode():
    circuit = plain()
    with pytest.raises(CircuitError, match="diode d2"):
        linearize(circuit, np.array([1.0, -1.0, 1.0, 1.0]))
    with pytest.raises(CircuitError, match="give one per diode"):
        linearize(circuit, np.ones(3))


MILLION = """
import resource, sys, time
from diodeq.circuit import Circuit, check
from diodeq.devices import catalogue
from diodeq.netlist.dialects import full_deck
from diodeq.synthesis.layered import layered
start = time.monotonic()
circuit = check(layered((784, 630, 10), catalogue.get("1N4148"), volts=5.0))
circuit.save(sys.argv[1])
again = Circuit.load(sys.argv[1])
deck = full_deck(again, "ngspice")
lines = deck.text.count("\\nr")
print(len(again.resistors), lines, time.monotonic() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def test_a_million_resistors_are_ordinary(tmp_path):
    """Build, check, save, load and print, in at most 2 GB (and, on any machine that can run the tests, 30 s)."""
    run = subprocess.run(
        [sys.executable, "-c", MILLION, str(tmp_path / "c.npz")],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    resistors, lines, seconds, megabytes = map(float, run.stdout.split())
    assert resistors >= 1e6
    assert lines == resistors
    assert seconds < 30
    assert megabytes < 2000


@pytest.mark.parametrize("name", ["resistors_terminals", "outputs", "inputs_source"])
@pytest.mark.parametrize("beyond", [2**32, -(2**32)])
def test_an_index_that_no_circuit_has_is_not_taken_for_another(name, beyond, tmp_path):
    path = tmp_path / "c.npz"
    plain().save(path)
    found = archives.read(path)
    np.savez(path, **{**found, name: found[name].astype(np.int64)})
    assert Circuit.load(path).outputs.tolist() == plain().outputs.tolist()
    wrong = found[name].astype(np.int64)
    wrong.flat[0] += beyond
    np.savez(path, **{**found, name: wrong})
    with pytest.raises(InputError, match="not a diodeq circuit"):
        Circuit.load(path)


@pytest.mark.parametrize("seed", range(6))
def test_sources_follow_their_inputs_however_these_are_mixed(seed):
    rng = np.random.default_rng(seed)
    sources, columns, count = 9, 4, (1, 6, 30)[seed % 3]
    gain = rng.choice([1.0, -1.0, 2.5], count) if seed < 3 else np.ones(count)
    inputs = Inputs(
        rng.integers(sources, size=count).astype(np.int32),
        rng.integers(columns, size=count).astype(np.int32),
        gain,
        tuple("abcd"),
    )
    constant, volts = rng.normal(size=sources), rng.normal(size=(5, columns))
    found = inputs.drive(constant, volts)
    assert found == pytest.approx(constant + volts @ inputs.gains(sources).toarray().T, rel=1e-14, abs=1e-15)
    assert found.flags.c_contiguous


def test_rails_of_both_signs_are_two_runs_of_inputs():
    source, column = np.arange(2, 10, dtype=np.int32), np.repeat(np.arange(4, dtype=np.int32), 2)
    inputs = Inputs(source, column, np.tile([1.0, -1.0], 4), tuple("abcd"))
    assert inputs._runs == [(slice(2, 9, 2), slice(0, 4, 1), 1.0), (slice(3, 10, 2), slice(0, 4, 1), -1.0)]


def test_equal_values_are_counted_in_their_order():
    assert occurrence(np.array([3, 1, 3, 3, 1, 0])).tolist() == [0, 0, 1, 2, 1, 0]
    assert occurrence(np.array([], np.int32)).tolist() == []
