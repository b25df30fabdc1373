"""Kirchhoff's current law, recomputed from node voltages: the check no simulator can talk its way past."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from diodeq.circuit.bank import Floats
from diodeq.circuit.circuit import Circuit

# Kinds whose branch current is an unknown of its own: the port its current enters.
BRANCHES = {"voltage_sources": (0, 1), "transformers": (0, 1), "buffers": (0, 1), "mirrors": (2, 3)}


def branch_kinds(circuit: Circuit) -> list[str]:
    """The kinds with a branch current that this circuit has."""
    return [kind for kind in BRANCHES if len(circuit.bank(kind))]


def incidence(circuit: Circuit, kind: str, port: tuple[int, int] = (0, 1)) -> sparse.csr_array:
    """Sparse [N, n]: +1 where a part's port current leaves the node, -1 where it comes back."""
    ends = circuit.bank(kind).terminals[:, list(port)]
    count = len(ends)
    rows, columns = np.concatenate([ends[:, 0], ends[:, 1]]), np.concatenate([np.arange(count)] * 2)
    signs = np.concatenate([np.ones(count), -np.ones(count)])
    return sparse.csr_array((signs, (rows, columns)), shape=(len(circuit.nodes), count))


def residual(
    circuit: Circuit,
    volts: Floats,
    injections: Floats,
    branches: Mapping[str, Floats],
    diode_currents: Floats,
    slack: Floats | None = None,
) -> tuple[float, int, int]:
    """The worst imbalance of currents at any free node, as a share of the currents that meet there.

    Ground and nodes that a voltage source holds against it take whatever current comes, so they are not judged.

    Args:
        circuit: without current sources (they are part of ``injections``).
        volts: float64[B, N]. injections: float64[B, N] amperes into each node.
        branches: per kind float64[B, n] currents entering the port of ``BRANCHES``.
        diode_currents: float64[B, n_diodes], anode to cathode.
        slack: float64[B, n_diodes], amperes by which each diode's current is open; they count as currents that meet.

    Returns:
        (share, sample, node).
    """
    leaving = -injections
    size = np.abs(injections)

    def add(kind: str, port: tuple[int, int], currents: Floats) -> None:
        nonlocal leaving, size
        matrix = incidence(circuit, kind, port)
        leaving = leaving + (matrix @ currents.T).T
        size = size + (abs(matrix) @ np.abs(currents).T).T

    def across(kind: str, port: tuple[int, int]) -> Floats:
        ends = circuit.bank(kind).terminals
        return volts[:, ends[:, port[0]]] - volts[:, ends[:, port[1]]]

    flow, magnitude = _laplacian(circuit)
    leaving = leaving + (flow @ volts.T).T
    size = size + (magnitude @ np.abs(volts).T).T
    if len(circuit.diodes):
        add("diodes", (0, 1), diode_currents)
    for kind in branch_kinds(circuit):
        add(kind, BRANCHES[kind], branches[kind])
    for kind, follower, sign in (("transformers", (2, 3), -1.0), ("mirrors", (0, 1), 1.0)):
        if len(circuit.bank(kind)):
            add(kind, follower, sign * circuit.bank(kind).values * branches[kind])
    if len(circuit.gyrators):
        g = circuit.gyrators.values
        add("gyrators", (0, 1), g * across("gyrators", (2, 3)))
        add("gyrators", (2, 3), -g * across("gyrators", (0, 1)))
    # A node where hardly any current flows is judged by what 10 µV across its resistors would make flow, and by 1e-7 of
    # the sample's largest current: an engine rounds all currents at once, also that of a rail whose diodes are all off.
    largest = size[:, 1:].max(axis=1, initial=0.0, keepdims=True)
    if slack is not None:
        size = size + (abs(incidence(circuit, "diodes")) @ slack.T).T
    share = np.abs(leaving[:, 1:]) / (size[:, 1:] + 1e-5 * magnitude.diagonal()[1:] + 1e-7 * largest + 1e-15)
    held = circuit.voltage_sources.terminals
    share[:, held[held[:, 1] == 0, 0] - 1] = 0.0
    if not share.size:
        return 0.0, 0, 0
    sample, node = np.unravel_index(int(np.argmax(share)), share.shape)
    return float(share[sample, node]), int(sample), int(node) + 1


def _laplacian(circuit: Circuit) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The conductance matrix, and the one of magnitudes that sums |currents| without cancellation, dense or sparse."""
    (a, b), g, count = circuit.resistors.terminals.T, circuit.conductances, len(circuit.nodes)
    rows, columns = np.concatenate([a, b, a, b]), np.concatenate([a, b, b, a])
    signed = sparse.csr_array((np.concatenate([g, g, -g, -g]), (rows, columns)), shape=(count, count))
    plain = sparse.csr_array((np.concatenate([g, g, g, g]), (rows, columns)), shape=(count, count))
    if 4 * len(g) > count * count / 10:
        return signed.toarray(), plain.toarray()
    return signed, plain  # type: ignore[return-value]
