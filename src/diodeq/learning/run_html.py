"""A run's folder as notebooks show it: what was trained, how well, and the learning curves."""

from __future__ import annotations

import base64
from pathlib import Path

from diodeq.files import read_bytes
from diodeq.learning.records import LARGEST, read_metrics, read_summary
from diodeq.markup import card
from diodeq.measures import measure_of
from diodeq.printable import counted


def summary(path: Path) -> str:
    """The summary and the picture of a finished run, or the last epoch of one under way, as HTML."""
    try:
        found = read_summary(path / "summary.json")
        measure = measure_of(found)
        rows = [
            ("data", f"{found['data']}, {found['train_samples']} to learn, {found['test_samples']} held out"),
            ("held out", measure.words(found[f"test_{measure.key}"])),
            ("training", measure.words(found[f"train_{measure.key}"])),
            (
                "circuit",
                f"{counted(found['resistors'], 'resistor')}, {counted(found['diodes'], 'diode')} ({found['diode']})",
            ),
            ("trained by", f"{found['rule']}, {counted(found['epochs'], 'epoch')}, seed {found['seed']}"),
            ("in", f"{found['simulator_version']}, {found['seconds']:.1f} s"),
        ]
    except FileNotFoundError:
        metrics = read_metrics(path / "metrics.jsonl")
        rows = [("unfinished", f"{counted(len(metrics), 'epoch')} so far")]
        if metrics:
            measure = measure_of(metrics[-1])
            rows.append(("held out", measure.words(metrics[-1][f"test_{measure.key}"])))
    try:
        drawn = base64.b64encode(read_bytes(path / "training.svg", LARGEST)).decode()
        picture = f'<img alt="loss and score" src="data:image/svg+xml;base64,{drawn}">'
    except OSError:
        picture = ""
    return card(f"run {path.name}", rows, picture=picture)
