"""Boards: a circuit as it comes out of production, drawn at random from a technology's variation."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from diodeq.circuit import Circuit
from diodeq.circuit.amplifiers import figures, groups_of, inside
from diodeq.circuit.bank import Floats
from diodeq.devices import DiodeModel, Model
from diodeq.devices.composite.model import CompositeModel
from diodeq.devices.curve.model import CurveModel
from diodeq.devices.hardware.technology import Technology
from diodeq.devices.hardware.variation import Variation
from diodeq.devices.transistor.model import TransistorModel
from diodeq.errors import InputError, UsageError

# Resistors are measured at this temperature, °C (IEC 60115-1).
MEASURED_AT = 25.0
# Standard deviations of the logarithms of amplifiers' input currents and gains, and the most that a gain is.
BIASES, GAINS, MOST = 0.5, 0.3, 1e7
# What is left of a conductance that additive errors would make negative: this share of the technology's least one.
LEFT = 1e-3


@dataclass(frozen=True, eq=False)
class Board:
    """One board: its circuit, and ``slope`` float64[n_resistors], the derivative of its conductances by the drawn ones.

    A slope is the factor that an error multiplies by, 1 where errors add, and 0 where a cell is stuck.
    """

    circuit: Circuit
    slope: Floats


def vary(circuit: Circuit, technology: Technology, rng: np.random.Generator) -> Circuit:
    """One board of ``circuit``: the same topology with other values, models and temperature.

    Every resistor, diode and constant source deviates on its own, the temperature is one for the board, uniform in its
    range. Equal generators give equal boards. Inputs, turns ratios, gyrators, and buffers and mirrors but for those
    inside of operational amplifiers, stay as drawn.
    """
    return draw(circuit, technology, rng).circuit


def draw(circuit: Circuit, technology: Technology, rng: np.random.Generator, corners: bool = False) -> Board:
    """One board with its slope; ``corners`` takes the coldest, the circuit's own or the hottest temperature.

    The order of the draws is temperature, resistors, sources, diodes, amplifiers; a figure of 0 draws nothing.
    """
    spread = technology.variation
    temperature = _temperature(circuit, spread, rng, corners)
    conductances, slope = _conductances(circuit, technology, temperature, rng)
    own = inside(circuit, "resistors")
    board = circuit.with_conductances(np.where(own, circuit.conductances, conductances))
    slope = np.where(own, 0.0, slope)
    if spread.supply_error:
        volts, held = circuit.voltage_sources.values, ~inside(circuit, "voltage_sources")
        errors = rng.uniform(-spread.supply_error, spread.supply_error, len(volts))
        board = board.with_values("voltage_sources", volts * (1.0 + errors * held))
    if (spread.saturation or spread.emission) and len(circuit.diodes):
        board = _with_diodes(board, spread, rng)
    board = with_amplifiers(board, spread.amplifiers, temperature, rng)
    return Board(board if temperature == circuit.temperature else replace(board, temperature=temperature), slope)


def _temperature(circuit: Circuit, spread: Variation, rng: np.random.Generator, corners: bool) -> float:
    if spread.coldest == spread.hottest:
        # The default range is a point; it means the circuit's own temperature.
        return circuit.temperature if spread.coldest == Variation.coldest else spread.coldest
    if corners:
        return float(rng.choice([spread.coldest, circuit.temperature, spread.hottest]))
    return float(rng.uniform(spread.coldest, spread.hottest))


def _conductances(
    circuit: Circuit, technology: Technology, temperature: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Conductances of a board and their derivative by the drawn ones."""
    spread, drawn = technology.variation, circuit.conductances
    count = len(drawn)
    # Beside trainable resistors all others are wires: nobody programs them, and they neither age nor stick.
    cells = circuit.mask if circuit.mask.any() else np.ones(count, bool)
    factor = np.ones(count)
    if spread.tolerance:
        factor /= 1.0 + _relative(spread, count, rng)
    if spread.tempco:
        factor /= 1.0 + rng.uniform(-spread.tempco, spread.tempco, count) * (temperature - MEASURED_AT)
    added = np.zeros(count)
    if spread.write_error:
        added = spread.write_error * rng.standard_normal(count) * cells
    if spread.drift or spread.drift_spread:
        # An exponent below 0 would be a conductance that grows, which relaxation does not do.
        exponent = np.maximum(spread.drift + spread.drift_spread * rng.standard_normal(count), 0.0)
        aged = np.where(cells, spread.age**-exponent, 1.0)
        factor, added = factor * aged, added * aged
    if spread.read_noise:
        noisy = 1.0 + spread.read_noise * rng.standard_normal(count) * cells
        factor, added = factor * noisy, added * noisy
    values = drawn * factor + added
    least = LEFT * min(technology.low, float(drawn.min(initial=np.inf)))
    slope = np.where(values > least, factor, 0.0)
    values = np.maximum(values, least)
    if spread.stuck_low or spread.stuck_high:
        dice = rng.random(count)
        low, high = cells & (dice < spread.stuck_low), cells & (dice > 1.0 - spread.stuck_high)
        values = np.where(low, technology.low, np.where(high, technology.high, values))
        slope = np.where(low | high, 0.0, slope)
    return values, slope


def _relative(spread: Variation, count: int, rng: np.random.Generator) -> Floats:
    """Relative errors of resistances within ± the tolerance."""
    if spread.shape == "worst":
        raise UsageError("no board is drawn at random where every part is at its worst", "use shape=uniform")
    if spread.shape == "uniform":
        return rng.uniform(-spread.tolerance, spread.tolerance, count)
    errors = rng.standard_normal(count)
    while (beyond := np.abs(errors) > 3.0).any():
        errors[beyond] = rng.standard_normal(np.count_nonzero(beyond))
    return errors * (spread.tolerance / 3.0)


def with_amplifiers(circuit: Circuit, spread: float, temperature: float, rng: np.random.Generator) -> Circuit:
    """Operational amplifiers at a temperature (°C), each with its own offset, input currents and gain.

    Without a ``spread`` all are as drawn, and drift one way. Raises ``InputError`` where a drift is not known.
    """
    volts, amperes, gains = (
        np.array(circuit.bank(kind).values) for kind in ("voltage_sources", "current_sources", "buffers")
    )
    groups = groups_of(circuit)
    away = temperature - circuit.temperature
    for group in groups if spread or away else ():
        known, count = figures(group), len(group.numbers)
        if away and known.drift is None:
            raise InputError(
                f"how the offset of amplifiers {group.name} drifts is not known",
                "give their drift, V/K, in DIODEQ_AMPLIFIERS, or no temperatures",
            )
        at = group.at("voltage_sources", "offset")
        signs = (spread * rng.standard_normal((2, count))) if spread else np.ones((2, count))
        offset = signs[0] * np.where(at < 0, 0.0, np.append(volts, 0.0)[at])
        drifted = signs[1] * (known.drift or 0.0) * away
        volts[at[at >= 0]] = (offset + drifted)[at >= 0]
        warmer = 2.0 ** (away / known.doubling) if known.doubling else 1.0
        for purpose in ("plus", "minus"):
            at, factor = (
                group.at("current_sources", purpose),
                warmer * np.exp(spread * BIASES * rng.standard_normal(count)),
            )
            amperes[at[at >= 0]] *= factor[at >= 0]
        at = group.at("buffers", "gain")
        gains[at] = np.minimum(gains[at] * np.exp(spread * GAINS * rng.standard_normal(count)), MOST)
    if not groups:
        return circuit
    return (
        circuit.with_values("voltage_sources", volts)
        .with_values("current_sources", amperes)
        .with_values("buffers", gains)
    )


def _with_diodes(circuit: Circuit, spread: Variation, rng: np.random.Generator) -> Circuit:
    """A model for every diode, with its own saturation current and emission coefficient; those that make up operational
    amplifiers have theirs."""
    count = len(circuit.diodes)
    saturation = np.exp(spread.saturation * rng.standard_normal(count))
    # Three sigma at most: a coefficient far out would be no diode.
    emission = 1.0 + spread.emission * np.clip(rng.standard_normal(count), -3.0, 3.0)
    drawn = [circuit.models[k] for k in circuit.diodes.values.astype(int).tolist()]
    models = tuple(
        model if own else deviating(model, f"{model.name}-{k}", float(s), float(e))
        for k, (model, s, e, own) in enumerate(
            zip(drawn, saturation, emission, inside(circuit, "diodes").tolist(), strict=True), 1
        )
    )
    return replace(circuit, models=models, diodes=circuit.diodes.with_values(np.arange(count)))


def deviating(model: Model, name: str, saturation: float, emission: float) -> Model:
    """A one-port under another name whose currents and voltages are larger by factors, as IS and N of a diode are."""
    if isinstance(model, CurveModel):
        # As IS and N do: every current and every voltage by one factor.
        volts, amperes = (emission * v for v in model.volts), (saturation * i for i in model.amperes)
        return replace(model, name=name, volts=tuple(volts), amperes=tuple(amperes), original=())
    if isinstance(model, CompositeModel):
        # What is in one package deviates together; its resistors and sources are as drawn.
        parts = (
            part if part.diode is None else replace(part, diode=_doped(part.diode, saturation, emission))
            for part in model.parts
        )
        return replace(model, name=name, parts=tuple(parts))
    if isinstance(model, TransistorModel):
        return model.deviating(name, saturation, emission)
    assert isinstance(model, DiodeModel)
    return replace(_doped(model, saturation, emission), name=name)


def _doped(model: DiodeModel, saturation: float, emission: float) -> DiodeModel:
    changed = {"is": model.get("is") * saturation, "n": model.get("n") * emission}
    return replace(model, parameters=tuple({**dict(model.parameters), **changed}.items()))
