"""How diodes' constants move with temperature, in ngspice's formulas and with ngspice's constants."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from diodeq.errors import InputError

Floats = NDArray[np.float64]

BOLTZMANN = 1.38064852e-23  # J/K, and
CHARGE = 1.6021766208e-19  # C: ngspice's const.h (CODATA 2014); newer values move a diode's voltage by 2e-7
ZERO_CELSIUS = 273.15
REFERENCE = 27.0 + ZERO_CELSIUS
LARGEST_EXPONENT = 700.0


@dataclass(frozen=True)
class Temperatures:
    """A temperature, and of n diodes the temperature at which their parameters hold and their activation energies.

    Formulas: ngspice 39, diotemp.c, with TLEV = TLEVC = 0; they are SPICE2's. All arrays are float64[n].
    """

    kelvin: float
    nominal: Floats
    """K"""
    eg: Floats
    xti: Floats

    @classmethod
    def of(cls, parameters: Mapping[str, Floats], temperature: float) -> Self:
        """Diodes with these SPICE parameters at ``temperature`` (°C); raises `InputError` up to absolute zero."""
        if not (math.isfinite(temperature) and temperature > -ZERO_CELSIUS):
            raise InputError(f"{temperature} °C is not a temperature", "give degrees Celsius above -273.15")
        nominal = parameters["tnom"] + ZERO_CELSIUS
        return cls(temperature + ZERO_CELSIUS, nominal, parameters["eg"], parameters["xti"])

    @property
    def vt(self) -> float:
        """The thermal voltage kT/q, V."""
        return BOLTZMANN / CHARGE * self.kelvin

    def saturation(self, nominal: Floats, emission: Floats) -> Floats:
        """A saturation current with its emission coefficient; EG and XTI are both divided by the latter."""
        ratio = self.kelvin / self.nominal
        exponent = (ratio - 1.0) * self.eg / (emission * self.vt) + self.xti / emission * np.log(ratio)
        return np.asarray(nominal * np.exp(np.minimum(exponent, LARGEST_EXPONENT)))

    def polynomial(self, nominal: Floats, linear: Floats, quadratic: Floats) -> Floats:
        """A parameter with relative temperature coefficients in 1/K and 1/K²."""
        warming = self.kelvin - self.nominal
        return nominal * (1.0 + linear * warming + quadratic * warming**2)

    def breakdown(self, parameters: Mapping[str, Floats], saturation: Floats) -> Floats:
        """The voltage at which the breakdown exponential starts, such that IBV flows at BV; infinite without BV.

        The fixed-point iteration stops, as ngspice's, at a relative error of reltol, which diodeq always sets to 1e-9.
        """
        start: Floats = parameters["bv"] - parameters["tcv"] * (self.kelvin - self.nominal)
        todo = np.flatnonzero(np.isfinite(start) & (parameters["ibv"] >= saturation * start / self.vt))
        n_vt, ibv, bv = parameters["nbv"][todo] * self.vt, parameters["ibv"][todo], start[todo]
        least = saturation[todo]
        start[todo] = bv - n_vt * np.log(1.0 + ibv / least)
        for _ in range(25):
            if not todo.size:
                break
            start[todo] = found = bv - n_vt * np.log(ibv / least + 1.0 - start[todo] / self.vt)
            reached = least * (np.exp((bv - found) / n_vt) - 1.0 + found / self.vt)
            left = np.abs(reached - ibv) > 1e-9 * ibv
            todo, n_vt, ibv, bv, least = todo[left], n_vt[left], ibv[left], bv[left], least[left]
        return start

    def potential(self, vj: Floats, fc: Floats) -> Floats:
        """The junction potential, V; in a direct current only the recombination term uses it."""
        potential = gap_shift(self.kelvin) + self.kelvin / REFERENCE * self._at_reference(vj)
        with np.errstate(divide="ignore"):
            return np.where(fc * potential > 1.0, 1.0 / fc, potential)

    def depletion(self, cjo: Floats, vj: Floats, grading: Floats) -> Floats:
        """The junction capacitance at 0 V, F; ``grading`` is the coefficient at this temperature."""
        at_reference = self._at_reference(vj)
        potential = gap_shift(self.kelvin) + self.kelvin / REFERENCE * at_reference

        def share(kelvin: Floats | float, volts: Floats) -> Floats:
            """How the capacitance grows from the reference to a temperature where the potential is so many volts."""
            return 1.0 + grading * (4e-4 * (kelvin - REFERENCE) - (volts - at_reference) / at_reference)

        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(cjo * share(self.kelvin, potential) / share(self.nominal, vj))

    def _at_reference(self, vj: Floats) -> Floats:
        return np.asarray((vj - gap_shift(self.nominal)) * REFERENCE / self.nominal)


def gap_shift(kelvin: Floats | float) -> Floats:
    """What the band gap and the intrinsic density contribute to a junction potential, V."""
    over_kt = (1.1150877 / REFERENCE - gap(kelvin) / kelvin) / (2.0 * BOLTZMANN)
    return np.asarray(-2.0 * BOLTZMANN / CHARGE * kelvin * (1.5 * np.log(kelvin / REFERENCE) + CHARGE * over_kt))


def gap(kelvin: Floats | float) -> Floats:
    """The band gap of silicon, eV."""
    return np.asarray(1.16 - 7.02e-4 * kelvin * kelvin / (kelvin + 1108.0))
