"""Technologies and what boards of them look like: the statistics of variation."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from circuits import CIRCUITS, DRIVES
from diodeq.circuit import check
from diodeq.cli.main import main
from diodeq.devices import catalogue
from diodeq.devices.hardware.technology import Technology, get, presets, variation_of
from diodeq.devices.hardware.variation import Variation
from diodeq.errors import UsageError
from diodeq.simulators import create
from diodeq.synthesis.layered import layered
from diodeq.synthesis.variation import draw, vary
from oracle import Oracle

WIDE = layered((100, 100, 10), catalogue.get("1N4148"), volts=5.0, seed=1)


def board(circuit=WIDE, seed=0, low=1e-7, high=1e-2, **figures):
    return draw(circuit, Technology(low, high, variation=Variation(**figures)), np.random.default_rng(seed))


def ratio(found, circuit=WIDE):
    return found.circuit.conductances / circuit.conductances


def same_distribution(sample, cdf):
    """Kolmogorov–Smirnov; the draws are seeded, so this either always passes or never."""
    assert stats.kstest(sample, cdf).pvalue > 1e-3


# --- presets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", presets())
def test_presets_are_cited_and_make_sound_boards(name):
    technology = get(name.upper())
    assert technology.source
    assert technology.description
    assert technology.ladder is not None
    small = CIRCUITS["layered"]()
    drawn = small.with_conductances(technology.project(small.conductances))
    check(vary(drawn, technology, np.random.default_rng(0)))


def test_levels_narrow_the_range():
    technology = Technology(levels="AD5206")
    assert 1e-7 < technology.low < technology.high < 1.2e-2
    assert np.isin(technology.project([1e-9, 3e-5, 1.0]), technology.ladder.conductances).all()
    assert technology.clip([1e-9, 3.21e-5]).tolist() == [technology.low, 3.21e-5]


def test_the_list_of_technologies(capsys):
    assert main(["devices", "technologies", "--json"]) == 0
    assert [each["name"] for each in json.loads(capsys.readouterr().out)] == list(presets())
    assert main(["devices", "technologies", "rram"]) == 0
    assert "write_error" in capsys.readouterr().out
    assert main(["devices", "technologies", "rrom"]) == 2
    assert "rram" in capsys.readouterr().err


def test_variations_as_text():
    found = variation_of("tolerance=10%,temperature=-10:85, stuck-low=0.01,shape=gaussian")
    assert found == Variation(tolerance=0.1, shape="gaussian", stuck_low=0.01, coldest=-10.0, hottest=85.0)
    assert variation_of("temperature=50") == Variation(coldest=50.0, hottest=50.0)
    assert variation_of("pcm") == get("pcm").variation


@pytest.mark.parametrize(
    "wrong",
    [
        *("", "tolerance", "tolerance=", "tolerance=x%", "tolerance=100%", "tolerance=1%,tolerance=2%", "magic=1"),
        *("temperature=9:1", "shape=square", "stuck_low=0.6,stuck_high=0.6", "drift=-1", "tolerance=nan", "rrom"),
    ],
)
def test_variations_that_make_no_sense(wrong):
    with pytest.raises(UsageError):
        variation_of(wrong)


# --- boards -------------------------------------------------------------------------------------------------------


def test_a_perfect_technology_makes_the_drawn_circuit():
    found = board()
    assert np.array_equal(found.circuit.conductances, WIDE.conductances)
    assert found.circuit.models == WIDE.models
    assert found.circuit.temperature == WIDE.temperature
    assert np.all(found.slope == 1)


def test_boards_are_seeded_and_share_the_topology():
    one, same, other = (board(seed=seed, tolerance=0.1, saturation=0.3) for seed in (1, 1, 2))
    assert np.array_equal(one.circuit.conductances, same.circuit.conductances)
    assert one.circuit.models == same.circuit.models
    assert not np.array_equal(one.circuit.conductances, other.circuit.conductances)
    assert one.circuit.same_topology(WIDE)


def test_tolerances_are_of_resistances_and_stay_inside():
    uniform = 1 / ratio(board(tolerance=0.1)) - 1
    same_distribution(uniform, stats.uniform(-0.1, 0.2).cdf)
    gaussian = 1 / ratio(board(tolerance=0.3, shape="gaussian")) - 1
    same_distribution(gaussian, stats.truncnorm(-3, 3, scale=0.1).cdf)
    assert np.abs(gaussian).max() < 0.3


def test_a_dividers_spread_has_its_closed_form():
    """Two resistors of tolerance t, uniform: the standard deviation is V/4 · √2 · t/√3, to first order."""
    from diodeq.circuit import Circuit, bank

    divider = Circuit(
        ("0", "top", "mid"),
        resistors=bank("resistors", [(1, 2, 1e-3), (2, 0, 1e-3)]),
        voltage_sources=bank("voltage_sources", [(1, 0, 8.0)]),
        outputs=np.array([[2, 0]]),
    )
    technology, rng = Technology(variation=Variation(tolerance=0.01)), np.random.default_rng(0)
    oracle = Oracle()
    volts = [float(oracle.operate(vary(divider, technology, rng), np.zeros((1, 0))).outputs[0, 0]) for _ in range(4000)]
    assert np.std(volts) == pytest.approx(8 / 4 * np.sqrt(2) * 0.01 / np.sqrt(3), rel=0.03)
    assert np.mean(volts) == pytest.approx(4.0, abs=1e-3)


def test_write_errors_add_and_never_go_negative():
    flat = WIDE.with_conductances(np.full(len(WIDE.resistors), 2e-5))
    errors = board(flat, write_error=2e-6, low=1e-6, high=4e-5).circuit.conductances - 2e-5
    same_distribution(errors, stats.norm(scale=2e-6).cdf)
    found = board(flat.with_conductances(np.full(len(WIDE.resistors), 1e-6)), write_error=2e-6, low=1e-6, high=4e-5)
    assert found.circuit.conductances.min() > 0
    assert np.mean(found.slope == 0) == pytest.approx(stats.norm.cdf(-0.5), abs=0.02)


def test_drift_and_read_noise():
    drifted = ratio(board(drift=0.06, drift_spread=0.01, age=1000.0))
    exponents = -np.log(drifted) / np.log(1000.0)
    same_distribution(exponents, stats.norm(0.06, 0.01).cdf)
    same_distribution(ratio(board(read_noise=0.05)) - 1, stats.norm(scale=0.05).cdf)


def test_stuck_cells_are_where_and_as_many_as_said():
    found = board(stuck_low=0.02, stuck_high=0.01, tolerance=0.05, low=1e-7, high=1e-2)
    g = found.circuit.conductances
    assert np.mean(g == 1e-7) == pytest.approx(0.02, abs=0.004)
    assert np.mean(g == 1e-2) == pytest.approx(0.01, abs=0.003)
    assert np.array_equal(found.slope == 0, (g == 1e-7) | (g == 1e-2))


def test_every_diode_has_its_own_constants():
    found = board(saturation=0.37, emission=0.01).circuit
    check(found)
    assert len({model.spice_name for model in found.models}) == len(found.diodes)
    model = WIDE.models[0]
    same_distribution(np.log([each.get("is") / model.get("is") for each in found.models]), stats.norm(scale=0.37).cdf)
    assert np.std([each.get("n") / model.get("n") for each in found.models]) == pytest.approx(0.01, rel=0.2)
    assert {each.get("rs") for each in found.models} == {model.get("rs")}


def test_one_temperature_a_board():
    temperatures = [board(seed=seed, coldest=0.0, hottest=70.0).circuit.temperature for seed in range(300)]
    same_distribution(temperatures, stats.uniform(0, 70).cdf)
    technology, rng = Technology(variation=Variation(coldest=0.0, hottest=70.0)), np.random.default_rng(0)
    corners = {draw(WIDE, technology, rng, corners=True).circuit.temperature for _ in range(50)}
    assert corners == {0.0, 27.0, 70.0}
    warm = board(tempco=1e-4, coldest=75.0, hottest=75.0)
    same_distribution(1 / ratio(warm) - 1, stats.uniform(-50e-4, 100e-4).cdf)


def test_constant_sources_deviate_and_driven_ones_keep_their_inputs():
    found = board(supply_error=0.01).circuit.voltage_sources.values
    given = WIDE.voltage_sources.values
    assert np.all(np.abs(found - given) <= 0.01 * np.abs(given))
    assert np.all(found[given != 0] != given[given != 0])
    assert np.all(found[given == 0] == 0)


def test_slopes_are_derivatives():
    figures = {
        "tolerance": 0.1,
        "drift": 0.05,
        "age": 100.0,
        "write_error": 1e-6,
        "read_noise": 0.05,
        "stuck_low": 0.05,
    }
    up = WIDE.with_conductances(WIDE.conductances * 1.0001)
    one, two = (board(each, seed=3, **figures) for each in (WIDE, up))
    change = (two.circuit.conductances - one.circuit.conductances) / (1e-4 * WIDE.conductances)
    assert change == pytest.approx(one.slope, abs=1e-6)


@pytest.mark.parametrize("engine", ["ngspice", "wave"])
def test_both_engines_simulate_any_board(engine):
    technology = Technology(variation=replace(get("discrete-e24").variation, coldest=50.0, hottest=50.0))
    with create(engine, 1) as simulator:
        for kind, make in CIRCUITS.items():
            circuit = vary(make(), technology, np.random.default_rng(4))
            found = simulator.operate(circuit, DRIVES).node_voltages
            assert found == pytest.approx(Oracle().operate(circuit, DRIVES).node_voltages, abs=1e-6), kind
