"""Which operational amplifiers of a circuit saturate: those with a clamp that conducts."""

from __future__ import annotations

import numpy as np

from diodeq.circuit.amplifiers import inside
from diodeq.circuit.bank import Floats
from diodeq.circuit.circuit import Circuit

_ENDS = ("_high", "_low")


class Saturation:
    """How often the amplifiers of a circuit saturate over operating points that are told one batch after another."""

    def __init__(self, circuit: Circuit) -> None:
        bank, names = circuit.bank("diodes"), circuit.part_names("diodes")
        clamps = [k for k in np.flatnonzero(inside(circuit, "diodes")).tolist() if names[k].endswith(_ENDS)]
        self._ends = bank.terminals[clamps]
        nodes = _outputs(circuit)
        self._nodes = [nodes[_number(names[k])] for k in clamps]
        self._samples = dict.fromkeys(self._nodes, 0)

    def add(self, volts: Floats) -> None:
        """Node voltages float64[B, N] of operating points."""
        beyond = (volts[:, self._ends[:, 0]] > volts[:, self._ends[:, 1]]).sum(axis=0)
        for node, times in zip(self._nodes, beyond.tolist(), strict=True):
            self._samples[node] += times

    def found(self) -> dict[str, int]:
        """The samples in which the amplifier whose output drives a node was at either end of its swing, by that node's
        name."""
        return dict(self._samples)


def _outputs(circuit: Circuit) -> dict[str, str]:
    """The node that each amplifier's output drives, by the amplifier's name, as in ``u7``."""
    found: dict[str, str] = {}
    for kind, terminal in (("buffers", 0), ("diodes", 1)):  # behind a curve in series, where there is one
        names, ends = circuit.part_names(kind), circuit.bank(kind).terminals
        for k in np.flatnonzero(inside(circuit, kind)).tolist():
            if names[k].endswith("_out"):
                found[_number(names[k])] = circuit.nodes[ends[k, terminal]]
    return found


def _number(part: str) -> str:
    return part.split("_")[1]
