"""What engines demand of their answers: a proof of every row, or a refusal that says why and what helps."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from diodeq.circuit.flows import kinds_of
from diodeq.circuit.shorts import shorts
from diodeq.errors import SimulationError
from diodeq.simulators.base import RANGE, AdjointSolution, Floats, Ints, OperatingPoint, quiet

HIGH = 1e6  # volts of a drive that no circuit is made for
_NONE: Mapping[int, str] = MappingProxyType({})


def demand_answers(
    answer: OperatingPoint | AdjointSolution,
    point: OperatingPoint,
    error: Floats,
    promised: Floats,
    failures: Mapping[int, str] = _NONE,
) -> None:
    """Raise ``SimulationError`` unless every row of an answer is finite and proved: its ``error`` [B] is at most
    ``promised`` [B].

    The answer is ``point`` itself, or its linearized circuit's. The error has the answer with NaN in the rows that are
    not, and says of each why; ``failures`` knows of some.
    """
    arrays = (answer.node_voltages, *answer.branch_currents.values())
    held = np.logical_and.reduce([np.isfinite(each).all(axis=1) for each in arrays])
    bad = np.flatnonzero(~(held & (error <= promised)))
    if not len(bad):
        return
    what = "the linearized circuit" if isinstance(answer, AdjointSolution) else "the circuit"
    reasons = {row: failures.get(row) or _reason(what, float(error[row]), float(promised[row])) for row in bad.tolist()}
    lost = bad[~np.isfinite(error[bad])] if isinstance(answer, OperatingPoint) else bad[:0]
    short = shorts(point.circuit, point.drives[lost]) if len(lost) else {}
    reasons.update({int(lost[k]): clause for k, clause in short.items()})
    first = int(bad[0])
    several = f" (and {len(bad) - 1} more of {len(error)} samples)" if len(bad) > 1 else ""
    proved = isinstance(answer, AdjointSolution) and error[first] <= promised[first]
    remedy = "scale the loss down" if proved else _remedy(point, bad)
    if first in lost[list(short)]:
        remedy = "put a resistor in series with one of them, or give a model of theirs series resistance (RS)"
    found = SimulationError(f"sample {first}{several}: {reasons[first]}", remedy, sample=first)
    for each in arrays:
        each[bad] = np.nan
    if isinstance(answer, OperatingPoint):
        answer.diode_conductances[bad] = np.nan
        if answer.diode_currents is not None:
            answer.diode_currents[bad] = np.nan
    found.failures, found.answered = reasons, answer
    raise found


@quiet
def demand_leveled(
    answer: AdjointSolution,
    point: OperatingPoint,
    scale: Floats | None,
    error: Floats,
    promised: Floats,
    failures: Mapping[int, str] = _NONE,
) -> AdjointSolution:
    """The answer to injections that were ``leveled`` by ``scale`` [B, 1] as that to the injections themselves, in
    float64 where narrower numbers may not hold it; raises as ``demand_answers`` does."""
    if scale is None:
        demand_answers(answer, point, error, promised, failures)
        return answer
    near = scale.size and 2.0**-RANGE <= scale.min() <= scale.max() <= 2.0**RANGE

    def undone(found: Floats, scale: Floats) -> Floats:
        return found * scale.astype(found.dtype if near else np.float64)

    currents = {kind: undone(each, scale) for kind, each in answer.branch_currents.items()}
    whole = AdjointSolution(undone(answer.node_voltages, scale), currents)
    demand_answers(whole, point, undone(error, scale[:, 0]), undone(promised, scale[:, 0]), failures)
    return whole


def _remedy(point: OperatingPoint, bad: Ints) -> str:
    """What helps the rows ``bad``: first what is the matter with the circuit or its drives."""
    reached = float(np.abs(point.drives[bad]).max(initial=0.0))
    drives = "lower the drive voltages" + (f", which reach {reached:.3g} V" if reached > HIGH else "")
    loop = "look for a loop of amplifiers that has no stable state"
    amplifies = not all(spec.passive for spec in kinds_of(point.circuit).values())
    hints = [drives, "narrow the conductance range"]
    if amplifies:
        hints.insert(reached > HIGH, loop)
    return f"{', '.join(hints[:-1])}{',' if amplifies or reached > HIGH else ''} or {hints[-1]}"


def _reason(what: str, error: float, promised: float) -> str:
    if error <= promised:
        return f"a voltage or current of {what} is larger than any number that the engine has"
    if not np.isfinite(error):
        return f"{what} has no operating point that its equations determine"
    return f"no operating point of {what} was found: the nearest may be off by {error:.1e} V"
