"""Fitting a stage to the hardware: the drivers' gain K, the unit conductance g0, and resistors within the range.

A weight too small for the range is exact all the same: inputs have a rail of either sign, so it becomes the difference
of two resistors, ``(low + w) - low``. Nothing is ever clipped; what cannot be built is refused with numbers.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from diodeq.devices.elements import ActivationElement
from diodeq.devices.hardware.technology import Technology
from diodeq.errors import NotRealizableError
from diodeq.network import Stage
from diodeq.network.units import OnePortUnits
from diodeq.printable import counted
from diodeq.synthesis.plan import Core, Floats, Index, StageFeed, StagePlan

# The row with the least room keeps this share of it for its resistor to ground, so that none is ever tiny.
SPARE = 0.2
# A resistor to ground below this share of its row is rounding.
ROUNDING = 1e-12
# A weight below this share of its row, or of the unit itself, is rounding.
UNSEEN = 1e-15
# Where g0 is tried between the lowest and the highest possible when some weights must be pairs.
PAIRING = (0.5, 0.75)


class _Placed(NamedTuple):
    """Conductances of one sort and where each is, for messages."""

    what: str
    values: Floats
    rows: Index


def fit(
    realization: str,
    stage: Stage,
    core: Core,
    element: ActivationElement,
    technology: Technology,
    max_gain: float,
    margin: float,
) -> StagePlan:
    """The plan of a stage: K as small as its rows allow but at least 1, g0 in the geometric middle of what fits.

    ``margin`` is that of D (I - W), in units. Where units are one-ports g0 is what they need.

    Raises:
        NotRealizableError: a row leaves its inputs no room, K exceeds ``max_gain``, or the conductances need more than
            the technology's range.
    """
    own = stage.activation if isinstance(stage.activation, OnePortUnits) else None
    weights = _weights(stage, core)
    bias_column = weights.shape[1] - 1
    if core.pumped:
        weights = np.column_stack([weights, core.headroom - weights.sum(axis=1)])
    load = np.abs(weights).sum(axis=1)
    weights[np.abs(weights) <= UNSEEN * np.maximum(load, np.abs(core.headroom))[:, None]] = 0.0
    load = np.abs(weights).sum(axis=1)
    gain = 1.0 if core.pumped else _gain(load, core, max_gain)
    rows, columns = np.nonzero(weights)
    signed = weights[rows, columns] / gain
    feed = StageFeed(rows, columns, signed < 0, np.abs(signed))
    ground = np.zeros(stage.size) if core.pumped else core.headroom - load / gain
    ground[ground < ROUNDING * np.abs(core.headroom)] = 0.0
    fixed = [
        _Placed("between unit {row} and another", core.resistors.values, core.resistors.rows),
        _Placed("from the inverted copy of unit {row} to another", core.copied.values, core.copied.rows),
        _Placed("behind turns {row}", np.ones(min(len(core.turns.rows), 1)), core.turns.rows),
        _Placed("in the element of unit {row}", *_of_element(element, core)),
        _Placed("from unit {row} to ground", ground[ground > 0], np.flatnonzero(ground)),
    ]
    inputs = _Placed("from an input to unit {row}", feed.values, rows)
    pairs = 0
    siemens = _siemens([*fixed, inputs], technology) if own is None else _needed(own, [*fixed, inputs], technology)
    if core.pumped and own is None:  # pairs cost it nothing but parts
        siemens = technology.high / _extremes([*fixed, inputs])[1]
        feed, ground, pairs = _pair(core, feed, ground, technology.low / siemens)
    elif siemens is None:
        siemens, feed, ground, pairs = _with_pairs(core, feed, ground, fixed, inputs, technology)
    values = np.concatenate([part.values for part in fixed[:-1]] + [feed.values, ground[ground > 0]])
    return StagePlan(
        realization=realization,
        core=core,
        feed=feed,
        ground=ground,
        gain=gain,
        siemens=siemens,
        margin=margin * siemens,
        element=element,
        pairs=pairs,
        bias_column=bias_column,
        conductance_range=(siemens * float(values.min()), siemens * float(values.max())) if len(values) else (0.0, 0.0),
        own=own,
    )


def _weights(stage: Stage, core: Core) -> Floats:
    """float64[n, feedback + n_in + 1]: everything that is fed to the units, rows scaled."""
    parts = [stage.U, stage.b[:, None]]
    if core.feedback is not None:
        parts.insert(0, core.feedback)
    weights: Floats = np.concatenate(parts, axis=1) * core.row_scale[:, None]
    return weights


def _gain(load: Floats, core: Core, max_gain: float) -> float:
    fed = np.flatnonzero(load > 0)
    if not len(fed):
        return 1.0
    room = core.headroom[fed]
    with np.errstate(divide="ignore"):
        needed = np.where(room > 0, load[fed] / np.where(room > 0, room, 1.0), np.inf) / (1.0 - SPARE)
    worst = int(np.argmax(needed))
    if needed[worst] > max_gain:
        raise NotRealizableError(
            f"row {fed[worst]} leaves its inputs {room[worst]:.4g} of an isolated unit's conductance, for weights that "
            f"sum to {load[fed[worst]]:.4g}: the drivers would need a gain of {needed[worst]:.4g}, above {max_gain:g}",
            "give weights with a larger margin or smaller inputs, or allow a larger gain",
        )
    return max(1.0, float(needed[worst]))


def _of_element(element: ActivationElement, core: Core) -> tuple[Floats, Index]:
    values = np.array([conductance for _, _, conductance in element.resistors])
    units = np.arange(len(core.row_scale))
    return (values[:, None] * core.row_scale).ravel(), np.tile(units, len(values))


def _extremes(parts: list[_Placed]) -> tuple[float, float]:
    used = [part.values for part in parts if len(part.values)]
    return (min(float(v.min()) for v in used), max(float(v.max()) for v in used)) if used else (1.0, 1.0)


def _siemens(parts: list[_Placed], technology: Technology) -> float | None:
    """g0 in the geometric middle of what fits; None when nothing does."""
    smallest, largest = _extremes(parts)
    if largest / smallest > technology.high / technology.low:
        return None
    return math.sqrt(technology.low / smallest * technology.high / largest)


def _needed(own: OnePortUnits, parts: list[_Placed], technology: Technology) -> float:
    """g0 of units whose laws are in amperes already."""
    siemens = 1.0 / own.alpha
    smallest, largest = _extremes(parts)
    if siemens * smallest < technology.low * (1.0 - ROUNDING) or siemens * largest > technology.high * (1.0 + ROUNDING):
        raise NotRealizableError(
            f"the one-ports fix the conductances from {siemens * smallest:.4g} S ({_where(parts, smallest)}) to "
            f"{siemens * largest:.4g} S ({_where(parts, largest)}), outside {technology.low:g} … {technology.high:g} S",
            f"allow conductances from {siemens * smallest:.2g} to {siemens * largest:.2g} S",
        )
    return siemens


def _with_pairs(
    core: Core, feed: StageFeed, ground: Floats, fixed: list[_Placed], inputs: _Placed, technology: Technology
) -> tuple[float, StageFeed, Floats, int]:
    """(g0, feed, ground, pairs) with small inputs as pairs: g0 in the middle of what the other resistors allow, or
    higher, with fewer pairs, where the rows have no room for so many."""
    _, largest = _extremes([*fixed, inputs])
    smallest, _ = _extremes(fixed)
    lowest, highest = technology.low / min(smallest, largest), technology.high / largest
    if lowest > highest:
        low, high = (_where(fixed, smallest), _where([*fixed, inputs], largest))
        raise NotRealizableError(
            f"the conductances span a factor of {largest / smallest:.4g} (from the one {low} to the one {high}), the "
            f"range {technology.low:g} … {technology.high:g} S only {technology.high / technology.low:.4g}",
            "widen the range or leave out small weights",
        )
    for share in PAIRING:
        siemens = lowest ** (1.0 - share) * highest**share
        try:
            return siemens, *_pair(core, feed, ground, technology.low / siemens)
        except NotRealizableError:
            continue
    return highest, *_pair(core, feed, ground, technology.low / highest)


def _where(parts: list[_Placed], value: float) -> str:
    part = next(part for part in parts if np.any(part.values == value))
    return part.what.format(row=part.rows[int(np.argmax(part.values == value))])


def _pair(core: Core, feed: StageFeed, ground: Floats, floor: float) -> tuple[StageFeed, Floats, int]:
    """Every feed below ``floor`` as the difference of two; their conductance comes out of the resistor to ground."""
    small = feed.values < floor
    rows, columns = feed.rows[small], feed.columns[small]
    # On the weight's own rail floor + w, on the other one floor.
    values = np.concatenate([np.where(small, feed.values + floor, feed.values), np.full(int(small.sum()), floor)])
    paired = StageFeed(
        np.concatenate([feed.rows, rows]),
        np.concatenate([feed.columns, columns]),
        np.concatenate([feed.negative, ~feed.negative[small]]),
        values,
    )
    if core.pumped:  # the two cancel
        return paired, ground, len(rows)
    left = ground - 2.0 * floor * np.bincount(rows, minlength=len(ground))
    changed = np.bincount(rows, minlength=len(ground)) > 0
    short = changed & (left < floor)
    if short.any():
        row = int(np.argmin(np.where(short, left, np.inf)))
        raise NotRealizableError(
            f"row {row} has {counted(int((rows == row).sum()), 'weight')} below the range;"
            f" as differences of two resistors they "
            f"need {(ground[row] - left[row]):.3g} of an isolated unit's conductance, and {ground[row]:.3g} is left",
            "widen the range or leave out small weights",
        )
    return paired, np.where(changed, left, ground), len(rows)
