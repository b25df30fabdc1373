"""``diodeq noise``: the noise of a circuit's outputs, the bits that it leaves, and the accuracy with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rich_click as click

from diodeq.circuit import Circuit
from diodeq.cli.options import INPUTS, JSON, TIME_LIMIT, UNITS, WORKERS, Amount, plot, print_json
from diodeq.cli.physical import LABELLED, LOAD, SAMPLES, WIRING, rows_of
from diodeq.cli.terminal import say
from diodeq.files import write_atomically
from diodeq.printable import counted, percent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from diodeq.analysis.noise import NoiseFigures

# Accuracy is also told with so many times the noise: how much there is to spare.
TIMES = (1.0, 10.0, 100.0, 1000.0)


@click.command()
@click.argument("circuit", type=click.Path(path_type=Path))
@INPUTS
@LABELLED
@SAMPLES
@click.option(
    "--bandwidth",
    type=Amount("hertz"),
    help="Cut noise off above it, such as 10meg.  [default: all that the capacitances let through]",
)
@WIRING
@LOAD
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the noise drawn for accuracy."
)
@plot("Draw the noisiest row's spectra")
@WORKERS
@TIME_LIMIT
@UNITS
@JSON
def noise(
    circuit: Path,
    inputs: Path | None,
    labelled: bool,
    samples: int | None,
    bandwidth: float | None,
    wiring: float,
    load: float,
    seed: int,
    picture: Path | None,
    workers: int | None,
    time_limit: float,
    units: str,
    as_json: bool,
) -> None:
    """Find each output's noise in ngspice at every row's operating point, and what it leaves of the signal.

    Resistors have thermal noise, diodes shot noise (and flicker noise where the model has KF), operational amplifiers
    the white noise of their catalogue; sources and buffers have none. Effective bits: log2(span / (√12 rms)), the
    converter over the outputs' span that adds as much noise as the noisiest output has.

    Example: diodeq noise run/circuit.npz --inputs X.csv --bandwidth 10meg
    """
    from diodeq.api.noise import noise as noise_of

    loaded = Circuit.load(circuit)
    drives, labels = rows_of(inputs, loaded, labelled, units, samples, circuit)
    answer = noise_of(
        *(loaded, drives),
        bandwidth=bandwidth,
        wiring=wiring,
        load=load,
        units="volts",
        workers=workers,
        time_limit=time_limit,
    )
    found = answer.figures
    if picture is not None:
        from diodeq.report.figures import render
        from diodeq.report.noise_plot import noise_figure

        write_atomically(picture, render(noise_figure(found), picture))
    document = _document(found, labels, seed, answer.version, wiring, load)
    if as_json:
        print_json(document)
    else:
        say("\n".join(_lines(found, document)))


def _document(
    found: NoiseFigures, labels: NDArray[np.int64] | None, seed: int, version: str, wiring: float, load: float
) -> dict[str, Any]:
    names = found.circuit.output_names
    return {
        "circuit": found.circuit.title,
        "simulator": version,
        "samples": len(found.rms),
        "wiring_farads": wiring,
        "load_farads": load,
        "from_hertz": found.low,
        "to_hertz": found.high,
        "span_volts": found.span,
        "rms_volts": {"median": float(np.median(found.rms)), "worst": float(found.rms.max())},
        "outputs": {
            name: {"median": float(np.median(column)), "worst": float(column.max()), "volts_per_root_hertz": density}
            for name, column, density in zip(
                names, found.rms.T, np.sqrt(found.spectrum.densities[:, 0]).tolist(), strict=True
            )
        },
        "effective_bits": found.bits if np.isfinite(found.bits) else None,
        "accuracy_without": None if labels is None else float(np.mean(found.outputs.argmax(axis=1) == labels)),
        "accuracy": None if labels is None else {f"{times:g}": found.accuracy(labels, times, seed) for times in TIMES},
        "seed": seed,
    }


def _lines(found: NoiseFigures, document: dict[str, Any]) -> list[str]:
    from diodeq.report.quantities import quantity

    density = np.sqrt(found.spectrum.densities[:, 0].max())
    bits = "no noise" if document["effective_bits"] is None else f"{document['effective_bits']:.1f} effective bits"
    lines = [
        f"output noise: {quantity(float(np.median(found.rms)), 'V')} rms in the median,"
        f" {quantity(float(found.rms.max()), 'V')} at worst, over {counted(document['samples'], 'row')} and"
        f" {counted(len(found.rms[0]), 'output')} ({document['simulator']})",
        f"integrated from {quantity(found.low, 'Hz')} to {quantity(found.high, 'Hz')}; at low frequency"
        f" {quantity(float(density), 'V')}/√Hz in the noisiest row",
        f"span of the outputs {quantity(found.span, 'V')}: {bits}"
        if found.span > 0
        else "effective bits need a span: give at least two rows whose outputs differ",
    ]
    if document["accuracy"] is not None:
        drawn = ", ".join(f"{percent(share)} with {times}" for times, share in document["accuracy"].items())
        lines.append(f"accuracy {percent(document['accuracy_without'])} without noise, {drawn} times the noise")
    return lines
