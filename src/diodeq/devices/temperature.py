"""How a diode's constants move with temperature, in ngspice's formulas and with ngspice's constants."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

from diodeq.devices.model import DiodeModel
from diodeq.errors import InputError

BOLTZMANN = 1.38064852e-23  # J/K, and
CHARGE = 1.6021766208e-19  # C: ngspice's const.h (CODATA 2014); newer values move a diode's voltage by 2e-7
ZERO_CELSIUS = 273.15
REFERENCE = 27.0 + ZERO_CELSIUS
LARGEST_EXPONENT = 700.0


@dataclass(frozen=True)
class Heat:
    """A temperature, the temperature at which a model's parameters hold, and its activation energies.

    Formulas: ngspice 39, diotemp.c, with TLEV = TLEVC = 0; they are SPICE2's.
    """

    kelvin: float
    nominal: float
    """K"""
    eg: float
    xti: float

    @classmethod
    def of(cls, model: DiodeModel, temperature: float) -> Self:
        """``model`` at ``temperature`` (°C); raises `InputError` at or below absolute zero."""
        if not (math.isfinite(temperature) and temperature > -ZERO_CELSIUS):
            raise InputError(f"{temperature} °C is not a temperature", "give degrees Celsius above -273.15")
        return cls(temperature + ZERO_CELSIUS, model.get("tnom") + ZERO_CELSIUS, model.get("eg"), model.get("xti"))

    @property
    def vt(self) -> float:
        """The thermal voltage kT/q, V."""
        return BOLTZMANN / CHARGE * self.kelvin

    def saturation(self, nominal: float, emission: float) -> float:
        """A saturation current with its emission coefficient; EG and XTI are both divided by the latter."""
        ratio = self.kelvin / self.nominal
        exponent = (ratio - 1.0) * self.eg / (emission * self.vt) + self.xti / emission * math.log(ratio)
        return nominal * math.exp(min(exponent, LARGEST_EXPONENT))

    def polynomial(self, nominal: float, linear: float, quadratic: float) -> float:
        """A parameter with relative temperature coefficients in 1/K and 1/K²."""
        warming = self.kelvin - self.nominal
        return nominal * (1.0 + linear * warming + quadratic * warming**2)

    def breakdown(self, model: DiodeModel, saturation: float) -> float:
        """The voltage at which the breakdown exponential starts, such that IBV flows at BV; infinite without BV.

        The fixed-point iteration stops, as ngspice's, at a relative error of reltol, which diodeq always sets to 1e-9.
        """
        n_vt = model.get("nbv") * self.vt
        bv = model.get("bv") - model.get("tcv") * (self.kelvin - self.nominal)
        ibv = model.get("ibv")
        if math.isinf(bv) or ibv < saturation * bv / self.vt:
            return bv
        start = bv - n_vt * math.log(1.0 + ibv / saturation)
        for _ in range(25):
            start = bv - n_vt * math.log(ibv / saturation + 1.0 - start / self.vt)
            reached = saturation * (math.exp((bv - start) / n_vt) - 1.0 + start / self.vt)
            if abs(reached - ibv) <= 1e-9 * ibv:
                break
        return start

    def potential(self, vj: float, fc: float) -> float:
        """The junction potential, V; in a direct current only the recombination term uses it."""
        at_reference = (vj - _gap_shift(self.nominal)) * REFERENCE / self.nominal
        potential = _gap_shift(self.kelvin) + self.kelvin / REFERENCE * at_reference
        return 1.0 / fc if fc * potential > 1.0 else potential


def _gap_shift(kelvin: float) -> float:
    """What the band gap and the intrinsic density contribute to a junction potential, V."""
    gap = 1.16 - 7.02e-4 * kelvin * kelvin / (kelvin + 1108.0)
    over_kt = (1.1150877 / REFERENCE - gap / kelvin) / (2.0 * BOLTZMANN)
    return -2.0 * BOLTZMANN / CHARGE * kelvin * (1.5 * math.log(kelvin / REFERENCE) + CHARGE * over_kt)
