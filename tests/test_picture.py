"""Pictures of circuits: everything is in them, they follow the page's colours, and no circuit breaks them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

import circuits
from diodeq.circuit import Bank, Circuit, bank
from diodeq.circuit.graph import idle
from diodeq.circuit.schematic import svg
from diodeq.circuit.schematic.layers import layers
from diodeq.circuit.schematic.pen import NODE, si
from diodeq.cli.export import export
from diodeq.devices import catalogue
from diodeq.errors import CircuitError
from diodeq.synthesis.layered import layered

DIODE = catalogue.get("1N4148")
SPACE = "{http://www.w3.org/2000/svg}"

CIRCUITS = {
    **circuits.CIRCUITS,
    "three hidden": lambda: layered((2, 4, 3, 3, 2), DIODE, 5.0),
    "one diode": lambda: Circuit(
        ("0", "in", "out"),
        resistors=bank("resistors", [(1, 2, 1e-3)]),
        diodes=bank("diodes", [(2, 0, 0)]),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.7)]),
        models=(DIODE,),
        outputs=[[2, 0]],
    ),
    "no resistors": lambda: Circuit(("0", "a"), voltage_sources=bank("voltage_sources", [(1, 0, 1.0)])),
}


def texts(picture: str) -> Counter[str]:
    found = (element for element in ElementTree.fromstring(picture).iter(f"{SPACE}text"))
    return Counter("".join(element.itertext()).strip() for element in found)


def zigzags(picture: str) -> list[tuple[complex, complex]]:
    """Where each resistor's zigzag begins and ends: the only lines with more than six corners."""
    return [(points[0], points[-1]) for points in strokes(picture) if len(points) > 6]


def strokes(picture: str) -> list[list[complex]]:
    """The corners of every unbroken line, x + iy."""
    paths = (path.get("d", "") for path in ElementTree.fromstring(picture).iter(f"{SPACE}path"))
    return [
        [complex(float(x), float(y)) for x, y in re.findall(r"(-?[\d.e-]+),(-?[\d.e-]+)", path)]
        for path in paths
        if path.count("M") == 1
    ]


@pytest.mark.parametrize("name", CIRCUITS)
def test_every_part_and_node_is_in_it(name: str) -> None:
    circuit = CIRCUITS[name]()
    picture = svg(circuit)
    said = texts(picture)
    assert len(zigzags(picture)) == len(circuit.resistors)

    # Parts of no layer have their names before what they are.
    def shown(what: str) -> int:
        return sum(count for text, count in said.items() if text == what or text.endswith(f" {what}"))

    for value, count in Counter(si(1 / g) for g in circuit.conductances).items():
        assert shown(value) >= count
    # But sources that nothing uses, which nobody has to buy.
    unused = set(circuit.voltage_sources.terminals[idle(circuit, "voltage_sources"), 0].tolist())
    assert all(said[node] for k, node in enumerate(circuit.nodes) if k and k not in unused)
    assert shown("1N4148") == len(circuit.diodes)
    for kind in ("transformers", "gyrators", "buffers", "mirrors"):
        singular = kind[:-1]
        assert all(said[f"{singular} {part}"] == 1 for part in circuit.part_names(kind))
    assert sum(said[f"y{k}"] + said[f"y{k} +"] for k in range(len(circuit.outputs))) >= len(circuit.outputs)


def test_parts_have_the_names_that_netlists_give_them() -> None:
    drawn = Circuit(
        ("0", "in", "out"),
        resistors=Bank([(1, 2), (2, 0)], [1e-3, 5e-4], ("r_series", "r_load")),
        diodes=Bank([(2, 0)], [0], ("d_clamp",)),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.7)]),
        models=(DIODE,),
        outputs=[[2, 0]],
    )
    said = texts(svg(drawn))
    for text in ("r_series", si(1e3), "r_load", si(2e3), "d_clamp 1N4148"):
        assert said[text] == 1, said
    made = layered((2, 3, 2), DIODE, 5.0)
    assert {f"r{k + 1}" for k in range(len(made.resistors))} <= texts(svg(made)).keys()


def lines(picture: str, horizontal: bool) -> list[tuple[float, float, float]]:
    """The lines of nodes in one direction, joined where they run on: (place across, from, to)."""
    pieces: list[tuple[float, float, float]] = []
    for path in ElementTree.fromstring(picture).iter(f"{SPACE}path"):
        if NODE in path.get("style", ""):
            begin, *_, end = strokes(f'<svg xmlns="http://www.w3.org/2000/svg"><path d="{path.get("d")}"/></svg>')[0]
            if not horizontal:
                begin, end = (complex(z.imag, z.real) for z in (begin, end))
            if abs(begin.imag - end.imag) < 0.1:
                pieces.append((round(begin.imag), *sorted((begin.real, end.real))))
    joined: list[tuple[float, float, float]] = []
    for across, begin, end in sorted(pieces):
        if joined and joined[-1][0] == across and begin <= joined[-1][2] + 0.1:
            across, begin, end = across, joined[-1][1], max(end, joined.pop()[2])
        joined.append((across, begin, end))
    return joined


@pytest.mark.parametrize("name", ["layered", "lateral", "three hidden", "buffered"])
def test_a_resistor_joins_the_lines_of_its_nodes(name: str) -> None:
    """Follow each end of a crossing's resistor along its line to the name at the line's beginning."""
    circuit = CIRCUITS[name]()
    picture = svg(circuit)
    names = [
        (complex(float(text.get("x", 0)), float(text.get("y", 0))), "".join(text.itertext()).strip())
        for text in ElementTree.fromstring(picture).iter(f"{SPACE}text")
    ]
    names = [(at, said) for at, said in names if said in circuit.nodes]

    def name_of(line: tuple[float, float, float], horizontal: bool) -> str:
        begin = complex(line[1], line[0]) if horizontal else complex(line[0], line[1])
        return min(names, key=lambda named: abs(named[0] - begin))[1]

    down, across = lines(picture, horizontal=False), lines(picture, horizontal=True)
    found: Counter[frozenset[str]] = Counter()
    for begin, end in zigzags(picture):
        if abs(begin.real - end.real) < 0.1:
            continue  # within a layer, or to ground
        (column,) = (it for it in down if abs(it[0] - begin.real) < 1 and it[1] - 1 < begin.imag < it[2] + 1)
        (row,) = (it for it in across if abs(it[0] - end.imag) < 1 and it[1] - 1 < end.real < it[2] + 1)
        found[frozenset((name_of(column, False), name_of(row, True)))] += 1
    wanted = Counter(
        frozenset(circuit.nodes[node] for node in layer.ends[k])
        for layer in layers(circuit)
        for k in layer.crossings.tolist()
    )
    assert found == wanted


@pytest.mark.parametrize("build", [circuits.plain, lambda: layered((64, 32, 10), DIODE, 5.0)])
def test_it_follows_the_page(build) -> None:
    picture = svg(build())
    assert "currentColor" in picture
    assert "prefers-color-scheme: dark" in picture
    assert not re.search(r"fill:\s*(white|#fff)|stroke:\s*(black|#000)", picture)
    assert "<script" not in picture
    assert picture == svg(build()), "the same circuit gives the same bytes"


def test_layers_of_a_layered_circuit() -> None:
    circuit = layered((3, 5, 4, 2), DIODE, 4.0, lateral=True)
    first, second, third = layers(circuit)
    names = [[circuit.nodes[node] for node in layer.nodes] for layer in (first, second, third)]
    assert names == [[f"h1_{k}" for k in range(5)], [f"h2_{k}" for k in range(4)], ["y0_p", "y0_n", "y1_p", "y1_n"]]
    assert [len(layer.within) for layer in (first, second, third)] == [10, 6, 0]
    assert [len(layer.crossings) for layer in (first, second, third)] == [5 * 8, 4 * 7, 4 * 6]


def test_large_circuits_are_heat_maps() -> None:
    picture = svg(layered((64, 32, 10), DIODE, 5.0))
    said = texts(picture)
    assert said["from bias_p … x63_n"] == said["to h1_0 … h1_31"] == said["conductance (S)"] == 1
    assert picture.count("<image") >= 2
    assert not zigzags(picture)


def test_too_large_is_said() -> None:
    count = 20_000
    ends = np.stack([np.arange(1, count), np.arange(2, count + 1)], axis=1)
    circuit = Circuit(("0", *(f"n{k}" for k in range(count))), resistors=Bank(ends, np.ones(count - 1)))
    with pytest.raises(CircuitError, match="export it as a netlist"):
        svg(circuit)


def test_drives_and_titles() -> None:
    circuit = replace(circuits.plain(), title="a $x^2 <b> & \x1b[0m\nc")
    said = texts(svg(circuit, [1.5, 0.0, -2e-3]))
    assert said["1.5 V"] == said["−1.5 V"] == said["2 mV"] == said["−2 mV"] == 1
    assert said["a  x^2 <b> &  [0m c"] == 1
    assert texts(svg(circuit))["−x1"] == 1
    ElementTree.fromstring(svg(replace(layered((64, 32, 10), DIODE, 5.0), title=circuit.title)))


def test_numbers() -> None:
    assert [si(v) for v in (1e3, 999.6, 4.7e6, 0.0, 1e-16, 2.2e13)] == ["1 k", "1e+03", "4.7 M", "0", "0.1 f", "22 T"]


def test_in_a_notebook() -> None:
    assert circuits.plain()._repr_svg_() == svg(circuits.plain())


def test_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    circuits.plain().save("c.npz")
    done = CliRunner().invoke(export, ["c.npz", "--to", "svg", "-o", "c.svg"])
    assert done.exit_code == 0, done.output
    assert Path("c.svg").read_text() == svg(circuits.plain())
    refused = CliRunner().invoke(export, ["c.npz", "--to", "svg", "-o", "d.svg", "--linearized-at", "x.csv"])
    assert "--linearized-at has no meaning with --to svg" in str(refused.exception)
    assert not Path("d.svg").exists()
