"""Activation elements as data: which diodes, resistors, currents and rails turn a node into an activation.

An element hangs on a unit's node and draws the current ``g0 · volts_per_unit · F(v / volts_per_unit)``, so that a node
whose own conductance is g0 settles at the resolvent ``σ = (I + F)⁻¹`` (guide/theory.md §4). All here is in units:
conductances in g0, currents in g0 · volts_per_unit, voltages in volts_per_unit. Terminals are ``"node"``, ``"0"``
(ground), a rail or an inner node of the element.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from diodeq.devices.curve.model import CurveModel
from diodeq.devices.diode.model import DiodeModel
from diodeq.devices.diode.temperature import BOLTZMANN, CHARGE, ZERO_CELSIUS
from diodeq.devices.one_ports import Model

# The diode-relu's saturation current per unit of its thermal voltage; the formula of the activation has the same.
DIODE_RELU_SATURATION = 1e-6

# Levels and conductances, in units, of the three pairs of branches that come nearest to tanh with ideal diodes: within
# 0.024 everywhere (found by least p-th powers of the error, p up to 40).
TANH_GENERATOR = ((0.4259, 0.8225, 0.9902), (0.6914, 4.3042))

MADE = "diodeq: made for its activation"
"""The source of parts that are made to measure"""

# Emission coefficients below this are nearly ideal diodes; real ones are near 1 … 2.
NEARLY_IDEAL = 0.1


def nearly_ideal(model: Model) -> bool:
    """Whether a one-port is a switch for all that resistors can tell."""
    return isinstance(model, DiodeModel) and model.get("n") < NEARLY_IDEAL


@dataclass(frozen=True)
class Rail:
    """A constant voltage all units of a stage share: ``level`` units, plus ``drops`` times the bias that cancels a
    diode's drop."""

    name: str
    level: float
    drops: float

    def volts(self, volts_per_unit: float, bias: float) -> float:
        """Its voltage; a rail at 0 V is ground, which needs no source."""
        return self.level * volts_per_unit + self.drops * bias


class MadeToMeasure(Protocol):
    """A part that is made for an element."""

    def model(self, name: str, siemens: float, volts_per_unit: float, temperature: float = 27.0) -> Model:
        """The part for a unit conductance of ``siemens``, at ``temperature`` in °C."""


@dataclass(frozen=True)
class Made:
    """A Shockley diode made to measure: saturation current in g0 · volts_per_unit, n V_T in volts_per_unit."""

    saturation: float
    thermal: float

    def model(self, name: str, siemens: float, volts_per_unit: float, temperature: float = 27.0) -> DiodeModel:
        """The diode for a unit conductance of ``siemens``, at ``temperature`` in °C."""
        thermal_voltage = BOLTZMANN * (temperature + ZERO_CELSIUS) / CHARGE
        return DiodeModel(
            name,
            (
                ("is", self.saturation * siemens * volts_per_unit),
                ("n", self.thermal * volts_per_unit / thermal_voltage),
                # Both are divided by N, which is far from 1 here; they are meaningless for such a diode.
                ("eg", 0.0),
                ("xti", 0.0),
                ("tnom", temperature),
            ),
            source=MADE,
        )


@dataclass(frozen=True)
class MadeTanh:
    """A part with the curve ``artanh(v) - v`` in units, through points that are closest at 0: a tanh within 2e-6."""

    points: int = 241
    reach: float = 10.0
    """The largest artanh(v)."""

    def model(self, name: str, siemens: float, volts_per_unit: float, temperature: float = 27.0) -> CurveModel:
        """The part for a unit conductance of ``siemens``; it is the same at every temperature."""
        t = self.reach * np.sinh(np.linspace(-3.0, 3.0, self.points)) / np.sinh(3.0)
        v = np.tanh(t)
        volts, amperes = volts_per_unit * v, siemens * volts_per_unit * (t - v)
        return CurveModel(name, tuple(volts.tolist()), tuple(amperes.tolist()), MADE)


@dataclass(frozen=True)
class MadeElu:
    """A part with the curve ``log(1 + v/a) - v`` in units below zero and no current above: an ELU within 2e-6."""

    scale: float
    points: int = 241
    reach: float = 12.0
    """The largest -log(1 + v/a)."""

    def model(self, name: str, siemens: float, volts_per_unit: float, temperature: float = 27.0) -> CurveModel:
        """The part for a unit conductance of ``siemens``; it is the same at every temperature."""
        t = -self.reach * np.sinh(np.linspace(3.0, 0.0, self.points)) / np.sinh(3.0)
        v = np.append(self.scale * np.expm1(t), 1.0)
        current = np.append(t, 1.0) - v
        return CurveModel(
            name, tuple((volts_per_unit * v).tolist()), tuple((siemens * volts_per_unit * current).tolist()), MADE
        )


@dataclass(frozen=True)
class DiodeBranch:
    """A diode between the node and a rail, with a resistor of so many g0 or none; ``outwards``: away from the node."""

    rail: str
    outwards: bool
    conductance: float | None


@dataclass(frozen=True)
class ActivationElement:
    """What one unit needs.

    ``diodes`` are (anode, cathode) pairs, all of the stage's diode or, where ``made`` is given, of that one.
    ``resistors`` are (terminal, terminal, conductance), ``currents`` (from, to, current): the source pushes current
    out of its second terminal. ``inner`` names the element's own nodes. ``scalable``: multiplying resistors and
    currents by d > 0 multiplies F by d, so rows may be scaled.
    """

    diodes: tuple[tuple[str, str], ...] = ()
    resistors: tuple[tuple[str, str, float], ...] = ()
    currents: tuple[tuple[str, str, float], ...] = ()
    rails: tuple[Rail, ...] = ()
    inner: tuple[str, ...] = ()
    made: MadeToMeasure | None = None
    scalable: bool = True

    @property
    def biasable(self) -> bool:
        """Whether a bias voltage can cancel the diodes' drop."""
        return any(rail.drops for rail in self.rails)

    @property
    def branches(self) -> tuple[DiodeBranch, ...]:
        """The diodes as branches from the node to a rail or ground; only elements without bridges have them."""
        behind = {end: conductance for end, other, conductance in self.resistors if other == "node"}
        found = []
        for anode, cathode in self.diodes:
            outwards = anode == "node" or anode in behind
            own, rail = (anode, cathode) if outwards else (cathode, anode)
            found.append(DiodeBranch(rail, outwards, behind.get(own)))
        return tuple(found)


def identity(parameter: float) -> ActivationElement:
    return ActivationElement()


def relu(parameter: float) -> ActivationElement:
    """F = normal cone of v ≥ 0: the diode conducts when the node would go negative."""
    return ActivationElement(diodes=(("low", "node"),), rails=(Rail("low", 0.0, 1.0),))


def leaky_relu(slope: float) -> ActivationElement:
    """F(v) = (1/s - 1) v below zero: the same diode before a resistor, at the end where its voltage stays small."""
    if slope == 1.0:
        return ActivationElement()
    return ActivationElement(
        diodes=(("low", "leak"),),
        resistors=(("leak", "node", 1.0 / slope - 1.0),),
        rails=(Rail("low", 0.0, 1.0),),
        inner=("leak",),
    )


def hard_tanh(limit: float) -> ActivationElement:
    """F = normal cone of [-c, c]: clamps to two rails."""
    return ActivationElement(
        diodes=(("node", "high"), ("low", "node")),
        rails=(Rail("high", limit, -1.0), Rail("low", -limit, 1.0)),
    )


def softened_threshold(threshold: float) -> ActivationElement:
    """The bridge of `soft_threshold` with diodes as ideal as Newton's method can bear: a bridge passes current from
    diode to diode while all four change by decades."""
    return replace(soft_threshold(threshold), made=Made(saturation=1e-9, thermal=1e-4))


def soft_threshold(threshold: float) -> ActivationElement:
    """F(v) = t sign(v): a bridge of four diodes around a current source passes any current of at most ±t at 0 V and
    exactly ±t at any other voltage. The drops of its two paths cancel."""
    return ActivationElement(
        diodes=(("top", "node"), ("top", "0"), ("node", "bottom"), ("0", "bottom")),
        currents=(("bottom", "top", threshold),),
        inner=("top", "bottom"),
    )


def asinh(scale: float) -> ActivationElement:
    """F(v) = a sinh(v/a): an antiparallel pair, ``I_s (e^(v/a) - 1) - I_s (e^(-v/a) - 1)`` with ``2 I_s = a``."""
    return ActivationElement(diodes=(("node", "0"), ("0", "node")), made=Made(scale / 2.0, scale), scalable=False)


def diode_relu(thermal: float) -> ActivationElement:
    """F(v) = -I_s (exp(-v/t) - 1): one Shockley diode, anode at ground."""
    return ActivationElement(
        diodes=(("0", "node"),), made=Made(thermal * DIODE_RELU_SATURATION, thermal), scalable=False
    )


def tanh(parameter: float) -> ActivationElement:
    """F(v) = artanh(v) - v: one part whose curve that is."""
    return ActivationElement(diodes=(("node", "0"),), made=MadeTanh(), scalable=False)


def elu(scale: float) -> ActivationElement:
    """F(v) = log(1 + v/a) - v below zero: one part whose curve that is."""
    return ActivationElement(diodes=(("node", "0"),), made=MadeElu(scale), scalable=False)


def tanh_generator(parameter: float) -> ActivationElement:
    """A diode function generator for tanh: clamps at rising voltages, each but the last through a resistor."""
    return generator(*TANH_GENERATOR)


def generator(levels: tuple[float, ...], conductances: tuple[float, ...]) -> ActivationElement:
    """Odd and straight between corners: at ±``levels[k]`` a branch of ``conductances[k]`` begins to conduct, or, of the
    last where there is one level more, a clamp."""
    diodes: list[tuple[str, str]] = []
    resistors: list[tuple[str, str, float]] = []
    rails: list[Rail] = []
    for k, level in enumerate(levels, start=1):
        high, low = f"high{k}", f"low{k}"
        rails += [Rail(high, level, -1.0), Rail(low, -level, 1.0)]
        if k <= len(conductances):
            diodes += [(f"up{k}", high), (low, f"down{k}")]
            resistors += [(end, "node", conductances[k - 1]) for end in (f"up{k}", f"down{k}")]
        else:
            diodes += [("node", high), (low, "node")]
    inner = tuple(end for end, _, _ in resistors)
    return ActivationElement(diodes=tuple(diodes), resistors=tuple(resistors), rails=tuple(rails), inner=inner)
