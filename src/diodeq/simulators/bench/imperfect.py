"""The things on a twin's table as they really are: what each deviates by is a function of the seed and its name."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Bank, Circuit, Inputs
from diodeq.circuit.kinds import source_kinds
from diodeq.simulators.bench import draws
from diodeq.simulators.bench.body import Ints
from diodeq.simulators.bench.channels import Channels
from diodeq.simulators.bench.description import Description, Drives
from diodeq.synthesis.variation import deviating

Floats = NDArray[np.float64]
MEASURED_AT = 25.0
"""°C at which resistors have their values and offsets are looked at"""
TICKS = 64
"""In so many steps taps drift and the temperature wanders in their periods."""


@dataclass(frozen=True, eq=False)
class Imperfect:
    """A circuit's parts on a bench, and its channels."""

    channels: Channels

    @property
    def circuit(self) -> Circuit:
        return self.channels.circuit

    @property
    def description(self) -> Description:
        return self.channels.description

    def normal(self, what: str, *counters: Ints | draws.Keys | int) -> Floats:
        """Of the bench's seed."""
        return draws.normal(self.description.seed, what, *counters)

    @cached_property
    def tick(self) -> float:
        """Seconds in which nothing drifts or gets warmer; infinite where nothing ever does."""
        own = self.description
        periods = [own.taps.drift_seconds] if own.taps.drift else []
        periods += [own.temperature.period] if own.temperature.low < own.temperature.high else []
        return min(periods, default=math.inf) / TICKS

    def temperature(self, seconds: float) -> float:
        """°C."""
        own = self.description.temperature
        if math.isinf(own.low):
            return self.circuit.temperature
        at = seconds / own.period
        before = math.floor(at)
        first, second = (float(draws.uniform(self.description.seed, "temperature", before + k)) for k in (0, 1))
        return own.low + (own.high - own.low) * (first + (at - before) * (second - first))

    # --- what conducts ---

    @cached_property
    def board(self) -> Circuit:
        """The circuit whose inputs are the values of all its sources, in their order, and then amperes into each of
        ``Channels.free``, with its diodes as they are."""
        circuit, own = self.plain_board, self.description.diodes
        if not (own.saturation or own.emission) or not len(circuit.diodes):
            return circuit
        number = np.arange(len(circuit.diodes))
        factors = (
            np.exp(share * self.normal(what, number)).tolist()
            for what, share in (("saturation", own.saturation), ("emission", own.emission))
        )
        models = tuple(
            deviating(circuit.models[at], f"made-{k}", *each)
            for k, (at, *each) in enumerate(zip(circuit.diodes.values.tolist(), *factors, strict=True), 1)
        )
        return replace(circuit, models=models, diodes=circuit.diodes.with_values(number))

    @cached_property
    def plain_board(self) -> Circuit:
        """The same with the circuit's own diodes."""
        circuit, free = self.circuit, self.channels.free
        old = circuit.current_sources
        ends = np.column_stack([np.zeros(len(free), np.int32), free.astype(np.int32)])
        added = Bank(np.concatenate([old.terminals, ends]), np.zeros(len(old) + len(free)))
        held = circuit.voltage_sources
        count = len(held) + len(added)
        each = np.arange(count, dtype=np.int32)
        inputs = Inputs(each, each, np.ones(count), tuple(f"s{k}" for k in range(count)))
        zeroed = held.with_values(np.zeros(len(held)))
        return replace(circuit, voltage_sources=zeroed, current_sources=added, inputs=inputs, units=None)

    def conductances(self, codes: Ints, seconds: float) -> Floats:
        """Of all resistors with the taps at ``codes``, float64[n_resistors]."""
        circuit, taps, table = self.circuit, self.description.taps, self.channels.taps
        found = 1.0 / (circuit.conductances * (1.0 + self._fixed))
        track, wiper = table.parts(codes)
        if taps.nonlinearity and table.stepped:
            step = taps.ohms / (table.count - 1)
            track = np.maximum(track + taps.nonlinearity * step * self.normal("nonlinearity", self._names, codes), 0.0)
        track = track * self._track
        if taps.drift:
            moved = self._walk(seconds / taps.drift_seconds) - self._walk(0.0)
            track = track * np.maximum(1.0 + taps.drift * moved, 0.1)
        ohms = taps.series * self._series + track + wiper * self._wiper
        if taps.tempco:
            away = self.temperature(seconds) - MEASURED_AT
            ohms = ohms * np.maximum(1.0 + self._tempco * away, 0.1)
        found[circuit.mask] = ohms
        return 1.0 / found

    @cached_property
    def _names(self) -> draws.Keys:
        """Of the trainable resistors, by the nodes that they join: they stay those of a pruned circuit."""
        nodes, ends = self.circuit.nodes, self.circuit.resistors.terminals[self.circuit.mask]
        return draws.keys(f"{nodes[a]} {nodes[b]}" for a, b in ends.tolist())

    def _spread(self, what: str, share: float) -> Floats:
        """Factors within ± a share."""
        return 1.0 + share * (2.0 * draws.uniform(self.description.seed, what, self._names) - 1.0)

    @cached_property
    def _track(self) -> Floats:
        return self._spread("tolerance", self.description.taps.tolerance)

    @cached_property
    def _series(self) -> Floats:
        return self._spread("series", self.description.taps.series_tolerance)

    @cached_property
    def _wiper(self) -> Floats:
        return self._spread("wiper", self.description.taps.wiper_tolerance)

    @cached_property
    def _tempco(self) -> Floats:
        return self._spread("tempco", self.description.taps.tempco) - 1.0

    @cached_property
    def _fixed(self) -> Floats:
        """What resistors that are not programmed deviate by."""
        share = self.description.taps.series_tolerance
        drawn = draws.uniform(self.description.seed, "fixed", np.arange(len(self.circuit.resistors)))
        return np.asarray(share * (2.0 * drawn - 1.0))

    @cached_property
    def _walk(self) -> Callable[[float], Floats]:
        """How far the taps have drifted; they are set many times between two ticks."""
        return lru_cache(maxsize=2)(partial(draws.walk, self.description.seed, "drift", self._names))

    # --- what drives ---

    def sources(self, drives: Ints) -> Floats:
        """What the sources give at codes of the inputs, [B, n_sources]."""
        gain, offset = self._drivers
        volts = self.channels.drives.decode(drives) * gain + offset
        constant, gains = self._sources
        return np.asarray(constant + volts @ gains.T)

    def held(self, codes: Ints) -> Floats:
        """What holds the outputs, volts [B, n_outputs]."""
        gain, offset = self._holders
        return self.channels.holds.decode(codes) * gain + offset

    @cached_property
    def _drivers(self) -> tuple[Floats, Floats]:
        return self._converters("drives", self.description.drives, len(self.circuit.inputs))

    @cached_property
    def _holders(self) -> tuple[Floats, Floats]:
        return self._converters("holds", self.description.held, len(self.circuit.outputs))

    def _converters(self, what: str, own: Drives, count: int) -> tuple[Floats, Floats]:
        """Gains and offsets."""
        channels = np.arange(count)
        gain = 1.0 + own.gain * self.normal(f"{what} gain", channels)
        return gain, own.offset * self.normal(f"{what} offset", channels)

    @cached_property
    def nominal_sources(self) -> tuple[Floats, Floats]:
        """Constant values of the sources [n_sources], and what an input's volt adds to each [n_sources, n_drives]."""
        constant = np.concatenate([self.circuit.bank(kind).values for kind in source_kinds()])
        return constant, self.circuit.inputs.gains(len(constant)).toarray()

    @cached_property
    def _sources(self) -> tuple[Floats, Floats]:
        """The same as they are."""
        own, (constant, gains) = self.description.drives, self.nominal_sources
        constant = constant * (1.0 + own.rails * self.normal("rails", np.arange(len(constant))))
        gains = gains * (1.0 + own.complement * self.normal("complement", np.arange(len(constant)))[:, None])
        return constant, gains

    def pumped(self, codes: Ints) -> Floats:
        """Amperes that the pumps push into each of ``Channels.free``, [B, n_free], where nothing limits them; what the
        buffers draw is in it."""
        amperes = self.channels.injections.decode(codes)
        to_first, to_second, always = self._pumps
        return np.asarray(amperes @ to_first - amperes @ to_second + always)

    @cached_property
    def joined(self) -> Floats:
        """Which of the free nodes each channel's pumps are at, into and out of, [2, n_injections, n_free]."""
        place = np.full(len(self.circuit.nodes), -1)
        place[self.channels.free] = np.arange(len(self.channels.free))
        at = place[self.channels.pumps.T]
        found = np.zeros((*at.shape, len(self.channels.free)))
        side, output = np.nonzero(at >= 0)
        found[side, output, at[side, output]] = 1.0
        return found

    @cached_property
    def _pumps(self) -> tuple[Floats, Floats, Floats]:
        """What an ampere of each channel pushes into and out of the free nodes [n_injections, n_free], and what always
        flows into them [n_free]."""
        own, free = self.description.injections, self.channels.free
        found = self.joined * (1.0 + own.mismatch * self._of_pumps("mismatch"))[:, :, None]
        always = (self.joined * (own.offset * self._of_pumps("pump offset"))[:, :, None]).sum(axis=(0, 1))
        read = np.isin(free, self.channels.read)
        always[read] -= self.description.amplifiers.bias * self.normal("bias", self._reads)
        return found[0], found[1], always

    def _of_pumps(self, what: str) -> Floats:
        """Normal, [2, n_injections]: by the numbers of the outputs, and by the names of other nodes."""
        sides, nodes = np.array([[0], [1]]), self.circuit.nodes
        own = draws.keys(nodes[node] for node in self.channels.pumped.tolist())
        outputs = self.normal(what, np.arange(len(self.circuit.outputs))[None], sides)
        return np.hstack([outputs, self.normal(f"{what} at a node", own[None], sides)])

    @cached_property
    def pumps(self) -> Floats:
        """How many pumps there are at each of ``Channels.free``."""
        return np.asarray(self.joined.sum(axis=(0, 1)))

    # --- what reads ---

    @cached_property
    def _reads(self) -> draws.Keys:
        return draws.keys(self.circuit.nodes[node] for node in self.channels.read.tolist())

    @cached_property
    def _readers(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Of every reading its buffer's offset, the converter's gain and offset, and how this follows the temperature,
        as a part of what is usual."""
        own, names = self.description.reads, self._reads
        return (
            self.description.amplifiers.offset * self.normal("buffer", names),
            1.0 + own.gain * self.normal("gain", names),
            own.offset * self.normal("offset", names),
            self.normal("offset drift", names),
        )

    def read(self, volts: Floats, numbers: Ints, seconds: float, detected: bool = False) -> Ints:
        """The codes of readings ``numbers`` [B] of node voltages [B, n_reads].

        Where these are ``detected``, the parts in phase of a tone, a detector sits between each buffer and the
        converter, multiplies by twice the tone and lets pass what is as slow as a reading: of both sidebands, so the
        noise is the root of two larger; neither the buffer's offset nor noise that is slow comes through.
        """
        own, seed, names = self.description.reads, self.description.seed, self._reads
        buffer, gain, offset, warming = self._readers
        found = volts if detected else volts + buffer
        places = self.channels.positions
        if own.droop:
            found = found * np.exp(-own.droop * own.seconds * places)
        if own.crosstalk:
            before = np.roll(found, 1, axis=1)
            found = np.where(places > 0, found + own.crosstalk * (before - found), found)
        found = found * gain + offset
        if own.offset_drift:
            found = found + own.offset_drift * (self.temperature(seconds) - MEASURED_AT) * warming
        if own.noise:
            noise = own.noise * (math.sqrt(2.0) if detected else 1.0)
            found = found + noise * draws.normal(seed, "noise", names, numbers[:, None])
        if own.flicker and not detected:
            found = found + own.flicker * draws.flicker(seed, "flicker", names, numbers)
        return self.channels.reads.sampled(found)
