"""``Leaves`` in one compiled call for a whole batch (extra ``numba``): sample by sample, in memory that stays in cache.

A small circuit's numbers are few, and numpy's hundred calls cost more than its sums. The iteration is that of
``Leaves.settle``; a sample that does not come to its end, or whose diodes break down, is left to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic
from numpy.typing import NDArray

from diodeq.compiled import kernel
from diodeq.simulators.wave.arrays import Arrays
from diodeq.simulators.wave.diodes import Diodes
from diodeq.simulators.wave.fused import FORMATS, ROW, columns_of, load_lines
from diodeq.simulators.wave.leaves import QUICK, STEPS, LeavesPlan
from diodeq.simulators.wave.method import Settled

Floats = NDArray[np.float64]
# Numbers that one step takes at a time: 32 bytes of float64.
LANES = 4
# Sums may be taken in any order, so that several entries are added at a time.
SUMS = numba.njit(nogil=True, error_model="numpy", fastmath={"contract", "reassoc"})


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
    f, moved = np.empty_like(scale), np.empty_like(scale)
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
                error = correct(factors, below, order, f, moved)
            if error <= tolerance:
                done = True
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
                factorize(factors, below, order)
                correct(factors, below, order, f, moved)
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
    f, y = np.empty(width, matrix.dtype), np.empty(width, matrix.dtype)
    for b in range(len(right)):
        for k in range(count):
            into[k] = right[b, leaf[k]]
            yielding[k] = type(load[k])(1.0) / (load[k] + conductances[b, k])
            drawn[k] = into[k] * yielding[k]
        pull(drawn, coupling, f)
        for j in range(width):
            f[j] = -f[j] - right[b, core[j]]
        eliminate(coupling, yielding, matrix, scaled, jacobian)
        factorize(factors, below, order)
        correct(factors, below, order, f, y)
        push(y, coupling, drawn)
        for k in range(count):
            h = (into[k] + drawn[k]) * yielding[k]
            unknowns[b, leaf[k]] = h
            currents[b, k] = sign[k] * conductances[b, k] * h
        for j in range(width):
            unknowns[b, core[j]] = y[j]


@SUMS
def push(y: Any, rows: Any, out: Any) -> None:
    """``y`` times ``rows``, four of them at a time."""
    height, width = rows.shape
    out[:] = 0.0
    for j in range(0, height - height % 4, 4):
        a, b, c, d = y[j], y[j + 1], y[j + 2], y[j + 3]
        for k in range(width):
            out[k] += (a * rows[j, k] + b * rows[j + 1, k]) + (c * rows[j + 2, k] + d * rows[j + 3, k])
    for j in range(height - height % 4, height):
        for k in range(width):
            out[k] += y[j] * rows[j, k]


@SUMS
def pull(x: Any, rows: Any, out: Any) -> None:
    """``rows`` times ``x``, four of them at a time; what is beyond the last is the last once more."""
    height, width = rows.shape
    top = height - 1
    for j in range(0, height, 4):
        p, q, r = min(j + 1, top), min(j + 2, top), min(j + 3, top)
        a = b = c = d = x.dtype.type(0.0)
        for k in range(width):
            each = x[k]
            a += each * rows[j, k]
            b += each * rows[p, k]
            c += each * rows[q, k]
            d += each * rows[r, k]
        out[j], out[p], out[q], out[r] = a, b, c, d


@SUMS
def eliminate(coupling: Any, yielding: Any, matrix: Any, scaled: Any, out: Any) -> None:
    """The Jacobian of the core's equations: ``matrix`` less what goes through the leaves, in tiles of two by four that
    stay in registers."""
    height, width = coupling.shape
    top = height - 1
    for j in range(height):
        for k in range(width):
            scaled[j, k] = coupling[j, k] * yielding[k]
    for i in range(0, height, 2):
        o = min(i + 1, top)
        for j in range(i, height, 4):
            p, q, r = min(j + 1, top), min(j + 2, top), min(j + 3, top)
            a = b = c = d = e = f = g = h = coupling.dtype.type(0.0)
            for k in range(width):
                one, other = scaled[i, k], scaled[o, k]
                a += one * coupling[j, k]
                b += one * coupling[p, k]
                c += one * coupling[q, k]
                d += one * coupling[r, k]
                e += other * coupling[j, k]
                f += other * coupling[p, k]
                g += other * coupling[q, k]
                h += other * coupling[r, k]
            out[i, j], out[i, p], out[i, q], out[i, r] = a, b, c, d
            out[o, j], out[o, p], out[o, q], out[o, r] = e, f, g, h
    for i in range(height):
        for j in range(i, height):
            through = out[i, j]
            out[i, j] = matrix[i, j] - through
            out[j, i] = matrix[j, i] - through


@intrinsic
def subtract(context: Any, a: Any, at: Any, other: Any, times: Any) -> Any:
    """``LANES`` numbers of a flat array from place ``at``, less ``times`` those from ``other``, in one step: loops as
    short as those of a small matrix's rows are worth no check whether rows overlap."""

    def emit(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, given[0]).data
        few = ir.VectorType(data.type.pointee, LANES)
        here, there = (builder.bitcast(builder.gep(data, [place]), few.as_pointer()) for place in given[1:3])
        size = signature.args[3].bitwidth // 8
        one = builder.insert_element(ir.Constant(few, ir.Undefined), given[3], ir.IntType(32)(0))
        all_ = builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))
        product = builder.fmul(all_, builder.load(there, align=size), ("contract",))
        left = builder.fsub(builder.load(here, align=size), product, ("contract",))
        builder.store(left, here, align=size)
        return context.get_dummy_value()

    return numba.void(a, numba.intp, numba.intp, a.dtype), emit


@ROW
def factorize(a: Any, below: Any, order: Any) -> None:
    """Gaussian elimination with partial pivoting of the rows of a flat array, as many and as long as ``below`` has: the
    upper factor in place with its diagonal inverted, the multipliers of every column in a row of ``below``."""
    size, width = below.shape
    for p in range(size):
        best, largest = p, abs(a[p * width + p])
        for r in range(p + 1, size):
            if abs(a[r * width + p]) > largest:
                best, largest = r, abs(a[r * width + p])
        order[p] = best
        if best != p:
            for j in range(width):
                a[p * width + j], a[best * width + j] = a[best * width + j], a[p * width + j]
        inverse = a.dtype.type(1.0) / a[p * width + p]
        a[p * width + p] = inverse
        first = (p + 1) // LANES * LANES  # what is before the diagonal is of no use any more
        for r in range(p + 1, size):
            times = a[r * width + p] * inverse
            below[p, r] = times
            for j in range(first, width, LANES):
                subtract(a, r * width + j, p * width + j, times)


@ROW
def correct(a: Any, below: Any, order: Any, f: Any, moved: Any) -> Any:
    """Newton's step ``-a⁻¹ f`` with the factors of ``factorize``, and the largest of its entries."""
    size, width = below.shape
    for p in range(size):
        moved[p] = -f[p]
    for p in range(size):
        each = moved[order[p]]
        moved[order[p]] = moved[p]
        moved[p] = each
        for r in range(p + 1, size):
            moved[r] -= below[p, r] * each
    largest = a.dtype.type(0.0)
    for p in range(size - 1, -1, -1):
        each = moved[p]
        for j in range(p + 1, size):
            each -= a[p * width + j] * moved[j]
        each *= a[p * width + p]
        moved[p] = each
        if not abs(each) <= largest:
            largest = abs(each)
    return largest
