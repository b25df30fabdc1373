"""``--time-limit``: every command that simulates has it, and the engine hears of it wherever it was said."""

import numpy as np
import pytest
import rich_click as click

import circuits
from diodeq import simulators
from diodeq.cli.main import COMMANDS, main
from diodeq.errors import UsageError
from diodeq.pool import TIME_LIMIT
from diodeq.simulators import create


def commands(found):
    for name, command in found.items():
        if isinstance(command, click.Group):
            yield from ((f"{name} {more}", each) for more, each in commands(command.commands))
        else:
            yield name, command


@pytest.mark.parametrize("command", [pytest.param(each, id=name) for name, each in commands(COMMANDS)])
def test_every_command_that_simulates_has_it(command):
    options = {parameter.name for parameter in command.params}
    asks_ngspice = bool(options & {"simulator", "workers"}) or command.name == "measure"
    assert ("time_limit" in options) == asks_ngspice


@pytest.fixture
def heard(tmp_path, monkeypatch):
    """What the engine was told by ``simulate``."""
    monkeypatch.chdir(tmp_path)
    circuits.plain().save(tmp_path / "c.npz")
    np.savetxt("x.csv", circuits.DRIVES, delimiter=",")
    limits = []

    def engine(*options, workers, time_limit):
        limits.append(time_limit)
        return simulators.WaveSimulator(workers=workers)

    monkeypatch.setitem(simulators.ENGINES.own, "ngspice", engine)

    def ask(*arguments):
        code = main(["simulate", "c.npz", "--inputs", "x.csv", *arguments])
        return limits.pop() if code == 0 else -code

    return ask


def test_flag_variable_file_and_default(heard, tmp_path, monkeypatch):
    assert heard() == TIME_LIMIT == 120.0
    (tmp_path / "diodeq.toml").write_text("[simulate]\ntime-limit = 60\n")
    assert heard() == 60.0
    monkeypatch.setenv("DIODEQ_TIME_LIMIT", "30")
    assert heard() == 30.0
    assert heard("--time-limit", "7.5") == 7.5


@pytest.mark.parametrize("limit", ["0", "-1", "soon"])
def test_no_time(limit, heard):
    assert heard("--time-limit", limit) == -2


def test_engines_without_processes_do_not_mind():
    with create("wave", 1, 5.0) as engine:
        assert engine.name == "wave"
    with pytest.raises(UsageError, match="time limit"):
        create("ngspice", 1, float("nan"))
