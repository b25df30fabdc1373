"""What a bench should read if it is as it is believed to be, and how each reading changes with each belief."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit.equations import EquationsPlan
from diodeq.circuit.one_ports import laws_of
from diodeq.errors import InputError, UsageError
from diodeq.simulators.base import OperatingPoint, Simulator
from diodeq.simulators.bench.belief import Belief
from diodeq.simulators.bench.body import Ints
from diodeq.simulators.bench.channels import Channels
from diodeq.simulators.bench.settling import unsettled
from diodeq.simulators.wave import WaveSimulator

Floats = NDArray[np.float64]
NUDGE = 1e-4
"""By which logarithms of the diodes' parameters are moved for a difference"""


@dataclass(frozen=True, eq=False)
class Setting:
    """Rows of readings with the taps at ``taps`` int64[n_taps]: codes of drives and pumps [B, n], the volts as read
    [B, n_reads], and which of them count."""

    taps: Ints
    drives: Ints
    pumps: Ints
    volts: Floats
    counts: NDArray[np.bool_]


def predicted(engine: Simulator, belief: Belief, taps: Ints, drives: Ints, pumps: Ints) -> Floats:
    """What the channels should show, volts [B, n_reads]."""
    point, early = settled(engine, belief, taps, drives, pumps)
    volts = point.node_voltages[:, belief.channels.read]
    if early:
        volts = volts[:-1] + (volts[-1] - volts[:-1]) * unsettled(point, belief.channels)[0][:-1]
    return belief.shown(volts)


def sensitivities(
    engine: Simulator, belief: Belief, at: Setting, slopes: Slopes | None = None, plan: EquationsPlan | None = None
) -> tuple[Floats, dict[str, Floats]]:
    """What the channels should show [B, n_reads], and its derivatives [B, n_reads, n] by the values of a belief.

    One matrix a row, that of the circuit linearized where it rests (``circuit.equations``); its inverse has what a
    current into any node and a volt of any source change, and with branch voltages what every conductance does.
    ``slopes`` of the belief and the ``plan`` of its board's equations are made where they are not given.
    """
    channels = belief.channels
    point, early = settled(engine, belief, at.taps, at.drives, at.pumps)
    board, volts = point.circuit, point.node_voltages
    plan = plan or EquationsPlan.of(board)
    ports, ends = plan.ports.toarray(), board.resistors.terminals
    whole = plan.fill(board).matrix.toarray() + np.einsum(
        "dn,bd,dm->bnm", ports, point.diode_conductances, ports, optimize=True
    )
    inverse = np.linalg.inv(whole)[:, channels.read - 1, :]
    by_siemens = -_across(inverse, ends) * _branch(volts, ends)
    drives, pumps = begun(early, at.drives, at.pumps)
    found = _of_channels(belief, drives, pumps, inverse @ plan.drives.toarray())
    if len(board.diodes):
        through = -np.einsum("brn,dn->brd", inverse, ports)
        by_saturation, by_emission = (slopes or Slopes(belief))(_branch(volts, board.diodes.terminals)[:, 0])
        found["saturations"] = through * by_saturation[:, None, :]
        found["emissions"] = through * by_emission[:, None, :]
    read = volts[:, channels.read]
    if early:
        left, falling = (each[:-1, :, None] for each in unsettled(point, channels))
        found = {name: each[:-1] + left * (each[-1] - each[:-1]) for name, each in found.items()}
        by_siemens = by_siemens[:-1] + left * (by_siemens[-1] - by_siemens[:-1])
        touched = (ends[None, :, :] == channels.read[:, None, None]).any(axis=2)
        rest = read[-1] - read[:-1]
        by_siemens -= rest[:, :, None] * falling * touched
        read = read[:-1] + rest * left[:, :, 0]
    found |= _of_resistors(belief, at.taps, by_siemens)
    mixing = belief.mixing * (1.0 + belief.values["read_gains"])[:, None]
    found = {name: np.einsum("rs,bsn->brn", mixing, each) for name, each in found.items()}
    reads = len(channels.read)
    found["read_offsets"] = np.broadcast_to(np.eye(reads), (len(read), reads, reads))
    found["read_gains"] = (read @ belief.mixing.T)[:, :, None] * np.eye(reads)
    return belief.shown(read), found


def settled(engine: Simulator, belief: Belief, taps: Ints, drives: Ints, pumps: Ints) -> tuple[OperatingPoint, bool]:
    """Where the board settles, and whether it is read before: then the state at rest, from where each row begins, is
    one row more."""
    early = belief.channels.description.settling.seconds > 0.0
    drives, pumps = begun(early, drives, pumps)
    board = belief.board.with_conductances(belief.conductances(taps))
    return engine.operate(board, np.hstack([belief.sources(drives), belief.pumped(pumps)])), early


def begun(early: bool, *codes: Ints) -> tuple[Ints, ...]:
    return tuple(np.vstack([each, np.zeros((int(early), each.shape[1]), np.int64)]) for each in codes)


def _of_channels(belief: Belief, drives: Ints, pumps: Ints, by_source: Floats) -> dict[str, Floats]:
    """By what channels deviate, at codes of drives and pumps."""
    channels, values = belief.channels, belief.values
    constant, gains = belief.nominal_sources
    sources = by_source[:, :, : len(constant)]
    amperes = by_source[:, :, len(constant) :]
    follows = gains * (1.0 + values["complements"])[:, None]
    decoded = channels.drives.decode(drives)
    asked = decoded * (1.0 + values["drive_gains"]) + values["drive_offsets"]
    by_drive = sources @ follows
    pushed, signs = channels.injections.decode(pumps), np.array([1.0, -1.0])
    by_pump = [sign * (amperes @ side.T) * pushed[:, None, :] for sign, side in zip(signs, belief.joined, strict=True)]
    none = np.zeros((*by_source.shape[:2], 0))
    return {
        "drive_offsets": by_drive,
        "drive_gains": by_drive * decoded[:, None, :],
        "rails": sources * constant,
        "complements": sources * (asked @ gains.T)[:, None, :],
        "pump_gains": np.concatenate(by_pump, axis=2),
        "leaks": amperes,
        "saturations": none,
        "emissions": none,
    }


def _of_resistors(belief: Belief, taps: Ints, by_siemens: Floats) -> dict[str, Floats]:
    circuit, own = belief.channels.circuit, belief.channels.taps
    track, wiper = own.parts(taps)
    by_ohm = -by_siemens[:, :, circuit.mask] / belief.ohms(taps) ** 2
    chosen = by_ohm[:, :, belief.taps] * (taps[belief.taps] == belief.codes)
    still = ~circuit.mask
    by_share = -by_siemens[:, :, still] * circuit.conductances[still] / (1.0 + belief.values["fixed"]) ** 2
    return {"tracks": by_ohm * track, "ends": by_ohm * (own.taps.series + wiper), "fixed": by_share, "ohms": chosen}


class Expected:
    """A ``Body`` that reads what is believed, without noise: what a bench is compared with that has been calibrated."""

    def __init__(self, channels: Channels) -> None:
        self._belief, self._engine = Belief.of(channels, channels.description.calibrated), WaveSimulator(workers=1)
        self._taps = channels.taps.encode(np.full(channels.counts["taps"], channels.taps.ends[0]))

    @property
    def identity(self) -> str:
        """Whose."""
        return f"what is believed of {self._belief.channels.description.name}"

    def set_taps(self, codes: Ints) -> None:
        """Set every programmable resistor, int64[n_taps]."""
        if np.shape(codes) != self._taps.shape or not ((codes >= 0) & (codes < self._belief.channels.taps.count)).all():
            raise InputError("its taps are not those of this bench", "give the description of the session")
        self._taps = np.array(codes, np.int64)

    def taps(self) -> Ints:
        """The codes, int64[n_taps]."""
        return self._taps.copy()

    def read(self, drives: Ints, injections: Ints, holds: Ints | None = None) -> Ints:
        """What the channels should read, int64[B, n_reads]; raises ``UsageError`` where outputs are held."""
        if holds is not None:
            self.demand_holds()
        shown = predicted(self._engine, self._belief, self._taps, drives, injections)
        return self._belief.channels.reads.sampled(shown)

    def tone(self, drives: Ints, injections: Ints, millihertz: int) -> Ints:
        """Raises ``UsageError``: a calibration knows nothing of capacitances."""
        raise UsageError("it has tones, of which a calibration knows nothing", "leave [calibrated] out")

    def demand_holds(self) -> None:
        """Raises ``UsageError``."""
        raise UsageError("its outputs are held, of which a calibration knows nothing", "leave [calibrated] out")

    def rest(self) -> None:
        """It rests."""

    def close(self) -> None:
        """It has nothing."""


class Slopes:
    """How the currents of a belief's diodes change with the logarithms of their parameters, by central differences."""

    def __init__(self, belief: Belief) -> None:
        circuit = belief.channels.circuit
        self._laws = [
            [laws_of(belief.with_diodes(circuit, *(sign * NUDGE * which).tolist())) for sign in (1.0, -1.0)]
            for which in np.eye(2)
        ]

    def __call__(self, across: Floats) -> tuple[Floats, Floats]:
        """By saturation currents and by emission coefficients, at voltages [B, n_diodes]."""
        first, second = (
            np.asarray((up.current(across) - down.current(across)) / (2.0 * NUDGE)) for up, down in self._laws
        )
        return first, second


def _across(inverse: Floats, ends: NDArray[np.int32]) -> Floats:
    """What a current along each of the parts changes, [B, n_reads, n]."""
    padded = np.concatenate([np.zeros((*inverse.shape[:2], 1)), inverse], axis=2)
    return np.asarray(padded[:, :, ends[:, 0]] - padded[:, :, ends[:, 1]])


def _branch(volts: Floats, ends: NDArray[np.int32]) -> Floats:
    return np.asarray((volts[:, ends[:, 0]] - volts[:, ends[:, 1]])[:, None, :])


def moved(belief: Belief, steps: dict[str, Floats]) -> Belief:
    """The belief with steps added; what would turn a sign round stops before."""
    values = {name: each + steps.get(name, 0.0) for name, each in belief.values.items()}
    for name in ("read_gains", "drive_gains", "rails", "complements", "pump_gains", "tracks", "ends", "fixed"):
        values[name] = np.maximum(values[name], -0.95)
    for name in ("saturations", "emissions"):
        values[name] = np.clip(values[name], -10.0, 10.0)
    return replace(belief, values=values)
