"""Linear algebra of small matrices inside compiled loops (extra ``numba``), where a call to a library costs more."""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba.extending import intrinsic

from diodeq.simulators.wave.fused import ROW

# Numbers that one step takes at a time: 32 bytes of float64.
LANES = 4
# Sums may be taken in any order, so that several entries are added at a time.
SUMS = numba.njit(nogil=True, error_model="numpy", fastmath={"contract", "reassoc"})


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


def _subtract(context: Any, a: Any, at: Any, other: Any, times: Any) -> Any:
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


subtract: Any = intrinsic(_subtract)


@ROW
def invert(a: Any, below: Any, order: Any) -> None:
    """The inverse of the rows of a flat array in place, by Gauss and Jordan's elimination with partial pivoting; rows
    are as many and as long as those of ``below``."""
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
        for j in range(width):
            a[p * width + j] *= inverse
        for r in range(size):
            if r != p:
                times = a[r * width + p]
                for j in range(0, width, LANES):
                    subtract(a, r * width + j, p * width + j, times)
                a[r * width + p] = -times * inverse  # put last: what was just put a number into is slow to fetch
        a[p * width + p] = inverse
    for p in range(size - 1, -1, -1):
        best = order[p]
        if best != p:
            for r in range(size):
                a[r * width + p], a[r * width + best] = a[r * width + best], a[r * width + p]


@ROW
def correct(inverse: Any, f: Any, moved: Any) -> Any:
    """Newton's step ``-inverse f``, and the largest of its entries."""
    largest = f.dtype.type(0.0)
    pull(f, inverse, moved)
    for p in range(len(moved)):
        moved[p] = -moved[p]
        if not abs(moved[p]) <= largest:
            largest = abs(moved[p])
    return largest


@ROW
def finish(drawn: Any, columns: Any, gmin: Any, v: Any, i: Any, g: Any) -> None:
    """Leaves with small currents ``drawn`` into them besides: along the tangents of their diodes' laws, whose slopes
    but ``gmin`` grow with their exponentials."""
    one = drawn.dtype.type(1.0)
    n_vt, series, sign, load = columns[4], columns[6], columns[8], columns[9]
    for k in range(len(drawn)):
        moved = drawn[k] / (load[k] + g[k])
        along = sign[k] * moved
        inside = one - series[k] * g[k]  # the junction's share of it
        v[k] += moved
        i[k] += g[k] * along
        g[k] += (g[k] - gmin * inside) * inside * inside * along / n_vt[k]
