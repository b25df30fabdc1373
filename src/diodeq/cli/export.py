"""``diodeq export``: a circuit as a netlist for another program, or its linearized adjoint to look at by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rich_click as click
from click import get_current_context
from click.core import ParameterSource

from diodeq.api.forms import OTHERS, Linearized, forms, summary, text
from diodeq.circuit import KINDS, Circuit
from diodeq.circuit.bank import Floats
from diodeq.cli.drives import row_of
from diodeq.cli.names import FORM
from diodeq.cli.options import JSON, SIMULATOR, TIME_LIMIT, UNITS, WRITTEN, print_json
from diodeq.cli.quantizing import PartOptions, document, quantizing, words
from diodeq.cli.terminal import say
from diodeq.errors import UsageError
from diodeq.files import demand_place, write_atomically
from diodeq.netlist.deck import digest
from diodeq.netlist.dialects import DIALECTS

DECKS, LISTS = ("linearized_at", "inject", "simulator", "time_limit"), ("ladder", "simulator", "time_limit")
# The options that mean something to some forms alone.
OWN = {"svg": (), "bom": LISTS}


def _described(form: str) -> str:
    """A form in words; one of a package by name, as nothing of it is imported."""
    return f"{form}, {summary(form)}" if form in OTHERS or form in DIALECTS.own else form


@click.command()
@click.argument("circuit", type=click.Path(path_type=Path))
@click.option(
    "--to",
    type=FORM,
    required=True,
    help="What to write: " + "; ".join(map(_described, forms())) + ".",
)
@click.option("-o", "--output", required=True, type=WRITTEN, help="The file to write.")
@click.option(
    "--at", type=click.Path(path_type=Path), help="CSV of inputs to drive the circuit with.  [default: all 0 V]"
)
@click.option(
    "--linearized-at",
    type=click.Path(path_type=Path),
    help="CSV of inputs: settle the circuit there and write its linearized adjoint, every diode a resistor.",
)
@click.option("--row", type=click.IntRange(min=1), default=1, show_default=True, help="Which row of the CSV, from 1.")
@click.option(
    "--inject",
    multiple=True,
    metavar="OUTPUT[=AMPERES]",
    help="With --linearized-at: the loss gradient at an output, 1 A if not said; repeatable.  [default: 1 A at each]",
)
@quantizing
@UNITS
@SIMULATOR
@TIME_LIMIT
@JSON
def export(
    circuit: Path,
    to: str,
    output: Path,
    at: Path | None,
    row: int,
    units: str,
    as_json: bool,
    **own: Any,
) -> None:
    """Write a circuit for another program.

    Example: diodeq export run/circuit.npz --to ngspice -o circuit.cir

    With --linearized-at the file is the circuit that computes the gradient: diodes frozen at the operating point as
    resistors, sources zeroed, the loss gradient injected. Its header has the forward voltages; for any resistor,
    dl/dG = -(forward volts across it) * (volts across it in this file).

    With --series, --programmable or --levels the resistors are first replaced by such parts (see diodeq quantize).
    """
    _refuse_foreign(to)
    linearized_at = own["linearized_at"]
    if at is not None and linearized_at is not None:
        raise UsageError("--at and --linearized-at both say where to drive the inputs", "give one of them")
    if own["inject"] and linearized_at is None:
        raise UsageError("--inject has no meaning without --linearized-at", "add --linearized-at X.csv or leave it out")
    if at is None and linearized_at is None and _given("row"):
        raise UsageError("--row has no meaning without --at or --linearized-at", "add --at X.csv or leave it out")
    demand_place(output, read=(circuit, at, linearized_at))
    asked = PartOptions.taken(own)
    own["ladder"] = ladder = asked.ladder()
    loaded, said, cost = Circuit.load(circuit), "", {}
    if ladder is not None:
        changed = asked.apply(loaded, circuit, ladder, simulator=own["simulator"], time_limit=own["time_limit"])
        said = words(changed, not asked.samples.given) + "\n"
        cost = {"quantized": document(changed)}
        loaded = changed.circuit
    drives = row_of(loaded, at or linearized_at, row, units)
    linearized = None
    if linearized_at is not None:
        linearized = Linearized(_injections(loaded, own["inject"]), own["simulator"], own["time_limit"])
    written = text(loaded, to, drives, ladder=ladder, linearized=linearized)
    write_atomically(output, written)
    if as_json:
        parts = {kind: len(loaded.bank(kind)) for kind in KINDS}
        about = {"file": str(output), "format": to, "sha256": digest(written), "linearized": linearized_at is not None}
        print_json({**about, "inputs_volts": drives.tolist(), "nodes": len(loaded.nodes), **parts, **cost})
    else:
        say(f"{said}wrote {output}: {summary(to)}")


def _refuse_foreign(to: str) -> None:
    """Raise `UsageError` for an option given on the command line that only other exports know."""
    for name in {*DECKS, *LISTS}:
        known = [form for form in forms() if name in OWN.get(form, DECKS)]
        if _given(name) and to not in known:
            raise UsageError(
                f"--{name.replace('_', '-')} has no meaning with --to {to}", f"it is for --to {', '.join(known)}"
            )


def _given(name: str) -> bool:
    return get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def _injections(circuit: Circuit, inject: tuple[str, ...]) -> Floats:
    if not inject:
        return np.ones(len(circuit.outputs))
    amperes = np.zeros(len(circuit.outputs))
    for given in inject:
        name, _, value = given.partition("=")
        if name not in circuit.output_names:
            known = ", ".join(circuit.output_names[:10])
            raise UsageError(f"--inject names {name!r}, which is no output of the circuit", f"its outputs are {known}")
        try:
            current = float(value) if value else 1.0
        except ValueError:
            current = float("nan")
        if not np.isfinite(current):
            raise UsageError(f"--inject {given} does not give a current", "write OUTPUT=AMPERES with a plain number")
        amperes[circuit.output_names.index(name)] += current
    return amperes
