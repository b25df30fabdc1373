"""``plain_load_line`` in one pass over the entries, compiled by numba (extra ``numba``): the same formulas.

What takes numpy a hundred sweeps over working arrays stays in registers here, several entries at a time. For that the
compiler needs exponentials and logarithms without a call, so both are written out: Cody and Waite's reduction (Software
Manual for the Elementary Functions, 1980), then the series of exp and of log((1 + s) / (1 - s)).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from diodeq.simulators.wave.arrays import Array
from diodeq.simulators.wave.diodes import CUBE, NOTHING, REVERSE, Plain

# Newton steps that the blocked diodes of a row take between two looks at who needs more, and how many looks at most.
TOGETHER = 3
LOOKS = 20


@dataclass(frozen=True, eq=False)
class Format:
    """A binary format: numpy's type, LLVM's and that of an integer as wide, the bits of its mantissa, its exponent's
    bias, log 2 in two parts of which the first ends in zeros, and the terms of the series of exp and log that count."""

    real: Any
    number: Any
    whole: Any
    bits: int
    bias: int
    log_2: tuple[float, float]
    exp_terms: int
    log_terms: int


DOUBLE = Format(
    np.float64, ir.DoubleType(), ir.IntType(64), 52, 1023, (0.6931471803691238, 1.9082149292705877e-10), 13, 10
)
SINGLE = Format(np.float32, ir.FloatType(), ir.IntType(32), 23, 127, (0.693145751953125, 1.4286068202862268e-06), 6, 4)


def load_line(plain: Plain, sources: Array, resistances: Array) -> tuple[Array, Array, Array]:
    """Terminal voltages, currents and terminal conductances [B, n] of plain laws, as ``plain_load_line`` has them."""
    real, width = sources.dtype.type, sources.shape[1:]
    n_vt, saturation = np.asarray(plain.n_vt, np.float64), np.asarray(plain.saturation, np.float64)
    series = np.asarray(0.0 if plain.resistance is None else plain.resistance, np.float64)
    total = np.asarray(resistances, np.float64) + series
    divider = 1.0 / (1.0 + total * plain.gmin)
    drop = total * divider * saturation
    columns = (divider, drop, np.log(drop / n_vt), 1.0 / (total * divider), n_vt, saturation, series)
    aligned = tuple(np.ascontiguousarray(np.broadcast_to(each, width), dtype=real) for each in columns)
    v, i, g = (np.empty(sources.shape, real) for _ in range(3))
    solve = _kernel(DOUBLE if real is np.float64 else SINGLE)
    solve(np.ascontiguousarray(sources), aligned, real(plain.gmin), v, i, g)
    return v, i, g


def _parts(form: Format) -> tuple[Any, Any, Any]:
    """Compiled ``exponent`` and ``mantissa`` of a number, the mantissa between sqrt(1/2) and sqrt(2), and ``power``:
    two to a whole number that comes with 1.5 * 2**bits added, so that it stands in the last bits."""
    number, whole, bits = form.number, form.whole, form.bits
    kind = numba.from_dtype(np.dtype(form.real))
    root = int(np.array(math.sqrt(0.5), form.real).view(f"i{np.dtype(form.real).itemsize}"))
    shift = whole((form.bias << bits) - root)

    def compiled(emit: Callable[[Any, Any], Any]) -> Any:
        @intrinsic
        def found(context: Any, x: Any) -> Any:
            return kind(kind), lambda _, builder, signature, given: emit(builder, builder.bitcast(given[0], whole))

        return found

    def exponent(builder: Any, x: Any) -> Any:
        biased = builder.ashr(builder.add(x, shift), whole(bits))
        return builder.sitofp(builder.sub(biased, whole(form.bias)), number)

    def mantissa(builder: Any, x: Any) -> Any:
        fraction = builder.and_(builder.add(x, shift), whole((1 << bits) - 1))
        return builder.bitcast(builder.add(fraction, whole(root)), number)

    def power(builder: Any, x: Any) -> Any:
        return builder.bitcast(builder.add(builder.shl(x, whole(bits)), whole(form.bias << bits)), number)

    return compiled(exponent), compiled(mantissa), compiled(power)


def _functions(form: Format) -> tuple[Any, Any]:
    """Compiled exp of what is at most 0 and log of what is above 0, without a branch."""
    real = form.real
    exponent, mantissa, power = _parts(form)
    high, low = map(real, form.log_2)
    per_log_2, magic = real(1.0 / math.log(2.0)), real(1.5 * 2.0**form.bits)
    lowest = real(2 - form.bias) * high
    zero, one, two = real(0.0), real(1.0), real(2.0)
    exp_series = tuple(real(1.0 / math.factorial(k)) for k in range(form.exp_terms, -1, -1))
    log_series = tuple(real(2.0 / (2 * k + 1)) for k in range(form.log_terms, 0, -1))
    inlined = numba.njit(inline="always", error_model="numpy")

    @inlined
    def exp(x: Any) -> Any:
        x = max(x, lowest)
        shifted = x * per_log_2 + magic
        times = shifted - magic
        rest = (x - times * high) - times * low
        value = zero
        for term in exp_series:
            value = value * rest + term
        return value * power(shifted)

    @inlined
    def log(x: Any) -> Any:
        k, f = exponent(x), mantissa(x) - one
        s = f / (two + f)
        square = s * s
        value = zero
        for term in log_series:
            value = value * square + term
        return k * high + (f - (s * (f - square * value) - k * low))

    return exp, log


@cache
def _kernel(form: Format) -> Any:
    """The compiled load lines of one format."""
    real = form.real
    exp, log = _functions(form)
    zero, half, one, two, three = (real(each) for each in (0.0, 0.5, 1.0, 2.0, 3.0))
    nothing, reverse, cube_of, two_thirds = (real(each) for each in (NOTHING, REVERSE, CUBE, 2.0 / 3.0))
    rounding = real(4.0 * np.finfo(real).eps)
    inlined = numba.njit(inline="always", error_model="numpy")
    compiled = numba.njit(nogil=True, error_model="numpy", fastmath={"contract"})

    @inlined
    def omega(x: Any) -> Any:
        """``diodes.wright_omega`` with a cheaper start."""
        x = max(x, nothing)
        e = exp(-abs(x))
        w = max(x, zero) + (e - half * e * e if x > -one else e - e * e)
        for _ in range(2):
            error = x - w - log(w)
            slope = one + w
            factor = two * slope * (slope + two_thirds * error)
            w *= one + (error * (factor - error)) / (slope * (factor - two * error))
        return w

    @inlined
    def newton(volts: Any, shifted: Any, drop: Any, n_vt: Any) -> Any:
        """How far a blocked junction's equation is from zero, a better voltage, and the cube in its current."""
        x = n_vt / volts
        cube = cube_of * x * x * x
        error = volts - shifted - drop * cube
        return abs(error), min(volts - error / (one + three * drop * cube / volts), reverse * n_vt), cube

    @compiled
    def conducting(source: Any, columns: Any, gmin: Any, junction: Any, current: Any, conductance: Any) -> Any:
        """A row as if every junction were Shockley's; whether one of them is below -3 nVt."""
        divider, drop, logarithm, admittance, n_vt, saturation, _ = columns
        below = False
        for k in range(len(source)):
            shifted = source[k] * divider[k] + drop[k]
            through = omega(shifted / n_vt[k] + logarithm[k])
            junction[k] = shifted - n_vt[k] * through
            through *= admittance[k]
            current[k] = n_vt[k] * through - saturation[k] + gmin * junction[k]
            conductance[k] = through + gmin
            below |= junction[k] < reverse * n_vt[k]
        return below

    @compiled
    def blocking(source: Any, columns: Any, gmin: Any, junction: Any, current: Any, conductance: Any) -> Any:
        """Put right the junctions of a row that are below -3 nVt; whether one of them needs more steps."""
        divider, drop, _, _, n_vt, saturation, _ = columns
        late = False
        for k in range(len(source)):
            below = junction[k] < reverse * n_vt[k]
            shifted = source[k] * divider[k] + drop[k]
            volts = min(junction[k], reverse * n_vt[k])
            for _ in range(TOGETHER):
                _, volts, _ = newton(volts, shifted, drop[k], n_vt[k])
            error, _, cube = newton(volts, shifted, drop[k], n_vt[k])
            junction[k] = volts if below else junction[k]
            current[k] = gmin * volts - saturation[k] * (one + cube) if below else current[k]
            conductance[k] = gmin + three * saturation[k] * cube / volts if below else conductance[k]
            late |= below & (error > rounding * (abs(volts) + drop[k]))
        return late

    @compiled
    def kernel(sources: Any, columns: Any, gmin: Any, v: Any, i: Any, g: Any) -> None:
        resistance = columns[6]
        for b in range(len(sources)):
            looks = LOOKS if conducting(sources[b], columns, gmin, v[b], i[b], g[b]) else 0
            while looks and blocking(sources[b], columns, gmin, v[b], i[b], g[b]):
                looks -= 1
            for k in range(len(sources[b])):
                v[b, k] += resistance[k] * i[b, k]
                g[b, k] /= one + resistance[k] * g[b, k]

    return kernel
