"""The guide cannot rot: every block of every page is run, page by page, each in a folder of its own.

A block of ``text`` has lines of what the block before it prints.
"""

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

import diodeq
from diodeq.cli.guide import INDEX, pages
from diodeq.cli.main import main
from test_readme import ROOT, reference, run

GUIDE = Path(diodeq.__file__).parent / "guide"
PAGES = sorted(GUIDE.glob("*.md"))
LINK = re.compile(r"(!?)\[[^]]+\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"(?<![\w.])-?\d+\.?\d*(?:e[-+]?\d+)?")
CITED = re.compile(r"guide/([\w-]+)\.md(?:,? §(\d+))?")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_runs(page, tmp_path):
    blocks = BLOCK.findall(page.read_text())
    assert {language for language, _ in blocks} <= {"sh", "python", "text", "toml", ""}
    if "scripts/reference" in page.read_text():
        reference(tmp_path)
    said = ""
    for language, text in blocks:
        if language == "toml":  # of tests/extension, which test_plugins compares
            continue
        if text.startswith("# needs torch") and not importlib.util.find_spec("torch"):
            continue
        if language == "python":
            said = run(tmp_path, [sys.executable, "-"], input=text)
        elif language == "sh":
            said = run(tmp_path, f"set -e\n{text}", shell=True)
        elif language == "text":
            as_printed(text, said)


def as_printed(text, said):
    """Every line of ``text`` is among those that were said, in their order."""
    lines = iter(said.splitlines())
    for wanted in text.splitlines():
        assert any(alike(wanted, line) for line in lines), f"{wanted!r} is not what came:\n{said}"


def alike(wanted, line):
    """The same words, and numbers the same but for their last digits."""
    ours, theirs = (NUMBER.sub("#", text).split() for text in (wanted, line))
    values = (list(map(float, NUMBER.findall(text))) for text in (wanted, line))
    return ours == theirs and next(values) == pytest.approx(next(values), rel=5e-3, abs=1e-5)


def test_the_index_has_every_page_once():
    assert sorted(each.page for each in pages()) == sorted(page.stem for page in PAGES if page.stem != INDEX)
    assert all(each.chapter and len(each.about) <= 100 for each in pages())


def anchors(text):
    """What forges and the site make of headings."""
    heads = re.findall(r"^#+ (.+)$", BLOCK.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.stem)
def test_what_a_page_refers_to_exists(page):
    text = page.read_text()
    for picture, target in LINK.findall(BLOCK.sub("", text)):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{page.name} refers to {target}"
        assert not picture or found.suffix in (".svg", ".png")
        if anchor:
            assert anchor in anchors(found.read_text()), f"{page.name} refers to {target}"
    for path in re.findall(r"\bscripts/[\w./-]*\w", text):
        assert (ROOT / path).exists(), f"{page.name} speaks of {path}"
    for name in re.findall(r"`([\w-]+)\.md`|diodeq guide ([a-z][\w-]+)", text):
        assert (GUIDE / f"{max(name)}.md").exists(), f"{page.name} refers to {max(name)}"


def test_every_page_that_the_source_cites_exists():
    cited = 0
    for folder, ending in (("src", "py"), ("scripts", "py"), ("netlist_templates", "j2"), ("src", "toml")):
        for path in (ROOT / folder).rglob(f"*.{ending}"):
            text = path.read_text()
            assert not re.search(r"\b(THEORY|HARDWARE|NGSPICE|DESIGN)(\.md| §)", text), f"{path} cites what is not here"
            for page, section in CITED.findall(text):
                cited += 1
                found = GUIDE / f"{page}.md"
                assert found.exists(), f"{path} cites {page}"
                assert not section or f"\n## {section}. " in found.read_text(), f"{path} cites {page} §{section}"
    assert cited >= 10


def test_every_picture_is_shown():
    shown = "".join(page.read_text() for page in PAGES) + (ROOT / "README.md").read_text()
    for picture in (GUIDE / "images").iterdir():
        assert f"images/{picture.name}" in shown, picture


def test_the_command_lists_and_shows_pages(capsys, monkeypatch):
    assert main(["guide"]) == 0
    listed = capsys.readouterr().out
    assert all(each.about in listed for each in pages())
    assert main(["guide", "index"]) == 0
    assert capsys.readouterr().out == listed
    assert main(["guide", "--json"]) == 0
    assert [each["page"] for each in json.loads(capsys.readouterr().out)] == [each.page for each in pages()]
    assert main(["guide", "budget"]) == 0
    assert capsys.readouterr().out == (GUIDE / "budget.md").read_text()
    assert main(["guide", "nowhere"]) == 2
    assert "no page 'nowhere'" in capsys.readouterr().err
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["guide", "two-by-two"]) == 0
    shown = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    assert "```" not in shown
    assert "diodeq guide realizations" in " ".join(shown.split())
