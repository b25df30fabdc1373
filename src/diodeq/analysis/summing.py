"""Circuits of summing amplifiers, with and without rectifiers, read as units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diodeq.analysis.box import Box
from diodeq.circuit import Circuit
from diodeq.circuit.amplifiers import AmplifierGroup, groups_of, inside, pins
from diodeq.circuit.bank import Floats
from diodeq.circuit.kinds import KINDS
from diodeq.devices.one_ports import OnePorts, one_ports

Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Summing:
    """A circuit as n summing amplifiers, of which ``rectified`` bool[n] have diodes.

    ``sums``, ``drivers``, ``units`` int[n] are nodes: - input, the amplifier's output, the unit's. Resistor r ends at
    the sum of amplifier ``owner[r]``, and at node ``far[r]``; ``feedback`` bool[R] is whether it comes from its own
    unit. The others are figures and one-ports of the amplifiers.
    """

    circuit: Circuit
    sums: Index
    drivers: Index
    units: Index
    rectified: NDArray[np.bool_]
    resistors: Index
    owner: Index
    far: Index
    feedback: NDArray[np.bool_]
    gain: Floats
    offset: Floats
    bias: Floats
    ohms: Floats
    rails: tuple[Floats, Floats]
    clamps: tuple[OnePorts, OnePorts]
    behind: tuple[Index, OnePorts]
    diodes: tuple[OnePorts, OnePorts]

    @staticmethod
    def of(circuit: Circuit) -> Summing | None:
        """None where a circuit has anything else."""
        groups, nodes = groups_of(circuit), pins(circuit)
        if not groups or any(len(circuit.bank(kind)) for kind in KINDS if kind not in _KINDS):
            return None
        ends = np.array([nodes[number] for group in groups for number in group.numbers], np.intp)
        if ends[:, 0].any() or len(np.unique(ends[:, 1:])) != 2 * len(ends):
            return None
        place = _places(groups)
        value = {kind: np.append(circuit.bank(kind).values, 0.0) for kind in _KINDS if kind not in _VALUELESS}
        sums, drivers = ends[:, 1], ends[:, 2]
        found = _rectifiers(circuit, sums, drivers)
        if found is None or (place["diodes", "high"] < 0).any() or (place["diodes", "low"] < 0).any():
            return None
        units, first, second = found
        known = np.full(len(circuit.nodes), -1)
        known[sums] = np.arange(len(sums))
        own = np.flatnonzero(~inside(circuit, "resistors"))
        two = circuit.resistors.terminals[own].astype(np.intp)
        at = known[two]
        if not ((at >= 0).sum(axis=1) == 1).all():
            return None
        left = at[:, 0] >= 0
        owner, far = np.where(left, at[:, 0], at[:, 1]), np.where(left, two[:, 1], two[:, 0])
        # The far ends are units or held by sources from ground, and no other source is there.
        sources = circuit.voltage_sources.terminals
        outer = sources[~inside(circuit, "voltage_sources")]
        held = np.unique(outer[:, 0]) if not outer[:, 1].any() else np.zeros(0, np.intp)
        there = np.unique(np.concatenate([[0], units, held]))
        currents = inside(circuit, "current_sources").all()
        if not (currents and np.isin(far, there).all() and (np.bincount(owner[far == units[owner]]) > 0).all()):
            return None
        if np.isin(held, np.concatenate([sums, drivers, units])).any() or outer[:, 1].any():
            return None
        which = circuit.diodes.values.astype(np.intp)

        def laws(places: Index) -> OnePorts:
            return one_ports(circuit.models, which[places], circuit.temperature)

        high = circuit.diodes.terminals[place["diodes", "high"], 1]
        low = circuit.diodes.terminals[place["diodes", "low"], 0]
        volts = np.zeros(len(circuit.nodes))
        volts[sources[:, 0]] = circuit.voltage_sources.values
        behind = np.flatnonzero(place["diodes", "out"] >= 0)
        return Summing(
            circuit, sums, drivers, units, first >= 0, own, owner, far, far == units[owner],
            value["buffers"][place["buffers", "gain"]], value["voltage_sources"][place["voltage_sources", "offset"]],
            value["current_sources"][place["current_sources", "minus"]],
            1.0 / value["resistors"][place["resistors", "gain"]], (volts[high], volts[low]),
            (laws(place["diodes", "high"]), laws(place["diodes", "low"])),
            (behind, laws(place["diodes", "out"][behind])), (laws(first[first >= 0]), laws(second[first >= 0])),
        )  # fmt: skip

    def bounded(self, box: Box) -> bool:
        """Whether the box is of what is bounded here: resistors outside of amplifiers, sources and inputs, and figures
        of amplifiers."""
        alone = box.cold == box.hot and not any(box.parameters)
        return alone and not box.of_parts(self.circuit)[inside(self.circuit, "resistors")].any()


_KINDS = ("resistors", "diodes", "voltage_sources", "current_sources", "buffers")
_VALUELESS = ("diodes",)


def _places(groups: list[AmplifierGroup]) -> dict[tuple[str, str], Index]:
    wanted = [("buffers", "gain"), ("voltage_sources", "offset"), ("current_sources", "minus"), ("resistors", "gain"),
              ("diodes", "high"), ("diodes", "low"), ("diodes", "out")]  # fmt: skip
    return {key: np.concatenate([group.at(*key) for group in groups]) for key in wanted}


def _rectifiers(circuit: Circuit, sums: Index, drivers: Index) -> tuple[Index, Index, Index] | None:
    """The units' nodes, and the diodes that drive them and those at rest, -1 without; None where there are others."""
    units, first, second = drivers.copy(), np.full(len(sums), -1), np.full(len(sums), -1)
    at_driver, at_sum = ({int(node): k for k, node in enumerate(nodes)} for nodes in (drivers, sums))
    for number in np.flatnonzero(~inside(circuit, "diodes")).tolist():
        one, other = circuit.diodes.terminals[number].tolist()
        if one in at_driver and other not in at_sum and first[at_driver[one]] < 0:
            first[at_driver[one]], units[at_driver[one]] = number, other
        elif one in at_sum and at_driver.get(other) == at_sum[one] and second[at_sum[one]] < 0:
            second[at_sum[one]] = number
        else:
            return None
    fits = ((first >= 0) == (second >= 0)).all() and len(np.unique(units)) == len(units)
    return (units, first, second) if fits and not np.isin(units, sums).any() else None
