"""Engines shared by all tests of a process: starting workers costs more than most tests."""

import signal

import pytest

from diodeq.simulators.ngspice import NgspiceReference, NgspiceSimulator

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
