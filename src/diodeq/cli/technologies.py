"""``diodeq devices technologies``: what hardware is known, which values it holds and how boards of it deviate."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import rich_click as click

from diodeq.cli.options import JSON, print_json
from diodeq.cli.terminal import say
from diodeq.devices.hardware.technology import Technology, get, presets
from diodeq.devices.hardware.variation import Variation
from diodeq.printable import counted


@click.command("technologies")
@click.argument("name", required=False)
@JSON
def technologies(name: str | None, as_json: bool) -> None:
    """List the technologies, or show NAME: its conductances, how boards of it deviate, and where that is from.

    Example: diodeq devices technologies rram
    """
    chosen = [get(name)] if name else list(presets().values())
    if as_json:
        found = [_document(technology) for technology in chosen]
        print_json(found[0] if name else found)
        return
    for technology in chosen:
        ladder = technology.ladder
        values = f"{counted(len(ladder), 'value')} of {technology.levels}" if ladder is not None else "any value"
        say(f"{technology.name}: {technology.description}")
        say(f"  {technology.low:g} … {technology.high:g} S, {values}")
        if name:
            perfect = asdict(Variation())
            for key, value in asdict(technology.variation).items():
                if value != perfect[key]:
                    say(f"  {key:<14} {value}")
            say(f"  source: {technology.source}")


def _document(technology: Technology) -> dict[str, Any]:
    found = asdict(technology)
    found["supply"] = technology.supply if math.isfinite(technology.supply) else None
    return found
