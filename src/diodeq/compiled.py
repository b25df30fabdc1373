"""Loops compiled by numba (extra ``numba``), kept on disk: the next process loads what this one compiled.

numba keeps compiled functions beside their source, or in the user's cache folder where that may not be written to. It
tells them apart by less than decides about them: a process that is killed between its two files leaves old code under
a new name, and functions compiled from others do not notice that these have changed. So the name under which a function
is kept says all: what it takes, for which processor, and a digest of every file in the function's folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any


@cache
def available() -> bool:
    """Whether numba can be imported."""
    try:
        import numba  # noqa: F401
    except ImportError:
        return False
    return True


def kernel(function: Callable[..., Any], arguments: str, **options: Any) -> Any:
    """A plain function compiled for one list of ``arguments`` (numba's, such as "f8[:, ::1], i8"), without the lock of
    the interpreter. A function that it calls is compiled with it.

    Arrays must be writable and in C's order where the arguments say so.
    """
    import numba
    from llvmlite import binding

    assert isinstance(function, FunctionType)
    told = [numba.__version__, binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten(), arguments]
    digest = hashlib.sha256("\n".join([*told, _sources(Path(function.__code__.co_filename).parent)]).encode())
    named = FunctionType(function.__code__, function.__globals__, function.__name__)
    named.__qualname__ = f"{function.__name__}-{digest.hexdigest()[:20]}"
    options = {"nogil": True, "error_model": "numpy", **options}
    signature = f"void({arguments})"
    try:
        return numba.njit(signature, cache=True, **options)(named)
    except Exception:  # whatever may be wrong with a folder or a file of the cache, compiling anew goes round it
        return numba.njit(signature, **options)(named)


@cache
def _sources(folder: Path) -> str:
    """A digest of what decides what the functions in a folder's files do."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sorted(folder.glob("*.py")))).hexdigest()
