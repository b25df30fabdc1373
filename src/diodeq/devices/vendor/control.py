"""Controlled sources of a subcircuit that are none: conductances, and constants that a little net of its own makes.

A Zener's breakdown voltage is often so written: a current into a resistor to ground, whose temperature coefficients are
those of the voltage, and a source between the pins that follows it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from diodeq.devices.vendor.elements import MEASURE, VendorBranch
from diodeq.errors import InputError
from diodeq.spice import SpiceText
from diodeq.spice.numbers import shown

DEEPEST = 10


def settled(branches: Sequence[VendorBranch], pins: Collection[str], text: SpiceText) -> list[VendorBranch]:
    """The branches that current from ``pins`` can reach, without a controlled source among them.

    Raises `InputError` naming the line of what is neither constant nor a conductance, or leads to ground.
    """
    net = _Net.of(branches, pins)
    found: list[VendorBranch] = []
    for branch in branches:
        if not net.reaches(branch):
            continue
        with text.at(branch.line):
            if "0" in branch.ends and "0" not in pins:
                raise InputError(f"{shown(branch.name)} leads to ground, which is none of the pins", MEASURE)
            if branch.kind == "ohms" and branch.value < 0.0:
                raise InputError(f"{shown(branch.name)} is {branch.value:g} ohm", "a resistance is at least 0")
            found += net.constant(branch)
    return found


@dataclass(frozen=True)
class _Net:
    """Branches, the net that each node but ground is in, and which nets the pins are in."""

    branches: Sequence[VendorBranch]
    island: dict[str, str]
    own: frozenset[str]

    @staticmethod
    def of(branches: Sequence[VendorBranch], pins: Collection[str]) -> _Net:
        parent: dict[str, str] = {}

        def root(node: str) -> str:
            parent.setdefault(node, node)
            while parent[node] != node:
                parent[node] = parent[parent[node]]
                node = parent[node]
            return node

        for branch in branches:
            nodes = [root(node) for node in branch.ends if node != "0" or "0" in pins]
            if len(nodes) == 2:
                parent[nodes[0]] = nodes[1]
        island = {node: root(node) for node in list(parent)}
        return _Net(branches, island, frozenset(island[pin] for pin in pins if pin in island))

    def reaches(self, branch: VendorBranch) -> bool:
        return any(self.island.get(node) in self.own for node in branch.ends)

    def constant(self, branch: VendorBranch, depth: int = 0) -> list[VendorBranch]:
        """The branch as one that nothing controls; none where no current flows in it."""
        if branch.kind not in ("e", "g"):
            return [branch]
        if depth > DEEPEST:
            raise InputError(f"{shown(branch.name)} follows itself, or too many others", MEASURE)
        gain, (plus, minus) = branch.value, branch.control
        if branch.kind == "g" and branch.offset == 0.0 and {plus, minus} == set(branch.ends):
            siemens = gain if branch.control == branch.ends else -gain
            if siemens < 0.0:
                raise InputError(f"{shown(branch.name)} is a negative conductance", MEASURE)
            return [replace(branch, kind="ohms", value=1.0 / siemens)] if siemens else []
        volts, warming = (0.0, (0.0, 0.0)) if gain == 0.0 or plus == minus else self._between(branch, depth)
        value = branch.offset + gain * volts
        if branch.offset and any(warming):
            raise InputError(f"{shown(branch.name)} adds a constant to what follows the temperature", MEASURE)
        if value == 0.0:
            return [replace(branch, kind="short")] if branch.kind == "e" else []
        kind = "volts" if branch.kind == "e" else "amperes"
        return [replace(branch, kind=kind, value=value, tc1=warming[0], tc2=warming[1])]

    def _between(self, branch: VendorBranch, depth: int) -> tuple[float, tuple[float, float]]:
        """The volts that control a source, and their temperature coefficients, where its pins do not decide them."""
        islands = {self.island.get(node, "") for node in branch.control if node != "0"}
        if islands & self.own or "" in islands:
            raise InputError(f"{shown(branch.name)} follows a voltage that its pins decide, or nothing does", MEASURE)
        inside = [
            each
            for other in self.branches
            if any(self.island.get(node) in islands for node in other.ends)
            for each in self.constant(other, depth + 1)
        ]
        if any(each.kind == "diode" for each in inside):
            raise InputError(f"{shown(branch.name)} follows the voltage of a diode", MEASURE)
        resistors = [each for each in inside if each.kind == "ohms"]
        coefficients = {(each.tc1, each.tc2) for each in resistors}
        warm = any(each.tc1 or each.tc2 for each in inside)
        if warm and (len(coefficients) > 1 or any(each.kind != "ohms" and (each.tc1 or each.tc2) for each in inside)):
            raise InputError(f"{shown(branch.name)} follows the temperature in more ways than one", MEASURE)
        driven = any(each.kind == "volts" for each in inside)
        if warm and driven and any(each.kind == "amperes" for each in inside):
            raise InputError(f"{shown(branch.name)} follows the temperature in more ways than one", MEASURE)
        # Currents into resistors of one temperature coefficient make volts of the same; dividers of volts make none.
        warming = coefficients.pop() if warm and not driven else (0.0, 0.0)
        return _solved(branch, inside), warming


def _solved(branch: VendorBranch, inside: Sequence[VendorBranch]) -> float:
    """The volts between a source's controlling nodes, in a net of resistors and constant sources."""
    nodes = sorted({node for each in inside for node in each.ends} - {"0"})
    if all("0" not in each.ends for each in inside):
        nodes.remove(branch.control[1])  # a net without ground: any node may be at 0 V
    rows = {node: k for k, node in enumerate(nodes)}
    held = [each for each in inside if each.kind in ("volts", "short")]
    size = len(nodes) + len(held)
    matrix, right = np.zeros((size, size)), np.zeros(size)
    for each in inside:
        ends = [(rows[node], sign) for node, sign in zip(each.ends, (1.0, -1.0), strict=True) if node in rows]
        if each.kind == "ohms":
            for row, sign in ends:
                for column, other in ends:
                    matrix[row, column] += sign * other / each.value
        elif each.kind == "amperes":
            for row, sign in ends:
                right[row] -= sign * each.value
    for k, each in enumerate(held, len(nodes)):
        for node, sign in zip(each.ends, (1.0, -1.0), strict=True):
            if node in rows:
                matrix[rows[node], k] += sign
                matrix[k, rows[node]] += sign
        right[k] = each.value if each.kind == "volts" else 0.0
    try:
        found = np.linalg.solve(matrix, right)
    except np.linalg.LinAlgError:
        found = np.full(size, np.nan)
    volts = [float(found[rows[node]]) if node in rows else 0.0 for node in branch.control]
    if not np.isfinite(found).all() or np.abs(matrix @ found - right).max(initial=0.0) > 1e-9 * np.abs(right).max():
        raise InputError(f"{shown(branch.name)} follows a voltage that nothing decides", MEASURE)
    return volts[0] - volts[1]
