"""A network compiled, tuned, and what is certain of the circuit and asked of its parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from diodeq.analysis.certificate import CircuitCertificate, certify_circuit
from diodeq.analysis.feasibility import feasibility
from diodeq.api.options import demand_known
from diodeq.api.things import demand_network
from diodeq.arrays import real
from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.circuit.feasibility import Feasibility
from diodeq.circuit.survey import Survey
from diodeq.devices.hardware.technology import Technology
from diodeq.devices.protocol import Model
from diodeq.errors import InputError, NotRealizableError, SimulationError
from diodeq.learning.datasets import Dataset
from diodeq.learning.tuning import Tuned
from diodeq.learning.tuning import tune as tune_circuit
from diodeq.network import Network
from diodeq.simulators import create
from diodeq.synthesis.cheapest import cheapest
from diodeq.synthesis.compile import Compiled, compile_network
from diodeq.synthesis.nearest import nearest_passive_network

DRAWN = 64
"""Rows of inputs, where nobody gave any."""
OnStep = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class CompiledAtCost:
    """A network ``compiled`` (``network`` is the one that was: the nearest that is passive, where that was asked for)
    and perhaps ``tuned``, with what is proved of its operating points and what it asks of its parts, or why that is
    not known."""

    compiled: Compiled
    network: Network
    tuned: Tuned | None
    certificate: CircuitCertificate | InputError
    feasible: Feasibility | SimulationError

    @property
    def circuit(self) -> Circuit:
        """What was made."""
        return self.compiled.circuit

    @property
    def moved(self) -> bool:
        """Whether weights had to be exchanged for the nearest passive ones."""
        distances = self.compiled.report.distances
        return distances is not None and any(distances)

    def demand_feasible(self, remedy: str) -> None:
        """Raise ``NotRealizableError`` where a part's rating or the supply is exceeded, ``SimulationError`` where that
        is not known."""
        if isinstance(self.feasible, SimulationError):
            raise self.feasible
        self.feasible.demand(remedy)

    def noted(self, origin: str, *more: str) -> Circuit:
        """The circuit with notes: where it is from, how it was made, what is proved, and ``more``."""
        report = self.compiled.report
        realizations = ", ".join(f"stage {k} {stage.realization}" for k, stage in enumerate(report.stages))
        scale = f"{report.choice.volts_per_unit:g} volts per unit, remedy {report.choice.remedy}"
        tuned = [] if self.tuned is None else [self.tuned.sentence()]
        notes = (f"{origin}: {realizations}; {scale}", self._proved(), *tuned, *more)
        return replace(self.circuit, notes=(*self.circuit.notes, *notes))

    def sentences(self) -> list[str]:
        """All of it in words."""
        if isinstance(self.feasible, SimulationError):
            asked = f"feasibility: not known, as {self.feasible.problem}"
        else:
            asked = self.feasible.sentence()
        tuned = [] if self.tuned is None else [self.tuned.sentence()]
        return [self.compiled.report.text(), *tuned, asked, self._proved()]

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        document = {
            **self.compiled.report.to_json(),
            "certificate": None if isinstance(self.certificate, InputError) else self.certificate.to_json(),
            "feasibility": None if isinstance(self.feasible, SimulationError) else self.feasible.to_json(),
        }
        return document if self.tuned is None else {**document, "tuned": self.tuned.to_json()}

    def _proved(self) -> str:
        if isinstance(self.certificate, InputError):
            return f"certificate: none, as {self.certificate.problem}"
        return f"certificate: {self.certificate.sentence()}"


def compile_at_cost(
    network: Network,
    realization: str = "auto",
    *,
    diode: str | Model = "ideal",
    technology: Technology | None = None,
    amplifier: str | None = None,
    error: float | None = None,
    inputs: ArrayLike | None = None,
    tune: Dataset | None = None,
    tune_epochs: int = 1,
    nearest: bool = False,
    on_step: OnStep | None = None,
    **options: Any,
) -> CompiledAtCost:
    """A network's weights as a circuit, with its certificate and what it asks of supplies and parts.

    Args:
        network: the weights.
        realization: of every stage; "auto" takes the first that fits, with ``error`` the cheapest.
        diode: a part of the catalogue.
        technology: range and values of conductances, supply.
        amplifier: of real parts; none unless given.
        error: the most that is allowed, relative to the largest output.
        inputs: float64[B, n_in] samples in the network's units.
        tune: a data set on which the circuit then learns to answer as the network, for ``tune_epochs``.
        nearest: exchange each W for the closest that is passive.
        on_step: (done, in all, what) while it is tuned.
        options: volts_per_unit, remedy, max_gain, allow_nonunique, title.

    Raises:
        NotRealizableError: the weights, the range or the error do not allow it, with the numbers.
        UsageError: an unknown realization, diode, remedy or option.

    Example:
        >>> import diodeq
        >>> network = diodeq.Network([diodeq.Stage([[1.0, -1.0]], [0.5], [[-0.5]])])
        >>> made = diodeq.compile_at_cost(network, diode="1N4148")
        >>> made.sentences()[-1].startswith("certificate: unique operating point")
        True
    """
    demand_known("compile_at_cost", options, compile_network, "realization")
    demand_network(network)
    hardware = Technology() if technology is None else technology
    distances: tuple[float, ...] | None = None
    if nearest:
        realization = "passive"
        network, distances = nearest_passive_network(network)
    rows = None if inputs is None else real("the inputs", inputs)
    if tune is not None and rows is None and tune.x_train.shape[1] == network.widths[0]:
        rows = tune.x_train
    options |= {"diode": diode, "technology": hardware, "inputs": rows}
    if error is not None and realization == "auto":
        compiled = cheapest(network, error, amplifier or "ideal", **options)
    else:
        compiled = compile_network(network, realization, amplifier=amplifier, **options)
        _demand_exact(compiled, error)
    compiled = replace(compiled, report=replace(compiled.report, distances=distances))
    tuned = None if tune is None else _tuned(compiled, tune, hardware, tune_epochs, on_step)
    if tuned is not None:
        compiled = replace(compiled, circuit=tuned.circuit)
    feasible = _feasible(compiled, hardware, rows)
    return CompiledAtCost(compiled, network, tuned, _certified(compiled.circuit), feasible)


def _tuned(compiled: Compiled, data: Dataset, hardware: Technology, epochs: int, on_step: OnStep | None) -> Tuned:
    total = epochs * len(data.x_train)

    def shown(epoch: int, seen: int, loss: float) -> None:
        if on_step is not None:
            on_step((epoch - 1) * len(data.x_train) + seen, total, f"tuning, loss {loss:.2g} V²")

    with create("wave") as engine:
        return tune_circuit(engine, compiled.circuit, compiled.network, data, hardware, epochs, on_batch=shown)


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
    if error is not None and not expected <= error:
        raise NotRealizableError(
            f"the expected error is {100.0 * expected:.2g} % of the largest output, above {100.0 * error:g} %",
            "allow a larger --error, take another --diode, or --realization auto with an --amplifier",
        )


def _certified(circuit: Circuit) -> CircuitCertificate | InputError:
    """What is proved of the operating points, or why nothing is."""
    try:
        return certify_circuit(circuit)
    except InputError as none:
        return none
