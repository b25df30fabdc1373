"""The LTspice dialect: the subset of SPICE that LTspice documents, and nothing else."""

from __future__ import annotations

from diodeq.devices.two_pin import Spelling
from diodeq.netlist import spice
from diodeq.netlist.listing import Listing
from diodeq.netlist.templates import render

# The junction parameters in LTspice's manual (D. Diode), by the names ngspice shares.
KNOWN_PARAMETERS = frozenset(
    "is rs n tt cjo vj m eg xti kf af fc bv nbv ibv tnom isr nr ikf trs1 trs2".split()  # noqa: SIM905
)

SPELLING = Spelling("if({left}<{right},{yes},{no})", warming="tc={},{}", originals="plain")


def write(listing: Listing) -> str:
    """The listing as an LTspice netlist.

    Raises:
        InputError: a diode has a parameter that LTspice would not understand as ngspice does.
    """
    spice.demand_known(listing.models, KNOWN_PARAMETERS, "LTspice")
    return render(
        "ltspice.cir.j2",
        header=spice.header(listing, "LTspice", "open it in LTspice, or run it there with: LTspice -b FILE"),
        sections=spice.sections(listing),
        models=spice.models(listing.models, SPELLING),
        options=[spice.options(listing)],
        outputs=spice.outputs(listing),
    )
