"""Engines shared by all tests of a process: starting workers costs more than most tests."""

import pytest

from diodeq.simulators.ngspice import NgspiceReference, NgspiceSimulator


@pytest.fixture(scope="session")
def ngspice():
    with NgspiceSimulator(workers=2) as engine:
        yield engine


@pytest.fixture(scope="session")
def reference():
    with NgspiceReference(workers=1) as engine:
        yield engine
