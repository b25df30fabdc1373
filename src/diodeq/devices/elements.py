"""Activation elements as data: which diodes, resistors, currents and rails turn a node into an activation.

An element hangs on a unit's node and draws the current ``g0 · volts_per_unit · F(v / volts_per_unit)``, so that a node
whose own conductance is g0 settles at the resolvent ``σ = (I + F)⁻¹`` (THEORY.md §4). Everything here is in units:
conductances in g0, currents in g0 · volts_per_unit, voltages in volts_per_unit. Terminals are ``"node"``, ``"0"``
(ground), a rail or an inner node of the element.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from diodeq.devices.diode.model import DiodeModel
from diodeq.devices.diode.temperature import BOLTZMANN, CHARGE, ZERO_CELSIUS
from diodeq.devices.one_ports import Model
from diodeq.errors import InputError

# The diode-relu's saturation current per unit of its thermal voltage; the formula of the activation has the same.
DIODE_RELU_SATURATION = 1e-6


@dataclass(frozen=True)
class Rail:
    """A constant voltage all units of a stage share: ``level`` units, plus ``drops`` times the bias that cancels a
    diode's drop."""

    name: str
    level: float
    drops: float


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
            source="diodeq: made for its activation",
        )


@dataclass(frozen=True)
class Element:
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
    made: Made | None = None
    scalable: bool = True

    @property
    def biasable(self) -> bool:
        """Whether a bias voltage can cancel the diodes' drop."""
        return any(rail.drops for rail in self.rails)


def _identity(parameter: float) -> Element:
    return Element()


def _relu(parameter: float) -> Element:
    """F = normal cone of v ≥ 0: the diode conducts when the node would go negative."""
    return Element(diodes=(("low", "node"),), rails=(Rail("low", 0.0, 1.0),))


def _leaky_relu(slope: float) -> Element:
    """F(v) = (1/s - 1) v below zero: the same diode before a resistor, at the end where its voltage stays small."""
    if slope == 1.0:
        return Element()
    return Element(
        diodes=(("low", "leak"),),
        resistors=(("leak", "node", 1.0 / slope - 1.0),),
        rails=(Rail("low", 0.0, 1.0),),
        inner=("leak",),
    )


def _hard_tanh(limit: float) -> Element:
    """F = normal cone of [-c, c]: clamps to two rails."""
    return Element(
        diodes=(("node", "high"), ("low", "node")),
        rails=(Rail("high", limit, -1.0), Rail("low", -limit, 1.0)),
    )


def _soft_threshold(threshold: float) -> Element:
    """F(v) = t sign(v): a bridge of four diodes around a current source passes any current of at most ±t at 0 V and
    exactly ±t at any other voltage. The drops of its two paths cancel."""
    return Element(
        diodes=(("top", "node"), ("top", "0"), ("node", "bottom"), ("0", "bottom")),
        currents=(("bottom", "top", threshold),),
        inner=("top", "bottom"),
    )


def _asinh(scale: float) -> Element:
    """F(v) = a sinh(v/a): an antiparallel pair, ``I_s (e^(v/a) - 1) - I_s (e^(-v/a) - 1)`` with ``2 I_s = a``."""
    return Element(diodes=(("node", "0"), ("0", "node")), made=Made(scale / 2.0, scale), scalable=False)


def _diode_relu(thermal: float) -> Element:
    """F(v) = -I_s (exp(-v/t) - 1): one Shockley diode, anode at ground."""
    return Element(diodes=(("0", "node"),), made=Made(thermal * DIODE_RELU_SATURATION, thermal), scalable=False)


ELEMENTS: dict[str, Callable[[float], Element]] = {
    "identity": _identity,
    "relu": _relu,
    "leaky-relu": _leaky_relu,
    "hard-tanh": _hard_tanh,
    "soft-threshold": _soft_threshold,
    "asinh": _asinh,
    "diode-relu": _diode_relu,
}

# Elements for which Newton's method does not settle with a nearly ideal diode (a bridge passes current from diode to
# diode while all four change by decades); they get one as ideal as that allows.
SOFTENED = ("soft-threshold",)
NEARLY_IDEAL_MADE = Made(saturation=1e-9, thermal=1e-4)

# Emission coefficients below this are nearly ideal diodes; real ones are near 1 … 2.
NEARLY_IDEAL = 0.1


def nearly_ideal(model: Model) -> bool:
    """Whether a one-port is a switch for all that resistors can tell."""
    return isinstance(model, DiodeModel) and model.get("n") < NEARLY_IDEAL


def element(activation: str, parameter: float = 0.0, diode: Model | None = None) -> Element:
    """The element of an activation by name, with the activation's parameter.

    ``diode`` is what it will be built with (None: a nearly ideal one). A real diode is a diode-relu as it is, at the
    right volts per unit and bias; only in place of a nearly ideal one is a diode made to measure.

    Raises:
        InputError: no element computes it.
    """
    if activation not in ELEMENTS:
        raise InputError(f"no element computes the activation {activation!r}", f"use one of {', '.join(ELEMENTS)}")
    ideal = diode is None or nearly_ideal(diode)
    if activation == "diode-relu" and not ideal:
        return ELEMENTS["relu"](parameter)
    found = ELEMENTS[activation](parameter)
    return replace(found, made=NEARLY_IDEAL_MADE) if ideal and activation in SOFTENED else found
