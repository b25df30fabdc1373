"""Files in and out: circuits, networks, decks and schematics."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from diodeq import archives
from diodeq.api.forms import Linearized, text
from diodeq.api.things import demand_circuit
from diodeq.circuit import Circuit
from diodeq.errors import InputError
from diodeq.files import write_atomically
from diodeq.netlist.reading.assemble import import_deck
from diodeq.network import Network
from diodeq.network import weights as weights_files

DECKS = frozenset({".cir", ".net", ".sp", ".spi", ".spice", ".ckt", ".asc", ".kicad_sch"})
"""Endings of decks and schematics."""


def load(
    path: str | Path,
    *,
    outputs: Sequence[str] = (),
    inputs: Sequence[str] = (),
    activation: str | None = None,
    layers: Sequence[str] | None = None,
    margin: float | None = None,
) -> Circuit | Network:
    """What a file holds: a circuit that diodeq wrote or a deck or schematic (`Circuit`), or weights (`Network`).

    ``inputs`` and ``outputs`` name a deck's sources to drive and nodes to read, where the deck itself does not say.
    ``activation``, ``layers`` and ``margin`` say of weights what a state dict does not: ``"relu"`` is of all layers but
    the last, ``"relu,identity"`` of each.

    Raises:
        InputError: the file cannot be read, naming what is wrong with it, or is not what was said of it.

    Example:
        >>> import diodeq
        >>> diodeq.save(diodeq.layered((2, 3, 1)), "circuit.npz")
        >>> diodeq.load("circuit.npz").inputs.names
        ('x0', 'x1')
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder", f"name a file in it, such as {path / 'circuit.npz'}")
    if not path.exists():
        raise InputError(f"there is no file {path}", "check the path")
    known = (*weights_files.READERS, *sorted(DECKS))
    if path.suffix.lower() not in known:
        raise InputError(f"{path} does not end like a file that is loaded", f"give one of {', '.join(known)}")
    said = activation, layers, margin
    if said != (None, None, None) and (path.suffix.lower() in DECKS or _is_circuit(path)):
        raise InputError(f"{path} holds a circuit and no weights", "leave activation, layers and margin out")
    if path.suffix.lower() in DECKS:
        return import_deck(path, inputs, outputs).circuit
    if inputs or outputs:
        raise InputError(f"{path} is no deck, whose inputs and outputs could be named", "leave inputs and outputs out")
    if _is_circuit(path):
        return Circuit.load(path)
    return weights_files.load(path, *said)


def save(thing: Circuit | Network, path: str | Path) -> None:
    """Write a circuit (``.npz``) or a network (``.npz`` or ``.safetensors``); `load` gives an equal one back.

    Raises:
        UsageError: this is neither a circuit nor a network.
        InputError: the ending is not one of these, or the file cannot be written.

    Example:
        >>> import diodeq
        >>> diodeq.save(diodeq.Network([diodeq.Stage([[1.0]], [0.0])]), "one.npz")
        >>> diodeq.load("one.npz").widths
        (1, 1)
    """
    if isinstance(thing, Circuit):
        thing.save(path)
    elif isinstance(thing, Network):
        weights_files.save(thing, Path(path))
    else:
        demand_circuit(thing)


def _is_circuit(path: Path) -> bool:
    """Whether an archive has a circuit's arrays; what cannot be read is for a reader to complain of."""
    try:
        return path.suffix.lower() == ".npz" and "nodes" in archives.read(path, {"nodes"})
    except (InputError, OSError):
        return False


def export(
    circuit: Circuit,
    to: str,
    path: str | Path | None = None,
    *,
    volts: ArrayLike | None = None,
    linearized: Linearized | None = None,
) -> str:
    """The text of a circuit for another program, also written to ``path`` where one is given.

    ``to`` is a dialect (``ngspice``, ``ltspice``, ``ltspice-asc``, ``xyce``, ``pyspice``), ``svg`` or ``bom`` (parts
    list), or a dialect that an installed package adds; the inputs are at ``volts`` [n_in], 0 V unless said.
    ``linearized`` asks for the circuit that computes the gradient there.

    Raises:
        UsageError: there is no such form.
        CircuitError: the circuit is not sound.

    Example:
        >>> import diodeq
        >>> print(diodeq.export(diodeq.layered((1, 2, 1)), "ngspice").splitlines()[0])
        * layered 1-2-1
    """
    written = text(circuit, to, None if volts is None else np.asarray(volts, np.float64), linearized=linearized)
    if path is not None:
        write_atomically(Path(path), written)
    return written
