"""An object around another one: whatever it does not do itself is the other's."""

from __future__ import annotations

from typing import Any, Self


class Wrapped:
    """Around ``made``. Every one is of a class that has what ``made`` has: that is where protocols look since Python
    3.12."""

    name = ""
    _made: Any

    def __new__(cls, made: Any, *rest: Any) -> Self:
        """Of such a class."""
        more = {each: _passed_on(each) for each in dir(made) if not each.startswith("_") and not hasattr(cls, each)}
        return object.__new__(type(cls.__name__, (cls,), more))


def _passed_on(name: str) -> property:
    """An attribute that is read and set on what is inside."""
    return property(lambda self: getattr(self._made, name), lambda self, value: setattr(self._made, name, value))
