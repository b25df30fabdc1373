"""A network as notebooks show it: one row a stage, with what is certain about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diodeq.markup import card
from diodeq.network.certificate import certify_network

if TYPE_CHECKING:
    from diodeq.network.network import Network

HEAD = ("stage", "units", "kind", "activation", "weights", "margin", "unique equilibrium")


def summary(network: Network) -> str:
    """Sizes, activations and certificates of every stage, as HTML."""
    rows = []
    for k, (stage, known) in enumerate(zip(network.stages, certify_network(network).stages, strict=True)):
        weights = stage.U.size + stage.b.size + (stage.W.size if stage.W is not None else 0)
        kind = "feed-forward" if stage.W is None else "equilibrium"
        unique = "yes, for every input" if known.unique else "not guaranteed"
        rows.append(
            (str(k), str(stage.size), kind, str(stage.activation), f"{weights:,}", f"{known.margin:.3g}", unique)
        )
    return card("network " + "-".join(map(str, network.widths)), rows, HEAD)
