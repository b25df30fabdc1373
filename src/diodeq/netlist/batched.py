"""The engine's decks: a folded circuit and a whole batch of samples as one ``.dc`` sweep over the sample index.

What changes from sample to sample (Norton currents, held voltages, the conductances of frozen diodes) is a
piecewise-linear function of the index, exact at every integer. One load and one sweep replace a run per sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from diodeq import __version__
from diodeq.circuit import KINDS, Circuit, Inputs, bank
from diodeq.circuit.equations import branch_kinds
from diodeq.circuit.kinds import source_kinds
from diodeq.circuit.primitives import Primitive, lower, printed, used_models
from diodeq.netlist import spice
from diodeq.netlist.listing import TOLERANCES, Tolerances
from diodeq.netlist.templates import render
from diodeq.spice.numbers import shortest

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


def _profile(variable: str, samples: int) -> str:
    """A pattern for per-sample values as a SPICE expression of the swept variable.

    12 digits are a thousand times finer than the sweep's tolerance, and a third faster to write and to parse than 17.
    """
    every = f"pwl({variable}" + "".join([f",{k},%.12g" for k in range(samples)]) + ")"
    return every if samples > 1 else "%.12g"


@dataclass(frozen=True, eq=False)
class SweepPlan:
    """What the sweep decks of all circuits of one topology with the same one-ports have in common, each line up to its
    numbers; made once by ``SweepPlan.of``.

    ``elements`` has a place for every number of the kinds ``numbered``; ``adjoint`` says that one-ports are frozen.
    """

    elements: str
    numbered: tuple[str, ...]
    models: str
    diodes: list[str]
    currents: list[str]
    voltages: list[str]
    vectors: dict[str, list[str]]
    saved: str
    adjoint: bool

    @staticmethod
    def of(circuit: Circuit, *, adjoint: bool) -> SweepPlan:
        """Of a folded circuit (no current sources); ``adjoint``: each diode is a conductance, printed per sample."""
        vectors = {"nodes": [node(k) for k in range(1, len(circuit.nodes))], **branch_vectors(circuit)}
        vectors["voltage_sources"] = [f"bv{k}#branch" for k in range(len(circuit.voltage_sources))]
        spelt = ["voltage_sources", "diodes"] if adjoint else ["voltage_sources"]
        static = circuit.with_banks({kind: bank(kind) for kind in spelt})
        ends = [(node(a), node(c)) for a, c in circuit.diodes.terminals.tolist()] if adjoint else []
        held = [(node(p), node(m)) for p, m in circuit.voltage_sources.terminals.tolist()]
        return SweepPlan(
            "\n".join(_lines(static, _pattern)),
            tuple(kind for kind in KINDS if kind not in spelt),
            # A sweep has no use for the capacitances it computes, and is lost where a junction's potential is negative.
            "\n".join(model_lines(static)),
            [f"bd{k} {a} {c} i=v({a},{c})*" for k, (a, c) in enumerate(ends)],
            [f"b{k} 0 {node(k)} i=" for k in range(len(circuit.nodes))],
            [f"bv{k} {p} {m} v=" for k, (p, m) in enumerate(held)],
            vectors,
            "\n+ ".join(_save_names([name for names in vectors.values() for name in names])),
            adjoint,
        )

    def deck(
        self,
        circuit: Circuit,
        injections: Floats,
        source_voltages: Floats,
        marker: str,
        frozen: Floats | None = None,
        tolerances: Tolerances = TOLERANCES,
    ) -> SweepDeck:
        """The deck that solves a circuit for every sample: a sweep, of one sample an operating point.

        Args:
            circuit: one of the plan's.
            injections: float64[B, N] amperes into each node.
            source_voltages: float64[B, n_voltage_sources] volts.
            marker: a node name no other deck of the process has.
            frozen: float64[B, n_diodes] siemens that each diode is in an adjoint sweep.
            tolerances: ngspice's options.
        """
        samples = len(injections)
        # A source sees a node's voltage one Newton iteration late, but the temperature at once. Where no device depends
        # on it, sweeping the temperature saves every third iteration.
        swept, variable = ("temp", "temper") if self.adjoint else (f"v{marker}", f"v({marker})")
        profile = _profile(variable, samples)

        def lines(heads: list[str], values: Floats) -> list[str]:
            return [head + profile % tuple(column) for head, column in zip(heads, values.T.tolist(), strict=True)]

        fed = np.flatnonzero(injections[:, 1:].any(axis=0)) + 1
        sections = [
            self.elements % tuple(printed(circuit, self.numbered)),
            self.models,
            "\n".join(lines(self.diodes, np.zeros((samples, 0)) if frozen is None else frozen)),
            "\n".join(lines([self.currents[k] for k in fed.tolist()], injections[:, fed])),
            "\n".join(lines(self.voltages, source_voltages)),
        ]
        text = render(
            "sweep.cir.j2",
            version=__version__,
            samples=samples,
            marker=marker,
            sections=[each for each in sections if each],
            options=options(circuit, tolerances),
            saved="\n+ ".join([f"v({marker})", self.saved] if self.saved else [f"v({marker})"]),
            analysis=f".dc {swept} 0 {samples - 1} 1" if samples > 1 else ".op",
        )
        return SweepDeck(text, marker, samples, self.vectors)


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
    if sources is not None:
        ends = np.cumsum([len(circuit.bank(kind)) for kind in source_kinds()])
        each = zip(source_kinds(), np.split(sources, ends[:-1]), strict=True)
        banks = {kind: circuit.bank(kind).with_values(values) for kind, values in each}
        circuit = circuit.with_banks(banks, inputs=Inputs.none(), units=None)
    return _lines(circuit, spice.line)


def _lines(circuit: Circuit, line: Callable[[Primitive], str]) -> Iterator[str]:
    anonymous = {kind: replace(circuit.bank(kind), names=(), groups=()) for kind in KINDS}
    numbered = circuit.with_banks(anonymous, nodes=tuple(node(k) for k in range(len(circuit.nodes))))
    return (line(primitive) for run in lower(numbered) for primitive in run.primitives)


def _pattern(primitive: Primitive) -> str:
    """An element line with a place for its number."""
    name, fields, value = primitive
    return f"{name} {' '.join(fields)}" + ("" if value is None else " %.17g")


def model_lines(circuit: Circuit) -> Iterator[str]:
    """The ``.model`` cards of the diodes in use."""
    return (card["line"] for card in spice.models(circuit.models[k].at_rest() for k in used_models(circuit)))


def options(circuit: Circuit, tolerances: Tolerances = TOLERANCES) -> str:
    """The engine's simulator options: tolerances, the circuit's temperature."""
    return " ".join(f"{name}={value}" for name, value in tolerances) + f" temp={shortest(circuit.temperature)}"
