"""Serves a body by the line protocol or as an instrument, on a pseudo-terminal or a TCP port, to one other end at a
time; nothing that comes in ends it."""

from __future__ import annotations

import os
import selectors
import socket
import time
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from diodeq.errors import InputError
from diodeq.simulators.bench.links import wire

UNREAD = 1 << 16
"""Bytes of answers that nobody reads, after which they are thrown away, and a connection closed."""
TICK = 0.2
_CHUNK = 1 << 14


class Talk(Protocol):
    """What answers lines: a ``Desk``, or an ``Instrument``."""

    silence: float

    def answer(self, line: bytes) -> bytes:
        """The lines that answer one without its end."""
        ...

    def too_long(self) -> bytes:
        """The answer to a line that does not end."""
        ...

    def busy(self) -> bytes:
        """What a second other end is told."""
        ...

    def watch(self) -> None:
        """Called often."""
        ...

    def leave(self) -> None:
        """The other end has gone."""
        ...


class _Buffer:
    """Lines of what comes, none longer than the protocol's."""

    def __init__(self, talk: Talk) -> None:
        self._talk, self._held, self._lost = talk, b"", False

    def answers(self, came: bytes) -> bytes:
        *lines, self._held = (self._held + came).split(b"\n")
        said = []
        for line in lines:
            if self._lost or len(line) > wire.LINE:
                said.append(self._talk.too_long())
            elif line.strip():
                said.append(self._talk.answer(line))
            self._lost = False
        if len(self._held) > wire.LINE:
            self._held, self._lost = b"", True
        return b"".join(said)


class Server:
    """Listens, and answers by ``talk`` until it is closed.

    ``where`` is the address under which the other end finds it.
    """

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._selector = selectors.DefaultSelector()
        self._opened: list[Callable[[], None]] = []
        self._owner: tuple[socket.socket, float] | None = None
        self.where = ""

    def on_terminal(self, name: Path | None = None) -> Server:
        """A new pseudo-terminal, and ``name`` a link to it, which must not be there.

        Raises:
            InputError: the link cannot be made, or the machine has no pseudo-terminals.
        """
        try:
            ours, theirs = os.openpty()
        except OSError as error:
            raise InputError(
                f"no pseudo-terminal can be had: {error.strerror}", "mount /dev/pts, or serve on a port"
            ) from None
        self._opened += [lambda: os.close(ours), lambda: os.close(theirs)]  # theirs stays open: no hanging up
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        self.where = os.ttyname(theirs)
        if name is not None:
            try:
                if name.is_symlink() and not name.exists():  # what a killed server left
                    name.unlink()
                name.symlink_to(self.where)
            except OSError as error:
                self.close()
                wrong = f"{name} cannot be made: {error.strerror}"
                raise InputError(wrong, "remove it, or choose another name") from None
            self._opened.append(lambda: name.unlink(missing_ok=True))
        self._serve(ours, lambda n: os.read(ours, n), lambda said: os.write(ours, said), None)
        return self

    def on_port(self, host: str, port: int) -> Server:
        """A TCP port, any free one for 0. Raises ``InputError`` where it cannot be had."""
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            listener = socket.create_server((host, port), family=family)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"{host}:{port} cannot be listened on: {reason}", "choose another address") from None
        listener.setblocking(False)
        self._opened.append(listener.close)
        self.where = f"{host}:{listener.getsockname()[1]}"
        self._selector.register(listener, selectors.EVENT_READ, lambda events: self._accept(listener))
        return self

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Serve until ``until()``, which is asked often."""
        while not until():
            for key, events in self._selector.select(TICK):
                key.data(events)
            self._talk.watch()

    def close(self) -> None:
        """To rest, and stop listening."""
        if self._owner is not None:
            self._drop(self._owner[0])
        self._talk.leave()
        self._selector.close()
        while self._opened:
            self._opened.pop()()

    def _accept(self, listener: socket.socket) -> None:
        try:
            other, _ = listener.accept()
        except OSError:
            return
        if self._owner is not None and time.monotonic() - self._owner[1] < self._talk.silence:
            with suppress(OSError), other:
                other.settimeout(TICK)
                other.sendall(self._talk.busy())
            return
        if self._owner is not None:  # it has said nothing for long
            self._drop(self._owner[0])
        other.setblocking(False)
        other.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._owner = other, time.monotonic()
        self._serve(other, other.recv, other.send, other)

    def _serve(
        self,
        file: int | socket.socket,
        receive: Callable[[int], bytes],
        send: Callable[[bytes], int],
        other: socket.socket | None,
    ) -> None:
        """Answer what comes from ``file``; ``other`` is the connection to close when it ends."""
        buffer, unread = _Buffer(self._talk), bytearray()

        def ready(events: int) -> None:
            if other is not None and (self._owner is None or self._owner[0] is not other):
                return  # dropped since
            try:
                if events & selectors.EVENT_READ:
                    came = receive(_CHUNK)
                    if not came:
                        raise ConnectionError
                    if other is not None:
                        self._owner = other, time.monotonic()
                    unread.extend(buffer.answers(came))
                if len(unread) > UNREAD:
                    if other is not None:
                        raise ConnectionError
                    unread.clear()
                if unread:
                    del unread[: send(bytes(unread))]
            except BlockingIOError:
                pass
            except OSError:
                if other is not None:
                    self._drop(other)
                    return
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if unread else 0)
            self._selector.modify(file, wanted, ready)

        self._selector.register(file, selectors.EVENT_READ, ready)

    def _drop(self, other: socket.socket) -> None:
        self._selector.unregister(other)
        other.close()
        self._owner = None
        self._talk.leave()
