"""The compiler: a network's weights in, a circuit and the account of it out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from diodeq.circuit import Circuit
from diodeq.devices import Model, catalogue
from diodeq.devices import amplifier as amplifiers
from diodeq.devices.amplifier import Amplifier
from diodeq.devices.hardware.technology import Technology
from diodeq.errors import NotRealizableError, UsageError
from diodeq.network import Network
from diodeq.network.solve import as_inputs
from diodeq.synthesis.amplified.drivers import SuppliedAmplifier
from diodeq.synthesis.amplified.rectified import compile_rectified
from diodeq.synthesis.amplified.scaling import Solved
from diodeq.synthesis.cascade import REALIZATIONS, compile_cascade
from diodeq.synthesis.halves import without_sigmoids
from diodeq.synthesis.report import Report

NAMES = (*REALIZATIONS, "precision")
"""All by name; ``auto`` tries the last one first where there are amplifiers."""

MAX_GAIN = 1000.0
# Volts per unit beyond which no circuit is looked for.
HIGHEST = 1e9
LOWEST = 1e-6  # voltages are right to 1e-9 V


@dataclass(frozen=True, eq=False)
class Compiled:
    """A circuit and how it came about. ``network`` is what it computes: the given one, or the nearest."""

    circuit: Circuit
    report: Report
    network: Network


def compile_network(
    network: Network,
    realization: str = "auto",
    *,
    diode: str | Model = "ideal",
    technology: Technology | None = None,
    volts_per_unit: float | None = None,
    remedy: str = "auto",
    inputs: ArrayLike | None = None,
    max_gain: float = MAX_GAIN,
    allow_nonunique: bool = False,
    title: str = "",
    amplifier: str | Amplifier | None = None,
) -> Compiled:
    """Compile a cascade of stages into a circuit.

    Args:
        network: the weights.
        realization: one of ``NAMES`` for every stage, or ``auto``: for each the first that fits.
        diode: of the elements that are not made to measure; a name of the catalogue or a model.
        technology: conductance range and supply; its ``volts`` are the volts per unit where nothing else is said. Where
            it has only certain values, the resistors get the nearest.
        volts_per_unit: volts that stand for 1.
        remedy: what to do about the diodes' drop, one of ``diodeq.synthesis.remedy.REMEDIES``.
        inputs: float64[B, n_in] sample inputs (in units) for the remedy's estimate and the inputs' range; drawn from
            [-1, 1] by default.
        max_gain: of drivers and buffers.
        allow_nonunique: build a stage by buffers even when no unique equilibrium is guaranteed.
        title: of the circuit.
        amplifier: the operational amplifiers that it may use, a name of their catalogue or one; its supply is then
            ± the technology's, or ±12 V where that has none.

    Raises:
        UsageError: an unknown realization, remedy or diode; volts that are not positive.
        NotRealizableError: weights or range do not allow it; the message has the numbers.
        InputError: ``inputs`` do not fit the network.
    """
    technology = technology or Technology()
    if not (isinstance(diode, str) or hasattr(diode, "spice_name")):
        raise UsageError(f"the diode cannot be {diode!r}", "give a model, or a part of the catalogue by its name")
    model = catalogue.get(diode) if isinstance(diode, str) else diode
    if realization != "auto" and realization not in NAMES:
        raise UsageError(f"there is no realization {realization!r}", f"use auto, {', '.join(NAMES)}")
    for what, value in (("volts_per_unit", volts_per_unit), ("max_gain", max_gain)):
        if value is not None and not 0.0 < value < np.inf:
            raise UsageError(f"{what} = {value:g} is not possible", "give a positive number", arguments=(what,))
    if volts_per_unit is not None and volts_per_unit > HIGHEST:
        raise UsageError(
            f"{volts_per_unit:g} volts per unit are more than any part stands",
            f"give {HIGHEST:g} at most",
            arguments=("volts_per_unit",),
        )
    if volts_per_unit is not None and volts_per_unit < LOWEST:
        raise UsageError(
            f"{volts_per_unit:g} volts per unit are hardly more than voltages may be off, 1e-09",
            f"give {LOWEST:g} at least",
            arguments=("volts_per_unit",),
        )
    given, network = network, without_sigmoids(network)
    title = title or _titled(network)
    rows = None if inputs is None else as_inputs(network, inputs)
    supplied, solved, refusal = None, None, None
    if amplifier is not None or realization == "precision":
        amplifier = amplifier if isinstance(amplifier, Amplifier) else amplifiers.get(amplifier or "ideal")
        supplied = SuppliedAmplifier.of(amplifier, technology)
        if volts_per_unit is not None:
            raise UsageError(
                "with amplifiers the volts per unit follow from their swing",
                "leave them out, or give another --supply",
                arguments=("volts_per_unit", "supply"),
            )
        solved = Solved.of(network, rows, allow_nonunique)
        if realization in ("auto", "precision"):
            try:
                rectified = compile_rectified(network, supplied, model, technology, solved, allow_nonunique, title)
                return Compiled(*rectified, given)
            except NotRealizableError as refused:
                if realization == "precision":
                    raise
                refusal = refused
    try:
        circuit, report = compile_cascade(
            network,
            realization,
            model,
            technology,
            volts_per_unit,
            remedy,
            rows,
            max_gain,
            allow_nonunique,
            title,
            supplied,
            solved,
        )
    except NotRealizableError as refused:
        if refusal is None:
            raise
        raise NotRealizableError(
            f"{refused.problem}; and not precision: {refusal.problem}", refused.remedy, arguments=refused.arguments
        ) from refused
    why = "" if refusal is None else f"not precision, as {refusal.problem}"
    return Compiled(circuit, replace(report, why=why), given)


def _titled(network: Network) -> str:
    return f"compiled network {'-'.join(map(str, network.widths))}"
