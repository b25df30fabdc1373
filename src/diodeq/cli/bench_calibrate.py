"""``diodeq bench calibrate``: what a bench deviates by, from its own readings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rich_click as click

from diodeq.circuit import Circuit
from diodeq.cli.options import JSON, WRITTEN, print_json
from diodeq.cli.terminal import say
from diodeq.files import demand_place, write_atomically
from diodeq.printable import counted, quantity

if TYPE_CHECKING:
    from diodeq.api.bench_studies import CheckedCalibration

# What is found: its name, what it is called, and its unit ("" for shares).
_SORTS = (
    ("read_offsets", "offsets of readings", "V"),
    ("read_gains", "gains of readings", ""),
    ("drive_offsets", "offsets of drives", "V"),
    ("drive_gains", "gains of drives", ""),
    ("rails", "constant sources", ""),
    ("complements", "what follows drives", ""),
    ("pump_gains", "gains of pumps", ""),
    ("leaks", "currents at nodes", "A"),
    ("tracks", "potentiometers", ""),
    ("ends", "resistors in series", ""),
    ("fixed", "fixed resistors", ""),
    ("ohms", "single taps", "Ω"),
    ("saturations", "diodes' IS (logarithm)", ""),
    ("emissions", "diodes' N (logarithm)", ""),
)


@click.command()
@click.argument("description")
@click.argument("circuit", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=WRITTEN, required=True, help="The new description (.toml).")
@click.option(
    "--codes",
    type=click.IntRange(min=2, max=257),
    default=5,
    show_default=True,
    help="Settings of every tap that are measured, the circuit's own among them.",
)
@click.option("--check", is_flag=True, help="Read anew afterwards: what is missed before and after.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the drives, currents and taps that are tried.")
@JSON
def calibrate(description: str, circuit: Path, out: Path, codes: int, check: bool, seed: int, as_json: bool) -> None:
    """Measure what a bench's converters, pumps, taps and diodes deviate by, and write it into a new description.

    DESCRIPTION is a TOML file or a shipped name, with options after colons; CIRCUIT is what is on the table. The bench
    is read with inputs, currents and taps at random; the deviations that explain the readings best, and are likely by
    the tolerances of the description, go into [calibrated] of the new one. Train with it: --simulator bench:NEW.toml.
    All resistances are in the scale that the pumps give: as good as these are on average.

    Example: diodeq bench calibrate iris run/circuit.npz -o mine.toml --check
    """
    from diodeq.api import bench_studies
    from diodeq.cli.console import counting_bar

    demand_place(out)
    loaded = Circuit.load(circuit)
    with counting_bar() as step:
        found = bench_studies.calibrate(description, loaded, codes=codes, seed=seed, check=check, on_step=step)
    write_atomically(out, found.to_toml())
    if as_json:
        print_json({**found.to_json(), "out": str(out)})
    else:
        say("\n".join(_words(found, out)))


def _words(made: CheckedCalibration, out: Path) -> Iterator[str]:
    found = made.found
    before, after = found.missed
    yield (
        f"{found.belief.channels.description.name}: {counted(found.readings, 'reading')} in {found.seconds:.1f} s,"
        f" noise {quantity(float(np.median(found.noise)), 'V')}"
    )
    yield f"readings were missed by {quantity(before, 'V')} rms, now by {quantity(after, 'V')}"
    if found.excess > 1.5:
        yield f"that is {found.excess:.1f} times the noise: the bench does what its description does not say"
    for name, called, unit in _SORTS:
        spread = found.spread[name]
        if np.any(spread):
            loose = spread > 0
            own, left = found.belief.values[name][loose], found.left[name][loose]
            values = (float(np.sqrt(np.mean(each**2))) for each in (spread[loose], own, left))
            said = [quantity(each, unit) if unit else f"{100 * each:.2g} %" for each in values]
            yield f"  {called} ({len(own)}): expected ± {said[0]}, found {said[1]} rms, known to ± {said[2]}"
    ohms, known = found.resistances
    if len(ohms):
        rms, worst = 100.0 * float(np.sqrt(np.mean(known**2))), 100.0 * float(known.max())
        yield (
            f"  resistances of the circuit ({len(ohms)}): {quantity(float(ohms.min()), 'Ω')} to"
            f" {quantity(float(ohms.max()), 'Ω')}, known to ± {rms:.2g} %, at worst {worst:.2g} %"
        )
    if found.untold:
        names = {name: called for name, called, _ in _SORTS}
        parts = [f"{names[each]} ({n} of {np.count_nonzero(found.spread[each])})" for each, n in found.untold.items()]
        yield f"the readings say little of {', '.join(parts)}: these stay near what the description says"
    for name, (old, new) in made.check.items():
        missed = f"missed by {quantity(old, 'V')} rms before, {quantity(new, 'V')} now"
        yield f"new readings, {name.replace('_', ' ')}: {missed}"
    yield f"wrote {out}; use it with --simulator bench:{out}"
