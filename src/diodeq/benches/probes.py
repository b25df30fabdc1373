"""Which nodes to read first where not all can be: those whose readings leave the least error in the gradient.

Where a circuit's resistors deviate, its nodes do so together: what some nodes read says something of the others. To
first order in the deviations all is Gaussian, and what is read changes the expectation of the rest and what is left of
its variance (conditional normal distributions, as in kriging).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.circuit.fold import FoldPlan
from diodeq.circuit.products import branch_products
from diodeq.errors import InputError
from diodeq.learning.losses import Loss
from diodeq.simulators.base import Simulator
from diodeq.simulators.bench.filling import Tolerances, filled
from diodeq.simulators.two_sided import demand_reciprocal

Floats = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Probes:
    """Nodes in the order in which to read them, the outputs first: ``order`` int[n], names ``nodes``, ``fixed`` of them
    the outputs; ``expected`` float64[n + 1 - fixed]: the root of the gradient's expected squared error over its norm
    with the outputs and 0, 1, … nodes more; and as it was measured on boards drawn at random, ``counts`` int[m] nodes
    read beside the outputs, mean cosines of the gradient with the exact one of the board where the rest comes from the
    model (``modelled``) and where it is corrected by what is read (``corrected``), float64[m]."""

    order: Index
    nodes: tuple[str, ...]
    fixed: int
    expected: Floats
    counts: NDArray[np.int64]
    modelled: Floats
    corrected: Floats
    boards: int

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return {
            "outputs": list(self.nodes[: self.fixed]),
            "probes": list(self.nodes[self.fixed :]),
            "expected_errors": self.expected.tolist(),
            "boards": self.boards,
            "measured": [
                {"probes": int(count), "cosine_modelled": float(plain), "cosine_corrected": float(better)}
                for count, plain, better in zip(self.counts, self.modelled, self.corrected, strict=True)
            ],
        }


def probes(
    engine: Simulator,
    circuit: Circuit,
    drives: Floats,
    loss: Loss,
    tolerance: float,
    noise: float,
    *,
    boards: int = 3,
    seed: int = 0,
    on_board: Callable[[int, int, str], None] | None = None,
) -> Probes:
    """The order of nodes to read, and what it does for boards whose resistors deviate.

    Args:
        engine: computes circuits and boards.
        circuit: a reciprocal one, with outputs, which are always read.
        drives: input volts float64[B, n_in].
        loss: of the outputs.
        tolerance: of every resistor, uniform within ±.
        noise: volts of a reading; what currents change is read as well as the operating point, relative to its size.
        boards: drawn at random to measure with.
        seed: of these.
        on_board: called with how many are done.

    Raises:
        InputError: a tolerance or noise that is none, or nothing to choose from.
        SimulationError: the circuit is not reciprocal.
    """
    demand_reciprocal(circuit)
    if not 0.0 < tolerance < 1.0 or not 0.0 < noise < np.inf:
        raise InputError(
            f"a tolerance of {tolerance:g} and {noise:g} V of noise are not possible", "give 0.2 and 1e-3 for instance"
        )
    free = np.arange(len(circuit.nodes))[FoldPlan.of(circuit).free]
    outputs = np.intersect1d(np.unique(circuit.outputs), free)
    if len(outputs) == len(free):
        raise InputError(f"circuit {circuit.title!r} has no nodes but its outputs", "nothing is to be chosen")
    point = engine.operate(circuit, drives)
    _, injections = loss(point.outputs)
    adjoint = engine.small_signal(point, injections).node_voltages
    size = float(np.linalg.norm(branch_products(circuit, point.node_voltages, adjoint)))
    if not size > 0.0:
        raise InputError("the gradient of these samples is 0", "give other samples")
    spread = Tolerances.of(circuit, point, tolerance)
    forward, backward = spread.covariance(point.node_voltages), spread.covariance(adjoint)
    faint = noise * float(np.abs(adjoint[:, free]).max() / np.abs(point.node_voltages[:, free]).max())
    weights = spread.weights(adjoint), spread.weights(point.node_voltages)
    order, errors = _greedy(free, outputs, (forward, backward), weights, (noise, faint))
    expected = np.sqrt(np.array(errors)) / size
    counts = np.unique(np.round(np.linspace(0, len(free) - len(outputs), 9)).astype(np.int64))
    found = np.zeros((2, len(counts), boards))
    random = np.random.default_rng(seed)
    for board in range(boards):
        found[:, :, board] = _measured(
            engine, circuit, drives, loss, tolerance, (noise, faint), order, len(outputs) + counts, random
        )
        if on_board is not None:
            on_board(board + 1, boards, "boards")
    names = tuple(circuit.nodes[k] for k in order.tolist())
    modelled, corrected = found.mean(axis=2)
    return Probes(order, names, len(outputs), expected, counts, modelled, corrected, boards)


def _greedy(
    free: Index,
    first: Index,
    covariances: tuple[Floats, Floats],
    weights: tuple[Floats, Floats],
    noises: tuple[float, float],
) -> tuple[Index, list[float]]:
    """All nodes, the ``first`` ones at once and then always the one that takes most of what is expected to be missed:
    Σ tr(P W) over samples, with P [B, n, n] what is left of the covariances and W [B, n, n] what it costs. Also that
    sum after the first ones and after each further one."""
    left = [each.copy() for each in covariances]
    place = {node: k for k, node in enumerate(free.tolist())}
    order = [place[node] for node in first.tolist()]

    def read(at: int) -> None:
        for each, noise in zip(left, noises, strict=True):
            column = each[:, :, at].copy()
            each -= column[:, :, None] * column[:, None, :] / (column[:, at] + noise**2)[:, None, None]

    def missed() -> float:
        return float(sum(np.einsum("bij,bji->", p, w) for p, w in zip(left, weights, strict=True)))

    for at in order:
        read(at)
    errors = [missed()]
    rest = [k for k in range(len(free)) if k not in order]
    while rest:
        gains = np.zeros(len(free))
        for p, w, noise in zip(left, weights, noises, strict=True):
            taken = np.einsum("bij,bij->bj", p, w @ p)
            gains += (taken / (np.einsum("bii->bi", p) + noise**2)).sum(axis=0)
        best = max(rest, key=lambda k: gains[k])
        read(best)
        rest.remove(best)
        order.append(best)
        errors.append(max(missed(), 0.0))
    return free[order], errors


def _measured(
    engine: Simulator,
    circuit: Circuit,
    drives: Floats,
    loss: Loss,
    tolerance: float,
    noises: tuple[float, float],
    order: Index,
    counts: Sequence[int] | NDArray[np.int64],
    random: np.random.Generator,
) -> Floats:
    """Cosines [2, m] of a random board's gradient, as the first of ``order`` read it, with its exact one: with the rest
    from the model alone, and corrected."""
    ohms = 1.0 + tolerance * random.uniform(-1.0, 1.0, len(circuit.resistors))
    board = circuit.with_conductances(circuit.conductances / ohms)
    real = engine.operate(board, drives)
    _, injections = loss(real.outputs)
    truth = engine.small_signal(real, injections).node_voltages
    exact = branch_products(board, real.node_voltages, truth)
    point = engine.operate(circuit, drives)
    model = point.node_voltages, engine.small_signal(point, injections).node_voltages
    spread = Tolerances.of(circuit, point, tolerance)
    covariances = [spread.covariance(each) for each in model]
    found = np.zeros((2, len(counts)))
    read = [
        each + noise * random.standard_normal(each.shape)
        for each, noise in zip((real.node_voltages, truth), noises, strict=True)
    ]
    for k, count in enumerate(counts):
        seen = order[:count]
        plain, better = [], []
        for own, told, covariance, noise in zip(model, read, covariances, noises, strict=True):
            simple = own.copy()
            simple[:, seen] = told[:, seen]
            plain.append(simple)
            better.append(filled(own, spread.free, covariance, seen, told[:, seen], noise))
        for row, (volts, answers) in enumerate((plain, better)):
            gradient = branch_products(circuit, volts, answers)
            found[row, k] = gradient @ exact / (np.linalg.norm(gradient) * np.linalg.norm(exact))
    return found
