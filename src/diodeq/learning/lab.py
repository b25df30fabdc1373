"""The imperfection lab: learning rules on a bench while one entry of its description after the other is swept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from diodeq.errors import UsageError
from diodeq.learning.compare import Comparison, compare
from diodeq.learning.runs import OnRun, demand_distinct
from diodeq.pool import TIME_LIMIT
from diodeq.simulators import create

MOST = 1000
"""Values of a sweep"""


@dataclass(frozen=True)
class Sweep:
    """An entry of a bench's description, as its options name it, and the values it takes, as texts."""

    entry: str
    values: tuple[str, ...]

    @staticmethod
    def parse(text: str) -> Sweep:
        """``adc.bits=8:16`` (every whole number) or ``reads.noise=0,1e-3,5e-3``.

        Raises:
            UsageError: it is neither.
        """
        entry, equals, given = text.partition("=")
        whole = re.fullmatch(r"(\d{1,9}):(\d{1,9})", given)
        if whole:
            low, high = (int(each) for each in whole.groups())
            values = tuple(str(each) for each in range(low, min(high, low + MOST) + 1))
        else:
            values = tuple(each.strip() for each in given.split(",") if each.strip())
        if not (entry and equals and values and len(values) <= MOST):
            raise UsageError(f"the sweep {text!r} says no values", "write adc.bits=8:16 or reads.noise=0,1e-3,5e-3")
        demand_distinct(f"values of {entry}", values)
        return Sweep(entry.strip(), values)


def lab(
    comparison: Comparison,
    sweeps: Sequence[Sweep],
    out: Path,
    *,
    workers: int | None = None,
    time_limit: float = TIME_LIMIT,
    cluster: str = "",
    on_run: OnRun | None = None,
) -> dict[str, Any]:
    """Every rule of the comparison on its bench with each value of each sweep, the others as described; in folders
    under ``out``, which are read where they are finished.

    A rule that asks for more than the bench can do, or that loses its way, counts as nothing right, and says why.

    Raises:
        UsageError: a sweep names what the bench does not have, or as ``compare`` does.
        DiodeqError: any other of its kinds.
    """
    if not sweeps:
        raise UsageError("nothing is swept", "name an entry of the bench, such as --sweep adc.bits=8:16")
    demand_distinct("sweeps", [each.entry for each in sweeps])
    benches = {
        (sweep.entry, value): f"{comparison.simulator}:{sweep.entry}={value}"
        for sweep in sweeps
        for value in sweep.values
    }
    described = [create(name) for name in benches.values()]  # refuses what there is not, before anything slow
    done, found = 0, {}
    for (entry, value), name in benches.items():
        folder = out / re.sub(r"[^a-zA-Z0-9=.,+-]", "_", f"{entry}={value}")

        def told(runs: int, total: int, label: str, before: int = done, said: str = f"{entry}={value}") -> None:
            if on_run is not None:
                on_run(before + runs, total * len(benches), f"{said}: {label}" if label else "")

        document = compare(
            replace(comparison, simulator=name), folder, workers=workers, time_limit=time_limit, cluster=cluster,
            on_run=told,
        )  # fmt: skip
        found[entry, value] = document["rules"]
        done += sum(len(rule.get("runs", ())) + len(rule.get("tuning", ())) for rule in document["rules"])
    return {
        "data": comparison.data,
        "bench": comparison.simulator,
        "described": getattr(described[0], "described", {}),
        "budget": comparison.budget,
        "seeds": list(comparison.seeds),
        "rates": list(comparison.rates),
        "recipe": comparison.recipe.to_json(),
        "sweeps": [
            {
                "entry": sweep.entry,
                "points": [{"value": value, "rules": found[sweep.entry, value]} for value in sweep.values],
            }
            for sweep in sweeps
        ],
    }
