"""``diodeq simulate``: a circuit's outputs for rows of inputs."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from diodeq.circuit import Circuit
from diodeq.cli.options import INPUTS, JSON, SIMULATOR, TIME_LIMIT, UNITS, WORKERS, print_json
from diodeq.files import write_atomically
from diodeq.simulators import create
from diodeq.tables import format_matrix, read_matrix


@click.command()
@click.argument("circuit", type=click.Path(path_type=Path))
@INPUTS
@click.option("-o", "--output", type=click.Path(path_type=Path), help="CSV to write.  [default: stdout]")
@SIMULATOR
@WORKERS
@TIME_LIMIT
@UNITS
@JSON
def simulate(
    circuit: Path,
    inputs: Path,
    output: Path | None,
    simulator: str,
    workers: int | None,
    time_limit: float,
    units: str,
    as_json: bool,
) -> None:
    """Settle a circuit for every row of inputs and print its outputs, one row a sample.

    Example: diodeq simulate run/circuit.npz --inputs X.csv --units network -o Y.csv
    """
    loaded = Circuit.load(circuit)
    rows = read_matrix(inputs, len(loaded.inputs))
    with create(simulator, workers, time_limit) as engine:
        point = engine.operate(loaded, loaded.scaling.to_volts(rows) if units == "network" else rows)
        version = engine.version
    outputs = loaded.scaling.from_volts(point.outputs) if units == "network" else point.outputs
    if output is not None:
        write_atomically(output, format_matrix(outputs))
    if as_json:
        names = list(loaded.output_names)
        print_json({"simulator": version, "units": units, "output_names": names, "outputs": outputs.tolist()})
    elif output is None:
        click.echo(format_matrix(outputs), nl=False)
