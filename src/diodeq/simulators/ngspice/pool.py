"""Worker processes and the jobs spread over them: what hangs or dies is killed, replaced and its job retried once."""

from __future__ import annotations

import collections
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Self

from diodeq import processors
from diodeq.errors import DiodeqError, SimulationError, SimulatorMissingError
from diodeq.simulators.base import Health

# libngspice leaks a few kB per run; a worker that has grown this much is replaced between jobs.
_GROWTH_LIMIT = 24 * 2**20

# Seconds a worker may take to load ngspice; a busy machine needs a few.
_START_LIMIT = 60.0


class _Worker:
    """One process and the pipe to it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        path = os.pathsep.join(p for p in sys.path if p)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "diodeq.simulators.ngspice.worker", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        theirs.close()
        self.connection = Connection(ours.detach())
        self.job: int | None = None
        self.deadline = 0.0
        self.version = ""
        self._start_size = 0
        self.grown = False

    def wait_until_ready(self) -> None:
        """Wait for the process to load ngspice; raises what kept it from that."""
        if not self.connection.poll(_START_LIMIT):
            self.kill()
            raise SimulatorMissingError(
                f"an ngspice worker did not start within {_START_LIMIT:g} s", "run 'diodeq doctor'"
            )
        try:
            kind, value, _ = self.connection.recv()
        except (EOFError, OSError):
            self.kill()
            raise SimulatorMissingError("an ngspice worker died at its start", "run 'diodeq doctor'") from None
        if kind == "failed":
            self.kill()
            raise value
        self.version = value

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def start(self, number: int, job: Any, time_limit: float) -> None:
        """Send a job; raises OSError when the process is gone."""
        self.job, self.deadline = number, time.monotonic() + time_limit
        self.connection.send(job)

    def receive(self) -> tuple[str, Any]:
        """The answer to the job under way; raises EOFError or OSError when the process died."""
        kind, value, size = self.connection.recv()
        self.job = None
        # The first job loads what every job needs; growth counts from there.
        self._start_size = self._start_size or size
        self.grown = size - self._start_size > _GROWTH_LIMIT
        return kind, value

    def kill(self) -> None:
        """End the process now."""
        self.connection.close()
        self._process.kill()
        self._process.wait()


class Pool:
    """Worker processes started when first needed.

    Args:
        workers: how many; the number of usable cores by default.
        time_limit: seconds a job may take before its worker is taken for hung and killed.
    """

    def __init__(self, workers: int | None = None, time_limit: float = 120.0) -> None:
        self._size = workers or processors.count()
        self._time_limit = time_limit
        self._workers: list[_Worker] = []
        self.restarts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End all workers."""
        while self._workers:
            self._workers.pop().kill()

    @property
    def pids(self) -> list[int]:
        """Process ids of the live workers."""
        return [worker.pid for worker in self._workers]

    @property
    def health(self) -> Health:
        """How many workers live, and how many had to be replaced."""
        workers = list(self._workers)
        return Health(sum(worker.alive for worker in workers), len(workers), self.restarts)

    @property
    def version(self) -> str:
        """What the workers run, such as ``ngspice-39``; starts them all."""
        self._start(self._size)
        return self._workers[0].version

    def map(self, jobs: Sequence[Any]) -> list[Any]:
        """Results of all jobs, in order; the first failure is raised after every running job was collected or killed.

        Raises:
            DiodeqError: what a job raised.
            SimulationError: a job killed or hung its worker twice.
        """
        self._start(min(self._size, len(jobs)))
        results: list[Any] = [None] * len(jobs)
        waiting = collections.deque(range(len(jobs)))
        lost: collections.Counter[int] = collections.Counter()
        failure: DiodeqError | None = None
        try:
            while True:
                for worker in list(self._workers):
                    if failure is None and waiting and worker.job is None:
                        self._give(worker, waiting, jobs, lost)
                busy = [worker for worker in self._workers if worker.job is not None]
                if not busy:
                    break
                for worker, answer in self._answers(busy, lost, waiting):
                    kind, value = answer
                    if kind == "failed":
                        failure = failure or value[1]
                    else:
                        results[value[0]] = value[1]
                    if worker.grown:
                        self._replace(worker)
        except BaseException:
            # A worker that still computes would answer the next call's question.
            self.close()
            raise
        if failure is not None:
            raise failure
        return results

    def _start(self, count: int) -> None:
        new = [_Worker() for _ in range(count - len(self._workers))]
        self._workers += new
        try:
            for worker in new:
                worker.wait_until_ready()
        except BaseException:
            self.close()
            raise

    def _give(
        self, worker: _Worker, waiting: collections.deque[int], jobs: Sequence[Any], lost: collections.Counter[int]
    ) -> None:
        number = waiting.popleft()
        try:
            worker.start(number, jobs[number], self._time_limit)
        except OSError:
            self._lose(worker, "died", lost, waiting)

    def _answers(
        self, busy: list[_Worker], lost: collections.Counter[int], waiting: collections.deque[int]
    ) -> list[tuple[_Worker, tuple[str, tuple[int, Any]]]]:
        patience = max(0.0, min(worker.deadline for worker in busy) - time.monotonic())
        ready = set(wait([worker.connection for worker in busy], patience))
        answers = []
        for worker in busy:
            number = worker.job
            assert number is not None
            if worker.connection in ready:
                try:
                    kind, value = worker.receive()
                except Exception:  # it died, or what it says is no answer
                    self._lose(worker, "died or answered nonsense", lost, waiting)
                else:
                    answers.append((worker, (kind, (number, value))))
            elif time.monotonic() >= worker.deadline:
                self._lose(worker, f"did not answer within {self._time_limit:g} s", lost, waiting)
        return answers

    def _lose(self, worker: _Worker, how: str, lost: collections.Counter[int], waiting: collections.deque[int]) -> None:
        number = worker.job
        assert number is not None
        lost[number] += 1
        self._replace(worker)
        if lost[number] > 1:
            raise SimulationError(
                f"an ngspice worker {how}, twice on the same samples", "simplify the circuit or raise the time limit"
            )
        waiting.appendleft(number)

    def _replace(self, worker: _Worker) -> None:
        self.restarts += 1
        worker.kill()
        self._workers.remove(worker)
        self._start(len(self._workers) + 1)
