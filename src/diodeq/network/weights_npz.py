"""Named arrays from an ``.npz`` archive, without pickle and without trusting the sizes it declares."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from diodeq.errors import InputError
from diodeq.network.weights_keys import Arrays, Texts, check_size

SAVE = "save plain arrays with numpy.savez"
MEMBERS = 10_000
TOTAL = 1 << 32  # bytes, unpacked


def read(path: Path) -> tuple[Arrays, Texts]:
    """Every array of the archive by name.

    Raises:
        InputError: no such archive, damaged, pickled objects, or an array too large.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(6)
            if head == npy.MAGIC_PREFIX:
                raise InputError("it holds a single array", SAVE)
            if head[:1] == b"\x80":
                raise InputError("it is a pickle, which can run code and is never opened", SAVE)
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                total = sum(member.file_size for member in members)
                if len(members) > MEMBERS or total > TOTAL:
                    raise InputError(
                        f"it unpacks to {len(members)} arrays of {total:,} bytes", "give a smaller network"
                    )
                names = [member.filename.removesuffix(".npy") for member in members]
                if len(set(names)) < len(names):
                    raise InputError("it holds two arrays of one name", "save every array once")
                return {name: _array(archive, member, name) for name, member in zip(names, members, strict=True)}, {}
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"it is damaged or not an .npz archive ({error})", SAVE) from error


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> np.ndarray:
    with archive.open(member) as file:
        # The header first: numpy would reserve whatever memory it promises.
        version = npy.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise InputError(f"its {name} is not a plain array", SAVE)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = header(file)
        if dtype.hasobject:
            raise InputError(f"its {name} holds pickled objects, which can run code and are never opened", SAVE)
        check_size(name, shape)
        wanted = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        if wanted != member.file_size - file.tell():
            raise InputError(f"its {name} is damaged: its header promises {wanted:,} bytes", SAVE)
    with archive.open(member) as file:
        return np.asarray(npy.read_array(file, allow_pickle=False))
