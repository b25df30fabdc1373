"""Forward + gradient per sample in the wave engine, beside ngspice's two routes and the bare matrix products.

All are measured in turn, round by round, in one run: `ngspice -b` once on the exported full deck, the ngspice engine on
a part of the batch, wave on all of it, and as the floor the products that one forward + gradient cannot avoid. Ratios
are medians over rounds. Example: scripts/bench_wave.py --circuits 64-32-10 784-64-10 --plot wave.svg
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from diodeq.circuit import Circuit
from diodeq.devices import catalogue
from diodeq.learning.losses import cross_entropy
from diodeq.learning.rules import RULES
from diodeq.netlist.dialects import full_deck
from diodeq.simulators import create
from diodeq.synthesis.layered import layered

VOLTS = 5.0
COLUMNS = ("ngspice -b", "ngspice engine", "wave", "wave, no gradient rule", "floor")


def build(name: str) -> tuple[Circuit, list[tuple[int, int]]]:
    """A layered 1N4148 circuit such as 64-32-10, or 64-256-10-lateral, and the sizes of its conductance matrices."""
    widths = tuple(int(part) for part in name.removesuffix("-lateral").split("-"))
    lateral = name.endswith("-lateral")
    # Wide layers get smaller conductances so that hidden nodes see similar loads.
    circuit = layered(widths, catalogue.get("1N4148"), VOLTS, lateral=lateral, median=1e-3 / widths[0], seed=0)
    sizes = [2 * widths[0] + 2, *widths[1:-1], 2 * widths[-1]]
    matrices = list(itertools.pairwise(sizes))
    return circuit, matrices + [(width, width) for width in widths[1:-1] if lateral]


def floor_seconds(matrices: list[tuple[int, int]], batch: int) -> float:
    """One product forward, one back (not to the inputs) and one for the gradient, per conductance matrix."""
    random = np.random.default_rng(0)
    held = [(random.random((batch, a)), random.random((a, b)), random.random((batch, b))) for a, b in matrices]
    start = time.perf_counter()
    for number, (before, matrix, after) in enumerate(held):
        before @ matrix
        if number:
            after @ matrix.T
        before.T @ after
    return time.perf_counter() - start


def batch_seconds(circuit: Circuit, drives: np.ndarray) -> float:
    """Wall time of one whole `ngspice -b` run of the full deck at the first sample."""
    with tempfile.TemporaryDirectory() as folder:
        deck = Path(folder) / "full.cir"
        deck.write_text(full_deck(circuit, "ngspice", drives[0]).text)
        return timed(
            lambda: subprocess.run(
                ["ngspice", "-b", str(deck)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        )


def timed(work: Callable[[], Any]) -> float:
    """Wall seconds of a call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(name: str, batch: int, part: int, rounds: int, workers: int | None, reference: bool) -> dict[str, Any]:
    """One row: median milliseconds per sample of each column, and median ratios to wave."""
    circuit, matrices = build(name)
    random = np.random.default_rng(1)
    drives = random.normal(size=(batch, len(circuit.inputs))) * VOLTS / 2
    labels = random.integers(len(circuit.outputs), size=batch)
    rule, loss = RULES["hardware-linearization"], cross_entropy(labels, 4.0)
    found: dict[str, list[float]] = {column: [] for column in COLUMNS}
    with create("ngspice", workers) as ngspice, create("wave") as wave:

        def settle_twice() -> None:
            fresh = circuit.with_conductances(circuit.conductances)
            point = wave.operate(fresh, drives)
            wave.small_signal(point, loss(point.outputs)[1])

        def learn() -> None:
            # As in training every batch meets new conductances: preparing them is part of the time.
            rule(wave, circuit.with_conductances(circuit.conductances), drives, loss)

        learn()
        for _ in range(rounds):
            if reference:
                some, few = cross_entropy(labels[:part], 4.0), drives[:part]
                found["ngspice -b"].append(batch_seconds(circuit, drives))
                found["ngspice engine"].append(
                    timed(lambda few=few, some=some: rule(ngspice, circuit, few, some)) / part
                )
            found["wave"].append(timed(learn) / batch)
            found["wave, no gradient rule"].append(timed(settle_twice) / batch)
            found["floor"].append(min(floor_seconds(matrices, batch) for _ in range(3)) / batch)
    wave_times = found["wave"]
    return {
        "circuit": name,
        "resistors": len(circuit.resistors),
        "batch": batch,
        "ms": {k: 1e3 * statistics.median(v) for k, v in found.items() if v},
        "ratio": {
            k: statistics.median(a / b for a, b in zip(v, wave_times, strict=True)) for k, v in found.items() if v
        },
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def plot(rows: list[dict[str, Any]], path: str) -> None:
    """Time per sample against the number of resistors."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for column in COLUMNS:
        points = sorted((row["resistors"], row["ms"][column]) for row in rows if column in row["ms"])
        if points:
            axes.plot(*zip(*points, strict=True), marker="o", label=column)
    axes.set(xscale="log", yscale="log", xlabel="resistors", ylabel="milliseconds per sample")
    axes.legend()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--circuits", nargs="+", default=["64-32-10", "784-64-10", "64-256-10-lateral"])
    parser.add_argument("--batch", type=int, default=256, help="samples a batch (default 256)")
    parser.add_argument("--part", type=int, default=32, help="of them in the ngspice engine (default 32)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, help="processes of the ngspice engine")
    parser.add_argument("--no-reference", action="store_true", help="leave out both ngspice columns")
    parser.add_argument("--plot", metavar="FILE", help="draw time against size")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = [
        measure(name, options.batch, options.part, options.rounds, options.workers, not options.no_reference)
        for name in options.circuits
    ]
    if options.plot:
        plot(rows, options.plot)
    cores = len(os.sched_getaffinity(0))
    if options.json:
        print(json.dumps({"machine": platform.machine(), "cores": cores, "rows": rows}, indent=2))
        return
    table = Table(title=f"forward + gradient, ms per sample (× wave), 1N4148, batch {options.batch}, {cores} cores")
    for column in ("circuit", "resistors", *COLUMNS, "peak memory"):
        table.add_column(column, justify="right")
    for row in rows:
        cells = [f"{row['ms'][c]:.4g} ({row['ratio'][c]:.3g}×)" if c in row["ms"] else "" for c in COLUMNS]
        table.add_row(row["circuit"], f"{row['resistors']:,}", *cells, f"{row['peak_memory_mb']:.0f} MB")
    Console(width=180).print(table)


if __name__ == "__main__":
    main()
