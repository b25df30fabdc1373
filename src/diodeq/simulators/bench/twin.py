"""The twin: a bench that is computed, imperfection by imperfection, with an exact engine underneath."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.circuit.nudges import with_clamps
from diodeq.errors import InputError
from diodeq.simulators.base import OperatingPoint, Simulator
from diodeq.simulators.bench.body import Ints
from diodeq.simulators.bench.channels import Channels
from diodeq.simulators.bench.codes import Converter
from diodeq.simulators.bench.description import Description
from diodeq.simulators.bench.imperfect import Imperfect
from diodeq.simulators.bench.settling import unsettled
from diodeq.simulators.wave import WaveSimulator

Floats = NDArray[np.float64]
Make = Callable[[], Simulator]
LIMITED = 8
"""Rounds in which what pumps give and what stands against it find each other"""


class Twin:
    """A ``Body`` in this process: the circuit as ``description`` says that it deviates from what it is told.

    ``readings`` counts the rows that were read; all chance is a function of it, so a twin that is given the count of
    another goes on as that one would. ``make`` makes the engine that computes.

    Raises:
        InputError: the description reads what the circuit does not have.
    """

    def __init__(
        self, description: Description, circuit: Circuit, make: Make = WaveSimulator, readings: int = 0
    ) -> None:
        self.channels = Channels.of(circuit, description)
        self.parts = Imperfect(self.channels)
        self.readings = readings
        self._make, self._free = make, make()
        self._holding: Simulator | None = None
        self._codes: Ints = np.zeros(self.channels.counts["taps"], np.int64)
        self._codes[:] = self.channels.taps.encode(np.full(len(self._codes), self.channels.taps.ends[0]))
        self._circuits: tuple[float, Circuit, Circuit] | None = None
        self._warm: tuple[float, Circuit, Circuit] | None = None

    @property
    def identity(self) -> str:
        """The description's name, the first digits of its digest, and how many channels there are."""
        own = self.channels.description
        counts = ", ".join(f"{count} {what}" for what, count in self.channels.counts.items())
        return " ".join([own.name, own.sha256[:12], *own.options]).rstrip() + f": {counts}"

    def set_taps(self, codes: Ints) -> None:
        """Set every programmable resistor, int64[n_taps]."""
        given = np.asarray(codes, np.int64)
        first, last = self.channels.taps.first, self.channels.taps.count - 1
        if given.shape != self._codes.shape:
            raise InputError(f"{len(given)} taps are set on a bench of {len(self._codes)}", "set each")
        if len(given) and not (given.min() >= first and given.max() <= last):
            raise InputError(f"a tap is set beyond {first} … {last}", "give codes of the part")
        if not np.array_equal(given, self._codes):
            self._codes, self._circuits = given.copy(), None

    def taps(self) -> Ints:
        """The codes as they are read back, int64[n_taps]."""
        return self._codes.copy()

    def read(self, drives: Ints, injections: Ints, holds: Ints | None = None) -> Ints:
        """What the channels read, int64[B, n_reads]; see ``Body``.

        Raises:
            InputError: a code is out of range.
        """
        at = self.channels
        _demand("drive", drives, at.drives)
        _demand("injection", injections, at.injections)
        if holds is not None:
            _demand("hold", holds, at.holds)
        numbers = self.readings + np.arange(len(drives))
        tick = self.parts.tick
        ticks = np.floor(numbers * at.seconds / tick) if np.isfinite(tick) else np.zeros(len(numbers))
        found = np.empty((len(drives), len(at.read)), np.int64)
        for each in np.unique(ticks).tolist():
            rows = ticks == each
            seconds = each * tick if each else 0.0
            volts = self._settled(drives[rows], injections[rows], None if holds is None else holds[rows], seconds)
            found[rows] = self.parts.read(volts, numbers[rows], seconds)
        self.readings += len(drives)
        return found

    def rest(self) -> None:
        """It rests between readings by itself."""

    def close(self) -> None:
        """Its engines give up what they hold."""
        for engine in (self._free, self._holding):
            if engine is not None:
                engine.__exit__(None, None, None)

    def _settled(self, drives: Ints, injections: Ints, holds: Ints | None, seconds: float) -> Floats:
        """Volts [B, n_reads] when they are read, of rows that may repeat."""
        codes = np.hstack([drives, injections] if holds is None else [drives, injections, holds])
        rows, where = np.unique(codes, axis=0, return_inverse=True)
        count = drives.shape[1], drives.shape[1] + injections.shape[1]
        own = self.channels.description
        if own.settling.seconds:  # and the state at rest, from where each begins
            rows = np.vstack([rows, np.zeros((1, rows.shape[1]), np.int64)])
        drives, injections, held = np.split(rows, count, axis=1)
        free, clamped = self._tables(seconds)
        given = self.parts.sources(drives), self.parts.pumped(injections)
        if holds is None:
            point = self._limited(self._free, free, *given)
        else:
            # At rest nothing is held; the difference to outputs held at 0 V is gone before anything is read.
            self._holding = self._holding or self._make()
            point = self._holding.operate(clamped, np.hstack([*given, self.parts.held(held)]))
        volts = point.node_voltages[:, self.channels.read]
        if own.settling.seconds:
            volts = volts[:-1] + (volts[-1] - volts[:-1]) * unsettled(point, self.channels)[0][:-1]
        return np.asarray(volts[where.ravel()])

    def _limited(self, engine: Simulator, circuit: Circuit, sources: Floats, pumped: Floats) -> OperatingPoint:
        """Where the circuit settles with pumps that reach no further than their compliance."""
        own, free = self.channels.description.injections, self.channels.free
        point = engine.operate(circuit, np.hstack([sources, pumped]))
        if not np.isfinite(own.compliance):
            return point
        asked = pumped
        for _ in range(LIMITED):
            volts, reach = point.node_voltages[:, free], self.parts.pumps / own.ohms
            low, high = (side * own.compliance - volts for side in (-1.0, 1.0))
            possible = np.clip(asked, np.minimum(low * reach, 0.0), np.maximum(high * reach, 0.0))
            limited = np.where(reach > 0.0, possible, asked)
            if np.abs(limited - pumped).max(initial=0.0) <= 1e-12:
                break
            pumped = limited
            point = engine.operate(circuit, np.hstack([sources, pumped]))
        return point

    def _tables(self, seconds: float) -> tuple[Circuit, Circuit]:
        """The circuit on the table at a time, and the one whose outputs are held."""
        if self._circuits is None or self._circuits[0] != seconds:
            degrees = self.parts.temperature(seconds)
            if self._warm is None or self._warm[0] != degrees:
                board = self.parts.board
                board = board if degrees == board.temperature else replace(board, temperature=degrees)
                self._warm = degrees, board, with_clamps(board)
            values = self.parts.conductances(self._codes, seconds)
            values.flags.writeable = False
            free, clamped = (each.with_conductances(values) for each in self._warm[1:])
            self._circuits = seconds, free, clamped
        return self._circuits[1:]


def _demand(what: str, codes: Ints, converter: Converter) -> None:
    if codes.size and not (codes.min() >= converter.first and codes.max() <= converter.last):
        raise InputError(
            f"a {what} of code {int(codes.max())} is beyond {converter.first} … {converter.last}",
            "give codes of the converter",
        )
