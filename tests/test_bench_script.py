"""What ``scripts/bench`` is asked for and cannot do is one sentence."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
import bench

from diodeq.cli.main import plainly


@pytest.fixture
def asked(monkeypatch, capsys):
    def ask(*arguments):
        monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
        code = plainly(bench.main)
        out, err = capsys.readouterr()
        return code, out, err

    return ask


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--circuits", "foo"], 2, "no circuit 'foo'"),
        (["--circuits", "64-10"], 2, "no circuit '64-10'"),
        (["--circuits", "4-8-3-rand:2"], 2, "no topology 'rand:2'"),
        (["--circuits", "4-8-3", "--engines", "bogus"], 2, "no simulator called 'bogus'"),
        (["--circuits", "4-8-3", "--engines", "wave:numba"], 2, "the ratios are to wave"),
        (["--batch", "0"], 2, "--batch 0 is not possible"),
        (["--rounds", "-1"], 2, "--rounds -1 is not possible"),
        (["--latency", "--start"], 2, "--latency and --start"),
        (["--latency", "--peers", "."], 2, "--peers has no meaning with --latency"),
        (["--plot", "a.txt"], 2, "a.txt is not a picture"),
        (["--plot", "no/a.svg"], 3, "no/a.svg cannot be written"),
        (["--peers", "missing"], 3, "no copy of DRN's code"),
        (["--peers", "."], 3, "git clone https://"),
        (["--epoch", "missing", "--engines", "wave"], 3, "there is no folder missing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_measured_is_one_sentence(asked, tmp_path, monkeypatch, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    found, out, err = asked(*arguments)
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert err.startswith("diodeq: ")
    assert words in err


def test_latency_is_a_table_or_a_document(asked):
    one = ("--latency", "--engines", "wave", "--circuits", "4-3-2")
    code, out, err = asked(*one)
    assert (code, err) == (0, "")
    assert "4-3-2" in out
    assert not out.startswith("{")
    code, out, _ = asked(*one, "--json")
    (row,) = json.loads(out)["latency"]
    assert row["circuit"] == "4-3-2"
    assert row["ms"]["operate"] > 0
