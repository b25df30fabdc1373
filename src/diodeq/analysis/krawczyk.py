"""How far the nodes of circuits with any parts can be off on any board: interval Newton steps, by Krawczyk's operator.

For a board with equations F and C about the inverse of the slopes M at the centre c, ``v - C F(v)`` is off c by
``(I - C M)(v - c) - C (dA v + what one-ports send beyond their slopes + what sources send)``. What a one-port sends
moves its own voltage, too: there the scalar equation is solved, the one-port behind the resistance that the rest has
at its ends, as its load line. If the whole takes a box of nodes and one-ports' voltages into itself, every board has an
operating point in it (Brouwer), and none on its edge: the one that the centre's becomes as parts change cannot leave.
That there is no other elsewhere is not said. The rows of C are what hardware linearization reads, so the first order is
exact. (Krawczyk, Computing 4, 1969; Neumaier, Interval Methods for Systems of Equations, 1990, chapter 5.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from diodeq.analysis.box import Box, Index
from diodeq.circuit import Circuit
from diodeq.circuit.amplifiers import inside
from diodeq.circuit.bank import Floats
from diodeq.circuit.equations import EquationsPlan, incidence
from diodeq.circuit.kinds import nonlinear_kinds
from diodeq.circuit.one_ports import one_port_models
from diodeq.circuit.proof import attainable
from diodeq.devices.one_ports import OnePorts, one_ports
from diodeq.simulators.base import OperatingPoint

# Slopes of one-ports are chosen anew so often; steps of boxes between, and towards one; by how much more it is tried.
ROUNDS, STEPS, TRIES, MORE = 12, 3, 25, 1.01
# Volts of a box that is given up, siemens of a chord that has no bound, of a slope, how a sum may be rounded.
WIDEST, STEEPEST, LARGEST, ROUNDING = 100.0, 1e9, 1e3, 1e-15
# Into how many a one-port's voltages are cut, and the share of a step that its own slope must leave.
PIECES, SHARE = 16, 1e-9


@dataclass(frozen=True, eq=False)
class Stamped:
    """The boards of a box as equations around its centre.

    ``matrix`` sparse [n, n] are the centre's equations without one-ports, which are met by the columns of ``ports``
    sparse [n, d]; ``resistors`` sparse [n, R] and ``siemens`` [R] are what resistors' tolerances may add, and
    ``sources`` sparse [n, s] what sources and inputs may send.
    """

    matrix: sparse.csr_array
    ports: sparse.csr_array
    resistors: sparse.csr_array
    siemens: Floats
    sources: sparse.csr_array
    usual: OnePorts
    laws: tuple[OnePorts, ...]
    within: tuple[Floats, Floats] | None

    @staticmethod
    def of(circuit: Circuit, box: Box) -> Stamped:
        """Of the box around ``circuit``, which is its centre.

        Raises:
            InputError: the box has several laws of a one-port that are not known to be nested.
        """
        plan = EquationsPlan.of(circuit)
        count = plan.pattern.shape[0]
        moves, which = plan.apart, one_port_models(circuit).astype(np.intp)
        own = np.concatenate([~inside(circuit, kind) for kind in nonlinear_kinds()])
        which, fixed = which[moves], np.setdiff1d(which[~own], which[own])
        ends = incidence(circuit, "resistors")[1:]
        resistors = sparse.csr_array(sparse.vstack([ends, sparse.csr_array((count - ends.shape[0], ends.shape[1]))]))
        tolerances = box.of_parts(circuit)
        chosen = np.flatnonzero(tolerances)
        each, together = box.sources(circuit)
        sent = plan.drives @ sparse.hstack([sparse.diags_array(each), together])
        sent = sparse.csr_array(sent[:, np.flatnonzero(abs(sent).sum(axis=0))])
        return Stamped(
            plan.fill(circuit).matrix,
            sparse.csr_array(plan.ports.T[:, np.flatnonzero(moves)]),
            sparse.csr_array(resistors[:, chosen]),
            (circuit.conductances * tolerances)[chosen],
            sent,
            one_ports(circuit.models, which, circuit.temperature),
            box.laws(circuit.models, which, fixed),
            box.nested(circuit.models, which, fixed),
        )

    @cached_property
    def columns(self) -> sparse.csc_array:
        """All that can send a current: resistors, sources, one-ports; sparse [n, q]."""
        return sparse.csc_array(sparse.hstack([self.resistors, self.sources, self.ports]))

    def beyond(self, centre: Floats, slopes: Floats, low: Floats, high: Floats, slack: float) -> Floats:
        """What the current of any law is at most beyond the usual one's at ``centre`` [d] and its ``slopes``, where
        it is off by ``low`` to ``high`` [d] volts; infinite where laws are not known."""
        if self.within is not None and not (
            (centre + low >= self.within[0]).all() and (centre + high <= self.within[1]).all()
        ):
            return np.full(len(centre), np.inf)
        usual = self.usual.current(centre)
        edges = np.linspace(low, high, PIECES + 1)
        found = np.zeros(len(centre))
        for law in self.laws:
            # Piece by piece, as currents never fall; and by the chords from the centre, which suit what moves little.
            change, shift = law.current(centre + edges) - usual, slopes * edges
            pieces = np.maximum(change[1:] - shift[:-1], shift[1:] - change[:-1]).max(axis=0)
            drift, chords, steepest = np.abs(law.current(centre) - usual), np.zeros(len(centre)), np.zeros(len(centre))
            for one, other in ((low, np.zeros_like(low)), (np.zeros_like(high), high)):
                least, most = law.chord(centre + one, centre + other)
                chords = np.maximum(chords, np.maximum(most - slopes, slopes - least) * (other - one))
                steepest = np.maximum(steepest, np.where(most < STEEPEST, most, np.inf))
            found = np.maximum(found, np.minimum(pieces, chords + drift) + 4.0 * slack * (steepest + slopes))
        return found

    def secants(self, centre: Floats, low: Floats, high: Floats) -> Floats:
        """The slopes [d] from one end to the other, in the middle of all laws."""
        wide = high - low > 1e-6
        found = []
        for law in self.laws:
            with np.errstate(divide="ignore", invalid="ignore"):
                across = (law.current(centre + high) - law.current(centre + low)) / (high - low)
            found.append(np.where(wide & np.isfinite(across), across, law.conductance(centre)))
        return np.asarray(np.minimum(np.mean(found, axis=0), LARGEST))


@dataclass(frozen=True, eq=False)
class Operator:
    """Krawczyk's operator with ``slopes`` [d] of the one-ports at their voltages ``centre`` [d].

    ``across`` [R] are the magnitudes of the voltages across resistors. ``inverse`` [n, n] is about that of ``matrix``.
    """

    stamped: Stamped
    centre: Floats
    across: Floats
    slopes: Floats
    slack: float
    matrix: Floats
    inverse: Floats

    @staticmethod
    def of(stamped: Stamped, centre: Floats, across: Floats, slopes: Floats, slack: float) -> Operator | None:
        """None where the slopes have no inverse."""
        matrix = stamped.matrix.toarray() + (stamped.ports * slopes) @ stamped.ports.T.toarray()
        try:
            return Operator(stamped, centre, across, slopes, slack, matrix, np.linalg.inv(matrix))
        except np.linalg.LinAlgError:
            return None

    @cached_property
    def _gains(self) -> tuple[Floats, Floats, Floats]:
        """What currents move: nodes by all columns and one-ports by all, as magnitudes, and each one-port by itself."""
        columns, ports = self.stamped.columns, self.stamped.ports
        reading = np.asarray(ports.T @ self.inverse)
        nodes, seen = np.abs((columns.T @ self.inverse.T).T), np.asarray((columns.T @ reading.T).T)
        first = columns.shape[1] - ports.shape[1]
        each = np.arange(ports.shape[1])
        own = seen[each, first + each].copy()
        seen[each, first + each] = 0.0
        return nodes, np.abs(seen), own

    @cached_property
    def _left(self) -> tuple[Floats, Floats]:
        """What the inverse leaves of nodes and of one-ports, as magnitudes."""
        count = len(self.matrix)
        left = self.inverse @ self.matrix
        left[np.diag_indices(count)] -= 1.0
        rounded = ROUNDING * count * np.abs(self.inverse) @ np.abs(self.matrix)
        ports = self.stamped.ports
        return np.abs(left) + rounded, np.abs(ports.T @ left) + abs(ports.T) @ rounded

    def sent(self, off: Floats, low: Floats, high: Floats) -> Floats:
        """What each column sends at most, [q], from a box."""
        stamped = self.stamped
        currents = stamped.siemens * (self.across + np.asarray(abs(stamped.resistors.T) @ off))
        beyond = stamped.beyond(self.centre, self.slopes, low, high, self.slack)
        return np.concatenate([currents, np.ones(stamped.sources.shape[1]), beyond])

    def __call__(self, off: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats, Floats]:
        """Where it takes the box of nodes off by ``off`` [n] and one-ports off by ``low`` to ``high`` [d]."""
        sent = self.sent(off, low, high)
        beyond = sent[-len(low) :] if len(low) else sent[:0]
        nodes, seen, own = self._gains
        with np.errstate(invalid="ignore", over="ignore"):
            pushed = seen @ sent + self._left[1] @ off
            share = 1.0 - own * self.slopes
            least = np.maximum(share, SHARE)
            solved = (own > 0.0) & np.isfinite(pushed)
            plain = pushed + np.abs(own) * beyond
            ohms, least = np.where(solved, own / least, 0.0), np.where(solved, least, 1.0)
            reach = pushed + (least - share) * np.maximum(-low, high)
            start = self.centre + ohms * self.stamped.usual.current(self.centre)
            reach = np.where(solved, reach / least, 0.0) + 2.0 * self.slack
            ends = [[law.load_line(start + sign * reach, ohms)[0] for law in self.stamped.laws] for sign in (-1.0, 1.0)]
            new_low = np.where(solved, np.min(ends[0], axis=0) - self.centre, -plain)
            new_high = np.where(solved, np.max(ends[1], axis=0) - self.centre, plain)
            return nodes @ sent + self._left[0] @ off, new_low - self.slack, new_high + self.slack


@dataclass(frozen=True, eq=False)
class Surrounded:
    """Of one sample: on every board the unknowns [n] are off the centre's by at most ``off``, infinite without a box.

    ``sent`` [q] are the currents of ``stamped.columns`` that are beyond the slopes ``matrix`` [n, n], at most;
    ``inverse`` is about its inverse, and ``slack`` what the engine may be off.
    """

    stamped: Stamped
    off: Floats
    sent: Floats
    matrix: Floats
    inverse: Floats
    slack: float

    @property
    def bounded(self) -> bool:
        """Whether there is a box."""
        return bool(np.isfinite(self.off).all())

    @staticmethod
    def of(stamped: Stamped, volts: Floats) -> Surrounded:
        """Around the operating point with node voltages ``volts`` [N]."""
        slack = float(attainable(volts[None])[0])
        count = stamped.matrix.shape[0]
        unknown = np.append(volts[1:], np.zeros(count - len(volts) + 1))
        across, start = np.abs(stamped.resistors.T @ unknown) + 2.0 * slack, np.asarray(stamped.ports.T @ unknown)
        box = np.zeros(count), np.zeros(len(start)), np.zeros(len(start))
        best = Surrounded.none(stamped, count, slack)
        for _ in range(ROUNDS):
            operator = Operator.of(stamped, start, across, stamped.secants(start, *box[1:]), slack)
            if operator is None:
                break
            if not best.bounded:
                tried, proved = _around(operator)
                box = tried
                if not proved:
                    continue
            width = box[0].sum()
            for _ in range(STEPS):
                # Whatever the operator makes of a box that has them all has them all.
                off, low, high = operator(*box)
                box = np.minimum(off, box[0]), np.maximum(low, box[1]), np.minimum(high, box[2])
            best = Surrounded(stamped, box[0] + slack, operator.sent(*box), operator.matrix, operator.inverse, slack)
            if box[0].sum() > width / MORE:
                break
        return best

    @staticmethod
    def none(stamped: Stamped, count: int, slack: float) -> Surrounded:
        """Without a box."""
        empty = np.zeros((0, 0))
        return Surrounded(stamped, np.full(count, np.inf), np.zeros(0), empty, empty, slack)

    def reach(self, rows: Floats) -> Floats:
        """The volts float64[k] by which ``rows`` float64[k, N] times node voltages may be off the centre's on any
        board; infinite without a box."""
        if not self.bounded:
            return np.full(len(rows), np.inf)
        wanted = np.concatenate([rows[:, 1:], np.zeros((len(rows), len(self.off) - rows.shape[1] + 1))], axis=1)
        x = wanted @ self.inverse
        rest = np.abs(wanted - x @ self.matrix)
        rest += ROUNDING * len(self.off) * (np.abs(x) @ np.abs(self.matrix))
        found = np.abs((self.stamped.columns.T @ x.T).T) @ self.sent + rest @ self.off
        found = np.minimum(found, np.abs(wanted) @ self.off)
        return np.asarray(found + np.abs(rows).sum(axis=1) * self.slack)


def _around(operator: Operator) -> tuple[tuple[Floats, Floats, Floats], bool]:
    """A box that the operator takes into itself, or how far it came, and whether it does."""
    count, ports = len(operator.matrix), len(operator.centre)
    box = np.zeros(count), np.zeros(ports), np.zeros(ports)
    first = box
    for step in range(TRIES):
        off, low, high = operator(*box)
        if not (np.isfinite(off).all() and max(high.max(initial=0.0), -low.min(initial=0.0)) < WIDEST):
            return first, False
        if step and (off <= box[0]).all() and (low >= box[1]).all() and (high <= box[2]).all():
            return box, True
        box = np.maximum(off * MORE, box[0]), np.minimum(low * MORE, box[1]), np.maximum(high * MORE, box[2])
        if step < 2:
            first = box
    return first, False


def surrounded(circuit: Circuit, box: Box, point: OperatingPoint, samples: slice | Index = slice(None)) -> Surroundings:
    """Boxes for some samples, from the operating points of ``box.centre``."""
    stamped = Stamped.of(point.circuit, box)
    volts = point.node_voltages[samples]
    return Surroundings(volts, [Surrounded.of(stamped, each) for each in volts])


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Of B samples; as an ``Enclosure``."""

    volts: Floats
    found: list[Surrounded]

    @property
    def bounded(self) -> NDArray[np.bool_]:
        """Whether the nodes of each sample have bounds, bool[B]."""
        return np.array([each.bounded for each in self.found])

    @property
    def off(self) -> Floats:
        """By how much each node may be off the centre's, float64[B, N]."""
        count = self.volts.shape[1]
        return np.stack([np.append(0.0, each.off[: count - 1]) for each in self.found])

    def reach(self, rows: Floats) -> Floats:
        """As ``Enclosure.reach``."""
        every = np.broadcast_to(rows, (len(self.found), *rows.shape[-2:]))
        return np.stack([each.reach(one) for each, one in zip(self.found, every, strict=True)])
