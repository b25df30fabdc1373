"""The boards that may come: by how much their parts, sources, inputs, diodes and temperature may be off."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from diodeq.circuit import Circuit
from diodeq.circuit.amplifiers import inside
from diodeq.circuit.bank import Floats
from diodeq.circuit.kinds import source_kinds
from diodeq.devices.curve.model import CurveModel
from diodeq.devices.diode.model import DiodeModel
from diodeq.devices.diode.temperature import BOLTZMANN, CHARGE, ZERO_CELSIUS
from diodeq.devices.one_ports import Model, OnePorts, one_ports
from diodeq.errors import InputError, UsageError

Index = NDArray[np.intp]
NONE = np.zeros(0, np.intp)

# What the models of diodes may say where several laws are meant.
WARMED = frozenset(("is", "n", "rs", "bv", "ibv", "nbv", "eg", "xti", "tnom"))
# Kelvins that are bounded at a time: a diode's volts move by 2 mV a kelvin, and what moves little is bounded tightly.
KELVINS = 5.0
# As many kelvins as are looked at: no part is meant for more.
WIDEST = 1000.0


@dataclass(frozen=True)
class Box:
    """The boards that may come: resistances within ± ``tolerance`` of what is drawn, constant sources within ±
    ``supply`` of theirs (shares), temperatures from ``cold`` to ``hot`` °C.

    Diodes' IS, N and RS are within ± ``saturation``, ``emission`` and ``series`` of theirs (shares). Inputs are off by
    ``inputs`` volts at most: one number, or float64[n_in]. ``own`` float64[R] are tolerances of each resistor, instead
    of ``tolerance``. Any one that is trained may be stuck instead, at one of the levels ``stuck`` in siemens.

    Raises:
        UsageError: a number that makes no sense: a box inside out would hold no board, and of those all is proved.
    """

    tolerance: float
    supply: float = 0.0
    cold: float = 27.0
    hot: float = 27.0
    saturation: float = 0.0
    emission: float = 0.0
    series: float = 0.0
    inputs: float | Floats = 0.0
    own: Floats | None = None
    offset: float = 0.0
    bias: float = 0.0
    gain: float = np.inf
    stuck: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        shares = {
            "resistors": self.tolerance if self.own is None else self.own,
            "sources": self.supply,
            "IS": self.saturation,
            "N": self.emission,
            "RS": self.series,
        }
        for what, share in shares.items():
            wrong = np.atleast_1d(share)[~((np.atleast_1d(share) >= 0.0) & (np.atleast_1d(share) < 1.0))]
            if len(wrong):
                raise UsageError(
                    f"a tolerance of {100 * wrong[0]:g} % of {what} is not possible", "give 0 % or more, below 100 %"
                )
        for what, most in (("inputs", self.inputs), ("offsets", self.offset), ("input currents", self.bias)):
            if not (np.isfinite(most).all() and np.greater_equal(most, 0.0).all()):
                raise UsageError(f"{what} cannot be off by {np.min(most):g}", "give 0 or more")
        if not self.gain > 0.0:
            raise UsageError(f"a gain of at least {self.gain:g} says nothing", "give one above 0")
        if not -ZERO_CELSIUS < self.cold <= self.hot < np.inf or self.hot - self.cold > WIDEST:
            raise UsageError(
                f"temperatures of {self.cold:g} … {self.hot:g} °C are not possible",
                f"give the coldest and the hottest, at most {WIDEST:g} K apart",
            )

    def of_parts(self, circuit: Circuit) -> Floats:
        """The tolerance of each resistor, float64[R]; those inside amplifiers have none."""
        if self.own is not None:
            return self.own
        return np.where(inside(circuit, "resistors"), 0.0, self.tolerance)

    def centre(self, circuit: Circuit) -> Circuit:
        """The board in the middle of them: conductances are from ``G / (1 + t)`` to ``G / (1 - t)``."""
        middle = circuit.with_conductances(circuit.conductances / (1.0 - self.of_parts(circuit) ** 2))
        return replace(middle, temperature=0.5 * (self.cold + self.hot))

    def pieces(self) -> list[Box]:
        """The box cut into narrow ranges of temperature."""
        count = max(1, int(np.ceil((self.hot - self.cold) / KELVINS)))
        edges = np.linspace(self.cold, self.hot, count + 1).tolist()
        return [replace(self, cold=low, hot=high) for low, high in itertools.pairwise(edges)]

    @property
    def of_amplifiers(self) -> bool:
        """Whether figures of amplifiers are off."""
        return bool(self.offset or self.bias or self.gain < np.inf)

    @property
    def of_resistors_alone(self) -> bool:
        """Whether nothing but resistors is off, all by the same share."""
        others = (
            self.of_amplifiers
            or self.supply
            or any(self.parameters)
            or np.any(self.inputs)
            or self.own is not None
            or self.stuck
        )
        return self.cold == self.hot and not others

    def sources(self, circuit: Circuit) -> tuple[Floats, sparse.csr_array]:
        """By how many volts or amperes [s] each source may be off, and what each input's deviation, as large as may be,
        does to them, sparse [s, n_in]."""
        values = np.concatenate([circuit.bank(kind).values for kind in source_kinds()])
        off = np.broadcast_to(np.asarray(self.inputs, np.float64), (len(circuit.inputs),))
        return self.supply * np.abs(values), sparse.csr_array(circuit.inputs.gains(len(values)) * off)

    @property
    def parameters(self) -> tuple[float, float, float]:
        """The shares by which diodes' own parameters may be off."""
        return self.saturation, self.emission, self.series

    def laws(self, models: Sequence[Model], which: Index, fixed: Index = NONE) -> tuple[OnePorts, ...]:
        """The laws of one-ports that follow ``models[which]``, with the least and with the largest currents; models
        ``fixed`` are inside amplifiers and have no tolerances."""
        ends: list[tuple[float, tuple[Model, ...]]] = []
        for celsius, sign in ((self.cold, -1.0), (self.hot, 1.0)):
            moved = np.setdiff1d(which, fixed)
            made = [self._moved(model, sign) if number in moved else model for number, model in enumerate(models)]
            if (celsius, tuple(made)) not in ends:
                ends.append((celsius, tuple(made)))
        return tuple(one_ports(made, which, celsius) for celsius, made in ends)

    def _moved(self, model: Model, sign: float) -> Model:
        """The model whose currents are least, or with ``sign`` 1 largest."""
        if not any(self.parameters):
            return model
        if not isinstance(model, DiodeModel):
            raise InputError(f"{model.name} has no IS, N or RS", "leave out the tolerances of diodes")
        given = dict(model.parameters)
        for key, share in (("is", self.saturation), ("n", -self.emission), ("rs", -self.series)):
            given[key] = model.get(key) * (1.0 + sign * share)
        return replace(model, parameters=tuple(given.items()))

    def nested(self, models: Sequence[Model], which: Index, fixed: Index = NONE) -> tuple[Floats, Floats] | None:
        """The voltages [d] between which all laws are between those of ``laws``; None where there is but one.

        With temperature: of ``Is(T) (exp(v / n Vt) - 1)`` with SPICE's ``d ln Is / dT = (EG / n Vt + XTI / n) / T`` the
        magnitude grows for ``v <= EG - n Vt``: the exponential's own part is at most ``(v / n Vt + 1) / T``. It grows
        with IS and falls with N and RS everywhere. Half of BV keeps off breakdown.

        Raises:
            InputError: a one-port whose law is not known to change so.
        """
        if self.hot == self.cold and not any(self.parameters):
            return None
        low, high = np.full(len(models), -np.inf), np.full(len(models), np.inf)
        for number in np.unique(which).tolist():
            model = models[number]
            if isinstance(model, CurveModel) and (number in fixed or not any(self.parameters)):
                continue  # the same at all temperatures
            if not isinstance(model, DiodeModel) or not {key for key, _ in model.at_rest().parameters} <= WARMED:
                raise InputError(
                    f"the current of {model.name} is not known to grow with temperature alone",
                    "leave out --temperature, or give one temperature, and no tolerances of diodes",
                )
            if self.emission and number not in fixed and not self.cold == self.hot == model.get("tnom"):
                raise InputError(
                    f"what N of {model.name} does to IS at other temperatures is not bounded",
                    f"leave out --temperature or the tolerance of N (at {model.get('tnom'):g} °C it is)",
                )
            low[number] = -0.5 * model.get("bv")
            n = model.get("n") * (1.0 + self.emission)
            warmest = model.get("eg") - n * BOLTZMANN / CHARGE * (self.hot + ZERO_CELSIUS)
            high[number] = warmest if self.hot > self.cold else np.inf
        return low[which], high[which]
