"""A one-diode circuit with a known answer, to find out whether an engine works here."""

from __future__ import annotations

from typing import Any

import numpy as np

from diodeq.circuit import Circuit, Inputs, bank
from diodeq.devices import catalogue
from diodeq.devices.diode.law import law
from diodeq.errors import DiodeqError


def one_diode() -> Circuit:
    """A 1 V input that feeds a grounded 1N4148 through 1 kΩ; the output is the diode's voltage."""
    return Circuit(
        nodes=("0", "x", "y"),
        resistors=bank("resistors", [(1, 2, 1e-3)]),
        diodes=bank("diodes", [(2, 0, 0)]),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0)]),
        models=(catalogue.get("1N4148"),),
        inputs=Inputs(np.array([0]), np.array([0]), np.array([1.0]), ("x",)),  # type: ignore[arg-type]
        outputs=np.array([[2, 0]], np.int32),
        title="one diode",
    )


def self_test(name: str) -> dict[str, Any]:
    """Run ``one_diode`` at 1 V on the engine ``name``: {"works", "version", "detail", "problem", "remedy"}."""
    from diodeq.simulators import create

    circuit = one_diode()
    try:
        with create(name, workers=1) as engine:
            voltage = float(engine.operate(circuit, np.array([[1.0]])).outputs[0, 0])
            version = engine.version
    except DiodeqError as error:
        return {"works": False, "version": None, "detail": str(error), "problem": error.problem, "remedy": error.remedy}
    imbalance = abs((1.0 - voltage) * 1e-3 - float(law(catalogue.diode("1N4148")).current(voltage)))
    if imbalance > 1e-9:
        problem = f"{name} puts a 1N4148 at {voltage:g} V, where the currents differ by {imbalance:.1e} A"
        return {
            "works": False,
            "version": version,
            "detail": problem,
            "problem": problem,
            "remedy": "install another version",
        }
    detail = f"{version}, 1N4148 behind 1 kΩ at 1 V: {voltage:.9f} V"
    return {"works": True, "version": version, "detail": detail, "problem": "", "remedy": ""}
