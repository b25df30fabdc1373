"""The engines. Each follows the ``Simulator`` protocol of ``base.py``."""

from collections.abc import Callable

from diodeq.errors import UsageError
from diodeq.simulators.base import AdjointSolution, OperatingPoint, Simulator
from diodeq.simulators.ngspice import NgspiceSimulator
from diodeq.simulators.wave import WaveSimulator


def _ngspice(*options: str, workers: int | None = None) -> NgspiceSimulator:
    if options:
        raise UsageError(f"the simulator ngspice has no option {options[0]!r}", "say ngspice alone")
    return NgspiceSimulator(workers=workers)


# Called with options and ``workers``.
ENGINES: dict[str, Callable[..., Simulator]] = {"ngspice": _ngspice, "wave": WaveSimulator}


def create(name: str, workers: int | None = None) -> Simulator:
    """The engine called ``name``, with its options after colons: ``ngspice``, ``wave``, ``wave:torch:float32``.

    Raises:
        UsageError: there is no such engine, or it has no such option.
        SimulatorMissingError: what it needs is not installed.
    """
    engine, *options = name.split(":")
    if engine not in ENGINES:
        raise UsageError(f"there is no simulator called {engine!r}", f"choose one of: {', '.join(ENGINES)}")
    return ENGINES[engine](*options, workers=workers)


__all__ = ["ENGINES", "AdjointSolution", "OperatingPoint", "Simulator", "create"]
