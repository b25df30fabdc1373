"""Seconds per sample of every way to compute a circuit's forward pass and gradient, and where each one stops paying.

All columns are measured in turn, round by round, in one run, so that ratios mean something: one whole `ngspice -b` run
of the exported full deck and one neospice run of it (both only settle, no gradient), the ngspice engine, and wave in
numpy, in float32, with numba and in PyTorch, on a GPU too where there is one. The floor is the bare matrix products
that one forward + gradient over every resistor takes: one product forward, one for the gradient, one back through every
layer but the first. (Of dual rails wave multiplies only half: its own products of the first layer take half of it.)

Examples: scripts/bench                       the table
          scripts/bench --plot bench.svg      and a picture
          scripts/bench --largest             wave alone, up to ten million resistors
          scripts/bench --epoch FOLDER        one training epoch of 784-1024-10 (or --circuits) on MNIST's format
          scripts/bench --gpu                 one hidden layer of 1024 to 32768 on a GPU and on the processor
          scripts/bench --latency             one sample alone: an answer, and one with its gradient
          scripts/bench --start               what a process waits for numba, when it compiles and when it loads
          scripts/bench --memory              growth of the ngspice engine over 100,000 samples
          scripts/bench --peers FOLDER        with a copy of DRN's code beside it (scripts/peers.py), on one core
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from peers import demand_drn, drn
from rich.console import Console
from rich.table import Table

from diodeq import processors
from diodeq.circuit import Circuit
from diodeq.cli.main import plainly
from diodeq.devices import catalogue
from diodeq.devices.hardware.technology import Technology
from diodeq.errors import SimulatorMissingError, UsageError
from diodeq.files import demand_place, write_atomically
from diodeq.learning.losses import cross_entropy
from diodeq.learning.rules import RULES
from diodeq.netlist.dialects import full_deck
from diodeq.report.figures import demand_drawable
from diodeq.simulators import create
from diodeq.simulators.ngspice import NgspiceSimulator
from diodeq.synthesis.layered import layered
from diodeq.synthesis.topologies import topology

VOLTS = 5.0
BATCH = 256
SHAPES = [
    "64-32-10",
    "784-64-10",
    "64-256-10-lateral",
    "784-1024-10",
    "784-512-512-10",
    "784-256-256-256-10",
    "784-256-10",
    "784-256-10-random:0.1",
    "64-40-10",
    "64-40-10-random:0.2",
]
LARGEST = ["784-64-10", "784-200-10", "784-640-10", "784-2000-10", "784-6300-10"]
# What runs a deck takes seconds for each sample: not asked for circuits above so many resistors.
DECKS_UP_TO = 200_000
WIDEST = ["784-1024-10", "784-4096-10", "784-32768-10"]
GPU = ("wave:numba:float32", "wave:torch:cuda:float32", "wave:torch:cuda")
WAVES = (
    "wave",
    "wave:float32",
    "wave:mixed",
    "wave:numba",
    "wave:numba:float32",
    "wave:numba:mixed",
    "wave:torch",
    "wave:torch:float32",
    "wave:torch:cuda",
    "wave:torch:cuda:float32",
)
MODES = ("largest", "gpu", "epoch", "latency", "start", "memory")
Seconds = Callable[[], float]


def shape(name: str) -> tuple[tuple[int, ...], str]:
    """The widths of a circuit by its name, and what comes behind them: nothing, ``lateral`` or a topology.

    Raises:
        UsageError: it is no such name.
    """
    found = re.fullmatch(r"(\d+(?:-\d+){2,})(?:-(.+))?", name)
    if found is None:
        raise UsageError(f"there is no circuit {name!r}", "write its widths, as 64-32-10 or 784-256-10-random:0.1")
    widths, kind = tuple(int(width) for width in found[1].split("-")), found[2] or ""
    if kind != "lateral":
        topology(kind or "dense")
    return widths, kind


def build(name: str) -> tuple[Circuit, list[tuple[int, int]]]:
    """A layered 1N4148 circuit such as 64-32-10, 64-256-10-lateral or 784-256-10-random:0.1, and the sizes of its
    conductance matrices, as if all of their resistors were there."""
    widths, kind = shape(name)
    lateral = kind == "lateral"
    joined = "dense" if lateral or not kind else kind
    # Wide layers get smaller conductances so that hidden nodes see similar loads.
    circuit = layered(
        widths, catalogue.get("1N4148"), VOLTS, lateral=lateral, topology=joined, median=1e-3 / widths[0], seed=0
    )
    sizes = [2 * widths[0] + 2, *widths[1:-1], 2 * widths[-1]]
    matrices = list(itertools.pairwise(sizes))
    return circuit, matrices + [(width, width) for width in widths[1:-1] if lateral]


def problem(circuit: Circuit, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Random inputs float64[B, n_in] in volts and labels int[B]."""
    random = np.random.default_rng(1)
    drives = random.normal(size=(batch, len(circuit.inputs))) * VOLTS / 2
    return drives, random.integers(len(circuit.outputs), size=batch)


def timed(work: Callable[[], Any]) -> float:
    """Wall seconds of a call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def best(work: Callable[[], Any]) -> float:
    """Wall seconds of the best of five calls in a row: for what takes milliseconds."""
    return min(timed(work) for _ in range(5))


def floor(matrices: list[tuple[int, int]], batch: int, dtype: str) -> Seconds:
    """Seconds of the bare matrix products."""
    random = np.random.default_rng(0)
    held = [[random.random(shape).astype(dtype) for shape in ((batch, a), (a, b), (batch, b))] for a, b in matrices]

    def products() -> None:
        for number, (before, matrix, after) in enumerate(held):
            before @ matrix
            if number:
                after @ matrix.T
            before.T @ after

    return lambda: best(products)


def demand_asked(options: argparse.Namespace, modes: list[str]) -> None:
    """Refuse what cannot be measured before anything is.

    Raises:
        UsageError: a circuit or an engine that there is not, or options that do not go together.
        SimulatorMissingError: an engine was named that is not installed.
        InputError: the picture's place or the copy of DRN's code cannot be used.
    """
    for name in options.circuits or ():
        shape(name)
    for name in options.engines or (GPU if options.gpu else ()):
        with create(name):
            pass
    for name, value in (("batch", options.batch), ("part", options.part), ("rounds", options.rounds)):
        if value is not None and value < 1:
            raise UsageError(f"--{name} {value} is not possible", "give a whole number of 1 or more")
    if len(modes) > 1:
        raise UsageError(f"{' and '.join(modes)} are measured one at a time", "give one of them")
    if modes not in ([], ["--largest"], ["--gpu"]):
        for name in ("plot", "peers"):
            if getattr(options, name):
                raise UsageError(f"--{name} has no meaning with {modes[0]}", "leave one of them out")
    if options.plot:
        demand_drawable(Path(options.plot))
        demand_place(options.plot)
    if options.peers:
        demand_drn(options.peers)


def deck_seconds(circuit: Circuit, drives: np.ndarray) -> dict[str, Seconds]:
    """One whole run of the exported full deck at the first sample, by every program that reads it."""
    deck = full_deck(circuit, "ngspice", drives[0]).text

    def ngspice() -> float:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "full.cir"
            path.write_text(deck)
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            return timed(lambda: subprocess.run(["ngspice", "-b", str(path)], check=True, **quiet))

    found = {"ngspice -b": ngspice} if shutil.which("ngspice") else {}
    try:
        import neospice
    except ImportError:
        return found
    return {**found, "neospice": lambda: timed(lambda: neospice.dc(deck))}


def measure(name: str, options: argparse.Namespace, engines: list[str], decks: bool) -> dict[str, Any]:
    """One row: median milliseconds per sample of each column, ratios to wave, and peak memory."""
    circuit, matrices = build(name)
    batch = options.batch or BATCH
    drives, labels = problem(circuit, batch)
    rule = RULES["hardware-linearization"]
    ways: dict[str, Seconds] = {}
    with_decks = decks and len(circuit.resistors) <= DECKS_UP_TO
    if with_decks:
        ways |= deck_seconds(circuit, drives)
    opened = []
    for engine in engines:
        try:
            opened.append(create(engine))
        except SimulatorMissingError:
            continue
        count = min(options.part, batch) if engine == "ngspice" else batch
        loss = cross_entropy(labels[:count], 4.0)

        def learn(simulator: Any = opened[-1], count: int = count, loss: Any = loss) -> float:
            # As in training every batch meets new conductances: preparing them is part of the time.
            def once() -> Any:
                return rule(simulator, circuit.with_conductances(circuit.conductances), drives[:count], loss)

            return (timed if simulator.name == "ngspice" else best)(once) / count

        if engine != "ngspice" or with_decks:
            ways["ngspice engine" if engine == "ngspice" else engine] = learn
            learn()
    widths, kind = shape(name)
    if options.peers and not kind:
        step = drn(options.peers, widths, batch)
        ways["DRN, ideal diodes"] = lambda: best(step) / batch
    for dtype in ("float64", "float32"):
        products = floor(matrices, batch, dtype)
        ways[f"floor {dtype}"] = lambda products=products: products() / batch
    found: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(options.rounds):
        for way, seconds in ways.items():
            found[way].append(seconds())
    for simulator in opened:
        simulator.__exit__(None, None, None)
    base = found["wave" if "wave" in found else next(iter(found))]
    return {
        "circuit": name,
        "resistors": len(circuit.resistors),
        "batch": batch,
        "ms": {way: 1e3 * statistics.median(times) for way, times in found.items()},
        "ratio": {
            way: statistics.median(a / b for a, b in zip(times, base, strict=True)) for way, times in found.items()
        },
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def apart(work: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a call in a process of its own, so that its peak memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def epoch(folder: str, options: argparse.Namespace, name: str, engine: str) -> dict[str, Any]:
    """One training epoch of a layered circuit on real data, update included, beside the floor of its matrix products.

    The second of two: numba compiles during the first. With --rounds 1, the first.
    """
    from diodeq.learning import snapshots, trainer
    from diodeq.learning.datasets import load
    from diodeq.learning.encoding import units
    from diodeq.learning.recipes import RECIPES

    data = load(f"idx:{folder}", 0)
    usual = RECIPES["idx"]
    if options.no_power:
        usual = replace(usual, power=0.0)
    widths, kind = shape(name)
    if kind:
        raise UsageError(f"an epoch is of a dense circuit, not of {name}", "name its widths alone")
    recipe = replace(
        usual, hidden=widths[1:-1], epochs=min(options.rounds, 2), batch_size=options.batch or usual.batch_size
    )
    scaling = units(data.x_train, recipe.encode, recipe.supply, recipe.beta)
    circuit = layered(widths, catalogue.get("1N4148"), recipe.supply, units=scaling)
    technology = Technology()
    sizes = list(itertools.pairwise([2 * widths[0] + 2, *widths[1:-1], 2 * widths[-1]]))
    products = {dtype: floor(sizes, recipe.batch_size, dtype) for dtype in ("float64", "float32")}
    batches = -(-len(data.x_train) // recipe.batch_size)
    before = {dtype: batches * seconds() for dtype, seconds in products.items()}
    with create(engine) as simulator:
        start = snapshots.start(circuit, recipe, technology)
        *_, (_, metrics) = trainer.train(circuit, data, simulator, recipe, technology, start)
    after = {dtype: batches * seconds() for dtype, seconds in products.items()}
    seconds = len(data.x_train) / metrics.samples_per_second
    floors = {dtype: min(before[dtype], after[dtype]) for dtype in before}
    return {
        "circuit": name,
        "engine": engine,
        "batch": recipe.batch_size,
        "seconds": seconds,
        "floor_seconds": floors,
        "ratio": {dtype: seconds / value for dtype, value in floors.items()},
        "test_accuracy": metrics.test,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def latency(names: list[str], engines: list[str]) -> list[dict[str, Any]]:
    """Milliseconds for one sample alone: its operating point in a circuit that is prepared, and with its gradient in
    one that is not."""
    rule, rows = RULES["hardware-linearization"], []
    for name, engine in itertools.product(names, engines):
        circuit, _ = build(name)
        drives, labels = problem(circuit, 1)
        loss = cross_entropy(labels, 4.0)
        try:
            simulator = create(engine)
        except SimulatorMissingError:
            continue
        with simulator:

            def learn(
                simulator: Any = simulator, circuit: Any = circuit, drives: Any = drives, loss: Any = loss
            ) -> Any:
                return rule(simulator, circuit.with_conductances(circuit.conductances), drives, loss)

            def operate(simulator: Any = simulator, circuit: Any = circuit, drives: Any = drives) -> Any:
                return simulator.operate(circuit, drives)

            found = {}
            for what, work in (("operate", operate), ("learn", learn)):
                work()
                found[what] = 1e3 * min(best(work) for _ in range(20))
        rows.append({"circuit": name, "engine": engine, "ms": found})
    return rows


START = """
import sys, time
import numba
from diodeq.devices import catalogue
from diodeq.learning.losses import cross_entropy
from diodeq.learning.rules import RULES
from diodeq.simulators import create
from diodeq.synthesis.layered import layered
import numpy as np

circuit = layered((16, 8, 3), catalogue.get("1N4148"), 5.0, seed=0)
def learn(engine):
    RULES["hardware-linearization"](engine, circuit, np.ones((2, 16)), cross_entropy(np.zeros(2, int), 4.0))
learn(create("wave"))
engine, seconds = create(sys.argv[1]), []
for _ in range(2):
    begin = time.process_time()
    learn(engine)
    seconds.append(time.process_time() - begin)
print(seconds[0] - seconds[1])
"""


def start(engines: list[str]) -> list[dict[str, Any]]:
    """Seconds of a processor that compiled kernels take to start, in the first process and in the next one, numba's
    import apart."""
    rows = []
    for engine in engines:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-c", START, engine]
            kept = {**os.environ, "NUMBA_CACHE_DIR": folder}
            runs = (subprocess.run(command, env=kept, check=True, capture_output=True, text=True) for _ in range(3))
            first, *later = (float(run.stdout) for run in runs)
            rows.append({"engine": engine, "first_seconds": first, "next_seconds": min(later)})
    return rows


def memory(samples: int, workers: int | None) -> dict[str, object]:
    """Growth in MB of this process and the ngspice engine's workers together, forward + gradient."""
    circuit, _ = build("4-10-3")
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


def plot(rows: list[dict[str, Any]], path: str) -> None:
    """Time per sample against the number of resistors."""
    from matplotlib.figure import Figure

    from diodeq.report.figures import plain_numbers, render, style, tidy

    with style():
        figure = Figure(figsize=(7.4, 4.0), layout="constrained")
        axes = figure.subplots()
        for way in dict.fromkeys(way for row in rows for way in row["ms"]):
            points = sorted((row["resistors"], row["ms"][way]) for row in rows if way in row["ms"])
            axes.plot(
                *zip(*points, strict=True), marker="o", markersize=4, label=way, ls=":" if "floor" in way else "-"
            )
        axes.set(xscale="log", yscale="log", xlabel="resistors", ylabel="milliseconds a sample")
        plain_numbers(axes.xaxis)
        plain_numbers(axes.yaxis)
        figure.legend(loc="outside right upper", fontsize="small", frameon=False)
        tidy(axes)
    write_atomically(Path(path), render(figure, Path(path)))


def table(rows: list[dict[str, Any]], gpu: str | None = None) -> Table:
    """Milliseconds per sample, and in brackets how many times wave's, or the first engine's."""
    cores = processors.count()
    ways = list(dict.fromkeys(way for row in rows for way in row["ms"]))
    base = "wave" if "wave" in ways else ways[0]
    title = f"1N4148, ms per sample (times {base}'s), batch {rows[0]['batch']}; {processor()}, {cores} cores"
    title += f"; {gpu}" if gpu else ""
    found = Table(title=title)
    for column in ("", *(f"{row['circuit']}\n{row['resistors']:,} resistors" for row in rows)):
        found.add_column(column, justify="right")
    for way in ways:
        cells = (f"{row['ms'][way]:.4g} ({row['ratio'][way]:.3g}×)" if way in row["ms"] else "" for row in rows)
        found.add_row(way, *cells)
    found.add_row("peak memory", *(f"{row['peak_memory_mb']:.0f} MB" for row in rows))
    return found


def listed(rows: list[dict[str, Any]]) -> Table:
    """What rows hold, a column each."""
    flat = [
        {
            f"{name} {inner}".strip(): value
            for name, held in row.items()
            for inner, value in (held.items() if isinstance(held, dict) else [("", held)])
        }
        for row in rows
    ]
    found = Table(title=f"{processor()}, {processors.count()} cores")
    for name in flat[0]:
        found.add_column(name.replace("_", " "), justify="left" if isinstance(flat[0][name], str) else "right")
    for row in flat:
        found.add_row(*(f"{value:.4g}" if isinstance(value, float) else f"{value}" for value in row.values()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--circuits", nargs="+", help=f"such as 64-32-10-lateral; default {' '.join(SHAPES)}")
    parser.add_argument("--batch", type=int, help=f"samples a batch (default {BATCH}; for --epoch, the recipe's)")
    parser.add_argument("--part", type=int, default=256, help="of them in the ngspice engine (default 256)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--largest", action="store_true", help="wave alone, up to ten million resistors")
    parser.add_argument("--gpu", action="store_true", help="wide circuits on a GPU (needs PyTorch with CUDA)")
    parser.add_argument("--epoch", metavar="FOLDER", help="one training epoch on the data set in FOLDER")
    parser.add_argument("--no-power", action="store_true", help="for --epoch: no watts in the loss")
    parser.add_argument("--engines", nargs="+", help=f"for --epoch and the table; default ngspice {' '.join(WAVES)}")
    parser.add_argument("--latency", action="store_true", help="one sample alone")
    parser.add_argument("--start", action="store_true", help="what a process waits for compiled kernels")
    parser.add_argument("--memory", action="store_true", help="growth of the ngspice engine over many samples")
    parser.add_argument("--peers", metavar="FOLDER", help="DRN's repository, cloned, to time too (needs PyTorch)")
    parser.add_argument("--plot", metavar="FILE", help="draw time against size")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    modes = [f"--{name}" for name in MODES if getattr(options, name)]
    demand_asked(options, modes)
    document: dict[str, Any] = {"processor": processor(), "cores": processors.count()}
    if options.epoch:
        engines = options.engines or WAVES[:6]
        document["epoch"] = [
            apart(epoch, options.epoch, options, name, engine)
            for name, engine in itertools.product(options.circuits or ["784-1024-10"], engines)
        ]
    elif options.latency:
        document["latency"] = latency(
            options.circuits or ["64-32-10", "784-256-10"], options.engines or list(WAVES[:6])
        )
    elif options.start:
        document["start"] = start(options.engines or ["wave:numba", "wave:numba:float32"])
    elif options.memory:
        document["memory"] = memory(100_000, None)
    elif options.gpu:
        engines = list(options.engines or GPU)
        import torch

        document["gpu"] = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
        options.batch = options.batch or 512
        shapes = options.circuits or WIDEST
        document["speed"] = [apart(measure, name, options, engines, False) for name in shapes]
    else:
        shapes = options.circuits or (LARGEST if options.largest else SHAPES)
        engines = options.engines or (
            ["wave", "wave:numba", "wave:numba:float32"] if options.largest else ["ngspice", *WAVES]
        )
        if "wave" not in engines:
            raise UsageError("the ratios are to wave", "name it among --engines")
        document["speed"] = [apart(measure, name, options, engines, not options.largest) for name in shapes]
    if options.plot and "speed" in document:
        plot(document["speed"], options.plot)
    if options.json:
        print(json.dumps(document, indent=2))
    elif "speed" not in document:
        rows = document[next(reversed(document))]
        Console(width=160).print(listed([rows] if isinstance(rows, dict) else rows))
    else:
        Console(width=160).print(table(document["speed"], document.get("gpu")))


if __name__ == "__main__":
    sys.exit(plainly(main))
