"""A circuit completed for the bench: supply, connectors, decoupling, test points, and ways to inject currents."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from diodeq.board import amplified, assembly, programmable
from diodeq.board.assembly import SUPPLIES
from diodeq.board.blocks import Block
from diodeq.board.brackets import unused
from diodeq.board.connectors import PINS
from diodeq.board.layout import Plan
from diodeq.board.parts import GROUND, Part, nets
from diodeq.board.purchase import CHIPS, resistor_number
from diodeq.board.symbols import header, symbol
from diodeq.circuit import Circuit
from diodeq.circuit.amplifiers import swing_nodes
from diodeq.circuit.bank import Floats
from diodeq.circuit.graph import driven_nodes, first_source
from diodeq.errors import NotRealizableError
from diodeq.netlist.bom import engineering

INJECTION = 1e6
"""Ohms from a pin of its own to each node of an output: a volt there is a microampere here."""
INJECT = "inject."
MOST = 100_000
"""Resistors and diodes of a circuit that becomes boards."""
_HOLES = 4


@dataclass(frozen=True)
class Bench:
    """What a bench wants of a circuit: its parts with two pins and its packages, the nets that are something to it, the
    sources that the schematic is simulated with, models by file, and what sets potentiometers."""

    title: str
    bridges: tuple[Part, ...]
    blocks: tuple[Block, ...]
    supplies: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    bus: tuple[str, ...]
    nodes: frozenset[str]
    """The nets that are nodes of the circuit."""
    sources: tuple[Part, ...]
    models: Mapping[str, str]
    taps: tuple[programmable.Tap, ...] = ()

    @property
    def held(self) -> set[str]:
        """The nets that come from outside: every board has them from its own connectors."""
        return {GROUND, *self.supplies, *self.inputs, *self.bus}

    def plan(
        self, bridges: Sequence[Part], blocks: Sequence[Block], shared: Collection[str] = (), divided: bool = False
    ) -> Plan:
        """A board with some of the parts, which has ``shared`` nets in common with others where it is ``divided``."""
        used = joined(bridges, blocks)
        crossed = set(nets(bridges))
        pointed = [net for net in used if net in crossed and not net.startswith(INJECT)]
        connectors = [
            *_connectors("supply", [net for net in (GROUND, *self.supplies) if net in used]),
            *_connectors("inputs", [net for net in self.inputs if net in used]),
            *_connectors("outputs", [net for net in self.outputs if net in used and net not in shared]),
            *_connectors("SPI", [net for net in self.bus if net in used]),
            *_connectors("inject", [net for net in used if net.startswith(INJECT)]),
            *_connectors("link", [net for net in used if net in shared]),
        ]
        ported = {net for part in connectors for _, net in part.nets}
        hidden = [net for net in used if net in self.nodes and net not in crossed and net not in ported]
        return Plan(
            tuple(bridges),
            tuple(replace(part, reference=f"J{k}") for k, part in enumerate(connectors, 1)),
            (*blocks, *(Block(_test_point(net, k)) for k, net in enumerate(hidden, len(pointed) + 1))),
            tuple(_test_point(net, k) for k, net in enumerate(pointed, 1)),
            tuple(Part(f"H{k}", "M3", symbol("Hole"), "Hole_M3", (), SUPPLIES) for k in range(1, _HOLES + 1)),
            {GROUND, *self.supplies, *self.inputs},
            {GROUND, *self.supplies, *self.bus[:2]},
            self.title,
            divided,
        )


def joined(bridges: Sequence[Part], blocks: Sequence[Block]) -> list[str]:
    """All nets of some parts, in order."""
    return nets([*bridges, *(part for block in blocks for part in block.parts)])


def bench(circuit: Circuit, drives: Floats, potentiometer: str = "", chip: str = CHIPS[0]) -> Bench:
    """The circuit with all that a bench wants of it; ``drives`` float64[n_in] are what it is simulated with.

    Resistors are chips of a size of `CHIPS`, or ``potentiometer`` packages where that is named: all conductances are
    its `rungs` then.

    Raises:
        NotRealizableError: a part that nobody can solder, or a source that is not against ground.
    """
    assembly.demand_buildable(circuit)
    if len(circuit.resistors) + len(circuit.diodes) > MOST:
        raise NotRealizableError(
            f"circuit {circuit.title!r} has more than {MOST:,} resistors and diodes",
            "prune it with diodeq prune --parts",
        )
    names = assembly.net_names(circuit)
    sources = list(assembly.sources(circuit, names, drives))
    packages = amplified.packages(circuit, names)
    blocks, capacitors = list(packages.blocks), len(packages.capacitors)
    bridges, models = list(assembly.diodes(circuit, names)), {amplified.LIBRARY: packages.library}
    bus: tuple[str, ...] = ()
    taps: tuple[programmable.Tap, ...] = ()
    if potentiometer:
        pots = programmable.programmed(circuit, names, potentiometer, chip, len(blocks), capacitors)
        blocks += pots.blocks
        capacitors += sum(len(block.above) for block in pots.blocks)
        bridges, bus, models[programmable.LIBRARY] = [*pots.bridges, *bridges], pots.bus, pots.library
        sources += pots.sources
        taps = pots.taps
    else:
        bridges = [*assembly.resistors(circuit, names, chip), *bridges]
    supplied, driven = _held(circuit, names)
    used = set(joined(bridges, blocks))
    supplies = [net for net in supplied if net in used]
    outputs = [names[node] for node in np.unique(circuit.outputs).tolist() if node]
    injected = [net for net in outputs if net not in supplied and net not in driven]
    bridges += [*_decoupling(supplies, capacitors), *_injection(injected, {part.reference for part in bridges}, chip)]
    return Bench(
        circuit.title,
        tuple(bridges),
        tuple(blocks),
        tuple(supplies),
        tuple(net for net in driven if net in used),
        tuple(outputs),
        bus,
        frozenset(names),
        tuple(part for part in sources if all(net in used or net == GROUND for _, net in part.nets)),
        {file: text for file, text in models.items() if text},
        taps,
    )


def _held(circuit: Circuit, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The nets that constant sources hold, and those that inputs drive."""
    held = np.flatnonzero(driven_nodes(circuit)).tolist()
    start = first_source(circuit, "voltage_sources")
    of_inputs = circuit.inputs.source[circuit.inputs.source >= start] - start
    of_inputs = of_inputs[of_inputs < len(circuit.voltage_sources)]
    moved = {names[node] for node in circuit.voltage_sources.terminals[of_inputs].ravel().tolist() if node}
    models = swing_nodes(circuit)
    mine = [names[node] for node in held if node and node not in models]
    return [net for net in mine if net not in moved], [net for net in mine if net in moved]


def _decoupling(supplies: Sequence[str], used: int) -> Iterator[Part]:
    """A capacitor of 100 nF and one of 10 µF from each supply to ground."""
    number = used
    for net in supplies:
        for value, footprint in (("100n", "C_0603"), ("10u", "C_0805")):
            number += 1
            yield Part(f"C{number}", value, symbol("C"), footprint, (("1", net), ("2", GROUND)), SUPPLIES, "capacitor")


def _injection(outputs: Sequence[str], taken: Collection[str], chip: str) -> Iterator[Part]:
    names = unused("RI{}", range(1, len(outputs) + 1), taken)
    for name, net in zip(names, outputs, strict=True):
        ends = (("1", f"{INJECT}{net}"), ("2", net))
        value, number = engineering(INJECTION), resistor_number(INJECTION, chip)
        yield Part(name, value, symbol("R"), f"R_{chip}", ends, SUPPLIES, "resistor 1 %", number=number)


def _connectors(what: str, found: Sequence[str]) -> Iterator[Part]:
    """Connectors of one row where that is enough, else of two; a last pin that is left over stays open."""
    double = len(found) > PINS
    most = 2 * PINS if double else PINS
    for k in range(0, len(found), most):
        some = found[k : k + most]
        pins = len(some) + len(some) % 2 if double else len(some)
        drawn = header(pins, double)
        ends = tuple((str(pin), net) for pin, net in enumerate(some, 1))
        kind = f"pin header 2.54 mm, {f'2 x {pins // 2}' if double else pins} pins"
        yield Part("J", what, drawn, drawn.name, ends, SUPPLIES, kind)


def _test_point(net: str, number: int) -> Part:
    return Part(f"TP{number}", net, symbol("TP"), "TestPoint", (("1", net),), SUPPLIES)
