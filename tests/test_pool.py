"""The pool of worker processes: every thread its own answers, every failure its own call's, every job two trials."""

import contextlib
import gc
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from diodeq import worker
from diodeq.errors import InputError, SimulationError, SimulatorMissingError, UsageError
from diodeq.pool import Health, Pool
from poolwork import Bug, Copy, Doomed, Large, Refused, Spend, Square, Unreadable, Unsendable

SESSION = "poolwork:Session"
TWICE = "twice on the same samples"


@pytest.fixture
def pool():
    with Pool(SESSION, 2) as shared:
        yield shared


@pytest.fixture
def notes(tmp_path):
    path = tmp_path / "notes"
    path.touch()
    return path


def test_answers_come_in_order(pool):
    assert pool.map([Square(k, 0.02 * (k % 2)) for k in range(12)]) == [k**2 for k in range(12)]
    assert pool.map([]) == []
    assert pool.attempt([]) == []
    assert pool.version == "test-1"
    assert pool.health == Health(2, 2, 0)
    assert len(set(pool.pids)) == 2


def test_four_threads_get_their_own_answers(pool):
    def ask(thread):
        calls = [range(1000 * thread + call, 1000 * thread + call + 1 + call % 3) for call in range(400)]
        return [pool.map([Square(value) for value in call]) == [value**2 for value in call] for call in calls]

    with ThreadPoolExecutor(4) as threads:
        assert all(all(right) for right in threads.map(ask, range(4)))
    assert pool.health == Health(2, 2, 0)


def test_a_short_call_does_not_wait_for_a_long_one():
    with Pool(SESSION, 1) as pool, ThreadPoolExecutor(1) as threads:
        long = threads.submit(pool.map, [Square(k, 0.02) for k in range(100)])
        while not pool.pids:
            time.sleep(0.01)
        assert pool.map([Square(3.0)]) == [9.0]
        assert not long.done()
        assert long.result() == [k**2 for k in range(100)]


def test_a_failure_is_its_own_calls(pool):
    with ThreadPoolExecutor(2) as threads:
        good = threads.submit(pool.map, [Square(k, 0.01) for k in range(60)])
        for _ in range(20):
            with pytest.raises(InputError, match="value 7 is refused"):
                pool.map([Refused(7), Square(1)])
        assert good.result() == [k**2 for k in range(60)]
    assert pool.restarts == 0


def test_map_raises_the_first_failure_and_begins_nothing_more(pool, notes):
    jobs = [Square(1), Refused(2, 0.3), Refused(3), *(Doomed(str(notes), "dies") for _ in range(20))]
    with pytest.raises(InputError, match="value 2 is refused"):
        pool.map(jobs)
    assert not notes.stat().st_size


def test_attempt_has_failures_in_their_places(pool):
    found = pool.attempt([Square(2), Refused(3), Bug(), Square(4)])
    assert found[::3] == [4, 16]
    assert isinstance(found[1], InputError)
    assert "value 3 is refused" in str(found[1])
    assert isinstance(found[2], SimulationError)
    assert "ZeroDivisionError" in str(found[2])


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("dies", "died"),
        ("computes", "found no answer in 0.5 s of processor time"),
        ("sleeps", "did nothing for 1 s"),
    ],
)
def test_a_lost_job_has_exactly_one_more_trial(how, said, notes, tmp_path):
    once = tmp_path / "once"
    with Pool(SESSION, 2, time_limit=0.5, silence=1.0) as pool:
        found = pool.attempt([Square(2), Doomed(str(notes), how), Square(3)])
        assert found[::2] == [4, 9]
        assert isinstance(found[1], SimulationError)
        assert said in str(found[1])
        assert TWICE in str(found[1])
        assert notes.stat().st_size == 2
        assert pool.map([Doomed(str(once), how, times=1)]) == ["done"]
        assert once.stat().st_size == 2
        assert pool.restarts in (2, 3)


def test_time_is_the_processors_and_grows_with_the_work():
    with Pool(SESSION, 1, time_limit=0.5) as pool:
        assert pool.map([Square(2, seconds=1.2)]) == [4]  # it waited, as for a busy processor
        assert pool.map([Spend(1.2, work=10)]) == [1.2]
        assert pool.restarts == 0
        with pytest.raises(SimulationError, match=r"0\.5 s of processor time.*--time-limit"):
            pool.map([Spend(30.0, work=0.1)])


def test_without_proc_a_limit_is_time_of_day(monkeypatch, notes):
    monkeypatch.setattr(worker, "_HAS_TIMES", False)
    with (
        Pool(SESSION, 1, time_limit=0.5) as pool,
        pytest.raises(SimulationError, match=r"no answer in 0\.5 s"),
    ):
        pool.map([Doomed(str(notes), "sleeps")])
    assert notes.stat().st_size == 2


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_a_limit_that_is_no_time(limit):
    with pytest.raises(UsageError, match="time limit"):
        Pool(SESSION, 1, time_limit=limit)


def test_a_stopped_worker_is_replaced_whatever_it_is_sent():
    data = bytes(range(256)) * 40_000
    with Pool(SESSION, 1, silence=1.0) as pool:
        assert pool.map([Large(data)]) == [data[::-1]]
        os.kill(pool.pids[0], signal.SIGSTOP)
        assert pool.map([Large(data)]) == [data[::-1]]
        assert pool.restarts == 1


def test_a_worker_that_died_idle_costs_no_trial(notes):
    with Pool(SESSION, 1) as pool:
        assert pool.version
        os.kill(pool.pids[0], signal.SIGKILL)
        while pool.health.alive:
            time.sleep(0.01)
        assert pool.health == Health(0, 1, 0)
        assert pool.map([Doomed(str(notes), "dies", times=1)]) == ["done"]
        assert pool.health == Health(1, 1, 2)


def test_what_cannot_be_sent_or_read(pool, notes):
    with pytest.raises(Exception, match="lambda"):
        pool.map([Unsendable()])
    with pytest.raises(SimulationError, match=TWICE):
        pool.map([Unreadable(str(notes))])
    assert notes.stat().st_size == 2
    assert pool.map([Square(5)]) == [25]


@pytest.mark.parametrize("deaths", [1, 2, 5])
def test_a_worker_that_dies_at_its_start_is_replaced_once(deaths, tmp_path, monkeypatch):
    left = tmp_path / "left"
    left.write_bytes(b"x" * deaths)
    monkeypatch.setenv("FRAIL", str(left))
    with Pool("poolwork:Frail", 1) as pool:
        if deaths == 1:
            assert pool.map([Square(2)]) == [4]
            assert pool.restarts == 1
            return
        for ask in (lambda: pool.map([Square(2), Square(3)]), lambda: pool.attempt([Square(2)])):
            with pytest.raises(SimulatorMissingError, match="died at its start, twice; run 'diodeq doctor'"):
                ask()
            if deaths == 2:
                break
        assert len(left.read_bytes()) == {2: 0, 5: 1}[deaths]  # two starts a call
        left.write_bytes(b"")
        assert pool.map([Square(2)]) == [4]
        assert pool.version == "test-1"


def test_a_session_that_cannot_be_opened_is_named():
    with Pool("poolwork:Broken", 2) as pool:
        for ask in (lambda: pool.version, lambda: pool.map([Square(1)])):
            with pytest.raises(SimulationError, match="ZeroDivisionError: no engine here"):
                ask()


def test_no_more_processes(monkeypatch):
    def refuse(*arguments, **options):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(worker.subprocess, "Popen", refuse)
    with Pool(SESSION, 2) as pool, pytest.raises(SimulationError, match="Resource temporarily unavailable"):
        pool.map([Square(1)] * 3)


def test_closing_while_others_wait():
    pool = Pool(SESSION, 2)
    with ThreadPoolExecutor(3) as threads:
        asked = [threads.submit(pool.map, [Square(1, 60.0)] * 3) for _ in range(3)]
        while len(pool.pids) < 2:
            time.sleep(0.01)
        pool.close()
        for each in asked:
            with pytest.raises(SimulationError, match="closed while"):
                each.result()
    assert pool.pids == []
    assert pool.map([Square(3)]) == [9]
    pool.close()
    pool.close()


def test_threads_that_ask_and_close_at_once_get_their_answers_or_a_sentence():
    pool = Pool(SESSION, 2)

    def ask(thread):
        for call in range(60):
            with contextlib.suppress(SimulationError):
                assert pool.map([Square(thread), Square(call)]) == [thread**2, call**2]
            if thread == 0 and call % 20 == 0:
                pool.close()

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(ask, range(3)))
    pool.close()
    assert pool.health.workers == 0


class Interrupted(BaseException):
    """As Ctrl-C is to the commands."""


def test_an_interruption_ends_its_own_call_alone():
    def interrupt(number, frame):
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with Pool(SESSION, 2) as pool, ThreadPoolExecutor(1) as threads:
            assert pool.version
            other = threads.submit(pool.map, [Square(k, 0.05) for k in range(40)])
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            with pytest.raises(Interrupted):
                pool.map([Square(1, 60.0)] * 5)
            assert other.result() == [k**2 for k in range(40)]
            assert pool.map([Square(3)] * 2) == [9, 9]
            assert pool.restarts in (1, 2)  # what it was interrupted in
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_pool_that_nobody_has_any_more_ends_its_workers():
    pool = Pool(SESSION, 2)
    assert pool.version
    pids = pool.pids
    del pool
    gc.collect()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_has_workers_of_its_own(pool):
    assert pool.version
    pids = pool.pids
    child = os.fork()
    if child == 0:
        right = pool.map([Square(k) for k in range(4)]) == [0, 1, 4, 9] and not set(pids) & set(pool.pids)
        pool.close()
        os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert pool.map([Square(3)]) == [9]
    assert set(pool.pids) == set(pids)


def test_files_of_the_current_folder_are_no_modules_of_a_worker(tmp_path, monkeypatch):
    (tmp_path / "socket.py").write_text("raise SystemExit\n")
    (tmp_path / "diodeq").mkdir()
    monkeypatch.chdir(tmp_path)
    with Pool(SESSION, 1) as pool:
        assert pool.map([Square(3)]) == [9]


def test_a_worker_that_has_grown_is_replaced_between_jobs(monkeypatch):
    monkeypatch.setattr(worker, "GROWTH_LIMIT", -1)
    with Pool(SESSION, 1) as pool:
        seen = set()
        for _ in range(3):
            assert pool.map([Square(2)]) == [4]
            seen |= set(pool.pids)
        assert len(seen) == 3
        assert pool.restarts == 2


def test_threads_end_with_the_pool():
    before = threading.active_count()
    with Pool(SESSION, 2) as pool:
        assert pool.version
        assert threading.active_count() == before + 2
    assert threading.active_count() == before


def test_the_kernels_time_counts_as_the_processors():
    began = time.monotonic()
    with (
        Pool("poolwork:Session", 1, time_limit=0.5) as pool,
        pytest.raises(SimulationError, match=r"no answer in 0\.5 s of processor time"),
    ):
        pool.map([Copy(6.0)])
    assert time.monotonic() - began < 60
