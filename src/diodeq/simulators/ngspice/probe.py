"""A two-pin part between a source and ground in ngspice: its currents at given voltages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diodeq.circuit.bank import Floats
from diodeq.devices.curve.model import GMIN, CurveModel
from diodeq.errors import SimulationError
from diodeq.simulators.ngspice.jobs import LOOSER, next_marker
from diodeq.simulators.ngspice.session import Session
from diodeq.spice.numbers import shortest

# Tight; a current needs no digits below 1e-15 A, and transistors' models find none there.
TOLERANCES = ((("reltol", "1e-9"), ("vntol", "1e-12"), ("abstol", "1e-15"), ("gmin", "1e-12")), *LOOSER)
LIFTED = 1.25  # volts between ground and a part that is measured again


@dataclass
class Probe:
    """The part in ngspice, and the currents that were found, by volts. ``reason`` is why the last sweep stopped."""

    session: Session
    model: CurveModel
    known: dict[float, float]
    reason: str = ""

    def currents(self, volts: Floats) -> Floats:
        """The currents at these volts, measured where they are not known; what lies beside a curve is not in them."""
        new = np.array(sorted((v for v in volts.tolist() if v not in self.known), key=lambda v: (v > 0.0, abs(v))))
        self.measure(new)
        return np.array([self.known[v] for v in volts.tolist()])

    def curve(self, low: float, high: float) -> tuple[Floats, Floats]:
        """All that is known within these volts, in order."""
        found = np.array(sorted(pair for pair in self.known.items() if low <= pair[0] <= high)).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    def measure(self, volts: Floats, lifted: bool = False, partly: bool = False) -> Floats:
        """The currents at these volts in this order; ``partly`` is content with the first of them.

        Raises `SimulationError` where ngspice finds none.
        """
        found: list[float] = []
        rungs = list(TOLERANCES)
        while len(found) < len(volts) and rungs:
            # What fails with tight tolerances is tried with looser ones, alone.
            rest = volts[len(found) :][: 1 if len(rungs) < len(TOLERANCES) else None]
            marker = next_marker()
            text = _deck(self.model, rest, rungs[0], LIFTED if lifted else 0.0, marker)
            got, why = self.session.sweep(text, marker, [marker, "vi#branch"], len(rest), transient=False)
            found += got["vi#branch"].tolist()
            self.reason = why or ""
            rungs = list(TOLERANCES) if len(got[marker]) else rungs[1:]
        if len(found) < len(volts) and not (partly and found):
            raise SimulationError(
                f"ngspice finds no current of {self.model.name} at {volts[len(found)]:.4g} V: {self.reason}",
                "check its text in ngspice, or narrow the range with --from and --to",
            )
        values = np.array(found) - GMIN * volts[: len(found)]
        if not lifted:
            for v, i in zip(volts.tolist(), values.tolist(), strict=False):
                self.known.setdefault(v, i)
        return values


def _deck(model: CurveModel, volts: Floats, tolerances: Sequence[tuple[str, str]], lift: float, marker: str) -> str:
    """A sweep over the number of a point; one point is an operating point of two."""
    last = max(len(volts) - 1, 1)
    points = (volts + lift).tolist() if len(volts) > 1 else [float(volts[0]) + lift] * 2
    pairs = "\n+ ".join(f",{k},{shortest(v)}" for k, v in enumerate(points))
    options = " ".join(f"{name}={value}" for name, value in tolerances)
    celsius = 27.0 if model.temperature is None else model.temperature
    lines = [
        "* diodeq: points of a curve",
        f"v{marker} {marker} 0 0",
        f".subckt {model.spice_name} a c",
        *model.original,
        ".ends",
        f"vlift ground 0 {shortest(lift)}",
        # To node 0, for else the part's own ground would carry nothing but round-off, on which ngspice does not agree.
        f"bforced forced 0 v=pwl(v({marker})\n+ {pairs})",
        "vi forced pin 0",
        f"xmeasured pin ground {model.spice_name}",
        f".options {options} temp={shortest(celsius)}",
        f".save v({marker}) vi#branch",
        f".dc v{marker} 0 {last} 1" if len(volts) > 1 else ".op",
        ".end",
    ]
    return "\n".join(lines) + "\n"
