"""A diode as data: the parameters of a SPICE ``.model … D`` card, checked, and where they came from."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Self

from diodeq.arrays import is_finite
from diodeq.devices.diode.law import Law
from diodeq.devices.entries import demand_known, demand_table, shared
from diodeq.devices.ratings import UNRATED, Ratings
from diodeq.errors import InputError


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a SPICE diode parameter means, its unit, ngspice's default, and the closed range it must lie in."""

    meaning: str
    unit: str
    default: float
    low: float = -math.inf
    high: float = math.inf


TINY = math.ulp(0.0)  # the closed range that starts here is "above zero"
ABSOLUTE_ZERO = -273.15

# Names, units and defaults as in ngspice 39 (dio.c, diosetup.c) with the temperature of the circuit left at 27 °C.
# A default of infinity (BV) or zero (ISR, IKF, IKR) means that the effect is absent.
PARAMETERS: dict[str, Parameter] = {
    "is": Parameter("saturation current", "A", 1e-14, TINY),
    "n": Parameter("emission coefficient", "", 1.0, TINY),
    "rs": Parameter("series resistance", "Ω", 0.0, 0.0, 1e300),
    "bv": Parameter("reverse breakdown voltage", "V", math.inf, TINY),
    "ibv": Parameter("current at breakdown voltage", "A", 1e-3, TINY),
    "nbv": Parameter("breakdown emission coefficient (N when not given)", "", math.nan, TINY),
    "ikf": Parameter("forward knee current", "A", 0.0, 0.0),
    "ikr": Parameter("reverse knee current", "A", 0.0, 0.0),
    "isr": Parameter("recombination saturation current", "A", 0.0, 0.0),
    "nr": Parameter("recombination emission coefficient", "", 1.0, TINY),
    "cjo": Parameter("zero-bias junction capacitance", "F", 0.0, 0.0),
    "vj": Parameter("junction potential", "V", 1.0, TINY),
    "m": Parameter("grading coefficient", "", 0.5, 0.0, 0.9),
    "fc": Parameter("forward-bias depletion coefficient", "", 0.5, -math.inf, math.nextafter(1.0, 0.0)),
    "tt": Parameter("transit time", "s", 0.0, 0.0),
    "eg": Parameter("activation energy", "eV", 1.11),
    "xti": Parameter("saturation current temperature exponent", "", 3.0),
    "tnom": Parameter("temperature at which the parameters hold", "°C", 27.0, math.nextafter(ABSOLUTE_ZERO, 0.0)),
    "trs1": Parameter("series resistance, linear temperature coefficient", "1/K", 0.0),
    "trs2": Parameter("series resistance, quadratic temperature coefficient", "1/K²", 0.0),
    "tcv": Parameter("breakdown voltage, linear temperature coefficient", "V/K", 0.0),
    "tm1": Parameter("grading coefficient, linear temperature coefficient", "1/K", 0.0),
    "tm2": Parameter("grading coefficient, quadratic temperature coefficient", "1/K²", 0.0),
    "kf": Parameter("flicker noise coefficient", "", 0.0),
    "af": Parameter("flicker noise exponent", "", 1.0),
}

DEFAULTS = {key: parameter.default for key, parameter in PARAMETERS.items()}

# The second names that ngspice itself accepts.
ALIASES: dict[str, str] = {
    "js": "is",
    "trs": "trs1",
    "cj0": "cjo",
    "cj": "cjo",
    "pb": "vj",
    "mj": "m",
    "ik": "ikf",
    "ib": "ibv",
    "tref": "tnom",
}

# LTspice switches to a piecewise-linear element when one of these appears; the Shockley law does not describe it.
DIFFERENT_DIODE = frozenset(
    ["ron", "roff", "vfwd", "vrev", "rrev", "ilimit", "revilimit", "epsilon", "revepsilon"],
)
RATINGS = frozenset(["iave", "vpk", "irms", "mfg", "type", "fv_max", "bv_max", "id_max", "te_max", "pd_max"])


@dataclass(frozen=True)
class DiodeModel:
    """One diode: its name, its SPICE parameters, and where they come from.

    ``parameters`` may be given as a mapping or as pairs, in any case, order and with ngspice's second names; they are
    stored lower-case, under ngspice's first names and sorted, so that equal diodes compare and hash equal. Units are
    SPICE's: volt, ampere, ohm, farad, second, degree Celsius. Raises `InputError` for a parameter that is unknown, out
    of range, or belongs to a different kind of diode.
    """

    name: str
    parameters: tuple[tuple[str, float], ...] = ()
    source: str = ""
    description: str = ""
    ratings: Ratings = field(default=UNRATED, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.search(r"[A-Za-z0-9]", self.name):
            raise InputError(f"a diode cannot be called {self.name!r}", "use a name with a letter or a digit")
        pairs = self.parameters.items() if isinstance(self.parameters, Mapping) else self.parameters
        object.__setattr__(self, "parameters", _checked(self.name, pairs))

    @property
    def spice_name(self) -> str:
        """The name printed in a netlist: ``d`` and the name in ``[a-z0-9_]``, so "1N4148" becomes "d1n4148"."""
        return "d" + re.sub(r"[^a-z0-9_]", "_", self.name.lower())

    def values(self) -> dict[str, float]:
        """Every parameter under its first name, ngspice's default where it is not given.

        An absent BV is infinite, an absent NBV equals N.
        """
        found = {**DEFAULTS, **dict(self.parameters)}
        if math.isnan(found["nbv"]):
            found["nbv"] = found["n"]
        return found

    def get(self, name: str) -> float:
        """One of ``values``, by any of its names; raises `InputError` if diodeq knows no such parameter."""
        return self.values()[_canonical(self.name, name)]

    def card(self) -> list[tuple[str, float]]:
        """(NAME, value) of each given parameter, for a ``.model`` line."""
        first = [key for key in ("is", "n", "rs") if key in dict(self.parameters)]
        rest = [key for key, _ in self.parameters if key not in first]
        given = dict(self.parameters)
        return [(key.upper(), given[key]) for key in (*first, *rest)]

    def full_card(self) -> list[tuple[str, float]]:
        """The same, lower-case, and with the parameters whose default is another number in another SPICE.

        ngspice takes NR = 1, IBV = 1 mA and NBV = N; LTspice and Xyce take NR = 2, LTspice IBV = 0.1 nA and NBV = 1.
        """
        given = {name.lower(): value for name, value in self.card()}
        depending = [
            name for effect, more in (("isr", ("nr",)), ("bv", ("ibv", "nbv"))) if effect in given for name in more
        ]
        return [*given.items(), *((name, self.get(name)) for name in depending if name not in given)]

    def at_rest(self) -> DiodeModel:
        """The model without what only matters when voltages change: capacitance, transit time and noise.

        A recombination current (ISR) depends on VJ and M, so it keeps them. Operating points are found with this:
        ngspice fails on a junction capacitance whose VJ a high temperature makes negative (a BAT85 at 85 °C).
        """
        dropped = ("cjo", "fc", "tt", "kf", "af") + (() if self.get("isr") else ("vj", "m", "tm1", "tm2"))
        return replace(self, parameters=tuple(pair for pair in self.parameters if pair[0] not in dropped))

    def to_json(self) -> dict[str, Any]:
        """A plain dict that `from_json` turns back into an equal model."""
        return {
            "kind": "diode",
            "name": self.name,
            "parameters": dict(self.parameters),
            "source": self.source,
            "description": self.description,
            **self.ratings.entry(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The model described by `to_json`'s dict; raises `InputError` if it is not one."""
        demand_table(document, "diode", "compare `diodeq devices show ideal --json`")
        if not isinstance(document.get("parameters"), Mapping):
            raise InputError(
                f"diode {document.get('name')!r} has no table of parameters",
                "add one, as in parameters = { is = 2.5e-9, n = 1.75, rs = 0.6 }",
            )
        read = "only parameters, source and description are read; SPICE parameters go under `parameters`"
        demand_known(document, "diode", ["parameters"], read)
        return cls(parameters=tuple(document["parameters"].items()), **shared(document, "diode"))

    @classmethod
    def laws(cls, models: Sequence[Self], temperature: float, gmin: float = 1e-12) -> Law:
        """One diode for each model at ``temperature`` (°C), with ``gmin`` (S) beside its junction: see `Law.of`."""
        return Law.of(models, temperature, gmin)


def _canonical(diode: str, name: str) -> str:
    """ngspice's first, lower-case name of a parameter; raises `InputError` with the reason where there is none."""
    key = str(name).strip().lower()
    key = ALIASES.get(key, key)
    if key in PARAMETERS:
        return key
    if key in DIFFERENT_DIODE:
        raise InputError(
            f"diode {diode}: {name} describes a different diode, LTspice's piecewise-linear one",
            "use the vendor's model with IS, N and RS, or the part `ideal`",
        )
    if key in RATINGS:
        raise InputError(f"diode {diode}: {name} is a rating, not a parameter of the diode law", "leave it out")
    near = get_close_matches(key, PARAMETERS, n=1)
    hint = f"did you mean {near[0].upper()}? " if near else ""
    raise InputError(
        f"diode {diode}: parameter {name} is not part of the law that diodeq and ngspice share",
        f"{hint}known are {', '.join(PARAMETERS).upper()}",
    )


def _checked(diode: str, pairs: Iterable[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    """The pairs with canonical names, as floats in range, sorted; raises `InputError` otherwise."""
    values: dict[str, float] = {}
    for name, value in pairs:
        key = _canonical(diode, name)
        if key in values:
            raise InputError(f"diode {diode}: {key.upper()} is given twice", "keep one of the two")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not is_finite(value):
            raise InputError(f"diode {diode}: {key.upper()} = {value!r} is not a finite number", _remedy(key))
        if not PARAMETERS[key].low <= value <= PARAMETERS[key].high:
            raise InputError(f"diode {diode}: {key.upper()} = {value:g} is out of range", _remedy(key))
        values[key] = float(value)
    return tuple(sorted(values.items()))


def _remedy(key: str) -> str:
    """What the parameter's value may be, as a remedy."""
    parameter = PARAMETERS[key]
    bounds = []
    if parameter.low == TINY:
        bounds.append("above 0")
    elif parameter.low > -math.inf:
        bounds.append(f"at least {parameter.low:g}")
    if parameter.high < math.inf:
        bounds.append(f"at most {parameter.high:g}" if parameter.high != math.nextafter(1.0, 0.0) else "below 1")
    unit = f" in {parameter.unit}" if parameter.unit else ""
    leave = ", or leave it out for no breakdown" if key in ("bv", "ibv") else ""
    return f"give a plain number{unit}{', ' if bounds else ''}{' and '.join(bounds)} ({parameter.meaning}){leave}"
