"""All diodes of a circuit behind their port resistances: load lines of whole batches, exactly as the laws have them.

A plain junction (no recombination, no knee) is solved in closed form with the Wright omega function, here by
exponentials and logarithms that vectorize and in ``fused`` by one compiled loop. What breaks down, and every other
one-port, is solved by its own ``load_line``, in numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.devices.diode.law import Law
from diodeq.devices.one_ports import Joined, OnePorts, one_ports
from diodeq.simulators.wave.arrays import Array, Arrays, array_namespace
from diodeq.simulators.wave.plain import CUBE, NOTHING, REVERSE, Plain

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Diodes:
    """The one-ports of a circuit, ``count`` of them: ``plain`` ones in columns ``fast``, all others in ``slow``."""

    count: int
    ports: OnePorts
    plain: Plain | None
    fast: Array
    slow: NDArray[np.intp]
    arrays: Arrays
    taken: dict[tuple[int, Any], tuple[NDArray[np.intp], Diodes]] = field(default_factory=dict)

    @staticmethod
    def of(circuit: Circuit, arrays: Arrays | None = None) -> Diodes:
        """The diodes of a circuit, at its temperature and with ngspice's default gmin of 1e-12 S."""
        return Diodes._of(one_ports(circuit.models, circuit.diodes.values, circuit.temperature), arrays or Arrays.of())

    def take(self, index: NDArray[np.intp], arrays: Arrays) -> Diodes:
        """Some of them, for numbers of some type: for the same array the same again."""
        key = id(index), arrays.dtype
        if key not in self.taken:
            self.taken[key] = index, Diodes._of(self.ports.take(index), arrays)
        return self.taken[key][1]

    @staticmethod
    def _of(ports: OnePorts, arrays: Arrays) -> Diodes:
        plain = _is_plain(ports)
        laws = ports.take(plain) if plain.any() else None
        constants = Plain.of(laws, arrays) if isinstance(laws, Law) else None
        return Diodes(len(ports), ports, constants, arrays.index(np.flatnonzero(plain)), np.flatnonzero(~plain), arrays)

    def missed(self, voltage: Floats, current: Floats) -> Floats:
        """``ports.missed`` for [B, n_diodes], compiled where the diodes are plain junctions and ``fused``."""
        found = self._quickly(voltage, current)
        return self.ports.missed(voltage, current) if found is None else found

    @cached_property
    def _quickly(self) -> Callable[[Floats, Floats], Floats | None]:
        if not (self.arrays.fused and isinstance(self.ports, Law) and self.count) or len(self.slow):
            return lambda voltage, current: None
        from diodeq.simulators.wave import fused

        return partial(fused.missed, fused.law_columns(self.ports), self.ports.gmin)

    def load_line(self, sources: Array, resistances: Array) -> tuple[Array, Array, Array]:
        """Terminal voltages, currents and terminal conductances [B, n_diodes].

        ``sources`` [B, n_diodes] are open-circuit volts, ``resistances`` [n_diodes] ohms above 0; solves
        ``source = v + resistance * current(v)``. NaN where a source is not finite.
        """
        return self.behind(resistances)(sources)

    def behind(self, resistances: Array) -> Callable[[Array], tuple[Array, Array, Array]]:
        """``load_line`` with what does not change prepared."""
        if not self.count:
            return lambda sources: (sources, sources, sources)
        if self.plain is None:
            return partial(self._exact, self.ports, resistances)
        if not len(self.slow):
            return self._solve(self.plain, self.fast, resistances)
        slow = self.arrays.index(self.slow)
        pieces = (
            (self.fast, self._solve(self.plain, self.fast, resistances[self.fast])),
            (slow, partial(self._exact, self.ports.take(self.slow), resistances[slow])),
        )

        def solve(sources: Array) -> tuple[Array, Array, Array]:
            v, i, g = (array_namespace(sources).empty_like(sources) for _ in range(3))
            for columns, piece in pieces:
                v[:, columns], i[:, columns], g[:, columns] = piece(sources[:, columns])
            return v, i, g

        return solve

    def _solve(self, plain: Plain, numbers: Array, resistances: Array) -> Callable[[Array], tuple[Array, Array, Array]]:
        """Load lines of plain junctions, ``numbers`` among all."""
        fused: Any = None
        if self.arrays.fused:
            from diodeq.simulators.wave import fused

            constants = fused.columns_of(plain, resistances, self.arrays.dtype)

        def solve(sources: Array) -> tuple[Array, Array, Array]:
            if fused:
                v, i, g, rows = fused.load_line(*constants, sources)
                if plain.breakdown is None or not rows.any():
                    return v, i, g
            else:
                v, i, g = plain_load_line(plain, sources, resistances)
                if plain.breakdown is None:
                    return v, i, g
            # Laws that agree down to -BV have the same solutions there, and the others lie below for both.
            junction = v if plain.resistance is None else v - plain.resistance * i
            broken = junction < -plain.breakdown
            if array_namespace(v).any(broken):
                rows, columns = map(self.arrays.index, np.nonzero(self.arrays.take(broken)))
                ports = self.ports.take(self.arrays.take(numbers[columns]))
                exact = self._exact(ports, resistances[columns], sources[rows, columns])
                v[rows, columns], i[rows, columns], g[rows, columns] = exact
            return v, i, g

        return solve

    def _exact(self, ports: OnePorts, resistances: Array, sources: Array) -> tuple[Array, Array, Array]:
        given = self.arrays.take(sources)
        finite = np.isfinite(given)
        if finite.all():
            v, i, g = ports.load_line(given, self.arrays.take(resistances))
        else:
            v, i, g = ports.load_line(np.where(finite, given, 0.0), self.arrays.take(resistances))
            for each in (v, i, g):
                each[~finite] = np.nan
        return self.arrays.put(v), self.arrays.put(i), self.arrays.put(g)


def _is_plain(ports: OnePorts) -> NDArray[np.bool_]:
    """Which of the one-ports are plain junctions behind a resistor, down to their breakdown: bool[n]."""
    found = np.zeros(len(ports), bool)
    if isinstance(ports, Law):
        found[:] = ports.plain
    elif isinstance(ports, Joined):
        for k, member in enumerate(ports.members):
            found[ports.family == k] = _is_plain(member)
    return found


def plain_load_line(plain: Plain, sources: Array, resistances: Array) -> tuple[Array, Array, Array]:
    """``Law.load_line`` for a plain law that does not break down: the closed form, corrected where ngspice's reverse
    current is a cubic."""
    xp = array_namespace(sources)
    n_vt, saturation, gmin, resistance = plain.n_vt, plain.saturation, plain.gmin, plain.resistance
    total = resistances if resistance is None else resistances + resistance
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
    if resistance is not None:
        junction += resistance * current
        conductance /= 1.0 + resistance * conductance
    return junction, current, conductance


def _reverse(n_vt: Any, shifted: Array, drop: Array, edge: Array) -> tuple[Array, Array]:
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


def _number(value: Any, like: Array) -> Array:
    """A number, or one a column, as an array of the same kind."""
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
