"""``diodeq prune`` and ``diodeq front``: circuits of fewer parts, whoever made them, and what accuracy that costs."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from diodeq.circuit import Circuit, check
from diodeq.circuit.power import dissipated
from diodeq.cli.main import main
from diodeq.devices import catalogue
from diodeq.devices.hardware.preferred import series_of
from diodeq.learning import datasets, runs
from diodeq.learning.experiment import conduct
from diodeq.learning.front import Front, front
from diodeq.learning.prune import open_to_pruning, pruned, trained
from diodeq.learning.recipe import Recipe
from diodeq.report.front_plot import front_figure
from diodeq.simulators import create
from diodeq.synthesis.layered import layered


def run(capsys, *arguments):
    capsys.readouterr()
    code = main([*map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """XOR by weights that are exact, |x0 + x1| against |x0 - x1|, beside four hidden units that hardly matter."""
    folder = tmp_path_factory.mktemp("compiled")
    random = np.random.default_rng(0)
    below = np.vstack([[[1, 1], [-1, -1], [1, -1], [-1, 1]], 0.02 * random.normal(size=(4, 2))])
    above = np.hstack([[[1, 1, 0, 0], [0, 0, 1, 1]], 0.02 * random.normal(size=(2, 4))])
    weights = {"U0": below, "b0": np.zeros(8), "activation0": "relu", "U1": above, "b1": np.zeros(2)}
    np.savez(folder / "w.npz", **weights, activation1="identity")
    words = ["compile", "w.npz", "-o", "c.npz", "--diode", "1N4148", "--volts-per-unit", "2"]
    assert main([str(folder / word) if word.endswith(".npz") else word for word in words]) == 0
    return folder / "c.npz"


@pytest.fixture(scope="module")
def flowers(tmp_path_factory):
    """A run on iris with a split of its own."""
    folder = tmp_path_factory.mktemp("flowers") / "run"
    words = ["train", "iris", "--seed", "3", "--epochs", "8", "--simulator", "wave", "--encode", "range"]
    assert main([*words, "--out", str(folder)]) == 0
    return folder / "circuit.npz"


@pytest.mark.parametrize("epochs", [0, 3])
def test_a_compiled_circuit_loses_what_hardly_matters(compiled, tmp_path, capsys, epochs):
    out = tmp_path / "pruned.npz"
    words = ("prune", compiled, "--parts", 28, "--data", "xor", "--epochs", epochs, "--simulator", "wave", "-o", out)
    code, said, _ = run(capsys, *words, "--json")
    found, before, after = json.loads(said), Circuit.load(compiled), check(Circuit.load(out))
    assert code == 0
    assert (found["resistors_before"], found["resistors"]) == (len(before.resistors), len(after.resistors))
    assert len(after.resistors) <= 28 < len(before.resistors)
    assert found["accuracy_before"] == 1.0
    assert found["accuracy"] >= 0.97
    assert found["gone"] == [name for name in before.nodes if name not in after.nodes]
    assert after.mask.all()
    assert set(after.buffers.terminals[:, 0].tolist()) <= set(after.resistors.terminals.ravel().tolist())
    assert after.outputs.shape == before.outputs.shape
    assert f"to {len(after.resistors)}" in after.notes[-1]
    data = datasets.load("xor", 0)
    with create("wave") as wave:
        outputs = wave.operate(after, after.scaling.to_volts(data.x_test)).outputs
    assert np.mean(outputs.argmax(axis=1) == data.y_test) == found["accuracy"]


def test_a_trained_circuit_is_pruned_on_the_split_it_was_trained_on(flowers, tmp_path, capsys):
    out = tmp_path / "pruned.npz"
    words = ("prune", flowers, "--parts", 40, "--data", "iris", "--epochs", 40, "--simulator", "wave", "-o", out)
    code, said, err = run(capsys, *words)
    after, data = Circuit.load(out), datasets.load("iris", 3)
    assert (code, err) == (0, "")
    with create("wave") as wave:
        shares = [
            np.mean(wave.operate(each, each.scaling.to_volts(data.x_test)).outputs.argmax(axis=1) == data.y_test)
            for each in (after, Circuit.load(flowers))
        ]
    assert said.startswith(f"{len(after.resistors)} resistors of 172, ")
    assert (
        "accuracy {:.2f} %, before {:.2f} %, on 38 held-out samples".format(*(100 * share for share in shares)) in said
    )
    assert shares[0] > 0.8
    # It is what train --from goes on with.
    words = ("train", "iris", "--from", out, "--epochs", 1, "--simulator", "wave", "--out", tmp_path / "on")
    assert run(capsys, *words)[0] == 0


def test_without_data_it_says_how_far_the_outputs_move(flowers, tmp_path, capsys):
    found = []
    for name, parts in (("all", 172), ("some", 120)):
        code, said, _ = run(
            capsys, "prune", flowers, "--parts", parts, "--simulator", "wave", "-o", tmp_path / name, "--json"
        )
        assert code == 0
        found.append(json.loads(said))
    assert found[0]["rms"] < 1e-12
    assert found[0]["gone"] == []
    assert found[1]["resistors"] <= 120
    assert found[1]["rms"] > 1e-6
    assert found[1]["accuracy"] is None


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_a_few_epochs_are_better_than_none(tmp_path, capsys, epochs):
    """Pruning ended with the epochs, at a rate that had learned next to nothing any more."""
    words = ["train", "breast-cancer", "--epochs", "8", "--simulator", "wave", "--out", str(tmp_path / "run")]
    assert main(words) == 0
    found = []
    for many in (0, epochs):
        words = ("prune", tmp_path / "run" / "circuit.npz", "--parts", 90, "--data", "breast-cancer", "--epochs", many)
        code, said, _ = run(capsys, *words, "--simulator", "wave", "-o", tmp_path / f"{many}.npz", "--json")
        found.append(json.loads(said)["accuracy"])
        assert code == 0
    assert found[1] >= max(found[0] - 2 / 143, 0.92)  # two of the held-out samples are chance


def test_what_learning_makes_worse_stays_as_pruning_left_it(flowers):
    circuit, data = open_to_pruning(Circuit.load(flowers)), datasets.load("iris", 3)
    recipe = Recipe(parts=160, epochs=1, rate=50.0, beta=circuit.scaling.output_scale)
    with create("wave") as wave:
        scored = circuit.scaling.to_volts(data.x_train)
        once = pruned(circuit, wave, scored, 160)
        found = trained(circuit, data, wave, recipe)
    assert np.array_equal(found.conductances, once.conductances)
    assert found.same_topology(once)


@pytest.mark.parametrize(("asked", "series"), [((), "E12"), (("--series", "E6"), "E6"), (("--series", "any"), "")])
@pytest.mark.parametrize("made", ["trained", "quantized"])
def test_values_stay_those_of_the_circuits_series(flowers, tmp_path, capsys, asked, series, made):
    start = tmp_path / "e12.npz"
    if made == "trained":
        start = tmp_path / "run" / "circuit.npz"
        words = ("train", "iris", "--series", "E12", "--epochs", 1, "--simulator", "wave", "--out", start.parent)
    else:
        words = ("quantize", flowers, "--series", "E12", "--simulator", "wave", "-o", start)
    assert run(capsys, *words)[0] == 0
    words = ("prune", start, "--parts", 60, "--data", "iris", "--epochs", 2, "--simulator", "wave", *asked, "--json")
    code, said, _ = run(capsys, *words, "-o", tmp_path / "less.npz")
    ohms = 1.0 / Circuit.load(tmp_path / "less.npz").conductances
    assert (code, json.loads(said)["series"]) == (0, series)
    assert series_of(ohms) == series


def test_what_has_no_more_stays_and_ratings_may_refuse(flowers, tmp_path, capsys):
    words = ("prune", flowers, "--parts", 172, "--data", "iris", "--epochs", 2, "--simulator", "wave", "-o")
    code, said, err = run(capsys, *words, tmp_path / "same.npz")
    assert code == 0
    assert "172 resistors, no more than allowed: it stays" in err
    assert "\nfeasibility: ±5 V, 172 resistors" in said
    before, after = Circuit.load(flowers), Circuit.load(tmp_path / "same.npz")
    assert np.array_equal(before.conductances, after.conductances)
    assert (before.notes, before.mask.tolist()) == (after.notes, after.mask.tolist())
    # 200 V are more than any small resistor takes.
    high = before.with_values("voltage_sources", before.voltage_sources.values * 200.0)
    high.save(tmp_path / "high.npz")
    words = ("prune", tmp_path / "high.npz", "--parts", 100, "--simulator", "wave", "--strict", "-o")
    code, _, err = run(capsys, *words, tmp_path / "never.npz")
    assert (code, (tmp_path / "never.npz").exists()) == (4, False)
    assert "nothing was written" in err


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        ((), 2, "nothing says how much is to go"),
        (("--parts", 0), 2, "0"),
        (("--parts", 3), 4, "resistors are needed to hold every node, and 3 are allowed"),
        (("--parts", 40, "--epochs", 3), 2, "--epochs has no meaning where nothing is trained"),
        (("--parts", 40, "--rule", "contrastive"), 2, "--rule has no meaning where nothing is trained"),
        (("--parts", 40, "--data", "iris", "--epochs", 0, "--rule", "contrastive"), 2, "--rule has no meaning"),
        (("--parts", 40, "--series", "E24"), 2, "--series has no meaning where nothing is trained"),
        (("--parts", 40, "--data", "wine"), 3, "4 inputs but wine has 13 features"),
        (("--parts", 40, "--data", "iris", "--rule", "magic"), 2, "there is no rule"),
        (("--parts", 40, "--data", "nothing"), 2, "there is no data set"),
    ],
)
def test_what_cannot_be_pruned_is_refused_in_a_sentence(tmp_path, capsys, more, code, words):
    layered((4, 5, 3), catalogue.get("1N4148"), 5.0).save(tmp_path / "c.npz")
    out = tmp_path / "out.npz"
    found, said, err = run(capsys, "prune", tmp_path / "c.npz", *more, "--simulator", "wave", "-o", out)
    assert (found, said) == (code, "")
    assert words in err
    assert not out.exists()


# --- front ----------------------------------------------------------------------------------------------------------

TWO = ("front", "xor", "--power", "5mW,20mW", "--seeds", "2", "--hidden", "4", "--epochs", "3", "--encode", "range")


def test_a_front_goes_on_where_it_was_killed(tmp_path, capsys, monkeypatch):
    words = (*TWO, "--parts", "20", "--simulator", "wave", "--json", "--out")
    whole = json.loads(run(capsys, *words, tmp_path / "whole")[1])
    seen = [0]

    def killed(*arguments, **more):
        def stop(metrics):
            seen[0] += 1
            if seen[0] == 5:  # in the middle of the second run
                raise KeyboardInterrupt

        return conduct(*arguments, on_epoch=stop, **more)

    monkeypatch.setattr(runs, "conduct", killed)
    assert run(capsys, *words, tmp_path / "parts")[0] == 130
    made = []
    monkeypatch.setattr(runs, "conduct", lambda *given, **more: (made.append(given), conduct(*given, **more))[1])
    code, said, _ = run(capsys, *words, tmp_path / "parts", "--plot", tmp_path / "front.svg")
    assert code == 0
    assert [given[2] for given in made] == ["resume", "new", "new"]
    document = json.loads(said)
    assert json.loads((tmp_path / "parts" / "front.json").read_text()) == document
    assert (tmp_path / "front.svg").stat().st_size > 1000
    for ours, theirs in zip(document["points"], whole["points"], strict=True):
        for key in ("parts", "power", "test_accuracy", "resistors", "watts", "best"):
            assert ours[key] == theirs[key]
    # What is said of a point is what its circuits do.
    assert [(point["parts"], point["power"]) for point in whole["points"]] == [(20, 5e-3), (20, 20e-3)]
    worst, medians = [], []
    with create("wave") as wave:
        for seed, each in enumerate(whole["points"][1]["runs"]):
            circuit = Circuit.load(f"{each['folder']}/circuit.npz")
            data = datasets.load("xor", seed)
            point = wave.operate(circuit, circuit.scaling.to_volts(data.x_test))
            assert each["test_accuracy"] == np.mean(point.outputs.argmax(axis=1) == data.y_test)
            assert each["resistors"] == len(circuit.resistors) <= 20
            watts = dissipated(circuit, point.node_voltages)
            worst, medians = [*worst, watts.max()], [*medians, np.median(watts)]
    assert whole["points"][1]["watts"] == pytest.approx({"median": np.median(medians), "worst": max(worst)}, rel=1e-9)
    # Finished runs are only read.
    monkeypatch.setattr(runs, "conduct", lambda *_, **__: pytest.fail("a finished run was repeated"))
    code, table, _ = run(capsys, *words[:-2], "--out", tmp_path / "parts")
    assert code == 0
    assert "each seed" in table
    assert "power mW" in table


def test_the_footnote_of_what_failed_says_what_to_do(tmp_path, capsys):
    few = ("front", "xor", "--parts", "3", "--seeds", "1", "--hidden", "4", "--epochs", "1", "--simulator", "wave")
    code, table, _ = run(capsys, *few, "--out", tmp_path / "few")
    assert (code, "failed" in table) == (4, True)
    assert re.search(r"and 3 are allowed; allow at least \d+ parts", " ".join(table.split()))


def test_points_that_cannot_be_are_outcomes_and_the_best_are_marked(tmp_path):
    asked = Front("xor", Recipe(hidden=(4,), epochs=2, encode="range"), (3, 0), (0.0, 5e-3), (0,))
    document = front(asked, tmp_path)
    few, dense = document["points"][:2], document["points"][2:]
    assert all("are needed to hold every node" in point["runs"][0]["failed"] for point in few)
    assert not any(point["best"] for point in few)
    assert few[0]["runs"][0]["remedy"].startswith("allow at least")
    assert dense[0]["resistors"] == 48
    assert dense[1]["watts"]["median"] < dense[0]["watts"]["median"]
    assert dense[1]["best"]
    assert len(front_figure(document).axes) == 2
    costs = [(-each["test_accuracy"]["mean"], each["watts"]["median"]) for each in dense]
    assert dense[0]["best"] == (costs[0][0] < costs[1][0])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ((), "there is nothing to keep within"),
        (("--parts", "20,20"), "the parts repeat"),
        (("--parts", "a"), "not a list of numbers such as 300,600"),
        (("--parts", "-1"), "--parts -1 is not possible"),
        (("--power", "5xW"), "not a list of numbers such as 1mW,5mW"),
        (("--power", "5mW,0.005"), "the power repeat"),
        (("--parts", "20", "--seeds", "0"), "no number of seeds"),
        (("--parts", "20", "--seeds", "3,3"), "the seeds repeat"),
        (("--parts", "20", "--plot", "a.docx"), "not a picture"),
        (("--parts", "20", "--topology", "local:9x9"), "2 inputs are no square image"),
    ],
)
def test_a_front_refuses_in_a_sentence_and_leaves_nothing(tmp_path, monkeypatch, capsys, more, words):
    monkeypatch.chdir(tmp_path)
    code, said, err = run(capsys, "front", "xor", *more, "--simulator", "wave", "--out", "runs")
    assert (code, said) == (2, "")
    assert words in err
    assert not (tmp_path / "runs").exists()
