"""The LTspice dialect: the subset of SPICE that LTspice documents, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable

from diodeq.devices import DiodeModel
from diodeq.errors import InputError
from diodeq.netlist import spice
from diodeq.netlist.listing import Listing
from diodeq.netlist.templates import render

# The junction parameters in LTspice's manual (D. Diode), by the names ngspice shares.
KNOWN_PARAMETERS = frozenset(
    [
        "is",
        "rs",
        "n",
        "tt",
        "cjo",
        "vj",
        "m",
        "eg",
        "xti",
        "kf",
        "af",
        "fc",
        "bv",
        "nbv",
        "ibv",
        "tnom",
        "isr",
        "nr",
        "ikf",
        "trs1",
        "trs2",
    ]
)


def write(listing: Listing) -> str:
    """The listing as an LTspice netlist.

    Raises:
        InputError: a diode has a parameter that LTspice would not understand as ngspice does.
    """
    _demand_known(listing.models)
    return render(
        "ltspice.cir.j2",
        header=spice.header(listing, "LTspice", "open it in LTspice, or run it there with: LTspice -b FILE"),
        sections=spice.sections(listing),
        models=spice.models(listing.models),
        options=spice.options(listing),
        outputs=[f"{output.name} = {spice.voltage(output.plus, output.minus)}" for output in listing.outputs],
    )


def _demand_known(models: Iterable[DiodeModel]) -> None:
    for model in models:
        for name, _ in model.card():
            if name.lower() not in KNOWN_PARAMETERS:
                raise InputError(
                    f"diode {model.name} has the parameter {name}, which LTspice does not know",
                    "export to ngspice, or use a model without it",
                )
