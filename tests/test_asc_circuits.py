"""`diodeq import` of LTspice schematics drawn from decks, each against ngspice on the deck: every symbol, turn and way.

What is drawn knows nothing of the reader: the symbols' pins are written out here, nets are routed as wires on rails or
labelled, and files are saved as LTspice IV, XVII and 24 save them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

from decks import run_ngspice
from diodeq.netlist.reading import import_deck
from kicad_drawings import RUN
from test_import_deck import voltages

LONG, SHORT, ROUND, LINE = [(16, 16), (16, 96)], [(16, 0), (16, 64)], [(0, 16), (0, 96)], [(0, 0), (0, 80)]
SYMBOLS: dict[str, list[tuple[str, list[tuple[int, int]]]]] = {
    "R": [("res", LONG), ("res2", SHORT), ("Misc\\\\EuropeanResistor", LONG), ("RES", LONG)],
    "C": [("cap", SHORT), ("polcap", SHORT), ("Misc\\\\EuropeanCap", SHORT), ("Misc\\EuropeanPolcap", SHORT)],
    "L": [("ind", LONG), ("ind2", LONG), ("FerriteBead", [(0, -32), (0, 32)])],
    "D": [(name, SHORT) for name in ("diode", "schottky", "zener", "LED", "varactor", "TVSdiode")],
    "V": [("voltage", ROUND), ("Misc\\\\battery", ROUND), ("Misc\\\\cell", [(0, 0), (0, 64)]), ("Voltage", ROUND)],
    "I": [("current", LINE), ("load2", LINE), ("load", SHORT)],
    "E": [("e", [*ROUND, (-48, 32), (-48, 80)]), ("e2", [*ROUND, (-48, 80), (-48, 32)])],
    "F": [("f", LINE)],
    "G": [("g", [*ROUND[::-1], (-48, 32), (-48, 80)]), ("g2", [*ROUND[::-1], (-48, 80), (-48, 32)])],
    "X": [("diode", SHORT)],
}
TURNS = {
    "R0": lambda x, y: (x, y),
    "R90": lambda x, y: (-y, x),
    "M90": lambda x, y: (y, x),
    "M0": lambda x, y: (-x, y),
    "R180": lambda x, y: (-x, -y),
    "M180": lambda x, y: (x, -y),
    "R270": lambda x, y: (y, -x),
    "M270": lambda x, y: (-y, -x),
}


def drawn(deck: str, shift: int, wired: bool, version: str) -> str:
    """A deck's parts in a row, each turned on from the one before, its directives as texts."""
    symbols = {letter: cycle(them[shift % len(them) :] + them[: shift % len(them)]) for letter, them in SYMBOLS.items()}
    turns = cycle([*TURNS][shift:] + [*TURNS][:shift])
    out = [f"Version {version}", "SHEET 1 3000 680"]
    flags, wires, parts = [], [], []
    block = re.search(r"\.subckt(.*\n)*?\.ends\n", deck)
    directives = [*(block[0].splitlines() if block else []), *re.findall(r"^\.(?!subckt|ends).*$", deck, re.MULTILINE)]
    deck = deck.replace(block[0], "") if block else deck
    pins: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for k, line in enumerate(line for line in deck.splitlines() if line[0] != "."):
        name, rest = line.split(maxsplit=1)
        kind, places = next(symbols[name[0]])
        turn = next(turns)
        *nets, value = rest.split(maxsplit=len(places))
        x, y = 600 * k, -64 * (k % 3)
        points = [(x + dx, y + dy) for dx, dy in (TURNS[turn](*place) for place in places)]
        for at, (net, (px, py)) in enumerate(zip(nets, points, strict=True)):
            aside = -1 if any(qy == py and qx > px for qx, qy in points) else 1
            pins[net].append((px, py, x + aside * (160 + 16 * at)))
        value, _, more = value.partition("|")
        parts += [f"SYMBOL {kind} {x} {y} {turn}", f"WINDOW 0 {24 - k} 56 VBottom 2", f"SYMATTR InstName {name}"]
        parts += [f"SYMATTR Value {value}"] + ([f"SYMATTR {more}"] if more else [])
        parts += ["SYMATTR Prefix X"] if name[0] == "X" else []
    for rail, (net, them) in enumerate(pins.items()):
        level = -400 - 16 * rail
        if not wired:
            flags += [f"FLAG {px} {py} {net}" for px, py, _ in them]
            continue
        for px, py, ex in them:
            wires += [f"WIRE {px} {py} {ex} {py}", f"WIRE {ex} {level} {ex} {py}"]
        ends = [ex for *_, ex in them]
        wires.append(f"WIRE {max(ends)} {level} {min(ends)} {level}")
        if not net.startswith("x"):
            flags.append(f"FLAG {ends[0]} {level} {net}")
    out += [*wires, *flags, *parts]
    if version != "4":
        out += ["IOPIN 0 -9000 In", 'DATAFLAG 16 -9000 "$"', "CIRCLE Normal 32 -9000 0 -8968 2", "LINE Normal 0 0 9 9"]
    return "\n".join([*out, "TEXT 0 700 Left 2 !" + "\\n".join(directives), "TEXT 0 800 Left 2 ;a remark", ""])


DIODE = ".model DD D(Is=2.52n Rs=.568 N=1.752)"
ZENER = ".model DZ D(Is=1p N=1.1 Rs=1 BV=5.1 IBV=5m)"
CIRCUITS: dict[str, str] = {
    "divider": "V1 in 0 5\nR1 in out 1k\nR2 out 0 2.2k",
    "loaded divider": "V1 in 0 5\nR1 in out 1k\nR2 out 0 1Meg\nR3 out 0 4.7k\nC1 out 0 1u",
    "bridge of resistors": "V1 a 0 10\nR1 a p 1k\nR2 a q 2k\nR3 p 0 3k\nR4 q 0 1.5k\nR5 p q 470",
    "ladder": "V1 a 0 1\nR1 a b 1k\nR2 b 0 2k\nR3 b c 1k\nR4 c 0 2k\nR5 c d 1k\nR6 d 0 2k",
    "two sources": "V1 a 0 3\nV2 b a 1.5\nR1 b out 1k\nR2 out 0 1k\nI1 0 out 1m",
    "a source that has a resistance": "V1 in 0 5|SpiceLine Rser=50\nR1 in 0 100",
    "a current into a T": "I1 0 a 2m\nR1 a x1 1k\nR2 x1 0 500\nR3 x1 c 1k\nR4 c 0 1k",
    "half-wave rectifier": f"V1 in 0 SINE(2 5 50)\nD1 in out DD\nR1 out 0 1k\nC1 out 0 100u\n{DIODE}",
    "bridge rectifier": f"V1 p n 6\nD1 p o DD\nD2 n o DD\nD3 0 p DD\nD4 0 n DD\nR1 o 0 1k\nR2 n 0 1Meg\n{DIODE}",
    "clipper": f"V1 in 0 3\nR1 in out 10k\nD1 out hi DD\nD2 lo out DD\nV2 hi 0 1\nV3 lo 0 -1\n{DIODE}",
    "clamp": f"V1 in 0 -4\nR1 in out 4.7k\nD1 0 out DD\nR2 out 0 100k\n{DIODE}",
    "Zener": f"V1 in 0 12\nR1 in out 470\nD1 0 out DZ\nR2 out 0 2k\n{ZENER}",
    "back to back": f"V1 in 0 9\nR1 in a 1k\nD1 a x2 DZ\nD2 0 x2 DZ\n{ZENER}",
    "LED": ".model DL D(Is=1e-18 N=1.8 Rs=2)\nV1 in 0 5\nR1 in a 330\nD1 a 0 DL",
    "exponential of a string": f"I1 0 a 1m\nD1 a b DD\nD2 b c DD\nD3 c 0 DD\nR1 a 0 100k\n{DIODE}",
    "a diode of area": f"V1 in 0 1\nR1 in a 1k\nD1 a 0 DD area=3\n{DIODE}",
    "filter": "V1 in 0 5 AC 1\nR1 in a 100\nL1 a b 10m|SpiceLine Rser=2\nC1 b 0 1u\nR2 b 0 1k",
    "chokes": "V1 in 0 5\nL1 in a 1m\nR1 a b 50\nL2 b c 132n|SpiceLine Ipk=1 Rser=0.3\nR2 c 0 50",
    "capacitor that leaks": "V1 in 0 5\nR1 in a 10k\nC1 a 0 10u|SpiceLine Rpar=40k",
    "amplifier": "V1 in 0 0.1\nR1 in 0 1k\nE1 out 0 in 0 20\nR2 out load 100\nR3 load 0 1k",
    "differential": "V1 p 0 1\nV2 n 0 0.4\nR1 p n 1k\nE1 out 0 p n 5\nR2 out 0 1k\nE2 o2 out n 0 2\nR3 o2 0 1k",
    "transconductance": "V1 in 0 0.5\nR1 in 0 1k\nG1 0 out in 0 2m\nR2 out 0 3k\nG2 out 0 in out 1m",
    "mirror": "V1 in 0 2\nR1 in a 1k\nV2 a 0 0\nF1 0 out V2 3\nR2 out 0 500",
    "constants": ".param g=2 r={g*1k}\nV1 in 0 {g+1}\nR1 in out {r}\nR2 out 0 {r/g}",
    "a subcircuit": f".subckt clamp p n\nR1 p x 100\nD1 x n DD\n.ends\nV1 in 0 2\nR1 in a 1k\nX1 a 0 clamp\n{DIODE}",
    "warm": f".options temp=60\nV1 in 0 1\nR1 in a 1k\nD1 a 0 DD\n{DIODE}",
    "XOR": f"V1 a 0 5\nV2 b 0 0\nR1 a h 1k\nR2 b h 2k\nR3 h 0 3k\nD1 h m DD\nD2 m h DD\nV3 m 0 2.5\n{DIODE}",
}
VARIED = {"half-wave rectifier": 2.0, "filter": 5.0}  # what the varied source of each is in direct current
WAYS = [
    ("4", "utf-8", "\n"),
    ("4.1", "utf-16-le", "\n"),
    ("4", "latin-1", "\r\n"),
    ("4.1", "utf-8-sig", "\r\n"),
    ("4", "utf-16", "\r\n"),
]


@pytest.mark.parametrize("name", CIRCUITS)
def test_it_settles_as_the_deck(name: str, tmp_path: Path) -> None:
    deck = CIRCUITS[name]
    number = [*CIRCUITS].index(name)
    plain = re.sub(r"\|SpiceLine (.*)", r" \1", deck)
    # Rser and Rpar are LTspice's: ngspice gets them as the resistors that they are
    plain = re.sub(r"^V1 in 0 5 Rser=50$", "V1 x9 0 5\nR9 x9 in 50", plain, flags=re.MULTILINE)
    plain = re.sub(r"^L(\d) (\S+) (\S+) .*Rser=(\S+)", r"R9\1 \2 \3 \4", plain, flags=re.MULTILINE)
    plain = re.sub(r"^L(\d) (\S+) (\S+) [^=\n]*$", r"R9\1 \2 \3 1m", plain, flags=re.MULTILINE)  # LTspice's own
    plain = re.sub(r"^C1 (\S+) 0 .*Rpar=(\S+)", r"R9 \1 0 \2", plain, flags=re.MULTILINE)
    plain = plain.replace("SINE(2 5 50)", "2")
    wanted = run_ngspice(f"t\n{plain}\n{RUN}\n.end\n", tmp_path)
    for step in range(3):
        version, encoding, end = WAYS[(number + step) % len(WAYS)]
        text = drawn(deck, number + step, wired=step != 1, version=version)
        path = tmp_path / "drawn.asc"
        path.write_bytes(text.replace("\n", end).encode(encoding))
        circuit = import_deck(path, outputs=["*"]).circuit
        found = voltages(circuit, np.full((1, len(circuit.inputs)), VARIED.get(name, 0.0)))
        for node, volts in wanted.items():
            if node[0] != "x" and "#" not in node:
                assert found[node][0] == pytest.approx(volts, abs=1e-7, rel=1e-9), (node, step)
