"""What a worker is asked to do: arrays in, proved answers out. Jobs hold no state, so any worker can redo one."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.circuit.equations import Equations, EquationsPlan, total
from diodeq.circuit.one_ports import laws_of, without_idle
from diodeq.circuit.proof import Judge, attainable
from diodeq.errors import DiodeqError
from diodeq.netlist.batched import SweepDeck, SweepPlan
from diodeq.netlist.listing import Tolerances, tolerances_for
from diodeq.simulators.ngspice.session import Session

# Tight tolerances give 1e-9 V in one sweep, and make ngspice give up on circuits that it solves with looser ones: those
# come next, a sample at a time, its defaults last, and only then its slowest way to search. What an answer is worth is
# for the judge to say in any case.
LOOSER: tuple[Tolerances, ...] = (
    (("reltol", "1e-6"), ("vntol", "1e-9"), ("abstol", "1e-15"), ("gmin", "1e-12")),
    (("reltol", "1e-3"), ("vntol", "1e-6"), ("abstol", "1e-12"), ("gmin", "1e-12")),
)
# A sweep that stops this often has too many bad samples: the rest go alone.
STOPS = 4
# One unit of a job's work: samples times parts that ngspice gets through in a few seconds of an old processor.
UNIT = 2e6

_serial = itertools.count()
# A worker meets the same circuit and its transpose again and again, with other values.
_known: collections.deque[KnownCircuit] = collections.deque(maxlen=2)

# Some rows of a batch at some tolerances: a deck.
DeckOf = Callable[[NDArray[np.intp], Tolerances], SweepDeck]


@dataclass(frozen=True)
class Answer:
    """Node voltages float64[B, N], terminal conductances of the one-ports float64[B, D], branch currents by kind, the
    volts [B] by which a row may be off, and why rows have no answer where ngspice said so."""

    node_voltages: Floats
    conductances: Floats
    branch_currents: dict[str, Floats]
    error: Floats
    reasons: dict[int, str]


@dataclass(frozen=True)
class Forward:
    """Operating points of a folded circuit: one sweep over the sample index."""

    circuit: Circuit
    injections: Floats
    source_voltages: Floats

    @property
    def work(self) -> float:
        """How many times more than a usual job."""
        return work(self.circuit, len(self.injections))

    @property
    def samples(self) -> int:
        return len(self.injections)

    def part(self, rows: slice) -> Forward:
        """The job for some of its samples."""
        return Forward(self.circuit, self.injections[rows], self.source_voltages[rows])

    def run(self, session: Session) -> Answer:
        """Answers as good as ngspice and Newton's method make them; ``error`` says how good that is."""
        known = known_of(self.circuit)
        judge = known.judge
        right = judge.equations.right_side(self.injections, self.source_voltages)
        # ngspice cannot count what currents the others may have.
        moving = without_idle(self.circuit, judge.equations.plan.apart)
        plan = known.plan(moving, adjoint=False)

        def deck(rows: NDArray[np.intp], tolerances: Tolerances) -> SweepDeck:
            into, volts = total(self.injections[rows]).astype(np.float64), self.source_voltages[rows]
            return plan.deck(moving, into, volts, next_marker(), tolerances=tolerances)

        first = tolerances_for(self.circuit)
        found = Search(session, judge.equations, deck, self.samples)
        found.sweep(first)
        conductances = np.full((self.samples, len(judge.laws)), np.nan)
        error = np.full(self.samples, np.inf)
        for tolerances in (first, *LOOSER, None):
            rows = found.fresh()
            x, g, volts = judge.settle(found.unknowns[rows], right[rows], anew=False)
            found.unknowns[rows], conductances[rows], error[rows] = x, g, volts
            left = np.flatnonzero(~(error <= attainable(found.unknowns[:, : judge.equations.nodes])))
            if not len(left) or tolerances is None:
                break
            found.alone(left, tolerances)
        return _answer(judge.equations, found, conductances, error)


@dataclass(frozen=True)
class AdjointJob:
    """Voltages of a folded, transposed circuit whose one-ports are frozen at given conductances: one linear sweep."""

    circuit: Circuit
    injections: Floats
    conductances: Floats

    @property
    def work(self) -> float:
        """How many times more than a usual job."""
        return work(self.circuit, len(self.injections))

    @property
    def samples(self) -> int:
        return len(self.injections)

    def part(self, rows: slice) -> AdjointJob:
        """The job for some of its samples."""
        return AdjointJob(self.circuit, self.injections[rows], self.conductances[rows])

    def run(self, session: Session) -> Answer:
        """Answers as good as ngspice and corrections make them; ``error`` says how good that is."""
        known = known_of(self.circuit)
        judge, plan = known.judge, known.plan(self.circuit, adjoint=True)
        right = judge.equations.right_side(self.injections)

        def deck(rows: NDArray[np.intp], tolerances: Tolerances) -> SweepDeck:
            zero = np.zeros((len(rows), len(self.circuit.voltage_sources)))
            frozen = self.conductances[rows]
            into = total(self.injections[rows]).astype(np.float64)
            return plan.deck(self.circuit, into, zero, next_marker(), frozen, tolerances)

        first = tolerances_for(self.circuit)
        found = Search(session, judge.equations, deck, self.samples)
        found.sweep(first)
        error = np.full(self.samples, np.inf)
        for tolerances in (first, *LOOSER, None):
            rows = found.fresh()
            found.unknowns[rows], error[rows] = judge.settle_linear(
                found.unknowns[rows], right[rows], self.conductances[rows]
            )
            left = np.flatnonzero(~(error <= judge.promised_adjoint(found.unknowns)))
            if not len(left) or tolerances is None:
                break
            found.alone(left, tolerances)
        return _answer(judge.equations, found, self.conductances, error)


class Search:
    """What ngspice finds for the samples of a batch: unknowns float64[B, n], NaN where it has none, and its reasons."""

    def __init__(self, session: Session, equations: Equations, deck: DeckOf, samples: int) -> None:
        self.unknowns = np.full((samples, equations.size), np.nan)
        self.reasons: dict[int, str] = {}
        self._session, self._equations, self._deck = session, equations, deck
        self._fresh = np.zeros(samples, bool)

    def sweep(self, tolerances: Tolerances) -> None:
        """All samples in one sweep; one at which it stops is left out, and it goes on with the next."""
        rows = np.arange(len(self.unknowns))
        for _ in range(STOPS):
            rows = rows[self._run(rows, tolerances) + 1 :]
            if not len(rows):
                return

    def alone(self, rows: NDArray[np.intp], tolerances: Tolerances) -> None:
        """Some samples, each in a deck of its own."""
        for row in rows.tolist():
            self._run(np.array([row]), tolerances)

    def fresh(self) -> NDArray[np.intp]:
        """The rows that ngspice has found since the last call."""
        rows = np.flatnonzero(self._fresh)
        self._fresh[:] = False
        return rows

    def _run(self, rows: NDArray[np.intp], tolerances: Tolerances) -> int:
        """How many of the rows it got through."""
        deck = self._deck(rows, tolerances)
        names = [name for group in deck.vectors.values() for name in group]
        last = tolerances is LOOSER[-1]
        found, reason = self._session.sweep(deck.text, deck.marker, [deck.marker, *names], len(rows), last)
        done = len(found[deck.marker])
        volts = _columns([np.zeros(done), *(found[name] for name in deck.vectors["nodes"])], done)
        branches = {
            kind: _columns([found[name] for name in deck.vectors[kind]], done) for kind in self._equations.branches
        }
        self.unknowns[rows[:done]] = self._equations.unknowns(volts, branches)
        self._fresh[rows[:done]] = True
        if done < len(rows):
            self.reasons[int(rows[done])] = reason or "it stopped"
        return done


@dataclass(frozen=True, eq=False)
class KnownCircuit:
    """What is worth keeping of a circuit: its judge, and what its decks, forward and adjoint, have in common."""

    judge: Judge
    plans: dict[bool, SweepPlan]

    def plan(self, circuit: Circuit, *, adjoint: bool) -> SweepPlan:
        """That of the decks for what is left of the circuit, always the same."""
        if adjoint not in self.plans:
            self.plans[adjoint] = SweepPlan.of(circuit, adjoint=adjoint)
        return self.plans[adjoint]


def known_of(circuit: Circuit) -> KnownCircuit:
    """What a worker knows of a circuit, with the circuit's own values."""
    known = next((each for each in _known if each.judge.equations.circuit.same_topology(circuit)), None)
    if known is None:
        found = KnownCircuit(Judge(EquationsPlan.of(circuit).fill(circuit), laws_of(circuit)), {})
    else:
        _known.remove(known)  # else batches of several decks would drive the transpose out
        equations = known.judge.equations.plan.fill(circuit)
        if known.judge.equations.circuit.same_one_ports(circuit):
            found = KnownCircuit(Judge(equations, known.judge.laws), known.plans)
        else:
            found = KnownCircuit(Judge(equations, laws_of(circuit)), {})
    _known.append(found)
    return found


def judge_of(circuit: Circuit) -> Judge:
    """The judge of a circuit's answers."""
    return known_of(circuit).judge


def work(circuit: Circuit, samples: int) -> float:
    """The work of so many samples of a circuit, in units of usual jobs."""
    return max(1.0, samples * (len(circuit.resistors) + len(circuit.nodes)) / UNIT)


def next_marker() -> str:
    """A node name that no other deck of this process has."""
    return f"k{next(_serial)}"


def _columns(columns: list[Floats], rows: int) -> Floats:
    return np.stack(columns, axis=1) if columns else np.empty((rows, 0))


def answered(
    equations: Equations, unknowns: Floats, conductances: Floats, error: Floats, reason: str | None = None
) -> Answer:
    """The answer that unknowns [B, n] are, those of one sample with ngspice's reason where it has none."""
    reasons = {} if reason is None else {0: f"ngspice says: {reason}"}
    return Answer(equations.voltages(unknowns), conductances, equations.currents(unknowns), error, reasons)


def _answer(equations: Equations, found: Search, conductances: Floats, error: Floats) -> Answer:
    reasons = {row: f"ngspice says: {why}" for row, why in found.reasons.items() if not np.isfinite(error[row])}
    return replace(answered(equations, found.unknowns, conductances, error), reasons=reasons)


def none(circuit: Circuit, why: DiodeqError | None) -> Answer:
    """No answer for the one sample of a job that failed as a whole; without a reason for no sample at all."""
    rows = 0 if why is None else 1
    equations = EquationsPlan.of(circuit).fill(circuit)
    unknowns, conductances = np.full((rows, equations.size), np.nan), np.full((rows, len(circuit.diodes)), np.nan)
    found = answered(equations, unknowns, conductances, np.full(rows, np.inf))
    return found if why is None else replace(found, reasons={0: why.problem})


def joined(parts: Sequence[Answer]) -> Answer:
    """The answers of the parts of a batch as one."""
    starts = np.cumsum([0, *(len(part.error) for part in parts)]).tolist()
    return Answer(
        np.concatenate([part.node_voltages for part in parts]),
        np.concatenate([part.conductances for part in parts]),
        {kind: np.concatenate([part.branch_currents[kind] for part in parts]) for kind in parts[0].branch_currents},
        np.concatenate([part.error for part in parts]),
        {start + row: why for start, part in zip(starts, parts, strict=False) for row, why in part.reasons.items()},
    )
