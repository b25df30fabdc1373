"""Nonlinear one-ports: what the protocol promises, of every family, and the diode's law against 50 digits."""

import dataclasses
import itertools
import json
import subprocess
from dataclasses import dataclass
from decimal import Decimal, localcontext

import numpy as np
import pytest

from diodeq.devices import DiodeModel, catalogue
from diodeq.devices.composite.model import CompositeModel
from diodeq.devices.composite.parts import CompositePart
from diodeq.devices.curve.model import CurveModel
from diodeq.devices.diode.law import law
from diodeq.devices.one_ports import FAMILIES, Joined, OnePorts, from_json, one_ports
from diodeq.devices.transistor.model import TransistorModel
from diodeq.errors import InputError

EPSILON = 2.0**-52
KNEES = DiodeModel(
    "knees",
    {"is": 1e-9, "n": 1.5, "rs": 2, "ikf": 1e-4, "ikr": 1e-5, "bv": 12, "ibv": 1e-3, "nbv": 1.3, "trs1": 1e-3},
)
RECOMBINATION = DiodeModel(
    "recombination",
    {"is": 1e-13, "n": 1.1, "rs": 5, "isr": 1e-9, "nr": 2, "vj": 0.7, "m": 0.4, "tm1": 1e-3, "ikf": 1e-3, "cjo": 1e-12},
)
BARE = DiodeModel("bare", {"is": 1e-12, "bv": 5.0, "cjo": 1e-12, "tt": 1e-8})
# Models of every family: whoever adds a family adds its examples, and everything below holds for it.
_KNEE = (*np.linspace(-5.0, 0.3, 40).tolist(), *np.linspace(0.32, 0.9, 160).tolist())
CURVES = (
    CurveModel("two", (-1.0, 2.0), (-1e-3, 1e-2)),
    CurveModel("flat", (-3.0, -1.0, 1.0, 2.0, 4.0), (-2e-3, 0.0, 0.0, 1e-3, 1e-3)),
    CurveModel("steep", (-1.0, -0.5, 0.0, 0.5, 0.6, 3.0), (-1e-9, -1e-12, 0.0, 1e-9, 1e-3, 2e-3)),
    CurveModel("tanh", tuple(np.linspace(-2, 2, 81)), tuple(1e-3 * np.tanh(3 * np.linspace(-2, 2, 81)))),
    CurveModel("sampled", _KNEE, tuple(law(catalogue.get("1N4148"), gmin=0.0).current(_KNEE))),
)


def between(what, start="a", end="c"):
    """A diode, or so many ohms."""
    return (
        CompositePart("ohms", start, end, what)
        if isinstance(what, float)
        else CompositePart("diode", start, end, diode=what)
    )


# A law that falls, as KNEES' does by its IKR, meets another in series in more points than one.
RISING = dataclasses.replace(KNEES, parameters={**dict(KNEES.parameters), "ikr": 0.0})
SILICON, SCHOTTKY, ZENER = (catalogue.get(name) for name in ("1N4148", "BAT54", "BZX84C3V3"))
COMPOSITES = (
    CompositeModel("leaking", (between(SILICON), between(1e8))),
    CompositeModel("antiparallel", (between(SILICON), between(SCHOTTKY, "c", "a"))),
    CompositeModel("alike", (between(SILICON), between(SILICON, "c", "a"), between(SILICON, "c", "a"))),
    CompositeModel("two-way", (between(ZENER, "n", "a"), between(ZENER, "n", "c"))),
    CompositeModel("behind", (between(SILICON, "a", "n"), between(150.0, "n", "c"), between(1e5, "n", "c"))),
    CompositeModel("string", (between(SILICON, "a", "n"), between(SILICON, "n", "m"), between(RISING, "m", "c"))),
    CompositeModel(
        "mixed",
        (between(RISING, "a", "n"), between(1e6, "a", "n"), between(BARE, "n", "c"), between(10.0, "c", "a")),
    ),
)
TRANSISTORS = (
    TransistorModel("square", "NMOS", {"vto": 1.0, "kp": 1e-3, "lambda": 0.02, "gamma": 0.4, "phi": 0.7}),
    TransistorModel("power", "PMOS", {"vto": -2.0, "kp": 1e-2, "is": 1e-12}),
    TransistorModel("depleted", "NMOS", {"vto": -1.0, "kp": 1e-4}),
    TransistorModel("plain", "NPN", {"is": 1e-15, "bf": 100.0}),
    TransistorModel("worn", "PNP", {"is": 1e-14, "bf": 50.0, "ikf": 0.05, "var": 20.0, "ise": 1e-13, "ne": 1.6}),
    TransistorModel("limiter", "NJF", {"vto": -2.0, "beta": 1e-3, "lambda": 0.02}),
    TransistorModel("closed", "PJF", {"vto": 0.3, "beta": 1e-4, "is": 1e-10, "area": 2.0, "m": 3.0}),
)
EXAMPLES = {
    "diode": (*map(catalogue.get, catalogue.names("diode")), KNEES, RECOMBINATION, BARE),
    "curve": CURVES,
    "composite": COMPOSITES,
    "transistor": TRANSISTORS,
}
TEMPERATURES = (-55.0, 27.0, 150.0)


@dataclass(frozen=True)
class Cubic:
    """A second family, for tests: i = a v + b v³ with the cube cut off where numbers would end."""

    a: float
    b: float
    name: str = "cubic"

    @classmethod
    def laws(cls, models, temperature, gmin=1e-12):
        return Cubics(np.array([model.a for model in models]), np.array([model.b for model in models]))


@dataclass(frozen=True)
class Cubics:
    a: np.ndarray
    b: np.ndarray

    def __len__(self):
        return len(self.a)

    def take(self, chosen):
        return Cubics(self.a[chosen], self.b[chosen])

    def current(self, voltage):
        return self.a * voltage + self.b * np.asarray(voltage) ** 3

    def conductance(self, voltage):
        return self.a + 3.0 * self.b * np.asarray(voltage) ** 2

    def evaluate(self, voltage):
        return self.current(voltage), self.conductance(voltage)

    def load_line(self, source, resistance):
        source, resistance, _ = np.broadcast_arrays(source, resistance, self.a)
        low, high = np.minimum(source, 0.0), np.maximum(source, 0.0)
        for _ in range(200):
            v = 0.5 * (low + high)
            over = v + resistance * self.current(v) > source
            low, high = np.where(over, low, v), np.where(over, v, high)
        return v, self.current(v), self.conductance(v)

    def chord(self, low, high):
        ends = self.conductance(low), self.conductance(high)
        inside = np.where((np.asarray(low) < 0) & (np.asarray(high) > 0), self.a, np.inf)
        return np.minimum(np.minimum(*ends), inside), np.maximum(*ends)

    def capacitance(self, voltage):
        return 1e-12 + 0.0 * voltage * self.a


CUBICS = (Cubic(1e-3, 1e-4), Cubic(1e-6, 1e-3))


def sound(models, temperature):
    """The models that make sense at a temperature."""
    kept = []
    for model in models:
        try:
            one_ports((model,), [0], temperature)
        except InputError:
            continue
        kept.append(model)
    assert len(kept) > len(models) // 2
    return tuple(kept)


@pytest.fixture(params=[*FAMILIES, "joined"])
def models(request):
    if request.param == "joined":
        return tuple(model for pair in zip(EXAMPLES["diode"], CUBICS * 20, strict=False) for model in pair)
    return EXAMPLES[request.param]


@pytest.fixture(params=TEMPERATURES)
def temperature(request):
    return request.param


def volts(ports, rows=200, seed=0):
    """Voltages [rows, n] that put nothing beyond 100 A: of all sizes, many near zero."""
    random = np.random.default_rng(seed)
    sources = random.normal(size=(rows, len(ports))) * 10.0 ** random.uniform(-4, 2, (rows, len(ports)))
    return ports.load_line(sources, 1.0)[0]


def test_every_family_has_examples():
    assert set(EXAMPLES) == set(FAMILIES)
    for kind, family in FAMILIES.items():
        assert all(type(model) is family for model in EXAMPLES[kind])


@pytest.mark.parametrize("kind", FAMILIES)
def test_models_survive_json_and_name_their_family(kind):
    for model in EXAMPLES[kind]:
        document = json.loads(json.dumps(model.to_json()))
        assert document["kind"] == kind
        assert from_json(document) == model
        assert hash(from_json(document)) == hash(model)
        assert model.at_rest().at_rest() == model.at_rest()


def test_a_document_without_a_kind_is_a_diode_and_an_unknown_kind_is_refused():
    old = {"name": "old", "parameters": {"is": 1e-9}, "source": "", "description": ""}
    assert from_json(old) == DiodeModel("old", {"is": 1e-9})
    with pytest.raises(InputError, match="'memristor' is not known"):
        from_json({**old, "kind": "memristor"})
    with pytest.raises(InputError, match="a diode must be a table"):
        from_json(3)


def test_the_protocol_is_met(models, temperature):
    kept = sound(models, temperature)
    ports = one_ports(kept, np.arange(len(kept)).astype(float), temperature)
    assert isinstance(ports, OnePorts)
    assert len(ports) == len(kept)
    v = volts(ports, 6).reshape(2, 3, len(ports))
    for answer in (ports.current(v), *ports.evaluate(v), *ports.load_line(v, 5.0), *ports.chord(v, v + 1.0)):
        assert answer.shape == v.shape
    assert ports.current(v[0, 0]).shape == (len(ports),)
    for same, other in zip(ports.evaluate(v), (ports.current(v), ports.conductance(v)), strict=True):
        np.testing.assert_array_equal(same, other)
    assert ports.current(np.zeros((0, len(ports)))).shape == (0, len(ports))


def test_nothing_flows_at_zero_volts(models, temperature):
    kept = sound(models, temperature)
    ports = one_ports(kept, np.arange(len(kept)), temperature)
    assert not ports.current(np.zeros(len(kept))).any()
    assert not ports.load_line(0.0, 1e3)[0].any()


def test_no_one_ports_at_all():
    ports = one_ports((), [], 27.0)
    assert len(ports) == 0
    assert ports.current(np.zeros((3, 0))).shape == (3, 0)
    assert ports.load_line(np.zeros((3, 0)), np.zeros(0))[2].shape == (3, 0)
    assert ports.chord(np.zeros((3, 0)), np.zeros((3, 0)))[0].shape == (3, 0)
    assert len(ports.take(slice(None))) == 0


def test_conductance_is_the_derivative(models, temperature):
    kept = sound(models, temperature)
    ports = one_ports(kept, np.arange(len(kept)), temperature)
    v = volts(ports)
    h = 1e-7 * np.maximum(np.abs(v), 1e-3)
    low, high = v - h, v + h
    slope = (ports.current(high) - ports.current(low)) / (high - low)
    noise = 1e-15 * (np.abs(ports.current(v)) + np.abs(v) * ports.conductance(v)) / h
    least, largest = ports.chord(low, high)
    for found in (slope, ports.conductance(v)):
        assert np.all(found >= least - 1e-9 * np.abs(found) - noise)
        assert np.all(found <= largest + 1e-9 * np.abs(found) + noise)
    # Bounds that are wide at corners only.
    assert np.mean(largest <= 1.01 * least + noise) > 0.97


def test_load_lines_are_satisfied(models, temperature):
    """To rounding, from microvolts to a megavolt and from 0 to 1e15 ohms."""
    kept = sound(models, temperature)
    ports = one_ports(kept, np.arange(len(kept)), temperature)
    random = np.random.default_rng(1)
    shape = (300, len(ports))
    sources = random.choice([-1.0, 1.0], shape) * 10.0 ** random.uniform(-6, 6, shape)
    resistances = 10.0 ** random.uniform(-3, 15, shape)
    v, i, g = ports.load_line(sources, resistances)
    assert np.isfinite([v, i, g]).all()
    scale = np.abs(sources) + np.abs(v) + np.abs(resistances * i)
    np.testing.assert_array_less(np.abs(v + resistances * i - sources), 8.0 * EPSILON * scale + 1e-300)
    assert np.all(np.sign(v) * np.sign(sources) >= 0.0)
    # The law at that voltage, as far as the rounding of the voltage lets it be seen, or a corner's two sides.
    near = 16.0 * EPSILON * np.abs(v)
    between = ports.current(v - near), ports.current(v + near)
    allowed = 1e-12 * np.abs(i)
    assert np.all(i >= np.minimum(*between) - allowed)
    assert np.all(i <= np.maximum(*between) + allowed)
    across, flowing, _ = ports.load_line(v, 0.0)
    np.testing.assert_allclose(across, v, rtol=4 * EPSILON)
    np.testing.assert_array_equal(flowing, ports.current(v))


def test_chords_are_bounded_and_the_bounds_are_attained(models, temperature):
    kept = sound(models, temperature)
    ports = one_ports(kept, np.arange(len(kept)), temperature)
    rows = 10 if isinstance(kept[0], CompositeModel) else 60  # whose every current is Newton's method
    ends = volts(ports, rows, 2), volts(ports, rows, 3)
    low, high = np.minimum(*ends), np.maximum(*ends)
    least, largest = ports.chord(low, high)
    assert np.all(least <= largest)
    random = np.random.default_rng(4)
    steepest, flattest = np.full(low.shape, -np.inf), np.full(low.shape, np.inf)
    shares = np.concatenate([np.geomspace(1e-4, 0.5, 12), 1.0 - np.geomspace(1e-4, 0.5, 12), [0.0, 1.0]])
    grid = [low + share * (high - low) for share in np.unique(shares)]
    pairs = [(low + a * (high - low), low + b * (high - low)) for a, b in np.sort(random.uniform(size=(20, 2)))]
    for a, b in [*itertools.pairwise(grid), *pairs, (low, high)]:
        before, after = ports.current(a), ports.current(b)
        rise, run = after - before, b - a
        noise = 4e-15 * (np.abs(before) + np.abs(after))
        noise += 4e-15 * np.abs(b) * np.maximum(ports.conductance(a), ports.conductance(b))
        known = run > 1e-9 * np.maximum(np.abs(a), np.abs(b))
        assert np.all((rise >= least * run - noise - 1e-9 * np.abs(rise)) | ~known)
        assert np.all((rise <= largest * run + noise + 1e-9 * np.abs(rise)) | ~known)
        slope = np.divide(rise, run, out=np.full(run.shape, np.nan), where=run > 0)
        steepest, flattest = np.fmax(steepest, slope), np.fmin(flattest, slope)
    steepest = np.maximum(steepest, np.maximum(ports.conductance(low), ports.conductance(high)))
    flattest = np.minimum(flattest, np.minimum(ports.conductance(low), ports.conductance(high)))
    if isinstance(kept[0], CurveModel):  # may be steepest anywhere inside
        for v in np.linspace(-5.0, 5.0, 1001):
            inside = ports.conductance(np.clip(v, low, high))
            steepest, flattest = np.maximum(steepest, inside), np.minimum(flattest, inside)
    if isinstance(kept[0], CompositeModel):  # enclosed part by part
        return
    finite = np.isfinite(largest)
    # A jump is met only by pairs on its two sides, a minimum inside only by a finer grid: nearly all.
    assert np.mean(largest[finite] <= 1.1 * steepest[finite]) > 0.98
    finite = np.isfinite(least)
    assert np.mean(least[finite] >= 0.9 * flattest[finite]) > 0.9


def test_a_single_point_has_its_conductance_as_chord():
    ports = one_ports(EXAMPLES["diode"], np.arange(len(EXAMPLES["diode"])), 27.0)
    v = np.full(len(ports), 0.4)
    for bound in ports.chord(v, v):
        np.testing.assert_allclose(bound, ports.conductance(v), rtol=1e-9)


def test_where_a_law_jumps_no_chord_is_bounded():
    """Upwards at -BV without a series resistance, up to 1 / RS with one, downwards where recombination begins."""
    bare, behind = law(BARE), law(dataclasses.replace(BARE, parameters={**dict(BARE.parameters), "rs": 3.0}))
    edge = -bare.breakdown
    assert bare.chord(edge - 0.1, edge + 0.1)[1] == np.inf
    assert behind.chord(edge - 0.1, edge + 0.1)[1] == pytest.approx(1 / 3.0)
    assert np.isfinite(bare.chord(edge + 1e-9, 1.0)[1])
    falling = law(RECOMBINATION)
    assert falling.chord(-1.0, 0.0)[0] == -np.inf
    assert falling.chord(-2.9 * falling.n_vt, 0.5)[0] > 0.0


def test_many_are_each_alone_and_in_any_order(models, temperature):
    kept = sound(models, temperature)
    count = len(kept)
    random = np.random.default_rng(5)
    which = random.integers(0, count, 300)
    ports = one_ports(kept, which, temperature)
    v = volts(ports, 30)
    resistances = 10.0 ** random.uniform(-2, 9, 300)
    together = [ports.current(v), *ports.load_line(v, resistances), *ports.chord(v, v + 0.3)]
    for k in range(count):
        own = which == k
        alone = one_ports(kept, [k], temperature)
        wide = np.full(int(own.sum()), 0)
        for each in (alone.take(wide), ports.take(own), ports.take(np.flatnonzero(own))):
            assert len(each) == own.sum()
            answers = [
                each.current(v[:, own]),
                *each.load_line(v[:, own], resistances[own]),
                *each.chord(v[:, own], v[:, own] + 0.3),
            ]
            for answer, whole in zip(answers, together, strict=True):
                np.testing.assert_allclose(answer, whole[:, own], rtol=1e-14, atol=0.0)
    order = random.permutation(300)
    np.testing.assert_array_equal(ports.take(order).current(v[:, order]), together[0][:, order])
    np.testing.assert_array_equal(ports.take(slice(7, 90, 3)).current(v[:, 7:90:3]), together[0][:, 7:90:3])


def test_families_are_joined_column_by_column():
    mixed = (catalogue.get("1N4148"), CUBICS[0], catalogue.get("BAT54"), CUBICS[1])
    which = np.array([1, 0, 3, 2, 0, 1])
    ports = one_ports(mixed, which, 27.0)
    assert isinstance(ports, Joined)
    v = np.linspace(-0.4, 0.6, 5)[:, None] * np.ones(6)
    for k, model in enumerate(which):
        alone = one_ports(mixed, [model], 27.0)
        np.testing.assert_array_equal(ports.current(v)[:, k], alone.current(v[:, [k]])[:, 0])
        np.testing.assert_array_equal(ports.capacitance(v)[:, k], alone.capacitance(v[:, [k]])[:, 0])
    diodes = ports.take([1, 3])
    assert not isinstance(diodes, Joined)
    np.testing.assert_array_equal(diodes.current(v[:, :2]), ports.current(v)[:, [1, 3]])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(value):
    ports = one_ports(EXAMPLES["diode"], np.arange(len(EXAMPLES["diode"])), 27.0)
    v = np.zeros(len(ports))
    v[3] = value
    for ask in (ports.current, ports.evaluate, ports.capacitance, lambda v: ports.load_line(v, 1.0)):
        with pytest.raises(InputError, match="not finite"):
            ask(v)
    with pytest.raises(InputError, match="at least 0 ohm"):
        ports.load_line(0.0, np.abs(v) if np.isnan(value) or value > 0 else v)


# --- the diode against 50 digits --------------------------------------------------------------------------------------


def exact(device, source, resistance, start):
    """The junction's voltage and current behind ``resistance`` in all, in 60 digits, from a start near it."""
    r, s, u = Decimal(resistance), Decimal(source), Decimal(start)
    for _ in range(30):
        i, g = junction(device, u)
        step = (u + r * i - s) / (1 + r * g)
        u -= step
        if abs(step) <= abs(u) * Decimal("1e-45"):
            break
    return u, junction(device, u)[0]


def junction(device, v):
    """ngspice's diode (dioload.c), with constants as the law has them."""
    d = {key: Decimal(value) for key, value in vars(device).items() if isinstance(value, float)}
    saturation, n_vt, edge = d["saturation"], d["n_vt"], d["breakdown"]
    if v >= -3 * n_vt:
        i, g = exponential(v, saturation, n_vt)
        if d["recombination"]:
            plain, slope = exponential(v, d["recombination"], d["n_vt_recombination"])
            distance = 1 - v / d["potential"]
            base = distance**2 + Decimal("0.005")
            factor = ((d["grading"] / 2) * base.ln()).exp()
            i += plain * factor
            g += slope * factor - plain * d["grading"] * distance / d["potential"] * factor / base
        sign, knee = 1, d["knee_forward"]
    elif v >= -edge:
        cube = (3 * n_vt / (v * Decimal(1).exp())) ** 3
        i, g = -saturation * (1 + cube), 3 * saturation * cube / v
        sign, knee = -1, d["knee_reverse"]
    else:
        i, g = exponential(-(edge + v), saturation, d["n_vt_breakdown"])
        i, sign, knee = -saturation - i, -1, d["knee_reverse"]
    if knee.is_finite() and sign * i > Decimal("1e-18"):
        root = (abs(i) / knee).sqrt()
        g *= (1 + root / 2) / (1 + root) ** 2
        i /= 1 + root
    return i + d["gmin"] * v, g + d["gmin"]


def exponential(v, scale, width):
    x = v / width
    inside = min(x, Decimal(600))
    slope = scale * inside.exp() / width
    return scale * (inside.exp() - 1) + slope * width * (x - inside), slope


@pytest.mark.parametrize("name", [model.name for model in EXAMPLES["diode"]])
def test_the_law_is_right_to_rounding(name, temperature):
    """Currents of any size, from leakage to amperes, with the relative accuracy of their own exponential."""
    model = {model.name: model for model in EXAMPLES["diode"]}[name]
    if not sound_at(model, temperature):
        pytest.skip("no such diode at this temperature")
    device = law(model, temperature)
    corner, edge = -3.0 * device.n_vt, -device.breakdown
    sizes = np.array([1e-9, 1e-4, 0.03, 0.2, 0.7, 5.0, 60.0, 2e3, 1e6])
    near = [x for x in (corner * 0.999, corner * 1.001, edge + 1e-4, edge - 1e-2) if np.isfinite(x)]
    sources = np.concatenate([-sizes, sizes, near])
    checked = 0
    for resistance in (0.0, 0.1, 1e3, 1e7, 1e15):
        v, i, _ = device.load_line(sources, resistance)
        for source, across, current in zip(sources.tolist(), v.tolist(), i.tolist(), strict=True):
            total = resistance + device.resistance
            start = source if total == 0.0 else across - device.resistance * current
            if abs(start - edge) < 1e-9 or abs(start - corner) < 1e-9:
                continue
            with localcontext() as context:
                context.prec = 60
                u, truth = exact(device, source, total, start)
                terminal = u + Decimal(device.resistance) * truth
                # The exponent is a rounded number: a law of e-folds cannot be told better.
                folds = abs(u - Decimal(edge)) / Decimal(device.n_vt_breakdown) if u < Decimal(edge) else u
                folds = float(abs(folds) if u < Decimal(edge) else abs(u) / Decimal(device.n_vt)) if u else 0.0
                slope = junction(device, u)[1]
                conducts = 1.0 if total == 0.0 else min(1.0, 1.0 / (total * float(slope)))
                allowed = 4.0 * EPSILON * (2.0 + min(folds, 600.0) * conducts)
                assert abs(Decimal(current) - truth) <= Decimal(allowed) * abs(truth), (source, resistance)
                # What a rounding of the current is in volts, and never more than one of the source's.
                size = (
                    abs(terminal)
                    + Decimal(device.resistance) * abs(truth)
                    + min(abs(truth) / slope, abs(Decimal(source)))
                )
                assert abs(Decimal(across) - terminal) <= Decimal(4.0 * EPSILON) * size, (source, resistance)
            checked += 1
    assert checked > 60


def sound_at(model, temperature):
    try:
        law(model, temperature)
    except InputError:
        return False
    return True


BOLTZMANN, CHARGE = Decimal("1.38064852e-23"), Decimal("1.6021766208e-19")


@pytest.mark.parametrize("name", [model.name for model in EXAMPLES["diode"]])
def test_constants_are_ngspices_at_any_temperature(name, temperature):
    model = {model.name: model for model in EXAMPLES["diode"]}[name]
    if not sound_at(model, temperature):
        pytest.skip("no such diode at this temperature")
    device = law(model, temperature)
    with localcontext() as context:
        context.prec = 50
        get = {key: Decimal(value) for key, value in model.values().items()}
        kelvin, nominal = Decimal(temperature) + Decimal("273.15"), get["tnom"] + Decimal("273.15")
        vt, ratio = BOLTZMANN / CHARGE * kelvin, kelvin / nominal

        def saturation(current, emission):
            return current * ((ratio - 1) * get["eg"] / (emission * vt) + get["xti"] / emission * ratio.ln()).exp()

        wanted = {
            "saturation": saturation(get["is"], get["n"]),
            "n_vt": get["n"] * vt,
            "n_vt_breakdown": get["nbv"] * vt,
            "recombination": saturation(get["isr"], get["nr"]),
            "resistance": get["rs"] * (1 + get["trs1"] * (kelvin - nominal) + get["trs2"] * (kelvin - nominal) ** 2),
        }
        for key, value in wanted.items():
            assert abs(Decimal(getattr(device, key)) - value) <= Decimal("1e-12") * value, key
        if device.breakdown < np.inf and float(get["ibv"]) >= float(wanted["saturation"] * get["bv"] / vt):
            # IBV flows at BV, by SPICE's own equation, which counts a little more than the exponential.
            beyond = (get["bv"] - Decimal(device.breakdown)) / get["nbv"] / vt
            through = wanted["saturation"] * (beyond.exp() - 1 + Decimal(device.breakdown) / vt)
            assert abs(through - get["ibv"]) <= Decimal("2e-9") * get["ibv"]


def test_leakage_keeps_its_digits():
    """A picoampere behind a gigaohm at a kilovolt is the diode's, not what a difference of large volts leaves."""
    device = law(DiodeModel("leaky", {"is": 1e-15, "n": 1.5}), gmin=0.0)
    _, i, _ = device.load_line(-1e3, 1e9)
    assert i == pytest.approx(-1e-15, rel=1e-9)
    assert i == pytest.approx(float(device.current(-1e3)), rel=1e-12)


# --- what is stored --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [-20.0, 27.0, 80.0])
def test_capacitance_is_ngspices(temperature, tmp_path):
    """The imaginary part of the small-signal current, from reverse to well beyond FC; RS is left out."""
    cards = {
        "plain": {"is": 1e-9, "n": 1.5, "cjo": 4e-12, "vj": 0.7, "m": 0.4, "tt": 2e-8, "bv": 9.0},
        "knee": {"is": 1e-9, "n": 1.5, "cjo": 4e-12, "m": 0.33, "fc": 0.4, "tt": 2e-8, "ikf": 1e-4, "tm1": 1e-3},
        "layer": {"is": 1e-12, "cjo": 3e-12, "vj": 0.6, "m": 0.5, "tnom": 40.0, "tm2": 1e-5, "eg": 0.9},
        "charge": {"is": 1e-12, "tt": 1e-6},
    }
    models = tuple(DiodeModel(name, card) for name, card in cards.items())
    volts = np.array([-5.0, -0.5, -0.01, 0.2, 0.45, 0.6])
    lines = ["capacitances"]
    for m, model in enumerate(models):
        lines.append(f".model {model.spice_name} d({' '.join(f'{k}={x:.17g}' for k, x in model.card())})")
        lines += [
            f"v{m}x{k} n{m}x{k} 0 dc {v!r} ac 1\nd{m}x{k} n{m}x{k} 0 {model.spice_name}"
            for k, v in enumerate(volts.tolist())
        ]
    names = " ".join(f"-imag(i(v{m}x{k}))" for m in range(len(models)) for k in range(len(volts)))
    lines += [f".options temp={temperature} tnom=27 gmin=1e-12 reltol=1e-9", ".control", "ac lin 1 1000 1000"]
    lines += ["set numdgt=15", *(f"print {name}" for name in names.split()), ".endc", ".end"]
    (tmp_path / "c.cir").write_text("\n".join(lines))
    said = subprocess.run(["ngspice", "-b", "c.cir"], cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    found = [float(line.split("=")[1]) for line in said.splitlines() if line.startswith("-imag")]
    measured = np.reshape(found, (len(models), len(volts))).T / (2000.0 * np.pi)
    mine = one_ports(models, range(len(models)), temperature).capacitance(volts[:, None])
    np.testing.assert_allclose(mine, measured, rtol=1e-6, atol=1e-24)


def test_where_a_layer_has_no_potential_no_capacitance_is_made_up():
    hot = one_ports((catalogue.get("1N4148"), catalogue.get("BAT85")), [0, 1], 85.0)
    with pytest.raises(InputError, match="junction potential VJ of diode BAT85"):
        hot.capacitance(np.zeros(2))
    assert hot.take([0]).capacitance(np.zeros(1)) > 0.0
    assert np.isfinite(hot.current(np.zeros(2))).all()


def test_capacitance_is_asked_behind_the_series_resistance():
    device = law(DiodeModel("behind", {"is": 1e-9, "n": 1.5, "rs": 1000.0, "cjo": 4e-12, "tt": 2e-8}))
    bare = law(DiodeModel("bare", {"is": 1e-9, "n": 1.5, "cjo": 4e-12, "tt": 2e-8}))
    assert device.capacitance(0.6) == pytest.approx(float(bare.capacitance(device.junction_voltage(0.6))), rel=1e-12)


def test_one_of_three_families_may_go():
    class Third(Cubic):
        """A family of its own with the same law."""

    mixed = (catalogue.get("1N4148"), CUBICS[0], Third(2e-3, 3e-4))
    ports = one_ports(mixed, np.array([2, 0, 1, 2, 0, 1]), 27.0)
    v = np.linspace(-0.4, 0.6, 5)[:, None] * np.ones(6)
    for lost in range(3):
        kept = np.flatnonzero(np.array([2, 0, 1, 2, 0, 1]) != lost)
        some = ports.take(kept)
        assert isinstance(some, Joined)
        np.testing.assert_array_equal(some.current(v[:, kept]), ports.current(v)[:, kept])
        np.testing.assert_array_equal(some.take([2]).current(v[:, :1]), ports.current(v)[:, kept[[2]]])
