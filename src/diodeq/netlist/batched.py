"""The engine's decks: a folded circuit and a whole batch of samples as one ``.dc`` sweep over the sample index.

What changes from sample to sample (Norton currents, held voltages, the conductances of frozen diodes) is a
piecewise-linear function of the index, exact at every integer. One load and one sweep replace a run per sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq import __version__
from diodeq.circuit import KINDS, Circuit, Inputs, bank
from diodeq.circuit.primitives import lower, used_models
from diodeq.netlist import spice
from diodeq.netlist.listing import TOLERANCES, number
from diodeq.netlist.templates import render

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SweepDeck:
    """A deck as data: its text, the unique node that proves it was the one that ran, and the vectors to expect.

    ``vectors`` maps "nodes", "diode_gd", "diode_id" and branch kinds to vector names in ngspice's spelling.
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
        # One sample still needs two points; the last value is held.
        self._one = f"pwl({variable},0,%.12g,1,%.12g)"
        self._all = f"pwl({variable}" + "".join([f",{k},%.12g" for k in range(samples)]) + ")"

    def __call__(self, column: Sequence[float]) -> str:
        if len(column) == 1:
            return self._one % (column[0], column[0])
        return self._all % tuple(column)


def sweep_deck(
    circuit: Circuit, injections: Floats, source_voltages: Floats, marker: str, frozen: Floats | None = None
) -> SweepDeck:
    """The deck that solves a folded circuit for every sample.

    Args:
        circuit: a folded circuit (no current sources).
        injections: float64[B, N] amperes into each node.
        source_voltages: float64[B, n_voltage_sources] volts.
        marker: a node name no other deck of the process has.
        frozen: float64[B, n_diodes] siemens: print each diode as this conductance instead (the adjoint sweep).
    """
    samples = len(injections)
    # A source sees a node's voltage one Newton iteration late, but the temperature at once. Where no device depends on
    # it, sweeping the temperature saves every third iteration.
    swept, variable = (f"v{marker}", f"v({marker})") if frozen is None else ("temp", "temper")
    profile = _Profile(variable, samples)
    vectors = {
        "nodes": [node(k) for k in range(1, len(circuit.nodes))],
        "voltage_sources": [f"bv{k}#branch" for k in range(len(circuit.voltage_sources))],
        "transformers": [f"v_t{k}#branch" for k in range(1, len(circuit.transformers) + 1)],
        "buffers": [f"e{k}#branch" for k in range(1, len(circuit.buffers) + 1)],
        "mirrors": [f"v_f{k}#branch" for k in range(1, len(circuit.mirrors) + 1)],
    }
    diodes: list[str] = []
    if frozen is None:
        vectors["diode_gd"] = [f"@d{k}[gd]" for k in range(1, len(circuit.diodes) + 1)]
        vectors["diode_id"] = [f"@d{k}[id]" for k in range(1, len(circuit.diodes) + 1)]
    else:
        diodes = [
            f"bd{k} {node(a)} {node(c)} i=v({node(a)},{node(c)})*{profile(column)}"
            for k, ((a, c), column) in enumerate(zip(circuit.diodes.terminals.tolist(), frozen.T.tolist(), strict=True))
        ]
    static = replace(circuit, voltage_sources=bank("voltage_sources"))
    if frozen is not None:
        static = replace(static, diodes=bank("diodes"))
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
        options=options(circuit),
        saved="\n+ ".join(_save_names(saved)),
        swept=swept,
        last=samples - 1,
    )
    return SweepDeck(text, marker, samples, vectors)


def _save_names(vectors: list[str]) -> list[str]:
    return [name if name.startswith("@") or "#" in name else f"v({name})" for name in vectors]


def element_lines(circuit: Circuit, sources: Floats | None = None) -> Iterator[str]:
    """Every part as a line, nodes called 0, n1, n2, …; ``sources`` float64[n_sources] replaces the sources' values."""
    anonymous: dict[str, Any] = {kind: replace(circuit.bank(kind), names=(), groups=()) for kind in KINDS}
    numbered = replace(circuit, nodes=tuple(node(k) for k in range(len(circuit.nodes))), **anonymous)
    if sources is not None:
        volts = len(circuit.voltage_sources)
        numbered = replace(
            numbered,
            inputs=Inputs.none(),
            units=None,
            voltage_sources=numbered.voltage_sources.with_values(sources[:volts]),
            current_sources=numbered.current_sources.with_values(sources[volts:]),
        )
    return (spice.line(primitive) for run in lower(numbered) for primitive in run.primitives)


def model_lines(circuit: Circuit) -> Iterator[str]:
    """The ``.model`` cards of the diodes in use."""
    return (card["line"] for card in spice.models(circuit.models[k].at_rest() for k in used_models(circuit)))


def options(circuit: Circuit) -> str:
    """The engine's simulator options: tight tolerances, the circuit's temperature."""
    return " ".join(f"{name}={value}" for name, value in TOLERANCES) + f" temp={number(circuit.temperature)}"
