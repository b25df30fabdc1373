"""Multilayer perceptrons of scikit-learn: ``.skops`` files, and their arrays in ``.npz``.

In an ``.npz`` the keys are ``coefs_0 intercepts_0 coefs_1 …``, the coefficients (inputs, outputs), with the texts
``activation`` and ``out_activation_`` as the estimator has them, and ``mean_`` and ``scale_`` of a scaler before it.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from diodeq import archives
from diodeq.errors import InputError
from diodeq.network.activations import Activation
from diodeq.network.network import Network, Stage
from diodeq.network.weights.keys import Arrays, Floats, for_layers, matrix, numbers, shaped, text

ACCEPTED = "diodeq reads an MLPClassifier or MLPRegressor, alone or in a Pipeline behind StandardScalers"
KEYS = "diodeq reads coefs_0, intercepts_0, coefs_1, …, activation, out_activation_, mean_ and scale_"
ACTIVATIONS = {"relu": "relu", "tanh": "tanh", "logistic": "sigmoid", "identity": "identity"}
OPTIMIZERS = {f"sklearn.neural_network._stochastic_optimizers.{kind}Optimizer" for kind in ("Adam", "SGD")}
"""Types that a fitted perceptron holds: nothing but numbers."""
SOFTMAX = "left out at the end; the outputs are what goes into it: the softmax of its classes"

_KEY = re.compile(r"(coefs|intercepts)_(0|[1-9][0-9]{0,3})")


def is_mlp(arrays: Iterable[str]) -> bool:
    """Whether the names are those of a multilayer perceptron's coefficients."""
    return "coefs_0" in arrays


def from_arrays(arrays: Arrays, given: tuple[Activation, ...] | None) -> tuple[Network, tuple[str, ...]]:
    """The network of a perceptron's arrays, and what was left out.

    Raises:
        InputError: a key is unknown or missing, shapes do not fit, or the activations are said neither here nor there.
    """
    texts = {key: arrays[key] for key in ("activation", "out_activation_") if key in arrays}
    scaler = {key: arrays[key] for key in ("mean_", "scale_") if key in arrays}
    count = sum(key.startswith("coefs_") for key in arrays)
    for key in arrays:
        match = _KEY.fullmatch(key)
        if key not in texts and key not in scaler and not (match and int(match[2]) < count):
            raise InputError(f"its key {key!r} is unknown", KEYS)
    missing = [f"{part}_{k}" for k in range(count) for part in ("coefs", "intercepts") if f"{part}_{k}" not in arrays]
    if missing:
        raise InputError(f"it has no {missing[0]}", KEYS)
    said = {key: text(key, array) for key, array in texts.items()}
    if given is not None and said:
        raise InputError(f"it says its activations itself, by {min(said)}", "leave --activation out")
    if given is None and len(said) < 2:
        absent = next(key for key in ("activation", "out_activation_") if key not in said)
        raise InputError(
            f"it does not say its {absent}", f"save {absent} as the estimator has it, or give --activation"
        )
    names = [f"coefs_{k}" for k in range(count)]
    layers = [(arrays[f"coefs_{k}"], arrays[f"intercepts_{k}"]) for k in range(count)]
    scalings = [_scaling(scaler["mean_"], scaler["scale_"])] if len(scaler) == 2 else []
    if len(scaler) == 1:
        raise InputError(f"it has {next(iter(scaler))} alone", "give mean_ and scale_ of the scaler")
    if given is not None:
        return _network(layers, for_layers(given, names), scalings), ()
    each, notes = _activations(said["activation"], said["out_activation_"], count)
    return _network(layers, each, scalings), notes


def read(path: Path) -> tuple[Network, tuple[str, ...]]:
    """The network of an estimator that skops saved, and what was left out; no type is built that skops does not trust.

    Raises:
        InputError: the package skops is not installed; the file is damaged, or holds another estimator or types that
            are not trusted; they are named.
    """
    try:
        skops = import_module("skops.io")
    except ImportError:
        raise InputError("the package skops is not installed", "run: pip install diodeq[skops]") from None
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(member.file_size for member in archive.infolist())
        if total > archives.believable(path.stat().st_size):
            raise InputError(f"it unpacks to {total:,} bytes", "give a smaller network")
        untrusted = set(skops.get_untrusted_types(file=path)) - OPTIMIZERS
        if untrusted:
            raise InputError(f"it holds {', '.join(sorted(untrusted)[:5])}, which could run code", ACCEPTED)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions: only arrays are used
            estimator = skops.load(path, trusted=sorted(OPTIMIZERS))
    except InputError:
        raise
    except Exception as error:  # skops raises whatever its many readers do
        raise InputError(
            "it is damaged or not a file of skops", "save the estimator again with skops.io.dump"
        ) from error
    try:
        return _estimator(estimator)
    except (AttributeError, TypeError, ValueError, IndexError) as error:
        raise InputError("it is damaged: an estimator has what none can have", ACCEPTED) from error


def _estimator(estimator: Any) -> tuple[Network, tuple[str, ...]]:
    parts = [step for _, step in estimator.steps] if type(estimator).__name__ == "Pipeline" else [estimator]
    scalings = []
    for part in parts[:-1]:
        if type(part).__name__ != "StandardScaler":
            raise InputError(f"it has a {type(part).__name__} before its network", ACCEPTED)
        count = part.n_features_in_
        mean = np.zeros(count) if part.mean_ is None else np.asarray(part.mean_)
        scalings.append(_scaling(mean, np.ones(count) if part.scale_ is None else np.asarray(part.scale_)))
    last = parts[-1]
    if type(last).__name__ not in ("MLPClassifier", "MLPRegressor"):
        raise InputError(f"it is a {type(last).__name__}", ACCEPTED)
    if not hasattr(last, "coefs_"):
        raise InputError(f"its {type(last).__name__} was never fitted", "fit it, and save it again")
    layers = [(np.asarray(W), np.asarray(b)) for W, b in zip(last.coefs_, last.intercepts_, strict=True)]
    each, notes = _activations(str(last.activation), str(last.out_activation_), len(layers))
    return _network(layers, each, scalings), notes


def _activations(hidden: str, out: str, count: int) -> tuple[tuple[Activation, ...], tuple[str, ...]]:
    """Of every layer, and what is left out of the last."""
    for name, known in ((hidden, ACTIVATIONS), (out, {**ACTIVATIONS, "softmax": "identity"})):
        if name not in known:
            raise InputError(f"it has the activation {name!r}", f"use one of {', '.join(ACTIVATIONS)}")
    last = Activation("identity") if out == "softmax" else Activation(ACTIVATIONS[out])
    return (*[Activation(ACTIVATIONS[hidden])] * (count - 1), last), (SOFTMAX,) if out == "softmax" else ()


def _scaling(mean: Any, scale: Any) -> tuple[Floats, Floats]:
    """``(x - mean) / scale`` as a factor and a shift."""
    offset, divisor = numbers("mean_", mean), numbers("scale_", scale)
    if offset.ndim != 1 or divisor.shape != offset.shape or not divisor.all():
        raise InputError("its scaler has a mean_ and scale_ that do not fit, or divides by 0", ACCEPTED)
    return 1.0 / divisor, -offset / divisor


def _network(
    layers: list[tuple[Any, Any]], each: tuple[Activation, ...], scalings: list[tuple[Floats, Floats]]
) -> Network:
    """The cascade, with scalings before it folded into its first layer."""
    stages = []
    for k, ((W, b), activation) in enumerate(zip(layers, each, strict=True)):
        U = matrix(f"coefs_{k}", W).T
        row = shaped(f"intercepts_{k}", b, (len(U),), f"coefs_{k} has {len(U)} columns")
        for factor, shift in reversed(scalings) if k == 0 else ():
            if factor.shape != U.shape[1:]:
                raise InputError(f"its scaler has {len(factor)} features, coefs_0 {U.shape[1]} rows", ACCEPTED)
            row, U = row + U @ shift, U * factor
        stages.append(Stage(U, row, None, activation))
    return Network(tuple(stages))
