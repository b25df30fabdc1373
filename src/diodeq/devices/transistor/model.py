"""A transistor with two pins as data: its polarity, its SPICE parameters, and how a netlist spells it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from diodeq.arrays import is_finite
from diodeq.devices.diode.model import DiodeModel
from diodeq.devices.diode.temperature import ZERO_CELSIUS
from diodeq.devices.entries import demand_known, demand_table, shared
from diodeq.devices.ratings import UNRATED, Ratings
from diodeq.devices.transistor import bipolar, jfet, mosfet
from diodeq.devices.transistor.law import Floats, TransistorGroup, Transistors
from diodeq.devices.transistor.parameters import KINDS, POSITIVE, TransistorKind
from diodeq.devices.two_pin import Spelling
from diodeq.errors import InputError
from diodeq.spice.numbers import shortest

GMIN = 1e-12
MEASURE = "`diodeq devices measure` makes a curve of any model that ngspice knows"


@dataclass(frozen=True)
class TransistorModel:
    """A MOSFET with gate and drain, or a bipolar one with base and collector at one pin; a junction FET with gate and
    source at one.

    ``polarity`` is NMOS, PMOS, NPN, PNP, NJF or PJF, ``parameters`` may be given as a mapping or as pairs, in any case:
    ngspice's of the model and of the element (W, L, M, AREA). Current flows in at the first pin and out at the second:
    the first is the drain of an N type and the source of a P type, the collector of an NPN and the emitter of a PNP.
    Raises `InputError` for a parameter that is unknown, out of range, or that changes the current in a way diodeq does
    not compute.
    """

    name: str
    polarity: str
    parameters: tuple[tuple[str, float], ...] = ()
    source: str = ""
    description: str = ""
    ratings: Ratings = field(default=UNRATED, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.search(r"[A-Za-z0-9]", self.name):
            raise InputError(f"a transistor cannot be called {self.name!r}", "use a name with a letter or a digit")
        if not isinstance(self.polarity, str) or self.polarity.upper() not in KINDS:
            raise InputError(f"{self.name} is of type {self.polarity!r}", f"known are {', '.join(KINDS)}")
        object.__setattr__(self, "polarity", self.polarity.upper())
        pairs = self.parameters.items() if isinstance(self.parameters, Mapping) else self.parameters
        object.__setattr__(self, "parameters", _checked(self.name, self.kind, pairs))

    @property
    def kind(self) -> TransistorKind:
        """What holds for all of its kind."""
        return KINDS[self.polarity]

    @property
    def spice_name(self) -> str:
        """The name of its subcircuit: the polarity, ``_`` and the name in ``[a-z0-9_]``."""
        return f"{self.polarity.lower()}_" + re.sub(r"[^a-z0-9_]", "_", self.name.lower())

    @property
    def terminals(self) -> str:
        """Each terminal and its pin, such as "drain a, gate a, source c, bulk c"."""
        pairs = zip(self.kind.terminals.split(), self.kind.wiring.split(), strict=True)
        return ", ".join(f"{terminal} {pin}" for terminal, pin in pairs)

    @property
    def carrier(self) -> str:
        """A source of 0 V at its first pin."""
        return "v1"

    @property
    def diodes(self) -> tuple[DiodeModel, ...]:
        """None."""
        return ()

    def values(self) -> dict[str, float]:
        """Every parameter that counts, ngspice's default where it is not given."""
        given = dict(self.parameters)
        return {key: given.get(key, parameter.default) for key, parameter in self.kind.law.items()}

    def card(self) -> list[tuple[str, float]]:
        """(NAME, value) of each given parameter."""
        return [(key.upper(), value) for key, value in self.parameters]

    def at_rest(self) -> Self:
        """The transistor without its capacitances."""
        return replace(self, parameters=tuple(pair for pair in self.parameters if pair[0] in self.kind.law))

    def deviating(self, name: str, saturation: float, emission: float) -> Self:
        """The transistor under another name, all of whose currents are so many times larger and whose threshold or
        thermal voltages so many times."""
        given = {**dict(self.parameters), **self.values()}
        factors = {"is": saturation, "ise": saturation, "kp": saturation, "beta": saturation}
        factors |= {"vto": emission, "nf": emission, "ne": emission}
        changed = {key: value * factors.get(key, 1.0) for key, value in given.items()}
        return replace(self, name=name, parameters=tuple(changed.items()))

    def inside(self, spelling: Spelling) -> list[str]:
        """A source of 0 V, the transistor and its card, which has every parameter that counts: simulators' defaults
        differ."""
        kind, given = self.kind, {**self.values(), **dict(self.parameters)}
        needless = {key for key, one in kind.law.items() if given[key] == one.default == 0.0 and key != "xti"}
        on_line = [key for key in kind.instance if key in ("w", "l") or given[key] != 1.0]
        element = "".join(f" {key}={shortest(given[key])}" for key in on_line)
        card = " ".join(
            f"{key}={shortest(value)}"
            for key, value in given.items()
            if key not in kind.instance and key not in needless
        )
        pins = " ".join("p" if pin == "a" else pin for pin in kind.wiring.split())
        level = "level=1 " if kind.letter == "m" else ""
        return [
            f"{self.carrier} a p 0",
            f"{kind.letter}1 {pins} transistor{element}",
            f".model transistor {self.polarity.lower()}({level}{card})",
        ]

    def to_json(self) -> dict[str, Any]:
        """A plain dict that `from_json` turns back into an equal model."""
        return {
            "kind": "transistor",
            "name": self.name,
            "polarity": self.polarity,
            "parameters": dict(self.parameters),
            "source": self.source,
            "description": self.description,
            **self.ratings.entry(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The model described by `to_json`'s dict; raises `InputError` if it is not one."""
        demand_table(document, "transistor", "compare `diodeq devices show nmos-1v --json`")
        name = document.get("name")
        demand_known(document, "transistor", ["polarity", "parameters"])
        if not isinstance(document.get("parameters", {}), Mapping):
            raise InputError(
                f"the parameters of transistor {name!r} are no table", "write for example { vto = 1.0, kp = 1e-3 }"
            )
        said = shared(document, "transistor", "polarity")
        return cls(parameters=tuple(document.get("parameters", {}).items()), **said)

    @classmethod
    def laws(cls, models: Sequence[Self], temperature: float, gmin: float = GMIN) -> Transistors:
        """One one-port for each model at ``temperature`` (°C), with ``gmin`` (S) where ngspice has it.

        Raises `InputError` for a temperature at which a model makes no sense.
        """
        if not 0.0 <= gmin < math.inf:
            raise InputError(f"gmin = {gmin} S is not a conductance", "give a finite value of at least 0")
        if not (math.isfinite(temperature) and temperature > -ZERO_CELSIUS):
            raise InputError(f"{temperature} °C is not a temperature", "give degrees Celsius above -273.15")
        letters = [model.kind.letter for model in models]
        present = list(dict.fromkeys(letters))
        groups, row = [], np.zeros(len(models), np.intp)
        for letter in present:
            own = [k for k, each in enumerate(letters) if each == letter]
            row[own] = np.arange(len(own))
            groups.append(_group(letter, [models[k] for k in own], temperature, gmin))
        return Transistors(tuple(groups), np.array([present.index(each) for each in letters], np.intp), row)


def _group(letter: str, models: Sequence[TransistorModel], temperature: float, gmin: float) -> TransistorGroup:
    """The laws of models of one kind."""
    listed = [model.values() for model in models]
    given: dict[str, Floats] = {key: np.array([each[key] for each in listed]) for key in listed[0]}
    with np.errstate(all="ignore"):  # what is not finite is refused
        if letter == "m":
            polarity = np.array([1.0 if model.polarity[0] == "N" else -1.0 for model in models])
            group = TransistorGroup(mosfet, mosfet.at(given, temperature, gmin, polarity))
        elif letter == "q":
            group = TransistorGroup(bipolar, bipolar.at(given, temperature, gmin))
        else:
            group = TransistorGroup(jfet, jfet.at(given, temperature, gmin))
    if letter == "q":
        low = group.constants["knee"] * group.constants["saturation"] > 0.1
        if low.any():
            raise InputError(
                f"{models[int(np.argmax(low))].name}: its IKF is not above its IS at {temperature:g} °C",
                "give a greater IKF, or none",
            )
    for key, values in group.constants.items():
        wrong = ~np.isfinite(values) | ((values <= 0.0) & (key in ("saturation", "beta", "phi", "n_vt")))
        if wrong.any():
            first = int(np.argmax(wrong))
            raise InputError(
                f"{models[first].name} makes no sense at {temperature:g} °C: its {key} is {values[first]:.3g}",
                "choose another temperature, or correct its parameters",
            )
    return group


def _checked(name: str, kind: TransistorKind, pairs: Iterable[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    """The pairs under ngspice's first, lower-case names, as floats in range, sorted; raises `InputError` otherwise."""
    values: dict[str, float] = {}
    for given, value in pairs:
        key = kind.aliases.get(str(given).strip().lower(), str(given).strip().lower())
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not is_finite(value):
            raise InputError(f"{name}: {key.upper()} = {value!r} is not a finite number", "give a plain number")
        if key in kind.refused:
            if value != kind.refused[key]:
                raise InputError(
                    f"{name}: diodeq has no law with {key.upper()} = {value:g}, `diodeq devices measure` takes it",
                    MEASURE,
                )
            continue
        if key in values:
            raise InputError(f"{name}: {key.upper()} is given twice", "keep one of the two")
        if key not in kind.law and key not in kind.idle:
            raise InputError(
                f"{name}: parameter {key.upper()} is not part of the law that diodeq and ngspice share",
                f"known are {', '.join(kind.law).upper()}; {MEASURE}",
            )
        if key in kind.law and value < kind.law[key].low:
            bound = "above 0" if kind.law[key].low == POSITIVE else f"at least {kind.law[key].low:g}"
            raise InputError(
                f"{name}: {key.upper()} = {value:g} is out of range", f"give {bound} ({kind.law[key].meaning})"
            )
        values[key] = float(value)
    if 0.0 < values.get("var", 0.0) < 2.0:
        raise InputError(f"{name}: VAR = {values['var']:g} V is out of range", f"give at least 2 V, or none; {MEASURE}")
    if kind.letter == "q" and values.get("nf", 1.0) > 4.0:
        raise InputError(f"{name}: NF = {values['nf']:g} is out of range", f"give at most 4; {MEASURE}")
    if kind.letter == "m" and "tox" in values and "kp" not in values:
        raise InputError(f"{name}: its KP is to come from TOX, which diodeq does not compute", f"give KP; {MEASURE}")
    length, diffusion = values.get("l", 1e-4), values.get("ld", 0.0)
    if kind.letter == "m" and not length - 2.0 * diffusion > 0.0:
        raise InputError(f"{name}: nothing is left of its length less twice LD", "give a greater L")
    return tuple(sorted(values.items()))
