"""Vendors' files in the manners of public ones: what is read has ngspice's forward voltages, the rest is said."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from decks import run_ngspice
from diodeq.cli.main import main
from diodeq.devices import catalogue
from diodeq.devices.one_ports import one_ports, voltages_at
from diodeq.devices.vendor.file import read_parts
from diodeq.errors import InputError, UsageError
from diodeq.simulators.ngspice import NgspiceSimulator
from vendor_files import DD, FILES, P, VendorFile

CURRENTS = (1e-6, 1e-3, 1e-2)
TIGHT = ".options reltol=1e-9 vntol=1e-12 abstol=1e-18 gmin=1e-12\n.op\n.end\n"


def in_ngspice(given: VendorFile, folder: Path) -> dict[str, list[float]]:
    lines = []
    for k, call in enumerate(given.calls.values()):
        for j, current in enumerate(CURRENTS):
            letter, *rest = call.split()
            nodes = [f"a{k}_{j}" if word == "+" else word for word in rest]
            lines.append(f"{letter}{k}_{j} {' '.join(nodes)}\ni{k}_{j} 0 a{k}_{j} {current!r}\n")
    found = run_ngspice(f"forward\n{given.asked or given.text}{''.join(lines)}{TIGHT}", folder)
    return {name: [found[f"a{k}_{j}"] for j in range(len(CURRENTS))] for k, name in enumerate(given.calls)}


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue of one's own that is still to be made."""
    monkeypatch.setenv("DIODEQ_DEVICES", str(tmp_path / "own.toml"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "own.toml"


# ngspice 44 takes the A behind an exponent for atto, and bounds M and ISR otherwise.
OF_39 = frozenset(["an exponent and a unit", "M above 0.9"])


@pytest.mark.parametrize("name", FILES)
def test_forward_voltages_are_ngspices(name: str, tmp_path: Path, ngspice: NgspiceSimulator) -> None:
    if name in OF_39 and not ngspice.version.startswith("ngspice-39"):
        pytest.skip("ngspice 39 reads it so, later versions do not")
    given = FILES[name]
    path = tmp_path / "file.lib"
    path.write_bytes(given.text.encode())
    found = read_parts(path)
    wanted = in_ngspice(given, tmp_path)
    models = [part.model for part in found.parts]
    assert set(wanted) <= {model.name for model in models}
    volts = voltages_at(one_ports(models, np.arange(len(models)), 27.0), CURRENTS)
    for model, row in zip(models, volts.tolist(), strict=True):
        if model.name in wanted:
            assert row == pytest.approx(wanted[model.name], abs=1e-6), model.name
    assert len(found.skipped) == len(given.said)
    for phrase, piece in zip(found.skipped, given.said, strict=True):
        assert piece in phrase
    if given.said:
        with pytest.raises(InputError):
            read_parts(path, strict=True)
    else:
        assert read_parts(path, strict=True) == found


def test_there_are_enough() -> None:
    assert len(FILES) >= 60


def said(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    assert main(["devices", "import", *words, "--json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_a_part_that_is_known_is_skipped_unless_it_is_to_replace(
    user: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("x.lib").write_text(P + ".model bat54 D(IS=1u)\n")
    found = said(capsys, "x.lib")
    assert [part["name"] for part in found["parts"]] == ["P1"]
    assert found["known"] == ["line 2: bat54"]
    assert catalogue.get("bat54").get("is") == 1e-7
    before = user.read_bytes()
    assert main(["devices", "import", "x.lib"]) == 0
    assert user.read_bytes() == before
    assert "--replace" in capsys.readouterr().err
    found = said(capsys, "x.lib", "--replace")
    assert [part["name"] for part in found["parts"]] == ["P1", "bat54"]
    assert catalogue.get("bat54").get("is") == 1e-6


def test_only_reads_what_it_names(capsys: pytest.CaptureFixture[str]) -> None:
    text = f"{P}.model P2 D(IS=4k7)\nprose\n.subckt DUAL 1 2 3\nD1 1 3 dd\nD2 2 3 dd\n.ends\n{DD}"
    Path("x.lib").write_text(text)
    assert [part.model.name for part in read_parts(Path("x.lib"), ["p1"], strict=True).parts] == ["P1"]
    assert [part.model.name for part in read_parts(Path("x.lib"), ["dual"]).parts] == ["DUAL_1_3", "DUAL_2_3"]
    assert [part.model.name for part in read_parts(Path("x.lib"), ["DUAL_2_3"]).parts] == ["DUAL_2_3"]
    with pytest.raises(InputError, match="line 2: '4k7'"):
        read_parts(Path("x.lib"), ["P2"])
    with pytest.raises(UsageError, match="no part called 'P3'"):
        read_parts(Path("x.lib"), ["P1", "P3"])


def test_pins_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.lib").write_text(f".subckt S1 K A\nD1 A K dd\n.ends\n{DD}")
    assert main(["devices", "import", "x.lib", "--only", "S1"]) == 0
    assert "pins a to k, its first pin is the cathode" in capsys.readouterr().out
    (part,) = said(capsys, "x.lib", "--only", "S1", "--replace")["parts"]
    assert (part["pins"], part["first_pin"]) == ({"anode": "a", "cathode": "k"}, "cathode")


def test_a_model_of_the_catalogue_in_a_file_is_said() -> None:
    Path("x.lib").write_text(".subckt S1 1 2\nD1 1 2 BAT54\n.ends\n")
    (part,) = read_parts(Path("x.lib")).parts
    assert part.ignored == ("the file has no BAT54, and the catalogue's is taken",)
    Path("x.lib").write_text(".subckt S1 1 2\nD1 1 2 BAT54\n.ends\n.model BAT54 D(IS=4k7)\n")
    with pytest.raises(InputError, match="'4k7'"):
        read_parts(Path("x.lib"))


def test_two_thousand_models_at_once(user: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cards = (
        f".model P{k} D(IS={1e-12 * (k + 1):g} N=1.{k % 90 + 10} RS=.{k % 8 + 1} BV={k + 5})\n" for k in range(2000)
    )
    Path("x.lib").write_text("".join(cards))
    began = time.process_time()
    assert len(said(capsys, "x.lib")["parts"]) == 2000
    assert time.process_time() - began < 5.0
    assert len(catalogue.read(user)) == 2000
