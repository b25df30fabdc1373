"""ngspice behind the ``Simulator`` protocol: folded decks, two sweeps, batches spread over worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np
from numpy.typing import NDArray

from diodeq.arrays import real
from diodeq.circuit import Circuit, check, transpose
from diodeq.circuit.check import check_values
from diodeq.circuit.equations import total
from diodeq.circuit.fold import Folded, FoldPlan
from diodeq.circuit.one_ports import apart, one_port_models, without_idle
from diodeq.circuit.proof import attainable, promised_adjoint
from diodeq.circuit.reduce import Reduced, ReductionPlan
from diodeq.devices.one_ports import one_ports
from diodeq.errors import SimulationError
from diodeq.netlist.dynamic import STEP, Stimulus
from diodeq.pool import TIME_LIMIT, Health, Pool
from diodeq.simulators.base import (
    AdjointSolution,
    Floats,
    OperatingPoint,
    Spectrum,
    Waveform,
    demand_injections,
    leveled,
    quiet,
)
from diodeq.simulators.demands import demand_answers, demand_leveled
from diodeq.simulators.ngspice.dynamic import NoiseJob, ToneJob, Transient
from diodeq.simulators.ngspice.jobs import AdjointJob, Answer, Forward, joined, none

# Amperes: with conductances of 1e-7 … 1e-2 S the adjoint voltages are then of the size of the forward ones.
_INJECTED = 1e-3


class NgspiceBase:
    """What both routes share: the worker processes."""

    def __init__(self, workers: int | None = None, time_limit: float = TIME_LIMIT) -> None:
        self.pool = Pool("diodeq.simulators.ngspice.session:Session", workers, time_limit)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the worker processes; they start again when next needed."""
        self.pool.close()

    @property
    def version(self) -> str:
        """Such as ``ngspice-39``."""
        return self.pool.version

    @property
    def health(self) -> Health:
        """How the worker processes are."""
        return self.pool.health


class NgspiceSimulator(NgspiceBase):
    """Device-level simulation in ngspice, the production route.

    ``operate`` is one ``.dc`` sweep over the sample index on the folded and reduced circuit; ``small_signal`` is a
    second, linear one on its transpose with every diode frozen at its conductance in the first. A sample that fails is
    tried again alone with looser tolerances; every answer is proved, after Newton's corrections where it needs them.
    Threads may share the engine.

    Args:
        workers: number of processes; the usable cores by default. Results do not depend on it.
        time_limit: processor seconds that a deck of ordinary size may take, a larger one more, before its worker is
            killed and the deck retried once.
        samples_per_deck: a batch is cut into decks of at most this many samples; by default halves of 8 to 128.

    Raises (from every method): ``CircuitError``, ``SimulatorMissingError``, ``SimulationError``.
    """

    name = "ngspice"

    def __init__(
        self, workers: int | None = None, time_limit: float = TIME_LIMIT, samples_per_deck: int | None = None
    ) -> None:
        super().__init__(workers, time_limit)
        self._samples_per_deck = samples_per_deck
        self._plans: tuple[FoldPlan, ReductionPlan] | None = None
        self._prepared: tuple[Circuit, Folded, Reduced] | None = None

    @quiet
    def operate(self, circuit: Circuit, drives: Floats) -> OperatingPoint:
        """The operating point for input volts ``drives`` float64[B, n_in]."""
        sources = circuit.source_values(drives)
        folded, reduced = self._small(circuit)
        known = folded.known_voltages(sources)
        injections = folded.injections(sources, known, exact=True)
        held = folded.source_voltages(sources, known)
        found = self._solve(Forward(reduced.circuit, reduced.injections(injections), held))
        point = OperatingPoint(
            circuit,
            np.atleast_2d(real("the input volts", drives)),
            folded.unfold(reduced.restore(found.node_voltages, total(injections).astype(np.float64)), known),
            found.conductances,
            found.branch_currents,
        )
        demand_answers(point, point, found.error, attainable(point.node_voltages), found.reasons)
        return point

    def small_signal(
        self, operating_point: OperatingPoint, injections: Floats, nodes: Floats | None = None
    ) -> AdjointSolution:
        """The adjoint solution for currents ``injections`` float64[B, n_out] into the outputs (dℓ/dv of each), and
        ``nodes`` float64[B, N] into any nodes."""
        circuit, frozen = operating_point.circuit, operating_point.diode_conductances
        folded, reduced = self._small(circuit)
        moving = apart(reduced.circuit)
        reverse = transpose(without_idle(reduced.circuit, moving))
        # The sweep is linear, ngspice's tolerances are not: every sample is solved at the same size.
        given, spread = demand_injections(operating_point, injections, nodes)
        given, scale = leveled(given, _INJECTED)
        injected = folded.fold_injections(spread.exact(given))
        found = self._solve(AdjointJob(reverse, reduced.injections(injected), frozen[:, moving]))
        volts = folded.unfold(reduced.restore(found.node_voltages, total(injected).astype(np.float64)))
        solution = AdjointSolution(volts, found.branch_currents)
        promised = promised_adjoint(volts)
        return demand_leveled(solution, operating_point, scale, found.error, promised, found.reasons)

    def transient(
        self,
        circuit: Circuit,
        capacitances: Floats,
        before: Floats,
        after: Floats,
        stop: float,
        tolerance: float,
        rest: Floats | None = None,
    ) -> list[Waveform]:
        """Waveforms from input volts ``before`` float64[B, n_in] to ``after``: ``.tran`` on the folded circuit."""
        folded, farads = self._small(circuit)[0], real("the capacitances", capacitances)
        sources = [circuit.source_values(drives) for drives in (before, after)]
        known = [folded.known_voltages(values) for values in sources]
        starts, ends = (_stimuli(folded, *each) for each in zip(sources, known, strict=True))
        small = folded.fold_injections(farads[None])[0]
        near = [None] * len(starts) if rest is None else [*folded.fold_injections(rest)]
        found = self.pool.map(
            [
                Transient(folded.circuit, small, start, end, stop, tolerance, guess)
                for start, end, guess in zip(starts, ends, near, strict=True)
            ]
        )
        waves = []
        for row, moved in enumerate(found):
            for end, off, allowed in zip(("starts", "ends"), moved.off, moved.allowed, strict=True):
                _demand(f"the waveform of sample {row} {end}", off, allowed, row)
            # The driven nodes move as their sources do.
            stepped = np.clip(moved.times / (STEP * stop), 0.0, 1.0)[:, None]
            driven = known[0][row] + stepped * (known[1][row] - known[0][row])
            volts = folded.unfold(moved.node_voltages, driven)
            waves.append(Waveform(circuit, moved.times, volts, moved.diode_currents))
        return waves

    def noise(
        self, circuit: Circuit, capacitances: Floats, drives: Floats, band: tuple[float, float]
    ) -> list[Spectrum]:
        """Spectra of the outputs for input volts ``drives`` float64[B, n_in]: ``.noise`` on the folded circuit."""
        folded, farads = self._small(circuit)[0], real("the capacitances", capacitances)
        sources = circuit.source_values(drives)
        known = folded.known_voltages(sources)
        small = folded.fold_injections(farads[None])[0]
        pairs = tuple((int(p), int(m)) for p, m in folded.plan.place[circuit.outputs])
        found = self.pool.map(
            [NoiseJob(folded.circuit, small, stimulus, pairs, band) for stimulus in _stimuli(folded, sources, known)]
        )
        spectra = []
        for row, heard in enumerate(found):
            _demand(f"the noise of sample {row} was found", heard.off, heard.allowed, row)
            volts = folded.unfold(heard.node_voltages[None], known[row : row + 1])[0]
            spectra.append(Spectrum(volts, heard.frequencies, heard.densities))
        return spectra

    def tones(
        self,
        circuit: Circuit,
        capacitances: Floats,
        drives: Floats,
        injections: Floats,
        band: tuple[float, float],
        points: int,
    ) -> list[NDArray[np.complex128]]:
        """What node voltages complex[F, N] a tone of currents ``injections`` float64[B, n_out] into the outputs makes,
        one a row, at ``points`` frequencies of a decade over ``band`` in Hz: ``.ac`` on the folded circuit."""
        folded, farads = self._small(circuit)[0], real("the capacitances", capacitances)
        sources = circuit.source_values(drives)
        known = folded.known_voltages(sources)
        small = folded.fold_injections(farads[None])[0]
        amperes = folded.fold_injections(circuit.output_injections(injections))
        jobs = [
            ToneJob(folded.circuit, small, stimulus, each, band, points)
            for stimulus, each in zip(_stimuli(folded, sources, known), amperes, strict=True)
        ]
        return [folded.unfold(found.real) + 1j * folded.unfold(found.imag) for found in self.pool.map(jobs)]

    def _small(self, circuit: Circuit) -> tuple[Folded, Reduced]:
        """The circuit without driven nodes, and that without purely resistive ones."""
        # Threads may share the engine: each goes on with what it found or made, and the last one's is kept.
        prepared, plans = self._prepared, self._plans
        if prepared is None or prepared[0] is not circuit:
            if plans is None or not plans[0].circuit.same_topology(circuit):
                plan = FoldPlan.of(check(circuit))
                fed = plan.place[circuit.current_sources.terminals.ravel()]
                plans = plan, ReductionPlan.of(plan.fold(circuit).circuit, fed)
            check_values(circuit)
            if prepared is None or not prepared[0].same_one_ports(circuit):
                # Refuses what has no law at this temperature.
                one_ports(circuit.models, np.unique(one_port_models(circuit)), circuit.temperature)
            folded = plans[0].fold(circuit)
            prepared = circuit, folded, plans[1].reduce(folded.circuit)
            self._plans, self._prepared = plans, prepared
        return prepared[1:]

    def _chunks(self, samples: int) -> Iterator[slice]:
        # A rule of the batch alone, never of the workers: results must be the same bits for any number.
        size = self._samples_per_deck or min(128, max(8, -(-samples // 2)))
        return (slice(start, min(start + size, samples)) for start in range(0, samples, size))

    def _solve(self, job: Forward | AdjointJob) -> Answer:
        jobs = [job.part(chunk) for chunk in self._chunks(job.samples)]
        parts: list[Answer] = []
        for each, found in zip(jobs, self.pool.attempt(jobs), strict=True):
            # Samples that hung or killed a worker, or the answer of one, do not spoil those beside them.
            if isinstance(found, Answer):
                parts.append(found)
                continue
            alone = [each.part(slice(row, row + 1)) for row in range(each.samples)] if each.samples > 1 else []
            answers = self.pool.attempt(alone) if alone else [found]
            parts += [one if isinstance(one, Answer) else none(each.circuit, one) for one in answers]
        return joined(parts) if parts else none(job.circuit, None)


def _demand(what: str, off: float, allowed: float, row: int) -> None:
    """Raise ``SimulationError`` unless a point is proved to be off by no more volts than it may be."""
    if not off <= allowed:
        raise SimulationError(
            f"{what} {off:.2g} V off the circuit's equations, more than the {allowed:.2g} V that are allowed",
            "lower the drive voltages, or narrow the conductance range",
            sample=row,
        )


def _stimuli(folded: Folded, sources: Floats, known: Floats) -> list[Stimulus]:
    """What drives the folded circuit, sample by sample."""
    currents, volts = folded.injections(sources, known), folded.source_voltages(sources, known)
    return [Stimulus(*each) for each in zip(currents, volts, strict=True)]
