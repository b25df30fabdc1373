"""Families of circuits from textbooks, and random legal circuits of all kinds: each is made again from its seed.

Node 0 is ground. Amplitudes lie between 0.1 and 20 V where nothing else is said.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit, Inputs, bank, check
from diodeq.circuit.kinds import source_kinds
from diodeq.devices import DiodeModel, catalogue
from diodeq.devices.law import law
from diodeq.errors import CircuitError, InputError

SAMPLES = 4
Random = np.random.Generator
# Draws for a legal circuit before a setting counts as impossible.
TRIES = 200


@dataclass(frozen=True, eq=False)
class Case:
    """A circuit and its input volts or amperes float64[B, n_in]."""

    family: str
    seed: int
    circuit: Circuit
    drives: NDArray[np.float64]

    @property
    def passive(self) -> bool:
        """Whether no part gives more power than it takes, sources aside: then there is one operating point at most."""
        return not len(self.circuit.buffers) and not len(self.circuit.mirrors)


@dataclass
class Sketch:
    """A circuit in the making: rows by kind and the inputs' amplitudes."""

    rng: Random
    nodes: list[str] = field(default_factory=lambda: ["0"])
    rows: dict[str, list[tuple[float, ...]]] = field(default_factory=dict)
    models: list[DiodeModel] = field(default_factory=list)
    inputs: list[tuple[str, int, int, float]] = field(default_factory=list)

    def node(self) -> int:
        """A new node."""
        self.nodes.append(f"n{len(self.nodes)}")
        return len(self.nodes) - 1

    def add(self, kind: str, *row: float) -> int:
        """A part; its number in its bank."""
        self.rows.setdefault(kind, []).append(row)
        return len(self.rows[kind]) - 1

    def resistor(self, a: int, b: int, ohms: float) -> None:
        self.add("resistors", a, b, 1.0 / ohms)

    def diode(self, anode: int, cathode: int, model: DiodeModel) -> None:
        if model not in self.models:
            self.models.append(model)
        self.add("diodes", anode, cathode, self.models.index(model))

    def source(self, plus: int, minus: int, volts: float = 0.0, gains: dict[int, float] | None = None) -> None:
        """A voltage source of ``volts`` and of ``gains`` times inputs."""
        number = self.add("voltage_sources", plus, minus, volts)
        self.inputs += [("voltage_sources", number, column, gain) for column, gain in (gains or {}).items()]

    def done(self, title: str, temperature: float, outputs: int = 3) -> Circuit:
        """The circuit, measured at some pairs of nodes."""
        count = len(self.nodes)
        pairs = [self.rng.choice(count, 2, replace=False) for _ in range(min(outputs, count - 1))]
        kinds, starts, start = source_kinds(), {}, 0
        for kind in kinds:
            starts[kind] = start
            start += len(self.rows.get(kind, ()))
        columns = max((column for _, _, column, _ in self.inputs), default=-1) + 1
        return Circuit.of_banks(
            {kind: bank(kind, rows) for kind, rows in self.rows.items()},
            nodes=tuple(self.nodes),
            models=tuple(self.models),
            inputs=Inputs(
                np.array([starts[kind] + number for kind, number, _, _ in self.inputs], np.int32),
                np.array([column for _, _, column, _ in self.inputs], np.int32),
                np.array([gain for _, _, _, gain in self.inputs], float),
                tuple(f"u{k}" for k in range(columns)),
            ),
            outputs=np.array(pairs, np.int32).reshape(-1, 2),
            temperature=temperature,
            title=title,
        )


def spread(rng: Random, low: float, high: float) -> float:
    """A number between two, evenly in its logarithm."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _part(rng: Random) -> DiodeModel:
    return catalogue.get(str(rng.choice(catalogue.names())))


def _parts(rng: Random) -> Callable[[], DiodeModel]:
    """Draws diodes: one part everywhere, or a new one each time."""
    one = _part(rng)
    return (lambda: one) if rng.random() < 0.6 else (lambda: _part(rng))


def _volts(rng: Random, columns: int) -> NDArray[np.float64]:
    size = np.exp(rng.uniform(np.log(0.1), np.log(20.0), (SAMPLES, 1)))
    share = np.where(rng.random((SAMPLES, columns)) < 0.2, 1.0, rng.uniform(0.2, 1.0, (SAMPLES, columns)))
    return size * share * rng.choice([-1.0, 1.0], (SAMPLES, columns))


def _heat(rng: Random) -> float:
    return 27.0 if rng.random() < 0.7 else float(rng.uniform(-40.0, 85.0))


def bridges(rng: Random) -> tuple[Sketch, int]:
    """Rectifiers of two to four arms of diodes with a load, and ring modulators."""
    return _ring(rng) if rng.random() < 0.3 else _rectifier(rng)


def _rectifier(rng: Random) -> tuple[Sketch, int]:
    sketch, draw = Sketch(rng), _parts(rng)
    plus, minus = sketch.node(), sketch.node()
    arms = int(rng.integers(2, 5))
    star = 0 if rng.random() < 0.6 else sketch.node()
    inner = spread(rng, 1.0, 1e4) if rng.random() < 0.5 else 0.0
    for arm in range(arms):
        end = sketch.node() if arm or star else 0
        if end:
            fed = sketch.node() if inner else end
            sketch.source(fed, star, 0.0, {max(0, arm - (not star)): 1.0})
            if inner:
                sketch.resistor(fed, end, inner)
        sketch.diode(end, plus, draw())
        sketch.diode(minus, end, draw())
    load = spread(rng, 100.0, 1e6)
    if rng.random() < 0.3:
        smooth = sketch.node()
        sketch.resistor(plus, smooth, load / 10)
        sketch.resistor(smooth, minus, load)
        sketch.diode(minus, smooth, _part(rng))
    else:
        sketch.resistor(plus, minus, load)
    if star or rng.random() < 0.5:
        sketch.resistor(minus if rng.random() < 0.7 else plus, 0, spread(rng, 1e4, 1e8))
    return sketch, arms if star else arms - 1


def _ring(rng: Random) -> tuple[Sketch, int]:
    sketch, draw = Sketch(rng), _parts(rng)
    signal, primary, carrier = sketch.node(), sketch.node(), sketch.node()
    a, b, p, q, load = (sketch.node() for _ in range(5))
    sketch.source(signal, 0, 0.0, {0: 1.0})
    sketch.resistor(signal, primary, spread(rng, 10.0, 1e4))
    sketch.source(carrier, 0, 0.0, {1: 1.0})
    centre = sketch.node()
    sketch.resistor(carrier, centre, spread(rng, 10.0, 1e4))
    turns = float(rng.choice([0.5, 1.0, 2.0]))
    for first, second in ((a, centre), (centre, b)):
        sketch.add("transformers", primary, 0, first, second, turns)
    for anode, cathode in ((a, p), (p, b), (b, q), (q, a)):
        sketch.diode(anode, cathode, draw())
    for first, second in ((p, 0), (0, q)):
        sketch.add("transformers", load, 0, first, second, turns)
    sketch.resistor(load, 0, spread(rng, 100.0, 1e5))
    return sketch, 2


def clamps(rng: Random) -> tuple[Sketch, int]:
    """Nodes clamped to a middle rail by antiparallel diodes, driven from both sides alike: branches without current."""
    sketch, draw = Sketch(rng), _parts(rng)
    middle = sketch.node()
    volts = float(rng.choice([0.0, 2.5, spread(rng, 0.1, 10.0)]))
    sketch.source(middle, 0, volts)
    columns = int(rng.integers(1, 4))
    rails = []
    for column in range(columns):
        above, below = sketch.node(), sketch.node()
        sketch.source(above, 0, volts, {column: 1.0})
        sketch.source(below, 0, volts, {column: -1.0})
        rails.append((above, below))
    layer = [middle]
    for depth in range(int(rng.integers(1, 4))):
        new = [sketch.node() for _ in range(int(rng.integers(1, 6)))]
        for node in new:
            for above, below in rails if depth == 0 else []:
                ohms = spread(rng, 1e3, 1e6)
                sketch.resistor(above, node, ohms)
                sketch.resistor(below, node, ohms if rng.random() < 0.9 else spread(rng, 1e3, 1e6))
            for other in layer if depth else []:
                sketch.resistor(other, node, spread(rng, 1e3, 1e6))
            part = draw()
            sketch.diode(node, middle, part)
            sketch.diode(middle, node, part)
        layer = new
    end = sketch.node()
    for node in layer:
        sketch.resistor(node, end, spread(rng, 1e3, 1e6))
    if rng.random() < 0.5:
        sketch.resistor(end, middle, spread(rng, 1e3, 1e6))
    return sketch, columns


def ladders(rng: Random) -> tuple[Sketch, int]:
    """Resistors or diodes along, resistors or diodes down to ground, up to 25 rungs."""
    sketch, draw = Sketch(rng), _parts(rng)
    at = sketch.node()
    sketch.source(at, 0, 0.0, {0: 1.0})
    for rung in range(int(rng.integers(1, 26))):
        new = sketch.node()
        if rung == 0 or rng.random() < 0.7:
            sketch.resistor(at, new, spread(rng, 100.0, 1e6))
        else:
            _turned(rng, sketch, at, new, draw())
        if rng.random() < 0.6:
            _turned(rng, sketch, new, 0, draw())
        else:
            sketch.resistor(new, 0, spread(rng, 100.0, 1e7))
        at = new
    if rng.random() < 0.3:
        far = sketch.node()
        sketch.source(far, 0, 0.0, {1: 1.0})
        sketch.resistor(far, at, spread(rng, 100.0, 1e5))
        return sketch, 2
    return sketch, 1


def meshes(rng: Random) -> tuple[Sketch, int]:
    """Up to 7 x 7 nodes with resistors between neighbours, diodes between nodes and to ground, sources at corners."""
    sketch, draw = Sketch(rng), _parts(rng)
    high, wide = rng.integers(2, 8, 2).tolist()
    grid = np.array([[sketch.node() for _ in range(wide)] for _ in range(high)])
    low = spread(rng, 100.0, 1e4)
    for first, second in ((grid[:, :-1], grid[:, 1:]), (grid[:-1], grid[1:])):
        for a, b in zip(first.ravel().tolist(), second.ravel().tolist(), strict=True):
            sketch.resistor(a, b, spread(rng, low, 100 * low))
            if rng.random() < 0.3:
                _turned(rng, sketch, a, b, draw())
    for node in grid.ravel().tolist():
        if rng.random() < 0.4:
            _turned(rng, sketch, node, 0, draw())
    corners = [grid[0, 0], grid[-1, -1], grid[0, -1]][: int(rng.integers(1, 4))]
    for column, corner in enumerate(corners):
        fed = sketch.node()
        sketch.source(fed, 0, 0.0, {column: 1.0})
        sketch.resistor(fed, int(corner), spread(rng, 10.0, 1e4))
    if rng.random() < 0.5:
        sketch.resistor(int(grid[-1, 0]), 0, spread(rng, 100.0, 1e5))
    return sketch, len(corners)


def antiparallel(rng: Random) -> tuple[Sketch, int]:
    """Chains of antiparallel pairs, some with resistors across a pair or to ground."""
    return _chain(rng, True)


def series(rng: Random) -> tuple[Sketch, int]:
    """Chains of diodes, most in one direction, some with resistors across a diode or to ground."""
    return _chain(rng, False)


def _chain(rng: Random, pairs: bool) -> tuple[Sketch, int]:
    sketch, draw = Sketch(rng), _parts(rng)
    at = sketch.node()
    sketch.source(at, 0, 0.0, {0: 1.0})
    fed = rng.random() < 0.7
    if fed:
        first, at = at, sketch.node()
        sketch.resistor(first, at, spread(rng, 10.0, 1e6))
    count = int(rng.integers(1, 21))
    grounded = float(rng.choice([0.0, 0.2, 0.7]))
    turned = float(rng.choice([0.0, 0.15]))
    for step in range(count):
        new = 0 if step == count - 1 and fed and rng.random() < 0.5 else sketch.node()
        part = draw()
        ends = (new, at) if rng.random() < turned else (at, new)
        sketch.diode(*ends, part)
        if pairs:
            sketch.diode(ends[1], ends[0], part if rng.random() < 0.8 else draw())
        if rng.random() < 0.1:
            sketch.resistor(at, new, spread(rng, 1e3, 1e8))
        if new and rng.random() < grounded:
            sketch.resistor(new, 0, spread(rng, 1e3, 1e8))
        at = new
    if at:
        sketch.resistor(at, 0, spread(rng, 10.0, 1e8))
    return sketch, 1


def _turned(rng: Random, sketch: Sketch, a: int, b: int, part: DiodeModel) -> None:
    sketch.diode(*((a, b) if rng.random() < 0.5 else (b, a)), part)


FAMILIES: dict[str, Callable[[Random], tuple[Sketch, int]]] = {
    "bridges": bridges,
    "clamps": clamps,
    "ladders": ladders,
    "meshes": meshes,
    "antiparallel": antiparallel,
    "series": series,
}


@dataclass(frozen=True)
class Setting:
    """What a random legal circuit may hold: siemens and °C from and to, and the largest volts of a source."""

    siemens: tuple[float, float]
    temperatures: tuple[float, float]
    volts: float


SETTINGS: dict[str, Setting] = {
    "legal-a": Setting((1e-6, 1e-2), (-55.0, 150.0), 10.0),
    "legal-b": Setting((1e-9, 1.0), (-55.0, 150.0), 10.0),
    "legal-c": Setting((1e-12, 1e3), (-55.0, 150.0), 300.0),
}
# How often a random part is of a kind; what may give power only where a circuit is to be active.
PASSIVE = {"resistors": 0.5, "diodes": 0.27, "voltage_sources": 0.07, "current_sources": 0.06, "transformers": 0.05}
PASSIVE |= {"gyrators": 0.05}
ACTIVE = {"buffers": 0.06, "mirrors": 0.06}
ACTIVE_SHARE = 0.25
# How often a node is tied to the others by a kind.
TIES = {"resistors": 0.7, "diodes": 0.2, "voltage_sources": 0.1}


def legal(rng: Random, setting: Setting) -> tuple[Sketch, float, NDArray[np.float64]]:
    """A random circuit that ``check`` passes: of 3 to 40 nodes, tied together and then some parts more."""
    temperature = 27.0 if rng.random() < 0.3 else float(rng.uniform(*setting.temperatures))
    sketch = Sketch(rng)
    count = round(spread(rng, 3.0, 40.0))
    models = [_model(rng, temperature) for _ in range(int(rng.integers(1, 5)))]
    for _ in range(count - 1):
        sketch.node()
    order = np.concatenate([[0], 1 + rng.permutation(count - 1)]).tolist()
    for place in range(1, count):
        other = order[int(rng.integers(max(0, place - 4), place))]
        ends = [order[place], other] if rng.random() < 0.5 else [other, order[place]]
        _random_part(rng, sketch, _kind(rng, TIES), setting, models, ends)
    kinds = PASSIVE | ACTIVE if rng.random() < ACTIVE_SHARE else PASSIVE
    for _ in range(int(rng.integers(1, 2 + int(1.2 * count)))):
        near = int(rng.integers(0, count))
        nodes = [order[(near + int(step)) % count] for step in rng.integers(0, 5, 8)]
        _random_part(rng, sketch, _kind(rng, kinds), setting, models, list(dict.fromkeys(nodes)))
    driven = [(kind, number) for kind in source_kinds() for number in range(len(sketch.rows.get(kind, ())))]
    if not driven:
        _random_part(rng, sketch, "current_sources", setting, models, [order[1], 0])
        driven = [("current_sources", 0)]
    columns = int(rng.integers(1, min(4, len(driven) + 1)))
    drives = np.empty((SAMPLES, columns))
    for column, at in enumerate(rng.choice(len(driven), columns, replace=False).tolist()):
        kind, number = driven[at]
        sketch.inputs.append((kind, number, column, 1.0))
        drives[:, column] = rng.uniform(-1.0, 1.0, SAMPLES) * (
            setting.volts if kind == "voltage_sources" else setting.volts * _siemens(rng, setting)
        )
        sketch.rows[kind][number] = (*sketch.rows[kind][number][:-1], 0.0)
    return sketch, temperature, drives


def _kind(rng: Random, shares: dict[str, float]) -> str:
    weights = np.array(list(shares.values()))
    return str(rng.choice(list(shares), p=weights / weights.sum()))


def _siemens(rng: Random, setting: Setting) -> float:
    """A conductance that a current source may have to feed: one of the middle of the range."""
    low, high = np.log(setting.siemens)
    return float(np.exp(rng.uniform(low + 0.3 * (high - low), low + 0.7 * (high - low))))


def _random_part(
    rng: Random, sketch: Sketch, kind: str, setting: Setting, models: list[DiodeModel], nodes: list[int]
) -> None:
    """A part between some of the nodes, where there are enough of them."""
    if len(nodes) < 2:
        return
    pair = nodes[:2]
    sign = float(rng.choice([-1.0, 1.0]))
    if kind == "resistors":
        sketch.add(kind, *pair, spread(rng, *setting.siemens))
    elif kind == "diodes":
        sketch.diode(*pair, models[int(rng.integers(len(models)))])
    elif kind == "voltage_sources":
        sketch.add(kind, *pair, float(rng.uniform(-1.0, 1.0)) * setting.volts)
    elif kind == "current_sources":
        sketch.add(kind, *pair, float(rng.uniform(-1.0, 1.0)) * setting.volts * _siemens(rng, setting))
    else:
        ports = nodes[:4] if len(nodes) > 3 else [*nodes[:3], nodes[0]][:4] if len(nodes) == 3 else [*pair, *pair]
        size = spread(rng, *setting.siemens) if kind == "gyrators" else spread(rng, 0.1, 10.0)
        sketch.add(kind, *ports, sign * size)


def _model(rng: Random, temperature: float) -> DiodeModel:
    """A part of the catalogue or one of its own that holds at the temperature."""
    while True:
        if rng.random() < 0.5:
            model = _part(rng)
        else:
            values = {"is": spread(rng, 1e-16, 1e-6), "n": float(rng.uniform(1.0, 2.0))}
            if rng.random() < 0.6:
                values["rs"] = spread(rng, 1e-3, 100.0)
            if rng.random() < 0.4:
                values |= {"bv": spread(rng, 2.0, 100.0), "ibv": spread(rng, 1e-6, 1e-2)}
            if rng.random() < 0.15:
                values["ikf"] = spread(rng, 1e-3, 1.0)
            if rng.random() < 0.1:
                values |= {"isr": spread(rng, 1e-12, 1e-8), "nr": 2.0}
            model = DiodeModel(f"x{rng.integers(1 << 30)}", values)
        try:
            law(model, temperature)
        except InputError:
            continue
        return model


def make(family: str, seed: int) -> Case:
    """The circuit of a family (a key of ``FAMILIES`` or ``SETTINGS``) that a seed makes."""
    rng = np.random.default_rng([zlib.crc32(family.encode()), seed])
    title = f"{family} {seed}"
    if family in FAMILIES:
        sketch, columns = FAMILIES[family](rng)
        return Case(family, seed, check(sketch.done(title, _heat(rng))), _volts(rng, columns))
    for _ in range(TRIES):
        sketch, temperature, drives = legal(rng, SETTINGS[family])
        try:
            return Case(family, seed, check(sketch.done(title, temperature)), drives)
        except CircuitError:
            continue
    raise RuntimeError(f"no legal circuit in {TRIES} draws of {family} {seed}")
