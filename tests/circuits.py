"""Small circuits with every kind of element, for tests of everything that takes a circuit."""

from dataclasses import replace

import numpy as np

from diodeq.circuit import Bank, Circuit, bank
from diodeq.devices import catalogue
from diodeq.synthesis.layered import layered

DRIVES = np.random.default_rng(1).normal(size=(4, 3)) * 4.0


def plain(diode="1N4148", lateral=False):
    return layered((3, 4, 2), catalogue.get(diode), volts=4.0, lateral=lateral, seed=3, median=3e-5)


def hidden(circuit):
    return [k for k, name in enumerate(circuit.nodes) if name.startswith("h")]


def transformer(diode="1N4148"):
    circuit = plain(diode)
    h, y = hidden(circuit), circuit.outputs[0, 0]
    return replace(circuit, transformers=bank("transformers", [(h[0], 0, h[2], 0, 0.7), (h[1], y, h[3], 0, -1.6)]))


def gyrator(diode="1N4148"):
    circuit = plain(diode)
    h, y = hidden(circuit), circuit.outputs[0, 1]
    return replace(circuit, gyrators=bank("gyrators", [(h[0], 0, h[1], 0, 3e-4), (h[2], y, h[3], 0, -2e-4)]))


def buffered(diode="1N4148"):
    """A second stage behind two unilateral buffers, with a diode and two outputs of its own."""
    circuit = plain(diode)
    h, n = hidden(circuit), len(circuit.nodes)
    extra = [(n, n + 2, 1e-4), (n + 1, n + 2, 2e-4), (n + 2, 0, 5e-5), (n, n + 3, 3e-4), (n + 3, n + 1, 1e-4)]
    return replace(
        _with_resistors(circuit, ("s0", "s1", "o0", "q0"), extra),
        diodes=Bank(np.concatenate([circuit.diodes.terminals, [(0, n + 3)]]), np.zeros(5)),
        buffers=bank("buffers", [(n, 0, h[0], 0, 1.5), (n + 1, 0, h[1], h[2], -2.0)]),
        outputs=np.concatenate([circuit.outputs, [(n + 2, 0), (n + 3, h[0])]]),
        output_names=(),
    )


def mirror(diode="1N4148"):
    circuit = plain(diode)
    h, n = hidden(circuit), len(circuit.nodes)
    grown = _with_resistors(circuit, ("z0",), [(h[1], n, 1e-4)])
    return replace(grown, mirrors=bank("mirrors", [(h[2], 0, n, 0, 0.4)]))


def everything(diode="1N4148"):
    """All kinds at once, a current source into a hidden node and a floating voltage source with an input."""
    circuit = buffered(diode)
    h, n = hidden(circuit), len(circuit.nodes)
    grown = _with_resistors(circuit, ("z0", "f0"), [(h[1], n, 1e-4), (n + 1, 0, 2e-5)])
    sources = grown.voltage_sources
    inputs = grown.inputs
    return replace(
        grown,
        voltage_sources=Bank(np.concatenate([sources.terminals, [(h[3], n + 1)]]), np.append(sources.values, 0.3)),
        current_sources=bank("current_sources", [(0, h[0], 1e-5)]),
        inputs=replace(
            inputs,
            source=np.append(inputs.source, [len(sources), len(sources) + 1]),
            column=np.append(inputs.column, [0, 2]),
            gain=np.append(inputs.gain, [0.1, 1e-5]),
        ),
        transformers=bank("transformers", [(h[1], circuit.outputs[0, 0], h[3], 0, -1.6)]),
        gyrators=bank("gyrators", [(h[0], 0, h[1], 0, 3e-4)]),
        mirrors=bank("mirrors", [(h[2], 0, n, 0, 0.4)]),
    )


def _with_resistors(circuit, nodes, rows) -> Circuit:
    more = bank("resistors", rows)
    return replace(
        circuit,
        nodes=circuit.nodes + nodes,
        resistors=Bank(
            np.concatenate([circuit.resistors.terminals, more.terminals]),
            np.concatenate([circuit.conductances, more.values]),
            groups=(*circuit.resistors.groups, ("more", len(more))),
        ),
        trainable=np.ones(len(circuit.resistors) + len(more), bool),
    )


CIRCUITS = {
    "layered": plain,
    "lateral": lambda diode="1N4148": plain(diode, lateral=True),
    "transformer": transformer,
    "gyrator": gyrator,
    "buffered": buffered,
    "mirror": mirror,
    "everything": everything,
}
