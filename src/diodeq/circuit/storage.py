"""Circuits on disk: one .npz of plain arrays and a JSON header, never pickle, written beside and renamed."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diodeq import archives
from diodeq.circuit.bank import Bank
from diodeq.circuit.inputs import Inputs, Units
from diodeq.circuit.kinds import KINDS
from diodeq.devices import one_ports
from diodeq.documents import from_json
from diodeq.errors import DiodeqError, InputError
from diodeq.files import write_atomically

if TYPE_CHECKING:
    from diodeq.circuit.circuit import Circuit

FORMAT = "diodeq-circuit"
VERSION = 2
TARGETS = ("target_offset", "target_scale")
READS = (1, 2)  # 1, of diodeq 0.1.0, had every kind and numbered models in floats
GIVE = "give a circuit.npz written by diodeq"


def save(circuit: Circuit, path: str | Path) -> None:
    """Write ``circuit`` to ``path``; raises ``InputError`` when the place cannot be written."""
    groups = {kind: circuit.bank(kind).groups for kind in KINDS if len(circuit.bank(kind)) or circuit.bank(kind).groups}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "title": circuit.title,
        "notes": list(circuit.notes),
        "temperature": circuit.temperature,
        "output_scale": circuit.scaling.output_scale,
        **({"limit": circuit.scaling.limit} if math.isfinite(circuit.scaling.limit) else {}),
        "models": [model.to_json() for model in circuit.models],
        "input_names": list(circuit.inputs.names),
        "output_names": list(circuit.output_names),
        "groups": groups,
    }
    arrays: dict[str, Any] = {
        "header": _bytes(json.dumps(header)),
        "nodes": _bytes("\n".join(circuit.nodes)),
        "inputs_source": circuit.inputs.source,
        "inputs_column": circuit.inputs.column,
        "inputs_gain": circuit.inputs.gain,
        "outputs": circuit.outputs,
        "trainable": circuit.mask,
        "units_offset": circuit.scaling.offset,
        "units_scale": circuit.scaling.scale,
    }
    if circuit.scaling.regresses:
        arrays |= {name: getattr(circuit.scaling, name) for name in TARGETS}
    for kind in groups:
        parts = circuit.bank(kind)
        arrays[f"{kind}_terminals"], arrays[f"{kind}_values"] = parts.terminals, parts.values
        if parts.names:
            arrays[f"{kind}_names"] = _bytes("\n".join(parts.names))
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


def load(path: str | Path, make: Callable[..., Circuit]) -> Circuit:
    """The circuit in ``path``, made by ``Circuit.of_banks``; raises ``InputError`` for a file that is missing, damaged
    or something else."""
    try:
        arrays = archives.read(path)
    except FileNotFoundError:
        raise InputError(f"circuit file {path} does not exist", GIVE) from None
    except IsADirectoryError:
        raise InputError(
            f"{path} is a folder, not a circuit file", f"did you mean {Path(path) / 'circuit.npz'}?"
        ) from None
    except InputError as error:
        raise InputError(f"{path} is not a diodeq circuit: {error.problem}", GIVE) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", GIVE) from error
    except MemoryError:
        raise InputError(f"{path} does not fit into memory", "give a smaller circuit") from None
    if "header" not in arrays:
        raise InputError(f"{path} is not a diodeq circuit", f"{GIVE}; of weights `diodeq compile` makes one")
    try:
        return _assemble(arrays, make)
    except DiodeqError as error:
        raise InputError(f"{path} cannot be used: {error.problem}", error.remedy) from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(f"{path} is not a diodeq circuit: it is damaged or of another kind", GIVE) from error


def _assemble(archive: dict[str, Any], make: Callable[..., Circuit]) -> Circuit:
    header = from_json(_text(archive["header"]))
    if header.get("format") != FORMAT:
        raise InputError("it is not a diodeq circuit", GIVE)
    if header.get("version") not in READS:
        raise InputError(
            f"its format has version {header.get('version')}, not {VERSION}", "update diodeq, or export again"
        )
    limit = float(header.get("limit", math.inf))
    units = Units(
        _real(archive["units_offset"]),
        _real(archive["units_scale"]),
        float(header["output_scale"]),
        limit,
        *(_real(archive[name]) for name in TARGETS if name in archive),
    )
    targets = [getattr(units, name) for name in TARGETS if name in archive]
    finite = all(np.isfinite(each).all() for each in (units.offset, units.scale, units.output_scale, *targets))
    if not (finite and units.limit > 0.0):
        raise InputError("its units are not finite numbers", "make it again")
    banks = {}
    for kind in map(str, header["groups"]):
        if kind not in KINDS:
            raise InputError(f"it has parts of the kind {kind!r}, which is not known here", "update diodeq")
        names = _lines(archive[f"{kind}_names"]) if f"{kind}_names" in archive else ()
        groups = tuple((str(label), int(count)) for label, count in header["groups"][kind])
        values = archive[f"{kind}_values"]
        values = _whole(values) if values.dtype.kind in "iu" else _real(values)
        banks[kind] = Bank(_whole(archive[f"{kind}_terminals"]), values, names, groups)
    return make(
        banks,
        nodes=_lines(archive["nodes"]),
        models=tuple(one_ports.from_json(model) for model in header["models"]),
        inputs=Inputs(
            _whole(archive["inputs_source"]),
            _whole(archive["inputs_column"]),
            _real(archive["inputs_gain"]),
            tuple(map(str, header["input_names"])),
        ),
        outputs=_whole(archive["outputs"]),
        output_names=tuple(map(str, header["output_names"])),
        trainable=archive["trainable"].astype(bool, casting="safe"),
        units=units,
        temperature=float(header["temperature"]),
        title=str(header["title"]),
        notes=tuple(map(str, header["notes"])),
    )


def _bytes(text: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.frombuffer(text.encode(), np.uint8)


def _text(array: Any) -> str:
    return bytes(array.astype(np.uint8, casting="safe")).decode()


def _lines(array: Any) -> tuple[str, ...]:
    return tuple(_text(array).split("\n")) if array.size else ()


def _whole(array: Any) -> Any:
    whole = array.astype(np.int32, casting="same_kind" if array.dtype.kind == "i" else "safe")
    if not np.array_equal(whole, array):
        raise ValueError("an index is too large")
    return whole


def _real(array: Any) -> Any:
    with np.errstate(invalid="ignore"):  # `check` looks at the values
        return array.astype(np.float64, casting="safe")
