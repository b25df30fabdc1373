"""A bound of the power that any input whatsoever can make a circuit dissipate, found without solving it.

Let ``v`` be the operating point of a circuit of voltage sources, resistors and one-ports, and ``w`` any other voltages
of its nodes that agree with ``v`` wherever sources hold a node. Currents balance at every other node, so by Tellegen's
theorem ``Σ i_b (v_b - w_b) = 0`` over all resistors and one-ports, or

    P = Σ i_b v_b = Σ_R G v_b w_b + Σ_D i_b w_b <= √(P_R W) + L,    W = Σ_R G w_b²,    L >= Σ_D i_b w_b,

by Cauchy and Schwarz, P_R being the power of the resistors. One-ports that take power, v·i >= 0, leave P_R <= P, so

    P <= √(P W) + L,    which is    √P <= (√W + √(W + 4 L)) / 2,    and P <= W where L = 0.

L is 0 where ``w`` is the same at both ends of every one-port: with diodes to ground alone, ``w = 0`` at all nodes that
are not held. A clamp to a rail has ``w`` at that rail, or on the side on which it blocks and i_b w_b is what leaks. For
that voltages must be known: where all resistors and one-ports carry current towards the lower voltage no node is above
the highest that a source holds, nor below the lowest, since nothing would flow into it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from diodeq.circuit.bank import Bools, Floats, Ints
from diodeq.circuit.circuit import Circuit
from diodeq.circuit.flows import kinds_of
from diodeq.circuit.graph import components
from diodeq.circuit.kinds import KINDS, Kind
from diodeq.circuit.one_ports import laws_of, one_port_ends
from diodeq.circuit.source_tree import source_tree

# Amperes at 0 V that are rounding.
NOTHING = 1e-15
# What sums of a million terms may have lost.
ROUNDING = 1e-9
# Voltages of rails that are tried for what hangs on them.
TRIED = 8


@dataclass(frozen=True)
class Bound:
    """``watts`` that no input within the reach exceeds; infinite where no such number is known, and ``reason`` says
    why."""

    watts: float
    reason: str = ""


def power_bound(circuit: Circuit, reach: float) -> Bound:
    """What resistors and one-ports dissipate at most while every input is within ±``reach`` (V), finite."""
    for kind, spec in kinds_of(circuit).items():
        if not (spec.conductive or spec.nonlinear or _holds(spec)):
            return Bound(math.inf, f"it has {kind.replace('_', ' ')}")
    levels, used = source_tree(circuit)
    if not used.all():
        return Bound(math.inf, "a voltage source floats")
    laws = laws_of(circuit)
    if np.abs(laws.current(np.zeros(len(laws)))).max(initial=0.0) > NOTHING:
        return Bound(math.inf, "a one-port gives power")
    count = len(circuit.nodes)
    known = np.zeros(count, bool)
    known[0] = True
    follows = sparse.csr_array((count, len(used)))
    for level in levels:
        nodes, size = np.arange(count)[level.nodes], np.arange(len(used))[level.sources]
        follows = follows + sparse.csr_array((level.signs, (nodes, size)), shape=follows.shape)
        if level.parents is not None:
            lift = sparse.csr_array((np.ones(len(nodes)), (nodes, level.parents)), shape=(count, count))
            follows = follows + lift @ follows
        known[level.nodes] = True
    middle = np.asarray(follows @ circuit.voltage_sources.values)
    held = _Held(known, middle, follows @ circuit.inputs.gains(len(used)), reach)
    found = min(_total(circuit, held, trial) for trial in (np.zeros(count), _hung(circuit, held)))
    return Bound(found * (1.0 + ROUNDING)) if found < math.inf else Bound(found, "a one-port conducts between sources")


def _holds(spec: Kind) -> bool:
    return bool(spec.source) and spec.stiff


@dataclass(frozen=True, eq=False)
class _Held:
    """The nodes that are ``known``: ``middle`` float64[N] plus ``gains`` sparse [N, n_in] times inputs within reach."""

    known: Bools
    middle: Floats
    gains: sparse.csr_array
    reach: float

    def between(self, ends: Ints) -> tuple[Floats, Floats]:
        """The least and the largest voltage from the first to the second node of each pair int32[n, 2], both known."""
        swing = self.reach * np.asarray(abs(self.gains[ends[:, 0]] - self.gains[ends[:, 1]]).sum(axis=1)).ravel()
        middle = self.middle[ends[:, 0]] - self.middle[ends[:, 1]]
        return middle - swing, middle + swing

    def across(self, ends: Ints, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        """The same where nodes that are not known are within ``low`` and ``high`` float64[N]."""
        ground = np.zeros_like(ends[:, 0])
        least, most = (np.where(self.known[ends], 0.0, each[ends]) for each in (low, high))
        for side in (0, 1):
            lone = self.known[ends[:, side]]
            alone = np.stack([np.where(lone, ends[:, side], 0), ground], axis=1)
            a, b = self.between(alone)
            least[:, side] += a
            most[:, side] += b
        down, up = least[:, 0] - most[:, 1], most[:, 0] - least[:, 1]
        both = self.known[ends].all(axis=1)
        down[both], up[both] = self.between(ends[both])
        return down, up


def _hull(held: _Held) -> tuple[Floats, Floats]:
    nodes = np.flatnonzero(held.known)
    low, high = held.between(np.stack([nodes, np.zeros_like(nodes)], axis=1))
    count = len(held.known)
    return np.full(count, low.min(initial=0.0)), np.full(count, high.max(initial=0.0))


def _total(circuit: Circuit, held: _Held, trial: Floats) -> float:
    """The bound that a trial float64[N] gives; its voltages of known nodes are not looked at."""
    resistive = sum(float(each.sum()) for each in _squares(circuit, held, trial).values())
    lost = float(_leaks(circuit, held, trial).sum())
    return ((math.sqrt(resistive) + math.sqrt(resistive + 4.0 * lost)) / 2.0) ** 2


def _squares(circuit: Circuit, held: _Held, trial: Floats) -> dict[str, Floats]:
    """G w² at most, of every resistor."""
    found = {}
    for kind, spec in KINDS.items():
        if spec.conductive:
            parts = circuit.bank(kind)
            low, high = held.across(parts.terminals, trial, trial)
            found[kind] = parts.values * np.maximum(low**2, high**2)
    return found


def _leaks(circuit: Circuit, held: _Held, trial: Floats) -> Floats:
    """i·w at most, of every one-port, which may have any voltage that its nodes may have."""
    ends = one_port_ends(circuit)
    found = np.zeros(len(ends))
    low, high = held.across(ends, trial, trial)
    for side, sign in ((high, 1.0), (low, -1.0)):
        some = np.flatnonzero(sign * side > 0.0)
        if not len(some):
            continue
        laws = laws_of(circuit).take(some)
        least, most = held.across(ends[some], *_hull(held))
        with np.errstate(over="ignore", invalid="ignore"):
            falls = laws.chord(least, most)[0] < 0.0
            lost = laws.current(most if sign > 0.0 else least) * side[some]
        # Where a current falls as the voltage rises its largest is not at an end.
        found[some] = np.maximum(found[some], np.where(falls | np.isnan(lost), np.inf, lost))
    return found


def _hung(circuit: Circuit, held: _Held) -> Floats:
    """A trial float64[N] where nodes that one-ports join to sources are at the voltage of one of these: of those tried
    for each such group of nodes, at the one that costs least."""
    ends, count = one_port_ends(circuit), len(circuit.nodes)
    free = ~held.known[ends]
    _, group = components(count, ends[free.all(axis=1)])
    rows, side = np.nonzero(free & ~free[:, ::-1])
    rail, own = ends[rows, 1 - side], group[ends[rows, side]]
    low, high = held.between(np.stack([rail, np.zeros_like(rail)], axis=1))
    pairs = np.unique(np.stack([np.tile(own, 2), np.concatenate([low, high])], axis=1), axis=0)
    groups, first = np.unique(pairs[:, 0].astype(np.intp), return_index=True)
    rank = np.arange(len(pairs)) - np.repeat(first, np.diff(first, append=len(pairs)))
    best, least = np.zeros(count), _costs(circuit, held, np.zeros(count), group)
    for k in range(min(TRIED, int(rank.max(initial=-1)) + 1)):
        volts = np.zeros(count)
        chosen = pairs[rank == k]
        volts[chosen[:, 0].astype(np.intp)] = chosen[:, 1]
        cost = _costs(circuit, held, volts[group], group)
        better = cost < least
        least = np.where(better, cost, least)
        best = np.where(better, volts, best)
    return best[group] if len(groups) else np.zeros(count)


def _costs(circuit: Circuit, held: _Held, trial: Floats, group: Ints) -> Floats:
    """W + 2 L of what each group of nodes has to do with, which its bound does not exceed; float64[N] by group."""
    found = np.zeros(len(trial))
    banks = [(circuit.bank(kind).terminals, each) for kind, each in _squares(circuit, held, trial).items()]
    for ends, each in [*banks, (one_port_ends(circuit), 2.0 * _leaks(circuit, held, trial))]:
        for side in (0, 1):
            mine = ~held.known[ends[:, side]]
            np.add.at(found, group[ends[mine, side]], each[mine])
    return found
