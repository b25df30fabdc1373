"""Operational amplifiers in circuits: a macromodel out of the kinds of parts that every engine knows.

Amplifier 7 has the nodes ``u7_p`` (its + input after the offset), ``u7_a`` (the difference times the gain), ``u7_b``
(the same, kept within the swing by two clamps) and ``u7_c`` (before the output's resistance), and parts called
``e_u7_gain``, ``d_u7_high`` and so on. What nothing would flow through is left out. guide/amplifiers.md has the model.
Where a circuit has such names already, numbers are passed over, and rails are called ``amp_high_`` and so on.
"""

from __future__ import annotations

import math
import re
from itertools import count, islice

import numpy as np
from numpy.typing import ArrayLike

from diodeq.circuit.amplifiers import label
from diodeq.devices.amplifier import Amplifier
from diodeq.devices.curve.model import CurveModel
from diodeq.devices.diode.model import DiodeModel
from diodeq.synthesis.parts import Index, Parts

# A clamp passes 1 µA at 18 mV and 1 mA at 27 mV beyond its rail; sharper ones are a torment for Newton's method.
CLAMP = DiodeModel("amplifier clamp", (("is", 1e-12), ("n", 0.05), ("eg", 0.0), ("xti", 0.0)), source="diodeq")
# The gain comes through a resistor so large that what rounding makes flow in it is below all tolerances, with ngspice's
# tightest too, and so small that a leak of 1e-12 S in the clamps takes a ten-thousandth of the gain.
GAIN_OHMS = 1e8
_OWN = re.compile(r"(?:[a-z]_)?(u[0-9]+)_[a-z]+")
_RAILS = ("amp_high", "amp_low", "amp_plus", "amp_minus")
# Knots of the output's curve on either side of 0, and how far they reach.
KNOTS, STEEPEST = 8, 4.0


class AmplifierParts:
    """What adds amplifiers of one kind to the parts of a circuit, between rails of ±``rail`` V.

    Raises `NotRealizableError` where they do not work there.
    """

    def __init__(self, parts: Parts, amplifier: Amplifier, rail: float) -> None:
        self._parts, self._amplifier, self._label = parts, amplifier, label(amplifier.name)
        self._count = 0
        given = parts.given()
        taken = {found[1] for found in map(_OWN.fullmatch, given) if found}
        self._numbers = (number for k in count(1) if (number := f"u{k}") not in taken)
        amplifier.rail(rail)
        high, low = amplifier.swing
        rails = list(_RAILS)
        while not given.isdisjoint([*rails, *(f"v_{name}" for name in rails)]):
            rails = [f"{name}_" for name in rails]
        self._high, self._low = parts.nodes(rails[:2]).tolist()
        volts, names = [rail - high, low - rail], [f"v_{name}" for name in rails[:2]]
        parts.add("voltage_sources", "swing of amplifiers", [self._high, self._low], 0, values=volts, names=names)
        self._supply: list[int] = []
        if amplifier.quiescent:
            self._supply = parts.nodes(rails[2:]).tolist()
            names = [f"v_{name}" for name in rails[2:]]
            parts.add("voltage_sources", "supply of amplifiers", self._supply, 0, values=[rail, -rail], names=names)

    @property
    def count(self) -> int:
        """How many there are so far."""
        return self._count

    def add(self, plus: ArrayLike, minus: ArrayLike, out: ArrayLike) -> None:
        """Amplifiers between nodes int[n] for their inputs and outputs."""
        amplifier, put = self._amplifier, self._parts.add
        plus, minus, out = (np.array(nodes) for nodes in np.broadcast_arrays(plus, minus, out))
        numbers = list(islice(self._numbers, out.size))
        self._count += out.size

        def nodes(letter: str) -> Index:
            return self._parts.nodes(f"{number}_{letter}" for number in numbers)

        def named(form: str) -> list[str]:
            return [form.format(number) for number in numbers]

        for end, each in (("plus", plus), ("minus", minus)) if amplifier.bias else ():
            used = each != 0
            names = [name for name, there in zip(named("i_{}_" + end), used.tolist(), strict=True) if there]
            put("current_sources", self._label, each[used], 0, values=amplifier.bias, names=names)
        if amplifier.quiescent:
            ends = [np.full(out.shape, node) for node in self._supply]
            put("current_sources", self._label, *ends, values=amplifier.quiescent, names=named("i_{}_supply"))
        if amplifier.offset:
            inner = nodes("p")
            put("voltage_sources", self._label, inner, plus, values=amplifier.offset, names=named("v_{}_offset"))
            plus = inner
        a, b = nodes("a"), nodes("b")
        put("buffers", self._label, a, 0, plus, minus, values=amplifier.gain, names=named("e_{}_gain"))
        put("resistors", self._label, a, b, values=1.0 / GAIN_OHMS, names=named("r_{}_gain"))
        clamp = self._parts.model(CLAMP)
        put("diodes", self._label, b, self._high, values=clamp, names=named("d_{}_high"))
        put("diodes", self._label, self._low, b, values=clamp, names=named("d_{}_low"))
        curve = output_curve(amplifier)
        behind = out if curve is None else nodes("c")
        put("buffers", self._label, behind, 0, b, 0, values=1.0, names=named("e_{}_out"))
        if curve is not None:
            model = self._parts.model(curve)
            put("diodes", self._label, behind, out, values=model, names=named("d_{}_out"))


def output_curve(amplifier: Amplifier) -> CurveModel | None:
    """What is in series with the output: its resistance at first, and never more than its current; None where nothing
    limits that."""
    if not amplifier.current < math.inf:
        return None
    ohms, amperes = max(amplifier.resistance, 1.0), amplifier.current
    t = [STEEPEST * k / KNOTS for k in range(-KNOTS, KNOTS + 1)]
    return CurveModel(
        f"output of {amplifier.name}",
        tuple(ohms * amperes * math.sinh(each) for each in t),
        tuple(amperes * math.tanh(math.sinh(each)) for each in t),
        "diodeq: output resistance and current limit of an amplifier",
    )
