"""``Leaves`` in one compiled call for a whole batch (extra ``numba``): sample by sample, in memory that stays in cache.

A small circuit's numbers are few, and numpy's hundred calls cost more than its sums. The iteration is that of
``Leaves.settle``; a sample that does not come to its end, or whose diodes break down, is left to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from diodeq.compiled import kernel
from diodeq.simulators.wave.arrays import Arrays
from diodeq.simulators.wave.diodes import Diodes
from diodeq.simulators.wave.fused import FORMATS, columns_of, load_lines
from diodeq.simulators.wave.method import QUICK, STEPS, Settled
from diodeq.simulators.wave.small import LANES, correct, eliminate, finish, invert, pull, push

if TYPE_CHECKING:
    from diodeq.simulators.wave.leaves import LeavesPlan

Floats = NDArray[np.float64]

# Volts: after a step this small what is not straight about a law (a share of step / 2 nVt of it) is not worth a look.
NEAR = 4e-7


@dataclass(frozen=True, eq=False)
class Whole:
    """A circuit with leaves as ``settle`` takes it; ``back`` is the transposed ``matrix``."""

    leaf: NDArray[np.int64]
    core: NDArray[np.int64]
    columns: Floats
    coupling: Floats
    matrix: Floats
    back: Floats
    gmin: Any
    arrays: Arrays

    @staticmethod
    def of(
        plan: LeavesPlan, load: Floats, coupling: Floats, matrix: Floats, diodes: Diodes, arrays: Arrays
    ) -> Whole | None:
        """The plan's leaves and core with their values, or None where diodes are not all plain junctions."""
        if diodes.plain is None or len(diodes.slow):
            return None
        real = arrays.dtype
        columns, gmin = columns_of(diodes.plain, 1.0 / load, np.float64)
        return Whole(
            plan.leaf.astype(np.int64),
            plan.core.astype(np.int64),
            np.vstack([columns, plan.sign, load]).astype(real),
            np.ascontiguousarray(coupling.T, real),
            np.ascontiguousarray(matrix, real),
            np.ascontiguousarray(matrix.T, real),
            real(gmin),
            arrays,
        )

    def settle(self, right: Floats) -> tuple[Settled, NDArray[np.intp]]:
        """The operating points for right sides [B, n], and which samples have none yet."""
        allowed, real = self.arrays.precision, type(self.gmin)
        ports = len(right), len(self.leaf)
        found = Settled(*(np.empty(shape, real) for shape in (right.shape, ports, ports)))
        settled = np.empty(len(right), bool)
        run = compiled("settle", np.finfo(real).bits)
        scale = np.abs(self.matrix).sum(axis=1)
        limits = real(allowed.absolute), real(allowed.relative)
        run(
            np.require(right, real, ("C", "W")),
            *(self.leaf, self.core, self.columns, self.coupling, self.matrix, scale, self.gmin, *limits),
            *(found.unknowns, found.currents, found.conductances, settled),
        )
        return found, np.flatnonzero(~settled)

    def linear(self, conductances: Floats, right: Floats, *, transposed: bool) -> tuple[Floats, Floats]:
        """As ``Leaves.linear``."""
        real = type(self.gmin)
        unknowns, currents = np.empty(right.shape, real), np.empty(conductances.shape, real)
        given = (np.require(each, real, ("C", "W")) for each in (conductances, right))
        matrix = self.back if transposed else self.matrix
        run = compiled("solve", np.finfo(real).bits)
        run(*given, self.leaf, self.core, self.columns, self.coupling, matrix, unknowns, currents)
        return unknowns, currents


@cache
def compiled(name: str, bits: int) -> Any:
    """``settle`` or ``solve`` for the numbers of one format."""
    real = FORMATS[bits].name
    index, vector, matrix = "i8[::1]", f"{real}[::1]", f"{real}[:,::1]"
    circuit = [index, index, matrix, matrix, matrix]
    if name == "solve":
        return kernel(solve, ", ".join([matrix, matrix, *circuit, matrix, matrix]))
    return kernel(settle, ", ".join([matrix, *circuit, vector, *3 * [real], *3 * [matrix], "b1[::1]"]))


def settle(
    right: Any,
    leaf: Any,
    core: Any,
    columns: Any,
    coupling: Any,
    matrix: Any,
    scale: Any,
    gmin: Any,
    absolute: Any,
    relative: Any,
    unknowns: Any,
    currents: Any,
    conductances: Any,
    settled: Any,
) -> None:
    """The operating points for right sides [B, n], into ``unknowns`` [B, n], ``currents`` and ``conductances``
    [B, leaves]; which samples are ``settled`` bool[B].

    ``columns`` [10, leaves] are those of ``load_lines``, the leaves' signs and what they conduct in all, ``coupling``
    [core, leaves] what of it goes to the core, whose own is ``matrix`` [core, core] with row sums ``scale``.
    """
    width, count = coupling.shape
    real = type(gmin)
    sign, load = columns[8], columns[9]
    alone, source, v, drawn = np.empty_like(load), np.empty_like(load), np.empty_like(load), np.empty_like(load)
    scaled = np.empty_like(coupling)
    below, order = np.zeros((width, -(-width // LANES) * LANES), matrix.dtype), np.empty(width, np.int64)
    factors = np.zeros(below.size, matrix.dtype)
    jacobian = factors.reshape(below.shape)
    at_core, y, step = np.empty_like(scale), np.empty_like(scale), np.empty_like(scale)
    f, moved = np.zeros(below.shape[1], matrix.dtype), np.empty_like(scale)
    for b in range(len(right)):
        largest = real(0.0)
        for k in range(count):
            alone[k] = sign[k] * right[b, leaf[k]] / load[k]
            source[k] = alone[k]
            largest = max(largest, abs(alone[k]))
        for j in range(width):
            at_core[j], y[j], step[j] = right[b, core[j]], real(0.0), real(0.0)
        tolerance = absolute + relative * largest
        error = last = real(math.inf)
        done = broken = False
        for turn in range(STEPS):
            if turn:
                push(y, coupling, drawn)
                for k in range(count):
                    source[k] = alone[k] + sign[k] * drawn[k] / load[k]
            broken = load_lines(source, columns, gmin, v, currents[b], conductances[b])
            for k in range(count):
                v[k] *= sign[k]
            pull(v, coupling, moved)
            pull(y, matrix, f)
            size = real(0.0)
            for j in range(width):
                f[j] -= at_core[j] + moved[j]
                size += (f[j] / scale[j]) ** 2
            size, before = np.sqrt(size), error
            if turn or not width:
                error = correct(jacobian, f, moved)
            done = error <= tolerance
            if not done and turn > 1 and error <= real(NEAR) and error * error <= tolerance * before:
                done = True  # steps shrink as fast as before, so this is the last one
                push(moved, coupling, drawn)
                finish(drawn, columns, gmin, v, currents[b], conductances[b])
                for j in range(width):
                    y[j] += moved[j]
            if done:
                break
            if not size < math.inf:
                break
            if size > last:  # a step that made things worse is taken back by half, and by half again
                for j in range(width):
                    step[j] *= real(0.5)
                    y[j] -= step[j]
                continue
            if not error < real(QUICK) * before:
                for k in range(count):
                    drawn[k] = real(1.0) / (load[k] + conductances[b, k])
                eliminate(coupling, drawn, matrix, scaled, jacobian)
                invert(factors, below, order)
                correct(jacobian, f, moved)
            for j in range(width):
                step[j] = moved[j]
                y[j] += moved[j]
            last = size
        for k in range(count):
            unknowns[b, leaf[k]] = v[k]
        for j in range(width):
            unknowns[b, core[j]] = y[j]
        settled[b] = done and not broken


def solve(
    conductances: Any,
    right: Any,
    leaf: Any,
    core: Any,
    columns: Any,
    coupling: Any,
    matrix: Any,
    unknowns: Any,
    currents: Any,
) -> None:
    """The circuit with diodes frozen at ``conductances`` [B, leaves]; a singular one's voltages are not numbers."""
    width, count = coupling.shape
    sign, load = columns[8], columns[9]
    into, yielding, drawn = np.empty_like(load), np.empty_like(load), np.empty_like(load)
    scaled = np.empty_like(coupling)
    below, order = np.zeros((width, -(-width // LANES) * LANES), matrix.dtype), np.empty(width, np.int64)
    factors = np.zeros(below.size, matrix.dtype)
    jacobian = factors.reshape(below.shape)
    f, y = np.zeros(below.shape[1], matrix.dtype), np.empty(width, matrix.dtype)
    for b in range(len(right)):
        for k in range(count):
            into[k] = right[b, leaf[k]]
            yielding[k] = type(load[k])(1.0) / (load[k] + conductances[b, k])
            drawn[k] = into[k] * yielding[k]
        pull(drawn, coupling, f)
        for j in range(width):
            f[j] = -f[j] - right[b, core[j]]
        eliminate(coupling, yielding, matrix, scaled, jacobian)
        invert(factors, below, order)
        correct(jacobian, f, y)
        push(y, coupling, drawn)
        for k in range(count):
            h = (into[k] + drawn[k]) * yielding[k]
            unknowns[b, leaf[k]] = h
            currents[b, k] = sign[k] * conductances[b, k] * h
        for j in range(width):
            unknowns[b, core[j]] = y[j]
