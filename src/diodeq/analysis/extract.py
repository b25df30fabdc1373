"""The equilibrium network that a circuit is: weights from resistors, transformers, gyrators, amplifiers and sources.

Everything but the one-ports is linear: for source values s and the one-ports' currents i and voltages v,

    M x + Pᵀ i = D s,    P x = v.

Whatever the circuit, one variable of each one-port, its voltage or its current, may be chosen such that the others
follow from these (Chua and Lam, IEEE Trans. Circuit Theory 20(4), 1973, for when such hybrid descriptions exist). With
a state x in volts for each, ``-v`` or ``r i``, this is ``0 = H x + F(x) - q(u)``, F the laws: the kernel of the
circuit, and for any step α the network ``z = σ(W z + U u + b)`` with ``W = I - α H`` and σ the laws' resolvents
(Chaffey, arXiv:2509.13793). Voltages are taken where H exists with them; currents, or some of both, where it does not.

Where amplifiers drive one way, units fall into groups of which the earlier ones drive the later: a cascade of stages.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from diodeq.analysis.certificate import Index, depths
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
# The number of unknowns and one-ports up to which the equations are solved densely.
LARGEST = 20_000
# A longer cascade gets so many stages of several levels each, since each stage has to hand on what later ones need.
MOST_STAGES = 32


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
    def stages(self) -> list[Index]:
        """The units of each stage: those that drive each other are on one, and none drives an earlier one."""
        _, depth = depths(sparse.csr_array(self.H))
        levels = int(depth.max(initial=-1)) + 1
        stage = depth if levels <= MOST_STAGES else depth * MOST_STAGES // levels
        return [np.flatnonzero(stage == k) for k in range(min(levels, MOST_STAGES))]

    @cached_property
    def margin(self) -> float:
        """λ_min((H + Hᵀ)/2), S, of the stage where it is smallest; infinite without one-ports."""
        own = (self.H[np.ix_(units, units)] for units in self.stages)
        return min((lowest((H + H.T) / 2.0)[0] for H in own), default=math.inf)

    @property
    def step(self) -> float:
        """A step α in Ω: the largest with which no unit of W holds itself back."""
        own = float(np.abs(self.H.diagonal()).max(initial=0.0)) or float(np.abs(self.H).max(initial=0.0))
        return 1.0 / own if own > 0.0 else self.ohms

    def network(self, alpha: float | None = None) -> Network:
        """The equilibrium network in the circuit's units, with ``W = I - α H`` in each stage for the step ``alpha`` in
        Ω (by default ``step``).

        Its outputs are a read-out of the states; what inputs or states are to later stages, or to outputs, than the
        next is handed on by further units without a one-port.

        Raises:
            InputError: alpha is no positive number.
        """
        alpha = self.step if alpha is None else alpha
        if not 0.0 < alpha < math.inf:
            raise InputError(f"alpha is {alpha}", "give a positive number of ohms")
        circuit, count = self.circuit, len(self.H)
        units, volts = circuit.scaling, 1.0 / circuit.scaling.output_scale
        gain, rest = units.scale / volts, -units.offset * units.scale
        biases = np.concatenate([alpha * (self.B @ rest + self.c), self.D @ rest + self.d]) / volts
        # What units, and outputs behind them, get from all states, and from what the next stage is given.
        coupling = np.concatenate([-alpha * self.H, self.C])
        fed = np.concatenate([alpha * self.B, self.D]) * gain
        later = np.ones(len(fed), bool)
        which = one_port_models(circuit).astype(np.int64)
        stages = []
        for own in self.stages:
            later[own] = False
            handed, into = _handed_on(fed[later])
            size, more = len(own), len(handed)
            W = np.zeros((size + more, size + more))
            W[:size, :size] = np.eye(size) + coupling[np.ix_(own, own)]
            laws = OnePortUnits(
                circuit.models,
                np.append(which[own], np.full(more, NOTHING)),
                np.append(self.currents[own], np.zeros(more, bool)),
                alpha,
                self.ohms,
                volts,
                circuit.temperature,
            )
            stages.append(Stage(np.concatenate([fed[own], handed]), np.append(biases[own], np.zeros(more)), W, laws))
            fed = np.concatenate([coupling[:, own], np.zeros((len(fed), more))], axis=1)
            fed[later, size:] = into
        return Network((*stages, Stage(fed[count:], biases[count:], None, Activation("identity"))))


def _handed_on(fed: Floats) -> tuple[Floats, Floats]:
    """Weights of as few units as are needed for all that depends on what a stage is given by ``fed`` [n, m]: sums of
    it, or some of it as it is. Those units' weights [k, m], and the weights [n, k] with which to take their states."""
    rows, columns = np.flatnonzero(fed.any(axis=1)), np.flatnonzero(fed.any(axis=0))
    if len(rows) <= len(columns):
        return fed[rows], np.eye(len(fed))[:, rows]
    return np.eye(fed.shape[1])[columns], fed[:, columns]


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
    ports = plan.ports.toarray()
    size, count = equations.size, len(ports)
    if size + count > LARGEST:
        raise InputError(
            f"circuit {circuit.title!r} has {size} unknowns and {count} one-ports", f"give at most {LARGEST} in all"
        )
    siemens, matrix = _typical(equations.matrix.diagonal()[: plan.nodes]), equations.matrix.toarray()
    currents = _chosen(siemens * ports @ _solved(matrix + siemens * ports.T @ ports, ports.T))
    volts = np.flatnonzero(~currents)
    constants = bare.source_values(np.zeros((1, len(bare.inputs)))).T
    given = plan.drives @ np.concatenate([bare.inputs.gains(len(constants)).toarray(), constants], axis=1)
    inputs = given.shape[1]
    # Sources and states are known; node voltages follow, and the current of a one-port whose voltage is its state.
    held = siemens * ports[volts]
    known = np.zeros((size + len(volts), inputs + count))
    known[:size, :inputs] = given
    known[:size, inputs:] = -siemens * ports.T * currents
    known[size + np.arange(len(volts)), inputs + volts] = -siemens
    found = _solved(np.block([[matrix, held.T], [held, np.zeros((len(volts), len(volts)))]]), known)
    nodes = equations.voltages(found[:size].T)
    follow = ports @ found[:size]
    follow[volts] = found[size:]
    follow *= siemens * np.where(currents, -1.0, 1.0)[:, None]
    outputs, met = bare.read_outputs(nodes).T, np.abs(nodes[:inputs, bare.outputs]).sum(axis=2).T
    outputs[:, :inputs][np.abs(outputs[:, :inputs]) <= NONE * met] = 0.0
    return Kernel(
        bare,
        currents,
        1.0 / siemens,
        follow[:, inputs:],
        -follow[:, : inputs - 1],
        -follow[:, inputs - 1],
        outputs[:, inputs:],
        outputs[:, : inputs - 1],
        outputs[:, inputs - 1],
    )


def _typical(conductances: Floats) -> float:
    """S, a power of two, so that states mean the same in circuits that are nearly the same."""
    known = np.abs(conductances[conductances != 0.0])
    return float(np.exp2(np.round(np.log2(known).mean()))) if len(known) else 2.0**-10


def _solved(matrix: Floats, right: Floats) -> Floats:
    """Solutions of equations, refined where there are few. What does not depend on something is exactly 0 times it."""
    rows, columns = _ordered(matrix)
    matrix, right = matrix[np.ix_(rows, columns)], right[rows]
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
        raise _undetermined()
    solved = np.empty(right.shape)
    solved[columns] = found
    return solved


def _ordered(matrix: Floats) -> tuple[Index, Index]:
    """Rows and columns in an order in which the matrix is block upper triangular: pivoting then mixes no blocks."""
    pattern = sparse.csr_array(matrix)
    rows = csgraph.maximum_bipartite_matching(pattern, perm_type="row")
    if (rows < 0).any():
        raise _undetermined()
    order = np.argsort(-depths(pattern[rows])[1], kind="stable")
    return rows[order].astype(np.int64), order


def _undetermined() -> InputError:
    return InputError(
        "the linear part of the circuit fixes no voltages, whatever its one-ports do",
        "look for amplifiers that feed themselves",
    )


def _chosen(B: Floats) -> NDArray[np.bool_]:
    """Which one-ports are described by their current, in each group of those that drive each other: none where the
    others follow soundly from their voltages alone; else all, or those that come out one by one, whichever is best."""
    chosen = np.zeros(len(B), bool)
    label, _ = depths(sparse.csr_array(B))
    for group in range(int(label.max(initial=-1)) + 1):
        own = np.flatnonzero(label == group)
        among, count = B[np.ix_(own, own)], len(own)
        if np.linalg.cond(among) <= SOUND:
            continue
        columns = np.stack([among, np.eye(count) - among])  # of a voltage's follower, and of a current's
        choices = [np.zeros(count, bool), np.ones(count, bool), _one_by_one(columns)]
        forms = [columns[choice * 1, :, np.arange(count)] for choice in choices]
        chosen[own] = choices[int(np.argmin([np.linalg.cond(form) for form in forms]))]
    return chosen


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
