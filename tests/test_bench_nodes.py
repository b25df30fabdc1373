"""Gradients of a bench whose inner nodes cannot be read: currents into one node after the other, and tones."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench_body import link, served
from diodeq.api.making import layered
from diodeq.benches.calibrate import calibrate
from diodeq.benches.model import Expected
from diodeq.benches.probes import probes
from diodeq.circuit import Circuit
from diodeq.circuit.capacitance import capacitances, toned
from diodeq.circuit.products import branch_products
from diodeq.cli.main import main
from diodeq.errors import InputError, NotRealizableError, UsageError
from diodeq.learning.audit import audit
from diodeq.learning.losses import usual
from diodeq.learning.rules import named
from diodeq.learning.solves import cost, settled
from diodeq.simulators import create
from diodeq.simulators.bench import BenchSimulator, Twin, described, describing
from diodeq.simulators.bench.backward import Backward
from diodeq.simulators.bench.belief import digest
from diodeq.simulators.bench.channels import Channels
from diodeq.simulators.bench.description import Calibrated
from diodeq.simulators.bench.filling import filled
from diodeq.simulators.bench.imperfect import Imperfect
from diodeq.simulators.bench.log import Logged, replay
from diodeq.simulators.bench.serving import serving
from diodeq.simulators.wave import WaveSimulator
from diodeq.synthesis.pruning import without

SHIPPED = Path(describing.__file__).parent / "descriptions" / "iris.toml"
pytestmark = pytest.mark.filterwarnings("ignore::diodeq.errors.InexactRuleWarning")
DRIVES = np.random.default_rng(0).uniform(-2, 2, (4, 3))
LOSS = usual(np.array([0, 1, 0, 1]), 1.0)
OUTPUTS, PUMPS = 'reads.nodes="outputs"', 'injections.nodes="all"'
ALONE = [OUTPUTS, PUMPS]
TOLERANT = ["ideal", "taps.tolerance=0.2"]


@pytest.fixture(scope="module")
def circuit() -> Circuit:
    """Outputs of two nodes each, five others."""
    made = layered((3, 5, 2), seed=2)
    random = np.random.default_rng(3)
    return made.with_conductances(np.exp(random.uniform(np.log(1.5e-5), np.log(2e-4), len(made.resistors))))


def gradient(simulator, circuit, rule="hardware-linearization"):
    return named(rule)(simulator, circuit, DRIVES, LOSS).conductances


@pytest.fixture(scope="module")
def differences(circuit):
    """The gradient by finite differences."""
    return gradient(create("wave"), circuit, "finite-difference")


def bench(*options):
    return BenchSimulator(described("iris", *options))


def apart(found, wanted):
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


def on_table(circuit, simulator):
    """The circuit with the conductances that it has on a twin's table."""
    simulator.operate(circuit, DRIVES[:1])
    twin = simulator._body
    return circuit.with_conductances(twin.parts.conductances(twin.taps(), 0.0))


@pytest.mark.parametrize("rule", ["", ":amplitude=1e-7", ":amplitude=auto", ":lock-in=1"])
@pytest.mark.parametrize(
    "options",
    [ALONE, [PUMPS, "reading.currents=nodes"], [OUTPUTS, 'pumps.nodes=["h1_1","y0_p"]'], [*ALONE, "reading.repeats=2"]],
)
def test_currents_into_one_node_after_the_other_tell_the_exact_gradient(rule, options, circuit, differences):
    wanted = differences
    assert apart(gradient(bench("ideal", *options), circuit, f"hardware-linearization{rule}"), wanted) < 1e-6
    if not rule:
        assert apart(gradient(bench("ideal", *options, "reading.amplitude=auto"), circuit), wanted) < 1e-6


def test_what_is_not_read_is_the_boards_and_not_the_models(circuit):
    """Of resistors within ± 20 %, the answers of all nodes are those of the board, the operating point's are not."""
    simulator, exact = bench(*TOLERANT, *ALONE), create("wave")
    point, theirs = simulator.operate(circuit, DRIVES), exact.operate(on_table(circuit, simulator), DRIVES)
    injections = LOSS(point.outputs)[1]
    wanted = exact.small_signal(theirs, injections).node_voltages
    assert apart(simulator.small_signal(point, injections).node_voltages, wanted) < 1e-6
    assert apart(point.node_voltages, theirs.node_voltages) > 1e-3
    for other in (["reading.currents=outputs"], ['pumps.nodes="outputs"'], ['pumps.nodes=["h1_2","h1_4"]']):
        model = bench(*TOLERANT, *ALONE, *other)
        found = model.small_signal(model.operate(circuit, DRIVES), injections).node_voltages
        assert apart(found, wanted) > 1e-3
        known = Backward.of(model._channels).known
        assert apart(found[:, known], wanted[:, known]) < 1e-6
        assert len(known) == (6 if "h1_2" in other[0] else 4)


def test_what_currents_tell_is_weighed_against_the_model(circuit):
    """By their noise: with much of it they are no worse than the model alone, with little they are the board's."""
    exact, errors = create("wave"), {}
    for noise in (1e-9, 1e-3):
        for currents in ("outputs", "auto"):
            simulator = bench(
                *TOLERANT, *ALONE, "reading.amplitude=1e-6", f"reads.noise={noise}", f"reading.currents={currents}"
            )
            point, theirs = simulator.operate(circuit, DRIVES), exact.operate(on_table(circuit, simulator), DRIVES)
            injections = LOSS(theirs.outputs)[1]
            missed = simulator.small_signal(point, injections).node_voltages
            missed = (missed - exact.small_signal(theirs, injections).node_voltages)[:, simulator._channels.missing]
            errors[noise, currents] = np.linalg.norm(missed)
    assert errors[1e-9, "auto"] < 0.1 * errors[1e-9, "outputs"]
    assert errors[1e-3, "auto"] < 1.3 * errors[1e-3, "outputs"]
    random = np.random.default_rng(0)
    root, model, seen = (
        random.standard_normal((1, 4, 4)),
        random.standard_normal((1, 5)),
        random.standard_normal((1, 3)),
    )
    spread, noise, read = root @ root.transpose(0, 2, 1), np.array([[0.1, 1.0, 2.0]]), np.array([1, 2, 4])
    gain = spread[0][:, read - 1] @ np.linalg.inv(spread[0][np.ix_(read - 1, read - 1)] + np.diag(noise[0] ** 2))
    wanted = model[0, 1:] + gain @ (seen - model[:, read])[0]
    found = filled(model, np.arange(1, 5), spread, read, seen, noise, np.array([2]))
    assert found[0, 2] == seen[0, 1], "that was read"
    np.testing.assert_allclose(found[0, [1, 3, 4]], wanted[[0, 2, 3]], rtol=1e-10)


def test_answers_are_as_noisy_as_is_said(circuit):
    """Of nodes that are read, and of those that currents go into, over many readings of the same."""
    simulator = bench("ideal", *ALONE, "reads.noise=1e-4", "reading.amplitude=2e-5", "reading.repeats=2")
    count = 300
    point = simulator.operate(circuit, np.repeat(DRIVES[:1], count, axis=0))
    injections = np.repeat([[0.3, -0.8]], count, axis=0)
    found = simulator.measured(point, injections)
    backward = Backward.of(simulator._channels)
    said = 1e-4 * backward.noise(injections[:1], 2e-5, 2)[0]
    np.testing.assert_allclose(found[:, backward.known].std(axis=0), said, rtol=0.15)
    assert len(set(said.round(9).tolist())) == 2


def test_all_that_a_bench_reads_counts(circuit, tmp_path, capsys):
    for options, each in ((ALONE, 13), ([PUMPS], 3), ([*ALONE, "reading.repeats=3"], 39)):
        simulator = bench(*options)
        rows = audit(simulator, circuit, DRIVES, LOSS, ["hardware-linearization"])
        assert rows[0].solves == each * len(DRIVES)
        often, repeats = settled(simulator, circuit), simulator.description.reading.repeats
        assert cost(named("hardware-linearization"), circuit, often) == each
        assert cost(named("hardware-linearization:amplitude=1e-4:repeats=2"), circuit, often) == 2 * each - repeats
        assert cost(named("equilibrium-propagation"), circuit, often) == 3 * repeats
        before = simulator.readings
        gradient(simulator, circuit, "hardware-linearization:amplitude=1e-4:repeats=2")
        assert simulator.readings - before == (2 * each - repeats) * len(DRIVES)
        circuit.save(tmp_path / "c.npz")
        spec = ":".join(["iris", *options])
        assert main(["bench", "show", spec, "--circuit", str(tmp_path / "c.npz"), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["readings_a_gradient"] == each


@pytest.mark.parametrize("hertz", [0.0, 3e4])
def test_a_batch_is_read_as_its_samples_one_at_a_time(hertz, circuit):
    one, many = (bench(*ALONE, "temperature.period=100") for _ in range(2))
    points = [simulator.operate(circuit, DRIVES) for simulator in (one, many)]
    injections = LOSS(points[0].outputs)[1]
    whole = many.measured(points[1], injections, hertz=hertz)
    for k in range(len(DRIVES)):
        alone = one.operate(circuit, DRIVES[[k]])
        one.readings = len(DRIVES) + 12 * k
        np.testing.assert_array_equal(one.measured(alone, injections[[k]], hertz=hertz)[0][one._channels.read],
                                      whole[k][one._channels.read])  # fmt: skip
    assert many.readings == 13 * len(DRIVES)
    assert one.measured(points[0], injections, "auto").shape == whole.shape
    for repeats in (1, 2):
        assert one.measured(one.operate(circuit, DRIVES[:0]), injections[:0], "auto", repeats).shape == (
            0,
            whole.shape[1],
        )


@contextmanager
def on_link(options, circuit, way):
    """A bench of options at the other end of a link."""
    own = described("iris", *options)
    with serving(own, circuit, way, "" if way == "pty" else "127.0.0.1:0", 5.0, pytest.fail) as (server, link):
        ended = threading.Event()
        thread = threading.Thread(target=lambda: server.run(ended.is_set))
        thread.start()
        try:
            with BenchSimulator(replace(own, link=dict(link))) as simulator:
                yield simulator
        finally:
            ended.set()
            thread.join()


@pytest.mark.parametrize("way", ["pty", "tcp", "scpi"])
def test_every_link_gives_the_same_bits(way, circuit):
    rules = ("hardware-linearization", "hardware-linearization:lock-in=1e4", "coupled-learning")
    here = bench(*ALONE)
    wanted = [gradient(here, circuit, rule) for rule in rules]
    with on_link(ALONE, circuit, way) as there:
        for rule, each in zip(rules, wanted, strict=True):
            np.testing.assert_array_equal(gradient(there, circuit, rule), each)
        assert there.readings == here.readings > 0
    other = bench().description
    with on_link(ALONE, circuit, way) as there:
        there.description = replace(other, link=there.description.link)
        with pytest.raises(InputError, match=r"injections of codes"):
            there.operate(circuit, DRIVES)


@pytest.mark.parametrize("way", ["tcp", "scpi"])
def test_rules_that_hold_outputs_are_refused_before_anything_is_driven(way, circuit, tmp_path, capsys):
    own = described("iris")
    twin = Twin(own, circuit)
    with served(way, twin, spans=twin.channels.spans.without_holds()) as (server, _, said):
        entries = link(way, server.where)
        with BenchSimulator(replace(own, link=entries)) as there:
            for rule in ("coupled-learning", "coupled-learning:centered=yes", "contrastive"):
                with pytest.raises(InputError, match="cannot hold its outputs; choose a rule that injects currents"):
                    gradient(there, circuit, rule)
        lines = "".join(f'{key} = "{value}"\n' for key, value in entries.items())
        circuit.save(tmp_path / "c.npz")
        np.savez(tmp_path / "d.npz", X=np.tile(DRIVES, (5, 1)), y=np.arange(20) % 2)
        run = ["train", f"npz:{tmp_path / 'd.npz'}", "--from", str(tmp_path / "c.npz"), "--out", str(tmp_path / "run")]
        (tmp_path / "b.toml").write_text(SHIPPED.read_text() + f"[link]\n{lines}")
        assert main([*run, "--rule", "contrastive", "--simulator", f"bench:{tmp_path / 'b.toml'}"]) == 3
        assert "cannot hold its outputs" in capsys.readouterr().err
        assert twin.readings == 0
        assert not (tmp_path / "run").exists()
        assert not said


def test_a_tone_meets_the_capacitances_of_the_bench(circuit):
    """Of its wiring and what is read, and its diodes' and its taps' own; as ``bench frequency`` has them."""
    wave, hertz = create("wave"), 2e4
    for options in ([OUTPUTS, PUMPS], [OUTPUTS, PUMPS, "taps.tolerance=0.2"], [OUTPUTS]):
        simulator = bench("ideal", *options)
        board = on_table(circuit, simulator)
        point = wave.operate(board, DRIVES)
        injections = LOSS(point.outputs)[1]
        injected, farads = board.output_injections(injections), capacitances(board, 75e-12, 20e-12)
        wanted = toned(board, point.node_voltages, point.diode_conductances, injected, farads, hertz)
        found = simulator.measured(simulator.operate(circuit, DRIVES), injections, hertz=hertz)
        assert apart(found, wanted) < 1e-6
        slow = wave.small_signal(point, injections).node_voltages
        assert apart(wanted, slow) > 0.01
    assert apart(gradient(bench("ideal", *ALONE), circuit, f"hardware-linearization:lock-in={hertz}"),
                 branch_products(board, point.node_voltages, wanted)) < 1e-6  # fmt: skip
    faster = bench("ideal", *ALONE, "settling.wiring=1e-12", "settling.load=0")
    assert apart(gradient(faster, circuit, f"hardware-linearization:lock-in={hertz}"), gradient(wave, circuit)) < 0.01


def test_what_always_flows_is_in_no_tone_and_rounding_is_in_every_amplitude(circuit):
    twin = Twin(described("iris", "ideal", *ALONE, "pumps.offset=2e-5"), circuit)
    still = np.zeros((1, 3), np.int64), np.zeros((1, 7), np.int64)
    assert np.abs(twin.read(*still)).max() > np.abs(twin.tone(*still, 1000)).max() == 0
    pushed = still[0], np.full((1, 7), 300)
    without_it = Twin(described("iris", "ideal", *ALONE), circuit).tone(*pushed, 1000)
    assert (twin.tone(*pushed, 1000) != without_it).all(), "diodes conduct by what always flows"
    wanted = gradient(create("wave"), circuit)
    for options in ([], ALONE):
        rough = bench("ideal", *options, "reads.bits=10", "reading.amplitude=auto")
        assert apart(gradient(rough, circuit), wanted) < 0.1


def test_answers_to_nothing_are_nothing_and_diodes_are_those_of_the_circuit(circuit):
    simulator = bench(*TOLERANT, *ALONE)
    point = simulator.operate(circuit, DRIVES)
    injections = LOSS(point.outputs)[1]
    injections[1] = 0.0
    found = simulator.measured(point, injections)
    assert not found[1].any()
    assert found[[0, 2, 3]].any(axis=1).all()
    warm = replace(circuit, temperature=60.0)
    anew = bench(*TOLERANT, *ALONE).operate(warm, DRIVES).diode_conductances
    np.testing.assert_allclose(simulator.operate(warm, DRIVES).diode_conductances, anew, rtol=1e-6)


def test_a_detector_lets_neither_offsets_nor_slow_noise_through(circuit):
    numbers, volts = np.arange(4000), np.zeros((4000, 4))

    def read(*options, detected):
        parts = Imperfect(Channels.of(circuit, described("iris", "ideal", OUTPUTS, *options)))
        return parts.channels.reads.decode(parts.read(volts, numbers, 0.0, detected))

    for option in ("amplifiers.offset=1e-2", "reads.flicker=1e-2"):
        assert np.abs(read(option, detected=False)).max() > 3e-3
        assert np.abs(read(option, detected=True)).max() < 1e-12
    both = [read("reads.noise=1e-3", detected=detected).std() for detected in (False, True)]
    np.testing.assert_allclose(both, [1e-3, 1e-3 * np.sqrt(2.0)], rtol=0.03)
    assert np.abs(read("reads.offset=1e-2", detected=True)).max() > 3e-3, "that of the converter is behind it"


def test_pumps_at_nodes_have_deviations_of_their_own(circuit):
    """As large as described, other than those of the outputs, the same when the circuit is pruned."""
    options = ["ideal", PUMPS, "pumps.mismatch=0.1", "pumps.offset=1e-6"]

    def pushed(circuit, *more):
        parts = Imperfect(Channels.of(circuit, described("iris", *options, *more)))
        codes = 1000 * np.eye(len(parts.channels.pumps), dtype=np.int64)
        both = parts.pumped(codes) - parts.pumped(0 * codes)
        gains = np.array([both[k, parts.joined[0, k] > 0.0].sum() for k in range(len(both))])
        return gains / (1000 * parts.channels.injections.step) - 1.0, parts.pumped(codes[:1] * 0)[0]

    drawn = [pushed(circuit, f"seed={seed}") for seed in range(100)]
    gains, offsets = (np.array(each) for each in zip(*drawn, strict=True))
    assert gains.shape == (100, 7)
    assert offsets.shape == (100, 9)
    np.testing.assert_allclose([gains.std(), offsets.std()], [0.1, 1e-6], rtol=0.1)
    assert np.abs(np.corrcoef(gains.T) - np.eye(7)).max() < 0.5
    few = without(circuit, np.arange(len(circuit.resistors)) % 4 > 0)
    names = [few.nodes[node] for node in Channels.of(few, described("iris", PUMPS)).pumped]
    where = [
        Channels.of(circuit, described("iris", PUMPS)).pumped.tolist().index(circuit.nodes.index(n)) for n in names
    ]
    assert names
    np.testing.assert_array_equal(pushed(few)[0][2:], pushed(circuit)[0][2:][where])


def test_pumps_at_nodes_reach_no_further_than_their_compliance(circuit):
    free, bound = (Twin(described("iris", "ideal", PUMPS, *more), circuit) for more in ([], ["pumps.compliance=0.5"]))
    still, codes = np.zeros((1, 3), np.int64), np.zeros((1, 7), np.int64)
    codes[0, 4] = free.channels.injections.encode(np.array([[200e-6]]), "")[0, 0]
    node = free.channels.read.tolist().index(free.channels.pumped[2])
    volts = [free.channels.reads.decode(twin.read(still, codes))[0, node] for twin in (free, bound)]
    assert volts[1] < 0.5 < volts[0]


def test_a_calibration_finds_the_pumps_at_nodes(circuit):
    """With the outputs alone read: they are where currents go in, whose answers the outputs tell."""
    options = ["ideal", *ALONE, "pumps.mismatch=0.05", "reads.noise=1e-5"]
    own = described("iris", *options, "seed=4")
    twin = Twin(own, circuit)
    found = calibrate(twin, WaveSimulator(), twin.channels, codes=2)
    gains = found.belief.values["pump_gains"].reshape(2, -1)
    assert gains.shape == (2, 7)
    first, _, _ = twin.parts._pumps
    wanted = first.sum(axis=1)[2:] - 1.0
    assert found.left["pump_gains"].reshape(2, -1)[0, 2:].max() < 0.01
    assert np.abs(gains[0, 2:] - wanted).max() < 0.02
    known, unknown = (BenchSimulator(each, lambda description, circuit: twin) for each in (found.description, own))
    wave = create("wave")
    board = circuit.with_conductances(twin.parts.conductances(twin.channels.taps.encode(circuit.conductances), 0.0))
    exact = gradient(wave, board)
    assert apart(gradient(known, circuit), exact) < 0.03
    assert apart(gradient(unknown, circuit), exact) > 0.04


def test_a_session_with_tones_is_replayed(circuit, tmp_path):
    own = described("iris", *ALONE)
    with BenchSimulator(own, lambda description, circuit: Logged(Twin(description, circuit), tmp_path / "log")) as each:
        gradient(each, circuit, "hardware-linearization:lock-in=1e4")
        each.operate(circuit, DRIVES[:0])
    found = replay(tmp_path / "log", Twin(own, circuit))
    assert found.rows == 13 * len(DRIVES)
    assert not found.worst.any()
    other = replay(tmp_path / "log", Twin(described("iris", *ALONE, "settling.wiring=1e-12"), circuit))
    assert other.worst.all()
    known = Expected(Channels.of(circuit, replace(own, calibrated=Calibrated(circuit=digest(circuit)))))
    with pytest.raises(UsageError, match=r"line \d+ of .*it has tones.* leave \[calibrated\] out"):
        replay(tmp_path / "log", known)
    with pytest.raises(InputError, match="given for 2 injections"):
        replay(tmp_path / "log", Twin(described("iris", OUTPUTS), circuit))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        (['pumps.nodes=["nowhere"]'], InputError, "has a pump at node nowhere, which the circuit does not have"),
        (["reading.currents=nodes"], UsageError, "it has pumps at its outputs alone; give it"),
        (["reading.currents=nodes", PUMPS, 'reads.nodes=["y0_p"]'], UsageError, "not all its outputs are read"),
        ([PUMPS, OUTPUTS, "reading.amplitude=0.01"], NotRealizableError, "asks for -10 mA at pump 0"),
    ],
)
def test_what_pumps_cannot_do_is_one_sentence(options, error, words, circuit):
    with pytest.raises(error, match=words):
        gradient(bench(*options), circuit)


def test_tones_that_there_are_not_are_one_sentence(circuit):
    simulator = bench(*ALONE)
    for hertz in ("1e-9", "1e20"):
        with pytest.raises(UsageError, match="a bench has no tone of 1e"):
            gradient(simulator, circuit, f"hardware-linearization:lock-in={hertz}")
    with pytest.raises(InputError, match="0 millihertz is none"):
        simulator._body.tone(np.zeros((1, 3), np.int64), np.zeros((1, 7), np.int64), 0)


def test_entries_of_a_range_may_come_one_after_the_other():
    for order in (["low=30", "high=60"], ["high=60", "low=50"], ["low=50", "high=60"]):
        own = described("iris", *(f"temperature.{each}" for each in order))
        assert own.temperature.high == 60.0
    assert described("iris", "no-temperature", "temperature.low=1", "temperature.high=1").temperature.low == 1.0
    assert described("iris", "taps.ohms=5e3", "taps.part=MCP4131").taps.ohms == 5e3
    for bad in (["temperature.low=60"], ["no-temperature", "temperature.low=15"], ["temperature.high=1", "seed=3"]):
        with pytest.raises(UsageError, match=f"option '{bad[-1] if 'temp' in bad[-1] else bad[0]}' .*are no range"):
            described("iris", *bad)


def test_probes_of_samples_without_a_gradient_are_refused(circuit):
    with pytest.raises(InputError, match="the gradient of these samples is 0; give other samples"):
        probes(create("wave"), circuit, DRIVES, lambda outputs: (0.0, np.zeros_like(outputs)), 0.2, 1e-3)
