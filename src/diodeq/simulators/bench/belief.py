"""What the host believes of the things on the table: channels, taps and diodes as a calibration found them.

A calibration changes these numbers until they explain what was read; afterwards they say what codes mean.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.devices import Model
from diodeq.errors import InputError
from diodeq.simulators.bench.body import Ints
from diodeq.simulators.bench.channels import Channels
from diodeq.simulators.bench.description import Calibrated
from diodeq.simulators.bench.imperfect import Imperfect
from diodeq.synthesis.variation import deviating

Floats = NDArray[np.float64]
WARMER = 10.0
"""Kelvins from where things were measured that count into what they may deviate by"""
SATURATION, EMISSION = 0.3, 0.02
"""Standard deviations of the logarithms of what diodes of one type differ in, where nothing is known of them"""


def digest(circuit: Circuit) -> str:
    """Of what is joined to what, not of values: those of taps change."""
    found = hashlib.sha256("\n".join([*circuit.nodes, *circuit.inputs.names, *circuit.output_names]).encode())
    for kind in ("resistors", "diodes", "voltage_sources", "current_sources"):
        found.update(circuit.bank(kind).terminals.astype("<i4").tobytes())
    found.update(circuit.mask.tobytes())
    return found.hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Belief:
    """The channels of a circuit with all deviations that are believed, ``values`` by their names in ``Calibrated``."""

    channels: Channels
    values: dict[str, Floats]
    taps: Ints
    codes: Ints

    @staticmethod
    def of(channels: Channels, given: Calibrated | None = None) -> Belief:
        """What a description says; nothing deviates where it has not been calibrated.

        Raises:
            InputError: it was calibrated with another circuit.
        """
        given = given or Calibrated()
        if given.circuit and given.circuit != digest(channels.circuit):
            raise InputError(
                f"the bench {channels.description.name} was calibrated with another circuit",
                "calibrate it again, or remove [calibrated] from its description",
            )
        values: dict[str, Floats] = {}
        for name, spread in spreads(channels).items():
            found = np.array(getattr(given, name), np.float64)
            if len(found) not in (0, len(spread)):
                raise InputError(
                    f"calibrated.{name} of the bench {channels.description.name} has {len(found)} numbers for"
                    f" {len(spread)}",
                    "calibrate it again",
                )
            values[name] = found if len(found) else np.zeros(len(spread))
        values["ohms"] = np.array(given.ohms, np.float64)
        taps, codes = np.array(given.taps, np.int64), np.array(given.codes, np.int64)
        if len(taps) and (
            taps.max() >= channels.counts["taps"]
            or codes.max() >= channels.taps.count
            or codes.min() < channels.taps.first
        ):
            raise InputError(
                f"calibrated.taps of the bench {channels.description.name} are not its own", "calibrate it again"
            )
        return Belief(channels, values, taps, codes)

    def written(self) -> Calibrated:
        """As it goes into a description."""
        lists: dict[str, Any] = {
            name: tuple(each.tolist()) for name, each in self.values.items() if np.any(each) or name == "ohms"
        }
        return Calibrated(
            circuit=digest(self.channels.circuit),
            **lists,
            taps=tuple(self.taps.tolist()),
            codes=tuple(self.codes.tolist()),
        )

    # --- taps and what conducts ---

    def ohms(self, codes: Ints) -> Floats:
        """Of every tap's resistor at codes int64[n_taps]."""
        own = self.channels.taps
        track, wiper = own.parts(codes)
        return np.maximum(track + own.taps.series + wiper + self.ohms_by(codes, self.values), 1e-3)

    def ohms_by(self, codes: Ints, values: Mapping[str, Floats]) -> Floats:
        """What of it ``values`` are, which a resistance is straight in, float64[n_taps]."""
        own, chosen = self.channels.taps, codes[self.taps] == self.codes
        track, wiper = own.parts(codes)
        single = np.bincount(self.taps[chosen], values["ohms"][chosen], len(codes))
        return np.asarray(track * values["tracks"] + (own.taps.series + wiper) * values["ends"] + single)

    def conductances(self, codes: Ints) -> Floats:
        """Of all resistors, float64[n_resistors] in siemens."""
        circuit = self.channels.circuit
        found = np.array(circuit.conductances)
        found[~circuit.mask] /= 1.0 + self.values["fixed"]
        found[circuit.mask] = 1.0 / self.ohms(codes)
        return found

    @cached_property
    def _table(self) -> Floats:
        """Siemens of every tap's resistor [n_taps, n_codes] at every code."""
        count = self.channels.counts["taps"]
        return np.stack(
            [1.0 / self.ohms(np.full(count, code)) for code in range(self.channels.taps.count)],
            axis=1,
        )

    def tapped(self, conductances: Floats) -> Ints:
        """The codes at which taps come nearest to conductances float64[n_taps].

        Raises:
            NotRealizableError: a conductance is out of their nominal range.
        """
        own = self.channels.taps
        nominal = own.encode(conductances)
        if own.stepped:
            return np.asarray(np.abs(self._table - conductances[:, None]).argmin(axis=1))
        _, wiper = own.parts(nominal)
        ohms = 1.0 / conductances - (own.taps.series + wiper) * (1.0 + self.values["ends"])
        nearest = 1.0 / (ohms / (1.0 + self.values["tracks"]) + own.taps.series + wiper)
        return own.encode(np.clip(np.where(nearest > 0.0, nearest, own.ends[1]), *own.ends))

    @cached_property
    def board(self) -> Circuit:
        """The circuit whose inputs are the values of all sources and amperes into ``Channels.free``, with the diodes
        that are believed and its own taps."""
        circuit = Imperfect(self.channels).plain_board
        moved = np.any(self.values["saturations"]) or np.any(self.values["emissions"])
        return self.with_diodes(circuit) if moved else circuit

    def with_diodes(self, circuit: Circuit, saturation: float = 0.0, emission: float = 0.0) -> Circuit:
        """A circuit of these diodes with a model for each; logarithms are added to those of all."""
        if not len(circuit.diodes):
            return circuit
        models = self._models if saturation == emission == 0.0 else self._deviating(saturation, emission)
        return replace(circuit, models=models, diodes=circuit.diodes.with_values(np.arange(len(models))))

    @cached_property
    def _models(self) -> tuple[Model, ...]:
        return self._deviating(0.0, 0.0)

    def _deviating(self, saturation: float, emission: float) -> tuple[Model, ...]:
        log = self.values["saturations"] + saturation
        factors = np.exp(self.values["emissions"] + emission).tolist()
        numbers = self.channels.circuit.diodes.values.tolist()
        return tuple(
            deviating(self.channels.circuit.models[at], f"believed-{k}", math.exp(each), factor)
            for k, (at, each, factor) in enumerate(zip(numbers, log.tolist(), factors, strict=True), 1)
        )

    @cached_property
    def nominal_sources(self) -> tuple[Floats, Floats]:
        """Constant values of the sources [n_sources], and what an input's volt adds to each [n_sources, n_drives]."""
        return Imperfect(self.channels).nominal_sources

    @cached_property
    def joined(self) -> Floats:
        """Which pumps are at which free nodes, [2, n_injections, n_free]."""
        return Imperfect(self.channels).joined

    # --- what drives ---

    def driven(self, volts: Floats) -> Ints:
        """Codes at which inputs have ``volts`` [B, n_drives], or as nearly as they reach."""
        own = (volts - self.values["drive_offsets"]) / (1.0 + self.values["drive_gains"])
        return self.channels.drives.encode(volts, "input", own)

    def sources(self, codes: Ints) -> Floats:
        """What all sources give at codes of the drives, [B, n_sources]."""
        volts = self.channels.drives.decode(codes) * (1.0 + self.values["drive_gains"]) + self.values["drive_offsets"]
        constant, gains = self.nominal_sources
        follows = gains * (1.0 + self.values["complements"])[:, None]
        return np.asarray(constant * (1.0 + self.values["rails"]) + volts @ follows.T)

    def pushed(self, amperes: Floats) -> Ints:
        """Codes of the pumps for ``amperes`` [B, n_injections]: of the mean of an output's two."""
        ends = self.channels.pumps > 0
        gains = self.values["pump_gains"].reshape(2, -1).T
        mean = (gains * ends).sum(axis=1) / np.maximum(ends.sum(axis=1), 1)
        return self.channels.injections.encode(amperes, "pump", amperes / (1.0 + mean))

    def pumped(self, codes: Ints) -> Floats:
        """Amperes into each of ``Channels.free`` at codes of the pumps, [B, n_free], what always flows included."""
        amperes = self.channels.injections.decode(codes)
        first, second = self.joined
        gains = 1.0 + self.values["pump_gains"].reshape(2, -1)
        return np.asarray((amperes * gains[0]) @ first - (amperes * gains[1]) @ second + self.values["leaks"])

    # --- what reads ---

    @cached_property
    def mixing(self) -> Floats:
        """What droop and the multiplexer make of the nodes' volts until they are read, [n_reads, n_reads]."""
        own, places = self.channels.description.reads, self.channels.positions
        kept = np.diag(np.exp(-own.droop * own.seconds * places))
        behind = np.where(places > 0, own.crosstalk, 0.0)[:, None]
        return np.asarray(kept + behind * (np.roll(kept, 1, axis=0) - kept))

    def shown(self, volts: Floats) -> Floats:
        """What the channels make of node voltages [B, n_reads], in volts as their codes are decoded."""
        return volts @ self.mixing.T * (1.0 + self.values["read_gains"]) + self.values["read_offsets"]

    def meant(self, codes: Ints) -> Floats:
        """Node voltages [B, n_reads] that codes stand for."""
        shown = self.channels.reads.decode(codes)
        own = (shown - self.values["read_offsets"]) / (1.0 + self.values["read_gains"])
        return np.asarray(np.linalg.solve(self.mixing, own.T).T)


def spreads(channels: Channels) -> dict[str, Floats]:
    """By how much everything may deviate, standard deviations by the names of ``Calibrated``: what the description says
    of its parts; 0 is exact."""
    own, circuit = channels.description, channels.circuit
    reads, drives, taps, pumps = own.reads, own.drives, own.taps, own.injections
    counts, free, buffers = channels.counts, channels.free, own.amplifiers
    imperfect = Imperfect(channels)
    constant, gains = imperfect.nominal_sources
    warmth = taps.tempco * WARMER
    offset = math.hypot(reads.offset, buffers.offset, reads.offset_drift * WARMER, reads.flicker)
    track = math.hypot(taps.tolerance, warmth) / math.sqrt(3.0)
    wiper = channels.taps.parts(np.zeros(1, np.int64) + channels.taps.count // 2)[1][0]
    uncertain = math.hypot(taps.series * taps.series_tolerance, wiper * taps.wiper_tolerance)
    end = math.hypot(uncertain / (taps.series + wiper), warmth) / math.sqrt(3.0) if taps.series + wiper else 0.0
    ends = (channels.pumps.T > 0).astype(np.float64)
    leaks = np.hypot(pumps.offset * np.sqrt(imperfect.pumps), buffers.bias * np.isin(free, channels.read))
    diodes = len(circuit.diodes)
    return {
        "read_offsets": np.full(counts["reads"], offset),
        "read_gains": np.full(counts["reads"], reads.gain),
        "drive_offsets": np.full(counts["drives"], drives.offset),
        "drive_gains": np.full(counts["drives"], drives.gain),
        "rails": drives.rails * (constant != 0.0),
        "complements": drives.complement * (gains != 0.0).any(axis=1),
        "pump_gains": (pumps.mismatch * ends).ravel(),
        "leaks": leaks,
        "tracks": np.full(counts["taps"], math.hypot(track, taps.drift)),
        "ends": np.full(counts["taps"], end),
        "fixed": np.full(int((~circuit.mask).sum()), taps.series_tolerance / math.sqrt(3.0)),
        "saturations": np.full(diodes, own.diodes.saturation or SATURATION),
        "emissions": np.full(diodes, own.diodes.emission or EMISSION),
    }
