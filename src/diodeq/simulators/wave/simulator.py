"""The wave engine behind the ``Simulator`` protocol."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Self

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit, check
from diodeq.circuit.check import check_values
from diodeq.circuit.fold import Folded, FoldPlan
from diodeq.errors import InputError
from diodeq.processors import share, slices
from diodeq.simulators.base import AdjointSolution, OperatingPoint
from diodeq.simulators.wave.arrays import Arrays
from diodeq.simulators.wave.balance import demand_balanced, demand_settled, imbalance
from diodeq.simulators.wave.diodes import Diodes
from diodeq.simulators.wave.general import General
from diodeq.simulators.wave.leaves import Leaves, LeavesPlan
from diodeq.simulators.wave.method import Method
from diodeq.simulators.wave.stamp import Stamp, StampPlan

Floats = NDArray[np.float64]

# Numbers in one working array of a part of a batch (1.5 MB): larger ones leave the cache.
ENTRIES = 3 << 16
# A batch is cut into so many parts that threads may share, unless they had fewer numbers each than are worth a thread.
PARTS = 4
SHARE = 1 << 15
# Once an array of so many numbers (31 MB, never touched) has been freed, glibc keeps freed memory up to twice its size
# (mallopt(3), M_MMAP_THRESHOLD). Otherwise working arrays are fetched anew from the system thousands of times a second.
KEPT = 31 << 17
# The names of transposed elements' currents: a transposed buffer is a mirror and the other way round.
TRANSPOSED = {"buffers": "mirrors", "mirrors": "buffers"}


@dataclass(frozen=True, eq=False)
class WavePoint(OperatingPoint):
    """An operating point that carries ``residual`` float64[B]: the worst imbalance of currents, as a share of them."""

    residual: Floats = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, eq=False)
class Plans:
    """What a circuit's topology decides."""

    fold: FoldPlan
    stamp: StampPlan
    leaves: LeavesPlan | None

    @staticmethod
    def of(circuit: Circuit) -> Plans:
        """Of a sound circuit."""
        fold = FoldPlan.of(circuit)
        stamp = StampPlan.of(fold.folded)
        return Plans(fold, stamp, LeavesPlan.of(stamp, fold.folded))


@dataclass(frozen=True, eq=False)
class Prepared:
    """A circuit with its values, folded and factored."""

    circuit: Circuit
    folded: Folded
    stamp: Stamp
    method: Method


class WaveSimulator:
    """Device-level simulation by matrix products: the same equations as ngspice's, solved for a whole batch.

    Diodes follow ``devices.law`` with gmin = 1e-12 S as in ngspice. Every answer was checked: each diode's voltage to
    4e-12 V (and 2e-13 of the largest voltage), Kirchhoff's current law at every node to 1e-6 of the currents there
    (usually 1e-11). In float32 it is 1e-6 V (and 4e-6 of the largest voltage) and 1e-2 of the currents.

    Args:
        options: of ``arrays.BACKENDS``, ``PRECISIONS`` and ``DEVICES``; float64 in numpy by default.
        workers: threads that share a batch in numpy; as many as there are processors by default.

    Raises (from every method): ``CircuitError``, ``InputError`` for input volts that are not finite, and
    ``SimulationError`` where the tolerance is not reached.
    """

    name = "wave"

    def __init__(self, *options: str, workers: int | None = None) -> None:
        self._arrays = Arrays.of(options)
        np.empty(KEPT)
        self._workers = workers
        self._plans: Plans | None = None
        self._prepared: Prepared | None = None

    @property
    def version(self) -> str:
        """Such as ``wave (numpy 2.4.6, float64, Python 3.11.2)``."""
        return f"wave ({self._arrays.version}, Python {platform.python_version()})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._plans = self._prepared = None

    def operate(self, circuit: Circuit, drives: Floats) -> WavePoint:
        """The operating point for input volts ``drives`` float64[B, n_in]."""
        with np.errstate(over="ignore"):  # what single precision cannot hold is infinite there
            sources = self._arrays.narrow(circuit.source_values(drives))
        if not np.isfinite(sources).all():
            sample = int(np.flatnonzero(~np.isfinite(sources).all(axis=1))[0])
            raise InputError(f"input volts of sample {sample} are not finite", "check the inputs for NaN and infinity")
        at, empty = self._prepare(circuit), self._arrays.empty
        volts, conductances = empty((len(sources), len(circuit.nodes))), empty((len(sources), len(circuit.diodes)))
        unknowns, residual = empty((len(sources), at.stamp.size)), np.empty(len(sources))

        def settle(part: slice) -> None:
            known = at.folded.known_voltages(sources[part])
            injections = at.folded.injections(sources[part], known, self._arrays.multiply)
            right = at.stamp.right_side(injections, at.folded.source_voltages(sources[part], known))
            settled = at.method.settle(right)
            residual[part] = imbalance(at.method, at.stamp, settled.unknowns, settled.currents, right)
            demand_settled(settled, residual[part], self._arrays.precision.residual, part.start)
            unknowns[part], conductances[part] = settled.unknowns, settled.conductances
            volts[part] = at.folded.unfold(at.stamp.voltages(settled.unknowns), known)

        self._share(settle, unknowns)
        drives = np.atleast_2d(np.asarray(drives, dtype=np.float64))
        return WavePoint(circuit, drives, volts, conductances, at.stamp.currents(unknowns), residual)

    def small_signal(self, operating_point: OperatingPoint, injections: Floats) -> AdjointSolution:
        """The adjoint solution for currents ``injections`` float64[B, n_out] into the outputs (dℓ/dv of each)."""
        circuit, frozen = operating_point.circuit, operating_point.diode_conductances
        at = self._prepare(circuit)
        injected = self._arrays.narrow(np.asarray(injections))
        volts = self._arrays.empty((len(injected), len(circuit.nodes)))
        unknowns = self._arrays.empty((len(injected), at.stamp.size))

        def settle(part: slice) -> None:
            right = at.stamp.right_side(at.folded.fold_injections(circuit.output_injections(injected[part])))
            unknowns[part], through = at.method.adjoint(frozen[part], right)
            wrong = imbalance(at.method, at.stamp, unknowns[part], through, right, transposed=True)
            # A frozen diode of many siemens has hardly any voltage: its law is checked in volts, its current balances.
            across = np.asarray((at.stamp.ports @ unknowns[part].T).T)
            largest = np.abs(unknowns[part][:, : at.stamp.nodes]).max(axis=1, initial=np.finfo(np.float64).tiny)
            astray = np.abs(across - through / frozen[part]).max(axis=1, initial=0.0) / largest
            demand_balanced(np.maximum(wrong, astray), self._arrays.precision.adjoint, part.start)
            volts[part] = at.folded.unfold(at.stamp.voltages(unknowns[part]))

        self._share(settle, unknowns)
        return AdjointSolution(volts, at.stamp.currents(unknowns, TRANSPOSED))

    def _share(self, work: Callable[[slice], None], whole: Floats) -> None:
        """Do the work on all parts of a batch."""
        parts = _parts(whole)
        if self._arrays.in_numpy:
            share(work, parts, self._workers)
        else:  # PyTorch has threads of its own
            for part in parts:
                work(part)

    def _prepare(self, circuit: Circuit) -> Prepared:
        if self._prepared is not None and self._prepared.circuit is circuit:
            return self._prepared
        if self._plans is None or not self._plans.fold.circuit.same_topology(circuit):
            self._plans = Plans.of(check(circuit))
        check_values(circuit)
        folded = self._plans.fold.fold(circuit)
        folded = replace(folded, couplings=tuple(self._arrays.put(each) for each in folded.couplings))
        stamped = self._plans.stamp.stamp(folded.circuit)
        self._prepared = Prepared(circuit, folded, stamped, self._method(self._plans, stamped))
        return self._prepared

    def _method(self, plans: Plans, stamped: Stamp) -> Method:
        """The way of solving that fits the circuit's shape."""
        diodes = Diodes.of(stamped.circuit, self._arrays)
        general = cache(partial(General.of, stamped, diodes, self._arrays))
        if plans.leaves is None:
            return general()
        return Leaves.of(plans.leaves, stamped, diodes, self._arrays, general) or general()


def _parts(whole: Floats) -> list[slice]:
    """A batch in parts whose working arrays stay in cache: the same, hence the same bits, for any number of workers."""
    most = min(512, max(16, ENTRIES // max(1, whole.shape[1])))
    parts = max(1, -(-len(whole) // most), min(PARTS, whole.size // SHARE))
    return slices(len(whole), max(1, -(-len(whole) // parts)))
