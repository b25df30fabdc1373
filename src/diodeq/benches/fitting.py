"""The beliefs that explain readings best: damped Gauss-Newton steps (Levenberg, Quart. Appl. Math. 2(2), 1944;
Marquardt, J. SIAM 11(2), 1963) with the whole matrix of second derivatives, or where that is too large steps that LSMR
finds from products with derivatives alone (Fong and Saunders, SIAM J. Sci. Comput. 33(5), 2011)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.sparse.linalg import LinearOperator, lsmr

from diodeq.benches.blocks import NodeBlocks
from diodeq.benches.model import Setting, Slopes, moved, predicted, sensitivities
from diodeq.benches.products import BoardWiring, Products
from diodeq.circuit.equations import EquationsPlan
from diodeq.simulators.base import Simulator
from diodeq.simulators.bench.belief import Belief

Floats = NDArray[np.float64]
Values = dict[str, Floats]
Tell = Callable[[int, int, str], None]
STEPS, DONE = 30, 1e-2
"""Steps at most, and the part of what was not known that the last one may move anything by"""
LARGEST = 2000
"""Quantities that are sought by the whole matrix, at most"""
ROUNDS, NEAR = 100, 1e-6
"""Of LSMR for a step: products at most, and the part of its first slope that it leaves"""
DRAWS = 4
"""Boards at random that say how well quantities are known where the whole matrix is too large"""
GAIN = 1e-3
"""The part of its cost that a step has to take for another one to be worth it"""


@dataclass(frozen=True, eq=False)
class Fit:
    """The most probable ``belief``; standard deviations of each quantity (``left``) and of the resistance of each tap
    where the circuit wants it (``ohms`` float64[n_taps]); root mean squares of what readings missed, before and after;
    by how much more than noise that is; and in how many steps."""

    belief: Belief
    left: Values
    ohms: Floats
    missed: tuple[float, float]
    excess: float
    steps: int


class _Sought:
    """All quantities as one vector, in units of how much each may deviate; those that may not are left out."""

    def __init__(self, spread: Values) -> None:
        self.spread = spread
        self._names, self._counts = list(spread), np.cumsum([len(each) for each in spread.values()])[:-1]
        self._scale = np.concatenate(list(spread.values()))
        self.loose = self._scale > 0
        self.count = int(self.loose.sum())

    @property
    def places(self) -> dict[str, NDArray[np.intp]]:
        """Where every quantity is in the vector; -1 where it may not deviate."""
        found = np.where(self.loose, np.cumsum(self.loose) - 1, -1)
        return dict(zip(self._names, np.split(found, self._counts), strict=True))

    def joined(self, values: Values) -> Floats:
        """Of slopes or of what is chosen: times what a unit is."""
        return np.asarray((np.concatenate([values[name] for name in self._names]) * self._scale)[self.loose])

    def units(self, values: Values) -> Floats:
        """Of values of a belief."""
        return np.asarray(np.concatenate([values[name] for name in self._names])[self.loose] / self._scale[self.loose])

    def columns(self, by: Values) -> Floats:
        """Of derivatives [B, n_reads, n] by name."""
        whole = np.concatenate([by[name] for name in self._names], axis=2)
        return np.asarray(whole[:, :, self.loose] * self._scale[self.loose])

    def parted(self, vector: Floats) -> Values:
        """By name again."""
        whole = np.zeros(len(self._scale))
        whole[self.loose] = vector * self._scale[self.loose]
        return dict(zip(self._names, np.split(whole, self._counts), strict=True))


def fitted(
    engine: Simulator,
    belief: Belief,
    settings: Sequence[Setting],
    spread: Values,
    noise: Floats,
    own: NDArray[np.int64],
    tell: Tell,
) -> Fit:
    """What explains the readings of ``settings`` best, ``noise`` volts [n_reads] apart; ``own`` are the codes of taps
    whose resistances are asked for."""
    sought = _Sought(spread)
    solve = _whole if sought.count <= LARGEST else _iterated
    return solve(engine, belief, settings, sought, noise, own, tell)


def missed_by(engine: Simulator, belief: Belief, settings: Sequence[Setting]) -> float:
    """The root mean square of what a belief misses in volts."""
    found = [
        (predicted(engine, belief, each.taps, each.drives, each.pumps) - each.volts)[each.counts] for each in settings
    ]
    return float(np.sqrt(np.mean(np.concatenate(found) ** 2)))


def _whole(
    engine: Simulator,
    belief: Belief,
    settings: Sequence[Setting],
    sought: _Sought,
    noise: Floats,
    own: NDArray[np.int64],
    tell: Tell,
) -> Fit:
    damping, before, steps = 1e-3, missed_by(engine, belief, settings), 0
    cost, normal, slope, count = _assembled(engine, belief, settings, sought, noise)
    for steps in range(1, STEPS + 1):
        tell(steps, STEPS, "fitting")
        damped = normal + damping * np.diag(np.diag(normal))
        step = linalg.solve(damped, -slope, assume_a="pos")
        trial = moved(belief, sought.parted(step))
        found = _assembled(engine, trial, settings, sought, noise)
        if found[0] <= cost:
            belief, (cost, normal, slope, count) = trial, found
            damping *= 0.1
            if np.abs(step).max(initial=0.0) < DONE:
                break
        else:
            damping = min(10.0 * damping, 1e6)
    excess = math.sqrt(max(1.0, 2.0 * cost / max(count, 1)))
    covariance = linalg.inv(_sharpened(normal, excess))
    left = sought.parted(np.sqrt(np.diag(covariance)))
    ohms = np.empty(len(own))
    for tap in range(len(own)):
        by = sought.joined(_one(belief, own, tap))
        ohms[tap] = math.sqrt(max(float(by @ covariance @ by), 0.0))
    return Fit(belief, left, ohms, (before, missed_by(engine, belief, settings)), excess, steps)


def _one(belief: Belief, own: NDArray[np.int64], tap: int) -> Values:
    """What the resistance of a tap changes by with every quantity."""
    table = belief.channels.taps
    track, wiper = table.parts(own[tap : tap + 1])
    found = {name: np.zeros(len(each)) for name, each in belief.values.items()}
    found["tracks"][tap], found["ends"][tap] = track[0], table.taps.series + wiper[0]
    found["ohms"][(belief.taps == tap) & (belief.codes == own[tap])] = 1.0
    return found


def _sharpened(normal: Floats, excess: float) -> Floats:
    """The information of readings that are noisier than thought, and of what was believed before."""
    one = np.eye(len(normal))
    return (normal - one) / excess**2 + one


def _assembled(
    engine: Simulator, belief: Belief, settings: Sequence[Setting], sought: _Sought, noise: Floats
) -> tuple[float, Floats, Floats, int]:
    """Half the sum of squares, its second and first derivatives by all that may deviate, in units of how much each may,
    and the number of readings that count."""
    value = sought.units(belief.values)
    normal, slope, cost, count = np.eye(len(value)), value.copy(), 0.5 * float(value @ value), 0
    slopes, plan = Slopes(belief), EquationsPlan.of(belief.board)
    for each in settings:
        shown, by = sensitivities(engine, belief, each, slopes, plan)
        jacobian = (sought.columns(by) / noise[:, None])[each.counts]
        missed = ((shown - each.volts) / noise)[each.counts]
        normal += jacobian.T @ jacobian
        slope += jacobian.T @ missed
        cost += 0.5 * float(missed @ missed)
        count += len(missed)
    return cost, normal, slope, count


class _Straight:
    """The readings of all settings, linearized at a belief: a least-squares problem as its products, what was believed
    before beneath; ``blocks`` of an earlier one may serve it."""

    def __init__(
        self,
        engine: Simulator,
        belief: Belief,
        settings: Sequence[Setting],
        sought: _Sought,
        noise: Floats,
        blocks: NodeBlocks | None = None,
    ) -> None:
        self._sought, self._settings, self._noise = sought, settings, noise
        wiring, slopes = BoardWiring(belief), Slopes(belief)
        self._pieces = [Products(engine, belief, each, wiring, slopes) for each in settings]
        pairs = list(zip(self._pieces, settings, strict=True))
        self.missed = np.concatenate([((one.shown - at.volts) / noise)[at.counts] for one, at in pairs])
        self.value = sought.units(belief.values)
        self.cost = 0.5 * float(self.missed @ self.missed + self.value @ self.value)
        if blocks is None:
            signs = np.random.default_rng(0).choice([-1.0, 1.0], (DRAWS, len(self.missed)))
            steep = np.mean([self._of(each) ** 2 for each in signs], axis=0)
            blocks = NodeBlocks(belief, wiring, self._pieces, settings, noise, sought.places, sought.spread, steep)
        self.blocks = blocks

    def solved(self, missed: Floats, value: Floats, rounds: int = ROUNDS, near: float = NEAR) -> Floats:
        """The step that takes most from ``missed`` and from ``value``."""
        shape = len(missed) + len(value), len(value)
        whole: Any = LinearOperator(
            shape,
            matvec=lambda x: self._both(self.blocks.out(x.ravel())),
            rmatvec=lambda y: self.blocks.back(self._of(y[: len(missed)]) + y[len(missed) :]),
            dtype=np.float64,
        )
        found = lsmr(whole, -np.concatenate([missed, value]), atol=near, btol=0.0, conlim=0.0, maxiter=rounds)[0]
        return self.blocks.out(np.asarray(found))

    def off(self, noise: Floats, random: np.random.Generator) -> Floats:
        """By how much what is found misses what it should, of a board drawn at random whose readings have ``noise``;
        of directions that so few products leave open that may be more than was unknown before."""
        board = random.standard_normal(len(self.value))
        return board - self.solved(-(self._by(board) + noise), np.zeros_like(board))

    def _both(self, vector: Floats) -> Floats:
        return np.concatenate([self._by(vector), vector])

    def _by(self, vector: Floats) -> Floats:
        values = self._sought.parted(vector)
        pairs = zip(self._pieces, self._settings, strict=True)
        return np.concatenate([(one.by(values) / self._noise)[at.counts] for one, at in pairs])

    def _of(self, vector: Floats) -> Floats:
        found, first = np.zeros(self._sought.count), 0
        for one, at in zip(self._pieces, self._settings, strict=True):
            readings, last = np.zeros(at.counts.shape), first + int(at.counts.sum())
            readings[at.counts] = vector[first:last]
            found += self._sought.joined(one.of(readings / self._noise))
            first = last
        return found


def _iterated(
    engine: Simulator,
    belief: Belief,
    settings: Sequence[Setting],
    sought: _Sought,
    noise: Floats,
    own: NDArray[np.int64],
    tell: Tell,
) -> Fit:
    before, steps, part = missed_by(engine, belief, settings), 0, 1.0
    straight = _Straight(engine, belief, settings, sought, noise)
    step = straight.solved(straight.missed, straight.value)
    for steps in range(1, STEPS + 1):
        tell(steps, STEPS, "fitting")
        trial = moved(belief, sought.parted(part * step))
        found = _Straight(engine, trial, settings, sought, noise, straight.blocks)
        if found.cost <= straight.cost:
            gained, belief, straight = straight.cost - found.cost, trial, found
            if part == 1.0 and (gained < GAIN * found.cost or np.abs(step).max(initial=0.0) < DONE):
                break
            step, part = found.solved(found.missed, found.value), 1.0
        elif part < 1e-3:
            break
        else:
            part *= 0.25
    excess = math.sqrt(max(1.0, 2.0 * straight.cost / max(len(straight.missed), 1)))
    random, spent = np.random.default_rng(1), []
    for each in range(DRAWS):
        tell(each, DRAWS, "how well it is known")
        spent.append(straight.off(excess * random.standard_normal(len(straight.missed)), random))
    left = sought.parted(np.sqrt(np.mean(np.square(spent), axis=0)))
    ohms = np.sqrt(np.mean([belief.ohms_by(own, sought.parted(each)) ** 2 for each in spent], axis=0))
    return Fit(belief, left, ohms, (before, missed_by(engine, belief, settings)), excess, steps)
