"""Does wave agree with ngspice on layered circuits? Random ones of one to three hidden layers: dense, sparse, with
resistors within the layers; of several diodes, temperatures, conductances and drives.

Each row is one engine on the circuits of one kind and depth: the largest difference to the ngspice engine in volts, and
of the linearized circuit as a share of its largest voltage. Ends with 1 where one is more than 1e-8 V or 1e-7.

Examples: scripts/layers                    1,000 circuits of three samples each
          scripts/layers --count 50 --seed 7 --engines wave wave:float32 --volts 1e-4 --share 1e-3
"""

from __future__ import annotations

import argparse
import collections
import json
import sys

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from diodeq.circuit import Circuit
from diodeq.cli.main import plainly
from diodeq.devices import catalogue
from diodeq.simulators import create
from diodeq.synthesis.layered import layered

DIODES = ("1N4148", "1N4007", "BAT54", "BAT85", "1N5817", "BAS16", "BAS70")
KINDS = ("dense", "sparse", "lateral")
ENGINES = ("wave", "wave:mixed", "wave:numba", "wave:numba:mixed")
SAMPLES = 3


def make(seed: int, number: int) -> tuple[str, int, Circuit, np.ndarray, np.ndarray]:
    """The kind, hidden layers and circuit of a number, its inputs float64[B, n_in] in volts and currents into its
    outputs float64[B, n_out]."""
    random = np.random.default_rng([seed, number])
    kind, depth = str(random.choice(KINDS)), int(random.integers(1, 4))
    widths = (int(random.integers(1, 12)), *random.integers(2, 24, depth).tolist(), int(random.integers(1, 6)))
    circuit = layered(
        widths,
        catalogue.get(str(random.choice(DIODES))),
        5.0,
        topology=f"random:{random.uniform(0.15, 0.6):.2f}" if kind == "sparse" else "dense",
        lateral=kind == "lateral",
        median=10.0 ** random.uniform(-5.5, -3.5),
        spread=random.uniform(0.3, 2.0),
        seed=[seed, number],
        temperature=float(random.choice([27.0, 27.0, -10.0, 60.0])),
    )
    drives = random.normal(size=(SAMPLES, widths[0])) * random.choice([0.5, 2.5, 5.0])
    return kind, depth, circuit, drives, random.normal(size=(SAMPLES, widths[-1]))


def main() -> int:
    """Compare and print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="circuits (1000)")
    parser.add_argument("--seed", type=int, default=0, help="which (0)")
    parser.add_argument("--engines", nargs="+", default=ENGINES, help=f"beside ngspice ({' '.join(ENGINES)})")
    parser.add_argument("--volts", type=float, default=1e-8, help="that operating points may differ by (1e-8)")
    parser.add_argument("--share", type=float, default=1e-7, help="that linearized circuits may differ by (1e-7)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    engines, progress = {name: create(name) for name in options.engines}, Console(stderr=True)
    worst: dict[tuple[str, int, str], np.ndarray] = collections.defaultdict(lambda: np.zeros(3))
    with create("ngspice") as ngspice:
        for number in track(range(options.count), "circuits", console=progress, disable=not progress.is_terminal):
            kind, depth, circuit, drives, injected = make(options.seed, number)
            point = ngspice.operate(circuit, drives)
            adjoint = ngspice.small_signal(point, injected).node_voltages
            for name, engine in engines.items():
                found = engine.operate(circuit, drives)
                apart = np.abs(found.node_voltages - point.node_voltages).max()
                other = engine.small_signal(found, injected).node_voltages
                share = (np.abs(other - adjoint).max(axis=1) / np.abs(adjoint).max(axis=1)).max()
                row = worst[kind, depth, name]
                row[:] = row[0] + 1, max(row[1], apart), max(row[2], share)
                if not (apart <= options.volts and share <= options.share):
                    print(f"{name} is {apart:.1e} V and {share:.1e} off on circuit {number}", file=sys.stderr)
    rows = [
        {"kind": kind, "hidden_layers": depth, "engine": name, "circuits": int(count), "volts": volts, "share": share}
        for (kind, depth, name), (count, volts, share) in sorted(worst.items())
    ]
    if options.json:
        print(json.dumps(rows, indent=1))
    else:
        table = Table(title=f"against ngspice, {options.count:,} circuits of {SAMPLES} samples each")
        for head in ("kind", "hidden layers", "engine", "circuits", "apart, V", "linearized, share"):
            table.add_column(head, justify="left" if head in ("kind", "engine") else "right")
        for row in rows:
            table.add_row(*(f"{each:.1e}" if isinstance(each, float) else f"{each}" for each in row.values()))
        Console(width=None if sys.stdout.isatty() else 120).print(table)
    bad = any(not (row["volts"] <= options.volts and row["share"] <= options.share) for row in rows)
    return int(bad)


if __name__ == "__main__":
    sys.exit(plainly(main))
