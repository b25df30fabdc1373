"""The compiler: a network's weights in, a circuit and the account of it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from diodeq.circuit import KINDS, Circuit, check
from diodeq.devices import Model, catalogue
from diodeq.devices import amplifier as amplifiers
from diodeq.devices.amplifier import Amplifier
from diodeq.devices.hardware.technology import Technology
from diodeq.errors import NotRealizableError, UsageError
from diodeq.network import Network, Stage
from diodeq.network.certificate import weakest_direction
from diodeq.network.solve import as_inputs
from diodeq.network.units import OnePortUnits
from diodeq.synthesis import amplified, buffered, passive, transformer_gyrator
from diodeq.synthesis.build import build
from diodeq.synthesis.fit import fit
from diodeq.synthesis.halves import without_sigmoids
from diodeq.synthesis.plan import Core, Floats, StagePlan
from diodeq.synthesis.quantize import quantize
from diodeq.synthesis.remedy import Estimate, choose
from diodeq.synthesis.report import Report, StageReport, parts_of

# In the order in which ``auto`` tries them.
REALIZATIONS: dict[str, Callable[[Stage, bool], Core]] = {
    "passive": passive.core,
    "transformer-gyrator": transformer_gyrator.core,
    "buffered": buffered.core,
}

# All by name; the last one has no core of its own (``amplified``).
NAMES = (*REALIZATIONS, "precision")

MAX_GAIN = 1000.0
ROUNDING = 1e-12
# Up to this many units the realizations that were not taken are planned as well, to compare their costs.
COMPARED = 256


@dataclass(frozen=True, eq=False)
class Compiled:
    """A circuit and how it came about. ``network`` is what it computes: the given one, or the nearest."""

    circuit: Circuit
    report: Report
    network: Network


def compile_network(
    network: Network,
    realization: str = "auto",
    *,
    diode: str | Model = "ideal",
    technology: Technology | None = None,
    volts_per_unit: float | None = None,
    remedy: str = "auto",
    inputs: ArrayLike | None = None,
    max_gain: float = MAX_GAIN,
    allow_nonunique: bool = False,
    title: str = "",
    amplifier: str | Amplifier | None = None,
) -> Compiled:
    """Compile a cascade of stages into a circuit.

    Args:
        network: the weights.
        realization: one of ``NAMES`` for every stage, or ``auto``: for each the first that fits.
        diode: of the elements that are not made to measure; a name of the catalogue or a model.
        technology: conductance range and supply; its ``volts`` are the volts per unit where nothing else is said. Where
            it has only certain values, the resistors get the nearest.
        volts_per_unit: volts that stand for 1.
        remedy: what to do about the diodes' drop, one of ``diodeq.synthesis.remedy.REMEDIES``.
        inputs: float64[B, n_in] sample inputs (in units) for the remedy's estimate and the inputs' range; drawn from
            [-1, 1] by default.
        max_gain: of drivers and buffers.
        allow_nonunique: build a stage by buffers even when no unique equilibrium is guaranteed.
        title: of the circuit.
        amplifier: the operational amplifiers that it may use, a name of their catalogue or one; its supply is then
            ± the technology's, or ±12 V where that has none.

    Raises:
        UsageError: an unknown realization, remedy or diode; volts that are not positive.
        NotRealizableError: weights or range do not allow it; the message has the numbers.
        InputError: ``inputs`` do not fit the network.
    """
    technology = technology or Technology()
    model = catalogue.get(diode) if isinstance(diode, str) else diode
    if realization != "auto" and realization not in NAMES:
        raise UsageError(f"there is no realization {realization!r}", f"use auto, {', '.join(NAMES)}")
    for what, value in (("volts_per_unit", volts_per_unit), ("max_gain", max_gain)):
        if value is not None and not 0.0 < value < np.inf:
            raise UsageError(f"{what} = {value:g} is not possible", "give a positive number", arguments=(what,))
    given, network = network, without_sigmoids(network)
    if amplifier is not None or realization == "precision":
        circuit, report = amplified.compile_amplified(
            network,
            realization,
            amplifiers.get(amplifier or "ideal") if not isinstance(amplifier, Amplifier) else amplifier,
            model,
            technology,
            volts_per_unit,
            None if inputs is None else as_inputs(network, inputs),
            allow_nonunique,
            title or _titled(network),
        )
        return Compiled(circuit, report, given)
    volts_per_unit, temperature = _of_one_ports(network, volts_per_unit)
    samples = None if inputs is None else as_inputs(network, inputs)
    candidates = [
        _candidates(k, stage, realization, model, technology, max_gain, allow_nonunique)
        for k, stage in enumerate(network.stages)
    ]
    plans = [next(iter(found.values())) for found, _ in candidates]
    estimate = Estimate.of(network, plans, samples)
    choice, considered = choose(estimate, model, volts_per_unit, technology, remedy)
    circuit = check(
        build(
            plans,
            network.widths[0],
            choice.volts_per_unit,
            choice.diode,
            choice.biases,
            title or _titled(network),
            temperature,
        )
    )
    if technology.ladder is not None:
        circuit = quantize(circuit, technology.ladder).circuit
    stages = tuple(
        _stage_report(k, stage, found, refused)
        for k, (stage, (found, refused)) in enumerate(zip(network.stages, candidates, strict=True))
    )
    report = Report(
        stages=stages,
        choice=choice,
        considered=considered,
        highest_volts=estimate.highest()[0] * choice.volts_per_unit,
        input_range=max(1.0, float(np.abs(estimate.inputs).max(initial=0.0))) if samples is not None else 1.0,
        parts={kind: len(circuit.bank(kind)) for kind in KINDS if len(circuit.bank(kind))},
    )
    return Compiled(circuit, report, given)


def _titled(network: Network) -> str:
    return f"compiled network {'-'.join(map(str, network.widths))}"


def _of_one_ports(network: Network, volts_per_unit: float | None) -> tuple[float | None, float]:
    """(volts per unit, °C) as units that are one-ports have them, or as given and 27 °C where there are none."""
    found = {
        (stage.activation.volts, stage.activation.temperature): k
        for k, stage in enumerate(network.stages)
        if isinstance(stage.activation, OnePortUnits)
    }
    if not found:
        return volts_per_unit, 27.0
    (volts, temperature), *others = found
    if others:
        raise NotRealizableError(
            f"stages {found[volts, temperature]} and {found[others[0]]} come from circuits of other volts per unit or "
            "temperatures",
            "extract them at the same ones",
        )
    if volts_per_unit not in (None, volts):
        raise UsageError(
            f"its one-ports fix {volts:g} volts per unit, {volts_per_unit:g} are given",
            "leave it out",
            arguments=("volts_per_unit",),
        )
    return volts, temperature


def _candidates(
    k: int,
    stage: Stage,
    realization: str,
    diode: Model,
    technology: Technology,
    max_gain: float,
    allow_nonunique: bool,
) -> tuple[dict[str, StagePlan], dict[str, str]]:
    """Plans by realization, the one to take first, and why others do not fit.

    Raises ``NotRealizableError`` when none fits.
    """
    own = stage.activation if isinstance(stage.activation, OnePortUnits) else None
    part = stage.activation.element(diode)
    wanted = list(REALIZATIONS) if realization == "auto" else [realization]
    found: dict[str, StagePlan] = {}
    refused: dict[str, NotRealizableError] = {}
    margin, unit = weakest_direction(stage)
    strength = stage.activation.law.strength
    # One-ports rise everywhere, so with a margin of 0 there is one equilibrium too; extracting rounds.
    least = -ROUNDING * float(np.abs(stage.H).max(initial=0.0)) if own is not None and stage.W is not None else 0.0
    for name in wanted if stage.W is not None else wanted[:1]:
        if found and stage.size > COMPARED:
            break
        try:
            core = REALIZATIONS[name](stage, part.scalable)
            margin_here = _margin_of(stage, core, margin)
            if margin_here + strength <= least and not (allow_nonunique and name == "buffered"):
                raise _not_monotone(margin_here, unit)
            found[name] = fit(name, stage, core, part, technology, max_gain, margin_here)
        except NotRealizableError as refusal:
            refused[name] = refusal
    if found:
        return found, {name: refusal.problem for name, refusal in refused.items()}
    # The last one tried can do the most, so its reason is the one that matters; the others come with it.
    if margin + strength <= least and not allow_nonunique:
        raise _not_monotone(margin, unit, f"stage {k}: ")
    *others, (name, last) = refused.items()
    more = "".join(f" (and not {other}: {refusal.problem})" for other, refusal in others)
    problem = f"stage {k} cannot be {name}: {last.problem}{more}"
    raise NotRealizableError(problem, last.remedy, arguments=last.arguments) from last


def _not_monotone(margin: float, unit: int | None, where: str = "") -> NotRealizableError:
    return NotRealizableError(
        f"{where}the margin of W is {margin:.6g}, not above 0 (the smallest eigenvalue of the symmetric part of I - W; "
        f"its eigenvector is largest at unit {unit}), so a unique equilibrium is not guaranteed",
        "train with a monotone parameterization, or allow it for buffered with allow_nonunique",
        arguments=("allow_nonunique",),
    )


def _margin_of(stage: Stage, core: Core, margin: float) -> float:
    """The margin of D (I - W) in units."""
    scale: Floats = core.row_scale
    if stage.W is None or np.all(scale == 1.0):
        return margin
    return weakest_direction(replace(stage, W=np.eye(stage.size) - scale[:, None] * stage.H))[0]


def _stage_report(k: int, stage: Stage, found: dict[str, StagePlan], refused: dict[str, str]) -> StageReport:
    (name, plan), *others = found.items()
    scale = plan.core.row_scale
    return StageReport(
        activation=str(stage.activation),
        units=stage.size,
        realization=name,
        refused=refused,
        alternatives={other: parts_of(alternative, k == 0) for other, alternative in others},
        margin=plan.margin,
        siemens=plan.siemens,
        gain=plan.gain,
        row_scale=(float(scale.min(initial=1.0)), float(scale.max(initial=1.0))) if len(scale) else (1.0, 1.0),
        conductance_range=plan.conductance_range,
        pairs=plan.pairs,
        parts=parts_of(plan, k == 0),
    )
