"""The true operating points and adjoint solutions of small circuits, right to 50 digits where they have so many.

Modified nodal analysis is written here anew. Where a circuit has no part that gives power its equations have one
solution at most: that one is the truth. Elsewhere, and where a diode's law is not monotone (ISR), an answer is right if
Newton's method confirms it.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.devices.diode.law import law
from diodeq.netlist.dialects import full_deck
from diodeq.netlist.listing import TOLERANCES
from exact import ONE, STEEPEST, ZERO, Junction, Row, SingularError, exactly, solve

# Volts at which Newton's method has arrived, beside so much of the largest voltage.
SETTLED = Decimal("1e-24")
# Newton steps from an answer, and from nothing for each of at most so many steps of the sources.
CONFIRMING = 80
SEARCHING = 80
RAISING = 40
# Amperes beyond which nobody need answer: what no circuit carries swamps what its other nodes have.
ABSURD = Decimal("1e6")
# Diodes' conductances at which a circuit is asked whether its equations determine it.
SOME = Decimal("1.234567e-4")

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Found:
    """An operating point: node volts float64[N] rounded from 50 digits, conductances of the diodes float64[D] likewise,
    and by how many volts Newton's method went from where it began."""

    volts: Floats
    conductances: Floats
    moved: float
    beyond: bool
    """Whether a diode carries more than a megaampere, or is where its exponential would not end."""


class Truth:
    """The equations of a circuit in decimals."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.count = len(circuit.nodes) - 1
        self.passive = not len(circuit.buffers) and not len(circuit.mirrors)
        with exactly():
            laws = [Junction(law(model, circuit.temperature)) for model in circuit.models]
            self.laws = [laws[k] for k in circuit.diodes.values.tolist()]
            # A diode straight across sources moves no node, whatever it carries: it is left out.
            fixed = [*circuit.voltage_sources.terminals.tolist(), *circuit.buffers.terminals[:, :2].tolist()]
            held = _islands(len(circuit.nodes), fixed)
            self.ends = [
                (-1, -1) if held[a] == held[b] else (a - 1, b - 1) for a, b in circuit.diodes.terminals.tolist()
            ]
            self.linear, self.sources = _equations(circuit)

    def determined(self) -> bool:
        """Whether the linearized equations have a unique solution; without active parts the others have one then."""
        with exactly():
            matrix = self._jacobian([SOME * (1 + Decimal(k) / 7) for k in range(len(self.ends))])
            try:
                solve(matrix, [ZERO] * len(matrix))
            except SingularError:
                return False
            return True

    def confirm(self, drives: Floats, volts: Sequence[float]) -> Found | None:
        """The operating point to which Newton's method goes from an answer float64[N], if it arrives anywhere."""
        if not np.isfinite(volts).all():
            return None
        with exactly():
            start = [Decimal(float(v)) for v in volts[1:]]
            start += [ZERO] * (len(self.linear) - self.count)
            found = self._newton(start, self._right(drives), CONFIRMING)
            return None if found is None else self._found(found, start)

    def search(self, drives: Floats) -> Found | None:
        """An operating point from nothing: the sources are raised step by step."""
        with exactly():
            right = self._right(drives)
            at: list[Decimal] = [ZERO] * len(self.linear)
            done, step = ZERO, ONE
            for _ in range(RAISING):
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
        with exactly():
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
                found = solve(turned, right)
            except SingularError:
                return None
            return np.array([0.0, *(float(v) for v in found[: self.count])])

    def _found(self, at: list[Decimal], start: list[Decimal]) -> Found:
        inside = [law.at(self._across(k, at)) for k, law in enumerate(self.laws)]
        conductances = [g for _, g, _ in inside]
        beyond = any(
            v > STEEPEST * law.n_vt or abs(i) > ABSURD for law, (i, _, v) in zip(self.laws, inside, strict=True)
        )
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

    def _step(
        self, across: Sequence[Decimal], right: Sequence[Decimal], guesses: list[Decimal | None]
    ) -> list[Decimal]:
        """The solution of the equations linearized where the diodes have voltages ``across``."""
        matrix_g, known = [], list(right)
        for k, (v, (a, b)) in enumerate(zip(across, self.ends, strict=True)):
            i, g, guesses[k] = self.laws[k].at(v, guesses[k])
            matrix_g.append(g)
            for node, sign in ((a, 1), (b, -1)):
                if node >= 0:
                    known[node] -= sign * (i - g * v)
        return solve(self._jacobian(matrix_g), known)

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


def _islands(count: int, edges: list[list[int]]) -> list[int]:
    """For each node a node that stands for all that edges tie to it."""
    found = list(range(count))
    for a, b in edges:
        old, new = found[a], found[b]
        found = [new if each == old else each for each in found]
    return found


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
                ["ngspice", "-b", "-r", "deck.raw", "deck.cir"],
                cwd=folder,
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )
            head, _, data = (path / "deck.raw").read_bytes().partition(b"Binary:\n")
        except (OSError, subprocess.TimeoutExpired):
            return None
    names = re.findall(r"^\t\d+\t(\S+)\t", head.decode(), re.MULTILINE)
    values = dict(zip((re.sub(r"v\((.*)\)", r"\1", name) for name in names), np.frombuffer(data), strict=False))
    found = np.array([0.0, *(values.get(node, np.nan) for node in circuit.nodes[1:])])
    return found if np.isfinite(found).all() else None


def operating_points(truth: Truth, drives: Floats, answers: Sequence[Floats]) -> list[Found]:
    """The operating points that are known of a circuit: those to which Newton's method goes from ``answers``,
    float64[N] each, else from those of ``ngspice -b``, else from nothing. Answers that lead nowhere are left out."""
    found = [point for point in (truth.confirm(drives, answer) for answer in answers) if point is not None]
    for options in (None, LOOSE):
        answer = None if found else ngspice(truth.circuit, drives, options)
        point = None if answer is None else truth.confirm(drives, answer)
        found += [] if point is None else [point]
    point = None if found else truth.search(drives)
    return found + ([] if point is None else [point])


def narrow(engine: object) -> bool:
    """Whether an engine promises no more than float32 has."""
    return getattr(engine, "_arrays", None) is not None and engine._arrays.number == "float32"  # type: ignore[attr-defined]
