"""Benches of instruments and of Linux's converters: dialogues in the instruments' own words, files in a folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from diodeq.errors import InputError, SimulationError, SimulatorMissingError
from diodeq.simulators.bench.links import checked, opened
from diodeq.simulators.bench.links.spans import Span, Spans

SPANS = Spans(Span(2, 0, 256), Span(3, -2048, 2047), Span(1, -100, 100), Span(0, 0, 0), Span(2, -500, 499))

# A supply that is told volts one channel at a time, and a meter behind a multiplexer that is asked for a list.
SUPPLY = """
spec: "1.1"
devices:
  supply:
    eom: {{GPIB INSTR: {{q: "\\n", r: "\\n"}}}}
    error: '-100,"Command error"'
    dialogues:
      - {{q: "*IDN?", r: "Maker,PSU3,7,1.0"}}
      - {{q: "SYST:ERR?", r: '+0,"No error"'}}
      - {{q: "SOUR:CURR 0.000e+00,(@1)"}}
      - {{q: "SOUR:CURR 2.500e-05,(@1)"}}
      - {{q: "SENS:TAP? 5", r: "200"}}
      - {{q: "SENS:TAP? 6", r: "7"}}
      - {{q: "OUTP OFF"}}
{dialogues}
  meter:
    eom: {{GPIB INSTR: {{q: "\\n", r: "\\n"}}}}
    error: ERROR
    dialogues:
      - {{q: "SYST:ERR?", r: "0"}}
      - {{q: "SENS:LOCK 12.5"}}
      - {{q: "MEAS:VOLT:DC? (@101,103)", r: "{readings}"}}
resources:
  GPIB::1::INSTR: {{device: supply}}
  GPIB::2::INSTR: {{device: meter}}
"""
LINK = {
    "kind": "scpi",
    "resource": "GPIB::1::INSTR",
    "rest": ["OUTP OFF"],
    "taps": {"set": "SOUR:TAP{channel} {code}", "get": "SENS:TAP? {channel}", "channels": [5, 6]},
    "drives": {"set": "APPL CH{channel},{value:.3f}", "step": 0.002},
    "injections": {"set": "SOUR:CURR {value:.3e},{list}", "step": 5e-7},
    "reads": {"get": "MEAS:VOLT:DC? {list}", "channels": [101, 103], "step": 0.01, "resource": "GPIB::2::INSTR"},
}
ALLOWED = ["SOUR:TAP5 200", "SOUR:TAP6 7", *(f"APPL CH{n},{volts}" for n in (1, 2, 3) for volts in ("0.000", "-1.500"))]


def instruments(folder, readings="+1.004E+00,-9.8E+01", allowed=ALLOWED, **more):
    lines = "\n".join(f'      - {{q: "{each}"}}' for each in allowed)
    path = folder / "instruments.yaml"
    path.write_text(SUPPLY.format(readings=readings, dialogues=lines))
    return opened({**LINK, "backend": f"{path}@sim", "patience": 0.3, **more}, SPANS)


def test_instruments_are_told_in_their_own_words(tmp_path):
    bench = instruments(tmp_path)
    assert bench.identity == "Maker,PSU3,7,1.0"
    bench.set_taps(np.array([200, 7]))
    assert bench.taps().tolist() == [200, 7]
    found = bench.read(np.full((2, 3), -750), np.array([[0], [50]]))
    assert found.tolist() == [[100, -500]] * 2, "volts over the step, and no further than the converter reaches"
    with pytest.raises(
        InputError, match=r"GPIB::1::INSTR has no tone to lock in on; give link.reads a command for tone"
    ):
        bench.tone(np.full((2, 3), -750), np.array([[0], [50]]), 12500)
    bench.close()
    reads = {**LINK["reads"], "tone": "SENS:LOCK {hertz}"}
    bench = instruments(tmp_path, reads=reads)
    assert bench.tone(np.full((2, 3), -750), np.array([[0], [50]]), 12500).tolist() == found.tolist()
    with pytest.raises(SimulationError, match=r"to a tone|SENS:LOCK"):
        instruments(tmp_path, reads={**reads, "tone": "SENS:LOCK {millihertz}"}).tone(
            np.full((1, 3), -750), np.array([[50]]), 12500
        )
    bench.close()


@pytest.mark.parametrize(
    ("more", "error", "words"),
    [
        ({"allowed": ALLOWED[:1]}, SimulationError, "says '-100,.*to drives"),
        ({"readings": "9.91E37,1"}, SimulationError, "answers 'MEAS:VOLT:DC"),
        ({"readings": "1"}, SimulationError, "answers 'MEAS:VOLT:DC"),
        ({"readings": "one,two"}, SimulationError, "answers 'MEAS:VOLT:DC"),
        ({"identity": "PSU4"}, InputError, "is 'Maker,PSU3,7,1.0', not 'PSU4'"),
        ({"resource": "GPIB::9::INSTR"}, SimulatorMissingError, "GPIB::9::INSTR cannot be spoken to"),
        ({"resource": "nothing"}, SimulatorMissingError, "nothing cannot be spoken to"),
    ],
)
def test_an_instrument_that_will_not_is_one_sentence(tmp_path, more, error, words):
    def work():
        bench = instruments(tmp_path, **more)
        bench.set_taps(np.array([200, 7]))
        bench.read(np.full((1, 3), -750), np.array([[50]]))

    with pytest.raises(error, match=words):
        work()


def test_without_the_back_end_the_remedy_is_said(monkeypatch):
    for name in ("pyvisa", "serial"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(SimulatorMissingError, match=r"pyvisa is not installed; pip install 'diodeq\[bench\]'"):
        opened(LINK, SPANS)
    with pytest.raises(SimulatorMissingError, match=r"pyserial is not installed; pip install 'diodeq\[bench\]'"):
        opened({"kind": "serial", "port": "/dev/null"}, SPANS)


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ({"kind": "usb"}, "link.kind is 'usb'; write one of serial, tcp, scpi, iio"),
        ({"kind": "serial"}, "link has no entry port"),
        ({"kind": "serial", "prot": "x"}, "no entry link.prot; did you mean port"),
        ({"kind": "serial", "port": 3}, "link.port = 3 is no text"),
        ({"kind": "serial", "port": "x", "baud": -1}, "link.baud = -1 is not possible"),
        ({"kind": "scpi", "resource": "x", "drives": 3}, "link.drives = 3 is no table"),
        ({"kind": "scpi", "resource": "x", "rest": [1]}, "link.rest is no list of texts"),
        ({"kind": "iio", "taps": "x"}, "link.taps = 'x' is no list"),
    ],
)
def test_entries_of_a_link_are_checked(link, words):
    with pytest.raises(InputError, match=words):
        checked(link)


@pytest.mark.parametrize(
    ("sort", "entries", "words"),
    [
        ("drives", {"set": "x", "channels": [1, 2]}, "link.drives.channels does not name 3 channels"),
        ("drives", {"set": "x", "step": 0.0}, "step is 0"),
        ("drives", {"get": "x"}, "link.drives has no command"),
        ("drives", {"set": "x", "stepp": 2}, "no entry link.drives.stepp; did you mean step"),
        ("drives", {}, "none for drives"),
    ],
)
def test_commands_of_a_link_are_checked(sort, entries, words):
    with pytest.raises(InputError, match=words):
        opened({**LINK, sort: entries}, SPANS)


# --- Linux -----------------------------------------------------------------------------------------------------------


def board(folder):
    """A folder as the drivers of an MCP4251, a converter to volts and one from volts make it."""
    names = {
        "iio:device0": ["out_resistance0_raw", "out_resistance1_raw", "name"],
        "iio:device1": [f"out_voltage{k}_raw" for k in range(4)],
        "iio:device2": ["in_voltage0_raw", "in_voltage1_raw"],
    }
    for device, files in names.items():
        (folder / device).mkdir()
        for name in files:
            (folder / device / name).write_text("mcp4251\n" if name == "name" else "12\n")
    return {
        "kind": "iio",
        "root": str(folder),
        "taps": ["iio:device0/out_resistance{0..1}_raw"],
        "drives": ["iio:device1/out_voltage{0..2}_raw"],
        "injections": ["iio:device1/out_voltage3_raw"],
        "reads": ["iio:device2/in_voltage{0..1}_raw"],
    }


def test_a_board_under_linux_is_its_files(tmp_path):
    bench = opened(board(tmp_path), SPANS)
    assert bench.identity.endswith("mcp4251 iio:device1 iio:device2")
    assert bench.taps().tolist() == [12, 12]
    bench.set_taps(np.array([256, 3]))
    assert (tmp_path / "iio:device0/out_resistance0_raw").read_text() == "256\n"
    (tmp_path / "iio:device2/in_voltage1_raw").write_text("-32768\n")
    assert bench.read(np.array([[1, 2, 3]]), np.array([[-4]])).tolist() == [[12, -500]]
    with pytest.raises(InputError, match="has no tone to lock in on; leave lock-in out"):
        bench.tone(np.array([[1, 2, 3]]), np.array([[-4]]), 1000)
    for k in range(4):
        assert (tmp_path / f"iio:device1/out_voltage{k}_raw").read_text() == "0\n", "at rest afterwards"
    with pytest.raises(InputError, match="cannot hold"):
        bench.read(np.array([[1, 2, 3]]), np.array([[-4]]), np.zeros((1, 0), np.int64))
    with pytest.raises(InputError, match="drive 2 cannot take code 2048"):
        bench.read(np.array([[1, 2, 2048]]), np.array([[-4]]))


def test_drives_are_at_rest_when_a_file_goes_in_the_middle(tmp_path):
    bench = opened(board(tmp_path), SPANS)
    (tmp_path / "iio:device2/in_voltage1_raw").unlink()
    with pytest.raises(SimulatorMissingError, match="in_voltage1_raw cannot be used: No such file"):
        bench.read(np.array([[1, 2, 3]]), np.array([[-4]]))
    assert (tmp_path / "iio:device1/out_voltage0_raw").read_text() == "0\n"


@pytest.mark.parametrize(
    ("sort", "names", "error", "words"),
    [
        ("reads", ["iio:device2/in_voltage0_raw"], InputError, "names 1 files of reads, and the bench has 2"),
        ("injections", ["../other"], InputError, "is no channel"),
        ("injections", ["/etc/passwd"], InputError, "is no channel"),
        ("injections", ["iio:device1/out_voltage9_raw"], SimulatorMissingError, "there is no"),
        ("reads", ["iio:device2/in_text_raw"] * 2, SimulatorMissingError, "holds no whole number"),
    ],
)
def test_files_that_are_none_are_one_sentence(tmp_path, sort, names, error, words):
    link = board(tmp_path)
    (tmp_path / "iio:device2/in_text_raw").write_text("mcp4251\n")
    with pytest.raises(error, match=words):
        opened({**link, sort: names}, SPANS)


def test_drives_are_dropped_when_the_process_is_killed(tmp_path):
    """Nobody else would: a converter keeps its code."""
    link, drive = board(tmp_path), tmp_path / "iio:device1/out_voltage0_raw"
    said = [[each.count, each.low, each.high, each.rest] for each in SPANS.every()]
    program = f"""
import os, signal
from diodeq.simulators.bench.links import connect
from diodeq.simulators.bench.links.spans import Span, Spans
bench = connect({link!r}, Spans(*(Span(*each) for each in {said!r})))
import numpy
bench._body._put("drives", numpy.array([1, 2, 3]))
os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode == -signal.SIGKILL
    for _ in range(400):
        if drive.read_text() == "0\n":
            break
        assert drive.read_text() in ("1\n", "")
        time.sleep(0.05)
    assert drive.read_text() == "0\n"
