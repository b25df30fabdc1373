"""Notebooks: what objects show of themselves, and the tutorial runs and says what it says it does.

``jupyter nbconvert --to notebook --execute --inplace scripts/tutorial.ipynb`` writes the tutorial's outputs anew.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from diodeq.circuit import Circuit
from diodeq.devices import catalogue
from diodeq.learning.metrics import Metrics
from diodeq.learning.run_folder import opened
from diodeq.network import Network, Stage
from diodeq.simulators.selftest import one_diode
from diodeq.synthesis.layered import layered

TUTORIAL = Path(__file__).parent.parent / "scripts" / "tutorial.ipynb"


def well_formed(html: str) -> str:
    """The text of an HTML fragment, which must be well-formed with every tag closed but ``<img>``."""
    closed = re.sub(r"(<img [^>]*)>", r"\1/>", html)
    return " ".join(" ".join(ElementTree.fromstring(closed).itertext()).split())


def test_a_small_circuit_shows_its_parts_and_its_schematic():
    html = one_diode()._repr_html_()
    text = well_formed(html)
    assert "<svg" in html
    for wanted in ("one diode", "1N4148", "0.001 … 0.001 (conductance in siemens)", "inputs", "x"):
        assert wanted in text, wanted
    assert repr(one_diode()) == "<Circuit 'one diode': 3 nodes, 1 resistor, 1 diode>"


def test_a_large_circuit_shows_a_short_summary():
    circuit = layered((400, 100, 10), catalogue.get("1N4148"), volts=5.0)
    html = circuit._repr_html_()
    assert len(html) < 5000
    assert "x0, x1, … x399" in well_formed(html)
    assert "82,400" not in html
    assert f"{len(circuit.resistors):,}" in html


def test_names_are_escaped():
    circuit = replace(one_diode(), title="<script>alert(1)</script>", notes=("<b>bold</b>",))
    assert "<script" not in circuit._repr_html_()
    assert "<b>" not in circuit._repr_html_()


def test_a_network_shows_its_stages_and_what_is_certain():
    lost = Stage(W=np.array([[2.0]]), U=np.ones((1, 2)), b=np.zeros(1))
    text = well_formed(Network((lost, Stage(U=np.ones((3, 1)), b=np.zeros(3))))._repr_html_())
    assert "network 2-1-3" in text
    assert "not guaranteed" in text
    assert "yes, for every input" in text
    assert "equilibrium" in text


def test_a_run_under_way_shows_how_far_it_is(tmp_path):
    with opened(tmp_path / "run") as folder:
        assert "0 epochs so far" in well_formed(folder._repr_html_())
        folder.append(Metrics(1, 0.5, 0.8, 0.75, 100.0, 1.0))
        text = well_formed(folder._repr_html_())
        assert "1 epoch so far" in text
        assert "75.00 % right" in text


@pytest.fixture(scope="module")
def cells():
    return [cell for cell in json.loads(TUTORIAL.read_text())["cells"] if cell["cell_type"] == "code"]


def test_the_tutorial_says_what_it_said(cells, ngspice):
    """Every cell runs, prints what is stored in the file, and its last expression shows itself again."""
    assert TUTORIAL.stat().st_size < 500_000
    assert len(cells) >= 9
    scope: dict = {}
    for cell in cells:
        said, value = run("".join(cell["source"]), scope)
        stored = "".join("".join(each["text"]) for each in cell["outputs"] if each["output_type"] == "stream")
        same_words(said, stored)
        shown = [each["data"] for each in cell["outputs"] if each["output_type"] == "execute_result"]
        assert (value is not None) == bool(shown)
        if shown:
            same_words(well_formed(value._repr_html_()), well_formed("".join(shown[0]["text/html"])))
    assert isinstance(scope["compiled"], Circuit)


def run(source, scope):
    """(what a cell prints, the value of its last expression), as a notebook runs it."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(tree, TUTORIAL.name, "exec"), scope)
        value = eval(compile(ast.Expression(last.value), TUTORIAL.name, "eval"), scope) if last else None
    return out.getvalue(), value


def same_words(ours, theirs):
    """Equal but for digests, times, versions, and the last digits of numbers that other machines round otherwise."""
    varying = r"sha256 \w+|ngspice-\S+( [\d.]+ s)?|diodeq \d\S+|[][,]"
    said, stored = (re.sub(varying, " ", text).split() for text in (ours, theirs))
    assert len(said) == len(stored), (ours, theirs)
    for one, other in zip(said, stored, strict=True):
        try:
            assert float(one) == pytest.approx(float(other), rel=0.05, abs=2e-3)
        except ValueError:
            assert one == other
