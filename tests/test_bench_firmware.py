"""The reference firmware, compiled as for the board and run by simavr with the chips on its buses simulated."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import diodeq
from bench_body import Noisy
from diodeq.errors import InputError, SimulationError
from diodeq.simulators.bench.channels import Channels
from diodeq.simulators.bench.describing import read
from diodeq.simulators.bench.links import opened, wire
from diodeq.simulators.bench.links.line import LineBody
from diodeq.simulators.bench.links.spans import Span, Spans
from diodeq.simulators.bench.links.transports import SerialLink

FIRMWARE = Path(__file__).parent.parent / "scripts" / "firmware"
SPANS = Spans(
    Span(32, 0, 256), Span(4, -2048, 2047), Span(2, -2048, 2047), Span(2, -99, 99), Span(8, -16384, 16383)
)  # fmt: skip
NEEDED = [shutil.which(name) for name in ("avr-gcc", "make", "cc")]
pytestmark = pytest.mark.skipif(
    not all(NEEDED) or not Path("/usr/include/simavr/sim_avr.h").exists(),
    reason="needs Debian's gcc-avr, avr-libc, libsimavr-dev and make",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("firmware")
    words = ["make", "-s", "-C", str(FIRMWARE), f"OUT={folder}", "DEFINES=-DSILENCE_MS=400U", "simulated"]
    subprocess.run(words, check=True, capture_output=True, timeout=300)
    return folder


@contextmanager
def running(built, *without):
    """The name of its serial line, and what its converters to volts were told, which is complete at the end."""
    words = [str(built / "simulated"), str(built / "bench.elf"), *without]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        told: list[list[int]] = []
        try:
            yield process.stdout.readline().strip(), told
        finally:
            process.kill()
            told += [list(map(int, line.split())) for line in process.stdout.read().splitlines()]


def expected(taps, drives, injections):
    """What the simulated board reads."""
    whole = int(np.concatenate([drives, injections]) @ np.arange(1, 7)) + int(taps @ np.arange(32))
    return [-4500 + (int(np.fmod(whole * (k + 3), 9001)) + 9001) % 9001 for k in range(8)]


def worked(body):
    random = np.random.default_rng(3)
    for _ in range(2):
        taps = random.integers(0, 257, 32)
        body.set_taps(taps)
        np.testing.assert_array_equal(body.taps(), taps)
        drives, injections = random.integers(-2048, 2048, (3, 4)), random.integers(-2048, 2048, (3, 2))
        wanted = [expected(taps, *row) for row in zip(drives, injections, strict=True)]
        np.testing.assert_array_equal(body.read(drives, injections), wanted)


def test_the_firmware_does_what_it_is_told(built):
    with running(built) as (port, told):
        body = opened({"kind": "serial", "port": port}, SPANS)
        assert body.identity == "atmega328 mcp4251 mcp4822 ads1115"
        assert body.taps().tolist() == [128] * 32, "as the potentiometers wake up"
        worked(body)
        with pytest.raises(InputError, match="cannot hold"):
            body.read(np.zeros((1, 4), int), np.zeros((1, 2), int), np.zeros((1, 0), int))
        body.close()
    assert told[0] == told[-1] == [2048] * 6
    assert len(told) == 13, "each reading drives once, and rests"


def test_the_firmware_on_a_bad_cable_does_nothing_twice(built):
    with running(built) as (port, told):
        body = LineBody(Noisy(SerialLink(port), 5), SPANS, patience=0.1, tries=20)
        worked(body)
        body.close()
    assert len(told) == 13


HOSTILE = [
    "drive 0 2048", "drive 3 0 0", "drive -1 0", "inject 0 -2049", "inject 0 99999999999", "tap 0 257", "tap 32 0",
    "tap 0 -1", "tap", "hold 0 1", "read 0 1", "read 1 1", "read 0 2", "read 0", "read",
    "get 32", "more 8", "set 1", "hello", "hello 2", "",
    "__init__", "drive 0 1e3", "drive 0 0x1",
]  # fmt: skip


def test_nothing_moves_the_firmware_out_of_its_limits(built):
    with running(built) as (port, told):
        link = SerialLink(port)

        def asked(line):
            link.write(line)
            return wire.unframed(link.line(time.monotonic() + 2.0) or b"")

        assert asked(wire.framed("7 ping")) == "7 no session"
        assert asked(wire.framed("7 hello 1")).startswith("7 ok diodeq-bench 1 128 400 1 32 4 2 0 8 ")
        for number, text in enumerate(HOSTILE, 8):
            assert asked(wire.framed(f"{number} {text}")).startswith(f"{number} no "), text
        assert asked(wire.framed(f"{7 + len(HOSTILE)} ping")) == f"{7 + len(HOSTILE)} no sequence"
        for garbage in (
            b"\xff\x00\n",
            b"x" * 1000 + b"\n",
            b"8 hello 1*00000000\n",
            b"*\n",
            b"65536 hello 1*68c5b3a7\n",
        ):
            assert asked(garbage).startswith("? no ")
        assert asked(wire.framed("99999 hello 1")) == "? no command"
        assert asked(wire.framed("9 hello 1")).startswith("9 ok")
        assert asked(wire.framed("10 get 0")).split()[2:6] == ["128"] * 4
        link.close()
    assert told == [[2048] * 6]


def test_the_firmware_rests_and_forgets_where_nobody_speaks(built):
    with running(built) as (port, told):
        body = opened({"kind": "serial", "port": port}, SPANS)
        for command in ("drive 0 5 5 5 5", "inject 0 9 9"):
            body._ask(command)
        time.sleep(0.8)
        assert body._ask("read 0 1", refusals=True)[:2] == ["no", "staged"]
        worked(body)
        body.close()
    assert told[-1] == [2048] * 6


def test_chips_that_are_absent_are_said_and_drives_are_dropped(built):
    with running(built, "no-adc") as (port, told):
        body = opened({"kind": "serial", "port": port}, SPANS)
        with pytest.raises(SimulationError, match="the converter does not answer for channel 0"):
            body.read(np.full((1, 4), 100), np.zeros((1, 2), int))
        body.close()
    assert told[-2:] == [[2148] * 4 + [2048] * 2, [2048] * 6]
    with running(built, "no-pots") as (port, _), pytest.raises(SimulationError, match="does not tell tap 0"):
        opened({"kind": "serial", "port": port}, SPANS)


def test_the_guide_describes_the_firmware():
    guide = (Path(diodeq.__file__).parent / "guide" / "instruments.md").read_text()
    text = re.findall(r"^```toml\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)[-1]
    none = np.arange(0)
    at = Channels(diodeq.layered((4, 3, 2)), read(text.encode(), "guide"), none, none, none).spans
    for ours, theirs in zip(at.every(), SPANS.every(), strict=True):
        assert theirs == SPANS.holds or (ours.low, ours.high, ours.rest) == (theirs.low, theirs.high, theirs.rest)
