"""A cascade of nodes with elements, which resistors, transformers, gyrators, buffers or pumps couple."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from diodeq.circuit import Circuit, Units, check
from diodeq.devices import Model
from diodeq.devices.hardware.technology import Technology
from diodeq.errors import NotRealizableError, UsageError
from diodeq.network import Network, Stage
from diodeq.network.certificate import weakest_direction
from diodeq.network.units import OnePortUnits
from diodeq.synthesis import buffered, passive, transformer_gyrator
from diodeq.synthesis.amplified import pumped
from diodeq.synthesis.amplified.drivers import SuppliedAmplifier
from diodeq.synthesis.amplified.pumped import with_pumps
from diodeq.synthesis.amplified.scaling import Solved, homogeneous, scaled
from diodeq.synthesis.amplified.swing import Swing, swings
from diodeq.synthesis.build import build
from diodeq.synthesis.fit import fit
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
# The same where amplifiers that exist have to do it.
AMPLIFIED = {**REALIZATIONS, "transformer-gyrator": pumped.core}

ROUNDING = 1e-12
# Up to this many units the realizations that were not taken are planned as well, to compare their costs.
COMPARED = 256


def compile_cascade(
    network: Network,
    realization: str,
    diode: Model,
    technology: Technology,
    volts_per_unit: float | None,
    remedy: str,
    inputs: Floats | None,
    max_gain: float,
    allow_nonunique: bool,
    title: str,
    supplied: SuppliedAmplifier | None = None,
    solved: Solved | None = None,
) -> tuple[Circuit, Report]:
    """The circuit and the account of it.

    Args are those of ``compile_network``; with amplifiers, which are ``supplied``, the network is ``solved`` on the
    inputs and scaled to what the amplifiers reach, where its activations allow it.

    Raises:
        UsageError: volts are given that the units do not have. NotRealizableError: no realization fits.
    """
    volts_per_unit, temperature = _of_one_ports(network, volts_per_unit)
    margins = [weakest_direction(stage) for stage in network.stages]
    given, found = network, None
    if solved is not None and homogeneous(network):
        found = scaled(network, solved, 1.0)
        network = found.network
    volted = None
    if solved is not None:
        volted = solved if found is None else solved.scaled(found)
    candidates = [
        _candidates(k, stage, realization, diode, technology, max_gain, allow_nonunique, margin, supplied, volted)
        for k, (stage, margin) in enumerate(zip(network.stages, margins, strict=True))
    ]
    plans = [next(iter(found.values())) for found, _ in candidates]
    if supplied is None or volted is None:
        estimate = Estimate.of(network, plans, inputs)
        input_range = max(1.0, float(np.abs(estimate.inputs).max(initial=0.0))) if inputs is not None else 1.0
    else:
        technology = replace(technology, supply=supplied.volts(any(plan.core.pumped for plan in plans)))
        off = tuple(supplied.off(plan, k == 0) for k, plan in enumerate(plans))
        estimate = Estimate(network, tuple(plans), volted.inputs, volted.states, off)
        input_range = volted.input_range
    choice, considered = choose(estimate, diode, volts_per_unit, technology, remedy)
    volts = choice.volts_per_unit
    circuit = build(plans, network.widths[0], volts, choice.diode, choice.biases, title, temperature, supplied=supplied)
    highest = estimate.highest()[0] * volts
    if found is not None:
        into = np.full(network.widths[0], found.input * volts)
        circuit = replace(circuit, units=Units(np.zeros_like(into), into, 1.0 / (found.output * volts)))
        choice, considered = (
            replace(choice, volts_per_unit=found.output * volts),
            tuple(replace(each, volts_per_unit=found.output * each.volts_per_unit) for each in considered),
        )
    swing: tuple[Swing, ...] = ()
    if supplied is not None and solved is not None:
        scales = [np.full(stage.size, volts) for stage in given.stages]
        if found is not None:
            scales = [volts * scale for scale in found.scales]
        swing = swings(given, solved, scales, supplied.reaches(plans))
    circuit = check(circuit)
    if technology.ladder is not None:
        circuit = quantize(circuit, technology.ladder).circuit
    report = Report.of(
        circuit,
        stages=tuple(
            _stage_report(k, stage, found, refused, volts, bias, supplied is not None)
            for k, (stage, (found, refused), bias) in enumerate(
                zip(network.stages, candidates, choice.biases, strict=True)
            )
        ),
        choice=choice,
        considered=considered,
        highest_volts=highest,
        input_range=input_range,
        swing=swing,
    )
    return circuit, report


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
    direction: tuple[float, int | None],
    supplied: SuppliedAmplifier | None,
    solved: Solved | None,
) -> tuple[dict[str, StagePlan], dict[str, str]]:
    """Plans by realization, the one to take first, and why others do not fit. ``direction`` is the margin of W, before
    any scaling, and the unit where its eigenvector is largest.

    Raises ``NotRealizableError`` when none fits.
    """
    own = stage.activation if isinstance(stage.activation, OnePortUnits) else None
    part = stage.activation.element(diode)
    cores = REALIZATIONS if supplied is None else AMPLIFIED
    wanted = list(cores) if realization == "auto" else [realization]
    found: dict[str, StagePlan] = {}
    refused: dict[str, NotRealizableError] = {}
    margin, unit = direction
    strength = stage.activation.law.strength
    # One-ports rise everywhere, so with a margin of 0 there is one equilibrium too; extracting rounds.
    least = -ROUNDING * float(np.abs(stage.H).max(initial=0.0)) if own is not None and stage.W is not None else 0.0
    for name in wanted if stage.W is not None else wanted[:1]:
        if found and stage.size > COMPARED:
            break
        try:
            core = cores[name](stage, part.scalable)
            margin_here = _margin_of(stage, core, margin)
            if margin_here + strength <= least and not (allow_nonunique and name == "buffered"):
                raise _not_monotone(margin_here, unit)

            def make(technology: Technology, name: str = name, core: Core = core, at: float = margin_here) -> StagePlan:
                plan = fit(name, stage, core, part, technology, max_gain, at)
                return plan if solved is None or not core.pumped else with_pumps(plan, *solved.rails(k, stage))

            light = supplied is not None and own is None
            found[name] = supplied.light(make, technology, k == 0) if supplied and light else make(technology)
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


def _stage_report(
    k: int,
    stage: Stage,
    found: dict[str, StagePlan],
    refused: dict[str, str],
    volts_per_unit: float,
    bias: float,
    amplified: bool,
) -> StageReport:
    counted = {name: parts_of(plan, k == 0, volts_per_unit, bias, amplified) for name, plan in found.items()}
    name, *others = found
    plan = found[name]
    scale = plan.core.row_scale
    return StageReport(
        activation=str(stage.activation),
        units=stage.size,
        realization=name,
        refused=refused,
        alternatives={other: counted[other] for other in others},
        margin=plan.margin,
        siemens=plan.siemens,
        gain=plan.gain,
        row_scale=(float(scale.min(initial=1.0)), float(scale.max(initial=1.0))) if len(scale) else (1.0, 1.0),
        conductance_range=plan.conductance_range,
        pairs=plan.pairs,
        parts=counted[name],
    )
