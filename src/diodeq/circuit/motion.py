"""The judge of a waveform's ends: by how many volts may its first and its last point be off?

Both must satisfy all equations of the circuit (``proof``), once with the currents that the engine says flow through the
one-ports and once with those that their laws ask for. At the first point nothing moves. At the last one capacitances
carry C dv/dt too, where dv/dt is that of the parabola through the last three points, alpha v + what the points before
give: what is corrected is the last point alone. This is the equation of the second-order backward differentiation
formula (Gear, Numerical Initial Value Problems in Ordinary Differential Equations, 1971), which a point found by
another formula misses by about the error of its step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from diodeq.circuit.bank import Bank, Floats
from diodeq.circuit.circuit import Circuit
from diodeq.circuit.equations import EquationsPlan
from diodeq.circuit.kinds import nonlinear_kinds
from diodeq.circuit.newton import Newton
from diodeq.circuit.proof import largest
from diodeq.devices.one_ports import OnePorts, one_ports, series_resistance

# Volts by which an end of a waveform may be off beside the waveform's own tolerance.
ALLOWED = 1e-6
# Newton's steps for the voltage that a one-port at rest would need; the first is nearly right.
STEPS = 4


def allowed(volts: Floats, tolerance: float) -> float:
    """Volts by which a point with node voltages [N] may be off, in a waveform of a relative ``tolerance``."""
    return ALLOWED + tolerance * float(largest(volts[None])[0])


def resting(circuit: Circuit, unknowns: Floats, right: Floats, through: Floats | None = None) -> float:
    """Volts by which a point at rest is off: ``unknowns`` and ``right`` [n] of the circuit's equations.

    ``through`` [n_one_ports] are the currents that the engine says flow through the one-ports, where it does.
    """
    newton = _newton(circuit)
    missed, conductances = newton.residual(unknowns[None], right[None])
    found = [newton.solve(missed, conductances)]
    if through is not None:
        ports = newton.equations.ports
        law = newton.laws.current(np.asarray(ports @ unknowns))
        found.append(newton.solve(missed + ports.T @ (through - law), conductances))
    return float(max(newton.volts(each)[0] for each in found))


@dataclass(frozen=True, eq=False)
class Moving:
    """The last points of a waveform: ``times`` [k] in seconds, ``unknowns`` [k, n] of the circuit's equations and
    currents ``through`` [k, n_one_ports] the one-ports, with ``capacitances`` [N] in farads from each node to ground.

    Three points are looked at, two are enough.
    """

    circuit: Circuit
    capacitances: Floats
    times: Floats
    unknowns: Floats
    through: Floats

    def off(self, right: Floats) -> float:
        """Volts by which the last point is off, for the right side [n] then."""
        weights = derivative(self.times[-3:])
        alpha, points, through = float(weights[-1]), self.unknowns[-3:], self.through[-3:]
        # What a capacitance conducts is alpha C v, and a current that the points before have decided.
        charged = np.flatnonzero(self.capacitances[1:] > 0)
        farads = self.capacitances[1:][charged]
        ends = np.stack([charged + 1, np.zeros_like(charged)], axis=1).astype(np.int32)
        old = self.circuit.resistors
        more = Bank(np.concatenate([old.terminals, ends]), np.concatenate([old.values, alpha * farads]))
        newton = _newton(replace(self.circuit, resistors=more, trainable=None))
        known = right.copy()
        known[charged] -= farads * (weights[:-1] @ points[:-1, charged])
        ports, laws = newton.equations.ports, newton.laws
        across = np.asarray((ports @ points.T).T)
        short, conductances = _charging(laws, across, through, weights)
        missed = newton.residual(points[-1:], known[None])[0]
        said = missed + ports.T @ (through[-1] - laws.current(across[-1]))
        asked = said + ports.T @ short
        return float(max(newton.volts(newton.solve(each, conductances[None]))[0] for each in (said, asked)))


def derivative(times: Floats) -> Floats:
    """Weights [k] of values at 2 or 3 ``times`` [k] in the slope, at the last, of the polynomial through them."""
    last, both = times[-1] - times[-2], times[-1] - times[0]
    if len(times) == 2:
        return np.array([-1.0, 1.0]) / last
    first, middle = last / (both * (both - last)), -both / (last * (both - last))
    return np.array([first, middle, -(first + middle)])


def _charging(laws: OnePorts, across: Floats, through: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """By how many amperes [n] the currents at the last of ``across`` and ``through`` [k, n] fall short of the laws',
    charge included, to first order, and the conductances [n] then; charge is stored behind the series resistance."""
    ohms = series_resistance(laws)
    junction = across - ohms * through
    # The terminal voltage at which the junction has its voltage at rest, where the law is known.
    rest = across[-1] - ohms * (through[-1] - laws.current(across[-1]))
    for _ in range(STEPS):
        current, conductance = laws.evaluate(rest)
        rest = rest - (rest - ohms * current - junction[-1]) / np.maximum(1.0 - ohms * conductance, 1e-3)
    current, conductance = laws.evaluate(rest)
    farads = laws.capacitance(rest)
    inside = conductance / np.maximum(1.0 - ohms * conductance, 1e-3) + weights[-1] * farads
    short = (current + farads * (weights @ junction) - through[-1]) / (1.0 + ohms * inside)
    return short, inside / (1.0 + ohms * inside)


def _newton(circuit: Circuit) -> Newton:
    which = np.concatenate([circuit.bank(kind).values for kind in nonlinear_kinds()])
    return Newton(EquationsPlan.of(circuit).fill(circuit), one_ports(circuit.models, which, circuit.temperature))
