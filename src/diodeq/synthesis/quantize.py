"""Quantization: a circuit with every resistor replaced by what can be bought or programmed.

All resistors are quantized, trainable or not: a board has no others; those inside of operational amplifiers are no
resistors that somebody buys. Before that the whole circuit may be scaled in
impedance. Every conductance times s, and every current with it, leaves all voltages as they are, but for the diodes,
whose drops move by n V_T ln s; it moves the conductances to where a ladder is dense and wide enough.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from diodeq.circuit import KINDS, Circuit
from diodeq.circuit.amplifiers import demand_none, inside
from diodeq.circuit.bank import Floats
from diodeq.circuit.kinds import source_kinds
from diodeq.devices.hardware.ladder import Ints, Ladder
from diodeq.errors import UsageError


@dataclass(frozen=True, eq=False)
class Quantized:
    """A quantized circuit; ``rungs`` int64[n_resistors] are its conductances' places on the ladder.

    ``scale`` is the impedance scaling before it: conductances of ``drawn`` times it were quantized. ``beyond`` counts
    the resistors that lay outside the ladder.
    """

    circuit: Circuit
    drawn: Circuit
    ladder: Ladder
    rungs: Ints
    scale: float
    beyond: int

    @property
    def errors(self) -> Floats:
        """float64[n_resistors]: relative error of each conductance."""
        wanted = self.drawn.conductances * self.scale
        found: Floats = self.circuit.conductances / wanted - 1.0
        return found


def quantize(circuit: Circuit, ladder: Ladder, scale: float = 1.0) -> Quantized:
    """The circuit on a ladder, after scaling its impedance.

    Raises:
        UsageError: a scale that is not positive.
    """
    scaled = scaled_impedance(circuit, scale)
    wanted, own = scaled.conductances, ~inside(circuit, "resistors")
    rungs = ladder.nearest(wanted)
    beyond = np.count_nonzero(own & ((wanted < ladder.low * (1 - 1e-9)) | (wanted > ladder.high * (1 + 1e-9))))
    by = f", all conductances times {scale:.6g}" if scale != 1.0 else ""
    notes = tuple(dict.fromkeys((*circuit.notes, f"resistors are of {ladder.name}{by}")))
    found = replace(scaled, notes=notes).with_conductances(np.where(own, ladder.conductances[rungs], wanted))
    return Quantized(found, circuit, ladder, rungs, scale, int(beyond))


def scaled_impedance(circuit: Circuit, scale: float) -> Circuit:
    """The circuit with all admittances and currents (constant and driven) times ``scale``, as ``Kind.level`` says.

    Raises:
        UsageError: the scale is not positive and finite.
    """
    if not (np.isfinite(scale) and scale > 0.0):
        raise UsageError(f"an impedance scale of {scale:g} is not possible", "give a positive number")
    if scale == 1.0:
        return circuit
    demand_none(circuit, "scaling the impedance")
    found = circuit
    for kind, spec in KINDS.items():
        if spec.level and len(circuit.bank(kind)):
            found = found.with_values(kind, circuit.bank(kind).values * scale**spec.level)
    levels = np.concatenate([np.full(len(circuit.bank(kind)), KINDS[kind].level) for kind in source_kinds()])
    factors = scale ** levels[circuit.inputs.source].astype(np.float64)
    if not np.any(factors != 1.0):
        return found
    return replace(found, inputs=replace(circuit.inputs, gain=factors * circuit.inputs.gain))
