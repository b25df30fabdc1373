"""What is proved of contrastive learning: a convex function where every node is held, less and less at every step."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from circuits import DRIVES, gyrator
from diodeq.circuit import Circuit, Inputs, bank
from diodeq.errors import InexactRuleWarning, InputError
from diodeq.learning.holding import Holding
from diodeq.learning.losses import squared_error
from diodeq.learning.rules import RULES
from diodeq.simulators import create

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
import guarantees
from guarantees import LEAST, MOST, drawn, task


@pytest.fixture(params=["wave", "ngspice"])
def engine(request):
    with create(request.param, 1) as found:
        yield found


@pytest.mark.parametrize("diodes", [False, True], ids=["resistors", "diodes"])
def test_held_at_every_node_it_is_convex_and_every_step_lowers_it(engine, diodes):
    holding, random = task(engine, 0, diodes, guarantees.FREE), np.random.default_rng(1)
    size = int(holding.circuit.mask.sum())
    assert holding.convex
    found = guarantees.Found("", True, 1, 2)
    guarantees.segments(holding, 2, random, found)
    assert found.violated == 0
    assert found.gradient_error < 1e-6
    # The tangent at one point is below the function at any other, and a parabola of the curvature is above it.
    bend = holding.curvature(LEAST)
    for _ in range(3):
        here, there = drawn(random, size), drawn(random, size)
        (value, slope), (other, _) = holding(here), holding(there)
        tangent = value + slope @ (there - here)
        assert tangent <= other * (1 + 1e-9) <= (tangent + 0.5 * bend * np.sum((there - here) ** 2)) * (1 + 2e-9)
    guarantees.descend(holding, 2, 8, random, found)
    assert found.steps == 16
    assert found.steps_up == 0


def test_from_any_start_it_reaches_the_same_value():
    random = np.random.default_rng(0)
    with create("wave") as wave:
        holding = task(wave, 1, False, guarantees.FREE)
        found = guarantees.Found("", True, 1, 0)
        guarantees.descend(holding, 2, 150, random, found)
    assert found.ends_apart <= found.gap < 0.3


@pytest.mark.parametrize("hidden", [True, False])
def test_two_resistors_in_series_with_a_hidden_node_between_are_not_convex(hidden):
    """Their conductance, g h / (g + h), is concave; above its best value what it costs rises with it."""
    ends = [(1, 2, 1e-3), (2, 3, 1e-3), (3, 0, 1e-3)]
    circuit = Circuit(
        nodes=("0", "in", "middle", "out"),
        resistors=bank("resistors", ends),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0)]),
        inputs=Inputs(np.array([0]), np.array([0]), np.ones(1), ("x",)),
        outputs=np.array([(3, 0)] if hidden else [(2, 0), (3, 0)], np.int32),
        trainable=np.ones(3, bool),
    )
    targets = np.array([[0.1]] if hidden else [[0.5, 0.1]])
    with create("wave") as wave:
        holding = Holding(wave, circuit, np.ones((1, 1)), targets)
        ends_of = np.array([[4e-3, 1e-3, 1e-3], [1e-3, 4e-3, 1e-3]])
        first, last = (holding(each)[0] for each in ends_of)
        assert holding.convex is not hidden
        assert (holding(ends_of.mean(axis=0))[0] > (first + last) / 2) is hidden


def test_the_rule_takes_its_step():
    with create("wave") as wave:
        holding = task(wave, 3, True, 2)
        loss = squared_error(holding.targets)
        with pytest.warns(InexactRuleWarning):
            step = RULES["contrastive"](wave, holding.circuit, holding.drives, loss).conductances
        slope = holding(holding.circuit.conductances)[1]
    assert np.allclose(step / np.linalg.norm(step), slope / np.linalg.norm(slope), atol=1e-7)


def test_the_least_conductance_bounds_the_projection(monkeypatch):
    """A step that would leave the range ends on it."""
    with create("wave") as wave:
        holding = task(wave, 0, False, 2)
        seen = []
        monkeypatch.setattr(Holding, "curvature", lambda self, least: 1e-3)
        monkeypatch.setattr(guarantees, "STEP", 1.0)
        original = Holding.__call__
        monkeypatch.setattr(Holding, "__call__", lambda self, g: (seen.append(np.array(g)), original(self, g))[1])
        guarantees.descend(holding, 1, 2, np.random.default_rng(0), guarantees.Found("", False, 1, 0))
    assert np.min(seen) == LEAST
    assert np.max(seen) == MOST


def test_what_has_no_co_content_is_refused():
    with create("wave") as wave:
        with pytest.raises(InputError, match="co-content"):
            Holding(wave, gyrator(), DRIVES, np.zeros((4, 2)))
        with pytest.raises(InputError, match="shape"):
            Holding(wave, guarantees.network(0, False, 2), DRIVES, np.zeros((4, 3)))


def test_the_script_prints_one_document(monkeypatch, capsys):
    words = "--circuits 1 --segments 2 --starts 2 --steps 3 --json"
    monkeypatch.setattr(sys, "argv", ["guarantees", *words.split()])
    guarantees.main()
    settings = json.loads(capsys.readouterr().out)["settings"]
    assert [each["convex"] for each in settings] == [True, False, True, False]
    assert all(each["steps"] == 6 and each["steps_up"] == 0 for each in settings)
