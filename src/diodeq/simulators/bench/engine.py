"""The host's side of a bench: the simulator protocol over a body that speaks codes."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

import numpy as np

from diodeq.arrays import real
from diodeq.circuit import KINDS, Circuit
from diodeq.circuit.capacitance import toned
from diodeq.circuit.fold import Folded, FoldPlan
from diodeq.circuit.nudges import CLAMP, NUDGE, without
from diodeq.devices.one_ports import OnePorts, one_ports
from diodeq.errors import SimulationError, UsageError
from diodeq.simulators.base import AdjointSolution, Floats, OperatingPoint, Simulator, demand_injections
from diodeq.simulators.bench.backward import Backward, millihertz
from diodeq.simulators.bench.belief import Belief
from diodeq.simulators.bench.body import Body, Ints
from diodeq.simulators.bench.channels import Channels, Index
from diodeq.simulators.bench.codes import TapTable
from diodeq.simulators.bench.description import Description
from diodeq.simulators.bench.filling import Tolerances, filled
from diodeq.simulators.bench.links import connect
from diodeq.simulators.bench.log import VARIABLE, Logged
from diodeq.simulators.bench.settling import charged
from diodeq.simulators.bench.twin import Twin
from diodeq.simulators.two_sided import best_amplitude, demand_reciprocal, two_sided
from diodeq.simulators.wave import WaveSimulator

Join = Callable[[Description, Circuit], Body]


@dataclass(frozen=True, eq=False)
class BenchPoint(OperatingPoint):
    """What a bench read; ``modelled`` are the conductances that the host believes its diodes to have."""

    modelled: Floats = field(default_factory=lambda: np.zeros((0, 0)))


class BenchSimulator:
    """A circuit on the table behind the simulator protocol: trainable resistors become taps, input volts codes, and
    node voltages are what the converters read, so no two readings are alike.

    Node voltages that sources hold are those that were asked for; nodes that are not read come from the nominal
    circuit at the taps that were set and from those that are (``_filled``). ``small_signal`` is two settlings with
    currents of either sign, and two more for each node that has a pump and is not read (``Backward``).
    Conductances of diodes are those that their models have at the voltages read.

    Args:
        description: of the bench.
        join: makes the body for a circuit; the twin unless given.

    Raises (from every method): ``NotRealizableError`` for what the bench cannot be told.
    """

    name = "bench"

    def __init__(
        self, description: Description, join: Join | None = None, make: Callable[[], Simulator] = WaveSimulator
    ):
        self.description = description
        self._join, self._make = join or self._joined, make
        self._model, self._readings = make(), 0
        self._body: Body | None = None
        self._channels: Channels | None = None
        self._belief: Belief | None = None
        self._folded: Folded | None = None
        self._plain: Circuit | None = None
        self._ports: tuple[Circuit, OnePorts] | None = None
        self._lock = threading.RLock()

    @property
    def version(self) -> str:
        """Such as ``bench iris 3f0c… on wave (…)``."""
        own = self.description
        return f"bench {' '.join([own.name, own.sha256[:12], *own.options])} on {self._model.version}"

    @property
    def described(self) -> dict[str, Any]:
        """What a run's summary says of the bench."""
        own = self.description
        return {"name": own.name, "sha256": own.sha256, "options": list(own.options), "readings": self.readings}

    @property
    def resolution(self) -> float:
        """Volts by which rounding to codes makes a reading wrong: evenly spread within a code."""
        own = self.description.reads
        return (own.range[1] - own.range[0]) / 2.0**own.bits / math.sqrt(12.0)

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the largest conductance of a tap."""
        return TapTable(self.description.taps).ends

    @property
    def readings(self) -> int:
        """How many rows were read; a twin that is told goes on from there."""
        return getattr(self._body, "readings", self._readings)

    @readings.setter
    def readings(self, count: int) -> None:
        self._readings = count
        if hasattr(self._body, "readings"):
            self._body.readings = count  # type: ignore[union-attr]

    def taps(self, circuit: Circuit) -> tuple[Ints, Ints] | None:
        """The codes at which the taps are, read back, and those that ``circuit`` asks for; nothing is set. None of a
        twin in this process, which goes with it."""
        if not self.description.link:
            return None
        with self._lock:
            plain, _ = without(circuit)
            body, _ = self._join_to(plain)
            return body.taps(), self._tapped(plain.conductances[plain.mask])

    def demand_holds(self, circuit: Circuit) -> None:
        """Raises ``InputError`` where the bench cannot hold outputs; nothing is driven."""
        with self._lock:
            self._join_to(without(circuit)[0])[0].demand_holds()

    def settlings(self, circuit: Circuit) -> tuple[int, int]:
        """How many readings a sample takes when it is operated, and when it is linearized."""
        repeats = self.description.reading.repeats
        channels = Channels.of(without(circuit)[0], self.description)
        return repeats, 2 * repeats * Backward.of(channels).count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            if self._body is not None:
                self._readings = self.readings
                self._body.close()
            self._body = self._plain = self._channels = self._folded = self._belief = None
            self._model.__exit__(*exc)

    def operate(self, circuit: Circuit, drives: Floats) -> BenchPoint:
        """The readings for input volts ``drives`` float64[B, n_in]; what ``with_nudges`` and ``with_clamps`` add goes
        to the pumps and to what holds the outputs."""
        with self._lock:
            circuit.source_values(drives)  # refuses what does not fit
            given = np.atleast_2d(real("the input volts", drives))
            plain, what = without(circuit)
            self._connect(plain)
            own, added = np.split(given, [len(plain.inputs)], axis=1)
            repeats = self.description.reading.repeats
            asked = np.repeat(own, repeats, axis=0), np.repeat(added, repeats, axis=0)
            volts = self._read(asked[0], asked[1] if what == NUDGE else None, asked[1] if what == CLAMP else None)
            volts = volts.reshape(len(given), repeats, volts.shape[1]).mean(axis=1)
            self._filled(circuit, given, volts)
            known = circuit if self._belief is None else self._belief.with_diodes(circuit)
            if self._ports is None or not self._ports[0].same_one_ports(known):
                self._ports = known, one_ports(known.models, known.diodes.values, circuit.temperature)
            ports, ends = self._ports[1], circuit.diodes.terminals
            frozen = np.asarray(ports.conductance(volts[:, ends[:, 0]] - volts[:, ends[:, 1]]))
            return BenchPoint(circuit, given, volts, frozen, {}, frozen)

    def small_signal(
        self, operating_point: OperatingPoint, injections: Floats, nodes: Floats | None = None
    ) -> AdjointSolution:
        """What two readings with currents of either sign say of the linearized circuit.

        Raises:
            SimulationError: the circuit is not reciprocal, or its diodes are to be frozen as they are not.
            UsageError: currents into ``nodes``, where a bench has no pumps.
        """
        point = operating_point
        if nodes is not None and np.any(nodes):
            raise UsageError("a bench has pumps at its outputs alone", "leave the power out of the loss")
        if isinstance(point, BenchPoint) and point.diode_conductances is not point.modelled:
            raise SimulationError(
                "a bench cannot freeze diodes: they conduct as they do", "use a rule that lets them, or an exact engine"
            )
        return AdjointSolution(self.measured(point, injections))

    def measured(
        self,
        point: OperatingPoint,
        injections: Floats,
        amplitude: float | str | None = None,
        repeats: int = 1,
        hertz: float = 0.0,
    ) -> Floats:
        """What the linearized circuit answers to ``injections`` float64[B, n_out], float64[B, N], as it is read with
        currents of ``amplitude`` amperes, the description's unless given, each reading ``repeats`` times as often as
        there; "auto" measures the noise first. With ``hertz`` the currents are a tone, of which the part in phase is
        read.

        Raises:
            SimulationError: the circuit is not reciprocal.
            UsageError: currents cannot go where ``reading.currents`` says.
            InputError: the bench has no tone.
        """
        demand_reciprocal(point.circuit)
        injected, _ = demand_injections(point, injections, None)
        with self._lock:
            plain, _ = without(point.circuit)
            self._connect(plain)
            assert self._channels is not None
            own, backward = point.drives[:, : len(plain.inputs)], Backward.of(self._channels)
            amplitude, repeats = amplitude or self.description.amplitude, repeats * self.description.reading.repeats
            drives, currents = np.repeat(own, backward.count, axis=0), backward.currents(injected)
            if isinstance(amplitude, str):
                best = (
                    best_amplitude(self._read, plain, drives, currents, repeats, self.resolution) if len(own) else None
                )
                amplitude = best.best if best else 1.0
            volts = two_sided(partial(self._read, hertz=hertz), drives, currents, amplitude, repeats)
            volts = backward.answers(injected, volts)
            self._filled_adjoint(point, injected, volts, backward, backward.noise(injected, amplitude, repeats), hertz)
            return volts

    def _joined(self, description: Description, circuit: Circuit) -> Body:
        """The bench that the description's link speaks to, or its twin."""
        return body_of(description, circuit, self._make)

    def _connect(self, plain: Circuit) -> None:
        """Put the circuit on the table and set its taps."""
        if self._plain is not plain:
            body, _ = self._join_to(plain)
            body.set_taps(self._tapped(plain.conductances[plain.mask]))
            self._plain = plain

    def _join_to(self, plain: Circuit) -> tuple[Body, Channels]:
        """The body that the circuit is, and its channels; the taps are as they are."""
        if self._body is None or self._channels is None or not _alike(self._channels.circuit, plain):
            if self._body is not None:
                self._readings = self.readings
                self._body.close()
            self._body = self._plain = None
            self._channels = Channels.of(plain, self.description)
            self._belief = Belief.of(self._channels, own) if (own := self.description.calibrated) else None
            self._folded = FoldPlan.of(plain).fold(plain)
            body, log = self._join(self.description, plain), os.environ.get(VARIABLE)
            self._body = Logged(body, log) if log else body
            self.readings = self._readings
        return self._body, self._channels

    def _read(self, drives: Floats, amperes: Floats | None, held: Floats | None = None, hertz: float = 0.0) -> Floats:
        """Node voltages float64[B, N] as they are read, with ``hertz`` what is in phase with a tone of ``amperes``;
        those that are not read are 0. The first currents are those into outputs."""
        at, body, plain = self._channels, self._body, self._plain
        assert at is not None
        assert body is not None
        assert plain is not None
        assert self._folded is not None
        belief = self._belief
        codes = at.drives.encode(drives, "input") if belief is None else belief.driven(drives)
        pumps: Ints = np.zeros((len(drives), len(at.pumps)), np.int64)
        if amperes is not None:
            amperes = np.pad(amperes, ((0, 0), (0, len(at.pumps) - amperes.shape[1])))
            pumps = at.injections.encode(amperes, "pump") if belief is None else belief.pushed(amperes)
        holds = None if held is None else at.holds.encode(held, "output")
        sources = plain.source_values(drives) if belief is None else belief.sources(codes)
        volts = self._folded.known_voltages(sources)
        found = body.tone(codes, pumps, millihertz(hertz)) if hertz else body.read(codes, pumps, holds)
        if not hasattr(body, "readings"):
            self._readings += len(drives)
        volts[:, at.read] = at.reads.decode(found) if belief is None else belief.meant(found)
        return volts

    def _tapped(self, conductances: Floats) -> Ints:
        """The codes of taps for conductances [n_taps]."""
        assert self._channels is not None
        return self._channels.taps.encode(conductances) if self._belief is None else self._belief.tapped(conductances)

    def _nominal(self, circuit: Circuit) -> Circuit:
        """The circuit as the host believes it to be at the taps that were set."""
        assert self._channels is not None
        belief, codes = self._belief, self._tapped(circuit.conductances[circuit.mask])
        if belief is not None:
            return belief.with_diodes(circuit).with_conductances(belief.conductances(codes))
        values = circuit.conductances.copy()
        values[circuit.mask] = self._channels.taps.decode(codes)
        return circuit.with_conductances(values)

    def _filled(self, circuit: Circuit, drives: Floats, volts: Floats) -> None:
        """Put what is not read in its place: what the model has, and what readings say of it."""
        assert self._channels is not None
        if len(self._channels.missing):
            point = self._model.operate(self._nominal(circuit), drives)
            at = self._channels.read
            self._expected(point, point.node_voltages, volts, at, np.ones((len(volts), len(at))))

    def _filled_adjoint(
        self, point: OperatingPoint, injected: Floats, volts: Floats, backward: Backward, noise: Floats, hertz: float
    ) -> None:
        """The same of what currents change; of a tone what is missing is the model's."""
        at = backward.channels
        missing = np.setdiff1d(at.free, backward.known)
        weighs = self.description.taps.tolerance and self._belief is None and not hertz
        if not len(missing) and not (weighs and len(backward.nodes)):
            return
        modelled = self._model.operate(self._nominal(point.circuit), point.drives)
        if hertz:
            circuit, frozen = modelled.circuit, modelled.diode_conductances
            amperes, farads = circuit.output_injections(injected), charged(circuit, at)
            found = toned(circuit, modelled.node_voltages, frozen, amperes, farads, hertz)
            volts[:, missing] = found[:, missing]
            return
        answers = self._model.small_signal(modelled, injected).node_voltages
        self._expected(modelled, answers, volts, backward.known, noise)

    def _expected(self, point: OperatingPoint, model: Floats, volts: Floats, known: Index, noise: Floats) -> None:
        """What is not ``known`` int[m], from the model's volts and, where resistors deviate that were not calibrated,
        from what is: a reading's noise times ``noise`` float64[B, m] is that of ``volts``. What is known and not read
        is expected too, from the model and what currents told."""
        assert self._channels is not None
        own, at = self.description, self._channels
        missing, unread = np.setdiff1d(at.free, known), np.setdiff1d(at.free, at.read)
        volts[:, missing] = model[:, missing]
        if own.taps.tolerance and self._belief is None:
            spread = Tolerances.of(point.circuit, point, own.taps.tolerance)
            where = np.isin(known, spread.free)
            read, each = known[where], math.hypot(own.reads.noise, self.resolution) * noise[:, where]
            each = np.where(each > 0.0, each, 1.0)  # without currents there is no answer
            found = filled(model, spread.free, spread.covariance(model), read, volts[:, read], each, at.read)
            volts[:, unread] = found[:, unread]


def body_of(description: Description, circuit: Circuit, make: Callable[[], Simulator] = WaveSimulator) -> Body:
    """What a description's link speaks to, or its twin."""
    if description.link:
        return connect(description.link, Channels.of(circuit, description).spans)
    return Twin(description, circuit, make)


def _alike(one: Circuit, other: Circuit) -> bool:
    """Whether two plain circuits differ in trainable conductances at most."""
    if one.mask is not other.mask and not np.array_equal(one.mask, other.mask):
        return False
    if not (one.same_topology(other) and one.same_one_ports(other)):
        return False
    fixed = ~one.mask
    if not np.array_equal(one.conductances[fixed], other.conductances[fixed]):
        return False
    return all(
        one.bank(kind) is other.bank(kind) or np.array_equal(one.bank(kind).values, other.bank(kind).values)
        for kind in KINDS.keys() - {"resistors"}
    )
