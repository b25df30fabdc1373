"""What functions work on: a thing of another kind is refused, with where the right one is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diodeq.circuit import Circuit
from diodeq.errors import UsageError
from diodeq.network import Network


def demand_circuit(given: Any) -> None:
    """Raise ``UsageError`` for what is no circuit: a file's name, weights, or what has one in it."""
    _demand(given, Circuit, "circuit", "give a Circuit, such as diodeq.load reads")


def demand_network(given: Any) -> None:
    """Raise ``UsageError`` for what is no network: a file's name, a circuit, or what has one in it."""
    _demand(given, Network, "network", "give a Network, such as diodeq.load reads")


def _demand(given: Any, kind: type, name: str, remedy: str) -> None:
    if isinstance(given, kind):
        return
    if isinstance(given, (str, Path)):
        raise UsageError(f"{str(given)!r} is a name and no {name}", f"give diodeq.load({str(given)!r})")
    if isinstance(getattr(given, name, None), kind):
        remedy = f"give its .{name}"
    elif isinstance(given, Network):
        remedy = "give the circuit of diodeq.compile(…)"
    elif isinstance(given, Circuit):
        remedy = "give the weights that it was compiled from, or the network of diodeq.extract(…)"
    raise UsageError(f"what is of type {type(given).__name__} is no {name}", remedy)
