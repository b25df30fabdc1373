"""The bench: its descriptions, its twin, and what learning rules read through it."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest

import diodeq
from diodeq.circuit import Circuit
from diodeq.circuit.nudges import with_clamps, with_nudges, without
from diodeq.cli.main import main
from diodeq.errors import InputError, NotRealizableError, SimulationError, UsageError
from diodeq.learning import datasets
from diodeq.learning.experiment import Experiment, conduct
from diodeq.learning.initial import fresh, technology_of
from diodeq.learning.objective import bind
from diodeq.learning.recipes import asked, recipe_for
from diodeq.learning.rules import named, written
from diodeq.learning.solves import cost, settled
from diodeq.simulators import conductance_range, create
from diodeq.simulators.bench import BenchSimulator, Twin, changed, described, load, shipped
from diodeq.simulators.bench.channels import Channels
from diodeq.simulators.bench.codes import Converter, TapTable
from diodeq.simulators.bench.describing import read
from diodeq.simulators.bench.options import IMPERFECTIONS
from diodeq.simulators.two_sided import best_amplitude, reader, two_sided

BENCH = "bench:iris"
LEARNED = ("hardware-linearization", "equilibrium-propagation", "coupled-learning", "perturbation:samples=3")


@pytest.fixture(scope="module")
def learning():
    """A circuit on the taps of the bench, input volts and a loss."""
    data = datasets.load("iris")
    recipe = asked(recipe_for("iris"), conductance_range(BENCH), {})
    circuit = fresh(recipe, "1N4148", data, technology_of(recipe, "1N4148"))
    circuit = circuit.with_conductances(np.clip(circuit.conductances, 1.01 * recipe.low, 0.99 * recipe.high))
    drives = circuit.scaling.to_volts(data.x_train[:12])
    return circuit, drives, bind(recipe, circuit, data.y_train[:12])


def apart(found, wanted):
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


@pytest.mark.filterwarnings("ignore::diodeq.errors.InexactRuleWarning")
@pytest.mark.parametrize("rule", [*LEARNED, "contrastive"])
def test_without_imperfections_gradients_are_exact(rule, learning):
    circuit, drives, loss = learning
    if rule == "contrastive":  # its targets are volts away
        drives, loss = drives[:3], lambda volts: (0.5 * float(np.mean((volts**2).sum(axis=1))), volts / len(volts))
    exact = named(rule)(create("wave"), circuit, drives, loss)
    found = named(rule)(create(f"{BENCH}:ideal"), circuit, drives, loss)
    assert apart(found.conductances, exact.conductances) < 1e-6
    np.testing.assert_allclose(found.outputs, exact.outputs, rtol=0, atol=1e-9)


def codes(twin, rows, seed=0):
    """Codes of drives and injections within reach."""
    random = np.random.default_rng(seed)
    at, counts = twin.channels, twin.channels.counts
    drives = random.integers(-1000, 1000, (rows, counts["drives"]))
    pumps = random.integers(at.injections.first // 8, at.injections.last // 8, (rows, counts["injections"]))
    return drives, pumps


@pytest.mark.parametrize("held", [False, True])
def test_a_batch_reads_as_its_rows_one_at_a_time(held, learning):
    """With everything that changes from reading to reading, across several ticks of drift and temperature."""
    circuit, _, _ = learning
    own = changed(load("iris"), "temperature.period=2", "taps.drift_seconds=3", "reading.pause=0.03")
    batch, single = Twin(own, circuit), Twin(own, circuit)
    drives, pumps = codes(batch, 12)
    holds = pumps // 4 if held else None
    whole = batch.read(drives, pumps, holds)
    rows = [single.read(drives[[k]], pumps[[k]], None if holds is None else holds[[k]]) for k in range(12)]
    np.testing.assert_array_equal(np.vstack(rows), whole)
    assert batch.readings == single.readings == 12
    later = Twin(own, circuit, readings=12)
    np.testing.assert_array_equal(later.read(drives, pumps, holds), batch.read(drives, pumps, holds))
    assert (later.read(drives, pumps, holds) != whole).any()
    other = Twin(changed(own, "seed=2"), circuit)
    assert (other.read(drives, pumps, holds) != whole).mean() > 0.5


@pytest.mark.parametrize("name", IMPERFECTIONS)
def test_each_imperfection_does_something_and_can_be_switched_off(name, learning):
    circuit, _, _ = learning
    others = [f"no-{each}" for each in IMPERFECTIONS if each != name]
    given = {"compliance": ["pumps.compliance=0.3"], "diodes": ["diodes.saturation=0.3"]}.get(name, [])
    given += ["temperature.period=1", "taps.drift_seconds=1", "settling.seconds=1e-7"]
    with_it, without_it = (
        Twin(changed(load("iris"), *given, *off), circuit) for off in (others, [*others, f"no-{name}"])
    )
    amperes = np.full((4, 3), 100e-6) * [[1], [-1], [1], [0]]
    volts = []
    for twin in (with_it, without_it):
        at = twin.channels
        twin.set_taps(at.taps.encode(circuit.conductances))
        twin.readings = 2000
        read = twin.read(at.drives.encode(np.full((4, 4), 2.0), ""), at.injections.encode(amperes, ""))
        volts.append(at.reads.decode(read))
    change = np.abs(volts[0] - volts[1]).max()
    assert 1e-6 < change < 1.0
    np.testing.assert_allclose(volts[1][0], volts[1][2], rtol=0, atol=1e-12)  # nothing is left that changes by itself


def test_no_samples_have_no_answer(learning):
    circuit, drives, _ = learning
    bench = create(f"{BENCH}:reading.repeats=2")
    point = bench.operate(circuit, drives[:0])
    answer = bench.small_signal(point, np.zeros((0, len(circuit.outputs))))
    assert point.node_voltages.shape == answer.node_voltages.shape == (0, len(circuit.nodes))


def test_nudged_and_clamped_circuits_are_recognized(learning):
    circuit, _, _ = learning
    for transformed, what in ((with_nudges(circuit), "nudge"), (with_clamps(circuit), "clamp"), (circuit, "")):
        plain, found = without(transformed)
        assert found == what
        assert plain.same_topology(circuit)
        assert plain.inputs.names == circuit.inputs.names
        np.testing.assert_array_equal(plain.scaling.scale, circuit.scaling.scale)
    assert without(without(with_clamps(with_nudges(circuit)))[0])[1] == "nudge"


def test_converters_and_taps_round_to_the_nearest_code():
    eight = Converter(-4.096, 4.096, 16)
    assert (eight.step, eight.first, eight.last) == (125e-6, -32768, 32767)  # ADS1115 at ±4.096 V
    assert Converter(0.0, 4.096, 12).last == 4095  # MCP4822
    np.testing.assert_array_equal(eight.encode(np.array([[0.0, 6.3e-5, -1.0]]), ""), [[0, 1, -8000]])
    assert eight.sampled(np.array([9.0]))[0] == 32767
    with pytest.raises(NotRealizableError, match=r"sample 0 asks for 5 V at input 1, .* 4\.1 V"):
        eight.encode(np.array([[0.0, 5.0]]), "input")
    assert Converter(-5.0, 5.0, 12, most=1.0).last == 409
    table = TapTable(load("iris").taps)
    every = np.arange(256)
    np.testing.assert_array_equal(table.encode(table.decode(every)), every)
    assert table.decode(np.array([255]))[0] == pytest.approx(1.0 / (2490.0 + 45.0 + 255 / 256 * 100e3))
    endless = TapTable(described("iris", "ideal").taps)
    assert endless.decode(np.array([endless.first]))[0] == pytest.approx(endless.ends[0])  # code 0 would be no resistor
    with pytest.raises(NotRealizableError, match=r"is to have 1 MΩ, and the bench's taps have .*--conductances"):
        table.encode(np.array([1e-6]))


@pytest.mark.parametrize("nodes", ["outputs", ["h1_0", "h1_3", "y0_p"]])
def test_nodes_that_cannot_be_read_come_from_the_model(nodes, learning):
    circuit, drives, loss = learning
    option = f"reads.nodes={nodes!r}".replace("'", '"')
    bench = create(f"{BENCH}:ideal:{option}")
    exact = named("hardware-linearization")(create("wave"), circuit, drives, loss)
    assert apart(named("hardware-linearization")(bench, circuit, drives, loss).conductances, exact.conductances) < 1e-6
    count = 6 if nodes == "outputs" else len(nodes)
    assert len(Channels.of(circuit, bench.description).read) == count


def test_what_a_bench_cannot_do_is_said_in_a_sentence(learning):
    circuit, drives, loss = learning
    bench = create(BENCH)
    with pytest.raises(SimulationError, match="cannot freeze diodes"), pytest.warns():
        named("frozen-switch")(bench, circuit, drives, loss)
    with pytest.raises(NotRealizableError, match="where the bench has"):
        bench.operate(circuit, drives + 9.0)
    with pytest.raises(InputError, match="reads node nowhere, which the circuit does not have"):
        create(f'{BENCH}:reads.nodes=["nowhere"]').operate(circuit, drives)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[reads]\nbist = 8\n", r"no entry reads.bist; did you mean bits\?"),
        ("[reads]\nbits = 8.5\n", "whole number from 1 to 48"),
        ("[reads]\nrange = [1, 1]\n", r"reads.range is no range; write \[LOW, HIGH\]"),
        ("[taps]\npart = 'MCP9999'\n", "no programmable resistor called 'MCP9999'"),
        ("[taps]\npart = 'MCP4251'\nohms = 3\n", "no version of 3 Ω"),
        ("[taps]\ntolerance = 20\n", "1 % is 0.01"),
        ("[temperature]\nlow = 3\n", "give both"),
        ("[injections]\nrange = [0, 1]\n", "one sign only"),
        ("[drives]\nrange = [1, 2]\n", "without 0 V"),
        ("[reads]\nrange = [0, 5e-324]\n", "too narrow"),
        ("[reads]\nrange = [1, 1.0000000000000002]\n", "too narrow"),
        ('[reads]\nnodes = ["a", "a"]\n', "has 'a' twice"),
        ("[reading]\npause = 1e100\n", "from 0 to 1e"),
        ("[taps]\nleast = 1e-320\n", "is not possible"),
        ("[taps]\ntempco = 0.3\n", "from 0 to 0.1"),
        ("reads = 3\n", r"write \[reads\]"),
        ("x = [\n", "is no TOML"),
    ],
)
def test_descriptions_that_make_no_sense_are_refused(text, words):
    with pytest.raises(InputError, match=words) as caught:
        read(text.encode(), "my.toml")
    assert str(caught.value).startswith("my.toml")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("bench", "no bench is named"),
        ("bench:iriss", "did you mean iris"),
        ("bench:iris:no-fun", "no option 'no-fun'"),
        ("bench:iris:adc.bits=0", "from 1 to 48"),
        ("bench:iris:adc.bats=3", "no entry adc.bats"),
        ("bench:iris:calibrated.tracks=[1]", "no entry calibrated.tracks"),
        ("bench:iris:adc.bits=8\nseed=3", "whole number"),
        ("bench:iris:wave:ngspice", "name one of them"),
    ],
)
def test_names_that_say_nothing_are_refused(spec, words):
    with pytest.raises(UsageError, match=words):
        create(spec)


def test_options_are_of_a_bench_and_its_version():
    own = described("iris", "ideal", "adc.bits=8", "seed=3")
    assert (own.reads.bits, own.drives.bits, own.seed) == (8, 48, 3)
    assert "iris" in shipped()
    version = create("bench:iris:no-noise").version
    assert version.startswith(f"bench iris {load('iris').sha256[:12]} no-noise on wave (")


def test_ngspice_computes_a_twin_too(learning, ngspice):
    circuit, drives, _ = learning
    bench = BenchSimulator(load("iris"), make=lambda: ngspice)
    assert "ngspice" in bench.version
    found = bench.operate(circuit, drives[:1]).node_voltages
    np.testing.assert_allclose(found, create(BENCH).operate(circuit, drives[:1]).node_voltages, rtol=0, atol=1e-12)


@pytest.mark.parametrize("option", ["amplitude=1e-6", "amplitude=auto", "amplitude=1e-6:repeats=2", "lock-in=1"])
def test_gradients_read_with_currents_are_exact_on_an_exact_engine(option, learning):
    circuit, drives, loss = learning
    wave = create("wave")
    exact = named("hardware-linearization")(wave, circuit, drives, loss).conductances
    rule = named(f"hardware-linearization:{option}")
    assert named(written(rule)) == rule
    with pytest.warns() if rule.inexact(circuit) else nullcontext():
        assert apart(rule(wave, circuit, drives, loss).conductances, exact) < 1e-6


def test_a_tone_too_fast_for_the_nodes_tells_less_and_less(learning):
    circuit, drives, loss = learning
    wave = create("wave")
    exact = named("hardware-linearization")(wave, circuit, drives, loss).conductances
    with pytest.warns():
        errors = [
            apart(named(f"hardware-linearization:lock-in={f}")(wave, circuit, drives, loss).conductances, exact)
            for f in (1e5, 1e6, 1e7, 1e9)
        ]
    assert errors == sorted(errors)
    assert errors[0] < 0.01 < 0.9 < errors[-1]


def test_the_amplitude_that_is_chosen_is_near_the_best(learning):
    """Of a bench whose readings are noisy: errors of the answers themselves, against the exact ones."""
    circuit, drives, loss = learning
    bench, exact = create(f"{BENCH}:ideal:reads.noise=1e-3:pumps.range=[-0.1, 0.1]:limits.amperes=1"), create("wave")
    point = exact.operate(circuit, drives)
    injections = loss(point.outputs)[1]
    injections /= np.abs(injections).max(axis=1, keepdims=True)
    wanted = exact.small_signal(point, injections).node_voltages
    chosen = best_amplitude(reader(bench, circuit), circuit, drives, injections)
    assert chosen.noise == pytest.approx(1e-3, rel=0.2)

    def missed(amplitude: float) -> float:
        found = [two_sided(reader(bench, circuit), drives, injections, amplitude) - wanted for _ in range(3)]
        return float(np.sqrt(np.mean(np.stack(found)[:, :, wanted.any(axis=0)] ** 2)))

    errors = [missed(factor * chosen.best) for factor in (0.25, 1.0, 4.0)]
    assert errors[1] < 0.5 * min(errors[0], errors[2])
    assert errors[1] == pytest.approx(chosen.error(chosen.best), rel=0.5)


def test_an_interrupted_run_on_a_twin_goes_on_in_the_same_bits(tmp_path):
    recipe = asked(replace(recipe_for("iris"), epochs=2, hidden=(4,)), conductance_range(BENCH), {})
    experiment = Experiment("iris", recipe, simulator=BENCH)
    whole = conduct(experiment, tmp_path / "whole")
    assert whole["bench"]["sha256"] == load("iris").sha256

    def stop(metrics):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        conduct(experiment, tmp_path / "cut", on_epoch=stop)
    again = conduct(experiment, tmp_path / "cut", "resume")
    assert again["bench"]["readings"] == whole["bench"]["readings"]
    assert again["test_accuracy"] == whole["test_accuracy"]
    first, second = (Circuit.load(tmp_path / name / "circuit.npz").conductances for name in ("whole", "cut"))
    np.testing.assert_array_equal(first, second)
    changed_one = replace(experiment, simulator=f"{BENCH}:seed=5")
    with pytest.raises(UsageError, match="another recipe"):
        conduct(changed_one, tmp_path / "cut", "resume")


def test_the_published_board_learns_xor(tmp_path):
    """Four patterns, 16 potentiometers, inputs that are switched between two levels."""
    patterns = np.array([(-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0)] * 3)
    found = diodeq.train(
        *((patterns, patterns[:, 0] != patterns[:, 1]),),
        start=diodeq.bench_circuit("xor"), simulator="bench:xor", epochs=12, rate=0.2, batch_size=4, encode="",
    )  # fmt: skip
    assert found.score == 1.0
    with pytest.raises(UsageError, match="takes any circuit"):
        diodeq.bench_circuit("iris")


@pytest.mark.parametrize("name", shipped())
def test_what_a_bench_is_can_be_shown(name, tmp_path, capsys):
    assert main(["bench", "show", name]) == 0
    assert "gradients: currents of ±" in capsys.readouterr().out
    assert main(["bench", "show", f"{name}:ideal", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["name"], found["imperfections"]) == (name, {})
    assert diodeq.bench(name)["imperfections"].keys() <= IMPERFECTIONS.keys()
    assert main(["bench", "show", name, "--circuit", str(tmp_path / "none.npz")]) == 3
    if load(name).circuit:
        board = tmp_path / "board.npz"
        assert main(["bench", "circuit", name, "-o", str(board)]) == 0
        assert main(["bench", "show", name, "--circuit", str(board)]) == 0
        assert "16 taps, 4 reads" in capsys.readouterr().out


def test_rules_are_compared_while_a_bench_gets_worse(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = ["compare", "iris", "--bench", "iris:no-noise", "--out", "lab", "--rates", "0.1", "--seeds", "0"]
    command += ["--rules", "hardware-linearization,frozen-switch", "--budget", "250"]
    command += ["--sweep", "adc.bits=2:2", "--sweep", "reads.noise=0"]
    assert main([*command, "--plot", "lab.svg", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["bench"] == "bench:iris:no-noise"
    assert [(each["entry"], [at["value"] for at in each["points"]]) for each in found["sweeps"]] == [
        ("adc.bits", ["2"]),
        ("reads.noise", ["0"]),
    ]
    good, bad = found["sweeps"][1]["points"][0]["rules"]
    worse, _ = found["sweeps"][0]["points"][0]["rules"]
    assert good["solves_per_sample"] == 3, "at rest, and with currents of either sign"
    assert good["test_accuracy"]["mean"] > worse["test_accuracy"]["mean"]
    assert "cannot freeze diodes" in bad["runs"][0]["failed"]
    assert "frozen-switch" in (tmp_path / "lab.svg").read_text()
    assert main(command) == 0  # nothing is run again
    assert "failed: " in capsys.readouterr().out
    for words, said in (
        (["--sweep", "adc.bits=3"], "there is none"),
        (["--bench", "iris", "--sweep", "adc.bats=3"], "no entry adc.bats"),
        (["--bench", "iris", "--sweep", "adc.bits"], "says no values"),
    ):
        assert main(["compare", "iris", "--budget", "300", "--out", "other", *words]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::diodeq.errors.InexactRuleWarning")
@pytest.mark.parametrize(
    ("rule", "expected"), [("hardware-linearization", 3), ("perturbation", 2), ("equilibrium-propagation", 3)]
)
def test_a_gradient_costs_what_is_read_for_it(learning, rule, expected):
    circuit, drives, loss = learning
    bench = create(f"{BENCH}:ideal")
    assert cost(named(rule), circuit, settled(bench, circuit)) == expected
    named(rule)(bench, circuit, drives, loss)
    assert bench.readings == expected * len(drives)


def test_centered_clamps_leave_nothing_of_an_offset(learning):
    """A gentle clamp drowns in what is wrong with it, unless it is compared with another clamp."""
    circuit, drives, _ = learning

    def loss(volts):
        return 0.5 * float(np.mean((volts**2).sum(axis=1))), volts / len(volts)

    def error(rule: str, bench: str) -> float:
        with pytest.warns():
            exact, found = (named(rule)(create(each), circuit, drives, loss).conductances for each in ("wave", bench))
        return apart(found, exact)

    offset = f"{BENCH}:ideal:holds.offset=3e-3"
    assert error("coupled-learning", offset) > 0.1
    assert error("coupled-learning:centered=yes", offset) < 1e-3
    drives = np.repeat(drives, 2, axis=0)  # each sample with its clamp on either side
    assert error("coupled-learning:chopped=yes", offset) < 1e-3
    with pytest.raises(UsageError, match="nothing to chop"):
        named("coupled-learning:chopped=yes:centered=yes")
