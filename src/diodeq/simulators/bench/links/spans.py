"""How many channels of each sort a bench has, and between which codes; both ends of a link keep to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.errors import InputError
from diodeq.printable import counted

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Span:
    """``count`` channels whose codes are ``low`` to ``high``; at ``rest`` they do nothing."""

    count: int
    low: int
    high: int
    rest: int = 0

    def demand(self, name: str, codes: Any) -> Ints:
        """The codes as int64[count], or one row a sample where ``codes`` has two dimensions.

        Raises:
            InputError: another number of channels, no whole numbers, or a code out of the range.
        """
        found = np.asarray(codes)
        if found.dtype.kind not in "iu" or found.ndim not in (1, 2) or found.shape[-1] != self.count:
            raise InputError(
                f"codes of shape {found.shape} do not fit {counted(self.count, name)}", "give one whole number each"
            )
        bad = np.argwhere((found < self.low) | (found > self.high))
        if len(bad):
            where = tuple(bad[0].tolist())
            raise InputError(f"{name} {where[-1]} cannot take code {found[where]}", f"give {self.low} to {self.high}")
        return found.astype(np.int64)


def no_tone(bench: str, remedy: str) -> InputError:
    """What is raised where a bench has none."""
    return InputError(f"{bench} has no tone to lock in on", remedy)


@dataclass(frozen=True)
class Spans:
    """The channels of a bench by sort; ``holds.count`` is 0 where outputs cannot be held."""

    taps: Span
    drives: Span
    injections: Span
    holds: Span
    reads: Span

    def every(self) -> tuple[Span, ...]:
        """All sorts, in the order in which both ends say them."""
        return self.taps, self.drives, self.injections, self.holds, self.reads

    def demand_row(self, drives: Any, injections: Any, holds: Any = None) -> tuple[Ints, Ints, Ints | None]:
        """What ``Body.read`` is given, checked. Raises ``InputError``."""
        driven = self.drives.demand("drive", np.atleast_2d(drives))
        injected = self.injections.demand("injection", np.atleast_2d(injections))
        held = None if holds is None else self._held(np.atleast_2d(holds))
        if len(driven) != len(injected) or (held is not None and len(held) != len(driven)):
            raise InputError("drives, injections and holds have different numbers of samples", "give as many rows each")
        return driven, injected, held

    def found(self, theirs: Sequence[Span], where: str) -> Spans:
        """The channels that the bench at ``where`` says to have, in the order of ``every``; one may hold no outputs.

        Raises:
            InputError: others than its description has.
        """
        for name, ours, other in zip((each.name for each in fields(self)), self.every(), theirs, strict=True):
            if name == "holds" and not other.count:
                continue
            if (ours.count, ours.low, ours.high) != (other.count, other.low, other.high):
                raise InputError(
                    f"the bench at {where} has {other.count} {name} of codes {other.low} to {other.high}, and its"
                    f" description {ours.count} of codes {ours.low} to {ours.high}",
                    "correct the description, or connect the bench that it describes",
                )
        return self if theirs[3].count else self.without_holds()

    def without_holds(self) -> Spans:
        """Those of a bench that cannot hold its outputs."""
        return replace(self, holds=Span(0, 0, 0))

    def demand_holds(self) -> None:
        """Raises ``InputError`` where outputs cannot be held."""
        if not self.holds.count:
            raise InputError("this bench cannot hold its outputs", "choose a rule that injects currents")

    def _held(self, holds: Any) -> Ints:
        self.demand_holds()
        return self.holds.demand("hold", holds)
