"""What installed packages add to a registry, by entry points; a package is imported when what it adds is asked for.

``guide/extending.md`` says what stands behind each group.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Generic, TypeVar

from diodeq.errors import DiodeqError, InputError

T = TypeVar("T")

GROUPS = {
    "diodeq.engines": "engine",
    "diodeq.rules": "learning rule",
    "diodeq.dialects": "netlist dialect",
    "diodeq.devices": "device",
    "diodeq.data": "data set",
}


class Registry(Mapping[str, T], Generic[T]):
    """Members of the house, and those that installed packages add in ``group``; a name of the house is never another's,
    nor is one of ``taken``, which mean something else already.

    ``sound(member)`` says whether what a package adds is of the kind that the group is for. Names can be listed without
    importing any package.

    Raises:
        InputError: a member is asked for whose package cannot be imported or has something else there.
    """

    def __init__(self, own: dict[str, T], group: str, sound: Callable[[Any], bool], taken: Container[str] = ()) -> None:
        self.own, self.group = own, group
        self._sound, self._taken = sound, taken
        self._loaded: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        if name in self.own:
            return self.own[name]
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self._added

    def __iter__(self) -> Iterator[str]:
        return iter([*self.own, *(name for name in self._added if name not in self.own)])

    def __len__(self) -> int:
        return sum(1 for _ in self)  # not of a list, which would ask for its length

    def whose(self, name: str) -> str:
        """An added member as errors call it, with the package that adds it."""
        return f"{name} of {_package(self._added[name][0])}"

    @cached_property
    def _added(self) -> dict[str, list[importlib.metadata.EntryPoint]]:
        found: dict[str, list[importlib.metadata.EntryPoint]] = {}
        for entry in importlib.metadata.entry_points(group=self.group):
            if entry.name not in self._taken:
                found.setdefault(entry.name, []).append(entry)
        return found

    def _load(self, name: str) -> T:
        entries = self._added[name]
        what = f"the {GROUPS[self.group]} {name}"
        if len({entry.value for entry in entries}) > 1:
            several = " and ".join(sorted({_package(entry) for entry in entries}))
            raise InputError(f"{what} is added by {several}", "uninstall all but one of them")
        package = _package(entries[0])
        remedy = f"correct or uninstall {package}"
        try:
            found = entries[0].load()
        except (Exception, SystemExit) as error:  # whatever somebody else's package does
            raise InputError(f"{what} of {package} cannot be imported: {_said(error)}", remedy) from error
        if not self._sound(found):
            raise InputError(f"{what} of {package} is {type(found).__name__} and no {GROUPS[self.group]}", remedy)
        member: T = found
        return member


@contextmanager
def trusted(what: str) -> Iterator[None]:
    """Within this somebody else's code runs: what it raises, but for errors of this house, is an ``InputError``."""
    try:
        yield
    except DiodeqError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"{what} failed: {_said(error)}", "correct or uninstall the package that adds it") from error


def _package(entry: importlib.metadata.EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.value


def _said(error: BaseException) -> str:
    """An error in a line."""
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".: ")
