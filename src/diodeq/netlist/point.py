"""The reference route's decks: the full circuit at one sample, for ``op`` and for ``ac``."""

from __future__ import annotations

from dataclasses import dataclass

from diodeq import __version__
from diodeq.circuit import Circuit
from diodeq.netlist.batched import Floats, branch_vectors, element_lines, model_lines, node, options
from diodeq.netlist.listing import TOLERANCES, Tolerances
from diodeq.spice.numbers import shortest


@dataclass(frozen=True)
class PointDeck:
    """A deck as data; ``nodes`` and ``branches`` by kind are vectors to expect, ``marker`` proves that it ran."""

    text: str
    marker: str
    nodes: list[str]
    branches: dict[str, list[str]]


def point_deck(
    circuit: Circuit,
    sources: Floats,
    marker: str,
    injections: Floats | None = None,
    tolerances: Tolerances = TOLERANCES,
) -> PointDeck:
    """The full circuit with source values float64[n_sources].

    ``injections`` float64[N]: currents into the nodes as AC sources, and an ``.ac`` analysis instead of ``.op``. Its
    frequency is 1 mHz: low enough that no junction capacitance shows in seven digits.
    """
    nodes = [node(k) for k in range(1, len(circuit.nodes))]
    branches = branch_vectors(circuit)
    lines = [f"* diodeq {__version__}: one sample", f"v{marker} {marker} 0 0", *element_lines(circuit, sources)]
    lines += model_lines(circuit)
    if injections is None:
        analysis = ".op"
    else:
        lines += [
            f"iac{k} 0 {node(k)} dc 0 ac {shortest(abs(current))} {0 if current > 0 else 180}"
            for k, current in enumerate(injections.tolist())
            if k and current
        ]
        analysis = ".ac lin 1 1e-3 1e-3"
    saved = [f"v({name})" for name in (marker, *nodes)] + [name for names in branches.values() for name in names]
    lines += [f".options {options(circuit, tolerances)}", ".save " + "\n+ ".join(saved), analysis, ".end"]
    return PointDeck("\n".join(lines) + "\n", marker, nodes, branches)
