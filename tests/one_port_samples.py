"""One part of every family of one-ports: a new family adds its own."""

from diodeq.devices import DiodeModel, catalogue
from diodeq.devices.composite.model import CompositeModel
from diodeq.devices.composite.parts import CompositePart
from diodeq.devices.curve.model import CurveModel
from diodeq.devices.transistor.model import TransistorModel

SILICON = DiodeModel("silicon", {"is": 2.5e-9, "n": 1.75, "rs": 0.6, "cjo": 4e-12})
SAMPLES = {
    "diode": SILICON,
    "curve": CurveModel("bent", (-2.0, -0.5, 0.1, 0.4, 3.0), (-2e-3, -1e-5, 2e-6, 4e-5, 1e-3)),
    "composite": CompositeModel(
        "composed",
        (
            CompositePart("diode", "a", "n", diode=SILICON),
            CompositePart("diode", "n", "c", diode=catalogue.get("BAT54")),
            CompositePart("ohms", "n", "c", 1e5, 1e-3),
            CompositePart("diode", "c", "m", diode=SILICON),
            CompositePart("volts", "m", "a", 0.7, -2e-3),
        ),
    ),
    "transistor": TransistorModel("squared", "PMOS", {"vto": -0.4, "kp": 1e-3, "lambda": 0.02, "gamma": 0.3}),
}
