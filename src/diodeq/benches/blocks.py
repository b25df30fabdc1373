"""What taps at the same node share of what readings say: the blocks by which a large least-squares problem is solved.

Of taps between known voltages and a node every reading sees the sum of their currents alone, so that they are hard to
tell apart, and all together easily: LSMR finds in hundreds of products what it finds in tens when each node's own
matrix of second derivatives is taken out before (a block-Jacobi preconditioner).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from diodeq.benches.model import Setting
from diodeq.benches.products import BoardWiring, Products
from diodeq.simulators.bench.belief import Belief

Floats = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class _NodeTaps:
    """Taps at one node: ``quantities`` are theirs in the vector of all, ``local`` where tracks, ends and single taps
    [3, n_entries] are among these (-1: not sought), each of a tap of ``taps`` and a code (-1: any)."""

    owner: int
    alone: bool
    taps: Index
    quantities: Index
    tracks: Index
    ends: Index
    singles: Index


class NodeBlocks:
    """The second derivatives of ``settings`` by the quantities of the taps at each node, as factors.

    ``places`` has where each of tracks, ends and ohms is in the vector of all that is sought (-1: it is not), ``scale``
    the units of these; of all others the diagonal is ``steep`` + 1.
    """

    def __init__(
        self,
        belief: Belief,
        wiring: BoardWiring,
        pieces: Sequence[Products],
        settings: Sequence[Setting],
        noise: Floats,
        places: dict[str, Index],
        spread: dict[str, Floats],
        steep: Floats,
    ) -> None:
        self._units = 1.0 / np.sqrt(1.0 + steep)
        self._factors: list[tuple[Index, Floats]] = []
        groups = list(_groups(belief, wiring, places))
        found = [np.eye(len(each.quantities)) for each in groups]
        for piece, at in zip(pieces, settings, strict=True):
            weights = at.counts / noise**2
            for group, matrix in zip(groups, found, strict=True):
                _add(matrix, group, belief, wiring, piece, at, weights, spread)
        for group, matrix in zip(groups, found, strict=True):
            self._factors.append((group.quantities, linalg.cholesky(matrix, lower=True)))

    def out(self, vector: Floats) -> Floats:
        """What is sought of what LSMR seeks."""
        found = vector * self._units
        for places, factor in self._factors:
            found[places] = linalg.solve_triangular(factor, vector[places], lower=True, trans="T", check_finite=False)
        return found

    def back(self, vector: Floats) -> Floats:
        """``out`` transposed."""
        found = vector * self._units
        for places, factor in self._factors:
            found[places] = linalg.solve_triangular(factor, vector[places], lower=True, check_finite=False)
        return found


def _groups(belief: Belief, wiring: BoardWiring, places: dict[str, Index]) -> list[_NodeTaps]:
    place = np.full(wiring.nodes, -1)
    place[wiring.free] = np.arange(len(wiring.free))
    mask = belief.channels.circuit.mask
    one, other = (place[each[mask]] for each in wiring.ends)
    alone, owners = np.minimum(one, other) < 0, np.maximum(one, other)
    found = []
    for owner, single in sorted(set(zip(owners.tolist(), alone.tolist(), strict=True))):
        taps = np.flatnonzero((owners == owner) & (alone == single))
        if owner < 0:
            continue
        singles = np.flatnonzero(np.isin(belief.taps, taps))
        each = places["tracks"][taps], places["ends"][taps], places["ohms"][singles]
        quantities = np.concatenate(each)
        quantities = quantities[quantities >= 0]
        local = np.full(len(quantities) and int(quantities.max()) + 2, -1)
        local[quantities] = np.arange(len(quantities))
        of_singles = np.full(len(belief.taps), -1)
        of_singles[singles] = local[each[2]] if len(quantities) else -1
        if len(quantities):
            found.append(_NodeTaps(owner, single, taps, quantities, local[each[0]], local[each[1]], of_singles))
    return found


def _add(
    matrix: Floats,
    group: _NodeTaps,
    belief: Belief,
    wiring: BoardWiring,
    piece: Products,
    at: Setting,
    weights: Floats,
    spread: dict[str, Floats],
) -> None:
    """What one setting says."""
    own, mask, taps = belief.channels.taps, belief.channels.circuit.mask, group.taps
    a, b = (each[mask][taps] for each in wiring.ends)
    rows = len(weights)
    across = piece.volts[:rows, a] - piece.volts[:rows, b]
    if group.alone:
        seen = (weights * piece.inverse[:rows, :, group.owner].astype(np.float64) ** 2).sum(axis=1)
        shared = (across * seen[:, None]).T @ across
    else:
        place = np.searchsorted(wiring.free, a), np.searchsorted(wiring.free, b)
        each = (piece.inverse[:rows][:, :, place[0]] - piece.inverse[:rows][:, :, place[1]]) * across[:, None, :]
        each = (each * np.sqrt(weights)[:, :, None]).reshape(-1, len(taps))
        shared = each.T @ each
    track, wiper = (part[taps] for part in own.parts(at.taps))
    per_ohm = 1.0 / belief.ohms(at.taps)[taps] ** 2
    entries = np.flatnonzero((at.taps[belief.taps] == belief.codes) & (group.singles >= 0))
    of = np.searchsorted(taps, belief.taps[entries])
    every = np.arange(len(taps))
    which = np.concatenate([every, every, of])
    places = np.concatenate([group.tracks, group.ends, group.singles[entries]])
    factor = np.concatenate(
        [
            track * per_ohm * spread["tracks"][taps],
            (own.taps.series + wiper) * per_ohm * spread["ends"][taps],
            per_ohm[of] * spread["ohms"][entries],
        ]
    )
    keep = places >= 0
    which, places, factor = which[keep], places[keep], factor[keep]
    matrix[np.ix_(places, places)] += shared[np.ix_(which, which)] * np.outer(factor, factor)
