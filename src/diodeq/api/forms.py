"""The forms that a circuit can be exported in: decks of every dialect, a picture, a parts list."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from diodeq.api.things import demand_circuit
from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.circuit.check import check
from diodeq.circuit.schematic import svg
from diodeq.devices.hardware.ladder import Ladder
from diodeq.errors import UsageError
from diodeq.netlist.bom import bill
from diodeq.netlist.dialects import DIALECTS, full_deck
from diodeq.netlist.linearized import linearized_deck
from diodeq.pool import TIME_LIMIT
from diodeq.simulators import computing

OTHERS = {
    "svg": "a picture: a schematic, or conductances by colour where the circuit is large",
    "bom": "a parts list as comma-separated text",
}


@dataclass(frozen=True)
class Linearized:
    """Not the circuit but what it is at its inputs, every one-port a resistor: the circuit that computes the gradient,
    with ``injections`` float64[n_out] amperes at the outputs (1 A each by default)."""

    injections: ArrayLike | None = None
    simulator: str = "wave"
    time_limit: float = TIME_LIMIT


def forms() -> tuple[str, ...]:
    """All names; packages that add some are not imported."""
    return (*DIALECTS.own, *OTHERS, *(name for name in DIALECTS if name not in DIALECTS.own))


def summary(form: str) -> str:
    """What it is, in a clause."""
    return OTHERS[form] if form in OTHERS else DIALECTS[form].summary


def text(
    circuit: Circuit,
    form: str,
    volts: Floats | None = None,
    *,
    ladder: Ladder | None = None,
    linearized: Linearized | None = None,
) -> str:
    """The circuit in a form of `forms`, its inputs at ``volts`` float64[n_in] (0 V by default); ``ladder`` is what the
    resistors of a parts list are of.

    Raises:
        UsageError: there is no such form, or it has no linearized circuits, or this is no circuit.
        CircuitError: the circuit is not sound.
        SimulationError: the circuit has no operating point to linearize it at.
    """
    demand_circuit(circuit)
    if form not in forms():
        raise UsageError(f"there is no form {form!r}", f"choose one of {', '.join(forms())}")
    drives = np.zeros(len(circuit.inputs)) if volts is None else volts
    if linearized is not None:
        if form in OTHERS:
            raise UsageError(f"{form} has no linearized circuits", "export one to a dialect such as ngspice")
        return _linearized(circuit, form, drives, linearized)
    if form == "svg":
        # Without volts the sources are called by the inputs' names instead of 0 V.
        return svg(check(circuit), drives if drives.any() else None)
    if form == "bom":
        return bill(check(circuit), ladder)
    return full_deck(circuit, form, drives).text


def _linearized(circuit: Circuit, dialect: str, drives: Floats, asked: Linearized) -> str:
    amperes = np.ones(len(circuit.outputs)) if asked.injections is None else np.asarray(asked.injections, np.float64)
    with computing(asked.simulator, 1, asked.time_limit) as engine:
        point = engine.operate(circuit, drives[None, :])
    return linearized_deck(circuit, point.node_voltages[0], point.diode_conductances[0], amperes, dialect).text
