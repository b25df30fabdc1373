"""The README cannot rot: every command and every program in it is run, in order, in one folder.

They are run as they stand, on little: of what they do not say there is less than usual (`LITTLE`), and the tables of
digits that they read are short.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
SCRIPTS = re.compile(r"^\./scripts/(\w+)")
TWO = ["demo", "test"]
SYSTEM = ("sudo ", "apt-get ")
LITTLE = {
    "DIODEQ_TRAIN_EPOCHS": "2",
    "DIODEQ_GRADCHECK_LIMIT": "12",
    "DIODEQ_AUDIT_LIMIT": "6",
    "DIODEQ_COMPARE_SEEDS": "0",
}
ROWS = 60
LARGEST = 8000  # bytes: a door, not a house


def reference(folder):
    """The checkout's reference networks and the first rows of their tables, in a folder."""
    shutil.copytree(ROOT / "scripts" / "reference", folder / "scripts" / "reference")
    for table in (folder / "scripts" / "reference").glob("*.csv"):
        table.write_text("".join(table.read_text().splitlines(keepends=True)[:ROWS]))


def run(folder, *command, **more):
    here = Path(sys.executable).parent
    path = f"{here}{os.pathsep}{os.environ['PATH']}"
    options = {
        "cwd": folder,
        "env": {**os.environ, **LITTLE, "PATH": path},
        "text": True,
        "timeout": 600,
        "check": False,
    }
    done = subprocess.run(*command, capture_output=True, **options, **more)
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout


def test_every_block_runs(tmp_path):
    """But what sets the system up: the two commands are run below, from the checkout."""
    reference(tmp_path)
    assert {language for language, _ in BLOCKS} <= {"sh", "python"}
    ran = 0
    for language, text in BLOCKS:
        if language == "python":
            run(tmp_path, [sys.executable, "-"], input=text)
            continue
        lines = [line for line in text.splitlines() if line and not SCRIPTS.match(line) and not line.startswith(SYSTEM)]
        run(tmp_path, "\n".join(["set -e", *lines]), shell=True)
        ran += len(lines)
    assert ran >= 6
    assert "setosa" in (tmp_path / "run" / "summary.json").read_text()


def test_it_is_short():
    assert len(README.encode()) <= LARGEST


def test_what_it_asks_the_system_for_is_what_setup_installs():
    (line,) = (line for _, text in BLOCKS for line in text.splitlines() if line.startswith(SYSTEM))
    setup = (ROOT / "scripts" / "setup").read_text()
    assert all(package in setup for package in line.partition(" install ")[2].split())


def files_of(folder):
    """Every file below a folder, with its bytes and when it was written."""
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_the_two_commands(tmp_path):
    """The demo's own run, ``iris-run`` in the checkout, is the user's: testing leaves it as it is."""
    scripts = [SCRIPTS.match(line)[1] for _, text in BLOCKS for line in text.splitlines() if SCRIPTS.match(line)]
    assert scripts[:2] == TWO
    assert "scripts/test" in (ROOT / ".ci" / "run").read_text()
    # Set up a second time, scripts/demo is fast: what is left is the training.
    before, out = files_of(ROOT / "iris-run"), tmp_path / "run"
    demo = subprocess.run(
        [ROOT / "scripts" / "demo", "--epochs", "1", "--json", "--out", out],
        capture_output=True,
        text=True,
        check=False,
    )
    assert demo.returncode == 0, demo.stderr
    assert '"data": "iris"' in demo.stdout
    assert (out / "summary.json").exists()
    assert files_of(ROOT / "iris-run") == before
