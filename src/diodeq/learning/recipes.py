"""Recipes of the known data sets, and what suits others by their size: circuits on ±5 V, of 10 kΩ to 10 MΩ.

Found on seeds 10 and up; seeds 0 to 4 were only used to report.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from diodeq.learning import datasets
from diodeq.learning.datasets import Dataset
from diodeq.learning.recipe import Recipe

FEW: dict[str, Any] = {
    "encode": "standard:3",
    "beta": 4.0,
    "power": 1e-3,
    "rate": 0.1,
    "smoothing": 0.1,
    "noise": 0.1,
    "epochs": 40,
}

QUANTITY: dict[str, Any] = {"loss": "squared-error", "encode": "standard:3", "beta": 4.0, "batch_size": 16}

RECIPES: dict[str, Recipe] = {
    "iris": Recipe(hidden=(10,), rate=0.1, smoothing=0.1, epochs=40, batch_size=16),
    # Few samples of long-tailed features, of whose range the tails would be most; so few watts as will do keep the
    # circuit from learning more than there is.
    "wine": Recipe(hidden=(20,), batch_size=16, **FEW),
    "breast-cancer": Recipe(hidden=(10,), **FEW),
    "digits": Recipe(hidden=(40,), power=0.1, rate=0.1, smoothing=0.1, epochs=30),
    "xor": Recipe(hidden=(6,), rate=0.1, smoothing=0.1, epochs=30),
    "moons": Recipe(hidden=(12,), rate=0.1, smoothing=0.1, epochs=30),
    # Half of the variance is noise, which more epochs would learn.
    "diabetes": Recipe(hidden=(20,), rate=0.03, epochs=20, **QUANTITY),
    "friedman": Recipe(hidden=(20,), rate=0.1, epochs=40, **QUANTITY),
    "idx": Recipe(hidden=(256,), power=0.5, rate=0.1, smoothing=0.1, epochs=10, batch_size=512),
}
SOME = {"classification": Recipe(rate=0.1, smoothing=0.1), "regression": Recipe(task="regression", **QUANTITY)}
"""For any other data of a task, but for …"""
MEDIAN = 1.0 / 3.0
"""Where between the ends of a range, in logarithms, initial conductances have their median"""
SUITED = ("hidden", "batch_size", "epochs")
"""… what ``suited`` chooses"""
# So many updates teach a circuit, in no fewer and no more epochs than these.
UPDATES, EPOCHS = 1500, (10, 60)
BATCHES = ((500, 16), (5_000, 32), (20_000, 128))
LARGEST_BATCH, WIDEST = 512, 256


def is_known(spec: str) -> bool:
    """Whether a data set's recipe is known without its data, as that of every set but tables, arrays in files and
    what packages add."""
    return spec.partition(":")[0] in RECIPES


def recipe_for(spec: str, data: Dataset | None = None, task: str = "") -> Recipe:
    """The default recipe for a data set as named on the command line; that of a file suits its size. ``data`` is the
    set itself, where it is at hand, and ``task`` what it is asked to be.

    Raises:
        InputError: the file cannot be read.
    """
    if is_known(spec):
        return RECIPES.get(spec.partition(":")[0], SOME["classification"])
    return suited(data or datasets.load(spec, task=task))


def suited(data: Dataset) -> Recipe:
    """A recipe by the number of samples, features and outputs: twice the geometric mean of the last two is the width,
    as in the known sets."""
    samples, features = data.x_train.shape
    width = 2.0 * math.sqrt(features * len(data.outputs))
    batch = next((size for most, size in BATCHES if samples < most), LARGEST_BATCH)
    epochs = min(max(math.ceil(UPDATES * batch / samples), EPOCHS[0]), EPOCHS[1])
    return replace(SOME[data.task], hidden=(min(max(round(width), 6), WIDEST),), epochs=epochs, batch_size=batch)


def asked(usual: Recipe, ends: tuple[float, float] | None, given: Mapping[str, Any]) -> Recipe:
    """The usual recipe with the entries that are ``given`` and not None; what is not given follows them.

    A power is one for the usual width: wider circuits take more, in proportion. On hardware whose conductances have
    ``ends`` in siemens its taps decide what it takes, so no power is asked for.
    """
    recipe = usual.with_given(**given)
    said = {name for name, value in given.items() if value is not None}
    changes = {"power": usual.power * sum(recipe.hidden) / sum(usual.hidden)}
    if ends is not None:
        low, high = ends
        changes = {"low": low, "high": high, "median": low * (high / low) ** MEDIAN, "power": 0.0}
        if {"low", "high"} & said:
            changes = {"power": 0.0}
    return recipe.with_given(**{name: value for name, value in changes.items() if name not in said})
