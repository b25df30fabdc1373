"""What the values of a circuit's parts make flow: the stamps of all its parts, as arrays."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from diodeq.circuit.bank import Floats
from diodeq.circuit.circuit import Circuit
from diodeq.circuit.kinds import KINDS, OWN, Kind

Index = NDArray[np.intp]
# Of the two ends of a port.
SIGNS = (1.0, -1.0)


def kinds_of(circuit: Circuit) -> dict[str, Kind]:
    """The kinds that a circuit has parts of."""
    return {kind: spec for kind, spec in KINDS.items() if len(circuit.bank(kind))}


@dataclass(frozen=True, eq=False)
class Flows:
    """The matrix as ``outᵀ diag(strength) control``: sparse [m, n] both, entries 1 and -1, with the sign of each flow
    and which of the values it has. Small differences of voltages are exact in it, as they are not in a sum."""

    out: sparse.csr_array
    control: sparse.csr_array
    sign: Floats
    source: Index

    @staticmethod
    def of(flows: list[tuple[list[Index], list[Index], float, Index]], size: int) -> Flows:
        """Of ``flows_of``, with ``size`` - 1 unknowns."""
        counts = [len(which) for *_, which in flows]
        ends = [ends for ends, _, _, _ in flows], [ends for _, ends, _, _ in flows]
        out, control = (_ends(each, counts, size) for each in ends)
        sign = np.repeat([sign for _, _, sign, _ in flows], counts)
        return Flows(out, control, sign, np.concatenate([np.zeros(0, np.intp), *(which for *_, which in flows)]))


def _ends(ends: list[list[Index]], counts: list[int], size: int) -> sparse.csr_array:
    rows, columns, signs, first = [np.zeros(0, np.intp)], [np.zeros(0, np.intp)], [np.zeros(0)], 0
    for places, count in zip(ends, counts, strict=True):
        for place, sign in zip(places, SIGNS, strict=False):
            rows.append(first + np.arange(count))
            columns.append(place)
            signs.append(np.full(count, sign))
        first += count
    row, column, sign_of = (np.concatenate(each) for each in (rows, columns, signs))
    inside = column > 0
    return sparse.csr_array((sign_of[inside], (row[inside], column[inside] - 1)), shape=(first, size - 1))


def stamp_values(circuit: Circuit) -> Floats:
    """A 1, and the values that the matrix holds."""
    return np.concatenate([[1.0], *(circuit.bank(kind).values for kind in valued_kinds())])


def valued_kinds() -> list[str]:
    """The kinds whose values the matrix holds."""
    return [kind for kind, spec in KINDS.items() if spec.trainable]


def flows_of(circuit: Circuit, branches: dict[str, slice]) -> Iterator[tuple[list[Index], list[Index], float, Index]]:
    """Rows of equations and unknowns in control, plus and minus (0 is ground), sign, and which of the values."""
    counts = [len(circuit.bank(kind)) for kind in valued_kinds()]
    first = dict(zip(valued_kinds(), itertools.accumulate([1, *counts]), strict=False))
    for kind, spec in kinds_of(circuit).items():
        ends = circuit.bank(kind).terminals.astype(np.intp).T
        count = ends.shape[1]
        at = branches.get(kind, slice(0, 0))
        places = {**dict(enumerate(ends)), OWN: np.arange(at.start + 1, at.stop + 1)}
        for flow in spec.stamp:
            values = first[kind] + np.arange(count) if flow.valued else np.zeros(count, np.intp)
            yield [places[end] for end in flow.out], [places[end] for end in flow.control], flow.sign, values
