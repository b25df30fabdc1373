"""What is shipped works: the wheel and the sdist carry the templates, and an installed wheel exports a circuit."""

import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import numpy
import pytest
import yaml

import diodeq

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(wheel, sdist) of this checkout; the wheel is built from the sdist, as an installer would."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


def test_the_wheel_has_the_templates_and_the_type_marker(built):
    names = set(zipfile.ZipFile(built[0]).namelist())
    templates = {f"diodeq/netlist_templates/{path.name}" for path in (ROOT / "netlist_templates").iterdir()}
    assert templates
    assert templates <= names
    assert {"diodeq/py.typed", "diodeq/devices/catalogue.toml"} <= names
    assert {f"diodeq/guide/{path.name}" for path in (ROOT / "src" / "diodeq" / "guide").glob("*.md")} <= names
    assert {"diodeq/report/page.html.j2", "diodeq/report/page.css"} <= names
    assert f"-{diodeq.__version__}-" in built[0].name


def test_the_sdist_has_everything_to_build_and_test(built):
    with tarfile.open(built[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "scripts/test",
        "tests/test_packaging.py",
        "CITATION.cff",
    } <= names
    assert any(name.startswith("netlist_templates/") for name in names)


def test_what_is_cited_and_tested_is_what_is_released():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (diodeq.__version__, project["license"])
    assert citation["authors"] == project["authors"]
    assert f"arxiv.org/abs/{citation['references'][0]['identifiers'][0]['value'].removeprefix('arXiv:')}" in "".join(
        project["urls"].values()
    )
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"][0] == project["requires-python"].removeprefix(">=")
    for job in jobs.values():
        commands = "\n".join(step.get("run", "") for step in job["steps"])
        ran = re.findall(r"(?:\./|bash )([\w./]+)", commands)
        assert ran
        assert all((ROOT / script).exists() for script in ran if script.startswith(("scripts", ".ci")))


def test_an_installed_wheel_finds_its_templates(built, tmp_path):
    """In an environment of its own that borrows only the dependencies, not this checkout."""
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    site = next((tmp_path / "venv" / "lib").glob("python*/site-packages"))
    with zipfile.ZipFile(built[0]) as wheel:
        wheel.extractall(site)

    (site / "borrowed.pth").write_text(str(Path(numpy.__file__).parent.parent) + "\n")
    code = (
        "import diodeq, sys\n"
        "from diodeq.netlist.dialects import DIALECTS, full_deck\n"
        "from diodeq.simulators.selftest import one_diode, self_test\n"
        f"assert diodeq.__file__.startswith({str(site)!r}), diodeq.__file__\n"
        "assert all(full_deck(one_diode(), name).text for name in DIALECTS)\n"
        "print(self_test('ngspice')['works'])\n"
    )
    run = subprocess.run(
        [str(python), "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=300
    )
    assert run.stdout.strip() == "True", run.stderr
