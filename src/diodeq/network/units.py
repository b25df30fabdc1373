"""Units that are one-ports of a circuit: the activation is the resolvent of each element's own law, entry by entry.

A unit's state z is a voltage ``x = volts z``. Of a unit in voltage form x is the one-port's voltage from its second
terminal to its first, so that an ideal diode gives ReLU; with the law i(·) it is ``F(x) = -i(-x)`` amperes. Of a unit
in current form x is ``ohms`` times the current, and ``F(x) = v / ohms`` with v the voltage at that current. A unit
without a one-port has F = 0. The activation takes a to the z with ``x + α F(x) = volts a``, for a step α.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.devices.elements import ActivationElement
from diodeq.devices.one_ports import Model, OnePorts, from_json, one_ports
from diodeq.errors import InputError
from diodeq.network.resolvents import ElementLaw

Floats = NDArray[np.float64]
NAME = "one-ports"
NUMBERS = ("alpha", "ohms", "volts", "temperature")
NOTHING = -1
"""In ``which``: a unit without a one-port."""


@dataclass(frozen=True, eq=False)
class OnePortUnits:
    """An activation, with a law of its own for each of n units.

    Args:
        models: the one-ports' parameters.
        which: int64[n], the model of each unit, or ``NOTHING``.
        currents: bool[n], which units are in current form.
        alpha: the step α, Ω.
        ohms: Ω that turn a current into a voltage.
        volts: V of a state of 1.
        temperature: °C.

    Raises:
        InputError: numbers that do not belong together, or a model makes no sense at that temperature.
    """

    models: tuple[Model, ...]
    which: NDArray[np.int64]
    currents: NDArray[np.bool_]
    alpha: float
    ohms: float
    volts: float
    temperature: float

    name = NAME
    parameter = 0.0

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "which", np.array(self.which, np.int64))
        put(self, "currents", np.array(self.currents, bool))
        if self.which.ndim != 1 or self.which.shape != self.currents.shape:
            raise InputError("the units' models and forms are not one a unit", "give which and currents one length")
        if not np.all((self.which >= NOTHING) & (self.which < len(self.models))):
            raise InputError("a unit's model is none of those given", "number the models from 0")
        for name in ("alpha", "ohms", "volts"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise InputError(f"the units' {name} is {getattr(self, name)}", "give a positive finite number")
        _ = self._laws

    @property
    def size(self) -> int:
        """The number of units."""
        return len(self.which)

    @property
    def law(self) -> ElementLaw:
        """What is known of all their laws: they do not fall, and are not made of straight pieces."""
        return ElementLaw(lambda x, alpha, _: self._both(x, alpha))

    def element(self, diode: Model | None = None) -> ActivationElement:
        """No element beside the one-ports themselves, whose amperes leave no row to be scaled."""
        return ActivationElement(scalable=False)

    def __call__(self, x: ArrayLike) -> Floats:
        """σ(x), [..., n]."""
        return self._both(x, 1.0)[0]

    def slope(self, x: ArrayLike) -> Floats:
        """σ'(x), [..., n], between 0 and 1."""
        return self._both(x, 1.0)[1]

    def resolvent(self, x: ArrayLike, alpha: float) -> Floats:
        """(I + α·F)⁻¹ x with F the stage's law, [..., n]: what operator splitting needs."""
        return self._both(x, alpha)[0]

    def __str__(self) -> str:
        return NAME

    @property
    def text(self) -> str:
        """What ``parse`` reads: a document in JSON."""
        document = {
            "models": [model.to_json() for model in self.models],
            "which": self.which.tolist(),
            "currents": np.flatnonzero(self.currents).tolist(),
            **{name: getattr(self, name) for name in NUMBERS},
        }
        return json.dumps({NAME: document}, separators=(",", ":"))

    @staticmethod
    def parse(text: str) -> OnePortUnits:
        """The units that ``text`` has; raises `InputError` for anything else."""
        try:
            document = json.loads(text)[NAME]
            which = np.array(document["which"], np.int64)
            currents = np.zeros(len(which), bool)
            currents[np.array(document["currents"], np.int64)] = True
            numbers = {name: float(document[name]) for name in NUMBERS}
            models = tuple(from_json(_mapping(each)) for each in document["models"])
        except (KeyError, TypeError, ValueError, IndexError, OverflowError, RecursionError) as error:
            raise InputError("its one-ports are damaged", "extract the network again") from error
        return OnePortUnits(models, which, currents, **numbers)

    @cached_property
    def _laws(self) -> tuple[NDArray[np.intp], OnePorts, NDArray[np.intp], OnePorts]:
        """Units in voltage form and their laws, then those in current form."""
        found: list[Any] = []
        for form in (False, True):
            units = np.flatnonzero((self.which != NOTHING) & (self.currents == form))
            found += [units, one_ports(self.models, self.which[units], self.temperature)]
        return found[0], found[1], found[2], found[3]

    def met(self, x: ArrayLike, steps: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """Where the laws meet lines of their own, ``z + steps F(z) = x`` [..., n]: z, F(z) and F'(z), with the stage's
        laws F. Infinite slopes are those of what carries no current at all."""
        given = np.asarray(x, np.float64)
        states, laws, slopes, volts = given.copy(), np.zeros_like(given), np.zeros_like(given), self.volts
        alpha = np.broadcast_to(np.asarray(steps, np.float64) * self.alpha, given.shape)
        across, of_across, through, of_through = self._laws
        if len(across):
            v, i, g = of_across.load_line(-volts * given[..., across], alpha[..., across])
            states[..., across] = -v / volts
            laws[..., across], slopes[..., across] = -self.alpha / volts * i, self.alpha * g
        if len(through):
            seen = self.ohms**2 / alpha[..., through]
            v, i, g = of_through.load_line(volts * seen / self.ohms * given[..., through], seen)
            states[..., through] = self.ohms / volts * i
            laws[..., through] = self.alpha / (self.ohms * volts) * v
            with np.errstate(divide="ignore"):
                slopes[..., through] = self.alpha / self.ohms**2 / g
        return states, laws, slopes

    def _both(self, x: ArrayLike, step: float) -> tuple[Floats, Floats]:
        states, _, slopes = self.met(x, step)
        return states, 1.0 / (1.0 + step * slopes)


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError
    return value
