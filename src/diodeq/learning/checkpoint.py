"""Checkpoints: a snapshot and the document that says what it belongs to, in one .npz without pickle."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from diodeq import archives
from diodeq.documents import from_json
from diodeq.errors import InputError
from diodeq.files import write_atomically
from diodeq.learning.recipe import digest
from diodeq.learning.snapshots import Partial, Snapshot
from diodeq.learning.updates import State

FORMAT = "diodeq-checkpoint"
VERSION = 3
WITHIN = 4  # within an epoch, which 3 does not know
READS = (2, 3, 4)  # 2, of diodeq 0.1.0, knew neither pruning nor a weight of power
_COUNTS = ("epoch", "best_epoch")
_MEASURED = ("best_loss", "seconds", "learning_seconds", "weight")


def save(path: Path, snapshot: Snapshot, document: dict[str, Any]) -> None:
    """Write both atomically; ``document`` is JSON and says what is trained and how. Raises ``InputError``."""
    header = {
        "format": FORMAT,
        "version": VERSION if snapshot.partial is None else WITHIN,
        "document": document,
        "digest": digest(document),
        "steps": snapshot.state.steps,
        **{name: getattr(snapshot, name) for name in (*_COUNTS, *_MEASURED)},
    }
    arrays: dict[str, Any] = {f"slot_{k}": slot for k, slot in enumerate(snapshot.state.slots)}
    if (partial := snapshot.partial) is not None:
        header["partial"] = {"done": partial.done, "loss": partial.loss, "random": _spelled(partial.random)}
        arrays["outputs"] = partial.outputs
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, parameters=snapshot.parameters, best=snapshot.best, stays=snapshot.stays, **arrays)
    write_atomically(path, buffer.getvalue())


def read_document(path: Path) -> dict[str, Any]:
    """What the checkpoint belongs to; raises ``InputError`` for a file that is missing, damaged or something else."""
    document: dict[str, Any] = _read(path)[0]["document"]
    return document


def load(path: Path, like: Snapshot) -> Snapshot:
    """The snapshot; ``like`` is one of the right shape (of ``snapshots.start``). Raises ``InputError``."""
    header, arrays = _read(path)
    slots, stays = _slots(arrays), arrays.get("stays", like.stays)
    if stays.sum() == len(like.stays):  # the circuit on disk is the result already
        stays = like.stays
    pruned = len(stays) - int(stays.sum())
    wanted = [len(array) - pruned for array in (like.parameters, *like.state.slots)]
    if stays.shape != like.stays.shape or [len(array) for array in (arrays["parameters"], *slots)] != wanted:
        raise InputError(f"{path} belongs to another circuit or update", "train again with --overwrite")
    state = State(header["steps"], slots)
    numbers = {name: header[name] for name in (*_COUNTS, *_MEASURED)}
    found = Snapshot(parameters=arrays["parameters"], best=arrays["best"], stays=stays, state=state, **numbers)
    return replace(found, partial=_partial(path, header["partial"], arrays)) if "partial" in header else found


def _partial(path: Path, said: Any, arrays: dict[str, Any]) -> Partial:
    """Where the epoch stands; raises ``InputError``."""
    try:
        done, loss, outputs = said["done"], float(said["loss"]), arrays["outputs"]
        generator = np.random.default_rng(0).bit_generator
        generator.state = state = {**said["random"], "state": {k: int(v) for k, v in said["random"]["state"].items()}}
        if type(done) is not int or outputs.shape[:1] != (done,) or not np.isfinite(outputs).all():
            raise ValueError("no outputs")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{path} is not a readable checkpoint", "train again with --overwrite") from error
    return Partial(done, loss, outputs, state)


def _spelled(random: dict[str, Any]) -> dict[str, Any]:
    """A generator's state with its large numbers as text."""
    return {**random, "state": {name: str(number) for name, number in random["state"].items()}}


def _slots(arrays: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(array for name, array in sorted(arrays.items()) if name.startswith("slot_"))


def _finite(array: Any) -> bool:
    return array.dtype == np.float64 and array.ndim == 1 and bool(np.isfinite(array).all())


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        arrays = archives.read(path)
        header = from_json(arrays["header"].tobytes())
        if (
            header["format"] != FORMAT
            or header["version"] not in READS
            or header["digest"] != digest(header["document"])
        ):
            raise ValueError("not the format this version writes")
        header.setdefault("weight", 0.0)
        if not isinstance(header["document"], dict):
            raise ValueError("nothing to belong to")
        if any(type(header[name]) is not int or header[name] < 0 for name in ("steps", *_COUNTS)):
            raise ValueError("no count of epochs")
        if any(type(header[name]) not in (int, float) or not header[name] >= 0 for name in _MEASURED):
            raise ValueError("no number")
        if not all(math.isfinite(header[name]) for name in _MEASURED if name != "best_loss"):
            raise ValueError("no time")
        parameters, best = arrays["parameters"], arrays["best"]
        if parameters.shape != best.shape or not all(map(_finite, (parameters, best, *_slots(arrays)))):
            raise ValueError("no parameters")
        if "stays" in arrays and (arrays["stays"].dtype != np.bool_ or arrays["stays"].ndim != 1):
            raise ValueError("no resistors")
    except FileNotFoundError:
        raise InputError(f"there is no checkpoint {path}", "start the training without --resume") from None
    except (InputError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} is not a readable checkpoint", "train again with --overwrite") from error
    return header, arrays
