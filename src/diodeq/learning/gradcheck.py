"""Is the gradient right? Hardware linearization against ngspice's own small-signal analysis and finite differences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.errors import InputError
from diodeq.learning.losses import half_mean_square
from diodeq.learning.rules import RULES
from diodeq.simulators.base import Simulator


def check_gradient(
    simulator: Simulator, reference: Simulator, circuit: Circuit, drives: Floats, limit: int
) -> dict[str, Any]:
    """Errors of hardware linearization on ``simulator``, relative to the largest gradient entry.

    Args:
        reference: an engine with an independent small-signal analysis (``NgspiceReference``).
        drives: float64[B, n_in] volts.
        limit: at most this many trainable conductances are checked, evenly spread over all of them.

    Raises:
        InputError: the circuit has no trainable resistor.
    """
    part = thinned(circuit, limit)
    gradients = {
        "exact": RULES["hardware-linearization"](simulator, part, drives, half_mean_square).conductances,
        "ac": RULES["hardware-linearization"](reference, part, drives, half_mean_square).conductances,
        "finite_difference": RULES["finite-difference"](simulator, part, drives, half_mean_square).conductances,
    }
    exact = gradients.pop("exact")
    report: dict[str, Any] = {
        "parameters": int(part.mask.sum()),
        "trainable": int(circuit.mask.sum()),
        "samples": len(drives),
    }
    for name, other in gradients.items():
        scale = float(np.max(np.abs(other), initial=0.0)) or 1.0
        norm = float(np.linalg.norm(exact) * np.linalg.norm(other)) or 1.0
        report[name] = {
            "max_relative_error": float(np.max(np.abs(exact - other), initial=0.0)) / scale,
            "cosine": float(exact @ other) / norm,
        }
    return report


def thinned(circuit: Circuit, limit: int) -> Circuit:
    """The circuit with at most ``limit`` of its trainable conductances left trainable, evenly spread over all of them.

    Raises:
        InputError: the circuit has no trainable resistor.
    """
    trainable = np.flatnonzero(circuit.mask)
    if not len(trainable):
        raise InputError(
            f"circuit {circuit.title!r} has no trainable resistor", "mark the ones whose gradient to check"
        )
    mask = np.zeros(len(circuit.resistors), bool)
    mask[trainable[np.unique(np.linspace(0, len(trainable) - 1, min(limit, len(trainable))).astype(int))]] = True
    return replace(circuit, trainable=mask)
