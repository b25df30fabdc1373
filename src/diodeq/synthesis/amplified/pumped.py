"""Any W by followers and pumps: what gyrators and transformers do, made of operational amplifiers.

A unit's node has the resistors of its positive weights, from followers of other units; those of its negative ones end
at the - input of an amplifier whose + input is the node, and whose output feeds both back through equal resistors:

    n ──h──┬───[-]                     the - input follows the node's voltage v, so what the h bring, Σ h (n - v), flows
           ├─G─[out]─G─┐               on through G, and as much is taken from the node: -Σ h n + v Σ h. It is a Howland
    p ──g──┴ node ─[+]─┘               pump of several inputs, whose conductance -Σ h is made up for on purpose.

So the node has the conductance Σ g - Σ h, and one more resistor, to ground from the node or from the - input, makes
that the H_ii that the network asks for. No weight needs an inverted copy, and none a gain.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from diodeq.network import Stage
from diodeq.synthesis.plan import Core, Floats, StagePlan

COMPLIANCE = 2.0 / 3.0
"""The share of an output's reach that units are scaled to; the rest is the pumps'."""
LEAST = 0.25
"""Conductance of a pump's feedback, of the sum of its h, at least."""


def core(stage: Stage, scalable: bool) -> Core:
    """The core of a stage whose weights are pumped; never refuses."""
    ones = np.ones(stage.size)
    if stage.W is None:
        return Core(ones, ones, pumped=True)
    return Core(ones, np.diag(stage.H).copy(), feedback=stage.W - np.diag(np.diag(stage.W)), pumped=True)


def brought(plan: StagePlan) -> Floats:
    """What ends at the - input of each unit's pump, float64[n] in g0."""
    feed = plan.feed
    if not plan.core.pumped:
        return np.zeros(plan.size)
    return np.bincount(feed.rows, feed.values * feed.negative, plan.size).astype(np.float64)


def with_pumps(plan: StagePlan, states: Floats, rails: Floats) -> StagePlan:
    """The plan with feedback for its pumps such that their outputs have room on samples, where units are at ``states``
    float64[B, n] and what feeds them, column by column, at ``rails`` float64[B, columns]."""
    feed, ends = plan.feed, brought(plan)
    taken = states * ends
    for row in np.flatnonzero(ends).tolist():
        own = (feed.rows == row) & feed.negative
        taken[:, row] -= rails[:, feed.columns[own]] @ feed.values[own]
    most = max(float(np.abs(rails).max(initial=0.0)), float(np.abs(states).max(initial=0.0))) or 1.0
    flowing = np.abs(taken).max(axis=0, initial=0.0) / most
    return replace(plan, flowing=flowing, pumps=np.maximum(flowing / (1.0 / COMPLIANCE - 1.0), LEAST * ends))
