"""Installed packages add engines, rules, dialects, devices and data sets; a broken one says so in a sentence."""

import json
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest

import diodeq
from diodeq.cli.main import main
from diodeq.devices import catalogue
from diodeq.errors import InexactRuleWarning, InputError, UsageError
from diodeq.learning import datasets
from diodeq.learning.rules import RULES, described, named
from diodeq.learning.solves import Counted
from diodeq.netlist.dialects import DIALECTS
from diodeq.plugins import GROUPS
from diodeq.simulators import ENGINES, create
from diodeq.simulators.base import Counting, Dynamic, Monitored

EXTENSION = Path(__file__).parent / "extension"
REGISTRIES = (ENGINES, RULES, DIALECTS, catalogue.ADDED, datasets.ADDED)


def install(folder, monkeypatch, points, module=None):
    """What pip leaves of a package: its module, and beside it what says which entry points it has."""
    name = f"package{len([*folder.iterdir()])}"
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [line for group, own in points.items() for line in (f"[{group}]", *(f"{k} = {v}" for k, v in own.items()))]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
    if module is not None:
        (folder / f"{name}_module.py").write_text(module)
    monkeypatch.syspath_prepend(str(folder))
    for registry in REGISTRIES:
        monkeypatch.delitem(vars(registry), "_added", raising=False)
        monkeypatch.setattr(registry, "_loaded", {})
    return name


@pytest.fixture(autouse=True)
def forgotten():
    yield
    for registry in REGISTRIES:
        vars(registry).pop("_added", None)
        registry._loaded.clear()


@pytest.fixture
def extension(tmp_path, monkeypatch):
    points = tomllib.loads((EXTENSION / "pyproject.toml").read_text())["project"]["entry-points"]
    assert points.keys() == GROUPS.keys()
    monkeypatch.syspath_prepend(str(EXTENSION))
    install(tmp_path, monkeypatch, points)


def test_the_guide_shows_what_the_package_says():
    page = (Path(diodeq.__file__).parent / "guide" / "extending.md").read_text()
    shown = tomllib.loads(page.partition("```toml\n")[2].partition("```")[0])
    written = tomllib.loads((EXTENSION / "pyproject.toml").read_text())
    assert shown["project"]["entry-points"] == written["project"]["entry-points"]
    assert all(f"| `{group}` |" in page for group in GROUPS)


def test_one_of_each_is_used_by_name(extension, tmp_path, capsys):
    out = tmp_path / "run"
    words = ["--simulator", "counting", "--rule", "signs:scale=0.5", "--diode", "lab7", "--epochs", "2"]
    assert main(["train", "spiral:40", "--out", str(out), *words]) == 0
    said = capsys.readouterr()
    assert "counting 1.0" in said.out
    assert "signs does not find the gradient here: it keeps nothing" in said.err
    circuit = diodeq.load(out / "circuit.npz")
    assert {model.name for model in circuit.models} == {"LAB7"}
    assert main(["export", str(out / "circuit.npz"), "--to", "table", "-o", str(tmp_path / "c.tsv")]) == 0
    lines = (tmp_path / "c.tsv").read_text().splitlines()
    assert sum(line.startswith("r") for line in lines) == len(circuit.resistors)
    assert diodeq.export(circuit, "table").splitlines() == lines
    with pytest.warns(InexactRuleWarning):
        trained = diodeq.train("spiral", epochs=1, rule="signs")
    assert trained.data.classes == ("one", "other")


def test_names_are_listed_and_completed_without_importing_anything(extension, tmp_path, capsys):
    sys.modules.pop("diodeq_extension", None)
    assert [*ENGINES] == ["ngspice", "wave", "bench", "counting"]
    with pytest.raises(UsageError, match="spiral"):
        datasets.load("spirall")
    assert {"signs", "table"} <= {*RULES, *DIALECTS}
    assert "signs" in described()
    assert "diodeq_extension" not in sys.modules
    assert main(["devices", "list"]) == 0
    assert "LAB7" in capsys.readouterr().out
    for words, wanted in (
        ("train sp", "spiral"),
        ("train iris --simulator co", "counting"),
        ("train iris --rule si", "signs"),
        ("compare iris --rules perturbation,si", "perturbation,signs"),
        ("train iris --diode lab", "LAB7"),
        ("export c.npz --to ta", "table"),
    ):
        assert wanted in completed(f"diodeq {words}", f"{tmp_path}:{EXTENSION}"), words


def completed(words, path):
    """What a shell is given for a line that is begun."""
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1), "_DIODEQ_COMPLETE": "bash_complete"}
    return python("import sys; from diodeq.cli.main import main; main([])", path, **asked)


def python(program, path, *words, **environment):
    """Standard output of a program that finds packages along ``path``."""
    known = {"PYTHONPATH": f"{path}:{Path(diodeq.__file__).parent.parent}", "PATH": "/usr/bin:/bin", **environment}
    ended = subprocess.run([sys.executable, "-c", program, *words], env=known, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


BROKEN = {
    "raises": "raise RuntimeError('no\\nlicence')",
    "exits": "raise SystemExit(3)",
    "misspelled": "def engin(): ...",
    "of another kind": "engine = rule = dialect = device = data = 7",
}
USES = {
    "diodeq.engines": ("engine", lambda: create("mine")),
    "diodeq.rules": ("rule", lambda: named("mine")),
    "diodeq.dialects": ("dialect", lambda: diodeq.export(diodeq.layered((1, 2, 1)), "mine")),
    "diodeq.devices": ("device", lambda: catalogue.get("mine")),
    "diodeq.data": ("data", lambda: datasets.load("mine")),
}


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_package_is_named_in_a_sentence(tmp_path, monkeypatch, group, how):
    attribute, use = USES[group]
    name = install(tmp_path, monkeypatch, {group: {"mine": f"package0_module:{attribute}"}}, BROKEN[how])
    with pytest.raises(InputError, match=f"the {GROUPS[group]} mine of {name}") as caught:
        use()
    assert "\n" not in str(caught.value)
    assert "uninstall package0" in caught.value.remedy
    sys.modules.pop("package0_module", None)
    # What is not asked for harms nobody.
    assert diodeq.train("xor", epochs=1, hidden=(2,)).recipe.epochs == 1


@pytest.mark.parametrize(
    ("group", "module"),
    [
        ("diodeq.engines", "def engine(*options, workers, time_limit): return object()"),
        ("diodeq.engines", "def engine(): ..."),
        ("diodeq.data", "def data(argument): return 1 / 0"),
        ("diodeq.data", "def data(argument): return [1.0]"),
        (
            "diodeq.dialects",
            "from diodeq.netlist.deck import Dialect\ndef write(listing): return listing.nothing\n"
            "dialect = Dialect('mine', '', '', write)",
        ),
    ],
)
def test_what_fails_at_work_is_a_sentence_too(tmp_path, monkeypatch, group, module):
    attribute, use = USES[group]
    install(tmp_path, monkeypatch, {group: {"mine": f"package0_module:{attribute}"}}, module)
    with pytest.raises(InputError, match="mine of package0 failed: "):
        use()
    sys.modules.pop("package0_module", None)


ANSWERS = """
from diodeq.simulators.base import OperatingPoint
from diodeq.simulators.wave import WaveSimulator
class Engine(WaveSimulator):
    def operate(self, circuit, drives): %s
    small_signal = operate
def engine(*options, workers, time_limit): return Engine()
"""


@pytest.mark.parametrize("answer", ["return None", "return 1 / 0", "return super().operate(circuit, drives[:-1])"])
def test_an_engine_that_answers_nothing_is_named(tmp_path, monkeypatch, capsys, answer):
    install(tmp_path, monkeypatch, {"diodeq.engines": {"mine": "package0_module:engine"}}, ANSWERS % answer)
    with pytest.raises(InputError, match="the engine mine of package0 failed: ") as caught:
        diodeq.simulate(diodeq.layered((1, 2, 1)), [[1.0]], simulator="mine")
    assert "uninstall the package" in caught.value.remedy
    assert main(["doctor", "--json"]) == 5
    said = capsys.readouterr()
    assert "the engine mine of package0 failed" in said.err
    assert json.loads(said.out)["engines"]["mine"]["works"] is False
    sys.modules.pop("package0_module", None)


BENCH = """
from diodeq.simulators import create
from diodeq.simulators.base import Counting, Dynamic, Monitored
def engine(*options, workers, time_limit): return create("bench:iris")
"""


def test_an_engine_of_a_package_is_all_that_it_is(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, {"diodeq.engines": {"mine": "package0_module:engine"}}, BENCH)
    with create("mine") as engine, create("bench:iris") as own:
        for protocol in (Counting, Dynamic, Monitored):
            assert isinstance(engine, protocol) == isinstance(own, protocol) == isinstance(Counted(own), protocol)
        assert "readings" in dir(type(engine))  # where protocols look since Python 3.12
        engine.readings = 7
        assert engine._made.readings == 7
    sys.modules.pop("package0_module", None)


@pytest.mark.parametrize("answer", ["None", "1 / 0", "Gradient(np.zeros(3), 0.0, np.zeros((1, 2)))"])
def test_a_rule_that_finds_nothing_is_named(tmp_path, monkeypatch, capsys, answer):
    module = f"""
from dataclasses import dataclass
import numpy as np
from diodeq.learning.rules import Gradient
@dataclass(frozen=True)
class Rule:
    name, finds_others, inexact, cost = "mine", False, lambda self, circuit: None, lambda self, circuit: 1
    def __call__(self, *asked, also=()): return {answer}
rule = Rule()
"""
    install(tmp_path, monkeypatch, {"diodeq.rules": {"mine": "package0_module:rule"}}, module)
    assert main(["train", "xor", "--rule", "mine", "--simulator", "wave", "--out", str(tmp_path / "run")]) == 3
    assert "the learning rule mine failed: " in capsys.readouterr().err
    sys.modules.pop("package0_module", None)


def test_kinds_of_files_are_nobody_elses(tmp_path, monkeypatch):
    names = dict.fromkeys(("csv", "iris", "mine"), "package0_module:data")
    install(tmp_path, monkeypatch, {"diodeq.data": names}, "def data(argument): ...")
    with pytest.raises(UsageError) as caught:
        datasets.load("nothing")
    known = caught.value.remedy
    assert [known.count(name) for name in ("csv", "iris", "mine")] == [1, 1, 1]


def test_names_of_the_house_are_nobody_elses_and_those_of_two_nobodys(tmp_path, monkeypatch):
    own = {"wave": "package0_module:engine", "twice": "package0_module:engine"}
    install(tmp_path, monkeypatch, {"diodeq.engines": own}, "engine = print")
    install(tmp_path, monkeypatch, {"diodeq.engines": {"twice": "package1_module:engine"}}, "engine = print")
    with create("wave") as wave:
        assert wave.name == "wave"
    with pytest.raises(InputError, match="the engine twice is added by package0 and package"):
        create("twice")


def test_a_broken_package_costs_help_nothing(tmp_path, monkeypatch):
    """Neither a second nor a traceback, whatever its packages do."""
    points = {group: {"mine": "package0_module:x"} for group in GROUPS}
    install(tmp_path, monkeypatch, points, "import time; time.sleep(60)")
    began = time.perf_counter()
    for command in ("", "train", "export"):
        words = [command, "--help"] if command else ["--help"]
        python("import sys; from diodeq.cli.main import main; sys.exit(main(sys.argv[1:]))", str(tmp_path), *words)
    assert time.perf_counter() - began < 50


def test_quantities_may_come_from_a_package(tmp_path, monkeypatch):
    module = "import numpy as np\ndef data(argument): return np.eye(30), np.linspace(0, 1, 30)"
    install(tmp_path, monkeypatch, {"diodeq.data": {"ramp": "package0_module:data"}}, module)
    found = datasets.load("ramp")
    assert (found.task, np.concatenate([found.y_train, found.y_test]).max()) == ("regression", 1.0)
    sys.modules.pop("package0_module", None)
