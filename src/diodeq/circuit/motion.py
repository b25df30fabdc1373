"""The judge of a waveform's ends: by how many volts may its first and its last point be off?

Both must satisfy all equations of the circuit (``proof``), once with the currents that the engine says flow through the
one-ports and once with those that their laws ask for. At the first point nothing moves. At the last one capacitances
carry C dv/dt too, where dv/dt is that of the parabola through the last three points, alpha v + what the points before
give: what is corrected is the last point alone. This is the equation of the second-order backward differentiation
formula (Gear, Numerical Initial Value Problems in Ordinary Differential Equations, 1971), which a point found by
another formula misses by about the error of its step; how much that is, where all is in swift motion, the cubic through
one more point tells. What its slope would change is forgiven: less than half of what the last point itself is off by.
An engine that integrates by the trapezoidal rule leaves points that ring about the solution; then charge flows as that
rule says, by the currents at the point before. What either formula accepts is right.

What flows in branches follows from the voltages, so that of any currents there the same correction of voltages comes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from diodeq.circuit.bank import Bank, Floats
from diodeq.circuit.circuit import Circuit
from diodeq.circuit.equations import Equations, EquationsPlan
from diodeq.circuit.newton import Newton
from diodeq.circuit.one_ports import laws_of
from diodeq.circuit.proof import largest
from diodeq.devices.one_ports import OnePorts, series_resistance

# Currents [1, N] into a circuit's nodes and volts [1, n] of its voltage sources.
Right = tuple[Floats, Floats]

# Volts by which an end of a waveform may be off beside the waveform's own tolerance.
ALLOWED = 1e-6
# Newton's steps for the voltage that a one-port at rest would need; the first is nearly right.
STEPS = 4


def allowed(volts: Floats, tolerance: float) -> float:
    """Volts by which a point with node voltages [N] may be off, in a waveform of a relative ``tolerance``."""
    return ALLOWED + tolerance * float(largest(volts[None])[0])


def resting(circuit: Circuit, volts: Floats, stimulus: Right, through: Floats | None = None) -> float:
    """Volts by which a point at rest is off: node voltages [N] under a stimulus.

    ``through`` [n_one_ports] are the currents that the engine says flow through the one-ports, where it does.
    """
    newton = _newton(circuit)
    x, right = _unknowns(newton.equations, volts[None]), newton.equations.right_side(*stimulus)
    missed, conductances = newton.residual(x, right)
    found = [newton.jacobian.solve(missed, conductances)]
    if through is not None:
        ports = newton.equations.ports
        law = newton.laws.current(np.asarray(ports @ x[0]))
        found.append(newton.jacobian.solve(missed + ports.T @ (through - law), conductances))
    return float(max(newton.volts(each)[0] for each in found))


@dataclass(frozen=True, eq=False)
class Moving:
    """The last points of a waveform: ``times`` [k] in seconds, node voltages ``volts`` [k, N] and currents ``through``
    [k, n_one_ports] the one-ports, with ``capacitances`` [N] in farads from each node to ground.

    Four points are looked at, two are enough.
    """

    circuit: Circuit
    capacitances: Floats
    times: Floats
    volts: Floats
    through: Floats

    def off(self, stimulus: Right) -> float:
        """Volts by which the last point is off under the stimulus then; less than 0 where the motion may be why."""
        count = min(4, len(self.times))
        # The slopes at the last point as sums over the last points, of the parabola and of the cubic.
        weights, others, trapezoid = np.zeros(count), derivative(self.times[-count:]), np.zeros(count)
        weights[-3:] = derivative(self.times[-3:])
        trapezoid[-2:] = 2.0 * derivative(self.times[-2:])
        return min(
            self._off(stimulus, weights, others - weights, before=0.0),
            self._off(stimulus, trapezoid, 0.0 * weights, before=1.0),
        )

    def _off(self, stimulus: Right, weights: Floats, doubt: Floats, *, before: float) -> float:
        """The same where charges q flow as ``weights @ q`` less ``before`` times what flowed at the point before, and
        the difference that slopes ``doubt @ q`` make is forgiven."""
        count = len(weights)
        alpha, volts, through = float(weights[-1]), self.volts[-count:], self.through[-count:]
        charged = np.flatnonzero(self.capacitances[1:] > 0)
        farads = self.capacitances[1:][charged]
        # What a capacitance conducts is alpha C v, and a current that the points before have decided.
        ends = np.stack([charged + 1, np.zeros_like(charged)], axis=1).astype(np.int32)
        old = self.circuit.resistors
        more = Bank(np.concatenate([old.terminals, ends]), np.concatenate([old.values, alpha * farads]))
        newton = _newton(replace(self.circuit, resistors=more, trainable=None))
        x, right = _unknowns(newton.equations, volts), newton.equations.right_side(*stimulus).copy()
        ports, laws = newton.equations.ports, newton.laws
        across = np.asarray((ports @ x.T).T)
        history = farads * (weights[:-1] @ x[:-1, charged])
        if before:
            # At the point before capacitances carried what all else left; what branches carried is absorbed by these.
            left = _newton(self.circuit).residual(x[-2:-1], right)[0]
            left += ports.T @ (through[-2] - laws.current(across[-2]))
            history += before * np.asarray(left[0, charged], float)
        right[0, charged] -= history
        short, conductances, doubtful = _charging(laws, across, through, weights, doubt, before)
        unsure = ports.T @ doubtful
        unsure[charged] += farads * (doubt @ x[:, charged])
        missed = newton.residual(x[-1:], right)[0]
        said = missed + ports.T @ (through[-1] - laws.current(across[-1]))
        wrong, asked, forgiven = (
            float(newton.volts(newton.jacobian.solve(each, conductances[None]))[0])
            for each in (said, said + ports.T @ short, unsure[None])
        )
        return max(wrong, asked) - forgiven


def derivative(times: Floats) -> Floats:
    """Weights [k] of values at ``times`` [k], at least 2, in the slope at the last of the polynomial through them."""
    back = times[-1] - times[:-1]
    weights = np.zeros(len(times))
    for k, own in enumerate(back.tolist()):
        others = np.delete(back, k)
        weights[k] = -np.prod(others / (others - own)) / own
    weights[-1] = -weights.sum()
    return weights


def _charging(
    laws: OnePorts, across: Floats, through: Floats, weights: Floats, doubt: Floats, before: float
) -> tuple[Floats, Floats, Floats]:
    """By how many amperes [n] the currents at the last of ``across`` and ``through`` [k, n] fall short of the laws',
    charge included, to first order, the conductances [n] then, and the amperes that slopes ``doubt`` [k] make; charge
    is stored behind the series resistance."""
    ohms = series_resistance(laws)
    junction = across - ohms * through
    rest, current, conductance = _at_rest(laws, across[-1], through[-1], ohms)
    farads = laws.capacitance(rest)
    inside = conductance / np.maximum(1.0 - ohms * conductance, 1e-3) + weights[-1] * farads
    share = 1.0 / (1.0 + ohms * inside)
    charging = farads * (weights @ junction)
    if before:
        charging = charging - before * (through[-2] - _at_rest(laws, across[-2], through[-2], ohms)[1])
    return (current + charging - through[-1]) * share, inside * share, farads * (doubt @ junction) * share


def _at_rest(laws: OnePorts, across: Floats, through: Floats, ohms: Floats) -> tuple[Floats, Floats, Floats]:
    """The terminal voltages [n] at which the junctions have their voltages at rest, where the law is known, and the
    currents and conductances then."""
    junction = across - ohms * through
    rest = across - ohms * (through - laws.current(across))
    for _ in range(STEPS):
        current, conductance = laws.evaluate(rest)
        rest = rest - (rest - ohms * current - junction) / np.maximum(1.0 - ohms * conductance, 1e-3)
    current, conductance = laws.evaluate(rest)
    return rest, current, conductance


def _unknowns(equations: Equations, volts: Floats) -> Floats:
    """Unknowns [k, n] with node voltages [k, N] and no currents in branches."""
    found = np.zeros((len(volts), equations.size))
    found[:, : equations.nodes] = volts[:, 1:]
    return found


def _newton(circuit: Circuit) -> Newton:
    return Newton(EquationsPlan.of(circuit).fill(circuit), laws_of(circuit))
