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
from diodeq.measures import Labels
from diodeq.plugins import Registry, trusted
from diodeq.printable import counted
from diodeq.tables import plain, shortest

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HELD_OUT = 0.25
TARGET = "?target="
"""Between a table's path and the name or number of the column to learn"""
MOST_VALUES = 20
"""Different numbers in a target from which on they may be a quantity rather than classes"""
LEAST = 4
"""Samples of a regression"""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples to learn from and samples held out.

    ``x_train`` float64[n, features], ``y_train`` int64[n] class numbers or float64[n, k] quantities; ``x_test``,
    ``y_test`` likewise; ``classes`` names each class number, ``features`` each column, as an input is called, where a
    table does and they differ, ``targets`` each quantity of a regression, which has no classes.
    """

    name: str
    x_train: Floats
    y_train: Labels
    x_test: Floats
    y_test: Labels
    classes: tuple[str, ...]
    features: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()

    @property
    def task(self) -> str:
        """A name of ``tasks.TASKS``."""
        return "regression" if self.targets else "classification"

    @property
    def outputs(self) -> tuple[str, ...]:
        """What each output of a circuit is of: a class or a quantity."""
        return self.targets or self.classes


def load(spec: str, seed: int = 0, task: str = "") -> Dataset:
    """The data set that ``spec`` names: a key of ``BUILT_IN``, or ``kind:PATH`` with a kind of ``FILES`` or of
    ``TABLES``; a table's path may be followed by ``?target=`` and the name or number of the column to learn.

    ``task`` is one of ``tasks.TASKS``; without it a target is a quantity where it is of more than 20 different numbers,
    not all of them whole or more than one to ten samples, or of several columns, not all whole.

    Without a test set of its own a quarter of every class is held out, by scikit-learn's ``train_test_split`` with
    ``stratify=y, random_state=seed``; of a regression a quarter of all.

    Raises:
        UsageError: no such data set, or it is of another task.
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
        return assemble(spec, raw, seed, task)
    if spec in BUILT_IN:
        found = assemble(spec, BUILT_IN[spec](), seed)
        if task not in ("", found.task):
            raise UsageError(f"{spec} is of {found.task}, not of {task}", "leave --task out")
        return found
    if kind in ADDED:
        what = f"the data set {ADDED.whose(kind)}"
        with trusted(what):
            given = ADDED[kind](spec.partition(":")[2])
            raw = given if isinstance(given, dataset_files.Raw) else _raw(*given)
        return assemble(spec, raw, seed, task)
    near = get_close_matches(spec, BUILT_IN, n=1)
    ending = Path(spec).suffix.lower().removeprefix(".")
    if ending in FILES or ending in TABLES:
        near = [f"{ending}:{spec}"]
    hint = f"did you mean {near[0]}? " if near else ""
    known = ", ".join([*BUILT_IN, *ADDED, "idx:FOLDER", *(f"{name}:FILE" for name in (*TABLES, "npz"))])
    raise UsageError(f"there is no data set {spec!r}", f"{hint}use one of {known}")


def _raw(x: Any, y: Any) -> dataset_files.Raw:
    return dataset_files.Raw(np.asarray(x), np.asarray(y))


def targeted(spec: str, target: str | None) -> str:
    """The data set ``spec`` with another column to learn; raises `UsageError` where none can be chosen."""
    if target is None:
        return spec
    if spec.partition(":")[0] not in TABLES or TARGET in spec:
        kinds = ", ".join(f"{kind}:FILE" for kind in TABLES)
        raise UsageError(f"no target can be chosen for {spec!r}", f"one can for {kinds}, and once")
    return f"{spec}{TARGET}{target}"


def assemble(name: str, raw: dataset_files.Raw, seed: int, task: str = "") -> Dataset:
    """A checked data set from what a file or a generator holds; ``task`` is as in `load`."""
    features = tuple(map(plain, raw.features))
    features = features if len({*features}) == len(raw.features) else ()
    if (task or _told(raw)) == "regression":
        return _quantities(name, raw, features, seed)
    x, labels = _matrix(name, raw.x, raw.y, "")
    classes, y = _number(name, labels, raw.classes)
    shown = tuple(_shown(classes))
    if raw.x_test is not None and raw.y_test is not None:
        x_test, test_labels = _matrix(name, raw.x_test, raw.y_test, "test ")
        _demand_columns(name, x, x_test)
        return Dataset(name, x, y, x_test, _renumber(name, test_labels, classes), shown, features)
    return Dataset(name, *_split(name, x, y, shown, seed), shown, features)


def _told(raw: dataset_files.Raw) -> str:
    """The task that a target tells of itself."""
    y = raw.y
    if raw.classes is not None or y.dtype.kind not in "fiu":
        return "classification"
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        return "classification"  # which says what is wrong with it
    if y.ndim == 2 and y.shape[1] > 1:
        return "regression" if np.any(y % 1) else "classification"
    values = np.unique(y)
    several = len(values) > MOST_VALUES and (bool(np.any(values % 1)) or 10 * len(values) > len(y))
    return "regression" if several else "classification"


def _quantities(name: str, raw: dataset_files.Raw, features: tuple[str, ...], seed: int) -> Dataset:
    """A data set of a regression."""
    if raw.classes is not None or raw.y.dtype.kind not in "fiu":
        raise InputError(f"{name}: its target is not of numbers", "choose another column with --target")
    x, y = _matrix(name, raw.x, raw.y.astype(np.float64), "", columns=True)
    targets = (
        (plain(raw.target) if raw.target else "y",) if y.shape[1] == 1 else tuple(f"y{k}" for k in range(y.shape[1]))
    )
    flat = np.flatnonzero(np.all(y == y[0], axis=0))
    if len(flat):
        at = flat[0]
        raise InputError(f"{name}: its target {targets[at]} is {y[0, at]:g} in every sample", "choose another")
    if raw.x_test is not None and raw.y_test is not None:
        x_test, y_test = _matrix(name, raw.x_test, raw.y_test.astype(np.float64), "test ", columns=True)
        _demand_columns(name, x, x_test)
        if y_test.shape[1] != y.shape[1]:
            raise InputError(f"{name}: training and test targets differ in their columns", "give both the same")
        return Dataset(name, x, y, x_test, y_test, (), features, targets)
    if len(x) < LEAST:
        raise InputError(f"{name}: {counted(len(x), 'sample')} are too few to hold some out", f"give at least {LEAST}")
    from sklearn.model_selection import train_test_split

    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=HELD_OUT, random_state=seed)
    return Dataset(name, x_train, y_train, x_test, y_test, (), features, targets)


def _demand_columns(name: str, x: Floats, x_test: Floats) -> None:
    if x_test.shape[1] != x.shape[1]:
        raise InputError(
            f"{name}: the test set has {counted(x_test.shape[1], 'column')} but the training set has {x.shape[1]}",
            "give both the same columns",
        )


def _matrix(
    name: str, x: NDArray[Any], y: NDArray[Any], which: str, columns: bool = False
) -> tuple[Floats, NDArray[Any]]:
    """Samples as float64[n, features] and their labels, n of each, all finite; quantities have ``columns``."""
    if x.dtype.kind not in "fiub":
        raise InputError(
            f"{name}: the {which}samples are not numbers (dtype {x.dtype})", "store them as floats or integers"
        )
    if x.ndim < 2 or 0 in x.shape:
        raise InputError(
            f"{name}: the {which}samples have the shape {x.shape}", "give one row per sample, one column per feature"
        )
    if columns:
        y = y[:, None] if y.ndim == 1 else y
    elif y.ndim == 2 and y.shape[1] == 1:
        y = y.reshape(-1)
    if y.ndim != 1 + columns or 0 in y.shape[1:] or y.dtype.kind not in "fiubUS":
        remedy = "give one label per sample" + (", or say --task regression" if y.ndim == 2 else "")
        raise InputError(f"{name}: the {which}labels have the shape {y.shape} and dtype {y.dtype}", remedy)
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
        row, *column = np.argwhere(~np.isfinite(y))[0]
        remedy = "remove the row" if columns else "remove the row or name its class"
        raise InputError(f"{name}: the {which}label of row {row + 1} is {y[row, *column]}", remedy)
    return x, y


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


def _split(name: str, x: Floats, y: Ints, classes: tuple[str, ...], seed: int) -> tuple[Floats, Ints, Floats, Ints]:
    from sklearn.model_selection import train_test_split

    counts = np.bincount(y)
    if counts.min() < 2:
        raise InputError(
            f"{name}: class {classes[int(counts.argmin())]!r} has a single sample, so none can be held out",
            "give at least two samples of every class, or say --task regression where classes are quantities",
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


def _friedman() -> dataset_files.Raw:
    """500 points of y = 10 sin(π x₀ x₁) + 20 (x₂ - ½)² + 10 x₃ + 5 x₄ + noise of 1 (Friedman, Ann. Stat. 19(1),
    1991)."""
    from sklearn.datasets import make_friedman1

    return dataset_files.Raw(*make_friedman1(n_samples=500, n_features=5, noise=1.0, random_state=0))


BUILT_IN: dict[str, Callable[[], dataset_files.Raw]] = {
    "iris": _scikit_learn("load_iris"),
    "wine": _scikit_learn("load_wine"),
    "breast-cancer": _scikit_learn("load_breast_cancer"),
    "digits": _scikit_learn("load_digits"),
    "xor": _xor,
    "moons": _moons,
    "diabetes": _scikit_learn("load_diabetes"),
    "friedman": _friedman,
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

ADDED: Registry[Callable[[str], Any]] = Registry({}, "diodeq.data", callable, {*BUILT_IN, *FILES, *TABLES})
"""What installed packages add: functions from what stands behind the name and a colon, or "", to (X, y) or `Raw`"""
