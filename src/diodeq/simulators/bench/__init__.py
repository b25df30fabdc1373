"""The bench: a circuit on the table, or its twin, as an engine that reads through converters."""

from diodeq.errors import UsageError
from diodeq.simulators.bench.describing import load, shipped
from diodeq.simulators.bench.description import Description
from diodeq.simulators.bench.engine import BenchSimulator
from diodeq.simulators.bench.options import changed
from diodeq.simulators.bench.twin import Twin


def described(*words: str) -> Description:
    """The bench that a file or a shipped name and options after it say, ``described("iris", "no-noise")``.

    Raises:
        UsageError: no bench is named, there is none of the name, or an option makes no sense.
        InputError: the file is no description.
    """
    if not words or not words[0]:
        raise UsageError("no bench is named", f"say bench:FILE.toml, or bench: and one of {', '.join(shipped())}")
    return changed(load(words[0]), *words[1:])


__all__ = ["BenchSimulator", "Description", "Twin", "changed", "described", "load", "shipped"]
