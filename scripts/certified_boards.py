"""Boards against their certificates: how near random and corner boards come to the bounds of every output.

With --corners every output of every sample is held against its worst board instead: each resistor at the end of its
tolerance where, to first order, the output rises, or falls, and that board solved.

Examples: python scripts/certified_boards.py run/circuit.npz --data digits --tolerance 1% --boards 100000 --ngspice 1000
          python scripts/certified_boards.py run/circuit.npz --data digits --tolerance 10% --corners --samples 450
          python scripts/certified_boards.py c.npz --inputs scripts/reference/digits-X.csv --boards 1000 --ngspice 30
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from diodeq.analysis.bounds import KINDS, Bounds
from diodeq.analysis.box import Box
from diodeq.circuit import Circuit
from diodeq.cli.main import plainly
from diodeq.devices.hardware.variation import Variation
from diodeq.learning import datasets
from diodeq.simulators import create
from diodeq.simulators.base import Simulator
from diodeq.tables import read_matrix


def main() -> None:
    """Print how many boards were looked at, how near the nearest came and whether any was outside."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("circuit", type=Path)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--inputs", type=Path, help="CSV in the units of the circuit's network, instead of --data")
    parser.add_argument("--tolerance", default="1%")
    parser.add_argument("--boards", type=int, default=100_000)
    parser.add_argument("--ngspice", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--corners", action="store_true", help="each output's worst corner alone, solved in wave")
    given = parser.parse_args()
    circuit, box = Circuit.load(given.circuit), Box(Variation.parse(f"tolerance={given.tolerance}").tolerance)
    if given.inputs is None:
        x = datasets.load(given.data, 0).x_test
    else:
        x = read_matrix(given.inputs, circuit.inputs.names, False)
    drives = circuit.scaling.to_volts(x[: given.samples])
    shape = (len(drives), len(circuit.outputs), len(circuit.nodes))
    rows = np.broadcast_to(circuit.output_injections(np.eye(len(circuit.outputs))), shape)
    if given.corners:
        with create("wave", 1) as engine:
            ratios = over_corners(circuit, box, drives, rows, engine)
        print(
            f"{given.tolerance} of {ratios.size:,} outputs of {len(drives)} samples: bound over worst corner at most"
            f" {ratios.max():.4f}, median {np.median(ratios):.4f}, least {ratios.min():.4f}"
        )
        return
    for name, count in (("wave", given.boards), ("ngspice", given.ngspice)):
        with create(name, 1) as engine:
            point = engine.operate(box.centre(circuit), drives)
            allowed, kinds = Bounds.of(circuit).reach(box, point, slice(None), rows)
            ends = circuit.resistors.terminals
            single = engine.operate(box.centre(circuit), np.repeat(drives, len(circuit.outputs), axis=0))
            adjoint = engine.small_signal(single, np.tile(np.eye(len(circuit.outputs)), (len(drives), 1)))
            volts, back = (
                each.node_voltages[:, ends[:, 0]] - each.node_voltages[:, ends[:, 1]] for each in (single, adjoint)
            )
            worst = np.sign(volts * back)
            random, nearest, outside = np.random.default_rng(0), 0.0, 0
            for number in range(count):
                if number % 3 == 0:  # anywhere
                    off = random.uniform(-1.0, 1.0, len(ends))
                elif number % 3 == 1:  # a corner
                    off = random.choice((-1.0, 1.0), len(ends))
                else:  # a corner near an output's worst one
                    off = random.choice((-1.0, 1.0)) * worst[random.integers(len(worst))]
                    off = np.where(random.uniform(size=len(ends)) < random.choice((0.0, 0.01, 0.1)), -off, off)
                board = circuit.with_conductances(circuit.conductances / (1.0 + box.of_parts(circuit) * off))
                share = np.abs(engine.operate(board, drives).outputs - point.outputs) / allowed
                nearest, outside = max(nearest, float(share.max())), outside + bool((share > 1.0).any())
        by = ", ".join(sorted({KINDS[kind] for kind in kinds.tolist()}))
        print(
            f"{name}: {count:,} boards of {np.isfinite(allowed).all(axis=1).sum()} samples with bounds ({by}) of"
            f" {len(drives)}, {outside} outside, the nearest at {nearest:.4f}"
        )


def over_corners(circuit: Circuit, box: Box, drives: np.ndarray, rows: np.ndarray, engine: Simulator) -> np.ndarray:
    """The bound of each output of each sample over how far the farther of its two worst corners moves it."""
    centre, ends = box.centre(circuit), circuit.resistors.terminals
    bounding, point = Bounds.of(circuit), engine.operate(centre, drives)
    ratios = np.zeros(point.outputs.shape)
    for at in range(0, len(drives), bounding.at_once):
        some = slice(at, at + bounding.at_once)
        ratios[some] = bounding.reach(box, point, some, rows[some])[0]
    for row, drive in enumerate(drives):
        one = engine.operate(centre, np.repeat(drive[None], len(circuit.outputs), axis=0))
        adjoint = engine.small_signal(one, np.eye(len(circuit.outputs))).node_voltages
        across = [each[:, ends[:, 0]] - each[:, ends[:, 1]] for each in (one.node_voltages, adjoint)]
        for output, sign in enumerate(np.sign(across[0] * across[1])):
            off = box.of_parts(circuit) * sign
            boards = [circuit.with_conductances(circuit.conductances / (1.0 + turn * off)) for turn in (1.0, -1.0)]
            moved = [engine.operate(board, drive[None]).outputs[0, output] - one.outputs[0, output] for board in boards]
            ratios[row, output] /= np.abs(moved).max()
    return ratios


if __name__ == "__main__":
    sys.exit(plainly(main))
