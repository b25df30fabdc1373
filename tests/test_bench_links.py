"""Links to a bench: what goes through them arrives once and within limits; whatever else comes in is survived."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

import numpy as np
import pytest

from bench_body import SPANS, Noisy, Small, link, served
from diodeq.errors import DiodeqError, InputError, SimulationError, SimulatorMissingError
from diodeq.simulators.bench.links import desk, instrument, opened, wire
from diodeq.simulators.bench.links.spans import Span, Spans

WAYS = ["pty", "tcp", "scpi"]


def worked(body, seed=0):
    """A session: what was read and read back."""
    random, found = np.random.default_rng(seed), []
    for _ in range(3):
        body.set_taps(random.integers(0, 257, 40))
        drives, injections = random.integers(0, 4096, (40, 6)), random.integers(0, 4096, (40, 2))
        found += [body.read(drives, injections), body.taps()[None, :7]]
        found.append(body.read(drives[:1], injections[:1], random.integers(0, 4096, (1, 2))))
        found.append(body.tone(drives[:35], injections[:35], 1_000_007))
        found.append(body.read(drives[:0], injections[:0]))
    body.rest()
    return np.concatenate(found)


@pytest.mark.parametrize("how", WAYS)
def test_the_same_bits_come_through_every_link(how):
    with served(how) as (server, told, said):
        body = opened(link(how, server.where), SPANS)
        found = worked(body)
        assert "small" in body.identity
        body.close()
        assert (told.readings, told.settings) == (228, 3)
        assert told.rests
    np.testing.assert_array_equal(found, worked(Small()))
    assert not said


@pytest.mark.parametrize("how", WAYS)
def test_no_code_goes_beyond_limits_from_either_end(how):
    with served(how) as (server, told, _):
        body = opened(link(how, server.where), SPANS)
        good = np.full((1, 6), 5), np.full((1, 2), 5)
        for drives, injections in [(np.full((1, 6), 4096), good[1]), (good[0], np.full((1, 2), -1))]:
            with pytest.raises(InputError, match="cannot take code"):
                body.read(drives, injections)
        with pytest.raises(InputError, match="tap 3 cannot take code 257"):
            body.set_taps(np.where(np.arange(40) == 3, 257, 0))
        # The other end keeps to them too: a driver without limits gets nowhere.
        free = Span(40, -(2**40), 2**40)
        body._spans = Spans(free, *(Span(n, -(2**40), 2**40, 5) for n in (6, 2, 2, 7)))
        for bad in (np.full((1, 6), 4096), np.full((1, 6), -1), np.full((1, 6), 2**39)):
            with pytest.raises(DiodeqError):
                body.read(bad, good[1])
        body.close()
    assert not told.rows
    assert not told.settings


@pytest.mark.parametrize("how", WAYS)
def test_another_bench_than_described_is_refused(how):
    with served(how) as (server, _, _):
        other = Spans(Span(39, 0, 256), *SPANS.every()[1:])
        with pytest.raises(InputError, match="has 40 taps of codes 0 to 256, and its description 39"):
            opened(link(how, server.where), other)
        with pytest.raises(InputError, match="not 'large'"):
            opened({**link(how, server.where), "identity": "large"}, SPANS)


@pytest.mark.parametrize("how", ["tcp", "scpi"])
def test_a_bench_of_before_tones_is_one_sentence(how, monkeypatch):
    known = desk.COMMANDS if how == "tcp" else instrument._COMMANDS
    for name in [name for name, does in known.items() if does in (desk.Desk.tone, instrument.Instrument.tone)]:
        monkeypatch.delitem(known, name)
    with served(how) as (server, _, said):
        body = opened(link(how, server.where), SPANS)
        with pytest.raises(DiodeqError, match=r"has no tone|Undefined header.*to a tone"):
            body.tone(np.full((1, 6), 5), np.full((1, 2), 5), 1000)
        assert body.read(np.full((1, 6), 5), np.full((1, 2), 5)).shape == (1, 7)
        body.close()
    assert not said


@pytest.mark.parametrize("how", ["pty", "tcp"])
def test_a_bad_cable_costs_time_and_nothing_else(how):
    from diodeq.simulators.bench.links.line import LineBody
    from diodeq.simulators.bench.links.transports import SerialLink, TcpLink, address

    with served(how) as (server, told, _):
        inner = SerialLink(server.where) if how == "pty" else TcpLink(*address(server.where))
        body = LineBody(Noisy(inner, 1), SPANS, patience=0.05, tries=20)
        found = worked(body)
        body.close()
        assert (told.readings, told.settings) == (228, 3), "executed once each"
    np.testing.assert_array_equal(found, worked(Small()))


HOSTILE = [
    b"\x00\xff\xfe\n" * 500,
    b"A" * 100_000,
    b"\n" * 5000,
    b"1 hello 1*00000000\n",
    b"*IDN?;" * 2000 + b"\n",
    b"SOUR:VOLT:CODE 99999999999999999999999,(@1)\nSOUR:VOLT:CODE 4096,(@1:6)\nSOUR:VOLT:CODE 1,(@0)\n"
    b"SOUR:VOLT:CODE 1,(@1:99999999999)\nSOUR:RES:CODE? (@" + b"1:40," * 700 + b"1)\n"
    b"MEAS:VOLT:CODE? (@1)\n*TRG\nSYST:ERR?\n",
    *(
        wire.framed(f"{n} {text}")
        for n, text in enumerate(
            [
                "hello 1", "drive 0 4096", "drive -1 5", "drive 5 1 1", "inject 0 99999999999999999999", "tap 0 257",
                "read 0 1", "read 0 33", "read 0", "read 7 1", "drive 191 1 1",
                "set", "get 40", "get -1", "more 3", "hello 2", "hello", "", "__init__", "hold",
                "drive 0 1.5", "drive 0 1e3", "drive 0 0x10", "drive " + "0 " * 3000,
            ]
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize("how", WAYS)
def test_nothing_that_comes_in_ends_it_or_moves_anything(how):
    with served("tcp" if how == "pty" else how, silence=0.5) as (server, told, said):
        host, _, port = server.where.partition(":")
        for content in HOSTILE:
            with socket.create_connection((host, int(port))) as other:
                other.sendall(content)
                other.settimeout(0.02)
                with suppress(TimeoutError, ConnectionResetError):
                    while other.recv(1 << 16):
                        pass
        with socket.create_connection((host, int(port))) as flood:  # asks, and never reads
            flood.setblocking(False)
            with suppress(OSError):  # thrown out, or full
                for _ in range(2000):
                    flood.send(b"*IDN?\nx\n" * 1000)
                    time.sleep(0.0005)
        assert not told.rows
        assert not told.settings
        time.sleep(0.1)
        other = "tcp" if how == "pty" else how
        body = opened(link(other, server.where), SPANS)
        assert worked(body).shape == worked(Small()).shape
        body.close()
    assert not said


@pytest.mark.parametrize("how", ["tcp", "scpi"])
def test_one_speaks_at_a_time_and_a_silent_one_gives_way(how):
    with served(how, silence=0.4) as (server, told, _):
        host, _, port = server.where.partition(":")
        with socket.create_connection((host, int(port))) as first:
            first.sendall(b"*IDN?\n")
            first.recv(100)
            with pytest.raises(SimulatorMissingError):
                opened({**link(how, server.where), "patience": 0.2}, SPANS)
            time.sleep(0.5)
            body = opened(link(how, server.where), SPANS)
            worked(body)
            body.close()
    assert told.readings == 228


@pytest.mark.parametrize("how", WAYS)
def test_where_nobody_speaks_the_bench_rests_and_forgets(how):
    with served(how, silence=0.15) as (server, told, _):
        body = opened(link(how, server.where), SPANS)
        row = np.full((1, 6), 3000), np.full((1, 2), 2048)
        first = body.read(*row)
        before = told.rests
        time.sleep(0.6)
        assert told.rests == before + 1, "once, by itself"
        body.set_taps(np.full(40, 9))
        assert first.shape == body.read(*row).shape
        assert (told.codes == 9).all()
        body.close()


@pytest.mark.parametrize("how", WAYS)
def test_what_goes_wrong_in_the_bench_is_said_at_this_end(how):
    with served(how) as (server, told, _):
        body = opened(link(how, server.where), SPANS)
        told.broken = "the pump of output 1 is at its compliance"
        with pytest.raises(SimulationError, match="compliance"):
            body.read(np.full((1, 6), 3000), np.full((1, 2), 2048))
        told.broken = ""
        assert body.read(np.full((1, 6), 3000), np.full((1, 2), 2048)).shape == (1, 7)
        body.close()


@pytest.mark.parametrize("how", WAYS)
def test_a_bench_that_goes_away_is_one_sentence(how):
    with served(how) as (server, _, _):
        body = opened({**link(how, server.where), "patience": 0.3}, SPANS)
        worked(body)
    with pytest.raises(SimulatorMissingError, match=r"check cable"):
        worked(body)
    body.close()
    with pytest.raises(SimulatorMissingError, match=r"check cable"):
        opened(link(how, server.where), SPANS)


def test_a_port_that_answers_with_something_else_is_no_bench():
    with served("scpi") as (server, _, _), pytest.raises(SimulatorMissingError, match="does not answer hello"):
        opened({"kind": "tcp", "address": server.where, "patience": 0.1}, SPANS)


@pytest.mark.parametrize("way", ["tcp", "scpi"])
def test_an_answer_that_does_not_end_is_one_sentence(way):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def shout():
            with suppress(OSError), listener.accept()[0] as other:
                while True:
                    other.sendall(b"x" * (1 << 16))

        thread = threading.Thread(target=shout)
        thread.start()
        port = listener.getsockname()[1]
        entries = {"tcp": {"address": f"127.0.0.1:{port}"}, "scpi": {"resource": f"TCPIP::127.0.0.1::{port}::SOCKET"}}
        with pytest.raises(SimulatorMissingError, match=r"does not (end|answer)"):
            opened({"kind": way, "patience": 0.1, **entries[way]}, SPANS)
        thread.join()
