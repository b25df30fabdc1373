"""The Xyce dialect, by its Reference Guide (7.11): options go to packages, voltages to a file beside the deck."""

from __future__ import annotations

from diodeq.devices.two_pin import Spelling
from diodeq.netlist import spice
from diodeq.netlist.listing import NOMINAL_TEMPERATURE, TOLERANCES, Listing, Output
from diodeq.netlist.templates import render
from diodeq.spice.numbers import shortest

# Parameters of the level 1 diode (table "Diode Device Model Parameters"), by the names ngspice shares.
KNOWN_PARAMETERS = frozenset(
    "is rs n isr nr ikf tt cjo vj m eg xti trs1 trs2 fc bv ibv nbv tnom kf af".split()  # noqa: SIM905
)

SPELLING = Spelling("if({left}<{right},{yes},{no})", "i={{{}}}")


def write(listing: Listing) -> str:
    """The listing as a Xyce deck: ``Xyce FILE`` writes every node's voltage and the outputs to FILE.prn.

    Raises:
        InputError: a diode has a parameter that Xyce's level 1 diode does not know.
    """
    spice.demand_known(listing.models, KNOWN_PARAMETERS, "Xyce")
    return render(
        "xyce.cir.j2",
        header=spice.header(listing, "Xyce", "run it with: Xyce FILE"),
        sections=spice.sections(listing),
        models=spice.models(listing.models, SPELLING),
        options=_options(listing),
        outputs=spice.outputs(listing),
        printed=[
            "v(*)",
            *(_difference(output) for output in listing.outputs if "0" not in (output.plus, output.minus)),
        ],
    )


def _options(listing: Listing) -> list[str]:
    """Xyce has no VNTOL: its nonlinear solver weighs every unknown by RELTOL and ABSTOL alike."""
    given = dict(TOLERANCES)
    celsius, nominal = shortest(listing.temperature), shortest(NOMINAL_TEMPERATURE)
    return [
        f"device temp={celsius} tnom={nominal} gmin={given['gmin']}",
        f"nonlin reltol={given['reltol']} abstol={given['vntol']}",
    ]


def _difference(output: Output) -> str:
    return f"v({output.plus},{output.minus})"
