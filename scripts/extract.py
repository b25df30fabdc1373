"""Do circuits and their extracted networks agree? Random circuits of every family, with every kind of one-port.

Each row is one family with one sort of parts. The network that `diodeq extract` would write is solved from its weights,
which know nothing of nodes and parts, and compared with wave: "outputs" is the largest difference in volts,
"gradient" that of the implicit gradient of the inputs to hardware linearization, as a share of the largest entry.
Nearly ideal diodes are compared with ngspice, as a share of the largest voltage. Active circuits, whose margin is below
0, may have several operating points: they are counted and not compared.

Examples: scripts/extract                        10 circuits of each family and sort
          scripts/extract --count 3 bridges      a few of one family
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from diodeq.analysis.extract import kernel_of
from diodeq.circuit import Circuit
from diodeq.cli.main import plainly
from diodeq.devices import catalogue
from diodeq.errors import DiodeqError
from diodeq.learning.drives import drive_gradients
from diodeq.network import loss_gradient, solve
from diodeq.simulators import create
from diodeq.simulators.base import Simulator
from families import FAMILIES, SETTINGS, Case, make
from one_port_samples import SAMPLES

ROUNDING = 1e-12
USUAL = ("bridges", "clamps", "ladders", "meshes", "antiparallel", "legal-a")
# The parts of which a circuit is made anew: as it was drawn, nearly ideal ones, and one of every family.
SORTS: dict[str, Any] = {"as drawn": None, "ideal": catalogue.get("ideal"), **SAMPLES}


@dataclass
class Score:
    """How far a family of circuits with one sort of parts is from its networks."""

    circuits: int = 0
    active: int = 0
    refused: int = 0
    outputs: float = 0.0
    gradient: float = 0.0
    currents: int = 0
    units: int = 0
    seconds: float = 0.0


def of_sort(circuit: Circuit, sort: str) -> Circuit:
    """The circuit with all of its one-ports of a sort."""
    part = SORTS[sort]
    return circuit if part is None else replace(circuit, models=tuple(part for _ in circuit.models))


def compare(case: Case, sort: str, engine: Simulator, score: Score) -> None:
    """Put what one circuit shows into a score."""
    circuit, drives = of_sort(case.circuit, sort), np.asarray(case.drives)
    if not len(circuit.outputs) or not len(circuit.diodes):
        return
    try:
        point = engine.operate(circuit, drives)
    except DiodeqError:
        return  # a circuit without an answer has no network with one
    injections = np.random.default_rng(0).normal(size=point.outputs.shape)
    begun = time.perf_counter()
    try:
        kernel = kernel_of(circuit)
        if kernel.margin < -ROUNDING * np.abs(kernel.H).max(initial=0.0):
            score.active += 1
            return
        score.circuits += 1
        network = kernel.network()
        solution = solve(network, drives)
        back = loss_gradient(network, solution, injections).x
    except DiodeqError:
        score.refused += 1
        return
    score.seconds += time.perf_counter() - begun
    score.units += len(kernel.H)
    score.currents += int(kernel.currents.sum())
    off = np.abs(solution.outputs - point.outputs)
    size = np.abs(point.node_voltages).max() if sort == "ideal" else 1.0
    score.outputs = max(score.outputs, float(off.max() / size))
    exact = drive_gradients(point, engine.small_signal(point, injections), injections)
    score.gradient = max(score.gradient, float(np.abs(back - exact).max() / max(np.abs(exact).max(), 1e-12)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = [*FAMILIES, *SETTINGS]
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"of {', '.join(known)}; default most")
    parser.add_argument("--count", type=int, default=10, help="circuits of each family and sort (10)")
    parser.add_argument("--seed", type=int, default=0, help="the first circuit's seed (0)")
    options = parser.parse_args()
    unknown = sorted(set(options.families) - set(known))
    if unknown:
        parser.error(f"there is no family {unknown[0]}; use {', '.join(known)}")
    table = Table(title="extracted networks against their circuits")
    for column in (
        "family",
        "parts",
        "circuits",
        "active",
        "not solved",
        "units",
        "as currents",
        "outputs",
        "gradient",
        "s",
    ):
        table.add_column(column, justify="left" if column in ("family", "parts") else "right")
    with create("wave") as wave, create("ngspice", 2) as ngspice:
        for family in options.families or USUAL:
            for sort in SORTS:
                score = Score()
                for seed in range(options.seed, options.seed + options.count):
                    compare(make(family, seed), sort, ngspice if sort == "ideal" else wave, score)
                numbers = (score.circuits, score.active, score.refused, score.units, score.currents)
                off = (f"{score.outputs:.1e}", f"{score.gradient:.1e}", f"{score.seconds:.1f}")
                table.add_row(family, sort, *map(str, numbers), *off)
                print(family, sort, *numbers, *off, file=sys.stderr)
    Console(width=120).print(table)


if __name__ == "__main__":
    sys.exit(plainly(main))
