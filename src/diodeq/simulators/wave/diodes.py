"""All diodes of a circuit behind their port resistances: load lines of whole batches, exactly as the law has them.

A plain junction (no recombination, no knee) is solved in closed form with the Wright omega function, here by
exponentials and logarithms that vectorize and in ``fused`` by one compiled loop. What breaks down, and every other law,
is solved by ``Law.load_line``, in numpy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.devices.law import Law, law
from diodeq.simulators.wave.arrays import Array, Arrays, array_namespace

# Below -3 nVt ngspice's junction approaches saturation as -Is (1 + (3 nVt / (e v))^3).
REVERSE = -3.0
CUBE = (3.0 / math.e) ** 3
# The omega function of this is 2e-28: no part of any current, yet far from where single precision ends.
NOTHING = -64.0


@dataclass(frozen=True, eq=False)
class Diodes:
    """The laws of a circuit's diodes, ``groups`` of (columns, law) that cover them all; ``count`` of them."""

    count: int
    groups: tuple[tuple[NDArray[np.intp] | slice, Law], ...]
    arrays: Arrays

    @staticmethod
    def of(circuit: Circuit, arrays: Arrays | None = None) -> Diodes:
        """The diodes of a circuit, at its temperature and with ngspice's default gmin of 1e-12 S."""
        used = np.unique(circuit.diodes.values).astype(int).tolist()
        groups: list[tuple[NDArray[np.intp] | slice, Law]] = []
        for k in used:
            device = law(circuit.models[k], circuit.temperature)
            groups.append((slice(None) if len(used) == 1 else np.flatnonzero(circuit.diodes.values == k), device))
        return Diodes(len(circuit.diodes), tuple(groups), arrays or Arrays.of())

    def load_line(self, sources: Array, resistances: Array) -> tuple[Array, Array, Array]:
        """Terminal voltages, currents and terminal conductances [B, n_diodes].

        ``sources`` [B, n_diodes] are open-circuit volts, ``resistances`` [n_diodes] ohms above 0; solves
        ``source = v + resistance * current(v)``.
        """
        if not self.groups:
            return sources, sources, sources
        if len(self.groups) == 1:
            return self._solve(self.groups[0][1], sources, resistances)
        found = tuple(array_namespace(sources).empty_like(sources) for _ in range(3))
        for columns, device in self.groups:
            solved = self._solve(device, sources[:, columns], resistances[columns])
            for whole, piece in zip(found, solved, strict=True):
                whole[:, columns] = piece
        return found[0], found[1], found[2]

    def _solve(self, device: Law, sources: Array, resistances: Array) -> tuple[Array, Array, Array]:
        if not is_plain(device):
            return self._exact(device, sources, resistances)
        v, i, g = self._plain(device, sources, resistances)
        if math.isfinite(device.breakdown):
            # Laws that agree down to -BV have the same solutions there, and the others lie below for both.
            broken = v - device.resistance * i < -device.breakdown
            if array_namespace(v).any(broken):
                rows, columns = map(self.arrays.index, np.nonzero(self.arrays.take(broken)))
                exact = self._exact(device, sources[rows, columns], resistances[columns])
                v[rows, columns], i[rows, columns], g[rows, columns] = exact
        return v, i, g

    def _exact(self, device: Law, sources: Array, resistances: Array) -> tuple[Array, Array, Array]:
        v, i, g = device.load_line(self.arrays.take(sources), self.arrays.take(resistances))
        return self.arrays.put(v), self.arrays.put(i), self.arrays.put(g)

    def _plain(self, device: Law, sources: Array, resistances: Array) -> tuple[Array, Array, Array]:
        if self.arrays.fused:
            from diodeq.simulators.wave import fused

            return fused.load_line(device, sources, resistances)
        return plain_load_line(device, sources, resistances)


def is_plain(device: Law) -> bool:
    """Whether the law is Shockley's with gmin and a series resistance, and no more, down to its breakdown."""
    knees = math.isinf(device.knee_forward) and math.isinf(device.knee_reverse)
    return knees and device.recombination == 0.0


def plain_load_line(device: Law, sources: Array, resistances: Array) -> tuple[Array, Array, Array]:
    """``Law.load_line`` for a plain law that does not break down: the closed form, corrected where ngspice's reverse
    current is a cubic."""
    xp = array_namespace(sources)
    n_vt, saturation, gmin = device.n_vt, device.saturation, device.gmin
    total = resistances + device.resistance
    divider = 1.0 / (1.0 + total * gmin)
    shunted = total * divider
    drop = shunted * saturation
    shifted = sources * divider
    shifted += drop
    exponent = shifted * (1.0 / n_vt)
    exponent += xp.log(drop / n_vt)
    through = wright_omega(exponent)
    junction = shifted - n_vt * through
    through *= n_vt / shunted  # the diffusion current plus Is
    edge = _number(REVERSE * n_vt, sources)
    if xp.any(junction < edge):
        # The laws meet at the edge, and below it the cubic's current is the larger one: no entry needs to be chosen.
        blocked, cube = _reverse(n_vt, shifted, drop, edge)
        junction = xp.maximum(junction, edge)
        junction -= edge
        junction += blocked
        through = xp.maximum(through, -saturation * cube)
        conductance = -3.0 / blocked
        conductance *= through
    else:
        conductance = through * (1.0 / n_vt)
    conductance += gmin
    current = gmin * junction
    current += through
    current -= saturation
    if device.resistance:
        junction += device.resistance * current
        conductance /= 1.0 + device.resistance * conductance
    return junction, current, conductance


def _reverse(n_vt: float, shifted: Array, drop: Array, edge: Array) -> tuple[Array, Array]:
    """The v up to ``edge`` of ``v = shifted + drop c``, and ``c = (3 nVt / (e v))^3``, by Newton's method.

    The function is convex and rises, and the start is above the solution, unless that is above the edge: then v stays
    there.
    """
    xp = array_namespace(shifted)
    rounding = 4.0 * float(xp.finfo(shifted.dtype).eps)
    v = xp.minimum(shifted, edge)
    for step in range(60):
        x = (CUBE ** (1.0 / 3.0) * n_vt) / v
        cube = x * x
        cube *= x
        push = drop * cube
        error = v - shifted
        error -= push
        # Two steps are enough for nearly all: nobody looks before.
        if step > 1 and not xp.any((v < edge) & (xp.abs(error) > rounding * (xp.abs(v) + drop))):
            break
        push *= 3.0
        push /= v
        push += 1.0
        error /= push
        v -= error
        v = xp.minimum(v, edge)
    return v, cube


def _number(value: float, like: Array) -> Array:
    """A single number as an array of the same kind."""
    return array_namespace(like).asarray(value, dtype=like.dtype, device=like.device)


def wright_omega(x: Array) -> Array:
    """The Wright omega function of real numbers, ``w + log w = x``, to a few roundings of its value.

    Two steps of the iteration of fourth order of Fritsch, Shafer and Crowley (Comm. ACM 16(2), 1973), from about the
    softplus function. Below x = ``NOTHING`` it stays as it is there.
    """
    xp = array_namespace(x)
    x = xp.maximum(x, _number(NOTHING, x))
    start = xp.exp(-xp.abs(x))
    w = start * -0.5
    w += 1.0
    w *= start
    w += xp.maximum(x, _number(0.0, x))
    for _ in range(2):
        error = x - w
        error -= xp.log(w)
        slope = w + 1.0
        factor = error * (2.0 / 3.0)
        factor += slope
        factor *= slope
        factor *= 2.0
        step = factor - error
        step *= error
        error *= 2.0
        factor -= error
        factor *= slope
        step /= factor
        step += 1.0
        w *= step
    return w
