"""The twin's imperfections one by one: as large as the description says, each part its own, at its own time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import diodeq
from diodeq.simulators.bench import Twin, changed, draws
from diodeq.simulators.bench.channels import Channels
from diodeq.simulators.bench.describing import read
from diodeq.simulators.bench.description import Temperature
from diodeq.simulators.bench.imperfect import MEASURED_AT, Imperfect
from diodeq.simulators.bench.links import wire
from diodeq.simulators.bench.links.desk import Desk
from diodeq.simulators.bench.links.staged import Staged
from diodeq.simulators.bench.settling import unsettled
from diodeq.simulators.two_sided import two_sided
from diodeq.simulators.wave import WaveSimulator
from diodeq.synthesis.pruning import without

CIRCUIT = diodeq.layered((2, 3, 2))
PLAIN = changed(
    read(b"[taps]\npart = 'MCP4251'\nohms = 100e3\nseries = 1000\n", "plain"), "ideal", "taps.quantized=true"
)
PLAIN = replace(PLAIN, temperature=Temperature(MEASURED_AT, MEASURED_AT))
SEEDS = 150


def parts_of(*options, circuit=CIRCUIT):
    return Imperfect(Channels.of(circuit, changed(PLAIN, *options)))


def pushed(parts, side=0):
    """Relative deviations of the pumps at one end of every output, from what opposite codes give."""
    count = len(CIRCUIT.outputs)
    both = (parts.pumped(sign * 1000 * np.eye(count, dtype=np.int64)) for sign in (1, -1))
    amperes = np.subtract(*both) / (2000 * parts.channels.injections.step)
    return np.array([(1, -1)[side] * amperes[k] @ parts.joined[side, k] - 1.0 for k in range(count)])


def supplied(parts, code):
    """Volts of all sources that are more or less than they should be."""
    codes = np.full((1, len(CIRCUIT.inputs)), code)
    constant, gains = parts.nominal_sources
    return (parts.sources(codes) - constant - parts.channels.drives.decode(codes) @ gains.T)[0]


def tapped(parts, seconds=0.0):
    """Ohms of the taps at code 100 that are more or less than they should be."""
    codes = np.full(parts.channels.counts["taps"], 100)
    return (1.0 / parts.conductances(codes, seconds))[CIRCUIT.mask] - 1.0 / parts.channels.taps.decode(codes)


def seen(parts, volts=0.0, numbers=(0,), seconds=0.0):
    """Volts that readings are off."""
    given = np.full((len(numbers), parts.channels.counts["reads"]), volts)
    return (parts.channels.reads.decode(parts.read(given, np.array(numbers), seconds)) - volts).ravel()


ONE_VOLT = round(1.0 / parts_of().channels.drives.step)
NOMINAL = parts_of().nominal_sources
FOLLOWS, RAILS = (NOMINAL[1] != 0.0).any(axis=1), NOMINAL[0] != 0.0
TRACK, WIPER = (float(each[0]) for each in parts_of().channels.taps.parts(np.array([100])))
WARM = ("temperature.high=100", "temperature.low=100")


@pytest.mark.parametrize(
    ("options", "found", "wanted"),
    [
        (["drives.offset=0.1"], lambda p: supplied(p, 0)[FOLLOWS][::2], 0.1),
        (["drives.gain=0.1"], lambda p: supplied(p, ONE_VOLT)[FOLLOWS][::2], 0.1),
        (["drives.complement=0.1"], lambda p: supplied(p, ONE_VOLT)[FOLLOWS], 0.1),
        (["drives.rails=0.1"], lambda p: supplied(p, 0)[RAILS] / NOMINAL[0][RAILS], 0.1),
        (["pumps.mismatch=0.1"], lambda p: np.concatenate([pushed(p, 0), pushed(p, 1)]), 0.1),
        (["pumps.offset=1e-6"], lambda p: p.pumped(np.zeros((1, 2), np.int64))[0][p.pumps > 0], 1e-6),
        (["amplifiers.bias=1e-6"], lambda p: p.pumped(np.zeros((1, 2), np.int64))[0], 1e-6),
        (["taps.tolerance=0.1"], tapped, TRACK * 0.1 / np.sqrt(3.0)),
        (["taps.series_tolerance=0.1"], tapped, 1000.0 * 0.1 / np.sqrt(3.0)),
        (["taps.wiper_tolerance=0.1"], tapped, WIPER * 0.1 / np.sqrt(3.0)),
        (["taps.nonlinearity=0.5"], tapped, 0.5 * 100e3 / 256),
        (["taps.tempco=1e-3", *WARM], tapped, (TRACK + WIPER + 1000.0) * 1e-3 * 75.0 / np.sqrt(3.0)),
        (["taps.drift=0.01"], lambda p: tapped(p, 5 * 86400.0), TRACK * 0.01 * np.sqrt(2.0)),
        (["reads.offset=0.1"], seen, 0.1),
        (["reads.gain=0.1"], lambda p: seen(p, 1.0), 0.1),
        (["reads.offset_drift=1e-3", *WARM], seen, 0.075),
        (["amplifiers.offset=0.1"], seen, 0.1),
        (["reads.noise=0.1"], lambda p: seen(p, 0.0, (5, 6)), 0.1),
        (["reads.flicker=0.1"], seen, 0.1),
    ],
)
def test_what_parts_deviate_by_is_what_the_description_says(options, found, wanted):
    """From board to board, and no two parts of one board alike."""
    drawn = np.array([found(parts_of(*options, f"seed={seed}")) for seed in range(SEEDS)]) / wanted
    assert drawn.shape[1] > 1
    assert np.abs(drawn.mean(axis=0)).max() < 0.4
    np.testing.assert_allclose(drawn.std(axis=0).mean(), 1.0, atol=0.2)
    assert np.abs(np.corrcoef(drawn.T) - np.eye(drawn.shape[1])).max() < 0.5


def test_a_scan_droops_and_keeps_something_of_the_channel_before():
    own = parts_of("reads.channels=4", "reads.seconds=0.01", "reads.droop=20", "reads.crosstalk=0.1")
    volts = np.random.default_rng(0).uniform(-2.0, 2.0, (2, own.channels.counts["reads"]))
    wanted, held = np.empty_like(volts), 0.0
    for row in range(2):
        for k, volt in enumerate(volts[row]):
            before, held = held, volt * np.exp(-20.0 * 0.01 * (k % 4))
            wanted[row, k] = held + (0.1 * (before - held) if k % 4 else 0.0)
    found = own.channels.reads.decode(own.read(volts, np.arange(2), 0.0))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9)


def test_flicker_is_a_step_of_every_octave_that_a_reading_falls_into():
    names, numbers = draws.keys(["a", "b", "c"]), np.array([2**20 - 1, 2**20, 7, 6, 7, 12345678901])
    drawn = [draws.normal(5, f"f {k}", names, (numbers >> k)[:, None]) for k in range(draws.OCTAVES)]
    np.testing.assert_array_equal(draws.flicker(5, "f", names, numbers), sum(drawn) / np.sqrt(draws.OCTAVES))
    assert draws.flicker(5, "f", names, numbers[:0]).shape == (0, 3)


def test_flicker_is_slow_and_offsets_follow_the_temperature():
    numbers = np.arange(4000)
    slow = draws.flicker(3, "flicker", np.arange(5), numbers)
    assert np.diff(slow, axis=0).var() == pytest.approx(4.0 / draws.OCTAVES, rel=0.2)  # 2 of white noise
    own = parts_of("reads.offset_drift=1e-2", "temperature.high=80", "temperature.low=0", "temperature.period=1")
    per_kelvin = seen(own, seconds=0.0) / (own.temperature(0.0) - MEASURED_AT)
    assert abs(own.temperature(1.0) - own.temperature(0.0)) > 1.0
    later = seen(own, seconds=1.0) / (own.temperature(1.0) - MEASURED_AT)
    np.testing.assert_allclose(later, per_kelvin, rtol=1e-9)


def test_resistors_keep_their_tolerances_when_others_are_pruned():
    stays = np.ones(len(CIRCUIT.resistors), bool)
    stays[np.flatnonzero(CIRCUIT.mask)[1:4]] = False
    pruned = without(CIRCUIT, stays)
    found = {}
    for circuit in (CIRCUIT, pruned):
        own = parts_of("taps.tolerance=0.3", circuit=circuit)
        ohms = 1.0 / own.conductances(np.full(own.channels.counts["taps"], 100), 0.0)
        ends = circuit.resistors.terminals[circuit.mask].tolist()
        found[len(ends)] = {
            (circuit.nodes[a], circuit.nodes[b]): r for (a, b), r in zip(ends, ohms[circuit.mask], strict=True)
        }
    few, all_of_them = (found[count] for count in sorted(found))
    assert few.items() < all_of_them.items()
    assert len(set(all_of_them.values())) == len(all_of_them)


def test_what_is_read_later_has_settled_further():
    point = WaveSimulator().operate(CIRCUIT, np.array([[1.0, -1.0]]))
    at_once, scanned = (
        unsettled(point, Channels.of(CIRCUIT, changed(PLAIN, "settling.seconds=1e-9", f"reads.channels={n}")))[0][0]
        for n in (1, 16)
    )
    places = np.arange(len(at_once))
    seconds = PLAIN.reads.seconds
    np.testing.assert_allclose(np.log(scanned), np.log(at_once) * (1.0 + places * seconds / 1e-9), rtol=1e-6)


def test_pumps_reach_no_further_than_their_compliance():
    own = changed(PLAIN, "pumps.compliance=3.5", "pumps.ohms=100")
    twin, free = Twin(own, CIRCUIT), Twin(PLAIN, CIRCUIT)
    for each in (twin, free):
        each.set_taps(each.channels.taps.encode(np.full(each.channels.counts["taps"], 2e-5)))
    ends = np.isin(twin.channels.read, CIRCUIT.outputs)
    pumps = np.array([[1], [-1]]) * np.full((2, 2), twin.channels.injections.last)
    drives = np.zeros((2, 2), np.int64)
    within, beyond = (each.channels.reads.decode(each.read(drives, pumps))[:, ends] for each in (twin, free))
    assert beyond.max() > 4.0 > -4.0 > beyond.min()
    assert 3.4 < within.max() < 3.5
    assert -3.5 < within.min() < -3.4


def test_what_drifts_evenly_leaves_nothing_of_repeated_readings():
    """Readings that rise by a volt each say nothing: they are + - - +."""
    amperes = []

    def drifting(drives, given):
        amperes.append(given)
        return np.arange(len(drives))[:, None] * np.ones((1, 3))

    found = two_sided(drifting, np.zeros((2, 1)), np.array([[1.0, -0.5], [0.0, 2.0]]), 1e-3, repeats=2)
    np.testing.assert_array_equal(found, np.zeros((2, 3)))
    np.testing.assert_allclose(amperes[0][:4], 1e-3 * np.outer([1, -1, -1, 1], [1.0, -0.5]), rtol=1e-15)


def test_a_served_bench_refuses_codes_before_its_body_sees_them():
    """A body may have no limits of its own."""

    class Never:
        identity = "never"

        def rest(self):
            pass

    spans = Channels.of(CIRCUIT, changed(PLAIN, "limits.volts=1", "drives.bits=12")).spans
    desk = Desk(Staged(Never(), spans, 5.0, print))
    for k, (line, words) in enumerate(
        [
            ("hello 1", "ok"),
            (f"drive 0 {spans.drives.high}", "ok"),
            (f"drive 0 {spans.drives.high + 1}", "no limit"),
            (f"drive 0 {spans.drives.low}", "ok"),
            (f"drive 0 {spans.drives.low - 1}", "no limit"),
            ("tap 0 257", "no limit"),
        ]
    ):
        assert words in wire.unframed(desk.answer(wire.framed(f"{k} {line}")[:-1])[:-1])
    assert (spans.drives.low, spans.drives.high) == (-400, 400)
