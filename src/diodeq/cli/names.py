"""Options whose values are names that people choose from, which the shell completes: engines, rules, data sets,
parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import rich_click as click
from click.shell_completion import CompletionItem

from diodeq.simulators import ENGINES

Names = Callable[[], Iterable[str]]


class Name(click.ParamType):  # type: ignore[type-arg]
    """A name, which others judge; ``names()`` are those known, asked for when they are needed. Where ``lists``, several
    are joined by commas."""

    def __init__(self, what: str, names: Names, lists: bool = False) -> None:
        self.name, self._names, self._lists = what, names, lists

    def shell_complete(self, context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        """The names that begin like this."""
        before, comma, last = begun.rpartition(",") if self._lists else ("", "", begun)
        try:
            known = [*self._names()]
        except Exception:  # a shell has nowhere to say what is wrong with a catalogue
            return []
        return [
            CompletionItem(f"{before}{comma}{name}") for name in known if name.casefold().startswith(last.casefold())
        ]


class KnownName(Name):
    """One of the names, perhaps with options after colons, which others judge."""

    def __init__(self, what: str, names: Names, metavar: str = "") -> None:
        super().__init__(what, names)
        self._metavar = metavar

    def get_metavar(self, *_: Any, **__: Any) -> str:
        """What ``--help`` shows."""
        return self._metavar or f"[{'|'.join(self._names())}]"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> str:
        """The name as given."""
        known = [*self._names()]
        if str(value).partition(":")[0] not in known:
            self.fail(f"{value!r} is not one of {', '.join(known)}.", param, context)
        return str(value)


def _rules() -> Iterable[str]:
    from diodeq.learning.rules import RULES

    return RULES


def _data() -> Iterable[str]:
    from diodeq.learning.datasets import ADDED, BUILT_IN, FILES, TABLES

    return [*BUILT_IN, *ADDED, *(f"{kind}:" for kind in (*TABLES, *FILES))]


def _diodes() -> Iterable[str]:
    from diodeq.devices import catalogue

    return [*catalogue.names(), *catalogue.ADDED]


def _forms() -> Iterable[str]:
    from diodeq.api.forms import forms

    return forms()


ENGINE = KnownName(
    "simulator", lambda: ENGINES, "[ngspice|wave[:numba|:torch[:cuda]][:float32|:mixed]|bench:FILE[:OPTION…]]"
)
FORM = KnownName("form", _forms)
RULE, RULES = Name("rule", _rules), Name("rules", lambda: ["all", *_rules()], lists=True)
DATA, DIODE = Name("data", _data), Name("diode", _diodes)
