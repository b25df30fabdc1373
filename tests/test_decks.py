"""Decks in the styles of the programs that people draw with: what reads is right at every node, by ngspice.

Each deck was written for these tests. Where ngspice itself does not read a spelling, the same circuit in plain words
stands beside it.
"""

from __future__ import annotations

import os
import random
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from decks import run_ngspice
from diodeq.cli.main import main
from diodeq.errors import InputError, PlacedError, UsageError
from diodeq.netlist.reading import Imported, import_deck
from diodeq.simulators import create
from diodeq.spice import Scope
from diodeq.spice.functions import Function

TIGHT = ".options reltol=1e-9 vntol=1e-12 abstol=1e-18\n.op\n.end\n"
CONTROL = ".control\nop\nalter r1 = 1\nprint all\nshell touch pwned\n.endc\n"
CARD = ".model dm d(is=2n n=1.8 rs=1)\n"
CLIP = "v1 in 0 2\nr1 in out 1k\nd1 out 0 dm\n" + CARD


class Case(NamedTuple):
    """``text`` as somebody writes it; ``plain`` for ngspice, where it reads no such thing; words of the notes."""

    text: str
    plain: str = ""
    said: tuple[str, ...] = ()
    drives: tuple[float, ...] = ()


CASES: dict[str, Case] = {
    # --- programs ---------------------------------------------------------------------------------------------------
    "KiCad": Case(
        '.title KiCad schematic\n.save all\n.probe alli\n.model __D1 D (IS=2n N=1.7)\n.model __Q1 NPN BF=100\n'
        "R1 Net-_D1-A_ /in 1k\nD1 Net-_D1-A_ GND __D1\nV1 /in GND DC 3 \nR2 /out Net-_D1-A_ 4.7k\n"
        "XRV1 /in /out GND pot\n.subckt pot 1 2 3 r=10k p=0.3\nR1 1 2 {r*p}\nR2 2 3 {r*(1-p)}\n.ends\n.end\n",
        said=("nothing uses", "__Q1"),
    ),
    "Qucs-S": Case(
        "* Qucs 24.2.1  clip.sch\n.PARAM Rl=2.2K\nR1 _net0 out  1K tc1=0.0 tc2=0.0 \n"
        "R2 0 out  {Rl} tc1=0.0 tc2=0.0 \n"
        "VPr1 out _net1 DC 0\nD1 _net1 0 DMOD_D1 AREA=1 Temp=26.85\nD2 0 out DMOD_D1 AREA=2 Temp=26.85\n"
        ".MODEL DMOD_D1 D (Is=1e-14 N=1.2 Cj0=10f M=0.5 Vj=0.7 Fc=0.5 Rs=2 Tt=0 Xti=3 Eg=1.11 Tnom=26.85)\n"
        "V1 _net0 0 DC 2.5\n.control\nset filetype=ascii\nop\nwrite x.raw\n.endc\n.END\n",
        said=("never run", "26.85"),
    ),
    "xschem": Case(
        "** sch_path: /home/me/clip.sch\n**.subckt clip\nV1 A GND 3\nR1 B A 1k m=2\nD1 B GND dm area=1.5\n"
        "x1 B GND load\n"
        "**** begin user architecture code\n.options savecurrents\n" + CONTROL + "**** end user architecture code\n"
        "**.ends\n\n* expanding   symbol:  load.sym # of pins=2\n** sym_path: /home/me/load.sym\n.subckt load p n\n"
        "*.iopin p\n*.iopin n\nR1 p n 5k m=1\n.ends\n\n.GLOBAL GND\n" + CARD + ".end\n",
        said=("never run",),
    ),
    "PySpice": Case(
        ".title divider\nVinput in 0 DC 10V\nR1 in out 9kOhm\nR2 out 0 1kOhm\nDclamp out 0 dm\n" + CARD
        + ".options TEMP = 25°C\n.options TNOM = 25°C\n.options filetype = binary\n.options NOINIT\n.op\n.end\n",
    ),
    "LTspice": Case(
        '* C:\\Users\\me\\Draft1.asc\nR1 N001 in 1k tol=1% pwr=0.1\nR§2 out N001 2k tol={tol}\n'
        "D1 N001 0 DM\nV1 in 0 5 Rser=10\nR3 out 0 10K\nC1 out 0 1µ V=16 Irms=0 Rser=0.1\nL1 out w 10m Rser=5\n"
        "Rw w 0 1k\n"
        ".model DM D(Is=2n N=1.8 Rs=1 mfg=Nobody type=silicon)\n.model D D\n.param tol=5\n.step param tol 1 5 1\n"
        ".meas TRAN top MAX V(out)\n.tran 1m\n.backanno\n.end\n",
        "r1 n001 in 1k\nr2 out n001 2k\nd1 n001 0 dm\nv1 in v1_inner 5\nrs v1_inner 0 10\nr3 out 0 10k\nrl out w 5\n"
        "rw w 0 1k\n" + CARD,
        ("tol", "sweep"),
    ),
    "a newer LTspice": Case(
        "* Draft2.net\nG1 0 N001 in 0 1m\nR1 N001 0 1k TC=0,0\nB1 N002 0 V=V(N001)*2+1\nR2 N002 out 1k\n"
        "D1 out 0 DM temp=27\nV1 in 0 PWL(0 1 1m 5)\n.model DM D(Is=2n N=1.8 Rs=1)\n.options plotwinsize=0\n"
        ".op\n.end\n",
        "g1 0 n001 in 0 1m\nr1 n001 0 1k\nb1 n002 0 v=v(n001)*2+1\nr2 n002 out 1k\nd1 out 0 dm\nv1 in 0 1\n" + CARD,
        drives=(1.0,),
    ),
    "old Berkeley": Case("V1 1 0 5\nR1 1 2 1K\nD1 2 0 DM\n.MODEL DM D IS=2N N=1.8 RS=1\n.OP\n.DC V1 0 5 .1\n"
        ".PRINT DC V(2)\n", drives=(5.0,)),
    "HSPICE": Case(
        ".param rl='2*k1' k1=1.5k\n.option post=2 probe nomod\nv1 a 0 dc=3\nr1 a b 'rl' $comment\n"
        "r2 b 0 r='k1+rl/2'\n"
        "d1 b 0 dm $ another\n.probe v(b)\n" + CARD,
        ".param rl='2*k1' k1=1.5k\nv1 a 0 dc=3\nr1 a b 'rl'\nr2 b 0 r='k1+rl/2'\nd1 b 0 dm\n" + CARD,
    ),
    "PSpice": Case(
        "* source CLIP\nR_R1 $N_0001 $N_0002 1k\nD_D1 $N_0002 0 dm\nV_V1 $N_0001 0 3V\n"
        "E_E1 e 0 VALUE {V($N_0002)*2}\n"
        "R_R2 e 0 1k\n" + CARD,
        "r1 n_n_0001 n_n_0002 1k\nd1 n_n_0002 0 dm\nv1 n_n_0001 0 3\ne1 e 0 n_n_0002 0 2\nr2 e 0 1k\n" + CARD,
    ),
    "eSim": Case(
        "* /home/me/eSim-Workspace/clip/clip.cir\n* u1  net-_d1-pad1_ plot_v1\nd1  net-_d1-pad1_ GND dm\n"
        "v1  net-_r1-pad1_ gnd dc 5\nr1  net-_r1-pad1_ net-_d1-pad1_ 1k\n.tran 10e-06 1e-03 0e-00\n\n"
        "* Control Statements \n.control\nrun\nprint allv > plot_data_v.txt\n.endc\n" + CARD + ".end\n",
        "d1 net-_d1-pad1_ 0 dm\nv1 net-_r1-pad1_ 0 5\nr1 net-_r1-pad1_ net-_d1-pad1_ 1k\n" + CARD,
    ),
    # --- values -----------------------------------------------------------------------------------------------------
    "milliohms by mistake": Case("v1 a 0 1\nr1 a b 1k\nr2 b 0 1M\nr3 b 0 10Meg\n", said=("r2 1M", "milliohm")),
    "wires of 0 ohm": Case(
        "v1 a 0 1\nr1 a b 1k\nr2 b c 0\nr3 c b 0\nr4 b c 0\nr5 c 0 1k\n", "v1 a 0 1\nr1 a b 1k\nv2 b c 0\n"
        "r5 c 0 1k\n",
        ("pieces of wire", "join already"),
    ),
    "a wire by an expression": Case(".param w=0\nv1 a 0 1\nr1 a b {w}\nr2 b 0 1\n", "v1 a 0 1\nv2 a b 0\nr2 b 0 1\n"),
    "both ends on one node": Case(CLIP + "r9 out out 5\nd9 0 gnd dm\ni9 in in 1\n", said=("both ends", "r9")),
    "coefficients at the nominal temperature": Case("v1 a 0 1\nr1 a b 1k tc1=0.01 tc2=1m\nr2 b 0 1k\n"),
    "coefficients of both kinds": Case(
        "v1 a 0 1\nr1 a b 1k tc=0.01,0.001\nr2 b 0 1k TC=0.01\n.temp 37\n",
        "v1 a 0 1\nr1 a b 1k tc1=0.01 tc2=0.001\nr2 b 0 1k tc1=0.01\n.temp 37\n", ("coefficient",),
    ),
    "a resistor's own temperature": Case("v1 a 0 1\nr1 a b 1k tc1=0.01 dtemp=10\nr2 b 0 1k temp=99\n"
        ".options temp=30 tnom=20\n"),
    "a resistor's model": Case("v1 a 0 1\n.model rm r(tc1=0.01 tnom=20)\nr1 a b 1k rm\nr2 b 0 rm 2k\n"),
    "a sheet's resistance": Case(
        "v1 a 0 1\n.model rm r(rsh=50 narrow=0.1u short=0.2u defw=2u kf=1p)\nr1 a b rm l=10u w=1u\nr2 b 0 rm l=20u\n"
    ),
    "several in parallel": Case("v1 a 0 1\nr1 a b 1k m=3\nr2 b 0 r='1k'\nd1 b 0 dm 2 off ic=0.6\n"
        "d2 b 0 dm area=2 m=3\n" + CARD),
    "the temperature in an expression": Case("v1 a 0 1\nr1 a b {1+temper}\nr2 b 0 100\n.temp 50\n"),
    "a temperature that all diodes have": Case(CLIP.replace("out 0 dm", "out 0 dm temp=60"), said=("60 °C",)),
    "diodes warmer than the rest": Case(CLIP.replace("out 0 dm", "out 0 dm dtemp=20") + ".temp 40\n"),
    "a model without its bracket's end": Case(CLIP.replace("rs=1)", "rs=1")),
    "a joined model": Case("v1 a 0 1\nr1 a b 1k\nd1 b 0 dj\n.model dj d(is=2n + n=1.8 ibv=1e-4+ bv=50)\n"),
    "lone numbers": Case(".param n 5\nv1 a 0 {n}\nr1 a b 1k\nr2 b 0 1k\n", "v1 a 0 5\nr1 a b 1k\nr2 b 0 1k\n"),
    # --- expressions ------------------------------------------------------------------------------------------------
    "powers": Case("v1 a 0 {2^3-2**2+(-2)^2}\nv2 b 0 {-2^2}\nv3 c 0 {4^-0.5}\n", said=("^ is a power",)),
    "whole numbers": Case("v1 a 0 {int(2.7)+int(-2.7)*10}\nv2 b 0 {floor(-2.5)+ceil(2.2)}\n"
        "v3 c 0 {sgn(-3)*sqr(2)}\n"),
    "angles": Case("v1 a 0 {asin(.5)+acos(.5)+arctan(1)}\nv2 b 0 {sinh(1)+cosh(1)*tanh(.5)}\n"),
    "choices": Case(
        ".param p=3\nv1 a 0 {p>2 ? 7 : 8}\nv2 b 0 {ternary_fcn(p<=2,5,6)}\n"
        "v3 c 0 {(p==3 && p!=4) + (p<1 || !(p>=3))}\n"
    ),
    "LTspice's choice": Case(".param p=3\nv1 a 0 {if(p>2,5,6)}\nr1 a 0 1\n", "v1 a 0 5\nr1 a 0 1\n"),
    "functions": Case(
        ".func f(x,y) {x*y+1}\n.param g(x)='x*x' k=2\n.func h(x) = {f(x,k)+g(x+1)}\n.func c() {3}\n"
        "v1 a 0 {f(2,3)}\nv2 b 0 {g(1+1)}\nv3 c 0 {h(2)+c()}\n"
    ),
    "a function that sees the caller's constants": Case(
        ".func f(x) {x*k}\n.param k=2\nv1 a 0 {f(1)}\nx1 b s k=5\n.subckt s b k=1\nv2 b 0 {f(1)}\n.ends\n"
    ),
    "branches": Case(
        ".param k=2\nv1 a 0 1\nr1 a b 1k\n.if (k==1)\nr2 b 0 1k\n.if (1/0)\nr3 b 0 1\n.endif\n.elseif (k==2)\n"
        ".if (1)\n"
        "r2 b 0 3k\n.endif\n.else\nq1 b 0 0 q\n.endif\n",
        "v1 a 0 1\nr1 a b 1k\nr2 b 0 3k\n", ("do not choose", "r2 b 0 1k"),
    ),
    "branches with models": Case(
        ".param fast=1\nv1 a 0 1\nr1 a b 1k\nd1 b 0 dd\n.if (fast)\n.model dd d(is=1u)\n.else\n"
        ".model dd d(is=1n)\n.endif\n"
    ),
    "branches with subcircuits": Case(
        ".param k=2\nv1 a 0 1\nr1 a b 1k\nx1 b s\n.if (k==1)\n.subckt s a\nr1 a 0 1k\n.ends\n"
        ".else\n.subckt s a q=1\n.if (q==1)\nr1 a 0 3k\n.endif\n.ends\n.endif\n",
        "v1 a 0 1\nr1 a b 1k\nr2 b 0 3k\n",
    ),
    "branches of an instance": Case(
        "v1 a 0 1\nr1 a b 1k\nx1 b s k=2\nx2 b s\n.subckt s a k=1\n.if (k==1)\nr2 a 0 1k\n.else\nr2 a 0 3k\n"
        ".endif\n.ends\n"
    ),
    # --- sources ----------------------------------------------------------------------------------------------------
    "waves beside a constant": Case("v1 a 0 DC 5 AC 1 SIN(0 1 1k)\nr1 a b 1k\nr2 b 0 1k\n"
        ".save v(b)\n", "v1 a 0 5\nr1 a b 1k\nr2 b 0 1k\n", drives=(5.0,)),
    "a source of a name without a value": Case("v1 a 0 DC\nv2 b a 2\nr1 b 0 1k\n", "v1 a 0 0\nv2 b a 2\nr1 b 0 1k\n"),
    "sums": Case("v1 a 0 2\nb1 b 0 v=v(a)*2+1\nb2 c 0 V = {v(a,b)/2 - 3*(v(b)-1)}\nb3 0 d i='i(v1)*3+1m'\n"
        "r1 d 0 1\nr2 a 0 1k\n"),
    "a sum of nothing": Case("v1 a 0 2\nr1 a b 1k\nb1 b 0 i=v(a)-v(a)\nb2 c 0 v=0*v(a)\n"
        "r2 b c 1k\n", said=("no current",)),
    "constants of functions": Case(".func k(x) {x/2}\nv1 a 0 2\nb1 b 0 v=k(v(a))+abs(-3)+1M\n"
        "b2 c 0 v=sqrt(4)*max(1,2)\nr1 b c 1k\n"),
    "the time": Case("v1 a 0 2\nb1 b 0 v=v(a)+3*cos(6.28*50*time)\nr1 b 0 1\n", said=("follow the time",)),
    "E and G of expressions": Case(
        "v1 a 0 2\ne1 e 0 value={2*v(a)+1}\ne2 f 0 vol='3*v(a)'\ng1 0 g value={v(a)}\nr2 g 0 1\n"
        "g2 0 h cur='2*v(a)-v(e)'\nr3 h 0 1\n"
    ),
    "linear polynomials": Case(
        "v1 a 0 2\nr0 a 0 1k\ne2 c 0 poly(1) a 0 1 3\ne4 e 0 POLY(2) (a,0) (c,0) 1 2 3 0 0\n"
        "g1 0 f poly(2) a 0 c 0 0 3 0.5\nr3 f 0 1\n"
        "f2 0 g poly(1) v1 1 3\nr4 g 0 1\nh2 h 0 poly(1) v1 1 1k\nf3 0 i poly(2) v1 vs 0 1 2\nr5 i 0 1\n"
        "vs j 0 1\nr6 j 0 1k\n"
    ),
    "H": Case("v1 a 0 2\nr0 a b 1k\nvs b 0 0\nh1 d 0 vs 1k\nh2 d2 d vs -500\nr1 d2 0 1k\nf1 0 q vs 2\nr2 q 0 1k\n"),
    "H of H": Case("v1 a 0 2\nr0 a 0 1k\nh1 b 0 v1 1k\nr1 b c 1k\nv2 c 0 0\nh2 d 0 v2 3k\nr2 d a 1k\n"),
    "sources within subcircuits": Case(
        "v1 a 0 2\nx1 a b s\nx2 b c s\nr1 c 0 1k\n.subckt s p q\nvs p m 0\nr1 m 0 1k\nh1 q n vs 500\n"
        "b1 n 0 v=v(p)/4+i(vs)*100+0.1\n.ends\n"
    ),
    "a conductance": Case("v1 a 0 2\ng1 a b a b 1m\nr1 b 0 1k\nb1 b 0 i=v(b)*1m\n"),
    "inductors and couplings": Case(
        "v1 a 0 1\nr1 a b 1k\nl1 b c 1m\nl2 d 0 1m\nk1 l1 l2 0.99\nr2 c 0 1k\nr3 d 0 1k\n"
        "c1 b 0 1u ic=3\n", said=("couplings",)
    ),
    "no noise": Case("v1 a 0 dc 1 trnoise(1 1n 0 0)\nr1 a 0 1\n", drives=(1.0,)),
    # --- structure --------------------------------------------------------------------------------------------------
    "global nodes": Case(".global vdd gnd\n.subckt s a\nr1 a vdd 1k\n.ends\nv1 vdd 0 1\nr2 b 0 1k\nx1 b s\n"),
    "a global pin": Case(
        ".global vdd\n.subckt s vdd\nr1 vdd 0 1k\n.ends\nv1 vdd 0 1\nv2 q 0 5\nr2 q b 1k\nx1 b s\nr3 b 0 1k\n"
    ),
    "shunts": Case("i1 0 a 1n\nr1 a b 1k\nc1 b 0 1n\n.option rshunt=1e9\n"),
    "what nothing uses": Case(
        CLIP + ".model q npn(bf=)\n.model p vdmos rg=3 mfg=x\n.model j njf(\n.subckt amp a b\nq1 a b 0 q\n.ic v(a)=\n"
        ".subckt inner x\n.ends\n.model z d(is=1 2)\nr1 a\n.weird\n.ends\n",
        CLIP, ("amp (it could not be read)",),
    ),
    "twice alike": Case(CLIP + CARD + "x1 out s\n" + 2 * ".subckt s a\nr1 a 0 1k\n.ends\n", said=("twice alike",)),
    "a lone subcircuit": Case(
        ".subckt clip in out r=1k\nvb b 0 1\nr1 in out {r}\nd1 out b dm\nr2 in b 2k\n" + CARD + ".ends\n",
        "vb b 0 1\nr1 in out 1k\nd1 out b dm\nr2 in b 2k\n" + CARD, ("subcircuit alone",),
    ),
    "a lone subcircuit and what it holds": Case(
        ".subckt half a\nr1 a 0 1k\n.ends\n.subckt whole a\nv1 a b 1\nx1 b half\n.ends\n", "v1 a b 1\nx1 b half\n"
        ".subckt half a\nr1 a 0 1k\n.ends\n",
    ),
    "sections of a library": Case(".lib tt\nr1 a 0 5\n.endl tt\nv1 a 0 1\nr1 a b 1k\nr2 b 0 1k\n", "v1 a 0 1\n"
        "r1 a b 1k\nr2 b 0 1k\n", ("nothing there asks",)),
    "constants that no line declares": Case(
        "v1 a 0 1\nr1 a b 1k\nx1 b s params: rr=2k\n.subckt s a\nr1 a 0 {rr}\n.ends\n", "v1 a 0 1\nr1 a b 1k\n"
        "r2 b 0 2k\n"
    ),
    "measures and wishes": Case(
        CLIP + ".meas dc x find v(out) at=1\n.save @r1[i] v(out)\n.print dc i(v1)\n.csparam k=1\n"
            ".ic v(out)=0.5\n.nodeset v(in)=1\n",
        CLIP, ("starting point",),
    ),
    "supplies by their signs": Case("v1 +5V 0 5\nv2 -5V 0 -5\nr1 +5V out 1k\nr2 out -5V 2k\nr3 in+ in- 1k\n"
        "r4 in+ out 1k\nr5 in- 0 1k\n"),
    "slashes and commas": Case("V1 (/in,0) 2\nR1 (/in /a/out) 1k\nR2 /a/out,0 1k // half\nD1 /a/out 0 dm\n" + CARD,
        "v1 /in 0 2\nr1 /in /a/out 1k\nr2 /a/out 0 1k\nd1 /a/out 0 dm\n" + CARD),
}  # fmt: skip


ASKED = (".end", ".op", ".dc", ".tran", ".print", ".probe", ".save", ".backanno", ".meas", ".step")


def runnable(text: str) -> str:
    """The deck without what it would run, and with one operating point."""
    lines: list[str] = []
    control = False
    for line in text.splitlines():
        word = line.split(" ")[0].lower()
        control = (control or word == ".control") and word != ".endc"
        if not control and word not in (*ASKED, ".endc"):
            lines.append(line)
    return "\n".join(["title", *lines, TIGHT])


def read(text: str, folder: Path, **more: list[str]) -> Imported:
    (folder / "x.cir").write_text("title\n" + text)
    return import_deck(folder / "x.cir", **more)


def demand_right(text: str, plain: str, folder: Path, drives: tuple[float, ...] = (), **more: list[str]) -> Imported:
    """The deck imported, which is right at every node that ngspice has."""
    wanted = {node: volts for node, volts in run_ngspice(runnable(plain), folder).items() if "_int" not in node}
    imported = read(text, folder, outputs=[f"o{k}={node}" for k, node in enumerate(wanted)], **more)
    found = create("wave").operate(imported.circuit, np.array([drives])).outputs[0]
    np.testing.assert_allclose(found, list(wanted.values()), rtol=0, atol=1e-7, err_msg=str(list(wanted)))
    return imported


@pytest.mark.parametrize("name", CASES)
def test_every_node_is_right(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    imported = demand_right(case.text, case.plain or case.text, tmp_path, case.drives)
    said = " ".join(imported.notes)
    for words in case.said:
        assert words in said, words
    assert not (tmp_path / "pwned").exists()


OK = "r1 a 0 1k\nv1 a 0 1\n.save v(a)\n"
REFUSED: dict[str, tuple[str, int, str]] = {
    "include in the old way": (".INC 'C:\\models\\d.lib'\n", 5, "'d.lib'"),
    "a library's section": (".lib 'mine.lib' typical\n", 5, "--include"),
    "the end of no section": (".endl\n", 5, "no .lib"),
    "switch": ("s1 a 0 a 0 sw\n.model sw sw(vt=1)\n", 5, "a switch"),
    "code model": ("a1 [a] [b] dac\n", 5, "XSPICE"),
    "a product": ("b1 b 0 v=v(a)*i(v1)\nr2 b 0 1\n", 5, "not linear"),
    "a quotient": ("b1 b 0 i=1/v(a)\nr2 b 0 1\n", 5, "not linear"),
    "a power": ("b1 b 0 v=v(a)^2\nr2 b 0 1\n", 5, "not linear"),
    "a function of a voltage": ("e1 b 0 value={tanh(v(a))}\nr2 b 0 1\n", 5, "tanh of a voltage"),
    "a choice": ("g1 0 b cur='v(a)>1 ? 1 : 0'\nr2 b 0 1\n", 5, "not linear"),
    "a choice of a deck's own": (".func s(x) {if(x>0,x,0)}\nb1 b 0 v=s(v(a))\nr2 b 0 1\n", 6, "not linear"),
    "a behavioural resistor": ("r2 a 0 r={1k+v(a)}\n", 5, "where a constant stands"),
    "an expression's options": ("b1 b 0 v=v(a) tc1=1m\nr2 b 0 1\n", 5, "options"),
    "no expression": ("b1 b 0 v=\nr2 b 0 1\n", 5, "source of an expression"),
    "polynomial": ("e1 b 0 poly(1) a 0 0 1 2\n", 5, "not linear"),
    "a polynomial's only number": ("e1 b 0 poly(1) a 0 2\n", 5, "a constant in ngspice"),
    "a polynomial of none": ("e1 b 0 poly(0) 2\n", 5, "POLY(N)"),
    "table": ("e1 b 0 table {v(a)} = (0,0) (1,1)\n", 5, "TABLE"),
    "laplace": ("e1 b 0 laplace {v(a)} = {1/s}\n", 5, "LAPLACE"),
    "noise": ("v2 b 0 trnoise(1 1n 0 0)\n", 5, "noise"),
    "a port": ("v2 b 0 dc 0 ac 1 portnum 1 z0 50\n", 5, "'portnum'"),
    "a file's name that is two": ("v2 b 0 pwl file=x y.csv 3 dc 2 dc 3\n", 5, "two constants"),
    "a function that calls itself": (".func f(x) {f(x)+1}\nr2 a 0 {f(1)}\n", 6, "nested too deeply"),
    "functions of functions": (
        ".func f0(x) {x}\n"
        + "".join(f".func f{k + 1}(x) {{f{k}(x)+f{k}(x)}}\n" for k in range(40))
        + "r2 a 0 {f40(1)}\n",
        46,
        "call functions more than",
    ),
    "a power of a power": ("r2 a 0 {2**3**2}\n", 5, "compute differently"),
    "a power of what is negative": ("r2 a 0 {-(0-2)^3}\n", 5, "compute differently"),
    "LTspice's exclusive or": (".param x=2^3\nr2 a 0 {x}\n.backanno\n", 6, "exclusive or"),
    "a branch without end": (".if (1)\nr2 a 0 1k\n", 5, "never ended"),
    "a branch without beginning": (".endif\n", 5, ".if"),
    "two last branches": (".if (0)\n.else\n.else\n.endif\n", 7, "without .if"),
    "a branch by what is no constant": (".if (x)\n.endif\n", 5, "'x'"),
    "a constant in a branch": (".if (1)\n.param x=1\n.endif\n", 6, "within .if"),
    "shunts that count": (".options rshunt=1meg\n", 5, "1e9 or more"),
    "diodes of two temperatures": ("d1 a 0 BAT54\nd2 a 0 BAT54 temp=50\n", 6, "different temperatures"),
    "two models": ("d1 a 0 x\n.model x d(is=1n)\n.model x d(is=2n)\n", 7, "twice, differently"),
    "a model that cannot be read": ("d1 a 0 x\n.model x d(is=1n =2)\n", 6, "'='"),
    "a resistor's model that cannot be read": ("r9 a 0 x\n.model x r(rsh=1 =2)\n", 5, "'='"),
    "two subcircuits": (
        "x1 a s\n.subckt s a\nr1 a 0 1\n.ends\n.subckt s a\nr1 a 0 2\n.ends\n",
        9,
        "twice, differently",
    ),
    "a subcircuit in one": ("x1 a s\n.subckt s a\n.subckt t a\n.ends\n.ends\n", 7, "within a subcircuit"),
    "a subcircuit with a transistor": ("x1 a s\n.subckt s a\nq1 a 0 0 q\n.ends\n", 7, "bipolar"),
    "instances by number": ("x1 a s m=2\n.subckt s a\nr1 a 0 1\n.ends\n", 5, "several times"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_wrong_is_refused_with_its_line(name: str, tmp_path: Path) -> None:
    lines, line, evidence = REFUSED[name]
    with pytest.raises(PlacedError) as caught:
        read(OK + lines, tmp_path)
    assert (caught.value.line, evidence in str(caught.value)) == (line, True), str(caught.value)


def an_expression(rng: random.Random, depth: int) -> str:
    if depth == 0:
        return rng.choice(["1", "0.5", "3", "2k", "1m", "p", "q"])
    one, other = (an_expression(rng, depth - 1) for _ in range(2))
    forms = ["({0}{2}{1})"] * 4 + ["{0}{2}{1}"] * 3 + ["(-{0})", "abs({0})", "int({0})", "f({0})", "min({0},{1})"]
    forms += ["({0}{3}{1})", "sqrt({0})^{1}", "pow({0},2)", "{0}**-2"]
    sign, compared = rng.choice("+-*/"), rng.choice(["<", ">=", "==", "&&", "||"])
    return rng.choice(forms).format(one, other, sign, compared)


def test_constants_are_those_of_ngspice(tmp_path: Path) -> None:
    """Expressions drawn at random: what has a value here has the same in ngspice."""
    rng = random.Random(7)
    scope = Scope({"p": "3", "q": "{p/4}"}, functions={"f": Function(("x",), "x*2+p")})
    drawn: dict[str, float] = {}
    while len(drawn) < 150:
        text = an_expression(rng, 3)
        with suppress(InputError):
            drawn[text] = scope.number(f"{{{text}}}")
    lines = [f"v{k} n{k} 0 {{{text}}}" for k, text in enumerate(drawn)]
    found = run_ngspice(
        "\n".join(["t", ".param p=3 q={p/4}", ".func f(x) {x*2+p}", *lines, ".op", ".end", ""]), tmp_path
    )
    for k, (text, value) in enumerate(drawn.items()):
        assert found[f"n{k}"] == pytest.approx(value, rel=1e-9), text


def test_supplies_keep_their_signs_and_have_two_names(tmp_path: Path) -> None:
    text = "v+ +5V 0 5\nv-2 -5V 0 -5\nr1 +5V in+ 1k\nr2 in+ in- 1k\nr3 in- -5V 1k\nr4 +vcc in+ 1k\n"
    circuit = read(text, tmp_path, inputs=["v_p,v-2"], outputs=["*"]).circuit
    assert circuit.nodes == ("0", "p5v", "in_p", "in_n", "n5v", "p_vcc")
    assert circuit.part_names("voltage_sources") == ("v_p", "vn2")
    assert circuit.inputs.names == ("v+", "v-2")
    for names in (["+5V,-5V:in-"], ["p5v,n5v:in_n"]):
        assert np.array_equal(read(text, tmp_path, inputs=["vn2"], outputs=names).circuit.outputs, [[1, 0], [4, 3]])


class TestIncludes:
    TEXT = "v1 in 0 2\nr1 in out 1k\nd1 out 0 dm\n"

    def test_a_file_or_its_folder_by_name_whatever_its_path(self, tmp_path: Path) -> None:
        folder = tmp_path / "models"
        folder.mkdir()
        (folder / "Diodes.lib").write_text(CARD + ".include more.inc\n.end\n.model q npn(bf=)\n")
        (folder / "more.inc").write_text("* no title\nr2 out 0 2k\n")
        plain = self.TEXT + CARD + "r2 out 0 2k\n"
        for line in (".include Diodes.lib", '.inc "C:\\My Files\\Diodes.lib"', ".lib ../../etc/diodes.LIB"):
            for named in ([folder], [folder / "Diodes.lib", folder / "more.inc"]):
                demand_right(self.TEXT + line + "\n", plain, tmp_path, include=[str(path) for path in named])

    def test_sections(self, tmp_path: Path) -> None:
        lib = ".lib slow\n.model dm d(is=1u)\n.endl\n.lib fast\n" + CARD + ".endl fast\nr9 in 0 1\n"
        (tmp_path / "d x.lib").write_text(lib)
        for line in (".lib 'd x.lib' FAST", ".lib d x.lib fast", ".LIB  /a/b/d x.lib  fast"):
            text = self.TEXT + line + "\n.control\n.include other\n.endc\n"
            demand_right(text, self.TEXT + CARD, tmp_path, include=[str(tmp_path)])
        with pytest.raises(PlacedError, match="no section 'none'"):
            read(self.TEXT + ".lib 'd x.lib' none\n", tmp_path, include=[str(tmp_path)])

    @pytest.mark.parametrize(
        "line", [".include b.lib", ".include secret", ".include ..", '.include ""', f".inc {'x' * 300}"]
    )
    def test_no_other_file_is_opened(self, line: str, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text(CARD)
        (tmp_path / "lib").mkdir()
        (tmp_path / "lib" / "b.lib").symlink_to(tmp_path / "secret")
        with pytest.raises(PlacedError) as caught:
            read(self.TEXT + line + "\n", tmp_path, include=[str(tmp_path / "lib")])
        assert caught.value.line == 5
        assert "--include" in str(caught.value)

    def test_errors_and_notes_name_the_file_and_its_line(self, tmp_path: Path) -> None:
        (tmp_path / "a.inc").write_text("\n.include b.inc\n" + CARD)
        (tmp_path / "b.inc").write_text("* two\n\nr2 out 0 1M\n")
        imported = read(self.TEXT + ".include a.inc\n", tmp_path, include=[str(tmp_path)], outputs=["out"])
        assert any("r2 1M (line 3 of b.inc)" in note for note in imported.notes)
        (tmp_path / "b.inc").write_text("* two\n\nr2 out 0 1e400\n")
        with pytest.raises(PlacedError, match=r"b\.inc, line 3: '1e400'"):
            read(self.TEXT + ".include a.inc\n", tmp_path, include=[str(tmp_path)])

    def test_files_that_include_themselves_end(self, tmp_path: Path) -> None:
        (tmp_path / "a.inc").write_text(".include a.inc\n.include a.inc\n")
        with pytest.raises(PlacedError, match="includes itself"):
            read(self.TEXT + ".include a.inc\n", tmp_path, include=[str(tmp_path)])

    def test_what_is_named_must_be_there(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="nothing of that name"):
            read(self.TEXT, tmp_path, include=[str(tmp_path / "none")])

    def test_the_command(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("x.cir").write_text("title\n" + self.TEXT + ".include d.lib\n")
        Path("d.lib").write_text(CARD)
        words = ["import", "x.cir", "-o", "c.npz", "--output", "out"]
        assert main(words) == 3
        assert "--include" in capsys.readouterr().err
        assert main([*words, "--include", "d.lib"]) == 0
        assert sorted(os.listdir()) == ["c.npz", "d.lib", "x.cir"]
