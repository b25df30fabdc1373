"""``diodeq simulate``: a circuit's outputs for rows of inputs, however many: they are read, answered and written in
blocks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import rich_click as click

from diodeq.circuit import Circuit
from diodeq.cli.drives import blocks, classes_of, volts
from diodeq.cli.options import INPUTS, JSON, SIMULATOR, TIME_LIMIT, UNITS, WORKERS, WRITTEN
from diodeq.cli.outputs import Document, Rows, Seen
from diodeq.cli.terminal import complain, mention
from diodeq.errors import SimulationError, UsageError
from diodeq.files import demand_place, written
from diodeq.printable import counted
from diodeq.tables import Floats


@click.command()
@click.argument("circuit", type=click.Path(path_type=Path))
@INPUTS
@click.option("-o", "--output", type=WRITTEN, help="CSV to write.  [default: stdout]")
@click.option(
    "--keep-going",
    is_flag=True,
    help="Print nan where a row has no answer, and say which on stderr; the exit code is 6 then.",
)
@click.option("--classes", is_flag=True, help="End each row with the class of its highest output.")
@SIMULATOR
@WORKERS
@TIME_LIMIT
@UNITS
@JSON
def simulate(
    circuit: Path,
    inputs: Path | None,
    output: Path | None,
    keep_going: bool,
    classes: bool,
    simulator: str,
    workers: int | None,
    time_limit: float,
    units: str,
    as_json: bool,
) -> None:
    """Settle a circuit for every row of inputs and print its outputs, one row a sample.

    Outputs are volts with --units volts, else scores or what the network's units are. A terminal shows their names, and
    the class of the highest where the run beside the circuit says which there are; --classes has it everywhere. Files
    may be larger than the memory.

    Example: diodeq simulate run/circuit.npz --inputs X.csv --units network -o Y.csv
    """
    from diodeq.analysis.certificate import doubt
    from diodeq.api.streams import rows_at_once, simulate_blocks

    if output is not None:
        demand_place(output, read=(circuit, inputs))
    loaded = Circuit.load(circuit)
    several = doubt(loaded)
    if several is not None:
        mention(f"circuit {loaded.title!r} may have several operating points, of which one is printed: {several}")
    done = failed = clipped = 0
    with ExitStack() as stack:
        shown: list[Rows | Document | Seen] = []
        named = classes_of(circuit, loaded)
        ends = _demand_classes(loaded, named) if classes else ()
        if output is not None:
            shown.append(Rows(stack.enter_context(written(output)), ends))
        if as_json:
            head = {
                "units": units,
                "outputs_are": _unit(loaded, units, named),
                "output_names": list(loaded.output_names),
                "unique": several is None,
            }
            shown.append(Document({**head, "classes": named} if named else head, ends))
        elif output is None:
            seen = sys.stdout.isatty()
            shown.append(Seen(loaded.output_names, ends or named) if seen else Rows(_out, ends))
            if seen:
                mention(f"outputs are {_unit(loaded, units, named)}")
        advance = stack.enter_context(_bar(inputs, hidden=sys.stdout.isatty() and output is None))
        read = _sound(loaded, inputs, units, blocks(loaded, inputs, rows_at_once(loaded), advance))
        answers = simulate_blocks(
            *(loaded, read),
            keep_going=keep_going,
            units=units,
            simulator=simulator,
            workers=workers,
            time_limit=time_limit,
        )
        for block in stack.enter_context(closing(answers)):
            for row, reason in sorted(block.failures.items()):
                complain(f"row {done + row + 1} has no answer: {reason}")
            for each in shown:
                each.add(block.outputs, block.version)
            done, failed = done + len(block.outputs), failed + len(block.failures)
            clipped += block.clipped
        for each in shown:
            each.end()
    if clipped:
        limit = f"±{loaded.scaling.limit:g} V of its supply"
        mention(f"{counted(clipped, 'value')} would drive the circuit beyond the {limit} and stayed there")
    if failed:
        one = failed == 1
        raise SimulationError(
            f"{failed} of {counted(done, 'row')} {'has' if one else 'have'} no answer",
            f"{'it is' if one else 'they are'} nan in what was written",
        )


def _demand_classes(circuit: Circuit, named: Sequence[str]) -> Sequence[str]:
    """What each output scores: a class of the run, else the output's own name."""
    if circuit.scaling.regresses or len(circuit.output_names) < 2:
        raise UsageError(f"the outputs of circuit {circuit.title!r} are no classes", "leave --classes out")
    return named or circuit.output_names


def _unit(circuit: Circuit, units: str, classes: Sequence[str]) -> str:
    """What the numbers that are printed are; those of ``classes`` are scores."""
    scale = circuit.scaling.output_scale
    if units == "network" and circuit.scaling.regresses:
        return "in the units of what was learned"
    if units == "volts" or scale == 1.0:
        return "volts"
    return f"scores, {scale:g} to a volt" if classes else f"in the network's units, {scale:g} to a volt"


def _sound(circuit: Circuit, path: Path | None, units: str, read: Iterator[Floats]) -> Iterator[Floats]:
    """The same rows; one that stands for no voltage is named by its place in the file."""
    done = 0
    for rows in read:
        volts(circuit, rows, path, units, done)
        yield rows
        done += len(rows)


def _out(text: str) -> None:
    click.echo(text, nl=False)


@contextmanager
def _bar(path: Path | None, hidden: bool) -> Iterator[Callable[[int], None] | None]:
    """A bar on stderr for the bytes of the file that are done; nothing where nobody would see it."""
    if hidden or not sys.stderr.isatty() or path is None or not path.is_file():
        yield None
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

    from diodeq.cli.console import Terminal

    columns = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Terminal(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=path.stat().st_size)
        yield lambda size: progress.update(task, completed=size)
