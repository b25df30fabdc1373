"""Jobs spread over worker processes, by several threads at once; what hangs or dies is replaced, its job tried again.

A pool knows no engine. It is told which session its workers open (``worker.py``); a job is anything picklable with
``run(session)``, and with ``work`` where it is much: the time it may take grows with that.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from diodeq import processors
from diodeq.crew import Crew
from diodeq.errors import DiodeqError, SimulatorMissingError, UsageError
from diodeq.worker import Worker

TIME_LIMIT = 120.0  # processor seconds of a job of one unit of work
PATIENCE = 5.0  # time limits that a worker may use no processor time at all before it is taken for blocked


@dataclass(frozen=True)
class Health:
    """How an engine's processes are: ``alive`` of ``workers`` right now, and how often one had to be replaced."""

    alive: int
    workers: int
    restarts: int


class Pool:
    """Worker processes, started when first needed, for any number of threads.

    Args:
        session: what a worker opens, ``module:attribute``.
        workers: how many; the number of usable cores by default.
        time_limit: seconds of processor time that a job of one unit of work may take before its worker is taken for
            hung; waiting for a processor does not count.
        silence: seconds a worker may do nothing at all; by default five times the limit.

    Raises:
        UsageError: a limit that is no time.
    """

    def __init__(
        self, session: str, workers: int | None = None, time_limit: float = TIME_LIMIT, silence: float | None = None
    ) -> None:
        if not time_limit > 0:
            raise UsageError(f"a time limit of {time_limit:g} s is not possible", "give seconds above 0")
        self._session, self._size = session, workers or processors.count()
        self._limit, self._silence = time_limit, PATIENCE * time_limit if silence is None else silence
        self._crew: Crew | None = None
        self._opening = threading.Lock()
        self._past_restarts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End all workers; calls under way in other threads fail. They start again when next needed."""
        with self._opening:
            crew, self._crew = self._crew, None
            if crew is None:
                return
            self._past_restarts += crew.restarts
            self._finalizer.detach()
        crew.dismiss()

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return [worker.pid for worker in self._workers]

    @property
    def restarts(self) -> int:
        """How often a worker had to be replaced."""
        crew = self._crew
        return self._past_restarts + (crew.restarts if crew is not None else 0)

    @property
    def health(self) -> Health:
        """How many workers live, and how many had to be replaced."""
        workers = self._workers
        return Health(sum(worker.alive for worker in workers), len(workers), self.restarts)

    @property
    def version(self) -> str:
        """What the workers run, such as ``ngspice-39``; starts them all."""
        return self._open().start()

    def map(self, jobs: Sequence[Any]) -> list[Any]:
        """Results of all jobs, in order.

        After a failure no further job is begun; the failure of the first of those that failed is raised.

        Raises:
            DiodeqError: what a job raised.
            SimulationError: a job killed or hung its worker twice.
            SimulatorMissingError: no worker can be started.
        """
        results, failures = self._open().ask(jobs, stop=True)
        if failures:
            raise failures[min(failures)]
        return results

    def attempt(self, jobs: Sequence[Any]) -> list[Any]:
        """Results of all jobs, in order, with the ``DiodeqError`` of a job that failed in its place.

        Raises:
            SimulatorMissingError: no worker can be started.
        """
        results, failures = self._open().ask(jobs, stop=False)
        for number, error in failures.items():
            if isinstance(error, SimulatorMissingError) or not isinstance(error, DiodeqError):
                raise error
            results[number] = error
        return results

    @property
    def _workers(self) -> list[Worker]:
        crew = self._crew
        return [] if crew is None else list(crew.workers)

    def _open(self) -> Crew:
        with self._opening:
            # A fork has none of its parent's threads, and its parent's workers answer its parent.
            if self._crew is None or self._crew.process != os.getpid():
                self._crew = Crew(self._session, self._size, self._limit, self._silence)
                self._finalizer = weakref.finalize(self, self._crew.let_go)
            return self._crew
