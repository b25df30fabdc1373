"""One part of every family of one-ports."""

from diodeq.devices import DiodeModel
from diodeq.devices.curve.model import CurveModel

SILICON = DiodeModel("silicon", {"is": 2.5e-9, "n": 1.75, "rs": 0.6, "cjo": 4e-12})
SAMPLES = {
    "diode": SILICON,
    "curve": CurveModel("bent", (-2.0, -0.5, 0.1, 0.4, 3.0), (-2e-3, -1e-5, 2e-6, 4e-5, 1e-3)),
}
