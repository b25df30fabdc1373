"""Time per sample of forward + gradient in the ngspice engine, against one `ngspice -b` run of the exported full deck.

Both are measured in turn, round by round, in one run; the ratio is the median over rounds. Memory is the growth of the
engine's processes over many samples.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from diodeq.circuit import Circuit
from diodeq.devices import catalogue
from diodeq.learning.losses import cross_entropy
from diodeq.learning.rules import RULES
from diodeq.netlist.dialects import full_deck
from diodeq.simulators.ngspice import NgspiceSimulator
from diodeq.synthesis.layered import layered

SHAPES = {"64-32-10": (64, 32, 10), "784-64-10": (784, 64, 10)}
VOLTS = 5.0


def build(widths: tuple[int, ...], lateral: bool = False) -> Circuit:
    """A layered 1N4148 circuit; wide layers get smaller conductances so that hidden nodes see similar loads."""
    return layered(widths, catalogue.get("1N4148"), VOLTS, lateral=lateral, median=1e-3 / widths[0], seed=0)


def problem(circuit: Circuit, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Random inputs float64[B, n_in] in volts and labels int[B]."""
    generator = np.random.default_rng(1)
    drives = generator.normal(size=(batch, len(circuit.inputs))) * VOLTS / 2
    return drives, generator.integers(len(circuit.outputs), size=batch)


def batch_seconds(circuit: Circuit, drives: np.ndarray) -> float:
    """Wall time of one whole `ngspice -b` run of the full deck at the first sample."""
    with tempfile.TemporaryDirectory() as folder:
        deck = Path(folder) / "full.cir"
        deck.write_text(full_deck(circuit, "ngspice", drives[0]).text)
        start = time.perf_counter()
        subprocess.run(["ngspice", "-b", str(deck)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - start


def measure(name: str, batch: int, rounds: int, workers: int | None) -> dict[str, object]:
    """One row of the table."""
    circuit = build(SHAPES[name])
    drives, labels = problem(circuit, batch)
    rule, loss = RULES["hardware-linearization"], cross_entropy(labels, 4.0)
    ratios, engine_ms, batch_ms = [], [], []
    with NgspiceSimulator(workers=workers) as engine:
        rule(engine, circuit, drives, loss)
        for _ in range(rounds):
            alone = batch_seconds(circuit, drives)
            start = time.perf_counter()
            rule(engine, circuit, drives, loss)
            each = (time.perf_counter() - start) / batch
            batch_ms.append(1e3 * alone)
            engine_ms.append(1e3 * each)
            ratios.append(alone / each)
    return {
        "circuit": name,
        "resistors": len(circuit.resistors),
        "batch": batch,
        "ngspice_b_ms": statistics.median(batch_ms),
        "engine_ms": statistics.median(engine_ms),
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
    }


def memory(samples: int, workers: int | None) -> dict[str, object]:
    """Growth in MB of this process and its workers together over ``samples`` samples, forward + gradient."""
    circuit = build((4, 10, 3))
    drives, labels = problem(circuit, 500)
    rule, loss = RULES["hardware-linearization"], cross_entropy(labels, 4.0)

    def resident(pids: list[int]) -> float:
        page = os.sysconf("SC_PAGESIZE") / 2**20
        return page * sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)

    with NgspiceSimulator(workers=workers) as engine:
        for _ in range(4):
            rule(engine, circuit, drives, loss)
        before = resident([os.getpid(), *engine.pool.pids])
        for _ in range(samples // len(drives)):
            rule(engine, circuit, drives, loss)
        after = resident([os.getpid(), *engine.pool.pids])
        return {"samples": samples, "grown_mb": after - before, "resident_mb": after, "restarts": engine.pool.restarts}


def processor() -> str:
    """The name of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--circuits", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--batch", type=int, default=1024, help="samples a batch (default 1024)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--memory-samples", type=int, default=100_000, help="0 leaves the memory run out")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = [measure(name, options.batch, options.rounds, options.workers) for name in options.circuits]
    growth = memory(options.memory_samples, options.workers) if options.memory_samples else None
    cores = len(os.sched_getaffinity(0))
    if options.json:
        print(json.dumps({"processor": processor(), "cores": cores, "speed": rows, "memory": growth}, indent=2))
        return
    table = Table(title=f"1N4148, forward + gradient per sample; {processor()}, {cores} cores")
    for column in (
        "circuit",
        "resistors",
        "ngspice -b, one run",
        "engine, per sample",
        "ratio (median)",
        "ratio (least)",
    ):
        table.add_column(column, justify="right")
    for row in rows:
        times = (f"{row['ngspice_b_ms']:.1f} ms", f"{row['engine_ms']:.3f} ms")
        table.add_row(
            row["circuit"], f"{row['resistors']:,}", *times, f"{row['ratio']:.0f}×", f"{row['ratio_min']:.0f}×"
        )
    console = Console()
    console.print(table)
    if growth:
        console.print(
            f"memory: {growth['samples']:,} samples on 4-10-3, resident memory of all processes grew by "
            f"{growth['grown_mb']:.1f} MB to {growth['resident_mb']:.0f} MB ({growth['restarts']} workers replaced)"
        )


if __name__ == "__main__":
    sys.exit(main())
