"""``diodeq report``: the page says what the run's circuit does, opens without a network, and repeats the run."""

from __future__ import annotations

import contextlib
import hashlib
import html
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from diodeq import processors
from diodeq.analysis.conduction import conducting
from diodeq.circuit import Circuit
from diodeq.circuit.power import dissipation
from diodeq.cli.main import main
from diodeq.cli.reproduce import command
from diodeq.devices.diode.law import law
from diodeq.learning.checkpoint import read_document
from diodeq.learning.experiment import Experiment, beginning, stored
from diodeq.learning.recipes import recipe_for
from diodeq.report import run_report
from diodeq.report.page import Code, Fact, PageSection, PageTable, Picture, render
from diodeq.simulators import create
from diodeq.simulators.selftest import one_diode

REFERENCE = Path(__file__).parent.parent / "scripts" / "reference"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MEGABYTES = 2_000_000


def diodeq(capsys, *arguments):
    """(exit code, stdout, stderr) of a command."""
    code = main([str(argument) for argument in arguments])
    return code, *capsys.readouterr()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short run on digits, its options far from the defaults."""
    path = tmp_path_factory.mktemp("runs") / "digits run"
    options = ["--hidden", "12,6", "--lateral", "--epochs", "2", "--supply", "7.5", "--seed", "3", "--rate", "0.07"]
    options += ["--conductances", "2e-7", "0.005", "--diode", "BAT54", "--simulator", "wave"]
    assert main(["train", "digits", "--out", str(path), *options]) == 0
    return path


@pytest.fixture(scope="module")
def little(tmp_path_factory):
    """A run whose page is soon drawn."""
    path = tmp_path_factory.mktemp("runs") / "little"
    assert main(["train", "xor", "--out", str(path), "--hidden", "2", "--epochs", "1", "--simulator", "wave"]) == 0
    return path


@pytest.fixture(scope="module")
def reported(run):
    """(the page, the JSON document) of that run."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main(["report", str(run), "--json"]) == 0
    return (run / "report.html").read_text(), json.loads(out.getvalue())


class Reader(HTMLParser):
    """Collects tags, their attributes and the text, and demands that tags are closed in order."""

    VOID = frozenset(("meta", "link", "br", "img"))

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_page_is_whole_and_needs_nothing_from_elsewhere(reported):
    page, document = reported
    read = Reader(page)
    assert document["bytes"] == len(page.encode()) < MEGABYTES
    assert not {tag for tag, _ in read.tags} & {"script", "iframe", "object", "embed", "base"}
    for tag, attributes in read.tags:
        for name, value in attributes.items():
            if name in ("src", "href", "xlink:href"):
                assert value.startswith(("#", "data:")), (tag, name, value)
            assert not name.startswith("on"), (tag, name)
    assert not re.search(r"url\((?!#)|@import|https?://(?!www\.w3\.org/)", page)
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:url\(|href=")#([\w-]+)', page)) <= set(ids)
    assert read.text.count("Figure ") == sum(tag == "figcaption" for tag, _ in read.tags) - read.text.count("Table ")


def test_the_page_says_what_the_circuit_does(run, reported):
    page, document = reported
    text, summary = Reader(page).text, json.loads((run / "summary.json").read_text())
    data, _ = beginning(run)
    circuit = Circuit.load(run / "circuit.npz")
    with create("wave") as engine:
        point = engine.operate(circuit, circuit.scaling.to_volts(data.x_test))
    decided = point.outputs.argmax(axis=1)
    confusion = np.array(document["confusion"])
    assert confusion.sum() == len(decided) == 450
    for k in range(10):
        assert np.array_equal(confusion[k], np.bincount(decided[data.y_test == k], minlength=10))
    assert document["test_accuracy"] == summary["test_accuracy"] == np.mean(decided == data.y_test)
    assert f"{100 * summary['test_accuracy']:.2f} %" in text
    assert 0 < document["gradient_error"] < 1e-6
    for wanted in (
        "BAT54",
        "never conduct",
        "lower bound of 200\N{NO-BREAK SPACE}nS",
        "wave (numpy",
        processors.named(summary["blas"]),
        "within hidden 2",
    ):
        assert wanted in text, wanted
    assert [set(each) for each in summary["blas"]][:1] == [{"internal_api", "version", "architecture"}]
    netlist = (run / "netlist.cir").read_bytes()
    assert re.search(rb"circuit sha256 (\w+)", netlist)[1].decode() in text
    assert hashlib.sha256(netlist).hexdigest() in text
    assert read_document(run / "checkpoint.npz")["data_digest"] in text


@pytest.mark.parametrize("blas", [None, [], "x", [3], [{"internal_api": 3}], [["openblas"]], {"a": "b"}])
def test_a_kernel_that_is_none_is_not_recorded(blas):
    assert run_report._kernels(blas) == "not recorded"


def test_no_caption_depends_on_the_theme(reported, compiled):
    """A darker cell of the light theme is a brighter one of the dark."""
    for page in (reported[0], compiled[0].read_text()):
        for caption in re.findall(r"<figcaption>.*?</figcaption>", page, re.DOTALL):
            assert not re.search(r"dark|bright|light|black|white", caption, re.IGNORECASE), caption


def test_power_is_what_the_sources_deliver(run):
    """Tellegen: Σ v·i of resistors and diodes equals what the sources, judged by their own nodes alone, supply."""
    data, _ = beginning(run)
    circuit = Circuit.load(run / "circuit.npz")
    with create("wave") as engine:
        point = engine.operate(circuit, circuit.scaling.to_volts(data.x_test[:20]))
    volts = point.node_voltages
    ends = circuit.resistors.terminals
    through = (volts[:, ends[:, 0]] - volts[:, ends[:, 1]]) * circuit.conductances
    delivered = np.zeros(len(volts))
    for node in circuit.voltage_sources.terminals[:, 0]:
        leaving = through[:, ends[:, 0] == node].sum(axis=1) - through[:, ends[:, 1] == node].sum(axis=1)
        delivered += volts[:, node] * leaving
    shares = dissipation(point.circuit, point.node_voltages)
    assert {share.label for share in shares if share.kind == "diodes"} == {"hidden 1", "hidden 2"}
    assert all(np.all(share.watts > 0) for share in shares)
    assert np.allclose(sum(share.watts for share in shares), delivered, rtol=1e-9)


def test_one_diode_conducts_and_heats_as_its_law_says():
    circuit = one_diode()
    with create("wave") as engine:
        point = engine.operate(circuit, np.array([[1.0], [-1.0]]))
    assert conducting(point).tolist() == [[True], [False]]
    resistor, diode = (share.watts[0] for share in dissipation(point.circuit, point.node_voltages))
    volts = point.outputs[0, 0]
    assert resistor == pytest.approx((1.0 - volts) ** 2 * 1e-3)
    assert diode == pytest.approx(volts * float(law(circuit.models[0]).current(volts)))
    dropped = replace(circuit, diodes=replace(circuit.diodes, terminals=circuit.diodes.terminals[:, ::-1]))
    with create("wave") as engine:
        assert conducting(engine.operate(dropped, np.array([[1.0], [-1.0]]))).tolist() == [[False], [True]]


def test_the_command_repeats_the_run(run, reported, tmp_path):
    words = shlex.split(reported[1]["command"])
    assert words[:5] == ["diodeq", "train", "digits", "--out", "digits run-again"]
    assert reported[1]["command"] in Reader(reported[0]).text
    words[4] = str(tmp_path / "again")
    assert main(words[1:]) == 0
    assert stored(tmp_path / "again") == stored(run)
    assert (tmp_path / "again" / "netlist.cir").read_bytes() == (run / "netlist.cir").read_bytes()


def test_the_command_spells_what_differs_and_admits_what_it_cannot():
    usual = recipe_for("iris")
    assert command(Experiment("iris", usual), "run") == ("diodeq train iris --out run", ())
    odd = replace(usual, spread=0.5, batch_size=7, hidden=(4,))
    line, unset = command(Experiment("iris", odd, diode="1N5819"), "run")
    assert line == "diodeq train iris --out run --diode 1N5819 --hidden 4 --batch-size 7"
    assert unset == ("spread",)
    tuned = command(Experiment("iris", usual, start="my circuit.npz"), "run")[0]
    assert "--from 'my circuit.npz'" in tuned
    assert f"--rate {usual.rate!r}" in tuned
    assert "--hidden" not in tuned


def test_the_circuit_before_training_is_the_one_training_began_with(little, tmp_path, capsys):
    _, initial = beginning(little)
    trained = Circuit.load(little / "circuit.npz")
    assert np.array_equal(initial.resistors.terminals, trained.resistors.terminals)
    assert not np.array_equal(initial.conductances, trained.conductances)
    start, out = tmp_path / "start.npz", tmp_path / "tuned"
    initial.save(start)
    options = ["--epochs", "1", "--simulator", "wave"]
    assert main(["train", "xor", "--from", str(start), "--out", str(out), *options]) == 0
    assert beginning(out)[1] is not None
    trained.save(start)
    assert beginning(out)[1] is None
    assert diodeq(capsys, "report", out)[0] == 0
    assert "has changed or gone" in (out / "report.html").read_text()


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """(the page of a compiled circuit, the arguments that were reported)."""
    folder = tmp_path_factory.mktemp("compiled")
    rows = (REFERENCE / "digits-test.csv").read_text().splitlines()
    (folder / "X.csv").write_text("\n".join(rows[:40]) + "\n")
    weights, circuit, page = REFERENCE / "digits-mlp.npz", folder / "mlp.npz", folder / "page.html"
    assert main(["compile", str(weights), "-o", str(circuit), "--diode", "1N4148"]) == 0
    given = [circuit, "--weights", weights, "--inputs", folder / "X.csv", "--labelled", "--simulator", "wave"]
    assert main(["report", *map(str, given), "-o", str(page)]) == 0
    return page, given


def test_a_compiled_circuit_is_reported_too(compiled, capsys):
    page = compiled[0].read_text()
    text = Reader(page).text
    assert len(page.encode()) < MEGABYTES
    _, out, _ = diodeq(capsys, "verify", *compiled[1], "--json")
    found = json.loads(out)
    for stage in found["stages"]:
        for entry in stage.values():
            assert f"{entry['rms']:.1e}" in text
    assert f"{100 * found['accuracy']['device']:.2f} %" in text
    assert "unique operating point" in text.lower()
    begun = text.index("Feasibility: ±")
    assert begun < text.index("Circuit against network")
    assert "no bound known, as it has" in text[begun : begun + 400]


def test_the_command_of_a_circuit_writes_its_page_again(tmp_path):
    """As a reader would: the text of the page's code block, to a shell, in the folder of the first command."""
    folder, data = tmp_path / "a b", tmp_path / "data"
    folder.mkdir()
    data.mkdir()
    (data / "some rows & more.csv").write_text("x0,x1,label\n1,0,0\n0,1,1\n1,1,0\n")
    first = {"U0": np.array([[1.0, -2.0], [0.5, 1.0], [-1.0, 1.0]]), "b0": np.zeros(3), "activation0": "relu"}
    second = {"U1": np.array([[1.0, 0.5, -1.0], [-1.0, 1.0, 0.3]]), "b1": np.zeros(2), "activation1": "identity"}
    np.savez(data / "w.npz", **first, **second)

    def shell(line, **more):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, **more}
        done = subprocess.run(
            line, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr

    shell("diodeq compile ../data/w.npz -o ./-odd.npz --diode 1N4148")
    first = (
        "diodeq report --labelled -o 'the page.html' --inputs '../data/some rows & more.csv' --weights ../data/w.npz"
    )
    shell(f"{first} ./-odd.npz", DIODEQ_REPORT_SIMULATOR="wave", DIODEQ_REPORT_TOLERANCE="2.5000001")
    page = (folder / "the page.html").read_bytes()
    (folder / "the page.html").unlink()
    printed = html.unescape(re.search(r"<pre[^>]*><code>(.*?)</code></pre>", page.decode(), re.DOTALL)[1])
    shell(printed)
    assert (folder / "the page.html").read_bytes() == page
    for name in ("w.npz", "some rows & more.csv"):
        assert hashlib.sha256((data / name).read_bytes()).hexdigest().encode() in page


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nowhere"], 3, "is not the folder of a run"),
        (["empty"], 3, "is not the folder of a run"),
        (["unfinished"], 3, "is not finished"),
        (["damaged"], 3, "is not a readable summary"),
        (["no-netlist"], 3, "netlist.cir cannot be read"),
        (["good", "--weights", "w.npz"], 2, "a run brings its own data"),
        (["good", "-o", "nowhere/page.html"], 3, "cannot be written"),
        (["good/circuit.npz"], 2, "add --weights, or give the folder of a run"),
        (["good/circuit.npz", "--weights", "w.npz"], 2, "on samples; add --inputs X.csv"),
        (["good/circuit.npz", "--weights", "w.npz", "--inputs", "x.csv"], 3, "w.npz"),
        (["good/metrics.npz", "--weights", "w.npz", "--inputs", "x.csv"], 3, "metrics.npz"),
    ],
)
def test_refusals_are_one_sentence_and_leave_no_page(arguments, code, words, run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for name, lost in (("good", "report.html"), ("unfinished", "summary.json"), ("no-netlist", "netlist.cir")):
        shutil.copytree(run, tmp_path / name)
        (tmp_path / name / lost).unlink(missing_ok=True)
    shutil.copytree(run, tmp_path / "damaged")
    (tmp_path / "damaged" / "summary.json").write_text('{"simulator": 3}')
    before = sorted(tmp_path.rglob("*.html"))
    got, out, error = diodeq(capsys, "report", *arguments)
    assert (got, out) == (code, "")
    assert error.startswith("diodeq: ")
    assert words in error
    assert error.count("\n") == 1
    assert sorted(tmp_path.rglob("*.html")) == before


def test_a_new_run_drops_the_report_of_the_last(tmp_path):
    out = str(tmp_path / "run")
    quick = ["train", "xor", "--out", out, "--hidden", "2", "--epochs", "1", "--simulator", "wave"]
    assert main(quick) == 0
    (tmp_path / "run" / "report.html").write_text("of the last run")
    assert main([*quick, "--overwrite"]) == 0
    assert not (tmp_path / "run" / "report.html").exists()


def test_text_is_escaped():
    evil = "<script>alert('&')</script>"
    blocks = [PageTable(evil, (evil,), ((evil,),)), Code(evil), Picture("<svg></svg>", evil)]
    page = render(evil, evil, evil, [Fact(evil, evil, evil)], [PageSection(evil, [evil], blocks)])
    assert "<script" not in page
    assert Reader(page).text.count("alert") == 14


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Opens a file in headless Chromium: (its DOM, what it logged)."""
    if CHROMIUM is None:
        pytest.skip("no Chromium")
    profile = tmp_path_factory.mktemp("profile")

    def opened(path, *options):
        done = subprocess.run(
            [
                *(CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"),
                *("--disable-dev-shm-usage", "--disable-background-networking", "--allow-file-access-from-files"),
                *(f"--user-data-dir={profile}", "--enable-logging=stderr", "--virtual-time-budget=5000"),
                *(*options, "--dump-dom", path.as_uri()),
            ],
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]

    return opened


def test_chromium_opens_the_page_without_a_complaint(browser, run, reported, tmp_path):
    faulty = tmp_path / "faulty.html"
    faulty.write_text("<!DOCTYPE html><script>console.error('heard')</script>")
    assert any("heard" in line for line in browser(faulty)[1])  # else silence would mean nothing
    dom, complaints = browser(run / "report.html")
    assert complaints == []
    assert dom.count("<svg") == reported[0].count("<svg") >= 8


@pytest.mark.parametrize("kind", ["run", "circuit"])
@pytest.mark.parametrize("width", [400, 1600])
def test_chromium_lays_the_page_out_in_any_width(browser, run, reported, compiled, tmp_path, width, kind):
    """Nothing is wider than the window, where there is room no table is cut off, and words are 8 pixels or more."""
    shutil.copy(run / "report.html" if kind == "run" else compiled[0], tmp_path / "report.html")
    frame = tmp_path / "frame.html"
    frame.write_text(
        f"<!DOCTYPE html><iframe id=f src=report.html style='width:{width}px;height:900px;border:0'></iframe>"
        "<p id=p></p>"
        "<script>f.onload = () => { const d = f.contentDocument; p.textContent = JSON.stringify({"
        " wide: d.documentElement.scrollWidth,"
        " cut: [...d.querySelectorAll('figure:not(.wide) > .scroll')].filter("
        "s => s.scrollWidth > s.clientWidth).map(s => s.parentNode.textContent), text: "
        " parseFloat(getComputedStyle(d.querySelector('section p')).fontSize),"
        " small: Math.min(...[...d.querySelectorAll('main > section figure:not(.wide) svg')].map("
        "s => 9 * s.getBoundingClientRect().width / s.viewBox.baseVal.width)) }) }</script>"
    )
    found = json.loads(re.search(r'<p id="p">(.*?)</p>', browser(frame, f"--window-size={width + 100},1000")[0])[1])
    assert found["wide"] <= width
    assert width < 1000 or found["cut"] == []
    assert found["small"] >= 8
    assert found["text"] >= 16
