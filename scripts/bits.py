"""How many bits do the weights of an equilibrium network need, rounded after training and trained so?

Li, Leong and Chaffey (arXiv:2603.10562) report of MNIST that the solver diverges with weights of 3 and 4 bits, rounded
after training, and converges with 5 and more, and that training with rounded weights makes it converge, provably, with
4. Here a network of Winston and Kolter (2020), ``W = (1 - m) I - AᵀA + P - Pᵀ`` and one linear read-out, learns a data
set of diodeq's; W, U and the read-out are rounded (diodeq.network.rounding). Training with rounded weights goes on from
the trained ones: the loss is that of the rounded network, whose gradient goes straight through the rounding, and what
of W is beyond the range in which rounding changes it by less than m costs something, too. Of its epochs the one that is
right most often on training samples is kept, among those that are proved.

"converges" is the share of held-out samples that Peaceman and Rachford's splitting settles within 500 iterations of
step 1, to a residual of 1e-6. With --ngspice the network is compiled with buffers and ideal diodes, and some held-out
samples are simulated: "circuit" is the share of them that has an operating point, the network's to 1 % of its largest
output.

Examples: scripts/bits digits
          scripts/bits idx:/usr/share/datasets/fashion-mnist --epochs 8 --json
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from diodeq.cli.main import plainly
from diodeq.errors import DiodeqError, SimulationError
from diodeq.learning import datasets
from diodeq.network import Network, Stage, certify_network, loss_gradient, solve
from diodeq.network.rounding import Rounded, on_grid, prove
from diodeq.network.solve import Solution
from diodeq.network.weights import save
from diodeq.simulators import create
from diodeq.synthesis.compile import compile_network

SETTLED, ITERATIONS, STEP = 1e-6, 500, 1.0
BATCH = 128
SAFETY = 0.9
"""Of the range of W within which rounding at random changes it by less than m."""
PRICE = 1.0
"""Of the square of each entry's excess over the range, beside the cross-entropy."""

Floats = np.ndarray


@dataclass
class Parameters:
    """What is trained."""

    values: dict[str, Floats]
    m: float
    moments: dict[str, tuple[Floats, Floats]] = field(default_factory=dict)
    steps: int = 0

    @staticmethod
    def drawn(inputs: int, units: int, classes: int, m: float, random: np.random.Generator) -> Parameters:
        """At random, as linear layers usually are."""

        def linear(rows: int, columns: int) -> Floats:
            return random.uniform(-1, 1, (rows, columns)) / math.sqrt(columns)

        shapes = {"A": (units, units), "P": (units, units), "U": (units, inputs), "V": (classes, units)}
        values = {name: linear(*shape) for name, shape in shapes.items()}
        return Parameters(values | {"b": np.zeros(units), "c": np.zeros(classes)}, m)

    @property
    def W(self) -> Floats:
        """float64[n, n]"""
        A, P = self.values["A"], self.values["P"]
        return (1.0 - self.m) * np.eye(len(A)) - A.T @ A + P - P.T

    def network(self, bits: int = 0) -> Network:
        """With all weights, or rounded ones."""

        def grid(weights: Floats) -> Floats:
            return on_grid(weights, bits) if bits else weights

        v = self.values
        return Network((Stage(grid(v["U"]), v["b"], grid(self.W)), Stage(grid(v["V"]), v["c"], None, "identity")))

    def slopes(self, W: Floats, others: dict[str, Floats]) -> dict[str, Floats]:
        """By the parameters, of a slope by W."""
        return others | {"A": -self.values["A"] @ (W + W.T), "P": W - W.T}

    def adam(self, slopes: dict[str, Floats], rate: float) -> None:
        """One step of Adam."""
        self.steps += 1
        for name, slope in slopes.items():
            first, second = self.moments.get(name, (np.zeros_like(slope), np.zeros_like(slope)))
            first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
            self.moments[name] = first, second
            steady = np.sqrt(second / (1 - 0.999**self.steps)) + 1e-8
            self.values[name] = self.values[name] - rate * first / (1 - 0.9**self.steps) / steady


def split(stage: Stage, x: Floats, iterations: int, step: float, settled: float) -> tuple[Floats, Floats]:
    """Winston and Kolter's solver, nothing else: states and which samples it settled."""
    drive = x @ stage.U.T + stage.b
    inverse = np.linalg.inv(np.eye(stage.size) + step * stage.H).T
    u = np.zeros_like(drive)
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(iterations):
            z = np.maximum(u, 0.0)
            reflected = 2.0 * z - u
            u = 2.0 * (reflected + step * drive) @ inverse - reflected
            if k % 10 == 9:
                z = np.maximum(u, 0.0)
                off = np.abs(np.maximum(z @ stage.W.T + drive, 0.0) - z).max(axis=1)
                if (found := off <= settled * (1.0 + np.abs(z).max(axis=1))).all():
                    break
    return z, found


def train(
    p: Parameters,
    x: Floats,
    y: np.ndarray,
    epochs: int,
    rate: float,
    random: np.random.Generator,
    bits: int = 0,
    told: Callable[[str], None] = lambda line: None,
) -> None:
    """Adam on the cross-entropy, the rate falling to nothing; with ``bits`` through rounded weights."""
    best, kept = -math.inf, p.values
    count = epochs * math.ceil(len(x) / BATCH)
    done = 0
    for epoch in range(epochs):
        right = 0
        for rows in np.array_split(random.permutation(len(x)), math.ceil(len(x) / BATCH)):
            slopes, hits = _slopes(p, x[rows], y[rows], bits)
            right += hits
            p.adam(slopes, rate * 0.5 * (1.0 + math.cos(math.pi * done / count)))
            done += 1
        proof = prove(p.network(), bits).proof if bits else "as trained"
        score = right / len(x) if proof else -1.0 + right / len(x)
        if score >= best:
            best, kept = score, {name: value.copy() for name, value in p.values.items()}
        told(f"epoch {epoch + 1}: {right / len(x):.2%} of training samples, proved by: {proof or 'nothing'}")
    p.values = kept if bits else p.values


def _slopes(p: Parameters, x: Floats, y: np.ndarray, bits: int) -> tuple[dict[str, Floats], int]:
    """Of the loss of a batch by every parameter, and how many samples are right."""
    network = p.network(bits)
    # Where it is not unique nothing can be differentiated: this batch sees the weights as they are.
    if bits and not certify_network(network).unique:
        network = p.network()
    z, _ = split(network.stages[0], x, 100, 1.0 / math.sqrt(p.m * np.linalg.norm(network.stages[0].H, 2)), 1e-5)
    scores = z @ network.stages[1].U.T + network.stages[1].b
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    right = int((scores.argmax(axis=1) == y).sum())
    shares[np.arange(len(y)), y] -= 1.0
    first, second = loss_gradient(network, Solution(x, (z, scores), (0.0, 0.0), (0, 0)), shares / len(y)).stages
    by_W = first.W
    if bits:
        W, most = p.W, reach(p.m, len(p.W), bits)
        by_W = by_W + 2.0 * PRICE * np.sign(W) * np.maximum(np.abs(W) - most, 0.0)
    return p.slopes(by_W, {"U": first.U, "b": first.b, "V": second.U, "c": second.b}), right


def reach(m: float, units: int, bits: int) -> float:
    """The range of W at which a change of random signs, even over a step, has about the norm m: n such entries of
    standard deviation step / √12 have the norm 2 √n step / √12."""
    return SAFETY * m * (2 ** (bits - 1) - 1) * math.sqrt(3.0 / units)


def row(network: Network, few: Rounded, x: Floats, y: np.ndarray, simulated: int) -> dict[str, Any]:
    """All that is found out about one number of bits."""
    _, settled = split(few.network.stages[0], x, ITERATIONS, STEP, SETTLED)
    found = {**few.to_json(), "converges": float(settled.mean()), "accuracy": None, "circuit": None}
    try:
        outputs = solve(few.network, x).outputs
        found["accuracy"] = float((outputs.argmax(axis=1) == y).mean())
    except SimulationError:
        pass
    if simulated:
        found["circuit"] = circuit(few.network, x[:simulated])
    return found


def circuit(network: Network, x: Floats) -> float:
    """The share of samples at which ngspice settles the compiled circuit to the network's equilibrium."""
    try:
        made = compile_network(
            network, "buffered", diode="ideal", allow_nonunique=True, inputs=x, remedy="none", volts_per_unit=1.0
        ).circuit
        wanted = solve(network, x).outputs
    except DiodeqError as error:
        print(f"not compiled: {error}", file=sys.stderr)
        return 0.0
    right = 0
    with create("ngspice") as engine:
        for sample, outputs in zip(x, wanted, strict=True):
            try:
                found = made.scaling.from_volts(engine.operate(made, made.scaling.to_volts(sample[None])).outputs)
                right += bool(np.abs(found - outputs).max() <= 0.01 * np.abs(wanted).max())
            except SimulationError as error:
                print(f"no operating point: {error}", file=sys.stderr)
    return right / len(x)


def table(title: str, rows: list[dict[str, Any]]) -> Table:
    """The rows as a table."""
    found = Table(title=title)
    for head in (
        "bits",
        "trained",
        "change",
        "margin",
        "weighed",
        "proved by",
        "converges",
        "accuracy",
        "circuit",
    ):
        found.add_column(head, justify="right")
    for each in rows:
        shares = ["–" if each[key] is None else f"{each[key]:.2%}" for key in ("converges", "accuracy", "circuit")]
        numbers = ["–" if each[key] is None else f"{each[key]:.3f}" for key in ("change", "margin", "weighed")]
        found.add_row(str(each["bits"] or "all"), each["trained"], *numbers, each["proof"] or "nothing", *shares)
    return found


def main() -> None:
    """Train, round, train again, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="a data set of `diodeq train`")
    parser.add_argument("--units", type=int, default=87, help="(87, as in Winston and Kolter's MNIST)")
    parser.add_argument("--margin", type=float, default=1.0, help="m (1)")
    parser.add_argument("--epochs", type=int, default=15, help="of each training (15)")
    parser.add_argument("--rate", type=float, default=1e-3, help="of Adam at first (0.001)")
    parser.add_argument("--bits", default="2,3,4,5,6,8", help="(2,3,4,5,6,8)")
    parser.add_argument("--trained", default="3,4", help="bits that are trained with, too (3,4)")
    parser.add_argument("--ngspice", type=int, default=0, metavar="N", help="held-out samples to simulate (0)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a folder to write the networks into")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    console, began = Console(stderr=True), time.perf_counter()
    data = datasets.load(options.data, options.seed)
    scale = float(np.abs(data.x_train).max()) or 1.0
    x, x_test, y, y_test = data.x_train / scale, data.x_test / scale, data.y_train, data.y_test
    random = np.random.default_rng(options.seed)
    p = Parameters.drawn(x.shape[1], options.units, len(data.classes), options.margin, random)
    train(p, x, y, options.epochs, options.rate, random, told=console.print)
    network = p.network()
    whole = replace(prove(network, 32), bits=0, network=network)
    rows = [{**row(network, whole, x_test, y_test, options.ngspice), "trained": "so"}]
    networks = {"all": network}
    for bits in map(int, options.bits.split(",")):
        few = prove(network, bits)
        networks[f"{bits}-rounded"] = few.network
        rows.append({**row(network, few, x_test, y_test, options.ngspice), "trained": "rounded after"})
        console.print(f"{bits} bits rounded: {rows[-1]}")
        if str(bits) in options.trained.split(","):
            again = Parameters({name: value.copy() for name, value in p.values.items()}, p.m)
            train(again, x, y, options.epochs, options.rate, random, bits, console.print)
            few = prove(again.network(), bits)
            networks[f"{bits}-trained"] = few.network
            rows.append({**row(again.network(), few, x_test, y_test, options.ngspice), "trained": "with them"})
            console.print(f"{bits} bits trained: {rows[-1]}")
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        for name, each in networks.items():
            save(each, options.out / f"{name}.npz")
    title = f"{data.name}, {x.shape[1]}-{options.units}-{len(data.classes)}, m = {options.margin:g}"
    if options.json:
        known = {key: getattr(options, key) for key in ("units", "margin", "epochs", "rate", "seed", "ngspice")}
        print(json.dumps({"data": data.name, **known, "seconds": time.perf_counter() - began, "rows": rows}, indent=1))
        return
    Console(width=None if sys.stdout.isatty() else 140).print(table(title, rows))


if __name__ == "__main__":
    sys.exit(plainly(main))
