"""The network that a circuit's conductances really stand for: what programming, quantization or training made of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from diodeq.analysis.linear import linear_part
from diodeq.analysis.own_elements import demand_activation
from diodeq.circuit import Circuit, linearize
from diodeq.circuit.bank import Floats
from diodeq.circuit.equations import incidence
from diodeq.circuit.fold import FoldPlan
from diodeq.errors import InputError
from diodeq.network import Network, Stage
from diodeq.printable import counted

Index = NDArray[np.int64]


def unit_nodes(circuit: Circuit, network: Network) -> list[Index]:
    """The node of every unit, int64[n_k] a stage, by the compiler's names ``s{stage}_{unit}``.

    Raises:
        InputError: the circuit has no such nodes, or other inputs or outputs than the network.
    """
    place = {name: k for k, name in enumerate(circuit.nodes)}
    try:
        nodes = [
            np.array([place[f"s{k}_{i}"] for i in range(stage.size)], np.int64)
            for k, stage in enumerate(network.stages)
        ]
    except KeyError as missing:
        raise InputError(
            f"circuit {circuit.title!r} has no node {missing}", "give the weights that this circuit was compiled from"
        ) from None
    if len(circuit.inputs) != network.widths[0] or len(circuit.outputs) != network.widths[-1]:
        raise InputError(
            f"circuit {circuit.title!r} has {counted(len(circuit.inputs), 'input')} and"
            f" {counted(len(circuit.outputs), 'output')}, "
            f"the network {network.widths[0]} and {network.widths[-1]}",
            "give the weights that this circuit was compiled from",
        )
    return nodes


def realized(circuit: Circuit, network: Network) -> Network:
    """The network whose weights the circuit's resistors, transformers, gyrators and buffers have now.

    ``network`` gives the topology and, as a cone does not fix it, the scale of every row: ``1 - W_ii``. Raises
    ``InputError`` where its activations are not the circuit's.
    """
    # Resistors that belong to activation elements are no weights; they are the ones that are not trainable.
    bare = linearize(circuit, np.ones(len(circuit.diodes)))
    bare = replace(bare, current_sources=replace(circuit.current_sources, values=0 * circuit.current_sources.values))
    weights = bare.with_conductances(np.where(bare.mask, bare.conductances, 1e-300))
    part = linear_part(weights)
    units = unit_nodes(circuit, network)
    place = np.full(len(circuit.nodes), -1)
    place[part.free] = np.arange(len(part.free))
    matrix = part.matrix
    branches = incidence(weights, "resistors").T
    folded = FoldPlan.of(weights).fold(weights)
    volts = 1.0 / circuit.scaling.output_scale
    drives = np.concatenate([np.zeros((1, len(circuit.inputs))), volts * np.eye(len(circuit.inputs))])
    known = folded.known_voltages(weights.source_values(drives))
    # Currents that driven rails send into the free nodes: row 0 the bias, then one row an input.
    sent = -np.asarray((part.collect.T @ (part.conductances[:, None] * (branches @ known.T))).T) / volts
    stages = []
    before: Index = np.zeros(0, np.int64)
    for k, (stage, nodes) in enumerate(zip(network.stages, units, strict=True)):
        own = place[nodes]
        block: Floats = matrix[own][:, own].toarray()
        scale = np.diag(block) / np.diag(stage.H)
        demand_activation(circuit, k, stage, nodes, scale)
        inputs = sent[1:, own].T - sent[0, own][:, None] if not len(before) else -matrix[own][:, before].toarray()
        hidden = None if stage.W is None else np.eye(len(own)) - block / scale[:, None]
        stages.append(Stage(inputs / scale[:, None], sent[0, own] / scale, hidden, stage.activation))
        before = own
    return Network(tuple(stages))
