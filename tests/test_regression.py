"""Quantities as targets: told from the data, learned by the squared error, judged by R², through every command."""

import json

import numpy as np
import pytest
from sklearn.metrics import r2_score

import diodeq
from diodeq.circuit import Circuit
from diodeq.cli.main import main
from diodeq.errors import InputError, UsageError
from diodeq.learning import datasets
from diodeq.learning.encoding import regressing, units
from diodeq.learning.objective import bind, labels_of
from diodeq.learning.recipe import Recipe
from diodeq.measures import demand_labels, scored

RANDOM = np.random.default_rng(0)
X = RANDOM.uniform(-1.0, 1.0, (60, 2))
Y = 100.0 + 30.0 * X[:, 0] - 10.0 * np.abs(X[:, 1])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small table of quantities and the run that learned it."""
    folder = tmp_path_factory.mktemp("regression")
    write(folder / "houses.csv", 60, "left,right,Price in EUR\n")
    data = f"csv:{folder / 'houses.csv'}"
    options = ["--simulator", "wave", "--hidden", "8", "--epochs", "60", "--rate", "0.1"]
    assert main(["train", data, "--out", str(folder / "run"), *options, "--verify-with", "ngspice"]) == 0
    write(folder / "held.csv", 9)
    return folder, data, folder / "run" / "circuit.npz"


def write(path, count, head=""):
    rows = zip(X[:count].tolist(), Y[:count].tolist(), strict=True)
    path.write_text(head + "".join(f"{a!r},{b!r},{y!r}\n" for (a, b), y in rows))


@pytest.mark.parametrize(
    ("y", "task", "told"),
    [
        (Y, "", "regression"),
        (Y.round(), "regression", "regression"),
        (np.arange(60) % 3, "", "classification"),
        (np.arange(60) % 3 / 2, "", "classification"),
        (np.arange(60) % 3, "regression", "regression"),
        (np.arange(60), "", "regression"),
        (np.arange(60) % 21, "", "regression"),
        (np.arange(60) % 15, "", "classification"),
        (np.stack([Y, -Y], axis=1), "", "regression"),
        (np.where(X[:, 0] > 0, "a", "b"), "", "classification"),
    ],
)
def test_the_task_is_told_from_the_target_or_said(tmp_path, y, task, told):
    np.savez(tmp_path / "d.npz", X=X, y=y)
    found = datasets.load(f"npz:{tmp_path / 'd.npz'}", 1, task)
    assert found.task == told
    assert (len(found.targets), len(found.x_test)) == ((y.ndim if told == "regression" else 0), 15)
    if told == "regression":
        assert {*map(tuple, np.concatenate([found.y_train, found.y_test]).tolist())} == {
            *map(tuple, np.asarray(y, float).reshape(60, -1).tolist())
        }


@pytest.mark.parametrize(
    ("y", "task", "words"),
    [
        (np.where(X[:, 0] > 0, "a", "b"), "regression", "not of numbers"),
        (np.full(60, 2.5), "regression", "is 2.5 in every sample"),
        (np.eye(60), "", "--task regression"),
        (np.where(Y > 110, np.nan, Y), "regression", "label of row"),
        (Y, "classification", "single sample"),
    ],
)
def test_targets_that_are_no_quantities_are_refused(tmp_path, y, task, words):
    np.savez(tmp_path / "d.npz", X=X, y=y)
    with pytest.raises(InputError, match=words):
        datasets.load(f"npz:{tmp_path / 'd.npz'}", 0, task)


def test_a_task_that_a_set_does_not_have_is_refused():
    with pytest.raises(UsageError, match="iris is of classification"):
        datasets.load("iris", 0, "regression")
    for numbers, words in (({"loss": "cross-entropy"}, "does not fit"), ({"smoothing": 0.1}, "is of classes")):
        with pytest.raises(UsageError, match=words):
            diodeq.train((X, Y), epochs=1, **numbers)


@pytest.mark.parametrize("columns", [1, 3])
def test_r2_is_scikit_learns(columns):
    wanted = RANDOM.normal(size=(40, columns))
    found = wanted + RANDOM.normal(size=(40, columns))
    assert scored(found, wanted) == pytest.approx(r2_score(wanted, found), rel=1e-12)
    flat = np.ones((5, 1))
    assert (scored(flat, flat), scored(flat + 1, flat)) == (1.0, 0.0)


@pytest.mark.parametrize("shape", [(40, 2), (39, 1), (1, 40)])
def test_there_is_a_target_for_each_sample_and_output(shape):
    demand_labels(np.zeros((40, 1)), 40, 1)
    with pytest.raises(InputError, match="do not fit 40 samples"):
        demand_labels(np.zeros(shape), 40, 1)


def test_targets_become_volts_and_back():
    scaling = regressing(units(X, "range", 5.0, 4.0), Y[:, None])
    volts = scaling.target_volts(Y[:, None])
    assert (4.0 * volts).mean() == pytest.approx(0.0, abs=1e-12)
    assert (4.0 * volts).std() == pytest.approx(1.0)
    np.testing.assert_allclose(scaling.from_volts(volts)[:, 0], Y, rtol=1e-13)


def test_the_loss_is_of_quantities_in_their_own_deviations(run):
    circuit = Circuit.load(run[2])
    loss, _ = bind(Recipe(loss="squared-error"), circuit, labels_of(circuit, Y[:, None]))(np.zeros((60, 1)))
    missed = (Y[:, None] - circuit.scaling.from_volts(np.zeros((1, 1)))) / circuit.scaling.target_scale
    assert loss == pytest.approx(0.5 * np.mean(missed**2), rel=1e-12)


def test_several_quantities_are_learned_at_once(tmp_path):
    both = np.stack([Y, 1e-3 * X[:, 1]], axis=1)
    found = diodeq.train((X, both), epochs=60, hidden=(8,), rate=0.1)
    assert found.score > 0.8
    with pytest.raises(UsageError, match="no accuracy"):
        _ = found.accuracy
    diodeq.save(found.circuit, tmp_path / "c.npz")
    again = diodeq.simulate(diodeq.load(tmp_path / "c.npz"), found.data.x_test)
    assert r2_score(found.data.y_test, again) == pytest.approx(found.score, rel=1e-9)
    gradient = diodeq.gradient(found.circuit, found.data.x_test, found.data.y_test)
    loss = 0.5 * np.mean(np.sum(((again - found.data.y_test) / found.circuit.scaling.target_scale) ** 2, axis=1))
    assert gradient.loss == pytest.approx(loss, rel=1e-9)


def test_a_run_says_how_much_of_the_variance_it_explains(run):
    folder, _, circuit = run
    summary = json.loads((folder / "run" / "summary.json").read_text())
    assert summary["task"] == "regression"
    assert (summary["classes"], summary["targets"]) == ([], ["price_in_eur"])
    assert 0.8 < summary["test_r2"] <= 1.0
    assert "test_accuracy" not in summary
    assert summary["verified"]["test_r2"] == pytest.approx(summary["test_r2"], rel=1e-9)
    assert Circuit.load(circuit).output_names == ("price_in_eur",)
    lines = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
    assert all({"train_r2", "test_r2"} <= line.keys() for line in lines)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("report RUN -o OUT.html", "kB"),
        ("montecarlo CIRCUIT --data DATA --samples 4 --tolerance 5% --simulator wave", "R²: mean 0."),
        ("crossbar CIRCUIT -o OUT.npz --segment 10 --data DATA --simulator wave", "R² 0."),
        ("prune CIRCUIT -o OUT.npz --parts 40 --data DATA --epochs 9 --simulator wave", "R² 0."),
        ("quantize CIRCUIT -o OUT.npz --series E24 --inputs HELD --labelled --simulator wave", "R² 0."),
        ("audit CIRCUIT --inputs HELD --labelled --rules hardware-linearization --simulator wave", "cosine"),
        ("front DATA -o OUTS --parts 0,30 --seeds 1 --hidden 4 --epochs 3 --simulator wave", "held-out R²"),
        (
            "compare DATA -o RULES --rules hardware-linearization --seeds 1 --budget 400 --rates 0.1 --simulator wave",
            "held-out R²",
        ),
    ],
)
def test_commands_know_quantities(run, capsys, command, words):
    folder, data, circuit = run
    known = {"RUN": str(folder / "run"), "CIRCUIT": str(circuit), "DATA": data, "HELD": str(folder / "held.csv")}
    known |= {name: str(folder / name) for name in ("OUT.html", "OUT.npz", "OUTS", "RULES")}
    assert main([known.get(word, word) for word in command.split()]) == 0
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("command", ["settle", "noise"])
def test_what_counts_decisions_alone_refuses_quantities(run, capsys, command):
    folder, _, circuit = run
    (folder / "one.csv").write_text("0.1,0.2,100\n")
    assert main([command, str(circuit), "--inputs", str(folder / "one.csv"), "--labelled"]) == 2
    assert "has no classes but quantities" in capsys.readouterr().err


def test_an_extracted_network_is_judged_in_scores(run, capsys):
    folder, _, circuit = run
    assert main(["extract", str(circuit), "-o", str(folder / "net.npz")]) == 0
    capsys.readouterr()
    words = ["verify", str(circuit), "--weights", str(folder / "net.npz"), "--inputs", str(folder / "held.csv")]
    assert main([*words, "--labelled", "--simulator", "wave", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["r2"]
    wanted = r2_score(Y[:9], diodeq.simulate(Circuit.load(circuit), X[:9])[:, 0])
    assert found["device"] == pytest.approx(wanted, rel=1e-6)
    assert found["network"] == pytest.approx(wanted, rel=1e-3)


def test_resuming_and_going_on_keep_the_quantities(run, capsys):
    folder, data, circuit = run
    going_on = ["--from", str(circuit), "--epochs", "1", "--simulator", "wave"]
    assert main(["train", data, "--out", str(folder / "more"), *going_on]) == 0
    theirs, ours = (Circuit.load(path).scaling for path in (circuit, folder / "more" / "circuit.npz"))
    assert np.array_equal(theirs.target_scale, ours.target_scale)
    assert main(["train", "iris", "--out", str(folder / "no"), *going_on]) == 3
    assert "the outputs of the circuit are quantities, but iris has classes" in capsys.readouterr().err
