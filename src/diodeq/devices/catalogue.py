"""The parts known by name: the packaged catalogue and the user's own."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from diodeq.arrays import text
from diodeq.devices.diode.model import DiodeModel
from diodeq.devices.one_ports import FAMILIES, Model, from_json
from diodeq.documents import toml
from diodeq.errors import InputError, UsageError
from diodeq.files import read_bytes, write_atomically
from diodeq.plugins import Registry

LARGEST = 1 << 24
"""Bytes of a catalogue."""
ADDED: Registry[Model] = Registry({}, "diodeq.devices", sound=lambda thing: isinstance(thing, (*FAMILIES.values(),)))
"""Parts that installed packages add, by name"""


def get(name: str) -> Model:
    """The part called ``name``, in any case; the user's catalogue wins over the packaged one.

    Raises `UsageError` with the nearest names if there is none, `InputError` if the user's catalogue is unreadable.
    """
    there = parts()
    text("the diode", name)
    if name.casefold() not in there:
        added = next((each for each in ADDED if each.casefold() == name.casefold()), None)
        if added is not None:
            return ADDED[added]
        near = get_close_matches(name.casefold(), there, n=3)
        hint = f"did you mean {' or '.join(there[key].name for key in near)}? " if near else ""
        raise UsageError(f"there is no diode called {name!r}", f"{hint}`diodeq devices list` shows all")
    return there[name.casefold()]


def diode(name: str) -> DiodeModel:
    """The part called ``name``, a diode with SPICE parameters; raises `UsageError` for any other, too."""
    model = get(name)
    if not isinstance(model, DiodeModel):
        raise UsageError(f"{model.name} is not one diode and has no diode's parameters", "name a diode")
    return model


def names(family: str | None = None) -> list[str]:
    """The names of all parts, or of those of a family such as "diode": the packaged ones in the catalogue's order, then
    the user's own."""
    return [model.name for model in parts().values() if family in (None, model.to_json()["kind"])]


def user_path() -> Path:
    """Where the user's own parts are kept: ``$DIODEQ_DEVICES``, else ``~/.config/diodeq/devices.toml``."""
    return own_file("DIODEQ_DEVICES", "devices.toml")


def own_file(variable: str, name: str) -> Path:
    """The file that an environment variable names, else the one called ``name`` in the user's configuration."""
    named = os.environ.get(variable)
    if named:
        return Path(named)
    configuration = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(configuration) / "diodeq" / name


def read(path: Path) -> list[Model]:
    """The parts in a catalogue file, in its order.

    One TOML table a part: ``description``, ``source``, ``ratings`` and ``parameters``, or of a measured curve
    ``kind = "curve"``, ``volts`` and ``amperes``, or of a composite ``kind = "composite"`` and ``parts``. Raises
    `InputError` naming the file if it cannot be read, is not TOML, or holds a part that is none.
    """
    try:
        content = read_bytes(path, LARGEST)
    except OSError as error:
        reason = error.strerror or error
        remedy = "check its path and permissions"
        if not path.exists() and os.environ.get("DIODEQ_DEVICES"):
            remedy = "`diodeq devices import FILE` makes it; else unset DIODEQ_DEVICES, which names it"
        raise InputError(f"the diode catalogue {path} cannot be read: {reason}", remedy) from error
    return _parse(content, str(path))


def add(models: Sequence[Model], replace: bool = False) -> Path:
    """Add parts to the user's own catalogue and return its path; the file is made if there is none.

    Entries that stay keep their text; ``replace`` writes the file anew where it has parts of the same names.

    Raises:
        UsageError: a part of one of the names is known and ``replace`` is not set.
        InputError: the catalogue cannot be read or written.
    """
    path = user_path()
    own = read(path) if path.exists() else []
    keys = {model.name.casefold() for model in models}
    if not replace:
        for known, where in [(model, "diodeq's catalogue") for model in _packaged()] + [(model, path) for model in own]:
            if known.name.casefold() in keys:
                raise UsageError(
                    f"{where} has a diode called {known.name} already",
                    "give yours another name with --name, or say --replace to prefer it from now on",
                )
    if any(model.name.casefold() in keys for model in own):
        text = "\n".join(_table(model) for model in own if model.name.casefold() not in keys)
    else:
        text = read_bytes(path, LARGEST).decode() if path.exists() else ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{path.parent} cannot be made: {error.strerror or error}", "name a file with DIODEQ_DEVICES"
        ) from error
    written = "\n".join([*filter(None, [text.rstrip("\n") and text]), *map(_table, models)])
    if len(written.encode()) > LARGEST:
        raise InputError(f"with these parts {path} would exceed {LARGEST >> 20} MB", "add fewer, or name another file")
    write_atomically(path, written)
    return path


def _table(model: Model) -> str:
    """A part as TOML; a string of JSON without control characters is one of TOML."""
    if isinstance(model, DiodeModel):
        pairs = ", ".join(f"{key.lower()} = {value!r}" for key, value in model.card())
        entries = f"parameters = {{ {pairs} }}\n"
        entries += "".join(f"{key} = {_toml(value)}\n" for key, value in model.ratings.entry().items())
    else:
        own = [(key, value) for key, value in model.to_json().items() if key not in ("name", "description", "source")]
        entries = "".join(f"{key} = {_toml(value)}\n" for key, value in own)
    texts = [(key, json.dumps(getattr(model, key), ensure_ascii=False)) for key in ("description", "source")]
    said = "".join(f"{key} = {text}\n" for key, text in texts)
    return f"[{json.dumps(model.name, ensure_ascii=False)}]\n{said}{entries}"


def _toml(value: Any) -> str:
    """A value of `to_json` as TOML: tables inline, those of a list on a line each."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_toml(each)}' for key, each in value.items())} }}"
    if isinstance(value, list) and any(isinstance(each, dict) for each in value):
        return "".join(["[\n", *(f"  {_toml(each)},\n" for each in value), "]"])
    return json.dumps(value)


def parts() -> dict[str, Model]:
    """All parts by case-folded name; the user's own win over the packaged ones.

    Raises `InputError` if the user's catalogue is unreadable. A path named on purpose must exist.
    """
    return known() if user_path().exists() or not os.environ.get("DIODEQ_DEVICES") else {**known(), **_own()}


def known() -> dict[str, Model]:
    """The same, where the user's catalogue may still have to be made."""
    return {model.name.casefold(): model for model in _packaged()} | (_own() if user_path().exists() else {})


def _own() -> dict[str, Model]:
    return {model.name.casefold(): model for model in read(user_path())}


@cache
def _packaged() -> tuple[Model, ...]:
    resource = files("diodeq.devices") / "catalogue.toml"
    return tuple(_parse(resource.read_bytes(), "diodeq's own diode catalogue"))


def _parse(content: bytes, where: str) -> list[Model]:
    try:
        tables = toml(content)
    except ValueError as error:
        raise InputError(
            f"{where} is not valid TOML: {error}",
            "write one table a part, as in [mydiode] parameters = { is = 2.5e-9, n = 1.75, rs = 0.6 }",
        ) from error
    models: list[Model] = []
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise InputError(f"{where}: {name} is not a table", f"write [{name}] and its entries below")
        try:
            models.append(from_json({"name": name, **table}))
        except InputError as error:
            raise InputError(f"{where}: {error.problem}", error.remedy) from error
    return models
