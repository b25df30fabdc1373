"""The twin: a bench that is computed, imperfection by imperfection, with an exact engine underneath."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.circuit.capacitance import toned
from diodeq.circuit.nudges import with_clamps
from diodeq.devices.one_ports import OnePorts, one_ports
from diodeq.errors import InputError, SimulationError
from diodeq.printable import counted
from diodeq.simulators.base import OperatingPoint, Simulator
from diodeq.simulators.bench.body import Ints
from diodeq.simulators.bench.channels import Channels
from diodeq.simulators.bench.codes import Converter
from diodeq.simulators.bench.description import Description
from diodeq.simulators.bench.imperfect import Imperfect
from diodeq.simulators.bench.settling import charged, unsettled
from diodeq.simulators.wave import WaveSimulator

Floats = NDArray[np.float64]
Rows = NDArray[np.bool_]
Make = Callable[[], Simulator]
LIMITED = 60
FINE = 1e-12
"""Rounds in which what pumps give and what stands against it find each other, and the amperes by which they may miss"""


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
        self._warm: tuple[float, Circuit, Circuit, OnePorts] | None = None

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
        if holds is not None:
            _demand("hold", holds, at.holds, len(at.circuit.outputs))

        def settled(rows: Rows, seconds: float) -> Floats:
            return self._settled(drives[rows], injections[rows], None if holds is None else holds[rows], seconds)

        return self._measured(drives, injections, settled)

    def tone(self, drives: Ints, injections: Ints, millihertz: int) -> Ints:
        """What is in phase with a tone at the channels, int64[B, n_reads]: of the circuit linearized where it is
        without, with the capacitances that also make it settle, and with detectors (``Imperfect.read``). Nothing limits
        what pumps give, and everything has swung in.

        Raises:
            InputError: a code is out of range, or the frequency is none.
        """
        if millihertz < 1:
            raise InputError(f"a tone of {millihertz} millihertz is none", "give at least 1")
        hertz = 1e-3 * millihertz

        def in_phase(rows: Rows, seconds: float) -> Floats:
            return self._toned(drives[rows], injections[rows], hertz, seconds)

        return self._measured(drives, injections, in_phase, detected=True)

    def _measured(
        self, drives: Ints, injections: Ints, volts: Callable[[Rows, float], Floats], detected: bool = False
    ) -> Ints:
        """The codes of ``volts(rows, seconds)``, tick by tick."""
        at = self.channels
        _demand("drive", drives, at.drives, len(at.circuit.inputs))
        _demand("injection", injections, at.injections, len(at.pumps))
        numbers = self.readings + np.arange(len(drives))
        tick = self.parts.tick
        ticks = np.floor(numbers * at.seconds / tick) if np.isfinite(tick) else np.zeros(len(numbers))
        found = np.empty((len(drives), len(at.read)), np.int64)
        for each in np.unique(ticks).tolist():
            rows = ticks == each
            seconds = each * tick if each else 0.0
            found[rows] = self.parts.read(volts(rows, seconds), numbers[rows], seconds, detected)
        self.readings += len(drives)
        return found

    def demand_holds(self) -> None:
        """It can."""

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
            volts = volts[:-1] + (volts[-1] - volts[:-1]) * self._unsettled(point)[:-1]
        return np.asarray(volts[where.ravel()])

    def _unsettled(self, point: OperatingPoint) -> Floats:
        """The part of a step that is left, [B, n_reads]."""
        return unsettled(point, self.channels, None if self._warm is None else self._warm[3])[0]

    def _toned(self, drives: Ints, injections: Ints, hertz: float, seconds: float) -> Floats:
        """Volts [B, n_reads] in phase with a tone, of rows that may repeat."""
        rows, where = np.unique(drives, axis=0, return_inverse=True)
        circuit, _ = self._tables(seconds)
        always = self.parts.pumped(np.zeros((1, injections.shape[1]), np.int64))
        point = self._limited(self._free, circuit, self.parts.sources(rows), np.repeat(always, len(rows), axis=0))
        at, where = self.channels, where.ravel()
        amperes = np.zeros((len(drives), len(circuit.nodes)))
        amperes[:, at.free] = self.parts.pumped(injections) - always
        volts, frozen = point.node_voltages[where], point.diode_conductances[where]
        return toned(circuit, volts, frozen, amperes, charged(circuit, at), hertz)[:, at.read]

    def _limited(self, engine: Simulator, circuit: Circuit, sources: Floats, pumped: Floats) -> OperatingPoint:
        """Where the circuit settles with pumps that reach no further than their compliance."""
        own, free = self.channels.description.injections, self.channels.free
        point = engine.operate(circuit, np.hstack([sources, pumped]))
        reach = self.parts.pumps / own.ohms
        if not np.isfinite(own.compliance) or not reach.any():
            return point

        def possible(asked: Floats, volts: Floats, ohms: Floats) -> Floats:
            """Of currents; ``ohms`` and what flows there already are what ``volts`` would be without."""
            low, high = ((side * own.compliance - volts) * reach / (1.0 + ohms * reach) for side in (-1.0, 1.0))
            return np.where(reach > 0.0, np.clip(asked, np.minimum(low, 0.0), np.maximum(high, 0.0)), asked)

        # Newton's method for the current that each pump and its node agree on, the node's ohms by the secant; a row
        # that has found its own is not touched again.
        volts, zero = point.node_voltages[:, free], np.zeros_like(pumped)
        left = np.flatnonzero((np.abs(possible(pumped, volts, zero) - pumped) > FINE).any(axis=1))
        if not len(left):
            return point
        found, last, before = pumped.copy(), pumped[left], volts[left]
        now, ohms = np.where(possible(last, before, zero[left]) == last, last, 0.0), zero[left]
        for _ in range(LIMITED):
            volts = engine.operate(circuit, np.hstack([sources[left], now])).node_voltages[:, free]
            rise = np.divide(volts - before, now - last, out=ohms.copy(), where=now != last)
            ohms = np.maximum(rise, 0.1 * ohms)
            wanted = possible(pumped[left], volts, np.zeros_like(now))
            going = (np.abs(wanted - now) > FINE * (1.0 + ohms * reach)).any(axis=1)
            found[left[~going]] = now[~going]
            if not going.any():
                return engine.operate(circuit, np.hstack([sources, found]))
            left, last, before, ohms = left[going], now[going], volts[going], ohms[going]
            now = possible(pumped[left], before - ohms * last, ohms)
        raise SimulationError(
            f"what the pumps of the bench {self.channels.description.name} give beyond their compliance is not found",
            "ask for smaller currents, or leave injections.compliance out",
        )

    def _tables(self, seconds: float) -> tuple[Circuit, Circuit]:
        """The circuit on the table at a time, and the one whose outputs are held."""
        if self._circuits is None or self._circuits[0] != seconds:
            degrees = self.parts.temperature(seconds)
            if self._warm is None or self._warm[0] != degrees:
                board = self.parts.board
                board = board if degrees == board.temperature else replace(board, temperature=degrees)
                ports = one_ports(board.models, board.diodes.values, degrees)
                self._warm = degrees, board, with_clamps(board), ports
            values = self.parts.conductances(self._codes, seconds)
            values.flags.writeable = False
            free, clamped = (each.with_conductances(values) for each in self._warm[1:3])
            self._circuits = seconds, free, clamped
        return self._circuits[1:]


def _demand(what: str, codes: Ints, converter: Converter, count: int) -> None:
    if np.shape(codes)[1:] != (count,):
        raise InputError(
            f"a row of codes of shape {np.shape(codes)[1:]} is given for {counted(count, what)}", "give one each"
        )
    if codes.size and not (codes.min() >= converter.first and codes.max() <= converter.last):
        raise InputError(
            f"a {what} of code {int(codes.max())} is beyond {converter.first} … {converter.last}",
            "give codes of the converter",
        )
