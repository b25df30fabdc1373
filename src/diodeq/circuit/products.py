"""Products of branch voltages, summed over a batch: what every local learning rule asks of a circuit's resistors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diodeq.circuit import dots
from diodeq.circuit.bank import Bools, Floats, Ints
from diodeq.circuit.blocks import Block, Index, Wiring, run, taken
from diodeq.circuit.circuit import Circuit
from diodeq.circuit.graph import driven_nodes
from diodeq.circuit.rails import Indices, MirroredNodes, dual_rails, stand_ins
from diodeq.processors import bands, product, share, slices

# Matrix products beat gathering branch voltages even when they compute this many entries for one that is needed.
WASTE = 16
# Branch voltages are gathered for so many numbers at a time (32 MB): memory stays flat however large the batch is.
ENTRIES = 4_000_000


def branch_products(circuit: Circuit, voltages: Floats, adjoint: Floats, *, every: bool = False) -> Floats:
    """-Σ (v_a - v_b)(v̂_a - v̂_b) over the batch for every trainable resistor from a to b, float64[n_trainable], or
    for ``every`` one, float64[n_resistors].

    ``voltages`` and ``adjoint`` are node voltages float64[B, N]; with those of the adjoint circuit it is dℓ/dG
    (Director & Rohrer, IEEE Trans. Circuit Theory 16(3), 1969). No array of batch × resistors is ever built.
    """
    resistors = circuit.resistors
    mask = np.ones(len(resistors), bool) if every else circuit.mask
    found = np.empty(len(resistors), np.result_type(voltages, adjoint))
    quiet: Bools = ~np.any(adjoint, axis=0)  # driven nodes, the bulk of them in a wide circuit, have no adjoint voltage
    own = np.zeros(len(quiet), found.dtype)
    active = run(np.flatnonzero(~quiet))
    own[active] = np.einsum("bn,bn->n", voltages[:, active], adjoint[:, active])
    rails = dual_rails(circuit)
    for block in resistors.wiring.blocks:
        if mask[block.resistors].any():
            _of_block(resistors.wiring, block, rails, voltages, adjoint, own, quiet, block.matrix(found))
    rest = resistors.wiring.rest
    if len(rest):
        still = driven_nodes(circuit) if adjoint is voltages else quiet
        found[rest[mask[rest]]] = _of_rest(resistors.wiring, mask, rails, voltages, adjoint, own, still)
    return found if every or circuit.trainable_alone else found[mask]


def _of_block(
    wiring: Wiring,
    block: Block,
    rails: Index,
    voltages: Floats,
    adjoint: Floats,
    own: Floats,
    quiet: Bools,
    found: Floats,
) -> None:
    """Into ``found`` float64[rows, columns], from C = VᵀV̂ with diagonal ``own``: C_ab + C_ba - C_aa - C_bb."""
    rows, columns = block.runs
    if taken(quiet, columns).all():
        rows, columns, found = columns, rows, found.T
    if taken(quiet, columns).all():
        found[:] = 0.0
    elif taken(quiet, rows).all():
        nodes = block.rows if rows is block.runs[0] else block.columns
        halves = wiring.remembered(block.start, (nodes, rails), lambda: MirroredNodes.of(nodes, rails))
        _of_rails(halves, taken(voltages, rows), taken(adjoint, columns), taken(own, columns), found)
    else:
        product(taken(voltages, rows).T, taken(adjoint, columns), out=found)
        found += found if adjoint is voltages else product(taken(adjoint, rows).T, taken(voltages, columns))
        found -= taken(own, columns)
        found -= taken(own, rows)[:, None]


def _of_rails(halves: MirroredNodes, voltages: Floats, adjoint: Floats, own: Floats, found: Floats) -> None:
    """A block between driven rows, of which half may mirror the others, and columns with C_bb = ``own``."""
    mirrored = halves.pairs and _opposite(voltages[:, halves.plus], voltages[:, halves.minus]).all()
    # One more sample, of 1 V at every row and -C_bb at every column, subtracts C_bb within the product.
    right, twice = np.vstack([adjoint, -own]), -2.0 * own
    ahead = found.flags.c_contiguous  # products may be put into rows as they come

    def multiply(rows: Indices, mirrors: Indices | None = None) -> None:
        part = voltages[:, rows]
        left = np.vstack([part, np.ones_like(part[:1])]).T
        if ahead and isinstance(rows, slice):
            whole = np.matmul(left, right, out=found[rows])
        else:
            whole = found[rows] = left @ right
        if mirrors is not None:
            found[mirrors] = twice - whole

    if mirrored:
        pairs, left = (halves.plus, halves.minus), halves.alone
        share(lambda band: multiply(*(_part(each, band) for each in pairs)), bands(halves.pairs, *right.shape))
    else:
        left = slice(0, len(found), 1)
    share(lambda band: multiply(_part(left, band)), bands(_count(left), *right.shape))


def _count(places: Indices) -> int:
    return len(range(places.start, places.stop, places.step)) if isinstance(places, slice) else len(places)


def _part(places: Indices, band: slice) -> Indices:
    """A band of places, as a slice where they are one."""
    if not isinstance(places, slice):
        return places[band]
    some = range(places.start, places.stop, places.step)[band]
    return slice(some.start, some.stop, some.step)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """How what branches [n] from ``a`` to ``b`` ask for is read off the products of ``touched`` nodes' voltages with
    ``active`` nodes' adjoint ones: of the branches ``moves``, entries ``ahead`` (row, column) times ``signs``, and of
    those that are ``loose`` entries ``back`` too."""

    a: Ints
    b: Ints
    touched: Index
    active: Index
    moves: Bools
    ahead: tuple[Index, Index]
    signs: Floats
    loose: Bools
    back: tuple[Index, Index]

    @staticmethod
    def of(terminals: Ints, mirrored: Index, still: Bools) -> _Pairs:
        """Nodes that stand ``still`` bool[N] need no column; of pairs of nodes that are ``mirrored`` one stands for
        both."""
        a, b = np.where(still[terminals[:, 1:]], terminals[:, ::-1], terminals).T
        stand, sign = stand_ins(len(still), mirrored)
        touched, active = np.zeros((2, len(still)), bool)
        loose = ~still[a]
        touched[stand[a]] = touched[b[loose]] = True
        active[a[loose]] = active[b[~still[b]]] = True
        rows, columns = np.cumsum(touched) - 1, np.cumsum(active) - 1
        moves = active[b]
        ahead = rows[stand[a[moves]]], columns[b[moves]]
        back = rows[b[loose]], columns[a[loose]]
        chosen = np.flatnonzero(touched), np.flatnonzero(active)
        return _Pairs(a, b, *chosen, moves, ahead, sign[a[moves]], loose, back)


def _of_rest(
    wiring: Wiring, mask: Bools, rails: Index, voltages: Floats, adjoint: Floats, own: Floats, still: Bools
) -> Floats:
    """For the resistors ``mask`` bool[n] that are in no block: from all pairs of nodes at once, unless that would
    compute too many that are not asked for.

    Nodes that stand ``still`` bool[N] have no adjoint voltage, or where it is the voltage itself no need of a column:
    C_ab is C_ba there.
    """
    whole = adjoint is voltages
    mirrored = rails[still[rails].all(axis=1)]
    mirrored = mirrored[_opposite(*(voltages[:, run(each)] for each in mirrored.T))]

    def chosen() -> Ints:
        return wiring.terminals[wiring.rest[mask[wiring.rest]]]

    at = wiring.remembered(-1, (mask, mirrored, still), lambda: _Pairs.of(chosen(), mirrored, still))
    size = len(at.touched) * len(at.active)
    alone = dots.pays(len(at.a), size, len(voltages))
    if (not alone and size > max(WASTE * len(at.a), ENTRIES)) or (whole and still[at.b].any()):
        return _by_gathering(chosen(), voltages, adjoint)
    left, right = voltages[:, run(at.touched)], adjoint[:, run(at.active)]
    pairs = None if alone else product(left.T, right)

    def summed(rows: Index, columns: Index) -> Floats:
        return dots.dots(left, right, rows, columns) if pairs is None else np.asarray(pairs[rows, columns])

    found = np.zeros(len(at.a))
    found[at.moves] = at.signs * summed(*at.ahead)
    if whole:
        found[~at.loose] *= 2.0
    if len(at.back[0]):
        found[at.loose] += summed(*at.back)
    found -= own[at.a]
    found -= own[at.b]
    return found


def _opposite(one: Floats, other: Floats) -> Bools:
    """Which columns are the other's with the other sign, a few rows at a time: these stay in cache."""
    found = np.ones(one.shape[1], bool)
    for part in slices(len(one), 16):
        found &= (one[part] == -other[part]).all(axis=0)
    return found


def _by_gathering(terminals: Ints, voltages: Floats, adjoint: Floats) -> Floats:
    """Branch by branch, a few samples or a run of resistors at a time."""
    gradient = np.zeros(len(terminals))
    run = max(1, ENTRIES // len(voltages))
    for start in range(0, len(terminals), run):
        a, b = terminals[start : start + run].T
        difference = np.take(voltages, a, axis=1) - np.take(voltages, b, axis=1)
        difference *= np.take(adjoint, a, axis=1) - np.take(adjoint, b, axis=1)
        gradient[start : start + run] = -difference.sum(axis=0)
    return gradient
