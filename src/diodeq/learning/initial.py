"""The circuit that a training begins with: a fresh one for the data, or one that exists and is fitted to them."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from diodeq.circuit import Circuit
from diodeq.devices import catalogue
from diodeq.devices.hardware.technology import Technology, variation_of
from diodeq.devices.hardware.variation import Variation
from diodeq.errors import InputError, UsageError
from diodeq.learning.datasets import Dataset
from diodeq.learning.encoding import regressing, units
from diodeq.learning.objective import demand
from diodeq.learning.recipe import Recipe
from diodeq.synthesis import layered

TUNING_RATE = 0.005
"""A circuit that works already is tuned, not learned anew."""


def fresh(recipe: Recipe, diode: str, data: Dataset, technology: Technology) -> Circuit:
    """A layered circuit of the recipe's widths for the data, at its random conductances."""
    demand(recipe, data)
    widths = (data.x_train.shape[1], *recipe.hidden, len(data.outputs))
    scaling = units(data.x_train, recipe.encode, recipe.supply, recipe.beta, recipe.floor)
    circuit = layered(
        widths,
        catalogue.get(diode),
        recipe.supply,
        unit=recipe.unit,
        topology=recipe.topology,
        lateral=recipe.lateral,
        seed=recipe.seed,
        technology=technology,
        median=recipe.median,
        spread=recipe.spread,
        units=scaling if data.classes else regressing(scaling, data.y_train.astype(np.float64)),
        title=f"{data.name.partition(':')[0]}: {'-'.join(map(str, widths))}",
    )
    if data.classes:
        named = zip(circuit.output_names, data.classes, strict=True)
        note = "; ".join(f"{output} is the score of {label}" for output, label in named)
        circuit = replace(circuit, notes=(*circuit.notes, note))
    if data.features:
        circuit = replace(circuit, inputs=replace(circuit.inputs, names=data.features))
    return replace(circuit, output_names=data.targets) if data.targets else circuit


def brought(circuit: Circuit, recipe: Recipe, data: Dataset) -> Circuit:
    """A circuit that exists with the recipe's scores per volt and, where it has one, encoding of the data's features;
    where the data are of quantities and the circuit does not say what its outputs are, they stand for these."""
    own = circuit.scaling
    if recipe.encode and data.x_train.shape[1] == len(circuit.inputs):
        found = units(data.x_train, recipe.encode, recipe.supply, recipe.beta, recipe.floor)
        own = replace(own, offset=found.offset, scale=found.scale, limit=found.limit)
    own = replace(own, output_scale=recipe.beta)
    if data.targets and not own.regresses and len(data.targets) == len(circuit.outputs):
        own = regressing(own, data.y_train.astype(np.float64))
    return replace(circuit, units=own)


def technology_of(recipe: Recipe, diode: str) -> Technology:
    """What circuits of the recipe are made of."""
    return Technology(
        recipe.low,
        recipe.high,
        levels=recipe.quantize,
        volts=recipe.supply,
        diode=diode,
        variation=variation_of(recipe.robust) if recipe.robust else Variation(),
    )


def tuned(recipe: Recipe, path: Path, given: Set[str]) -> Recipe:
    """The recipe for a circuit on disk, where its entries were not ``given``: its own encoding and scores per volt, a
    range that holds all its conductances, and a rate for what works already. Power is not asked for.

    Raises:
        InputError: there is no such circuit.
        UsageError: a supply without an encoding that would reach it.
    """
    if "supply" in given and "encode" not in given:
        raise UsageError(
            "supply says what an encoding reaches, and the circuit brings its own",
            "give encode too, such as range",
            arguments=("supply", "encode"),
        )
    circuit = Circuit.load(path)
    low, high = recipe.range_with(circuit.conductances[circuit.mask])
    changes: dict[str, Any] = {"beta": circuit.scaling.output_scale, "rate": TUNING_RATE, "power": 0.0}
    changes |= {"low": low, "high": high, "encode": ""}
    fixed = given | ({"low", "high"} if given & {"low", "high"} else set())
    return replace(recipe, **{name: value for name, value in changes.items() if name not in fixed})


def in_range(circuit: Circuit, technology: Technology, path: str) -> None:
    """Refuse conductances the technology cannot hold: training would begin by clipping them to another circuit."""
    values = circuit.conductances[circuit.mask]
    outside = np.flatnonzero((values < technology.low * (1 - 1e-9)) | (values > technology.high * (1 + 1e-9)))
    if len(outside):
        name = circuit.part_names("resistors")[np.flatnonzero(circuit.mask)[outside[0]]]
        raise InputError(
            f"{path}: resistor {name} has {values[outside[0]]:g} S, outside {technology.low:g} … {technology.high:g} S",
            "scale the circuit's conductances or give another --conductances LOW HIGH",
        )
