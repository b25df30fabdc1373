"""What the netlist tests share: two circuits, and every program at hand that can run a deck."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from diodeq.circuit import Bank, Circuit, Inputs, bank
from diodeq.devices import DiodeModel, catalogue
from oracle import Oracle

# Written out here, so that a better parameter in the catalogue changes no golden file.
SILICON = DiodeModel("1N4148", {"is": 2.52e-9, "rs": 0.568, "n": 1.752, "cjo": 4e-12, "m": 0.4, "tt": 2e-8}, "onsemi")
SCHOTTKY = DiodeModel("BAT54", {"is": 1e-7, "rs": 2.2, "eg": 0.69, "xti": 2.0}, "Vishay – 27 °C")


def layered() -> Circuit:
    """One dual-rail input and a bias, two hidden nodes, a differential and two single outputs."""
    siemens = [1e-4, 2.5e-5, 1 / 3e4, 7e-6, 1.1e-4, 3e-5, 1e-4, 2e-5, 3e-5, 1e-4, 5e-5]
    ends = [(1, 4), (2, 4), (3, 4), (1, 5), (2, 5), (3, 5), (4, 6), (5, 6), (4, 7), (5, 7), (6, 0)]
    groups = (("inputs to hidden 1", 6), ("hidden 1 to outputs", 4), ("loads", 1))
    return Circuit(
        ("0", "x0_p", "x0_n", "bias", "h1", "h2", "y_p", "y_n"),
        resistors=Bank(np.array(ends), np.array(siemens), (), groups),
        diodes=bank("diodes", [(0, 4, 0), (5, 0, 1)]),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0), (2, 0, 0.0), (3, 0, 1.0)]),
        models=(SILICON, SCHOTTKY, SILICON),
        inputs=Inputs([0, 1], [0, 0], [1, -1], ("x0",)),
        outputs=[[6, 7], [6, 0], [0, 7]],
        output_names=("class a", "y1", "y2"),
        title="layered – 1 input",
    )


def every_element() -> Circuit:
    """Each kind of element once or more, coupled, at 50 °C."""
    ends = [(1, 2, 1e-3), (3, 0, 2e-3), (4, 0, 1e-2), (5, 0, 1 / 300), (6, 7, 1e-2), (8, 0, 0.1), (2, 4, 1e-4)]
    return Circuit(
        ("0", "vcc", "a", "b", "c", "d", "o", "m", "q"),
        resistors=bank("resistors", ends),
        diodes=bank("diodes", [(4, 0, 0)], names=("d_clamp",)),
        models=(SILICON,),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.5)], names=("vin",)),
        current_sources=bank("current_sources", [(0, 4, 1e-3)]),
        transformers=bank("transformers", [(2, 0, 3, 0, 2.0)]),
        gyrators=bank("gyrators", [(4, 0, 5, 0, 1e-3)]),
        buffers=bank("buffers", [(6, 0, 4, 5, 1.5)]),
        mirrors=bank("mirrors", [(8, 0, 7, 0, 0.5)]),
        inputs=Inputs([0, 1], [0, 1], [1.0, 2.0], ("u", "j")),
        outputs=[[8, 0], [2, 3]],
        title="every element",
        temperature=50.0,
    )


def parts() -> Circuit:
    """Every diode of the catalogue behind its own resistor."""
    models = tuple(catalogue.get(name) for name in catalogue.names("diode"))
    count = len(models)
    return Circuit(
        ("0", "supply", *(f"k{i}" for i in range(count))),
        resistors=bank("resistors", [(1, 2 + i, 1e-4) for i in range(count)]),
        diodes=bank("diodes", [(2 + i, 0, i) for i in range(count)]),
        models=models,
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0)]),
        inputs=Inputs([0], [0], [1.0], ("u",)),
        outputs=[[2, 0]],
        title="the catalogue",
    )


CIRCUITS = {"layered": (layered, [0.7]), "every_element": (every_element, [0.2, 1e-4])}


def _ngspice(text: str, folder: Path, *flags: str) -> dict[str, float]:
    (folder / "deck.cir").write_text(text)
    command = ["ngspice", "-b", *flags, "-r", "deck.raw", "deck.cir"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert not re.search(r"error|singular|aborted", done.stdout + done.stderr, re.IGNORECASE), done.stdout + done.stderr
    head, _, data = (folder / "deck.raw").read_bytes().partition(b"Binary:\n")
    names = re.findall(r"^\t\d+\t(\S+)\tvoltage", head.decode(), re.MULTILINE)
    values = np.frombuffer(data)
    return {re.sub(r"v\((.*)\)", r"\1", name): float(value) for name, value in zip(names, values, strict=False)}


def run_ngspice(text: str, folder: Path) -> dict[str, float]:
    return _ngspice(text, folder)


def run_ngspice_as_ltspice(text: str, folder: Path) -> dict[str, float]:
    return _ngspice(text, folder, "-D", "ngbehavior=ltpsa")


def run_xyce_in_ngspice(text: str, folder: Path) -> dict[str, float]:
    """A Xyce deck's parts and models in ngspice; what only Xyce understands is put in ngspice's words."""
    temperature = re.search(r"^\.options device temp=(\S+) tnom=27 gmin=1e-12$", text, re.MULTILINE)
    assert temperature
    text = re.sub(r"^\.options nonlin .*\n|^\.print .*\n(\+.*\n)*", "", text, flags=re.MULTILINE)
    ours = f".options reltol=1e-9 vntol=1e-12 abstol=1e-18 gmin=1e-12 temp={temperature[1]}"
    return _ngspice(text.replace(temperature[0], ours), folder)


def run_gnucap(text: str, folder: Path) -> dict[str, float]:
    """At the deck's own reltol of 1e-9, or where gnucap gives up there (a cascade of transformers) at 1e-8.

    Coarser ones are not to be trusted: gnucap may stop where a cascade still is volts away from its solution.
    """
    if shutil.which("gnucap") is None:
        pytest.skip("gnucap is not installed")
    nodes = _nodes(text)
    # gnucap prints only what was asked for before the analysis, and knows no v(a,b).
    cards = [line for line in text.splitlines() if line.split(" ")[0] not in (".print", ".op", ".end")]
    wanted = " ".join(f"v({node})" for node in nodes)
    for coarser in ("", "reltol=1e-8 itl1=2000"):
        asked = [*cards, f".options numdgt=10 {coarser}", f".print op {wanted}", ".op", ".end"]
        (folder / "deck.ckt").write_text("\n".join(asked) + "\n")
        done = subprocess.run(["gnucap", "-b", "deck.ckt"], cwd=folder, capture_output=True, text=True, timeout=300)
        if "did not converge" not in done.stdout:
            break
    table = done.stdout.splitlines()
    values = table[next(k for k, line in enumerate(table) if line.startswith("#")) + 1].split()[1:]
    scale = {"m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}
    numbers = [float(value.rstrip("munpf")) * scale.get(value[-1], 1) for value in values]
    return dict(zip(nodes, numbers, strict=True))


def run_neospice(text: str, folder: Path) -> dict[str, float]:
    engine = pytest.importorskip("neospice")
    solved = engine.dc(text)
    return {node: solved.voltage(node) for node in _nodes(text)}


def run_python(text: str, folder: Path) -> dict[str, float]:
    (folder / "deck.py").write_text(text)
    done = subprocess.run([sys.executable, "deck.py"], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return {node: float(volts) for node, volts in re.findall(r"^v\((\w+)\) = (\S+)$", done.stdout, re.MULTILINE)}


def _nodes(text: str) -> list[str]:
    """The nodes of a deck, those inside its subcircuits left out."""
    nodes: dict[str, None] = {}
    for line in re.sub(r"^\.subckt .*?^\.ends", "", text, flags=re.MULTILINE | re.DOTALL).splitlines():
        words = line.split()
        if words and words[0][0] in "rdvifeg":
            nodes.update(dict.fromkeys(words[1 : 5 if words[0][0] in "eg" else 3]))
    return [node for node in nodes if node != "0"]


def truth(circuit: Circuit, drives: list[float]) -> dict[str, float]:
    solved = Oracle().operate(circuit, np.array([drives])).node_voltages[0]
    return dict(zip(circuit.nodes[1:], solved[1:].tolist(), strict=True))


def assert_same(found: dict[str, float], wanted: dict[str, float], volts: float) -> None:
    for node, value in wanted.items():
        assert found[node] == pytest.approx(value, abs=volts, rel=0), node
