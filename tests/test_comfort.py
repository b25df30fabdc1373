"""Small things that people meet first: which class won, what becomes of a feature, what is only worth knowing."""

import csv
import json

import numpy as np
import pytest
from sklearn.datasets import load_iris

import diodeq
from diodeq.circuit import Circuit
from diodeq.cli.main import main


@pytest.fixture(scope="module")
def iris(tmp_path_factory):
    folder = tmp_path_factory.mktemp("iris")
    assert main(["train", "iris", "--out", str(folder / "run"), "--epochs", "3", "--simulator", "wave"]) == 0
    x = load_iris().data[::25]
    np.savetxt(folder / "x.csv", x, delimiter=",")
    return folder, folder / "run" / "circuit.npz", x


def test_simulate_says_which_class_won(iris, capsys):
    folder, path, x = iris
    scores = diodeq.simulate(Circuit.load(path), x)
    wanted = [("setosa", "versicolor", "virginica")[k] for k in scores.argmax(axis=1)]
    words = ["simulate", str(path), "--inputs", str(folder / "x.csv"), "--simulator", "wave", "--classes"]
    capsys.readouterr()
    assert main(words) == 0
    rows = list(csv.reader(capsys.readouterr().out.splitlines()))
    assert [row[-1] for row in rows] == wanted
    np.testing.assert_allclose(np.array([row[:-1] for row in rows], float), scores, rtol=1e-6)
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["decided"] == wanted
    lone = folder / "lone.npz"
    diodeq.save(diodeq.layered((4, 3, 1)), lone)
    assert main([*words[:1], str(lone), *words[2:]]) == 2
    assert "are no classes" in capsys.readouterr().err


def test_a_netlist_says_what_features_become_and_outputs_mean(iris, capsys):
    folder, path, _ = iris
    circuit = Circuit.load(path)
    text = (folder / "run" / "netlist.cir").read_text()
    offset, scale = circuit.scaling.offset[2], circuit.scaling.scale[2]
    said = next(line for line in text.splitlines() if "input x2 (0): volts are" in line)
    numbers = [float(word) for word in said.replace(")", " ").replace(",", " ").split() if word[0].isdigit()][-2:]
    assert numbers == pytest.approx([offset, scale])
    assert "within +-5 V" in said
    assert "y0 is the score of setosa; y1 is the score of versicolor; y2 is the score of virginica" in text
    assert "a score is 16 times the volts of its output" in text


def test_a_netlist_says_how_a_quantity_is_read():
    run = diodeq.train("friedman", epochs=1, hidden=(3,))
    text = diodeq.export(run.circuit, "ngspice")
    words = next(line for line in text.splitlines() if "times the volts of its output" in line).split()
    offset, scale = float(words[words.index("+") - 1]), float(words[words.index("+") + 1])
    volts = diodeq.simulate(run.circuit, run.circuit.scaling.to_volts(run.data.x_test), units="volts")
    np.testing.assert_allclose(offset + scale * volts, diodeq.simulate(run.circuit, run.data.x_test), rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "volts", "code", "words"),
    [
        ([], 7.9, 0, "note: the circuit takes features for volts, and they reach 7.9 V; --encode range --supply 5"),
        (["--encode", "range", "--supply", "3"], 3.0, 0, ""),
        (["--supply", "3"], None, 2, "--supply says what an encoding reaches"),
        (["--hidden", "4"], None, 2, "brings a circuit with its own hidden"),
    ],
)
def test_a_circuit_of_ones_own_takes_features_as_they_are_or_as_said(tmp_path, capsys, options, volts, code, words):
    diodeq.save(diodeq.layered((4, 4, 3), seed=1), tmp_path / "own.npz")
    train = ["train", "iris", "--out", str(tmp_path / "run"), "--from", str(tmp_path / "own.npz")]
    assert main([*train, "--epochs", "1", "--simulator", "wave", *options]) == code
    said = capsys.readouterr().err
    assert words in said
    if volts is not None:
        scaling = Circuit.load(tmp_path / "run" / "circuit.npz").scaling
        assert np.abs(scaling.to_volts(load_iris().data)).max() == pytest.approx(volts, rel=0.03)
        assert main(["report", str(tmp_path / "run"), "-o", str(tmp_path / "r.html")]) == 0
        page = (tmp_path / "r.html").read_text()
        assert ("--encode range" in page) == bool(options)
