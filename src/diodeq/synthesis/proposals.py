"""Which parts come nearest to an activation: elements whose resistance, volts and rails are fitted to a formula.

A node behind ``ohms`` with an element of real parts settles at its induced activation (``devices.induced``), which
knees and drops make another than the formula. Per part and structure the largest difference to the formula over a range
of inputs is made small, first in the mean square, then by rising powers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diodeq.devices import Model
from diodeq.devices.elements import ActivationElement, Rail, generator, leaky_relu, relu
from diodeq.devices.induced import Floats, induced, leaving
from diodeq.devices.one_ports import forward_voltage, one
from diodeq.devices.units import Unit
from diodeq.errors import UsageError
from diodeq.network import Activation

REACH = 4.0
"""Inputs are fitted from minus this to this, in units."""
SUPPLY = 5.0
POINTS = 81
POWERS = (2, 8, 24)
STEPS = 40  # of least squares for each power
GRID = 601
LARGEST_LOGARITHM = 6.0
STARTS = (0.05, 0.5)  # volts per unit, as shares of what the supply allows
BEGIN_OHMS = 1e4
DROPPING = 1e-6  # amperes at which parts drop the volts by which rails may be moved at first
LEAST_OHMS, MOST_OHMS = 100.0, 1e7


@dataclass(frozen=True)
class Structure:
    """A kind of element: its branches for numbers that are fitted, and where these begin.

    ``build(numbers)`` has levels in units; ``begin`` are the numbers at first, of which the first ``levels`` are rails'
    levels and the others logarithms of conductances in g0. A drop of v volts in the parts moves rails by ``moved`` v.
    """

    name: str
    build: Callable[[Sequence[float]], ActivationElement]
    begin: tuple[float, ...]
    levels: int
    moved: float = 0.0


def _of_stages(count: int) -> Callable[[Sequence[float]], ActivationElement]:
    def build(numbers: Sequence[float]) -> ActivationElement:
        return generator(tuple(numbers[:count]), tuple(np.exp(numbers[count:]).tolist()))

    return build


def _biased(make: Callable[[Sequence[float]], ActivationElement]) -> Callable[[Sequence[float]], ActivationElement]:
    def build(numbers: Sequence[float]) -> ActivationElement:
        element = make(numbers)
        return ActivationElement(
            element.diodes, element.resistors, rails=(Rail("low", numbers[0], 0.0),), inner=element.inner
        )

    return build


STAGES, MOST_STAGES = 2, 4


def structures(odd: bool, stages: int) -> tuple[Structure, ...]:
    """What is tried for activations that are odd and for others; ``stages`` clamps a side at most."""
    if not odd:
        return (
            Structure("diode", _biased(lambda _: relu(0.0)), (0.0,), 1, 1.0),
            Structure("diode behind a resistor", _biased(_leaking), (0.0, 1.0), 1, 1.0),
        )
    found = [Structure("pair", lambda _: Unit("pair").element, (), 0)]
    for count in range(1, stages + 1):
        levels = np.tanh(0.45 + 1.6 * np.arange(count) / count)
        rises = np.linspace(-0.5, 1.5, count)[: count - 1]
        name = "clamp" if count == 1 else f"{count} clamps a side"
        found.append(Structure(name, _of_stages(count), (*levels.tolist(), *rises.tolist()), count, -1.0))
    return tuple(found)


def _leaking(numbers: Sequence[float]) -> ActivationElement:
    return leaky_relu(1.0 / (1.0 + float(np.exp(numbers[1]))))


@dataclass(frozen=True, eq=False)
class Proposal:
    """An element of real parts for an activation.

    ``error`` and ``rms`` are of the induced activation against the formula for inputs in ±``reach``, in units;
    ``volts_per_unit`` V, ``ohms`` Ω of the unit conductance, ``rails`` V by name, ``resistors`` Ω, ``parts`` how many
    diodes; ``x`` and ``found`` are the fitted inputs and what is induced there, in units.
    """

    structure: str
    part: Model
    error: float
    rms: float
    volts_per_unit: float
    ohms: float
    rails: dict[str, float]
    resistors: tuple[float, ...]
    parts: int
    x: Floats
    found: Floats

    def to_json(self) -> dict[str, Any]:
        """As a plain dict, without the curve."""
        return {
            "structure": self.structure,
            "part": self.part.name,
            "largest_error": self.error,
            "rms_error": self.rms,
            "volts_per_unit": self.volts_per_unit,
            "ohms": self.ohms,
            "rails_volts": self.rails,
            "resistors_ohms": list(self.resistors),
            "diodes": self.parts,
        }


def proposals(
    activation: Activation,
    parts: Sequence[Model],
    supply: float = SUPPLY,
    reach: float = REACH,
    stages: int = STAGES,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> Iterator[Proposal]:
    """The best of every structure that suits ``activation``, for every part; in no order.

    Args:
        activation: of which the formula is fitted; a sigmoid is a tanh of half its input (``synthesis.halves``).
        parts: that are tried.
        supply: V; inputs and rails stay within it.
        reach: inputs are fitted from minus this to this, in units.
        stages: so many clamps a side at most, each but the last behind a resistor.
        on_progress: called with how many are done, how many there are, and the part that comes next.

    Raises:
        UsageError: no diodes at one node have such an activation; a number makes no sense.
    """
    if not 0.0 < supply < np.inf or not 0.0 < reach < np.inf:
        raise UsageError(f"a supply of {supply:g} V or a reach of {reach:g} is not possible", "give positive numbers")
    if not 1 <= stages <= MOST_STAGES:
        raise UsageError(f"{stages} stages are not possible", f"give 1 to {MOST_STAGES}")
    if activation.name == "sigmoid":
        activation, reach = Activation("tanh"), reach / 2.0
    if activation.name in ("identity", "soft-threshold"):
        raise UsageError(f"{activation.name} is not made of diodes at one node", "fit tanh, hard-tanh or relu, say")
    x = np.linspace(-reach, reach, POINTS)
    wanted = activation(x)
    odd = bool(np.allclose(wanted, -wanted[::-1], atol=1e-9))
    tried = [(structure, part) for part in parts for structure in structures(odd, stages)]
    for done, (structure, part) in enumerate(tried):
        if on_progress is not None:
            on_progress(done, len(tried), part.name)
        yield _fitted(structure, part, x, wanted, supply)


def _fitted(structure: Structure, part: Model, x: Floats, wanted: Floats, supply: float) -> Proposal:
    from scipy.optimize import least_squares

    device = one(part)
    reach, levels = float(x[-1]), structure.levels
    # Everything that is driven or held must stay within the supply: logarithms of volts per unit and of ohms, rails in
    # volts, logarithms of conductances.
    most = supply / reach
    rest = len(structure.begin) - levels
    high = np.array([np.log(most), np.log(MOST_OHMS), *[supply] * levels, *[LARGEST_LOGARITHM] * rest])
    low = np.array([np.log(1e-3 * most), np.log(LEAST_OHMS), *-high[2:]])
    volts_of_node = np.linspace(-1.05 * reach, 1.05 * reach, GRID)

    def made(numbers: Floats) -> tuple[ActivationElement, float, float]:
        volts, ohms = np.exp(numbers[:2]).tolist()
        return (
            structure.build([*(numbers[2 : 2 + levels] / volts).tolist(), *numbers[2 + levels :].tolist()]),
            volts,
            ohms,
        )

    def missed(numbers: Floats) -> Floats:
        """By how much the activation misses, read off the sources that a grid of node voltages needs."""
        element, volts, ohms = made(numbers)
        current, _ = leaving(element, device, volts * volts_of_node, ohms, volts, 0.0)
        return np.asarray(np.interp(x, volts_of_node + ohms * current / volts, volts_of_node) - wanted, np.float64)

    best: tuple[float, Floats] = (np.inf, np.zeros(0))
    drops = (0.0, min(forward_voltage(device, DROPPING), supply)) if levels else (0.0,)
    for share, drop in itertools.product(STARTS, drops):
        at_rails = share * most * np.array(structure.begin[:levels]) + structure.moved * drop
        begin = [np.log(share * most), np.log(BEGIN_OHMS), *at_rails, *structure.begin[levels:]]
        numbers = np.clip(begin, low + 1e-6, high - 1e-6)
        for power in POWERS:

            def residual(given: Floats, power: int = power) -> Floats:
                error = np.abs(missed(given))
                size = float(error.max()) or 1.0
                return np.asarray(size * (error / size) ** (power / 2.0), np.float64)

            numbers = least_squares(residual, numbers, bounds=(low, high), max_nfev=STEPS, diff_step=np.array(1e-5)).x
            error = float(np.abs(missed(numbers)).max())
            if error < best[0]:
                best = (error, numbers)
    element, volts, ohms = made(best[1])
    found = induced(element, device, volts * x, ohms, volts, 0.0)[0] / volts
    return Proposal(
        structure.name,
        part,
        float(np.abs(found - wanted).max()),
        float(np.sqrt(np.mean((found - wanted) ** 2))),
        volts,
        ohms,
        {rail.name: rail.level * volts for rail in element.rails},
        tuple(ohms / conductance for _, _, conductance in element.resistors),
        len(element.diodes),
        x,
        found,
    )
