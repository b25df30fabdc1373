"""Learning rules: how the gradient of the loss with respect to every trainable conductance is found."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from diodeq.circuit import Circuit
from diodeq.errors import UsageError
from diodeq.learning.losses import Loss
from diodeq.learning.rules.base import Floats, Gradient, Rule
from diodeq.learning.rules.contrastive import Contrastive
from diodeq.learning.rules.coupled_learning import CoupledLearning
from diodeq.learning.rules.equilibrium_propagation import EquilibriumPropagation
from diodeq.learning.rules.finite_difference import FiniteDifference
from diodeq.learning.rules.frequency_propagation import FrequencyPropagation
from diodeq.learning.rules.frozen_switch import FrozenSwitch
from diodeq.learning.rules.hardware_linearization import HardwareLinearization
from diodeq.learning.rules.perturbation import Perturbation
from diodeq.plugins import Registry, trusted
from diodeq.simulators.base import Simulator


def _is_rule(thing: Any) -> bool:
    parts = ("name", "finds_others", "inexact", "cost")
    instance = dataclasses.is_dataclass(thing) and not isinstance(thing, type)
    return instance and callable(thing) and all(hasattr(thing, part) for part in parts)


# Each with its default options.
RULES: Registry[Rule] = Registry(
    {
        "hardware-linearization": HardwareLinearization(),
        "equilibrium-propagation": EquilibriumPropagation(),
        "frequency-propagation": FrequencyPropagation(),
        "coupled-learning": CoupledLearning(),
        "contrastive": Contrastive(),
        "frozen-switch": FrozenSwitch(),
        "perturbation": Perturbation(),
        "finite-difference": FiniteDifference(),
    },
    "diodeq.rules",
    sound=_is_rule,
)

_YES_OR_NO = {"yes": True, "no": False, "true": True, "false": False}


def named(spec: str | Rule) -> Rule:
    """The rule written as ``NAME`` or ``NAME:OPTION=VALUE:…``, such as "equilibrium-propagation:beta=0.1:centered=no";
    a rule itself is what it is.

    Raises:
        UsageError: an unknown name or option, or a value that makes no sense.
    """
    if not isinstance(spec, str):
        if not _is_rule(spec):
            raise UsageError(f"{spec!r} is no learning rule", f"use one of {', '.join(RULES)}")
        return spec
    name, *options = spec.split(":")
    if name not in RULES:
        raise UsageError(f"there is no rule {name!r}", f"use one of {', '.join(RULES)}")
    rule: Any = RULES[name]
    known = {each.name: getattr(rule, each.name) for each in dataclasses.fields(rule)}
    shown = {key.replace("_", "-"): value for key, value in known.items()}
    given: dict[str, Any] = {}
    for option in options:
        key, _, text = option.partition("=")
        key = key.replace("-", "_")
        if key not in known:
            has = f"it has {', '.join(f'{each}={value}' for each, value in shown.items())}" if known else "it has none"
            raise UsageError(f"the rule {name} has no option {key!r}", has)
        if key in given:
            raise UsageError(f"the rule {spec!r} gives {key} twice", "give it once")
        try:
            given[key] = _YES_OR_NO[text.lower()] if isinstance(known[key], bool) else type(known[key])(text)
        except (ValueError, KeyError):
            raise UsageError(
                f"{key}={text} of the rule {name} cannot be read", f"write it like {key}={known[key]}"
            ) from None
    found: Rule = dataclasses.replace(rule, **given)
    return found


def gradient_of(
    rule: Rule, simulator: Simulator, circuit: Circuit, drives: Floats, loss: Loss, also: Sequence[str] = ()
) -> Gradient:
    """What a rule finds; raises ``InputError`` where one that is not of this house fails or finds no gradient."""
    if type(rule) in map(type, RULES.own.values()):
        return rule(simulator, circuit, drives, loss, also=also)
    with trusted(f"the learning rule {rule.name}"):
        found = rule(simulator, circuit, drives, loss, also=also)
        if not isinstance(found, Gradient):
            raise TypeError(f"it answers {type(found).__name__} and no Gradient")
        if np.shape(found.conductances) != (int(circuit.mask.sum()),):
            raise ValueError(f"it finds {np.shape(found.conductances)} for {int(circuit.mask.sum())} conductances")
    return found


def described() -> str:
    """All rules with their options; those that packages add by name, as nothing of them is imported."""
    return ", ".join([*map(written, RULES.own.values()), *(name for name in RULES if name not in RULES.own)])


def written(rule: Rule) -> str:
    """The rule with all its options, as ``named`` reads it."""
    made: Any = rule
    values = {each.name: getattr(made, each.name) for each in dataclasses.fields(made)}
    texts = {key: ("no", "yes")[value] if isinstance(value, bool) else value for key, value in values.items()}
    return ":".join([rule.name, *(f"{key.replace('_', '-')}={text}" for key, text in texts.items())])


__all__ = ["RULES", "Gradient", "Rule", "described", "gradient_of", "named", "written"]
