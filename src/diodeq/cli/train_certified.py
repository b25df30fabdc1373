"""What ``diodeq train`` proves of the circuit that it trained by certificate, and ``--certify-bits``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rich_click as click

from diodeq.circuit import Circuit
from diodeq.cli.terminal import mention
from diodeq.devices.hardware.technology import CERTIFIED, variation_of
from diodeq.errors import InputError, UsageError
from diodeq.learning import datasets
from diodeq.printable import counted, percent
from diodeq.simulators import BENCH

# So many held-out samples are certified; of boards of this tolerance where nothing else is said.
SAMPLES, USUAL = 450, "tolerance=1%"

CERTIFY_BITS = click.option(
    "--certify-bits",
    type=click.IntRange(1, 16),
    metavar="B",
    help="Train 2^B levels by certificate: --quantize and --robust certified:tolerance=1% in one.",
)


def with_bits(numbers: dict[str, Any]) -> set[str]:
    """Put what --certify-bits asks for among the numbers; returns the names that were put there."""
    bits = numbers.pop("certify_bits")
    if bits is None:
        return set()
    if numbers["quantize"]:
        raise UsageError(f"--certify-bits {bits} is --quantize {2**bits}", "leave --quantize out")
    robust = numbers["robust"]
    if robust and not robust.startswith(CERTIFIED):
        raise UsageError("--certify-bits trains by certificate", f"write --robust {CERTIFIED}{robust}")
    numbers["quantize"], numbers["robust"] = str(2**bits), robust or CERTIFIED + USUAL
    return {"quantize", "robust"}


def proved(summary: dict[str, Any], out: Path, workers: int | None, time_limit: float) -> dict[str, Any] | None:
    """What is proved of all boards that a run trained by certificate was trained for, over held-out samples; None of
    other runs."""
    robust = summary["recipe"].get("robust") or ""
    if not robust.startswith(CERTIFIED) or not summary["classes"]:
        return None
    if summary["simulator"].partition(":")[0] == BENCH:
        mention("not certified: the circuit on a bench deviates by more than boards of a tolerance")
        return None
    from diodeq.api.certificates import certify

    circuit = Circuit.load(out / "circuit.npz")
    data = datasets.load(summary["data"], summary["seed"], "classification")
    tolerances = [variation_of(robust).tolerance]
    samples = data.x_test[:SAMPLES], data.y_test[:SAMPLES]
    try:
        (found,) = certify(circuit, *samples, tolerances=tolerances, workers=workers, time_limit=time_limit)
    except InputError as error:  # a circuit that nothing is proved of; the run stays
        mention(f"not certified: {error}")
        return None
    return found.to_json()


def sentence(found: dict[str, Any], summary: dict[str, Any]) -> str:
    """The same in words."""
    values = summary["recipe"].get("quantize") or ""
    levels = f" with {values} levels" if values.isdigit() else ""
    unique = ", each with one operating point" if found["bound"] == "componentwise" else ""
    return (
        f"certified: {percent(found['certified_accuracy'])} of {counted(found['samples'], 'held-out sample')} right on"
        f" every board of {percent(found['tolerance'])}{levels}{unique}"
    )
