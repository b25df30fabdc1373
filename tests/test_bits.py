"""How few bits are enough: rounding, its proofs, and the command that prints them."""

import json
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from circuits import DRIVES, gyrator, plain
from diodeq.analysis.bits import of_circuit
from diodeq.cli.bits import asked_for
from diodeq.cli.main import main
from diodeq.devices import catalogue
from diodeq.errors import UsageError
from diodeq.network import Network, Stage, solve
from diodeq.network import rounding as rounding_
from diodeq.network.rounding import kept, on_grid, prove, rounded, weighed_margin
from diodeq.network.weights import read, save
from diodeq.simulators import create
from diodeq.synthesis.layered import layered

HERE = Path(__file__).parent.parent / "scripts"


def random_network(seed: int, units: int = 12, m: float = 0.4, spread: float = 0.6) -> Network:
    random = np.random.default_rng(seed)
    A, P = spread * random.normal(size=(2, units, units)) / np.sqrt(units)
    W = (1 - m) * np.eye(units) - A.T @ A + P - P.T
    first = Stage(random.normal(size=(units, 5)), random.normal(size=units), W)
    return Network((first, Stage(random.normal(size=(3, units)), random.normal(size=3), None, "identity")))


def equilibria(W: np.ndarray, q: np.ndarray) -> int:
    """How many z >= 0 have z = relu(W z + q): every set of units that may be on is tried."""
    n, found = len(q), 0
    for code in range(2**n):
        on = np.array([bool(code >> k & 1) for k in range(n)])
        z = np.zeros(n)
        if on.any():
            z[on] = np.linalg.solve((np.eye(n) - W)[np.ix_(on, on)], q[on])
        found += bool((z[on] > 0).all() and ((W @ z + q)[~on] < 0).all())
    return found


# --- rounding and its proofs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [2, 3, 8])
def test_a_grid_has_so_many_values_and_the_largest_entry_stays(bits):
    values = np.random.default_rng(0).normal(size=(30, 30))
    found = on_grid(values, bits)
    step = np.abs(values).max() / (2 ** (bits - 1) - 1)
    assert len(np.unique(found)) <= 2**bits - 1
    assert np.abs(found - values).max() <= step / 2 * (1 + 1e-12)
    assert np.abs(found).max() == pytest.approx(np.abs(values).max())
    with pytest.raises(UsageError):
        on_grid(values, 1)


def test_biases_stay_and_nothing_is_lost_on_zeros():
    network = random_network(0)
    few = rounded(network, 3)
    assert np.array_equal(few.stages[0].b, network.stages[0].b)
    assert not on_grid(np.zeros((2, 2)), 4).any()


def test_what_is_proved_has_one_equilibrium_for_every_input():
    """Counted by trying all sets of units, with weights of three bits that are near the border."""
    proofs, several = set(), 0
    for seed in range(30):
        random = np.random.default_rng(seed)
        n = 4
        W = random.uniform(0.1, 0.9) * random.normal(size=(n, n))
        few = prove(Network((Stage(np.eye(n), np.zeros(n), W),)), 3)
        counts = {equilibria(few.network.stages[0].W, random.normal(size=n)) for _ in range(40)}
        proofs.add(few.proof)
        several += counts != {1}
        assert not few.proof or counts == {1}
    assert proofs == {"", "weights", "margin", "change"}
    assert several


def test_weights_of_units_prove_what_the_margin_does_not():
    """One unit drives the next hard and nothing comes back: one equilibrium, however hard."""
    H = np.array([[1.0, 0.0, 0.0], [-9.0, 1.0, 0.0], [5.0, -8.0, 1.0]])
    assert np.linalg.eigvalsh((H + H.T) / 2)[0] < -3
    margin, weights = weighed_margin(H)
    D = np.diag(weights)
    assert margin > 0.5
    assert np.linalg.eigvalsh(D @ H + H.T @ D)[0] > 0
    few = prove(Network((Stage(np.ones((3, 2)), np.zeros(3), np.eye(3) - H),)), 6)
    assert few.proof == "weights"
    assert prove(Network((Stage(np.ones((2, 2)), np.zeros(2), np.array([[0.0, 2.0], [2.0, 0.0]])),)), 8).proof == ""


def test_proofs_come_in_their_order():
    """More bits are never proved by less; those of Li, Leong and Chaffey need the most."""
    reach = {"": 0, "weights": 1, "margin": 2, "change": 3}
    network = read(HERE / "reference" / "digits-mon.npz", activation="relu").network
    found = [prove(network, each) for each in (3, 4, 5, 8)]
    assert [few.proof for few in found] == ["", "weights", "change", "change"]
    assert [reach[few.proof] for few in found] == sorted(reach[few.proof] for few in found)
    assert found[2].change < found[2].radius < found[1].change


# --- decisions -------------------------------------------------------------------------------------------------------


def unfaithful(network, few, states, x) -> int:
    """Of how many samples is it said that the decision stays where it does not?"""
    outputs, new = states[-1], solve(few.network, x).outputs
    changed = outputs.argmax(axis=1) != new.argmax(axis=1)
    return int((kept(network, few, states, x) & changed).sum())


@pytest.mark.parametrize("bits", [4, 6, 9])
@pytest.mark.parametrize("cascade", [False, True])
def test_decisions_that_are_proved_are_the_rounded_networks(bits, cascade):
    network = random_network(3)
    if cascade:
        second = Stage(np.random.default_rng(4).normal(size=(7, 12)) / 4, np.zeros(7), -0.5 * np.eye(7))
        last = random_network(5, 7).stages[1]
        network = Network((network.stages[0], second, last))
    x = np.random.default_rng(1).normal(size=(300, 5))
    drawn = solve(network, x)
    few = prove(network, bits)
    assert few.proof
    assert unfaithful(network, few, drawn.states, x) == 0
    if bits == 9:
        assert kept(network, few, drawn.states, x).mean() > 0.5


def test_a_change_of_w_alone_or_of_the_read_out_alone_counts():
    """At x = 1 a state of 1 / 1.3 becomes one of 1 / 1.333, under a bias of 0.76; a weight of 0.6 becomes 2/3, above
    what was 0.63: both decisions change."""
    x, eye, zero = np.ones((1, 1)), np.array([[1.0], [1.0]]), np.zeros(2)
    recurrent = Stage(eye, zero, np.diag([-1.0, -0.3]))
    still = Stage(eye, zero, np.zeros((2, 2)))
    for first, weights, bias in (
        (recurrent, [[0.0, 1.0], [0.0, 0.0]], [0.0, 0.76]),
        (still, [[0.6, 0.0], [0.0, 1.0]], [0.0, -0.37]),
    ):
        network = Network((first, Stage(np.array(weights), np.array(bias), None, "identity")))
        drawn, few = solve(network, x), prove(network, 3)
        assert drawn.outputs.argmax() != solve(few.network, x).outputs.argmax()
        assert not kept(network, few, drawn.states, x).any()


def test_a_sign_in_the_margin_is_noticed(monkeypatch):
    """Deliberate mistakes in the bound are seen by what the tests above ask: the margin of the wrong sign proves what
    has several equilibria, and a displacement without the margin keeps decisions that change."""
    network = Network((Stage(np.eye(2), np.zeros(2), np.array([[0.0, 2.0], [2.0, 0.0]])),))
    monkeypatch.setattr(rounding_, "weighed_margin", lambda H: (-weighed_margin(H)[0], np.ones(len(H))))
    wrong = prove(network, 8)
    assert wrong.proof == "weights"
    assert equilibria(wrong.network.stages[0].W, np.array([-1.0, -1.0])) != 1
    monkeypatch.undo()
    network = random_network(3, m=0.02)
    x = np.random.default_rng(1).normal(size=(2000, 5))
    drawn, few = solve(network, x), prove(network, 4)
    assert unfaithful(network, few, drawn.states, x) == 0
    stage = few.stages[0]
    generous = replace(few, stages=(replace(stage, weighed=1e3, by_weights=True), None))
    assert unfaithful(network, generous, drawn.states, x) > 0


# --- circuits --------------------------------------------------------------------------------------------------------


def test_levels_of_a_circuit():
    with create("wave") as wave:
        circuit = plain()
        found = of_circuit(circuit, ["4", "64", "E24"], DRIVES, np.array([0, 1, 0, 1]), 0.01, wave)
        active = of_circuit(gyrator(), ["64"], DRIVES, None, 0.01, wave)
    assert [each.unique for each in found] == [True] * 3
    assert found[1].cost.rms < found[0].cost.rms
    assert all(0.0 <= each.share <= each.cost.accuracy for each in found)
    assert active[0].certified is None
    assert active[0].to_json()["certified_accuracy"] is None


def test_without_labels_a_decision_counts_that_is_certified_as_it_was_drawn():
    circuit = layered((4, 6, 3), catalogue.get("1N4148"), 5.0, seed=3)
    drives = np.random.default_rng(1).uniform(-5.0, 5.0, (20, 4))
    with create("wave") as wave:
        few, many = of_circuit(circuit, ["4", "64"], drives, None, 1e-6, wave)
    for each in (few, many):
        assert each.share == pytest.approx(each.cost.agreement)
        assert each.to_json()["certified_accuracy"] is None
        assert each.to_json()["certified_as_drawn"] == each.share
    assert few.share < few.to_json()["certified_decisions"]


# --- the command -----------------------------------------------------------------------------------------------------


def test_ranges_are_read():
    assert asked_for("2:4,E12,8") == ["2", "3", "4", "E12", "8"]
    for wrong in ("4:2", "0", "2:33", "2:x", "", "a:b"):
        with pytest.raises(UsageError):
            asked_for(wrong)


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain().save("c.npz")
    network = random_network(3)
    save(network, "n.npz")
    x = np.random.default_rng(0).normal(size=(20, 5))
    labelled = np.column_stack([x, solve(network, x).outputs.argmax(axis=1)])
    np.savetxt("x.csv", labelled, delimiter=",")
    return tmp_path


def test_a_networks_bits(files, capsys):
    options = ["--inputs", "x.csv", "--labelled"]
    assert main(["quantize", "n.npz", "--bits", "2:9", *options, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    last = document["rows"][-1]
    assert (last["bits"], last["proof"], last["accuracy"]) == (9, "change", last["agreement"])
    assert document["least_unique"] in range(2, 9)
    assert main(["quantize", "n.npz", "--bits", "2:9", *options]) == 0
    assert f"from {document['least_unique']} bits on" in capsys.readouterr().out


def test_a_circuits_bits(files, capsys):
    assert main(["quantize", "c.npz", "--bits", "4:6,E96", "--simulator", "wave", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["values"] for row in document["rows"]] == ["16", "32", "64", "E96"]
    assert document["least_unique"] == 16
    assert main(["quantize", "c.npz", "--bits", "6", "--tolerance", "0.1%", "--simulator", "wave"]) == 0
    assert "certified" in capsys.readouterr().out
    circuit = plain()
    replace(circuit, units=replace(circuit.scaling, target_scale=np.ones(2), target_offset=np.zeros(2))).save("q.npz")
    assert main(["quantize", "q.npz", "--bits", "6", "--simulator", "wave"]) == 0
    assert "outputs are off by at most" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("c.npz", "-o OUTPUT"),
        ("c.npz --bits 2:4 -o d.npz", "-o has no meaning"),
        ("c.npz --bits 2:4 --series E12", "--series and --bits"),
        ("c.npz --bits 2:4 --margin 1", "--margin is for weights"),
        ("n.npz --bits 2:4 --ohms 1k 10k", "--ohms is for circuits"),
        ("n.npz --bits 2:4,E12", "not of E12"),
        ("n.npz --bits 1:4", "1 bits are not possible"),
        ("n.npz --bits 2:4 --labelled", "--labelled has no meaning"),
        ("c.npz --series E12 --activation relu -o d.npz", "--activation has no meaning"),
        ("gone.npz --bits 2:4", "gone.npz"),
    ],
)
def test_what_does_not_go_together_is_said(files, capsys, words, said):
    assert main(["quantize", *words.split()]) in (2, 3)
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert not Path("d.npz").exists()


# --- the script ------------------------------------------------------------------------------------------------------


def test_training_with_few_bits_proves_what_rounding_afterwards_does_not(monkeypatch, capsys):
    words = "iris --units 24 --margin 0.3 --epochs 150 --rate 0.03 --bits 3,8 --trained 3 --json"
    monkeypatch.setattr(sys, "argv", ["bits", *words.split()])
    with pytest.raises(SystemExit, match=r"^0$"):
        runpy.run_path(str(HERE / "bits.py"), run_name="__main__")
    whole, after, trained, eight = json.loads(capsys.readouterr().out)["rows"]
    assert whole["accuracy"] > 0.85
    assert after["change"] > 0.3 > trained["change"]
    assert trained["proof"] == eight["proof"] == "change"
    assert trained["accuracy"] > after["accuracy"] - 0.02
    assert trained["converges"] == 1.0


def test_few_levels_trained_by_certificate(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = ["train", "iris", "--epochs", "4", "--simulator", "wave", "--seed", "1"]
    assert main([*command, "--out", "few", "--certify-bits", "3", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["recipe"]["quantize"], summary["recipe"]["robust"]) == ("8", "certified:tolerance=1%")
    assert main(["certify", "few/circuit.npz", "--data", "iris", "--tolerance", "1%", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["tolerances"][0]
    for key in ("accuracy", "certified_accuracy", "largest_bound_volts"):
        assert summary["certificate"][key] == pytest.approx(again[key], rel=1e-4)
    assert again["accuracy"] >= again["certified_accuracy"] > 0.0
    assert main([*command, "--out", "few", "--resume"]) == 0
    assert "every board of 1.00 % with 8 levels, each with one operating point" in capsys.readouterr().out
    assert main([*command, "--out", "two", "--certify-bits", "3", "--quantize", "8"]) == 2
    assert main([*command, "--out", "two", "--certify-bits", "3", "--robust", "tolerance=5%"]) == 2
    assert "certified:tolerance=5%" in capsys.readouterr().err
    on_bench = ["train", "iris", "--epochs", "1", "--simulator", "bench:iris", "--out", "three", "--certify-bits", "3"]
    assert main(on_bench) == 0
    said = capsys.readouterr()
    assert "not certified: the circuit on a bench" in said.err
    assert "certified:" not in said.out
    # The held-out samples of the run's own data set, and their split.
    assert main(["quantize", "few/circuit.npz", "--bits", "2:3", "--data", "iris", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows["samples"] == summary["test_samples"]
    assert rows["rows"][1]["accuracy_before"] == summary["test_accuracy"]
    assert main(["quantize", "few/circuit.npz", "--data", "iris", "-o", "out.npz"]) == 2
    assert "--data has no meaning without parts" in capsys.readouterr().err
    weights = str(HERE / "reference" / "digits-mon.npz")
    assert main(["quantize", weights, "--activation", "relu", "--bits", "4", "--data", "iris"]) == 3
    assert "iris has 4 features" in capsys.readouterr().err
