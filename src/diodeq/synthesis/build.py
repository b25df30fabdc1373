"""From plans to a circuit: every stage's nodes, couplings, rails and elements, one after the other.

Node names: ``x{j}_p``/``_n`` rails of input j; ``s{k}_{i}`` unit i of stage k and ``s{k}_{i}_p``/``_n`` its buffered
copies for the next stage; ``f{k}_{i}_p``/``_n`` those fed back within the stage; ``s{k}_{i}_i`` its inverted copy;
``s{k}_{i}_s``/``_o`` its pump's - input and output; what ends in ``s`` else is an amplifier's - input;
``s{k}_t{row}_{position}`` between secondaries; ``s{k}_bias_p``/``_n`` and ``s{k}_low``/``_high`` constant rails.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diodeq.circuit import Circuit, Inputs, Units
from diodeq.devices import Model
from diodeq.devices.elements import ActivationElement
from diodeq.network.units import NOTHING, OnePortUnits
from diodeq.synthesis.amplified.drivers import Drivers, SuppliedAmplifier, notes
from diodeq.synthesis.parts import Parts
from diodeq.synthesis.plan import Bools, Floats, Index, StagePlan


def build(
    plans: Sequence[StagePlan],
    n_inputs: int,
    volts_per_unit: float,
    diode: Model,
    biases: Sequence[float],
    title: str,
    temperature: float = 27.0,
    supplied: SuppliedAmplifier | None = None,
) -> Circuit:
    """The circuit of a cascade.

    Args:
        plans: one per stage.
        n_inputs: columns of the first stage's U.
        volts_per_unit: V.
        diode: of the elements that are not made to measure.
        biases: per stage, the voltage (V) of the bias sources that cancel the diodes' drop.
        title: of the circuit. temperature: in °C.
        supplied: what buffers and pumps are made of; ideal sources where it is None.

    Outputs are the last stage's units against ground; all resistors but those of elements are trainable.
    """
    parts = Parts()
    drivers = Drivers(parts, supplied)
    inputs = Inputs.none()
    units: Index = np.zeros(0, np.int64)
    for k, (plan, bias) in enumerate(zip(plans, biases, strict=True)):
        before, units = units, parts.nodes(f"s{k}_{i}" for i in range(plan.size))
        _couple(parts, k, plan, units)
        own, fed, constant, ground = _columns(plan)
        minus = drivers.pumps(k, plan, units)
        rails = np.zeros(len(plan.feed.rows), np.int64)
        rails[own] = _buffers(drivers, f"stage {k}: feedback", f"f{k}", plan, own, units)
        if k == 0:
            rails[fed], inputs = _input_rails(parts, plan, fed, n_inputs)
        else:
            rails[fed] = _buffers(drivers, f"stage {k - 1} to stage {k}", f"s{k - 1}", plan, fed, before)
        rails[constant] = _bias_rails(parts, k, plan, constant, volts_per_unit)
        for label, chosen in (("feedback", own), ("inputs", fed), ("bias", constant), ("ground", ground)):
            feed = plan.feed
            ends = np.where(plan.pumped[chosen], minus[feed.rows[chosen]], units[feed.rows[chosen]])
            parts.add(
                "resistors",
                f"stage {k}: {label} to units",
                rails[chosen],
                ends,
                values=plan.siemens * feed.values[chosen],
            )
        grounded = np.flatnonzero(plan.ground)
        parts.add(
            "resistors", f"stage {k}: units to ground", units[grounded], 0, values=plan.siemens * plan.ground[grounded]
        )
        _elements(parts, k, plan, units, volts_per_unit, diode, bias, temperature)
        if plan.own is not None:
            _one_ports(parts, k, plan.own, units)
    trainable = np.concatenate(
        [
            np.zeros(0, bool),
            *(np.full(n, not label.endswith(("element", "gains"))) for label, n in parts.labels("resistors")),
        ]
    )
    return parts.circuit(
        inputs=inputs,
        outputs=np.stack([units, np.zeros_like(units)], axis=1).astype(np.int32),
        output_names=tuple(f"z{i}" for i in range(len(units))),
        trainable=trainable,
        units=Units(np.zeros(n_inputs), np.full(n_inputs, volts_per_unit), 1.0 / volts_per_unit),
        temperature=temperature,
        title=title,
        notes=notes(supplied, drivers.count),
    )


def _columns(plan: StagePlan) -> tuple[Index, Index, Index, Index]:
    """Which feeds come from the stage's own units, from its inputs, from the bias, and from ground."""
    columns = plan.feed.columns
    own, constant, ground = (
        columns < plan.feedback_columns,
        columns == plan.bias_column,
        columns > plan.bias_column,
    )
    fed = ~(own | constant | ground)
    return np.flatnonzero(own), np.flatnonzero(fed), np.flatnonzero(constant), np.flatnonzero(ground)


def _couple(parts: Parts, k: int, plan: StagePlan, units: Index) -> None:
    core, siemens = plan.core, plan.siemens
    between = core.resistors
    parts.add(
        "resistors",
        f"stage {k}: between units",
        units[between.rows],
        units[between.columns],
        values=siemens * between.values,
    )
    if len(core.copied.rows):
        copied, which = np.unique(core.copied.rows, return_inverse=True)
        copies = parts.nodes(f"s{k}_{i}_i" for i in copied.tolist())
        parts.add("transformers", f"stage {k}: inverted copies", copies, 0, units[copied], 0, values=-1.0)
        parts.add(
            "resistors",
            f"stage {k}: inverted copies to units",
            copies[which],
            units[core.copied.columns],
            values=siemens * core.copied.values,
        )
    turns = core.turns
    if len(turns.rows):
        # A chain per row: the first secondary starts at ground, each next one where the one before ends.
        first = np.append(True, np.diff(turns.rows) > 0)
        position = np.arange(len(turns.rows)) - np.flatnonzero(first)[np.cumsum(first) - 1]
        tops = parts.nodes(f"s{k}_t{r}_{p}" for r, p in zip(turns.rows.tolist(), position.tolist(), strict=True))
        starts = np.where(first, 0, np.append(0, tops[:-1]))
        parts.add("transformers", f"stage {k}: turns", tops, starts, units[turns.columns], 0, values=turns.values)
        ends = tops[np.append(first[1:], True)]
        parts.add("resistors", f"stage {k}: behind turns", ends, 0, values=siemens)
    spin = core.gyrators
    parts.add(
        "gyrators", f"stage {k}: skew part", units[spin.rows], 0, units[spin.columns], 0, values=siemens * spin.values
    )


def _sides(columns: Index, negative: Bools) -> tuple[Index, Index]:
    """The rails in use as sorted codes (2 column + sign), and for every feed the position of its rail."""
    return np.unique(2 * columns + negative, return_inverse=True)


def _rail_names(prefix: str, codes: Index) -> list[str]:
    return [f"{prefix}{code // 2}_{'pn'[code % 2]}" for code in codes.tolist()]


def _buffers(drivers: Drivers, label: str, prefix: str, plan: StagePlan, chosen: Index, units: Index) -> Index:
    """Buffers of gain ±K from ``units`` and, for every chosen feed, the node of its buffer."""
    columns = plan.feed.columns[chosen] - (0 if prefix[0] == "f" else plan.feedback_columns)
    codes, which = _sides(columns, plan.inverted[chosen])
    return drivers.buffers(label, f"{prefix}_", codes, units, plan.gain)[which]


def _input_rails(parts: Parts, plan: StagePlan, chosen: Index, n_inputs: int) -> tuple[Index, Inputs]:
    codes, which = _sides(plan.feed.columns[chosen] - plan.feedback_columns, plan.inverted[chosen])
    rails = parts.nodes(_rail_names("x", codes))
    sources = parts.add("voltage_sources", "input rails", rails, 0, values=0.0)
    inputs = Inputs(
        source=sources.astype(np.int32),
        column=(codes // 2).astype(np.int32),
        gain=np.asarray(plan.gain * (1.0 - 2.0 * (codes % 2)), np.float64),
        names=tuple(f"x{j}" for j in range(n_inputs)),
    )
    return rails[which], inputs


def _bias_rails(parts: Parts, k: int, plan: StagePlan, chosen: Index, volts_per_unit: float) -> Index:
    codes, which = _sides(np.zeros(len(chosen), np.int64), plan.inverted[chosen])
    rails = parts.nodes(f"s{k}_bias_{'pn'[code]}" for code in codes.tolist())
    volts = plan.gain * volts_per_unit * (1.0 - 2.0 * codes)
    parts.add("voltage_sources", f"stage {k}: bias rails", rails, 0, values=volts)
    return rails[which]


def _elements(
    parts: Parts,
    k: int,
    plan: StagePlan,
    units: Index,
    volts_per_unit: float,
    diode: Model,
    bias: float,
    temperature: float,
) -> None:
    element: ActivationElement = plan.element
    if not (element.diodes and len(units)):
        return
    scale: Floats = plan.core.row_scale
    places: dict[str, Index] = {"node": units, "0": np.zeros_like(units)}
    for rail in element.rails:
        volts = rail.volts(volts_per_unit, bias)
        if volts == 0.0:
            places[rail.name] = places["0"]
            continue
        node = parts.nodes([f"s{k}_{rail.name}"])
        parts.add("voltage_sources", f"stage {k}: element rails", node, 0, values=volts)
        places[rail.name] = np.broadcast_to(node, units.shape)
    for name in element.inner:
        places[name] = parts.nodes(f"s{k}_{i}_{name}" for i in range(len(units)))
    for first, second, value in element.resistors:
        parts.add(
            "resistors", f"stage {k}: element", places[first], places[second], values=plan.siemens * value * scale
        )
    for first, second, value in element.currents:
        amperes = plan.siemens * volts_per_unit * value * scale
        parts.add("current_sources", f"stage {k}: element", places[first], places[second], values=amperes)
    model = diode
    if element.made is not None:
        model = element.made.model(f"made for stage {k}", plan.siemens, volts_per_unit, temperature)
    for anode, cathode in element.diodes:
        parts.add("diodes", f"stage {k}: element", places[anode], places[cathode], values=parts.model(model))


def _one_ports(parts: Parts, k: int, own: OnePortUnits, units: Index) -> None:
    """Units that are one-ports: from ground to the unit, whose voltage is from the second terminal to the first; in
    current form behind a gyrator, whose far side has the voltage for the current that a unit is."""
    turned = np.flatnonzero(own.currents & (own.which != NOTHING))
    behind = parts.nodes(f"s{k}_{i}_port" for i in turned.tolist())
    parts.add("gyrators", f"stage {k}: one-ports", units[turned], 0, behind, 0, values=1.0 / own.ohms)
    anodes, cathodes = np.zeros_like(units), units.copy()
    anodes[turned], cathodes[turned] = behind, 0
    numbers = {model: parts.model(own.models[model]) for model in np.unique(own.which).tolist() if model != NOTHING}
    placed = np.flatnonzero(own.which != NOTHING)
    values = np.array([numbers[model] for model in own.which[placed].tolist()], np.float64)
    parts.add("diodes", f"stage {k}: element", anodes[placed], cathodes[placed], values=values)
