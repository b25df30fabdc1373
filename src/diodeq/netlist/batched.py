"""The engine's decks: a folded circuit and a whole batch of samples as one ``.dc`` sweep over the sample index.

What changes from sample to sample (Norton currents, held voltages, the conductances of frozen diodes) is a
piecewise-linear function of the index, exact at every integer. One load and one sweep replace a run per sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diodeq import __version__
from diodeq.circuit import Circuit
from diodeq.netlist.templates import render

Floats = NDArray[np.float64]

# Tight tolerances cost nothing measurable and give 1e-9 V on warm-started sweeps; the defaults leave 5e-4 V.
OPTIONS = "reltol=1e-9 vntol=1e-12 abstol=1e-18 gmin=1e-12"


@dataclass(frozen=True)
class SweepDeck:
    """A deck as data: its text, the unique node that proves it was the one that ran, and the vectors to expect.

    ``vectors`` maps "nodes", "diode_gd", "diode_id" and branch kinds to vector names in ngspice's spelling.
    """

    text: str
    marker: str
    samples: int
    vectors: dict[str, list[str]]


def number(value: float) -> str:
    """A float that every SPICE reads back exactly."""
    return f"{value:.17g}"


def node(index: int) -> str:
    """The short node name the engine uses; ground is 0."""
    return f"n{index}" if index else "0"


class _Profile:
    """Columns of per-sample values as SPICE expressions of the sample index."""

    def __init__(self, marker: str, samples: int) -> None:
        self._start = f"pwl(v({marker})"
        # One sample still needs two points; the last value is held.
        self._points = [f",{k}," for k in range(max(samples, 2))]

    def __call__(self, column: Sequence[float]) -> str:
        first = column[0]
        if all(value == first for value in column):
            return number(first)
        return self._start + "".join([f"{at}{value:.17g}" for at, value in zip(self._points, column, strict=False)]) + ")"


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
    profile = _Profile(marker, samples)
    vectors = {
        "nodes": [node(k) for k in range(1, len(circuit.nodes))],
        "voltage_sources": [f"bv{k}#branch" for k in range(len(circuit.voltage_sources))],
        "transformers": [f"vt{k}#branch" for k in range(len(circuit.transformers))],
        "buffers": [f"e{k}#branch" for k in range(len(circuit.buffers))],
        "mirrors": [f"vf{k}#branch" for k in range(len(circuit.mirrors))],
    }
    if frozen is None:
        diodes = list(_diodes(circuit))
        vectors["diode_gd"] = [f"@d{k}[gd]" for k in range(len(circuit.diodes))]
        vectors["diode_id"] = [f"@d{k}[id]" for k in range(len(circuit.diodes))]
    else:
        diodes = [
            f"bd{k} {node(a)} {node(c)} i=v({node(a)},{node(c)})*{profile(column)}"
            for k, ((a, c), column) in enumerate(zip(circuit.diodes.terminals.tolist(), frozen.T.tolist(), strict=True))
        ]
    currents = [
        f"b{k} 0 {node(k)} i={profile(column)}" for k, column in enumerate(injections.T.tolist()) if k and any(column)
    ]
    voltages = [
        f"bv{k} {node(p)} {node(m)} v={profile(column)}"
        for k, ((p, m), column) in enumerate(
            zip(circuit.voltage_sources.terminals.tolist(), source_voltages.T.tolist(), strict=True)
        )
    ]
    sections = [list(_resistors(circuit)), diodes, list(_controlled(circuit)), currents, voltages]
    saved = [marker, *(name for names in vectors.values() for name in names)]
    text = render(
        "sweep.cir.j2",
        version=__version__,
        samples=samples,
        marker=marker,
        sections=["\n".join(lines) for lines in sections if lines],
        options=f"{OPTIONS} temp={number(circuit.temperature)}",
        saved="\n+ ".join(_save_names(saved)),
        last=samples - 1,
    )
    return SweepDeck(text, marker, samples, vectors)


def _save_names(vectors: list[str]) -> list[str]:
    return [name if name.startswith("@") or "#" in name else f"v({name})" for name in vectors]


def _resistors(circuit: Circuit) -> Iterator[str]:
    ends, ohms = circuit.resistors.terminals.tolist(), (1.0 / circuit.resistors.values).tolist()
    return (f"r{k} {node(a)} {node(b)} {ohm:.17g}" for k, ((a, b), ohm) in enumerate(zip(ends, ohms, strict=True)))


def _diodes(circuit: Circuit) -> Iterator[str]:
    models = circuit.diodes.values.astype(int).tolist()
    for k, ((anode, cathode), model) in enumerate(zip(circuit.diodes.terminals.tolist(), models, strict=True)):
        yield f"d{k} {node(anode)} {node(cathode)} m{model}"
    for k in sorted(set(models)):
        parameters = " ".join(f"{name}={number(value)}" for name, value in circuit.models[k].card())
        yield f".model m{k} d({parameters})"


def _controlled(circuit: Circuit) -> Iterator[str]:
    """Transformers, gyrators, buffers and mirrors; a 0 V source senses where a current controls."""
    for k, ((p1, m1, p2, m2), n) in enumerate(_rows(circuit, "transformers")):
        yield f"vt{k} {node(p1)} t{k} 0"
        yield f"et{k} t{k} {node(m1)} {node(p2)} {node(m2)} {number(n)}"
        yield f"ft{k} {node(p2)} {node(m2)} vt{k} {number(-n)}"
    for k, ((p1, m1, p2, m2), g) in enumerate(_rows(circuit, "gyrators")):
        yield f"gy{k} {node(p1)} {node(m1)} {node(p2)} {node(m2)} {number(g)}"
        yield f"gz{k} {node(p2)} {node(m2)} {node(p1)} {node(m1)} {number(-g)}"
    for k, ((op, om, cp, cm), gain) in enumerate(_rows(circuit, "buffers")):
        yield f"e{k} {node(op)} {node(om)} {node(cp)} {node(cm)} {number(gain)}"
    for k, ((op, om, sp, sm), gain) in enumerate(_rows(circuit, "mirrors")):
        yield f"vf{k} {node(sp)} {node(sm)} 0"
        yield f"f{k} {node(op)} {node(om)} vf{k} {number(gain)}"


def _rows(circuit: Circuit, kind: str) -> Iterator[tuple[list[int], float]]:
    parts = circuit.bank(kind)
    return zip(parts.terminals.tolist(), parts.values.tolist(), strict=True)
