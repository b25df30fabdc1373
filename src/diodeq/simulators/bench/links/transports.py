"""Where lines go to and come from: a serial port, a pseudo-terminal, or a TCP socket."""

from __future__ import annotations

import socket
import time
from typing import Any, Protocol

from diodeq.errors import BenchLostError, InputError, SimulatorMissingError, UsageError

LONGEST = 1 << 16
"""Bytes of an answer that does not end, which are then thrown away."""
_CHECK = "check cable and power"


class Transport(Protocol):
    """Bytes out, lines in."""

    where: str

    def write(self, line: bytes) -> None:
        """Send a line whole; raises ``BenchLostError`` where the other end has gone."""
        ...

    def line(self, deadline: float) -> bytes | None:
        """The next line without its end, or None at ``deadline`` (of ``time.monotonic``); raises as ``write``."""
        ...

    def close(self) -> None:
        """Release the link."""
        ...


class _Lines:
    """Cuts what comes into lines."""

    def __init__(self) -> None:
        self._held = b""

    def take(self) -> bytes | None:
        """A whole line of what came so far."""
        line, end, rest = self._held.partition(b"\n")
        if not end:
            return None
        self._held = rest
        return line

    def add(self, content: bytes) -> None:
        """More of what came; of a line without end only the last bytes are kept."""
        self._held = (self._held + content)[-LONGEST:]


class SerialLink:
    """A serial port or a pseudo-terminal, through pyserial.

    Raises:
        BenchLostError: pyserial is not installed, or the port cannot be opened.
    """

    def __init__(self, port: str, baud: int = 115200) -> None:
        try:
            import serial
        except ImportError:
            raise SimulatorMissingError("pyserial is not installed", "pip install 'diodeq[bench]'") from None
        self.where = port
        self._failed: tuple[type[Exception], ...] = (serial.SerialException, OSError)
        self._lines = _Lines()
        try:
            self._port: Any = serial.Serial(port, baud, timeout=0.05, write_timeout=2.0, exclusive=True)
        except ValueError as error:
            raise InputError(f"the serial port {port} cannot be used at {baud} baud", "correct the [link]") from error
        except self._failed as error:
            raise BenchLostError(f"the bench's port {port} cannot be opened: {_reason(error)}", _CHECK) from None

    def write(self, line: bytes) -> None:
        """Send a line whole."""
        try:
            self._port.write(line)
        except self._failed as error:
            raise _gone(self.where, error) from None

    def line(self, deadline: float) -> bytes | None:
        """The next line without its end, or None."""
        while (found := self._lines.take()) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            try:
                self._port.timeout = left
                first = self._port.read(1)  # waits; what else is there comes at once
                self._lines.add(first + (self._port.read(self._port.in_waiting) if first else b""))
            except self._failed as error:
                raise _gone(self.where, error) from None
        return found

    def close(self) -> None:
        """Release the port."""
        self._port.close()


class TcpLink:
    """A TCP socket; raises ``BenchLostError`` where nobody listens."""

    def __init__(self, host: str, port: int, patience: float = 5.0) -> None:
        self.where = f"tcp:{host}:{port}"
        self._lines = _Lines()
        try:
            self._socket = socket.create_connection((host, port), patience)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except (OSError, UnicodeError) as error:  # a name that is none is the latter
            raise BenchLostError(f"the bench at {self.where} cannot be reached: {_reason(error)}", _CHECK) from None

    def write(self, line: bytes) -> None:
        """Send a line whole."""
        try:
            self._socket.settimeout(2.0)
            self._socket.sendall(line)
        except OSError as error:
            raise _gone(self.where, error) from None

    def line(self, deadline: float) -> bytes | None:
        """The next line without its end, or None."""
        while (found := self._lines.take()) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            try:
                self._socket.settimeout(left)
                came = self._socket.recv(1 << 16)
            except TimeoutError:
                return None
            except OSError as error:
                raise _gone(self.where, error) from None
            if not came:
                raise _gone(self.where, "the connection was closed")
            self._lines.add(came)
        return found

    def close(self) -> None:
        """Release the socket."""
        self._socket.close()


def address(text: str) -> tuple[str, int]:
    """``HOST:PORT`` apart; raises ``UsageError``."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or not int(port[:6]) < 65536:
        raise UsageError(f"{text!r} is no address", "give HOST:PORT, such as 127.0.0.1:5025")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _gone(where: str, error: object) -> BenchLostError:
    return BenchLostError(f"the bench at {where} has gone: {_reason(error)}", f"{_CHECK}")


def _reason(error: object) -> str:
    return str(getattr(error, "strerror", None) or error)
