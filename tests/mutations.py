"""Damaged files for the tests of the readers: mutations of bytes, text, JSON and archives, all from one generator."""

from __future__ import annotations

import io
import json
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Mutation = Callable[[random.Random, bytes], bytes]

WORDS = [
    *(
        b"nan",
        b"inf",
        b"-inf",
        b"1e999",
        b"-1e999",
        b"1e-999",
        b"1e308",
        b"0",
        b"-1",
        b"-0.0",
        b"0x10",
        b"1_000",
        b"1k",
    ),
    *(b"99999999999999999999", b"9" * 5000, b"4k7", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\x1a"),
    *("é\u202e\u2028".encode(), "١٢".encode(), "\U0001f4a5".encode(), "²".encode(), b"\n", b"\r", b"\r\n", b"\t", b" "),
    *(b",", b";", b"=", b'"', b"'", b"{", b"}", b"(", b")", b"[", b"]", b"#", b"$", b"`id`", b"%", b":", b"//", b"/*"),
    *(b"{" * 200, b"(" * 2000, b"[" * 20000, b'{"a":' * 5000, b"-" * 3000, b"a=" * 500, b"2**2**2**2**2**9"),
    *(b"\n.include /etc/passwd\n", b"\n.control\nshell touch escaped\n.endc\n", b"\n*#shell touch escaped\n"),
    *(b"\n.lib /etc/passwd x\n", b"\n+ more\n", b"\n.ends\n", b"\n.subckt x a b\n", b"\nx1 a b x\n", b"\n.end\n"),
    *(
        b"../../../etc/passwd",
        b"{{ 7 * 7 }}",
        b"{% include 'x' %}",
        b"${HOME}",
        b"%s%n",
        b"__import__('os')",
        b"A" * 70000,
    ),
]

ABSURD: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**31, -(2**63), 2**64, 10**400, 1e308, -1e308, 1e-320, float("nan"), float("inf")),
    *("", "x", "nan", "relu\n.control", "A" * 5000, "\x00", "\ud800", "é\u2028", "../..", "hardware-linearization:x"),
    *(
        [],
        {},
        [[]],
        [None],
        {"": {}},
        [[[[[[[[]]]]]]]],
        [1e308] * 50,
        {"is": "1"},
        ["a", 1],
        [["", -1]],
        [["a", 10**30]],
    ),
]


# --- bytes and text -----------------------------------------------------------------------------------------------


def flip(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8, 64])):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def noise(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.choice([1, 4, 100])) + data[at + rng.choice([0, 1, 4, 100]) :]


def cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)] if rng.random() < 0.7 else data[rng.randrange(len(data) + 1) :]


def remove(rng: random.Random, data: bytes) -> bytes:
    begin = rng.randrange(len(data) + 1)
    return data[:begin] + data[begin + rng.choice([1, 2, 8, 64, 512]) :]


def repeat(rng: random.Random, data: bytes) -> bytes:
    begin = rng.randrange(len(data) + 1)
    end = min(len(data), begin + rng.choice([1, 8, 64, 512]))
    return data[:end] + data[begin:end] * rng.choice([1, 2, 50]) + data[end:]


def number(rng: random.Random, data: bytes) -> bytes:
    """An integer somewhere becomes an extreme one."""
    form = rng.choice(["<B", "<H", "<I", "<Q", ">I", "<d", "<f"])
    size = struct.calcsize(form)
    if len(data) < size:
        return data
    at = rng.randrange(len(data) - size + 1)
    if form[1] in "df":
        value = struct.pack(form, rng.choice([float("nan"), float("inf"), -1.0, 0.0, 1e38, 5e-40]))
    else:
        value = struct.pack(form, rng.choice([0, 1, (1 << 8 * size) - 1, 1 << (8 * size - 1)]))
    return data[:at] + value + data[at + size :]


def word(rng: random.Random, data: bytes) -> bytes:
    """A word from ``WORDS``, in or in place of something."""
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(WORDS) + data[at + rng.choice([0, 0, 1, 5, 20]) :]


def token(rng: random.Random, data: bytes) -> bytes:
    """One of the words of a text becomes another one of it, or one of ``WORDS``."""
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    words = lines[at].split(b" ")
    words[rng.randrange(len(words))] = (
        rng.choice(rng.choice(lines).split(b" ")) if rng.random() < 0.5 else rng.choice(WORDS)
    )
    lines[at] = b" ".join(words)
    return b"\n".join(lines)


def lines(rng: random.Random, data: bytes) -> bytes:
    """Lines exchanged, repeated or dropped."""
    found = data.split(b"\n")
    a, b = rng.randrange(len(found)), rng.randrange(len(found))
    what = rng.randrange(3)
    if what == 0:
        found[a], found[b] = found[b], found[a]
    elif what == 1:
        found.insert(a, found[b])
    else:
        del found[a]
    return b"\n".join(found)


def encoding(rng: random.Random, data: bytes) -> bytes:
    return data.decode("latin-1").encode(rng.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"]))


BYTES: list[Mutation] = [flip, noise, cut, remove, repeat, number]
TEXT: list[Mutation] = [flip, cut, remove, repeat, word, word, token, token, token, lines, encoding]


def mutate(rng: random.Random, data: bytes, mutations: list[Mutation]) -> bytes:
    """One to three mutations, at most a megabyte."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        data = rng.choice(mutations)(rng, data)
    return data[: 1 << 20]


# --- JSON ---------------------------------------------------------------------------------------------------------


def tree(rng: random.Random, value: Any) -> Any:
    """A JSON value with one thing in it absurd, missing, twice or elsewhere."""
    if isinstance(value, (dict, list)) and value and rng.random() < 0.8:
        value = dict(value) if isinstance(value, dict) else list(value)
        key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
        what = rng.random()
        if what < 0.75:
            value[key] = tree(rng, value[key])
        elif what < 0.85:
            del value[key]
        elif isinstance(value, dict):
            value[rng.choice(["", "x", "W0", "\x00", "IS", *value])] = value[key]
        else:
            value += value[: rng.choice([1, 3])]
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool) and rng.random() < 0.5:
        return rng.choice([-value, value * 10**9, value + 1, [value], f"{value}"[:50]])
    return rng.choice(ABSURD)


def text_of(value: Any) -> bytes:
    return json.dumps(value).encode()


def json_text(rng: random.Random, data: bytes) -> bytes:
    try:
        return text_of(tree(rng, json.loads(data)))
    except (ValueError, RecursionError):
        return word(rng, data)


def json_line(rng: random.Random, data: bytes) -> bytes:
    found = data.split(b"\n")
    at = rng.randrange(len(found))
    found[at] = json_text(rng, found[at])
    return b"\n".join(found)


# --- numpy archives -----------------------------------------------------------------------------------------------


class Trap:
    """Opening a pickle of it makes a file, which is what must never happen."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return open, (str(self.path), "w")


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(found: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in found.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def header(rng: random.Random, content: bytes) -> bytes:
    """An array whose header promises something else."""
    shape = rng.choice([(), (0,), (1 << 40,), (1 << 62, 4), (3,), (-1,), (2, 2), (10**30,), (1,) * 40, ("a",), None])
    descr = rng.choice(
        ["<f8", "<i4", ">f8", "|O", "<U1000000", "|S1", "<c16", "|V8", "?", [("a", "<f8")], "q" * 300, 7]
    )
    said = rng.choice(
        [
            repr({"descr": descr, "fortran_order": rng.choice([False, True, 3]), "shape": shape}),
            f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({'1,' * 3000})}}",
            "{" * 300,
            "(" * 3000,
            "-" * 9000 + "1",
            "{'descr': '<f8', 'shape': (3L,), 'fortran_order': False}",
            "{'descr': '\\d', 'fortran_order': False, 'shape': (1if 1else 2,)}",
            "é" * 100,
        ]
    )
    text = said.encode("latin-1") + b"\n"
    version = rng.choice([(1, 0), (1, 0), (2, 0), (3, 0), (9, 9)])
    size = struct.pack("<H" if version[0] == 1 else "<I", rng.choice([len(text), len(text), 0, 65535]))
    return b"\x93NUMPY" + bytes(version) + size + text + content[128:]


def archive(traps: Path) -> Mutation:
    """Mutations of an archive's members, zipped again with right checksums; pickles in it would touch ``traps``."""

    def change(rng: random.Random, data: bytes) -> bytes:
        try:
            found = members(data)
        except Exception:  # damaged by a mutation before
            return flip(rng, data)
        if not found:
            return data
        name = rng.choice(list(found))
        what = rng.randrange(12)
        if what == 0:
            del found[name]
        elif what == 1:
            found[rng.choice(["x.npy", "W0.npy", "header.npy", "../up.npy", "/abs.npy", "\n", "0.weight.npy"])] = found[
                name
            ]
        elif what == 2:
            found[name] = found[rng.choice(list(found))]
        elif what in (3, 4):
            found[name] = header(rng, found[name])
        elif what == 5:
            found[name] = npy(np.array([Trap(traps / "escaped")], dtype=object))
        elif what == 6:
            found[name] = pickle.dumps(Trap(traps / "escaped"))
        elif what == 7:
            kind = rng.choice(["<f8", "<f4", "<i8", "<i4", "<u8", "?", "<c16", "<U3", "|S2", "<M8[s]"])
            shape = rng.choice([(), (0,), (1,), (3,), (2, 2), (0, 5), (5, 0), (2, 3, 4), (40, 40)])
            count = int(np.prod(shape)) * np.dtype(kind).itemsize
            value = np.frombuffer(rng.randbytes(count) if kind != "<U3" else bytes(count), kind).reshape(shape)
            found[name] = npy(value)
        elif what == 8:
            bomb = zipfile.ZIP_DEFLATED
            return packed({**found, name: found[name][:128] + bytes(rng.choice([10**5, 3 * 10**7]))}, bomb)
        elif what == 9:
            return packed(found, rng.choice([zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]))
        elif what == 10 and found[name][128:].lstrip()[:1] == b"{":
            found[name] = npy(np.frombuffer(json_text(rng, found[name][128:]), np.uint8))
        else:
            found[name] = found[name][:128] + rng.choice([flip, noise, cut, repeat, number])(rng, found[name][128:])
        return packed(found)

    return change


EXTENTS = [0, 1, 2, 3, 7, -1, -2, 64, 1000, 4096, 1 << 20, 1 << 31, 1 << 40, (1 << 63) - 1, -(1 << 63)]


def graph(rng: random.Random, data: bytes) -> bytes:
    """An ONNX model with other numbers, operators or wires; one that is damaged already is damaged further."""
    import onnx

    from diodeq.network.weights.operators import AFTER_ENDINGS, ENDINGS, STEPS

    try:
        model = onnx.load_from_string(data)
        nodes, tensors = model.graph.node, model.graph.initializer
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            node = rng.choice(nodes)
            names = [name for each in nodes for name in (*each.input, *each.output)]
            change = rng.randrange(8)
            if change == 0:
                node.op_type = rng.choice([*STEPS, *ENDINGS, *AFTER_ENDINGS, "Expand", "ConstantOfShape", "Where"])
            elif change == 1 and node.input:
                node.input[rng.randrange(len(node.input))] = rng.choice(names)
            elif change == 2 and node.attribute:
                attribute = rng.choice(node.attribute)
                attribute.i, attribute.f = rng.choice(EXTENTS), rng.choice([0.0, -1.0, 1e38, float("nan")])
                if attribute.ints:
                    attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(EXTENTS)
            elif change == 3:
                shape = rng.choice(model.graph.input).type.tensor_type.shape
                rng.choice(shape.dim).dim_value = rng.choice(EXTENTS)
            elif change == 4 and tensors:
                dims = rng.choice(tensors).dims
                dims[:] = rng.choice([[*dims, 1], dims[1:], dims[::-1], [rng.choice(EXTENTS) for _ in dims]])
            elif change == 5:
                node.input.append(rng.choice(names))
            elif change == 6:
                nodes.insert(rng.randrange(len(nodes) + 1), node)
            elif tensors:
                tensor = rng.choice(tensors)
                if tensor.data_type == onnx.TensorProto.INT64:
                    values = [rng.choice(EXTENTS) for _ in range(rng.randrange(6))]
                    tensor.CopyFrom(onnx.numpy_helper.from_array(np.array(values, np.int64), tensor.name))
        return bytes(model.SerializeToString())
    except Exception:
        return flip(rng, data)


def bundle(rng: random.Random, data: bytes) -> bytes:
    """A zip archive with one member damaged as what it is."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found = {info.filename: archive.read(info) for info in archive.infolist()}
        name = rng.choice(list(found))
        found[name] = (json_text if name.endswith("json") else flip)(rng, found[name])
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in found.items():
                archive.writestr(name, content)
        return made.getvalue()
    except Exception:
        return flip(rng, data)
