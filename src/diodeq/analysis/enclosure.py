"""Where the operating point of every board lies whose parts are within their tolerances: bounds that are proved.

Each node by itself, by comparison. Let ``F_i(v)`` be the least current that can leave node i on any board, each
resistor choosing its conductance and each one-port its temperature for that node alone. Every term grows with ``v_i``
less the voltage at its other end. So if ``F(x) ≤ 0 ≤ F(y)`` then ``x ≤ y``: at the nodes where ``x - y`` is largest and
positive no term of F(x) is less than that of F(y), and where such a node has another neighbour one is more. Every
board's voltages are such an x; what is found with ``F ≥ 0`` is above all of them (and likewise below). This is the
discrete maximum principle (M-functions: Ortega & Rheinboldt, Iterative Solution of Nonlinear Equations in Several
Variables, 1970, chapter 13); it asks for resistors, sources and one-ports whose laws never fall.

Combinations of nodes, such as differences of outputs, by the mean value form. With c the operating point of the board
in the middle, D the chords of the one-ports and any row x, ``r (v - c) = (r - x (A + D₀)) (v - c) - x (δA v + (D - D₀)
(v - c) + F(c))``. With ``x = r (A + D₀)⁻¹`` the first term goes, and the next is first order: x is the adjoint solution
that hardware linearization reads, its products with branch voltages are the derivatives by every conductance. D₀ is
the middle of all chords that the bounds of the nodes allow.

Sums are rounded to nearest; each bound is widened by ``ROUNDING`` of what it sums and by what the engine promises.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.circuit.flows import kinds_of
from diodeq.circuit.graph import driven_nodes
from diodeq.circuit.one_ports import one_port_ends, one_port_models
from diodeq.circuit.proof import attainable
from diodeq.devices.one_ports import OnePorts, one_ports
from diodeq.errors import InputError
from diodeq.simulators.base import OperatingPoint

Index = NDArray[np.intp]

ROUNDING = 1e-12
# Newton's steps towards a node's bound, and the volts that one of them may take at most.
STEPS, STRIDE = 80, 0.3
# Siemens that stand for a chord without bound.
STEEPEST = 1e9


@dataclass(frozen=True)
class Box:
    """The boards that may come: resistances within ± ``tolerance`` of what is drawn, constant sources within ±
    ``supply`` of theirs (shares), temperatures from ``cold`` to ``hot`` °C."""

    tolerance: float
    supply: float = 0.0
    cold: float = 27.0
    hot: float = 27.0

    def centre(self, circuit: Circuit) -> Circuit:
        """The board in the middle of them: conductances are from ``G / (1 + t)`` to ``G / (1 - t)``."""
        middle = circuit.with_conductances(circuit.conductances / (1.0 - self.tolerance**2))
        return replace(middle, temperature=0.5 * (self.cold + self.hot))


@dataclass(frozen=True, eq=False)
class Passive:
    """A circuit of resistors, one-ports and sources as its free nodes see it.

    ``place`` int[N] numbers the free nodes, ``len(free)`` for those that sources hold. ``resistors`` and ``ports`` are
    those that a free node has, ``ends`` and ``port_ends`` int[n, 2] their nodes, ``models`` what the one-ports follow.
    ``constant`` float64[N] has the volts of nodes that a constant source holds, 0 elsewhere.
    """

    free: Index
    place: Index
    resistors: Index
    ends: Index
    ports: Index
    port_ends: Index
    models: Index
    constant: Floats

    @staticmethod
    def of(circuit: Circuit) -> Passive:
        """Of a sound circuit.

        Raises:
            InputError: it has parts that are neither resistors, one-ports nor sources that are tied to ground.
        """
        for kind, spec in kinds_of(circuit).items():
            if not (kind == "resistors" or spec.nonlinear or spec.source):
                raise InputError(
                    f"circuit {circuit.title!r} has {kind}, whose boards are not bounded node by node",
                    "certify a circuit of resistors, diodes and sources, as `diodeq train` makes them",
                )
        held = driven_nodes(circuit)
        if not held[circuit.voltage_sources.terminals].all():
            raise InputError(
                f"circuit {circuit.title!r} has a voltage source between nodes that nothing holds",
                "tie its voltage sources to ground",
            )
        free = np.flatnonzero(~held)
        place = np.full(len(held), len(free))
        place[free] = np.arange(len(free))
        resistors, ports = (_moving(held, ends) for ends in (circuit.resistors.terminals, one_port_ends(circuit)))
        return Passive(
            free,
            place,
            resistors,
            circuit.resistors.terminals[resistors],
            ports,
            one_port_ends(circuit)[ports],
            one_port_models(circuit)[ports],
            _constants(circuit),
        )

    def enclose(self, box: Box, point: OperatingPoint, sample: int) -> Enclosure:
        """Where every board's nodes lie for one sample, from the operating point of ``box.centre``."""
        circuit, volts = point.circuit, point.node_voltages[sample]
        middle = circuit.conductances[self.resistors]
        board = Boards(
            self,
            volts,
            box.supply * np.abs(self.constant),
            (1.0 - box.tolerance) * middle,
            (1.0 + box.tolerance) * middle,
            tuple(one_ports(circuit.models, self.models, t) for t in dict.fromkeys((box.cold, box.hot))),
        )
        below, above = (board.bound(sign) for sign in (-1.0, 1.0))
        slack = float(attainable(volts[None])[0])
        frozen = one_ports(circuit.models, self.models, circuit.temperature)
        return Enclosure(board, below, above, middle, box.tolerance, frozen, slack)


@dataclass(frozen=True, eq=False)
class Boards:
    """All boards for one sample: voltages ``volts`` [N] at the centre, held nodes within ± ``supply`` [N] of them,
    conductances from ``least`` to ``most`` [n], and the laws at the least and the highest temperature."""

    passive: Passive
    volts: Floats
    supply: Floats
    least: Floats
    most: Floats
    laws: tuple[OnePorts, ...]

    def bound(self, sign: float) -> Floats:
        """Volts [N] above (``sign`` 1) or below (-1) those of every board, infinite where none were found."""
        passive, count = self.passive, len(self.passive.free)
        v = sign * self.volts + self.supply
        for _ in range(STEPS):
            leaving, slopes, met = self._least_leaving(sign, v)
            allowed = 16.0 * ROUNDING * met
            try:
                step = np.linalg.solve(slopes, 2.0 * allowed - leaving)
            except np.linalg.LinAlgError:
                break
            v[passive.free] += np.clip(step, -STRIDE, STRIDE)
            if (np.abs(step) < 1e-6).all():
                leaving, _, met = self._least_leaving(sign, v)
                if (leaving >= 8.0 * ROUNDING * met).all():
                    return sign * v
        return np.where(passive.place < count, sign * np.inf, sign * v)

    def _least_leaving(self, sign: float, v: Floats) -> tuple[Floats, Floats, Floats]:
        """The least current [n] that can leave each free node at voltages ``sign`` v [N], times ``sign``; its slopes
        [n, n] and the sum of what was added up."""
        passive, count = self.passive, len(self.passive.free)
        leaving, met, slopes = np.zeros(count + 1), np.zeros(count + 1), np.zeros((count + 1, count + 1))
        for near, far in ((0, 1), (1, 0)):
            here, there = (passive.place[passive.ends[:, each]] for each in (near, far))
            across = v[passive.ends[:, near]] - v[passive.ends[:, far]]
            g = np.where(across > 0.0, self.least, self.most)
            self._add(leaving, met, slopes, here, there, g * across, g)
            turned = 1.0 if near == 0 else -1.0  # the anode's current leaves it
            here, there = (passive.place[passive.port_ends[:, each]] for each in (near, far))
            across = v[passive.port_ends[:, near]] - v[passive.port_ends[:, far]]
            out = turned * sign
            found = [(out * law.current(out * across), law.conductance(out * across)) for law in self.laws]
            currents = np.stack([current for current, _ in found])
            chosen = currents.argmin(axis=0)[None]
            current, g = (np.take_along_axis(np.stack(each), chosen, axis=0)[0] for each in zip(*found, strict=True))
            self._add(leaving, met, slopes, here, there, current, g)
        return leaving[:count], slopes[:count, :count], met[:count]

    @staticmethod
    def _add(
        leaving: Floats, met: Floats, slopes: Floats, here: Index, there: Index, current: Floats, g: Floats
    ) -> None:
        count = len(leaving)
        leaving += np.bincount(here, current, count)
        met += np.bincount(here, np.abs(current), count)
        slopes += np.bincount(here * count + here, g, count * count).reshape(count, count)
        slopes -= np.bincount(here * count + there, g, count * count).reshape(count, count)


class Enclosure:
    """Of one sample: on every board each node's voltage is from ``below`` to ``above``, float64[N]."""

    def __init__(
        self,
        boards: Boards,
        below: Floats,
        above: Floats,
        middle: Floats,
        tolerance: float,
        usual: OnePorts,
        slack: float,
    ) -> None:
        self.below, self.above = below, above
        passive, volts, count = boards.passive, boards.volts, len(boards.passive.free)
        self._ends, self._port_ends = passive.place[passive.ends], passive.place[passive.port_ends]
        self._free, self._volts = passive.free, volts
        low, high = below - volts, above - volts
        off = np.maximum(np.abs(low), np.abs(high))
        self._off = off[passive.free]
        # What each resistor's tolerance, and held nodes that are off, can send through it.
        lowest, highest = self._between(below, above, passive.ends)
        largest = np.maximum(np.abs(lowest), np.abs(highest))
        held = np.where(passive.place < count, 0.0, boards.supply)
        self._through = tolerance * middle * largest + middle * held[passive.ends].sum(axis=1)
        # One-ports: chords over all that the bounds allow, and what temperature does at the centre.
        start = volts[passive.port_ends[:, 0]] - volts[passive.port_ends[:, 1]]
        ends = self._between(below, above, passive.port_ends)
        chords = [law.chord(np.minimum(start, ends[0]), np.maximum(start, ends[1])) for law in boards.laws]
        least = np.clip(np.min([each for each, _ in chords], axis=0), 0.0, STEEPEST) if chords else np.zeros(0)
        most = np.max([each for _, each in chords], axis=0)
        self.bounded = bool(np.isfinite(off).all())
        steep = np.minimum(most, STEEPEST)
        self._chords = 0.5 * (least + steep)
        half = np.where(most <= STEEPEST, 0.5 * (steep - least), np.inf)
        moves = np.maximum(np.abs(ends[0] - start), np.abs(ends[1] - start))
        at_centre = usual.current(start)
        drift = np.max([np.abs(law.current(start) - at_centre) for law in boards.laws], axis=0)
        fixed = self._chords * held[passive.port_ends].sum(axis=1)
        with np.errstate(invalid="ignore"):
            self._ports = drift + fixed + np.where(moves > 0.0, half * moves, 0.0)
        matrix = np.zeros((count + 1) ** 2)
        for pairs, siemens in ((self._ends, middle), (self._port_ends, self._chords)):
            for one, other, sign in ((0, 0, 1.0), (1, 1, 1.0), (0, 1, -1.0), (1, 0, -1.0)):
                matrix += sign * np.bincount(pairs[:, one] * (count + 1) + pairs[:, other], siemens, len(matrix))
        self._matrix = matrix.reshape(count + 1, count + 1)[:count, :count]
        self._slack = np.abs(self._matrix) @ np.full(count, slack)

    @staticmethod
    def _between(below: Floats, above: Floats, ends: Index) -> tuple[Floats, Floats]:
        return below[ends[:, 0]] - above[ends[:, 1]], above[ends[:, 0]] - below[ends[:, 1]]

    def reach(self, rows: Floats) -> Floats:
        """The volts float64[k] by which ``rows`` float64[k, N] times node voltages may be off those of the centre, on
        any board; infinite without bounds of the nodes."""
        if not self.bounded:
            return np.full(len(rows), np.inf)
        wanted = rows[:, self._free]
        x = np.linalg.solve(self._matrix.T, wanted.T).T
        rest = np.abs(wanted - x @ self._matrix) + ROUNDING * np.abs(wanted)
        padded = np.append(x, np.zeros((len(x), 1)), axis=1)
        found = rest @ self._off + np.abs(x) @ self._slack
        for ends, weights in ((self._ends, self._through), (self._port_ends, self._ports)):
            if len(ends):
                across = np.abs(padded[:, ends[:, 0]] - padded[:, ends[:, 1]])
                with np.errstate(invalid="ignore"):
                    found += np.where(across > 0.0, across * weights, 0.0).sum(axis=1)
        plainly = np.abs(wanted) @ self._off
        return np.minimum(found * (1.0 + 1e-9), plainly)


def _moving(held: NDArray[np.bool_], ends: Index) -> Index:
    return np.flatnonzero(~held[ends].all(axis=1) & (ends[:, 0] != ends[:, 1]))


def _constants(circuit: Circuit) -> Floats:
    """The volts [N] of nodes that one constant voltage source ties to ground, 0 elsewhere."""
    found = np.zeros(len(circuit.nodes))
    sources = circuit.voltage_sources
    constant = np.ones(len(sources), bool)
    constant[circuit.inputs.source[circuit.inputs.source < len(sources)]] = False
    for (plus, minus), volts in zip(sources.terminals[constant].tolist(), sources.values[constant], strict=True):
        found[plus or minus] = volts if minus == 0 else -volts
    return found
