"""``plain_load_line`` in one pass over the entries, compiled by numba (extra ``numba``): the same formulas.

What takes numpy a hundred sweeps over working arrays stays in registers here, several entries at a time. For that the
compiler needs exponentials and logarithms without a call, so both are written out: Cody and Waite's reduction (Software
Manual for the Elementary Functions, 1980), then the series of exp and of log((1 + s) / (1 - s)). Every function is for
either binary format: ``real`` is that of its arguments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from diodeq.compiled import kernel
from diodeq.devices.diode.junction import EXPONENT_LIMIT
from diodeq.devices.diode.law import Floats, Law
from diodeq.simulators.wave.arrays import Array
from diodeq.simulators.wave.plain import CUBE, NOTHING, REVERSE, Plain

# Newton steps that the blocked diodes of a row take between two looks at who needs more, and how many looks at most.
TOGETHER = 1
LOOKS = 60
# What functions for one row, and for one number, are compiled with.
ROW = numba.njit(nogil=True, error_model="numpy", fastmath={"contract"})
NUMBER = numba.njit(inline="always", error_model="numpy")


@dataclass(frozen=True, eq=False)
class Format:
    """A binary format: numba's name, LLVM's type of an integer as wide, the bits of its mantissa, its exponent's bias,
    log 2 in two parts of which the first ends in zeros, and the terms of the series of exp and log that count."""

    name: str
    whole: Any
    bits: int
    bias: int
    log_2: tuple[float, float]
    exp_terms: int
    log_terms: int


# By the bits of a number.
FORMATS = {
    64: Format("f8", ir.IntType(64), 52, 1023, (0.6931471803691238, 1.9082149292705877e-10), 13, 10),
    32: Format("f4", ir.IntType(32), 23, 127, (0.693145751953125, 1.4286068202862268e-06), 6, 4),
}


def columns_of(plain: Plain, resistances: Array, real: Any) -> tuple[Any, Any]:
    """What ``load_lines`` asks of plain laws behind ``resistances`` [n], as [8, n] of a type, and their gmin."""
    n_vt, saturation = np.asarray(plain.n_vt, np.float64), np.asarray(plain.saturation, np.float64)
    series = np.asarray(0.0 if plain.resistance is None else plain.resistance, np.float64)
    total = np.asarray(resistances, np.float64) + series
    divider = 1.0 / (1.0 + total * plain.gmin)
    drop = total * divider * saturation
    breakdown = math.inf if plain.breakdown is None else plain.breakdown
    each = (divider, drop, np.log(drop / n_vt), 1.0 / (total * divider), n_vt, saturation, series, breakdown)
    return _rows(each, len(resistances), real), real(plain.gmin)


def load_line(columns: Any, gmin: Any, sources: Array) -> tuple[Array, Array, Array, Array]:
    """Terminal voltages, currents and terminal conductances [B, n] of plain laws with ``columns_of`` them, as
    ``plain_load_line`` has them; and in which samples bool[B] a junction breaks down."""
    real = columns.dtype.type
    v, i, g = (np.empty(sources.shape, real) for _ in range(3))
    broken = np.empty(len(sources), bool)
    _kernel(np.finfo(real).bits)(np.require(sources, real, ("C", "W")), columns, gmin, v, i, g, broken)
    return v, i, g, broken


def law_columns(law: Law) -> Any:
    """What ``missed`` asks of a law whose junctions are plain, float64[5, n]."""
    slope = 1.0 / np.asarray(law.n_vt)
    return _rows((law.n_vt, law.saturation, law.resistance, law.breakdown, slope), len(law), np.float64)


def _rows(each: Sequence[Any], count: int, real: Any) -> Any:
    """Numbers, or arrays of ``count`` of them, one below the other."""
    found = np.empty((len(each), count), real)
    for row, values in zip(found, each, strict=True):
        row[:] = values
    return found


def missed(columns: Floats, gmin: float, voltage: Array, current: Array) -> Floats | None:
    """``Law.missed`` [B, n] of plain laws with ``law_columns`` them; None where one breaks down, or conducts more than
    exponentials say."""
    short, unusual = np.empty(voltage.shape), np.empty(len(voltage), bool)
    given = (np.require(each, voltage.dtype, ("C", "W")) for each in (voltage, current))
    _kernel_of_missed(np.finfo(voltage.dtype).bits)(*given, columns, gmin, short, unusual)
    return None if unusual.any() else short


@cache
def _kernel_of_missed(bits: int) -> Any:
    real = FORMATS[bits].name
    arguments = f"{real}[:,::1], {real}[:,::1], f8[:,::1], f8, f8[:,::1], b1[::1]"
    return kernel(_missed, arguments, fastmath={"contract"})


@cache
def _kernel(bits: int) -> Any:
    real = FORMATS[bits].name
    arguments = f"{real}[:,::1], {real}[:,::1], {real}" + 3 * f", {real}[:,::1]" + ", b1[::1]"
    return kernel(_load_lines, arguments, fastmath={"contract"})


def _of_number(emit: Callable[[Any, Any, Format], Any]) -> Any:
    """A compiled function of one number, out of what writes LLVM's code for it."""

    @intrinsic
    def found(context: Any, x: Any) -> Any:
        return x(x), lambda _, builder, signature, given: emit(builder, given[0], FORMATS[signature.args[0].bitwidth])

    return found


def _shift(form: Format) -> Any:
    """What brings the bits of sqrt(1/2) to those of 1, and the former."""
    real = np.dtype(form.name)
    root = int(np.array(math.sqrt(0.5), real).view(f"i{real.itemsize}"))
    return form.whole((form.bias << form.bits) - root), form.whole(root)


@_of_number
def exponent(builder: Any, x: Any, form: Format) -> Any:
    """The exponent of a number whose mantissa is between sqrt(1/2) and sqrt(2)."""
    biased = builder.ashr(builder.add(builder.bitcast(x, form.whole), _shift(form)[0]), form.whole(form.bits))
    return builder.sitofp(builder.sub(biased, form.whole(form.bias)), x.type)


@_of_number
def mantissa(builder: Any, x: Any, form: Format) -> Any:
    """The mantissa of a number, between sqrt(1/2) and sqrt(2)."""
    shift, root = _shift(form)
    fraction = builder.and_(builder.add(builder.bitcast(x, form.whole), shift), form.whole((1 << form.bits) - 1))
    return builder.bitcast(builder.add(fraction, root), x.type)


@_of_number
def power(builder: Any, x: Any, form: Format) -> Any:
    """Two to a whole number that comes with 1.5 * 2**bits added, so that it stands in the last bits."""
    whole = builder.shl(builder.bitcast(x, form.whole), form.whole(form.bits))
    return builder.bitcast(builder.add(whole, form.whole(form.bias << form.bits)), x.type)


def _series(builder: Any, x: Any, terms: list[float]) -> Any:
    value = x.type(terms[0])
    for term in terms[1:]:
        value = builder.fadd(builder.fmul(value, x, ("contract",)), x.type(term), ("contract",))
    return value


@_of_number
def exp_series(builder: Any, x: Any, form: Format) -> Any:
    """Of exp x, for small numbers."""
    return _series(builder, x, [1.0 / math.factorial(k) for k in range(form.exp_terms, -1, -1)])


@_of_number
def log_series(builder: Any, square: Any, form: Format) -> Any:
    """Of log((1 + s) / (1 - s)) / s - 2, for the square of s."""
    return _series(builder, square, [*(2.0 / (2 * k + 1) for k in range(form.log_terms, 0, -1)), 0.0])


def _constant(value: Callable[[Format], float]) -> Any:
    """A compiled function that gives a constant of the format of its argument."""
    return _of_number(lambda builder, x, form: x.type(value(form)))


magic = _constant(lambda form: 1.5 * 2.0**form.bits)
high = _constant(lambda form: form.log_2[0])
low = _constant(lambda form: form.log_2[1])
lowest = _constant(lambda form: (2 - form.bias) * form.log_2[0])
rounding = _constant(lambda form: 4.0 * 2.0**-form.bits)


@NUMBER
def exp(x: Any) -> Any:
    """Of what is no more than `EXPONENT_LIMIT` (88 in single precision), without a branch."""
    x = max(x, lowest(x))
    shifted = x * type(x)(1.0 / math.log(2.0)) + magic(x)
    times = shifted - magic(x)
    return exp_series((x - times * high(x)) - times * low(x)) * power(shifted)


@NUMBER
def log(x: Any) -> Any:
    """Of what is above 0, without a branch."""
    k, f = exponent(x), mantissa(x) - type(x)(1.0)
    s = f / (type(x)(2.0) + f)
    square = s * s
    return k * high(x) + (f - (s * (f - log_series(square)) - k * low(x)))


@NUMBER
def omega(x: Any) -> Any:
    """``diodes.wright_omega`` of one number."""
    real = type(x)
    one, two, two_thirds = real(1.0), real(2.0), real(2.0 / 3.0)
    x = max(x, real(NOTHING))
    e = exp(-abs(x))
    # Above, about log(1 + e); below -1 the function is nearly e itself.
    w = max(x, real(0.0)) + (e - real(0.5) * e * e if x > -one else e - e * e)
    for _ in range(2):
        error = x - w - log(w)
        slope = one + w
        factor = two * slope * (slope + two_thirds * error)
        w *= one + (error * (factor - error)) / (slope * (factor - two * error))
    return w


@NUMBER
def newton(volts: Any, shifted: Any, drop: Any, n_vt: Any) -> Any:
    """How far a blocked junction's equation is from zero, a better voltage, and the cube in its current."""
    real = type(volts)
    x = n_vt / volts
    cube = real(CUBE) * x * x * x
    error = volts - shifted - drop * cube
    better = volts - error / (real(1.0) + real(3.0) * drop * cube / volts)
    return abs(error), min(better, real(REVERSE) * n_vt), cube


@ROW
def conducting(source: Any, columns: Any, gmin: Any, junction: Any, current: Any, conductance: Any) -> Any:
    """A row as if every junction were Shockley's; whether one of them is below -3 nVt."""
    below, edge = False, type(gmin)(REVERSE)
    divider, drop, logarithm = columns[0], columns[1], columns[2]
    admittance, n_vt, saturation = columns[3], columns[4], columns[5]
    for k in range(len(source)):
        shifted = source[k] * divider[k] + drop[k]
        through = omega(shifted / n_vt[k] + logarithm[k])
        junction[k] = shifted - n_vt[k] * through
        through *= admittance[k]
        current[k] = n_vt[k] * through - saturation[k] + gmin * junction[k]
        conductance[k] = through + gmin
        below |= junction[k] < edge * n_vt[k]
    return below


@ROW
def blocking(source: Any, columns: Any, gmin: Any, junction: Any, current: Any, conductance: Any) -> Any:
    """Put right the junctions of a row that are below -3 nVt; whether one of them needs more steps."""
    real = type(gmin)
    edge, one, three, late = real(REVERSE), real(1.0), real(3.0), False
    divider, drop, n_vt, saturation = columns[0], columns[1], columns[4], columns[5]
    for k in range(len(source)):
        below = junction[k] < edge * n_vt[k]
        shifted = source[k] * divider[k] + drop[k]
        volts = min(junction[k], edge * n_vt[k])
        for _ in range(TOGETHER):
            _, volts, _ = newton(volts, shifted, drop[k], n_vt[k])
        error, _, cube = newton(volts, shifted, drop[k], n_vt[k])
        junction[k] = volts if below else junction[k]
        current[k] = gmin * volts - saturation[k] * (one + cube) if below else current[k]
        conductance[k] = gmin + three * saturation[k] * cube / volts if below else conductance[k]
        late |= below & (error > rounding(error) * (abs(volts) + drop[k]))
    return late


@ROW
def load_lines(source: Any, columns: Any, gmin: Any, v: Any, i: Any, g: Any) -> Any:
    """Of one row; whether one of its junctions breaks down."""
    one, broken = type(gmin)(1.0), False
    looks = LOOKS if conducting(source, columns, gmin, v, i, g) else 0
    while looks and blocking(source, columns, gmin, v, i, g):
        looks -= 1
    series, breakdown = columns[6], columns[7]
    for k in range(len(source)):
        broken |= v[k] < -breakdown[k]
        v[k] += series[k] * i[k]
        g[k] /= one + series[k] * g[k]
    return broken


def _load_lines(sources: Any, columns: Any, gmin: Any, v: Any, i: Any, g: Any, broken: Any) -> None:
    for b in range(len(sources)):
        broken[b] = load_lines(sources[b], columns, gmin, v[b], i[b], g[b])


@ROW
def short(voltage: Any, current: Any, columns: Any, gmin: Any, out: Any) -> Any:
    """Amperes by which the currents of a row fall short of the laws'; whether one of its junctions is unusual."""
    unusual = False
    n_vt, saturation, series, breakdown, slope = columns[0], columns[1], columns[2], columns[3], columns[4]
    for k in range(len(out)):
        i = np.float64(current[k])
        v = np.float64(voltage[k]) - series[k] * i
        grown = exp(v * slope[k])
        blocked = min(v, REVERSE * n_vt[k])
        x = n_vt[k] / blocked
        cube = CUBE * x * x * x
        below = v < REVERSE * n_vt[k]
        through = -saturation[k] * (1.0 + cube) if below else saturation[k] * grown - saturation[k]
        conductance = saturation[k] * slope[k] * (3.0 * cube * x if below else grown) + gmin
        out[k] = (through + gmin * v - i) / (1.0 + series[k] * conductance)
        unusual |= not ((v >= -breakdown[k]) & (v * slope[k] <= EXPONENT_LIMIT))
    return unusual


def _missed(voltage: Any, current: Any, columns: Any, gmin: Any, out: Any, unusual: Any) -> None:
    for b in range(len(out)):
        unusual[b] = short(voltage[b], current[b], columns, gmin, out[b])
