"""scikit-learn's view of a circuit: estimators that train one."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from diodeq.api.running import simulate
from diodeq.api.training import train
from diodeq.circuit import Circuit
from diodeq.learning.datasets import Dataset
from diodeq.learning.rules import Rule

Floats = NDArray[np.float64]


class _CircuitEstimator(BaseEstimator):  # type: ignore[misc]
    """What both share: parameters, which are those of the recipe, and how a circuit is trained.

    ``None`` leaves a parameter to the data's own recipe.
    """

    def __init__(
        self,
        hidden: tuple[int, ...] | None = None,
        *,
        epochs: int | None = None,
        batch_size: int | None = None,
        rate: float | None = None,
        parts: int | None = None,
        power: float | None = None,
        supply: float | None = None,
        quantize: str | None = None,
        rule: str | Rule | None = None,
        diode: str = "1N4148",
        simulator: str = "wave",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.rate = rate
        self.parts = parts
        self.power = power
        self.supply = supply
        self.quantize = quantize
        self.rule = rule
        self.diode = diode
        self.simulator = simulator
        self.random_state = random_state

    def _trained(self, data: Dataset, start: Circuit | None, **given: Any) -> Circuit:
        names = ["epochs", "batch_size", "rate", "parts", "power", "quantize", "rule"]
        names += ["hidden", "supply"] if start is None else []
        asked = {name: getattr(self, name) for name in names if getattr(self, name) is not None} | given
        if "hidden" in asked:
            asked["hidden"] = tuple(np.atleast_1d(asked["hidden"]).tolist())
        seed = self.random_state
        if not isinstance(seed, (int, np.integer)):
            seed = check_random_state(seed).randint(2**31 - 1)
        run = train(data, start=start, diode=self.diode, simulator=self.simulator, seed=int(seed), **asked)
        return run.circuit

    def _outputs(self, x: ArrayLike) -> Floats:
        check_is_fitted(self)
        rows = validate_data(self, x, dtype=np.float64, reset=False)
        return simulate(self.circuit_, rows, simulator=self.simulator)


class CircuitClassifier(ClassifierMixin, _CircuitEstimator):  # type: ignore[misc]
    """A resistor-diode circuit that is trained to classify.

    Args:
        hidden: widths of the hidden layers; by the data unless given.
        epochs: passes through the samples; by the data unless given.
        batch_size: samples an update; by the data unless given.
        rate: learning rate, in log-conductance.
        parts: prune to so many resistors while training.
        power: steer to so many watts.
        supply: volts that no source exceeds.
        quantize: the only values resistors may have, such as ``"E24"``.
        rule: the learning rule, with its options, or one of your own.
        diode: of the hidden nodes.
        simulator: the engine.
        random_state: of initial values and order.

    Attributes:
        circuit_: the trained `Circuit`.
        classes_: the labels, in the order of the circuit's outputs.
        n_features_in_: how many features.

    Example:
        >>> import diodeq
        >>> from sklearn.datasets import load_iris
        >>> x, y = load_iris(return_X_y=True)
        >>> model = diodeq.CircuitClassifier(epochs=10, random_state=0).fit(x, y)
        >>> bool(model.score(x, y) > 0.9)
        True
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train a fresh circuit on samples float64[n, features] and labels [n]."""
        rows, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        self.circuit_ = self._trained(self._data(rows, numbers), None)
        return self

    def partial_fit(self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None) -> Self:
        """Go on with one more pass through some samples; the first call needs all ``classes`` if ``y`` has not all, and
        its samples decide how features become volts."""
        first = not hasattr(self, "circuit_")
        rows, labels = validate_data(self, X, y, dtype=np.float64, reset=first)
        if first:
            self.classes_ = np.unique(labels if classes is None else np.asarray(classes))
        numbers = np.searchsorted(self.classes_, labels)
        strange = labels[self.classes_[np.minimum(numbers, len(self.classes_) - 1)] != labels]
        if len(strange):
            raise ValueError(f"{strange[0]!r} is none of the classes {self.classes_.tolist()}; name all at first")
        self.circuit_ = self._trained(self._data(rows, numbers), None if first else self.circuit_, epochs=1)
        return self

    def predict_proba(self, X: ArrayLike) -> Floats:
        """The probability of each class [n, classes]: the softmax of the outputs' scores."""
        return np.asarray(softmax(self._outputs(X), axis=1))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The class of the highest output of each row [n]."""
        highest = self._outputs(X).argmax(axis=1)
        return np.asarray(self.classes_[highest])

    def _data(self, x: Floats, numbers: NDArray[np.intp]) -> Dataset:
        y = numbers.astype(np.int64)
        return Dataset("samples", x, y, x, y, tuple(map(str, self.classes_)))


class CircuitRegressor(RegressorMixin, _CircuitEstimator):  # type: ignore[misc]
    """A resistor-diode circuit that is trained to find a quantity, or several, by the squared error.

    Args:
        hidden: widths of the hidden layers; by the data unless given.
        epochs: passes through the samples; by the data unless given.
        batch_size: samples an update; by the data unless given.
        rate: learning rate, in log-conductance.
        parts: prune to so many resistors while training.
        power: steer to so many watts.
        supply: volts that no source exceeds.
        quantize: the only values resistors may have, such as ``"E24"``.
        rule: the learning rule, with its options, or one of your own.
        diode: of the hidden nodes.
        simulator: the engine.
        random_state: of initial values and order.

    Attributes:
        circuit_: the trained `Circuit`, whose outputs stand for the quantities.
        n_features_in_: how many features.

    Example:
        >>> import diodeq
        >>> from sklearn.datasets import make_friedman1
        >>> x, y = make_friedman1(200, n_features=5, random_state=0)
        >>> model = diodeq.CircuitRegressor(epochs=30, rate=0.1, random_state=0).fit(x, y)
        >>> bool(model.score(x, y) > 0.8)
        True
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train a fresh circuit on samples float64[n, features] and quantities float64[n] or [n, k]."""
        self.circuit_ = self._trained(self._data(X, y, reset=True), None)
        return self

    def partial_fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Go on with one more pass through some samples; those of the first call decide how features and quantities
        become volts."""
        first = not hasattr(self, "circuit_")
        self.circuit_ = self._trained(self._data(X, y, reset=first), None if first else self.circuit_, epochs=1)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def predict(self, X: ArrayLike) -> Floats:
        """The quantity of each row [n], or all [n, k] where several were learned."""
        found = self._outputs(X)
        return found[:, 0] if self._flat else found

    def _data(self, x: ArrayLike, y: ArrayLike, *, reset: bool) -> Dataset:
        found: Any = validate_data(self, x, y, dtype=np.float64, multi_output=True, y_numeric=True, reset=reset)
        rows, values = found[0], np.asarray(found[1], np.float64)
        if reset:
            self._flat = values.ndim == 1
        values = values.reshape(len(rows), -1)
        return Dataset("samples", rows, values, rows, values, (), (), tuple(f"y{k}" for k in range(values.shape[1])))
