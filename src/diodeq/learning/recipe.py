"""Recipes: every number that decides how a training run goes, and sane values of them for the known data sets."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields, replace
from numbers import Integral, Real
from typing import Any, Self

from diodeq.circuit.bank import Floats
from diodeq.devices.hardware.ladder import ladder
from diodeq.devices.hardware.technology import variation_of
from diodeq.devices.units import Unit
from diodeq.errors import InputError, UsageError
from diodeq.learning.encoding import encoding
from diodeq.learning.losses import LOSSES
from diodeq.learning.parametrization import OTHERS
from diodeq.learning.rules import Rule, named
from diodeq.learning.schedules import SCHEDULES
from diodeq.learning.tasks import TASKS
from diodeq.learning.updates import SPACES, UPDATES
from diodeq.synthesis.topologies import topology

SINCE_0_1_0 = frozenset({"task", "unit", "topology", "encode", "supply", "power", "power_weight", "parts", "fan_in"})
"""Entries that older runs do not have: they stand for their defaults, but those that ``_renewed`` knows better."""


@dataclass(frozen=True)
class Recipe:
    """How to train. Two runs of one recipe on the same data and circuit end in the same bits, whatever the number
    of processors, where versions and the kernel of linear algebra (``processors.kernels``) are the same.

    ``task`` is one of ``tasks.TASKS``, or "" where the data tell it; ``unit`` is what every hidden node has
    (``devices.units``), ``topology`` what hidden layers are joined to (``synthesis.topologies``). The bias rails are at
    ±``supply`` volts, and ``encode`` says what of a feature is (``encoding``; "": what a circuit that exists says
    itself), with ``floor``; ``beta`` turns output volts into scores, per volt. ``power`` is the mean power in watts
    that training steers to (0: any) and ``power_weight`` what a watt adds to the loss, at first; ``parts`` is to how
    many resistors the circuit is pruned while training (0: all stay), ``fan_in`` how many each node keeps towards the
    inputs (0: any number). ``smoothing`` is of labels; ``noise`` is the standard deviation of noise added to the inputs
    while training, as a part of ``supply``; ``median`` and ``spread`` describe the log-normal initial conductances
    (siemens, natural logarithm), ``low`` and ``high`` bound them all (siemens); ``rule`` is written as ``rules.named``
    reads it; ``also`` are further values to train (of ``parametrization.OTHERS``); ``patience`` epochs without a better
    training loss end the training (0: never), and so does the last step that keeps the circuit solves (``Rule.cost``)
    within ``budget`` (0: any number).

    ``quantize`` names the only values conductances may have (a ``devices.ladder``; "": any); ``robust`` a technology or
    its variation as text (``devices.technology.variation_of``): every batch meets another board drawn from it.

    Raises:
        UsageError: a name or number that makes no sense.
    """

    task: str = ""
    hidden: tuple[int, ...] = (32,)
    unit: str = "diode"
    topology: str = "dense"
    lateral: bool = False
    supply: float = 5.0
    encode: str = "range"
    beta: float = 16.0
    floor: float = 0.0
    power: float = 0.0
    power_weight: float = 0.0
    parts: int = 0
    fan_in: int = 0
    median: float = 1e-6
    spread: float = 1.0
    low: float = 1e-7
    high: float = 1e-4
    rule: str | Rule = "hardware-linearization"
    loss: str = "cross-entropy"
    smoothing: float = 0.0
    noise: float = 0.0
    update: str = "adam"
    space: str = "log-conductance"
    rate: float = 0.05
    schedule: str = "cosine"
    epochs: int = 20
    batch_size: int = 32
    patience: int = 0
    budget: int = 0
    seed: int = 0
    also: tuple[str, ...] = ()
    quantize: str = ""
    robust: str = ""

    def __post_init__(self) -> None:
        for each in fields(self):
            _demand_kind(each.name, getattr(self, each.name), each.default)
        for name, known in (
            ("loss", LOSSES),
            ("update", UPDATES),
            ("space", SPACES),
            ("schedule", SCHEDULES),
            ("task", ("", *TASKS)),
        ):
            if getattr(self, name) not in known:
                raise UsageError(
                    f"there is no {name} {getattr(self, name)!r}", f"use one of {', '.join(filter(None, known))}"
                )
        Unit.parse(self.unit)
        topology(self.topology)
        if self.quantize:
            ladder(self.quantize, self.low, self.high)
        if self.robust:
            spread = variation_of(self.robust)
            if spread.shape == "worst" and not spread.tolerance:
                raise UsageError("shape=worst has no tolerance whose end could be worst", "add tolerance=5%")
        for name in self.also:
            if name not in OTHERS:
                raise UsageError(f"{name!r} cannot be trained", f"use one of {', '.join(OTHERS)}")
        if not named(self.rule).finds_others and self.also:
            raise UsageError(
                f"the rule {self.rule} cannot train {', '.join(self.also)}", "use the rule hardware-linearization"
            )
        if self.encode:
            encoding(self.encode)
        for name in ("supply", "beta", "median", "rate"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise _impossible(name, getattr(self, name), "give a positive number")
        for name, (least, most) in _SENSIBLE.items():
            if getattr(self, name) and not least <= getattr(self, name) <= most:
                raise _impossible(name, getattr(self, name), f"give from {least:g} to {most:g}")
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise _impossible(name, getattr(self, name), "give at least 1")
        for name in _AT_LEAST_ZERO:
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise _impossible(name, getattr(self, name), "give 0 or more")
        if not 0 <= self.smoothing < 1:
            raise _impossible("smoothing", self.smoothing, "give 0 or more and less than 1")
        if self.seed >= 2**32:
            raise _impossible("seed", self.seed, "give less than 2^32")

    def with_given(self, **given: Any) -> Self:
        """The same recipe with the values that are not None."""
        return replace(self, **{name: value for name, value in given.items() if value is not None})

    def range_with(self, conductances: Floats) -> tuple[float, float]:
        """The range of conductances in siemens, wide enough for those that a circuit has already."""
        held = conductances[conductances > 0.0]
        return float(held.min(initial=self.low)), float(held.max(initial=self.high))

    def to_json(self) -> dict[str, Any]:
        """A plain dict that ``from_json`` turns back into an equal recipe."""
        return {**asdict(self), "hidden": list(self.hidden), "also": list(self.also)}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """The recipe written by ``to_json``; raises ``InputError`` for anything else."""
        again = "train again with --overwrite"
        known = {each.name for each in fields(cls)}
        document = _renewed(document)
        if not isinstance(document, dict) or not known - SINCE_0_1_0 <= set(document) <= known:
            raise InputError("the recipe does not have the entries this version knows", again)
        for each in (each for each in fields(cls) if each.name in document):
            value, usual = document[each.name], each.default
            if isinstance(usual, tuple):
                sound = isinstance(value, list) and all(type(one) is (int if usual else str) for one in value)
            else:
                sound = type(value) is type(usual) or (
                    type(usual) is float and type(value) is int and abs(value) < 1e300
                )
            if not sound:
                raise InputError(f"the recipe has the {each.name} {value!r}", again)
        return cls(**{**document, "hidden": tuple(document["hidden"]), "also": tuple(document["also"])})


_SENSIBLE = {"supply": (1e-3, 1e6), "power": (1e-15, 1e9), "power_weight": (0.0, 1e30)}
"""In volts, watts and one over watts: beyond them float64 has no numbers for the products, and nobody a circuit"""
_AT_LEAST_ZERO = (
    *("floor", "power", "power_weight", "parts", "fan_in"),
    *("spread", "noise", "patience", "budget", "seed"),
)


def _renewed(document: Any) -> Any:
    """The recipe of a run of diodeq 0.1.0 in today's entries: it knew no supply."""
    if not isinstance(document, dict) or "volts" not in document or "supply" in document:
        return document
    rest = {name: value for name, value in document.items() if name != "volts"}
    return {**rest, "supply": document["volts"], "encode": "unbounded"}


def _impossible(name: str, value: float, remedy: str) -> UsageError:
    return UsageError(f"{name} = {value:.15g} is not possible", remedy, arguments=(name,))


def _demand_kind(name: str, value: Any, usual: Any) -> None:
    """Raise ``UsageError`` for an entry of another kind than the usual one; of a rule ``named`` does."""
    if isinstance(usual, tuple):
        kind: type = Integral if usual else str
        sound = isinstance(value, (tuple, list)) and all(isinstance(each, kind) for each in value)
        wanted = "several whole numbers, such as (40,)" if usual else "several names"
    else:
        kind, wanted = next(found for found in _KINDS if isinstance(usual, found[0]))
        sound = isinstance(value, kind) and not (kind is Integral and isinstance(value, bool))
    if not sound and name != "rule":
        raise UsageError(f"{name} cannot be {value!r}", f"give {wanted}", arguments=(name,))


_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "True or False"),
    (Integral, "a whole number"),
    (Real, "a number"),
    (str, "a text"),
)


def digest(document: dict[str, Any]) -> str:
    """SHA-256 of a JSON document."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
