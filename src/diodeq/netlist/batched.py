"""The engine's decks: a folded circuit and a whole batch of samples as one ``.dc`` sweep over the sample index.

What changes from sample to sample (Norton currents, held voltages, the conductances of frozen diodes) is a
piecewise-linear function of the index, exact at every integer. One load and one sweep replace a run per sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from diodeq import __version__
from diodeq.circuit import KINDS, Circuit, Inputs, bank
from diodeq.circuit.equations import branch_kinds
from diodeq.circuit.kinds import source_kinds
from diodeq.circuit.primitives import lower, used_models
from diodeq.netlist import spice
from diodeq.netlist.listing import TOLERANCES, Tolerances, number
from diodeq.netlist.templates import render

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SweepDeck:
    """A deck as data: its text, the unique node that proves it was the one that ran, and the vectors to expect.

    ``vectors`` maps "nodes" and the kinds with branches to vector names in ngspice's spelling.
    """

    text: str
    marker: str
    samples: int
    vectors: dict[str, list[str]]


def node(index: int) -> str:
    """The short node name the engine uses; ground is 0."""
    return f"n{index}" if index else "0"


class _Profile:
    """Columns of per-sample values as SPICE expressions of the swept variable.

    12 digits are a thousand times finer than the sweep's tolerance, and a third faster to write and to parse than 17.
    """

    def __init__(self, variable: str, samples: int) -> None:
        every = f"pwl({variable}" + "".join([f",{k},%.12g" for k in range(samples)]) + ")"
        self._pattern = every if samples > 1 else "%.12g"

    def __call__(self, column: Sequence[float]) -> str:
        return self._pattern % tuple(column)


def sweep_deck(
    circuit: Circuit,
    injections: Floats,
    source_voltages: Floats,
    marker: str,
    frozen: Floats | None = None,
    tolerances: Tolerances = TOLERANCES,
) -> SweepDeck:
    """The deck that solves a folded circuit for every sample: a sweep, of one sample an operating point.

    Args:
        circuit: a folded circuit (no current sources).
        injections: float64[B, N] amperes into each node.
        source_voltages: float64[B, n_voltage_sources] volts.
        marker: a node name no other deck of the process has.
        frozen: float64[B, n_diodes] siemens: print each diode as this conductance instead (the adjoint sweep).
        tolerances: ngspice's options.
    """
    samples = len(injections)
    # A source sees a node's voltage one Newton iteration late, but the temperature at once. Where no device depends on
    # it, sweeping the temperature saves every third iteration.
    swept, variable = (f"v{marker}", f"v({marker})") if frozen is None else ("temp", "temper")
    profile = _Profile(variable, samples)
    vectors = {"nodes": [node(k) for k in range(1, len(circuit.nodes))], **branch_vectors(circuit)}
    vectors["voltage_sources"] = [f"bv{k}#branch" for k in range(len(circuit.voltage_sources))]
    diodes: list[str] = []
    if frozen is not None:
        diodes = [
            f"bd{k} {node(a)} {node(c)} i=v({node(a)},{node(c)})*{profile(column)}"
            for k, ((a, c), column) in enumerate(zip(circuit.diodes.terminals.tolist(), frozen.T.tolist(), strict=True))
        ]
    spelt = ["voltage_sources"] if frozen is None else ["voltage_sources", "diodes"]
    static = circuit.with_banks({kind: bank(kind) for kind in spelt})
    currents = [
        f"b{k} 0 {node(k)} i={profile(column)}" for k, column in enumerate(injections.T.tolist()) if k and any(column)
    ]
    voltages = [
        f"bv{k} {node(p)} {node(m)} v={profile(column)}"
        for k, ((p, m), column) in enumerate(
            zip(circuit.voltage_sources.terminals.tolist(), source_voltages.T.tolist(), strict=True)
        )
    ]
    sections = [list(element_lines(static)), list(model_lines(static)), diodes, currents, voltages]
    saved = [marker, *(name for names in vectors.values() for name in names)]
    text = render(
        "sweep.cir.j2",
        version=__version__,
        samples=samples,
        marker=marker,
        sections=["\n".join(lines) for lines in sections if lines],
        options=options(circuit, tolerances),
        saved="\n+ ".join(_save_names(saved)),
        # A sweep computes capacitances that it has no use for, and is lost where a junction's potential is negative.
        analysis=f".dc {swept} 0 {samples - 1} 1" if samples > 1 else ".op",
    )
    return SweepDeck(text, marker, samples, vectors)


def branch_vectors(circuit: Circuit) -> dict[str, list[str]]:
    """ngspice's names of the branch currents of numbered parts, by kind."""
    return {
        kind: [
            f"{KINDS[kind].sensed.format(f'{KINDS[kind].prefix}{k}')}#branch"
            for k in range(1, len(circuit.bank(kind)) + 1)
        ]
        for kind in branch_kinds(circuit)
    }


def _save_names(vectors: list[str]) -> list[str]:
    return [name if name.startswith("@") or "#" in name else f"v({name})" for name in vectors]


def element_lines(circuit: Circuit, sources: Floats | None = None) -> Iterator[str]:
    """Every part as a line, nodes called 0, n1, n2, …; ``sources`` float64[n_sources] replaces the sources' values."""
    anonymous = {kind: replace(circuit.bank(kind), names=(), groups=()) for kind in KINDS}
    if sources is not None:
        ends = np.cumsum([len(circuit.bank(kind)) for kind in source_kinds()])
        for kind, values in zip(source_kinds(), np.split(sources, ends[:-1]), strict=True):
            anonymous[kind] = anonymous[kind].with_values(values)
        circuit = replace(circuit, inputs=Inputs.none(), units=None)
    numbered = circuit.with_banks(anonymous, nodes=tuple(node(k) for k in range(len(circuit.nodes))))
    return (spice.line(primitive) for run in lower(numbered) for primitive in run.primitives)


def model_lines(circuit: Circuit) -> Iterator[str]:
    """The ``.model`` cards of the diodes in use."""
    return (card["line"] for card in spice.models(circuit.models[k].at_rest() for k in used_models(circuit)))


def options(circuit: Circuit, tolerances: Tolerances = TOLERANCES) -> str:
    """The engine's simulator options: tolerances, the circuit's temperature."""
    return " ".join(f"{name}={value}" for name, value in tolerances) + f" temp={number(circuit.temperature)}"
