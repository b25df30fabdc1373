"""``diodeq montecarlo``: what production does to a circuit, board by board."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rich_click as click

from diodeq.circuit import Circuit
from diodeq.circuit.amplifiers import groups_of
from diodeq.cli.console import bar
from diodeq.cli.options import (
    CLUSTER,
    JOB_SCRIPT,
    JSON,
    SIMULATOR,
    TIME_LIMIT,
    WORKERS,
    WRITTEN,
    plot,
    print_json,
)
from diodeq.cli.samples import Samples, sampled
from diodeq.cli.terminal import say
from diodeq.cluster import job_script as cluster_script
from diodeq.devices.hardware import technology as technologies
from diodeq.devices.hardware.technology import Technology
from diodeq.devices.hardware.variation import Variation
from diodeq.errors import UsageError
from diodeq.files import write_atomically
from diodeq.measures import MEASURES, R2
from diodeq.printable import counted, percent

_MEASURED = [(key, measure.name, measure.said) for key, measure in MEASURES.items()]


@click.command("montecarlo")
@click.argument("circuit", type=click.Path(path_type=Path))
@sampled
@click.option("--samples", type=click.IntRange(min=1), default=1000, show_default=True, help="Boards to draw.")
@click.option("--technology", help="A name of `diodeq devices technologies`, or a variation such as saturation=0.3.")
@click.option("--tolerance", metavar="T", help="Of every resistance, such as 1%; over the technology's own.")
@click.option("--temperature", metavar="COLD:HOT", help="°C, such as 0:70; over the technology's own.")
@click.option(
    "--amplifiers",
    type=click.FloatRange(min=0.0),
    metavar="S",
    help="Spread of operational amplifiers' offsets, input currents and gains, 1 as is usual.  [default: 1]",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the boards.")
@click.option(
    "--threshold",
    metavar="A",
    help="The accuracy (or R²) of a good board, such as 97% (without labels: samples that keep their highest output)."
    "  [default: 1% less than as drawn]",
)
@click.option("--out", type=WRITTEN, help="Write a JSON line for every board as it is done.")
@click.option("--resume", is_flag=True, help="Go on with --out; boards it has are not simulated again.")
@plot("Draw the distributions")
@SIMULATOR
@WORKERS
@TIME_LIMIT
@CLUSTER
@JOB_SCRIPT
@JSON
def montecarlo(
    circuit: Path,
    samples: int,
    technology: str | None,
    tolerance: str | None,
    temperature: str | None,
    amplifiers: float | None,
    seed: int,
    threshold: str | None,
    out: Path | None,
    resume: bool,
    picture: Path | None,
    simulator: str,
    workers: int | None,
    time_limit: float,
    cluster: str,
    job_script: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Draw boards of CIRCUIT at random and simulate each: how accuracy and outputs spread, and which parts matter.

    Operational amplifiers differ on their own: offsets are normal about 0 with the typical one as deviation.

    Board k depends on --seed and k alone, not on how the work is divided. The ranking of parts is the gradient of the
    loss (cross-entropy with classes, squared error with quantities, else half the squared outputs) times the spread of
    each resistor. The certificate is a bound on what resistors' tolerance can do to the outputs; it is shown beside the
    worst that was seen.

    Example: diodeq montecarlo run/circuit.npz --data digits --tolerance 5% --temperature 0:70 --plot boards.svg
    """
    if job_script:
        say(cluster_script(cluster).rstrip("\n"))
        return
    from diodeq.api import studies

    if resume and out is None:
        raise UsageError("--resume has no meaning without --out", "name the file to go on with")
    level = None if threshold is None else _share(threshold)
    wanted = _technology(technology, tolerance, temperature)
    loaded = Circuit.load(circuit)
    if groups_of(loaded):
        spread = wanted.variation
        usual = spread.amplifiers or 1.0 if amplifiers is None else amplifiers
        wanted = replace(wanted, variation=replace(spread, amplifiers=usual))
    elif amplifiers:
        raise UsageError(f"{circuit} has no operational amplifiers that could differ", "leave --amplifiers out")
    drives, labels = Samples(**given).needed(circuit, loaded)
    with bar("boards", samples) as on_board:
        found = studies.monte_carlo(
            *(loaded, drives, labels),
            boards=samples,
            variation=wanted,
            threshold=level,
            seed=seed,
            simulator=simulator,
            workers=workers,
            time_limit=time_limit,
            cluster=cluster,
            units="volts",
            log=out,
            resume=resume,
            on_board=on_board,
        )
    document = found.document
    if picture is not None:
        from diodeq.report.figures import render
        from diodeq.report.montecarlo_plot import montecarlo_figure

        write_atomically(picture, render(montecarlo_figure(document, found.boards, loaded.title), picture))
    if as_json:
        print_json(document)
        return
    say("\n".join(_words(document, len(loaded.outputs) > 1 and not loaded.scaling.regresses)))


def _technology(name: str | None, tolerance: str | None, temperature: str | None) -> Technology:
    """The technology asked for, a preset's or one of the variation it spells."""
    if name is None or "=" in name:
        chosen = replace(Technology(), variation=Variation.parse(name) if name else Variation())
    else:
        chosen = technologies.get(name)
    spread = chosen.variation
    if tolerance is not None:
        spread = replace(spread, tolerance=Variation.parse(f"tolerance={tolerance}").tolerance)
    if temperature is not None:
        given = Variation.parse(f"temperature={temperature}")
        spread = replace(spread, coldest=given.coldest, hottest=given.hottest)
    return replace(chosen, variation=spread)


def _share(text: str) -> float:
    try:
        value = float(text.removesuffix("%")) * (0.01 if text.endswith("%") else 1.0)
    except ValueError:
        value = np.nan
    if not 0.0 < value <= 1.0:
        raise UsageError(f"--threshold {text} is no share", "write such as 97% or 0.97")
    return value


def _words(found: dict[str, Any], decides: bool) -> Iterator[str]:
    """Lines to read; ``decides`` says that there are several outputs, of which one is the highest."""
    failed = f", {found['failed']} of them without a solution" if found["failed"] else ""
    cold, hot = (f"{found['temperatures'][end]:.3g}" for end in ("lowest", "highest"))
    warm = f"{cold} °C" if cold == hot else f"{cold} … {hot} °C"
    yield (
        f"{counted(found['boards'], 'board')}{failed}, {counted(found['samples'], 'sample')} each, {warm}"
        f" ({found['simulator_version']})"
    )
    for name, what, said in (*_MEASURED, ("agreement", "highest output as drawn", percent)):
        if found.get(name) and (decides or name in MEASURES):
            drawn = f", as drawn {said(found[f'{name}_drawn'])}" if name in MEASURES else ""
            yield (
                f"{what}: mean {said(found[name]['mean'])}, 5 % of boards below"
                f" {said(found[name]['percentile_5'])}, worst {said(found[name]['lowest'])}{drawn}"
            )
    if found["rms_volts"]:
        yield (
            f"outputs are off by {found['rms_volts']['mean']:.3g} V rms on the mean board, {found['largest_volts']:.3g}"
            f" V at most; as drawn they are {found['output_rms_volts']:.3g} V rms"
        )
    share, said = found["yield"], R2.said if "r2" in found else percent
    if decides or "r2" in found:
        yield (
            f"yield: {percent(share['share'])} of boards reach {said(share['threshold'])}"
            f" (95 % confidence: {100 * share['low_95']:.2f} … {percent(share['high_95'])})"
        )
    yield "what matters, gradient × spread of parts, as shares of the loss's variance:"
    ranking = found["ranking"]
    for each in ranking["amplifiers"]:
        yield f"  {100 * each['share']:5.1f} %  {counted(each['count'], 'amplifier')} {each['amplifier']}"
    for group in sorted(ranking["groups"], key=lambda each: -each["share"]):
        if group["share"] > 0:
            about = "" if group["group"] == "resistors" else f" {group['group']}"
            yield f"  {100 * group['share']:5.1f} %  {counted(group['resistors'], 'resistor')}{about}"
    for part in [part for part in ranking["parts"] if part["share"] > 0][:3]:
        yield (
            f"  {100 * part['share']:5.2f} %  {part['name']} from {part['from']} to {part['to']},"
            f" {part['siemens']:.4g} S"
        )
    bound = found["certificate"]
    if bound is None:
        yield "no certificate: without a tolerance, for other than compiled or trained circuits, or for very large ones"
    else:
        certain = f"at most {bound['bound_volts']:.3g} V" if bound["bound_volts"] is not None else "without bound"
        verdict = "the bound holds" if bound["holds"] else "THE BOUND DOES NOT HOLD"
        yield (
            f"certificate, {counted(bound['samples'], 'sample')}: a tolerance of {100 * bound['tolerance']:.3g} % moves"
            f" the output nodes {certain} in all (by {bound['method']});"
            f" seen {bound['worst_board_volts']:.3g} V on {counted(bound['boards'], 'board')},"
            f" {bound['worst_corner_volts']:.3g} V in the worst corners: {verdict}"
        )
