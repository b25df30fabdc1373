"""Weights that lie beside an ONNX file: read only from the same folder, and only where the bytes really are."""

from __future__ import annotations

import math
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np

from diodeq.errors import InputError
from diodeq.files import open_binary

EXPORT = "export the model again, or with its weights inside"


def read(folder: Path, tensor: Any, size: int) -> bytes:
    """The ``size`` bytes of a tensor that names another file, from that file.

    Raises:
        InputError: the file is not named plainly, is not a file in ``folder``, or does not hold these bytes.
    """
    entries = {entry.key: entry.value for entry in tensor.external_data}
    name = entries.get("location", "")
    where = f"its tensor {tensor.name!r} lies in {name!r}"
    if name in ("", ".", "..") or any(letter in name for letter in "/\\\0"):
        raise InputError(f"{where}, which is not the plain name of a file beside it", EXPORT)
    offset, length = _whole(where, "offset", entries.get("offset", "0")), size
    if "length" in entries:
        length = _whole(where, "length", entries["length"])
    if length != size:
        raise InputError(f"{where}, {length:,} bytes of it, but its shape needs {size:,}", EXPORT)
    path = folder / name
    if path.is_symlink():
        raise InputError(f"{where}, which is a link and may lead anywhere", "put the file itself beside the model")
    try:
        with open_binary(path) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise InputError(f"{where}, which is not a file", "put the file that was exported beside the model")
            if offset + size > found.st_size:
                raise InputError(
                    f"{where} up to byte {offset + size:,}, which has only {found.st_size:,}", "copy the file again"
                )
            file.seek(offset)
            data = file.read(size)
    except OSError as error:
        raise InputError(
            f"{where}, which cannot be read beside it: {error.strerror or error}",
            "keep the two files in one folder, under the names they were exported with",
        ) from error
    if len(data) != size:
        raise InputError(f"{where}, which ends early", "copy the file again")
    return data


def embed(onnx: Any, folder: Path, tensor: Any) -> None:
    """Put the bytes of a tensor that names another file into the tensor; raises ``InputError`` as `read` does."""
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
    data = read(folder, tensor, math.prod(tensor.dims) * dtype.itemsize)
    tensor.ClearField("external_data")
    tensor.data_location = onnx.TensorProto.DEFAULT
    tensor.raw_data = data


def _whole(where: str, key: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InputError(f"{where}, at {key} {text!r}", f"{EXPORT}: {key} is a number of bytes")
    return int(text)
