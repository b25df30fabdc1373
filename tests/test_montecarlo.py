"""Monte Carlo: closed forms, engines, bits that do not depend on how the work is done, the certificate, the command."""

import json
from dataclasses import replace

import numpy as np
import pytest

import circuits
from diodeq.analysis import board_log
from diodeq.analysis.montecarlo import Study, board_of, drawn, measure, outputs, summary, wilson
from diodeq.analysis.sensitivity import certified, deviation, rank
from diodeq.circuit import Bank, Circuit
from diodeq.cli.main import main
from diodeq.cluster import mapper
from diodeq.devices.hardware.technology import Technology, get
from diodeq.devices.hardware.variation import Variation
from diodeq.errors import InputError, UsageError
from diodeq.learning.losses import half_mean_square
from diodeq.report.montecarlo_plot import montecarlo_figure
from diodeq.simulators import create
from diodeq.synthesis.variation import vary

LABELS = np.array([0, 1, 0, 1])


def technology(text):
    return replace(Technology(), variation=Variation.parse(text))


def study(text="tolerance=10%,temperature=0:70,saturation=0.3", simulator="wave", seed=7):
    return Study(circuits.plain(), technology(text), circuits.DRIVES, LABELS, simulator, seed)


def dividers(count, upper, lower, volts=10.0):
    """``count`` dividers of one supply; each middle is an output."""
    middle = np.arange(2, count + 2)
    ends = np.concatenate([np.stack([0 * middle + 1, middle], axis=1), np.stack([middle, 0 * middle], axis=1)])
    return Circuit(
        nodes=("0", "supply", *(f"m{k}" for k in range(count))),
        resistors=Bank(ends.astype(np.int32), np.repeat([1 / upper, 1 / lower], count)),
        voltage_sources=Bank(np.array([[1, 0]], np.int32), np.array([volts])),
        outputs=np.stack([middle, 0 * middle], axis=1),
    )


@pytest.mark.parametrize("shape", ["uniform", "gaussian"])
def test_a_dividers_tolerance(shape):
    upper, lower, volts, tolerance = 2e3, 1e3, 10.0, 0.01
    asked = Study(
        dividers(2000, upper, lower, volts),
        technology(f"tolerance={tolerance},shape={shape}"),
        np.zeros((1, 0)),
        None,
        "wave",
    )
    wanted, _ = drawn(asked)
    assert wanted == pytest.approx(volts * lower / (upper + lower))
    with mapper("", 1) as map_:
        boards = list(measure(asked, wanted, range(20), map_))
    found = np.sqrt(np.mean([each.rms**2 for each in boards]))
    # dV / V = (dR2 / R2 - dR1 / R1) R1 / (R1 + R2): both uniform in ± the tolerance, or Gaussian cut at three sigma.
    deviation = tolerance / np.sqrt(3) if shape == "uniform" else 0.9866 * tolerance / 3
    expected = volts * upper * lower / (upper + lower) ** 2 * np.sqrt(2.0) * deviation
    assert found == pytest.approx(expected, rel=0.01)
    worst = max(each.largest for each in boards)
    assert worst <= 1.01 * volts * upper * lower / (upper + lower) ** 2 * 2 * tolerance


def test_boards_are_the_same_in_both_engines():
    volts = {}
    for name in ("wave", "ngspice"):
        asked = study(simulator=name)
        with create(name, 1) as engine:
            volts[name] = np.stack([outputs(engine, board_of(asked, k), asked.drives) for k in range(6)])
    assert np.abs(volts["wave"] - volts["ngspice"]).max() < 1e-8
    assert np.std(volts["wave"], axis=0).min() > 1e-3


def test_a_board_is_its_number_and_seed():
    asked = study()
    again = vary(asked.circuit, asked.technology, np.random.default_rng([7, 3]))
    assert np.array_equal(board_of(asked, 3).conductances, again.conductances)
    assert not np.array_equal(board_of(asked, 2).conductances, again.conductances)
    assert not np.array_equal(board_of(study(seed=8), 3).conductances, again.conductances)
    wanted, _ = drawn(asked)
    with mapper("", 1) as map_:
        whole = list(measure(asked, wanted, range(20), map_))
        assert list(measure(asked, wanted, range(13, 20), map_)) == whole[13:]


def test_the_deviation_of_conductances_is_that_of_boards():
    circuit = circuits.plain()
    for text in ("tolerance=3%,shape=gaussian", "tolerance=3%", "write_error=1e-6", "read_noise=2%"):
        drawn_boards = [vary(circuit, technology(text), np.random.default_rng(k)).conductances for k in range(400)]
        # Thousands of draws of equal relative size: their root mean square is known to a percent or two.
        ratio = (np.array(drawn_boards) - circuit.conductances) / deviation(circuit, technology(text))
        assert np.sqrt(np.mean(ratio**2)) == pytest.approx(1.0, rel=0.03)


def test_the_ranking_predicts_how_the_loss_spreads():
    asked = study("tolerance=1%")
    with create("wave") as engine:
        ranking = rank(engine, asked.circuit, asked.technology, asked.drives, half_mean_square)
        losses = [half_mean_square(outputs(engine, board_of(asked, k), asked.drives))[0] for k in range(600)]
    document = ranking.to_json()
    assert np.std(losses) == pytest.approx(document["loss_deviation"], rel=0.1)
    assert sum(group["share"] for group in document["groups"]) == pytest.approx(1.0)
    assert [part["share"] for part in document["parts"]] == sorted(ranking.shares.tolist(), reverse=True)[:10]


@pytest.mark.parametrize("tolerance", ["1%", "10%", "30%"])
@pytest.mark.parametrize("name", ["layered", "lateral", "transformer", "gyrator"])
def test_the_certificates_bound_holds(name, tolerance):
    asked = Study(circuits.CIRCUITS[name](), technology(f"tolerance={tolerance}"), circuits.DRIVES, None, "wave")
    with mapper("", 1) as map_:
        with create("wave") as engine:
            ranking = rank(engine, asked.circuit, asked.technology, asked.drives, half_mean_square)
        found = certified(asked, ranking, map_)
    assert found["holds"]
    assert 0.0 < found["worst_board_volts"] <= found["bound_volts"]
    assert found["closest"] <= 1.0
    assert found["worst_corner_volts"] > found["worst_board_volts"]
    near = name in ("layered", "lateral")
    assert found["method"] == ("comparison" if near else "margin")
    assert found["bound_volts"] < 3.0 * found["worst_corner_volts"] or not near


def test_no_certificate_without_a_tolerance_or_for_mirrors():
    with create("wave") as engine, mapper("", 1) as map_:
        for asked in (study("saturation=0.1"), replace(study(), circuit=circuits.mirror())):
            ranking = rank(engine, asked.circuit, asked.technology, asked.drives, half_mean_square)
            assert certified(asked, ranking, map_) is None


def test_the_yield_and_its_confidence():
    low, high = wilson(90, 100)
    assert (low, high) == pytest.approx((0.8256, 0.9448), abs=1e-4)  # Wilson's own formula worked by hand
    assert wilson(5, 5)[1] == 1.0
    asked = study("tolerance=30%")
    wanted, _ = drawn(asked)
    with mapper("", 1) as map_:
        boards = list(measure(asked, wanted, range(24), map_))
    found = summary(asked, wanted, boards, 1.0)
    assert found["yield"]["share"] == np.mean([each.accuracy == 1.0 for each in boards])
    assert found["accuracy"]["mean"] == pytest.approx(np.mean([each.accuracy for each in boards]))
    broken = [replace(boards[0], accuracy=None, agreement=None, rms=None, largest=None, failed="no"), *boards[1:]]
    assert summary(asked, wanted, broken, 1e-9)["failed"] == 1
    assert summary(asked, wanted, broken, 1e-9)["yield"]["share"] <= 23 / 24
    assert montecarlo_figure(summary(asked, wanted, broken, 0.5), broken, "x").axes


def test_the_log_goes_on_where_it_was_cut(tmp_path):
    asked, path = study(), tmp_path / "boards.jsonl"
    wanted, _ = drawn(asked)
    with mapper("", 1) as map_:
        assert board_log.begin(path, asked, resume=True) == []
        boards = list(board_log.logged(path, measure(asked, wanted, range(10), map_)))
        whole = path.read_bytes()
        path.write_bytes(whole[:-30])
        kept = board_log.begin(path, asked, resume=True)
        assert kept == boards[:9]
        list(board_log.logged(path, measure(asked, wanted, range(9, 10), map_)))
    assert path.read_bytes() == whole
    with pytest.raises(UsageError, match="another study"):
        board_log.begin(path, study(seed=1), resume=True)
    with pytest.raises(UsageError, match="already exists"):
        board_log.begin(path, asked, resume=False)


def test_what_cannot_be_studied():
    with pytest.raises(UsageError, match="nothing varies"):
        Study(circuits.plain(), Technology(), circuits.DRIVES)
    with pytest.raises(InputError, match="labels"):
        Study(circuits.plain(), get("rram"), circuits.DRIVES, np.array([0, 1, 2, 0]))
    with pytest.raises(InputError, match="no samples"):
        Study(circuits.plain(), get("rram"), circuits.DRIVES[:0])


def test_the_command(tmp_path, capsys):
    path, rows = tmp_path / "c.npz", tmp_path / "X.csv"
    circuits.plain().save(path)
    np.savetxt(rows, np.column_stack([circuits.DRIVES, LABELS]), delimiter=",")
    given = ["montecarlo", str(path), "--inputs", str(rows), "--labelled", "--simulator", "wave"]
    log = ["--out", str(tmp_path / "b.jsonl")]
    spread = ["--technology", "discrete-e24", "--tolerance", "5%", "--temperature", "10:40"]
    assert main([*given, *spread, "--samples", "20", *log, "--plot", str(tmp_path / "b.svg"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["boards"] == 20
    assert document["variation"]["tolerance"] == 0.05
    assert document["variation"]["tempco"] == 1e-4
    assert document["temperatures"]["lowest"] >= 10
    assert document["certificate"]["holds"]
    assert (tmp_path / "b.svg").read_text().startswith("<svg")
    assert len((tmp_path / "b.jsonl").read_text().splitlines()) == 21
    more = ["--samples", "30", "--resume", "--threshold", "50%", "--workers", "2"]
    assert main([*given, *spread, *log, *more]) == 0
    said = capsys.readouterr().out
    assert "30 boards" in said
    assert "reach 50.00 %" in said
    assert "the bound holds" in said
    for wrong, code, words in (
        ([], 2, "nothing varies"),
        ([*spread, *log], 2, "already exists"),
        ([*spread, "--resume"], 2, "without --out"),
        ([*spread, "--threshold", "x"], 2, "is no share"),
        ([*spread, "--cluster", "moon:3"], 2, "is no cluster"),
        ([*spread, "--data", "iris"], 2, "exclude each other"),
        (["--tolerance", "x"], 2, "no number"),
        (["--temperature", "70:0"], 2, "not possible"),
        (["--technology", "rramm"], 2, "did you mean rram"),
        ([*spread, "--plot", "x.gif"], 2, "not a picture"),
    ):
        assert main([*given, *wrong]) == code, wrong
        assert words in capsys.readouterr().err
    assert main(["montecarlo", str(path), "--tolerance", "1%"]) == 2
    assert "needs inputs" in capsys.readouterr().err
