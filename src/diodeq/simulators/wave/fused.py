"""``plain_load_line`` in one pass over the entries, compiled by numba (extra ``numba``): the same formulas.

What takes numpy a hundred sweeps over working arrays stays in registers here, several entries at a time. For that the
compiler needs exponentials and logarithms without a call, so both are written out: Cody and Waite's reduction (Software
Manual for the Elementary Functions, 1980), then Taylor's series of exp and that of log((1 + s) / (1 - s)).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from diodeq.devices.law import Law
from diodeq.simulators.wave.arrays import Array
from diodeq.simulators.wave.diodes import CUBE, NOTHING, REVERSE

# Of each precision: bits of the mantissa, and terms that reach a rounding for exp in ±log(2) / 2 and for log.
FORMATS = {np.float64: (52, 13, 10), np.float32: (23, 6, 4)}
# Newton steps that the blocked diodes of a row take between two looks at who needs more, and how many looks at most.
TOGETHER = 3
ROUNDS = 20


def load_line(device: Law, sources: Array, resistances: Array) -> tuple[Array, Array, Array]:
    """Terminal voltages, currents and terminal conductances [B, n] of a plain law, as ``plain_load_line`` has them."""
    real = sources.dtype.type
    total = np.asarray(resistances, np.float64) + device.resistance
    divider = 1.0 / (1.0 + total * device.gmin)
    drop = total * divider * device.saturation
    columns = (divider, drop, np.log(drop / device.n_vt), 1.0 / (total * divider))
    law = (device.n_vt, device.saturation, device.gmin, device.resistance)
    found = tuple(np.empty(sources.shape, real) for _ in range(3))
    _kernel(real)(
        np.ascontiguousarray(sources), tuple(each.astype(real) for each in columns), tuple(map(real, law)), *found
    )
    return found[0], found[1], found[2]


def _exponent_and_mantissa(real: Any) -> tuple[Any, Any, Any]:
    """Compiled ``exponent``, ``mantissa`` with ``x = mantissa * 2**exponent`` and sqrt(1/2) <= mantissa < sqrt(2), and
    ``power``, which takes a whole number plus 1.5 * 2**bits and gives two to it."""
    bits = FORMATS[real][0]
    number, whole = (ir.DoubleType(), ir.IntType(64)) if bits == 52 else (ir.FloatType(), ir.IntType(32))
    kind = numba.types.float64 if bits == 52 else numba.types.float32
    bias = 1023 if bits == 52 else 127
    root = int(np.array(math.sqrt(0.5), real).view(np.int64 if bits == 52 else np.int32))
    shifted = (bias << bits) - root

    def make(emit: Callable[[Any, Any], Any]) -> Any:
        @intrinsic
        def found(context: Any, x: Any) -> Any:
            return kind(kind), lambda target, builder, signature, arguments: emit(
                builder, builder.bitcast(arguments[0], whole)
            )

        return found

    def exponent(builder: Any, x: Any) -> Any:
        biased = builder.ashr(builder.add(x, whole(shifted)), whole(bits))
        return builder.sitofp(builder.sub(biased, whole(bias)), number)

    def mantissa(builder: Any, x: Any) -> Any:
        fraction = builder.and_(builder.add(x, whole(shifted)), whole((1 << bits) - 1))
        return builder.bitcast(builder.add(fraction, whole(root)), number)

    def power(builder: Any, x: Any) -> Any:
        return builder.bitcast(builder.add(builder.shl(x, whole(bits)), whole(bias << bits)), number)

    return make(exponent), make(mantissa), make(power)


@cache
def _functions(real: Any) -> tuple[Any, Any]:
    """Compiled exp of what is not above 0 and log of what is above 0, free of branches."""
    bits, exp_terms, log_terms = FORMATS[real]
    exponent, mantissa, power = _exponent_and_mantissa(real)
    high = real(float.fromhex("0x1.62e4p-1") if bits == 23 else float.fromhex("0x1.62e42feep-1"))
    low = real(0.0)
    low = real(math.log(2.0) - float(high) if bits == 23 else float.fromhex("0x1.a39ef35793c76p-33"))
    log2e, magic = real(1.0 / math.log(2.0)), real(1.5 * 2.0**bits)
    lowest = real(-700.0 if bits == 52 else -87.0)
    exp_series = tuple(real(1.0 / math.factorial(k)) for k in range(exp_terms, -1, -1))
    log_series = tuple(real(2.0 / (2 * k + 1)) for k in range(log_terms, 0, -1))
    zero, one, two = real(0.0), real(1.0), real(2.0)

    @numba.njit(inline="always", error_model="numpy")
    def exp(x):
        x = max(x, lowest)
        rounded = x * log2e + magic
        times = rounded - magic
        r = (x - times * high) - times * low
        value = zero
        for term in exp_series:
            value = value * r + term
        return value * power(rounded)

    @numba.njit(inline="always", error_model="numpy")
    def log(x):
        k, f = exponent(x), mantissa(x) - one
        s = f / (two + f)
        square = s * s
        value = zero
        for term in log_series:
            value = value * square + term
        # log(1 + f) = 2 s + s R and 2 s = f - s f
        return k * high + (f - (s * (f - square * value) - k * low))

    return exp, log


@cache
def _kernel(real: Any) -> Any:
    """The compiled load line of one precision."""
    exp, log = _functions(real)
    zero, half, one, two, three = (real(each) for each in (0.0, 0.5, 1.0, 2.0, 3.0))
    nothing, reverse, cube_of, two_thirds = real(NOTHING), real(REVERSE), real(CUBE), real(2.0 / 3.0)
    rounding = real(4.0 * np.finfo(real).eps)
    compiled = numba.njit(nogil=True, error_model="numpy", fastmath={"contract"})
    inlined = numba.njit(inline="always", error_model="numpy")

    @inlined
    def omega(x):
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
    def newton(volts, shifted, drop, n_vt):
        """How far a blocked junction's equation is from zero, a better voltage, and the cube in its current."""
        x = n_vt / volts
        cube = cube_of * x * x * x
        error = volts - shifted - drop * cube
        return abs(error), min(volts - error / (one + three * drop * cube / volts), reverse * n_vt), cube

    @compiled
    def conducting(source, columns, law, junction, current, conductance):
        """A row as if every junction were Shockley's; whether one of them is below -3 nVt."""
        (divider, drop, logarithm, admittance), (n_vt, saturation, gmin, _) = columns, law
        below = False
        for k in range(len(source)):
            shifted = source[k] * divider[k] + drop[k]
            through = omega(shifted / n_vt + logarithm[k])
            junction[k] = shifted - n_vt * through
            through *= admittance[k]
            current[k] = n_vt * through - saturation + gmin * junction[k]
            conductance[k] = through + gmin
            below |= junction[k] < reverse * n_vt
        return below

    @compiled
    def blocking(source, columns, law, junction, current, conductance):
        """Put right the junctions of a row that are below -3 nVt; whether one of them needs more steps."""
        (divider, drop, _, _), (n_vt, saturation, gmin, _) = columns, law
        late = False
        for k in range(len(source)):
            below = junction[k] < reverse * n_vt
            shifted = source[k] * divider[k] + drop[k]
            volts = min(junction[k], reverse * n_vt)
            for _ in range(TOGETHER):
                _, volts, _ = newton(volts, shifted, drop[k], n_vt)
            error, _, cube = newton(volts, shifted, drop[k], n_vt)
            junction[k] = volts if below else junction[k]
            current[k] = gmin * volts - saturation * (one + cube) if below else current[k]
            conductance[k] = gmin + three * saturation * cube / volts if below else conductance[k]
            late |= below & (error > rounding * (abs(volts) + drop[k]))
        return late

    @compiled
    def kernel(sources, columns, law, v, i, g):
        for b in range(len(sources)):
            if conducting(sources[b], columns, law, v[b], i[b], g[b]):
                for _ in range(ROUNDS):
                    if not blocking(sources[b], columns, law, v[b], i[b], g[b]):
                        break
            for k in range(len(sources[b])):
                v[b, k] += law[3] * i[b, k]
                g[b, k] /= one + law[3] * g[b, k]

    return kernel
