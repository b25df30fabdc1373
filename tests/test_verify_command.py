"""Bring your own network: compile, verify, export and go on training, by the commands a user types."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from diodeq.analysis.programs import against_program
from diodeq.circuit import Circuit, check
from diodeq.cli.main import main
from diodeq.network import ACTIVATIONS, Activation, Network, Stage, weights
from test_analysis import X, cascade

NETWORKS = Path(__file__).parent / "networks"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    weights.save(cascade(), "w.npz")
    np.savetxt("X.csv", X, delimiter=",")
    return tmp_path


def test_compile_verify_export_and_train(here, capsys):
    assert main(["compile", "w.npz", "-o", "c.npz", "--diode", "1N4148", "--inputs", "X.csv", "--json"]) == 0
    compiled = json.loads(capsys.readouterr().out)
    assert compiled["certificate"]["unique"]
    assert compiled["stages"][0]["realization"] == "transformer-gyrator"
    circuit = check(Circuit.load("c.npz"))
    assert any("certificate: unique" in note for note in circuit.notes)

    assert main(["verify", "c.npz", "--weights", "w.npz", "--inputs", "X.csv", "--plot", "p.svg", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["stages"][2]["total"]["max"] < 0.05
    assert found["agreement"]["device"] == 1.0
    certificate = found["certificate"]
    assert 0.0 < certificate["output_displacement_seen"] <= certificate["output_displacement"]
    assert (here / "p.svg").read_text().startswith("<svg")
    assert main(["verify", "c.npz", "--weights", "w.npz", "--inputs", "X.csv"]) == 0
    assert "certificate: unique operating point" in capsys.readouterr().out

    assert main(["export", "c.npz", "--to", "ltspice", "-o", "c.cir"]) == 0
    assert "certificate: unique" in (here / "c.cir").read_text()

    assert main(["simulate", "c.npz", "--inputs", "X.csv", "--units", "network", "-o", "Y.csv"]) == 0

    labels = np.random.default_rng(0).integers(3, size=60)
    samples = np.random.default_rng(1).normal(size=(60, 3)) + labels[:, None]
    np.savez("data.npz", X=samples, y=labels)
    command = ["train", "npz:data.npz", "--from", "c.npz", "--out", "run", "--epochs", "2"]
    assert main([*command, "--also", "turns", "--also", "gyration", "--also", "gains"]) == 0
    trained = Circuit.load("run/circuit.npz")
    for kind in ("resistors", "transformers", "gyrators", "buffers"):
        assert np.any(trained.bank(kind).values != circuit.bank(kind).values), kind


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (["compile", "none.npz", "-o", "c.npz"], 3, "none.npz"),
        (["compile", "X.csv", "-o", "c.npz"], 3, "X.csv"),
        (["compile", "w.npz", "-o", "no/c.npz"], 3, "no/c.npz cannot be written"),
        (["compile", "w.npz", "-o", "c.npz", "--realization", "passive"], 4, "not symmetric"),
        (["compile", "bad.npz", "-o", "c.npz"], 4, "the margin of W is -1"),
        (["compile", "w.npz", "-o", "c.npz", "--low", "1e-5", "--high", "2e-5"], 4, "range"),
        (["compile", "bad.npz", "-o", "c.npz"], 4, "or allow it for buffered with --allow-nonunique"),
        (["compile", "w.npz", "-o", "c.npz", "--volts-per-unit", "0"], 2, "--volts-per-unit 0 is not possible"),
        (["compile", "w.npz", "-o", "c.npz", "--max-gain", "nan"], 2, "--max-gain nan is not possible"),
        (["compile", "w.npz", "-o", "c.npz", "--diode", "1N4184"], 2, "1N4148"),
        (["verify", "c.npz", "--weights", "w.npz", "--inputs", "X.csv", "--tolerance", "-1"], 2, "is not in the range"),
        (["verify", "c.npz", "--weights", "w.npz", "--inputs", "X.csv", "--tolerance", "nan"], 2, "is not a finite"),
        (
            ["verify", "c.npz", "--weights", "w.npz", "--inputs", "X.csv", "--tolerance", "200"],
            2,
            "is not in the range",
        ),
        (["verify", "plain.npz", "--weights", "w.npz", "--inputs", "X.csv"], 3, "no node 's0_0'"),
    ],
)
def test_what_cannot_be_compiled_or_verified(command, code, said, here, capsys):
    from circuits import plain

    plain().save("plain.npz")
    weights.save(Network((Stage(np.ones((2, 1)), np.ones(2), 2.0 * np.eye(2)),)), "bad.npz")
    before = sorted(path.name for path in here.iterdir())
    assert main(command) == code
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert sorted(path.name for path in here.iterdir()) == before


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_is_plotted_over_its_measured_element(name, here, capsys):
    assert main(["devices", "plot", name, "-o", "a.svg", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["largest_deviation"] < 2e-3
    assert (here / "a.svg").stat().st_size > 1000


def test_stages_of_sigmoids_are_compared_as_they_are_built(tmp_path, capsys):
    random = np.random.default_rng(3)
    first = Stage(random.normal(size=(5, 3)), random.normal(size=5), None, Activation("sigmoid"))
    weights.save(Network((first, Stage(random.normal(size=(2, 5)), np.zeros(2)))), tmp_path / "net.npz")
    np.savetxt(tmp_path / "x.csv", random.uniform(-1, 1, (10, 3)), delimiter=",")
    net, made, x = (str(tmp_path / name) for name in ("net.npz", "made.npz", "x.csv"))
    assert main(["compile", net, "-o", made]) == 0
    capsys.readouterr()
    assert main(["verify", made, "--weights", net, "--inputs", x, "--simulator", "wave", "--json"]) == 0
    for stage in json.loads(capsys.readouterr().out)["stages"]:
        assert all(entry["max"] < 1e-4 for entry in stage.values())


def test_onnx_is_run_by_its_own_program_and_what_is_left_out_is_said(tmp_path, capsys, monkeypatch):
    pytest.importorskip("onnxruntime")
    name = str(NETWORKS / "softmax-dynamo.onnx")
    circuit, x = str(tmp_path / "c.npz"), str(tmp_path / "x.csv")
    np.savetxt(x, np.random.default_rng(0).normal(size=(4, 3)), delimiter=",")
    assert main(["compile", name, "-o", circuit]) == 0
    said = "left out at the end; the outputs are what goes into it: 'node_softmax' (Softmax)"
    assert f"diodeq: note: {said}" in capsys.readouterr().err
    assert said in Circuit.load(circuit).notes
    options = ["verify", circuit, "--weights", name, "--inputs", x, "--simulator", "wave"]
    assert main([*options, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["notes"] == [said]
    assert found["reference"]["program"].startswith("onnxruntime ")
    assert found["reference"]["max"] < 1e-6
    monkeypatch.setattr("diodeq.analysis.programs._run", lambda runtime, path, x: np.ones((4, 2)))
    assert main(options) == 0
    printed = capsys.readouterr()
    assert "runs the file itself" in printed.out
    assert "does not compute what its file does" in printed.err
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main([*options, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["reference"]
    assert (found["program"], found["max"]) == ("diodeq's own solver", None)
    assert "diodeq[verify]" in found["reason"]


@pytest.mark.parametrize("name", ["beside", "both", "policy", "skl-two-classes", "conv-dynamo", "heads-script"])
def test_programs_are_asked_for_the_same_outputs(name):
    pytest.importorskip("onnxruntime")
    path = NETWORKS / f"{name}.onnx"
    network = weights.load(path)
    x = np.random.default_rng(0).normal(size=(4, network.widths[0]))
    found = against_program(path, network, x)
    assert found.program.startswith("onnxruntime ")
    assert found.difference < 1e-6


def test_weights_alone_are_no_program(tmp_path):
    weights.save(cascade(), tmp_path / "w.npz")
    found = against_program(tmp_path / "w.npz", cascade(), X)
    assert found.difference is None
    assert "diodeq's own solver" in found.sentence()
