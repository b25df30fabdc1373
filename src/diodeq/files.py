"""Reading files that may be anything, and writing them so that a reader, or a crash, never meets half of one."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BufferedReader, BufferedWriter
from pathlib import Path

from diodeq.errors import InputError

_CHUNK = 1 << 20
_MADE = "made"  # all that is in a folder beside one that is being written


def open_binary(path: str | Path) -> BufferedReader:
    """``path`` opened for reading: a file, or a pipe such as the shell makes of ``<(…)``.

    Raises:
        OSError: it is missing, a folder or a device (which may never end), or cannot be opened.
    """
    try:
        # A pipe that nobody writes to is empty; without the flag, opening it would wait for a writer.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:
        raise OSError(errno.EINVAL, "its name is not one a file can have", str(path)) from error
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise OSError(errno.EINVAL, "it is a device, not a file", str(path))
        fcntl.fcntl(handle, fcntl.F_SETFL, fcntl.fcntl(handle, fcntl.F_GETFL) & ~os.O_NONBLOCK)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_bytes(path: str | Path, limit: int) -> bytes:
    """The content of a file or a pipe of at most ``limit`` bytes.

    Raises:
        OSError: it is missing, a folder, a device or larger, or cannot be read.
    """
    parts, size = [], 0
    with open_binary(path) as file:
        while part := file.read(_CHUNK):
            parts.append(part)
            size += len(part)
            if size > limit:
                raise OSError(errno.EFBIG, f"it is larger than {limit:,} bytes", str(path))
    return b"".join(parts)


def write_atomically(path: str | Path, content: str | bytes | memoryview) -> None:
    """Write beside ``path``, flush to disk, rename; text is UTF-8.

    Raises:
        InputError: the folder is missing, read-only or full; nothing is left behind.
    """
    with written(path) as write:
        write(content)


@contextlib.contextmanager
def written(path: str | Path) -> Iterator[Callable[[str | bytes | memoryview], None]]:
    """What writes piece by piece beside ``path``; when this ends well it is flushed to disk and renamed.

    Raises:
        InputError: the folder is missing, read-only or full, or there is something else than a file at ``path``;
            nothing is left behind.
    """
    path = Path(path)
    with contextlib.ExitStack() as stack:
        with _refused(path):
            _demand_kind(path)
            handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            stack.callback(_remove, temporary)
            file = os.fdopen(handle, "wb")
            stack.callback(_close, file)
            fcntl.flock(file, fcntl.LOCK_EX)  # held while this process lives: what is not held was left by a dead one
            _sweep(path)

        def write(content: str | bytes | memoryview) -> None:
            with _refused(path):
                file.write(content.encode() if isinstance(content, str) else content)

        yield write
        with _refused(path):
            file.flush()
            os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)


def demand_place(
    path: str | Path, overwrite: bool = True, folder: bool = False, read: Sequence[str | Path | None] = ()
) -> None:
    """Ask whether a file, or a ``folder``, can be written at ``path``, before what goes there is computed.

    Raises:
        InputError: it exists and is not to be overwritten, is of the other kind, is one of those that are ``read``, or
            its folder cannot be written to.
    """
    path = Path(path)
    for other in read:
        if other is not None and path.exists() and Path(other).exists() and path.samefile(other):
            raise InputError(f"{path} is what is read, and would be lost", "choose another place")
    if not overwrite and (path.exists() or path.is_symlink()):
        raise InputError(f"{path} exists", "choose another place, or add --overwrite")
    with _refused(path):
        _demand_kind(path, folder)
        with tempfile.TemporaryFile(dir=path if folder and path.exists() else path.parent):
            pass


def write_folder(
    path: str | Path, files: Mapping[str, str | bytes], overwrite: bool = False, last: tuple[str, ...] = ()
) -> None:
    """Write files, by their names in it, into a folder that appears when all are there.

    With ``overwrite`` the folder may exist: files of these names are replaced, others stay. Those whose names end with
    one of ``last`` go first and come last, so that a process killed in between leaves nothing that looks whole.

    Raises:
        InputError: it exists, or its place cannot be written to; nothing is left behind.
    """
    path = Path(path)
    demand_place(path, overwrite, folder=True)
    for name in files if path.exists() else ():
        for parent in Path(name).parents[:-1]:
            if (path / parent).exists():
                demand_place(path / parent, folder=True)
        if (path / name).is_dir():
            demand_place(path / name)
    beside = path if path.exists() else path.parent  # on the same disk
    with _refused(path), tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=beside) as staging, _held(staging):
        _sweep(beside / path.name)
        made = Path(staging) / _MADE
        for name, content in files.items():
            place = made / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content.encode() if isinstance(content, str) else content)
        if not path.exists():
            os.rename(made, path)
            return
        ordered = sorted(files, key=lambda name: name.endswith(last))
        try:
            _replace(made, path, ordered, last)
        except BaseException:  # Ctrl-C, which comes once more where this goes on too long
            _replace(made, path, ordered, last)
            raise


@contextlib.contextmanager
def _refused(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be written: {reason}", "choose another place") from error


def _demand_kind(path: Path, folder: bool = False) -> None:
    """Raise ``OSError`` where there is something else at ``path`` than a file, or a ``folder``: for root a device would
    be replaced by a file."""
    if not path.exists():
        return
    if path.is_dir() != folder:
        code = errno.ENOTDIR if folder else errno.EISDIR
        raise OSError(code, os.strerror(code), str(path))
    if not folder and (not path.is_file() or path.absolute().parent == Path("/dev")):  # /dev/stdout may be a file's
        raise OSError(errno.EINVAL, "it is a device or a pipe, not a file", str(path))


@contextlib.contextmanager
def _held(path: str | Path) -> Iterator[None]:
    """Lock a file or a folder, of which nobody else may have a lock."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _replace(made: Path, path: Path, names: Sequence[str], last: tuple[str, ...]) -> None:
    """Move the files that are still in a folder into another, where those of ``last`` are missing meanwhile."""
    left = [name for name in names if (made / name).exists()]
    for name in left:
        if name.endswith(last):
            (path / name).unlink(missing_ok=True)
    for name in left:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(made / name, path / name)


def _close(file: BufferedWriter) -> None:
    with contextlib.suppress(OSError):  # what it could not hold was said before
        file.close()


def _remove(temporary: str) -> None:
    with contextlib.suppress(OSError):  # renamed, where all went well
        os.unlink(temporary)


def _sweep(path: Path) -> None:
    """Remove what processes killed in the middle of writing ``path`` left beside it."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.????????"):
        with contextlib.suppress(OSError), _held(leftover):
            if not leftover.is_dir():
                leftover.unlink()
            elif os.listdir(leftover) in ([], [_MADE]):
                shutil.rmtree(leftover)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
