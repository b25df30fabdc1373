"""The languages a circuit can be written in, and the one function that writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from numpy.typing import ArrayLike

from diodeq.circuit import Circuit
from diodeq.circuit.check import check
from diodeq.errors import UsageError
from diodeq.netlist import ltspice, ltspice_asc, ngspice, pyspice, xyce
from diodeq.netlist.deck import Deck, Dialect
from diodeq.netlist.listing import list_circuit
from diodeq.plugins import Registry, trusted

DIALECTS: Registry[Dialect] = Registry(
    {
        "ngspice": Dialect("ngspice", "a deck for ngspice -b", ".cir", ngspice.write),
        "ltspice": Dialect("ltspice", "a netlist for LTspice", ".cir", ltspice.write),
        "ltspice-asc": Dialect("ltspice-asc", "a schematic for LTspice", ".asc", ltspice_asc.write),
        "xyce": Dialect("xyce", "a deck for Xyce", ".cir", xyce.write),
        "pyspice": Dialect("pyspice", "a Python script that builds the circuit with PySpice", ".py", pyspice.write),
    },
    "diodeq.dialects",
    sound=lambda thing: isinstance(thing, Dialect),
)


def full_deck(
    circuit: Circuit,
    dialect: str = "ngspice",
    drives: ArrayLike | None = None,
    title: str | None = None,
    notes: Sequence[str] = (),
    remarks: Mapping[str, str] | None = None,
) -> Deck:
    """The whole circuit, nothing folded away, as a deck for people.

    Args:
        circuit: what to write.
        dialect: a key of ``DIALECTS``.
        drives: float64[n_in], the volts (or amperes) of the inputs; 0 by default.
        title: the first line; the circuit's own title by default.
        notes: sentences added to the header.
        remarks: part name -> a comment printed above that part.

    Raises:
        UsageError: there is no such dialect.
        CircuitError: the circuit is not sound, has a name that no netlist can hold, or ``drives`` do not fit it.
        InputError: the dialect cannot express one of the diodes.
    """
    if dialect not in DIALECTS:
        raise UsageError(f"there is no netlist dialect called {dialect!r}", f"choose one of: {', '.join(DIALECTS)}")
    listing = list_circuit(check(circuit), drives, title, notes, remarks)
    if dialect in DIALECTS.own:
        return Deck(DIALECTS[dialect].write(listing), dialect)
    with trusted(f"the netlist dialect {DIALECTS.whose(dialect)}"):
        return Deck(DIALECTS[dialect].write(listing), dialect)
