"""The public door: every name there is, once, cheap to come by, and every example of every docstring runs."""

import doctest
import inspect
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_iris, make_friedman1
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import diodeq
from diodeq.errors import InputError, UsageError
from diodeq.network import weights

FUNCTIONS = [name for name in diodeq.__all__ if inspect.isfunction(getattr(diodeq, name))]
EXAMPLES = [*FUNCTIONS, "CircuitClassifier", "CircuitRegressor"]


def test_what_is_offered():
    assert set(FUNCTIONS) >= {
        *(
            "certify",
            "compare",
            "compile",
            "crossbar",
            "export",
            "front",
            "gradient",
            "layered",
            "load",
            "monte_carlo",
            "prune",
        ),
        *("prune", "quantize", "save", "settle", "simulate", "train", "verify"),
    }
    assert {"Circuit", "Network", "Stage", "Technology", "DiodeqError"} <= set(diodeq.__all__)
    with pytest.raises(AttributeError):
        _ = diodeq.nothing_of_this_name


def test_importing_it_loads_nothing():
    program = "import sys, diodeq; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert not {name.partition(".")[0] for name in told.split()} & {"numpy", "scipy", "click"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_function_has_an_example_that_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = doctest.DocTestFinder(recurse=False).find(getattr(diodeq, name), name, globs={})
    assert found[0].examples, name
    assert doctest.DocTestRunner().run(found[0]).failed == 0


def test_a_circuit_goes_round(tmp_path):
    """Train on arrays, save, load, simulate, quantize, prune, export, in memory and through files."""
    random = np.random.default_rng(0)
    x = random.normal(size=(120, 3))
    y = np.where(x[:, 0] > x[:, 1], "left", "right")
    run = diodeq.train((x, y), epochs=8, hidden=(6,))
    assert run.accuracy > 0.8
    assert run.data.classes == ("left", "right")
    diodeq.save(run.circuit, tmp_path / "c.npz")
    again = diodeq.load(tmp_path / "c.npz")
    scores = diodeq.simulate(again, run.data.x_test)
    assert np.mean(scores.argmax(axis=1) == run.data.y_test) == run.accuracy
    volts = diodeq.simulate(again, again.scaling.to_volts(run.data.x_test), units="volts")
    np.testing.assert_allclose(again.scaling.from_volts(volts), scores, rtol=0, atol=1e-9)
    (tmp_path / "c.cir").write_text(diodeq.export(again, "ngspice"))
    read = diodeq.load(tmp_path / "c.cir")
    assert len(read.resistors) == len(again.resistors)
    tuned = diodeq.train((x, y), epochs=2, start=diodeq.prune(again, 40), rate=0.01)
    assert len(tuned.circuit.resistors) == 40
    assert len(diodeq.train((x, y), epochs=5, hidden=(6,), parts=30).circuit.resistors) <= 30


def test_gradients_of_a_loss_of_ones_own():
    circuit = diodeq.layered((2, 3, 2), seed=1)
    found = diodeq.gradient(circuit, [[1.0, -1.0]], lambda v: (float(v.sum()), np.ones_like(v)), units="volts")
    step = 1e-4 * circuit.conductances[0]
    both = []
    for sign in (1.0, -1.0):
        moved = circuit.conductances.copy()
        moved[0] += sign * step
        both.append(diodeq.simulate(circuit.with_conductances(moved), [[1.0, -1.0]], units="volts").sum())
    assert found.conductances[0] == pytest.approx((both[0] - both[1]) / (2 * step), rel=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda c: diodeq.simulate(c, [[0.0, 0.0]], units="miles"), UsageError, "no units 'miles'"),
        (lambda c: diodeq.export(c, "abacus"), UsageError, "no form 'abacus'"),
        (lambda c: diodeq.train("abacus"), UsageError, "no data set 'abacus'"),
        (lambda c: diodeq.train(([[1.0], [2.0]], [0])), InputError, "2 samples but 1 label"),
        (lambda c: diodeq.quantize(c, "E25"), UsageError, "E25"),
        (lambda c: diodeq.monte_carlo(c, [[0.0, 0.0]], variation="tolerance=0%"), UsageError, "nothing varies"),
    ],
)
def test_nonsense_is_refused_in_a_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call(diodeq.layered((2, 3, 2)))


@pytest.mark.filterwarnings("ignore")
def test_the_classifier_is_what_scikit_learn_expects():
    check_estimator(diodeq.CircuitClassifier((6,), epochs=3, random_state=0))


@pytest.mark.filterwarnings("ignore")
def test_the_regressor_is_what_scikit_learn_expects():
    check_estimator(diodeq.CircuitRegressor((4,), epochs=4, rate=0.3, random_state=0))


def test_the_regressor_works_among_others():
    x, y = make_friedman1(120, n_features=5, random_state=0)
    model = diodeq.CircuitRegressor((6,), epochs=15, rate=0.1, random_state=1)
    search = GridSearchCV(make_pipeline(StandardScaler(), model), {"circuitregressor__rate": [1e-6, 0.1]}, cv=2)
    assert search.fit(x, y).best_params_ == {"circuitregressor__rate": 0.1}
    assert np.mean(cross_val_score(model, x, y, cv=3)) > 0.6
    both = model.fit(x, np.stack([y, -2 * y], axis=1))
    again = pickle.loads(pickle.dumps(both))
    assert (again.n_features_in_, again.predict(x).shape) == (5, (120, 2))
    np.testing.assert_array_equal(again.predict(x), both.predict(x))
    learner = diodeq.CircuitRegressor((6,), rate=0.1, random_state=0)
    scores = [learner.partial_fit(x, y).score(x, y) for _ in range(8)]
    assert scores[-1] > max(0.5, scores[0])


def test_the_classifier_works_among_others(tmp_path):
    x, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = diodeq.CircuitClassifier((8,), epochs=6, random_state=1)
    search = GridSearchCV(make_pipeline(StandardScaler(), model), {"circuitclassifier__rate": [1e-6, 0.1]}, cv=2)
    assert search.fit(x, names).best_params_ == {"circuitclassifier__rate": 0.1}
    fitted = model.fit(x, names)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(x), fitted.predict_proba(x))
    np.testing.assert_allclose(again.predict_proba(x).sum(axis=1), 1.0, rtol=0, atol=1e-12)
    assert set(again.predict(x)) <= set(names)
    small = diodeq.CircuitClassifier((8,), epochs=10, parts=40, random_state=1).fit(x, names)
    assert len(small.circuit_.resistors) <= 40


def test_the_classifier_goes_on_learning():
    x, y = load_iris(return_X_y=True)
    model = diodeq.CircuitClassifier((8,), rate=0.1, random_state=0)
    with pytest.raises(ValueError, match="none of the classes"):
        model.partial_fit(x[:60], y[:60]).partial_fit(x[-10:], y[-10:])
    model = diodeq.CircuitClassifier((8,), rate=0.1, random_state=0)
    mixed = np.random.default_rng(0).permutation(len(x))
    scores = [model.partial_fit(x[mixed], y[mixed], classes=[0, 1, 2]).score(x, y) for _ in range(6)]
    assert scores[-1] > max(0.85, scores[0])


@pytest.mark.parametrize(
    ("call", "meant"),
    [
        (lambda: diodeq.train("xor", epoch=1), "epochs"),
        (lambda: diodeq.train("xor", symulator="wave"), "simulator"),
        (lambda: diodeq.compile(diodeq.Network([diodeq.Stage([[1.0]], [0.0])]), max_gains=3), "max_gain"),
        (lambda: diodeq.layered((1, 2, 1), toplogy="dense"), "topology"),
        (lambda: diodeq.front("xor", "nowhere", epoch=3), "epochs"),
    ],
)
def test_an_option_that_there_is_not_names_the_nearest(call, meant):
    with pytest.raises(diodeq.DiodeqError, match=f"has no option '.*'; did you mean {meant}") as caught:
        call()
    assert isinstance(caught.value, TypeError)


def test_a_state_dict_is_told_its_activations(tmp_path):
    random = np.random.default_rng(0)
    arrays = {"0.weight": random.normal(size=(3, 2)), "2.weight": random.normal(size=(1, 3))}
    np.savez(tmp_path / "net.npz", **arrays, **{"0.bias": np.zeros(3), "2.bias": np.zeros(1)})
    network = diodeq.load(tmp_path / "net.npz", activation="relu")
    assert [str(stage.activation) for stage in network.stages] == ["relu", "identity"]
    with pytest.raises(InputError, match="does not say the activations"):
        diodeq.load(tmp_path / "net.npz")
    diodeq.save(diodeq.layered((1, 2, 1)), tmp_path / "circuit.npz")
    with pytest.raises(InputError, match="holds a circuit"):
        diodeq.load(tmp_path / "circuit.npz", activation="relu")


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([[1.0, 2.0, 3.0]], "3 input columns for circuit .*, not 2"),
        ([[[1.0, 2.0]]], r"the inputs have shape \(1, 1, 2\)"),
        ([["a", 1.0]], "the inputs cannot hold values"),
        ([[float("nan"), 1.0]], "input x0 of sample 0 is nan"),
    ],
)
def test_inputs_that_do_not_fit_are_one_sentence(inputs, words):
    circuit = diodeq.layered((2, 3, 1))
    for function in (
        diodeq.simulate, diodeq.certify, diodeq.gradcheck, diodeq.audit, diodeq.noise, diodeq.settle,
        lambda circuit, rows: diodeq.quantize_at_cost(circuit, "E24", inputs=rows),
        lambda circuit, rows: diodeq.prune(circuit, 9, inputs=rows),
        lambda circuit, rows: diodeq.crossbar(circuit, 1.0, inputs=rows),
    ):  # fmt: skip
        with pytest.raises(diodeq.DiodeqError, match=words):
            function(circuit, inputs)


class Made:
    def __init__(self, circuit):
        self.circuit = circuit


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda circuit, network: diodeq.simulate("c.npz", [[1.0, 1.0]]), "'c.npz' is a name and no circuit; give"),
        (lambda circuit, network: diodeq.simulate(network, [[1.0, 1.0]]), "Network is no circuit; give the circuit of"),
        (
            lambda circuit, network: diodeq.simulate(Made(circuit), [[1.0, 1.0]]),
            "Made is no circuit; give its",
        ),
        (lambda circuit, network: diodeq.simulate(None, [[1.0, 1.0]]), "NoneType is no circuit; give a Circuit"),
        (lambda circuit, network: diodeq.gradient(Made(circuit), [[1.0, 1.0]], [0]), "give its .circuit"),
        (lambda circuit, network: diodeq.export(Made(circuit), "ngspice"), "give its .circuit"),
        (lambda circuit, network: diodeq.save(Made(circuit), "c.npz"), "give its .circuit"),
        (lambda circuit, network: diodeq.quantize(Made(circuit), "E24"), "give its .circuit"),
        (lambda circuit, network: diodeq.prune(Made(circuit), 9), "give its .circuit"),
        (lambda circuit, network: diodeq.extract(Made(circuit)), "give its .circuit"),
        (lambda circuit, network: diodeq.train("iris", start=Made(circuit)), "give its .circuit"),
        (lambda circuit, network: diodeq.compile("w.npz"), "'w.npz' is a name and no network"),
        (lambda circuit, network: diodeq.compile(circuit), "Circuit is no network; give the weights"),
        (lambda circuit, network: diodeq.compile(network, diode=4148), "the diode cannot be 4148"),
        (lambda circuit, network: diodeq.verify(network, circuit, [[1.0, 1.0]]), "Network is no circuit"),
        (
            lambda circuit, network: diodeq.simulate(circuit, [[1.0, 1.0]], simulator=None),
            "simulator cannot be None",
        ),
        (lambda circuit, network: diodeq.quantize(circuit, None), "the values cannot be None"),
        (lambda circuit, network: diodeq.monte_carlo(circuit, [[1.0, 1.0]], boards=0), "boards = 0 is not possible"),
        (lambda circuit, network: diodeq.layered(3), "the widths cannot be 3"),
        (lambda circuit, network: diodeq.train(np.zeros((3, 2))), "ndarray is no data set"),
        (lambda circuit, network: diodeq.train(None), "NoneType is no data set"),
        (lambda circuit, network: diodeq.train("iris", hidden=6), "hidden cannot be 6; give several whole numbers"),
        (lambda circuit, network: diodeq.train("iris", hidden="6,5"), "hidden cannot be '6,5'"),
        (lambda circuit, network: diodeq.train("iris", epochs=2.5), "epochs cannot be 2.5; give a whole number"),
        (lambda circuit, network: diodeq.train("iris", rate="fast"), "rate cannot be 'fast'; give a number"),
        (lambda circuit, network: diodeq.train("iris", topology=0.1), "topology cannot be 0.1; give a text"),
    ],
)
def test_what_is_of_another_kind_is_said_with_where_the_right_one_is(call, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    circuit = diodeq.layered((2, 3, 2))
    network = diodeq.Network([diodeq.Stage([[0.2, -0.1]], [0.1])])
    with pytest.raises(diodeq.DiodeqError, match=re.escape(words)):
        call(circuit, network)
    assert not list(tmp_path.iterdir())


def test_a_circuit_is_no_weights_and_weights_are_no_circuit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    diodeq.save(diodeq.layered((2, 3, 2)), "c.npz")
    diodeq.save(diodeq.Network([diodeq.Stage([[0.2, -0.1]], [0.1])]), "w.npz")
    with pytest.raises(diodeq.DiodeqError, match=r"c.npz cannot be used: it holds a circuit and no weights; .*extract"):
        weights.read("c.npz")
    with pytest.raises(diodeq.DiodeqError, match=r"w.npz is not a diodeq circuit; .*compile"):
        diodeq.Circuit.load("w.npz")
    for name, words in ((".", "is a folder"), ("no.npz", "there is no file"), ("w.txt", "does not end like")):
        (tmp_path / "w.txt").touch()
        with pytest.raises(diodeq.DiodeqError, match=words):
            diodeq.load(name)


@pytest.mark.parametrize("returned", [3, None, (1.0,), (None, None), (np.ones(2), np.ones((2, 3))), ("x", 1.0)])
def test_a_loss_function_that_returns_something_else_is_told_what_to_return(returned):
    with pytest.raises(InputError, match=r"the loss function returns .* instead of .*; return a number and an array"):
        diodeq.gradient(diodeq.layered((4, 6, 3)), np.zeros((2, 4)), lambda outputs: returned)


def test_an_error_in_a_loss_function_stays_its_own():
    with pytest.raises(ZeroDivisionError):
        diodeq.gradient(diodeq.layered((4, 6, 3)), np.zeros((2, 4)), lambda outputs: 1 / 0)
