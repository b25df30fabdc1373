"""``diodeq certify``: which decisions no board within the tolerances can change."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rich_click as click

from diodeq.api.certificates import OPEN
from diodeq.circuit import Circuit
from diodeq.cli.console import bar
from diodeq.cli.options import JSON, SIMULATOR, TIME_LIMIT, WORKERS, WRITTEN, Amount, plot, print_json
from diodeq.cli.samples import Samples, sampled
from diodeq.cli.terminal import say
from diodeq.devices.hardware.variation import Variation
from diodeq.errors import UsageError
from diodeq.files import demand_place, write_atomically
from diodeq.netlist.bom import engineering
from diodeq.printable import counted, percent

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rich.table import Table

    from diodeq.analysis.certified import Certified

# So many tight resistors are named without --json and --output.
NAMED = 8


def _tolerances(context: click.Context, parameter: click.Parameter, value: str) -> tuple[float, ...]:
    return tuple(Variation.parse(f"tolerance={word}").tolerance for word in value.split(","))


def _pair(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    if value is None:
        return None
    found = _tolerances(context, parameter, value)
    if len(found) != 2:
        raise UsageError(f"{value!r} is not two tolerances", "write the tighter and the looser one, such as 1%,5%")
    return found


def _shares(context: click.Context, parameter: click.Parameter, value: str | None) -> dict[str, float]:
    found = {}
    for word in (value or "").split(",") if value else ():
        key, _, share = word.partition("=")
        found[key.strip().lower()] = Variation.parse(f"tolerance={share}").tolerance
    return found


def _figures(context: click.Context, parameter: click.Parameter, value: str | None) -> dict[str, float]:
    found = {}
    for word in (value or "").split(",") if value else ():
        key, _, figure = word.partition("=")
        key = key.strip().lower()
        found[key] = Amount({"offset": "V", "bias": "A"}.get(key, "1")).convert(figure, parameter, context)
    return found


@click.command("certify")
@click.argument("circuit", type=click.Path(path_type=Path))
@sampled
@click.option("--samples", type=click.IntRange(min=1), help="Only the first so many.")
@click.option(
    "--tolerance",
    "tolerances",
    default="0.1%,0.5%,1%,2%,5%",
    show_default=True,
    callback=_tolerances,
    metavar="T[,T…]",
    help="Of every resistance, one or several.",
)
@click.option("--supply", metavar="T", default="0%", show_default=True, help="Of every constant source.")
@click.option("--temperature", metavar="COLD:HOT", help="°C, such as 0:70.  [default: the circuit's own]")
@click.option("--diodes", callback=_shares, metavar="is=T,n=T,rs=T", help="Of diodes' parameters, such as is=30%.")
@click.option(
    "--amplifiers",
    callback=_figures,
    metavar="offset=V,bias=A,gain=N",
    help="The largest offset and input current of any, either sign, and the least gain, such as offset=3m.",
)
@click.option("--input-error", type=Amount("V"), default=0.0, help="Volts by which every input may be off.")
@click.option(
    "--stuck",
    callback=lambda context, parameter, value: tuple(word.strip() for word in value.split(",")) if value else (),
    metavar="LEVEL[,LEVEL…]",
    help="Let any one resistor that is trained be stuck at one of these: low, high, open, or ohms such as 10k.",
)
@click.option("--largest", is_flag=True, help="Find the largest tolerance that keeps each sample's decision, too.")
@click.option("--radius", is_flag=True, help="Find how far inputs may be off, with resistors as drawn, too.")
@click.option("--assign", callback=_pair, metavar="TIGHT,LOOSE", help="Find which resistors must be tight: 1%,5%.")
@click.option(
    "--output", "-o", type=WRITTEN, metavar="FILE.csv", help="Write the parts list with --assign's tolerances."
)
@plot("Draw certified accuracy over tolerance")
@SIMULATOR
@WORKERS
@TIME_LIMIT
@JSON
def certify(
    circuit: Path,
    samples: int | None,
    tolerances: tuple[float, ...],
    supply: str,
    temperature: str | None,
    diodes: dict[str, float],
    amplifiers: dict[str, float],
    input_error: float,
    stuck: tuple[str, ...],
    largest: bool,
    radius: bool,
    assign: tuple[float, ...] | None,
    output: Path | None,
    picture: Path | None,
    simulator: str,
    workers: int | None,
    time_limit: float,
    as_json: bool,
    **given: Any,
) -> None:
    """Prove for each sample how far any board of CIRCUIT can be off, and whether any can change the decision.

    A bound, not a sample of boards: every resistor, source and temperature may be anywhere in its range. It is
    tightest for circuits of resistors, diodes and sources, as `diodeq train` makes them. Resistors' own change with
    temperature is not in it: add it to --tolerance.

    Example: diodeq certify run/circuit.npz --data digits --tolerance 1% --temperature 20:30
    """
    from diodeq.analysis.assignment import assign as assigned
    from diodeq.analysis.certified import largest_tolerances, radii
    from diodeq.api.certificates import boxed
    from diodeq.api.certificates import certify as proved
    from diodeq.simulators import computing

    if stuck and assign is not None:
        raise UsageError("--stuck and --assign exclude each other", "ask for one of them at a time")
    if output is not None and assign is None:
        raise UsageError("--output has no meaning without --assign", "add --assign 1%,5%")
    if output is not None:
        demand_place(output, read=(circuit, given.get("inputs")))
    loaded = Circuit.load(circuit)
    spread = Variation.parse(f"supply_error={supply}")
    cold, hot = loaded.temperature, loaded.temperature
    if temperature is not None:
        given_range = Variation.parse(f"temperature={temperature}")
        cold, hot = given_range.coldest, given_range.hottest
    asked: dict[str, Any] = {"supply": spread.supply_error, "temperatures": (cold, hot), "diodes": diodes}
    asked |= {"input_error": input_error, "stuck": stuck, "amplifiers": amplifiers}
    box = boxed(loaded, **asked)
    drives, labels = Samples(**given).needed(circuit, loaded)
    decides = not loaded.scaling.regresses
    for option, wanted in (("--largest", largest), ("--radius", radius), ("--assign", assign)):
        if wanted and not decides:
            raise UsageError(f"circuit {loaded.title!r} decides nothing, it has quantities", f"leave {option} out")
    drives, labels = drives[:samples], None if labels is None else labels[:samples]
    began = time.perf_counter()
    with bar("samples", len(drives) * len(box.pieces()) * len(tolerances)) as tell:
        found = proved(
            *(loaded, drives, labels),
            tolerances=tolerances,
            **asked,
            units="volts",
            simulator=simulator,
            workers=workers,
            time_limit=time_limit,
            on_sample=tell,
        )
    with computing(simulator, workers, time_limit) as engine:
        most = largest_tolerances(loaded, drives, engine, box) if largest else None
        around = radii(loaded, drives, engine, box) if radius else None
        shared = assigned(loaded, drives, box, assign[0], assign[1], engine) if assign else None
        version = engine.version
    tight_names = [] if shared is None else _names(loaded, shared.tightened)
    if output is not None and shared is not None:
        from diodeq.netlist.bom import bill

        write_atomically(output, bill(loaded, tolerances=shared.tolerances))
    document = {
        "circuit": loaded.title,
        "simulator": version,
        "samples": len(drives),
        "seconds": time.perf_counter() - began,
        **{key: found[-1].to_json()[key] for key in ("accuracy", "certified_accuracy", "largest_bound_volts")},
        "tolerances": [_named(loaded, each.to_json()) for each in found],
        "largest_tolerances": None if most is None else most.tolist(),
        "radii": None if around is None else around.tolist(),
        "assignment": None
        if shared is None
        else {
            "tight": shared.tight,
            "loose": shared.loose,
            "tight_resistors": int(shared.tightened.sum()),
            "loose_resistors": int((~shared.tightened).sum()),
            "certified_decisions": float(np.mean(shared.kept)),
            "which_are_tight": tight_names,
            "parts": None if output is None else str(output),
        },
    }
    if picture is not None:
        from diodeq.report.certified_plot import certified_figure
        from diodeq.report.figures import render

        write_atomically(picture, render(certified_figure(found), picture))
    if as_json:
        print_json(document)
        return
    from diodeq.cli.console import WIDE, Terminal

    console = Terminal(least=WIDE)
    console.print(_table(found, decides))
    if most is not None:
        low, middle = np.percentile(most, [5, 50]).tolist()
        say(f"a sample keeps its decision up to {percent(middle)} in the median, 95 % of them up to {percent(low)}")
    if around is not None:
        low, middle = np.percentile(around, [5, 50]).tolist()
        say(f"inputs may be off by {middle:.3g} (in their units) in the median, in 95 % of samples by {low:.3g}")
    for each in found if stuck and decides else ():
        say(_of_stuck(loaded, each))
    if shared is not None:
        tight, loose = int(shared.tightened.sum()), int((~shared.tightened).sum())
        say(
            f"{percent(float(np.mean(shared.kept)))} of decisions are certified with {tight:,} resistors of"
            f" {100 * shared.tight:g} % and {loose:,} of {100 * shared.loose:g} %, as with all of"
            f" {100 * shared.tight:g} %"
        )
        if tight:
            rest = "" if tight <= NAMED else f" … ({'the rest are in the parts list' if output else 'all: --output'})"
            say(f"of {100 * shared.tight:g} %: {', '.join(tight_names[:NAMED])}{rest}")
        if output is not None:
            say(f"wrote {output}")
    say(
        f"{counted(len(drives), 'sample')}, {document['seconds']:.3g} s ({version}): bounds of every board, none drawn;"
        " resistors' own change with temperature is not in them"
    )


def _named(circuit: Circuit, document: dict[str, Any]) -> dict[str, Any]:
    """With the name of the stuck resistor that is worst."""
    stuck = document["stuck"]
    if stuck is not None:
        stuck["worst_resistor"] = circuit.part_names("resistors")[stuck["worst_resistor"]]
    return document


def _of_stuck(circuit: Circuit, found: Certified) -> str:
    """What one stuck resistor does, in words."""
    stuck = _named(circuit, found.to_json())["stuck"]
    worst = stuck["worst_resistor"]
    levels = " or ".join(_at(ohms) for ohms in stuck["ohms"])
    count = f"{stuck['harmless']:,} of {stuck['resistors']:,}"
    return (
        f"{100 * found.box.tolerance:g} %, any one resistor {levels}: {count} cost"
        f" no decision of the {percent(stuck['certified_without'])} certified without; the worst, {worst}"
        f" {_at(stuck['worst_ohms'])}, leaves {percent(stuck['worst_certified'])}"
    )


def _at(ohms: float) -> str:
    """Such as stuck at 10k ohm, or open."""
    return "open" if ohms > 0.1 / OPEN else f"stuck at {engineering(ohms)} ohm"


def _names(circuit: Circuit, which: NDArray[np.bool_]) -> list[str]:
    names = circuit.part_names("resistors")
    return [names[k] for k in np.flatnonzero(which).tolist()]


def _table(found: list[Certified], decides: bool) -> Table:
    from rich.table import Table

    table = Table()
    shares = ("accuracy", "certified_accuracy") if found[0].right is not None else ()
    shares = (*shares, "certified_decisions") if decides else ()
    titles = {"accuracy": "accuracy", "certified_accuracy": "certified", "certified_decisions": "decisions kept"}
    for column in ("resistors", *(titles[name] for name in shares), "outputs off by"):
        table.add_column(column, justify="right")
    table.add_column("bound")
    for each in found:
        numbers = each.to_json()
        volts, lacking = numbers["largest_bound_volts"], numbers["bounded_by"].get("none", 0)
        table.add_row(
            f"{100 * each.box.tolerance:g} %",
            *(percent(numbers[name]) for name in shares),
            f"no bound of {lacking} samples" if volts is None else f"at most {volts:.3g} V",
            each.bound,
        )
    return table
