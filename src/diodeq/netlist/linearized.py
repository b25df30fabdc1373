"""The linearized adjoint circuit as a deck: hardware linearization to look at by hand.

At the operating point every diode is the resistor 1/g_d, independent sources are zeroed, what is not reciprocal is
transposed, and the loss gradient enters the outputs as currents (Director-Rohrer; Chaffey's hardware linearization).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from diodeq.arrays import real
from diodeq.circuit import KINDS, Bank, Circuit, Inputs, linearize, transpose
from diodeq.errors import CircuitError
from diodeq.netlist.deck import Deck
from diodeq.netlist.dialects import full_deck
from diodeq.printable import counted
from diodeq.spice.numbers import shortest

_NO_INPUTS = Inputs(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0), ())


def adjoint_circuit(circuit: Circuit, diode_conductances: ArrayLike, injections: ArrayLike | None = None) -> Circuit:
    """The linearized, transposed circuit with ``injections`` as current sources: solve it to get the adjoint voltages.

    Args:
        circuit: the forward circuit.
        diode_conductances: float64[n_diodes], dI/dV of each diode in siemens at the operating point.
        injections: float64[n_out], dl/dv of each output, in amperes; by default 1 each (the loss is the outputs' sum).

    Raises:
        CircuitError: a length does not fit, or a conductance is not positive.
    """
    amperes = np.ones(len(circuit.outputs)) if injections is None else real("the injected currents", injections)
    if amperes.shape != (len(circuit.outputs),) or not np.isfinite(amperes).all():
        raise CircuitError(
            f"{amperes.shape} injected currents were given for {counted(len(circuit.outputs), 'output')}",
            "give one finite current each",
        )
    adjoint = linearize(transpose(circuit), diode_conductances)
    old, chosen = adjoint.current_sources, np.flatnonzero(amperes)
    # A source's current runs through it from its first node to its second, so an output's second node comes first.
    terminals = circuit.outputs[chosen][:, ::-1]
    groups = old.groups or ((("zeroed current sources", len(old)),) if len(old) else ())
    return replace(
        adjoint,
        inputs=_NO_INPUTS,
        units=None,
        current_sources=Bank(
            np.concatenate([old.terminals, terminals]),
            np.concatenate([old.values, amperes[chosen]]),
            (*adjoint.part_names("current_sources"), *(f"i_inject{k}" for k in chosen.tolist())),
            (*groups, ("the loss gradient, entering the outputs", len(chosen))),
        ),
    )


def linearized_deck(
    circuit: Circuit,
    node_voltages: ArrayLike,
    diode_conductances: ArrayLike,
    injections: ArrayLike | None = None,
    dialect: str = "ngspice",
) -> Deck:
    """The deck of ``adjoint_circuit``, with the forward voltages in its header and beside each frozen diode.

    ``node_voltages`` float64[N] are the forward circuit's. Raises what ``adjoint_circuit`` and ``full_deck`` raise.
    """
    adjoint = adjoint_circuit(circuit, diode_conductances, injections)
    volts = real("the node voltages", node_voltages)
    notes = [
        "every diode is a resistor of its conductance at the operating point, sources are zeroed, gyrators reversed, "
        "buffers turned around",
        "gradient of a resistor's conductance, by hand: -(forward volts across it) * (volts across it here)",
        *(
            f"forward v({node}) = {shortest(volt)}"
            for node, volt in zip(circuit.nodes[1:], volts[1:].tolist(), strict=True)
        ),
    ]
    remarks = {f"i_inject{k}": f"dl/dv of output {name}" for k, name in enumerate(circuit.output_names)}
    frozen = adjoint.part_names("resistors")[len(circuit.resistors) :]
    names, ends = circuit.part_names("diodes"), circuit.diodes.terminals
    across = (volts[ends[:, 0]] - volts[ends[:, 1]]).tolist()
    siemens = adjoint.conductances[len(circuit.resistors) :].tolist()
    for resistor, diode, volt, g in zip(frozen, names, across, siemens, strict=True):
        remarks[resistor] = f"{KINDS['diodes'].singular} {diode} at {volt:.9g} V conducts {g:.9g} S"
    return full_deck(adjoint, dialect, notes=notes, remarks=remarks)
