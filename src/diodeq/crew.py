"""Threads with a worker process each, which take jobs from all calls in turn: what a ``Pool`` is made of."""

from __future__ import annotations

import collections
import os
import threading
import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import Any

from diodeq.errors import DiodeqError, SimulationError, SimulatorMissingError
from diodeq.worker import Lost, Worker

TRIALS = 2  # of a job whose worker was lost
WATCH = 0.25  # seconds between two looks at busy workers


class Crew:
    """At most ``size`` workers with one session each, from their first job until they are dismissed.

    The thread that asks only waits for ends in a queue, which an interruption at any moment leaves whole; the threads
    that serve meet no interruptions.
    """

    def __init__(self, session: str, size: int, limit: float, silence: float) -> None:
        self.process = os.getpid()
        self.workers: list[Worker] = []
        self.restarts = 0
        self._session, self._size, self._limit, self._silence = session, size, limit, silence
        self._lock = threading.Lock()  # of all that follows, and of the calls
        self._calls: collections.deque[_Call] = collections.deque()  # that have jobs nobody has begun
        self._hands: list[_Hand] = []
        self._busy = 0
        self._bell: SimpleQueue[None] = SimpleQueue()  # rung once for every job; more do no harm
        self._closed = False

    def start(self) -> str:
        """Start all workers; what they run. Raises what kept one from starting."""
        with self._lock:
            hands = self._hire(self._size)
        for hand in hands:
            hand.ready.wait()
        for hand in hands:
            if hand.failure is not None:
                raise hand.failure
        return hands[0].version

    def ask(self, jobs: Sequence[Any], stop: bool) -> tuple[list[Any], dict[int, Exception]]:
        """Results, and failures by number; with ``stop`` no job is begun after the first failure."""
        call, left = _Call(jobs, stop), len(jobs)
        results: list[Any] = [None] * left
        failures: dict[int, Exception] = {}
        look = time.monotonic() + WATCH
        try:
            self._take_on(call)
            while left:
                try:
                    number, results[number], failure, withdrawn = call.ended.get(timeout=WATCH)
                except Empty:
                    pass
                else:
                    left -= 1 + withdrawn
                    if failure is not None:
                        failures[number] = failure
                if time.monotonic() >= look:
                    self._watch(call)
                    look = time.monotonic() + WATCH
        except BaseException:
            self._give_up(call)
            raise
        return results, failures

    def dismiss(self) -> None:
        """End all workers; calls under way fail."""
        with self._lock:
            self._closed = True
            self._fail_waiting(_closed())
            hands = list(self._hands)
        self.let_go()
        for hand in hands:
            hand.join()

    def let_go(self) -> None:
        """End all workers of a pool that nobody has any more; takes no lock, as it may come at any moment."""
        if self.process != os.getpid():
            return
        self._closed = True
        for worker in list(self.workers):
            worker.end()
        for _ in range(self._size):
            self._bell.put(None)

    def _hire(self, count: int) -> list[_Hand]:
        """Have ``count`` hands, as far as that is allowed, and give all."""
        if self._closed:
            raise _closed()
        while len(self._hands) < min(self._size, count):
            hand = _Hand(self._serve)
            try:
                hand.start()
            except RuntimeError as error:  # of the threads that the system allows none is left
                if self._hands:
                    break
                raise SimulationError(f"no worker can be served: {error}", "end other programs") from error
            self._hands.append(hand)
        return list(self._hands)

    def _take_on(self, call: _Call) -> None:
        with self._lock:
            waiting = sum(len(other.waiting) for other in self._calls)
            self._hire(self._busy + waiting + len(call.waiting))
            if call.waiting:
                self._calls.append(call)
        for _ in call.jobs:
            self._bell.put(None)

    def _watch(self, call: _Call) -> None:
        with self._lock:
            for worker in call.running.values():
                worker.judge()

    def _withdraw(self, call: _Call) -> int:
        """Have none of the call's jobs begun any more; how many there were."""
        count = len(call.waiting)
        call.waiting.clear()
        if call in self._calls:
            self._calls.remove(call)
        return count

    def _end(self, call: _Call, number: int, result: Any, failure: Exception | None) -> None:
        with self._lock:
            self._busy -= 1
            withdrawn = self._withdraw(call) if failure is not None and call.stop else 0
        call.ended.put((number, result, failure, withdrawn))

    def _give_up(self, call: _Call) -> None:
        """Nobody waits for the answers any more."""
        with self._lock:
            self._withdraw(call)
            call.given_up = True
            for worker in call.running.values():
                worker.end()

    def _fail_waiting(self, error: Exception) -> None:
        while self._calls:
            call = self._calls.popleft()
            while call.waiting:
                call.ended.put((call.waiting.popleft(), None, error, 0))

    def _serve(self, hand: _Hand) -> None:
        """The life of a hand: jobs in turn, on its worker or the next one."""
        worker = None
        try:
            worker = self._recruit()
            hand.version = worker.version
            hand.ready.set()
            while (task := self._next()) is not None:
                call, number = task
                try:
                    worker, result, failure = self._do(worker, call, number)
                except Exception as error:
                    self._end(call, number, None, error)
                    raise
                self._end(call, number, result, failure)
        except Exception as error:  # no worker can be started
            hand.failure = error
        with self._lock:
            self._hands.remove(hand)
            if not self._hands and hand.failure is not None:
                self._fail_waiting(hand.failure)
        if worker is not None:
            self._dismiss(worker)
        hand.ready.set()

    def _next(self) -> tuple[_Call, int] | None:
        """The next job, of another call than the last one where others wait; None when all is over."""
        while True:
            self._bell.get()
            with self._lock:
                if self._closed:
                    return None
                if self._calls:
                    call = self._calls.popleft()
                    number = call.waiting.popleft()
                    if call.waiting:
                        self._calls.append(call)
                    self._busy += 1
                    return call, number

    def _do(self, worker: Worker, call: _Call, number: int) -> tuple[Worker, Any, Exception | None]:
        """The worker that is left, and the job's result or its failure; raises where no worker can be started."""
        job = call.jobs[number]
        limit = self._limit * max(1.0, getattr(job, "work", 1.0))
        loss = Lost()
        for _ in range(TRIALS):
            if not worker.usable:
                self._dismiss(worker, replaced=True)
                worker = self._recruit()
            with self._lock:
                if self._closed or call.given_up:
                    return worker, None, _closed()
                worker.begin(limit, self._silence)
                call.running[number] = worker
            try:
                return worker, worker.ask(job), None
            except Lost as lost:
                loss = lost
            except Exception as error:
                return worker, None, error
            finally:
                with self._lock:
                    del call.running[number]
        problem = f"a worker process of {worker.version} {loss.how}, twice on the same samples"
        return worker, None, SimulationError(problem, loss.remedy)

    def _recruit(self) -> Worker:
        """A worker that is ready, at the second attempt if need be."""
        for last in (False, True):
            worker = Worker(self._session)
            self.workers.append(worker)
            try:
                if self._closed:
                    raise _closed()
                worker.wait_until_ready()
                return worker
            except Lost as loss:
                self._dismiss(worker, replaced=not last)
                if self._closed:
                    raise _closed() from None
                how = loss.how
            except BaseException:
                self._dismiss(worker)
                raise
        raise SimulatorMissingError(f"a worker process {how} at its start, twice", "run 'diodeq doctor'")

    def _dismiss(self, worker: Worker, replaced: bool = False) -> None:
        with self._lock:
            if worker in self.workers:
                self.workers.remove(worker)
            self.restarts += replaced
        worker.close()


class _Hand(threading.Thread):
    """A thread that serves. ``ready`` says that its first worker runs ``version``, or that it has met a failure."""

    def __init__(self, serve: Any) -> None:
        super().__init__(name="diodeq pool", daemon=True)
        self._serve = serve
        self.ready = threading.Event()
        self.version = ""
        self.failure: Exception | None = None

    def run(self) -> None:
        self._serve(self)


class _Call:
    """What one thread asked: jobs by number, those that nobody has begun, those under way, and how each ended."""

    def __init__(self, jobs: Sequence[Any], stop: bool) -> None:
        self.jobs, self.stop = jobs, stop
        self.waiting = collections.deque(range(len(jobs)))
        self.running: dict[int, Worker] = {}
        self.ended: SimpleQueue[tuple[int, Any, Exception | None, int]] = SimpleQueue()
        self.given_up = False


def _closed() -> DiodeqError:
    return SimulationError("the engine was closed while this was computed", "close it when all threads are done")
