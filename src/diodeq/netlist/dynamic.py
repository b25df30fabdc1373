"""Decks in which time passes: a step of the inputs (``.tran``) and small fluctuations about a point (``.noise``).

The circuit is a folded one: ideal sources hold a driven node whatever its capacitance is, and what a folded resistor
conducts, charges and fluctuates is what its Norton equivalent does (the noise of parallel conductances adds, 4kTΣG).
Nodes are not reduced further: each has a capacitance. Diodes come with all their parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from diodeq import __version__
from diodeq.circuit import Circuit, bank
from diodeq.circuit.primitives import used_models
from diodeq.devices import Model
from diodeq.devices.diode.law import law
from diodeq.devices.two_pin import NGSPICE, TwoPin, called, diodes_of
from diodeq.errors import InputError
from diodeq.netlist import spice
from diodeq.netlist.batched import Floats, element_lines, node, options
from diodeq.netlist.listing import TOLERANCES, tolerances_for
from diodeq.spice.numbers import shortest

# A step takes this share of the time that is simulated.
STEP = 1e-9
# A transient has at least so many points.
POINTS = 100
# Points per decade of a spectrum.
PER_DECADE = 10


@dataclass(frozen=True)
class DynamicDeck:
    """A deck as data; ``nodes`` and ``diode_currents`` are vectors to expect, ``marker`` proves that this deck ran."""

    text: str
    marker: str
    nodes: list[str]
    diode_currents: list[str]


@dataclass(frozen=True)
class Stimulus:
    """What drives a folded circuit: currents float64[N] into its nodes, volts float64[n] of its voltage sources."""

    currents: Floats
    volts: Floats


def transient_deck(
    circuit: Circuit,
    capacitances: Floats,
    before: Stimulus,
    after: Stimulus,
    stop: float,
    tolerance: float,
    marker: str,
    rest: Floats | None = None,
) -> DynamicDeck:
    """The deck that lets a folded circuit settle from one stimulus to another.

    Args:
        circuit: a folded circuit (no current sources).
        capacitances: float64[N] farads from each node to ground.
        before, after: what drives it until time 0, and from then on.
        stop: seconds to simulate.
        tolerance: relative error of each time step.
        marker: a node name no other deck of the process has.
        rest: float64[N] volts near which it rests at first.
    """
    ramp = shortest(STEP * stop)
    currents = [
        f"ix{k} 0 {node(k)} pwl(0 {shortest(old)} {ramp} {shortest(new)})"
        for k, (old, new) in enumerate(zip(before.currents.tolist(), after.currents.tolist(), strict=True))
        if k and (old or new)
    ]
    volts = [
        f"vx{k} {node(p)} {node(m)} pwl(0 {shortest(old)} {ramp} {shortest(new)})"
        for k, ((p, m), old, new) in enumerate(
            zip(circuit.voltage_sources.terminals.tolist(), before.volts.tolist(), after.volts.tolist(), strict=True)
        )
    ]
    # Charges far below those that the smallest capacitance takes at 10 mV need no relative accuracy.
    charged = [*capacitances[capacitances > 0].tolist(), *_junctions(circuit)]
    small = shortest(1e-2 * min(charged, default=1.0))
    # In the first steps charge flows in sources inside of one-ports, as a small difference of large numbers.
    sources = any(isinstance(circuit.models[k], TwoPin) and diodes_of(circuit.models[k]) for k in used_models(circuit))
    abstol = shortest(1e-9 if sources else max(1e-15, float(dict(tolerances_for(circuit))["abstol"])))
    accuracy = f"reltol={shortest(tolerance)} trtol=1 vntol=1e-9 abstol={abstol} chgtol={small}"
    nodes = [node(k) for k in range(1, len(circuit.nodes))]
    diodes = [_carried(f"d{k}", circuit.models[m]) for k, m in enumerate(circuit.diodes.values.tolist(), 1)]
    saved = [*(f"v({name})" for name in (marker, *nodes)), *diodes]
    lines = [
        *_static(circuit, capacitances, marker),
        *currents,
        *volts,
        f".options {accuracy} gmin={dict(TOLERANCES)['gmin']} temp={shortest(circuit.temperature)}",
        *_near(rest),
        ".save " + "\n+ ".join(saved),
        f".tran {shortest(stop / POINTS)} {shortest(stop)} 0 {shortest(stop / POINTS)}",
        ".end",
    ]
    return DynamicDeck("\n".join(lines) + "\n", marker, nodes, diodes)


def _near(rest: Floats | None) -> list[str]:
    volts = [] if rest is None else rest.tolist()
    return [f".nodeset v({node(k)})={shortest(value)}" for k, value in enumerate(volts) if k]


def noise_deck(
    circuit: Circuit,
    capacitances: Floats,
    stimulus: Stimulus,
    outputs: Sequence[tuple[int, int]],
    band: tuple[float, float],
    marker: str,
) -> DynamicDeck:
    """The deck that finds a folded circuit's operating point and the noise between pairs of its nodes.

    ``outputs`` are pairs of node indices, ``band`` the frequencies in Hz that spectra cover; the rest as in
    ``transient_deck``. Plots come in this order: the operating point, then spectrum and total of each output.
    """
    currents = [f"ix{k} 0 {node(k)} {shortest(amperes)}" for k, amperes in enumerate(stimulus.currents.tolist()) if k]
    volts = [
        f"vx{k} {node(p)} {node(m)} {shortest(value)}"
        for k, ((p, m), value) in enumerate(
            zip(circuit.voltage_sources.terminals.tolist(), stimulus.volts.tolist(), strict=True)
        )
    ]
    # ngspice counts up from the lowest frequency: a whole number of steps ends at the highest.
    steps = np.ceil(PER_DECADE * np.log10(band[1] / band[0]) - 1e-9)
    low, high = shortest(band[1] / 10 ** (steps / PER_DECADE)), shortest(band[1])
    lines = [
        # ngspice refers noise to an input; this one drives nothing.
        *_static(circuit, capacitances, marker, " ac 1"),
        *currents,
        *volts,
        f".options {options(circuit, tolerances_for(circuit))}",
        ".op",
        *(f".noise v({node(p)},{node(m)}) v{marker} dec {PER_DECADE} {low} {high}" for p, m in outputs),
        ".end",
    ]
    return DynamicDeck("\n".join(lines) + "\n", marker, [node(k) for k in range(1, len(circuit.nodes))], [])


def tone_deck(
    circuit: Circuit,
    capacitances: Floats,
    stimulus: Stimulus,
    amperes: Floats,
    band: tuple[float, float],
    points: int,
    marker: str,
) -> DynamicDeck:
    """The deck that finds what a folded circuit's nodes answer to a tone of currents ``amperes`` float64[N] into them,
    at ``points`` frequencies of a decade over ``band`` in Hz; the rest as in ``transient_deck``."""
    currents = [
        f"ix{k} 0 {node(k)} {shortest(straight)} ac {shortest(tone)}"
        for k, (straight, tone) in enumerate(zip(stimulus.currents.tolist(), amperes.tolist(), strict=True))
        if k and (straight or tone)
    ]
    volts = [
        f"vx{k} {node(p)} {node(m)} {shortest(value)}"
        for k, ((p, m), value) in enumerate(
            zip(circuit.voltage_sources.terminals.tolist(), stimulus.volts.tolist(), strict=True)
        )
    ]
    lines = [
        *_static(circuit, capacitances, marker),
        *currents,
        *volts,
        f".options {options(circuit, tolerances_for(circuit))}",
        f".ac dec {points} {shortest(band[0])} {shortest(band[1])}",
        ".end",
    ]
    return DynamicDeck("\n".join(lines) + "\n", marker, [node(k) for k in range(1, len(circuit.nodes))], [])


def _static(circuit: Circuit, capacitances: Floats, marker: str, extra: str = "") -> list[str]:
    _demand_junctions(circuit)
    parts = replace(circuit, voltage_sources=bank("voltage_sources"))
    cards = spice.models((circuit.models[k] for k in used_models(circuit)), replace(NGSPICE, carried=True))
    return [
        f"* diodeq {__version__}: one sample, in time",
        f"v{marker} {marker} 0 0{extra}",
        *element_lines(parts),
        *(card["line"] for card in cards),
        *(f"cx{k} {node(k)} 0 {shortest(farads)}" for k, farads in enumerate(capacitances.tolist()) if k and farads),
    ]


def _junctions(circuit: Circuit) -> list[float]:
    models = (circuit.models[k] for k in used_models(circuit))
    return [charge for model in models for diode in diodes_of(model) if (charge := diode.get("cjo")) > 0]


def _carried(name: str, model: Model) -> str:
    """What ngspice calls the current of a one-port that is numbered."""
    if not isinstance(model, TwoPin):
        return f"@{name}[id]"
    return f"@{model.carrier[0]}.{called(name, model)}.{model.carrier}[i]"


def _demand_junctions(circuit: Circuit) -> None:
    """Raise ``InputError`` for a diode whose capacitance formula has no value at the circuit's temperature."""
    for model in (diode for k in used_models(circuit) for diode in diodes_of(circuit.models[k])):
        potential = law(model, circuit.temperature).potential
        if model.get("cjo") > 0 and not potential > 0:
            raise InputError(
                f"diode {model.name} has a junction potential of {potential:.2g} V at {circuit.temperature:g} °C,"
                " where its capacitance has no value",
                "choose a lower temperature or a model without CJO",
            )
