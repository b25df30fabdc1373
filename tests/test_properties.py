"""Properties of random sound circuits and networks: files, exports, folding and transposition lose nothing.

``DIODEQ_PROPERTIES=1000`` tries so many of each.
"""

from __future__ import annotations

import os
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from diodeq.circuit import KINDS, Bank, Circuit, Inputs, check, transpose
from diodeq.circuit.fold import FoldPlan
from diodeq.circuit.inputs import Units
from diodeq.devices import catalogue
from diodeq.errors import NotRealizableError, SimulationError
from diodeq.netlist.dialects import DIALECTS, full_deck
from diodeq.netlist.listing import circuit_digest
from diodeq.netlist.reading import import_deck
from diodeq.network import Activation, weights
from diodeq.network.network import Network, Stage
from diodeq.network.solve import solve
from diodeq.simulators import create
from diodeq.synthesis.compile import compile_network
from oracle import Oracle

bounded = settings(
    derandomize=True,
    deadline=None,
    max_examples=int(os.environ.get("DIODEQ_PROPERTIES", "25")),
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
MODELS = ("1N4148", "BAT54", "1N4007", "ideal")


@st.composite
def circuits(draw: st.DrawFn) -> Circuit:
    """A sound circuit of any kinds of elements: a tree of resistors on ground, and the rest hung onto it."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    core = draw(st.integers(1, 5))
    nodes = ["0", *(f"n{k}" for k in range(1, core + 1))]
    rows: dict[str, list[tuple[float, ...]]] = {kind: [] for kind in KINDS}

    def siemens() -> float:
        return float(10 ** rng.uniform(-6, -3))

    def inner() -> int:
        return int(rng.integers(1, core + 1))

    def other(node: int) -> int:
        return int(rng.choice([k for k in range(core + 1) if k != node]))

    def fresh() -> int:
        """A node of its own, tied to the tree by a resistor, so that no two sources are in a loop."""
        nodes.append(f"m{len(nodes)}")
        rows["resistors"].append((len(nodes) - 1, int(rng.integers(0, core + 1)), siemens()))
        return len(nodes) - 1

    for k in range(1, core + 1):
        rows["resistors"].append((k, int(rng.integers(0, k)), siemens()))
    count = {kind: draw(st.integers(0, 2)) for kind in KINDS}
    for _ in range(count["resistors"]):
        a = inner()
        rows["resistors"].append((a, other(a), siemens()))
    for _ in range(count["voltage_sources"] or not count["current_sources"]):
        rows["voltage_sources"].append((fresh(), 0, float(rng.normal())))
    for _ in range(count["current_sources"]):
        a = inner()
        rows["current_sources"].append((a, other(a), float(rng.normal() * 1e-5)))
    for _ in range(count["transformers"]):
        rows["transformers"].append((fresh(), 0, inner(), 0, float(rng.choice([-1, 1]) * rng.uniform(0.3, 3.0))))
    for _ in range(count["gyrators"] if core > 1 else 0):
        a, b = rng.choice(core, 2, replace=False) + 1
        rows["gyrators"].append((int(a), 0, int(b), 0, float(rng.normal() * 1e-4)))
    for _ in range(count["buffers"]):
        a = inner()
        rows["buffers"].append((fresh(), 0, a, other(a), float(rng.uniform(-0.5, 0.5))))
    for _ in range(count["mirrors"]):
        rows["mirrors"].append((inner(), 0, fresh(), 0, float(rng.uniform(-0.5, 0.5))))
    models = tuple(catalogue.get(name) for name in draw(st.lists(st.sampled_from(MODELS), min_size=1, unique=True)))
    for _ in range(draw(st.integers(0, 3))):
        a = inner()
        ends = (a, other(a)) if rng.random() < 0.5 else (0, a)
        rows["diodes"].append((*ends, int(rng.integers(len(models)))))

    named = draw(st.booleans())
    banks = {}
    for kind, spec in KINDS.items():
        width, n = len(spec.terminals), len(rows[kind])
        names = tuple(f"{spec.prefix}_{rng.integers(10**6)}_{k}" for k in range(n)) if named else ()
        at = int(rng.integers(n + 1))
        groups = (("front – of it", at), ("rest", n - at)) if draw(st.booleans()) else ()
        terminals = np.array([row[:width] for row in rows[kind]], np.int32).reshape(n, width)
        banks[kind] = Bank(terminals, np.array([row[width] for row in rows[kind]], float), names, groups)

    sources = len(rows["voltage_sources"]) + len(rows["current_sources"])
    columns = draw(st.integers(0, sources))
    column = np.concatenate([np.arange(columns), rng.integers(0, columns, sources - columns) if columns else []])
    gains = [float(rng.normal()) if k < len(rows["voltage_sources"]) else 1e-5 for k in range(len(column))]
    pairs = [(a := int(rng.integers(1, len(nodes))), int(rng.choice([k for k in range(len(nodes)) if k != a])))]
    outputs = pairs * draw(st.integers(1, 2))
    return check(
        Circuit(
            nodes=tuple(nodes),
            **banks,
            models=models,
            inputs=Inputs(np.arange(len(column)), column, gains, tuple(f"in {k} (V)" for k in range(columns))),
            outputs=outputs,
            output_names=tuple(f"out {k}" for k in range(len(outputs))),
            trainable=rng.random(len(rows["resistors"])) < 0.5,
            units=Units(rng.normal(size=columns), rng.normal(size=columns), float(rng.uniform(0.1, 9))),
            temperature=draw(st.sampled_from([27.0, 0.0, 85.0])),
            title=draw(st.text(max_size=20)),
            notes=tuple(draw(st.lists(st.text(max_size=20), max_size=2))),
        )
    )


def drives_of(circuit: Circuit) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, len(circuit.inputs)))


def settled(circuit: Circuit, drives: np.ndarray) -> np.ndarray:
    """Node voltages by the wave engine; a circuit without an operating point is no example."""
    with create("wave") as engine:
        try:
            return engine.operate(circuit, drives).node_voltages
        except SimulationError:
            assume(False)
            raise


@bounded
@given(circuits())
def test_files_hold_everything(circuit: Circuit) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c.npz"
        circuit.save(path)
        back = Circuit.load(path)
        back.save(Path(folder) / "again.npz")
        assert path.read_bytes() == (Path(folder) / "again.npz").read_bytes()
    assert circuit_digest(back) == circuit_digest(circuit)
    assert back.same_topology(circuit)
    assert (back.title, back.notes, back.models) == (circuit.title, circuit.notes, circuit.models)
    assert [back.bank(kind).groups for kind in KINDS] == [circuit.bank(kind).groups for kind in KINDS]
    assert [back.bank(kind).names for kind in KINDS] == [circuit.bank(kind).names for kind in KINDS]
    assert np.array_equal(back.mask, circuit.mask)
    for ours, theirs in ((back.scaling.offset, circuit.scaling.offset), (back.scaling.scale, circuit.scaling.scale)):
        assert np.array_equal(ours, theirs)
    assert back.scaling.output_scale == circuit.scaling.output_scale


@bounded
@pytest.mark.parametrize("dialect", DIALECTS)
@given(circuit=circuits())
def test_exports_settle_alike(dialect: str, circuit: Circuit) -> None:
    drives = drives_of(circuit)
    text = full_deck(circuit, dialect, drives[0]).text
    if DIALECTS[dialect].suffix != ".cir":
        compile(text, "deck", "exec") if DIALECTS[dialect].suffix == ".py" else None
        return
    wanted = settled(circuit, drives)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "deck.cir"
        path.write_text(text)
        back = import_deck(path).circuit
    order = [circuit.inputs.names.index(name) for name in back.inputs.names]
    assert sorted(order) == list(range(len(circuit.inputs)))
    assert set(back.nodes) == set(circuit.nodes)
    found = settled(back, drives[:, order])
    places = [back.nodes.index(name) for name in circuit.nodes]
    np.testing.assert_allclose(found[:, places], wanted, rtol=0, atol=1e-9)
    assert back.temperature == circuit.temperature


@bounded
@given(circuits(), st.floats(0.1, 10.0))
def test_values_folds_and_transposes(circuit: Circuit, factor: float) -> None:
    scaled = circuit.with_conductances(circuit.conductances * factor)
    assert scaled.same_topology(circuit)
    assert circuit_digest(scaled.with_conductances(circuit.conductances)) == circuit_digest(circuit)
    turned = transpose(transpose(circuit))
    for kind in ("resistors", "transformers", "gyrators", "buffers", "mirrors"):
        assert np.array_equal(turned.bank(kind).terminals, circuit.bank(kind).terminals)
        assert np.array_equal(turned.bank(kind).values, circuit.bank(kind).values)
    drives = drives_of(circuit)
    wanted = settled(circuit, drives)
    folded = FoldPlan.of(circuit).fold(circuit)
    sources = circuit.source_values(drives)
    known = folded.known_voltages(sources)
    assert folded.circuit.mask.shape == folded.circuit.conductances.shape
    assert np.isfinite(folded.injections(sources, known)).all()
    # The oracle does not fold.
    np.testing.assert_allclose(Oracle().operate(circuit, drives).node_voltages, wanted, rtol=0, atol=1e-8)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    stages = []
    for k, (inputs, units) in enumerate(pairwise(sizes)):
        last = k == len(sizes) - 2
        activation = (
            Activation("identity") if last else Activation.parse(draw(st.sampled_from(["relu", "leaky-relu:0.1"])))
        )
        A = rng.normal(size=(units, units))
        W = None if last or draw(st.booleans()) else -A.T @ A / units
        stages.append(Stage(U=rng.normal(size=(units, inputs)), b=rng.normal(size=units), W=W, activation=activation))
    return Network(tuple(stages))


@bounded
@given(networks(), st.sampled_from([".npz", ".safetensors"]))
def test_weights_files_hold_everything(network: Network, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"w{suffix}"
        weights.save(network, path)
        back = weights.load(path)
    for ours, theirs in zip(back.stages, network.stages, strict=True):
        assert np.array_equal(ours.U, theirs.U)
        assert np.array_equal(ours.b, theirs.b)
        assert (ours.W is None) == (theirs.W is None)
        assert ours.W is None or np.array_equal(ours.W, theirs.W)
        assert ours.activation == theirs.activation


@bounded
@given(networks())
def test_compiled_networks_compute_what_they_did(network: Network) -> None:
    inputs = np.random.default_rng(1).uniform(-1.0, 1.0, (3, network.stages[0].U.shape[1]))
    try:
        compiled = compile_network(network, diode="ideal", inputs=inputs)
    except NotRealizableError:
        return
    circuit = check(compiled.circuit)
    with create("wave") as engine:
        outputs = engine.operate(circuit, circuit.scaling.to_volts(inputs)).outputs
    wanted = solve(network, inputs).outputs
    np.testing.assert_allclose(
        circuit.scaling.from_volts(outputs), wanted, rtol=0, atol=1e-3 * np.abs(wanted).max() + 1e-3
    )
