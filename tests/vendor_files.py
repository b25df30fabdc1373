"""Model files written for the tests, each in a manner of public ones: what is read, and how ngspice is to call it.

Values are made up. ``calls`` has for each part that is to be read its line in ngspice, ``+`` the node that a current is
driven into, ``0`` the other one; other pins are tied to one of these, so that no other path carries it. ``asked`` is
the text for ngspice where it cannot read the file's own. ``said`` are pieces of what is said of what was left out.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class VendorFile:
    """One file."""

    text: str
    calls: dict[str, str]
    said: tuple[str, ...] = ()
    asked: str = ""


def card(text: str, *said: str, name: str = "P1", asked: str = "") -> VendorFile:
    """A file of one card."""
    return VendorFile(text, {name: f"d + 0 {name}"}, said, asked)


def sub(text: str, *said: str, name: str = "S1", pins: str = "+ 0", asked: str = "") -> VendorFile:
    """A file of one subcircuit."""
    return VendorFile(text, {name: f"x {pins} {name.partition('_')[0]}"}, said, asked)


DD = ".model dd D(IS=2n N=1.7 RS=.8)\n"
P = ".model P1 D(IS=2n N=1.7 RS=.8)\n"
RATED = ".model P1 D(IS=2n N=1.7 RS=.8 Iave=200m Vpk=75 {})\n"

CARDS: dict[str, VendorFile] = {
    "plain": card(P),
    "crlf and tabs": card("* made\r\n.MODEL\tP1\tD (\tIS=2N\tN=1.7\r\n+ RS=0.8 )\r\n"),
    "banners": card("*$\n*****\n*# ****\n.LIB\n* P1 ****\n" + P + "*$\n.ENDL\n.END\n", asked=P),
    "blank lines and comments in a card": card(".model P1 D(IS=2n\n\n* leakage\n+ N=1.7\n\n+ RS=.8)\n"),
    "dollar comments": card(".MODEL P1 D IS=2n N=1.7 $ a fit\n+ RS=.8 ; of ours\n"),
    "commas": card(".model P1 D(IS=2n,N=1.7,RS=.8)\n"),
    "spaces around =": card(".model P1 D ( IS = 2n N = 1.7 RS = .8 )\n"),
    "no =": card(".model P1 D(IS 2n N 1.7 RS .8)\n"),
    "two brackets": card(".model P1 D (IS=2n N=1.7) (RS=.8)\n"),
    "a bracket never closed": card(".model P1 D(IS=2n N=1.7 RS=.8\n\n* the end\n"),
    "a bracket closed on a line of its own": card(
        ".model P1 D(\n+ IS=2n N=1.7 RS=.8\n)\n" + DD.replace("dd", "P2"), asked=P
    ),
    "a bracket too many": card(".model P1 D(IS=2n N=1.7 RS=.8))\n"),
    "ratings": card(RATED.format("mfg=Made type=silicon"), asked=RATED.format("")),
    "a maker of two words": card(RATED.format("mfg=Made Up Inc type=LED"), asked=RATED.format("")),
    "a word that is no parameter": card(".model P1 D(IS=2n fast N=1.7 RS=.8)\n"),
    "the same parameter twice": card(".model P1 D(IS=9n N=1.7 RS=.8 IS=2n)\n"),
    "the same by two names": card(".model P1 D(IS=9n N=1.7 RS=.8 JS=2n CJO=1p CJ0=2p)\n"),
    "parameters of other simulators": card(
        ".model P1 D(IS=2n N=1.7 RS=.8 IBVL=1u NBVL=3 TBV1=1m TRS1=1m VP=.3 T_ABS=25)\n"
    ),
    "noise and charge": card(".model P1 D(IS=2n N=1.7 RS=.8 KF=1e-14 AF=1.1 TT=5n CJO=4p VJ=.6 M=.4 FC=.5)\n"),
    "level 1": card(".model P1 D(LEVEL=1 IS=2n N=1.7 RS=.8)\n"),
    "level 3": card(".model P1 D LEVEL=3 IS=2n N=1.7 RS=.8\n"),
    "TLEV": card(".model P1 D(IS=2n N=1.7 RS=.8 TLEV=1 TLEVC=0)\n"),
    "an absurd EG": card(".model P1 D(IS=2n N=1.7 RS=.8 EG=77 XTI=200)\n"),
    "TNOM": card(".model P1 D(IS=2n N=1.7 RS=.8 EG=.69 XTI=2 TNOM=50)\n"),
    "TREF": card(".model P1 D(IS=2n N=1.7 RS=.8 TREF=20)\n"),
    "AREA": card(".model P1 D(IS=2n N=1.7 RS=.8 AREA=3)\n"),
    "M above 0.9": card(".model P1 D(IS=2n N=1.7 RS=.8 M=1.3 CJO=20p ISR=1u NR=2.2)\n"),
    "FC of 1": card(".model P1 D(IS=2n N=1.7 RS=.8 FC=1)\n"),
    "FC below 0": card(".model P1 D(IS=2n N=1.7 RS=.8 FC=-.3 M=.5 ISR=3n NR=2)\n"),
    "BV of 0": card(".model P1 D(IS=2n N=1.7 RS=.8 BV=0 IBV=0)\n"),
    "IBV of 0": card(".model P1 D(IS=2n N=1.7 RS=.8 BV=30 IBV=0)\n"),
    "IS of 0": card(".model P1 D(IS=0 N=1.7 RS=.8)\n"),
    "IKF below 0": card(".model P1 D(IS=2n N=1.7 RS=.8 IKF=-1)\n"),
    "a knee of next to nothing": card(".model P1 D(IS=2n N=1.7 RS=.8 IKF=1.9E-186 IKR=9e-29)\n"),
    "a knee": card(".model P1 D(IS=2n N=1.7 RS=.8 IKF=3m)\n"),
    "recombination": card(".model P1 D(IS=2p N=1.1 RS=.8 ISR=8n NR=2.1 VJ=.7 M=.4)\n"),
    "units": card(".model P1 D(IS=2nA N=1.7 RS=.8Ohm CJO=4pF TT=5ns EG=1.11eV)\n"),
    "an exponent and a unit": card(".model P1 D(IS=2E-09A N=1.7 RS=.8 IBV=1e-3Amps BV=40)\n"),
    "words behind a number": card(".model P1 D(IS=2n N=1.7 RS=.8_Up)\n"),
    "a name of signs": card(".model P1.5-2/A+ D(IS=2n N=1.7 RS=.8)\n", name="P1.5-2/A+"),
    "a name that begins with a digit": card(".model 9P1 D(IS=2n N=1.7 RS=.8)\n", name="9P1"),
    "constants": card(".param i0=1n\n.param n0={1.5+.2}\n.model P1 D(IS={2*i0} N={n0} RS='.4*2')\n"),
    "a constant given twice": card(".param i0=9n\n.param i0=2n\n.model P1 D(IS={i0} N=1.7 RS=.8)\n"),
    "of two cards the first": card(P + P.replace("2n", "9n"), "line 2: P1 is defined on line 1"),
    "prose": card(
        "Diode models of ours\n(C) us\n" + P + "See our page.\n", "line 1: 'Diode'", "line 2:", "line 4:", asked=P
    ),
    "a list that continues nothing": card("+ a list\n" + P, "line 1: it continues nothing", asked=P),
    "binary junk": card(P + "* \x01\x02 in a comment\n\x03\x04 beside\n", "line 3: this is not text", asked=P),
    "a deck": card(
        "V1 1 0 5\nR1 1 2 1k\nD1 2 0 P1\n" + P + ".op\n.print dc v(2)\n",
        "'V1'",
        "'R1'",
        "'D1'",
        "'.op'",
        "'.print'",
        asked=P,
    ),
    "commands": card(P + ".control\nrun\nquit\n.endc\n.include other.lib\n", "'.control'", "'.include'", asked=P),
    "an encrypted section": card(
        P + "* Begin:\n  1F 2C 00\n.model P9 D(IS=1n)\n* End\n", "line 2: here encrypted", asked=P
    ),
    "a section that its maker encrypted": card(
        "$CDNENCSTART\nab0e14\n$CDNENCFINISH\n" + P + ".prot\nxx\n.unprot\n", "line 1: here", "line 5: here", asked=P
    ),
    "a card that is broken": card(P + ".model P2 D(IS=2n N=4k7)\n.model P3 D(IS= N=2)\n", "'4k7'", "line 3:", asked=P),
    "a card that goes on without a +": card(
        P + ".model P2 D(IS=2n\nRS=.8 N=1.7)\n", "line 2: 'P2': it goes on in line 3", "line 3:", asked=P
    ),
    "other devices": card(
        P + ".model Q1 NPN(BF=100 RB=10)\n.model S1 SW(VT=1)\n.model T1 D(IS=1n JTUN=1n)\n.model L2 D(LEVEL=2)\n",
        *("Q1", "S1", "JTUN", "level 2"),
        asked=P,
    ),
    "a piecewise-linear diode": card(P + ".model I1 D(Ron=.1 Roff=1G Vfwd=.4)\n", "line 2", asked=P),
}

S = ".subckt S1 1 2\n{}\n.ends\n"
SUBCIRCUITS: dict[str, VendorFile] = {
    "a leakage resistor": sub(S.format("R1 1 2 5.8E+9\nD1 1 2 dd\n.model dd D IS=2n N=1.7 BV=90 IBV=.1m RS=.8")),
    "a model beside it": sub(S.format("D1 1 2 dd") + DD),
    "a model of its own name": sub(S.format("R1 1 2 1MEG\nD1 1 2 S1") + DD.replace("dd", "S1")),
    "its own model before the file's": sub(S.format("D1 1 2 dd\n" + DD.strip()) + DD.replace("2n", "9n")),
    "pin 1 is the cathode": sub(S.format("D1 2 1 dd") + DD, pins="0 +"),
    "series elements": sub(S.format("L1 1 3 2n\nR1 3 4 1.5\nD1 4 2 dd\nC1 1 2 3p") + DD),
    "coupled inductors": sub(S.format("L1 1 3 2n\nL2 3 4 2n\nK1 L1 L2 .9\nD1 4 2 dd") + DD),
    "a Zener": sub(S.format("D1 1 2 dd\nDZ 3 1 dz\nVZ 2 3 4.1\n.model dz D(IS=3f RS=4 N=1.3)") + DD),
    "two against each other": sub(S.format("D1 3 1 dz\nD2 3 2 dz\n.model dz D(IS=3f RS=4 N=1.3 BV=4 IBV=1m)")),
    "a Zener that follows a reference": sub(
        S.format("D1 1 2 dd\nD2 3 1 dz\nE1 2 3 9 0 1\nI9 0 9 1m\nR9 9 0 3.9k TC=1m\n.model dz D(IS=1f N=1.1)") + DD
    ),
    "a reference of a negative resistor": sub(
        S.format("D1 1 2 dd\nD2 3 1 dz\nE1 2 3 9 0 1\nI9 9 0 1m\nR9 9 0 -3900\n.model dz D(IS=1f N=1.1)") + DD
    ),
    "area and m": sub(S.format("D1 1 3 dd 2\nD2 3 2 dd m=3") + DD),
    "a name twice": sub(S.format("D1 1 3 dd\nD1 3 2 dd") + DD, asked=S.format("D1 1 3 dd\nD2 3 2 dd") + DD),
    "off": sub(S.format("D1 1 2 dd OFF") + DD),
    "a resistor model": sub(S.format("D1 1 3 dd\nR1 3 2 rm 12\n.model rm RES(TC1=1m)") + DD),
    "params": sub(".subckt S1 A K params: rs=3 k=2\nD1 A 3 dd\nR1 3 K {k*rs}\n.ends S1\n" + DD),
    "brackets and commas": sub(".SUBCKT S1 (1,2)\nD1 (1,2) dd\n.ENDS\n" + DD, asked=S.format("D1 1 2 dd") + DD),
    "an end with a banner": sub(".subckt S1 1 2\nD1 1 2 dd\n.ends* ****\n" + DD),
    "a constant of its own": sub(".param r=90\n" + S.format(".param r=7\nD1 1 3 dd\nR1 3 2 {r}") + DD),
    "never ended": sub(
        ".subckt S1 1 2\nD1 1 2 dd\n" + DD, "line 1: .subckt 'S1' is never ended", asked=S.format("D1 1 2 dd") + DD
    ),
    "never ended before another": VendorFile(
        ".subckt S1 1 2\nD1 1 2 dd\n.subckt S2 1 2\nD1 1 2 dd m=2\n.ends\n" + DD,
        {"S1": "x + 0 S1", "S2": "x + 0 S2"},
        ("line 1: .subckt 'S1' is never ended, and is taken to end before line 3",),
        S.format("D1 1 2 dd") + S.format("D1 1 2 dd m=2").replace("S1", "S2") + DD,
    ),
    "of two the first": sub(S.format("D1 1 2 dd") + S.format("D1 1 2 dd m=9") + DD, "line 4: .subckt S1 is defined on"),
    "a stray end": sub(S.format("D1 1 2 dd") + ".ends\n" + DD, "line 4: .ends", asked=S.format("D1 1 2 dd") + DD),
    "a call of another": VendorFile(
        ".subckt HALF P N\nD1 P N dd\n.ends\n" + S.format("X1 1 3 HALF\nX2 3 2 HALF") + DD,
        {"HALF": "x + 0 HALF", "S1": "x + 0 S1"},
    ),
    "a call with a value": VendorFile(
        ".subckt HALF P N params: r=1\nD1 P M dd\nR1 M N {r+t}\n.ends\n"
        + ".subckt S1 1 2 params: t=2\nX1 1 3 HALF r=5\nX2 3 2 HALF params: r=t\n.ends\n"
        + DD,
        {"S1": "x + 0 S1"},
        ("'t'",),
    ),
    "one within another": sub(
        S.format(".subckt HALF P N\nD1 P N di\n.ends\nX1 1 3 HALF\nX2 3 2 HALF\n.model di D(IS=4n N=1.5)")
        + DD.replace("dd", "P1"),
    ),
    "one within another before the file's": VendorFile(
        ".subckt HALF P N\nD1 P N dd\nR1 P N 1k\n.ends\n"
        + S.format(".subckt HALF P N\nD1 P N dd\n.ends\nX1 1 2 HALF")
        + DD,
        {"S1": "x + 0 S1", "HALF": "x + 0 HALF"},
    ),
    "a dual": VendorFile(
        ".subckt S1 1 2 3\nD1 1 3 dd\nD2 2 3 dd m=2\n.ends\n" + DD,
        {"S1_1_3": "x + 0 0 S1", "S1_2_3": "x 0 + 0 S1"},
    ),
    "an array of calls": VendorFile(
        ".subckt HALF P N\nD1 P N dd\nR1 P N 1MEG\n.ends\n.subckt S1 1 2 3\nX1 1 3 HALF\nX2 3 2 HALF\n.ends\n" + DD,
        {"HALF": "x + 0 HALF", "S1_1_3": "x + 0 0 S1", "S1_3_2": "x + 0 + S1"},
    ),
    "a bridge": VendorFile(
        ".subckt S1 A B P N\nD1 A P dd\nD2 B P dd\nD3 N A dd\nD4 N B dd\n.ends\n.model dd D(IS=1f N=1.1 RS=.2)\n",
        {
            "S1_a_p": "x + 0 0 0 S1",
            "S1_b_p": "x 0 + 0 0 S1",
            "S1_n_a": "x 0 + + + S1",
            "S1_n_b": "x + 0 + + S1",
        },
    ),
    "a star of diodes": VendorFile(
        S.format("D1 1 2 dd") + ".subckt S2 1 2 3\nD1 9 1 dd\nD2 9 2 dd\nD3 9 3 dd\n.ends\n" + DD,
        {"S1": "x + 0 S1"},
        ("line 4: the parts of .subckt 'S2' meet at '9', which is none of its pins",),
    ),
    "a part that is none among good ones": VendorFile(
        S.format("D1 1 2 dd") + S.format("B1 1 2 I=V(1,2)*1m").replace("S1", "S2") + DD,
        {"S1": "x + 0 S1"},
        ("line 5: 'B1'",),
        S.format("D1 1 2 dd") + DD,
    ),
}

FILES = {**CARDS, **SUBCIRCUITS}
