"""A circuit as a PySpice circuit, for those who want to go on from there in Python."""

from __future__ import annotations

import ctypes.util
import os
from typing import TYPE_CHECKING, Any

from PySpice.Spice.Netlist import Circuit as PySpiceCircuit

from diodeq.circuit.primitives import lower, used_models
from diodeq.devices.two_pin import EXPORTED, TwoPin, definition

if TYPE_CHECKING:
    from diodeq.circuit.circuit import Circuit

# The tolerances that give 1e-9 V; see diodeq.netlist.
_OPTIONS = ".options reltol=1e-9 vntol=1e-12 abstol=1e-18 gmin=1e-12"


class ConvertedCircuit(PySpiceCircuit):  # type: ignore[misc]
    """A PySpice circuit that remembers its temperature (°C) and finds libngspice where PySpice alone does not."""

    def __init__(self, title: str, temperature: float) -> None:
        super().__init__(title)
        self.temperature = temperature
        self.raw_spice = f"{_OPTIONS} temp={temperature:.17g} tnom=27\n"

    def simulator(self, *args: Any, **kwargs: Any) -> Any:
        """PySpice's simulator, at the circuit's own temperature unless another is given."""
        # Debian's libngspice0 has no libngspice.so, the only name that PySpice looks for.
        found = ctypes.util.find_library("ngspice")
        if found and "NGSPICE_LIBRARY_PATH" not in os.environ:
            from PySpice.Spice.NgSpice.Shared import NgSpiceShared

            NgSpiceShared.LIBRARY_PATH = found
        kwargs.setdefault("temperature", self.temperature)
        kwargs.setdefault("nominal_temperature", 27)
        return super().simulator(*args, **kwargs)


def convert(circuit: Circuit) -> Any:
    """The circuit as a ``PySpice.Spice.Netlist.Circuit``, inputs at 0; ``str()`` of it is a netlist.

    Parts and nodes keep their names (PySpice writes a part's first letter large); values keep all their digits.
    ``.simulator().operating_point()`` runs libngspice in this process, of which PySpice allows one per process.

    Raises:
        CircuitError: a name or a value that no netlist can hold.
    """
    converted = ConvertedCircuit(" ".join(circuit.title.split()), circuit.temperature)
    add = {
        "r": converted.R,
        "v": converted.V,
        "i": converted.I,
        "e": converted.VCVS,
        "f": converted.CCCS,
        "g": converted.VCCS,
    }
    for run in lower(circuit):
        for name, fields, value in run.primitives:
            if value is None:
                anode, cathode, model = fields
                if name[0] == "x":
                    converted.X(name[1:], model, anode, cathode)
                else:
                    converted.D(name[1:], anode, cathode, model=model)
            else:
                add[name[0]](name[1:], *fields, value)
    for card in (circuit.models[index] for index in used_models(circuit)):
        if isinstance(card, TwoPin):
            converted.raw_spice += definition(card, EXPORTED) + "\n"
        else:
            converted.model(card.spice_name, "D", **dict(card.card()))
    return converted
