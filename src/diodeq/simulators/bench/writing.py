"""Descriptions of benches as TOML."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import Any

from diodeq.printable import printable
from diodeq.simulators.bench.description import Description

_NOT = ("sha256", "options")


def written(description: Description, heading: str = "") -> str:
    """The TOML text that reads back as the description; entries that are as without any are left out."""
    lines = [f"# {printable(heading)}", ""] if heading else []
    tables: list[tuple[str, Any]] = []
    for each in fields(description):
        value = getattr(description, each.name)
        if each.name == "link":
            tables.append((each.name, dict(value)))
        elif is_dataclass(value):
            kind: Any = type(value)
            plain = kind()
            own = {one.name: getattr(value, one.name) for one in fields(value)}
            tables.append((each.name, {key: one for key, one in own.items() if one != getattr(plain, key)}))
        elif each.name not in _NOT and value is not None:
            lines.append(f"{each.name} = {_value(value)}")
    for name, entries in tables:
        shown = {key: one for key, one in entries.items() if one == one}  # numbers that are none are left out
        if shown or name == "holds":
            lines += ["", f"[{name}]", *(f"{_key(key)} = {_value(one)}" for key, one in shown.items())]
    return "\n".join(lines) + "\n"


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else json.dumps(key)


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_key(key)} = {_value(one)}' for key, one in value.items())}}}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
