"""The guide cannot rot: every block of every page is run, page by page, each in a folder of its own."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

import diodeq
from test_readme import run

PAGES = sorted((Path(diodeq.__file__).parent / "guide").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_runs(page, tmp_path):
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    assert {language for language, _ in blocks} <= {"sh", "python", "toml"}
    for language, text in blocks:
        if language == "toml":  # of tests/extension, which test_plugins compares
            continue
        if text.startswith("# needs torch") and not importlib.util.find_spec("torch"):
            continue
        if language == "python":
            run(tmp_path, [sys.executable, "-"], input=text)
        else:
            run(tmp_path, f"set -e\n{text}", shell=True)
