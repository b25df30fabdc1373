"""A measured curve from a CSV file of volts and amperes: sorted, averaged at equal volts, pooled until it rises."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diodeq import tables
from diodeq.devices.curve.model import MOST, CurveModel
from diodeq.errors import InputError
from diodeq.printable import counted

Floats = NDArray[np.float64]

OFFSET = 0.05
"""Share of the largest current that may be measured that may flow against the voltage, which is an offset."""
SCALED = re.compile(r"(?<![A-Za-z])(?:[pnumkM]|µ|μ|milli|micro|nano|kilo)(?:[AV]|amp\w*|volts?)(?![A-Za-z])")
CURRENT = re.compile(r"\s*(?:i(?![a-z]{3})|a(?:mp|$|\W)|current|id\b|if\b)", re.IGNORECASE)


@dataclass(frozen=True)
class CurveFile:
    """A curve, and sentences about what was done to its points, ``notes``."""

    model: CurveModel
    notes: tuple[str, ...]


def read_curve(path: Path, name: str, source: str = "") -> CurveFile:
    """The curve in a file of two columns, volts and amperes, with a header or none.

    Currents that fall as the voltage rises are noise: they are pooled with their neighbours to the mean of both, as
    monotone regression does. At 0 V there is no current. The notes say how far that moved points.

    Raises:
        InputError: the file cannot be read or has no such numbers, fewer than two points or too many, or a current
            at 0 V that no noise is.
    """
    rows = list(islice(tables.rows_of(path), MOST + 2))
    swapped = False
    if not any(map(tables.is_number, rows[0][1])):
        swapped = _demand_units(path, rows.pop(0)[1])
    if len(rows) > MOST:
        raise InputError(f"{path} has more than {MOST:,} points", "leave some out, or average them")
    if rows and len(rows[0][1]) != 2:
        raise InputError(f"{path} has {counted(len(rows[0][1]), 'column')}, not 2", "give volts, then amperes")
    if len(rows) < 2:
        raise InputError(
            f"{path} has {counted(len(rows), 'point')}, and a curve has two or more", "measure more points"
        )
    values = tables.numbers(path, rows)
    volts, amperes = values[:, ::-1].T if swapped else values.T
    try:
        return _curve(name, volts, amperes, source)
    except InputError as error:
        raise InputError(f"{path}: {error.problem}", error.remedy) from None


def _demand_units(path: Path, header: list[str]) -> bool:
    """Whether the first of two columns is the current, by a header without units other than V and A."""
    for cell in header:
        if SCALED.search(cell):
            raise InputError(f"{path} calls a column {cell.strip()!r}", "give volts and amperes, without a prefix")
    return len(header) == 2 and bool(CURRENT.match(header[0])) and not CURRENT.match(header[1])


def _curve(name: str, volts: Floats, amperes: Floats, source: str) -> CurveFile:
    notes = []
    at, inverse, count = np.unique(volts, return_inverse=True, return_counts=True)
    mean = np.bincount(inverse, amperes) / count
    if len(at) < 2:
        raise InputError(f"all points are at {at[0]:g} V", "measure at two or more voltages")
    if len(at) < len(volts):
        notes.append(f"{len(volts) - len(at)} of {len(volts)} points repeat a voltage and were averaged")
    falls = int(np.count_nonzero(np.diff(mean) < 0.0))
    knots, currents = pooled(at, mean, count.astype(np.float64))
    largest = float(np.abs(currents).max(initial=0.0))
    if len(knots) < 2 or largest == 0.0:
        raise InputError("its current does not rise with the voltage", "check which column is which, and the sign")
    forced = np.where(knots > 0.0, np.maximum(currents, 0.0), np.where(knots < 0.0, np.minimum(currents, 0.0), 0.0))
    wrong = int(np.argmax(np.abs(forced - currents)))
    if abs(forced[wrong] - currents[wrong]) > OFFSET * largest:
        raise InputError(
            f"{currents[wrong]:.3g} A flow at {knots[wrong]:.3g} V, and a part without a source gives no power",
            "subtract the meter's offset; a solar cell is a curve with a current source beside it",
        )
    model = CurveModel(name, tuple(knots.tolist()), tuple(forced.tolist()), source, _described(volts, amperes))
    if falls:
        notes.append(
            f"the current falls at {counted(falls, 'point')}, which is noise here: monotone regression pooled "
            f"{len(at)} points to {len(knots)}"
        )
    moved = model.laws([model], 27.0, gmin=0.0).current(at[:, None])[:, 0] - mean
    if falls or np.abs(moved).max() > 1e-12 * largest:
        worst = int(np.argmax(np.abs(moved)))
        share = abs(moved[worst]) / largest
        notes.append(
            f"the curve passes points by at most {abs(moved[worst]):.3g} A, at {at[worst]:g} V "
            f"({share:.2g} of the largest current)"
        )
    if not np.any(knots == 0.0):
        notes.append("0 A at 0 V was added")
    return CurveFile(model, tuple(notes))


def _described(volts: Floats, amperes: Floats) -> str:
    return (
        f"measured curve, {len(volts)} points from {volts.min():g} to {volts.max():g} V and "
        f"{amperes.min():.3g} to {amperes.max():.3g} A"
    )


def pooled(volts: Floats, amperes: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Points whose currents do not fall: neighbours that do are pooled to the weighted mean of their volts and amperes
    (pool adjacent violators, Ayer et al., Ann. Math. Stat. 26, 1955), whose currents are the nearest that rise."""
    blocks: list[tuple[float, float, float]] = []
    for v, i, w in zip(volts.tolist(), amperes.tolist(), weights.tolist(), strict=True):
        while blocks and blocks[-1][1] > i:
            before, current, weight = blocks.pop()
            share = weight / (weight + w)
            v, i, w = share * before + (1.0 - share) * v, share * current + (1.0 - share) * i, weight + w
        blocks.append((v, i, w))
    found = np.array(blocks)
    return found[:, 0], found[:, 1]
