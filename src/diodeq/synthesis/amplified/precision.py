"""Units as active rectifiers: the diode is inside an amplifier's loop, which divides its drop by the gain.

Unit i of stage k is an inverting amplifier whose - input ``s{k}_{i}_sum`` is kept at 0 V. What its resistors bring
there flows through the feedback resistor to the unit's node ``s{k}_{i}``, for a ReLU through a diode that the output
``s{k}_{i}_o`` drives; a second diode keeps the amplifier in its range where the unit is at 0. A positive weight
comes from the inverted rail, which for a unit is ``s{k}_{i}_n``: a second inverting amplifier. Sums do not load each
other: a weight is the ratio of its conductance to the feedback's, whatever the others are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diodeq.circuit import Circuit, Inputs, Units
from diodeq.devices import Model
from diodeq.devices.amplifier import Amplifier
from diodeq.devices.hardware.technology import Technology
from diodeq.devices.one_ports import forward_voltage, one
from diodeq.errors import NotRealizableError
from diodeq.network.solve import solve_each
from diodeq.synthesis.amplified.drivers import DRIVER, FEEDBACK, HEADROOM, SuppliedAmplifier, notes
from diodeq.synthesis.amplified.scaling import Scaled
from diodeq.synthesis.amplifiers import AmplifierParts
from diodeq.synthesis.fit import UNSEEN
from diodeq.synthesis.parts import Parts
from diodeq.synthesis.plan import Bools, Floats, Index

ACTIVATIONS = ("identity", "relu")


@dataclass(frozen=True, eq=False)
class SummingLayer:
    """One stage as resistors into sums: entries ``rows``, ``columns`` (units fed back, inputs, then 1 for the bias),
    their ``siemens``, and whether they come from the inverted rail. ``pairs`` weights are differences of two."""

    rows: Index
    columns: Index
    inverted: Bools
    siemens: Floats
    pairs: int
    fed: int
    """how many columns are the stage's own units"""


@dataclass(frozen=True, eq=False)
class SummingNetwork:
    """How a scaled network becomes summing amplifiers: its layers, the feedback's conductance in S, the bias rails' V,
    and the error that is expected of the outputs, in V: the largest and the root mean square."""

    layers: tuple[SummingLayer, ...]
    feedback: float
    bias: float
    error: float
    rms: float

    def inverted(self, k: int, size: int) -> Bools:
        """Which of the ``size`` units of stage k somebody needs inverted."""
        found, own = np.zeros(size, bool), self.layers[k]
        found[own.columns[own.inverted & (own.columns < own.fed)]] = True
        if k + 1 < len(self.layers):
            after = self.layers[k + 1]
            place = after.columns[after.inverted] - after.fed
            found[place[(place >= 0) & (place < size)]] = True
        return found


def reach(supplied: SuppliedAmplifier, diode: Model) -> tuple[float, float]:
    """The volts that units are scaled to, and the diode's drop at the largest current, which outputs have to add.

    Raises `NotRealizableError` where nothing is left.
    """
    drop = forward_voltage(one(diode), supplied.amperes)
    left = HEADROOM * (supplied.reach - drop)
    if not left > 0.0:
        amplifier, rail = supplied.amplifier, supplied.rail
        raise NotRealizableError(
            f"{diode.name} drops {drop:.3g} V, and {amplifier.name} on ±{rail:g} V reaches {amplifier.reach(rail):.3g}",
            "give a higher --supply or a diode of less drop",
            arguments=("supply", "diode"),
        )
    return left, drop


def plan(
    found: Scaled,
    inputs: Floats,
    states: Sequence[Floats],
    supplied: SuppliedAmplifier,
    diode: Model,
    technology: Technology,
) -> SummingNetwork:
    """The plan for a network scaled to what units ``reach``, with the states of the samples in V.

    Raises:
        NotRealizableError: an activation has no active rectifier; conductances do not fit the technology.
    """
    for k, stage in enumerate(found.network.stages):
        if getattr(stage.activation, "name", "") not in ACTIVATIONS:
            raise NotRealizableError(
                f"stage {k} has the activation {stage.activation}, for which there is no active rectifier",
                "use another realization",
                arguments=("realization",),
            )
    volts, drop = reach(supplied, diode)
    matrices = [_matrix(stage.W, stage.U, stage.b / volts) for stage in found.network.stages]
    feedback = _feedback(found, matrices, supplied.amperes, volts, technology)
    layers = []
    for k, (stage, matrix) in enumerate(zip(found.network.stages, matrices, strict=True)):
        rows, columns = np.nonzero(matrix)
        values = matrix[rows, columns]
        siemens, inverted = feedback * np.abs(values), values > 0.0
        small = siemens < technology.low
        if siemens.size and siemens.max() + technology.low * small.any() > technology.high * (1.0 + 1e-12):
            raise NotRealizableError(
                f"stage {k} needs {siemens.max():.3g} S beside a feedback of {feedback:.3g} S, above the highest",
                "allow a larger --high",
                arguments=("high",),
            )
        layers.append(
            SummingLayer(
                np.concatenate([rows, rows[small]]),
                np.concatenate([columns, columns[small]]),
                np.concatenate([inverted, ~inverted[small]]),
                np.concatenate([siemens + technology.low * small, np.full(small.sum(), technology.low)]),
                int(small.sum()),
                0 if stage.W is None else stage.size,
            )
        )
    leak = -float(one(diode).current(np.array([-1.0]))[0]) / feedback
    error = _expected(found, matrices, feedback, supplied.amplifier, (drop, leak), inputs, states)
    largest, rms = (float(np.abs(error).max(initial=0.0)), float(np.sqrt(np.mean(error**2))) if error.size else 0.0)
    return SummingNetwork(tuple(layers), feedback, volts, largest, rms)


def _matrix(W: Floats | None, U: Floats, b: Floats) -> Floats:
    """All weights of a stage side by side: fed back, from inputs, from the bias; rounding is left out."""
    matrix = np.concatenate([*([] if W is None else [W]), U, b[:, None]], axis=1)
    matrix[np.abs(matrix) <= UNSEEN * np.abs(matrix).sum(axis=1, keepdims=True)] = 0.0
    return matrix


def _feedback(found: Scaled, matrices: Sequence[Floats], current: float, volts: float, technology: Technology) -> float:
    """S of every feedback resistor: as large as outputs and drivers can give currents for, and fits the technology."""
    most = [FEEDBACK, technology.high]
    largest: list[Floats] = [np.full(found.network.widths[0], volts), *found.most]
    for k, (stage, matrix) in enumerate(zip(found.network.stages, matrices, strict=True)):
        load = np.abs(matrix).sum(axis=0)
        most.append(technology.high / float(np.abs(matrix).max(initial=0.0) or 1.0))
        fed = 0 if stage.W is None else stage.size
        after = matrices[k + 1] if k + 1 < len(matrices) else np.zeros((0, 0))
        skip = 0 if k + 1 == len(matrices) or found.network.stages[k + 1].W is None else after.shape[0]
        own = 2.0 + np.zeros(stage.size)  # its feedback and its inverted copy
        own += load[:fed] if fed else 0.0
        own += np.abs(after[:, skip : skip + stage.size]).sum(axis=0) if len(after) else 0.0
        amperes = float((own * largest[k + 1]).max(initial=0.0))
        most.append(current / amperes if amperes > 0.0 else np.inf)
        if k == 0:
            driven = float(load[fed:-1].max(initial=0.0)) * volts
            most.append(DRIVER / driven if driven > 0.0 else np.inf)
    feedback = min(most)
    if feedback < technology.low:
        raise NotRealizableError(
            f"the feedback resistors would have {feedback:.3g} S, below the lowest of {technology.low:.3g} S",
            "allow a smaller --low, or take an amplifier of more current",
            arguments=("low", "amplifier"),
        )
    return feedback


def _expected(
    found: Scaled,
    matrices: Sequence[Floats],
    feedback: float,
    amplifier: Amplifier,
    diode: tuple[float, float],
    inputs: Floats,
    states: Sequence[Floats],
) -> Floats:
    """By how many V outputs [B, n_out] are off to first order: offsets, input currents and finite gains, all offsets of
    one sign, and what ``diode`` drops and leaks, V, carried through the couplings and the stages after them."""
    drop, leak = diode
    error = np.zeros((len(inputs), found.network.widths[0]))
    copied = np.zeros(error.shape)  # what the inverted copies of the stage before are off by, beside their original
    for stage, matrix, z in zip(found.network.stages, matrices, states, strict=True):
        noise_gain = 1.0 + np.abs(matrix).sum(axis=1)
        own = noise_gain * amplifier.offset + amplifier.bias / feedback
        local = own - noise_gain / amplifier.gain * (z + drop)
        twice = 2.0 * amplifier.offset + amplifier.bias / feedback + 2.0 / amplifier.gain * z
        fed = 0 if stage.W is None else stage.size
        local += error @ stage.U.T - copied @ np.maximum(matrix[:, fed:-1], 0.0).T
        if stage.W is not None:
            local -= twice @ np.maximum(stage.W, 0.0).T
        if stage.activation.name == "relu":
            # A unit at rest hangs on its sum, which is off by the offset alone.
            on = z > 0.0
            slope, local = on.astype(np.float64), np.where(on, local, amplifier.offset) - leak
        else:
            slope = np.ones(z.shape)
        error = local if stage.W is None else solve_each(stage.W, slope, local)
        copied = np.broadcast_to(twice, z.shape)
    return error


def build(
    found: Scaled,
    planned: SummingNetwork,
    supplied: SuppliedAmplifier,
    diode: Model,
    title: str,
) -> Circuit:
    """The circuit: outputs are the last stage's units against ground, the resistors of weights are trainable."""
    parts = Parts()
    amplifiers = AmplifierParts(parts, supplied.amplifier, supplied.rail)
    network, siemens = found.network, planned.feedback
    n_inputs = network.widths[0]
    sources, columns, signs = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    before = np.zeros((0, 2), np.int64)
    units: Index = np.zeros(0, np.int64)
    for k, (stage, layer) in enumerate(zip(network.stages, planned.layers, strict=True)):
        units = parts.nodes(f"s{k}_{i}" for i in range(stage.size))
        sums = parts.nodes(f"s{k}_{i}_sum" for i in range(stage.size))
        own = np.stack([units, np.zeros_like(units)], axis=1)
        chosen = np.flatnonzero(planned.inverted(k, stage.size))
        own[chosen, 1] = parts.nodes(f"s{k}_{i}_n" for i in chosen.tolist())
        if k == 0:
            before, sources, columns, signs = _input_rails(parts, layer, n_inputs)
        bias = _bias_rails(parts, k, layer, layer.fed + len(before), planned.bias)
        rails = np.concatenate([own[: layer.fed], before, bias])
        outputs = units
        if stage.activation.name == "relu":
            outputs = parts.nodes(f"s{k}_{i}_o" for i in range(stage.size))
            model = parts.model(diode)
            parts.add("diodes", f"stage {k}: rectifiers", outputs, units, values=model)
            parts.add("diodes", f"stage {k}: rectifiers at rest", sums, outputs, values=model)
        amplifiers.add(0, sums, outputs)
        parts.add("resistors", f"stage {k}: feedback", sums, units, values=siemens)
        parts.add(
            "resistors",
            f"stage {k}: weights",
            rails[layer.columns, layer.inverted.astype(np.intp)],
            sums[layer.rows],
            values=layer.siemens,
        )
        if len(chosen):
            middles = parts.nodes(f"s{k}_{i}_nsum" for i in chosen.tolist())
            amplifiers.add(0, middles, own[chosen, 1])
            parts.add("resistors", f"stage {k}: inverters", units[chosen], middles, values=siemens)
            parts.add("resistors", f"stage {k}: inverters", middles, own[chosen, 1], values=siemens)
        before = own
    trainable = [np.full(count, label.endswith("weights")) for label, count in parts.labels("resistors")]
    return parts.circuit(
        inputs=Inputs(
            sources.astype(np.int32), columns.astype(np.int32), signs, tuple(f"x{j}" for j in range(n_inputs))
        ),
        outputs=np.stack([units, np.zeros_like(units)], axis=1).astype(np.int32),
        output_names=tuple(f"z{i}" for i in range(len(units))),
        trainable=np.concatenate([np.zeros(0, bool), *trainable]),
        units=Units(np.zeros(n_inputs), np.full(n_inputs, found.input), 1.0 / found.output),
        title=title,
        notes=notes(supplied, amplifiers.count),
    )


def _input_rails(parts: Parts, layer: SummingLayer, n_inputs: int) -> tuple[Index, Index, Index, Floats]:
    """Rails [n_in, 2] that inputs drive, of both signs where both are used, and sources, columns and signs of them."""
    place = layer.columns - layer.fed
    chosen = (place >= 0) & (place < n_inputs)
    codes = np.unique(2 * place[chosen] + layer.inverted[chosen])
    nodes = parts.nodes(f"x{code // 2}_{'pn'[code % 2]}" for code in codes.tolist())
    rails = np.zeros((n_inputs, 2), np.int64)
    rails[codes // 2, codes % 2] = nodes
    sources = parts.add("voltage_sources", "input rails", nodes, 0, values=0.0)
    return rails, sources, codes // 2, np.asarray(1.0 - 2.0 * (codes % 2), np.float64)


def _bias_rails(parts: Parts, k: int, layer: SummingLayer, column: int, volts: float) -> Index:
    """The stage's own rails [1, 2] of either sign, where they are used."""
    codes = np.unique(layer.inverted[layer.columns == column]).astype(np.int64)
    nodes = parts.nodes(f"s{k}_bias_{'pn'[code]}" for code in codes.tolist())
    parts.add("voltage_sources", f"stage {k}: bias rails", nodes, 0, values=volts * (1.0 - 2.0 * codes))
    rails = np.zeros((1, 2), np.int64)
    rails[0, codes] = nodes
    return rails
