"""The ngspice dialect: ``ngspice -b FILE`` prints every node, every part and the outputs, all digits of them."""

from __future__ import annotations

from collections.abc import Iterator

from diodeq.devices.two_pin import EXPORTED
from diodeq.netlist import spice
from diodeq.netlist.listing import Listing, Output
from diodeq.netlist.templates import render

# ngspice reads a line of a few thousand letters, but people do not.
_PER_LINE = 4


def write(listing: Listing) -> str:
    """The listing as an ngspice deck."""
    return render(
        "ngspice.cir.j2",
        header=spice.header(listing, "ngspice", "run it with: ngspice -b FILE"),
        sections=spice.sections(listing),
        models=spice.models(listing.models, EXPORTED),
        options=[spice.options(listing)],
        outputs=spice.outputs(listing),
        saved=list(
            _chunks(sorted({f"v({node})" for o in listing.outputs for node in (o.plus, o.minus) if node != "0"}))
        ),
        printed=list(_printed(listing.outputs)),
    )


def _printed(outputs: tuple[Output, ...]) -> Iterator[str]:
    # ngspice turns v(0,b) into -v(b), and would subtract that from whatever stands before it on the line.
    yield from _chunks([spice.voltage(o.plus, o.minus) for o in outputs if o.plus != "0"])
    yield from (f"v(0,{o.minus})" for o in outputs if o.plus == "0" and o.minus != "0")


def _chunks(words: list[str]) -> Iterator[str]:
    for start in range(0, len(words), _PER_LINE):
        yield " ".join(words[start : start + _PER_LINE])
