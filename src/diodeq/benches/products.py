"""Derivatives of readings by all that a bench may deviate by, times vectors, without ever being written down.

A change of every conductance is a current into every node, and what a current into a node changes is the inverse of the
linearized circuit; so a product costs what a settling costs, however many resistors there are, and so does one with the
transpose.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from diodeq.benches.model import Setting, Slopes, begun, settled
from diodeq.circuit import Circuit
from diodeq.circuit.equations import incidence
from diodeq.circuit.fold import FoldPlan
from diodeq.circuit.kinds import KINDS
from diodeq.errors import InputError
from diodeq.simulators.base import Simulator
from diodeq.simulators.bench.belief import Belief
from diodeq.simulators.bench.settling import unsettled

Floats = NDArray[np.float64]
Values = Mapping[str, Floats]
MEMORY = 8e9
"""Bytes, at most"""


def demand_products(belief: Belief, rows: int) -> None:
    """Raises ``InputError`` where products of a board cannot be had, or of so many rows take too much memory."""
    wiring = BoardWiring(belief)
    size = 4 * rows * len(belief.channels.read) * len(wiring.free)
    if size > MEMORY:
        raise InputError(
            f"circuit {belief.board.title!r} with {rows} readings of each node takes {size / 1e9:.0f} GB to calibrate",
            "give fewer --codes, or calibrate a smaller circuit",
        )


class BoardWiring:
    """What all settings of a board have in common: where its parts are."""

    def __init__(self, belief: Belief) -> None:
        board, channels = belief.board, belief.channels
        self.nodes = len(board.nodes)
        self.free = channels.free
        a, b = board.resistors.terminals.astype(np.intp).T
        self.ends = a, b
        self._entries = np.concatenate([each * self.nodes + other for each, other in ((a, a), (b, b), (a, b), (b, a))])
        fold = FoldPlan.of(board)
        if not _plain(board) or len(fold.floating):
            raise InputError(
                f"circuit {board.title!r} has more than resistors, diodes and grounded sources, and too much is to be"
                " found for it",
                "give fewer --codes, or calibrate a smaller circuit",
            )
        units = np.eye(len(board.inputs))
        self.known: Floats = fold.fold(board).known_voltages(units)
        count = len(board.current_sources)
        self.fed: Floats = np.zeros((len(units), self.nodes))
        self.fed[len(units) - count :] = -incidence(board, "current_sources").toarray().T
        sources = len(belief.nominal_sources[0])
        self.known, self.fed = self.known[:sources], self.fed[:sources]
        self.ports: Floats = incidence(board, "diodes").toarray().T

    def laplacian(self, siemens: Floats) -> Floats:
        """The current out of every node for a volt at every other, [N, N]."""
        weights = np.concatenate([siemens, siemens, -siemens, -siemens])
        found = np.bincount(self._entries, weights, self.nodes**2)
        return np.asarray(found.reshape(self.nodes, self.nodes))

    def at_resistors(self, matrix: Floats) -> Floats:
        """``laplacian`` transposed: what a matrix [N, N] has for every resistor."""
        a, b = self.ends
        return np.asarray(matrix[a, a] + matrix[b, b] - matrix[a, b] - matrix[b, a])

    def touching(self, siemens: Floats) -> Floats:
        """The sum at every node, [N]."""
        a, b = self.ends
        return np.asarray(np.bincount(a, siemens, self.nodes) + np.bincount(b, siemens, self.nodes))


class Products:
    """Of the readings of one setting by the values of a belief, at that belief.

    ``shown`` float64[B, n_reads] is what should be read, ``by(values)`` what changes of it, ``of(readings)`` the
    transpose: what readings float64[B, n_reads] say of each value. ``volts`` [B, N] are those of all nodes, ``inverse``
    float32[B, n_reads, n_free] what a current into a free node changes, of the state at rest too where that counts.
    """

    def __init__(self, engine: Simulator, belief: Belief, at: Setting, wiring: BoardWiring, slopes: Slopes) -> None:
        self._belief, self._at, self._wiring = belief, at, wiring
        channels, values = belief.channels, belief.values
        point, early = settled(engine, belief, at.taps, at.drives, at.pumps)
        self.volts, self._early = point.node_voltages, early
        self._siemens = wiring.laplacian(point.circuit.conductances)
        ports, free = wiring.ports, wiring.free
        self._frozen = point.diode_conductances
        inside = ports[:, free]
        whole = self._siemens[np.ix_(free, free)] + np.einsum(
            "dn,bd,dm->bnm", inside, self._frozen, inside, optimize=True
        )
        places = np.searchsorted(free, channels.read)
        self.inverse = np.linalg.inv(whole)[:, places].astype(np.float32)
        drives, pumps = begun(early, at.drives, at.pumps)
        self._decoded, self._pushed = channels.drives.decode(drives), channels.injections.decode(pumps)
        self._asked = self._decoded * (1.0 + values["drive_gains"]) + values["drive_offsets"]
        self._constant, self._gains = belief.nominal_sources
        self._follows = self._gains * (1.0 + values["complements"])[:, None]
        across = self.volts @ ports.T
        self._slopes = slopes(across) if len(ports) else (across, across)
        read = self.volts[:, channels.read]
        if early:
            self._left, self._falling = (each[:-1] for each in unsettled(point, channels))
            self._rest = read[-1] - read[:-1]
            read = read[:-1] + self._rest * self._left
        self._read = read
        self.shown = belief.shown(read)

    def by(self, values: Values) -> Floats:
        """What changes, [B, n_reads]."""
        wiring, belief = self._wiring, self._belief
        siemens = self._changed(values)
        moved = values["drive_offsets"] + values["drive_gains"] * self._decoded
        shift = (
            self._constant * values["rails"]
            + (self._asked @ self._gains.T) * values["complements"]
            + moved @ self._follows.T
        )
        first, second = values["pump_gains"].reshape(2, -1)
        pumped = (self._pushed * first) @ belief.joined[0] - (self._pushed * second) @ belief.joined[1]
        into = -(self.volts @ wiring.laplacian(siemens))
        known = shift @ wiring.known
        into += shift @ wiring.fed - known @ self._siemens
        through = (known @ wiring.ports.T) * self._frozen
        for slope, name in zip(self._slopes, ("saturations", "emissions"), strict=True):
            through = through + slope * values[name]
        into -= through @ wiring.ports
        currents = into[:, wiring.free] + pumped + values["leaks"]
        found = np.matmul(self.inverse, currents[:, :, None].astype(np.float32))[:, :, 0].astype(np.float64)
        if self._early:
            found = found[:-1] + self._left * (found[-1] - found[:-1])
            found -= self._rest * self._falling * wiring.touching(siemens)[belief.channels.read]
        gains = 1.0 + belief.values["read_gains"]
        own = (self._read @ belief.mixing.T) * values["read_gains"] + values["read_offsets"]
        return np.asarray(found @ belief.mixing.T * gains + own)

    def of(self, readings: Floats) -> dict[str, Floats]:
        """What readings [B, n_reads] say of each value."""
        wiring, belief = self._wiring, self._belief
        moved = (readings * (1.0 + belief.values["read_gains"])) @ belief.mixing
        direct = np.zeros(wiring.nodes)
        if self._early:
            direct[belief.channels.read] = -(moved * self._rest * self._falling).sum(axis=0)
            moved = np.vstack([moved * (1.0 - self._left), (moved * self._left).sum(axis=0)])
        currents = np.matmul(moved[:, None, :].astype(np.float32), self.inverse)[:, 0].astype(np.float64)
        into = np.zeros_like(self.volts)
        into[:, wiring.free] = currents
        a, b = wiring.ends
        siemens = -wiring.at_resistors(into.T @ self.volts) + direct[a] + direct[b]
        through = -into @ wiring.ports.T
        known = -into @ self._siemens + (through * self._frozen) @ wiring.ports
        shift = known @ wiring.known.T + into @ wiring.fed.T
        driven = shift @ self._follows
        pumps = [sign * ((currents @ side.T) * self._pushed) for sign, side in zip((1, -1), belief.joined, strict=True)]
        return {
            "read_offsets": readings.sum(axis=0),
            "read_gains": (readings * (self._read @ belief.mixing.T)).sum(axis=0),
            "drive_offsets": driven.sum(axis=0),
            "drive_gains": (driven * self._decoded).sum(axis=0),
            "rails": shift.sum(axis=0) * self._constant,
            "complements": (shift * (self._asked @ self._gains.T)).sum(axis=0),
            "pump_gains": np.concatenate([each.sum(axis=0) for each in pumps]),
            "leaks": currents.sum(axis=0),
            "saturations": (through * self._slopes[0]).sum(axis=0),
            "emissions": (through * self._slopes[1]).sum(axis=0),
            **self._of_resistors(siemens),
        }

    def _changed(self, values: Values) -> Floats:
        """What all conductances change by."""
        belief, taps = self._belief, self._at.taps
        circuit = belief.channels.circuit
        found, still = np.zeros(len(circuit.resistors)), ~circuit.mask
        found[circuit.mask] = -belief.ohms_by(taps, values) / belief.ohms(taps) ** 2
        found[still] = -circuit.conductances[still] * values["fixed"] / (1.0 + belief.values["fixed"]) ** 2
        return found

    def _of_resistors(self, siemens: Floats) -> dict[str, Floats]:
        belief, taps = self._belief, self._at.taps
        circuit, own = belief.channels.circuit, belief.channels.taps
        track, wiper = own.parts(taps)
        ohms, still = -siemens[circuit.mask] / belief.ohms(taps) ** 2, ~circuit.mask
        chosen = taps[belief.taps] == belief.codes
        return {
            "tracks": ohms * track,
            "ends": ohms * (own.taps.series + wiper),
            "ohms": np.where(chosen, ohms[belief.taps], 0.0),
            "fixed": -siemens[still] * circuit.conductances[still] / (1.0 + belief.values["fixed"]) ** 2,
        }


def _plain(board: Circuit) -> bool:
    usual = {"resistors", "diodes"}
    return all(kind in usual or spec.source or not len(board.bank(kind)) for kind, spec in KINDS.items())
