"""Named arrays from and to ``.safetensors``: a length, a JSON header and plain bytes, read here without a package.

Source: the format's description at https://github.com/huggingface/safetensors. Text metadata carry the activations.
"""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.documents import from_json
from diodeq.errors import InputError
from diodeq.files import read_bytes
from diodeq.network.weights.keys import Arrays, Tensors, Texts, check_size

SAVE = "save it again with safetensors"
LARGEST = 1 << 32  # bytes
LARGEST_HEADER = 100_000_000  # bytes, the format's own limit

DTYPES: dict[str, str] = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",  # the upper half of a float32
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U8": "<u1",
}


def read(path: Path) -> Tensors:
    """Every tensor by name, and the activations among the metadata; other metadata are ignored.

    Raises:
        InputError: not such a file, damaged, or a tensor of an unreadable type or too large; the tensor is named.
    """
    content = read_bytes(path, LARGEST)
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(len(content) - 8, LARGEST_HEADER):
        raise InputError("it is damaged or not a .safetensors file", SAVE)
    try:
        header = from_json(content[8 : 8 + length], once=True)
    except ValueError:
        raise InputError("it is damaged or not a .safetensors file: its header is not JSON", SAVE) from None
    if not isinstance(header, dict):
        raise InputError("it is damaged: its header is not a table", SAVE)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise InputError("it is damaged: its metadata are not a table", SAVE)
    data = memoryview(content)[8 + length :]
    arrays = {name: _tensor(name, entry, data) for name, entry in header.items()}
    return Tensors(arrays, {key: str(value) for key, value in metadata.items() if key.startswith("activation")})


def encode(arrays: Arrays, texts: Texts) -> bytes:
    """The file's content, in float64."""
    header: dict[str, Any] = {"__metadata__": texts}
    parts, at = [], 0
    for name, array in arrays.items():
        part = np.ascontiguousarray(array, "<f8").tobytes()
        header[name] = {"dtype": "F64", "shape": list(array.shape), "data_offsets": [at, at + len(part)]}
        parts.append(part)
        at += len(part)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([struct.pack("<Q", len(text)), text, *parts])


def _tensor(name: str, entry: Any, data: memoryview) -> NDArray[Any]:
    try:
        kind, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        sound = all(type(extent) is int and extent >= 0 for extent in (*shape, begin, end))
    except (TypeError, KeyError, ValueError):
        sound = False
    if not sound:
        raise InputError(f"it is damaged: its header does not describe {name!r}", SAVE)
    if not isinstance(kind, str) or kind not in DTYPES:
        raise InputError(f"its {name!r} is of type {kind}", f"diodeq reads {', '.join(DTYPES)}")
    check_size(name, shape)
    dtype = np.dtype(DTYPES[kind])
    if not begin <= end <= len(data) or end - begin != dtype.itemsize * math.prod(shape):
        raise InputError(f"it is damaged: {name!r} has the wrong number of bytes", SAVE)
    array = np.frombuffer(data[begin:end], dtype).reshape(shape)
    return (array.astype("<u4") << 16).view("<f4") if kind == "BF16" else array
