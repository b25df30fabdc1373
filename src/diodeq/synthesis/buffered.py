"""Unilateral buffers of gain ±K feed W back through resistors: any W, at the price of amplifiers."""

from __future__ import annotations

import numpy as np

from diodeq.network import Stage
from diodeq.synthesis.plan import Core


def core(stage: Stage, scalable: bool) -> Core:
    """The core of a buffered stage; never refuses.

    A unit's own weight W_ii is left out of its resistors to ground (H_ii = 1 - W_ii remain) where that needs less
    gain, else fed back like the others.
    """
    if stage.W is None:
        return Core(np.ones(stage.size), np.ones(stage.size))
    own = np.diag(stage.W)
    others = np.abs(stage.W).sum(axis=1) - np.abs(own) + np.abs(stage.U).sum(axis=1) + np.abs(stage.b)
    # Both sides are the gain a row needs: with its own weight fed back, and with it taken from its resistors.
    fed_back = (own >= 1.0) | ((own > 0.0) & ((others + own) * (1.0 - own) < others))
    feedback = stage.W - np.diag(np.where(fed_back, 0.0, own))
    return Core(np.ones(stage.size), np.where(fed_back, 1.0, 1.0 - own), feedback=feedback)
