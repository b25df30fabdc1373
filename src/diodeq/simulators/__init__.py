"""The engines. Each follows the ``Simulator`` protocol of ``base.py``."""

from collections.abc import Callable

from diodeq.errors import UsageError
from diodeq.plugins import Registry, trusted
from diodeq.pool import TIME_LIMIT
from diodeq.simulators.added import PARTS, AddedSimulator
from diodeq.simulators.base import AdjointSolution, OperatingPoint, Simulator
from diodeq.simulators.ngspice import NgspiceSimulator
from diodeq.simulators.wave import WaveSimulator


def _ngspice(*options: str, workers: int | None, time_limit: float) -> NgspiceSimulator:
    if options:
        raise UsageError(f"the simulator ngspice has no option {options[0]!r}", "say ngspice alone")
    return NgspiceSimulator(workers=workers, time_limit=time_limit)


def _wave(*options: str, workers: int | None, time_limit: float) -> WaveSimulator:
    return WaveSimulator(*options, workers=workers)  # it has no processes whose time could be limited


# Called with options, ``workers`` and ``time_limit``.
ENGINES: Registry[Callable[..., Simulator]] = Registry(
    {"ngspice": _ngspice, "wave": _wave}, "diodeq.engines", sound=callable
)


def create(name: str, workers: int | None = None, time_limit: float = TIME_LIMIT) -> Simulator:
    """The engine called ``name``, with its options after colons: ``ngspice``, ``wave``, ``wave:torch:float32``.

    ``time_limit`` is how many seconds of processor time a process of it may take for a deck of ordinary size.

    Raises:
        UsageError: there is no such engine, or it has no such option, or the limit is no time.
        SimulatorMissingError: what it needs is not installed.
        InputError: a package adds it that is broken.
    """
    engine, *options = name.split(":")
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


__all__ = ["ENGINES", "AdjointSolution", "OperatingPoint", "Simulator", "create"]
