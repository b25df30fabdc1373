"""The twin at the other end of a link, where a board would be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from diodeq.circuit import Circuit
from diodeq.circuit.check import check
from diodeq.errors import UsageError
from diodeq.simulators.bench.boards import board
from diodeq.simulators.bench.channels import Channels
from diodeq.simulators.bench.description import Description
from diodeq.simulators.bench.links.desk import Desk
from diodeq.simulators.bench.links.instrument import Instrument
from diodeq.simulators.bench.links.server import Server
from diodeq.simulators.bench.links.staged import SILENCE, Staged
from diodeq.simulators.bench.links.transports import address
from diodeq.simulators.bench.twin import Twin

WAYS = ("pty", "tcp", "scpi")


@contextmanager
def serving(
    description: Description,
    circuit: Circuit,
    way: str,
    where: str = "",
    silence: float = SILENCE,
    complain: Callable[[str], None] = print,
) -> Iterator[tuple[Server, Mapping[str, Any]]]:
    """A server of the description's twin of ``circuit``, and the ``[link]`` that finds it; ``run`` serves.

    ``way`` is one of ``WAYS``: the line protocol on a pseudo-terminal, to which ``where`` becomes a link, or on the
    TCP address ``where``, or commands of SCPI there. After ``silence`` seconds without a word the twin goes to rest.
    ``complain(sentence)`` is told what the other end cannot help.

    Raises:
        UsageError: there is no such way, or the address is none.
        InputError: the circuit is not sound or does not fit the description, or the place cannot be had.
    """
    if way not in WAYS:
        raise UsageError(f"a bench cannot be served by {way!r}", f"choose one of {', '.join(WAYS)}")
    twin = Twin(replace(description, link={}), check(circuit))
    staged = Staged(twin, Channels.of(circuit, description).spans, silence, complain)
    server = Server(Instrument(staged) if way == "scpi" else Desk(staged))
    server = server.on_terminal(Path(where) if where else None) if way == "pty" else server.on_port(*address(where))
    try:
        yield server, _link(way, where if way == "pty" and where else server.where)
    finally:
        server.close()


def on_table(description: Description, circuit: Circuit | None) -> Circuit:
    """The circuit, or where none is given that of the board which the description names; raises ``UsageError`` where it
    names none."""
    if circuit is not None:
        return circuit
    if not description.circuit:
        raise UsageError(f"the bench {description.name} takes any circuit", "add --circuit run/circuit.npz")
    return board(description.circuit)


def _link(way: str, where: str) -> Mapping[str, Any]:
    if way == "pty":
        return {"kind": "serial", "port": where}
    if way == "tcp":
        return {"kind": "tcp", "address": where}
    host, _, port = where.rpartition(":")
    return {"kind": "scpi", "resource": f"TCPIP::{host}::{port}::SOCKET"}
