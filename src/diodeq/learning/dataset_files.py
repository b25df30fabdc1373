"""Reading data sets of arrays from files: numpy archives, and the MNIST format (idx)."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from diodeq import archives
from diodeq.errors import InputError
from diodeq.files import open_binary


@dataclass(frozen=True, eq=False)
class Raw:
    """What a file holds, not yet checked: samples, labels and, where there are any, test samples and labels.

    With ``classes``, sorted, the labels are places among these, all of them taken. ``features`` are the columns' names,
    where the file says them all, and ``target`` that of the label.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    x_test: NDArray[Any] | None = None
    y_test: NDArray[Any] | None = None
    classes: NDArray[Any] | None = None
    features: tuple[str, ...] = ()
    target: str = ""


def unreadable(path: Path, error: Exception) -> InputError:
    """What is said of a file that cannot be read."""
    if isinstance(error, FileNotFoundError):
        return InputError(f"there is no file {path}", "check the path")
    if isinstance(error, IsADirectoryError):
        return InputError(f"{path} is a folder", "name a file in it")
    if isinstance(error, OSError) and error.strerror:
        return InputError(f"{path} cannot be read: {error.strerror.lower()}", "check the path and its permissions")
    return InputError(f"{path} is damaged or not of the expected format ({error})", "make the file again")


# --- numpy archives -----------------------------------------------------------------------------------------------


def read_npz(path: Path) -> Raw:
    """Arrays ``X`` and ``y``, optionally ``X_test`` and ``y_test``; nothing is ever unpickled.

    Raises:
        InputError: not such an archive, or an array is missing.
    """
    try:
        arrays = archives.read(path, ("X", "y", "X_test", "y_test"))
    except InputError as error:
        raise InputError(f"{path} cannot be used: {error.problem}", error.remedy) from error
    except OSError as error:
        raise unreadable(path, error) from error
    for name in ("X", "y"):
        if name not in arrays:
            raise InputError(
                f"{path} has no array {name!r}", "save arrays X and y, and X_test and y_test if you have them"
            )
    if ("X_test" in arrays) != ("y_test" in arrays):
        raise InputError(f"{path} has only one of X_test and y_test", "save both or none")
    return Raw(arrays["X"], arrays["y"], arrays.get("X_test"), arrays.get("y_test"))


# --- idx: http://yann.lecun.com/exdb/mnist, "the IDX file format" --------------------------------------------------

UNSIGNED_BYTES = 8
CHUNK = 1 << 20


def read_idx(folder: Path) -> Raw:
    """``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte``, ``t10k-…`` likewise if present; plain or ``.gz``.

    Raises:
        InputError: a file is missing, truncated, or does not fit its partner.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}", "give the folder that holds train-images-idx3-ubyte")
    train = _pair(folder, "train")
    if train is None:
        raise InputError(
            f"{folder} holds no train-images-idx3-ubyte", "put the files of the data set there, plain or .gz"
        )
    test = _pair(folder, "t10k")
    return Raw(*train, *(test or (None, None)))


def _pair(folder: Path, prefix: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """Images and labels of one set; None if neither file is there."""
    paths = [_find(folder, f"{prefix}-{what}") for what in ("images-idx3-ubyte", "labels-idx1-ubyte")]
    if paths == [None, None]:
        return None
    for what, path in zip(("images-idx3-ubyte", "labels-idx1-ubyte"), paths, strict=True):
        if path is None:
            raise InputError(f"{folder} holds no {prefix}-{what}", "images and labels belong together")
    images, labels = (_read_array(cast(Path, path), sizes) for path, sizes in zip(paths, (3, 1), strict=True))
    if len(images) != len(labels):
        raise InputError(
            f"{paths[0]} has {len(images)} images but {paths[1]} has {len(labels)} labels",
            "take both from the same source",
        )
    return images, labels


def _find(folder: Path, name: str) -> Path | None:
    """The file of that name, with or without ``.gz``; some copies write a dot for the last hyphen but one."""
    for each in (name, name.replace("-idx", ".idx")):
        for suffix in ("", ".gz"):
            if (folder / (each + suffix)).exists():
                return folder / (each + suffix)
    return None


def _read_array(path: Path, dimensions: int) -> NDArray[np.uint8]:
    try:
        with open_binary(path) as plain, ExitStack() as stack:
            zipped = plain.peek(2)[:2] == b"\x1f\x8b"
            file = cast(IO[bytes], stack.enter_context(gzip.open(plain))) if zipped else plain
            head = file.read(4 + 4 * dimensions)
            if len(head) < 4 + 4 * dimensions or head[:4] != bytes([0, 0, UNSIGNED_BYTES, dimensions]):
                raise InputError(
                    f"{path} is not an idx file of unsigned bytes with {dimensions} dimension{'s' * (dimensions > 1)}",
                    "check that images and labels are not swapped, and download it again",
                )
            shape = tuple(int.from_bytes(head[4 + 4 * k : 8 + 4 * k], "big") for k in range(dimensions))
            wanted = math.prod(shape)
            if 8 * wanted > archives.believable(os.fstat(plain.fileno()).st_size):
                raise InputError(f"{path} must hold fewer bytes than its header promises", "download it again")
            parts, got = [], 0
            while got <= wanted and (part := file.read(CHUNK)):
                parts.append(part)
                got += len(part)
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, error) from error
    if got != wanted:
        amount = "fewer" if got < wanted else "more"
        raise InputError(f"{path} holds {amount} bytes than the {wanted} its header promises", "download it again")
    return np.frombuffer(b"".join(parts), dtype=np.uint8).reshape(shape)
