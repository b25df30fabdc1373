"""Decks: every dialect is compared with its golden file and run by every engine that can run it.

Golden files are written anew by ``DIODEQ_UPDATE_GOLDEN=1 pytest tests/test_netlist.py``; look at the difference then.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jinja2
import numpy as np
import pytest

import circuits
import diodeq
from asc import run_schematic
from decks import (
    CIRCUITS,
    SCHOTTKY,
    SILICON,
    assert_same,
    every_element,
    layered,
    parts,
    run_gnucap,
    run_neospice,
    run_ngspice,
    run_ngspice_as_ltspice,
    run_python,
    run_xyce_in_ngspice,
    truth,
)
from diodeq.circuit import Bank, Circuit, bank
from diodeq.devices import DiodeModel, catalogue
from diodeq.errors import CircuitError, InputError, UsageError
from diodeq.netlist.deck import Deck
from diodeq.netlist.dialects import DIALECTS, full_deck
from diodeq.netlist.linearized import linearized_deck
from diodeq.netlist.listing import circuit_digest, plain
from diodeq.netlist.templates import render

GOLDEN = Path(__file__).parent / "golden"

# dialect -> the engines that can run it and how far (volts) their answers may be off
RUNS = {
    "ngspice": {run_ngspice: 1e-9, run_gnucap: 1e-4, run_neospice: 1e-6},
    "ltspice": {run_ngspice_as_ltspice: 1e-9, run_gnucap: 1e-4, run_neospice: 1e-6},
    "ltspice-asc": {run_schematic: 1e-6},
    "xyce": {run_xyce_in_ngspice: 1e-9},
    "pyspice": {run_python: 1e-9},
}


def test_every_dialect_is_run() -> None:
    assert set(RUNS) == set(DIALECTS)


@pytest.mark.parametrize("name", CIRCUITS)
@pytest.mark.parametrize(
    ("dialect", "engine"), [(d, e) for d in RUNS for e in RUNS[d]], ids=lambda x: getattr(x, "__name__", x)
)
def test_deck_gives_the_right_voltages(name: str, dialect: str, engine, tmp_path: Path) -> None:
    build, drives = CIRCUITS[name]
    circuit = build()
    assert_same(
        engine(full_deck(circuit, dialect, drives).text, tmp_path), truth(circuit, drives), RUNS[dialect][engine]
    )


@pytest.mark.parametrize("volts", [1.0, -2.0])
@pytest.mark.parametrize("engine", [run_ngspice, run_ngspice_as_ltspice])
def test_every_diode_of_the_catalogue(volts: float, engine, tmp_path: Path) -> None:
    dialect = "ngspice" if engine is run_ngspice else "ltspice"
    assert_same(engine(full_deck(parts(), dialect, [volts]).text, tmp_path), truth(parts(), [volts]), 1e-9)


@pytest.mark.parametrize(("run", "volts"), [(run_ngspice, 1e-8), (run_gnucap, 1e-4), (run_neospice, 1e-6)])
@pytest.mark.parametrize("name", circuits.CIRCUITS)
def test_deck_agrees_with_the_engine_of_diodeq(name: str, run, volts: float, ngspice, tmp_path: Path) -> None:
    circuit, drives = circuits.CIRCUITS[name](), circuits.DRIVES[:1]
    settled = ngspice.operate(circuit, drives).node_voltages[0, 1:]
    wanted = dict(zip(circuit.nodes[1:], settled.tolist(), strict=True))
    assert_same(run(full_deck(circuit, "ngspice", drives).text, tmp_path), wanted, volts)


def test_plain_ngspice_prints_outputs_and_nodes_in_full(tmp_path: Path) -> None:
    (tmp_path / "deck.cir").write_text(full_deck(layered(), "ngspice", [0.7]).text)
    done = subprocess.run(["ngspice", "-b", "deck.cir"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    wanted = truth(layered(), [0.7])
    tables = re.findall(r"^Index +(.*?) *\n-+\n0\t(.*)$", done.stdout, re.MULTILINE)
    printed = {k: float(v) for heads, row in tables for k, v in zip(heads.split(), row.split(), strict=True)}
    assert printed["v(y_p)-v(y_n)"] == pytest.approx(wanted["y_p"] - wanted["y_n"], abs=1e-11)
    assert printed["v(y_p)"] == pytest.approx(wanted["y_p"], abs=1e-11)
    assert printed["-v(y_n)"] == pytest.approx(-wanted["y_n"], abs=1e-11)
    for node, volts in wanted.items():
        shown = re.search(rf"^\t{node} +(\S+)$", done.stdout, re.MULTILINE)
        assert shown, node
        assert float(shown.group(1)) == pytest.approx(volts, abs=1e-11)


# --- the laws, by hand --------------------------------------------------------------------------------------------


def solve(tmp_path: Path, **banks) -> dict[str, float]:
    nodes = ("0", *banks.pop("nodes"))
    circuit = Circuit(nodes, **{kind: bank(kind, rows) for kind, rows in banks.items()})
    return run_ngspice(full_deck(circuit).text, tmp_path)


def test_transformer_reflects_its_load(tmp_path: Path) -> None:
    # 500 ohm behind n = 2 look like 2000 ohm: 1 V divides into 1/3 and 2/3, and v2 = v1 / 2.
    volts = solve(
        tmp_path,
        nodes=("s", "a", "b"),
        voltage_sources=[(1, 0, 1.0)],
        resistors=[(1, 2, 1e-3), (3, 0, 2e-3)],
        transformers=[(2, 0, 3, 0, 2.0)],
    )
    assert volts["a"] == pytest.approx(2 / 3, abs=1e-9)
    assert volts["b"] == pytest.approx(1 / 3, abs=1e-9)


def test_gyrator_signs(tmp_path: Path) -> None:
    # i2 = -g v1 leaves through 300 ohm: v2 = 0.3 v1; 1 mA = v1 / 100 + g v2.
    volts = solve(
        tmp_path,
        nodes=("c", "d"),
        current_sources=[(0, 1, 1e-3)],
        resistors=[(1, 0, 1e-2), (2, 0, 1 / 300)],
        gyrators=[(1, 0, 2, 0, 1e-3)],
    )
    assert volts["c"] == pytest.approx(1e-3 / (1e-2 + 3e-4), abs=1e-9)
    assert volts["d"] == pytest.approx(0.3e-3 / (1e-2 + 3e-4), abs=1e-9)


def test_buffer_and_mirror_signs(tmp_path: Path) -> None:
    # The buffer gives 3 (0.5 - 0.2) = 0.9 V; 9 mA flow into the short, 4.5 mA into the mirror's output: -45 mV.
    volts = solve(
        tmp_path,
        nodes=("p", "n", "o", "m", "q"),
        voltage_sources=[(1, 0, 0.5), (2, 0, 0.2)],
        resistors=[(3, 4, 1e-2), (5, 0, 0.1)],
        buffers=[(3, 0, 1, 2, 3.0)],
        mirrors=[(5, 0, 4, 0, 0.5)],
    )
    assert volts["o"] == pytest.approx(0.9, abs=1e-9)
    assert volts["m"] == pytest.approx(0.0, abs=1e-12)
    assert volts["q"] == pytest.approx(-0.045, abs=1e-9)


# --- the text -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", CIRCUITS)
def test_golden(name: str, dialect: str) -> None:
    build, drives = CIRCUITS[name]
    text = full_deck(build(), dialect, drives).text.replace(f"diodeq {diodeq.__version__}", "diodeq VERSION")
    path = GOLDEN / f"{name}.{dialect}{DIALECTS[dialect].suffix}"
    if os.environ.get("DIODEQ_UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


def test_golden_linearized() -> None:
    volts = [0, 0.7, -0.7, 1, 0.375, -0.0625, 0.25, 0.125]
    deck = linearized_deck(layered(), volts, [0.25, 1 / 1024], [1.0, 0.0, -0.5])
    text = deck.text.replace(f"diodeq {diodeq.__version__}", "diodeq VERSION")
    path = GOLDEN / "layered.linearized.cir"
    if os.environ.get("DIODEQ_UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


def test_values_are_read_back() -> None:
    siemens = np.exp(np.random.default_rng(0).uniform(-16, -4, 500))
    circuit = Circuit(("0", "a"), resistors=Bank(np.tile([1, 0], (500, 1)), siemens), title="many")
    ohms = [float(line.split()[-1]) for line in full_deck(circuit).text.splitlines() if line.startswith("r")]
    assert np.all(np.abs(1 / np.array(ohms) - siemens) <= np.spacing(siemens))
    value = 0.1 + 0.2
    source = replace(circuit, voltage_sources=bank("voltage_sources", [(1, 0, value)]))
    assert re.search(r"^v1 a 0 (\S+)$", full_deck(source).text, re.MULTILINE).group(1) == "0.30000000000000004"


def test_undefined_values_are_errors() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render("ngspice.cir.j2", header=[], sections=[], models=[])


@pytest.mark.parametrize("dialect", DIALECTS)
def test_text_is_ascii_and_deck_is_data(dialect: str) -> None:
    deck = full_deck(replace(layered(), title="µ\n.include secret\x1b"), dialect)
    assert deck.text.isascii()
    assert not re.search(r"^\.include|\x1b", deck.text, re.MULTILINE)
    assert deck == Deck(deck.text, dialect)
    assert len(deck.digest) == 64


@pytest.mark.parametrize("name", CIRCUITS)
def test_ltspice_keeps_to_the_subset(name: str) -> None:
    build, drives = CIRCUITS[name]
    for line in full_deck(build(), "ltspice", drives).text.splitlines():
        assert not line.startswith("*#")
        first = line.split(" ")[0]
        assert line == "" or first in ("*", ".model", ".options", ".op", ".end") or re.fullmatch(r"[rdviefg]\w*", first)
        assert line.startswith("*") or re.fullmatch(r"[a-z0-9_ .=()+-]*", line), line


@pytest.mark.parametrize("dialect", ["ltspice", "ltspice-asc", "xyce"])
def test_refuses_a_parameter_the_program_does_not_know(dialect: str) -> None:
    circuit = replace(layered(), models=(DiodeModel("odd", {"is": 1e-9, "ikr": 0.1}), SCHOTTKY))
    assert "ikr" in full_deck(circuit, "ngspice").text
    with pytest.raises(InputError, match=r"IKR.*export to ngspice"):
        full_deck(circuit, dialect)


@pytest.mark.parametrize("dialect", ["ltspice", "ltspice-asc", "xyce"])
def test_every_diode_of_the_catalogue_is_known(dialect: str) -> None:
    assert full_deck(parts(), dialect).text.count(".model") == len(catalogue.names("diode"))


@pytest.mark.parametrize("dialect", ["ngspice", "ltspice", "ltspice-asc", "xyce"])
def test_defaults_that_differ_between_programs_are_written_out(dialect: str) -> None:
    model = DiodeModel("odd", {"is": 1e-9, "n": 1.5, "bv": 5.0, "isr": 1e-8})
    text = full_deck(replace(layered(), models=(model, SCHOTTKY)), dialect).text
    card = re.search(r"\.model dodd d\((.*)\)", text)
    assert card
    assert {"nr=1", "ibv=0.001", "nbv=1.5"} <= set(card[1].split())


def test_xyce_says_everything_in_its_own_words() -> None:
    text = full_deck(every_element(), "xyce", [0.2, 1e-4]).text
    assert re.findall(r"^\.\w+ ?\w*", text, re.MULTILINE) == [
        ".model d1n4148",
        ".options device",
        ".options nonlin",
        ".op",
        ".print dc",
        ".end",
    ]
    assert "\n+ v(a,b)\n" in text


def test_digest_follows_what_matters() -> None:
    circuit = layered()
    assert circuit_digest(circuit) == circuit_digest(replace(circuit, title="other"))
    assert circuit_digest(circuit) != circuit_digest(circuit.with_conductances(circuit.conductances * 2))
    assert circuit_digest(circuit) != circuit_digest(replace(circuit, temperature=28.0))


def test_plain_text() -> None:
    assert plain("a\n b\t– 3 µV, 2 Ω\x00") == "a b - 3 uV, 2 ohm?"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"nodes": ("0", "x0_p", "x0_n", "bias", "h1", "h2", "y_p", "y n\n.op")}, "y n"),
        ({"nodes": ("0", "x0_p", "x0_n", "bias", "h1", "h2", "y_p", "gnd")}, "gnd"),
        ({"diodes": bank("diodes", [(0, 4, 0), (5, 0, 1)], names=("d1", "x2"))}, "x2"),
        ({"models": (SILICON, replace(SCHOTTKY, name="1n4148"))}, "d1n4148"),
        ({"temperature": float("nan")}, "temperature"),
    ],
)
def test_impossible_names_and_values(change: dict, complaint: str) -> None:
    with pytest.raises(CircuitError, match=re.escape(complaint)):
        full_deck(replace(layered(), **change))


def test_names_that_clash_only_in_a_netlist() -> None:
    circuit = every_element()
    clash = replace(circuit, voltage_sources=bank("voltage_sources", [(1, 0, 0.5)], names=("v_t1",)))
    with pytest.raises(CircuitError, match="v_t1"):
        full_deck(clash)
    with pytest.raises(CircuitError, match="x_t1"):
        full_deck(replace(circuit, nodes=(*circuit.nodes[:-1], "x_t1")))


def test_wrong_drives_and_dialect() -> None:
    with pytest.raises(CircuitError, match="columns"):
        full_deck(layered(), drives=[1.0, 2.0])
    with pytest.raises(CircuitError, match="finite"):
        full_deck(layered(), drives=[float("inf")])
    with pytest.raises(UsageError, match="ngspice, ltspice"):
        full_deck(layered(), "hspice")


def test_a_million_resistors() -> None:
    script = """
import resource, numpy as np
from diodeq.circuit import Bank, Circuit
from diodeq.netlist.dialects import full_deck
ends = np.stack(np.divmod(np.arange(1_000_000), 1000), -1) + [1, 1001]
siemens = np.random.default_rng(0).uniform(1e-6, 1e-3, len(ends))
nodes = ("0", *(f"x{i}" for i in range(1000)), *(f"h{i}" for i in range(1000)))
sources = Bank(np.stack([np.arange(1, 1001), np.zeros(1000)], 1), np.ones(1000))
text = full_deck(Circuit(nodes, resistors=Bank(ends, siemens), voltage_sources=sources)).text
assert text.count("\\nr") == 1_000_000
assert f"\\nr1000000 x999 h999 {1 / siemens[-1]:.17g}\\n" in text
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1_000_000  # kB; the arrays alone are 16 MB, the text 37 MB


# --- PySpice ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CIRCUITS)
def test_to_pyspice_simulates_to_the_same_voltages(name: str, tmp_path: Path) -> None:
    circuit = CIRCUITS[name][0]()
    circuit.save(tmp_path / "circuit.npz")
    script = """
from diodeq.circuit import Circuit
solved = Circuit.load("circuit.npz").to_pyspice().simulator().operating_point()
for node, values in solved.nodes.items():
    print(f"v({node}) = {float(values[0])!r}")
"""
    wanted = run_ngspice(full_deck(circuit).text, tmp_path)
    assert_same(run_python(script, tmp_path), wanted, 1e-9)
    text = f"{circuit.to_pyspice()}\n.op\n.end\n"
    assert_same(run_ngspice(text, tmp_path), wanted, 1e-9)


@pytest.mark.parametrize("name", circuits.CIRCUITS)
def test_every_dialect_has_every_part(name: str, tmp_path: Path) -> None:
    circuit = circuits.CIRCUITS[name]()
    wanted = run_ngspice(full_deck(circuit).text, tmp_path)
    assert_same(run_ngspice(f"{circuit.to_pyspice()}\n.op\n.end\n", tmp_path), wanted, 1e-9)
    assert_same(run_ngspice_as_ltspice(full_deck(circuit, "ltspice").text, tmp_path), wanted, 1e-9)
    assert_same(run_xyce_in_ngspice(full_deck(circuit, "xyce").text, tmp_path), wanted, 1e-9)


def test_the_pyspice_script_runs_with_every_kind_of_part(tmp_path: Path) -> None:
    circuit = circuits.everything()
    drives = circuits.DRIVES[0]
    wanted = run_ngspice(full_deck(circuit, drives=drives).text, tmp_path)
    assert_same(run_python(full_deck(circuit, "pyspice", drives).text, tmp_path), wanted, 1e-9)
