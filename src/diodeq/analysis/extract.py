"""The equilibrium network that a circuit is: weights from resistors, transformers, gyrators, amplifiers and sources.

Everything but the one-ports is linear: with a conductance g beside each of them, the node voltages are
``x = (M + Pᵀ g P)⁻¹ (D s - Pᵀ (i - g v))`` for source values s, and ``v = P x`` gives one equation for each one-port,

    A v + B r i = E s,    B = g P (M + Pᵀ g P)⁻¹ Pᵀ,    A = I - B,    r = 1 / g.

Whatever the circuit, one variable of each one-port, its voltage or its current, may be chosen such that the others
follow from these (Chua and Lam, IEEE Trans. Circuit Theory 20(4), 1973, for when such hybrid descriptions exist). With
a state x in volts for each, ``-v`` or ``r i``, this is ``0 = H x + F(x) - q(u)``, F the laws: the kernel of the
circuit, and for any step α the network ``z = σ(W z + U u + b)`` with ``W = I - α H`` and σ the laws' resolvents
(Chaffey, arXiv:2509.13793). Voltages are taken where H exists with them; currents, or some of both, where it does not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit, check
from diodeq.circuit.bank import Floats
from diodeq.circuit.equations import EquationsPlan
from diodeq.circuit.one_ports import apart, one_port_models, without_idle
from diodeq.errors import InputError
from diodeq.network import Activation, Network, Stage
from diodeq.network.certificate import lowest
from diodeq.network.units import NOTHING, OnePortUnits

# Where voltages alone leave a worse condition, other variables are tried.
SOUND = 1e2
# So much less than what meets in it is a weight of an output that is none.
NONE = 1e-12
# Solutions of up to so many equations are refined.
REFINED = 300
# The number of unknowns up to which the equations are solved densely.
LARGEST = 20_000


@dataclass(frozen=True, eq=False)
class Kernel:
    """``0 = H x + F(x) - B u - c`` and ``y = C x + D u + d`` for a circuit with n one-ports.

    ``H`` float64[n, n] in siemens, ``B`` float64[n, n_in] and ``c`` float64[n] amperes; ``C``, ``D``, ``d`` volts; u
    float64[n_in] input volts, x float64[n] volts: of each one-port the voltage, from its second terminal to its first,
    or where ``currents`` ``ohms`` times its current.
    """

    circuit: Circuit
    currents: NDArray[np.bool_]
    ohms: float
    H: Floats
    B: Floats
    c: Floats
    C: Floats
    D: Floats
    d: Floats

    @cached_property
    def margin(self) -> float:
        """λ_min((H + Hᵀ)/2), S; infinite without one-ports."""
        return lowest((self.H + self.H.T) / 2.0)[0] if len(self.H) else math.inf

    @property
    def step(self) -> float:
        """A step α in Ω: the largest with which no unit of W holds itself back."""
        own = float(np.abs(self.H.diagonal()).max(initial=0.0)) or float(np.abs(self.H).max(initial=0.0))
        return 1.0 / own if own > 0.0 else self.ohms

    def network(self, alpha: float | None = None) -> Network:
        """The equilibrium network in the circuit's units, with ``W = I - α H`` for the step ``alpha`` in Ω (by default
        ``step``).

        Its outputs are a read-out of the states; where inputs reach outputs without passing a one-port, further units
        without one carry them.

        Raises:
            InputError: alpha is no positive number.
        """
        alpha = self.step if alpha is None else alpha
        if not 0.0 < alpha < math.inf:
            raise InputError(f"alpha is {alpha}", "give a positive number of ohms")
        units, volts = self.circuit.scaling, 1.0 / self.circuit.scaling.output_scale
        gain, rest = units.scale, -units.offset * units.scale
        past, read_at_rest = self.D * gain / volts, (self.D @ rest + self.d) / volts
        count, outputs = len(self.H), len(self.C)
        if not count:
            return Network((Stage(past, read_at_rest, None, Activation("identity")),))
        W, U, b = (
            np.eye(count) - alpha * self.H,
            alpha * self.B * gain / volts,
            alpha * (self.B @ rest + self.c) / volts,
        )
        read = self.C
        which, currents = one_port_models(self.circuit).astype(np.int64), self.currents
        if past.any():
            W = np.block([[W, np.zeros((count, outputs))], [np.zeros((outputs, count + outputs))]])
            U, b = np.concatenate([U, past]), np.concatenate([b, np.zeros(outputs)])
            which = np.concatenate([which, np.full(outputs, NOTHING)])
            currents = np.concatenate([currents, np.zeros(outputs, bool)])
            read = np.concatenate([read, np.eye(outputs)], axis=1)
        laws = OnePortUnits(self.circuit.models, which, currents, alpha, self.ohms, volts, self.circuit.temperature)
        return Network((Stage(U, b, W, laws), Stage(read, read_at_rest, None, Activation("identity"))))


def kernel_of(circuit: Circuit) -> Kernel:
    """The kernel of any sound circuit whose one-ports, each alone, see something linear.

    Raises:
        CircuitError: the circuit is unsound.
        InputError: it is larger than dense algebra is good for, or has no such description (an amplifier that fixes a
            one-port's voltage and current, say).
    """
    check(circuit)
    moving = apart(circuit)
    bare = without_idle(circuit, moving)
    plan = EquationsPlan.of(bare)
    equations = plan.fill(bare)
    if equations.size > LARGEST:
        raise InputError(f"circuit {circuit.title!r} has {equations.size} unknowns", f"give at most {LARGEST}")
    ports = plan.ports.toarray()
    count, siemens = len(ports), _typical(equations.matrix.diagonal()[: plan.nodes])
    constants = bare.source_values(np.zeros((1, len(bare.inputs)))).T
    given = plan.drives @ np.concatenate([bare.inputs.gains(len(constants)).toarray(), constants], axis=1)
    solved = _solved(equations.matrix.toarray() + siemens * ports.T @ ports, np.concatenate([given, ports.T], axis=1))
    seen, put = ports @ solved, bare.read_outputs(equations.voltages(solved.T)).T
    inputs = given.shape[1]
    E, B = seen[:, :inputs], siemens * seen[:, inputs:]
    currents = _chosen(B)
    sign = np.where(currents, -1.0, 1.0)
    A = np.eye(count) - B
    follow, lead = np.where(currents, A, B), np.where(currents, B, A)
    # follow w + lead y = E s with y = -sign x; what follows, w, is r i in voltage form and v in current form.
    found = _solved(follow, np.concatenate([E, lead * sign], axis=1))
    H, q = siemens * sign[:, None] * found[:, inputs:], -siemens * sign[:, None] * found[:, :inputs]
    # The currents that leave beside the added conductances: i - g v = H x - q + g x, or the same with the sign.
    through = np.concatenate([-q, H + siemens * np.eye(count)], axis=1)
    outputs = -put[:, inputs:] @ through
    outputs[:, :inputs] += put[:, :inputs]
    met = np.abs(put[:, :inputs]) + np.abs(put[:, inputs:]) @ np.abs(q)
    outputs[:, :inputs][np.abs(outputs[:, :inputs]) <= NONE * met] = 0.0
    return Kernel(
        bare,
        currents,
        1.0 / siemens,
        H,
        q[:, :-1],
        q[:, -1],
        outputs[:, inputs:],
        outputs[:, : inputs - 1],
        outputs[:, inputs - 1],
    )


def _typical(conductances: Floats) -> float:
    """S, a power of two, so that states mean the same in circuits that are nearly the same."""
    known = np.abs(conductances[conductances != 0.0])
    return float(np.exp2(np.round(np.log2(known).mean()))) if len(known) else 2.0**-10


def _solved(matrix: Floats, right: Floats) -> Floats:
    found: Any
    try:
        found = np.linalg.solve(matrix, right)
        if len(matrix) <= REFINED:
            wide = matrix.astype(np.longdouble)
            for _ in range(3):
                found = found + np.linalg.solve(matrix, (right - wide @ found).astype(np.float64))
    except np.linalg.LinAlgError:
        found = np.full_like(right, np.nan)
    if not np.isfinite(found).all():
        raise InputError(
            "the linear part of the circuit fixes no voltages, whatever its one-ports do",
            "look for amplifiers that feed themselves",
        )
    return np.asarray(found, np.float64)


def _chosen(B: Floats) -> NDArray[np.bool_]:
    """Which one-ports are described by their current: none where the others follow soundly from their voltages alone;
    else all, or those that come out one by one, whichever is best."""
    count = len(B)
    columns = np.stack([B, np.eye(count) - B])  # of a voltage's follower, and of a current's
    choices = [np.zeros(count, bool)]
    if count and not np.linalg.cond(B) <= SOUND:
        choices += [np.ones(count, bool), _one_by_one(columns)]
    unit = np.arange(count)
    return min(choices, key=lambda chosen: float(np.linalg.cond(columns[chosen * 1, :, unit])) if count else 0.0)


def _one_by_one(columns: Floats) -> NDArray[np.bool_]:
    """A choice of one of ``columns`` [2, n, n] for each k: whichever is the most independent of those chosen before."""
    left, count = columns.copy(), columns.shape[1]
    chosen, todo = np.zeros(count, bool), np.ones(count, bool)
    for _ in range(count):
        norms = np.where(todo, np.linalg.norm(left, axis=1), -1.0)
        form, unit = divmod(int(norms.argmax()), count)
        chosen[unit], todo[unit] = bool(form), False
        direction = left[form][:, unit] / (norms[form, unit] or 1.0)
        left -= direction[:, None] * np.einsum("n,fnk->fk", direction, left)[:, None, :]
    return chosen
