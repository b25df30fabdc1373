"""How far combinations of a circuit's nodes can be off on any board, by whichever proof the circuit allows.

``componentwise``: resistors, one-ports and sources (``enclosure``). ``krawczyk``: any parts (``krawczyk``). ``norm``:
by the margin of uniqueness (``certificate``), where neither says anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from diodeq.analysis.box import Box
from diodeq.analysis.certificate import CircuitCertificate, certify_circuit, doubt, falling
from diodeq.analysis.enclosure import enclose
from diodeq.analysis.krawczyk import surrounded
from diodeq.analysis.passive import Passive
from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.circuit.equations import branch_kinds
from diodeq.errors import InputError
from diodeq.simulators.base import OperatingPoint

KINDS = ("componentwise", "krawczyk", "norm", "none")
# Resistors times samples that are bounded at a time, and unknowns whose inverse is worth its time.
ENTRIES, UNKNOWNS = 1 << 21, 2500


@dataclass(frozen=True, eq=False)
class Bounds:
    """Of one circuit; ``passive`` where it is of resistors, one-ports and sources alone."""

    circuit: Circuit
    passive: Passive | None

    @staticmethod
    def of(circuit: Circuit) -> Bounds:
        """Of a sound circuit.

        Raises:
            InputError: a one-port's law falls somewhere, or the circuit is too large for what bounds others than those
                of resistors, one-ports and sources.
        """
        reason = falling(circuit)
        if reason is not None:
            raise InputError(f"circuit {circuit.title!r} is not certified: {reason}", "look at it by simulation")
        try:
            return Bounds(circuit, Passive.of(circuit) if doubt(circuit) is None else None)
        except InputError as error:
            unknowns = len(circuit.nodes) - 1 + sum(len(circuit.bank(kind)) for kind in branch_kinds(circuit))
            if unknowns > UNKNOWNS:
                raise InputError(
                    f"{error.problem}, and it has {unknowns} unknowns, above {UNKNOWNS}", error.remedy
                ) from None
            return Bounds(circuit, None)

    @property
    def at_once(self) -> int:
        """Samples that are bounded at a time."""
        return max(1, ENTRIES // max(1, len(self.circuit.resistors)))

    @cached_property
    def _certificate(self) -> CircuitCertificate | None:
        try:
            return certify_circuit(self.circuit)
        except InputError:
            return None

    def reach(self, box: Box, point: OperatingPoint, samples: slice, rows: Floats) -> tuple[Floats, NDArray[np.intp]]:
        """The volts float64[b, k] by which ``rows`` float64[b, k, N] times node voltages may be off those of the centre
        for some samples of its operating points, infinite without a bound, and which of ``KINDS`` says so, [b].

        Raises:
            InputError: the box has several laws of a one-port that are not known to be nested.
        """
        if self.passive is not None:
            inner = enclose(self.passive, box, point, samples)
            return inner.reach(rows), np.where(inner.bounded, 0, 3)
        found = surrounded(point.circuit, box, point, samples)
        off, kind = found.reach(rows), np.where(found.bounded, 1, 3)
        left = np.flatnonzero(~found.bounded)
        if len(left) and self._certificate is not None and box.of_resistors_alone:
            # Rows that meet nothing but outputs: their length times how far all of these are off together.
            volts = point.node_voltages[samples][left]
            length = self._certificate.displacement(point.circuit, volts, box.tolerance)
            off[left] = np.linalg.norm(rows[left], axis=2) * length[:, None]
            kind[left] = np.where(np.isfinite(length), 2, 3)
        return off, kind
