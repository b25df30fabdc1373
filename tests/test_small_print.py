"""What is easily read wrongly: one line or two of a file, and the answer of the program that it was written for."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import test_weights_onnx as onnx_models
from diodeq.circuit import Circuit, Inputs, bank
from diodeq.circuit.graph import deaf
from diodeq.circuit.primitives import inverted
from diodeq.circuit.survey import Survey
from diodeq.cli.main import main
from diodeq.devices.one_ports import one
from diodeq.devices.vendor.file import read_parts
from diodeq.errors import InputError, UsageError
from diodeq.learning import objective, snapshots, trainer
from diodeq.learning.datasets import load, targeted
from diodeq.learning.encoding import units
from diodeq.netlist.reading import import_deck
from diodeq.network import solve, weights
from diodeq.printable import change, percent
from diodeq.simulators import create
from diodeq.synthesis.layered import layered
from diodeq.synthesis.pruning import kept, without
from kicad import Drawing
from oracle import Oracle
from test_import_kicad import lines
from test_pruning import DIODE
from test_trainer import RECIPE, Technology


def read(text: str, folder: Path, *outputs: str) -> Circuit:
    (folder / "deck.cir").write_text(text)
    return import_deck(folder / "deck.cir", outputs=outputs).circuit


def volts(text: str, folder: Path, node: str = "out") -> float:
    circuit = read(text, folder, node)
    return float(Oracle().operate(circuit, np.zeros((1, len(circuit.inputs)))).outputs[0, 0])


# --- decks, as ngspice 39 has them -----------------------------------------------------------------------------------

SUBCIRCUIT = ".subckt top a b\n.param r={}\nr1 a b {{r}}\n.ends\n"
DECKS: dict[str, tuple[str, float]] = {
    "a model in the constants of where it stands": (
        "v1 a 0 5\nr1 a out 1k\n.param rr=3k\n.model rm r(r={rr})\n.subckt s p q rr=1k\nri p q rm\n.ends\nx1 out 0 s\n",
        3.75,
    ),
    "a caller's constants": (
        "v1 a 0 5\nr1 a out 1k\n.param r=9k\nx1 out 0 s r=5k\n.subckt s p q r=2k\nx2 p q t\n.ends\n"
        ".subckt t p q\nri p q {r}\n.ends\n",
        25 / 6,
    ),
    "a subcircuit's constant is not the deck's": (
        ".param a=1\nv1 in 0 2\n.subckt s p n\n.param a=2\nr1 p n {a*1k}\n.ends\n.if (a == 1)\nr2 in out 1k\n.endif\n"
        "x1 out 0 s\n",
        4 / 3,
    ),
    "TC of one number before M": (
        "v1 in 0 2\nr1 in out 1k tc=0.01 m=2\nr2 out 0 1k\n.options temp=37\n",
        2000 / 1550,
    ),
    "a constant within what is divided": ("v1 in 0 3\nr1 in 0 1k\ne1 out 0 value={(1+v(in))/2}\nr2 out 0 1k\n", 2.0),
    "a branch without end in what nothing uses": (
        "v1 in 0 2\n.subckt broken a b\n.if (1)\nr1 a b 1k\n.ends\n.subckt good a b\nr1 a b 1k\n.ends\nr1 in out 1k\n"
        "x1 out 0 good\n",
        1.0,
    ),
}


@pytest.mark.parametrize("name", DECKS)
def test_decks_mean_what_ngspice_takes_them_for(name, tmp_path):
    text, wanted = DECKS[name]
    assert volts("title\n" + text, tmp_path) == pytest.approx(wanted)


REFUSED: dict[str, tuple[str, str]] = {
    "subcircuits that differ in a constant": (
        SUBCIRCUIT.format("1k") + SUBCIRCUIT.format("3k") + "x1 in out top\n",
        "twice, differently",
    ),
    "one argument twice": (".func f(x,x) {x}\nr2 in out {f(1,2)}\n", "no function of named arguments"),
    "mil in an expression": ("r2 in out {1mil}\n", "compute differently"),
    "pwr of what is negative": ("b1 out 0 v=pwr(-2,2)\n", "compute differently"),
    "a sign after a question mark": ("r2 in out {2?-(3):5}\n", "compute differently"),
    "a choice in a choice": ("r2 in out {1 ? 0 ? 5 : 6 : 7}\n", "compute differently"),
    "equal numbers compared in a source": (".param a=3\nb1 out 0 v=(a==3)\n", "compute differently"),
    "the opposite of nothing in a source": (".param a=3\nb1 out 0 v=!(a-3)\n", "compute differently"),
    "blanks in one of several constants": (".param p1=1k p2 = p1 / 2\nr2 in out {p2}\n", "has blanks"),
    "two constants of a source": ("v2 out 0 2 dc 3\n", "two constants"),
    "two points at one time": ("v2 out 0 pwl(0 1 0 2 1u 3)\n", "do not rise"),
    "an exponent of many digits": (f"r2 in out 1e{'9' * 5000}k\n", "too long an exponent"),
    "branches within branches": (".if (1)\n" * 101 + ".endif\n" * 101, "more than 100"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_simulators_read_differently_is_refused(name, tmp_path):
    text, words = REFUSED[name]
    with pytest.raises(InputError) as caught:
        read(f"title\nv1 in 0 4\nr1 out 0 1k\n{text}", tmp_path, "out")
    assert words in str(caught.value)


def test_choices_in_brackets_and_signs_of_numbers_stay(tmp_path):
    text = "title\nv1 in 0 4\nr1 in out {1 ? (0 ? 5 : 1k) : 7}\nr2 out 0 {1 ? 3k : -3}\n"
    assert volts(text, tmp_path) == pytest.approx(3.0)


def test_what_follows_the_end_is_said(tmp_path):
    (tmp_path / "deck.cir").write_text("t\nv1 out 0 1\nr1 out 0 1k\n.end\nr2 out 0 1\n")
    assert any("follows .end" in note for note in import_deck(tmp_path / "deck.cir", outputs=["out"]).notes)


def test_of_two_files_whose_names_differ_in_case_none_is_taken(tmp_path):
    for name in ("A.lib", "a.LIB"):
        (tmp_path / name).write_text("r2 in 0 1k\n")
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("names are the same in any case here")
    (tmp_path / "deck.cir").write_text("t\nv1 in 0 2\n.include a.lib\nr1 in 0 1k\n")
    with pytest.raises(InputError, match="not among those"):
        import_deck(tmp_path / "deck.cir", include=[tmp_path])


# --- KiCad -----------------------------------------------------------------------------------------------------------


def test_a_second_part_of_one_name_is_a_part(tmp_path):
    drawing = Drawing()
    for unit, x in ((1, 50), (2, 60), (1, 80)):
        given = {"Sim_Device": "SPICE", "Sim_Params": 'type="X" model="two"'}
        drawing.part("sim:array", "U1", "x", x, 50, unit=unit, **given)
    assert len([line for line in lines(drawing, tmp_path) if line.startswith("XU1")]) == 2


def test_pins_are_ordered_by_what_they_are_in_the_model(tmp_path):
    def said(pins: str) -> str:
        drawing = Drawing()
        given = {"Sim_Device": "SPICE", "Sim_Params": 'type="X" model="two"', "Sim_Pins": pins}
        drawing.part("Device:R", "U1", "x", 50, 50, **given)
        return next(line for line in lines(drawing, tmp_path) if line.startswith("XU1"))

    assert said("1=2 2=1") == said("2=1 1=2") != said("1=1 2=2")


# --- vendors' files --------------------------------------------------------------------------------------------------

CARD = ".model dd D(IS=2n N=1.7 RS=.8)\n"


def parts(text: str, folder: Path):
    (folder / "file.lib").write_text(CARD + text)
    return read_parts(folder / "file.lib")


def test_a_subcircuit_with_an_encrypted_section_is_no_device(tmp_path):
    found = parts(".subckt S1 a c\nd1 a c dd\n$CDNENCSTART\nxyz\n$CDNENCFINISH\n.ends\n", tmp_path)
    assert [part.model.name for part in found.parts] == ["dd"]


def test_a_pin_behind_an_inductor_keeps_its_name(tmp_path):
    found = parts(".subckt S1 a c\nl1 m c 1n\nl2 a k 1n\nd1 k m dd\n.ends\n", tmp_path)
    assert [part.pins for part in found.parts if part.subcircuit] == [("a", "c")]


def test_a_constant_that_temperature_would_change_is_left_out(tmp_path):
    text = ".subckt S1 a c\nd1 a m dd\ne1 m c poly(1) t 0 0.5 1\ni1 0 t 1m\nr1 t 0 1k tc=1m\n.ends\n"
    found = parts(text, tmp_path)
    assert [part.model.name for part in found.parts] == ["dd"]
    assert "adds a constant" in found.skipped[0]


def test_what_is_nearly_symmetric_is_as_it_is_drawn(tmp_path):
    text = ".model d2 D(IS=2.2n N=1.7 RS=.8)\n.subckt S1 a c\nd1 a c dd\nd2 c a d2\n.ends\n"
    assert [part.pins for part in parts(text, tmp_path).parts if part.subcircuit] == [("a", "c")]


def test_resistors_in_parallel_are_not_in_series(tmp_path):
    """A diode behind 10 ohm with 100 ohm across it, and one behind 200 and 100 ohm side by side."""
    text = (
        ".subckt across a k\nD1 a n dm\nRp a n 100\nRs n k 10\n.model dm D(is=1e-14)\n.ends\n"
        ".subckt behind a k\nD1 a n dm\nR1 k n 200\nR2 k n 100\n.model dm D(is=1e-14)\n.ends\n"
    )
    found = {part.model.name: one(part.model) for part in parts(text, tmp_path).parts}
    current = {name: float(found[name].current(np.array([1.5]))[0]) for name in ("across", "behind")}
    assert current["across"] == pytest.approx(73.65e-3, rel=1e-3)  # ngspice
    assert current["behind"] == pytest.approx(11.72e-3, rel=1e-3)


# --- networks --------------------------------------------------------------------------------------------------------


def test_what_a_clip_would_change_is_not_carried_past_it(tmp_path):
    nodes = [onnx_models.GEMM0, onnx_models.RELU, ("Clip", ["r", "low", "high"], "c", {}), ("Add", ["r", "c"], "y", {})]
    constants = {**onnx_models.CONSTANTS, "high": np.float32(0.5)}
    onnx_models.refused(onnx_models.model(tmp_path / "n.onnx", nodes, constants=constants), "would change it")


def test_the_epsilon_of_a_normalization_that_gives_none(tmp_path):
    nodes = [("BatchNormalization", ["x", "gain", "bias", "mean", "var"], "y", {})]
    path, norm = onnx_models.model(tmp_path / "n.onnx", nodes), onnx_models.NORM
    wanted = (onnx_models.X - norm["mean"]) / np.sqrt(norm["var"] + 1e-5) * norm["gain"] + norm["bias"]
    assert solve(weights.load(path), onnx_models.X).outputs == pytest.approx(wanted, rel=1e-5)


def test_the_last_part_of_an_uneven_split_is_the_smaller(tmp_path):
    onnx = pytest.importorskip("onnx")
    make = onnx.helper
    nodes = [
        make.make_node("Split", ["x"], ["a", "b"], "s", axis=1, num_outputs=2),
        make.make_node("Concat", ["b", "a"], ["y"], "c", axis=1),
    ]
    info = make.make_tensor_value_info
    graph = make.make_graph(nodes, "net", [info("x", 1, ("batch", 5))], [info("y", 1, None)])
    made = make.make_model(graph, opset_imports=[make.make_opsetid("", 18)], ir_version=10)
    (tmp_path / "n.onnx").write_bytes(made.SerializeToString())
    found = solve(weights.load(tmp_path / "n.onnx"), np.arange(5.0)[None]).outputs
    assert found.tolist() == [[3.0, 4.0, 0.0, 1.0, 2.0]]


# --- data ------------------------------------------------------------------------------------------------------------


def test_a_number_that_is_a_target_is_no_name_in_a_sample(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("".join(f"{4 + k % 3},{k % 2},{k}.5,{k % 2}\n" for k in range(16)))
    data = load(targeted(f"csv:{path}", "4"))
    assert data.classes == ("0", "1")
    assert len(data.x_train) + len(data.x_test) == 16


def test_quoted_cells_that_semicolons_part(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text('"a";"b";"kind"\n' + "".join(f'"{k}.5";"{k}";"x, {k % 2}"\n' for k in range(16)))
    assert load(f"csv:{path}").classes == ("x, 0", "x, 1")


def test_labels_do_not_fill_the_memory(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("a,b,kind\n" + "".join(f"1,2,y{k}\n" for k in range(1000)) + f"1,2,{'x' * 100_000}\n")
    with pytest.raises(InputError, match="labels of up to 100,000 letters"):
        load(f"csv:{path}")


def test_a_feature_that_is_always_zero_is_not_driven():
    assert units(np.array([[0.0, 1.0], [0.0, 3.0]]), "range", 5.0).scale.tolist() == [0.0, 5.0]


# --- pruning ---------------------------------------------------------------------------------------------------------

DRIVEN = {
    "voltage_sources": bank("voltage_sources", [(1, 0, 0.0)]),
    "inputs": Inputs(np.zeros(1, np.int32), np.zeros(1, np.int32), np.ones(1), ("x",)),
}


def test_of_parallel_resistors_the_better_one_holds_the_node():
    resistors = bank("resistors", [(1, 2, 1e-3), (1, 2, 2e-3)])
    outputs, every = np.array([[2, 0]], np.int32), np.ones(2, bool)
    circuit = Circuit(("0", "in", "a"), resistors=resistors, trainable=every, outputs=outputs, **DRIVEN)
    assert kept(circuit, np.array([0.1, 0.9]), parts=1).tolist() == [False, True]


def test_what_controls_a_buffer_reaches_its_output():
    circuit = Circuit(
        ("0", "in", "a", "o"),
        resistors=bank("resistors", [(1, 2, 1e-3), (3, 0, 1e-3)]),
        buffers=bank("buffers", [(3, 0, 2, 0, 2.0)]),
        outputs=np.array([[3, 0]], np.int32),
        **DRIVEN,
    )
    assert without(circuit, np.ones(2, bool)).nodes == circuit.nodes


def test_a_pruned_circuit_has_no_best_loss_yet():
    circuit = layered((5, 4, 3), DIODE, 5.0)
    begin = replace(snapshots.start(circuit, RECIPE, Technology()), best_loss=0.1)
    turned = snapshots.parametrization(RECIPE, Technology())
    with create("wave") as wave:
        after, _ = trainer._pruned(circuit, begin, turned, wave, np.ones((2, len(circuit.inputs))), 20, 0)
    assert after.best_loss == math.inf


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({"parts": 30, "epochs": 1}, 30),
        ({"parts": 30, "epochs": 2}, 30),
        ({"parts": 30, "epochs": 3}, 30),
        ({"parts": 30, "epochs": 8, "budget": 1500}, 30),
        ({"parts": 30, "epochs": 12, "patience": 1, "rate": 1.0}, 30),
        ({"fan_in": 2, "epochs": 2}, 2 * 12),
    ],
)
def test_the_number_of_parts_is_reached_however_training_ends(more, wanted):
    data = load("xor")
    recipe = replace(RECIPE, hidden=(8,), **more)
    circuit = layered((2, 8, 2), DIODE, 5.0)
    with create("wave") as wave:
        begin = snapshots.start(circuit, recipe, Technology())
        *_, (last, _) = trainer.train(circuit, data, wave, recipe, Technology(), begin)
    assert len(snapshots.remaining(circuit, last.stays).resistors) <= wanted


def test_what_a_circuit_has_none_of_is_not_trained():
    circuit = layered((5, 4, 3), DIODE, 5.0)
    with pytest.raises(UsageError, match="has no transformers"):
        snapshots.start(circuit, replace(RECIPE, also=("turns",)), Technology())


# --- numbers that are said -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.0031, "0.31 %"), (0.9949, "99 %"), (0.996, "100 %"), (12.3, "1,230 %"), (1e300, "more than 1,000,000 %")],
)
def test_what_moves_is_a_readable_percentage(share: float, said: str) -> None:
    assert change(share) == said
    assert percent(0.97368) == "97.37 %"


def test_ohms_of_preferred_values_are_printed_as_such():
    ohms = np.array([470e3, 200e3, 1.8e6, 4.7, 3.3e-3, 9.1e11, 123456.789012345678])
    printed = inverted(1.0 / ohms)
    assert printed[:6].tolist() == ohms[:6].tolist()
    np.testing.assert_array_equal(1.0 / printed, 1.0 / ohms)
    random = np.random.default_rng(0).uniform(1e-12, 1e3, 10_000)
    assert (1.0 / inverted(random) == 1.0 / (1.0 / random)).all()


def test_outputs_named_as_the_classes_are_in_their_order():
    data = load("iris")
    circuit = layered((4, 6, 3), DIODE, 5.0)
    for order, right in (((0, 1, 2), True), ((2, 1, 0), False)):
        named = replace(circuit, output_names=tuple(data.classes[k] for k in order))
        if right:
            objective.fits(named, data)
        else:
            with pytest.raises(InputError, match="its outputs in the order virginica, versicolor, setosa but"):
                objective.fits(named, data)


def test_a_file_without_its_kind_is_asked_after():
    with pytest.raises(UsageError, match=r"did you mean csv:caps\.csv\?"):
        load("caps.csv")


def test_outputs_that_no_input_reaches_are_told():
    circuit = layered((3, 4, 2), DIODE, 5.0)
    assert deaf(circuit) == []
    ends = circuit.resistors.terminals
    biased = np.isin(ends, [circuit.nodes.index(name) for name in ("bias_p", "bias_n")]).any(axis=1)
    at_last = np.isin(ends, [circuit.nodes.index(name) for name in ("y1_p", "y1_n")]).any(axis=1)
    alone = without(replace(circuit, trainable=np.ones(len(ends), bool)), ~at_last | biased)
    assert deaf(alone) == ["y1"]
    told = Survey(alone).feasibility()
    assert "NO INPUT REACHES y1" in told.sentence()
    assert told.to_json()["outputs_without_inputs"] == ["y1"]


def test_more_power_than_asked_for_is_told(tmp_path, capsys):
    asked = ["train", "xor", "--power", "1nW", "--epochs", "2", "--simulator", "wave", "--out", str(tmp_path / "run")]
    assert main(asked) == 0
    assert "note: it takes more than the 1 nW that were asked for" in capsys.readouterr().out
