"""Arithmetic of 80 digits, so that 50 are left: a diode's law and the solution of sparse linear equations.

Of diodeq only a model's constants at a temperature are used.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext

from diodeq.devices.diode.law import Law

DIGITS = 80
ZERO, ONE = Decimal(0), Decimal(1)
# A pivot below this share of its row and column means that the equations determine nothing.
SINGULAR = Decimal("1e-55")
# Beyond exp(600) the exponential goes on along its tangent, in diodeq as here; no operating point is there.
STEEPEST = Decimal(600)

Row = dict[int, Decimal]


class SingularError(Exception):
    """Equations without a unique solution."""


@contextmanager
def exactly() -> Iterator[None]:
    with localcontext(Context(prec=DIGITS, Emax=MAX_EMAX, Emin=MIN_EMIN)):
        yield


class Junction:
    """A diode's law in decimals, in the formulas of ngspice 39 (dioload.c)."""

    def __init__(self, constants: Law) -> None:
        self.rs, self.saturation, self.n_vt, self.gmin = (
            Decimal(x) for x in (constants.resistance, constants.saturation, constants.n_vt, constants.gmin)
        )
        self.breakdown = None if math.isinf(constants.breakdown) else Decimal(constants.breakdown)
        self.n_vt_breakdown = Decimal(constants.n_vt_breakdown)
        self.knees = [None if math.isinf(k) else Decimal(k) for k in (constants.knee_forward, constants.knee_reverse)]
        self.recombination, self.n_vt_recombination = (
            Decimal(x) for x in (constants.recombination, constants.n_vt_recombination)
        )
        self.potential, self.grading = Decimal(constants.potential), Decimal(constants.grading)

    def inside(self, v: Decimal) -> tuple[Decimal, Decimal]:
        """Current and conductance of the junction and gmin beside it."""
        forward = v >= -3 * self.n_vt
        if forward:
            i, g = _exponential(v, self.saturation, self.n_vt)
            if self.recombination:
                more, slope = _exponential(v, self.recombination, self.n_vt_recombination)
                away = 1 - v / self.potential
                base = away * away + Decimal("0.005")
                factor = base ** (self.grading / 2)
                i += more * factor
                g += slope * factor - more * factor * self.grading * away / (self.potential * base)
        elif self.breakdown is None or v >= -self.breakdown:
            cube = (3 * self.n_vt / (v * ONE.exp())) ** 3
            i, g = -self.saturation * (1 + cube), 3 * self.saturation * cube / v
        else:
            through, g = _exponential(-(self.breakdown + v), self.saturation, self.n_vt_breakdown)
            i = -self.saturation - through
        knee = self.knees[0 if forward else 1]
        if knee is not None and (i if forward else -i) > Decimal("1e-18"):
            root = (abs(i) / knee).sqrt()
            i, g = i / (1 + root), g * (1 + root / 2) / (1 + root) ** 2
        return i + self.gmin * v, g + self.gmin

    def at(self, v: Decimal, guess: Decimal | None = None) -> tuple[Decimal, Decimal, Decimal]:
        """Current and conductance at terminal volts, and what the junction has of the volts (about ``guess``)."""
        if not self.rs:
            return *self.inside(v), v
        low, high = min(v, ZERO), max(v, ZERO)
        junction = self._start(v) if guess is None or not low <= guess <= high else guess
        for _ in range(1000):
            i, g = self.inside(junction)
            error = junction + self.rs * i - v
            if error > 0:
                high = min(high, junction)
            else:
                low = max(low, junction)
            step = error / (1 + self.rs * g)
            new = junction - step
            if not low <= new <= high:
                new = (low + high) / 2
            done = abs(new - junction) <= Decimal("1e-70") * max(abs(v), self.n_vt)
            junction = new
            if done:
                break
        i, g = self.inside(junction)
        if self.rs * g > 1:
            i = (v - junction) / self.rs
        return i, g / (1 + self.rs * g), junction

    def _start(self, v: Decimal) -> Decimal:
        if v >= 0:
            return min(v, self.n_vt * (1 + v / (self.rs * self.saturation)).ln())
        if self.breakdown is not None and v < -self.breakdown:
            excess = -v - self.breakdown
            return max(v, -self.breakdown - self.n_vt_breakdown * (1 + excess / (self.rs * self.saturation)).ln())
        return v


def _exponential(v: Decimal, scale: Decimal, width: Decimal) -> tuple[Decimal, Decimal]:
    x = v / width
    top = min(x, STEEPEST).exp()
    slope = scale * top / width
    value = scale * (top - 1)
    return (value if x <= STEEPEST else value + slope * (v - STEEPEST * width)), slope


def solve(matrix: Sequence[Row], right: Sequence[Decimal]) -> list[Decimal]:
    """Gauss's elimination of sparse rows, pivots chosen for few entries among those that are not small."""
    size = len(matrix)
    rows = [{c: v for c, v in row.items() if v} for row in matrix]
    known = list(right)
    if not all(rows):
        raise SingularError
    columns = [ONE] * size
    for _ in range(2):
        for k, row in enumerate(rows):
            scale = max(map(abs, row.values()))
            rows[k] = {c: v / scale for c, v in row.items()}
            known[k] /= scale
        most = [ZERO] * size
        for row in rows:
            for c, v in row.items():
                most[c] = max(most[c], abs(v))
        if not all(most):
            raise SingularError
        columns = [old * new for old, new in zip(columns, most, strict=True)]
        rows = [{c: v / most[c] for c, v in row.items()} for row in rows]
    inside: list[set[int]] = [set() for _ in range(size)]
    for k, row in enumerate(rows):
        for c in row:
            inside[c].add(k)
    left = set(range(size))
    done: list[tuple[int, int]] = []
    while left:
        column = min(left, key=lambda c: (len(inside[c]), c))
        candidates = [(abs(rows[k][column]), k) for k in inside[column]]
        largest = max(candidates, default=(ZERO, 0))[0]
        if largest < SINGULAR:
            raise SingularError
        pivot = min((k for size_, k in candidates if size_ >= largest / 1000), key=lambda k: (len(rows[k]), k))
        head = rows[pivot]
        for c in head:
            inside[c].discard(pivot)
        for k in list(inside[column]):
            row = rows[k]
            factor = row.pop(column) / head[column]
            for c, v in head.items():
                if c == column:
                    continue
                if c in row:
                    row[c] -= factor * v
                else:
                    row[c] = -factor * v
                    inside[c].add(k)
            known[k] -= factor * known[pivot]
        inside[column] = set()
        left.discard(column)
        done.append((pivot, column))
    found = [ZERO] * size
    for pivot, column in reversed(done):
        row = rows[pivot]
        total = known[pivot] - sum((v * found[c] for c, v in row.items() if c != column), ZERO)
        found[column] = total / row[column]
    return [value / scale for value, scale in zip(found, columns, strict=True)]
