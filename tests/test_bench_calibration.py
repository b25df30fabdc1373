"""A bench is calibrated against a twin whose deviations are hidden, and is one that is known afterwards."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq

from diodeq.api import bench_studies
from diodeq.api.making import layered
from diodeq.benches import calibrate, fitting, products
from diodeq.benches.calibrate import joined, measured
from diodeq.benches.model import Slopes, moved, predicted, sensitivities
from diodeq.benches.products import BoardWiring, Products
from diodeq.circuit.one_ports import laws_of
from diodeq.cli.main import main
from diodeq.errors import InputError, NotRealizableError
from diodeq.learning.rules import named
from diodeq.simulators import create
from diodeq.simulators.bench import BenchSimulator, Twin, described
from diodeq.simulators.bench.belief import Belief, spreads
from diodeq.simulators.bench.describing import read
from diodeq.simulators.bench.imperfect import Imperfect
from diodeq.simulators.bench.links import checked
from diodeq.simulators.bench.writing import written
from diodeq.simulators.wave import WaveSimulator

# What stays unknown to a common factor is as good as the pumps: these were measured.
HIDDEN = ("diodes.saturation=0.3", "diodes.emission=0.02", "pumps.mismatch=1e-3", "no-temperature", "no-drift")


@pytest.fixture(scope="module")
def circuit():
    """Twenty programmable resistors, two diodes."""
    return on_taps(layered((2, 2, 1)))


def on_taps(circuit):
    """With conductances in the range of the bench's."""
    random = np.random.default_rng(3)
    return circuit.with_conductances(np.exp(random.uniform(np.log(1.5e-5), np.log(2e-4), len(circuit.resistors))))


@pytest.fixture(scope="module")
def found(circuit):
    return bench_studies.calibrate(described("iris", *HIDDEN), circuit, check=True)


def test_a_hidden_twin_is_found(circuit, found):
    own = described("iris", *HIDDEN)
    belief, channels = found.found.belief, joined(own, circuit)
    real = Imperfect(channels)
    codes = channels.taps.encode(circuit.conductances[circuit.mask])
    ohms = 1.0 / real.conductances(codes, 0.0)[circuit.mask]
    nominal = 1.0 / channels.taps.decode(codes)
    assert len(ohms) == 20
    assert np.abs(ohms / nominal - 1).max() > 0.1
    assert np.abs(belief.ohms(codes) / ohms - 1).max() < 5e-3
    offsets = own.reads.offset * real.normal("offset", real._reads)
    offsets += own.amplifiers.offset * real.normal("buffer", real._reads)
    assert np.abs(belief.values["read_offsets"] - offsets).max() < 0.5 * channels.reads.step
    for amperes in (1e-6, 1e-5, 1e-4):
        truth, believed = (volts(each, amperes) for each in (real.board, belief.board))
        assert np.abs(truth - volts(circuit, amperes)).max() > 5e-3
        assert np.abs(truth - believed).max() < 1e-3


def volts(circuit, amperes):
    """Of the diodes at a current."""
    laws = laws_of(circuit)
    return np.array(
        [brentq(lambda v, k=k: laws.take([k]).current([v])[0] - amperes, 0, 2, xtol=1e-9) for k in range(len(laws))]
    )


def test_uncertainties_are_honest(circuit, found):
    """What is found is off by about what is said, and the readings to come are explained down to the noise."""
    own, made = described("iris", *HIDDEN), found.found
    real = Imperfect(joined(own, circuit))
    truths = {
        "read_gains": own.reads.gain * real.normal("gain", real._reads),
        "pump_gains": own.injections.mismatch
        * real.normal("mismatch", np.arange(1)[None], np.array([[0], [1]])).ravel(),
        "tracks": real._track - 1.0,
    }
    for name, truth in truths.items():
        off = (made.belief.values[name] - truth) / made.left[name]
        assert np.sqrt(np.mean(off**2)) < 2.5, name
    assert made.excess < 1.5
    assert made.missed[1] == pytest.approx(np.sqrt(np.mean(made.noise**2)), rel=0.3)
    (before, after), (others, then) = found.check["own_taps"], found.check["other_taps"]
    assert after < 0.02 * before
    assert then < 0.2 * others
    assert {"drive_gains", "ends"} <= set(made.untold)


def test_too_much_for_one_matrix_is_found_by_products(monkeypatch):
    """As well as the readings are told apart from noise, and no better than is said."""
    for module in (calibrate, fitting):
        monkeypatch.setattr(module, "LARGEST", 20)
    circuit, own = on_taps(layered((2, 1, 1))), described("iris", *HIDDEN)
    made = bench_studies.calibrate(own, circuit, codes=2, check=True)
    found, real = made.found, Imperfect(joined(own, circuit))
    ohms, known = found.resistances
    truth = 1.0 / real.conductances(found.own, 0.0)[circuit.mask]
    assert np.sqrt(np.mean(((ohms / truth - 1.0) / known) ** 2)) < 3.0
    assert np.median(known) < 0.05
    before, after = made.check["own_taps"]
    assert after < 0.1 * before
    monkeypatch.setattr(products, "MEMORY", 1e3)
    with pytest.raises(InputError, match="GB to calibrate; give fewer --codes"):
        bench_studies.calibrate(own, circuit, codes=2)


def test_what_a_resistance_hangs_on_and_how_well_it_is_known(monkeypatch):
    """Its derivatives by all that is sought are those of differences. By the matrix and by products it is known as
    well, where readings are three times as noisy as thought; what was believed before stays as good as it was."""
    circuit = on_taps(layered((2, 1, 1)))
    own = described("iris", "ideal", "taps.tolerance=1e-4", "taps.nonlinearity=2", "reads.noise=1e-3")
    channels = joined(own, circuit)
    belief, own = Belief.of(channels), channels.taps.encode(circuit.conductances[circuit.mask])
    numbers, random = np.arange(len(own)), np.random.default_rng(2)
    belief = replace(belief, taps=numbers, codes=own, values=belief.values | {"ohms": np.full(len(own), 30.0)})
    for tap in (0, 7):
        for name, each in fitting._one(belief, own, tap).items():
            for place in {0, tap} & set(range(len(each))):
                step = 1e-3 * (np.arange(len(each)) == place)
                up, down = (moved(belief, {name: sign * step}).ohms(own)[tap] for sign in (1, -1))
                assert each[place] == pytest.approx((up - down) / 2e-3, rel=1e-6, abs=1e-6)
    engine, twin = WaveSimulator(workers=1), Twin(channels.description, circuit)
    belief = replace(belief, values=belief.values | {"ohms": np.zeros(len(own))})
    settings = []
    for _ in range(5):
        taps = np.where(random.random(len(own)) < 0.5, own, random.permutation(own))
        settings.append(measured(twin, engine, belief, taps, 16, random))
    spread, noise = spreads(channels) | {"ohms": np.full(len(own), 2e3)}, np.full(len(channels.read), 1e-3)
    known = []
    for largest in (fitting.LARGEST, 1):
        monkeypatch.setattr(fitting, "LARGEST", largest)
        found = fitting.fitted(engine, belief, settings, spread, noise / 3.0, own, lambda *_: None)
        assert found.excess == pytest.approx(3.0, rel=0.2)
        known.append(found.ohms)
    assert np.exp(np.mean(np.log(known[1] / known[0]))) == pytest.approx(1.0, abs=0.5)
    told = np.array([[4.0, 2.0], [2.0, 1.0]])
    np.testing.assert_allclose(fitting._sharpened(told + np.eye(2), 2.0), told / 4.0 + np.eye(2))


@pytest.mark.parametrize(
    ("settling", "off", "fixed"),
    [("settling.seconds=0", 1e-6, 0), ("settling.seconds=0", 1e-6, 3), ("settling.seconds=1e-5", 2e-3, 0)],
)
def test_derivatives_of_readings_are_those_of_differences(settling, off, fixed, circuit):
    circuit = replace(circuit, trainable=np.arange(20) >= fixed)
    channels = joined(described("iris", *HIDDEN, settling), circuit)
    random = np.random.default_rng(0)
    some = {name: 0.5 * each * random.standard_normal(len(each)) for name, each in spreads(channels).items()}
    engine, belief = WaveSimulator(workers=1), moved(Belief.of(channels), some)
    codes = channels.taps.encode(circuit.conductances[circuit.mask])
    belief = replace(
        belief, taps=np.arange(20 - fixed), codes=codes, values=belief.values | {"ohms": np.full(20 - fixed, 30.0)}
    )
    belief = moved(belief, {"fixed": np.full(fixed, 0.2)})
    at = measured(Twin(channels.description, circuit), engine, belief, codes, 4, random)
    shown, found = sensitivities(engine, belief, at)
    assert set(found) == set(belief.values)
    straight, some = (
        Products(engine, belief, at, BoardWiring(belief), Slopes(belief)),
        random.standard_normal(shown.shape),
    )
    back, none = straight.of(some), {name: np.zeros(len(each)) for name, each in belief.values.items()}
    np.testing.assert_array_equal(straight.shown, shown)
    for name, each in found.items():
        if not each.shape[2]:
            continue
        along = random.standard_normal(each.shape[2])
        most = np.abs(each).max()
        np.testing.assert_allclose(straight.by(none | {name: along}), each @ along, rtol=0, atol=1e-5 * most)
        np.testing.assert_allclose(back[name], np.einsum("br,brn->n", some, each), rtol=0, atol=1e-5 * most)
        small = {"leaks": 1e-9, "ohms": 0.1}.get(name, 1e-5)
        up, down = (
            predicted(engine, moved(belief, {name: s * small * along}), at.taps, at.drives, at.pumps) for s in (1, -1)
        )
        np.testing.assert_allclose(each @ along, (up - down) / (2 * small), rtol=0, atol=off * np.abs(each).max())


def test_a_row_counts_where_no_pump_is_beyond_its_reach(circuit):
    """Nor what it gives at rest, if it gives anything then."""
    counts = []
    for offset in ("0", "1e-6"):
        own = described("iris", "ideal", "pumps.compliance=0.5", f"pumps.offset={offset}")
        channels, engine = joined(own, circuit), WaveSimulator(workers=1)
        codes, random = channels.taps.encode(circuit.conductances[circuit.mask]), np.random.default_rng(0)
        at = measured(Twin(own, circuit), engine, Belief.of(channels), codes, 40, random)
        ends = np.isin(channels.read, circuit.outputs)
        near = (np.abs(at.volts[:, ends]) < 0.44).all(axis=1)
        assert at.counts[near & ~at.pumps.any(axis=1)].all()
        counts.append((at.counts.all(axis=1), near, at.pumps.any(axis=1)))
    for number, (counted, near, pumped) in enumerate(counts):
        assert (~near & ~pumped).any()
        assert counted[~near & ~pumped].any() == (number == 0)


def test_a_calibrated_bench_reads_and_sets_what_it_means(circuit, found, tmp_path):
    own = found.description
    assert read(found.to_toml().encode(), "x.toml").calibrated == own.calibrated
    before, after = (BenchSimulator(each) for each in (described("iris", *HIDDEN), own))
    drives = np.random.default_rng(1).uniform(-3, 3, (40, 2))
    wanted = create("wave").operate(circuit, drives).node_voltages
    missed = [np.sqrt(np.mean((each.operate(circuit, drives).node_voltages - wanted) ** 2)) for each in (before, after)]
    # What is left is that a tap is a step.
    assert missed[1] < 0.3 * missed[0]
    held = replace(own, reads=replace(own.reads, nodes="outputs"))
    point = BenchSimulator(replace(held, calibrated=None)).operate(circuit, drives)
    rule = named("hardware-linearization")
    with pytest.raises(InputError, match=r"calibrated.read_offsets .* has 4 numbers for 2"):
        rule(BenchSimulator(held), circuit, drives, lambda volts: (0.0, volts))
    assert np.isfinite(point.node_voltages).all()
    with pytest.raises(InputError, match="was calibrated with another circuit"):
        after.operate(on_taps(layered((2, 3, 1))), drives)
    with pytest.raises(NotRealizableError, match="where the bench has"):
        after.operate(circuit, drives + 9.0)
    # What is within the range may be beyond it once corrected: the last code, whose volts are known.
    ends = np.full((1, 2), own.drives.range[1])
    ends = np.vstack([ends, -ends])
    wanted = create("wave").operate(circuit, ends).node_voltages
    assert np.abs(after.operate(circuit, ends).node_voltages - wanted).max() < 0.1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("read_gains = [0.1, -2.0]", "deviation of -2, which turns its sign round"),
        ("tracks = 3", "calibrated.tracks is no list of numbers"),
        ("taps = [1.5]", "no list of whole numbers"),
        ("taps = [1]", "not equally many"),
        ("tracs = [0]", "did you mean tracks"),
    ],
)
def test_a_calibration_that_makes_no_sense_is_refused(text, words):
    with pytest.raises(InputError, match=words):
        read(f"[calibrated]\n{text}\n".encode(), "my.toml")


def test_descriptions_read_back_as_they_were_written():
    own = described("iris", *HIDDEN, "seed=4", 'reads.nodes=["a", "b"]')
    link = {"kind": "tcp", "address": "127.0.0.1:7000"}
    again = read(written(replace(own, link=link), 'of "mine"\n[x]').encode(), "x.toml")
    assert replace(again, sha256=own.sha256, options=own.options, link={}) == own
    assert dict(again.link) == dict(checked(link))


def test_the_command_writes_a_description_to_train_with(circuit, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    circuit.save("c.npz")
    words = ["bench", "calibrate", "iris:seed=2", "c.npz", "-o", "new.toml", "--codes", "2"]
    assert main([*words, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["missed_volts_after"] < 0.05 * said["missed_volts_before"]
    assert main(["simulate", "c.npz", "--simulator", "bench:new.toml", "--random", "1"]) in (0, 2)
    assert described("new.toml").seed == 2
    assert main([*words[:2], "iriss", *words[3:]]) == 2
    assert "did you mean iris" in capsys.readouterr().err


def test_a_session_is_replayed_against_what_is_believed(circuit, found, tmp_path, capsys, monkeypatch):
    """A calibration explains a session; one whose taps move drifts away from it, and that is said."""
    monkeypatch.chdir(tmp_path)
    circuit.save("c.npz")
    (tmp_path / "known.toml").write_text(found.to_toml())
    drives = np.random.default_rng(2).uniform(-3, 3, (60, 2))
    for name, options in (
        ("still", ()),
        ("worn", ("taps.drift=0.1", "taps.drift_seconds=1")),
    ):
        with monkeypatch.context() as within:
            within.setenv("DIODEQ_BENCH_LOG", f"{name}.jsonl")
            bench = BenchSimulator(described("iris", *HIDDEN, *options))
            bench.operate(circuit, drives)
            bench.operate(circuit, drives)
    capsys.readouterr()
    rms = []
    for name, against in (("still", "known.toml"), ("worn", "known.toml"), ("still", ":".join(["iris", "seed=7"]))):
        words = ["bench", "replay", f"{name}.jsonl", against, "--circuit", "c.npz"]
        assert main([*words, "--json", "--details", "--plot", "r.svg"]) == 0
        channels = json.loads(capsys.readouterr().out)["channels"]
        rms.append(max(each["rms"] for each in channels))
        drifts = [abs(each["drift"]) > 4 * each["drift_error"] for each in channels]
        assert any(drifts) == (name == "worn")
        assert len(channels[0]["off"]) == 120
    assert main([*words, "--json"]) == 0
    short = json.loads(capsys.readouterr().out)["channels"]
    assert short == [{key: value for key, value in each.items() if key != "off"} for each in channels]
    assert main([*words, "--details"]) == 2
    assert "--details are for --json" in capsys.readouterr().err
    assert rms[0] < 4e-3 < rms[1] < rms[2]
    assert (tmp_path / "r.svg").exists()


def test_what_is_read_corrects_what_is_not(circuit):
    """Of boards whose taps deviate, the gradient that a bench reads at its outputs and one node more."""
    drives = np.random.default_rng(4).uniform(-3, 3, (30, 2))
    rule, kept = named("hardware-linearization"), []
    only = ("ideal", "taps.tolerance=0.3", 'reads.nodes=["h1_0", "y0_p", "y0_n"]')

    def loss(volts):
        return 0.5 * float(np.mean((volts**2).sum(axis=1))), volts / len(volts)

    for seed in range(6):
        own = described("iris", *only, f"seed={seed}")
        real = Imperfect(joined(own, circuit))
        board = circuit.with_conductances(real.conductances(real.channels.taps.encode(circuit.conductances), 0.0))
        exact = rule(create("wave"), board, drives, loss).conductances
        told = replace(own, taps=replace(own.taps, tolerance=0.3))
        found = rule(BenchSimulator(told), circuit, drives, loss).conductances
        body = Twin(own, circuit)
        plain = BenchSimulator(replace(own, taps=replace(own.taps, tolerance=0.0)), lambda *_, body=body: body)
        model = rule(plain, circuit, drives, loss).conductances
        kept.append([np.linalg.norm(each - exact) / np.linalg.norm(exact) for each in (model, found)])
    modelled, corrected = np.mean(kept, axis=0)
    assert corrected < 0.9 * modelled
