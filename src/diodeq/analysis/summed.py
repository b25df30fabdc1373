"""How far circuits of summing amplifiers, with and without rectifiers, can be off on any board: unit by unit.

Every amplifier's + input is ground, every resistor ends at a - input s, and the output z is behind feedback. What flows
into s says ``u = s - (sum of G (v - s) - bias) / Gf``, the output without the diode at rest. With both diodes' currents
z is between max(u - leak, rest) and max(u, rest), rest being what is left of z when nothing drives it: no slope of a
loop is needed, whichever side a rectifier is on. Outputs' volts bound the amplifiers' inner nodes, these s. So the
unknowns are the units' outputs, with chords from 0 to 1: first order by each resistor exactly, since each ends at one
s; beyond it, by weights for each output, of which any do. If a box of z and s comes out inside itself, the operating
point that the centre's becomes cannot leave it. That there is no other elsewhere is not said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from diodeq.analysis.box import Box
from diodeq.analysis.figures import Figures
from diodeq.analysis.relaxed import Relaxed
from diodeq.analysis.summing import Index, Summing
from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.devices.one_ports import OnePorts
from diodeq.simulators.base import OperatingPoint

Ends = tuple[Floats, Floats]
TRIES, MORE, SLIGHTLY, STEPS, FURTHER, HALVES = 60, 1.05, 1.01, 4, 16, 60
# Volts of one-ports that are looked at, how a sum may be rounded (of itself, and in volts).
WIDEST, ROUNDING, LEAST = 200.0, 1e-9, 1e-10


@dataclass(frozen=True, eq=False)
class Summed:
    """One sample's box, units' outputs ``z`` [n], and the first order around the centre in it.

    ``chords`` and ``bends`` each have slopes [n], and what outputs are below and above them, [n]: across where a
    rectifier may change sides, and on the centre's side. ``taken`` [n] is what resistors send into each sum at most,
    and ``drift`` [n] what sums' own volts do; ``leak`` [n] is by how much a unit can be below its drive, and ``law``
    [n] where outputs come out.
    """

    of: Frame
    z: Ends
    chords: tuple[Floats, Floats, Floats]
    bends: tuple[Floats, Floats, Floats]
    taken: Floats
    drift: Ends
    leak: Floats
    law: Ends

    def reach(self, rows: Floats, by_drives: bool = False) -> Ends:
        """How far [k] ``rows`` [k, n] times outputs are below and above the centre's at most; with ``by_drives`` the
        rows are times u instead."""
        own = rows if by_drives else np.zeros_like(rows)
        rows = rows @ self.of.coupling if by_drives else rows
        slopes = self.chords[0]
        x = np.asarray(
            np.linalg.solve((np.eye(len(slopes)) - slopes[:, None] * self.of.coupling).T, rows.T).T, np.float64
        )
        plain = np.zeros(x.shape, bool)
        below, above = -self._least(rows, own, x, plain), -self._least(-rows, -own, -x, plain)
        if (slopes != self.bends[0]).any():
            below = np.minimum(below, -self._least(rows, own, *self._bent(rows, x)))
            above = np.minimum(above, -self._least(-rows, -own, *self._bent(-rows, -x)))
        return below, above

    def _bent(self, rows: Floats, x: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Weights [k, n] of units that have bends where they count upwards, and which do."""
        bent = x > 0.0
        slopes = np.where(bent, self.bends[0], self.chords[0])
        matrix = np.eye(rows.shape[1]) - slopes[:, None, :] * self.of.coupling.T
        return np.asarray(np.linalg.solve(matrix, rows[:, :, None])[:, :, 0], np.float64), bent

    def _least(self, rows: Floats, own: Floats, x: Floats, bent: NDArray[np.bool_]) -> Floats:
        """The least of ``rows`` times what outputs are off plus ``own`` times what else u is, by any weights ``x``."""
        frame = self.of
        slopes, low, high = (np.where(bent, a, b) for a, b in zip(self.bends, self.chords, strict=True))
        sent = x * slopes
        rest = rows + sent @ frame.coupling - x
        rounded = ROUNDING * (np.abs(x) + np.abs(rows) + np.abs(sent) @ np.abs(frame.coupling))
        moved = np.maximum(frame.z - self.z[0], self.z[1] - frame.z)
        sent = sent + own
        found = np.abs(sent / frame.siemens) @ self.taken + np.abs(sent @ frame.inputs).sum(axis=1)
        found += (np.abs(rest) + rounded) @ moved
        beyond = (np.maximum(x, 0.0) * low + np.minimum(x, 0.0) * high).sum(axis=1)
        return np.asarray(_times(sent, *self.drift) + beyond - (1.0 + ROUNDING) * found - LEAST)


def _sums(places: Index, values: Floats, count: int) -> Floats:
    """The sums [count] of values at the same place."""
    return np.asarray(np.bincount(places, values, count), np.float64)


def _times(rows: Floats, low: Floats, high: Floats) -> Floats:
    """The least of ``rows`` [k, n] times anything between [n]."""
    return np.asarray(np.maximum(rows, 0.0) @ low + np.minimum(rows, 0.0) @ high)


@dataclass(frozen=True, eq=False)
class Frame:
    """The boards around one sample's operating point: ``z``, ``s``, ``u`` [n] of it, node voltages ``volts`` [N].

    ``coupling`` [n, n] is by how much outputs move each u, ``inputs`` [n, n_in] how far inputs do at most, and
    ``noise`` [n] by how much s does.
    """

    summing: Summing
    figures: Figures
    volts: Floats
    z: Floats
    s: Floats
    u: Floats
    conductances: Floats
    off: Floats
    siemens: Floats
    coupling: Floats
    inputs: Floats
    noise: Floats
    spread: Floats

    @staticmethod
    def of(summing: Summing, circuit: Circuit, box: Box, volts: Floats) -> Frame:
        """Around ``volts`` [N], the operating point of ``circuit``, the box's centre."""
        count, owner, far = len(summing.sums), summing.owner, summing.far
        g = circuit.conductances[summing.resistors]
        off = g * box.of_parts(circuit)[summing.resistors]
        siemens = _sums(owner, g * summing.feedback, count)
        feed = np.where(summing.feedback, 0.0, g)
        z, s = volts[summing.units], volts[summing.sums]
        sent = _sums(owner, feed * (volts[far] - s[owner]), count)
        u = s - (sent - summing.bias) / siemens
        share = sparse.csr_array((-feed / siemens[owner], (owner, far)), (count, len(volts))).toarray()
        each, together = box.sources(circuit)
        alone = np.flatnonzero(each[: len(circuit.voltage_sources)])
        held = sparse.hstack([together, sparse.diags_array(each, format="csc")[:, alone]], format="csr")
        held = held[: len(circuit.voltage_sources)]
        spread = (
            sparse.csr_array(
                (np.ones(held.shape[0]), (circuit.voltage_sources.terminals[:, 0], np.arange(held.shape[0]))),
                (len(volts), held.shape[0]),
            )
            @ held
        )
        noise = 1.0 + _sums(owner, feed, count) / siemens
        wide = np.asarray(abs(spread).sum(axis=1)).ravel()
        figures = Figures.of(summing, box, siemens)
        inputs = share @ spread
        return Frame(summing, figures, volts, z, s, u, g, off, siemens, share[:, summing.units], inputs, noise, wide)

    def units(self, z: Ends, s: Ends, u: Ends) -> tuple[Summed, Ends, Ends] | None:
        """From a box of outputs, - inputs and drives: what is known of them, and where outputs and - inputs come
        out; None where an amplifier's output is not bounded."""
        summing, count = self.summing, len(self.z)
        owner, far, some = summing.owner, summing.far, summing.rectified
        low, high = self.volts - self.spread, self.volts + self.spread
        low[summing.units], high[summing.units] = z
        across = low[far] - s[1][owner], high[far] - s[0][owner]
        through = self.off * np.maximum(-across[0], across[1])
        drift = (
            self.noise * (s[0] - self.s) + self.figures.biases[0],
            self.noise * (s[1] - self.s) + self.figures.biases[1],
        )
        # The loads of units: feedback and whatever hangs on their nodes; and what is left without a drive.
        at = np.full(len(self.volts), -1)
        at[summing.units] = np.arange(count)
        load, small, large = at[far], self.conductances - self.off, self.conductances + self.off
        loads = load >= 0
        amperes = [
            _sums(load[loads], np.where((each > 0.0) == up, large, small)[loads] * each[loads], count)
            for each, up in zip(across, (False, True), strict=True)
        ]
        rest = np.full(count, np.inf), np.full(count, -np.inf)
        np.minimum.at(rest[0], load[loads], s[0][owner[loads]])
        np.maximum.at(rest[1], load[loads], s[1][owner[loads]])
        new_z, leaks = (u[0].copy(), u[1].copy()), np.zeros(count)
        chords, bends = ((np.ones(count), self.u - self.z, self.u - self.z) for _ in range(2))
        o, drawn = (z[0].copy(), z[1].copy()), (amperes[0].copy(), amperes[1].copy())
        if some.any():
            first, second = summing.diodes
            own = _sums(owner, self.off * summing.feedback, count)
            zl, zh, sl, sh, ul, uh = (each[some] for each in (*z, *s, *u))
            most, least = (self.siemens + own)[some], (self.siemens - own)[some]
            drivers = zh + _volts(first, amperes[1][some], True)
            if not np.isfinite(drivers).all():
                return None
            resting = np.maximum(rest[1][some], sh)
            away = np.minimum(second.current(sl - drivers), 0.0)
            into = most * np.maximum(resting - ul, 0.0)
            lowest = sl - _volts(second, into, True)
            lowest = np.maximum(lowest, zl + _volts(first, amperes[0][some], False))
            if not np.isfinite(lowest).all():
                return None
            back = np.minimum(first.current(lowest - zh), 0.0)
            leak = leaks[some] = -away / least
            hang = _sums(load[loads], small[loads], count)[some]
            floor = np.minimum(rest[0][some], sl) + back / hang
            o[0][some], o[1][some] = lowest, drivers
            drawn[0][some] -= into
            drawn[1][some] -= away
            new_z[0][some], new_z[1][some] = np.maximum(ul - leak, floor), np.maximum(uh, resting)
            with np.errstate(divide="ignore", invalid="ignore"):
                chord = np.nan_to_num((new_z[1][some] - np.maximum(ul, resting)) / (uh - ul))
            chord = np.where(ul >= resting, 1.0, np.where(uh <= resting, 0.0, np.clip(chord, 0.0, 1.0)))
            side = np.where((ul < resting) & (uh > resting), self.u[some] > resting, chord)
            for whole, each in ((chords, chord), (bends, side)):
                beyond = _beyond(each, (ul, uh), self.u[some], self.z[some], leak, floor, resting)
                for held, fresh in zip(whole, (each, *beyond), strict=True):
                    held[some] = fresh
        c = o[0].copy(), o[1].copy()
        behind, law = summing.behind
        c[0][behind] += _volts(law, drawn[0][behind], False)
        c[1][behind] += _volts(law, drawn[1][behind], True)
        ends = [np.nan_to_num(each, nan=WIDEST, posinf=WIDEST, neginf=-WIDEST) for each in c]
        new_s = self.figures.sums(*(self._inner(each, sign) for each, sign in zip(ends, (1.0, -1.0), strict=True)))
        return Summed(self, z, chords, bends, _sums(owner, through, count), drift, leaks, new_z), new_z, new_s

    def _inner(self, b: Floats, sign: float) -> Floats:
        """The amplified difference [n] that leaves b within the swing, at least (``sign`` 1) or at most (-1)."""
        summing = self.summing
        high, low = summing.clamps
        rails = [rail + sign * self.figures.supply * np.abs(rail) for rail in summing.rails]
        current = high.current(b - rails[0]) - low.current(rails[1] - b)
        return np.asarray(b + summing.ohms * current)


def _beyond(slopes: Floats, ends: Ends, u: Floats, z: Floats, leak: Floats, floor: Floats, top: Floats) -> Ends:
    """How far what is between max(u - leak, floor) and max(u, top) is below and above lines through the centre."""
    low, high = ends
    most = [np.maximum(each, top) - z - slopes * (each - u) for each in (low, high)]
    kink = np.clip(floor + leak, low, high)
    least = [np.maximum(each - leak, floor) - z - slopes * (each - u) for each in (low, kink, high)]
    return np.min(least, axis=0), np.max(most, axis=0)


def _volts(law: OnePorts, amperes: Floats, above: bool) -> Floats:
    """Volts [n] at which at least (``above``) or at most so many amperes flow, from either side by halving."""
    low, high = np.full(len(amperes), -WIDEST), np.full(len(amperes), WIDEST)
    for _ in range(HALVES):
        middle = 0.5 * (low + high)
        over = law.current(middle) >= amperes
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    return np.where(np.abs(high) >= WIDEST, np.inf, high) if above else np.where(low <= -WIDEST, -np.inf, low)


@dataclass(frozen=True, eq=False)
class Inside:
    """One sample's box that all boards are in, and what is known of them there: ``relaxed`` where units may change
    sides."""

    found: Summed
    relaxed: Relaxed | None

    @staticmethod
    def of(frame: Frame, z: Ends, s: Ends, u: Ends) -> tuple[Inside, Ends, Ends, Ends] | None:
        """From a box of outputs, - inputs and drives, and where these come out; None where it is not bounded."""
        with np.errstate(over="ignore", invalid="ignore"):
            units = frame.units(z, s, u)
        if units is None:
            return None
        found, new_z, new_s = units
        if not all(np.isfinite(each).all() for each in (*new_z, *new_s, *found.chords, *found.bends)):
            return None
        below, above = found.reach(np.eye(len(frame.z)), by_drives=True)
        relaxed, chord = None, found.chords[0]
        if (chord != found.bends[0]).any():
            relaxed = Relaxed.of(found, s)
            open_ = np.flatnonzero((chord > 0.0) & (chord < 1.0))
            low, high = relaxed.driven(open_)
            below[open_], above[open_] = np.minimum(below[open_], low), np.minimum(above[open_], high)
        return Inside(found, relaxed), new_z, new_s, (frame.u - below, frame.u + above)

    def reach(self, rows: Floats) -> Floats:
        """How far [k] ``rows`` [k, n] times outputs are off the centre's at most."""
        found = self.found.reach(rows)
        if self.relaxed is None:
            return np.maximum(*found)
        return np.maximum(*(np.minimum(a, b) for a, b in zip(found, self.relaxed.reach(rows), strict=True)))


def units_within(frame: Frame) -> Inside | None:
    """A box that comes out within itself, made narrower; None where none is found."""
    centres = (frame.z, frame.s, frame.u)
    z, s, u = ((each - LEAST, each + LEAST) for each in centres)
    proved, careful, before = 0, False, None
    for _ in range(TRIES):
        made = Inside.of(frame, z, s, u)
        if made is None or max(np.abs(made[2][0]).max(), np.abs(made[2][1]).max()) > WIDEST:
            # Beyond the swing: less far than before, if that is why.
            if careful or before is None:
                return None
            careful, (z, s, u) = True, before
            continue
        inside, *new = made
        inner = all((a[0] >= b[0]).all() and (a[1] <= b[1]).all() for a, b in zip(new, (z, s, u), strict=True))
        if inner or proved:
            proved += 1
            width = (z[1] - z[0]).sum()
            z, s, u = ((np.maximum(a[0], b[0]), np.minimum(a[1], b[1])) for a, b in zip(new, (z, s, u), strict=True))
            # Without what may change sides a few steps are all that helps.
            slow = inside.relaxed is None or (z[1] - z[0]).sum() > width / SLIGHTLY
            if proved > STEPS and (slow or proved > FURTHER):
                made = Inside.of(frame, z, s, u)
                return None if made is None else made[0]
            continue
        # Where units change sides boxes grow slowly for long: as far again, and by less beyond it.
        more, again = (MORE, 0.0) if inside.relaxed is None else (SLIGHTLY, 0.0 if careful else 1.0)
        before = z, s, u
        z, s, u = (
            (
                np.minimum(c - more * (c - a[0]), b[0]) - again * np.maximum(b[0] - a[0], 0.0) - LEAST,
                np.maximum(c + more * (a[1] - c), b[1]) + again * np.maximum(a[1] - b[1], 0.0) + LEAST,
            )
            for c, a, b in zip(centres, new, (z, s, u), strict=True)
        )
        if max(np.abs(z[0]).max(), np.abs(z[1]).max()) > WIDEST:
            return None
    return None


def reach_of_units(
    summing: Summing, box: Box, point: OperatingPoint, samples: slice, rows: Floats
) -> tuple[Floats, NDArray[np.bool_]]:
    """The volts float64[b, k] by which ``rows`` float64[b, k, N], which meet nothing but units and sources, may be off
    the centre's on any board, infinite without a box, and which samples have one."""
    volts = point.node_voltages[samples]
    found = np.full(rows.shape[:2], np.inf)
    for number, each in enumerate(volts):
        inner = units_within(Frame.of(summing, point.circuit, box, each))
        if inner is not None:
            others = rows[number].copy()
            others[:, summing.units] = 0.0
            found[number] = inner.reach(rows[number][:, summing.units])
            found[number] += np.where(np.abs(others[:, 1:]).sum(axis=1) > 0.0, np.inf, 0.0)
    return found, np.isfinite(found).all(axis=1)
