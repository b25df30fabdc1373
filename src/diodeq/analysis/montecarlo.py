"""Monte Carlo: how the outputs of a circuit spread over boards drawn from a technology's variation.

Board k of a study is drawn by a generator seeded with (seed, k): it is the same board however the work is divided, and
whatever was done before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.cluster import Map
from diodeq.devices.hardware.technology import Technology
from diodeq.devices.hardware.variation import Variation
from diodeq.errors import InputError, SimulationError, UsageError, numbered
from diodeq.measures import Labels, demand_labels, measure_for, scored
from diodeq.netlist.listing import circuit_digest
from diodeq.pool import TIME_LIMIT
from diodeq.simulators import create
from diodeq.simulators.base import Simulator
from diodeq.synthesis.variation import vary

# Boards of one task: enough to be worth an engine's start, few enough that little is lost with a worker.
TASK = 16
# Samples that are simulated at a time: only outputs are kept.
AT_ONCE = 1024
# Of the standard normal distribution: 95 % lie within.
TWO_SIDED_95 = 1.959963984540054


@dataclass(frozen=True, eq=False)
class Study:
    """What is asked: boards of ``circuit`` by ``technology``, on input volts ``drives`` float64[B, n_in].

    ``labels`` are class numbers int64[B], the volts float64[B, n_out] that outputs should have, or None; ``simulator``
    is a name of ``simulators.create``, ``time_limit`` its limit.

    Raises:
        InputError: no outputs, no samples, or labels that are no classes of the outputs.
        UsageError: boards do not differ, or a seed below 0.
    """

    circuit: Circuit
    technology: Technology
    drives: Floats
    labels: Labels | None = None
    simulator: str = "ngspice"
    seed: int = 0
    time_limit: float = TIME_LIMIT

    def __post_init__(self) -> None:
        count = len(self.circuit.outputs)
        if not count or not len(self.drives):
            raise InputError(f"circuit {self.circuit.title!r} has no outputs or no samples", "give it some")
        if self.labels is not None:
            demand_labels(self.labels, len(self.drives), count)
        if self.technology.variation == Variation():
            raise UsageError("nothing varies from board to board", "give a tolerance, temperatures or a technology")
        if self.technology.variation.shape == "worst":
            raise UsageError("no board is drawn at random where every part is at its worst", "use `diodeq certify`")
        if self.seed < 0:
            raise UsageError(f"a seed of {self.seed} is not possible", "give 0 or more")

    def to_json(self) -> dict[str, Any]:
        """What decides every board's figures."""
        technology = self.technology
        digest = hashlib.sha256(np.ascontiguousarray(self.drives).tobytes())
        if self.labels is not None:
            digest.update(self.labels.tobytes())
        return {
            "circuit": circuit_digest(self.circuit),
            "inputs": digest.hexdigest(),
            "technology": technology.name,
            "low": technology.low,
            "high": technology.high,
            "variation": asdict(technology.variation),
            "simulator": self.simulator,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Measured:
    """One board beside the drawn circuit.

    ``agreement``: the share of samples that keep their highest output; ``accuracy``: that of the right ones, with
    labels that are classes, ``r2``: R², with quantities; ``rms`` and ``largest``: how far outputs are off, volts;
    ``temperature``: °C. ``failed`` says why there is nothing but that.
    """

    board: int
    temperature: float
    agreement: float | None = None
    accuracy: float | None = None
    rms: float | None = None
    largest: float | None = None
    failed: str | None = None
    r2: float | None = None

    @property
    def score(self) -> float:
        """Its accuracy or R², its agreement where nobody knows the labels, 0 where it failed."""
        return next((each for each in (self.accuracy, self.r2, self.agreement) if each is not None), 0.0)


def board_of(study: Study, number: int) -> Circuit:
    """Board ``number`` of the study."""
    return vary(study.circuit, study.technology, np.random.default_rng([study.seed, number]))


def measure(study: Study, wanted: Floats, numbers: Sequence[int], map_: Map) -> Iterator[Measured]:
    """Figures of the boards ``numbers`` in turn; ``wanted`` float64[B, n_out] are the drawn circuit's output volts."""
    tasks = [numbers[at : at + TASK] for at in range(0, len(numbers), TASK)]
    for found in map_(_task, (study, wanted), tasks):
        yield from found


def _task(shared: tuple[Study, Floats], numbers: Sequence[int]) -> list[Measured]:
    study, wanted = shared
    with create(study.simulator, 1, study.time_limit) as engine:
        return [_measured(study, wanted, number, engine) for number in numbers]


def _measured(study: Study, wanted: Floats, number: int, engine: Simulator) -> Measured:
    circuit = board_of(study, number)
    try:
        found = outputs(engine, circuit, study.drives)
    except SimulationError as error:
        # A board that no engine can settle is an outcome, not an accident.
        return Measured(number, circuit.temperature, failed=error.problem)
    off, labels = found - wanted, study.labels
    known: dict[str, Any] = {} if labels is None else {measure_for(labels).key: scored(found, labels)}
    return Measured(
        number,
        circuit.temperature,
        agreement=scored(found, wanted.argmax(axis=1)),
        **known,
        rms=float(np.sqrt(np.mean(off**2))),
        largest=float(np.abs(off).max()),
    )


def outputs(engine: Simulator, circuit: Circuit, drives: Floats) -> Floats:
    """Output volts float64[B, n_out]."""
    parts = []
    for at in range(0, len(drives), AT_ONCE):
        with numbered(range(at, len(drives))):
            parts.append(engine.operate(circuit, drives[at : at + AT_ONCE]).outputs)
    return np.concatenate(parts)


def drawn(study: Study) -> tuple[Floats, str]:
    """The drawn circuit's output volts float64[B, n_out] and the engine's version."""
    with create(study.simulator, 1, study.time_limit) as engine:
        return outputs(engine, study.circuit, study.drives), engine.version


def summary(study: Study, wanted: Floats, boards: Sequence[Measured], threshold: float) -> dict[str, Any]:
    """The distributions over boards, and the yield: the share of boards whose score is at least ``threshold``."""
    settled = [each for each in boards if each.failed is None]
    labels = study.labels
    document: dict[str, Any] = {
        "boards": len(boards),
        "failed": len(boards) - len(settled),
        "samples": len(wanted),
        "temperatures": _spread([each.temperature for each in boards]),
        "agreement": _spread([each.agreement for each in settled]),
        "rms_volts": _spread([each.rms for each in settled]),
        "largest_volts": max((each.largest for each in settled if each.largest is not None), default=None),
        "output_rms_volts": float(np.sqrt(np.mean(wanted**2))),
    }
    if labels is not None:
        key = measure_for(labels).key
        document[f"{key}_drawn"] = scored(wanted, labels)
        document[key] = _spread([getattr(each, key) for each in settled])
    passed = sum(each.score >= threshold for each in boards)
    low, high = wilson(passed, len(boards))
    document["yield"] = {"threshold": threshold, "share": passed / len(boards), "low_95": low, "high_95": high}
    return document


def wilson(passed: int, tried: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share (Wilson, J. Am. Stat. Assoc. 22(158), 1927)."""
    share, z2 = passed / tried, TWO_SIDED_95**2
    middle = (share + z2 / (2 * tried)) / (1 + z2 / tried)
    half = TWO_SIDED_95 * np.sqrt(share * (1 - share) / tried + z2 / (4 * tried**2)) / (1 + z2 / tried)
    return float(max(middle - half, 0.0)), float(min(middle + half, 1.0))


def _spread(values: Sequence[float | None]) -> dict[str, float] | None:
    found = np.array([value for value in values if value is not None])
    if not len(found):
        return None
    low, median, high = np.percentile(found, [5, 50, 95]).tolist()
    return {
        "mean": float(found.mean()),
        "deviation": float(found.std(ddof=1)) if len(found) > 1 else 0.0,
        "lowest": float(found.min()),
        "percentile_5": low,
        "median": median,
        "percentile_95": high,
        "highest": float(found.max()),
    }


def alone(study: Study) -> Study:
    """The same study with nothing but the tolerance of resistors."""
    spread = study.technology.variation
    only = replace(Variation(), tolerance=spread.tolerance, shape=spread.shape)
    return replace(study, technology=replace(study.technology, variation=only))
