"""All diodes of a circuit behind their port resistances: load lines of whole batches, exactly as the law has them.

A plain junction (no recombination, knee or breakdown) is solved in closed form with the Wright omega function, here
by exponentials and logarithms that vectorize and in ``fused`` by one compiled loop; every other law is solved by
``Law.load_line``, in numpy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.devices.law import Law, law
from diodeq.simulators.wave.arrays import Array, Arrays, array_namespace, is_numpy_array

# Entries that numpy solves together: their working arrays stay in cache.
BLOCK = 1 << 15
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
            solved = device.load_line(self.arrays.take(sources), self.arrays.take(resistances))
            return self.arrays.put(solved[0]), self.arrays.put(solved[1]), self.arrays.put(solved[2])
        if self.arrays.fused:
            from diodeq.simulators.wave import fused

            return fused.load_line(device, sources, resistances)
        if not is_numpy_array(sources) or sources.size <= BLOCK:
            return plain_load_line(device, sources, resistances)
        v, i, g = (np.empty_like(sources) for _ in range(3))
        rows = max(1, BLOCK // sources.shape[1])
        for start in range(0, len(sources), rows):
            part = slice(start, start + rows)
            v[part], i[part], g[part] = plain_load_line(device, sources[part], resistances)
        return v, i, g


def is_plain(device: Law) -> bool:
    """Whether the law is Shockley's with gmin and a series resistance, and no more."""
    knees = math.isinf(device.knee_forward) and math.isinf(device.knee_reverse)
    return knees and device.recombination == 0.0 and math.isinf(device.breakdown)


def plain_load_line(device: Law, sources: Array, resistances: Array) -> tuple[Array, Array, Array]:
    """``Law.load_line`` for a plain law: the closed form, corrected where ngspice's reverse current is a cubic."""
    xp = array_namespace(sources)
    n_vt, saturation, gmin = device.n_vt, device.saturation, device.gmin
    total = resistances + device.resistance
    divider = 1.0 / (1.0 + total * gmin)
    shunted = total * divider
    drop = shunted * saturation
    shifted = sources * divider
    shifted += drop
    omega = wright_omega(shifted / n_vt + xp.log(drop / n_vt))
    junction = shifted - n_vt * omega
    omega /= shunted
    conductance = omega + gmin
    omega *= n_vt  # the diffusion current plus Is
    omega -= saturation
    current = omega + gmin * junction
    off = junction < REVERSE * n_vt
    if xp.any(off):
        blocked, cube = _reverse(n_vt, shifted, drop, junction, off)
        junction = xp.where(off, blocked, junction)
        current = xp.where(off, gmin * blocked - saturation * (1.0 + cube), current)
        conductance = xp.where(off, gmin + 3.0 * saturation * cube / blocked, conductance)
    voltage = junction + device.resistance * current
    conductance /= 1.0 + device.resistance * conductance
    return voltage, current, conductance


def _reverse(n_vt: float, shifted: Array, drop: Array, start: Array, off: Array) -> tuple[Array, Array]:
    """Where ``off``: the v below -3 nVt of ``v = shifted + drop c``, and ``c = (3 nVt / (e v))^3``, by Newton's method.

    The function is convex and rises, so no start is too far away. Elsewhere what is returned means nothing.
    """
    xp = array_namespace(shifted)
    rounding = 4.0 * float(xp.finfo(shifted.dtype).eps)
    # Both laws agree at -3 nVt, so the solution lies below it for one exactly when it does for the other.
    v = xp.minimum(start, xp.full_like(start, REVERSE * n_vt))
    for _ in range(60):
        x = n_vt / v
        cube = CUBE * x * x * x
        push = drop * cube
        error = v - shifted - push
        if not xp.any(off & (xp.abs(error) > rounding * (xp.abs(v) + drop))):
            break
        v = xp.minimum(v - error / (1.0 + 3.0 * push / v), xp.full_like(v, REVERSE * n_vt))
    return v, cube


def wright_omega(x: Array) -> Array:
    """The Wright omega function of real numbers, ``w + log w = x``, to a few roundings of its value.

    Two steps of the iteration of fourth order of Fritsch, Shafer and Crowley (Comm. ACM 16(2), 1973), from the softplus
    function. Below x = ``NOTHING`` it stays as it is there.
    """
    xp = array_namespace(x)
    x = xp.maximum(x, xp.full_like(x, NOTHING))
    start = xp.exp(-xp.abs(x))
    w = xp.where(x < -1.0, start - start * start, xp.log1p(start) + xp.where(x > 0.0, x, xp.zeros_like(x)))
    for _ in range(2):
        error = x - w
        error -= xp.log(w)
        slope = w + 1.0
        factor = error * (2.0 / 3.0)
        factor += slope
        factor *= slope
        factor *= 2.0
        step = error / slope
        factor -= error
        step *= factor
        factor -= error
        step /= factor
        step += 1.0
        w *= step
    return w
