"""The true operating points and adjoint solutions of small circuits, in 50-digit arithmetic.

Modified nodal analysis and the diode law are written here anew; of diodeq's code only a model's constants at a
temperature are used. Where a circuit has no part that gives power its equations have one solution at most: that one is
the truth. Elsewhere, and where a diode's law is not monotone (ISR), an answer is right if Newton's method confirms it.
"""

from __future__ import annotations

import math
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.devices.law import Law, law
from diodeq.netlist.dialects import full_deck
from diodeq.netlist.listing import TOLERANCES

DIGITS = 50
ZERO, ONE = Decimal(0), Decimal(1)
# A pivot below this share of its row and column means that the equations determine nothing.
SINGULAR = Decimal("1e-38")
# Volts at which Newton's method has arrived, beside so much of the largest voltage.
SETTLED = Decimal("1e-24")
CONFIRMING = 80
SEARCHING = 80
# Beyond exp(600) the exponential goes on along its tangent, in diodeq as here; no operating point is there.
STEEPEST = Decimal(600)
# Diodes' conductances at which a circuit is asked whether its equations determine it.
SOME = Decimal("1.234567e-4")

Floats = NDArray[np.float64]
Row = dict[int, Decimal]


class SingularError(Exception):
    """Equations without a unique solution."""


@contextmanager
def _exactly() -> Iterator[None]:
    with localcontext(Context(prec=DIGITS, Emax=MAX_EMAX, Emin=MIN_EMIN)):
        yield


class Junction:
    """A diode's law in decimals; ``at(v, guess)`` gives current and conductance at terminal volts and what the junction
    has of them."""

    def __init__(self, constants: Law) -> None:
        self.rs, self.saturation, self.n_vt, self.gmin = (
            Decimal(x) for x in (constants.resistance, constants.saturation, constants.n_vt, constants.gmin)
        )
        self.breakdown = None if math.isinf(constants.breakdown) else Decimal(constants.breakdown)
        self.n_vt_breakdown = Decimal(constants.n_vt_breakdown)
        self.knees = [
            None if math.isinf(k) else Decimal(k) for k in (constants.knee_forward, constants.knee_reverse)
        ]
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
            done = abs(new - junction) <= Decimal("1e-46") * max(abs(v), self.n_vt)
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


@dataclass(frozen=True, eq=False)
class Found:
    """An operating point: node volts float64[N] rounded from 50 digits, conductances of the diodes float64[D] likewise,
    and by how many volts Newton's method went from where it began."""

    volts: Floats
    conductances: Floats
    moved: float
    beyond: bool
    """Whether a diode is where its exponential would not end, and the point one of the law's continuation only."""


class Truth:
    """The equations of a circuit in decimals."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.count = len(circuit.nodes) - 1
        self.passive = not len(circuit.buffers) and not len(circuit.mirrors)
        with _exactly():
            laws = [Junction(law(model, circuit.temperature)) for model in circuit.models]
            self.laws = [laws[k] for k in circuit.diodes.values.tolist()]
            self.ends = [(a - 1, b - 1) for a, b in circuit.diodes.terminals.tolist()]
            self.linear, self.sources = _equations(circuit)

    def determined(self) -> bool:
        """Whether the linearized equations have a unique solution; without active parts the others have one then."""
        with _exactly():
            matrix = self._jacobian([SOME * (1 + Decimal(k) / 7) for k in range(len(self.ends))])
            try:
                _solve(matrix, [ZERO] * len(matrix))
            except SingularError:
                return False
            return True

    def confirm(self, drives: Floats, volts: Sequence[float]) -> Found | None:
        """The operating point to which Newton's method goes from an answer float64[N], if it arrives anywhere."""
        if not np.isfinite(volts).all():
            return None
        with _exactly():
            start = [Decimal(float(v)) for v in volts[1:]]
            start += [ZERO] * (len(self.linear) - self.count)
            found = self._newton(start, self._right(drives), CONFIRMING)
            return None if found is None else self._found(found, start)

    def search(self, drives: Floats) -> Found | None:
        """An operating point from nothing: the sources are raised step by step."""
        with _exactly():
            right = self._right(drives)
            at: list[Decimal] = [ZERO] * len(self.linear)
            done, step = ZERO, ONE
            for _ in range(40):
                share = min(ONE, done + step)
                found = self._limited([share * value for value in right], at)
                if found is None:
                    step /= 4
                    if step < (Decimal("1e-7") if self.passive else Decimal("0.01")):
                        return None
                    continue
                at, done, step = found, share, step * 2
                if done == 1:
                    return self._found(at, at)
            return None

    def adjoint(self, conductances: Floats, injections: Floats) -> Floats | None:
        """Node volts float64[N] of the transposed circuit with diodes frozen, for injections float64[n_out]."""
        with _exactly():
            matrix = self._jacobian([Decimal(float(g)) for g in conductances])
            turned: list[Row] = [{} for _ in matrix]
            for row, entries in enumerate(matrix):
                for column, value in entries.items():
                    turned[column][row] = value
            right = [ZERO] * len(matrix)
            for (plus, minus), value in zip(self.circuit.outputs.tolist(), injections.tolist(), strict=True):
                for node, amount in ((plus, Decimal(value)), (minus, -Decimal(value))):
                    if node:
                        right[node - 1] += amount
            try:
                found = _solve(turned, right)
            except SingularError:
                return None
            return np.array([0.0, *(float(v) for v in found[: self.count])])

    def _found(self, at: list[Decimal], start: list[Decimal]) -> Found:
        inside = [law.at(self._across(k, at)) for k, law in enumerate(self.laws)]
        conductances = [g for _, g, _ in inside]
        beyond = any(v > STEEPEST * law.n_vt for law, (_, _, v) in zip(self.laws, inside, strict=True))
        nodes = at[: self.count]
        moved = max((abs(a - b) for a, b in zip(nodes, start, strict=False)), default=ZERO)
        volts = np.array([0.0, *(float(v) for v in nodes)])
        return Found(volts, np.array([float(g) for g in conductances]), float(moved), beyond)

    def _right(self, drives: Floats) -> list[Decimal]:
        right = [ZERO] * len(self.linear)
        inputs = self.circuit.inputs
        values = [Decimal(v) for v in (*self.circuit.voltage_sources.values, *self.circuit.current_sources.values)]
        for source, column, gain in zip(inputs.source, inputs.column, inputs.gain, strict=True):
            values[source] += Decimal(float(gain)) * Decimal(float(drives[column]))
        for number, places in enumerate(self.sources):
            for row, sign in places:
                right[row] += sign * values[number]
        return right

    def _across(self, k: int, at: Sequence[Decimal]) -> Decimal:
        a, b = self.ends[k]
        return (at[a] if a >= 0 else ZERO) - (at[b] if b >= 0 else ZERO)

    def _jacobian(self, conductances: Sequence[Decimal]) -> list[Row]:
        matrix = [dict(row) for row in self.linear]
        for (a, b), g in zip(self.ends, conductances, strict=True):
            for row, column, value in ((a, a, g), (b, b, g), (a, b, -g), (b, a, -g)):
                if row >= 0 and column >= 0:
                    matrix[row][column] = matrix[row].get(column, ZERO) + value
        return matrix

    def _step(self, across: Sequence[Decimal], right: Sequence[Decimal], guesses: list[Decimal | None]) -> list[Decimal]:
        """The solution of the equations linearized where the diodes have voltages ``across``."""
        matrix_g, known = [], list(right)
        for k, (v, (a, b)) in enumerate(zip(across, self.ends, strict=True)):
            i, g, guesses[k] = self.laws[k].at(v, guesses[k])
            matrix_g.append(g)
            for node, sign in ((a, 1), (b, -1)):
                if node >= 0:
                    known[node] -= sign * (i - g * v)
        return _solve(self._jacobian(matrix_g), known)

    def _newton(self, start: list[Decimal], right: Sequence[Decimal], most: int) -> list[Decimal] | None:
        at = start
        guesses: list[Decimal | None] = [None] * len(self.laws)
        try:
            for _ in range(most):
                new = self._step([self._across(k, at) for k in range(len(self.laws))], right, guesses)
                moved = max((abs(a - b) for a, b in zip(new[: self.count], at, strict=False)), default=ZERO)
                largest = max((abs(v) for v in new[: self.count]), default=ZERO)
                at = new
                if moved <= SETTLED * (1 + largest):
                    return at
                if largest > Decimal("1e12"):
                    return None
        except SingularError:
            pass
        return None

    def _limited(self, right: Sequence[Decimal], start: list[Decimal]) -> list[Decimal] | None:
        """Newton's method with diodes' forward steps shortened, as SPICE does."""
        across = [self._across(k, start) for k in range(len(self.laws))]
        guesses: list[Decimal | None] = [None] * len(self.laws)
        try:
            for _ in range(SEARCHING):
                solved = self._step(across, right, guesses)
                new = [self._across(k, solved) for k in range(len(self.laws))]
                moved = max((abs(a - b) for a, b in zip(new, across, strict=True)), default=ZERO)
                if moved <= Decimal("1e-6"):
                    found = self._newton(solved, right, CONFIRMING)
                    if found is not None:
                        return found
                across = [_shortened(law, a, b) for law, a, b in zip(self.laws, across, new, strict=True)]
        except SingularError:
            pass
        return None


def _shortened(law: Junction, old: Decimal, new: Decimal) -> Decimal:
    n_vt = law.n_vt
    if law.rs and law.rs * law.saturation > 0:
        knee = n_vt * (1 + n_vt / (law.rs * law.saturation)).ln()
        if min(old, new) > knee:
            return new
    if new > 4 * n_vt and new - old > 2 * n_vt:
        return max(old, ZERO) + n_vt * (1 + (new - max(old, ZERO)) / n_vt).ln()
    if law.breakdown is not None and new < -law.breakdown and old - new > 2 * n_vt:
        begun = min(old, -law.breakdown)
        return begun - law.n_vt_breakdown * (1 + (begun - new) / law.n_vt_breakdown).ln()
    return new


def _equations(circuit: Circuit) -> tuple[list[Row], list[list[tuple[int, int]]]]:
    """The linear equations (currents that leave each node but ground, then one a branch), and where each independent
    source stands on their right side."""
    count = len(circuit.nodes) - 1
    rows: list[Row] = [{} for _ in range(count)]

    def add(row: int, column: int, value: Decimal) -> None:
        if row >= 0 and column >= 0:
            rows[row][column] = rows[row].get(column, ZERO) + value

    def branch(out: tuple[int, int], gain: Decimal = ONE) -> int:
        """A current of its own that flows, times ``gain``, from the first node into the second."""
        rows.append({})
        own = len(rows) - 1
        add(out[0], own, gain)
        add(out[1], own, -gain)
        return own

    def volts(row: int, plus: int, minus: int, value: Decimal) -> None:
        add(row, plus, value)
        add(row, minus, -value)

    def parts(kind: str) -> Iterator[tuple[list[int], Decimal]]:
        parts = circuit.bank(kind)
        for ends, value in zip(parts.terminals.tolist(), parts.values.tolist(), strict=True):
            yield [node - 1 for node in ends], Decimal(value)

    for (a, b), g in parts("resistors"):
        for row, column, value in ((a, a, g), (b, b, g), (a, b, -g), (b, a, -g)):
            add(row, column, value)
    for (a, b, c, d), g in parts("gyrators"):
        volts(a, c, d, g)
        volts(b, c, d, -g)
        volts(c, a, b, -g)
        volts(d, a, b, g)
    sources: list[list[tuple[int, int]]] = []
    for (a, b), _ in parts("voltage_sources"):
        own = branch((a, b))
        volts(own, a, b, ONE)
        sources.append([(own, 1)])
    for (a, b), _ in parts("current_sources"):
        sources.append([(node, sign) for node, sign in ((a, -1), (b, 1)) if node >= 0])
    for (a, b, c, d), n in parts("transformers"):  # v1 = n v2, i2 = -n i1
        own = branch((a, b))
        add(c, own, -n)
        add(d, own, n)
        volts(own, a, b, ONE)
        volts(own, c, d, -n)
    for (a, b, c, d), gain in parts("buffers"):  # v_out = gain v_control
        own = branch((a, b))
        volts(own, a, b, ONE)
        volts(own, c, d, -gain)
    for (a, b, c, d), gain in parts("mirrors"):  # the sense port is a short, i_out = gain i_sense
        own = branch((c, d))
        add(a, own, gain)
        add(b, own, -gain)
        volts(own, c, d, ONE)
    return rows, sources


def _solve(matrix: Sequence[Row], right: Sequence[Decimal]) -> list[Decimal]:
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


# --- ngspice itself -----------------------------------------------------------------------------------------------

# Seconds: ngspice repeats some of its steps for ever.
PATIENCE = 10
LOOSE = "reltol=1e-3 vntol=1e-6 abstol=1e-12 gmin=1e-12"


def deck(circuit: Circuit, drives: Floats, options: str | None = None) -> str:
    """The circuit as a plain deck for ``ngspice -b``, with other tolerances than diodeq's where some are given."""
    text = full_deck(circuit, "ngspice", drives).text
    ours = " ".join(f"{name}={value}" for name, value in TOLERANCES)
    assert ours in text
    return text if options is None else text.replace(ours, options)


def ngspice(circuit: Circuit, drives: Floats, options: str | None = None) -> Floats | None:
    """Node volts float64[N] that ``ngspice -b`` finds; None where it finds none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "deck.cir").write_text(deck(circuit, drives, options))
        try:
            subprocess.run(
                ["ngspice", "-b", "-r", "deck.raw", "deck.cir"], cwd=folder, capture_output=True, timeout=PATIENCE, check=False
            )
            head, _, data = (path / "deck.raw").read_bytes().partition(b"Binary:\n")
        except (OSError, subprocess.TimeoutExpired):
            return None
    names = re.findall(r"^\t\d+\t(\S+)\t", head.decode(), re.MULTILINE)
    values = dict(zip((re.sub(r"v\((.*)\)", r"\1", name) for name in names), np.frombuffer(data), strict=False))
    found = np.array([0.0, *(values.get(node, np.nan) for node in circuit.nodes[1:])])
    return found if np.isfinite(found).all() else None


def operating_points(
    truth: Truth, drives: Floats, answers: Sequence[Floats], tried: Callable[[str], None] = lambda what: None
) -> list[Found]:
    """The operating points that are known of a circuit: those to which Newton's method goes from ``answers`` (float64[N]
    each), else from those of ``ngspice -b``, else from nothing. Answers that lead nowhere are left out."""
    found = [point for point in (truth.confirm(drives, answer) for answer in answers) if point is not None]
    for options in (None, LOOSE):
        if found:
            return found
        tried("ngspice -b")
        answer = ngspice(truth.circuit, drives, options)
        point = None if answer is None else truth.confirm(drives, answer)
        found = [] if point is None else [point]
    if not found:
        tried("search")
        point = truth.search(drives)
        found = [] if point is None else [point]
    return found
