"""Draw the guide's two pictures of the learning rules.

rules-beta.svg: errors over the nudge, on a reciprocal circuit and on two that are not, with hardware linearization's
error against finite differences as a line. rules-compare.svg: learning curves, from the documents that
``diodeq compare DATA … --out FOLDER`` leaves as FOLDER/compare.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from diodeq.circuit import Circuit, bank
from diodeq.cli.main import plainly
from diodeq.devices import catalogue
from diodeq.errors import InexactRuleWarning
from diodeq.files import write_atomically
from diodeq.learning.audit import audit, sweep
from diodeq.learning.losses import cross_entropy
from diodeq.network.weights import load
from diodeq.report.audit_plot import audit_figure
from diodeq.report.compare_plot import compare_figure
from diodeq.report.figures import render
from diodeq.simulators import create
from diodeq.synthesis.compile import compile_network
from diodeq.synthesis.layered import layered

HERE = Path(__file__).parent
SIZES = np.logspace(-6, 0, 19)
SAMPLES = 8
# Conductances that finite differences check.
CHECKED = 30


def circuits() -> dict[str, tuple[Circuit, np.ndarray]]:
    """What is swept, with its input volts."""
    random = np.random.default_rng(0)
    plain = layered((4, 10, 3), catalogue.get("1N4148"), volts=5.0, lateral=True)
    hidden = [k for k, name in enumerate(plain.nodes) if name.startswith("h")]
    rows = [(a, 0, b, 0, 3e-4) for a, b in pairwise(hidden)]
    drives = 5.0 * random.normal(size=(SAMPLES, 4))
    network = load(HERE / "reference" / "digits-mlp.npz")
    compiled = compile_network(network, diode="1N4148").circuit
    digits = np.loadtxt(HERE / "reference" / "digits-test.csv", delimiter=",", max_rows=SAMPLES)[:, :-1]
    return {
        "resistors and diodes, 4-10-3": (plain, drives),
        "the same with nine gyrators": (replace(plain, gyrators=bank("gyrators", rows)), drives),
        "compiled digits MLP: buffers": (compiled, compiled.scaling.to_volts(digits)),
    }


def main() -> None:
    """Sweep, draw, and print what is drawn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("compared", nargs="*", type=Path, help="compare.json of each data set")
    parser.add_argument("--simulator", default="wave")
    parser.add_argument("--out", type=Path, default=HERE.parent / "src" / "diodeq" / "guide" / "images")
    options = parser.parse_args()
    warnings.simplefilter("ignore", InexactRuleWarning)
    curves, floors = {}, {}
    with create(options.simulator) as engine:
        for title, (circuit, drives) in circuits().items():
            loss = cross_entropy(np.arange(len(drives)) % len(circuit.outputs), circuit.scaling.output_scale)
            found = sweep(engine, circuit, drives, loss, SIZES)
            checked = audit(engine, circuit, drives, loss, ["finite-difference"], CHECKED)[0].overall
            assert checked is not None
            curves[title], floors[title] = (SIZES, found), checked.largest_error
            centered = np.array(found["equilibrium propagation, centered"])
            falling = slice(-10, None)
            slope = np.polyfit(np.log10(SIZES[falling]), np.log10(centered[falling]), 1)[0]
            print(f"{title}: centered slope {slope:.3f} over 1e-3 … 1, least error {centered.min():.1e};", end=" ")
            print(f"hardware linearization against finite differences {checked.largest_error:.1e}")
    picture = options.out / "rules-beta.svg"
    write_atomically(picture, render(audit_figure(curves, floors), picture))
    if options.compared:
        documents = [json.loads(path.read_text(encoding="utf-8")) for path in options.compared]
        picture = options.out / "rules-compare.svg"
        write_atomically(picture, render(compare_figure(documents), picture))


if __name__ == "__main__":
    sys.exit(plainly(main))
