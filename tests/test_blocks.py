"""Dense blocks: found where they are, and products over them are those of the single resistors."""

from dataclasses import replace

import numpy as np
import pytest

from circuits import CIRCUITS
from diodeq.circuit import Bank, Circuit, Inputs, bank
from diodeq.circuit.blocks import SMALLEST, Wiring
from diodeq.circuit.equations import EquationsPlan
from diodeq.circuit.fold import FoldPlan
from diodeq.circuit.products import branch_products
from diodeq.circuit.rails import dual_rails
from diodeq.compiled import available
from diodeq.devices import catalogue
from diodeq.errors import CircuitError
from diodeq.simulators import create
from diodeq.simulators.wave.two_sets import LayersPlan
from diodeq.synthesis.layered import layered

CIRCUIT_NAMES = [name for name, make in CIRCUITS.items() if len(make().resistors)]


def every_pair(rows, columns):
    return np.array([(a, b) for a in rows for b in columns], np.int32)


def covered(wiring):
    parts = [np.arange(block.resistors.start, block.resistors.stop) for block in wiring.blocks]
    return np.sort(np.concatenate([*parts, wiring.rest]))


@pytest.mark.parametrize("flipped", [False, True])
def test_a_dense_layer_among_other_resistors_is_found(flipped):
    random = np.random.default_rng(0)
    stray = np.array([(70, 71), (70, 72), (73, 71)], np.int32)
    dense = every_pair(random.permutation(20), 20 + random.permutation(30))
    terminals = np.concatenate([stray, dense[:, ::-1] if flipped else dense, stray])
    wiring = Wiring(terminals)
    assert [len(block.rows) * len(block.columns) for block in wiring.blocks] == [600]
    assert wiring.rest.tolist() == [0, 1, 2, 603, 604, 605]
    (block,) = wiring.blocks
    numbers = block.matrix(np.arange(606.0))
    for i, j in ((0, 0), (3, 29), (19, 7)):
        assert {block.rows[i], block.columns[j]} == set(terminals[int(numbers[i, j])])


def test_two_layers_that_follow_each_other_are_two_blocks():
    wiring = Wiring(np.concatenate([every_pair(range(20), range(20, 40)), every_pair(range(20, 40), range(40, 60))]))
    assert [(block.start, len(block.rows)) for block in wiring.blocks] == [(0, 20), (400, 20)]


def test_what_is_no_block_stays_outside():
    random = np.random.default_rng(1)
    for terminals in (
        np.zeros((0, 2), np.int32),
        random.integers(0, 50, (SMALLEST * 4, 2)),
        np.stack([np.arange(1000), np.arange(1000) + 1], axis=1),
        np.stack(np.triu_indices(60, 1), axis=1),
        np.tile([[1, 2]], (1000, 1)),
        np.concatenate([every_pair(range(20), [30, 31] * 10)]),
    ):
        wiring = Wiring(terminals.astype(np.int32))
        assert np.array_equal(covered(wiring), np.arange(len(terminals)))
        for block in wiring.blocks:
            assert len(np.unique(block.rows)) == len(block.rows)
            assert len(np.unique(block.columns)) == len(block.columns)


def test_wiring_belongs_to_its_terminals():
    first = bank("resistors", [(0, 1, 1.0), (1, 2, 2.0)])
    assert first.with_values([3.0, 4.0]).wiring is first.wiring


def plain_products(circuit, voltages, adjoint):
    a, b = circuit.resistors.terminals[circuit.mask].T
    return -((voltages[:, a] - voltages[:, b]) * (adjoint[:, a] - adjoint[:, b])).sum(axis=0)


@pytest.mark.parametrize("name", CIRCUIT_NAMES)
def test_products_are_those_of_the_branches(name):
    compare(CIRCUITS[name]())


@pytest.mark.parametrize("lateral", [False, True])
@pytest.mark.parametrize("some", [False, True])
def test_products_over_dense_layers(lateral, some):
    circuit = layered((30, 40, 12, 5), catalogue.get("1N4148"), 5.0, lateral=lateral)
    if some:
        circuit.__dict__["trainable"] = np.random.default_rng(0).random(len(circuit.resistors)) < 0.5
    compare(circuit)


def test_products_over_rails_in_any_order():
    circuit = layered((30, 40, 5), catalogue.get("1N4148"), 5.0, lateral=False)
    block, order = circuit.resistors.wiring.blocks[0], np.arange(len(circuit.resistors))
    places = block.matrix(order)
    places[:] = places[np.random.default_rng(1).permutation(len(places))]
    resistors = Bank(circuit.resistors.terminals[order], circuit.conductances[order])
    compare(replace(circuit, resistors=resistors))


def compare(circuit):
    random = np.random.default_rng(2)
    voltages, adjoint = random.normal(size=(2, 7, len(circuit.nodes)))
    adjoint[:, circuit.voltage_sources.terminals.ravel()] = 0.0
    voltages[:, 0] = adjoint[:, 0] = 0.0
    opposite = voltages.copy()
    plus, minus = dual_rails(circuit).T
    opposite[:, minus] = -opposite[:, plus]
    for volts in (voltages, opposite):
        for hushed in (adjoint, adjoint * (np.arange(len(circuit.nodes)) % 2), 0.0 * adjoint):
            wanted = plain_products(circuit, volts, hushed)
            found = branch_products(circuit, volts, hushed)
            assert np.allclose(found, wanted, rtol=1e-12, atol=1e-12 * np.abs(wanted).max(initial=1.0))


# --- dual rails ------------------------------------------------------------------------------------------------------


def driven(gains, constants=(0.0, 0.0, 0.0), columns=(0, 0, 1)):
    """Three driven nodes, each tied to ninety free ones (so that they make a block) by resistors to ground."""
    rails, free = np.arange(1, 4), np.arange(4, 94)
    joints = [(a, b, 1e-3 * (1 + a + b)) for a in rails for b in free] + [(b, 0, 1e-3) for b in free]
    return Circuit(
        tuple(map(str, range(94))),
        resistors=bank("resistors", joints),
        voltage_sources=bank("voltage_sources", [(1, 0, constants[0]), (2, 0, constants[1]), (0, 3, constants[2])]),
        inputs=Inputs(np.arange(3), np.array(columns), np.array(gains, float), tuple("ab")[: max(columns) + 1]),
        outputs=np.array([[4, 5]]),
    )


def test_the_rails_of_a_layered_circuit_are_dual():
    circuit = layered((3, 4, 2), catalogue.get("1N4148"), 5.0)
    names = [[circuit.nodes[a], circuit.nodes[b]] for a, b in dual_rails(circuit)]
    assert names == [["x0_p", "x0_n"], ["x1_p", "x1_n"], ["x2_p", "x2_n"]]


@pytest.mark.parametrize(
    ("circuit", "pairs"),
    [
        (driven((2.0, -2.0, 1.0)), [[1, 2]]),
        (driven((-2.0, 2.0, 1.0)), [[2, 1]]),
        (driven((2.0, 1.0, 2.0), columns=(0, 0, 0)), [[1, 3]]),  # the third source is turned round
        (driven((1.0, 1.0, 1.0), columns=(0, 0, 0)), [[2, 3]]),  # of two equal rails one has an opposite
        (driven((2.0, -1.0, 1.0)), []),
        (driven((2.0, -2.0, 1.0), constants=(0.5, 0.0, 0.0)), []),
        (driven((0.0, 0.0, 1.0)), []),
    ],
)
def test_opposite_rails_fold_as_all_rails_do(circuit, pairs):
    assert [sorted(pair) for pair in dual_rails(circuit).tolist()] == [sorted(pair) for pair in pairs]
    drives = np.random.default_rng(1).normal(size=(4, len(circuit.inputs)))
    for now in (circuit, circuit.with_values("voltage_sources", [0.25, 1.0, -1.0])):
        folded = FoldPlan.of(circuit).fold(now)  # a plan must not take the constants of its circuit for granted
        sources = now.source_values(drives)
        known = folded.known_voltages(sources)
        a, b = now.resistors.terminals.T
        into = np.zeros((4, len(now.nodes)))
        np.add.at(into.T, b, (known[:, a] * now.conductances).T)
        assert np.allclose(folded.injections(sources, known)[:, 1:], into[:, 4:], rtol=1e-13, atol=1e-16)
    compare(circuit)


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("flipped", [False, True])
def test_wires_and_two_sets_are_those_of_the_matrix(shuffled, flipped):
    """Dense ones, loose ones and those to ground, where diodes point either way."""
    random = np.random.default_rng(2)
    nodes = 1 + (random.permutation(54) if shuffled else np.arange(54))
    dense = every_pair(nodes[:20], nodes[20:50])
    loose = np.array([(nodes[0], nodes[52]), (nodes[53], nodes[20]), (nodes[50], nodes[52])], np.int32)
    grounded = np.array([(node, 0) if node % 2 else (0, node) for node in nodes], np.int32)
    ends = np.concatenate([grounded, loose[:1], dense[:, ::-1] if flipped else dense, loose[1:]])
    siemens = random.uniform(1e-4, 1e-3, len(ends))
    circuit = Circuit(
        ("0", *(f"n{k}" for k in range(1, 55))),
        resistors=bank("resistors", [(*pair, g) for pair, g in zip(ends.tolist(), siemens.tolist(), strict=True)]),
        diodes=bank("diodes", [(k, 0, 0) if k % 3 else (0, k, 0) for k in range(1, 55)]),
        models=(catalogue.get("1N4148"),),
    )
    plan = EquationsPlan.of(circuit)
    equations = plan.fill(circuit)
    wired, matrix, volts = equations.wired, equations.matrix.toarray(), random.normal(size=54)
    assert len(wired.blocks) == 1
    np.testing.assert_allclose(wired.times(volts), matrix @ volts, rtol=0, atol=1e-15)
    np.testing.assert_allclose(wired.own, np.diag(matrix), rtol=1e-12)
    np.testing.assert_allclose(wired.entries[plan.wires.pattern(circuit).toarray()], matrix, rtol=1e-12)
    np.testing.assert_allclose(wired.beside, np.diag(matrix) - siemens[:54][np.argsort(nodes)], rtol=1e-12)
    found = LayersPlan.of(plan)
    assert len(found.coupled) == 1
    first, second = found.sets
    wanted = -matrix[np.ix_(first.at, second.at)] * np.outer(first.along, second.along)
    np.testing.assert_allclose(found.coupling(wired, np.float64), wanted, rtol=1e-12)
    assert (wanted < 0.0).any()
    doubled = Bank(np.concatenate([ends, loose]), np.append(siemens, siemens[:3]))
    twice = replace(circuit, resistors=doubled, trainable=None)
    assert EquationsPlan.of(twice).wires.pattern(twice) is None  # no entry is that of two resistors


def test_values_are_folded_and_looked_at_in_one_pass():
    circuit = layered((20, 30, 2), catalogue.get("1N4148"), 5.0)
    plan = FoldPlan.of(circuit)
    plain = plan.fold(circuit)
    assert plain.sound
    assert any(feed.halves.pairs for feed in plan.feeds)
    ways = [{"number": np.float64}, {"number": np.float32}]
    if available():
        ways += [{**way, "fused": True} for way in ways]
    for way in ways:
        folded = plan.fold(circuit, **way)
        assert folded.sound
        assert np.allclose(folded.circuit.conductances, plain.circuit.conductances, rtol=1e-14, atol=0.0)
        for one, other in zip(folded.couplings, plain.couplings, strict=True):
            assert one.dtype == way["number"]
            assert np.array_equal(one, other.astype(way["number"]))
        for at in (0, 5, 30, 42 * 30 - 1, len(circuit.resistors) - 1):
            for bad in (0.0, -1.0, np.nan, np.inf):
                values = circuit.conductances.copy()
                values[at] = bad
                with np.errstate(invalid="ignore"):
                    assert not plan.fold(circuit.with_conductances(values), **way).sound


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("engine", ["wave", "wave:numba:mixed"])
def test_values_between_free_nodes_in_a_block_with_rails_are_looked_at(turned, engine):
    if "numba" in engine and not available():
        pytest.skip("numba is not installed")
    rails, free, leaves = range(1, 9), range(9, 11), range(11, 51)
    joints = [(a, b, 1e-3) for a in (*rails, *free) for b in leaves]
    if turned:
        joints = [(b, a, 1e-3) for b in leaves for a in (*rails, *free)]
    circuit = Circuit(
        ("0", *(f"n{k}" for k in range(1, 51))),
        resistors=bank("resistors", [*joints, *((a, 0, 1e-3) for a in free)]),
        diodes=bank("diodes", [(b, 0, 0) for b in leaves]),
        models=(catalogue.get("1N4148"),),
        voltage_sources=bank("voltage_sources", [(a, 0, 1.0) for a in rails]),
        outputs=np.array([free]),
    )
    assert len(circuit.resistors.wiring.blocks) == 1
    simulator = create(engine)
    simulator.operate(circuit, np.zeros((1, 0)))
    between = [k for k, (a, b, _) in enumerate(joints) if {a, b} & {*free}]
    for at in (0, between[0], between[-1], len(joints)):
        for bad in (0.0, -1e-3, np.nan, np.inf):
            values = circuit.conductances.copy()
            values[at] = bad
            with pytest.raises(CircuitError, match=f"resistor r{at + 1} "):
                simulator.operate(circuit.with_conductances(values), np.zeros((1, 0)))


def test_rails_anywhere_have_their_sources_voltages():
    rails = [1, 2, 4]
    circuit = Circuit(
        tuple("0abcd"),
        resistors=bank("resistors", [(node, 3, 1e-3) for node in (0, *rails)]),
        voltage_sources=bank("voltage_sources", [(node, 0, 0.0) for node in rails]),
        inputs=Inputs([0, 1, 2], [0, 1, 2], [1.0, 2.0, 3.0], tuple("xyz")),
        outputs=[(3, 0)],
    )
    sources = circuit.source_values(np.random.default_rng(0).normal(size=(4, 3)))
    assert np.array_equal(FoldPlan.of(circuit).fold(circuit).known_voltages(sources)[:, rails], sources)


@pytest.mark.parametrize("number", [np.float64, np.float32])
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_blocks_with_rails_fold_whichever_way_they_lie(turned, fused, number):
    """One of ninety columns whose rows are a free node and three rails, two of them dual."""
    if fused and not available():
        pytest.skip("numba is not installed")
    dense, grounded = every_pair([94, 1, 2, 3], range(4, 94)), [(node, 0) for node in range(4, 95)]
    if turned:
        dense = dense.reshape(4, 90, 2).transpose(1, 0, 2).reshape(-1, 2)
    random, ends = np.random.default_rng(3), np.concatenate([dense, grounded]).astype(np.int32)
    circuit = Circuit(
        tuple(map(str, range(95))),
        resistors=Bank(ends, random.uniform(1e-4, 1e-3, len(ends))),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0), (2, 0, 0.0), (3, 0, 0.0)]),
        inputs=Inputs(np.arange(3), np.array([0, 0, 1]), np.array([1.0, -1.0, 1.0]), ("a", "b")),
        outputs=np.array([[4, 5]]),
    )
    plan = FoldPlan.of(circuit)
    (feed,), folded = plan.feeds, plan.fold(circuit, number=number, fused=fused)
    assert (feed.transposed, feed.halves.pairs, folded.sound) == (turned, 1, True)
    sources = circuit.source_values(random.normal(size=(4, 2)))
    known, into, lost = folded.known_voltages(sources), np.zeros((4, 95)), np.zeros(95)
    for one, other in (ends.T, ends.T[::-1]):
        np.add.at(into.T, one, (known[:, other] * circuit.conductances).T)
        np.add.at(lost, one, (other < 4) * circuit.conductances)
    assert np.allclose(folded.injections(sources, known)[:, 1:], into[:, 4:], rtol=1e-5, atol=1e-9)
    resistors = folded.circuit.resistors
    to_ground = (resistors.terminals == 0).any(axis=1)
    found = np.bincount(resistors.terminals[to_ground].max(axis=1), resistors.values[to_ground])
    assert np.allclose(found[1:], lost[4:], rtol=1e-12)


def test_values_of_every_run_beside_the_inputs_are_looked_at():
    circuit = layered((20, 30, 30, 10), catalogue.get("1N4148"), 5.0)
    runs = FoldPlan.of(circuit).beside
    assert len(runs) == 2
    assert all(isinstance(each, slice) for each in runs)
    simulator = create("wave")
    simulator.operate(circuit, np.zeros((1, 20)))
    for at in (k for each in runs for k in (each.start, each.stop - 1)):
        values = circuit.conductances.copy()
        values[at] = np.nan
        with pytest.raises(CircuitError, match=f"r{at + 1} "):
            simulator.operate(circuit.with_conductances(values), np.zeros((1, 20)))
