"""``diodeq devices measure``: any two-pin part that ngspice knows becomes a curve of your catalogue."""

from __future__ import annotations

import re
from typing import Any

import rich_click as click

from diodeq.cli.options import JSON, TIME_LIMIT, Amount, Finite, print_json
from diodeq.cli.part_summaries import shown_amperes
from diodeq.cli.terminal import say
from diodeq.devices import catalogue
from diodeq.devices.vendor.foreign import is_card, read_library, wired
from diodeq.errors import UsageError
from diodeq.printable import printable
from diodeq.simulators.ngspice import measure as ngspice

NAME = re.compile(r"[!-~]{1,64}")
MOST = 20  # temperatures of one command


@click.command("measure")
@click.argument("file", metavar="FILE|CARD")
@click.option("--name", required=True, help="What to call the part.")
@click.option("--only", metavar="PART", help="Which part of the file, where it has several.")
@click.option("--pins", metavar="a,a,c", default="", help="For each of the part's terminals the pin it is tied to.")
@click.option("--instance", metavar="W=10U …", default="", help="What stands on the element's own line.")
@click.option("--from", "low", type=Amount("V"), default=ngspice.LOW, show_default=True, help="Sweep from here.")
@click.option("--to", "high", type=Amount("V"), default=ngspice.HIGH, show_default=True, help="Sweep to here.")
@click.option(
    "--current", type=Amount("A"), default=ngspice.CURRENT, show_default=True, help="End the sweep at this current."
)
@click.option("--points", type=click.IntRange(10, 2000), default=ngspice.POINTS, show_default=True, help="At most.")
@click.option("--temperature", metavar="°C[,°C…]", default="27", show_default=True, help="One part for each.")
@click.option("--source", "origin", metavar="TEXT", help="Where the model comes from; by default the file's name.")
@click.option("--replace", is_flag=True, help="Prefer it to a known part of the same name.")
@TIME_LIMIT
@JSON
def measure(
    file: str,
    name: str,
    only: str | None,
    pins: str,
    instance: str,
    low: float,
    high: float,
    current: float,
    points: int,
    temperature: str,
    origin: str | None,
    replace: bool,
    time_limit: float,
    as_json: bool,
) -> None:
    """Measure any two-pin part in ngspice and add its curve to your catalogue.

    A part is a .model of any type, a .subckt, or a card that is given itself. A transistor is tied as a diode, base to
    collector or gate to drain, a JFET as a current limiter, gate to source; --pins ties it in another way. Current
    flows in at pin a and out at pin c. Netlists print the part itself where the dialect can, else the curve.

    The file is read and checked line by line: commands, files that it names and code models are refused.

    Example: diodeq devices measure ".model z D(IS=1f N=1.03 RS=0.1 BV=3.3)" --name zener
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a part", "use up to 64 letters, digits, '-' and '_'")
    warm = _temperatures(temperature)
    card = is_card(file)
    library = read_library(file)
    original = wired(library, only, pins.split(",") if pins else (), instance)
    said = printable(("a card" if card else file) if origin is None else origin)
    found = ngspice.measure(name, original, warm, low, high, current, points, said, time_limit)
    path = catalogue.add([each.model for each in found], replace)
    if as_json:
        print_json({"catalogue": str(path), "parts": [_document(each) for each in found]})
        return
    for each in found:
        say(f"{each.model.name}: {each.model.description}")
        say(
            f"  at {each.checked} points the curve is at most {each.error:.2g} A from ngspice's, at {each.volts:.4g} V"
            f" ({each.share:.2g} of the largest current)"
        )
        say(f"  and at most {each.relative:.2g} of the current itself, where it is over a millionth of the largest")
        for amperes, volts, off in each.forward:
            say(f"  V_f {volts:.6g} V at {shown_amperes(amperes)}, {off:.1g} V off")
        for note in each.notes:
            say(f"  {note}")
    say(f"wrote {path}")


def _temperatures(given: str) -> list[float]:
    words = given.split(",")
    kind = Finite(min=-273.0, max=1000.0)
    found = [kind.convert(word.strip(), None, None) for word in words[: MOST + 1]]
    if len(found) > MOST or len(set(found)) < len(found):
        raise UsageError(f"--temperature {given[:60]!r} repeats one, or has more than {MOST}", "give each once")
    return found


def _document(found: ngspice.MeasuredCurve) -> dict[str, Any]:
    return {
        **found.model.to_json(),
        "spice_name": found.model.spice_name,
        "largest_error_amperes": found.error,
        "largest_error_at_volts": found.volts,
        "largest_error_share": found.share,
        "largest_relative_error": found.relative,
        "points_checked": found.checked,
        "forward_voltages": [{"amperes": i, "volts": v, "error_volts": off} for i, v, off in found.forward],
        "notes": list(found.notes),
    }
