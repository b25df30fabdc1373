"""The engines. Each follows the ``Simulator`` protocol of ``base.py``."""

from collections.abc import Callable

from diodeq.errors import UsageError
from diodeq.simulators.base import AdjointSolution, OperatingPoint, Simulator
from diodeq.simulators.ngspice import NgspiceSimulator
from diodeq.simulators.wave import WaveSimulator

ENGINES: dict[str, Callable[..., Simulator]] = {"ngspice": NgspiceSimulator, "wave": WaveSimulator}


def create(name: str, workers: int | None = None) -> Simulator:
    """The engine called ``name``; raises ``UsageError`` when there is none."""
    if name not in ENGINES:
        raise UsageError(f"there is no simulator called {name!r}", f"choose one of: {', '.join(ENGINES)}")
    return ENGINES[name](workers=workers)


__all__ = ["ENGINES", "AdjointSolution", "OperatingPoint", "Simulator", "create"]
