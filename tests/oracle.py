"""An independent simulator for tests: dense modified nodal analysis and Newton's method in float64, batch by batch.

It follows the ``Simulator`` protocol and shares no code with the engines except the diode law. The adjoint is the
transpose of the solved matrix itself, so it does not rely on ``diodeq.circuit.transpose`` either.
"""

from __future__ import annotations

import numpy as np

from diodeq.circuit import Circuit
from diodeq.devices.diode.law import law
from diodeq.errors import SimulationError
from diodeq.simulators.base import AdjointSolution, OperatingPoint

BATCH = 64


class Oracle:
    """Newton's method on the whole circuit; small circuits only."""

    name = "oracle"
    version = "numpy"

    def operate(self, circuit, drives):
        drives = np.atleast_2d(np.asarray(drives, float))
        parts = [_settle(circuit, drives[i : i + BATCH]) for i in range(0, len(drives), BATCH)]
        return OperatingPoint(circuit, drives, *(np.concatenate(each) for each in zip(*parts, strict=True)))

    def small_signal(self, operating_point, injections, nodes=None):
        circuit = operating_point.circuit
        currents = circuit.output_injections(np.asarray(injections, float)) + (0.0 if nodes is None else nodes)
        matrix, _ = _stamp(circuit)
        found = np.zeros_like(currents)
        for k, conductances in enumerate(operating_point.diode_conductances):
            full = matrix + _diode_stamp(circuit, len(matrix), conductances)
            right = np.zeros(len(matrix))
            right[: len(circuit.nodes)] = currents[k]
            found[k, 1:] = np.linalg.solve(full.T[1:, 1:], right[1:])[: len(circuit.nodes) - 1]
        return AdjointSolution(found)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass


def _stamp(circuit: Circuit):
    """The linear part of MNA (currents leaving a node, then branch equations) and the first voltage source's row."""
    count = len(circuit.nodes)
    size = count + sum(len(circuit.bank(kind)) for kind in ("voltage_sources", "transformers", "buffers", "mirrors"))
    a = np.zeros((size, size))
    for (p, m), g in zip(circuit.resistors.terminals, circuit.resistors.values, strict=True):
        a[[p, p, m, m], [p, m, p, m]] += [g, -g, -g, g] if p != m else 0.0
    for (p1, m1, p2, m2), g in zip(circuit.gyrators.terminals, circuit.gyrators.values, strict=True):
        for row, column, value in ((p1, p2, g), (p1, m2, -g), (m1, p2, -g), (m1, m2, g)):
            a[row, column] += value
            a[column, row] -= value
    row = count
    for p, m in circuit.voltage_sources.terminals:
        _port(a, row, p, m)
        row += 1
    for (p1, m1, p2, m2), n in zip(circuit.transformers.terminals, circuit.transformers.values, strict=True):
        _port(a, row, p1, m1)
        for node, value in ((p2, -n), (m2, n)):
            a[node, row] += value
            a[row, node] += value
        row += 1
    for (p1, m1, p2, m2), gain in zip(circuit.buffers.terminals, circuit.buffers.values, strict=True):
        _port(a, row, p1, m1)
        a[row, p2] -= gain
        a[row, m2] += gain
        row += 1
    for (p1, m1, p2, m2), gain in zip(circuit.mirrors.terminals, circuit.mirrors.values, strict=True):
        _port(a, row, p2, m2)
        a[p1, row] += gain
        a[m1, row] -= gain
        row += 1
    return a, count


def _port(a, row, plus, minus):
    a[plus, row] += 1.0
    a[minus, row] -= 1.0
    a[row, plus] += 1.0
    a[row, minus] -= 1.0


def _diode_stamp(circuit, size, conductances):
    extra = np.zeros((size, size))
    for (p, m), g in zip(circuit.diodes.terminals, conductances, strict=True):
        for row, column, value in ((p, p, g), (p, m, -g), (m, p, -g), (m, m, g)):
            extra[row, column] += value
    return extra


def _settle(circuit, drives):
    matrix, first = _stamp(circuit)
    sources = circuit.source_values(drives)
    n_volts = len(circuit.voltage_sources)
    right = np.zeros((len(drives), len(matrix)))
    right[:, first : first + n_volts] = sources[:, :n_volts]
    for (p, m), values in zip(circuit.current_sources.terminals, sources[:, n_volts:].T, strict=True):
        right[:, p] -= values
        right[:, m] += values
    laws = [law(model, circuit.temperature) for model in circuit.models]
    which = circuit.diodes.values.astype(int)
    anode, cathode = circuit.diodes.terminals.T
    incidence = np.zeros((len(which), len(matrix)))
    incidence[np.arange(len(which)), anode] += 1.0
    incidence[np.arange(len(which)), cathode] -= 1.0
    incidence = incidence[:, 1:]
    width = np.array([laws[k].n_vt for k in which])
    at = np.zeros((len(drives), len(which)))
    for _ in range(500):
        current, conductance = np.empty_like(at), np.empty_like(at)
        for k, each in enumerate(laws):
            current[:, which == k] = each.current(at[:, which == k])
            conductance[:, which == k] = each.conductance(at[:, which == k])
        full = matrix[1:, 1:] + np.einsum("di,bd,dj->bij", incidence, conductance, incidence, optimize=True)
        solved = np.linalg.solve(full, (right[:, 1:] - (current - conductance * at) @ incidence)[..., None])[..., 0]
        new = solved @ incidence.T
        if np.max(np.abs(new - at), initial=0.0) < 1e-11:
            voltages = np.concatenate([np.zeros((len(drives), 1)), solved[:, : len(circuit.nodes) - 1]], axis=1)
            return voltages, conductance
        # A forward step beyond the knee is shortened to its logarithm, as SPICE does.
        rise = np.log1p(np.maximum(new - at, 0.0) / width) * width
        at = np.where((new > 4 * width) & (new - at > 2 * width), np.maximum(at, 0.0) + rise, new)
    raise SimulationError("the oracle did not converge", "give it a smaller circuit")
