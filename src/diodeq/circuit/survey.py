"""A survey: operating points come in batches, and what they ask of the circuit's parts is kept."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from diodeq.circuit.amplifiers import inside
from diodeq.circuit.bank import Bools, Floats, Ints
from diodeq.circuit.circuit import Circuit
from diodeq.circuit.equations import SPARSE_WHEN_EMPTIER_THAN, incidence
from diodeq.circuit.feasibility import TOLD, Excess, Feasibility
from diodeq.circuit.flows import SIGNS, kinds_of
from diodeq.circuit.graph import deaf, idle
from diodeq.circuit.kinds import KINDS, OWN, source_kinds
from diodeq.circuit.one_ports import one_port_models
from diodeq.circuit.power_bound import power_bound
from diodeq.circuit.supplies import Supplied, real
from diodeq.devices.hardware import rated
from diodeq.devices.hardware.ladder import Single
from diodeq.devices.one_ports import OnePorts, one_ports
from diodeq.devices.ratings import LIMITS, UNRATED

# Branch voltages held at a time, samples times parts: as many as a processor's cache has room for.
_ENTRIES = 1 << 16
# By so much a rating may be exceeded: rails are computed.
_ROUNDING = 1e-9
_NONE: Mapping[str, Floats] = {}


def _across(volts: Floats, terminals: Ints, port: tuple[int, ...]) -> Floats:
    """The voltages [B, n] of a port, numbers of terminals."""
    return np.asarray(volts[:, terminals[:, port[0]]] - volts[:, terminals[:, port[1]]])


class Survey:
    """What a circuit asks for over operating points that are told one batch after another.

    Args:
        circuit: checked.
        supply: V that no source may exceed, of either sign.
        made_of: what its resistors are. Programmable ones may have no more than their supply's span between any two
            nodes; all others are taken for chips of size 0603.
    """

    def __init__(self, circuit: Circuit, *, supply: float = math.inf, made_of: Single | None = None) -> None:
        self._circuit, self._supply = circuit, supply
        set_ = made_of is not None and made_of.programmable
        self._material = made_of.part if made_of is not None and set_ else rated.RESISTOR
        self._span = made_of.span if made_of is not None and set_ else math.inf
        self._resistor = UNRATED if set_ else rated.parts()[rated.RESISTOR]
        self._driver = rated.parts()[rated.DRIVER]
        self._watts: list[Floats] = []
        self._seen = self._apart = 0.0
        self._amplifiers: dict[str, Floats] = {}
        self._worst: dict[tuple[str, str], Floats] = {}
        self._sources: dict[str, Floats] | None = {}

    def add(self, drives: Floats, volts: Floats, branches: Mapping[str, Floats] = _NONE) -> None:
        """Operating points: input volts float64[B, n_in], node voltages float64[B, N] and, where they are known, branch
        currents by kind, as ``OperatingPoint`` has them."""
        if not len(volts):
            return
        volts = np.asarray(volts, np.float64)
        self._seen = max(self._seen, float(np.abs(drives).max(initial=0.0)))
        self._apart = max(self._apart, float(np.ptp(volts, axis=1).max(initial=0.0)))
        leaving = volts @ self._laplacian if self._dense else np.asarray((self._laplacian @ volts.T).T)
        watts = np.einsum("bn,bn->b", volts, leaving) - self._unreal_watts(volts)
        self._look_at_resistors(volts)
        for kind, ports in self._laws.items():
            across = _across(volts, self._circuit.bank(kind).terminals, (0, 1))
            current = ports.current(across)
            heats, own = real(self._circuit, kind), ~inside(self._circuit, kind)
            watts += np.einsum("bn,bn->b", across[:, heats], current[:, heats])
            leaving += (incidence(self._circuit, kind) @ current.T).T
            for name, limit in LIMITS.items():
                self._keep(kind, name, limit.asked(across, current).max(axis=0) * own)
        self._watts.append(watts)
        self._look_at_sources(drives, volts, leaving, branches)

    @cached_property
    def _laplacian(self) -> Floats | sparse.csr_array:
        """What leaves each node through resistors, sparse [N, N] or not."""
        count = len(self._circuit.nodes)
        found = sparse.csr_array((count, count))
        for kind, spec in kinds_of(self._circuit).items():
            if spec.conductive:
                ends = incidence(self._circuit, kind)
                found = found + ends @ sparse.diags_array(self._circuit.bank(kind).values) @ ends.T
        return found.toarray() if count * count <= SPARSE_WHEN_EMPTIER_THAN * found.nnz else sparse.csr_array(found)

    @property
    def _dense(self) -> bool:
        return isinstance(self._laplacian, np.ndarray)

    @cached_property
    def _laws(self) -> dict[str, OnePorts]:
        circuit = self._circuit
        return {
            kind: one_ports(circuit.models, circuit.bank(kind).values, circuit.temperature)
            for kind, spec in kinds_of(circuit).items()
            if spec.nonlinear
        }

    def _unreal_watts(self, volts: Floats) -> Floats:
        """What the resistors of operational amplifiers' models would dissipate, [B]."""
        found = np.zeros(len(volts))
        for kind, spec in kinds_of(self._circuit).items():
            chosen = ~real(self._circuit, kind)
            if spec.conductive and chosen.any():
                parts = self._circuit.bank(kind)
                found += _across(volts, parts.terminals[chosen], (0, 1)) ** 2 @ parts.values[chosen]
        return found

    def _supplied_watts(self, volts: Floats, held: Mapping[str, Floats] | None) -> Floats:
        """What stays in operational amplifiers, [B]; ``held`` are the currents of all that holds a voltage, where they
        are known."""
        found = np.zeros(len(volts))
        for each in self._supplied:
            amperes = each.amperes(volts) if held is None else -held["buffers"][:, each.group.at("buffers", "out")]
            found += each.watts(volts, amperes)
        return found

    @cached_property
    def _supplied(self) -> list[Supplied]:
        return Supplied.of(self._circuit)

    def _keep(self, kind: str, name: str, asked: Floats) -> None:
        before = self._worst.get((kind, name))
        self._worst[kind, name] = asked if before is None else np.maximum(before, asked)

    def _look_at_resistors(self, volts: Floats) -> None:
        """Only at those whose ratings would be exceeded if their nodes were furthest apart at once."""
        by_node = np.ascontiguousarray(volts.T)
        low, high = by_node.min(axis=1), by_node.max(axis=1)
        for kind, spec in kinds_of(self._circuit).items():
            parts = self._circuit.bank(kind)
            if not spec.conductive:
                continue
            first, second = parts.terminals[:, 0], parts.terminals[:, 1]
            reached = np.maximum(high[first] - low[second], high[second] - low[first])
            for name, most in self._resistor.known().items():
                asked = LIMITS[name].asked
                beyond = asked(reached, reached * parts.values) > most
                some = np.flatnonzero(beyond & ~inside(self._circuit, kind))
                found = np.zeros(len(parts))
                step = max(1, _ENTRIES // len(volts))
                for at in range(0, len(some), step):
                    those = some[at : at + step]
                    across = by_node[first[those]] - by_node[second[those]]
                    across = np.maximum(across.max(axis=1), -across.min(axis=1))
                    found[those] = asked(across, across * parts.values[those])
                self._keep(kind, name, found)

    def _look_at_sources(self, drives: Floats, volts: Floats, leaving: Floats, branches: Mapping[str, Floats]) -> None:
        """The currents of all that holds a voltage, by Kirchhoff's law from those of all other parts."""
        circuit = self._circuit
        values = self._by_kind(circuit.source_values(drives))
        for kind, spec in kinds_of(circuit).items():
            parts = circuit.bank(kind)
            if spec.holds is not None and not spec.source:
                # What is inside of an operational amplifier is no voltage that somebody has to supply.
                reached = np.abs(_across(volts, parts.terminals, spec.holds)).max(axis=0) * ~inside(circuit, kind)
                self._amplifiers[kind] = np.maximum(self._amplifiers.get(kind, 0.0), reached)
            for end, sign in spec.source if spec.holds is None else ():
                np.subtract.at(leaving.T, parts.terminals[:, end], sign * values[kind].T)
            if spec.conductive or spec.nonlinear:
                continue
            for flow in spec.stamp:
                own = flow.control == (OWN,)
                if flow.out == (OWN,) or (own and flow.out == spec.holds):
                    continue
                if own and kind not in branches:
                    self._sources = None  # this engine does not tell
                    self._watts[-1] += self._supplied_watts(volts, None)
                    return
                ends = parts.terminals
                control = branches[kind] if own else _across(volts, ends, flow.control)
                current = flow.sign * (parts.values if flow.valued else 1.0) * control
                for place, sign in zip(flow.out, SIGNS, strict=True):
                    np.add.at(leaving.T, ends[:, place], sign * current.T)
        held = self._holding_currents(leaving)
        self._watts[-1] += self._supplied_watts(volts, held)
        if self._sources is None:
            return
        found = {kind: np.abs(each) for kind, each in values.items() if KINDS[kind].holds is None}
        found |= {kind: np.abs(each) for kind, each in held.items()}
        for kind, each in found.items():
            if each.shape[1]:
                self._sources[kind] = np.maximum(self._sources.get(kind, 0.0), each.max(axis=0))

    def _by_kind(self, values: Floats) -> dict[str, Floats]:
        counts = [len(self._circuit.bank(kind)) for kind in source_kinds()]
        return dict(zip(source_kinds(), np.split(values, np.cumsum(counts)[:-1], axis=1), strict=True))

    @cached_property
    def _holding(self) -> dict[str, int]:
        """How many parts of each kind hold a voltage."""
        return {
            kind: len(self._circuit.bank(kind))
            for kind, spec in kinds_of(self._circuit).items()
            if spec.holds is not None
        }

    @cached_property
    def _tree(self) -> tuple[sparse.csr_array, object]:
        """Where the currents of holding ports leave nodes but ground, sparse [N - 1, n], and their normal equations
        solved: such ports make no loop, so there is one solution."""
        ends = [incidence(self._circuit, kind, KINDS[kind].holds or (0, 1))[1:] for kind in self._holding]
        tree = sparse.csr_array(sparse.hstack(ends))
        return tree, splu(sparse.csc_array(tree.T @ tree))

    def _holding_currents(self, leaving: Floats) -> dict[str, Floats]:
        if not self._holding:
            return {}
        tree, normal = self._tree
        currents = -normal.solve(np.ascontiguousarray(tree.T @ leaving[:, 1:].T)).T  # type: ignore[attr-defined]
        parts = np.split(currents, np.cumsum([*self._holding.values()])[:-1], axis=1)
        return dict(zip(self._holding, parts, strict=True))

    def feasibility(self, clipped: int = 0) -> Feasibility:
        """What all that was told comes to; ``clipped`` values of the samples were beyond the circuit's limit."""
        circuit = self._circuit
        conductive = [kind for kind, spec in kinds_of(circuit).items() if spec.conductive]
        ohms = [1.0 / circuit.bank(kind).values[~inside(circuit, kind)] for kind in conductive]
        resistances = np.concatenate(ohms) if ohms else np.zeros(0)
        watts = np.concatenate(self._watts) if self._watts else None
        limit = circuit.scaling.limit
        limited = not len(circuit.inputs) or self._seen <= limit < math.inf
        reach = (limit if len(circuit.inputs) else 0.0) if limited else self._seen
        excesses, worst = self._excesses(reach)
        most, name = self._largest()
        return Feasibility(
            samples=0 if watts is None else len(watts),
            supply_volts=max((float(each.max(initial=0.0)) for _, each in self._supplies(reach)), default=0.0),
            reach=reach,
            limited=limited and not self._amplifiers,
            resistors=len(resistances),
            smallest_ohms=float(resistances.min()) if len(resistances) else None,
            largest_ohms=float(resistances.max()) if len(resistances) else None,
            watts_median=None if watts is None else float(np.median(watts)),
            watts_max=None if watts is None else float(watts.max()),
            bound=power_bound(circuit, reach),
            largest_source_amperes=most,
            largest_source=name,
            clipped=clipped,
            excesses=excesses,
            exceeded=tuple(worst),
            unrated=self._unrated(len(resistances)),
            deaf=tuple(deaf(circuit)),
        )

    def _unrated(self, resistors: int) -> tuple[str, ...]:
        models = [self._circuit.models[k] for k in np.unique(one_port_models(self._circuit)).tolist()]
        names = [model.name for model in models if not model.ratings.known()]
        if resistors and not self._resistor.known() and self._span == math.inf:
            names.append(self._material)
        return tuple(dict.fromkeys(names))

    def _supplies(self, reach: float) -> Iterator[tuple[str, Floats]]:
        """The highest voltage of every source in use for inputs within the reach, and of amplifiers so far."""
        circuit = self._circuit
        constant = np.concatenate([circuit.bank(kind).values for kind in source_kinds()])
        swing = np.asarray(abs(circuit.inputs.gains(len(constant))).sum(axis=1)).ravel()
        for kind, each in self._by_kind((np.abs(constant) + reach * swing)[None]).items():
            if KINDS[kind].holds is not None:
                yield kind, np.where(idle(circuit, kind), 0.0, each[0])
        yield from self._amplifiers.items()

    def _largest(self) -> tuple[float | None, str]:
        if not self._sources:
            return None, ""
        kind = max(self._sources, key=lambda each: float(self._sources[each].max()) if self._sources else 0.0)
        at = int(np.argmax(self._sources[kind]))
        return float(self._sources[kind][at]), self._called(kind, at)

    def _called(self, kind: str, at: int) -> str:
        """A source by its name, and its node where it has one of its own."""
        first, second = self._circuit.bank(kind).terminals[at, list(KINDS[kind].holds or (0, 1))].tolist()
        where = f" at {self._circuit.nodes[first or second]}" if 0 in (first, second) else ""
        return f"{self._circuit.part_names(kind)[at]}{where}"

    def _excesses(self, reach: float) -> tuple[int, list[Excess]]:
        """How many ratings are exceeded, and the worst of them."""
        models = self._circuit.models
        found: list[tuple[int, list[Excess]]] = []
        for kind, volts in self._supplies(reach):
            found.append(self._beyond(kind, "supply", "V", volts, np.full(len(volts), self._supply), [""]))
        for (kind, name), asked in self._worst.items():
            which = self._circuit.bank(kind).values if KINDS[kind].nonlinear else np.zeros(len(asked), int)
            rates = [model.ratings for model in models] if KINDS[kind].nonlinear else [self._resistor]
            called = [model.name for model in models] if KINDS[kind].nonlinear else [self._material]
            most = np.array([getattr(each, name) for each in rates])[which]
            words, unit = LIMITS[name].words, LIMITS[name].unit
            found.append(self._beyond(kind, words, unit, asked, most, called, which))
        for kind, amperes in (self._sources or {}).items():
            most = np.where(self._drives(kind), self._driver.amperes, math.inf)
            found.append(self._beyond(kind, "current", "A", amperes, most, [rated.DRIVER]))
        if self._apart > self._span * (1.0 + _ROUNDING):
            found.append((1, [Excess("the nodes", self._material, "span", self._apart, self._span, "V")]))
        worst = sorted((each for _, some in found for each in some), key=lambda each: each.limit / each.value)
        return sum(count for count, _ in found), worst[:TOLD]

    def _drives(self, kind: str) -> Bools:
        """Which of the sources are driven or amplifiers: constant ones are rails, whose currents a supply gives."""
        if not KINDS[kind].source:
            return np.ones(len(self._circuit.bank(kind)), bool)
        driven = np.zeros((1, sum(len(self._circuit.bank(each)) for each in source_kinds())))
        driven[0, self._circuit.inputs.source] = 1.0
        return np.asarray(self._by_kind(driven)[kind][0] > 0.0)

    def _beyond(
        self,
        kind: str,
        rating: str,
        unit: str,
        asked: Floats,
        most: Floats,
        called: Sequence[str],
        which: Any = None,
    ) -> tuple[int, list[Excess]]:
        """How many parts are asked for more than they may be, and the worst of them; part k is ``called[which[k]]``."""
        over = np.flatnonzero(asked > most * (1.0 + _ROUNDING))
        if not len(over):
            return 0, []
        worst = over[np.argsort(most[over] / asked[over], kind="stable")[:TOLD]].tolist()
        names = self._circuit.part_names(kind)
        return len(over), [
            Excess(names[k], called[0 if which is None else which[k]], rating, float(asked[k]), float(most[k]), unit)
            for k in worst
        ]
