"""How far combinations of a circuit's nodes can be off on any board, by whichever proof the circuit allows.

``componentwise``: resistors, one-ports and sources (``enclosure``). ``units``: summing amplifiers (``summed``).
``krawczyk``: any parts (``krawczyk``). ``norm``: by the margin of uniqueness (``certificate``), where none of these
says anything.
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
from diodeq.analysis.summed import reach_of_units
from diodeq.analysis.summing import Summing
from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.circuit.equations import branch_kinds
from diodeq.errors import InputError
from diodeq.simulators.base import OperatingPoint

KINDS = ("componentwise", "units", "krawczyk", "norm", "none")
# Resistors times samples that are bounded at a time, and unknowns whose inverse is worth its time.
ENTRIES, UNKNOWNS = 1 << 21, 2500


@dataclass(frozen=True, eq=False)
class Bounds:
    """Of one circuit; ``passive`` where it is of resistors, one-ports and sources alone, ``summing`` where it is of
    summing amplifiers."""

    circuit: Circuit
    passive: Passive | None
    summing: Summing | None = None

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
        problem, remedy = "", ""
        try:
            if doubt(circuit) is None:
                return Bounds(circuit, Passive.of(circuit))
        except InputError as error:
            problem, remedy = error.problem, error.remedy
        summing = Summing.of(circuit)
        found = Bounds(circuit, None, summing)
        if problem and found._unknowns > UNKNOWNS and summing is None:
            raise InputError(f"{problem}, and it has {found._unknowns} unknowns, above {UNKNOWNS}", remedy)
        return found

    @cached_property
    def _unknowns(self) -> int:
        return len(self.circuit.nodes) - 1 + sum(len(self.circuit.bank(kind)) for kind in branch_kinds(self.circuit))

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
            return inner.reach(rows), np.where(inner.bounded, 0, 4)
        off, kind = np.full(rows.shape[:2], np.inf), np.full(len(rows), 4)
        if self.summing is not None and self.summing.bounded(box):
            off, bounded = reach_of_units(self.summing, box, point, samples, rows)
            kind[bounded] = 1
        elif self.summing is not None and self._unknowns > UNKNOWNS:
            raise InputError(
                f"circuit {self.circuit.title!r} has {self._unknowns} unknowns, and of so many summing amplifiers"
                " neither temperature nor diodes may be off",
                "leave out --temperature and --diodes",
            )
        left = np.flatnonzero(kind == 4)
        # Interval Newton steps know no figures of amplifiers.
        if len(left) and (self.summing is None or self._unknowns <= UNKNOWNS) and not box.of_amplifiers:
            found = surrounded(point.circuit, box, point, np.arange(len(point.node_voltages))[samples][left])
            off[left], kind[left] = found.reach(rows[left]), np.where(found.bounded, 2, 4)
        left = np.flatnonzero(kind == 4)
        if len(left) and self._certificate is not None and box.of_resistors_alone:
            # Rows that meet nothing but outputs: their length times how far all of these are off together.
            volts = point.node_voltages[samples][left]
            length = self._certificate.displacement(point.circuit, volts, box.tolerance)
            off[left] = np.linalg.norm(rows[left], axis=2) * length[:, None]
            kind[left] = np.where(np.isfinite(length), 3, 4)
        return off, kind
