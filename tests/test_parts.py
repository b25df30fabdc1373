"""What can be bought or programmed: ladders, quantization, parts lists, and the commands over them."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from circuits import CIRCUITS, DRIVES
from diodeq.analysis.quantization import best_scaled, cost, drawn_drives
from diodeq.circuit import Circuit, check
from diodeq.cli.main import main
from diodeq.devices import catalogue
from diodeq.devices.hardware import preferred, programmable
from diodeq.devices.hardware.ladder import ladder
from diodeq.errors import UsageError
from diodeq.netlist.bom import HEADER, bill, engineering
from diodeq.simulators import create
from diodeq.synthesis.layered import layered
from diodeq.synthesis.quantize import quantize, scaled_impedance
from oracle import Oracle

WORDS = ["E3", "E12", "E24", "E96", "E12:series", "E6:parallel", "AD5206", "AD5293", "MCP41010:series"]


def lines(text):
    rows = list(csv.reader(io.StringIO(text)))
    assert tuple(rows[0]) == HEADER
    return [dict(zip(HEADER, row, strict=True)) for row in rows[1:]]


def ohms(text):
    return float(text.rstrip("kMG")) * {"k": 1e3, "M": 1e6, "G": 1e9}.get(text[-1], 1.0)


# --- ladders ------------------------------------------------------------------------------------------------------


def test_preferred_values_are_those_of_iec_60063():
    def decade(series):
        return preferred.values(series, 100.0, 999.0).tolist()

    assert decade("E6") == [100, 150, 220, 330, 470, 680]
    assert decade("E12") == [100, 120, 150, 180, 220, 270, 330, 390, 470, 560, 680, 820]
    assert decade("E48")[:6] == [100, 105, 110, 115, 121, 127]
    assert decade("E96")[-8:] == [825, 845, 866, 887, 909, 931, 953, 976]
    assert decade("E192")[184:187] == [909, 920, 931]  # the exception: the formula gives 919
    for name in ("E3", "E6", "E12", "E24", "E48", "E96", "E192"):
        assert len(decade(name)) == int(name[1:])
    assert set(decade("E6")) < set(decade("E12")) < set(decade("E24"))
    assert set(decade("E48")) < set(decade("E96")) < set(decade("E192"))
    assert preferred.values("E24", 4.0, 5.0).tolist() == [4.3, 4.7]


def test_a_potentiometer_has_the_resistances_of_its_data_sheet():
    """AD5204/AD5206 data sheet, table 7, 10 kΩ version: 45 Ω at code 0, 84 at 1, 5045 at 128, 10006 at 255."""
    found, code, nominal = programmable.get("ad5206").settings()
    small = found[nominal == 10e3]
    assert code[nominal == 10e3].tolist() == list(range(256))
    assert np.round(small[[0, 1, 128, 255]]).tolist() == [45, 84, 5045, 10006]


@pytest.mark.parametrize("word", WORDS)
def test_nearest_is_nearest(word):
    rungs = ladder(word)
    g = np.exp(np.random.default_rng(0).uniform(np.log(rungs.low / 3), np.log(rungs.high * 3), 500))
    brute = np.abs(rungs.conductances[None, :] - g[:, None]).min(axis=1)
    assert np.abs(rungs.project(g) - g) == pytest.approx(brute, rel=1e-9, abs=0)
    assert np.array_equal(rungs.nearest(rungs.conductances), np.arange(len(rungs)))


@pytest.mark.parametrize("word", WORDS)
def test_picks_make_their_conductance(word):
    rungs = ladder(word)
    assert np.all(np.diff(rungs.conductances) > 0)
    first, second = rungs.picks[:, 0], rungs.picks[:, -1]
    one = rungs.single.ohms[first]
    if not rungs.pairs:
        assert 1 / one == pytest.approx(rungs.conductances, rel=1e-12)
        return
    other, two = rungs.single.ohms[second], second >= 0
    both = one + other if rungs.pairs == "series" else one * other / (one + other)
    assert 1 / np.where(two, both, one) == pytest.approx(rungs.conductances, rel=1e-12)
    assert np.isin(1 / ladder(word.partition(":")[0]).single.ohms[:20], rungs.conductances).all()


def test_a_range_limits_a_ladder_and_must_leave_something():
    rungs = ladder("E24", 1e-6, 1e-3)
    assert (rungs.low, rungs.high) == (1e-6, 1e-3)
    levels = ladder("16", 1e-6, 4e-5)
    assert np.diff(levels.conductances) == pytest.approx(np.full(15, 3.9e-5 / 15))
    for wrong in ("E25", "AD5", "E24:star", "1", "16", "", "E24:"):
        with pytest.raises(UsageError):
            ladder(wrong)
    with pytest.raises(UsageError, match="fewer than two"):
        ladder("AD5206", 1e-9, 1e-8)


# --- quantization -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CIRCUITS)
def test_every_resistor_of_any_circuit_lands_on_the_ladder_and_stays(kind):
    circuit = CIRCUITS[kind]()
    found = quantize(circuit, ladder("E12"))
    check(found.circuit)
    assert np.isin(found.circuit.conductances, found.ladder.conductances).all()
    assert np.abs(found.errors).max() < 0.12
    again = quantize(found.circuit, found.ladder)
    assert np.array_equal(again.circuit.conductances, found.circuit.conductances)
    assert again.circuit.notes == found.circuit.notes
    assert found.circuit.same_topology(circuit)


@pytest.mark.parametrize("kind", CIRCUITS)
def test_scaling_the_impedance_moves_only_the_diodes(kind):
    """With the diodes' currents scaled too (IS times s), every voltage of every circuit stays."""
    circuit = CIRCUITS[kind]()
    scaled = scaled_impedance(circuit, 10.0)
    model = circuit.models[0]
    pairs = {**dict(model.parameters), "is": 10 * model.get("is"), "rs": model.get("rs") / 10}
    grown = replace(scaled, models=(type(model)("grown", tuple(pairs.items())),))
    before, after = (Oracle().operate(each, DRIVES).node_voltages for each in (circuit, grown))
    assert after == pytest.approx(before, abs=1e-6)
    moved = Oracle().operate(scaled, DRIVES).node_voltages
    assert 1e-6 < np.abs(moved - before).max() < 0.5


def test_pairs_and_finer_series_come_nearer():
    circuit = layered((8, 12, 4), catalogue.get("1N4148"), volts=5.0, seed=1)
    with create("wave") as engine:
        drives = drawn_drives(circuit)
        moved = [
            cost(engine, circuit, quantize(circuit, ladder(word)).circuit, drives).rms
            for word in ("E6", "E24", "E96", "E192:parallel")
        ]
    assert moved[0] > 2 * moved[1] > 4 * moved[2] > 20 * moved[3] > 0


def test_the_best_scale_helps_a_part_of_narrow_range():
    circuit = layered((8, 12, 4), catalogue.get("1N4148"), volts=5.0, seed=1, median=3e-6)
    rungs = ladder("AD5206")
    with create("wave") as engine:
        drives = drawn_drives(circuit)
        plain = quantize(circuit, rungs)
        best = best_scaled(engine, circuit, rungs, drives)
        assert cost(engine, circuit, best.circuit, drives).rms < 0.5 * cost(engine, circuit, plain.circuit, drives).rms
    assert best.scale > 1.5
    assert best.beyond < plain.beyond


def test_cost_is_the_difference_of_outputs():
    circuit = CIRCUITS["layered"]()
    after = quantize(circuit, ladder("E3")).circuit
    labels = np.array([0, 1, 1, 0])
    with create("wave") as engine:
        found = cost(engine, circuit, after, DRIVES, labels)
        a, b = engine.operate(circuit, DRIVES).outputs, engine.operate(after, DRIVES).outputs
    assert found.rms == pytest.approx(np.sqrt(np.mean((a - b) ** 2)))
    assert found.largest == pytest.approx(np.abs(a - b).max())
    assert found.accuracy == np.mean(b.argmax(axis=1) == labels)
    assert found.agreement == np.mean(b.argmax(axis=1) == a.argmax(axis=1))
    assert json.loads(json.dumps(found.to_json()))["samples"] == 4


# --- parts lists --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CIRCUITS)
def test_a_parts_list_has_every_part_once(kind):
    circuit = CIRCUITS[kind]()
    rows = lines(bill(circuit))
    total = sum(len(circuit.bank(each)) for each in ("resistors", "diodes", "voltage_sources", "current_sources"))
    total += sum(len(circuit.bank(each)) for each in ("transformers", "gyrators", "buffers", "mirrors"))
    assert sum(int(row["count"]) for row in rows) == total
    names = [name for row in rows for name in spelled(row["reference"])]
    assert len(set(names)) == len(names) == total
    assert any(row["part"] == "1N4148" for row in rows)


def spelled(reference):
    """R1-R3 R5 as single names."""
    for piece in reference.split():
        first, dash, last = piece.partition("-")
        if dash:
            yield from (f"{first[0]}{k}" for k in range(int(first[1:]), int(last[1:]) + 1))
        else:
            yield piece


def test_resistors_are_grouped_by_value():
    circuit = layered((3, 4, 2), catalogue.get("1N4148"), volts=4.0, seed=3)
    found = quantize(circuit, ladder("E6"))
    rows = [row for row in lines(bill(found.circuit, found.ladder)) if row["part"] == "resistor E6"]
    values = [ohms(row["value"]) for row in rows]
    assert values == sorted(set(values))
    for row in rows:
        for name in spelled(row["reference"]):
            assert 1 / found.circuit.conductances[int(name[1:]) - 1] == pytest.approx(ohms(row["value"]))


@pytest.mark.parametrize("word", ["E12:series", "E12:parallel"])
def test_two_parts_of_a_pair_make_the_resistor(word):
    circuit = layered((3, 4, 2), catalogue.get("1N4148"), volts=4.0, seed=3)
    found = quantize(circuit, ladder(word))
    parts = {}
    for row in lines(bill(found.circuit, found.ladder)):
        for name in spelled(row["reference"]) if row["part"].startswith("resistor") else ():
            parts.setdefault(int(name.strip("RAB")), []).append(ohms(row["value"]))
    made = [sum(p) if word.endswith("series") else 1 / sum(1 / each for each in p) for _, p in sorted(parts.items())]
    assert 1 / found.circuit.conductances == pytest.approx(made, rel=1e-5)
    assert max(map(len, parts.values())) == 2


def test_a_programmed_circuit_lists_chips_channels_and_codes():
    circuit = layered((8, 12, 4), catalogue.get("1N4148"), volts=5.0, seed=1)
    found = quantize(circuit, ladder("AD5206"), 4.0)
    rows = lines(bill(found.circuit, found.ladder))
    chips = [row for row in rows if row["part"].startswith("AD5206")]
    channels = [row for row in rows if row["part"].startswith("channel")]
    assert len(channels) == len(circuit.resistors)
    assert sum(int(row["count"]) for row in chips) == sum(-(-n // 6) for n in used(chips, channels).values())
    assert len({row["part"] for row in channels}) == len(channels)  # no channel twice
    pot = programmable.get("AD5206")
    version = {name: ohms(row["value"]) for row in chips for name in spelled(row["reference"])}
    for row in channels:
        nominal = version[row["part"].split()[-1]]
        made = int(row["code"]) / 256 * nominal + pot.wiper[0]
        assert 1 / found.circuit.conductances[int(row["reference"][1:]) - 1] == pytest.approx(made)


def used(chips, channels):
    """How many channels of each version are in use."""
    version = {name: row["value"] for row in chips for name in spelled(row["reference"])}
    counts = {}
    for row in channels:
        value = version[row["part"].split()[-1]]
        counts[value] = counts.get(value, 0) + 1
    return counts


@pytest.mark.parametrize(("value", "text"), [(0.5, "0.5"), (47, "47"), (4700, "4.7k"), (999999.9, "1M"), (1e9, "1G")])
def test_ohms_as_parts_lists_write_them(value, text):
    assert engineering(value) == text


def test_a_hundred_thousand_resistors_are_listed_and_quantized():
    circuit = layered((784, 64, 10), catalogue.get("1N4148"), volts=5.0)
    assert len(circuit.resistors) > 1e5
    for word in ("E96", "E24:series", "AD5206"):
        found = quantize(circuit, ladder(word))
        made = [row for row in lines(bill(found.circuit, found.ladder)) if not row["part"].startswith("AD5206")]
        singles = np.count_nonzero(found.ladder.picks[found.rungs] >= 0)
        assert sum(int(row["count"]) for row in made) == singles + 64 + 2 + 2 * 784


# --- commands -----------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    circuit = layered((3, 4, 2), catalogue.get("1N4148"), volts=4.0, seed=3, median=3e-5)
    circuit.save(tmp_path / "c.npz")
    np.savetxt(tmp_path / "X.csv", np.column_stack([DRIVES, [0, 1, 0, 1]]), delimiter=",")
    return tmp_path


def test_quantize_writes_a_circuit_and_says_what_it_costs(saved, capsys):
    out = saved / "q.npz"
    options = ["--series", "e24", "--inputs", str(saved / "X.csv"), "--labelled", "--plot", str(saved / "q.svg")]
    assert main(["quantize", str(saved / "c.npz"), "-o", str(out), *options, "--simulator", "wave", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["parts"] == "E24"
    assert document["samples"] == 4
    assert 0 < document["relative"] < 0.2
    assert document["accuracy"] is not None
    circuit = Circuit.load(out)
    assert "resistors are of E24" in circuit.notes
    assert np.isin(circuit.conductances, ladder("E24").conductances).all()
    assert (saved / "q.svg").read_text().startswith("<svg")
    assert main(["quantize", str(saved / "c.npz"), "-o", str(out), "--programmable", "AD5206", "--scale", "auto"]) == 0
    said = capsys.readouterr().out
    assert "AD5206" in said
    assert "V rms" in said


def test_export_lists_what_it_quantized(saved, capsys):
    out = saved / "parts.csv"
    assert main(["export", str(saved / "c.npz"), "--to", "bom", "-o", str(out), "--series", "E12", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["quantized"]["parts"] == "E12"
    assert {row["part"] for row in lines(out.read_text())} == {
        *("resistor E12", "1N4148", "voltage source", "voltage source driven by an input")
    }
    assert main(["export", str(saved / "c.npz"), "--to", "ngspice", "-o", str(saved / "c.cir"), "--series", "E12"]) == 0
    assert "resistors are of E12" in (saved / "c.cir").read_text()


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        ([], 2, "--series"),
        (["--series", "E24", "--levels", "4"], 2, "exclude"),
        (["--levels", "4"], 2, "--levels 4 needs a range; add --ohms LOW HIGH"),
        (["--levels", "1", "--ohms", "10", "100"], 2, "levels"),
        (["--programmable", "AD52"], 2, "AD5206"),
        (["--programmable", "16"], 2, "--levels"),
        (["--series", "E24", "--ohms", "5", "3"], 2, "range"),
        (["--series", "E24", "--ohms", "10", "10.5"], 2, "fewer than two"),
        (["--series", "E24", "--scale", "foo"], 2, "auto"),
        (["--series", "E24", "--scale", "-1"], 2, "scale"),
        (["--series", "E24", "--scale", "nan"], 2, "scale"),
        (["--series", "E24", "--labelled"], 2, "--inputs"),
        (["--series", "E24", "--inputs", "missing.csv"], 3, "missing.csv"),
        (["--programmable", "AD5293", "--pairs", "star"], 2, "star"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(saved, capsys, options, code, word):
    out = saved / "q.npz"
    assert main(["quantize", str(saved / "c.npz"), "-o", str(out), "--simulator", "wave", *options]) == code
    assert word in capsys.readouterr().err
    assert not out.exists()


def test_parts_options_without_parts_are_refused(saved, capsys):
    out = saved / "b.csv"
    assert main(["export", str(saved / "c.npz"), "--to", "bom", "-o", str(out), "--pairs", "series"]) == 2
    assert "--pairs" in capsys.readouterr().err
    assert not out.exists()
