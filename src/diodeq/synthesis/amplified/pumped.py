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

import numpy as np

from diodeq.network import Stage
from diodeq.synthesis.plan import Core

COMPLIANCE = 2.0 / 3.0
"""The share of an output's reach that units are scaled to; the rest is the pumps'."""
STEEP = 2.0 * COMPLIANCE / (1.0 - COMPLIANCE)
"""Conductance of a pump's feedback, of the sum of its h: with all units at their most, of any sign, it has room."""


def core(stage: Stage, scalable: bool) -> Core:
    """The core of a stage whose weights are pumped; never refuses."""
    ones = np.ones(stage.size)
    if stage.W is None:
        return Core(ones, ones, pumped=True)
    return Core(ones, np.diag(stage.H).copy(), feedback=stage.W - np.diag(np.diag(stage.W)), pumped=True)
