"""Where the operating point of every board lies whose parts are within their tolerances, node by node: proved bounds.

Let ``F_i(v)`` be the least current that can leave node i on any board, each resistor choosing its conductance and each
one-port its temperature for that node alone. Every term grows with ``v_i`` less the voltage at its other end. So if
``F(x) <= 0 <= F(y)`` then ``x <= y``: at the nodes where ``x - y`` is largest and positive no term of F(x) is less than
that of F(y), and where such a node has another neighbour one is more. Every board's voltages are such an x; what is
found with ``F >= 0`` is above all of them, and likewise below. (M-functions: Ortega & Rheinboldt, Iterative Solution of
Nonlinear Equations in Several Variables, 1970, chapter 13.) It asks for resistors, sources and one-ports whose laws
never fall, and for no small tolerance.

Sums are rounded to nearest: F must be above 0 by ``ROUNDING`` of what it sums, and of ``RESOLUTION`` of what it is the
difference of.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from diodeq.analysis.passive import Index, Passive
from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.circuit.equations import incidence
from diodeq.circuit.proof import attainable
from diodeq.devices.diode.model import DiodeModel
from diodeq.devices.diode.temperature import BOLTZMANN, CHARGE, ZERO_CELSIUS
from diodeq.devices.one_ports import OnePorts, one_ports
from diodeq.errors import InputError
from diodeq.simulators.base import OperatingPoint

ROUNDING, RESOLUTION = 1e-12, 1e-3
# Newton's steps towards a node's bound, and the volts that one of them may take at most.
STEPS, STRIDE = 80, 0.3
# What the models of diodes may say where several temperatures are meant.
WARMED = frozenset(("is", "n", "rs", "bv", "ibv", "nbv", "eg", "xti", "tnom"))


@dataclass(frozen=True)
class Box:
    """The boards that may come: resistances within ± ``tolerance`` of what is drawn, constant sources within ±
    ``supply`` of theirs (shares), temperatures from ``cold`` to ``hot`` °C."""

    tolerance: float
    supply: float = 0.0
    cold: float = 27.0
    hot: float = 27.0

    def centre(self, circuit: Circuit) -> Circuit:
        """The board in the middle of them: conductances are from ``G / (1 + t)`` to ``G / (1 - t)``."""
        middle = circuit.with_conductances(circuit.conductances / (1.0 - self.tolerance**2))
        return replace(middle, temperature=0.5 * (self.cold + self.hot))


@dataclass(frozen=True, eq=False)
class Boards:
    """All boards for one sample, around the centre's ``volts`` [N] and conductances ``middle`` [n].

    Conductances are off by the share ``tolerance`` at most, held nodes by ``supply`` [N] volts; ``injected`` [n]
    amperes come into each free node, give or take ``unsure`` [n]. ``usual`` are the centre's laws, ``laws`` those at
    the least and the highest temperature; ``slack`` is what the engine may be off. ``grows`` [d] are the voltages
    between which currents grow with temperature, None where there is one temperature.
    """

    passive: Passive
    volts: Floats
    middle: Floats
    tolerance: float
    supply: Floats
    injected: Floats
    unsure: Floats
    usual: OnePorts
    laws: tuple[OnePorts, ...]
    slack: float
    grows: tuple[Floats, Floats] | None

    @staticmethod
    def of(passive: Passive, box: Box, point: OperatingPoint, sample: int) -> Boards:
        """From the operating point of ``box.centre``.

        Raises:
            InputError: the box has several temperatures and a one-port whose law is not known to grow with them.
        """
        circuit, volts = point.circuit, point.node_voltages[sample]
        usual, *laws = (
            one_ports(circuit.models, passive.models, celsius)
            for celsius in (circuit.temperature, *dict.fromkeys((box.cold, box.hot)))
        )
        return Boards(
            passive,
            volts,
            circuit.conductances[passive.resistors.number],
            box.tolerance,
            box.supply * passive.volts,
            _injected(circuit, point.drives[sample])[passive.free],
            box.supply * passive.amperes[passive.free],
            usual,
            tuple(laws),
            float(attainable(volts[None])[0]),
            _growing(circuit, passive.models, box) if box.hot > box.cold else None,
        )

    def bound(self, sign: float) -> Floats:
        """Volts [N] above (``sign`` 1) or below (-1) those of every board, infinite where none are found."""
        free = self.passive.free
        v = sign * self.volts + self.supply
        for _ in range(STEPS):
            leaving, slopes, met = self._least_leaving(sign, v)
            if not np.isfinite(leaving).all():
                break
            try:
                step = np.linalg.solve(slopes, 16.0 * ROUNDING * met - leaving)
            except np.linalg.LinAlgError:
                break
            v[free] += np.clip(step, -STRIDE, STRIDE)
            if (np.abs(step) < 1e-6).all():
                leaving, _, met = self._least_leaving(sign, v)
                if (leaving >= 4.0 * ROUNDING * met).all():
                    return sign * v
        v[free] = np.inf
        return sign * v

    def _least_leaving(self, sign: float, v: Floats) -> tuple[Floats, Floats, Floats]:
        """The least current [n] that can leave each free node at voltages ``sign`` v [N], times ``sign``; its slopes
        [n, n], and the sum of the magnitudes that were added up."""
        passive, count = self.passive, len(self.passive.free)
        wires = passive.resistors
        across = v[wires.near] - v[wires.far]
        g = self.middle[wires.part] * np.where(across > 0.0, 1.0 - self.tolerance, 1.0 + self.tolerance)
        current = g * across
        leaving = np.bincount(wires.here, current, count).astype(np.float64)
        # Voltages have digits, too: what comes of their differences is no better.
        seen = np.abs(current) + RESOLUTION * g * (np.abs(v[wires.near]) + np.abs(v[wires.far]))
        met = np.bincount(wires.here, seen, count).astype(np.float64)
        leaving -= sign * self.injected + self.unsure
        met += np.abs(self.injected) + self.unsure
        slopes = wires.matrix(g, count)
        wires = passive.ports
        if len(wires.part):
            forward = v[wires.nodes[:, 0]] - v[wires.nodes[:, 1]]
            currents = np.stack([sign * law.current(sign * forward) for law in self.laws])[:, wires.part]
            currents = np.where(wires.turned, -currents, currents)
            steep = np.stack([law.conductance(sign * forward) for law in self.laws])[:, wires.part]
            chosen = currents.argmin(axis=0)[None]
            current, g = (np.take_along_axis(each, chosen, axis=0)[0] for each in (currents, steep))
            leaving += np.bincount(wires.here, current, count)
            met += np.bincount(wires.here, np.abs(current), count)
            slopes += wires.matrix(g, count)
        return leaving, slopes, met


def _injected(circuit: Circuit, drives: Floats) -> Floats:
    """Amperes [N] that current sources send into each node, for input volts or amperes ``drives`` float64[n_in]."""
    values = circuit.source_values(drives)[0, len(circuit.voltage_sources) :]
    return -np.asarray(incidence(circuit, "current_sources") @ values, np.float64)


def _growing(circuit: Circuit, models: Index, box: Box) -> tuple[Floats, Floats]:
    """The voltages [d] between which each diode's current grows in magnitude with temperature all over the box.

    Of ``Is(T) (exp(v / n Vt) - 1)`` with SPICE's ``d ln Is / dT = (EG / n Vt + XTI / n) / T`` it does for
    ``v <= EG - n Vt``: the exponential's own part is at most ``(v / n Vt + 1) / T``. Half of BV keeps off breakdown.
    """
    low, high = np.empty(len(circuit.models)), np.empty(len(circuit.models))
    for number in np.unique(models).tolist():
        model = circuit.models[number]
        if not isinstance(model, DiodeModel) or not {key for key, _ in model.at_rest().parameters} <= WARMED:
            raise InputError(
                f"the current of {model.name} is not known to grow with temperature alone",
                "leave out --temperature, or give one temperature",
            )
        low[number] = -0.5 * model.get("bv")
        high[number] = model.get("eg") - model.get("n") * BOLTZMANN / CHARGE * (box.hot + ZERO_CELSIUS)
    return low[models], high[models]
