"""Schematics for LTspice: read back by spicelib and by a reader of our own, and run as the netlist they stand for."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

import asc
import circuits
import decks
from diodeq.circuit import Bank, Circuit, bank
from diodeq.circuit.primitives import lower
from diodeq.devices import catalogue
from diodeq.netlist.dialects import full_deck
from diodeq.synthesis.layered import layered

CIRCUITS = {
    **{name: (build, circuits.DRIVES[0]) for name, build in circuits.CIRCUITS.items()},
    **{f"small_{name}": (build, drives) for name, (build, drives) in decks.CIRCUITS.items()},
    "parts": (decks.parts, [1.0]),
}


def schematic(name: str) -> str:
    build, drives = CIRCUITS[name]
    return full_deck(build(), "ltspice-asc", drives).text


def expected(circuit: Circuit, drives) -> dict[str, tuple[list[str], str]]:
    """Part name -> its nets and its value, from the circuit itself."""
    wanted = {}
    for run in lower(circuit, drives):
        for name, fields, value in run.primitives:
            own = fields[: 4 if name[0] in "eg" else 2]
            said = " ".join([*fields[len(own) :], *([] if value is None else [f"{value:.9g}"])])
            wanted[name] = (list(own), said)
    return wanted


@pytest.mark.parametrize("name", CIRCUITS)
def test_every_part_is_there_between_its_nets(name: str) -> None:
    build, drives = CIRCUITS[name]
    found = asc.read(schematic(name))
    got = {part.name.lower(): (asc.nets(found, part), part.value.lower()) for part in found.parts}
    assert got == expected(build(), drives)
    assert len(got) == len(found.parts)


@pytest.mark.parametrize("name", CIRCUITS)
def test_geometry(name: str) -> None:
    text = schematic(name)
    found = asc.read(text)
    pins = [pin for part in found.parts for pin in part.pins]
    assert len(set(pins)) == len(pins), "two parts share a pin's place"
    assert all(value % 16 == 0 for pin in pins for value in pin)
    starts = [wire[:2] for wire in found.wires]
    assert sorted(starts) == sorted(pins), "every pin has its own stub"
    # No symbol's body touches another one, and no wire crosses a body that it does not belong to.
    boxes = np.array([part.box for part in found.parts])
    apart = (boxes[:, None, 2] < boxes[None, :, 0]) | (boxes[:, None, 3] < boxes[None, :, 1])
    apart |= apart.T
    assert apart[~np.eye(len(boxes), dtype=bool)].all()
    assert boxes[:, 2:].max(axis=0)[1] < found.sheet[1]
    assert text.isascii()


@pytest.mark.parametrize("name", CIRCUITS)
def test_the_netlist_it_stands_for_settles_the_same(name: str, tmp_path: Path) -> None:
    build, drives = CIRCUITS[name]
    wanted = decks.run_ngspice(full_deck(build(), "ngspice", drives).text, tmp_path)
    decks.assert_same(asc.run_schematic(schematic(name), tmp_path), wanted, 1e-6)


@pytest.mark.parametrize("name", CIRCUITS)
def test_spicelib_reads_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asc_editor = pytest.importorskip("spicelib.editor.asc_editor")
    logging.getLogger("spicelib").setLevel(logging.ERROR)
    # spicelib looks for LTspice's symbols beside the schematic too: give it what it asks of them, pins and prefix.
    for symbol, (prefix, pins, _) in asc.PINS.items():
        described = [f"PIN {x} {y} NONE 0\nPINATTR SpiceOrder {k}" for k, (x, y) in enumerate(pins, start=1)]
        head = f"Version 4\nSymbolType CELL\nSYMATTR Prefix {prefix}\n"
        (tmp_path / f"{symbol}.asy").write_text(head + "\n".join(described) + "\n")
    monkeypatch.setattr(asc_editor.AscEditor, "symbol_cache", {})
    build, drives = CIRCUITS[name]
    (tmp_path / "circuit.asc").write_text(schematic(name))
    editor = asc_editor.AscEditor(tmp_path / "circuit.asc")
    wanted = expected(build(), drives)
    assert {part.lower() for part in editor.get_components()} == set(wanted)
    labels = {(label.coord.X, label.coord.Y): label.text.strip() for label in editor.labels}
    ends = {(wire.V1.X, wire.V1.Y): (wire.V2.X, wire.V2.Y) for wire in editor.wires}
    for part, (nets, value) in wanted.items():
        reference = part[0].upper() + part[1:]
        component = editor.get_component(reference)
        assert component.attributes["Value"].lower() == value
        turn = asc.TURN[component.rotation.name]
        pins = [turn(pin.coord.X, pin.coord.Y) for pin in editor._get_symbol(component.symbol).pins]
        at = [(component.position.X + dx, component.position.Y + dy) for dx, dy in pins]
        assert [labels[ends[pin]] for pin in at] == nets, part
    directives = [text.text for text in editor.directives if text.type.name == "DIRECTIVE"]
    assert directives.count(".op") == 1
    used = {build().models[int(k)].spice_name for k in build().diodes.values}
    assert {text.split()[1] for text in directives if text.startswith(".model")} == used


def test_a_dense_layer_is_laid_out_as_its_matrix() -> None:
    found = asc.read(full_deck(layered((4, 6, 3), catalogue.get("1N4148"), 5.0), "ltspice-asc").text)
    first = [part for part in found.parts if part.symbol == "res"][: 2 * 4 * 6]
    columns: dict[int, set[str]] = {}
    for part in first:
        columns.setdefault(part.pins[0][0], set()).add(asc.nets(found, part)[1])
    assert all(len(hidden) == 1 for hidden in columns.values()), "one hidden node a column"


def test_ten_thousand_parts_are_still_a_valid_schematic() -> None:
    ends = np.stack(np.divmod(np.arange(10_000), 100), -1) + np.array([1, 101])
    nodes = ("0", *(f"x{i}" for i in range(100)), *(f"h{i}" for i in range(100)))
    sources = bank("voltage_sources", [(1, 0, 1.0)])
    circuit = Circuit(nodes, resistors=Bank(ends, np.full(10_000, 1e-4)), voltage_sources=sources)
    found = asc.read(full_deck(circuit, "ltspice-asc").text)
    assert len(found.parts) == 10_001
    assert len({part.pins[0] for part in found.parts}) == 10_001
    assert [asc.nets(found, part) for part in found.parts[:10_000]] == [[nodes[a], nodes[b]] for a, b in ends]


def test_grounds_hang_below() -> None:
    found = asc.read(schematic("layered"))
    for part in found.parts:
        if part.symbol == "diode" and "0" in asc.nets(found, part):
            ground = part.pins[asc.nets(found, part).index("0")]
            assert ground[1] == max(y for _, y in part.pins)
