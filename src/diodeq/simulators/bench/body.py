"""What a bench can be told and asked, in the codes of its converters; its twin and every link to a real one follow it.

Everything is integers, so that a twin in this process, one behind a serial line and one behind a socket give the same
bits. What codes mean in volts, amperes and ohms the description says.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Body(Protocol):
    """The thing on the table.

    Samples are read one after another in the order of the rows, and every reading takes its time: noise, drift and
    droop go on with each, so a batch is no other than its rows one at a time. A code out of range is an error, never
    clipped.
    """

    @property
    def identity(self) -> str:
        """What is on the table, in a line: its description's name, version and numbers of channels."""
        ...

    def set_taps(self, codes: Ints) -> None:
        """Set every programmable resistor, int64[n_taps]."""
        ...

    def taps(self) -> Ints:
        """The codes as they are read back, int64[n_taps]."""
        ...

    def read(self, drives: Ints, injections: Ints, holds: Ints | None = None) -> Ints:
        """What the channels read, int64[B, n_reads], with the inputs at ``drives`` int64[B, n_drives], currents
        ``injections`` int64[B, n_injections] into the outputs (the zero code of a channel: none), and the outputs held
        at ``holds`` int64[B, n_injections] where they are given; afterwards inputs and injections are back at rest."""
        ...

    def tone(self, drives: Ints, injections: Ints, millihertz: int) -> Ints:
        """As ``read``, with the injections as amplitudes of a tone: what is in phase with it at the channels, in their
        codes, int64[B, n_reads]. Raises ``InputError`` where the bench has none."""
        ...

    def demand_holds(self) -> None:
        """Raises ``InputError`` where outputs cannot be held; nothing is set."""
        ...

    def rest(self) -> None:
        """Drives at 0 V, injections at 0 A, holds released; done too by the bench itself where nobody speaks to it."""
        ...

    def close(self) -> None:
        """At rest, and the link released."""
        ...
