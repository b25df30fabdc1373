"""The engines. Each follows the ``Simulator`` protocol of ``base.py``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from diodeq.arrays import text
from diodeq.errors import UsageError
from diodeq.plugins import Registry, trusted
from diodeq.pool import TIME_LIMIT
from diodeq.simulators.added import PARTS, AddedSimulator
from diodeq.simulators.base import AdjointSolution, OperatingPoint, Simulator
from diodeq.simulators.ngspice import NgspiceSimulator
from diodeq.simulators.wave import WaveSimulator

if TYPE_CHECKING:
    from diodeq.simulators.bench import BenchSimulator

BENCH = "bench"
"""The engine that is named with a description of what is on the table, so it is none without"""


def _ngspice(*options: str, workers: int | None, time_limit: float) -> NgspiceSimulator:
    if options:
        raise UsageError(f"the simulator ngspice has no option {options[0]!r}", "say ngspice alone")
    return NgspiceSimulator(workers=workers, time_limit=time_limit)


def _wave(*options: str, workers: int | None, time_limit: float) -> WaveSimulator:
    return WaveSimulator(*options, workers=workers)  # it has no processes whose time could be limited


def _bench(*options: str, workers: int | None, time_limit: float) -> BenchSimulator:
    from diodeq.simulators.bench import BenchSimulator, described  # what it needs, other engines do not

    makes: dict[str, Callable[..., Simulator]] = {"ngspice": _ngspice, "wave": _wave}
    found = [each for each in options[1:] if each in makes]
    if len(found) > 1:
        raise UsageError(f"a bench computes with {' and '.join(found)}", "name one of them")
    make = partial(makes[found[0] if found else "wave"], workers=workers, time_limit=time_limit)
    return BenchSimulator(described(*(each for each in options if each not in makes)), make=make)


# Called with options, ``workers`` and ``time_limit``.
ENGINES: Registry[Callable[..., Simulator]] = Registry(
    {"ngspice": _ngspice, "wave": _wave, BENCH: _bench}, "diodeq.engines", sound=callable
)


def create(name: str, workers: int | None = None, time_limit: float = TIME_LIMIT) -> Simulator:
    """The engine called ``name``, with its options after colons: ``ngspice``, ``wave``, ``wave:torch:float32``,
    ``bench:iris:no-noise``.

    ``time_limit`` is how many seconds of processor time a process of it may take for a deck of ordinary size.

    Raises:
        UsageError: there is no such engine, or it has no such option, or the limit is no time.
        SimulatorMissingError: what it needs is not installed.
        InputError: a package adds it that is broken, or the name is no text.
    """
    engine, *options = text("the simulator", name).split(":")
    if engine not in ENGINES:
        raise UsageError(f"there is no simulator called {engine!r}", f"choose one of: {', '.join(ENGINES)}")
    make = ENGINES[engine]
    if engine in ENGINES.own:
        return make(*options, workers=workers, time_limit=time_limit)
    what = f"the engine {ENGINES.whose(engine)}"
    with trusted(what):
        made = make(*options, workers=workers, time_limit=time_limit)
        missing = [part for part in PARTS if not hasattr(made, part)]
        if missing:
            raise TypeError(f"it makes a {type(made).__name__} without {', '.join(missing)}, which is no Simulator")
    return AddedSimulator(made, what, engine)


def computing(name: str, workers: int | None = None, time_limit: float = TIME_LIMIT) -> Simulator:
    """The same, of what is proved, compared or exported: an engine that computes the circuit that it is given. A bench
    reads another, of parts that deviate.

    Raises:
        UsageError: it is a bench, or as ``create`` does.
    """
    if text("the simulator", name).partition(":")[0] == BENCH:
        raise UsageError(
            f"{name} reads a board that deviates from the circuit, and this is about the circuit itself",
            "use --simulator wave or ngspice; on a bench: simulate, train, prune, audit, compare, front",
        )
    return create(name, workers, time_limit)


def conductance_range(name: str) -> tuple[float, float] | None:
    """The least and the largest conductance in siemens that trainable resistors can have on the engine called ``name``:
    those of a bench's taps; None where it takes any.

    Raises:
        UsageError: as ``create`` does.
        InputError: a bench's description cannot be read.
    """
    engine, *options = text("the simulator", name).split(":")
    return _bench(*options, workers=None, time_limit=TIME_LIMIT).ends if engine == BENCH else None


__all__ = [
    "BENCH",
    "ENGINES",
    "AdjointSolution",
    "OperatingPoint",
    "Simulator",
    "computing",
    "conductance_range",
    "create",
]
