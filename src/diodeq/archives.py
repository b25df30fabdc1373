"""Named arrays from an ``.npz`` archive, without pickle and without trusting the sizes it declares."""

from __future__ import annotations

import math
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Container
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from diodeq.errors import InputError
from diodeq.files import open_binary

SAVE = "save plain arrays with numpy.savez"
MEMBERS = 10_000
SMALLER = "give a smaller network or data set"
LARGEST = 1 << 34
"""Bytes, unpacked and as float64."""
DIMENSIONS = 32
"""Of an array, as many as every numpy has."""
SMALL = 1 << 28
DENSEST = 64
"""What unpacks to less than ``SMALL`` bytes may be packed as densely as it likes, the rest so many times."""
CHUNK = 1 << 24


def read(path: str | Path, names: Container[str] | None = None) -> dict[str, NDArray[Any]]:
    """Every array of the archive by name, or those of ``names`` alone.

    Raises:
        InputError: no such archive, damaged, encrypted, pickled objects, or too large; the file itself is not named.
        OSError: it cannot be opened or read.
    """
    try:
        with open_binary(path) as file:
            head = file.read(6)
            if head == npy.MAGIC_PREFIX:
                raise InputError("it holds a single array", SAVE)
            if head[:1] == b"\x80":
                raise InputError("it is a pickle, which can run code and is never opened", SAVE)
            with zipfile.ZipFile(file) as archive:
                members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
                if len(members) < len(archive.infolist()):
                    raise InputError("it holds two arrays of one name", "save every array once")
                wanted = {name: member for name, member in members.items() if names is None or name in names}
                total = sum(member.file_size for member in wanted.values())
                most = believable(os.fstat(file.fileno()).st_size)
                if len(members) > MEMBERS or total > most:
                    raise InputError(f"it unpacks to {len(members)} arrays of {total:,} bytes", SMALLER)
                arrays = {}
                for name, member in wanted.items():
                    arrays[name] = _array(archive, member, name)
                    most -= 8 * arrays[name].size  # float64 in the end
                    if most < 0:
                        raise InputError(f"it unpacks to {arrays[name].size:,} numbers and more", SMALLER)
                return arrays
    except (
        *(zipfile.BadZipFile, zlib.error, struct.error, EOFError),
        *(ValueError, NotImplementedError, RuntimeError, OverflowError, IndexError),
    ) as error:
        raise InputError(f"it is damaged or not an .npz archive ({error})", SAVE) from error


def believable(size: int) -> int:
    """The most bytes that a file of ``size`` bytes may unpack to, its numbers taken as float64."""
    return min(LARGEST, max(SMALL, DENSEST * size))


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> NDArray[Any]:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(f"its {name} is packed in a way that numpy does not write", SAVE)
    with archive.open(member) as file:
        # The header first: numpy would reserve whatever memory it promises.
        version = npy.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise InputError(f"its {name} is not a plain array", SAVE)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                shape, fortran, dtype = header(file)
        except Exception as error:  # Python's own parser reads it, and says whatever it likes about nonsense
            raise InputError(f"its {name} is damaged: its header cannot be read", SAVE) from error
        if dtype.hasobject:
            raise InputError(f"its {name} holds pickled objects, which can run code and are never opened", SAVE)
        if len(shape) > DIMENSIONS:
            raise InputError(f"its {name} has {len(shape)} dimensions", f"{SAVE}, of at most {DIMENSIONS}")
        count = math.prod(shape)
        if count == 0 and math.prod(extent or 1 for extent in shape) > LARGEST:
            raise InputError(f"its {name} is damaged: it promises much and holds nothing", SAVE)
        # Checked before any memory is asked for.
        if min(shape, default=0) < 0 or dtype.itemsize * count != member.file_size - file.tell():
            raise InputError(f"its {name} is damaged: its header promises {dtype.itemsize * count:,} bytes", SAVE)
        if dtype.itemsize == 0:
            raise InputError(f"its {name} is empty text", SAVE)
        data = bytearray()
        while part := file.read(CHUNK):
            data += part
        if len(data) != dtype.itemsize * count:
            raise InputError(f"its {name} is damaged: it ends early", SAVE)
    if dtype.kind == "U" and np.any(np.frombuffer(data, np.dtype(np.uint32).newbyteorder(dtype.byteorder)) > 0x10FFFF):
        raise InputError(f"its {name} holds letters that do not exist", SAVE)
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
