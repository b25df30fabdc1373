"""All diodes of a circuit behind their port resistances: load lines of whole batches, exactly as the law has them.

A plain junction (no recombination, knee or breakdown) is solved in closed form with the Wright omega function, here
by exponentials and logarithms that numpy evaluates many at a time; every other law is solved by ``Law.load_line``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.devices.law import Law, law

Floats = NDArray[np.float64]

# Entries solved together: their working arrays stay in cache.
BLOCK = 1 << 14
# Below -3 nVt ngspice's junction approaches saturation as -Is (1 + (3 nVt / (e v))^3).
REVERSE = -3.0
CUBE = (3.0 / math.e) ** 3


@dataclass(frozen=True, eq=False)
class Diodes:
    """The laws of a circuit's diodes, ``groups`` of (columns, law) that cover them all; ``count`` of them."""

    count: int
    groups: tuple[tuple[NDArray[np.intp] | slice, Law], ...]

    @staticmethod
    def of(circuit: Circuit) -> Diodes:
        """The diodes of a circuit, at its temperature and with ngspice's default gmin of 1e-12 S."""
        used = np.unique(circuit.diodes.values).astype(int).tolist()
        groups: list[tuple[NDArray[np.intp] | slice, Law]] = []
        for k in used:
            device = law(circuit.models[k], circuit.temperature)
            groups.append((slice(None) if len(used) == 1 else np.flatnonzero(circuit.diodes.values == k), device))
        return Diodes(len(circuit.diodes), tuple(groups))

    def load_line(self, sources: Floats, resistances: Floats) -> tuple[Floats, Floats, Floats]:
        """Terminal voltages, currents and terminal conductances float64[B, n_diodes].

        ``sources`` float64[B, n_diodes] are open-circuit volts, ``resistances`` float64[n_diodes] ohms above 0; solves
        ``source = v + resistance * current(v)``.
        """
        found = [np.empty_like(sources) for _ in range(3)]
        for columns, device in self.groups:
            resistance = resistances[columns]
            if is_plain(device):
                rows = max(1, BLOCK // max(1, len(resistance)))
                for start in range(0, len(sources), rows):
                    part = slice(start, start + rows)
                    solved = plain_load_line(device, sources[part, columns], resistance)
                    for whole, piece in zip(found, solved, strict=True):
                        whole[part, columns] = piece
            else:
                for whole, piece in zip(found, device.load_line(sources[:, columns], resistance), strict=True):
                    whole[:, columns] = piece
        return found[0], found[1], found[2]


def is_plain(device: Law) -> bool:
    """Whether the law is Shockley's with gmin and a series resistance, and no more."""
    knees = math.isinf(device.knee_forward) and math.isinf(device.knee_reverse)
    return knees and device.recombination == 0.0 and math.isinf(device.breakdown)


def plain_load_line(device: Law, sources: Floats, resistances: Floats) -> tuple[Floats, Floats, Floats]:
    """``Law.load_line`` for a plain law: the closed form, corrected where ngspice's reverse current is a cubic."""
    sources = np.ascontiguousarray(sources)  # picked columns are not, and the correction below counts through rows
    total = resistances + device.resistance
    divider = 1.0 / (1.0 + total * device.gmin)
    shunted = total * divider
    drop = shunted * device.saturation
    shifted = sources * divider
    shifted += drop
    omega = wright_omega(shifted / device.n_vt + np.log(drop / device.n_vt))
    junction = shifted - device.n_vt * omega
    omega /= shunted
    conductance = omega + device.gmin
    omega *= device.n_vt  # the diffusion current plus Is
    current = omega - device.saturation + device.gmin * junction
    off = np.flatnonzero(junction < REVERSE * device.n_vt)
    if off.size:
        _correct_reverse(device, off, sources, total, junction, current, conductance)
    voltage = junction + device.resistance * current
    conductance /= 1.0 + device.resistance * conductance
    return voltage, current, conductance


def _correct_reverse(
    device: Law, off: NDArray[np.intp], sources: Floats, total: Floats, v: Floats, i: Floats, g: Floats
) -> None:
    """Newton's method on the cubic law below -3 nVt, for the flat indices ``off``; changes v, i and g in place."""
    n_vt, saturation, gmin = device.n_vt, device.saturation, device.gmin
    source, r = sources.ravel()[off], np.broadcast_to(total, v.shape).ravel()[off]
    volts = v.ravel()[off]
    rounding = 4.0 * np.finfo(np.float64).eps * (np.abs(source) + r * saturation)
    for _ in range(60):
        x = n_vt / volts
        cube = CUBE * x * x * x
        slope = (3.0 * saturation / n_vt) * (cube * x) + gmin
        amperes = gmin * volts - saturation * (1.0 + cube)
        drop = r * amperes
        error = volts + drop - source
        if np.all(np.abs(error) <= rounding):
            break
        step = error / (1.0 + r * slope)
        # Both laws agree at -3 nVt, so the solution lies below it for one exactly when it does for the other.
        volts = np.minimum(volts - step, REVERSE * n_vt)
    v.ravel()[off], i.ravel()[off], g.ravel()[off] = volts, amperes, slope


def wright_omega(x: Floats) -> Floats:
    """The Wright omega function of real numbers, ``w + log w = x``, to a few roundings of its value.

    Halley's method on ``exp(z) + z = x`` with ``w = exp(z)``, from the logarithm of the softplus function; three steps
    are enough from there for every x.
    """
    start = np.exp(-np.abs(x))
    soft = np.log1p(start)
    soft += np.maximum(x, 0.0)
    z = np.log(np.maximum(soft, 1e-300))
    # Far below zero the softplus has underflowed, and z = x - exp(x) is better long before.
    np.copyto(z, x - start, where=x < -1.0)
    for _ in range(3):
        e = np.exp(z)
        error = e + z
        error -= x
        slope = e + 1.0
        e *= error
        e *= 0.5
        error *= slope
        slope *= slope
        slope -= e
        error /= slope
        z -= error
    return np.exp(z)
