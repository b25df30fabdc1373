"""``diodeq devices amplifiers``: which operational amplifiers are known, and their figures."""

from __future__ import annotations

import math

import rich_click as click

from diodeq.cli.options import JSON, print_json
from diodeq.cli.terminal import say
from diodeq.devices.amplifier import Amplifier, get, parts
from diodeq.printable import quantity

# How each figure is told: in words, and its unit.
FIGURES: dict[str, tuple[str, str]] = {
    "bandwidth": ("gain-bandwidth", "Hz"),
    "slew": ("slew rate", "V/s"),
    "offset": ("offset", "V"),
    "bias": ("input current", "A"),
    "quiescent": ("supply current", "A"),
    "current": ("output current, at most", "A"),
    "resistance": ("output resistance", "Ω"),
    "noise_volts": ("noise", "V/√Hz"),
    "noise_amperes": ("noise current", "A/√Hz"),
    "drift": ("offset drift", "V/K"),
}


@click.command("amplifiers")
@click.argument("name", required=False)
@JSON
def amplifiers(name: str | None, as_json: bool) -> None:
    """List the operational amplifiers, or show NAME.

    Your own come from $DIODEQ_AMPLIFIERS or ~/.config/diodeq/amplifiers.toml.

    Example: diodeq devices amplifiers TL074
    """
    chosen = [get(name)] if name else list(parts().values())
    if as_json:
        found = [amplifier.to_json() for amplifier in chosen]
        print_json(found[0] if name else found)
        return
    for amplifier in chosen:
        say(": ".join(filter(None, (amplifier.name, amplifier.description))))
        if name:
            _show(amplifier)


def _show(amplifier: Amplifier) -> None:
    least, most = amplifier.supply
    span = "any supply" if most == math.inf else f"{least:g} to {most:g} V between the supply pins"
    high, low = amplifier.swing
    say(f"  {span}; the output stays {high:g} V below the positive and {low:g} V above the negative one")
    say(f"  {'gain without feedback':<24} {amplifier.gain:g}")

    for key, (words, unit) in FIGURES.items():
        value = getattr(amplifier, key)
        if value not in (None, 0.0, math.inf):
            say(f"  {words:<24} {quantity(value, unit)}")
    say(f"  {amplifier.channels} in a package")
    say(f"  source: {amplifier.source}")
