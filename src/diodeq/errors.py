"""Every error diodeq raises on purpose, as one tree.

Each error is one plain sentence: what is wrong, naming the file, node or part, and what to do about it.
The command line turns the class into an exit code in one place (``diodeq.cli.main``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from diodeq.printable import printable

LONGEST = 800


def _shown(text: str) -> str:
    """The text as one line of bounded length: what it quotes of a stranger's file may steer a terminal or never end."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"
    return printable(text)


class DiodeqError(Exception):
    """Base of all deliberate errors.

    ``problem`` names the evidence (file, node, part); ``remedy`` says what to do. Printed as "problem; remedy".
    ``nodes`` and ``parts`` are the names it is about, ``sample`` the row of a batch, counted from 0, which the words
    call ``sample 3``; ``arguments`` are those that the words mention, options on the command line: programs read these,
    not the words.
    """

    exit_code = 1

    def __init__(
        self,
        problem: str,
        remedy: str = "",
        *,
        nodes: tuple[str, ...] = (),
        parts: tuple[str, ...] = (),
        sample: int | None = None,
        arguments: tuple[str, ...] = (),
    ) -> None:
        self.problem = _shown(problem)
        self.remedy = _shown(remedy)
        self.nodes, self.parts, self.sample, self.arguments = nodes, parts, sample, arguments
        super().__init__(f"{self.problem}; {self.remedy}" if remedy else self.problem)

    def renumber(self, number: int, word: str = "sample") -> None:
        """Call the sample by another number, and perhaps another word, in the words too."""
        self.problem = re.sub(rf"\bsample {self.sample}\b", f"{word} {number}", self.problem)
        self.sample = number
        self.args = (f"{self.problem}; {self.remedy}" if self.remedy else self.problem,)

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are made again from their words, and get their fields back from the state.
        return type(self), (self.problem, self.remedy), self.__dict__


class UsageError(DiodeqError):
    """A name or option that does not exist or does not fit the others."""

    exit_code = 2


class UnknownOptionError(UsageError, TypeError):
    """A keyword that a function does not take."""


class InputError(DiodeqError):
    """A file or an array that cannot be read or used as given."""

    exit_code = 3


class CircuitError(InputError):
    """A circuit that is not sound: a floating node, a loop of sources, a duplicate name, a bad value."""


class PlacedError(InputError):
    """One whose sentence begins with the file and the line, so that nobody puts a place before it again."""

    line = 0
    told = ""
    """The problem without the place."""


class NotRealizableError(DiodeqError):
    """Weights that the chosen realization or technology cannot build."""

    exit_code = 4


class SimulatorMissingError(DiodeqError):
    """The simulator is not installed or cannot be loaded."""

    exit_code = 5


class BenchLostError(SimulatorMissingError):
    """A bench does not answer, or does not answer any more; it goes to rest by itself."""


class SimulationError(DiodeqError):
    """The simulator failed, or found no answer that could be proved (``circuit.proof``).

    ``failures`` says for each row of the batch that has no answer why; ``answered`` is the operating point or adjoint
    solution of all rows, NaN in those, where there is one.
    """

    exit_code = 6
    failures: Mapping[int, str] = MappingProxyType({})
    answered: Any = None


class ToleranceError(DiodeqError):
    """A check ran and its result is outside the tolerance asked for."""

    exit_code = 7


class InexactRuleWarning(UserWarning):
    """A learning rule is used on a circuit where what it finds is not the gradient; the command line prints it once."""


class BenchWarning(UserWarning):
    """A bench is not as it was left; the command line prints it once."""


@contextmanager
def numbered(samples: Sequence[int]) -> Iterator[None]:
    """Within this, sample k of a batch is ``samples[k]`` of a larger one, which errors name."""
    try:
        yield
    except DiodeqError as error:
        if error.sample is not None and error.sample < len(samples):
            error.renumber(samples[error.sample])
        raise
