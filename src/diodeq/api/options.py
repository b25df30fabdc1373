"""Names of options that a function passes on: one that there is not is refused, with the nearest that there is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from diodeq.errors import UnknownOptionError
from diodeq.learning.recipe import Recipe


def demand_known(function: str, given: Iterable[str], takes: Callable[..., Any] = Recipe, *own: str) -> None:
    """Raise `UnknownOptionError` for a name that ``takes``, to which they are passed, does not take; the function's
    ``own`` are among those that may have been meant."""
    if takes is Recipe:
        known = {each.name for each in fields(Recipe)}
    else:
        parameters = inspect.signature(takes).parameters.values()
        known = {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}
    for name in given:
        if name in known:
            continue
        near = get_close_matches(name, known.union(own), n=1)
        meant = f"did you mean {near[0]}?" if near else f"it takes {', '.join(sorted(known))}"
        raise UnknownOptionError(f"{function} has no option {name!r}", meant, arguments=(name,))
