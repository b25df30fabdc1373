"""A circuit's operational amplifiers made better step by step: what each of their faults does to the outputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from diodeq.circuit import Circuit
from diodeq.circuit.amplifiers import groups_of
from diodeq.devices.curve.model import GMIN, CurveModel
from diodeq.devices.one_ports import one_ports

# A gain that leaves nothing to be wished for, and times so much a swing does.
GAIN, SWING = 1e7, 1e3


def better(circuit: Circuit) -> dict[str, Circuit]:
    """The circuit with amplifiers that have gain ``GAIN`` and no other fault ("perfect"), that have their own gains
    ("gain"), and offsets and input currents too ("offset"): what the circuit itself has more is a limited swing and
    output current."""
    unlimited = _unlimited(circuit)
    finite = _without_offsets(unlimited)
    gains = np.array(circuit.buffers.values)
    for group in groups_of(circuit):
        at = group.at("buffers", "gain")
        gains[at] = np.maximum(gains[at], GAIN)
    return {"perfect": finite.with_values("buffers", gains), "gain": finite, "offset": unlimited}


def _without_offsets(circuit: Circuit) -> Circuit:
    volts, amperes = (np.array(circuit.bank(kind).values) for kind in ("voltage_sources", "current_sources"))
    for group in groups_of(circuit):
        for values, kind, purpose in (
            (volts, "voltage_sources", "offset"),
            (amperes, "current_sources", "plus"),
            (amperes, "current_sources", "minus"),
        ):
            at = group.at(kind, purpose)
            values[at[at >= 0]] = 0.0
    return circuit.with_values("voltage_sources", volts).with_values("current_sources", amperes)


def _unlimited(circuit: Circuit) -> Circuit:
    volts, values = np.array(circuit.voltage_sources.values), np.array(circuit.diodes.values)
    models = list(circuit.models)
    for group in groups_of(circuit):
        high, low = (circuit.diodes.terminals[group.at("diodes", end)] for end in ("high", "low"))
        rails = np.concatenate([high[:, 1], low[:, 0]])
        volts[np.isin(circuit.voltage_sources.terminals[:, 0], rails[rails > 0])] *= SWING
        at = group.at("diodes", "out")
        at = at[at >= 0]
        for number in np.unique(values[at]).tolist():
            law = one_ports(circuit.models, np.array([number]), circuit.temperature)
            siemens = float(law.conductance(np.zeros(1))[0]) - GMIN
            name = f"{circuit.models[number].name} without a limit"
            values[at[circuit.diodes.values[at] == number]] = len(models)
            models.append(CurveModel(name, (-1.0, 1.0), (-siemens, siemens), "diodeq"))
    found = replace(circuit, models=tuple(models)).with_values("voltage_sources", volts)
    return found.with_values("diodes", values)
