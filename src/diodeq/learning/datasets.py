"""Data sets: what ``diodeq train`` can learn, split, numbered and checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.errors import InputError, UsageError
from diodeq.learning import dataset_files, dataset_tables
from diodeq.printable import counted
from diodeq.tables import plain, shortest

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HELD_OUT = 0.25
TARGET = "?target="
"""Between a table's path and the name or number of the column to learn"""
MOST_VALUES = 20
"""Different numbers in a target from which on they may be a quantity rather than classes"""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples to learn from and samples held out.

    ``x_train`` float64[n, features], ``y_train`` int64[n] class numbers; ``x_test``, ``y_test`` likewise; ``classes``
    names each class number, ``features`` each column, as an input is called, where a table does and they differ.
    """

    name: str
    x_train: Floats
    y_train: Ints
    x_test: Floats
    y_test: Ints
    classes: tuple[str, ...]
    features: tuple[str, ...] = ()


def load(spec: str, seed: int = 0) -> Dataset:
    """The data set that ``spec`` names: a key of ``BUILT_IN``, or ``kind:PATH`` with a kind of ``FILES`` or of
    ``TABLES``; a table's path may be followed by ``?target=`` and the name or number of the column to learn.

    Without a test set of its own a quarter of every class is held out, by scikit-learn's ``train_test_split`` with
    ``stratify=y, random_state=seed``.

    Raises:
        UsageError: no such data set.
        InputError: the file cannot be read or used; the message names the file, row or column.
    """
    kind, colon, path = spec.partition(":")
    path, chosen, target = path.partition(TARGET) if kind in TABLES else (path, "", "")
    if colon and (kind in FILES or kind in TABLES):
        if not path or (chosen and not target):
            raise UsageError(f"data set {spec!r} names no {'column' if path else 'file'}", f"write {kind}:PATH")
        try:
            file = Path(path).expanduser()
            raw = TABLES[kind](file, target) if kind in TABLES else FILES[kind](file)
        except (OSError, RuntimeError) as error:  # a path too long, or of a user who does not exist
            raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', error)}", "check the path") from error
        return assemble(spec, raw, seed)
    if spec in BUILT_IN:
        return assemble(spec, BUILT_IN[spec](), seed)
    near = get_close_matches(spec, BUILT_IN, n=1)
    ending = Path(spec).suffix.lower().removeprefix(".")
    if ending in FILES or ending in TABLES:
        near = [f"{ending}:{spec}"]
    hint = f"did you mean {near[0]}? " if near else ""
    known = ", ".join([*BUILT_IN, "idx:FOLDER", *(f"{name}:FILE" for name in (*TABLES, "npz"))])
    raise UsageError(f"there is no data set {spec!r}", f"{hint}use one of {known}")


def targeted(spec: str, target: str | None) -> str:
    """The data set ``spec`` with another column to learn; raises `UsageError` where none can be chosen."""
    if target is None:
        return spec
    if spec.partition(":")[0] not in TABLES or TARGET in spec:
        kinds = ", ".join(f"{kind}:FILE" for kind in TABLES)
        raise UsageError(f"no target can be chosen for {spec!r}", f"one can for {kinds}, and once")
    return f"{spec}{TARGET}{target}"


def assemble(name: str, raw: dataset_files.Raw, seed: int) -> Dataset:
    """A checked data set from what a file or a generator holds."""
    x, labels = _matrix(name, raw.x, raw.y, "")
    if raw.classes is None:
        _demand_classes(name, labels)
    classes, y = _number(name, labels, raw.classes)
    features = tuple(map(plain, raw.features))
    features = features if len({*features}) == x.shape[1] else ()
    if raw.x_test is not None and raw.y_test is not None:
        x_test, test_labels = _matrix(name, raw.x_test, raw.y_test, "test ")
        if x_test.shape[1] != x.shape[1]:
            raise InputError(
                f"{name}: the test set has {counted(x_test.shape[1], 'column')} but the training set has {x.shape[1]}",
                "give both the same columns",
            )
        return Dataset(name, x, y, x_test, _renumber(name, test_labels, classes), tuple(_shown(classes)), features)
    x, y, x_test, y_test = _split(name, x, y, _shown(classes), seed)
    return Dataset(name, x, y, x_test, y_test, tuple(_shown(classes)), features)


def _matrix(name: str, x: NDArray[Any], y: NDArray[Any], which: str) -> tuple[Floats, NDArray[Any]]:
    """Samples as float64[n, features] and their labels, n of each, all finite."""
    if x.dtype.kind not in "fiub":
        raise InputError(
            f"{name}: the {which}samples are not numbers (dtype {x.dtype})", "store them as floats or integers"
        )
    if x.ndim < 2 or 0 in x.shape:
        raise InputError(
            f"{name}: the {which}samples have the shape {x.shape}", "give one row per sample, one column per feature"
        )
    y = y.reshape(-1) if y.ndim == 2 and y.shape[1] == 1 else y
    if y.ndim != 1 or y.dtype.kind not in "fiubUS":
        raise InputError(
            f"{name}: the {which}labels have the shape {y.shape} and dtype {y.dtype}", "give one label per sample"
        )
    if len(x) != len(y):
        raise InputError(
            f"{name}: there are {len(x)} {which}samples but {len(y)} {which}labels", "give one label per sample"
        )
    with np.errstate(invalid="ignore"):  # refused below
        x = np.ascontiguousarray(x.reshape(len(x), -1), dtype=np.float64)
    bad = np.argwhere(~np.isfinite(x))
    if len(bad):
        row, column = bad[0]
        raise InputError(
            f"{name}: {which}row {row + 1}, column {column + 1} is {x[row, column]}",
            "remove or fill values that are not finite",
        )
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        row = int(np.flatnonzero(~np.isfinite(y))[0])
        raise InputError(f"{name}: the {which}label of row {row + 1} is {y[row]}", "remove the row or name its class")
    return x, y


def _demand_classes(name: str, labels: NDArray[Any]) -> None:
    """Refuse numbers that measure something: more than `MOST_VALUES` different ones, not whole or a tenth of all."""
    if labels.dtype.kind not in "fiu":
        return
    values = np.unique(labels)
    if len(values) > MOST_VALUES and (bool(np.any(values % 1)) or 10 * len(values) > len(labels)):
        raise InputError(
            f"{name}: its target has {len(values)} different numbers, a quantity and not a class",
            "circuits learn classes: choose another column with --target, or cut its range into classes",
        )


def _number(name: str, labels: NDArray[Any], known: NDArray[Any] | None) -> tuple[NDArray[Any], Ints]:
    """The sorted classes and each label's place among them, ``known`` or not."""
    classes, y = np.unique(labels, return_inverse=True) if known is None else (known, labels)
    if len(classes) < 2:
        raise InputError(
            f"{name}: every sample is of class {_shown(classes)[0]!r}", "give samples of at least two classes"
        )
    return classes, y.astype(np.int64, copy=False)


def _renumber(name: str, labels: NDArray[Any], classes: NDArray[Any]) -> Ints:
    """Test labels as class numbers of the training set."""
    if (labels.dtype.kind in "US") != (classes.dtype.kind in "US"):
        raise InputError(f"{name}: training labels and test labels are of different kinds", "store both the same way")
    unknown = ~np.isin(labels, classes)
    if unknown.any():
        raise InputError(
            f"{name}: the test set has the class {_shown(labels[unknown])[0]!r}, which the training set has not",
            "give at least one training sample of every class",
        )
    return np.searchsorted(classes, labels).astype(np.int64)


def _split(name: str, x: Floats, y: Ints, classes: list[str], seed: int) -> tuple[Floats, Ints, Floats, Ints]:
    from sklearn.model_selection import train_test_split

    counts = np.bincount(y)
    if counts.min() < 2:
        raise InputError(
            f"{name}: class {classes[int(counts.argmin())]!r} has a single sample, so none can be held out",
            "give at least two samples of every class",
        )
    if np.ceil(HELD_OUT * len(y)) < len(counts) or np.floor((1 - HELD_OUT) * len(y)) < len(counts):
        raise InputError(
            f"{name}: {counted(len(y), 'sample')} are too few to hold out one of each of {len(counts)} classes",
            f"give at least {int(np.ceil(len(counts) / HELD_OUT))} samples",
        )
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=HELD_OUT, stratify=y, random_state=seed)
    return x_train, y_train, x_test, y_test


def _shown(classes: NDArray[Any]) -> list[str]:
    """Class names as text; 1.0 and 1 are both "1"."""
    if classes.dtype.kind == "S":
        return [each.decode("utf-8", "replace") for each in classes]
    return [shortest(each) if classes.dtype.kind == "f" else str(each) for each in classes.tolist()]


def _scikit_learn(loader: str) -> Callable[[], dataset_files.Raw]:
    def read() -> dataset_files.Raw:
        import sklearn.datasets

        bunch = getattr(sklearn.datasets, loader)()
        names = getattr(bunch, "target_names", None)
        labels = bunch.target if names is None else np.asarray(names)[bunch.target]
        return dataset_files.Raw(bunch.data, labels)

    return read


def _xor() -> dataset_files.Raw:
    """400 points of the square [-1, 1]², at least 0.1 from both axes; the class is whether the signs differ."""
    points = np.random.default_rng(0).uniform(0.1, 1.0, (400, 2))
    signs = np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)])[np.arange(400) % 4]
    return dataset_files.Raw(points * signs, (signs[:, 0] != signs[:, 1]).astype(np.int64))


def _moons() -> dataset_files.Raw:
    from sklearn.datasets import make_moons

    return dataset_files.Raw(*make_moons(n_samples=400, noise=0.15, random_state=0))


BUILT_IN: dict[str, Callable[[], dataset_files.Raw]] = {
    "iris": _scikit_learn("load_iris"),
    "wine": _scikit_learn("load_wine"),
    "breast-cancer": _scikit_learn("load_breast_cancer"),
    "digits": _scikit_learn("load_digits"),
    "xor": _xor,
    "moons": _moons,
}

FILES: dict[str, Callable[[Path], dataset_files.Raw]] = {
    "idx": dataset_files.read_idx,
    "npz": dataset_files.read_npz,
}

TABLES: dict[str, Callable[[Path, str], dataset_files.Raw]] = {
    "csv": dataset_tables.read_csv,
    "parquet": dataset_tables.read_parquet,
    "arff": dataset_tables.read_arff,
}
