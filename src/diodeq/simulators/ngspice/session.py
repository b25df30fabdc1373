"""One libngspice in this process, through PySpice, with every answer checked before anyone sees it.

ngspice reports failure in ways that look like success (a rejected deck leaves the old circuit in place, a failed
sweep is short, exit codes mean nothing), so ``Session.run`` proves that the deck it loaded is the one that ran and
that every vector is there, whole and finite. At most one ``Session`` can exist per process.
"""

from __future__ import annotations

import ctypes.util
import logging
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.errors import SimulationError, SimulatorMissingError

_FAILURE = re.compile(
    r"error|singular|timestep too small|without convergence|aborted|not parsed|unknown|can't find|fatal|no such",
    re.IGNORECASE,
)
# What an engine does on its own to reach convergence; worth telling, not a failure.
_EFFORT = re.compile(r"gmin stepping|source stepping|Warning", re.IGNORECASE)

# The last thing that ngspice tries is a transient from nothing, with these figures; a step of 0 keeps it from that.
_TRANSIENT = {True: "optran 1 1 1 100n 10u 0", False: "optran 1 1 1 0 0 0"}

INSTALL = "install it with 'apt-get install libngspice0' (Debian, Ubuntu) or 'brew install libngspice' (macOS)"


def find_library() -> str:
    """Path or soname of libngspice: ``$NGSPICE_LIBRARY_PATH`` if set, else what the system's loader knows.

    Raises:
        SimulatorMissingError: there is none.
    """
    given = os.environ.get("NGSPICE_LIBRARY_PATH")
    if given:
        if not os.path.exists(given):
            raise SimulatorMissingError(
                f"NGSPICE_LIBRARY_PATH names {given}, which does not exist", "unset or correct it"
            )
        return os.path.abspath(given)
    found = ctypes.util.find_library("ngspice")
    if not found:
        raise SimulatorMissingError("the simulator libngspice is not installed", INSTALL)
    return found


class Session:
    """The process's libngspice.

    Raises:
        SimulatorMissingError: the library cannot be found or loaded.
    """

    def __init__(self) -> None:
        logging.getLogger("PySpice").setLevel(logging.CRITICAL)
        path = find_library()
        from PySpice.Spice.NgSpice import Shared

        class Recorder(Shared.NgSpiceShared):  # type: ignore[misc]
            """Keeps what ngspice says until the next command."""

            said: list[str]

            def send_char(self, message: str, ngspice_id: int) -> int:
                self.said.append(message)
                return 0

            def load_circuit(self, circuit: str) -> None:
                """The lines in one buffer: PySpice makes an object of each, which takes as long as many a sweep."""
                lines = [*filter(None, circuit.encode().split(b"\n")), b""]  # ngspice wants an empty one at the end
                text, ends = bytearray(b"\0".join(lines) + b"\0"), np.cumsum([len(line) + 1 for line in lines])
                first = int(Shared.ffi.cast("uintptr_t", Shared.ffi.from_buffer(text)))
                addresses = np.array([first, *(first + ends[:-1]).tolist(), 0], np.uintp)
                self.clear_output()
                refused = self._ngspice_shared.ngSpice_Circ(Shared.ffi.cast("char **", addresses.ctypes.data))
                if refused or self._error_in_stdout:
                    raise NameError(f"the circuit was refused ({refused}): {self.stdout}")

        Recorder.LIBRARY_PATH = path
        Recorder.said = []
        try:
            with _undisturbed():
                self._spice = Recorder()
        except Exception as error:
            raise SimulatorMissingError(f"libngspice at {path} cannot be loaded: {error}", INSTALL) from error
        self._ffi = Shared.ffi
        self.version = f"ngspice-{self._spice.ngspice_version}"

    def run(self, text: str, marker: str, vectors: Iterable[str], length: int | None) -> dict[str, NDArray[Any]]:
        """Load a deck, run the analysis it asks for, return the named vectors, each of ``length`` points.

        With ``length`` None they have as many points as ngspice took, all the same and at least two.

        Raises:
            SimulationError: ngspice complained, another circuit ran, or a vector is missing, short or not finite.
        """
        with self._ran(text) as complaint:
            plot = self._spice.last_plot
            present = self._vector_names(plot)
            self._demand_marker(marker, present, complaint)
            found = {name: self._vector(plot, name) for name in vectors if name in present}
            if length is None:
                length = max(2, *map(len, found.values()))
            for name in vectors:
                if name not in found:
                    raise SimulationError(
                        f"ngspice returned no vector {name}: {_tidy(complaint or '')}", "report this deck"
                    )
                if len(found[name]) != length:
                    reason = _tidy(complaint or "no convergence")
                    raise SimulationError(
                        f"ngspice stopped after {len(found[name])} of {length} samples: {reason}",
                        "check the drive voltages and the conductance range",
                    )
            self._demand_sound(found, complaint)
            return found

    def sweep(
        self, text: str, marker: str, vectors: Sequence[str], length: int, transient: bool = True
    ) -> tuple[dict[str, NDArray[Any]], str | None]:
        """Load a deck, run the sweep it asks for: the points that every vector has, ``length`` at most and up to the
        first that is not finite, and what kept ngspice from the others (None where it has all).

        What came of a sweep that stopped half way is for the caller to judge; nothing of a deck that did not run is
        ever returned. A search by ``transient`` may take minutes before it fails.
        """
        with self._ran(text, transient) as complaint:
            plot = self._spice.last_plot
            present = self._vector_names(plot)
            if marker not in present or not set(vectors) <= present:
                return {name: np.zeros(0) for name in vectors}, _tidy(complaint or "it ran no analysis of this deck")
            found = {name: self._vector(plot, name)[:length] for name in vectors}
            whole = min(map(len, found.values()), default=0)
            for values in found.values():
                whole = min(whole, int(np.argmin(np.append(np.isfinite(values[:whole]), False))))
            reason = None if whole == length else _tidy(complaint or "no convergence")
            return {name: values[:whole] for name, values in found.items()}, reason

    def run_each(self, text: str, marker: str, vectors: Iterable[str]) -> list[dict[str, NDArray[Any]]]:
        """Load a deck that asks for several analyses; those of the vectors that each plot has, in the plots' order.

        Raises:
            SimulationError: ngspice complained, another circuit ran, or a value is not finite.
        """
        with self._ran(text) as complaint:
            names = {plot: self._vector_names(plot) for plot in reversed(self._spice.plot_names)}
            self._demand_marker(marker, set().union(*names.values()), complaint)
            wanted = set(vectors)
            plots = [{name: self._vector(plot, name) for name in wanted & names[plot]} for plot in names]
            for plot in plots:
                self._demand_sound(plot, complaint)
            return plots

    @contextmanager
    def _ran(self, text: str, transient: bool = True) -> Iterator[str | None]:
        """Within this the deck has run; gives what ngspice complained about."""
        said = self._spice.said
        said.clear()
        try:
            self._attempt(self._spice.load_circuit, text)
            self._attempt(self._spice.exec_command, _TRANSIENT[transient])
            self._attempt(self._spice.exec_command, "run")
            yield next((line for line in said if _FAILURE.search(line) and not _EFFORT.search(line)), None)
        finally:
            # Without these, 0.4 MB leaks per run and time grows quadratically.
            self._attempt(self._spice.exec_command, "destroy all")
            self._attempt(self._spice.exec_command, "remcirc")

    @staticmethod
    def _demand_marker(marker: str, present: set[str], complaint: str | None) -> None:
        if marker not in present:
            raise SimulationError(
                f"ngspice rejected the deck: {_tidy(complaint or 'no reason given')}", "report this deck"
            )

    @staticmethod
    def _demand_sound(found: dict[str, NDArray[Any]], complaint: str | None) -> None:
        for name, values in found.items():
            if not np.isfinite(values).all():
                raise SimulationError(f"ngspice returned a value that is not finite in {name}", "check the circuit")
        if complaint is not None:
            raise SimulationError(f"ngspice reported: {_tidy(complaint)}", "check the circuit")

    def _attempt(self, command: Any, argument: str) -> None:
        try:
            command(argument)
        except NameError as error:  # PySpice's own errors; what ngspice said is judged by run()
            if not self._spice.said:
                self._spice.said.append(f"error: {error}")

    def _vector_names(self, plot: str) -> set[str]:
        return set(self._spice._convert_string_array(self._spice._ngspice_shared.ngSpice_AllVecs(plot.encode())))

    def _vector(self, plot: str, name: str) -> NDArray[Any]:
        info = self._spice._ngspice_shared.ngGet_Vec_Info(f"{plot}.{name}".encode())
        if info.v_compdata != self._ffi.NULL:
            pairs = np.frombuffer(self._ffi.buffer(info.v_compdata, info.v_length * 16), np.float64)
            return pairs[0::2] + 1j * pairs[1::2]
        return np.frombuffer(self._ffi.buffer(info.v_realdata, info.v_length * 8), np.float64).copy()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Within this a library that starts finds no ``.spiceinit``: commands in one that came with a circuit would
    run, and the user's own may change what numbers mean."""
    before, home = os.open(".", os.O_RDONLY), os.environ.get("HOME")
    with tempfile.TemporaryDirectory() as empty:
        os.chdir(empty)
        os.environ["HOME"] = empty
        try:
            yield
        finally:
            os.fchdir(before)
            os.close(before)
            if home is None:
                del os.environ["HOME"]
            else:
                os.environ["HOME"] = home


def _tidy(message: str) -> str:
    return " ".join(message.removeprefix("stderr ").removeprefix("stdout ").split())
