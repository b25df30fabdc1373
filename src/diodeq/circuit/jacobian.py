"""The Jacobian of a circuit's equations: linear systems for many samples at once, in as many digits as they need."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import linalg as sparse_linalg

from diodeq.circuit.bank import Floats
from diodeq.circuit.elimination import Extended, eliminate
from diodeq.circuit.equations import Equations
from diodeq.circuit.flows import kinds_of
from diodeq.circuit.update import PortUpdate, inverted, solved_drawn
from diodeq.processors import single_threaded

# Jacobians of up to so many unknowns are inverted one by one, and in extended precision, where their condition asks for
# it, all at once; up to so many one by one.
SMALL, LARGEST = 40, 500
DENSE_BELOW = 600
# Unknowns for each one-port up to which equations are rather solved as they are than by an update of few of them.
DIRECT = 1.5
# Condition (rows and columns scaled) up to which a solution in float64 has enough digits.
SOUND = 1e10
# Pivots of a scaled matrix below this many roundings are no pivots.
PIVOT = 16.0
# Numbers of a stack of matrices that are solved together (half a megabyte, which stays in cache), and its fewest.
ENTRIES, FEWEST = 1 << 16, 8
# How much of what a one-port sees is beside itself, at least, and the most ohms that says.
LEAST_BESIDE, MOST_OHMS = 1e-10, 1e15


@dataclass(frozen=True, eq=False)
class Jacobian:
    """The matrix of ``equations`` with the one-ports at some conductances."""

    equations: Equations

    def solve(self, right: Any, conductances: Floats, *, transposed: bool = False) -> Any:
        """Solutions [B, n] of the Jacobian's equations with the one-ports at ``conductances`` [B, D], in extended
        precision; not finite where they determine none."""
        size = self.equations.size
        found = np.empty(right.shape, Extended)
        if not found.size:
            return found
        if size >= DENSE_BELOW:
            for k in range(len(right)):
                found[k] = self._sparsely(right[k], conductances[k], transposed)
            return found
        run = max(FEWEST, ENTRIES // (size * size))
        for at in range(0, len(right), run):
            part = slice(at, at + run)
            found[part] = self._densely(right[part], conductances[part], transposed)
        return found

    def _densely(self, right: Any, conductances: Floats, transposed: bool) -> Any:
        """In float64 where that has digits enough, from one inverse for all and else from one each; or in extended
        precision."""
        narrow = right.astype(np.float64)
        found, condition = np.empty(right.shape), np.full(len(right), np.inf)
        if self._drawn and self.equations.size <= max(SMALL, DIRECT * conductances.shape[1]):
            found, condition = solved_drawn(self.dense(conductances, np.float64, transposed), narrow)
        elif self.equations.size > SMALL:
            found, condition = self._update.solve(narrow, conductances, transposed=transposed)
        hard = np.flatnonzero(~(condition < SOUND))
        if len(hard):
            inverse, condition = inverted(self.dense(conductances[hard], np.float64, transposed))
            found[hard] = (inverse @ narrow[hard, :, None])[:, :, 0]
            hard = hard[~(condition < SOUND)]
        found = found.astype(Extended)
        if len(hard) and self.equations.size <= LARGEST:
            each = range(len(hard)) if self.equations.size > SMALL else [slice(None)]
            for rows in (np.atleast_1d(hard[k]) for k in each):
                jacobians = self.dense(conductances[rows], Extended, transposed)
                found[rows] = eliminate(jacobians, right[rows], self._least_pivot)
        return found

    def resistances(self, conductances: Floats) -> Floats:
        """What each one-port sees of the others, frozen at ``conductances`` [D], and all else, in ohms [D]; of a large
        circuit roughly: its nodes' own conductances in series."""
        ports = self.equations.ports
        if self.equations.size < DENSE_BELOW:
            jacobian = self.dense(conductances[None], np.float64, False)[0]
            try:
                with np.errstate(all="ignore"):
                    seen = np.einsum("dn,nd->d", ports.toarray(), np.linalg.solve(jacobian, ports.T.toarray()))
                    beside = np.maximum(1.0 - conductances * seen, LEAST_BESIDE)
                    found: Floats = seen / beside
                return np.asarray(np.minimum(np.nan_to_num(np.abs(found), nan=MOST_OHMS), MOST_OHMS))
            except np.linalg.LinAlgError:
                pass
        return self._rough_resistances

    @cached_property
    def _rough_resistances(self) -> Floats:
        """The ohms [D] of each one-port's nodes' own conductances in series."""
        nodes = self.equations.nodes
        diagonal = np.abs(self.equations.matrix.diagonal()[:nodes])
        known = diagonal[diagonal > 0]
        usual = float(np.median(known)) if len(known) else 1e-3
        return np.asarray(abs(self.equations.ports[:, :nodes]) @ (1.0 / np.where(diagonal > 0, diagonal, usual)))

    @property
    def _drawn(self) -> bool:
        """Whether no entry beside the diagonal is positive: nothing but conductances and one-ports to ground."""
        return self.equations.plan.resistive and not self.equations.branches

    @cached_property
    def _update(self) -> PortUpdate:
        return PortUpdate.of(self.equations.matrix.toarray(), self.equations.plan.into, 1.0 / self._rough_resistances)

    @cached_property
    def _matrix(self) -> Any:
        plan, circuit = self.equations.plan, self.equations.circuit
        return plan.fill(circuit, Extended).matrix

    @cached_property
    def _least_pivot(self) -> float:
        """Conductances, sources that check lets stand, and one-ports always determine their voltages, however near to
        singular that looks; of other circuits a pivot that may be rounding is none."""
        kinds = kinds_of(self.equations.circuit).values()
        if all(spec.conductive or spec.nonlinear or spec.source for spec in kinds):
            return 0.0
        return PIVOT * float(np.finfo(Extended).eps)

    def dense(self, conductances: Floats, number: Any, transposed: bool) -> Any:
        """Jacobians [B, n, n] in numbers of a type."""
        matrix = self._matrix if number is Extended else self.equations.matrix
        size = self.equations.size
        whole = np.repeat(matrix.toarray().reshape(1, -1), len(conductances), axis=0)
        at, signs = self.equations.plan.added
        whole[:, at] += (signs @ conductances.astype(number).T).T
        whole = whole.reshape(-1, size, size)
        return np.swapaxes(whole, 1, 2) if transposed else whole

    def _sparsely(self, right: Any, conductances: Floats, transposed: bool) -> Any:
        ports = self.equations.plan.into
        jacobian = self.equations.matrix + ports.T @ sparse.diags_array(conductances) @ ports
        scale = 1.0 / np.sqrt(np.abs(jacobian).max(axis=1).toarray().ravel())
        scaled = sparse.diags_array(scale) @ jacobian @ sparse.diags_array(scale)
        try:
            with single_threaded():
                factor: Any = sparse_linalg.splu(sparse.csc_matrix(scaled))
                solved = factor.solve(np.asarray(scale * right, np.float64), trans="T" if transposed else "N")
        except RuntimeError:
            return np.full(len(right), np.nan)
        return scale * solved
