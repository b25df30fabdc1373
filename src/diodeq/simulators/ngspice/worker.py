"""A worker process, ``python -m diodeq.simulators.ngspice.worker``: one libngspice, one job at a time, over a pipe."""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection

from diodeq.errors import DiodeqError, SimulationError


def serve(connection: Connection) -> None:
    """Answer jobs until the pipe closes: ("done", result, resident bytes) or ("failed", error, resident bytes)."""
    from diodeq.simulators.ngspice.session import Session

    try:
        session = Session()
    except DiodeqError as error:
        connection.send(("failed", error, 0))
        return
    connection.send(("ready", session.version, resident_bytes()))
    while True:
        try:
            job = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer = ("done", job.run(session))
        except DiodeqError as error:
            answer = ("failed", error)
        except Exception as error:  # a bug of ours: reported as such, the worker lives on
            answer = (
                "failed",
                SimulationError(f"the ngspice worker failed: {type(error).__name__}: {error}", "report it"),
            )
        connection.send((*answer, resident_bytes()))


def resident_bytes() -> int:
    """Resident memory of this process now (its peak where /proc does not exist)."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _leave_with(parent: int) -> None:
    """End this process when its parent dies, even in the middle of a run."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


if __name__ == "__main__":
    # Ctrl-C is the parent's to handle: it goes to every process of the terminal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()
    serve(Connection(int(sys.argv[1])))
