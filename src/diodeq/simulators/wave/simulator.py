"""The wave engine behind the ``Simulator`` protocol."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.circuit.proof import HIGHEST, attainable, attainable_at, largest, promised_adjoint_at, promised_at
from diodeq.errors import InputError
from diodeq.processors import product, share, slices
from diodeq.simulators.base import (
    RANGE,
    AdjointSolution,
    OperatingPoint,
    Spread,
    demand_injections,
    leveled,
    quiet,
)
from diodeq.simulators.demands import demand_answers, demand_leveled
from diodeq.simulators.wave.arrays import Array, Arrays
from diodeq.simulators.wave.prepared import Prepared

Floats = NDArray[np.float64]

# Numbers in one working array of a part of a batch (1.5 MB): larger ones leave the cache.
ENTRIES = 3 << 16
# A batch is cut into so many parts that threads may share, unless they had fewer numbers each than are worth a thread,
# or fewer rows than matrix products like.
PARTS = 4
SHARE = 1 << 15
ROWS = 64
# Once an array of so many numbers (31 MB, never touched) has been freed, glibc keeps freed memory up to twice its size
# (mallopt(3), M_MMAP_THRESHOLD). Otherwise working arrays are fetched anew from the system thousands of times a second.
KEPT = 31 << 17


@dataclass(frozen=True, eq=False)
class WavePoint(OperatingPoint):
    """An operating point that carries ``error`` float64[B]: the volts by which the judge says each row may be off."""

    error: Floats = field(default_factory=lambda: np.zeros(0))


class WaveSimulator:
    """Device-level simulation by matrix products: the same equations as ngspice's, solved for a whole batch.

    One-ports follow their laws with gmin = 1e-12 S as in ngspice. Every answer is judged by ``circuit.proof``; what the
    fast methods leave short of the promise is corrected by Newton's method or refused. In float32 the promise is 1e-5
    of the largest voltage, in mixed 1e-8 V.

    Args:
        options: of ``arrays.BACKENDS``, ``PRECISIONS`` and ``DEVICES``; float64 in numpy by default.
        workers: threads that share a batch in numpy; as many as there are processors by default.

    Raises (from every method): ``CircuitError``, ``InputError`` for input volts that are not finite, and
    ``SimulationError`` where the tolerance is not reached; it has the other rows' answers.
    """

    name = "wave"

    def __init__(self, *options: str, workers: int | None = None) -> None:
        self._arrays = Arrays.of(options)
        np.empty(KEPT)
        self._workers = workers
        self._prepared: Prepared | None = None

    @property
    def version(self) -> str:
        """Such as ``wave (numpy 2.4.6, float64, Python 3.11.2)``."""
        return f"wave ({self._arrays.version}, Python {platform.python_version()})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._prepared = None

    def operate(self, circuit: Circuit, drives: Floats) -> WavePoint:
        """The operating point for input volts ``drives`` float64[B, n_in]."""
        drives = circuit.input_volts(drives)
        at, empty = self._prepare(circuit), self._arrays.empty
        volts = np.zeros((len(drives), len(circuit.nodes)), self._arrays.number)
        unknowns, sources, into = (
            empty((len(drives), each)) for each in (at.equations.size, circuit.sources, len(at.folded.plan.kept))
        )
        conductances, currents = (empty((len(drives), len(at.judge.laws))) for _ in range(2))
        error, promised = np.empty(len(drives)), np.empty(len(drives))

        @quiet
        def drive(part: slice) -> None:
            sources[part] = circuit.values_at(drives[part])
            at.folded.known_voltages(self._demand_finite(sources[part], part.start), volts[part])
            if not at.wide:
                into[part] = at.folded.injections(sources[part], volts[part], self._multiply)

        @quiet
        def settle(part: slice) -> None:
            right = at.equations.right_side(into[part], at.folded.source_voltages(sources[part], volts[part]))
            found = self._settled(at, right, drives[part])
            unknowns[part], conductances[part], currents[part], error[part] = found
            volts[part, at.folded.plan.free] = unknowns[part, : at.equations.nodes]
            high = largest(volts[part])
            promised[part] = attainable_at(high) + self._rounding(high)

        self._share(drive, unknowns)
        if at.wide:
            into = quiet(at.folded.injections)(sources, volts, self._multiply_widely)
        self._share(settle, unknowns)
        branches = at.equations.currents(unknowns)
        point = WavePoint(circuit, drives, volts, conductances, branches, error, diode_currents=currents)
        demand_answers(point, point, error, promised)
        return point

    def _demand_finite(self, sources: Floats, first: int) -> Floats:
        """The values [B, n_sources] of the samples from the ``first`` on, where the backend's numbers hold them all."""
        if not np.isfinite(sources).all():
            sample = first + int(np.flatnonzero(~np.isfinite(sources).all(axis=1))[0])
            raise InputError(
                f"input volts of sample {sample} are too large for {self._arrays.number}",
                "give smaller ones",
                sample=sample,
            )
        return sources

    def _multiply(self, left: Floats, right: Array) -> Floats:
        """The product of an array in numpy and one of the backend's, in numpy."""
        return self._arrays.take(self._arrays.put(left) @ right)

    def _multiply_widely(self, left: Floats, right: Array) -> Floats:
        """The same shared by threads."""
        return product(left, right, workers=self._workers) if self._arrays.in_numpy else self._multiply(left, right)

    def _settled(self, at: Prepared, right: Floats, drives: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Unknowns of a part of a batch, conductances and currents of its one-ports, and the volts by which they may be
        off, [B]."""
        judge, wide = at.judge, self._arrays.precision.promised
        settled = at.method.settle(right)
        unknowns, conductances, currents = settled.unknowns, settled.conductances, settled.currents
        missed = at.method.leaving(unknowns, currents) - right
        across = at.equations.across(unknowns)
        lost = np.asarray(~np.isfinite(across).all(axis=1))
        short = at.diodes.missed(np.where(lost[:, None], 0.0, across) if lost.any() else across, currents)
        at.equations.collect(missed, short)
        missed[lost] = np.nan
        crowded = at.folded.plan.crowded and not wide  # the right side has lost what only the judge's has
        high = judge.largest(unknowns)
        error = np.full(len(missed), np.inf) if crowded else judge.bound(missed, high)
        promised = promised_at(high) + self._rounding(high)
        left = np.flatnonzero(~(error <= promised))
        # Currents without end round a loop would hide all others from the method.
        simple = at.equations.plan.resistive if wide else not crowded
        if len(left) and simple and at.equations.plan.apart.all():
            error[left] = self._contracted(at, unknowns[left], missed[left], conductances[left], right[left])
            left = left[~(error[left] <= promised[left])]
        if len(left):
            if not at.equations.plan.apart.all():
                unknowns[left, at.equations.nodes :] = 0.0
            found = judge.settle(unknowns[left], at.right_side(drives[left]), anew=True)
            unknowns[left], conductances[left], error[left] = found
            across = at.equations.across(unknowns[left])
            currents[left] = judge.laws.current(np.where(np.isfinite(across), across, 0.0))
            if wide:  # a correction that ends at more says little of what is left: no share of the volts excuses that
                error[left[~(found[2] <= attainable(found[0][:, : at.equations.nodes]))]] = np.inf
        return unknowns, conductances, currents, error

    def _rounding(self, high: Floats) -> Floats:
        """Volts [B] by which the backend's numbers may be off beside the judge's promise, for largest voltages [B]."""
        allowed = self._arrays.precision
        return allowed.volts + allowed.promised * np.where(high <= HIGHEST, high, 0.0)

    def _contracted(
        self, at: Prepared, unknowns: Floats, missed: Floats, conductances: Floats, right: Floats
    ) -> Floats:
        """The volts [B] of one Newton correction, as the method solves for it, and of what sums in ``missed`` may have
        lost by rounding, where solving again for what the correction misses shows that the solution has digits and it
        meets no corner of a law; infinite elsewhere."""
        newton = at.judge.newton
        step, through = at.method.linear(conductances, missed, transposed=False)
        rest, _ = at.method.linear(conductances, missed - at.method.leaving(step, through), transposed=False)
        volts = newton.volts(step)
        sound = np.isfinite(unknowns).all(axis=1) & (newton.volts(rest) <= 0.1 * volts) & (volts < np.inf)
        reached = at.equations.across(np.where(sound[:, None], unknowns - step, 0.0))
        sound &= ~newton.bent(conductances, at.judge.laws.conductance(reached))
        met = (abs(at.equations.matrix) @ np.abs(np.where(sound[:, None], unknowns, 0.0)).T).T + np.abs(right)
        lost, _ = at.method.linear(conductances, np.finfo(missed.dtype).eps / 2.0 * met, transposed=False)
        return np.where(sound, 1.1 * volts + newton.volts(lost), np.inf)

    def small_signal(
        self, operating_point: OperatingPoint, injections: Floats, nodes: Floats | None = None
    ) -> AdjointSolution:
        """The adjoint solution for currents ``injections`` float64[B, n_out] into the outputs (dℓ/dv of each), and
        ``nodes`` float64[B, N] into any nodes."""
        circuit, frozen = operating_point.circuit, operating_point.diode_conductances
        at = self._prepare(circuit)
        given, spread = demand_injections(operating_point, injections, nodes)
        exact, scale = leveled(given, reach=RANGE)
        injected = self._arrays.narrow(exact)
        volts = np.zeros((len(injected), len(circuit.nodes)), injected.dtype)
        unknowns = self._arrays.empty((len(injected), at.equations.size))
        error, promised = np.empty(len(injected)), np.empty(len(injected))

        @quiet
        def settle(part: slice) -> None:
            unknowns[part], error[part] = self._linear(at, frozen[part], injected[part], exact[part], spread)
            volts[part, at.folded.plan.free] = unknowns[part, : at.equations.nodes]
            promised[part] = self._promised_adjoint(at.judge.largest(unknowns[part]))

        self._share(settle, unknowns)
        solution = AdjointSolution(volts, at.equations.currents(unknowns, transposed=True))
        return demand_leveled(solution, operating_point, scale, error, promised)

    def _promised_adjoint(self, high: Floats) -> Floats:
        """The judge's promise, and the backend's, for largest voltages [B]."""
        return promised_adjoint_at(high) + self._arrays.precision.adjoint * high

    def _linear(
        self, at: Prepared, frozen: Floats, injected: Floats, exact: Floats, spread: Spread
    ) -> tuple[Floats, Floats]:
        """Unknowns of the transposed circuit and the volts by which they may be off, [B], for what is injected in the
        backend's numbers, and exact."""
        judge = at.judge

        def right_side(into: Floats) -> Floats:
            return at.equations.right_side(at.folded.fold_injections(into))

        right = right_side(spread(injected))
        unknowns, through = at.method.linear(frozen, right, transposed=True)
        missed = at.method.leaving(unknowns, through, transposed=True) - right
        at.equations.collect(missed, frozen * at.equations.across(unknowns) - through)
        if spread.crowded:  # what the sums may have lost
            missed = np.abs(missed) + np.finfo(injected.dtype).eps * right_side(spread.met(injected))
        high = judge.largest(unknowns)
        error = judge.bound(missed, high)
        left = np.flatnonzero(~(error <= self._promised_adjoint(high)))
        if len(left):
            # Linear equations may be corrected from anywhere, so from nothing where a method found nothing.
            sound = np.isfinite(unknowns[left]) & at.equations.plan.apart.all()
            start = np.where(sound, unknowns[left], 0.0)
            into = right_side(spread.exact(exact[left]))
            unknowns[left], error[left] = judge.newton.polish_linear(
                start, into, frozen[left], lambda x: self._promised_adjoint(at.judge.largest(x)), transposed=True
            )
        return unknowns, error

    def _share(self, work: Callable[[slice], None], whole: Floats) -> None:
        """Do the work on all parts of a batch."""
        parts = _parts(whole)
        if self._arrays.spins:
            for part in parts:
                work(part)
        else:
            share(work, parts, self._workers)

    def _prepare(self, circuit: Circuit) -> Prepared:
        # Threads may share the engine: each goes on with what it found or made, and the last one's is kept.
        prepared = self._prepared
        if prepared is None or prepared.circuit is not circuit:
            prepared = self._prepared = Prepared.of(circuit, self._arrays, prepared)
        return prepared


def _parts(whole: Floats) -> list[slice]:
    """A batch in parts whose working arrays stay in cache: the same, hence the same bits, for any number of workers."""
    most = min(512, max(16, ENTRIES // max(1, whole.shape[1])))
    parts = max(1, -(-len(whole) // most), min(PARTS, whole.size // SHARE, len(whole) // ROWS))
    return slices(len(whole), max(1, -(-len(whole) // parts)))
