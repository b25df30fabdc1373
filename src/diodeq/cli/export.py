"""``diodeq export``: a circuit as a netlist for another program, or its linearized adjoint to look at by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rich_click as click
from click import get_current_context
from click.core import ParameterSource

from diodeq.circuit import KINDS, Circuit
from diodeq.circuit.bank import Floats
from diodeq.circuit.check import check
from diodeq.circuit.schematic import svg
from diodeq.cli.drives import row_of
from diodeq.cli.options import JSON, SIMULATOR, TIME_LIMIT, UNITS, WRITTEN, print_json
from diodeq.cli.quantizing import Parts, document, quantizing, words
from diodeq.cli.terminal import say
from diodeq.devices.hardware.ladder import Ladder
from diodeq.errors import UsageError
from diodeq.files import write_atomically
from diodeq.netlist.bom import bill
from diodeq.netlist.deck import Deck, digest
from diodeq.netlist.dialects import DIALECTS, full_deck
from diodeq.netlist.linearized import linearized_deck
from diodeq.simulators import create


@dataclass(frozen=True)
class Export:
    """One thing a circuit can be exported as.

    ``write(circuit, drives, **own)`` gives the text for input volts ``drives``; ``own`` are the options (as Python
    names) that mean something to this export alone, and are refused with any other.
    """

    summary: str
    write: Callable[..., str]
    own: tuple[str, ...] = ()


def _deck(dialect: str) -> Export:
    return Export(
        DIALECTS[dialect].summary, partial(_write_deck, dialect), ("linearized_at", "inject", "simulator", "time_limit")
    )


def _write_deck(
    dialect: str,
    circuit: Circuit,
    drives: Floats,
    linearized_at: Path | None,
    inject: tuple[str, ...],
    simulator: str,
    time_limit: float,
) -> str:
    if linearized_at is None:
        return full_deck(circuit, dialect, drives).text
    return _linearized(circuit, drives, _injections(circuit, inject), dialect, simulator, time_limit).text


def _write_bom(circuit: Circuit, drives: Floats, ladder: Ladder | None, simulator: str, time_limit: float) -> str:
    return bill(circuit, ladder)


def _draw(circuit: Circuit, drives: Floats) -> str:
    # Without --at the sources are called by the inputs' names instead of 0 V.
    return svg(check(circuit), drives if drives.any() else None)


EXPORTS: dict[str, Export] = {
    "ngspice": _deck("ngspice"),
    "ltspice": _deck("ltspice"),
    "ltspice-asc": _deck("ltspice-asc"),
    "xyce": _deck("xyce"),
    "pyspice": _deck("pyspice"),
    "svg": Export("a picture: a schematic, or conductances by colour where the circuit is large", _draw),
    "bom": Export("a parts list as comma-separated text", _write_bom, ("ladder", "simulator", "time_limit")),
}


@click.command()
@click.argument("circuit", type=click.Path(path_type=Path))
@click.option(
    "--to",
    type=click.Choice(list(EXPORTS)),
    required=True,
    help="What to write: " + "; ".join(f"{name}, {kind.summary}" for name, kind in EXPORTS.items()) + ".",
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
    asked = Parts.taken(own)
    own["ladder"] = ladder = asked.ladder()
    loaded, said, cost = Circuit.load(circuit), "", {}
    if ladder is not None:
        with create(own["simulator"], time_limit=own["time_limit"]) as engine:
            quantized, moved, feasible = asked.apply(loaded, circuit, ladder, engine)
            said = words(quantized, moved, feasible, engine.version, asked.inputs is None) + "\n"
            cost = {"quantized": document(quantized, moved, feasible, engine.version)}
        loaded = quantized.circuit
    drives = row_of(loaded, at or linearized_at, row, units)
    text = EXPORTS[to].write(loaded, drives, **{name: own[name] for name in EXPORTS[to].own})
    write_atomically(output, text)
    if as_json:
        parts = {kind: len(loaded.bank(kind)) for kind in KINDS}
        about = {"file": str(output), "format": to, "sha256": digest(text), "linearized": linearized_at is not None}
        print_json({**about, "inputs_volts": drives.tolist(), "nodes": len(loaded.nodes), **parts, **cost})
    else:
        say(f"{said}wrote {output}: {EXPORTS[to].summary}")


def _refuse_foreign(to: str) -> None:
    """Raise `UsageError` for an option given on the command line that only other exports know."""
    for kind in EXPORTS.values():
        for name in kind.own:
            if _given(name) and name not in EXPORTS[to].own:
                option = "--" + name.replace("_", "-")
                known = [other for other, it in EXPORTS.items() if name in it.own]
                raise UsageError(f"{option} has no meaning with --to {to}", f"it is for --to {', '.join(known)}")


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


def _linearized(
    circuit: Circuit, drives: Floats, injections: Floats, dialect: str, simulator: str, time_limit: float
) -> Deck:
    with create(simulator, 1, time_limit) as engine:
        point = engine.operate(circuit, drives[None, :])
    return linearized_deck(circuit, point.node_voltages[0], point.diode_conductances[0], injections, dialect)
