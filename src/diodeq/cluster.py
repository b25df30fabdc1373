"""One function of many arguments, on this machine's cores or on a cluster: ``mapper``.

Answers come in the order of the arguments and are the same bits wherever they were found, for functions whose answer
depends on their arguments alone: every call computes on one thread, so sums are taken in one order. (Machines of
different kinds may still differ in the last bit, as their linear algebra libraries do.)
"""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from typing import Any

from diodeq import orphans, processors
from diodeq.errors import SimulationError, SimulatorMissingError, UsageError

# map(function, shared, items) yields function(shared, item) for every item in turn. All three travel to other
# processes: the function must be importable by its name and the rest picklable.
Map = Callable[[Callable[[Any, Any], Any], Any, Sequence[Any]], Iterator[Any]]

# What one SLURM job asks for where ~/.config/dask/jobqueue.yaml says nothing.
JOB = {"cores": 1, "memory": "4GB"}

PATIENCE = 10  # seconds, with a scheduler that does not answer


def checked(spec: str) -> str:
    """``spec`` as it is; raises ``UsageError`` where ``mapper`` would not know it."""
    kind, _, rest = spec.partition(":")
    numbered = kind in ("local", "slurm") and rest.isdecimal() and int(rest) > 0
    if spec and not numbered and not (kind in ("tcp", "tls") and rest.startswith("//")):
        raise UsageError(f"{spec!r} is no cluster", "use local:N, tcp://HOST:PORT of a Dask scheduler, or slurm:N")
    return spec


@contextmanager
def mapper(spec: str = "", processes: int | None = None) -> Iterator[Map]:
    """A map over a cluster, released when left.

    Args:
        spec: "" for processes of this machine, ``local:N`` for N Dask workers of it, ``tcp://HOST:PORT`` for a running
            Dask scheduler, ``slurm:N`` for N jobs of SLURM. Dask gives the work of a worker that dies to another.
        processes: how many without Dask, the usable cores by default; 1 computes in this very process.

    Raises:
        UsageError: there is no such kind of cluster.
        SimulatorMissingError: Dask is not installed or not reached.
        SimulationError (from the map): a process died, under Dask several times on the same argument.
    """
    if checked(spec):
        with _client(spec) as client:
            yield partial(_over_cluster, client)
        return
    count = processes or processors.count()
    if count == 1:
        yield lambda function, shared, items: (_alone(function, shared, item) for item in items)
        return
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(count, context, initializer=orphans.begin)
    try:
        yield partial(_over_processes, executor)
    finally:
        executor.shutdown(cancel_futures=True)


def job_script(spec: str) -> str:
    """What ``slurm:N`` hands to sbatch, N times."""
    if not checked(spec).startswith("slurm"):
        raise UsageError(f"{spec or 'this machine'} needs no job script", "use slurm:N")
    with _slurm() as cluster:
        script: str = cluster.job_script()
    return script


def _alone(function: Callable[[Any, Any], Any], shared: Any, item: Any) -> Any:
    with processors.single_threaded():
        return function(shared, item)


def _over_processes(
    executor: ProcessPoolExecutor, function: Callable[[Any, Any], Any], shared: Any, items: Sequence[Any]
) -> Iterator[Any]:
    try:
        yield from executor.map(partial(_alone, function, shared), items)
    except BrokenProcessPool as error:
        raise SimulationError(
            "a worker process died", "look for a lack of memory and run again; --cluster local:N survives it"
        ) from error


def _over_cluster(client: Any, function: Callable[[Any, Any], Any], shared: Any, items: Sequence[Any]) -> Iterator[Any]:
    from distributed import KilledWorker

    with warnings.catch_warnings():
        # What is shared is large on purpose. As a task of its own it is made again where a worker that held it died;
        # scattered data would be lost.
        warnings.filterwarnings("ignore", "Sending large graph")
        held = client.submit(_same, shared, pure=False)
        futures = [client.submit(_alone, function, held, item, pure=False) for item in items]
    try:
        for future in futures:
            yield future.result()
            future.release()
    except KilledWorker as error:
        raise SimulationError(
            "the workers that had the same piece of work all died", "look for a lack of memory"
        ) from error
    finally:
        client.cancel([each for each in futures if not each.done()])


def _same(value: Any) -> Any:
    return value


@contextmanager
def _client(spec: str) -> Iterator[Any]:
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError:
        raise SimulatorMissingError("Dask is not installed", "pip install 'diodeq[cluster]'") from None
    kind, _, rest = spec.partition(":")
    if kind == "slurm":
        with _slurm() as cluster:
            cluster.scale(jobs=int(rest))
            with Client(cluster) as client:  # type: ignore[no-untyped-call]
                yield client
    elif kind == "local":
        local = partial(LocalCluster, threads_per_worker=1, dashboard_address=":0", silence_logs=50)
        first = [*dask.config.get("distributed.worker.preload"), orphans.__name__]
        with local(n_workers=int(rest), preload=first) as cluster, Client(cluster) as client:  # type: ignore[no-untyped-call]
            yield client
    else:
        try:
            client = Client(spec, timeout=PATIENCE)  # type: ignore[no-untyped-call]
        except (OSError, TimeoutError, ValueError) as error:
            raise SimulatorMissingError(
                f"no Dask scheduler answers at {spec}", "start one with dask scheduler"
            ) from error
        with client:
            yield client


@contextmanager
def _slurm() -> Iterator[Any]:
    try:
        import dask
        from dask_jobqueue.slurm import SLURMCluster
    except ImportError:
        raise SimulatorMissingError("dask-jobqueue is not installed", "pip install 'diodeq[cluster]'") from None
    configured = dask.config.get("jobqueue.slurm", {})
    asked: dict[str, Any] = {name: value for name, value in JOB.items() if configured.get(name) is None}
    with SLURMCluster(**asked, scheduler_options={"dashboard_address": ":0"}) as cluster:
        yield cluster
