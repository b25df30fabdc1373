"""How much of what is proved of contrastive learning holds: in linear networks, with diodes, with hidden nodes.

Huijzer, Chaffey, Besselink and van Waarde (arXiv:2503.00349): in networks of linear resistors it is projected gradient
descent on a convex function. Here random circuits, every node joined to every other and to three sources, learn volts
that no such circuit has exactly. "not convex" is the share of random segments of conductances with a point at which
the function lies above the chord, "steps up" the share of steps of 1.9 / L after which it is larger, "ends apart" the
largest less the least end value of one circuit's starts over the least, "gap" by how much an end value may be above
the least there is, where the function is convex. Conductances are projected onto their range after every step.

Examples: scripts/guarantees resistors --steps 3000
          scripts/guarantees --simulator ngspice --circuits 2 --segments 50 --starts 3 --steps 200
          scripts/guarantees --json > guarantees.json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from diodeq.circuit import Circuit, Inputs, bank
from diodeq.cli.main import plainly
from diodeq.devices import catalogue
from diodeq.learning.holding import Holding
from diodeq.simulators import create
from diodeq.simulators.base import Simulator

LEAST, MOST = 1e-5, 1e-4
"""The range of conductances, S."""
FREE, SOURCES, SAMPLES = 6, 3, 4
VOLTS, OFF = 1.0, 0.3
"""Of the sources, one standard deviation; of what the targets are off by."""
STEP = 1.9
"""Over the largest curvature."""
POINTS = 9
"""Inside of each segment."""
ROUNDING = 1e-9
"""Share of the largest value that is no violation."""
SETTINGS = {
    "resistors, every node held": (False, FREE),
    "resistors, hidden nodes": (False, 2),
    "diodes, every node held": (True, FREE),
    "diodes, hidden nodes": (True, 2),
}

PARTS = ["resistors", "diodes"]


@dataclass
class Found:
    """What was seen in one setting."""

    setting: str
    convex: bool
    circuits: int
    segments: int
    violated: int = 0
    worst_violation: float = 0.0
    steps: int = 0
    steps_up: int = 0
    gradient_error: float = 0.0
    ends_apart: float = 0.0
    gap: float = 0.0
    left: float = 0.0
    seconds: float = 0.0


def network(seed: int, diodes: bool, outputs: int) -> Circuit:
    """Sources s0 s1 …, free nodes n0 n1 … of which the first are outputs, every pair joined."""
    random = np.random.default_rng(seed)
    names = ("0", *(f"s{k}" for k in range(SOURCES)), *(f"n{k}" for k in range(FREE)))
    free = range(SOURCES + 1, len(names))
    pairs = [(a, b) for a, b in combinations(range(len(names)), 2) if b in free]
    values = np.exp(random.uniform(np.log(LEAST), np.log(MOST), len(pairs)))
    hung = [(n, 0, 0) if k % 2 else (0, n, 0) for k, n in enumerate(free)]
    return Circuit(
        nodes=names,
        resistors=bank("resistors", [(a, b, g) for (a, b), g in zip(pairs, values.tolist(), strict=True)]),
        diodes=bank("diodes", hung if diodes else []),
        models=(catalogue.get("1N4148"),) if diodes else (),
        voltage_sources=bank("voltage_sources", [(k + 1, 0, 0.0) for k in range(SOURCES)]),
        inputs=Inputs(np.arange(SOURCES), np.arange(SOURCES), np.ones(SOURCES), tuple(f"x{k}" for k in range(SOURCES))),
        outputs=np.array([(n, 0) for n in list(free)[:outputs]], np.int32),
        trainable=np.ones(len(pairs), bool),
        title=f"random network {seed}",
    )


def task(engine: Simulator, seed: int, diodes: bool, outputs: int) -> Holding:
    """A circuit that is to have, nearly, another's outputs."""
    random = np.random.default_rng((seed, 1))
    drives = VOLTS * random.normal(size=(SAMPLES, SOURCES))
    teacher = engine.operate(network(seed + 1000, diodes, outputs), drives).outputs
    targets = teacher + OFF * random.normal(size=teacher.shape)
    return Holding(engine, network(seed, diodes, outputs), drives, targets)


def drawn(random: np.random.Generator, count: int) -> np.ndarray:
    """Random conductances."""
    return np.exp(random.uniform(np.log(LEAST), np.log(MOST), count))


def segments(holding: Holding, count: int, random: np.random.Generator, found: Found) -> None:
    """Look for points above the chord, and at the gradient along the segment."""
    size = int(holding.circuit.mask.sum())
    inside = np.arange(1, POINTS + 1) / (POINTS + 1)
    for _ in range(count):
        first, last = drawn(random, size), drawn(random, size)
        ends = np.array([holding(first)[0], holding(last)[0]])
        values = np.array([holding(first + t * (last - first))[0] for t in inside])
        above = (values - (ends[0] + inside * (ends[1] - ends[0]))).max() / np.abs(ends).max()
        found.violated += bool(above > ROUNDING)
        found.worst_violation = max(found.worst_violation, float(above))
    # Along one segment more, the difference of two values against the gradient between them.
    step = 1e-4 * (last - first)
    slope = (holding(first + step)[0] - holding(first - step)[0]) / 2
    exact = float(holding(first)[1] @ step)
    found.gradient_error = max(found.gradient_error, abs(slope - exact) / abs(exact))


def descend(holding: Holding, starts: int, steps: int, random: np.random.Generator, found: Found) -> None:
    """Contrastive learning from random starts."""
    size = int(holding.circuit.mask.sum())
    rate = STEP / holding.curvature(LEAST)
    ends, gaps = [], []
    for _ in range(starts):
        at = drawn(random, size)
        value, gradient = first, _ = holding(at)
        for _ in range(steps):
            at = np.clip(at - rate * gradient, LEAST, MOST)
            before, (value, gradient) = value, holding(at)
            found.steps += 1
            found.steps_up += bool(value > before + ROUNDING * abs(first))
        ends.append(value)
        # No convex function is lower anywhere in the box than along its gradient in the best corner.
        gaps.append(float(gradient @ (at - np.where(gradient > 0, LEAST, MOST))))
    found.ends_apart = max(found.ends_apart, float(np.ptp(ends) / min(ends)))
    found.gap = max(found.gap, max(gaps) / min(ends))
    found.left = max(found.left, max(ends))


def measure(engine: Simulator, setting: str, options: argparse.Namespace, console: Console) -> Found:
    """All of one setting."""
    diodes, outputs = SETTINGS[setting]
    began = time.perf_counter()
    holding = task(engine, options.seed, diodes, outputs)
    found = Found(setting, holding.convex, options.circuits, options.circuits * options.segments)
    seeds = range(options.seed, options.seed + options.circuits)
    for seed in track(seeds, setting, console=console, disable=not console.is_terminal, transient=True):
        holding, random = task(engine, seed, diodes, outputs), np.random.default_rng((seed, 2))
        segments(holding, options.segments, random, found)
        descend(holding, options.starts, options.steps, random, found)
    found.seconds = time.perf_counter() - began
    return found


def shown(all_found: list[Found], title: str) -> Table:
    """As a table."""
    table = Table(title=title)
    table.add_column("circuits of")
    for head in ("not convex", "at worst", "steps up", "gradient off by", "ends apart", "gap", "s"):
        table.add_column(head, justify="right")
    for f in all_found:
        table.add_row(
            f.setting,
            f"{f.violated} of {f.segments}",
            f"{f.worst_violation:.1e}" if f.violated else "–",
            f"{f.steps_up} of {f.steps:,}",
            f"{f.gradient_error:.1e}",
            f"{f.ends_apart:.2%}",
            f"{f.gap:.2%}" if f.convex else "–",
            f"{f.seconds:.0f}",
        )
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=PARTS, metavar="PARTS", help=f"some of {', '.join(PARTS)}; all")
    parser.add_argument("--simulator", default="wave")
    parser.add_argument("--circuits", type=int, default=5, help="of each kind (5)")
    parser.add_argument("--segments", type=int, default=200, help="of each circuit (200)")
    parser.add_argument("--starts", type=int, default=20, help="of each circuit (20)")
    parser.add_argument("--steps", type=int, default=1000, help="from each start (1000)")
    parser.add_argument("--seed", type=int, default=0, help="the first circuit's seed (0)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    unknown = sorted(set(options.parts) - set(PARTS))
    if unknown:
        parser.error(f"there are no circuits of {unknown[0]!r}; choose some of {', '.join(PARTS)}")
    console = Console(stderr=True)
    with create(options.simulator) as engine:
        chosen = [name for name in SETTINGS if name.partition(",")[0] in options.parts]
        all_found = [measure(engine, setting, options, console) for setting in chosen]
        version = engine.version
    if options.json:
        document: dict[str, Any] = {"simulator": version, "settings": [asdict(each) for each in all_found]}
        print(json.dumps(document, indent=1))
        return
    Console(width=None if sys.stdout.isatty() else 140).print(shown(all_found, version))


if __name__ == "__main__":
    sys.exit(plainly(main))
