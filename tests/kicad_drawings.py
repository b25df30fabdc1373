"""Schematics for KiCad that the tests read, each after a style that people draw in.

``schematics/NAME.cir`` beside this file is what KiCad 9.0.2 makes of each: ``python tests/kicad_drawings.py FOLDER``
writes them all to a folder, and ``kicad-cli sch export netlist --format spice`` reads them there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from kicad import Drawing

Files = dict[str, str]
RUN = ".options reltol=1e-9 vntol=1e-12 abstol=1e-18 gmin=1e-12\n.op"
X, Y = 50.8, 50.8
HALF = 3.81


def upright(d: Drawing, library: str, name: str, value: str, x: float, top: str, bottom: str, **more: str) -> None:
    """A part of two pins in the row, with a label or a power symbol at each: GND and +5V are symbols."""
    d.part(library, name, value, x, Y, **more)
    for net, y in ((top, round(Y - HALF, 2)), (bottom, round(Y + HALF, 2))):
        if net in ("GND", "+5V"):
            d.power(net, x, y)
        elif net:
            d.label(net, x, y)


def row(d: Drawing, *parts: tuple[str, str, str, str, str], first: float = X, **more: str) -> None:
    """Parts of two pins beside each other: library, name, value, upper net, lower net."""
    for k, (library, name, value, top, bottom) in enumerate(parts):
        upright(d, library, name, value, round(first + 12.7 * k, 2), top, bottom, **more)


def divider() -> Files:
    """Wires, turned resistors, a dot where three wires meet, one power symbol a part."""
    d = Drawing(9)
    d.part("sim:V", "V1", "5", 50.8, 76.2, Sim_Params="dc=5")
    d.wire((50.8, 72.39), (50.8, 50.8), (72.39, 50.8))
    d.part("Device:R", "R1", "4k7", 76.2, 50.8, 90)
    d.wire((80.01, 50.8), (101.6, 50.8), (101.6, 72.39))
    d.part("Device:R", "R2", "10k", 101.6, 76.2, 180)
    d.wire((101.6, 50.8), (127, 50.8), (127, 72.39))
    d.junction(101.6, 50.8)
    d.part("Device:R", "R3", "2.2k", 127, 76.2, 0, "y")
    for x in (50.8, 101.6, 127):
        d.power("GND", x, 80.01)
    d.label("out", 114.3, 50.8)  # on the middle of a wire
    d.text(RUN)
    d.text("a divider with a load", 20, 20)
    return {"root": d.written()}


def clipper() -> Files:
    """Diodes of their own parameters in every turn, as version 8 saves them."""
    d = Drawing(8)
    row(d, ("sim:V", "V1", "x", "in", "GND"), Sim_Params="dc=3 ac=1")
    row(d, ("Device:R", "R1", "1k", "in", "out"), ("Device:R", "R2", "100k", "out", "GND"), first=63.5)
    parameters = "is=2.52n rs=0.568 n=1.752 cjo=4p"
    turns = [(0, ""), (90, ""), (180, "x"), (270, "y"), (0, "y"), (90, "x")]
    places = [((-HALF, 0), (HALF, 0)), ((0, HALF), (0, -HALF))]
    for k, (turn, mirror) in enumerate(turns):
        x = round(101.6 + 15.24 * k, 2)
        d.part("Device:D", f"D{k + 1}", "D", x, Y, turn, mirror, Sim_Params=parameters)
        (cx, cy), (ax, ay) = places[turn // 90 % 2]
        if turn >= 180:
            cx, cy, ax, ay = -cx, -cy, -ax, -ay
        if mirror == "y":
            cx, ax = -cx, -ax
        elif mirror == "x":
            cy, ay = -cy, -ay
        node = "out" if k < 2 else f"s{k}"
        d.label(node if k % 2 else f"s{k + 1}" if k else "mid", round(x + ax, 2), round(Y + ay, 2))
        d.label("mid" if k % 2 else node, round(x + cx, 2), round(Y + cy, 2))
    for k, node in enumerate(("s2", "s3", "s4", "s5", "mid")):
        x = round(50.8 + 12.7 * k, 2)
        d.part("Device:R", f"R{k + 3}", "10k", x, 101.6)
        d.label(node, x, 97.79)
        d.power("GND", x, 105.41)
    d.text(RUN)
    return {"root": d.written()}


def default_diode() -> Files:
    """A diode whose model has no parameters, a negative source, version 7."""
    d = Drawing(7)
    row(d, ("sim:V", "V1", "-2.5", "in", "GND"), ("Device:R", "R1", "1k", "in", "out"))
    d.part("Device:D", "D1", "1N4148", 101.6, Y)
    d.label("out", 97.79, Y)
    d.power("GND", 105.41, Y)
    d.text(RUN)
    return {"root": d.written()}


OLD = {"Spice_Netlist_Enabled": "Y"}


def old_fields() -> Files:
    """The fields of version 6 and before; a diode's nodes in the order that its field gives."""
    d = Drawing(6)
    row(d, ("old:V", "V1", "VDC", "in", "GND"), Spice_Primitive="V", Spice_Model="dc(3)", **OLD)
    row(d, ("Device:R", "R1", "x", "in", "out"), first=76.2, Spice_Primitive="R", Spice_Model="2.2k", **OLD)
    row(d, ("Device:R", "R2", "1M", "out", "GND"), first=88.9)
    row(d, ("Device:R", "R3", "1", "out", "GND"), first=127, Spice_Netlist_Enabled="N", Spice_Primitive="R")
    row(d, ("old:V", "V2", "4k7", "high", "GND"), ("Device:R", "R4", "4k7", "high", "out"), first=139.7, **OLD)
    d.part("old:D", "D1", "DX", 101.6, Y, Spice_Primitive="D", Spice_Model="DX", Spice_Node_Sequence="2 1", **OLD)
    d.power("GND", 97.79, Y)
    d.label("out", 105.41, Y)
    d.text(f".model DX D(is=1n n=1.6)\n{RUN}")
    return {"root": d.written()}


def spice_words() -> Files:
    """Parts in SPICE's own words, couplings as text, a subcircuit in a text, a part of two units."""
    d = Drawing(9)
    none = {"Sim_Pins": "", "Sim_Type": ""}
    row(d, ("sim:V", "V1", "x", "in", "GND"), Sim_Device="SPICE", Sim_Params='type="V" model="dc 4 ac 1"', **none)
    row(d, ("Device:R", "R1", "1k", "in", "out"), first=63.5)
    row(d, ("Device:R", "X2", "x", "GND", "out"), first=76.2, Sim_Device="SPICE", Sim_Params='type="D" model="DX"')
    upright(
        d, "Device:R", "X3", "x", 88.9, "GND", "out", Sim_Device="SPICE", Sim_Params='type="D" model="DX"',
        Sim_Pins="2=1 1=2",
    )  # fmt: skip
    for unit, x, (top, bottom) in ((1, 101.6, ("in", "p")), (2, 114.3, ("q", "GND"))):
        d.part(
            "sim:array", "U1", "x", x, Y, unit=unit, Sim_Device="SPICE", Sim_Params='type="X" model="two"',
        )  # fmt: skip
        d.label(top, x, round(Y - HALF, 2))
        d.power("GND", x, round(Y + HALF, 2)) if bottom == "GND" else d.label(bottom, x, round(Y + HALF, 2))
    row(d, ("Device:R", "R4", "1k", "p", "q"), first=127)
    row(d, ("Device:L", "L1", "1m", "q", "GND"), ("Device:L", "L2", "1m", "p", ""), first=139.7)
    d.text(".model DX D(is=1n)\n.subckt two a b c d\nR1 a b 1k\nR2 c d 3k\n.ends")
    d.text("K1 L1 L2 0.9", 20, 20)
    d.text(RUN, 40, 20)
    d.text("V9 in 0 7", 60, 20)  # no directive: a remark
    return {"root": d.written()}


def hierarchy(version: int) -> Files:
    """One sheet hung twice: ports, names of its own, a global name, another's ground."""
    d = Drawing(version)
    sub = "stage.kicad_sch"
    first = d.sheet("first one", sub, {"in": (127, 50.8), "out": (127, 60.96)})
    second = d.sheet("second", sub, {"in": (177.8, 50.8), "out": (177.8, 60.96)})
    row(d, ("sim:V", "V1", "x", "in", "GND"), Sim_Params="dc=6")
    d.label("in", 127, 50.8)
    d.wire((127, 60.96), (121.92, 60.96))
    d.label("between", 121.92, 60.96)
    d.label("between", 177.8, 50.8)
    row(d, ("Device:R", "R1", "1k", "result", "GND"), first=76.2)
    d.label("result", 177.8, 60.96)
    row(d, ("Device:R", "R2", "4k7", "inner", "result"), ("Device:R", "R3", "1k", "inner", "GND"), first=88.9)
    s = Drawing(version, first)
    for library, name, other, value, x, top, bottom in (
        ("Device:R", "R11", "R21", "1k", 50.8, "in", "inner"),
        ("Device:R", "R12", "R22", "2k", 63.5, "inner", "out"),
        ("Device:R", "R13", "R23", "3k3", 76.2, "out", "GND"),
        ("Device:R", "R14", "R24", "5k", 88.9, "rail", "inner"),
    ):
        s.part(library, name, value, x, Y, paths={second: other})
        for net, y in ((top, round(Y - HALF, 2)), (bottom, round(Y + HALF, 2))):
            kind = "hierarchical_label" if net in ("in", "out") and name != "R13" else "label"
            s.power("GND", x, y) if net == "GND" else s.label(net, x, y, "global_label" if net == "rail" else kind)
    d.label("rail", 50.8, round(Y - HALF, 2), "global_label")
    d.text(RUN)
    return {"root": d.written(s.listed), "stage": s.written()}


def nested() -> Files:
    """A sheet in a sheet, and one that is not simulated."""
    d = Drawing(9)
    path = d.sheet("outer", "outer.kicad_sch", {"a": (127, 50.8)})
    out = d.sheet("not simulated", "outer.kicad_sch", {"a": (177.8, 50.8)})
    d.body[-1] = d.body[-1].replace("(stroke (width 0.1))", "(exclude_from_sim yes) (stroke (width 0.1))")
    row(d, ("sim:I", "I1", "2m", "GND", "a"), ("Device:R", "R1", "1k5", "a", "GND"))
    d.label("a", 127, 50.8)
    d.label("a", 177.8, 50.8)
    outer = Drawing(9, path)
    outer.label("a", 50.8, round(Y - HALF, 2), "hierarchical_label")
    outer.part("Device:R", "R2", "2k", 50.8, Y, paths={out: "R4"})
    outer.label("b", 50.8, round(Y + HALF, 2))
    inner_path = outer.sheet("inner", "inner.kicad_sch", {"x": (127, 50.8)})
    outer.label("b", 127, 50.8)
    inner = Drawing(9, inner_path)
    other = inner_path.replace(path, out)
    inner.label("x", 50.8, round(Y - HALF, 2), "hierarchical_label")
    inner.part("Device:R", "R3", "500", 50.8, Y, paths={other: "R5"})
    inner.power("GND", 50.8, round(Y + HALF, 2))
    d.text(RUN)
    return {"root": d.written(), "outer": outer.written(), "inner": inner.written()}


def controlled() -> Files:
    """Sources that follow a voltage, in four turns and mirrored."""
    d = Drawing(9)
    row(d, ("sim:V", "V1", "x", "in", "GND"), ("sim:V", "V2", "x", "low", "GND"), Sim_Params="dc=1.5")
    places = {"1": (0, 5.08), "2": (0, -5.08), "3": (-5.08, 2.54), "4": (-5.08, -2.54)}
    for k, (turn, mirror) in enumerate(((0, ""), (90, "x"), (180, "y"), (270, ""))):
        x = round(88.9 + 25.4 * k, 2)
        kind = "G" if k % 2 else "E"
        gain = "gain=2m" if k % 2 else "gain=1.5"
        d.part("sim:E", f"{kind}{k}", "x", x, Y, turn, mirror, Sim_Device=kind, Sim_Params=gain)
        nets = {"1": f"o{k}", "2": "GND", "3": f"o{k - 1}" if k else "in", "4": "GND" if k % 2 else "low"}
        for number, (px, py) in places.items():
            dx, dy = px, -py
            for _ in range(turn // 90):
                dx, dy = dy, -dx
            dx, dy = (dx, -dy) if mirror == "x" else (-dx, dy) if mirror == "y" else (dx, dy)
            at = (round(x + dx, 2), round(Y + dy, 2))
            d.power("GND", *at) if nets[number] == "GND" else d.label(nets[number], *at)
    for k in range(4):
        x = round(50.8 + 12.7 * k, 2)
        d.part("Device:R", f"R{k}", "1k", x, 101.6)
        d.label(f"o{k}", x, 97.79)
        d.power("GND", x, 105.41)
    d.text(RUN)
    return {"root": d.written()}


def names() -> Files:
    """Equal names of every kind, on wires' middles, with bars, in other letters; wires that only cross."""
    d = Drawing(9)
    row(
        d,
        ("sim:V", "V1", "1", "", "GND"),
        ("Device:R", "R1", "1k", "", "~{low}"),
        ("Device:R", "R2", "2k", "~{low}", "a/b (c)"),
        ("Device:R", "R3", "3k", "a/b (c)", ""),
        ("Device:R", "R4", "4k", "", "GND"),
    )
    d.wire((50.8, 46.99), (50.8, 40.64), (76.2, 40.64))
    d.label("top", 55.88, 40.64, "global_label")
    d.wire((63.5, 46.99), (63.5, 33.02))  # crosses the one above
    d.label("top", 63.5, 35.56)
    d.label("port", 88.9, 54.61, "hierarchical_label")
    d.label("port", 101.6, 46.99)
    d.wire((38.1, 20.32), (139.7, 20.32))
    d.wire((88.9, 12.7), (88.9, 27.94))  # crosses another
    d.label("one", 40.64, 20.32)
    d.label("two", 88.9, 12.7)
    for k, net in enumerate(("one", "two")):
        x = round(127 + 12.7 * k, 2)
        d.part("Device:R", f"R{5 + k}", f"{k + 1}k", x, Y)
        d.label("top" if k == 0 else "one", x, round(Y - HALF, 2))
        d.label(net, x, round(Y + HALF, 2)) if k == 0 else d.power("GND", x, round(Y + HALF, 2))
    upright(d, "Device:R", "R7", "1k", 165.1, "two", "port")
    upright(d, "Device:R", "R8", "1k", 177.8, "two", "GND")
    d.text(RUN)
    return {"root": d.written()}


def power() -> Files:
    """Power symbols, one renamed by its value, a flag that names nothing, a hidden power pin."""
    d = Drawing(9)
    row(d, ("sim:V", "V1", "x", "+5V", "GND"), Sim_Params="dc=5")
    row(d, ("Device:R", "R1", "1k", "+5V", "out"), ("Device:R", "R2", "1k", "out", "GND"), first=63.5)
    d.part("power:+5V", "#PWR0900", "VCC", 101.6, 46.99)
    d.part("Device:R", "R3", "3k", 101.6, Y)
    d.label("out", 101.6, 54.61)
    upright(d, "Device:R", "R4", "1k", 114.3, "+5V", "")
    d.wire((114.3, 54.61), (127, 54.61), (127, 46.99))
    d.part("power:+5V", "#PWR0901", "VCC", 127, 46.99)
    d.part("sim:hidden", "U1", "x", 152.4, Y, Sim_Device="SPICE", Sim_Params='type="X" model="load"')
    d.power("GND", 152.4, 54.61)
    d.label("out", 152.4, 46.99)
    d.text(f".subckt load a b vcc\nR1 vcc b 2k\nR2 a b 9k\n.ends\n{RUN}")
    return {"root": d.written()}


def left_out() -> Files:
    """Parts that are not simulated, not fitted, or have no effect."""
    d = Drawing(9)
    row(d, ("sim:V", "V1", "2", "in", "GND"), ("Device:R", "R1", "1k", "in", "out"))
    row(d, ("Device:R", "R2", "1k", "out", "GND"), first=76.2, more="(dnp yes)")
    row(d, ("Device:R", "R3", "1", "out", "GND"), first=88.9, more="(exclude_from_sim yes)")
    row(d, ("Device:R", "R4", "1", "out", "GND"), first=101.6, Sim_Enable="0")
    row(d, ("Device:C", "C1", "1u", "out", "GND"), ("Device:L", "L1", "10m", "out", "far"), first=114.3)
    row(d, ("Device:R", "R5", "1k", "far", "GND"), first=139.7)
    row(d, ("Connector:two", "J1", "x", "out", "GND"), first=152.4, more="(exclude_from_sim yes)")
    d.part("sim:pad", "H1", "x", 165.1, Y, more="(exclude_from_sim yes)")
    d.no_connect(165.1, Y)
    d.text(RUN)
    d.text(".tran 1u 1m", 20, 20, "(exclude_from_sim yes)")
    return {"root": d.written()}


def waveforms() -> Files:
    """Sources of every type; in direct current each has the value that KiCad prints."""
    d = Drawing(9)
    kinds = [
        ("SIN", "dc=1 ampl=2 f=1k phase=30"),
        ("SIN", "ampl=2 f=1k"),
        ("PULSE", "y1=-1 y2=1 td=1n tr=1n tf=1n tw=1u per=2u"),
        ("EXP", "y1=0.5 y2=2 td1=1n tau1=1n td2=1u tau2=2u"),
        ("PWL", 'pwl="0 0.25 1m 2"'),
        ("DC", "dc=1500m ac=1 ph=90"),
    ]
    for k, (kind, params) in enumerate(kinds):
        x = round(50.8 + 12.7 * k, 2)
        upright(d, "sim:V", f"V{k}", "x", x, f"n{k}", "GND", Sim_Type=kind, Sim_Params=params)
    for k, text in enumerate(("SINE(1 2 1k)", "dc 2 ac 1", "3 ac 1", "AC 1")):
        upright(d, "sim:V", f"V{6 + k}", text, round(127 + 12.7 * k, 2), f"n{6 + k}", "GND")
    for k in range(10):
        x = round(50.8 + 12.7 * k, 2)
        d.part("Device:R", f"R{k}", f"{k + 1}k", x, 101.6)
        d.label(f"n{k}", x, 97.79)
        d.label("sum", x, 105.41)
    d.text(RUN)
    d.part("Device:R", "R10", "1k", 50.8, 127)
    d.label("sum", 50.8, 123.19)
    d.power("GND", 50.8, 130.81)
    return {"root": d.written()}


VALUES = (
    *("4k7", "1R5", "100R", "2.2k", "1,5k", "10K", "0.001M", "1Meg", "4.7kΩ", "1 k", "2M2", "0R1", "100", "1e3", ".5k"),
    *("5.", "470 R", "0.047Meg", "1kOhm"),
)


def values() -> Files:
    """Resistors as people write them, in a chain."""
    d = Drawing(9)
    upright(d, "sim:V", "V1", "2k2", 25.4, "n0", "GND")
    for k, text in enumerate(VALUES):
        upright(d, "Device:R", f"R{k}", text, round(38.1 + 10.16 * k, 2), f"n{k}", f"n{k + 1}")
    upright(d, "Device:R", "R99", "x", 266.7, f"n{len(VALUES)}", "GND", Sim_Device="R", Sim_Params="r=2M")
    d.text(RUN)
    return {"root": d.written()}


def turned_pins() -> Files:
    """Pins that a field puts in another order, parts of both signs."""
    d = Drawing(9)
    row(d, ("sim:V", "V1", "3", "GND", "in"), Sim_Pins="2=+ 1=-")
    row(d, ("sim:I", "I1", "1m", "GND", "in"), first=63.5, Sim_Pins="1=2 2=1")
    row(d, ("Device:R", "R1", "1k", "in", "out"), first=76.2, Sim_Device="R", Sim_Pins="1=- 2=+")
    row(d, ("Device:R", "R2", "1k", "out", "GND"), first=88.9)
    d.part("Device:D", "D1", "D", 114.3, Y, Sim_Pins="1=A 2=K", Sim_Params="is=1n area=2 m=2")
    d.label("out", 110.49, Y)
    d.power("GND", 118.11, Y)
    d.text(RUN)
    return {"root": d.written()}


DRAWINGS: dict[str, Callable[[], Files]] = {
    "divider": divider,
    "clipper": clipper,
    "default-diode": default_diode,
    "old-fields": old_fields,
    "spice-words": spice_words,
    "hierarchy-9": lambda: hierarchy(9),
    "hierarchy-7": lambda: hierarchy(7),
    "hierarchy-6": lambda: hierarchy(6),
    "nested": nested,
    "controlled": controlled,
    "names": names,
    "power": power,
    "left-out": left_out,
    "waveforms": waveforms,
    "values": values,
    "turned-pins": turned_pins,
}


def write(name: str, folder: Path) -> Path:
    """The drawing's files in a folder; the path of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in DRAWINGS[name]().items():
        (folder / f"{file}.kicad_sch").write_text(text)
    return folder / "root.kicad_sch"


if __name__ == "__main__":
    for each in DRAWINGS:
        print(write(each, Path(sys.argv[1]) / each))
