"""Families of circuits from textbooks: each circuit, and each random legal one of ``legal.py``, is made from its seed.

Node 0 is ground. Amplitudes lie between 0.1 and 20 V.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import check
from diodeq.devices import DiodeModel
from diodeq.errors import CircuitError
from legal import SETTINGS, legal
from sketch import SAMPLES, Case, Random, Sketch, part, spread

# Draws for a legal circuit before a setting counts as impossible.
TRIES = 200


def _parts(rng: Random) -> Callable[[], DiodeModel]:
    """Draws diodes: one part everywhere, or a new one each time."""
    one = part(rng)
    return (lambda: one) if rng.random() < 0.6 else (lambda: part(rng))


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
        sketch.diode(minus, smooth, part(rng))
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
