"""A run's folder as notebooks show it: what was trained, how well, and the learning curves."""

from __future__ import annotations

import base64
from pathlib import Path

from diodeq.files import read_bytes
from diodeq.learning.records import LARGEST, read_metrics, read_summary
from diodeq.markup import card
from diodeq.printable import counted, percent


def summary(path: Path) -> str:
    """The summary and the picture of a finished run, or the last epoch of one under way, as HTML."""
    try:
        found = read_summary(path / "summary.json")
        rows = [
            ("data", f"{found['data']}, {found['train_samples']} to learn, {found['test_samples']} held out"),
            ("held out", f"{percent(found['test_accuracy'])} right"),
            ("training", f"{percent(found['train_accuracy'])} right"),
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
            rows.append(("held out", f"{percent(metrics[-1]['test_accuracy'])} right"))
    try:
        drawn = base64.b64encode(read_bytes(path / "training.svg", LARGEST)).decode()
        picture = f'<img alt="loss and accuracies" src="data:image/svg+xml;base64,{drawn}">'
    except OSError:
        picture = ""
    return card(f"run {path.name}", rows, picture=picture)
