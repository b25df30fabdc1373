"""How far a circuit is from its network, and why: an error budget, stage by stage.

Four levels, each solved independently: the network itself; the network that the circuit's conductances stand for
(finite range, programming, training); a circuit of it with ideal diodes; the circuit at device level. Differences of
neighbouring levels are the budget. With operational amplifiers the levels between are circuits with better ones
(``amplifier_budget``): perfect, then with the finite gain, then with offset and input currents too. The device level is
solved a second time by the reference route, which shows what the solver leaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.analysis.amplifier_budget import better
from diodeq.analysis.certificate import CircuitCertificate, certify_circuit
from diodeq.analysis.realized import realized, unit_nodes
from diodeq.circuit import Circuit
from diodeq.circuit.amplifiers import amplifiers
from diodeq.circuit.bank import Floats
from diodeq.devices.hardware.technology import Technology
from diodeq.errors import InputError
from diodeq.measures import ACCURACY, Labels, demand_labels, measure_for, scored
from diodeq.network import Network
from diodeq.network.solve import solve
from diodeq.network.units import OnePortUnits
from diodeq.printable import counted
from diodeq.simulators.base import OperatingPoint, Simulator
from diodeq.synthesis.compile import compile_network
from diodeq.synthesis.halves import without_sigmoids

# Which two levels each entry of the budget compares.
BUDGET: dict[str, tuple[str, str]] = {
    "conductances": ("network", "realized"),
    "ideal circuit": ("realized", "ideal"),
    "device": ("ideal", "device"),
    "resistors, diodes": ("network", "perfect"),
    "gain": ("perfect", "gain"),
    "offset": ("gain", "offset"),
    "swing": ("offset", "device"),
    "total": ("network", "device"),
}

# Ideal diodes do not care for the size of conductances, so nothing is out of range.
_UNLIMITED = Technology(1e-15, 1e6)
_REFERENCE_SAMPLES = 8
Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Verification:
    """``levels`` maps "network", "realized", "ideal", "device" to float64[B, n_k] unit values (network units) a stage.

    ``point`` is the circuit's operating point for all samples, ``solver`` the largest difference between production and
    reference route, in network units. An extracted network is what the circuit is, with no levels between the two and
    no certificate; operational amplifiers have a scale for each unit, so that their levels are those of outputs.
    """

    levels: Mapping[str, tuple[Floats, ...]]
    point: OperatingPoint
    solver: float
    certificate: CircuitCertificate | None
    displacement: float
    tolerance: float
    labels: Labels | None
    engine: str
    """what solved the circuit"""
    seen: float | None = None
    """how far two boards at the ends of the tolerance were off, in what ``displacement`` is in"""

    def budget(self, stage: int) -> dict[str, dict[str, Any]]:
        """Per entry of ``BUDGET``: largest and root mean square error, relative to the largest value, and the unit."""
        scale = float(np.max(np.abs(self.levels["network"][stage]), initial=0.0)) or 1.0
        table = {}
        for name, (first, second) in BUDGET.items():
            if not {first, second} <= self.levels.keys():
                continue
            error = np.abs(self.levels[second][stage] - self.levels[first][stage])
            worst = np.max(error, axis=0, initial=0.0)
            table[name] = {
                "max": float(np.max(worst, initial=0.0)) / scale,
                "rms": float(np.sqrt(np.mean(error**2))) / scale if error.size else 0.0,
                "unit": int(np.argmax(worst)) if len(worst) else None,
                "per_unit_max": (worst / scale).tolist(),
            }
        return table

    def score(self) -> dict[str, float] | None:
        """The share of samples whose largest output is the labelled one, or R² of quantities, per level."""
        labels = self.labels
        return None if labels is None else {name: scored(each[-1], labels) for name, each in self.levels.items()}

    @property
    def decides(self) -> bool:
        """Whether there are outputs of which one can be the highest."""
        quantities = self.point.circuit.scaling.regresses
        return not quantities and len(self.levels["network"][-1][0]) > 1

    def agreement(self) -> dict[str, float]:
        """The share of samples for which a level's largest output is the network's."""
        wanted = self.levels["network"][-1].argmax(axis=1)
        return {name: scored(states[-1], wanted) for name, states in self.levels.items()}

    def to_json(self) -> dict[str, Any]:
        """As a plain dict; errors are relative to the largest value of the stage."""
        return {
            "samples": len(self.levels["network"][-1]),
            "stages": [self.budget(k) for k in range(len(self.levels["network"]))],
            "solver": self.solver,
            "agreement": self.agreement(),
            (ACCURACY if self.labels is None else measure_for(self.labels)).key: self.score(),
            "certificate": self.certificate
            and {
                **self.certificate.to_json(),
                "tolerance_percent": 100.0 * self.tolerance,
                "output_displacement": self.displacement if np.isfinite(self.displacement) else None,
                "output_displacement_seen": self.seen,
            },
        }


def verify(
    simulator: Simulator,
    reference: Simulator,
    circuit: Circuit,
    network: Network,
    x: Floats,
    labels: Labels | None = None,
    tolerance: float = 0.01,
) -> Verification:
    """Solve every level for inputs ``x`` float64[B, n_in] in network units; sigmoids as ``halves`` builds them.

    Args:
        simulator: solves the ideal and the device level.
        reference: solves the device level of a few samples once more.
        labels: class numbers int64[B], or the scores float64[B, n_out] that outputs should have.
        tolerance: relative, of resistors, for the certificate's displacement (in network units, worst sample).

    Raises:
        InputError: the circuit was not compiled from a network of this shape, or labels do not fit.
        SimulationError: a level has no solution.
    """
    network = without_sigmoids(network)  # as it is built: the states of its stages are those of the circuit
    extracted = isinstance(network.stages[0].activation, OnePortUnits)
    units = [] if extracted else unit_nodes(circuit, network)
    if labels is not None:
        demand_labels(labels, len(x), network.widths[-1])
    volts = 1.0 / circuit.scaling.output_scale
    drives = circuit.scaling.to_volts(x)
    point = simulator.operate(circuit, drives)
    if extracted or amplifiers(circuit):
        return _without_levels(simulator, reference, point, network, x, labels, tolerance)
    actual = realized(circuit, network)
    ideal = compile_network(
        actual, diode="ideal", technology=_UNLIMITED, volts_per_unit=volts, remedy="none", allow_nonunique=True
    ).circuit
    settled = simulator.operate(ideal, ideal.scaling.to_volts(x)).node_voltages / volts
    again = reference.operate(circuit, drives[:_REFERENCE_SAMPLES]).node_voltages
    certificate = certify_circuit(circuit)
    displacement = certificate.displacement(circuit, point.node_voltages, tolerance) / volts
    bounded = np.isfinite(displacement).all() and tolerance < 1.0
    return Verification(
        levels={
            "network": solve(network, x).states,
            "realized": solve(actual, x).states,
            "ideal": tuple(settled[:, nodes] for nodes in unit_nodes(ideal, network)),
            "device": tuple(point.node_voltages[:, nodes] / volts for nodes in units),
        },
        point=point,
        solver=float(np.max(np.abs(point.node_voltages[: len(again)] - again))) / volts,
        certificate=certificate,
        displacement=float(np.max(displacement)),
        tolerance=tolerance,
        labels=labels,
        engine=simulator.version,
        seen=_farthest(simulator, point, np.argsort(-displacement)[:_REFERENCE_SAMPLES], tolerance) / volts
        if bounded
        else None,
    )


def _farthest(simulator: Simulator, point: OperatingPoint, samples: Index, tolerance: float) -> float:
    """How far (Euclidean, volts) outputs were off on two boards: each conductance is at the end of its tolerance where
    the output that moves most to first order, of all of these samples, rises, or falls."""
    circuit, ends, nodes = point.circuit, point.circuit.resistors.terminals, np.unique(point.circuit.outputs)
    count = len(circuit.outputs)
    each = simulator.operate(circuit, np.repeat(point.drives[samples], count, axis=0))
    adjoint = simulator.small_signal(each, np.tile(np.eye(count), (len(samples), 1)))
    across, back = (
        found.node_voltages[:, ends[:, 0]] - found.node_voltages[:, ends[:, 1]] for found in (each, adjoint)
    )
    slopes = circuit.conductances * across * back
    worst = int(np.abs(slopes).sum(axis=1).argmax())
    off, drive, drawn = tolerance * np.sign(slopes[worst]), each.drives[[worst]], each.node_voltages[worst, nodes]
    boards = [circuit.with_conductances(circuit.conductances * (1.0 + turn * off)) for turn in (1.0, -1.0)]
    return float(
        max(np.linalg.norm(simulator.operate(board, drive).node_voltages[0, nodes] - drawn) for board in boards)
    )


def _without_levels(
    simulator: Simulator,
    reference: Simulator,
    point: OperatingPoint,
    network: Network,
    x: Floats,
    labels: Labels | None,
    tolerance: float,
) -> Verification:
    circuit, volts = point.circuit, 1.0 / point.circuit.scaling.output_scale
    if network.widths[-1] != len(circuit.outputs):
        own = counted(len(circuit.outputs), "output")
        raise InputError(
            f"circuit {circuit.title!r} has {own}, the network {network.widths[-1]}",
            "give the network that was extracted from this circuit",
        )
    made = better(circuit) if amplifiers(circuit) else {}
    few = _REFERENCE_SAMPLES if not amplifiers(circuit) else 1
    again = reference.operate(circuit, point.drives[:few]).outputs
    return Verification(
        levels={
            "network": (solve(network, x).outputs,),
            **{name: (simulator.operate(each, point.drives).outputs / volts,) for name, each in made.items()},
            "device": (point.outputs / volts,),
        },
        point=point,
        solver=float(np.max(np.abs(point.outputs[: len(again)] - again), initial=0.0)) / volts,
        certificate=None,
        displacement=float("inf"),
        tolerance=tolerance,
        labels=labels,
        engine=simulator.version,
    )
