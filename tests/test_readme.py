"""The README cannot rot: every command and every program in it is run, in order, in one folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
SCRIPTS = re.compile(r"^\./scripts/(\w+)")


@pytest.fixture(scope="module")
def tour(tmp_path_factory):
    return tmp_path_factory.mktemp("tour")


def environment():
    here = Path(sys.executable).parent
    return {**os.environ, "PATH": f"{here}{os.pathsep}{os.environ['PATH']}"}


def test_every_block_runs(tour):
    languages = {language for language, _ in BLOCKS}
    assert languages <= {"sh", "python"}
    ran = 0
    for language, text in BLOCKS:
        if language == "python":
            run = subprocess.run([sys.executable, "-"], input=text, cwd=tour, env=environment(), text=True, capture_output=True,
                                 timeout=300, check=False)  # fmt: skip
            assert run.returncode == 0, run.stderr
            before, after = map(float, run.stdout.split())
            assert after < before
            continue
        for line in filter(None, text.splitlines()):
            if SCRIPTS.match(line):
                continue  # run below, from the checkout
            run = subprocess.run(line, shell=True, cwd=tour, env=environment(), text=True, capture_output=True, timeout=300,
                                 check=False)  # fmt: skip
            assert run.returncode == 0, f"{line}\n{run.stderr}"
            ran += 1
    assert ran >= 12
    assert "setosa" in (tour / "run" / "summary.json").read_text()


def test_the_two_commands():
    scripts = [SCRIPTS.match(line).group(1) for _, text in BLOCKS for line in text.splitlines() if SCRIPTS.match(line)]
    assert scripts == ["demo", "test"]
    assert "scripts/test" in (ROOT / ".ci" / "run").read_text()
    # Set up a second time, scripts/demo is fast: what is left is the training.
    demo = subprocess.run(
        [ROOT / "scripts" / "demo", "--epochs", "1", "--json"], capture_output=True, text=True, check=False
    )
    assert demo.returncode == 0, demo.stderr
    assert '"data": "iris"' in demo.stdout


def test_pictures_exist():
    for picture in re.findall(r"!\[[^]]*\]\(([^)]*)\)", README):
        assert (ROOT / picture).is_file(), picture
