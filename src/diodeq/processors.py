"""Work on parts of large arrays, shared by threads of one processor each.

The threads of a linear algebra library wait for work by spinning, on the processors that everything between two matrix
products needs. So large products are cut into parts as well, and the library's own threads stay asleep.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

Floats = NDArray[np.float64]

# Multiplications that are worth a thread (less than 1 ms), and rows that are worth preparing the other matrix for.
BAND = 1 << 23
NARROWEST = 200
# Columns of a matrix in a band, where it has more of them than the other has rows.
WIDE = 256
# Packages that bring a library of linear algebra, or of threads, of their own.
BRINGING = ("scipy.linalg", "scipy.special", "sklearn.utils", "torch")


def count() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def slices(length: int, most: int) -> list[slice]:
    """``length`` entries in as few even runs as have at most ``most`` each; the same bits need the same runs."""
    size = max(1, -(-length // max(1, -(-length // most))))
    return [slice(at, min(at + size, length)) for at in range(0, length, size)]


def bands(rows: int, inner: int, columns: int) -> list[slice]:
    """The rows of a product of matrices [rows, inner] and [inner, columns], cut for threads."""
    return slices(rows, max(NARROWEST, BAND // max(1, inner * columns)))


def share(work: Callable[[slice], None], pieces: Sequence[slice], workers: int | None = None) -> None:
    """Do the work on all pieces, in ``workers`` threads (a processor each) in the caller's context, such as numpy's
    handling of errors; the first piece's failure is raised."""
    with single_threaded():
        threads = _threads(os.getpid(), workers) if (workers := workers or count()) > 1 else None
        if threads is not None and len(pieces) > 1:
            begun = [threads.submit(copy_context().run, work, piece) for piece in pieces]
            wait(begun)
            failed = [each.exception() for each in begun]
        else:
            failed = [_failure(work, piece) for piece in pieces]
    for error in failed:
        if error is not None:
            raise error


def _failure(work: Callable[[slice], None], piece: slice) -> Exception | None:
    """What the work on a piece raises."""
    try:
        work(piece)
    except Exception as error:
        return error
    return None


def product(left: Floats, right: Floats, out: Floats | None = None, workers: int | None = None) -> Floats:
    """``left @ right``, shared by threads: its rows, or its columns where these are more. A library copies the matrix
    of which it has but a part as often as there are parts of the other."""
    found = np.empty((len(left), right.shape[1]), np.result_type(left, right)) if out is None else out
    wide = right.shape[1] > max(WIDE, len(left))

    def multiply(band: slice) -> None:
        if wide:
            np.matmul(left, right[:, band], out=found[:, band])
        else:
            np.matmul(left[band], right, out=found[band])

    rows, (inner, columns) = len(left), right.shape
    pieces = slices(columns, max(WIDE, BAND // max(1, rows * inner))) if wide else bands(rows, inner, columns)
    share(multiply, pieces, workers)
    return found


@contextmanager
def single_threaded() -> Iterator[None]:
    """Linear algebra without threads of its own."""
    # Asking each library costs less than threadpoolctl's whole report, and most have one thread or are limited already.
    limited = [(each, threads) for each in _libraries(_brought()) if (threads := each.num_threads) not in (1, None)]
    try:
        for each, _ in limited:
            each.set_num_threads(1)
        yield
    finally:
        for each, threads in limited:
            each.set_num_threads(threads)


def kernels() -> list[dict[str, str]]:
    """The linear algebra libraries loaded here, each once: {"internal_api", "version", "architecture"}.

    The architecture is the kind of processor that the library's kernel was chosen for, "" where it does not say. The
    same sums give the same bits only with the same kernel of the same version.
    """
    import scipy.linalg  # noqa: F401  (scipy brings a library of its own)

    told = [each for each in ThreadpoolController().info() if each["user_api"] == "blas"]
    keys = ("internal_api", "version", "architecture")
    return [
        dict(zip(keys, each, strict=True))
        for each in sorted({tuple(str(one.get(key) or "") for key in keys) for one in told})
    ]


def named(kernels: Sequence[dict[str, str]]) -> str:
    """``kernels`` in words."""
    return ", ".join(" ".join(filter(None, kernel.values())) for kernel in kernels) or "not known"


@cache
def _threads(process: int, workers: int) -> ThreadPoolExecutor:
    """Threads of this process: a fork has none of its parent's."""
    return ThreadPoolExecutor(workers, "diodeq")


def _brought() -> tuple[bool, ...]:
    """Which of the packages that bring libraries are here by now."""
    return tuple(name in sys.modules for name in BRINGING)


@cache
def _libraries(brought: tuple[bool, ...]) -> list[Any]:
    """The linear algebra libraries that are loaded, and those of threads that they use; looked for anew when another
    package was ``brought``."""
    return list(ThreadpoolController().lib_controllers)
