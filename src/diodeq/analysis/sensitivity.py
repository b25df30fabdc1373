"""Which parts matter: the gradient of a loss times the spread of each resistor, and the worst that tolerance can do.

To first order the loss of a board is off by ``Σ dℓ/dG δG``; with independent parts its variance is the sum of
``(dℓ/dG σ)²``, so each part has a share of it. One hardware linearization finds all of them at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.analysis.box import Box
from diodeq.analysis.certificate import CERTIFIED_UP_TO, CircuitCertificate, certify_circuit, doubt
from diodeq.analysis.enclosure import enclose
from diodeq.analysis.montecarlo import TASK, Study, alone, board_of
from diodeq.analysis.passive import Passive
from diodeq.circuit import Circuit
from diodeq.circuit.amplifiers import groups_of, inside, named
from diodeq.circuit.bank import Floats
from diodeq.circuit.products import branch_products
from diodeq.cluster import Map
from diodeq.devices.hardware.technology import Technology
from diodeq.errors import InputError
from diodeq.simulators import create
from diodeq.simulators.base import AdjointSolution, OperatingPoint, Simulator
from diodeq.synthesis.variation import BIASES, GAINS, MEASURED_AT

# So many parts are named, and so many boards of the certificate's kind are tried.
NAMED = 10
TRIED = 32
# Samples that are bounded, each by a few solutions of its own.
BOUNDED = 100
# A Gaussian cut at three sigma has this standard deviation, in sigma.
CUT = 0.9866


@dataclass(frozen=True, eq=False)
class Ranking:
    """``gradient`` and ``deviation`` float64[n_resistors]: dℓ/dG per siemens, and the spread of G in siemens;
    ``amplifiers`` by name float64[n]: what the spread of each operational amplifier does to the loss."""

    circuit: Circuit
    loss: float
    gradient: Floats
    deviation: Floats
    amplifiers: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def variance(self) -> float:
        """The loss's, to first order."""
        own = sum(float(each @ each) for each in self.amplifiers.values())
        return float(np.sum((self.gradient * self.deviation) ** 2)) + own

    @property
    def shares(self) -> Floats:
        """float64[n_resistors]: each resistor's share of the loss's variance."""
        return np.asarray((self.gradient * self.deviation) ** 2 / (self.variance or 1.0))

    def to_json(self) -> dict[str, Any]:
        """The loss, its spread to first order, and the shares of groups and of the foremost parts."""
        shares, circuit = self.shares, self.circuit
        names = circuit.part_names("resistors")
        groups = circuit.resistors.groups or (("resistors", len(shares)),)
        edges = np.cumsum([0, *(count for _, count in groups)])
        per_group = np.add.reduceat(np.append(shares, 0.0), edges[:-1]) if len(shares) else np.zeros(len(groups))
        own = inside(circuit, "resistors")
        foremost = np.argsort(-shares, kind="stable")
        foremost = foremost[~own[foremost]][:NAMED]
        ends = circuit.resistors.terminals[foremost]
        return {
            "loss": self.loss,
            "loss_deviation": math.sqrt(self.variance),
            "groups": [
                {"group": label, "resistors": count, "share": float(share)}
                for (label, count), share in zip(groups, per_group, strict=True)
                if not named(label)
            ],
            "amplifiers": [
                {"amplifier": name, "count": len(each), "share": float(each @ each) / (self.variance or 1.0)}
                for name, each in self.amplifiers.items()
            ],
            "parts": [
                {
                    "name": names[k],
                    "from": circuit.nodes[a],
                    "to": circuit.nodes[b],
                    "siemens": float(circuit.conductances[k]),
                    "share": float(shares[k]),
                }
                for k, (a, b) in zip(foremost.tolist(), ends.tolist(), strict=True)
            ],
        }


def rank(
    engine: Simulator,
    circuit: Circuit,
    technology: Technology,
    drives: Floats,
    loss: Callable[[Floats], tuple[float, Floats]],
) -> Ranking:
    """The gradient of ``loss`` (output volts to value and gradient) by every resistor, beside what each spreads."""
    point = engine.operate(circuit, drives)
    value, injections = loss(point.outputs)
    adjoint = engine.small_signal(point, injections)
    every = replace(circuit, trainable=np.ones(len(circuit.resistors), bool))
    gradient = branch_products(every, point.node_voltages, adjoint.node_voltages)
    spread = technology.variation.amplifiers
    own = of_amplifiers(point, adjoint, spread) if spread else {}
    return Ranking(circuit, value, gradient, deviation(circuit, technology), own)


def of_amplifiers(point: OperatingPoint, adjoint: AdjointSolution, spread: float) -> dict[str, Floats]:
    """By how much the loss deviates for each operational amplifier of a ``spread``, float64[n] by name.

    In the transposed circuit the gain's output is a short, and what flows there comes through the resistor behind it.
    """
    circuit, volts, back = point.circuit, point.node_voltages, adjoint.node_voltages
    found = {}
    for group in groups_of(circuit):
        gain, through = group.at("buffers", "gain"), group.at("resistors", "gain")
        ends, gains = circuit.buffers.terminals[gain], circuit.buffers.values[gain]
        returned = circuit.conductances[through] * back[:, circuit.buffers.terminals[group.at("buffers", "out"), 2]]
        apart = volts[:, ends[:, 2]] - volts[:, ends[:, 3]]
        moved = [GAINS * gains * np.sum(returned * apart, axis=0)]
        at = group.at("voltage_sources", "offset")
        offsets = np.where(at < 0, 0.0, np.append(circuit.voltage_sources.values, 0.0)[at])
        moved.append(offsets * gains * returned.sum(axis=0))
        for purpose in ("plus", "minus"):
            at = group.at("current_sources", purpose)
            at = at[at >= 0]
            bias = np.zeros(len(gain))
            parts = circuit.current_sources
            bias[group.at("current_sources", purpose) >= 0] = (
                BIASES * parts.values[at] * back[:, parts.terminals[at, 0]].sum(axis=0)
            )
            moved.append(bias)
        found[group.name] = spread * np.linalg.norm(moved, axis=0)
    return found


def deviation(circuit: Circuit, technology: Technology) -> Floats:
    """The standard deviation of every conductance from board to board, float64[n_resistors] in siemens."""
    spread, g = technology.variation, circuit.conductances
    tolerance = spread.tolerance / math.sqrt(3.0) if spread.shape == "uniform" else CUT * spread.tolerance / 3.0
    away = max(abs(spread.coldest - MEASURED_AT), abs(spread.hottest - MEASURED_AT))
    of_all = tolerance**2 + (spread.tempco * away) ** 2 / 3.0
    of_cells = spread.read_noise**2 + (spread.drift_spread * math.log(spread.age)) ** 2
    programmed = g**2 * of_cells + spread.write_error**2
    programmed += spread.stuck_low * (g - technology.low) ** 2 + spread.stuck_high * (g - technology.high) ** 2
    # As for the boards themselves: beside trainable resistors all others are wires.
    found: Floats = np.sqrt(g**2 * of_all + np.where(circuit.mask | ~circuit.mask.any(), programmed, 0.0))
    return np.where(inside(circuit, "resistors"), 0.0, found)


def certified(study: Study, ranking: Ranking, map_: Map) -> dict[str, Any] | None:
    """The certificate's bound on how far tolerance moves the output nodes, beside the farthest it did, in volts.

    It is the enclosure of nodes (``comparison``) where there is one, else the margin's. The certificate speaks of
    resistors alone, so these boards have nothing else: the first of the study, and two with every resistor at the end
    of its tolerance where the loss rises, or falls, most. None where there is no tolerance, or no certificate for such
    a circuit.
    """
    study = _fewer(study)
    tolerance = study.technology.variation.tolerance
    if not tolerance or len(study.circuit.nodes) > CERTIFIED_UP_TO:
        return None
    try:
        certificate = certify_circuit(study.circuit)
    except InputError:
        return None
    nodes = np.unique(study.circuit.outputs)
    with create(study.simulator, 1, study.time_limit) as engine:
        point = engine.operate(study.circuit, study.drives)
        bound, method = _bound(study, certificate, point, nodes, engine)
    items: list[int | Floats] = list(range(TRIED))
    for sign in (1.0, -1.0):
        items.append(study.circuit.conductances / (1.0 - tolerance * np.sign(sign * ranking.gradient)))
    tasks = [items[at : at + TASK] for at in range(0, len(items), TASK)]
    seen = np.concatenate(list(map_(_moved, (alone(study), point.node_voltages[:, nodes], nodes), tasks)))
    finite = bool(np.isfinite(bound).all())
    return {
        "tolerance": tolerance,
        "method": method,
        "samples": len(study.drives),
        "boards": TRIED,
        "bound_volts": float(bound.max()) if finite else None,
        "worst_board_volts": float(seen[:TRIED].max()),
        "worst_corner_volts": float(seen[TRIED:].max()),
        "closest": float((seen / bound).max()) if finite else None,
        "holds": bool((seen <= bound).all()),
        "unique_up_to": certificate.tolerance,
    }


def _fewer(study: Study) -> Study:
    """The study with at most so many of its samples, evenly spaced, as are bounded."""
    rows = np.unique(np.linspace(0, len(study.drives) - 1, min(BOUNDED, len(study.drives))).round().astype(np.intp))
    labels = None if study.labels is None else study.labels[rows]
    return replace(study, drives=study.drives[rows], labels=labels)


def _bound(
    study: Study, certificate: CircuitCertificate, point: OperatingPoint, nodes: NDArray[Any], engine: Simulator
) -> tuple[Floats, str]:
    """How far the nodes can be from the drawn circuit's at most, Euclidean, float64[B] volts, and how that is known."""
    tolerance = study.technology.variation.tolerance
    volts = point.node_voltages
    if doubt(study.circuit) is None:
        try:
            passive = Passive.of(study.circuit)
        except InputError:
            pass
        else:
            box = Box(tolerance, cold=study.circuit.temperature, hot=study.circuit.temperature)
            centre = engine.operate(box.centre(study.circuit), study.drives)
            found = enclose(passive, box, centre)
            off = np.maximum(found.above - volts, volts - found.below)[:, nodes]
            return np.linalg.norm(off, axis=1), "comparison"
    # Resistances off by t are conductances off by up to t / (1 - t).
    return certificate.displacement(study.circuit, volts, tolerance / (1.0 - tolerance)), "margin"


def _moved(shared: tuple[Study, Floats, Any], items: Sequence[int | Floats]) -> Floats:
    """How far the output nodes of boards are from the drawn circuit's, Euclidean, float64[items, B]."""
    study, wanted, nodes = shared
    found = []
    with create(study.simulator, 1, study.time_limit) as engine:
        for item in items:
            board = board_of(study, item) if isinstance(item, int) else study.circuit.with_conductances(item)
            volts = engine.operate(board, study.drives).node_voltages[:, nodes]
            found.append(np.linalg.norm(volts - wanted, axis=1))
    return np.stack(found)
