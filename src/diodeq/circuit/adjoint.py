"""The adjoint of a circuit: linearized at an operating point and transposed, so that it computes gradients.

The Director–Rohrer adjoint network (IEEE Trans. Circuit Theory 16(3), 1969): with the loss gradient injected as
currents at the outputs, products of its branch voltages with the forward ones are the gradient of every element.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from diodeq.arrays import real
from diodeq.circuit.bank import Bank, bank
from diodeq.circuit.circuit import Circuit
from diodeq.circuit.kinds import KINDS, Adjoint
from diodeq.errors import CircuitError
from diodeq.printable import counted


def transpose(circuit: Circuit) -> Circuit:
    """The transposed circuit with its independent sources zeroed; diodes are kept as they are.

    Voltage sources become shorts (0 V), current sources 0 A; a gyrator's g becomes -g; a buffer of gain a becomes a
    mirror that senses the current of the old output port (a short) and drives -a times it through the old control
    port, and a mirror becomes such a buffer. Resistors and transformers are reciprocal and stay. Transposing twice
    gives back the same elements.
    """

    banks = {}
    for kind, spec in KINDS.items():
        parts, turned = circuit.bank(kind), spec.adjoint
        if turned.kind != kind:
            # Parts of another kind begin with another letter.
            parts = replace(parts, terminals=parts.terminals[:, list(turned.terminals)], names=())
        elif turned.terminals != tuple(range(len(spec.terminals))):
            parts = replace(parts, terminals=parts.terminals[:, list(turned.terminals)])
        banks[turned.kind] = parts if spec.nonlinear or (spec.reciprocal and not spec.source) else _times(parts, turned)
    return circuit.with_banks(banks, title=f"{circuit.title}, transposed")


def _times(parts: Bank, turned: Adjoint) -> Bank:
    return parts.with_values(turned.factor * parts.values)


def linearize(circuit: Circuit, diode_conductances: ArrayLike) -> Circuit:
    """The circuit with every diode frozen as a resistor of its incremental conductance, float64[n_diodes] in siemens.

    The frozen diodes are appended to the resistors and are not trainable.

    Raises:
        CircuitError: a conductance is missing, or not positive and finite.
    """
    conductances = real("the conductances of diodes", diode_conductances)
    if conductances.shape != (len(circuit.diodes),):
        raise CircuitError(
            f"{conductances.shape} diode conductances were given for {counted(len(circuit.diodes), 'diode')}",
            "give one per diode",
        )
    bad = np.flatnonzero(~(np.isfinite(conductances) & (conductances > 0)))
    if len(bad):
        name = circuit.part_names("diodes")[bad[0]]
        raise CircuitError(
            f"diode {name} has the incremental conductance {conductances[bad[0]]:g} S", "it must be positive and finite"
        )
    old, frozen = circuit.resistors, circuit.diodes
    names: tuple[str, ...] = ()
    if old.names or frozen.names:
        names = (*circuit.part_names("resistors"), *(f"r_{name}" for name in circuit.part_names("diodes")))
    groups = (*(old.groups or ((("resistors", len(old)),) if len(old) else ())), ("frozen diodes", len(frozen)))
    return replace(
        circuit,
        title=f"{circuit.title}, linearized",
        resistors=Bank(
            np.concatenate([old.terminals, frozen.terminals]), np.concatenate([old.values, conductances]), names, groups
        ),
        diodes=bank("diodes"),
        models=(),
        trainable=np.concatenate([circuit.mask, np.zeros(len(frozen), bool)]),
    )
