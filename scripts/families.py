"""Do the engines answer, and truly? Families of circuits from textbooks and random legal ones, judged by 50 digits.

Each row is one engine on one family. "answered" is the share of samples that have an operating point (some circuits
have none, by arithmetic of many digits, and nobody may answer them; where a megaampere flows nobody must). "error" is
the largest error of an answer in volts, "apart" the largest difference to the first engine's answer, "adjoint" the
largest error of an adjoint solution for the engine's own conductances as a share of its largest voltage, "gradient" of
one for the true conductances.
Wrong is what is off by more than 1e-6 V and 1e-12 of the largest voltage, in float32 1e-5 of it.

Examples: scripts/families                              50 circuits of each family
          scripts/families legal-a legal-c --count 2000 --seed 5000
          scripts/families bridges --json               one document, with every refusal and every wrong answer
          scripts/families --deck bridges 17 0          the deck of one sample, for ngspice -b
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from diodeq.cli.main import plainly
from diodeq.errors import DiodeqError, SimulationError
from diodeq.simulators import create
from diodeq.simulators.base import OperatingPoint, Simulator
from families import FAMILIES, make
from legal import SETTINGS
from sketch import Case
from truth import Found, Truth, deck, operating_points

ENGINES = ("ngspice", "wave", "wave:float32", "wave:mixed")
WRONG = 1e-6
NARROW, SHARE = 1e-5, 1e-12
WRONG_ADJOINT = 1e-6
# Of the volts that a current makes in the largest conductance alone: less is nothing, as where sources hold a node.
AT_REST = 1e-6
# An answer so near to a confirmed one is that one, in volts.
NEAR = 1e-6


@dataclass
class Score:
    """What one engine did with one family."""

    family: str
    engine: str
    circuits: int = 0
    samples: int = 0
    solvable: int = 0
    answered: int = 0
    wrong: int = 0
    several: int = 0
    error: float = 0.0
    apart: float = 0.0
    seconds: float = 0.0
    slowest: float = 0.0
    adjoints: int = 0
    adjoints_answered: int = 0
    adjoint_error: float = 0.0
    gradient_error: float = 0.0
    faults: list[dict[str, Any]] = field(default_factory=list)

    def fault(self, case: Case, row: int, what: str) -> None:
        """Something that went wrong with a sample (row -1: with the whole batch)."""
        found = {"family": case.family, "seed": case.seed, "row": row, "engine": self.engine}
        self.faults.append({**found, "nodes": len(case.circuit.nodes), "what": what})


@dataclass(frozen=True, eq=False)
class Answered:
    """An engine's answer to a batch: a row that has none is NaN, and ``why`` says why."""

    point: OperatingPoint | None
    volts: np.ndarray
    why: dict[int, str]


def ask(engine: Simulator, case: Case) -> Answered:
    """An engine's operating points."""
    rows = range(len(case.drives))
    nothing = np.full((len(case.drives), len(case.circuit.nodes)), np.nan)
    try:
        point = engine.operate(case.circuit, case.drives)
    except SimulationError as error:
        found = getattr(error, "answered", None)
        reasons = {k: str(why) for k, why in (getattr(error, "failures", None) or {}).items()}
        if found is None:
            return Answered(None, nothing, dict.fromkeys(rows, str(error)))
        return Answered(found, np.asarray(found.node_voltages, float), reasons)
    except DiodeqError as error:
        return Answered(None, nothing, dict.fromkeys(rows, str(error)))
    except Exception as error:
        return Answered(None, nothing, dict.fromkeys(rows, f"a bug: {type(error).__name__}: {error}"))
    return Answered(point, np.asarray(point.node_voltages, float), {})


def some(point: OperatingPoint, rows: np.ndarray) -> OperatingPoint:
    """Some samples of an answer."""
    known = {each.name for each in fields(point)}
    return replace(
        point,
        drives=point.drives[rows],
        node_voltages=point.node_voltages[rows],
        diode_conductances=point.diode_conductances[rows],
        branch_currents={kind: values[rows] for kind, values in point.branch_currents.items()},
        **({"error": point.error[rows]} if "error" in known else {}),
    )


def measure(case: Case, engines: dict[str, Simulator], scores: dict[str, Score]) -> None:
    """Ask every engine, and judge the answers."""
    truth = Truth(case.circuit)
    answers = {}
    for name, engine in engines.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            begun = time.perf_counter()
            answers[name] = ask(engine, case)
            spent = time.perf_counter() - begun
            scores[name].seconds += spent
            scores[name].slowest = max(scores[name].slowest, spent)
        for each in caught:
            scores[name].fault(case, -1, f"a warning: {each.category.__name__}: {each.message}")
        scores[name].circuits += 1
    determined = truth.determined()
    points: dict[str, list[Found | None]] = {name: [] for name in engines}
    for row, drives in enumerate(case.drives):
        given = {name: answer.volts[row] for name, answer in answers.items() if np.isfinite(answer.volts[row]).all()}
        known: dict[str, Found] = {}
        for name, volts in given.items() if determined else ():
            near = [point for point in known.values() if np.abs(point.volts - volts).max() <= NEAR]
            point = near[0] if near else truth.confirm(drives, volts)
            if point is not None:
                known[name] = point
        all_known = list(known.values())
        if determined and not all_known:
            all_known = operating_points(truth, drives, [])
        beyond = any(point.beyond for point in all_known)
        for name, score in scores.items():
            score.samples += 1
            points[name].append(None if beyond else known.get(name))
            if beyond and name not in given:
                continue
            if not all_known:
                if name in given:
                    score.wrong += 1
                    score.fault(case, row, "an answer where there is no operating point")
                continue
            if not beyond:
                score.solvable += 1
                score.answered += name in given
            if name not in given:
                score.fault(case, row, f"refused: {answers[name].why.get(row, 'no reason given')}")
                continue
            volts = given[name]
            if name not in known:
                score.wrong += 1
                score.error = np.inf
                score.fault(case, row, "an answer that Newton's method does not confirm")
                continue
            error = float(np.abs(known[name].volts - volts).max())
            score.error = max(score.error, error)
            wide = (NARROW if name.endswith("float32") else SHARE) * float(np.abs(known[name].volts).max())
            if error > WRONG + wide:
                score.wrong += 1
                score.fault(case, row, f"off by {error:.2e} V of {np.abs(volts).max():.3g} V")
            first = next(iter(engines))
            if first in known:
                if np.abs(known[first].volts - known[name].volts).max() > NEAR:
                    score.several += 1
                    if case.passive:
                        score.fault(case, row, f"another operating point than {first}'s, though there can be but one")
                else:
                    score.apart = max(score.apart, float(np.abs(given[first] - volts).max()))
    for name, engine in engines.items():
        adjoint(case, truth, engine, answers[name], points[name], scores[name])


def adjoint(
    case: Case, truth: Truth, engine: Simulator, answer: Answered, points: Sequence[Found | None], score: Score
) -> None:
    """Ask for adjoint solutions where the forward ones are right, and judge them."""
    rows = np.array([k for k, point in enumerate(points) if point is not None], int)
    if answer.point is None or not len(rows):
        return
    point = some(answer.point, rows)
    rng = np.random.default_rng(case.seed)
    injected = rng.normal(size=(len(rows), len(case.circuit.outputs))) * np.exp(rng.normal(size=(len(rows), 1)) * 6)
    why: dict[int, str] = {}
    try:
        solved = engine.small_signal(point, injected).node_voltages
    except SimulationError as error:
        found = getattr(error, "answered", None)
        solved = np.full((len(rows), len(case.circuit.nodes)), np.nan) if found is None else found.node_voltages
        why = {k: str(text) for k, text in (getattr(error, "failures", None) or {}).items()} or {0: str(error)}
    except Exception as error:
        score.fault(case, -1, f"adjoint: a bug: {type(error).__name__}: {error}")
        return
    for k, row in enumerate(rows.tolist()):
        true = truth.adjoint(point.diode_conductances[k], injected[k])
        if true is None:
            continue
        score.adjoints += 1
        if not np.isfinite(solved[k]).all():
            score.fault(case, row, f"adjoint refused: {why.get(k, 'no reason given')}")
            continue
        score.adjoints_answered += 1
        least = AT_REST * np.abs(injected[k]).max() / case.circuit.resistors.values.max(initial=1e-12)
        size = max(float(np.abs(true).max()), least)
        error_ = float(np.abs(true - solved[k]).max()) / size
        score.adjoint_error = max(score.adjoint_error, error_)
        if error_ > (NARROW if score.engine.endswith("float32") else 0.0) + WRONG_ADJOINT:
            score.fault(case, row, f"adjoint off by {error_:.2e} of its largest voltage")
        found_ = points[row]
        exact = None if found_ is None else truth.adjoint(found_.conductances, injected[k])
        if exact is not None:
            size = max(float(np.abs(exact).max()), least)
            score.gradient_error = max(score.gradient_error, float(np.abs(exact - solved[k]).max()) / size)


def shown(scores: Sequence[Score]) -> Table:
    """The scores as a table."""
    table = Table(title="engines on random circuits")
    heads = (
        "family",
        "engine",
        "samples",
        "solvable",
        "answered",
        "refused",
        "wrong",
        "several",
        "slowest, s",
        "error, V",
    )
    for head in (*heads, "apart, V", "adjoint ref.", "adjoint", "gradient"):
        table.add_column(head, justify="left" if head in ("family", "engine") else "right")
    for s in scores:
        share = f"{s.answered / s.solvable:.2%}" if s.solvable else "–"
        counts = (s.solvable - s.answered, s.wrong, s.several)
        table.add_row(
            s.family,
            s.engine,
            f"{s.samples:,}",
            f"{s.solvable:,}",
            share,
            *map(str, counts),
            f"{s.slowest:.1f}",
            f"{s.error:.1e}",
            f"{s.apart:.1e}",
            str(s.adjoints - s.adjoints_answered),
            f"{s.adjoint_error:.1e}",
            f"{s.gradient_error:.1e}",
        )
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = [*FAMILIES, *SETTINGS]
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"of {', '.join(known)}; all by default")
    parser.add_argument("--count", type=int, default=50, help="circuits of each family (50)")
    parser.add_argument("--seed", type=int, default=0, help="the first circuit's seed (0)")
    parser.add_argument("--engines", default=",".join(ENGINES), help=f"separated by commas ({','.join(ENGINES)})")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--deck", nargs=3, metavar=("FAMILY", "SEED", "ROW"), help="print the deck of one sample")
    options = parser.parse_args()
    if options.deck:
        case = make(options.deck[0], int(options.deck[1]))
        print(deck(case.circuit, case.drives[int(options.deck[2])]))
        return
    unknown = sorted(set(options.families) - set(known))
    if unknown:
        parser.error(f"there is no family {unknown[0]!r}; choose some of {', '.join(known)}")
    progress, all_scores = Console(stderr=True), []
    engines = {name: create(name, 1) for name in options.engines.split(",")}
    for family in options.families or known:
        scores = {name: Score(family, name) for name in engines}
        seeds = range(options.seed, options.seed + options.count)
        for seed in track(seeds, family, console=progress, disable=not progress.is_terminal, transient=True):
            measure(make(family, seed), engines, scores)
        all_scores += scores.values()
    for engine in engines.values():
        engine.__exit__(None, None, None)
    if options.json:
        print(json.dumps([asdict(score) for score in all_scores], indent=1))
        return
    Console(width=None if sys.stdout.isatty() else 180).print(shown(all_scores))
    for fault in (fault for score in all_scores for fault in score.faults):
        print("{family} {seed}, row {row}, {nodes} nodes, {engine}: {what}".format(**fault))


if __name__ == "__main__":
    sys.exit(plainly(main))
