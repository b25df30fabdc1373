"""Models written as tables of JSON or TOML: what all families ask of one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from diodeq.devices.ratings import Ratings
from diodeq.errors import InputError


def demand_table(document: Any, kind: str, remedy: str) -> None:
    """Raises `InputError` for what is no table."""
    if not isinstance(document, Mapping):
        raise InputError(f"a {kind} must be a table", remedy)


def demand_known(document: Mapping[str, Any], kind: str, known: Collection[str], remedy: str = "leave it out") -> None:
    """Raises `InputError` for an entry that is none of ``known``, nor one that all families have."""
    unknown = sorted(set(map(str, document)) - {"kind", "name", "source", "description", "ratings", *known})
    if unknown:
        raise InputError(f"{kind} {document.get('name')!r} has the unknown entry {unknown[0]!r}", remedy)


def shared(document: Mapping[str, Any], kind: str, *more: str) -> dict[str, Any]:
    """Its name, source and description, what ``more`` is text, and its ratings; raises `InputError` where it is not."""
    found: dict[str, Any] = {key: document.get(key, "") for key in ("name", *more, "source", "description")}
    for key, text in found.items():
        if not isinstance(text, str):
            raise InputError(f"the {key} of {kind} {document.get('name')!r} is not text", "put it in quotes")
    return {**found, "ratings": Ratings.from_entry(document, document.get("name"))}
