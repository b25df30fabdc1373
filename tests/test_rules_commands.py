"""``audit``, ``compare`` and ``train --rule``: what they print, what they keep, what they refuse."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from circuits import CIRCUITS, DRIVES
from diodeq.cli.main import main
from diodeq.errors import SimulationError, UsageError
from diodeq.learning import compare, datasets, runs, trainer
from diodeq.learning.compare import Comparison
from diodeq.learning.experiment import Experiment, build, conduct
from diodeq.learning.recipe import Recipe
from diodeq.learning.rules import RULES
from diodeq.report.audit_plot import audit_figure
from diodeq.report.compare_plot import compare_figure


@pytest.fixture
def files(tmp_path):
    """A layered circuit, its inputs, and the same with labels."""
    for name in ("layered", "gyrator"):
        CIRCUITS[name]().save(tmp_path / f"{name}.npz")
    np.savetxt(tmp_path / "X.csv", DRIVES, delimiter=",")
    np.savetxt(tmp_path / "L.csv", np.column_stack([DRIVES, [0, 1, 1, 0]]), delimiter=",")
    return tmp_path


def run(capsys, *arguments):
    code = main([str(each) for each in arguments])
    out, err = capsys.readouterr()
    return code, out, err


# --- audit ----------------------------------------------------------------------------------------------------------


def test_audit_is_one_json_document_with_every_rule(files, capsys):
    picture = files / "audit.svg"
    code, out, err = run(
        capsys, *("audit", files / "gyrator.npz", "--inputs", files / "L.csv", "--labelled", "--simulator", "wave"),
        *("--limit", 7, "--plot", picture, "--json"),
    )  # fmt: skip
    assert code == 0
    document = json.loads(out)
    rows = {row["rule"]: row for row in document["rules"]}
    assert list(rows) == list(RULES)
    assert document["samples"] == 4
    for name, row in rows.items():
        assert row["solves"] == 4 * (29 if name == "finite-difference" else RULES[name].cost(CIRCUITS["gyrator"]()))
        assert row["checked"] == (7 if name == "finite-difference" else 56)
        assert "hidden 1 to outputs" in row["layers"]
    assert rows["hardware-linearization"]["inexact"] is None
    assert rows["finite-difference"]["overall"]["largest_error"] < 1e-6
    assert rows["equilibrium-propagation"]["overall"]["cosine"] < 0.99
    assert "not reciprocal" in rows["equilibrium-propagation"]["inexact"]
    assert len(document["sweep"]["sizes"]) == len(document["sweep"]["largest_error"]["coupled learning"])
    # Each reason is one line on stderr, however often the rule was called for the picture.
    assert (
        len(err.splitlines()) == len(set(err.splitlines())) == sum(row["inexact"] is not None for row in rows.values())
    )
    assert err.count("equilibrium-propagation does not find the gradient here: the circuit has gyrators") == 1
    assert picture.read_bytes().startswith(b"<svg")


def test_audit_prints_a_table(files, capsys):
    rules = "hardware-linearization,equilibrium-propagation:beta=0.1"
    code, out, err = run(
        capsys, "audit", files / "layered.npz", "--inputs", files / "X.csv", "--rules", rules, "--simulator", "wave"
    )
    assert (code, err) == (0, "")
    assert "equilibrium-propagation:beta=0.1" in out
    assert "inputs to hidden 1" in out
    assert "1.000000" in out


def test_audit_names_what_a_rule_cannot_do(tmp_path, capsys):
    """An output that a source holds cannot be clamped; one across which nothing depends on a layer has no cosine."""
    circuit = CIRCUITS["layered"]()
    held = int(circuit.voltage_sources.terminals[0, 0])
    replace(circuit, outputs=np.vstack([circuit.outputs, [(held, 0)]]), output_names=()).save(tmp_path / "held.npz")
    np.savetxt(tmp_path / "X.csv", DRIVES, delimiter=",")
    arguments = ("audit", tmp_path / "held.npz", "--inputs", tmp_path / "X.csv", "--simulator", "wave")
    code, out, _ = run(capsys, *arguments, "--rules", "coupled-learning,equilibrium-propagation", "--json")
    coupled, nudged = json.loads(out)["rules"]
    assert code == 0
    assert "form a loop" in coupled["failed"]
    assert nudged["overall"]["largest_error"] < 1e-5
    code, out, _ = run(capsys, *arguments, "--rules", "coupled-learning")
    assert code == 0
    assert "not possible" in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("none.npz", "--inputs", "X.csv"), 3, "none.npz"),
        (("layered.npz", "--inputs", "none.csv"), 3, "none.csv"),
        (("layered.npz", "--inputs", "L.csv"), 3, "columns"),
        (("layered.npz", "--inputs", "X.csv", "--labelled"), 3, "columns"),
        (("layered.npz", "--inputs", "wrong.csv", "--labelled"), 3, "the label of row 2 is 2"),
        (("layered.npz", "--inputs", "X.csv", "--rules", "magic"), 2, "there is no rule 'magic'"),
        (("layered.npz", "--inputs", "X.csv", "--rules", "contrastive:eta=1"), 2, "no option 'eta'"),
        (("layered.npz", "--inputs", "X.csv", "--rules", ""), 2, "there is no rule ''"),
        (("layered.npz", "--inputs", "X.csv", "--plot", "a.docx"), 2, "not a picture"),
        (("fixed.npz", "--inputs", "X.csv"), 3, "no trainable resistor"),
    ],
)
def test_audit_refuses_in_a_sentence(files, monkeypatch, capsys, arguments, code, words):
    monkeypatch.chdir(files)
    np.savetxt("wrong.csv", np.column_stack([DRIVES, [0, 2, 1, 0]]), delimiter=",")
    replace(CIRCUITS["layered"](), trainable=None).save("fixed.npz")
    found, out, err = run(capsys, "audit", *arguments, "--simulator", "wave")
    assert (found, out) == (code, "")
    assert words in err
    assert len(err.splitlines()) == 1


# --- train --rule and budgets ---------------------------------------------------------------------------------------


def test_train_records_the_rule_with_its_options_and_says_once_what_it_is_not(tmp_path, capsys):
    rule = "coupled-learning:eta=0.1"
    code, out, err = run(
        capsys,
        "train",
        "xor",
        "--out",
        tmp_path / "run",
        "--rule",
        rule,
        "--epochs",
        2,
        "--simulator",
        "wave",
        "--json",
    )
    summary = json.loads(out)
    assert code == 0
    assert summary["rule"] == summary["recipe"]["rule"] == rule
    assert summary["solves"] == 2 * 2 * summary["train_samples"]
    assert err.count("diodeq: note: coupled-learning does not find the gradient here") == 1
    assert len(err.splitlines()) == 1
    code, _, err = run(capsys, "train", "xor", "--out", tmp_path / "other", "--rule", "magic", "--simulator", "wave")
    assert code == 2
    assert "there is no rule 'magic'" in err


def test_a_budget_ends_training_within_it(tmp_path):
    recipe = Recipe(hidden=(3,), epochs=5, batch_size=32)
    experiment = Experiment("xor", recipe, simulator="wave")
    data = datasets.load("xor", 0)
    count = len(data.x_train)
    assert count % 32  # the last batch of an epoch is smaller
    circuit = build(experiment, data, trainer.Technology(recipe.low, recipe.high, volts=recipe.supply))
    per_epoch = -(-count // 32)

    def steps(budget, rule="hardware-linearization", epochs=5):
        return trainer.steps_in_all(circuit, replace(recipe, budget=budget, rule=rule, epochs=epochs), count)

    assert steps(0) == steps(10**9) == 5 * per_epoch
    assert steps(64) == steps(127) == 1
    assert steps(2 * count) == per_epoch
    assert steps(2 * count + 64) == per_epoch + 1
    assert steps(3 * 32, "equilibrium-propagation") == 1
    with pytest.raises(UsageError, match="one step of equilibrium-propagation takes 96 circuit solves"):
        steps(95, "equilibrium-propagation")
    summary = conduct(replace(experiment, recipe=replace(recipe, budget=2 * count + 70)), tmp_path / "run")
    assert (summary["epochs"], summary["solves"]) == (2, 2 * count + 64)
    whole = conduct(replace(experiment, recipe=replace(recipe, epochs=2)), tmp_path / "whole")
    assert (summary["recipe"]["budget"], whole["solves"]) == (2 * count + 70, 4 * count)
    too_small = replace(experiment, recipe=replace(recipe, budget=10))
    with pytest.raises(UsageError, match="more than the budget of 10"):
        conduct(too_small, tmp_path / "none")
    assert not (tmp_path / "none").exists()


# --- compare --------------------------------------------------------------------------------------------------------

SMALL = ("compare", "xor", "--simulator", "wave", "--budget", "900", "--rates", "0.03,0.3", "--seeds", "0,1")
THREE = ("--rules", "hardware-linearization,equilibrium-propagation:beta=0.1,finite-difference")


def test_compare_tunes_runs_and_is_not_repeated(tmp_path, capsys, monkeypatch):
    out = tmp_path / "runs"
    arguments = (*SMALL, *THREE, "--out", out, "--verify-with", "wave", "--json")
    code, printed, _ = run(capsys, *arguments, "--plot", tmp_path / "curves.svg")
    assert code == 0
    document = json.loads(printed)
    exact, nudged, differences = document["rules"]
    assert "more than the budget of 900" in differences["impossible"]
    for entry, cost in ((exact, 2), (nudged, 3)):
        assert entry["solves_per_sample"] == cost
        assert [trial["rate"] for trial in entry["tuning"]] == [0.03, 0.3]
        best = max(entry["tuning"], key=lambda trial: (trial["test_accuracy"], -trial["loss"]))
        assert entry["rate"] == best["rate"]
        assert [each["seed"] for each in entry["runs"]] == [0, 1]
        accuracies = [each["test_accuracy"] for each in entry["runs"]]
        assert entry["test_accuracy"]["mean"] == pytest.approx(np.mean(accuracies))
        assert entry["test_accuracy"]["deviation"] == pytest.approx(np.std(accuracies, ddof=1))
        assert entry["verified_accuracy"]["mean"] == pytest.approx(np.mean(accuracies))
        assert max(entry["curve"]["solves"]) == entry["runs"][0]["solves"] <= 900
        assert entry["curve"]["mean"][-1] == pytest.approx(np.mean(accuracies))
    assert (tmp_path / "curves.svg").exists()
    assert json.loads((out / "compare.json").read_text()) == document
    # Finished runs are only read.
    monkeypatch.setattr(runs, "conduct", lambda *_, **__: pytest.fail("a finished run was repeated"))
    assert json.loads(run(capsys, *arguments)[1]) == document
    code, table, _ = run(capsys, *arguments[:-1])
    assert code == 0
    assert "equilibrium-propagation:beta=0.1" in table
    # Another comparison does not mistake these runs for its own.
    code, _, err = run(capsys, *SMALL, *THREE, "--out", out, "--budget", 1000)
    assert code == 2
    assert "holds a run of another comparison" in err


def test_compare_goes_on_where_it_was_interrupted(tmp_path, capsys, monkeypatch):
    rules = ("--rules", "hardware-linearization", "--rates", "0.1", "--json")
    whole = json.loads(run(capsys, *SMALL, *rules, "--out", tmp_path / "whole")[1])
    stopped = [0]

    def interrupted(*arguments, **more):
        def stop(metrics):
            stopped[0] += 1
            if stopped[0] == 2:
                raise KeyboardInterrupt

        return conduct(*arguments, on_epoch=stop, **more)

    monkeypatch.setattr(runs, "conduct", interrupted)
    assert run(capsys, *SMALL, *rules, "--out", tmp_path / "parts")[0] == 130
    monkeypatch.setattr(runs, "conduct", conduct)
    parts = json.loads(run(capsys, *SMALL, *rules, "--out", tmp_path / "parts")[1])
    assert parts["rules"][0]["curve"] == whole["rules"][0]["curve"]
    assert parts["rules"][0]["test_accuracy"] == whole["rules"][0]["test_accuracy"]


def test_a_run_that_no_engine_follows_is_an_outcome(tmp_path, monkeypatch):
    def broken(*arguments, **more):
        raise SimulationError("the loss of epoch 1 is not a number", "lower the rate")

    monkeypatch.setattr(runs, "conduct", broken)
    comparison = Comparison("xor", ("contrastive",), Recipe(hidden=(3,)), 900, (0, 1), (0.1,))
    entry = compare.compare(comparison, tmp_path)["rules"][0]
    assert (entry["test_accuracy"], entry["failed"]) == (None, 2)
    assert all("not a number" in each["failed"] for each in entry["runs"])
    named = compare_figure([compare.compare(comparison, tmp_path)]).legends[0].get_texts()
    assert [each.get_text() for each in named] == ["contrastive (every run failed)"]


@pytest.mark.parametrize("sweep", [(), ("--sweep", "adc.bits=8")])
def test_a_comparison_of_which_every_run_fails_says_so(tmp_path, capsys, sweep):
    out = tmp_path / "runs"
    asked = ("--rules", "contrastive", "--rates", "0.1", "--seeds", "0,1", "--budget", "300", "--out", out)
    picture = tmp_path / "runs.svg"
    code, shown, err = run(capsys, "compare", "iris", "--bench", "iris", *sweep, *asked, "--plot", picture)
    assert code == 4
    assert "every run failed" in err
    assert "has -5.12 V to 5.12 V; ask for less" in err.replace("\n", " ")
    assert "failed" in shown
    assert "0.00" not in shown
    assert picture.exists()
    document = json.loads((out / "compare.json").read_text())
    entry = (document["sweeps"][0]["points"][0] if sweep else document)["rules"][0]
    assert (entry["failed"], entry["test_accuracy"], entry["runs"][1]["exit_code"]) == (2, None, 4)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("xor", "--budget", "0"), 2, "allows nothing"),
        (("xor", "--budget", "900", "--seeds", "0,10"), 2, "seed 10 is both tuned on and reported"),
        (("xor", "--budget", "900", "--seeds", "0,0"), 2, "seeds repeat"),
        (("xor", "--budget", "900", "--seeds", "a"), 2, "not a list of numbers"),
        (("xor", "--budget", "900", "--seeds", ""), 2, "no seeds are given"),
        (("xor", "--budget", "900", "--rates", "0.1,-1"), 2, "rate"),
        (("xor", "--budget", "900", "--tuning-seeds", ""), 2, "no seeds to choose on"),
        (("xor", "--budget", "900", "--rules", "magic"), 2, "there is no rule"),
        (("xor", "--budget", "900", "--plot", "a.docx"), 2, "not a picture"),
        (("magic", "--budget", "900"), 2, "magic"),
        (("xor", "--budget", "50"), 2, "the budget allows no rule one step"),
        (("csv:none.csv", "--budget", "900"), 3, "none.csv"),
    ],
)
def test_compare_refuses_in_a_sentence_and_leaves_nothing(tmp_path, monkeypatch, capsys, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    found, out, err = run(capsys, "compare", *arguments, "--out", "runs", "--simulator", "wave")
    assert (found, out) == (code, "")
    assert words in err
    assert not (tmp_path / "runs").exists()


# --- pictures -------------------------------------------------------------------------------------------------------


def test_pictures_show_every_curve_and_no_missing_point():
    sizes = np.logspace(-3, 0, 4)
    curves = {"one": [1e-3, 1e-2, 1e-1, None], "two": [None] * 4, "three": [1e-9, 1e-8, 0.0, 1e-6]}
    figure = audit_figure({"left": (sizes, curves), "right": (sizes, curves)}, {"right": 1e-10})
    left, right = figure.axes
    assert [len(line.get_xdata()) for line in left.lines] == [3, 3]
    assert len(right.lines) == 3
    entry = {"rule": "one", "test_accuracy": {"deviation": 0.1}, "curve": {"solves": [10, 20], "mean": [0.5, 0.7]}}
    document = {"data": "xor", "seeds": [0, 1], "rules": [entry, {"rule": "two", "impossible": "too dear"}]}
    figure = compare_figure([document, document])
    line = figure.axes[0].lines[0]
    assert line.get_ydata() == pytest.approx([50.0, 30.0])  # errors in per cent
    assert len(figure.axes) == 2
