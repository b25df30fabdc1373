"""What all tests share: engines, whose start costs more than most tests, and an environment of cheap processes.

Hundreds of processes are started, by tests that share few processors: none compiles diodeq anew, none has threads or
workers to spare unless a test asks for them.
"""

import os
import signal
import sys

# Before numpy is loaded: the threads of linear algebra wait by spinning.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

import pytest  # noqa: E402

from diodeq import pool  # noqa: E402
from diodeq.cli.main import COMMANDS  # noqa: E402
from diodeq.crew import Crew  # noqa: E402
from diodeq.simulators.ngspice import NgspiceReference, NgspiceSimulator  # noqa: E402

for name in COMMANDS:
    os.environ[f"DIODEQ_{name.upper()}_WORKERS"] = "1"

# What a shell runs in its background ignores Ctrl-C, and so would the programs under test.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def ngspice():
    with NgspiceSimulator(workers=2) as engine:
        yield engine


@pytest.fixture(scope="session")
def reference():
    with NgspiceReference(workers=1) as engine:
        yield engine


# Where the life of workers is what is tested, each engine has its own.
ON_WORKERS = ("test_live", "test_measure", "test_ngspice", "test_orphans", "test_pool", "test_time_limit")
MOST = 4  # crews at rest


class Resting(Crew):
    """A crew that rests when it is dismissed, unless anything happened to it."""

    def __init__(self, rests, kind, *asked):
        super().__init__(*asked)
        self.kind, self._rests = kind, rests

    def dismiss(self):
        if self._closed or self._busy or self.restarts:
            super().dismiss()
            return
        self._rests.append(self)
        if len(self._rests) > MOST:
            Crew.dismiss(self._rests.pop(0))


@pytest.fixture(scope="session")
def resting():
    crews = []
    yield crews
    for crew in crews:
        Crew.dismiss(crew)


@pytest.fixture(autouse=True)
def kept_workers(request, resting, monkeypatch):
    """Workers of an engine that is closed serve the next that asks for the same: many commands start them once."""
    if request.module.__name__ in ON_WORKERS:
        return

    def hire(*asked):
        kind = asked, os.environ.get("NGSPICE_LIBRARY_PATH")
        for crew in resting:
            if crew.kind == kind:
                resting.remove(crew)
                return crew
        return Resting(resting, kind, *asked)

    monkeypatch.setattr(pool, "Crew", hire)
