"""The builder of circuits: what layered circuits were they are, and any graph of its pieces is what it says."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from diodeq.circuit import KINDS, Circuit
from diodeq.cli.main import main
from diodeq.devices import catalogue
from diodeq.devices.hardware.technology import Technology
from diodeq.devices.units import Unit
from diodeq.errors import CircuitError, DiodeqError, InputError, UsageError
from diodeq.learning.experiment import stored
from diodeq.learning.recipe import Recipe
from diodeq.simulators import create
from diodeq.synthesis import Assembly, layered
from oracle import Oracle

DIODE = catalogue.get("1N4148")


def structure(circuit: Circuit) -> str:
    """SHA-256 of all of a circuit but its conductances, whose last bits are the processor's."""
    found = hashlib.sha256(repr((circuit.nodes, circuit.output_names, circuit.inputs.names, circuit.title)).encode())
    found.update(repr([model.name for model in circuit.models]).encode())
    for kind in KINDS:
        parts = circuit.bank(kind)
        found.update(repr((kind, len(parts), parts.names, parts.groups, str(parts.values.dtype))).encode())
        found.update(parts.terminals.astype("<i4").tobytes())
        if kind != "resistors":
            found.update(parts.values.astype("<f8").tobytes())
    for array in (circuit.inputs.source, circuit.inputs.column, circuit.inputs.gain, circuit.outputs, circuit.mask):
        found.update(repr(array.shape).encode() + array.astype("<f8").tobytes())
    return found.hexdigest()


# As they were before circuits were assembled from pieces.
LAYERED = {
    "plain": ((3, 4, 2), {}, "13b0aa495bdae2bd58da13ac50375acc12e00a8b52d3e1d4a21a5e78a25aba1e"),
    "least": ((1, 1, 1), {}, "d494d791c6ce966ff6e9776b1de3328d47931f2602a0d3b261e8ad985ef3d6af"),
    "deep and lateral": (
        (4, 5, 1, 3, 2),
        {"lateral": True, "seed": 3},
        "0718be506b66540d43f6f990d44034bc667ace7c46618d0f5d116c73d6a35b73",
    ),
    "pairs": (
        (2, 3, 2, 2),
        {"unit": "pair:2.5", "seed": [1, 2], "volts": 3.0},
        "c0a721c9c687c78fd15d7ade3872cedb9a312c66fe814f1858f26faff6170e1e",
    ),
    "clamps": (
        (2, 3, 2, 2),
        {"unit": "clamp:1.5", "temperature": 50.0, "title": "of clamps"},
        "fa1928b2cb00c9c47f0c1eed446626e7fdd3350e3eb83f2866e4f985fc05fc18",
    ),
    "zener pairs": (
        (5, 4, 3),
        {"unit": "zener-pair", "diode": catalogue.get("BZX84C3V3")},
        "586c62b58d506a18fadd7bebc20ca29656a1b0fdd963d22bd0cfc27cdc21f83e",
    ),
}


@pytest.mark.parametrize("name", LAYERED)
def test_layered_circuits_are_what_they_were(name):
    widths, more, digest = LAYERED[name]
    given = {"volts": 5.0, "seed": 0, "diode": DIODE, "median": 2e-5, "spread": 1.5, **more}
    technology = Technology(1e-6, 1e-3)
    circuit = layered(widths, given.pop("diode"), given.pop("volts"), technology=technology, **given)
    assert structure(circuit) == digest
    logarithms = np.random.default_rng(given["seed"]).standard_normal(len(circuit.resistors))
    wanted = technology.clip(np.exp(math.log(2e-5) + 1.5 * logarithms))
    assert np.array_equal(circuit.conductances, wanted)
    assert circuit.temperature == given.get("temperature", 27.0)
    assert circuit.models == (Unit.parse(given.get("unit", "diode")).kind.device(more.get("diode", DIODE)),)


# --- the builder ----------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    dual=some.booleans(),
    differential=some.booleans(),
    plain=some.integers(1, 6),
    seed=some.integers(0, 2**16),
)
def test_any_graph_is_the_one_asked_for(dual, differential, plain, seed):
    """Of resistors alone, so that the voltages are those of its Laplacian."""
    random = np.random.default_rng(seed)
    board = Assembly()
    rails, bias = board.inputs(["left", "right"], dual), board.bias(3.0)
    inner, ends = board.layer(plain, "n", unit=""), board.outputs(2, differential)
    free = np.concatenate([inner, ends])
    everything = np.concatenate([[0], rails, bias, free])
    pairs = np.array([random.choice(everything, 2, replace=False) for _ in range(random.integers(1, 12))])
    given = random.uniform(1e-6, 1e-3, len(pairs))
    board.wire(pairs, given, label="given", trainable=False)
    board.join(bias[0], free)
    circuit = board.circuit(seed=seed)
    assert circuit.resistors.terminals.tolist() == [*pairs.tolist(), *([bias[0], node] for node in free)]
    assert np.array_equal(circuit.conductances[: len(pairs)], given)
    assert circuit.mask.tolist() == [False] * len(pairs) + [True] * len(free)
    assert circuit.resistors.groups == (("given", len(pairs)), ("resistors", len(free)))
    names = [*("left_p", "left_n", "right_p", "right_n")] if dual else ["left", "right"]
    assert [circuit.nodes[node] for node in rails] == names
    drives = random.normal(size=(3, 2))
    held = {0: np.zeros(3), bias[0]: np.full(3, 3.0), bias[1]: np.full(3, -3.0)}
    for rail, node in enumerate(rails.tolist()):
        held[node] = drives[:, rail // 2] * (-1.0) ** rail if dual else drives[:, rail]
    laplacian = np.zeros((len(circuit.nodes), len(circuit.nodes)))
    for (a, b), siemens in zip(circuit.resistors.terminals.tolist(), circuit.conductances, strict=True):
        laplacian[[a, b], [a, b]] += siemens
        laplacian[[a, b], [b, a]] -= siemens
    volts = np.zeros((3, len(circuit.nodes)))
    for node, known in held.items():
        volts[:, node] = known
    volts[:, free] = -np.linalg.solve(laplacian[np.ix_(free, free)], laplacian[free] @ volts.T).T
    wanted = volts[:, ends[::2]] - volts[:, ends[1::2]] if differential else volts[:, ends]
    assert np.abs(Oracle().operate(circuit, drives).outputs - wanted).max() < 1e-9


def several() -> Circuit:
    """Two kinds of units with two parts, rails of one name at two levels, a skip, and nodes read where they are."""
    board = Assembly()
    bias, x = board.bias(4.0), board.inputs(2)
    a = board.layer(3, "a", unit="clamp:1")
    b = board.layer(2, "b", "clamp:2", "BAT54")
    c = board.layer(3)
    board.join(np.concatenate([x, bias]), a, label="x to a")
    board.join(a, b)
    board.join(x, b)
    board.wire(np.stack([a, c], axis=1))
    board.join([*b, *bias], c)
    board.read(c[:2], b)
    board.read(c[2], names=["last"])
    return board.circuit(median=1e-4, seed=7, title="several")


def test_units_of_several_kinds_and_rails_stand_side_by_side(ngspice):
    circuit = several()
    assert [model.name for model in circuit.models] == ["1N4148", "BAT54"]
    levels = dict(zip(circuit.nodes, Oracle().operate(circuit, [[0.0, 0.0]]).node_voltages[0], strict=True))
    rails = {"high": 1.0, "low": -1.0, "high_2": 2.0, "low_2": -2.0}
    assert {name: levels[name] for name in rails} == pytest.approx(rails)
    hung = [tuple(circuit.nodes[node] for node in ends) for ends in circuit.diodes.terminals.tolist()]
    assert hung[:2] == [("a_0", "high"), ("low", "a_0")]
    assert hung[6:8] == [("b_0", "high_2"), ("low_2", "b_0")]
    assert hung[10:] == [("0", "h3_0"), ("h3_1", "0"), ("0", "h3_2")]
    assert circuit.diodes.values.tolist() == [0] * 6 + [1] * 4 + [0] * 3
    assert circuit.diodes.groups == (("a", 6), ("b", 4), ("hidden 3", 3))
    assert circuit.output_names == ("y0", "y1", "last")
    drives = np.random.default_rng(0).normal(size=(6, 2)) * 4.0
    with create("wave") as wave:
        assert np.abs(wave.operate(circuit, drives).outputs - ngspice.operate(circuit, drives).outputs).max() < 1e-8


def test_a_board_can_be_built_more_than_once():
    board = Assembly()
    x, h, y = board.inputs(1), board.layer(2), board.outputs(1, differential=False)
    board.join(x, h)
    board.join(h, y)
    first, second, again = (board.circuit(seed=seed) for seed in (0, 1, 0))
    assert np.array_equal(first.conductances, again.conductances)
    assert not np.array_equal(first.conductances, second.conductances)
    assert first.same_topology(second)


@pytest.mark.parametrize(
    ("build", "kind", "words"),
    [
        (lambda board: board.inputs(0), UsageError, "0 input units"),
        (lambda board: board.layer(2.5), UsageError, "2.5 hidden units"),
        (lambda board: board.layer(2, unit="pear"), UsageError, "no unit 'pear'"),
        (lambda board: board.layer(2, diode="1N0000"), DiodeqError, "1N0000"),
        (lambda board: board.bias(-1.0), UsageError, "volts = -1"),
        (lambda board: board.join(0, 1), UsageError, "node 1 does not exist"),
        (lambda board: board.wire([(0, -1)]), UsageError, "node -1 does not exist"),
        (lambda board: board.wire([(0.5, 0)]), DiodeqError, "the nodes cannot hold 0.5"),
        (lambda board: board.wire([(0, 0)], 0.0), UsageError, "not positive"),
        (lambda board: board.wire([(0, 0)], np.nan), UsageError, "not positive"),
        (lambda board: board.wire([(0, 0)], [1.0, 2.0]), UsageError, "2 conductances do not fit 1 pair"),
        (lambda board: board.wire([(0, 0)]), CircuitError, "both ends"),
        (lambda board: board.layer(1), CircuitError, "floating_0 has no path to ground"),
        (lambda board: board.inputs(["a", "a"]), InputError, "2 inputs are called 'a'"),
        *(
            (lambda board, wrong=wrong: board.inputs(wrong), DiodeqError, words)
            for wrong, words in (
                (np.nan, "cannot have nan input units"),
                (1e12, "from 1 to 10,000,000"),
                (None, "the number of input units cannot hold objects"),
                ([1, 2], "the name of an input cannot be 1; give a text"),
                (np.ones(2), "cannot be 2 numbers; give one number"),
                ({}, "cannot hold objects"),
            )
        ),
        (lambda board: board.bias("5"), InputError, "the volts cannot hold values of type"),
        (lambda board: board.bias([1.0, 2.0]), InputError, "the volts cannot be 2 numbers"),
        (lambda board: board.layer(1, unit=3), InputError, "the unit cannot be 3"),
        (lambda board: board.layer(1, diode=3), InputError, "the diode cannot be 3"),
        (lambda board: board.wire([1, 2, 3]), DiodeqError, "node 3 does not exist"),
        (lambda board: board.wire([0, 0, 0]), InputError, "two nodes for each"),
        (lambda board: board.wire([(0, 0)], label=3), InputError, "the label cannot be 3"),
        (lambda board: board.wire([(0, 0)], trainable="yes"), InputError, "trainable"),
        (lambda board: board.outputs(["a", "a"]), InputError, "2 outputs are called 'a'"),
        (lambda board: (board.outputs("y1"), board.outputs(1)), InputError, "2 outputs are called 'y1'"),
        (lambda board: board.read([0], names=[5]), InputError, "the name of an output cannot be 5"),
        (lambda board: board.read([0], names=["a", "b"]), UsageError, "2 names do not fit 1 output"),
        (lambda board: board.read([0, 0, 0], [0, 0]), UsageError, "do not fit"),
        (lambda board: board.circuit(median="1"), InputError, "the median cannot hold values of type"),
        (lambda board: board.circuit(spread=1e9), UsageError, r"spread = 1e\+09 is not possible; give from 0 to 100"),
        (lambda board: board.circuit(spread=None), InputError, "the spread"),
        *(
            (lambda board, wrong=wrong: board.circuit(seed=wrong), InputError, "the seed cannot be")
            for wrong in (-1, None, 1.5, "a", [1, -1])
        ),
        (lambda board: board.circuit(technology="x"), InputError, "the technology cannot be 'x'"),
        (lambda board: board.circuit(title=3), InputError, "the title cannot be 3"),
        (lambda board: board.circuit(temperature="hot"), InputError, "the temperature cannot hold"),
        (lambda board: layered((2, 2, 2), DIODE, 5.0, seed=-1), InputError, "the seed cannot be -1"),
        (lambda board: board.inputs("A b"), CircuitError, "cannot be printed"),
    ],
)
def test_what_cannot_be_is_refused(build, kind, words):
    def made() -> None:
        board = Assembly()
        build(board)
        board.layer(1, "floating", unit="")
        board.circuit()

    with pytest.raises(kind, match=words):
        made()


# --- topologies -----------------------------------------------------------------------------------------------------


def joined(circuit: Circuit, group: str) -> dict[str, set[str]]:
    """By node of the second kind, the nodes that a group of resistors joins it to."""
    start, found = 0, {}
    for label, count in circuit.resistors.groups:
        if label == group:
            for first, second in circuit.resistors.terminals[start : start + count].tolist():
                assert circuit.nodes[first] not in found.setdefault(circuit.nodes[second], set())
                found[circuit.nodes[second]].add(circuit.nodes[first])
        start += count
    return found


@pytest.mark.parametrize(
    ("text", "image", "hidden"),
    [
        ("local:3x3", (5, 5), 9),
        ("local:3x3", (5, 5), 20),
        ("local:2x2:stride2", (6, 6), 13),
        ("local:5x5:stride3", (5, 5), 2),
        ("local:2x3:stride2:5x7", (5, 7), 6),
        ("local:1x1:4x2", (4, 2), 17),
    ],
)
def test_fields_are_joined_to_exactly_their_pixels(text, image, hidden):
    rows, columns = image
    circuit = layered((rows * columns, hidden, 4, 3), DIODE, 5.0, topology=text, seed=1)
    high, wide = map(int, text.split(":")[1].split("x"))
    stride = int(text.partition("stride")[2].partition(":")[0] or 1)
    windows = [
        {f"x{(top + i) * columns + left + j}_{sign}" for i in range(high) for j in range(wide) for sign in "pn"}
        for top in range(0, rows - high + 1, stride)
        for left in range(0, columns - wide + 1, stride)
    ]
    fields = joined(circuit, "inputs to hidden 1")
    places = [windows.index(fields[f"h1_{node}"]) for node in range(hidden)]
    assert places == sorted(places)
    counts = np.bincount(places, minlength=len(windows))
    assert counts.min() >= 1
    assert counts.max() - counts.min() <= 1
    # All else is as in a dense circuit.
    assert set(joined(circuit, "bias to hidden 1")) == set(fields)
    assert all(len(below) == hidden for below in joined(circuit, "hidden 1 to hidden 2").values())
    assert all(len(below) == 4 for below in joined(circuit, "hidden 2 to outputs").values())
    circuit.graph()


@pytest.mark.parametrize(("density", "each", "later"), [("0.1", 2, 1), ("1e-6", 1, 1), ("0.5", 10, 6), ("1", 20, 12)])
def test_a_random_share_is_of_every_node_and_of_the_seed(density, each, later):
    made = [layered((10, 12, 5, 3), DIODE, 5.0, topology=f"random:{density}", seed=seed) for seed in (4, 4, 5)]
    for group, count in (("inputs to hidden 1", each), ("hidden 1 to hidden 2", later), ("bias to hidden 1", 2)):
        assert {len(below) for below in joined(made[0], group).values()} == {count}
    assert joined(made[0], "hidden 2 to outputs") == joined(layered((10, 12, 5, 3), DIODE, 5.0), "hidden 2 to outputs")
    assert structure(made[0]) == structure(made[1])
    assert (structure(made[0]) == structure(made[2])) == (density == "1")
    if density == "1":
        assert structure(made[0]) == structure(layered((10, 12, 5, 3), DIODE, 5.0))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sparse", "no topology 'sparse'"),
        ("dense:3", "no topology 'dense:3'"),
        ("local", "no topology 'local'"),
        ("local:3", "no topology 'local:3'"),
        ("local:0x3", "no topology"),
        ("local:3x3:stride0", "stride0 is no stride"),
        ("local:3x3:4x4:stride2", "no topology"),
        ("random", "no topology"),
        ("random:x", "no topology"),
        ("random:0", "a density of 0 is not possible"),
        ("random:nan", "a density of nan"),
        ("random:1.5", "a density of 1.5"),
        ("local:3x3", "12 inputs are no square image"),
        ("local:3x3:4x4", "12 inputs are no image of 4x4"),
        ("local:4x4:3x4", "a field of 4x4 is larger than the image of 3x4"),
        ("local:2x2:3x4", "5 hidden nodes are too few for 6 positions"),
    ],
)
def test_topologies_that_cannot_be_are_refused(text, words):
    with pytest.raises(UsageError, match=words) as told:
        layered((12, 5, 2), DIODE, 5.0, topology=text)
    assert told.value.remedy


def test_train_takes_a_topology_and_keeps_it(tmp_path, capsys):
    words = ["train", "digits", "--simulator", "wave", "--epochs", "1", "--out"]
    run = tmp_path / "run"
    assert main([*words, str(run), "--topology", "local:3x3", "--hidden", "40"]) == 0
    assert stored(run).recipe.topology == "local:3x3"
    assert len(Circuit.load(run / "circuit.npz").resistors) == 40 * 18 + 40 * 2 + 20 * 42
    # Runs of before there were any are of dense circuits.
    document = {name: value for name, value in Recipe().to_json().items() if name != "topology"}
    assert Recipe.from_json(document) == Recipe()
    capsys.readouterr()
    for more, said in (
        (["--topology", "local:9x9"], "--topology: a field of 9x9 is larger than the image of 8x8; give a smaller one"),
        (["--topology", "random:0.1", "--from", str(run / "circuit.npz")], "--from brings a circuit with its own"),
    ):
        assert main([*words, str(tmp_path / "none"), *more]) == 2
        assert said in capsys.readouterr().err
        assert not (tmp_path / "none").exists()
