"""The diode's drop is the largest error of a compiled circuit: what it will cost, and the remedy that helps most.

The estimate is first order: at the network's own solution every unit's diode is solved exactly on the load line it sees
(guide/theory.md §4), and the resulting errors are carried through the couplings and the stages after it. It is no
bound; ``diodeq verify`` simulates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diodeq.devices import Model, catalogue
from diodeq.devices.diode.law import Law
from diodeq.devices.elements import DIODE_RELU_SATURATION
from diodeq.devices.hardware.technology import Technology
from diodeq.devices.induced import induced
from diodeq.devices.one_ports import OnePorts, forward_voltage, one
from diodeq.devices.transistor.model import TransistorModel
from diodeq.errors import NotRealizableError, SimulationError, UsageError
from diodeq.network import Network, Stage
from diodeq.network.solve import solve, solve_each
from diodeq.synthesis.plan import Floats, StagePlan

REMEDIES = ("auto", "none", "bias", "volts", "diode", "bias+volts")

# With no limit on the supply, what "more volts" means.
MOST_VOLTS_PER_UNIT = 20.0
SAMPLES = 32
QUANTILES = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)


@dataclass(frozen=True)
class Choice:
    """Volts per unit, diode and biases (V, one a stage), and the error they are expected to leave.

    ``error`` is the largest deviation of an output over the largest output, ``rms`` its root mean square over the
    outputs' own; both on the samples the estimate was made with.
    """

    remedy: str
    volts_per_unit: float
    diode: Model
    biases: tuple[float, ...]
    error: float
    rms: float

    def to_json(self) -> dict[str, Any]:
        """As a plain dict."""
        return {
            "remedy": self.remedy,
            "volts_per_unit": self.volts_per_unit,
            "diode": self.diode.name,
            "bias_volts": list(self.biases),
            "expected_error": self.error,
            "expected_rms_error": self.rms,
        }


@dataclass(frozen=True, eq=False)
class Estimate:
    """The network's solution on sample inputs, and what its circuit's voltages scale with."""

    network: Network
    plans: tuple[StagePlan, ...]
    inputs: Floats
    states: tuple[Floats, ...]
    off: tuple[Floats, ...]
    """V that amplifiers add to what the units of each stage sum, float64[n_k]"""

    @staticmethod
    def of(network: Network, plans: Sequence[StagePlan], inputs: Floats | None, off: Sequence[Floats] = ()) -> Estimate:
        """On the given inputs float64[B, n_in], else on a few drawn from [-1, 1].

        Raises ``SimulationError`` when the reference solution does not converge.
        """
        if inputs is None:
            work = sum(stage.size**2 for stage in network.stages if stage.W is not None)
            count = int(np.clip(1e7 // max(work, 1), 4, SAMPLES))
            inputs = np.random.default_rng(0).uniform(-1.0, 1.0, (count, network.widths[0]))
        try:
            states = solve(network, inputs, tolerance=1e-9).states
        except SimulationError:
            # Weights without a guaranteed equilibrium may be built on request; then there is nothing to compare with.
            if all(plan.margin > 0.0 for plan in plans):
                raise
            states = tuple(np.zeros((len(inputs), stage.size)) for stage in network.stages)
        exact = [np.zeros(stage.size) for stage in network.stages]
        return Estimate(network, tuple(plans), inputs, states, tuple(off or exact))

    def highest(self) -> tuple[float, str]:
        """The highest voltage of a rail in volts per volts-per-unit, and which rail it is."""
        found = [(0.0, "no rail")]
        into = np.abs(self.inputs).max(initial=0.0)
        for k, (plan, states) in enumerate(zip(self.plans, self.states, strict=True)):
            found.append((plan.gain * max(float(into), 1.0), f"the rails of stage {k} (gain {plan.gain:.4g})"))
            into = np.abs(states).max(initial=0.0)
            if plan.feedback_columns:
                found.append((plan.gain * float(into), f"the feedback of stage {k} (gain {plan.gain:.4g})"))
            found.append((float(into), f"the units of stage {k}"))
        return max(found)

    def natural_volts(self, diode: Model) -> float | None:
        """The volts per unit at which ``diode`` is the first diode-relu that is not made to measure; None without."""
        for stage, plan in zip(self.network.stages, self.plans, strict=True):
            if stage.activation.name == "diode-relu" and plan.element.made is None:
                return float(_exponential(one(diode)).n_vt) / stage.activation.parameter
        return None

    def with_remedy(self, name: str, volts: float, diode: Model) -> Choice:
        """The choice with its biases found and its error estimated."""
        biases = []
        error = np.zeros_like(self.inputs)
        drives = (self.inputs, *self.states[:-1])
        for stage, plan, into, z, off in zip(
            self.network.stages, self.plans, drives, self.states, self.off, strict=True
        ):
            x = into @ stage.U.T + stage.b + (z @ stage.W.T if stage.W is not None else 0.0)
            alpha = 1.0 / (plan.siemens * plan.core.row_scale)
            made = plan.element.made
            device = one(made.model("made", plan.siemens, volts) if made else diode)
            bias = 0.0
            if "bias" in name and plan.element.biasable:
                bias = _best_bias(stage, plan, device, x, alpha, volts)
            biases.append(bias)
            deviation, slope = _device(stage, plan, device, x, alpha, volts, bias)
            local = deviation + slope * (error @ stage.U.T + off / volts)
            error = local if stage.W is None else solve_each(stage.W, slope, local)
        size = np.abs(self.states[-1])
        largest = float(size.max(initial=0.0)) or 1.0
        rms = float(np.sqrt(np.mean(size**2))) if size.size else 0.0
        return Choice(
            name,
            volts,
            diode,
            tuple(biases),
            float(np.abs(error).max(initial=0.0)) / largest,
            float(np.sqrt(np.mean(error**2))) / (rms or 1.0) if error.size else 0.0,
        )


def choose(
    estimate: Estimate, diode: Model, volts: float | None, technology: Technology, wanted: str
) -> tuple[Choice, tuple[Choice, ...]]:
    """The remedy to use and all that were considered, the plain circuit first.

    ``auto`` takes the one with the smallest expected error among none, bias and (where the volts per unit were left
    open) volts and both. It never replaces a diode the user named: ``diode`` has to be asked for.

    Raises:
        UsageError: there is no such remedy, or volts were asked for and given.
        NotRealizableError: the supply is below what the circuit needs.
    """
    if wanted not in REMEDIES:
        raise UsageError(f"there is no remedy {wanted!r}", f"use one of {', '.join(REMEDIES)}")
    if volts is not None and "volts" in wanted:
        raise UsageError(
            f"the remedy {wanted} chooses the volts per unit, which are given as {volts:g}", "leave one out"
        )
    highest, where = estimate.highest()
    most = technology.supply / highest if highest else np.inf
    if volts is not None and volts > most:
        raise NotRealizableError(
            f"{where} would be at {highest * volts:.4g} V, above the supply of {technology.supply:g} V",
            f"take at most {most:.4g} volts per unit",
        )
    base = volts if volts is not None else min(technology.volts, most)
    considered = [estimate.with_remedy(name, base, diode) for name in ("none", "bias")]
    natural = estimate.natural_volts(diode) if volts is None else None
    if natural is not None and natural <= most:
        considered += [estimate.with_remedy(name, natural, diode) for name in ("volts", "bias+volts")]
    elif volts is None:
        more = max(base, min(MOST_VOLTS_PER_UNIT, most))
        considered += [estimate.with_remedy(name, more, diode) for name in ("volts", "bias+volts")]
    if wanted == "diode":
        considered.append(_other_diode(estimate, base, diode))
        return considered[-1], tuple(considered)
    chosen = min(considered, key=lambda c: c.error) if wanted == "auto" else None
    return chosen or next(c for c in considered if c.remedy == wanted), tuple(considered)


def _other_diode(estimate: Estimate, volts: float, diode: Model) -> Choice:
    """The part of the catalogue with the smallest expected error; the ideal one is no part, nor are generic transistors
    or what was measured at another temperature than 27 °C."""
    known = [catalogue.get(name) for name in catalogue.names() if name != "ideal"]
    warm = (part for part in known if getattr(part, "temperature", None) in (None, 27.0))
    parts = [part for part in warm if not isinstance(part, TransistorModel)]
    found = [estimate.with_remedy("diode", volts, part) for part in [diode, *parts]]
    return min(found, key=lambda choice: choice.error)


def _exponential(device: OnePorts) -> Law:
    """The diode's law; raises `UsageError` for any other, which is no exponential."""
    if not isinstance(device, Law):
        raise UsageError("only a diode has the thermal voltage that this activation needs", "take a diode for it")
    return device


def _best_bias(stage: Stage, plan: StagePlan, device: OnePorts, x: Floats, alpha: Floats, volts: float) -> float:
    """The drop at a typical current: of several quantiles of the conducting currents, the one that errs least."""
    excess = np.abs(x) - np.abs(stage.activation(x))
    currents = (excess * volts / alpha)[excess > 0]
    typical = np.quantile(currents, QUANTILES) if currents.size else np.array([volts * plan.siemens])
    if stage.activation.name == "diode-relu":
        # The diode at the right volts per unit has the right exponential; a bias gives it the right saturation current.
        wanted = stage.activation.parameter * DIODE_RELU_SATURATION * volts * plan.siemens
        diode = _exponential(device)
        return float(diode.n_vt * np.log(wanted / diode.saturation))
    drops = [forward_voltage(device, max(float(current), 1e-15)) for current in typical]

    def badness(drop: float) -> float:
        return float(np.sum(_device(stage, plan, device, x, alpha, volts, drop)[0] ** 2))

    return min(drops, key=badness)


def _device(
    stage: Stage, plan: StagePlan, device: OnePorts, x: Floats, alpha: Floats, volts: float, bias: float
) -> tuple[Floats, Floats]:
    """(deviation, slope): the device's activation less the formula's, and its derivative, at x in units.

    ``alpha`` float64[n] is the resistance in Ω that a unit's activation is the resolvent at.
    """
    if plan.own is not None:
        return np.zeros_like(x), stage.activation.slope(x)
    if stage.activation.name == "soft-threshold":
        return _bridge(x, stage.activation.parameter, _exponential(device).n_vt / volts)
    settled, slope = induced(plan.element, device, volts * x, alpha, volts, bias)
    return settled / volts - stage.activation(x), slope


def _bridge(x: Floats, threshold: float, thermal: float) -> tuple[Floats, Floats]:
    """(deviation, slope) of a bridge of Shockley diodes: its current is ``t tanh(v / (2 n V_T))``, by bisection."""
    low, high = np.zeros_like(x), np.abs(x)
    for _ in range(60):
        middle = (low + high) / 2.0
        above = middle + threshold * np.tanh(middle / (2.0 * thermal)) > np.abs(x)
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    conductance = threshold / (2.0 * thermal) * (1.0 - np.tanh(low / (2.0 * thermal)) ** 2)
    return np.sign(x) * (low - np.maximum(np.abs(x) - threshold, 0.0)), 1.0 / (1.0 + conductance)
