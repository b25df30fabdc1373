"""Damaged and hostile files: every reader refuses them by a diodeq error, soon, in little memory, and touches nothing.

``DIODEQ_FUZZ=10000`` reads so many files a reader; a failure names the seed that makes the file again.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import random
import re
import resource
import signal
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mutations
from circuits import CIRCUITS, plain
from diodeq import tables
from diodeq.circuit import Circuit
from diodeq.circuit.check import check
from diodeq.cli import main as command_line
from diodeq.devices import catalogue
from diodeq.devices.hardware.ladder import ladder
from diodeq.devices.hardware.technology import Technology, variation_of
from diodeq.devices.one_ports import forward_voltage, one
from diodeq.devices.vendor.file import read_parts
from diodeq.errors import DiodeqError
from diodeq.learning import checkpoint, datasets, snapshots
from diodeq.learning.encoding import units
from diodeq.learning.experiment import Experiment, stored
from diodeq.learning.metrics import Metrics
from diodeq.learning.recipe import Recipe
from diodeq.learning.rules import named
from diodeq.learning.run_folder import RunFolder
from diodeq.netlist.dialects import DIALECTS, full_deck
from diodeq.netlist.reading import import_deck
from diodeq.network import Activation, weights
from diodeq.network.network import Network, Stage
from diodeq.report.run_evidence import summary_of
from kicad_drawings import DRAWINGS
from mutations import BYTES, TEXT, Mutation
from vendor_files import FILES

COUNT = int(os.environ.get("DIODEQ_FUZZ", "100"))
SECONDS = 10.0
BYTES_ABOVE = 1 << 30


@dataclass(frozen=True)
class Reader:
    """``seeds`` are sound files, ``name`` is what a damaged one is called, ``read`` reads and uses it."""

    name: str
    seeds: Callable[[], list[bytes]]
    mutations: Callable[[Path], list[Mutation]]
    read: Callable[[Path], Any]
    share: float = 1.0
    needs: tuple[str, ...] = field(default=())


# --- sound files --------------------------------------------------------------------------------------------------


def written(write: Callable[[Path], Any], suffix: str) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"seed{suffix}"
        write(path)
        return path.read_bytes()


def network() -> Network:
    rng = np.random.default_rng(0)
    return Network(
        (
            Stage(U=rng.normal(size=(4, 3)), b=np.zeros(4), W=-np.eye(4), activation=Activation("leaky-relu", 0.1)),
            Stage(U=rng.normal(size=(2, 4)), b=np.ones(2), W=None, activation=Activation("identity")),
        )
    )


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def weights_npz() -> list[bytes]:
    rng = np.random.default_rng(1)
    monotone = npz(A0=rng.normal(size=(2, 3)), P0=np.zeros((3, 3)), m0=0.1, U0=rng.normal(size=(3, 2)), b0=np.zeros(3))
    state = npz(**{"0.weight": rng.normal(size=(3, 2)), "0.bias": np.zeros(3), "2.weight": rng.normal(size=(2, 3))})
    return [written(lambda path: weights.save(network(), path), ".npz"), monotone, state]


NETWORKS = Path(__file__).parent / "networks"


def networks(*names: str) -> list[bytes]:
    """Files that other programs wrote."""
    return [(NETWORKS / name).read_bytes() for name in names]


def graphs() -> list[bytes]:
    names = (
        "resnet-script",
        "conv-padded-dynamo",
        "split-script",
        "extremes-dynamo",
        "upsampled-script",
        "view-script",
    )
    more = (
        "weight-norm-script",
        "keras-conv-same-torch",
        "skl-two-classes",
        "conv-zeros-script",
        "dense-dynamo",
        "both",
    )
    return networks(*(f"{name}.onnx" for name in (*names, *more)))


def state_dict(path: Path) -> None:
    weights.load(path, "relu")


def weights_pt() -> list[bytes]:
    import torch

    layers = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    return [
        written(lambda path: torch.save(layers.state_dict(), path), ".pt"),
        written(lambda path: torch.save(layers.state_dict(), path, _use_new_zipfile_serialization=False), ".pt"),
    ]


def weights_onnx() -> list[bytes]:
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(2)
    constants = {"W": rng.normal(size=(3, 4)), "c": np.zeros(4), "V": rng.normal(size=(2, 4)), "d": np.zeros(2)}
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("MatMul", ["f", "W"], ["m"]),
        helper.make_node("Add", ["m", "c"], ["a"]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("Gemm", ["r", "V", "d"], ["y"], transB=1, alpha=0.5),
    ]
    others = [
        helper.make_node("Cast", ["x"], ["k"], to=TensorProto.FLOAT),
        helper.make_node("BatchNormalization", ["k", "g", "g", "g", "g"], ["n"], epsilon=1e-3),
        helper.make_node("Sub", ["n", "g"], ["s"]),
        helper.make_node("Shape", ["s"], ["h"], start=0, end=1),
        helper.make_node("Concat", ["h", "all"], ["t"], axis=0),
        helper.make_node("Reshape", ["s", "t"], ["f"], allowzero=0),
        helper.make_node("MatMul", ["f", "W"], ["m"]),
        helper.make_node("LeakyRelu", ["m"], ["l"], alpha=0.1),
        helper.make_node("Gemm", ["l", "V", "d"], ["y"], transB=1),
    ]
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, n]) for name, n in (("x", 3), ("y", 2))]
    tensors = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()]
    more = [numpy_helper.from_array(np.ones(3, np.float32), "g"), numpy_helper.from_array(np.array([-1]), "all")]
    outside = numpy_helper.from_array(constants["W"].astype(np.float32), "W")
    for key, value in (("location", "w.onnx"), ("offset", "8"), ("length", "48")):  # the model itself
        outside.external_data.add(key=key, value=value)
    outside.ClearField("raw_data")
    outside.data_location = TensorProto.EXTERNAL
    graphs = [
        helper.make_graph(nodes, "g", ports[:1], ports[1:], tensors),
        helper.make_graph(others, "g", ports[:1], ports[1:], [*tensors, *more]),
        helper.make_graph(nodes, "g", ports[:1], ports[1:], [outside, *tensors[1:]]),
    ]
    return [helper.make_model(graph).SerializeToString() for graph in graphs]


def circuit_files() -> list[bytes]:
    return [written(CIRCUITS[name]().save, ".npz") for name in ("everything", "layered")]


RECIPE = Recipe(hidden=(4,), epochs=3)


def checkpoints() -> list[bytes]:
    snapshot = snapshots.start(plain(), RECIPE, Technology())
    document = {"experiment": Experiment("iris", RECIPE).to_json(), "data_digest": "0" * 64}
    return [written(lambda path: checkpoint.save(path, snapshot, document), ".npz")]


SUMMARY = {
    "data": "iris",
    "simulator": "wave",
    "simulator_version": "wave",
    "rule": "hardware-linearization",
    "seed": 0,
    "epochs": 2,
    "seconds": 1.5,
    "train_accuracy": 0.9,
    "test_accuracy": 0.8,
    "resistors": 40,
    "diodes": 4,
    "nodes": 20,
    "samples_per_second": 100.0,
    "train_samples": 112,
    "test_samples": 38,
    "diode": "1N4148",
    "features": 4,
    "classes": ["a", "b", "c"],
    "recipe": RECIPE.to_json(),
    "diodeq_version": "0",
    "solves": 10,
    "verified": {"simulator": "ngspice", "simulator_version": "n", "test_accuracy": 0.8, "max_difference_volts": 1e-9},
}


def metrics() -> list[bytes]:
    lines = [Metrics(epoch, 1.0 / epoch, 0.5, 0.5, 10.0, float(epoch)) for epoch in (1, 2, 3)]
    folder = written(
        lambda path: (
            [RunFolder(path.parent).append(line) for line in lines]
            and path.write_bytes((path.parent / "metrics.jsonl").read_bytes())
        ),
        "",
    )
    return [folder]


def tables_of_numbers() -> list[bytes]:
    rows = [",".join(f"{value:.17g}" for value in row) for row in np.random.default_rng(3).normal(size=(20, 3))]
    return ["\n".join(rows).encode(), ("a,b,c\n" + "\r\n".join(rows)).encode()]


def labelled_tables() -> list[bytes]:
    rows = [f"{k % 7},{k % 5 - 0.5},{'ab'[k % 2]}" for k in range(40)]
    quoted = 'x;"y;z";label\n' + "\n".join(f'{row[:-1].replace(",", ";")}"{row[-1]}"' for row in rows)
    return ["\n".join(rows).encode(), ("x,y,label\n" + "\n".join(rows)).encode(), quoted.encode()]


def arff_tables() -> list[bytes]:
    head = "% made\n@relation r\n@attribute x numeric\n@attribute 'y z' real\n@attribute kind {a, b}\n@data\n"
    return [(head + "\n".join(f"{k % 7},{k % 5 - 0.5},{'ab'[k % 2]}" for k in range(40))).encode()]


def parquet_tables() -> list[bytes]:
    import pyarrow
    from pyarrow import parquet

    columns = {"x": [k * 0.5 for k in range(40)], "y": list(range(40)), "kind": ["a", "b"] * 20}
    return [written(lambda path: parquet.write_table(pyarrow.table(columns), path), ".parquet")]


def data_npz() -> list[bytes]:
    x, y = np.random.default_rng(4).normal(size=(40, 3)), np.arange(40) % 2
    return [npz(X=x, y=y, X_test=x, y_test=y), npz(X=x.astype(np.float32), y=np.array(["a", "b"] * 20))]


def images() -> list[bytes]:
    head = bytes([0, 0, 8, 3]) + struct.pack(">III", 40, 2, 2)
    plainly = head + bytes(k % 251 for k in range(160))
    return [plainly, gzip.compress(plainly, mtime=0)]


LABELS = bytes([0, 0, 8, 1]) + struct.pack(">I", 40) + bytes(k % 2 for k in range(40))

VENDOR = b"""* a vendor's file
.param k=2 j={k*1.5}
.model DA D(Is=2.52n Rs=.568 N=1.752 Cjo=4p M=.4 tt=20n Iave=200m Vpk=75 mfg=OnSemi type=silicon)
.model DB ako:DA D(
+ Is={k*1n} BV=100 Ibv=1u)
.model QA NPN(BF=100)
.subckt DSUB 1 2
D1 1 3 DI
R1 3 2 {j}
C1 1 2 1p
.model DI D(IS=1e-9 N=1.8)
.ends DSUB
"""


def vendors() -> list[bytes]:
    return [VENDOR, *(file.text.encode() for name, file in FILES.items() if not name.startswith("binary"))]


CATALOGUE = b"""[mine]
description = "a diode"
source = "measured"
parameters = { is = 2.5e-9, n = 1.75, rs = 0.6, bv = 75.0 }

["other 1"]
parameters = { is = 1e-12, isr = 1e-10, tnom = 25.0 }
"""

CONFIG = b"""[train]
epochs = 3
hidden = ["4", "3"]
rate = 0.01
seed = 5
lateral = true
conductances = [1e-6, 1e-2]
simulator = "wave"
[simulate]
units = "volts"
[gradcheck]
limit = 3
[devices]
"""

WORDS = b"""E24:series AD5206 16 E12:parallel rram pot-10bit
tolerance=10%,temperature=0:70,saturation=0.3,shape=gaussian,write-error=1e-6
equilibrium-propagation:beta=0.1:centered=no perturbation:seed=3 coupled-learning:eta=1e-3
leaky-relu:0.1 hard-tanh:2 wave:torch:float32 idx:folder csv:file npz:file iris
"""


def decks() -> list[bytes]:
    from test_decks import CASES
    from test_import_deck import HAND

    texts = [
        full_deck(CIRCUITS["everything"](), dialect).text for dialect in ("ngspice", "ltspice", "xyce", "ltspice-asc")
    ]
    drawn = [f"title\n{case.text}" for case in CASES.values()]
    return [text.encode() for text in (HAND, *texts, *drawn)]


def kicad_files() -> list[bytes]:
    return [DRAWINGS[name]()["root"].encode() for name in ("divider", "spice-words", "waveforms", "power")]


# --- reading and using --------------------------------------------------------------------------------------------


HOSTILE = re.compile(r"^\s*(\.(control|include|inc|lib|exec|func)\b|\*#(?!save |set numdgt=15$))", re.I | re.M)


def use_circuit(path: Path) -> None:
    circuit = check(Circuit.load(path))
    repr(circuit)
    for dialect in DIALECTS if hash(path.stat().st_mtime_ns) % 8 == 0 else ("ngspice",):
        text = full_deck(circuit, dialect).text
        assert not HOSTILE.search(text), "a deck does more than it should"


def use_checkpoint(path: Path) -> None:
    stored(path.parent)
    checkpoint.load(path, snapshots.start(plain(), RECIPE, Technology()))


def use_run(path: Path) -> None:
    summary_of(path.parent)
    RunFolder(path.parent)._repr_html_()


def use_metrics(path: Path) -> None:
    from diodeq.report.figures import render
    from diodeq.report.training_plot import training_figure

    folder = RunFolder(path.parent)
    lines = folder.metrics()
    folder._repr_html_()
    if random.Random(path.stat().st_size).random() < 0.02:
        render(training_figure(lines, "metrics"), Path("x.svg"))


def use_data(kind: str) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        data = datasets.load(f"{kind}:{path}")
        units(data.x_train, "unbounded", 5.0)

    return read


def use_idx(path: Path) -> None:
    (path.parent / "train-labels-idx1-ubyte").write_bytes(LABELS)
    try:
        datasets.load(f"idx:{path.parent}")
    finally:
        (path.parent / "train-labels-idx1-ubyte").unlink()


def use_parts(path: Path) -> None:
    found = read_parts(path)
    again = catalogue._parse("".join(catalogue._table(part.model) for part in found.parts).encode(), "again")
    assert again == [part.model for part in found.parts]


def use_catalogue(path: Path) -> None:
    for model in catalogue.read(path):
        forward_voltage(one(model), 1e-3)
        repr(model.card())


def use_deck(path: Path) -> None:
    # Itself is the one file that it may include.
    circuit = import_deck(path, outputs=["*"], include=[path]).circuit
    assert not HOSTILE.search(full_deck(circuit, "ngspice").text)


def use_config(path: Path) -> None:
    import rich_click as click

    for name, table in command_line.read_config(path).items():
        command = command_line.COMMANDS[name]
        words = ["x" for parameter in command.params if isinstance(parameter, click.Argument)]
        with suppress(click.ClickException, click.exceptions.Exit):
            command.make_context(name, words, default_map=table)


def use_words(path: Path) -> None:
    refused = DiodeqError("nothing there")
    for text in path.read_bytes().decode("utf-8", "replace").split()[:20]:
        for read in (
            ladder,
            lambda text: ladder(text, 1e-6, 1e-3),
            variation_of,
            named,
            Activation.parse,
            datasets.load,
        ):
            try:
                read(text)
            except DiodeqError as error:
                refused = error
    raise refused


def framed(rng: random.Random, data: bytes) -> bytes:
    """A .safetensors whose header says something else."""
    length = int.from_bytes(data[:8], "little")
    text = mutations.json_text(rng, data[8 : 8 + length])
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def sealed(rng: random.Random, data: bytes) -> bytes:
    """A checkpoint that belongs to another document and says so."""
    try:
        found = mutations.members(data)
        header = json.loads(found["header.npy"][128:])
        header["document"] = mutations.tree(rng, header["document"])
        header["digest"] = hashlib.sha256(json.dumps(header["document"], sort_keys=True).encode()).hexdigest()
    except Exception:  # damaged by a mutation before
        return mutations.flip(rng, data)
    found["header.npy"] = mutations.npy(np.frombuffer(json.dumps(header).encode(), np.uint8))
    return mutations.packed(found)


def bracketed(rng: random.Random, data: bytes) -> bytes:
    """A KiCad schematic with a node left out, doubled, moved or with another word, its brackets still whole."""
    starts = [found.start() for found in re.finditer(rb"\((?=\w)", data)]
    spans = []
    for start in rng.sample(starts, min(2, len(starts))):
        depth, end = 0, start
        for end in range(start, len(data)):
            depth += (data[end] == 0x28) - (data[end] == 0x29)
            if depth == 0:
                break
        spans.append((start, end + 1))
    if len(spans) < 2:
        return data
    (other, _), (start, stop) = sorted(spans)
    node, before, after = data[start:stop], data[:start], data[stop:]
    odd = [b'""', b"1e999", b'"${VALUE}"', b"-1"]
    words = re.sub(rb'"[^"]*"|-?\d[\d.]*', lambda found: rng.choice([found[0], *odd]), node)
    moved = data[:other] + node + data[other:start] + after
    return rng.choice([before + after, moved, before + node * rng.choice([2, 50]) + after, before + words + after])


def archives(traps: Path) -> list[Mutation]:
    return [*BYTES, *[mutations.archive(traps)] * 18]


def texts(traps: Path) -> list[Mutation]:
    return TEXT


READERS: dict[str, Reader] = {
    "weights-npz": Reader("w.npz", lambda: weights_npz()[:2], archives, weights.load),
    "weights-safetensors": Reader(
        "w.safetensors",
        lambda: [written(lambda path: weights.save(network(), path), ".safetensors")],
        lambda traps: [*BYTES, *[framed] * 6],
        weights.load,
    ),
    "weights-state": Reader("w.npz", lambda: weights_npz()[2:], archives, state_dict),
    "weights-pt": Reader("w.pt", weights_pt, lambda traps: BYTES, state_dict, needs=("torch",)),
    "weights-onnx": Reader("w.onnx", weights_onnx, lambda traps: BYTES, weights.load, needs=("onnx",)),
    "weights-graphs": Reader(
        "w.onnx", graphs, lambda traps: [*BYTES[:4], *[mutations.graph] * 30], weights.load, needs=("onnx",)
    ),
    "weights-sklearn": Reader("w.npz", lambda: networks("classes.npz", "numbers.npz"), archives, weights.load),
    "weights-skops": Reader(
        "w.skops",
        lambda: networks("classes.skops", "linear.skops"),
        lambda traps: [*BYTES[:4], *[mutations.bundle] * 12],
        weights.load,
        needs=("skops",),
    ),
    "weights-named": Reader(
        "w.safetensors",
        lambda: networks("flax-dots.safetensors", "nnx.safetensors", "torch-deep.safetensors"),
        lambda traps: [*BYTES, *[framed] * 6],
        state_dict,
    ),
    "circuit": Reader("c.npz", circuit_files, archives, use_circuit),
    "checkpoint": Reader(
        "checkpoint.npz", checkpoints, lambda traps: [*archives(traps), *[sealed] * 12], use_checkpoint
    ),
    "summary": Reader(
        "summary.json",
        lambda: [mutations.text_of(SUMMARY)],
        lambda traps: [*TEXT, *[mutations.json_text] * 20],
        use_run,
    ),
    "metrics": Reader("metrics.jsonl", metrics, lambda traps: [*TEXT, *[mutations.json_line] * 20], use_metrics),
    "csv": Reader("x.csv", tables_of_numbers, texts, lambda path: tables.read_matrix(path, ("a", "b", "c"))),
    "data-csv": Reader("x.csv", labelled_tables, texts, use_data("csv")),
    "data-arff": Reader("x.arff", arff_tables, texts, use_data("arff")),
    "data-parquet": Reader("x.parquet", parquet_tables, lambda traps: BYTES, use_data("parquet"), needs=("pyarrow",)),
    "data-npz": Reader("x.npz", data_npz, archives, use_data("npz")),
    "data-idx": Reader("train-images-idx3-ubyte", images, lambda traps: BYTES, use_idx),
    "vendor": Reader("part.lib", vendors, texts, use_parts),
    "deck": Reader("deck.cir", decks, texts, use_deck),
    "kicad": Reader("x.kicad_sch", kicad_files, lambda traps: [*TEXT, *[bracketed] * 12], use_deck),
    "catalogue": Reader("devices.toml", lambda: [CATALOGUE], texts, use_catalogue),
    "config": Reader("diodeq.toml", lambda: [CONFIG], texts, use_config),
    "words": Reader("words", lambda: [WORDS], texts, use_words),
}


# --- the driver ---------------------------------------------------------------------------------------------------


class Hung(BaseException):
    """No reader may catch it."""


@contextmanager
def bounded() -> Iterator[None]:
    """Within it, at most a gigabyte more address space than now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + BYTES_ABOVE, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def hung(signum: int, frame: Any) -> None:
    raise Hung


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = READERS[name]
    for module in reader.needs:
        pytest.importorskip(module)
    inside, traps = tmp_path / "inside", tmp_path / "traps"
    inside.mkdir()
    traps.mkdir()
    monkeypatch.chdir(traps)
    monkeypatch.setenv("DIODEQ_DEVICES", str(traps.parent / "parts.toml"))
    (traps.parent / "parts.toml").write_text("")
    seeds, changes = reader.seeds(), reader.mutations(traps)
    path = inside / reader.name
    for seed in seeds:
        path.write_bytes(seed)
        if name != "words":
            reader.read(path)
    others = sorted(inside.iterdir())
    refused = 0
    before = signal.signal(signal.SIGALRM, hung)
    try:
        with bounded():
            for k in range(COUNT):
                rng = random.Random(f"{name} {k}")
                path.write_bytes(mutations.mutate(rng, rng.choice(seeds), changes))
                signal.setitimer(signal.ITIMER_REAL, SECONDS)
                try:
                    reader.read(path)
                except DiodeqError as error:
                    refused += 1
                    starved = isinstance(error.__cause__ or error.__context__, MemoryError)
                    if starved or not str(error).isprintable() or len(str(error)) > 2000:
                        raise AssertionError(f"{name} {k}: {error}") from error
                except (Exception, Hung) as error:
                    signal.setitimer(signal.ITIMER_REAL, 0)
                    raise AssertionError(f"{name} {k}: {type(error).__name__}: {error}") from error
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert refused > COUNT // 10
    assert sorted(inside.iterdir()) == others
    assert list(traps.iterdir()) == []
    print(f"{name}: {COUNT} files, {refused} refused")
