"""``diodeq compile``: trained weights in, a circuit out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rich_click as click

from diodeq.analysis.certificate import CircuitCertificate, certify_circuit
from diodeq.analysis.feasibility import feasibility
from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.circuit.feasibility import Feasibility
from diodeq.circuit.survey import Survey
from diodeq.cli.console import counting_bar
from diodeq.cli.names import DIODE
from diodeq.cli.networks import open_network
from diodeq.cli.options import JSON, PERCENT, STRICT, WEIGHTS, WRITTEN, print_json
from diodeq.cli.terminal import say
from diodeq.devices.hardware.technology import Technology, get
from diodeq.errors import InputError, NotRealizableError, SimulationError, UsageError
from diodeq.learning.datasets import Dataset
from diodeq.learning.datasets import load as load_data
from diodeq.learning.tuning import Tuned
from diodeq.learning.tuning import tune as tune_circuit
from diodeq.network import Network
from diodeq.network.weights import save
from diodeq.simulators import create
from diodeq.synthesis.cheapest import cheapest
from diodeq.synthesis.compile import MAX_GAIN, NAMES, Compiled, compile_network
from diodeq.synthesis.nearest import nearest_passive_network
from diodeq.synthesis.remedy import REMEDIES
from diodeq.tables import read_matrix

DRAWN = 64
"""Rows of inputs, where nobody gave any."""


@click.command("compile")
@click.argument("weights", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=WRITTEN, help="The circuit to write (.npz).")
@click.option(
    "--realization",
    type=click.Choice(["auto", *NAMES]),
    default="auto",
    show_default=True,
    help="Of every stage; auto takes the first that fits, in this order; with --amplifier precision before all others.",
)
@click.option("--diode", type=DIODE, default="ideal", show_default=True, help="A part of `diodeq devices list`.")
@click.option(
    "--amplifier", help="Operational amplifiers to build with; `diodeq devices amplifiers`.  [default: none, or ideal]"
)
@click.option(
    "--error",
    type=PERCENT,
    help="In % of the largest output: with --realization auto, the cheapest of parts that exist that is expected to be"
    " as exact, with --amplifier where that takes amplifiers; any other is refused where it is not.",
)
@click.option("--volts-per-unit", type=float, help="Volts that stand for 1.  [default: the remedy's choice, from 5 up]")
@click.option(
    "--remedy",
    type=click.Choice(REMEDIES),
    default="auto",
    show_default=True,
    help="Against the diodes' drop: bias sources, more volts per unit, another diode; auto takes what helps most and "
    "keeps the diode.",
)
@click.option(
    "--inputs", type=click.Path(path_type=Path), help="CSV of sample inputs in network units, to choose the remedy by."
)
@click.option(
    "--tune",
    metavar="DATA",
    help="Then fine-tune it by hardware linearization to answer as the network does, on a data set of `diodeq train`,"
    " whose inputs serve as --inputs too where those are not given.",
)
@click.option("--tune-epochs", type=click.IntRange(1), help="Passes through DATA of --tune.  [default: 1]")
@click.option("--nearest", is_flag=True, help="Replace each W by the closest that is passive, and save those weights.")
@click.option(
    "--technology",
    help="Range, values and supply; `diodeq devices technologies`.  [default: any value, 1e-7 … 1e-2 S]",
)
@click.option("--low", type=float, help="The least conductance, in siemens.  [default: the technology's]")
@click.option("--high", type=float, help="The largest, in siemens.  [default: the technology's]")
@click.option(
    "--supply",
    type=float,
    help="The highest voltage, in V: of amplifiers ± their supply.  [default: the technology's, "
    "or none; with --amplifier 12, or 2.5 where it bears no more]",
)
@click.option("--max-gain", type=float, default=MAX_GAIN, show_default=True, help="Of drivers and buffers.")
@click.option("--allow-nonunique", is_flag=True, help="Let buffers build W without a guaranteed equilibrium.")
@STRICT
@WEIGHTS
@JSON
def compile_command(
    weights: Path,
    output: Path,
    realization: str,
    diode: str,
    amplifier: str | None,
    error: float | None,
    volts_per_unit: float | None,
    remedy: str,
    inputs: Path | None,
    tune: str | None,
    tune_epochs: int | None,
    nearest: bool,
    technology: str | None,
    low: float | None,
    high: float | None,
    supply: float | None,
    max_gain: float,
    allow_nonunique: bool,
    strict: bool,
    activation: str | None,
    layers: tuple[str, ...] | None,
    margin: float | None,
    as_json: bool,
) -> None:
    """Compile a network's weights into a circuit of resistors and diodes.

    Example: diodeq compile weights.npz -o circuit.npz --diode 1N4148
    """
    if tune_epochs is not None and tune is None:
        raise UsageError("--tune-epochs has no meaning where nothing is tuned", "add --tune DATA, or leave it out")
    hardware = get(technology) if technology else Technology()
    limits: dict[str, Any] = {"low": low, "high": high, "supply": supply, "diode": diode}
    hardware = replace(hardware, **{name: value for name, value in limits.items() if value is not None})
    loaded = open_network(weights, activation, layers, margin, as_json)
    network = loaded.network
    distances: tuple[float, ...] | None = None
    if nearest:
        realization = "passive"
        network, distances = nearest_passive_network(network)
    rows = None if inputs is None else read_matrix(inputs, [f"x{k}" for k in range(network.widths[0])])
    data = None if tune is None else load_data(tune)
    if data is not None and rows is None and data.x_train.shape[1] == network.widths[0]:
        rows = data.x_train
    options: dict[str, Any] = {
        "diode": diode,
        "technology": hardware,
        "volts_per_unit": volts_per_unit,
        "remedy": remedy,
        "inputs": rows,
        "max_gain": max_gain,
        "allow_nonunique": allow_nonunique,
        "title": f"compiled from {weights.name}",
    }
    if error is not None and realization == "auto":
        compiled = cheapest(network, error / 100.0, amplifier or "ideal", **options)
    else:
        compiled = compile_network(network, realization, amplifier=amplifier, **options)
        _demand_exact(compiled, error)
    compiled = replace(compiled, report=replace(compiled.report, distances=distances))
    tuned = None if data is None else _tuned(compiled, data, hardware, tune_epochs or 1)
    if tuned is not None:
        compiled = replace(compiled, circuit=tuned.circuit)
    feasible = _feasible(compiled, hardware, rows)
    if strict:
        if isinstance(feasible, SimulationError):
            raise feasible
        feasible.demand("give fewer --volts-per-unit, another --realization or --diode, or leave --strict out")
    moved = _save_nearest(network, output) if distances is not None and any(distances) else None
    certificate = _certified(compiled.circuit)
    realizations = ", ".join(f"stage {k} {stage.realization}" for k, stage in enumerate(compiled.report.stages))
    choice = compiled.report.choice
    scale = f"{choice.volts_per_unit:g} volts per unit, remedy {choice.remedy}"
    notes = (
        f"compiled from {weights.name}: {realizations}; {scale}",
        f"certificate: {_told(certificate)}",
        *([] if tuned is None else [tuned.sentence()]),
        *loaded.notes,
    )
    replace(compiled.circuit, notes=(*compiled.circuit.notes, *notes)).save(output)
    _print(compiled, tuned, certificate, feasible, output, moved, loaded.notes if as_json else None)


def _feasible(compiled: Compiled, hardware: Technology, rows: Floats | None) -> Feasibility | SimulationError:
    """What the circuit asks for over rows float64[B, n_in] in network units; drawn where there are none, from all over
    the inputs' range and from its corners."""
    circuit = compiled.circuit
    if rows is None:
        random = np.random.default_rng(0)
        drawn = random.uniform(-1.0, 1.0, (DRAWN, len(circuit.inputs)))
        drawn[::2] = np.sign(drawn[::2])
        rows = compiled.report.input_range * drawn
    elif compiled.report.amplifiers and len(rows) > DRAWN:  # amplifiers take time
        rows = rows[np.linspace(0, len(rows) - 1, DRAWN).astype(int)]
    ladder = hardware.ladder
    survey = Survey(circuit, supply=hardware.supply, made_of=None if ladder is None else ladder.single)
    try:
        with create("wave") as engine:
            return feasibility(engine, circuit, circuit.scaling.to_volts(rows), survey, circuit.scaling.clipped(rows))
    except SimulationError as error:
        return error


def _demand_exact(compiled: Compiled, error: float | None) -> None:
    expected = compiled.report.choice.error
    if error is not None and not expected <= error / 100.0:
        raise NotRealizableError(
            f"the expected error is {100.0 * expected:.2g} % of the largest output, above {error:g} %",
            "allow a larger --error, take another --diode, or --realization auto with an --amplifier",
        )


def _certified(circuit: Circuit) -> CircuitCertificate | InputError:
    """What is proved of the operating points, or why nothing is."""
    try:
        return certify_circuit(circuit)
    except InputError as none:
        return none


def _told(certificate: CircuitCertificate | InputError) -> str:
    return f"none, as {certificate.problem}" if isinstance(certificate, InputError) else certificate.sentence()


def _save_nearest(network: Network, output: Path) -> Path:
    path = output.with_name(f"{output.stem}-weights.npz")
    save(network, path)
    return path


def _tuned(compiled: Compiled, data: Dataset, hardware: Technology, epochs: int) -> Tuned:
    total = epochs * len(data.x_train)
    with create("wave") as engine, counting_bar() as step:

        def shown(epoch: int, seen: int, loss: float) -> None:
            if step is not None:
                step((epoch - 1) * len(data.x_train) + seen, total, f"tuning, loss {loss:.2g} V²")

        return tune_circuit(engine, compiled.circuit, compiled.network, data, hardware, epochs, on_batch=shown)


def _print(
    compiled: Compiled,
    tuned: Tuned | None,
    certificate: CircuitCertificate | InputError,
    feasible: Feasibility | SimulationError,
    output: Path,
    moved: Path | None,
    notes: tuple[str, ...] | None,
) -> None:
    """Say it in words, or with ``notes`` as a JSON document."""
    if isinstance(feasible, SimulationError):
        told, document = f"feasibility: not known, as {feasible.problem}", None
    else:
        told, document = feasible.sentence(), feasible.to_json()
    if notes is not None:
        nearest = {} if moved is None else {"nearest_weights": str(moved)}
        proved = None if isinstance(certificate, InputError) else certificate.to_json()
        certified = {"certificate": proved, "feasibility": document}
        if tuned is not None:
            certified["tuned"] = tuned.to_json()
        print_json({"file": str(output), **nearest, **compiled.report.to_json(), **certified, "notes": list(notes)})
        return
    say(compiled.report.text())
    if tuned is not None:
        say(tuned.sentence())
    say(told)
    say(f"certificate: {_told(certificate)}")
    if moved is not None:
        say(f"wrote the weights that were compiled, the nearest passive ones, to {moved}")
    say(f"wrote {output}")
