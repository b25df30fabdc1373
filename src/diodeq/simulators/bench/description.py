"""What is on the table: a bench's channels, ranges, taps and imperfections, as a TOML file says them.

A description is a value: ``describing`` reads it from a file, ``options`` makes another one out of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FAINT = 1e-3
"""The part of the amplitude that exact readings resolve"""
EXACT = 48
"""Bits of a converter that rounds nothing worth a word"""


@dataclass(frozen=True)
class Drives:
    """Converters that set the inputs, one for each column, in volts; ``offset`` and ``gain`` (relative) are standard
    deviations from channel to channel, ``complement`` that of the gain of every source which follows an input, such
    as the inverter of a dual rail, and ``rails`` that of constant sources."""

    range: tuple[float, float] = (-5.12, 5.12)
    bits: int = 12
    offset: float = 0.0
    gain: float = 0.0
    complement: float = 0.0
    rails: float = 0.0


@dataclass(frozen=True)
class Reads:
    """Converters that read nodes, in volts.

    ``nodes`` are "all" that no source holds, "outputs", or names. ``offset`` and ``gain`` (relative) are standard
    deviations from channel to channel, ``offset_drift`` volts per kelvin; ``noise`` is the standard deviation of a
    reading, ``flicker`` that of 1/f noise over all its octaves. A converter has ``channels`` nodes behind a multiplexer
    (0: one each) and takes ``seconds`` a reading; meanwhile what is held droops by the part ``droop`` a second, and the
    part ``crosstalk`` of the channel before is still there.
    """

    nodes: str | tuple[str, ...] = "all"
    range: tuple[float, float] = (-5.12, 5.12)
    bits: int = 12
    offset: float = 0.0
    offset_drift: float = 0.0
    gain: float = 0.0
    noise: float = 0.0
    flicker: float = 0.0
    channels: int = 0
    seconds: float = 10e-6
    droop: float = 0.0
    crosstalk: float = 0.0


@dataclass(frozen=True)
class Injections:
    """Pumps that push currents into nodes, in amperes: one a node, so a differential output has two.

    ``nodes`` are the "outputs", "all" that no source holds, or names: those that have a pump beside the outputs, which
    all have theirs. ``mismatch`` is the standard deviation of each pump's gain, ``offset`` that of what it gives when
    it should give nothing; ``compliance`` volts are as far as it reaches, ``ohms`` away (infinite: any).
    """

    nodes: str | tuple[str, ...] = "outputs"
    range: tuple[float, float] = (-500e-6, 500e-6)
    bits: int = 12
    mismatch: float = 0.0
    offset: float = 0.0
    compliance: float = math.inf
    ohms: float = 1e3


@dataclass(frozen=True)
class Taps:
    """Programmable resistors, one for each trainable resistor of the circuit: ``series`` ohms and a digital
    potentiometer, ``part`` of ``devices technologies`` in its version of ``ohms``, or without a part any resistance
    from ``ohms`` down to ``least``.

    ``tolerance`` of the end-to-end resistance (uniform within ±), ``series_tolerance``, ``wiper_tolerance`` of the
    wiper's (all relative), ``nonlinearity`` standard deviation of each tap in taps, ``drift`` relative standard
    deviation over ``drift_seconds``, ``tempco`` relative per kelvin, uniform within ±.
    """

    part: str = ""
    ohms: float = 100e3
    least: float = 100.0
    series: float = 0.0
    tolerance: float = 0.0
    series_tolerance: float = 0.0
    wiper_tolerance: float = 0.0
    nonlinearity: float = 0.0
    drift: float = 0.0
    drift_seconds: float = 86400.0
    tempco: float = 0.0
    quantized: bool = True


@dataclass(frozen=True)
class Settling:
    """``seconds`` from a step of the drives to the first reading (0: as long as it takes); a connected end of a part
    has ``wiring`` farads, a node that is read ``load`` more."""

    seconds: float = 0.0
    wiring: float = 2e-12
    load: float = 10e-12


@dataclass(frozen=True)
class Temperature:
    """Between ``low`` and ``high`` °C, wandering in ``period`` seconds; without them the circuit's own."""

    low: float = math.inf
    high: float = math.inf
    period: float = 3600.0


@dataclass(frozen=True)
class Amplifiers:
    """Buffers between the nodes and what reads them: standard deviations of their ``offset`` in volts and of the
    ``bias`` current that they draw, in amperes."""

    offset: float = 0.0
    bias: float = 0.0


@dataclass(frozen=True)
class Diodes:
    """Standard deviations of the logarithms of saturation currents and emission coefficients from diode to diode."""

    saturation: float = 0.0
    emission: float = 0.0


@dataclass(frozen=True)
class Limits:
    """What no command may exceed: ``volts`` of a drive, ``amperes`` of an injection."""

    volts: float = math.inf
    amperes: float = math.inf


@dataclass(frozen=True)
class Reading:
    """How the host reads: a gradient by currents of either sign whose largest is ``amplitude`` amperes ("auto": what a
    measurement of the noise says is best), everything ``repeats`` times; ``pause`` seconds go by from one row of
    readings to the next.

    ``currents`` go into the "outputs", and what is not read comes from the model; or into the outputs and then into the
    "nodes" that have a pump, one after the other, of which the outputs tell the answer by reciprocity; or, "auto", into
    those nodes that have a pump and are not read.
    """

    amplitude: float | str = 50e-6
    repeats: int = 1
    currents: str = "auto"
    pause: float = 0.0


@dataclass(frozen=True)
class Calibrated:
    """What a calibration found of a bench with the circuit of digest ``circuit``, as deviations from what the rest of
    the description says; what is empty deviates by nothing.

    Offsets and gains (relative) of readings and of drives, gains of every source's constant part (``rails``) and of
    what it follows (``complements``), of the pumps (all first ends of outputs, then all second), amperes that always
    flow into nodes that no source holds (``leaks``); relative deviations of potentiometers (``tracks``), of what is in
    series with them (``ends``) and of resistors that are not programmed (``fixed``); ohms by which single taps
    (``tap``, ``code``) deviate from these; logarithms of the diodes' saturation currents and emission coefficients
    over their model's.
    """

    circuit: str = ""
    read_offsets: tuple[float, ...] = ()
    read_gains: tuple[float, ...] = ()
    drive_offsets: tuple[float, ...] = ()
    drive_gains: tuple[float, ...] = ()
    rails: tuple[float, ...] = ()
    complements: tuple[float, ...] = ()
    pump_gains: tuple[float, ...] = ()
    leaks: tuple[float, ...] = ()
    tracks: tuple[float, ...] = ()
    ends: tuple[float, ...] = ()
    fixed: tuple[float, ...] = ()
    saturations: tuple[float, ...] = ()
    emissions: tuple[float, ...] = ()
    taps: tuple[int, ...] = ()
    codes: tuple[int, ...] = ()
    ohms: tuple[float, ...] = ()


@dataclass(frozen=True)
class Description:
    """A bench. ``source`` says where its figures are from, ``calibrated`` what the host believes beside, ``link`` how
    it is spoken to (empty: its twin, computed here), ``circuit`` names the board of ``boards`` that it is, "" where it
    takes any."""

    name: str
    about: str = ""
    source: str = ""
    circuit: str = ""
    seed: int = 0
    drives: Drives = field(default_factory=Drives)
    holds: Drives | None = None
    reads: Reads = field(default_factory=Reads)
    injections: Injections = field(default_factory=Injections)
    taps: Taps = field(default_factory=Taps)
    settling: Settling = field(default_factory=Settling)
    temperature: Temperature = field(default_factory=Temperature)
    amplifiers: Amplifiers = field(default_factory=Amplifiers)
    diodes: Diodes = field(default_factory=Diodes)
    limits: Limits = field(default_factory=Limits)
    reading: Reading = field(default_factory=Reading)
    calibrated: Calibrated | None = None
    link: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""
    options: tuple[str, ...] = ()

    @property
    def amplitude(self) -> float | str:
        """Amperes of the largest current that a gradient is read with: as described, but where readings are neither
        rounded nor noisy a small part of it, with which every circuit is straight; or "auto"."""
        own, exact = self.reading.amplitude, self.reads.bits == EXACT and not (self.reads.noise or self.reads.flicker)
        return own if isinstance(own, str) else own * (FAINT if exact else 1.0)

    @property
    def held(self) -> Drives:
        """The converters that hold outputs; like those of the drives unless something else is said."""
        return self.holds or self.drives
