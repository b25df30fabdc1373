"""Writing files so that a reader, or a crash, never meets half of one."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from diodeq.errors import InputError


def write_atomically(path: str | Path, content: str | bytes | memoryview) -> None:
    """Write beside ``path``, flush to disk, rename; text is UTF-8.

    Raises:
        InputError: the folder is missing, read-only or full; nothing is left behind.
    """
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise InputError(f"{path} cannot be written: {error.strerror or error}", "choose another place") from error


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
