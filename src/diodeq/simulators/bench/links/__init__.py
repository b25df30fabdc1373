"""Links to a bench on the table; what ``[link]`` of a description may say, and who speaks it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from diodeq.errors import InputError
from diodeq.simulators.bench.body import Body
from diodeq.simulators.bench.links.guard import Guarded
from diodeq.simulators.bench.links.iio import ROOT, IioBody
from diodeq.simulators.bench.links.line import LineBody
from diodeq.simulators.bench.links.scpi import SERVED, Group, ScpiBody
from diodeq.simulators.bench.links.spans import Spans
from diodeq.simulators.bench.links.transports import SerialLink, TcpLink, address

_NEEDED = object()
Entries = Mapping[str, Any]


def _serial(entries: Entries, spans: Spans) -> Body:
    link = SerialLink(entries["port"], entries["baud"])
    return LineBody(link, spans, entries["patience"], entries["identity"] or None)


def _tcp(entries: Entries, spans: Spans) -> Body:
    link = TcpLink(*address(entries["address"]))
    return LineBody(link, spans, entries["patience"], entries["identity"] or None)


def _scpi(entries: Entries, spans: Spans) -> Body:
    own = {sort: entries[sort] for sort in SERVED if entries[sort]}
    if own and "holds" not in own:
        spans = spans.without_holds()
    groups = {sort: _group(sort, own[sort], getattr(spans, sort).count) for sort in own} or SERVED
    for sort in SERVED:
        if own and sort not in own and getattr(spans, sort).count:
            raise InputError(f"[link] has commands, but none for {sort}", f"write [link.{sort}]")
    return ScpiBody(
        spans,
        entries["resource"],
        {**dict.fromkeys(SERVED, Group()), **groups},
        entries["backend"],
        entries["settle"],
        entries["patience"],
        entries["error"],
        entries["rest"] or ([] if own else ["*RST"]),
        "" if own else "SYST:CHAN?",
        entries["identity"] or None,
    )


def _iio(entries: Entries, spans: Spans) -> Body:
    sorts = ("taps", "drives", "injections", "reads")
    return IioBody(spans, {sort: entries[sort] for sort in sorts}, entries["root"], entries["settle"])


_SERIAL = {"port": _NEEDED, "baud": 115200, "patience": 2.0, "identity": ""}
_TCP = {"address": _NEEDED, "patience": 2.0, "identity": ""}
_GROUPS: dict[str, Any] = {sort: {} for sort in SERVED}
_SCPI = {
    "resource": _NEEDED, "backend": "@py", "settle": 0.0, "patience": 5.0, "error": "SYST:ERR?", "rest": [],
    "identity": "", **_GROUPS,
}  # fmt: skip
_IIO = {"root": ROOT, "settle": 0.0, "taps": [], "drives": [], "injections": [], "reads": _NEEDED}
KINDS: dict[str, tuple[dict[str, Any], Callable[[Entries, Spans], Body]]] = {
    "serial": (_SERIAL, _serial),
    "tcp": (_TCP, _tcp),
    "scpi": (_SCPI, _scpi),
    "iio": (_IIO, _iio),
}
"""By ``kind``: the entries with what they are where they are not given, and what opens the link."""

UNWATCHED = ("scpi", "iio")
"""What keeps its drives when nobody speaks any more"""


def checked(link: Entries) -> dict[str, Any]:
    """The entries of a ``[link]``, whole; an empty one stays so.

    Raises:
        InputError: an entry that there is not, that is missing, or that is of another sort.
    """
    if not link:
        return {}
    kind = link.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise InputError(f"link.kind is {kind!r}", f"write one of {', '.join(KINDS)}")
    return {"kind": kind, **_filled("link", link, KINDS[kind][0], skip="kind")}


def connect(link: Entries, spans: Spans) -> Body:
    """The bench that ``[link]`` names, at rest.

    Raises:
        InputError: the link is not sound, or the bench is another than described.
        BenchLostError: it does not answer, or what speaks to it is not installed.
    """
    body = opened(link, spans)
    return Guarded(body, link, spans) if link["kind"] in UNWATCHED else body


def opened(link: Entries, spans: Spans) -> Body:
    """As ``connect``, without a process that puts the bench to rest when this one is killed."""
    entries = checked(link)
    return KINDS[entries["kind"]][1](entries, spans)


def _group(sort: str, table: Entries, count: int) -> Group:
    like: dict[str, Any] = {name: getattr(Group(), name) for name in Group.__dataclass_fields__}
    found = _filled(f"link.{sort}", table, {**like, "channels": []})
    channels = found["channels"]
    if channels and (len(channels) != count or not all(type(each) is int for each in channels)):
        raise InputError(f"link.{sort}.channels does not name {count} channels", "give a whole number for each")
    if found["rows"] < 1 or (channels and found["rows"] > 1):
        raise InputError(f"link.{sort}.rows is {found['rows']}", "leave it out, or number channels from 1")
    if not found["step"]:
        raise InputError(f"link.{sort}.step is 0", "give what a code is worth")
    if count and not found["get" if sort == "reads" else "set"]:
        raise InputError(f"link.{sort} has no command", "write set, or get for reads")
    return Group(**{**found, "channels": tuple(channels)})


def _filled(called: str, table: Entries, like: Entries, skip: str = "") -> dict[str, Any]:
    """The entries of a table, those that are not given as in ``like``."""
    made: dict[str, Any] = {key: [] if value is _NEEDED and key == "reads" else value for key, value in like.items()}
    for key, value in table.items():
        if key == skip:
            continue
        if key not in like:
            near = get_close_matches(key, like, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise InputError(f"there is no entry {called}.{key}", f"{hint}use some of {', '.join(like)}")
        usual = like[key]
        wanted: Any = (list if key == "reads" else str) if usual is _NEEDED else type(usual)
        if wanted is float and type(value) is int:
            value = float(value)
        if type(value) is not wanted or (wanted is float and not math.isfinite(value)):
            raise InputError(f"{called}.{key} = {value!r} is no {_SAID[wanted]}", "correct it")
        if wanted is list and key != "channels" and not all(type(each) is str for each in value):
            raise InputError(f"{called}.{key} is no list of texts", "correct it")
        if key in ("settle", "patience", "baud") and not 0 <= value <= 1e7:
            raise InputError(f"{called}.{key} = {value!r} is not possible", "give a number of seconds, or bauds")
        made[key] = value
    if missing := [key for key, value in like.items() if value is _NEEDED and key not in table]:
        raise InputError(f"{called} has no entry {missing[0]}", "write it")
    return made


_SAID = {str: "text", float: "number", int: "whole number", list: "list", dict: "table"}

__all__ = ["KINDS", "Spans", "checked", "connect", "opened"]
