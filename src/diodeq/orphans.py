"""No process outlives the one that started it, however that one ends: ``leave_with``.

The kernel does it: a worker holds the reading end of a pipe whose writing end only its parent has, and SIGIO, which
ends a process, is what it gets when that closes. So it leaves within moments even while it computes and no line of
Python runs. (``PR_SET_PDEATHSIG`` would look at the thread that started the worker, not at its process.) A process that
was forked from the parent keeps the pipe open; a thread that looks for the parent once a second does without it.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import sys
import threading
import time
from functools import cache

LOOK = 1.0  # seconds


def end_with(pipe: int, process: int) -> None:
    """From now on the system ends ``process`` when nobody can write to ``pipe`` any more; both must know that pipe."""
    fcntl.fcntl(pipe, fcntl.F_SETOWN, process)
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)


@cache
def leave_with(parent: int, pipe: int) -> None:
    """From now on this process ends with the process ``parent``, which holds the other end of ``pipe``."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGIO, signal.SIG_DFL)
    end_with(pipe, os.getpid())
    if os.getppid() != parent or select.select([pipe], [], [], 0)[0]:
        os._exit(1)
    threading.Thread(target=_look_for, args=(parent,), name="orphans", daemon=True).start()


def leave_with_starter() -> None:
    """``leave_with`` for a process that ``multiprocessing`` spawned; nothing in any other."""
    spawning = sys.modules.get("multiprocessing.process")  # which only such a process has loaded before this
    parent = None if spawning is None else spawning.parent_process()
    if parent is not None and parent.pid is not None:
        leave_with(parent.pid, parent.sentinel)


def begin() -> None:
    """How a process begins that works for another: that one handles Ctrl-C, which all processes of a terminal get."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_with_starter()


def dask_setup(worker: object) -> None:
    """What Dask calls in a worker of this machine that was told to load this module first."""
    leave_with_starter()


def _look_for(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK)
    os._exit(1)
