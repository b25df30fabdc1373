"""What SPICE parameters each kind of transistor has: those of its direct current with ngspice's defaults, and the rest.

Names and defaults are ngspice's (39: ``showmod``); meanings are those of the ngspice manual, chapters 8, 9 and 11.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

POSITIVE = 5e-324


@dataclass(frozen=True)
class TransistorParameter:
    """A parameter's meaning, unit, ngspice's default and least value."""

    meaning: str
    unit: str
    default: float
    low: float = float("-inf")


@dataclass(frozen=True)
class TransistorKind:
    """A kind of transistor.

    ``letter`` of its element, ``terminals`` of it and ``wiring`` their pins, ``law`` its parameters that count here, of
    which ``instance`` stand on the element's line, ``aliases`` second names of these, ``idle`` those that change no
    direct current, and ``refused`` with the value at which each changes none.
    """

    letter: str
    wiring: str
    terminals: str
    law: Mapping[str, TransistorParameter]
    instance: tuple[str, ...]
    aliases: Mapping[str, str]
    idle: frozenset[str]
    refused: Mapping[str, float]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TNOM = TransistorParameter("temperature at which the parameters hold", "°C", 27.0, -273.0)
_MULTIPLIER = TransistorParameter("so many in parallel", "", 1.0, POSITIVE)
_AREA = TransistorParameter("area, a factor", "", 1.0, POSITIVE)

_MOSFET: dict[str, TransistorParameter] = {
    "vto": TransistorParameter("threshold voltage", "V", 0.0),
    "kp": TransistorParameter("transconductance", "A/V²", 2e-5, POSITIVE),
    "gamma": TransistorParameter("bulk threshold", "√V", 0.0, 0.0),
    "phi": TransistorParameter("surface potential", "V", 0.6, POSITIVE),
    "lambda": TransistorParameter("channel-length modulation", "1/V", 0.0, 0.0),
    "is": TransistorParameter("bulk junction saturation current", "A", 1e-14, POSITIVE),
    "ld": TransistorParameter("lateral diffusion", "m", 0.0),
    "tnom": _TNOM,
    "w": TransistorParameter("channel width", "m", 1e-4, POSITIVE),
    "l": TransistorParameter("channel length", "m", 1e-4, POSITIVE),
    "m": _MULTIPLIER,
}
_BIPOLAR: dict[str, TransistorParameter] = {
    "is": TransistorParameter("saturation current", "A", 1e-16, POSITIVE),
    "bf": TransistorParameter("forward beta", "", 100.0, POSITIVE),
    "nf": TransistorParameter("forward emission coefficient", "", 1.0, POSITIVE),
    "var": TransistorParameter("reverse Early voltage, at least 2 (0: none)", "V", 0.0, 0.0),
    "ikf": TransistorParameter("forward knee current (0: none)", "A", 0.0, 0.0),
    "ise": TransistorParameter("base-emitter leakage saturation current", "A", 0.0, 0.0),
    "ne": TransistorParameter("base-emitter leakage emission coefficient", "", 1.5, POSITIVE),
    "eg": TransistorParameter("energy gap", "eV", 1.11),
    "xtb": TransistorParameter("beta temperature exponent", "", 0.0),
    "xti": TransistorParameter("saturation current temperature exponent", "", 3.0),
    "tnom": _TNOM,
    "area": _AREA,
    "m": _MULTIPLIER,
}
_JUNCTION: dict[str, TransistorParameter] = {
    "vto": TransistorParameter("threshold voltage", "V", -2.0),
    "beta": TransistorParameter("transconductance", "A/V²", 1e-4, POSITIVE),
    "lambda": TransistorParameter("channel-length modulation", "1/V", 0.0, 0.0),
    "is": TransistorParameter("gate junction saturation current", "A", 1e-14, POSITIVE),
    "tcv": TransistorParameter("threshold voltage temperature coefficient, which lowers it", "V/K", 0.0),
    "bex": TransistorParameter("transconductance temperature exponent", "", 0.0),
    "eg": TransistorParameter("energy gap", "eV", 1.11),
    "xti": TransistorParameter("saturation current temperature exponent", "", 0.0),
    "tnom": _TNOM,
    "area": _AREA,
    "m": _MULTIPLIER,
}

_M = {
    "terminals": "drain gate source bulk",
    "law": _MOSFET,
    "instance": ("w", "l", "m"),
    "aliases": {"vt0": "vto"},
    "idle": _words("cbd cbs pb cgso cgdo cgbo cj mj cjsw mjsw js fc kf af nlev gdsnoi tox uo u0"),
    "refused": {"level": 1.0, "rd": 0.0, "rs": 0.0, "rsh": 0.0, "nsub": 0.0},
}
_Q = {
    "terminals": "collector base emitter substrate",
    "law": _BIPOLAR,
    "instance": ("area", "m"),
    "aliases": {"vb": "var", "ik": "ikf"},
    # With the collector at the base nothing flows between them, whatever the junction there is.
    "idle": _words(
        "br nr vaf va ikr isc nc iss ns cje vje pe mje me tf xtf vtf itf ptf cjc vjc pc mjc mc xcjc tr cjs csub ccs vjs"
        " ps mjs ms fc kf af"
    ),
    "refused": {"level": 1.0, "rb": 0.0, "rc": 0.0, "re": 0.0, "rbm": 0.0, "irb": 0.0, "nkf": 0.5},
}
_J = {
    "terminals": "drain gate source",
    "law": _JUNCTION,
    "instance": ("area", "m"),
    "aliases": {"vt0": "vto"},
    "idle": _words("cgs cgd pb fc kf af nlev gdsnoi"),
    "refused": {"level": 1.0, "rd": 0.0, "rs": 0.0, "b": 1.0},
}

# The pins of drain, gate, source and bulk; collector, base, emitter and substrate; drain, gate and source. The
# substrate is at the collector, where it conducts nothing: alone it would be at ground.
KINDS: dict[str, TransistorKind] = {
    "NMOS": TransistorKind("m", "a a c c", **_M),  # type: ignore[arg-type]
    "PMOS": TransistorKind("m", "c c a a", **_M),  # type: ignore[arg-type]
    "NPN": TransistorKind("q", "a a c a", **_Q),  # type: ignore[arg-type]
    "PNP": TransistorKind("q", "c c a c", **_Q),  # type: ignore[arg-type]
    "NJF": TransistorKind("j", "a c c", **_J),  # type: ignore[arg-type]
    "PJF": TransistorKind("j", "c a a", **_J),  # type: ignore[arg-type]
}
