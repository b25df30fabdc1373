"""Boards: what is on them is the circuit, nothing touches what it must not, and KiCad finds no fault where it is."""

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from diodeq.board import build, proof
from diodeq.board.brackets import quoted
from diodeq.board.connectors import turns
from diodeq.board.copper import LANE, Layout, Track, label_box
from diodeq.board.drivers import driven
from diodeq.board.lanes import packed
from diodeq.board.parasitics import Surroundings, leaks_of, realistic
from diodeq.board.programmable import SERIES, rungs, tables
from diodeq.board.silk import printed
from diodeq.board.webs import RESISTIVITY, THICKNESS, webs
from diodeq.circuit import Circuit, bank
from diodeq.circuit.inputs import Inputs
from diodeq.cli.main import main
from diodeq.devices import catalogue
from diodeq.devices.diode.model import DiodeModel
from diodeq.errors import InputError, NotRealizableError
from diodeq.files import write_folder
from diodeq.netlist.reading.deck import Notes
from diodeq.netlist.reading.kicad.brackets import parsed
from diodeq.netlist.reading.kicad.hierarchy import hierarchy
from diodeq.netlist.reading.kicad.nets import Nets
from diodeq.simulators import create
from diodeq.synthesis.quantize import quantize

KICAD = shutil.which("kicad-cli")
needs_kicad = pytest.mark.skipif(KICAD is None, reason="kicad-cli is not installed (KiCad 8 or 9)")


def layered(inputs=3, hidden=5, outputs=2, share=0.6, seed=0, within=0, title="layered", diode="1N4148"):
    """Dual input rails and a bias through resistors to hidden nodes with a diode each, and on to outputs."""
    random = np.random.default_rng(seed)
    names = ["0", "bias", *(f"x{k}_{sign}" for k in range(inputs) for sign in "pn")]
    rails = len(names)
    names += [*(f"h{k}" for k in range(hidden)), *(f"y{k}" for k in range(outputs))]
    first, last = np.arange(rails, rails + hidden), np.arange(rails + hidden, len(names))
    ohms = np.array([10e3, 22e3, 47e3, 100e3, 220e3])
    pairs = [(a, b) for a in range(1, rails) for b in first if random.random() < share]
    pairs += [(1, b) for b in first] + [(a, b) for a in first for b in last] + [(b, 0) for b in last]
    pairs += [(first[k], first[k + 1]) for k in range(within)]
    resistors = bank("resistors", [(int(a), int(b), 1.0 / random.choice(ohms)) for a, b in pairs])
    diodes = bank("diodes", [(0, int(b), 0) if k % 2 else (int(b), 0, 0) for k, b in enumerate(first)])
    count = np.arange(2 * inputs)
    return Circuit(
        tuple(names),
        resistors=resistors,
        diodes=diodes,
        voltage_sources=bank("voltage_sources", [(1, 0, 5.0), *((k, 0, 0.0) for k in range(2, rails))]),
        models=(catalogue.get(diode),),
        inputs=Inputs(count + 1, count // 2, 1.0 - 2.0 * (count % 2), tuple(f"x{k}" for k in range(inputs))),
        outputs=np.array([(k, 0) for k in last]),
        title=title,
    )


def amplified():
    return driven(layered(), True, True, "TL074")


def programmed():
    return quantize(layered(), rungs("MCP4251")).circuit


def leafy():
    """A node that one resistor alone is at, and inputs and supplies that nothing is at."""
    circuit = layered(2, 3, 1)
    names = (*circuit.nodes, "leaf", "idle")
    ends = [*circuit.resistors.terminals.tolist(), (2, len(circuit.nodes))]
    values = [*circuit.conductances, 1e-5]
    sources = circuit.voltage_sources
    return replace(
        circuit, nodes=names, trainable=None,
        resistors=bank("resistors", [(a, b, g) for (a, b), g in zip(ends, values, strict=True)]),
        voltage_sources=bank("voltage_sources", [
            *((a, b, v) for (a, b), v in zip(sources.terminals.tolist(), sources.values, strict=True)),
            (len(names) - 1, 0, 3.0),
        ]),
    )  # fmt: skip


def renamed():
    """What a bench adds is called otherwise, whatever a circuit's own parts and nodes are called."""
    circuit = layered()
    taken = ("inject_y0", "r1_wiper", "pot_plus", "spi_sck", "u1_a", "amp_high", "amp_plus")
    taken += ("x0_n_sum_out", "x0_n_sum", "b" * 200)
    names = (*circuit.nodes[: len(circuit.nodes) - len(taken)], *taken)
    called = (*(f"{stem}{k}" for k in range(1, 5) for stem in ("ri", "rtrunk", "rleak", "rc", "rf")),)
    called += tuple(f"r{k}" for k in range(len(called), len(circuit.resistors)))
    parts = replace(circuit.resistors, names=called)
    sources = ("v_amp_high_", *(f"vpot{k}" for k in range(1, len(circuit.voltage_sources))))
    diodes = ("d_u2_high", *(f"d{k}" for k in range(1, len(circuit.diodes))))
    return replace(
        circuit, nodes=names, resistors=parts,
        voltage_sources=replace(circuit.voltage_sources, names=sources),
        diodes=replace(circuit.diodes, names=diodes),
    )  # fmt: skip


CASES = {
    "two layers": (layered, ""),
    "couplings within a layer": (lambda: layered(within=4), ""),
    "diodes with three pins": (lambda: layered(diode="BAT54"), ""),
    "dense": (lambda: layered(4, 8, 3, 1.0), ""),
    "a column too many for references": (lambda: layered(8, 30, 4, 0.1), ""),
    "amplifiers": (amplified, ""),
    "potentiometers": (programmed, "MCP4251"),
    "leaves": (lambda: quantize(leafy(), rungs("MCP4251")).circuit, "MCP4251"),
    "names taken": (lambda: quantize(renamed(), rungs("MCP4251")).circuit, "MCP4251"),
    "shift registers": (lambda: quantize(layered(2, 3, 1), rungs("MCP4131")).circuit, "MCP4131"),
}
DRIVE = (1.0, -0.7, 0.4)


@cache
def made(case):
    make, part = CASES[case]
    circuit = make()
    return build(circuit, "b", drives(circuit), potentiometer=part)


def drives(circuit):
    return np.resize(DRIVE, len(circuit.inputs))


def written(folder, built):
    for name, text in built.files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder / f"{built.name}.kicad_sch"


def schematic_pins(path):
    """The net at each pin of each part, as diodeq's own reader of KiCad's schematics finds it."""
    root, files = hierarchy(path.read_text(), path)
    nets = Nets(root, files, Notes())
    return {
        (place.reference(symbol, root.sheet.listed), pin.number): nets.at(place, pin.place)
        for place in root.all()
        for symbol in place.sheet.symbols
        for pin in symbol.pins
    }


def board_pins(text):
    """The same of a board's file."""
    found = {}
    for footprint in parsed(text).all("footprint"):
        reference = next(p.words[1] for p in footprint.all("property") if p.words[0] == "Reference")
        for pad in footprint.all("pad"):
            if pad.words[0]:
                found[reference, pad.words[0]] = pad.first("net").words[1] if pad.first("net") else ""
    return found


@pytest.mark.parametrize("case", CASES)
def test_schematic_and_board_are_the_circuit(case, tmp_path):
    built = made(case)
    root = written(tmp_path, built)
    drawn, soldered = schematic_pins(root), board_pins(built.files["b.kicad_pcb"])
    wanted = {(p.reference, pin): net for p in built.boards[0][0].parts for pin, net in p.nets}
    ground = {"0": "GND"}
    assert {key: ground.get(net, net) for key, net in drawn.items() if key in wanted} == wanted
    assert {key: net for key, net in soldered.items() if key in wanted} == wanted
    assert all(net.startswith("unconnected-") for key, net in soldered.items() if key not in wanted)
    assert {key[0] for key in soldered} == {p.reference for p in built.boards[0][0].parts if p.nets}
    # every resistor is there once, by the name that the netlist has for it
    if case not in ("amplifiers",):
        assert {name.upper() for name in built.circuit.part_names("resistors")} <= {key[0] for key in wanted}


@pytest.mark.parametrize("case", CASES)
def test_no_net_has_a_single_pin(case):
    parts = [*made(case).boards[0][0].parts, *made(case).bench.sources]
    pins = Counter(net for part in parts for _, net in part.nets if net)
    assert [net for net, count in pins.items() if count == 1] == []


@pytest.mark.parametrize("dress", ["", "amplifiers", "MCP4251"])
def test_names_of_nodes_and_parts_change_nothing_but_names(dress):
    first, second = (quantize(each, rungs("MCP4251")).circuit for each in (layered(), renamed()))
    if dress == "amplifiers":
        first, second = (driven(each, True, True, "TL074") for each in (first, second))
    part = "" if dress == "amplifiers" else dress
    first, second = (build(each, "b", potentiometer=part) for each in (first, second))
    figures, others = first.to_json(), second.to_json()
    assert [figures[key] for key in ("parts", "nets", "pads")] == [others[key] for key in ("parts", "nets", "pads")]
    assert second.layout.size[0] < first.layout.size[0] + 30.0  # a name of 200 letters is shortened
    references = [p.reference for p in [*second.boards[0][0].parts, *second.bench.sources]]
    assert len(set(references)) == len(references)


def test_kicad_takes_m_of_a_diode_for_a_number_of_diodes():
    model = DiodeModel("graded", (("is", 1.23456789e-12), ("isr", 1e-10), ("nr", 2.0), ("m", 0.4), ("vj", 0.6)))
    built = build(replace(layered(), models=(model,)), "b")
    fields = dict(next(p for p in built.parts if p.reference == "D1").fields)["Sim.Params"].split()
    assert "MJ=0.4" in fields
    assert not any(field.startswith("M=") for field in fields)
    assert "IS=0.00000000000123456789" in fields  # all digits
    assert "SOD-123 stands for the package of graded, which is not known" in built.notes


@pytest.mark.parametrize("case", CASES)
def test_what_is_printed_is_on_no_pad_and_on_nothing_printed(case):
    layout = made(case).layout
    references = printed(layout)
    assert references
    texts = np.array([label_box(label) for label in (*references.values(), *layout.labels)])
    pads = np.array([box for placed in layout.placed for _, _, box, _ in placed.pads()])
    both = np.concatenate([texts, pads])
    pairs = proof.near(both, np.zeros(len(both), int), 0)
    assert not any((a < len(references) and a != b) or (b < len(references) and a != b) for a, b in pairs.tolist())


@pytest.mark.parametrize("case", ["diodes with three pins", "couplings within a layer", "dense"])
def test_the_schematic_computes_what_the_circuit_does(case, tmp_path):
    circuit = CASES[case][0]()
    root = written(tmp_path, made(case))
    outputs = ",".join(circuit.nodes[node] for node in circuit.outputs[:, 0].tolist())
    assert main(["import", str(root), "-o", str(tmp_path / "c.npz"), "--output", outputs]) == 0
    with create("wave") as engine:
        wanted = engine.operate(circuit, drives(circuit)[None]).outputs
        found = engine.operate(Circuit.load(tmp_path / "c.npz"), np.zeros((1, 0))).outputs
    np.testing.assert_allclose(found, wanted, atol=1e-9)


def test_the_judge_finds_what_is_wrong():
    layout = build(layered(), "b").layout
    proof.demand_sound(layout)
    track = max(layout.tracks, key=lambda each: each.length)
    other = next(each for each in layout.tracks if each.net != track.net and each.layer == track.layer)
    across = Track(track.net, other.layer, other.x0, other.y0, other.x1, other.y1)
    near = replace(layout, tracks=[*layout.tracks, across])
    with pytest.raises(proof.UnsoundError, match="nearer"):
        proof.demand_sound(near)
    with pytest.raises(proof.UnsoundError, match="in pieces"):
        proof.demand_sound(replace(layout, tracks=[each for each in layout.tracks if each is not track]))
    # 0.15 mm beside a track, where 0.2 is wanted
    beside = replace(track, net=other.net, x0=track.x0 + 350, x1=track.x1 + 350, y0=track.y0 + 350, y1=track.y1 + 350)
    with pytest.raises(proof.UnsoundError, match="nearer than 200"):
        proof.demand_sound(replace(layout, tracks=[track, beside], vias=[], placed=[]))
    first = layout.placed[0]
    with pytest.raises(proof.UnsoundError):
        proof.demand_sound(replace(layout, placed=[*layout.placed, first]))
    with pytest.raises(proof.UnsoundError, match="edge"):
        proof.demand_sound(replace(layout, outline=(20_000, 0, 21_000, 1000)))


def test_lanes_hold_no_two_that_touch():
    random = np.random.default_rng(0)
    spans = {k: tuple(sorted(random.integers(0, 1000, 2).tolist())) for k in range(200)}
    lanes, count = packed(spans, 10)
    ends = sorted({end + step for span in spans.values() for end in span for step in (0, 1)})
    assert count == max(sum(low <= at < high + 10 or low == at for low, high in spans.values()) for at in ends)
    for lane in range(count):
        mine = sorted(span for key, span in spans.items() if lanes[key] == lane)
        assert all(a[1] + 10 <= b[0] for a, b in pairwise(mine))


@pytest.mark.parametrize(
    "title", ['evil" (pcb) \\', ") (kicad_pcb", "line\nbreak", "\x1b[31m", "ö ∂ ${KIPRJMOD}", "a" * 300, '"""', ""]
)
def test_hostile_titles_are_only_text(title):
    circuit = replace(layered(2, 2, 1, title=title or "x"), notes=(title,))
    built = build(circuit, title)
    for name, text in built.files.items():
        if name.rpartition(".kicad_")[2] in ("sch", "pcb", "sym", "mod"):
            assert parsed(text).name.startswith(("kicad_", "footprint"))
    assert re.fullmatch(r"[A-Za-z0-9_.+-]+", built.name)
    assert json.loads(built.files[f"{built.name}.kicad_pro"])["meta"]["filename"] == f"{built.name}.kicad_pro"
    assert parsed(f"(a {quoted(title)})").words == [title if title.isprintable() else repr(title)[1:-1]]


def test_what_nobody_can_solder_is_refused(tmp_path, capsys):
    circuit = layered()
    ideal = replace(circuit, buffers=bank("buffers", [(len(circuit.nodes), 0, 1, 0, 1.0)]), nodes=(*circuit.nodes, "o"))
    with pytest.raises(NotRealizableError, match="e1 is an ideal buffer"):
        build(ideal, "b")
    floating = replace(
        circuit, nodes=(*circuit.nodes, "o"), voltage_sources=bank("voltage_sources", [(1, len(circuit.nodes), 1.0)]),
        inputs=Inputs.none(), units=None,
    )  # fmt: skip
    with pytest.raises((NotRealizableError, InputError)):
        build(floating, "b")
    ideal.save(tmp_path / "c.npz")
    assert main(["board", str(tmp_path / "c.npz"), "-o", str(tmp_path / "b")]) == 4
    assert "--amplifier" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_a_folder_that_is_there_stays(tmp_path, capsys):
    circuit, out = tmp_path / "c.npz", tmp_path / "b"
    layered().save(circuit)
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    assert main(["board", str(circuit), "-o", str(out)]) == 3
    assert "--overwrite" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["mine.txt"]
    assert main(["board", str(circuit), "-o", str(out), "--overwrite", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {"parts", "resistors", "nets", "width_mm", "height_mm", "layers"} <= told.keys()
    assert told["resistors"] == len(layered().resistors) + 2
    assert (out / "mine.txt").read_text() == "mine"
    assert (out / "b.kicad_pcb").exists()
    assert main(["board", str(circuit), "-o", str(tmp_path / "none" / "b")]) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "c.npz"]
    capsys.readouterr()


@pytest.mark.parametrize("times", [1, 2])
def test_a_project_whose_replacing_is_interrupted_is_the_new_one_or_looks_like_none(times, tmp_path, monkeypatch):
    write_folder(tmp_path / "b", {"b.kicad_pro": "old", "b.kicad_sch": "old", "b.kicad_pcb": "old"})
    (tmp_path / "b" / ".b.abcdefgh" / "made").mkdir(parents=True)  # what a killed process left
    (tmp_path / "b" / ".b.versions").mkdir()
    (tmp_path / "b" / ".b.versions" / "mine").touch()
    moved, stopped = os.replace, []

    def interrupted(source, target):
        if str(target).endswith(".kicad_pcb") and len(stopped) < times:
            stopped.append(target)
            raise KeyboardInterrupt
        moved(source, target)

    monkeypatch.setattr("os.replace", interrupted)
    files = dict.fromkeys(("b.kicad_pro", "b.kicad_sch", "b.kicad_pcb"), "new")
    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path / "b", files, overwrite=True, last=(".kicad_pro",))
    found = {path.name: path.read_text() for path in (tmp_path / "b").iterdir() if path.is_file()}
    assert found == (files if times == 1 else {"b.kicad_sch": "new", "b.kicad_pcb": "old"})
    assert [path.name for path in (tmp_path / "b").iterdir() if path.is_dir()] == [".b.versions"]


def test_what_cannot_be_written_is_noticed_before_anything_is(tmp_path, capsys):
    layered().save(tmp_path / "c.npz")
    words = ["board", str(tmp_path / "c.npz"), "-o", str(tmp_path / "b")]
    assert main([*words, "--parasitics", str(tmp_path / "none" / "p.npz")]) == 3
    assert main([*words, "--parasitics", str(tmp_path)]) == 3
    assert main([*words, "--parasitics", str(tmp_path / "b")]) == 2
    assert not (tmp_path / "b").exists()
    (tmp_path / "b" / "b.kicad_pcb").mkdir(parents=True)
    assert main([*words, "--overwrite"]) == 3
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["b.kicad_pcb"]
    (tmp_path / "b" / "b.kicad_pcb").rmdir()
    (tmp_path / "b" / "diodeq.3d").touch()
    assert main([*words, "--overwrite"]) == 3
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["diodeq.3d"]
    assert "diodeq.3d" in capsys.readouterr().err


def test_options_exclude_each_other(tmp_path, capsys):
    layered().save(tmp_path / "c.npz")
    words = ["board", str(tmp_path / "c.npz"), "-o", str(tmp_path / "b")]
    assert main([*words, "--fixed", "--programmable", "MCP4251"]) == 2
    assert main([*words, "--programmable", "MCP9999"]) == 2
    assert "MCP4251" in capsys.readouterr().err
    assert main([*words, "--buffers", "--amplifier", "ideal"]) == 4
    assert not (tmp_path / "b").exists()


def test_the_parts_list_counts_what_the_board_has():
    built = build(layered(), "b")
    rows = [line.split(",") for line in built.files["b-parts.csv"].splitlines()[1:] if not line.startswith('"')]
    resistors = [row for row in rows if row[2] == "resistor 1 %"]
    assert sum(int(row[-1]) for row in resistors) == len(layered().resistors) + 2
    assert {row[1]: row[4] for row in resistors}["47k"] == "Yageo RC0603FR-0747KL"
    assert {row[1]: row[4] for row in resistors}["1M"] == "Yageo RC0603FR-071ML"
    larger = build(layered(2, 3, 1), "b", chip="0805").files["b-parts.csv"]
    assert ",R_0805,Yageo RC0805FR-0747KL," in larger
    assert "R_0603" not in larger


def test_taps_make_the_resistances():
    circuit = programmed()
    taps = build(circuit, "b", potentiometer="MCP4251").bench.taps
    by_name = dict(zip(circuit.part_names("resistors"), 1.0 / circuit.conductances, strict=True))
    for tap in taps:
        assert tap.ohms == pytest.approx(by_name[tap.resistor.lower()], rel=1e-12)
        assert tap.ohms == pytest.approx(tap.code / 256 * tap.nominal + 75.0 + SERIES, rel=1e-12)
        assert tap.word == tap.channel << 12 | tap.code
    assert len(taps) == len(circuit.resistors)
    assert len({(tap.select, tap.channel) for tap in taps}) == len(taps)
    text = tables("b", "MCP4251", taps)
    assert text["b-taps.csv"].count("\n") == len(taps) + 1
    assert f"#define TAPS {len(taps)}" in text["b-taps.h"]


def test_the_picture_is_svg_with_every_track(tmp_path):
    from xml.etree import ElementTree

    built = build(layered(), "b")
    tree = ElementTree.fromstring(built.files["b.svg"])
    assert len(tree.findall(".//{http://www.w3.org/2000/svg}line")) == len(built.layout.tracks)


def test_boards_of_a_size_share_out_the_parts(tmp_path):
    circuit = layered(6, 12, 4, 0.5)
    whole, some = build(circuit, "b"), build(circuit, "b", size=(75.0, 70.0))
    assert len(some.boards) > 1
    assert all(max(layout.size) <= 75.0 and min(layout.size) <= 70.0 for _, layout in some.boards)
    wanted = sorted((p.reference, p.nets) for p in whole.boards[0][0].bridges)
    assert sorted((p.reference, p.nets) for plan, _ in some.boards for p in plan.bridges) == wanted
    # A net on two boards is at a connector of both.
    ported = [{net for part in plan.connectors for _, net in part.nets} for plan, _ in some.boards]
    used = [{net for part in plan.bridges for _, net in part.nets} for plan, _ in some.boards]
    for k, mine in enumerate(used):
        for other, theirs in zip(ported, used, strict=True):
            if theirs is not mine:
                assert mine & theirs <= ported[k] & other
    assert {"b.kicad_sch", "b.kicad_pro", "b-1.kicad_pcb", "b-2.kicad_sch"} <= some.files.keys()
    with pytest.raises(NotRealizableError, match="too small"):
        build(circuit, "b", size=(20.0, 20.0))


@pytest.mark.parametrize("asked", [(True, False), (False, True), (True, True)])
def test_drivers_move_outputs_by_offsets_only(asked):
    circuit = layered()
    with create("wave") as engine:
        wanted, got = (
            engine.operate(each, drives(circuit)[None]).outputs
            for each in (circuit, driven(circuit, *asked, "OPA4277"))
        )
    assert 0.0 < np.abs(got - wanted).max() < 1e-3


def test_currents_are_injected_where_nothing_holds_the_voltage():
    circuit = layered()
    outputs = np.array([(1, 0), (2, 0), *circuit.outputs.tolist()])  # a supply and an input
    nets = {
        net for part in build(replace(circuit, outputs=outputs, output_names=()), "b").parts for _, net in part.nets
    }
    names = [circuit.nodes[node] for node, _ in circuit.outputs.tolist()]
    assert {net for net in nets if net.startswith("inject.")} == {f"inject.{name}" for name in names}


def test_a_board_may_be_turned():
    built = build(layered(), "b")
    width, height = built.layout.size
    assert len(build(layered(), "b", size=(height, width)).boards) == 1


def divider():
    return Circuit(
        ("0", "a", "b"),
        resistors=bank("resistors", [(1, 2, 1e-3), (2, 0, 1e-3)]),
        voltage_sources=bank("voltage_sources", [(1, 0, 1.0)]),
        outputs=np.array([(2, 0)]),
    )


@pytest.mark.parametrize("contact", [1e-6, 10.0, 100.0])
def test_contacts_are_in_series_with_what_they_carry(contact):
    with create("wave") as engine:
        real = realistic(build(divider(), "b"), Surroundings(contact, 1e18))
        found = engine.operate(real, np.zeros((1, 0))).outputs[0, 0]
    ideal = 1000.0 / (2000.0 + 2.0 * contact)  # above the board's own ground
    assert 0.0 < ideal - found < 2e-4  # tenths of an ohm of copper


@pytest.mark.parametrize("size", [None, (95.0, 95.0)])
@pytest.mark.parametrize("case", ["couplings within a layer", "amplifiers", "potentiometers"])
def test_copper_that_conducts_perfectly_changes_nothing(case, size, monkeypatch):
    monkeypatch.setattr("diodeq.board.webs.RESISTIVITY", 1e-14)
    make, part = CASES[case]
    circuit = make()
    found = build(circuit, "b", potentiometer=part, size=size)
    real = realistic(found, Surroundings(1e-6, 1e18))
    assert len(real.resistors) > len(circuit.resistors)
    with create("wave") as engine:
        wanted, got = (engine.operate(each, drives(circuit)[None]).outputs for each in (circuit, real))
    np.testing.assert_allclose(got, wanted, atol=1e-7)


def test_boards_share_nets_through_contacts():
    circuit = layered(3, 6, 2)
    many = build(circuit, "b", size=(50.0, 50.0))
    with create("wave") as engine:
        wanted, small, large = (
            engine.operate(each, drives(circuit)[None]).outputs
            for each in (circuit, *(realistic(many, Surroundings(ohms, 1e18)) for ohms in (1e-6, 30.0)))
        )
    assert len(many.boards) > 1
    assert np.abs(large - wanted).max() > 10.0 * np.abs(small - wanted).max()


def test_leakage_is_that_of_squares_side_by_side():
    tracks = [Track("a", 0, 0, 0, 10_000, 0), Track("b", 0, 0, 700, 10_000, 700), Track("c", 1, 0, 700, 10_000, 700)]
    found = leaks_of(Layout(tracks=tracks), 1e12)
    assert found.keys() == {("a", "b")}  # c is on the other side
    assert found["a", "b"] == pytest.approx(10_200 / 500 / 1e12)  # 10 mm and two round ends, 0.5 mm apart


def test_surfaces_leak():
    circuit = layered()
    built = build(circuit, "b")
    with create("wave") as engine:
        wanted, clean, dirty = (
            engine.operate(each, drives(circuit)[None]).outputs
            for each in (circuit, *(realistic(built, Surroundings(1e-6, ohms)) for ohms in (1e15, 1e8)))
        )
    assert np.abs(clean - wanted).max() < 1e-4 < 1e-3 < np.abs(dirty - wanted).max() < 0.3


def test_a_star_of_copper_has_the_resistance_between_pads():
    built = build(divider(), "b")
    web = webs(built.layout)["b"]
    _, branches = web.star([("R1", "2"), ("R2", "1")])
    lengths = [t.length / t.width for t in built.layout.tracks if t.net == "b"]
    between = sum(branches)
    # No more than all tracks and vias of the net in a row, no less than a via.
    most = RESISTIVITY / THICKNESS * sum(lengths) + 0.01
    assert 0.0 < between < most


def kicad(folder, *words):
    done = subprocess.run([KICAD, *words], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@needs_kicad
@pytest.mark.parametrize("case", ["amplifiers", "potentiometers", "diodes with three pins"])
def test_kicad_finds_no_fault_and_simulates_the_same(case, tmp_path):
    make, _ = CASES[case]
    circuit = make()
    written(tmp_path, made(case))
    kicad(tmp_path, "sch", "erc", "--severity-all", "--exit-code-violations", "--format", "json", "b.kicad_sch")
    drc = ("--severity-all", "--schematic-parity", "--exit-code-violations", "--format", "json")
    kicad(tmp_path, "pcb", "drc", *drc, "-o", "drc.json", "b.kicad_pcb")
    found = json.loads((tmp_path / "drc.json").read_text())
    assert not found["violations"]
    assert not found["unconnected_items"]
    assert not found["schematic_parity"]
    kicad(tmp_path, "sch", "export", "netlist", "--format", "spice", "-o", "b.cir", "b.kicad_sch")
    deck = re.sub(r"\.end\s*$", "", (tmp_path / "b.cir").read_text())
    (tmp_path / "b.cir").write_text(f"{deck}\n.control\nset numdgt=15\nop\nprint all\n.endc\n.end\n")
    done = subprocess.run(["ngspice", "-b", "b.cir"], cwd=tmp_path, capture_output=True, text=True, check=False)
    volts = {found[1]: float(found[2]) for found in re.finditer(r"^(\S+) = (\S+)$", done.stdout, re.MULTILINE)}
    with create("wave") as engine:
        wanted = engine.operate(circuit, drives(circuit)[None]).node_voltages[0]
    common = [(node, value) for node, value in zip(circuit.nodes, wanted, strict=True) if node in volts]
    assert len(common) > len(layered().nodes) - 2
    np.testing.assert_allclose([volts[node] for node, _ in common], [value for _, value in common], atol=1e-6)


@needs_kicad
def test_kicad_writes_gerbers(tmp_path):
    layered().save(tmp_path / "c.npz")
    assert main(["board", str(tmp_path / "c.npz"), "-o", str(tmp_path / "b"), "--gerbers"]) == 0
    made = {path.suffix for path in Path(tmp_path / "b" / "fabrication").iterdir()}
    assert {".gtl", ".gbl", ".gm1", ".drl", ".csv"} <= made


DUAL = "out1 1- 1+ V- 2+ 2- out2 V+"
QUAD = "out1 1- 1+ V+ 2+ 2- out2 out3 3- 3+ V- 4+ 4- out4"
REGISTER = "QB QC QD QE QF QG QH GND QH' SRCLR SRCLK RCLK OE SER QA VCC"


@pytest.mark.parametrize("name", ["LM358", "TL074", "74HC595"])
def test_pins_are_what_data_sheets_have(name):
    case = build(driven(layered(), False, True, name), "b") if name != "74HC595" else made("shift registers")
    part = next(part for part in case.parts if part.value == name)
    wanted = {"LM358": DUAL, "TL074": QUAD, "74HC595": REGISTER}[name].split()
    called = {pin.number: pin.name for pin in part.symbol.pins}
    assert [called[str(pin)] for pin in range(1, len(wanted) + 1)] == wanted
    supplies = {called[pin]: net for pin, net in part.nets if called[pin] in ("V+", "V-", "VCC", "GND")}
    high, low = ("pot.plus", "pot.minus") if name == "74HC595" else ("amp_plus", "amp_minus")
    assert supplies in ({"V+": high, "V-": low}, {"VCC": high, "GND": low})
    if name == "74HC595":
        assert [net for pin in "ABCDEFGH" for number, net in part.nets if called[number] == f"Q{pin}"] == [
            f"cs.{k}" for k in range(1, 9)
        ]
    # Counter-clockwise, seen from above, from the upper left.
    pads = {int(pad.number): (pad.x, -pad.y) for pad in part.package.pads}
    ring = [pads[pin] for pin in range(1, len(pads) + 1)]
    assert ring[0] == (min(x for x, _ in ring), max(y for _, y in ring))
    assert sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise([*ring, ring[0]])) > 0
    assert all(a[1] > b[1] for a, b in pairwise(ring[: len(ring) // 2]))


@pytest.mark.parametrize("case", ["amplifiers", "diodes with three pins"])
def test_pads_are_turned_with_their_footprints(case):
    for footprint in parsed(made(case).files["b.kicad_pcb"]).all("footprint"):
        turn = [*footprint.first("at").words, "0"][2]
        for pad in footprint.all("pad"):
            assert [*pad.first("at").words, "0"][2] == turn


def test_ways_from_pins_to_heights_turn_without_meeting():
    random = np.random.default_rng(1)
    for _ in range(50):
        starts = np.cumsum(random.integers(2, 5, 12) * LANE)
        ends = np.cumsum(random.integers(1, 8, 12) * LANE) + int(random.integers(-20, 10)) * LANE
        ways = list(zip(starts.tolist(), ends.tolist(), strict=True))
        tracks = []
        for k, ((start, end), turn) in enumerate(zip(ways, turns(ways), strict=True)):
            x, far = turn * LANE, 100 * LANE
            tracks += [
                (k, (-LANE, start, x, start)),
                (k, (x, min(start, end), x, max(start, end))),
                (k, (x, end, far, end)),
            ]
        boxes = np.array([box for _, box in tracks])
        pairs = proof.near(boxes, np.zeros(len(boxes), int), LANE)
        assert all(tracks[a][0] == tracks[b][0] for a, b in pairs.tolist())
