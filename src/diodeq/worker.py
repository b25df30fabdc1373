"""A worker process: how it is started, asked and watched, and, as ``python -m diodeq.worker``, what it does.

It is told which session to open, ``module:attribute``, a callable without arguments; what that returns has a
``version`` and is what every job is run with. Messages to it are jobs; messages from it are ("ready", version),
("done", result) or ("failed", error), each with its resident bytes.
"""

from __future__ import annotations

import importlib
import os
import resource
import socket
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

from diodeq import orphans
from diodeq.errors import DiodeqError, SimulationError

# Libraries leak (libngspice a few kB a run); a worker that has grown this much is replaced between jobs.
GROWTH_LIMIT = 24 * 2**20

# Processor seconds a worker may take to open its session, and the seconds it may do nothing meanwhile.
START_LIMIT, START_SILENCE = 60.0, 300.0

# Who computes gets more of a processor than this share, however busy the machine.
SILENT = 1e-3

_TICKS = os.sysconf("SC_CLK_TCK")
_HAS_TIMES = os.path.exists("/proc/self/stat")


class Lost(Exception):
    """The process is gone, or what it says is no answer: ``how`` it came to that, and what to do about it."""

    def __init__(self, how: str = "died", remedy: str = "look for a lack of memory") -> None:
        super().__init__(how)
        self.how, self.remedy = how, remedy


class Worker:
    """One process and the pipe to it. It belongs to one thread; others may look at it and end it.

    Raises:
        SimulationError: the system starts no more processes.
    """

    def __init__(self, session: str) -> None:
        ours, theirs = socket.socketpair()
        reading, self._lifeline = os.pipe()
        command = [sys.executable, "-P", "-m", "diodeq.worker", str(theirs.fileno()), str(reading), str(os.getpid())]
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        try:
            self._process = subprocess.Popen(
                [*command, session],
                pass_fds=[theirs.fileno(), reading],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
            orphans.end_with(reading, self._process.pid)
        except OSError as error:
            ours.close()
            os.close(self._lifeline)
            raise SimulationError(
                f"no worker process can be started: {error.strerror or error}", "end other programs, or use --workers 1"
            ) from error
        finally:
            theirs.close()
            os.close(reading)
        self._connection = Connection(ours.detach())
        self._verdict: Lost | None = None
        self._first_size = 0
        self._spent = False
        self.version = ""
        self.begin(START_LIMIT, START_SILENCE)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    @property
    def usable(self) -> bool:
        """Whether it may have another job: it lives, has lost none and has not grown too much."""
        return not self._spent and self.alive

    def begin(self, limit: float, silence: float) -> None:
        """From now on it may use ``limit`` seconds of processor time, and use none for ``silence`` seconds."""
        self._limit, self._silence = limit, silence
        self._used_before = self._used = self._processor_seconds()
        self._moved = time.monotonic()

    def judge(self) -> None:
        """End the process if it has used more than it may, or done nothing for too long."""
        used, now = self._processor_seconds(), time.monotonic()
        if used - self._used > SILENT * self._silence:
            self._used, self._moved = used, now
        if used - self._used_before > self._limit:
            how = f"found no answer in {self._limit:g} s of processor time"
            self.end(Lost(how, "give it less to do, or raise --time-limit"))
        elif now - self._moved > self._silence:
            self.end(Lost(f"did nothing for {self._silence:g} s", "raise --time-limit if it had reason to wait"))

    def wait_until_ready(self) -> None:
        """Wait for the process to open its session; raises what kept it from that, or ``Lost``."""
        try:
            while not self._connection.poll(0.5):
                self.judge()
            kind, value, _ = self._connection.recv()
        except Exception:
            raise self._verdict or Lost() from None
        if kind == "failed":
            raise value
        self.version = value

    def ask(self, job: Any) -> Any:
        """What the job answers; raises the ``DiodeqError`` that it raised, or ``Lost``, or why it cannot be sent."""
        message = bytes(ForkingPickler.dumps(job))  # no view of a buffer that a traceback keeps
        try:
            self._connection.send_bytes(message)
            kind, value, size = self._connection.recv()
        except Exception:
            self._spent = True
            raise self._verdict or Lost("died or answered nonsense") from None
        # The first job loads what every job needs; growth counts from there.
        self._first_size = self._first_size or size
        self._spent = size - self._first_size > GROWTH_LIMIT
        if kind == "failed":
            raise value
        return value

    def end(self, verdict: Lost | None = None) -> None:
        """End the process now, from any thread; who waits for its answer finds it ``Lost``."""
        self._verdict = self._verdict or verdict
        self._process.kill()

    def close(self) -> None:
        """End the process and forget it; only from the thread that it belongs to."""
        self._process.kill()
        self._process.wait()
        self._connection.close()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def _processor_seconds(self) -> float:
        """Processor time of the process so far; the time of day where the system does not say."""
        if not _HAS_TIMES:
            return time.monotonic()
        try:
            with open(f"/proc/{self.pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:  # it has ended
            return self._used
        return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_bytes() -> int:
    """Resident memory of this process now (its peak where /proc does not exist)."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def serve(connection: Connection, session_name: str) -> None:
    """Open the session and answer jobs until the pipe closes."""
    try:
        module, _, attribute = session_name.partition(":")
        session = getattr(importlib.import_module(module), attribute)()
        answer = ("ready", session.version)
    except Exception as error:
        connection.send(("failed", _deliberate(error), resident_bytes()))
        return
    while True:
        connection.send((*answer, resident_bytes()))
        try:
            job = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer = ("done", job.run(session))
        except Exception as error:  # a bug of ours is reported as such, and the worker lives on
            answer = ("failed", _deliberate(error))


def _deliberate(error: Exception) -> DiodeqError:
    if isinstance(error, DiodeqError):
        return error
    return SimulationError(f"a worker process failed: {type(error).__name__}: {error}", "report it")


if __name__ == "__main__":
    orphans.begin()
    orphans.leave_with(int(sys.argv[3]), int(sys.argv[2]))
    serve(Connection(int(sys.argv[1])), sys.argv[4])
