"""The map over processes and clusters: one answer whoever computes it, deaths survived."""

import os
import signal
import time
from dataclasses import replace

import numpy as np
import pytest

import circuits
from diodeq import cluster
from diodeq.analysis import montecarlo
from diodeq.analysis.montecarlo import Study
from diodeq.cluster import checked, job_script, mapper
from diodeq.devices.hardware.technology import Technology
from diodeq.devices.hardware.variation import Variation
from diodeq.errors import DiodeqError, InputError, SimulationError, UsageError
from diodeq.learning import compare
from diodeq.learning.recipe import Recipe


def study(simulator="wave"):
    variation = Variation.parse("tolerance=10%,temperature=0:70,saturation=0.3")
    labels = np.array([0, 1, 0, 1])
    return Study(circuits.plain(), replace(Technology(), variation=variation), circuits.DRIVES, labels, simulator, 7)


def total(shared, item):
    matrix = np.random.default_rng(item).normal(size=(200, 200))
    return float((matrix @ matrix).sum() + shared)


def refused(shared, item):
    raise InputError(f"item {item} is refused", "give another")


def deadly(shared, numbers):
    """The work of ``montecarlo``, but the first worker that meets board 16 is killed in the middle of it."""
    study, wanted, flag = shared
    if 16 in numbers and not os.path.exists(flag):
        open(flag, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return montecarlo._task((study, wanted), numbers)


def boards(map_, function=montecarlo._task, *more, simulator="wave"):
    asked = study(simulator)
    wanted, _ = montecarlo.drawn(asked)
    tasks = [list(range(at, at + 8)) for at in range(0, 40, 8)]
    return [board for found in map_(function, (asked, wanted, *more), tasks) for board in found]


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_any_number_of_processes_finds_the_same_bits_in_order(processes):
    expected = [total(1.0, item) for item in range(7)]
    with mapper("", processes) as map_:
        assert list(map_(total, 1.0, range(7))) == pytest.approx(expected, rel=1e-12)
        assert list(map_(total, 1.0, [])) == []
        assert [each.board for each in boards(map_)] == list(range(40))


def test_an_error_comes_back_as_it_is():
    with mapper("", 2) as map_, pytest.raises(InputError, match="item 0 is refused"):
        list(map_(refused, None, range(3)))


def died(shared, item):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_death_without_dask_is_said_plainly():
    with mapper("", 2) as map_, pytest.raises(SimulationError, match="a worker process died"):
        list(map_(died, None, range(3)))


def test_four_dask_workers_one_killed_find_the_same_bits_as_one_process(tmp_path):
    pytest.importorskip("distributed")
    with mapper("", 1) as map_:
        alone = boards(map_)
    flag = tmp_path / "killed"
    with mapper("local:4") as map_:
        together = boards(map_, deadly, str(flag))
        assert flag.exists()
        assert together == alone
        with pytest.raises(InputError, match="item 0 is refused"):
            list(map_(refused, None, range(3)))
    with mapper("", 2) as map_:
        assert boards(map_) == alone


def test_two_clusters_at_once():
    pytest.importorskip("distributed")
    with mapper("local:1") as first, mapper("local:1") as second:
        assert list(first(total, 1.0, [0])) == list(second(total, 1.0, [0]))


def test_rules_compared_on_a_cluster_are_those_compared_alone(tmp_path):
    pytest.importorskip("distributed")
    comparison = compare.Comparison(
        "xor", ("hardware-linearization",), Recipe(hidden=(3,), supply=4.0), 900, (0, 1), (0.03, 0.1), (10,)
    )
    alone = compare.compare(comparison, tmp_path / "alone")
    done = []
    together = compare.compare(
        comparison, tmp_path / "together", cluster="local:2", on_run=lambda *progress: done.append(progress)
    )
    assert [each[:2] for each in done] == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    for one, other in zip(alone["rules"], together["rules"], strict=True):
        assert one["rate"] == other["rate"]
        assert one["tuning"] == other["tuning"]
        assert [run["curve"] for run in one["runs"]] == [run["curve"] for run in other["runs"]]


@pytest.mark.parametrize("spec", ["local", "local:0", "local:x", "tcp:1", "moon:4", "slurm:-1"])
def test_no_such_cluster(spec):
    with pytest.raises(UsageError, match="is no cluster"):
        checked(spec)


def test_a_scheduler_that_is_not_there_is_said_plainly(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "PATIENCE", 1)
    began = time.monotonic()
    with pytest.raises(DiodeqError, match="no Dask scheduler answers"), mapper("tcp://127.0.0.1:9"):
        pass
    assert time.monotonic() - began < 60


def test_the_script_for_slurm():
    pytest.importorskip("dask_jobqueue")
    script = job_script("slurm:3")
    assert script.startswith("#!")
    assert "#SBATCH --cpus-per-task=1" in script
    assert "distributed.cli.dask_worker tcp://" in script
    with pytest.raises(UsageError, match="needs no job script"):
        job_script("local:2")
