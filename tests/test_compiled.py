"""Compiled loops: kept on disk for the next process, and never a reason to fail."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("numba")

MODULE = """
import warnings

import numba
import numpy as np

from diodeq.compiled import kernel

warnings.simplefilter("error")


@numba.njit
def inner(x):
    return TIMES * x


def scale(x, out):
    for k in range(len(x)):
        out[k] = inner(x[k])


TIMES = 2.0
if __name__ == "__main__":
    found = np.empty(3)
    compiled = kernel(scale, "f8[::1], f8[::1]")
    compiled(np.arange(3.0), found)
    print(found.tolist(), sum(compiled.stats.cache_hits.values()))
"""


@pytest.fixture
def run(tmp_path):
    """Starts the module in a folder of its own, with a place for what numba keeps."""
    folder = tmp_path / "room"
    folder.mkdir()
    source = folder / "scaled.py"
    source.write_text(MODULE)

    def start(kept, times=2.0):
        text = MODULE.replace("TIMES = 2.0", f"TIMES = {times}")
        if source.read_text() != text:  # a process that starts beside this one must not find it half written
            source.write_text(text)
        env = {**os.environ, "NUMBA_CACHE_DIR": str(kept)}
        command = [sys.executable, str(source)]
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


def told(process):
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    return out.strip()


def test_the_next_process_loads_what_this_one_compiled(run, tmp_path):
    kept = tmp_path / "kept"
    assert told(run(kept)) == "[0.0, 2.0, 4.0] 0"
    assert told(run(kept)) == "[0.0, 2.0, 4.0] 1"
    assert told(run(kept, times=3.0)) == "[0.0, 3.0, 6.0] 0"  # what has changed is compiled anew
    for path in kept.rglob("*.nb[ci]"):
        path.write_bytes(path.read_bytes()[:20])
    assert told(run(kept)) == "[0.0, 2.0, 4.0] 0"


def test_a_folder_that_cannot_keep_anything_is_no_obstacle(run, tmp_path):
    (tmp_path / "file").write_text("")
    assert told(run(tmp_path / "file" / "below")) == "[0.0, 2.0, 4.0] 0"


def test_processes_may_compile_at_once(run, tmp_path):
    several = [run(tmp_path / "kept") for _ in range(3)]
    assert {told(each)[:15] for each in several} == {"[0.0, 2.0, 4.0]"}
    assert told(run(tmp_path / "kept")) == "[0.0, 2.0, 4.0] 1"
