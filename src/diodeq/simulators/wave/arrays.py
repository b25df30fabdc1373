"""Where the engine computes and how precisely: everything else here is written once, in the Python array API.

numpy is the default; with numba (extra ``numba``) the diodes are solved by a compiled loop, the rest stays numpy;
PyTorch (extra ``torch``) computes on all cores or on a GPU. float64 is the default; float32 is for training, where it
halves the time and promises voltages to 1e-5 of the largest; mixed computes corrections in float32 and what they
correct in float64, to 1e-8 V.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_numpy_array, is_numpy_namespace
from numpy.typing import ArrayLike, NDArray

from diodeq.errors import SimulatorMissingError, UsageError

# An array of whatever backend is at work.
Array = Any


@dataclass(frozen=True)
class Precision:
    """What counts as settled while iterating, volts off absolutely and as a share of the largest at work, and for
    linear equations as a share; what may be off beyond what ``circuit.proof`` promises: a share of the largest voltage,
    volts, and a share of adjoint voltages; the type of numbers. Moves of so many volts are multiplied in single
    precision: what it rounds is less than what may be left."""

    absolute: float
    relative: float
    linear: float
    promised: float = 0.0
    volts: float = 0.0
    adjoint: float = 0.0
    number: str = "float64"
    moves: float = 3e-5


PRECISIONS: dict[str, Precision] = {
    "float64": Precision(4e-12, 2e-13, 1e-11),
    "float32": Precision(5e-7, 2e-6, 2e-6, promised=1e-5, adjoint=1e-5, number="float32"),
    "mixed": Precision(1e-11, 2e-13, 5e-9, volts=9e-9, adjoint=9e-8, moves=3e-4),
}
BACKENDS = ("numpy", "numba", "torch")
DEVICES = ("cpu", "cuda")


@dataclass(frozen=True, eq=False)
class Arrays:
    """A backend's namespace ``xp``, a device of it and the type of its numbers; ``rough`` is that of corrections;
    ``fused`` where numba helps numpy."""

    xp: Any
    device: Any
    dtype: Any
    rough: Any
    precision: Precision
    version: str
    fused: bool = False

    @staticmethod
    def of(options: Sequence[str] = ()) -> Arrays:
        """From names of ``BACKENDS``, ``DEVICES`` and ``PRECISIONS``, one of each at most; the first are the defaults.

        Raises:
            UsageError: an option does not exist, or contradicts another.
            SimulatorMissingError: numba, PyTorch or the GPU is not there.
        """
        known = (BACKENDS, tuple(PRECISIONS), DEVICES)
        for option in options:
            if not any(option in names for names in known):
                raise UsageError(
                    f"the simulator wave has no option {option!r}",
                    f"add some of {', '.join(name for names in known for name in names)}, as in wave:torch:float32",
                )
        backend, precision, device = (_one(options, names) for names in known)
        if backend == "torch":
            return _torch(device, precision)
        if device != "cpu":
            raise UsageError(f"{backend} has no device cuda here", "use wave:torch:cuda")
        import array_api_compat.numpy as xp

        version = ", ".join([f"numpy {np.__version__}", *([_numba()] if backend == "numba" else []), precision])
        return Arrays(xp, "cpu", *_numbers(xp, precision), PRECISIONS[precision], version, backend == "numba")

    @property
    def plain(self) -> bool:
        """Whether this is float64 in numpy, as everything outside the engine is."""
        return self.dtype is np.float64

    @property
    def number(self) -> str:
        """The name of the type of numbers."""
        return self.precision.number

    @property
    def mixed(self) -> bool:
        """Whether corrections are computed in other numbers than what they correct."""
        return self.rough is not self.dtype

    @property
    def in_numpy(self) -> bool:
        """Whether numpy computes."""
        return bool(is_numpy_namespace(self.xp))

    @property
    def spins(self) -> bool:
        """Whether the backend has threads of its own on the processors that everything else needs."""
        return not self.in_numpy and self.device.type == "cpu"

    def put(self, array: ArrayLike) -> Array:
        """An array of numbers for the backend; shares memory where it can."""
        found = np.asarray(array)
        if not found.flags.writeable and not self.in_numpy:
            found = found.copy()  # PyTorch warns of memory that nobody may write to
        return self.xp.asarray(found, dtype=self.dtype, device=self.device)

    def index(self, array: ArrayLike) -> Array:
        """An array of indices for the backend."""
        return self.xp.asarray(np.asarray(array, dtype=np.int64), device=self.device)

    def take(self, array: Array) -> NDArray[np.float64]:
        """A backend's array in numpy, in the backend's precision."""
        return array if is_numpy_array(array) else np.asarray(array.detach().cpu().numpy())

    def empty(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """An uninitialized numpy array in the backend's precision."""
        return np.empty(shape, self._real)

    def narrow(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
        """A numpy array in the backend's precision; itself where it is."""
        return array.astype(self._real, copy=False)

    @property
    def _real(self) -> Any:
        return np.dtype(self.number).type

    @property
    def rougher(self) -> Arrays:
        """The backend in the numbers of corrections."""
        return replace(self, dtype=self.rough, precision=PRECISIONS["float32"]) if self.mixed else self

    def roughly(self, array: Array) -> Array:
        """A backend's array in the numbers of corrections; itself where it is."""
        return self.xp.astype(array, self.rough, copy=False) if self.mixed else array

    def turned(self, matrix: Array) -> Array:
        """The transpose of a matrix for many products of few rows. In numpy, where each takes half as long again
        otherwise, it is written out, a few columns at a time."""
        if not self.in_numpy:
            return matrix.T
        found = np.empty(matrix.shape[::-1], matrix.dtype)
        for at in range(0, len(matrix), 16):
            found[:, at : at + 16] = matrix[at : at + 16].T
        return found


def _one(options: Sequence[str], names: Sequence[str]) -> str:
    given = [name for name in names if name in options]
    if len(given) > 1:
        raise UsageError(f"the simulator wave cannot be {' and '.join(given)} at once", "choose one of them")
    return given[0] if given else names[0]


def _numba() -> str:
    try:
        import numba
    except ImportError as error:  # it also refuses versions of numpy that it does not know
        raise SimulatorMissingError(
            f"the simulator wave:numba needs numba, which cannot be imported ({error})",
            "pip install --upgrade 'diodeq[numba]'",
        ) from error
    return f"numba {numba.__version__}"


def _torch(device: str, precision: str) -> Arrays:
    try:
        import torch
    except ImportError as error:
        raise SimulatorMissingError(
            "the simulator wave:torch needs PyTorch, which is not installed", "pip install 'diodeq[torch]'"
        ) from error
    if device == "cuda" and not torch.cuda.is_available():
        raise SimulatorMissingError("PyTorch finds no CUDA device", "use wave:torch, which computes on the CPU")
    import array_api_compat.torch as xp

    version = f"PyTorch {torch.__version__} on {device}, {precision}"
    return Arrays(xp, torch.device(device), *_numbers(xp, precision), PRECISIONS[precision], version)


def _numbers(xp: Any, precision: str) -> tuple[Any, Any]:
    return getattr(xp, PRECISIONS[precision].number), xp.float32


__all__ = ["Array", "Arrays", "Precision", "array_namespace"]
