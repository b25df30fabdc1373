"""Units that take from one another in any order, as a cascade of stages: what a later stage needs is carried through.

A stage has one activation σ for all its units. A number v passes a stage unchanged where σ leaves it as it is (ReLU a
number that is never negative), and ReLUs carry any number in two units, ``v = σ(v) - σ(-v)``.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from diodeq.errors import InputError
from diodeq.network.activations import Activation
from diodeq.network.network import Network, Stage
from diodeq.network.weights.keys import LARGEST, Floats
from diodeq.network.weights.values import Matrix, NetworkUnits, UnitBlock, Value
from diodeq.printable import counted

DENSE = 1 << 25
"""Weights of all stages, zeros too, that any file may come to; of more than that a fourth must be other than zero."""


def cascade(units: NetworkUnits, outputs: Value) -> Network:
    """The network whose outputs are that value.

    Raises:
        InputError: a number would have to pass an activation that changes it, or the stages are too large.
    """
    outputs = outputs.sized("its end")
    starts, low, high = _ranges(units)
    pending = _needed(units.blocks, outputs, starts)
    width = units.inputs or 0
    basis = sparse.eye_array(units.count, width, format="csr")  # what is available, by the last stage's outputs
    available = np.arange(units.count) < width
    stages: list[Stage] = []
    room = _room([*(units.blocks[k].matrix for k in pending), outputs.matrix])
    while pending:
        ready = [k for k in pending if available[_sources(units.blocks[k].matrix)].all()]
        activation = units.blocks[ready[0]].activation
        now = [k for k in ready if units.blocks[k].activation == activation]
        pending = [k for k in pending if k not in now]
        wanted = [units.blocks[k].matrix for k in pending] + [outputs.matrix]
        live = np.unique(np.concatenate([_sources(matrix) for matrix in wanted]))
        live = live[available[live]]
        carried, decoded = _carried(activation, live, low, high)
        parts = [_over(units.blocks[k].matrix, basis) for k in now] + [carried @ basis[live]]
        offsets = [units.blocks[k].offset for k in now] + [np.zeros(carried.shape[0])]
        stages.append(_stage(parts, offsets, activation, room))
        room -= stages[-1].U.size
        made = np.concatenate([np.arange(starts[k], starts[k + 1]) for k in now])
        basis = _basis(units.count, made, live, decoded)
        available[:] = False
        available[made] = available[live] = True
    last = _over(outputs.matrix, basis)
    if not stages or outputs.offset.any() or not _is_identity(last):
        stages.append(_stage([last], [outputs.offset], Activation("identity"), room))
    return Network(tuple(stages))


def _needed(blocks: list[UnitBlock], outputs: Value, starts: Floats) -> list[int]:
    """The blocks that the outputs depend on, in order."""
    used = np.zeros(int(starts[-1]), bool)
    used[_sources(outputs.matrix)] = True
    found = []
    for k in reversed(range(len(blocks))):
        if used[starts[k] : starts[k + 1]].any():
            used[_sources(blocks[k].matrix)] = True
            found.append(k)
    return found[::-1]


def _ranges(units: NetworkUnits) -> tuple[Floats, Floats, Floats]:
    """Where each block begins (and the last ends), and the least and largest value each unit can have."""
    inputs = units.inputs or 0
    sizes = [len(block.offset) for block in units.blocks]
    starts = inputs + np.concatenate([[0], np.cumsum(sizes, dtype=int)]).astype(int)
    bounds = [_range(block.activation) for block in units.blocks]
    low = np.concatenate([np.full(inputs, -np.inf), np.repeat([low for low, _ in bounds], sizes)])
    high = np.concatenate([np.full(inputs, np.inf), np.repeat([high for _, high in bounds], sizes)])
    return starts, low, high


def _range(activation: Activation) -> tuple[float, float]:
    limit = activation.parameter
    known = {"relu": (0.0, np.inf), "sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "hard-tanh": (-limit, limit)}
    return known.get(activation.name, (-np.inf, np.inf))


def _carried(activation: Activation, live: Floats, low: Floats, high: Floats) -> tuple[Matrix, Matrix]:
    """What a stage computes of the ``live`` units, and how they come of that again.

    Raises:
        InputError: its activation changes them.
    """
    name, limit = activation.name, activation.parameter
    least, most = low[live], high[live]
    if name in ("relu", "leaky-relu"):
        whole = least >= 0.0
    elif name == "hard-tanh":
        whole = (least >= -limit) & (most <= limit)
    else:
        whole = np.full(len(live), name == "identity")
    pairs = np.flatnonzero(~whole)
    if len(pairs) and name not in ("relu", "leaky-relu"):
        raise InputError(
            f"a value passes its {activation} to be used after it, which would change it",
            "use relu, leaky-relu or none beside a shortcut",
        )
    eye = sparse.eye_array(len(live), format="csr")
    gain = np.where(whole, 1.0, 1.0 / (1.0 + (limit if name == "leaky-relu" else 0.0)))
    back = sparse.diags_array(gain, format="csr")
    return (
        sparse.csr_array(sparse.vstack([eye, -eye[pairs]])),
        sparse.csr_array(sparse.hstack([back, -back[:, pairs]])),
    )


def _room(matrices: list[Matrix]) -> int:
    """How many weights the stages may have together."""
    entries: int = sum(matrix.nnz for matrix in matrices)
    return min(max(DENSE, 4 * entries), LARGEST)


def _stage(parts: list[Matrix], offsets: list[Floats], activation: Activation, room: int) -> Stage:
    rows, columns = sum(part.shape[0] for part in parts), parts[0].shape[1]
    if rows * columns > room:
        raise InputError(
            f"its layer of {counted(columns, 'input')} and {counted(rows, 'unit')} makes too many weights, zeros too:"
            f" {rows * columns:,}",
            "give a smaller network",
        )
    return Stage(sparse.vstack(parts).toarray(), np.concatenate(offsets), None, activation)


def _basis(count: int, made: Floats, live: Floats, decoded: Matrix) -> Matrix:
    """Every unit that is available by the outputs of the stage that made some and carried the others."""
    width = len(made) + decoded.shape[1]
    rows = sparse.block_diag([sparse.eye_array(len(made)), decoded], format="coo")
    places = np.concatenate([made, live])
    return sparse.csr_array((rows.data, (places[rows.row], rows.col)), shape=(count, width))


def _over(matrix: Matrix, basis: Matrix) -> Matrix:
    return sparse.csr_array(matrix @ basis[: matrix.shape[1]])


def _sources(matrix: Matrix) -> Floats:
    """The units that a matrix takes from."""
    return np.unique(matrix.indices)


def _is_identity(matrix: Matrix) -> bool:
    rows, columns = matrix.shape
    return bool(rows == columns and matrix.nnz == rows and np.all(matrix.diagonal() == 1.0))
