"""Training with quantization in the loop and on imperfect boards."""

from __future__ import annotations

import json

import numpy as np
import pytest

from circuits import DRIVES, plain
from diodeq.circuit import Circuit
from diodeq.cli.main import main
from diodeq.devices.hardware.ladder import ladder
from diodeq.devices.hardware.technology import Technology
from diodeq.devices.hardware.variation import Variation
from diodeq.learning import datasets, objective
from diodeq.learning.boards import on_board
from diodeq.learning.losses import cross_entropy
from diodeq.learning.parametrization import Parametrization
from diodeq.learning.rules import RULES
from diodeq.simulators import create
from diodeq.synthesis.variation import draw, vary

LABELS = np.array([0, 1, 1, 0])
QUICK = ["--hidden", "4", "--epochs", "4", "--batch-size", "16", "--simulator", "wave"]


def train(out, *options):
    assert main(["train", "iris", "--out", str(out), *map(str, options)]) == 0
    return Circuit.load(out / "circuit.npz"), json.loads((out / "summary.json").read_text())


# --- quantization in the loop -------------------------------------------------------------------------------------


def test_knobs_turn_to_the_ladder_and_remember_what_lies_between():
    circuit, technology = plain(), Technology(levels="E6")
    knobs = Parametrization("log-conductance", technology)
    theta = knobs.read(circuit)
    assert np.exp(theta) == pytest.approx(circuit.conductances)
    turned = knobs.turn(circuit, theta)
    assert np.isin(turned.conductances, technology.ladder.conductances).all()
    # Half a step at a time: the conductances wait, then jump.
    there = knobs.turn(circuit, theta + 0.02)
    assert 0 < np.count_nonzero(there.conductances != turned.conductances) < len(theta) / 2


def test_the_trained_circuit_is_quantized(tmp_path):
    circuit, summary = train(tmp_path / "run", *QUICK, "--quantize", "E6")
    assert np.isin(circuit.conductances, ladder("E6").conductances).all()
    assert summary["recipe"]["quantize"] == "E6"
    assert (summary["recipe"]["low"], summary["recipe"]["high"]) == (1e-7, 1e-4)
    assert summary["test_accuracy"] > 0.6


def test_a_technology_brings_its_range_and_values(tmp_path):
    circuit, summary = train(tmp_path / "run", *QUICK, "--technology", "rram")
    levels = ladder("16", 1e-6, 4e-5).conductances
    assert np.isin(circuit.conductances, levels).all()
    assert summary["recipe"]["quantize"] == "16"


def test_compile_takes_a_technologys_values(tmp_path, capsys):
    out, rng = str(tmp_path / "c.npz"), np.random.default_rng(0)
    named = {"activation0": "relu", "activation1": "identity"}
    shapes = {"U0": (5, 3), "b0": (5,), "U1": (2, 5), "b1": (2,)}
    np.savez(tmp_path / "w.npz", **named, **{name: rng.normal(size=shape) for name, shape in shapes.items()})
    assert main(["compile", str(tmp_path / "w.npz"), "-o", out, "--technology", "pot-10bit"]) == 0
    circuit = Circuit.load(out)
    assert np.isin(circuit.conductances, ladder("AD5293").conductances).all()
    assert "resistors are of AD5293" in circuit.notes
    assert main(["compile", str(tmp_path / "w.npz"), "-o", out, "--technology", "pot10bit"]) == 2
    assert "pot-10bit" in capsys.readouterr().err


def test_training_on_a_quantized_circuit_recovers_what_quantization_lost(tmp_path):
    run = tmp_path / "run"
    before, _ = train(run, *QUICK, "--epochs", 20)
    options = ["--series", "E3", "--simulator", "wave"]
    assert main(["quantize", str(run / "circuit.npz"), "-o", str(tmp_path / "q.npz"), *options]) == 0
    more = ["--from", tmp_path / "q.npz", "--quantize", "E3", "--rate", 0.05, "--epochs", 10, "--simulator", "wave"]
    after, _ = train(tmp_path / "tuned", *more)
    data = datasets.load("iris", 0)
    assert np.isin(after.conductances, ladder("E3").conductances).all()

    def loss(circuit):
        with create("wave") as engine:
            outputs = objective.outputs(engine, circuit, data.x_train)
        return cross_entropy(data.y_train, circuit.scaling.output_scale)(outputs)[0]

    lost = loss(Circuit.load(tmp_path / "q.npz")) - loss(before)
    assert lost > 0
    assert loss(after) - loss(before) < 0.5 * lost


# --- boards -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "variation",
    [
        Variation(tolerance=0.2),
        Variation(write_error=1e-6, drift=0.05, age=100.0, read_noise=0.05),
        Variation(stuck_low=0.1, stuck_high=0.1),
        Variation(saturation=0.4, emission=0.02, supply_error=0.02, coldest=0.0, hottest=70.0),
    ],
    ids=["tolerance", "memory", "stuck", "diodes"],
)
def test_the_gradient_on_a_board_is_that_of_the_drawn_conductances(variation):
    """Against differences in the drawn conductances, the board's draws held."""
    circuit, technology = plain(), Technology(variation=variation)
    loss = cross_entropy(LABELS, beta=2.0)

    def at(conductances):
        drawn = circuit.with_conductances(conductances)
        board = draw(drawn, technology, np.random.default_rng(5), corners=True).circuit
        return loss(engine.operate(board, DRIVES).outputs)[0]

    with create("wave") as engine:
        rule = RULES["hardware-linearization"]
        found = on_board(rule, technology, np.random.default_rng(5), engine, circuit, DRIVES, loss).conductances
        g = circuit.conductances
        for k in range(0, len(g), 5):
            step = np.zeros(len(g))
            step[k] = 1e-4 * g[k]
            slope = (at(g + step) - at(g - step)) / (2 * step[k])
            assert slope == pytest.approx(found[k], rel=1e-4, abs=1e-6 * np.abs(found).max())


def test_the_worst_board_has_every_resistor_where_the_loss_rises():
    circuit, technology = plain(), Technology(variation=Variation(tolerance=0.1, shape="worst"))
    loss, rule, met = cross_entropy(LABELS, beta=2.0), RULES["hardware-linearization"], []

    def noting(simulator, board, *given, **named):
        met.append(board.conductances / circuit.conductances)
        return rule(simulator, board, *given, **named)

    noting.name = "noting"
    with create("wave") as engine:
        found = on_board(noting, technology, np.random.default_rng(5), engine, circuit, DRIVES, loss)
        drawn = rule(engine, circuit, DRIVES, loss)
    first, factor = met
    assert (first == 1.0).all()
    assert factor[circuit.mask] == pytest.approx(1.0 / (1.0 - 0.1 * np.sign(drawn.conductances)))
    with create("wave") as engine:
        board = rule(engine, circuit.with_conductances(circuit.conductances * factor), DRIVES, loss)
    assert found.loss == board.loss > drawn.loss
    assert found.conductances == pytest.approx(board.conductances * factor[circuit.mask], rel=1e-12)


def test_robust_training_is_recorded_and_resumes_in_the_same_bits(tmp_path):
    options = [*QUICK, "--robust", "tolerance=10%,saturation=0.3,temperature=0:70"]
    whole, summary = train(tmp_path / "whole", *options)
    assert summary["recipe"]["robust"] == options[-1]
    interrupted_after(2, ["train", "iris", "--out", str(tmp_path / "part"), *options])
    resumed, _ = train(tmp_path / "part", "--resume")
    assert np.array_equal(resumed.conductances, whole.conductances)
    plainly, _ = train(tmp_path / "plain", *QUICK)
    assert not np.array_equal(plainly.conductances, whole.conductances)


def interrupted_after(epochs, arguments):
    """Run the command and interrupt it after some epochs, as Ctrl-C does."""
    from diodeq.learning import experiment

    real = experiment.trainer.train

    def cut(*given, **named):
        for snapshot, metrics in real(*given, **named):
            yield snapshot, metrics
            if snapshot.epoch == epochs:
                raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment.trainer, "train", cut)
        assert main(arguments) == 130


def test_robust_training_keeps_what_boards_lose(tmp_path):
    """Mean loss over boards of 20 % tolerance, against training without."""
    data = datasets.load("iris", 0)
    technology = Technology(variation=Variation(tolerance=0.3))

    def boards(circuit):
        with create("wave") as engine:
            found = [vary(circuit, technology, np.random.default_rng([1, k])) for k in range(40)]
            outputs = [objective.outputs(engine, board, data.x_test) for board in found]
        return np.mean([cross_entropy(data.y_test, circuit.scaling.output_scale)(out)[0] for out in outputs])

    options = ["--hidden", 8, "--epochs", 20, "--simulator", "wave"]
    usual, _ = train(tmp_path / "usual", *options)
    robust, _ = train(tmp_path / "robust", *options, "--robust", "tolerance=30%")
    assert boards(robust) < boards(usual)
