"""Weights files as commands open them: what of one was left out is said."""

from __future__ import annotations

from pathlib import Path

from diodeq.cli.terminal import mention
from diodeq.network.weights import Loaded, read


def open_network(
    path: Path,
    activation: str | None,
    layers: tuple[str, ...] | None,
    margin: float | None,
    as_json: bool,
) -> Loaded:
    """The network in a file; unless its notes go into a JSON document, they are said on stderr."""
    loaded = read(path, activation, layers, margin)
    for note in () if as_json else loaded.notes:
        mention(note)
    return loaded
