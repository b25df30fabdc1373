"""Operational amplifiers: the catalogue, the macromodel in both engines, and circuits that are compiled with them."""

import json
import math

import pytest

from diodeq.cli.main import main
from diodeq.devices import amplifier
from diodeq.devices.amplifier import Amplifier
from diodeq.errors import InputError, NotRealizableError, UsageError


@pytest.fixture
def cli(capsys):
    """What a command that succeeds prints."""

    def run(*arguments):
        capsys.readouterr()
        code = main([*map(str, arguments)])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return captured.out

    return run


NAMES = ["ideal", "MCP6004", "TLV9064", "LM358", "TL074", "OPA4277", "OPA4192"]


def test_the_catalogue_has_its_parts_each_with_a_source():
    assert list(amplifier.parts()) == NAMES
    for part in amplifier.parts().values():
        assert part.source
        assert part.description
        assert part.name == "ideal" or "[unconfirmed]" in part.source


def test_names_are_found_in_any_case_and_near_ones_proposed():
    assert amplifier.get("tl074").channels == 4
    with pytest.raises(UsageError, match="did you mean TL074"):
        amplifier.get("TL07")


def test_a_users_own_amplifier_wins(tmp_path, monkeypatch):
    own = tmp_path / "mine.toml"
    own.write_text("[TL074]\nsupply = [7.0, 36.0]\nswing = [1.5, 1.5]\ngain = 123.0\n")
    monkeypatch.setenv("DIODEQ_AMPLIFIERS", str(own))
    assert amplifier.get("TL074").gain == 123.0
    monkeypatch.setenv("DIODEQ_AMPLIFIERS", str(tmp_path / "none.toml"))
    with pytest.raises(InputError, match=r"none\.toml cannot be read"):
        amplifier.parts()


FAULTS = {
    "supply = [1.0, 5.0]\nswing = [0.0, 0.0]": "has no gain",
    "supply = [1.0, 5.0]\nswing = [0.0, 0.0]\ngain = 1e9": "at most 1e7",
    "supply = [5.0, 1.0]\nswing = [0.0, 0.0]\ngain = 1e5": "the least and the most",
    "supply = [1.0]\nswing = [0.0, 0.0]\ngain = 1e5": "must be two volts",
    "supply = [1.0, 5.0]\nswing = [0.0, inf]\ngain = 1e5": "swing = .* must be finite",
    "supply = [1.0, 5.0]\nswing = [0.0, 0.0]\ngain = true": "gain = True is not possible",
    "supply = [1.0, 5.0]\nswing = [0.0, 0.0]\ngain = 1e5\ncolour = 1": "unknown entry 'colour'",
    "supply = [1.0, 5.0]\nswing = [0.0, 0.0]\ngain = 1e5\nchannels = 0": "from 1 to 64",
    "supply = [1.0, 5.0]\nswing = [0.0, 0.0]\ngain = 1e5\noffset = nan": "offset = nan is not possible",
}


@pytest.mark.parametrize("text", FAULTS)
def test_what_is_no_amplifier_is_refused_with_the_file(text, tmp_path, monkeypatch):
    own = tmp_path / "mine.toml"
    own.write_text(f"[mine]\n{text}\n")
    monkeypatch.setenv("DIODEQ_AMPLIFIERS", str(own))
    with pytest.raises(InputError, match=FAULTS[text]) as refused:
        amplifier.parts()
    assert "mine.toml" in refused.value.problem


def test_supplies_default_to_what_an_amplifier_bears():
    assert amplifier.get("TL074").rail(None) == 12.0
    assert amplifier.get("TLV9064").rail(None) == 2.5
    assert amplifier.get("TLV9064").reach(2.5) == pytest.approx(2.48)
    with pytest.raises(NotRealizableError, match=r"works on 1\.8 to 5\.5 V"):
        amplifier.get("TLV9064").rail(12.0)
    with pytest.raises(NotRealizableError, match="no room"):
        Amplifier("mine", (0.0, 36.0), (2.0, 2.0), 1e5).rail(1.0)


def test_the_command_lists_and_shows_them(cli):
    listed = json.loads(cli("devices", "amplifiers", "--json"))
    assert [part["name"] for part in listed] == NAMES
    assert listed[0]["bandwidth"] is None
    shown = cli("devices", "amplifiers", "OPA4192")
    assert "20 MV/s" in shown
    assert "4 in a package" in shown
    assert math.isclose(json.loads(cli("devices", "amplifiers", "lm358", "--json"))["bias"], 20e-9)
