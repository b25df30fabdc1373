"""Benches: what a description says, in numbers, and the circuit that comes with one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from diodeq.benches.model import Expected
from diodeq.circuit import Circuit
from diodeq.errors import UsageError
from diodeq.simulators.bench import Description, Twin, described
from diodeq.simulators.bench import log as log_of
from diodeq.simulators.bench.backward import Backward
from diodeq.simulators.bench.boards import board
from diodeq.simulators.bench.channels import Channels
from diodeq.simulators.bench.codes import Converter, TapTable
from diodeq.simulators.bench.options import IMPERFECTIONS, changed
from diodeq.simulators.bench.serving import on_table


def bench(spec: str, circuit: Circuit | None = None) -> dict[str, Any]:
    """A bench in numbers, as a JSON document: ranges, what a code is worth, imperfections, seconds a gradient.

    Args:
        spec: a shipped name or a TOML file, with options after colons: ``iris:no-noise:adc.bits=8``.
        circuit: on it; of the board that the description names unless given, if it names one.

    Raises:
        UsageError: there is no such bench or option.
        InputError: the file is no description, or it does not fit the circuit.

    Example:
        >>> import diodeq
        >>> found = diodeq.bench("xor")
        >>> found["channels"], found["reads"]["step"]
        ({'drives': 2, 'taps': 16, 'reads': 4, 'injections': 2}, 0.000125)
    """
    own = _spelled(spec)
    if circuit is None and own.circuit:
        circuit = board(own.circuit)
    table, plain = TapTable(own.taps), asdict(own)
    low, high = table.ends
    found: dict[str, Any] = {
        "name": own.name,
        "about": own.about,
        "source": own.source,
        "sha256": own.sha256,
        "options": list(own.options),
        "circuit": own.circuit,
        "seed": own.seed,
        "link": dict(own.link),
    }
    for name, unit, section in (
        ("drives", "V", own.drives),
        ("holds", "V", own.held),
        ("reads", "V", own.reads),
        ("injections", "A", own.injections),
    ):
        step = Converter(*section.range, section.bits, unit).step
        found[name] = {"range": list(section.range), "bits": section.bits, "unit": unit, "step": step}
        if name in ("reads", "injections"):
            found[name]["nodes"] = plain[name]["nodes"]
    found["taps"] = {
        "part": own.taps.part,
        "codes": table.count if table.stepped else None,
        "ohms": [1.0 / high, 1.0 / low],
        "siemens": [low, high],
        "largest_step": table.spacing - 1.0,
    }
    found["imperfections"] = {
        name: {
            f"{section}.{key}": plain[section][key]
            for section, key, off in entries
            if (plain[section] or {}).get(key, off) != off
        }
        for name, entries in IMPERFECTIONS.items()
        if _differs(own, plain, name)
    }
    found["reading"] = {**plain["reading"], "amplitude": own.amplitude}
    if circuit is not None:
        at = Channels.of(circuit, own)
        rows = own.reading.repeats * (1 + 2 * Backward.of(at).count)
        found |= {"channels": at.counts, "seconds_a_reading": at.seconds}
        found |= {"readings_a_gradient": rows, "seconds_a_gradient": rows * at.seconds}
    return found


def bench_circuit(spec: str) -> Circuit:
    """The circuit of the board that a description names.

    Raises:
        UsageError: it names none, or there is no such bench.

    Example:
        >>> import diodeq
        >>> len(diodeq.bench_circuit("xor").resistors)
        16
    """
    own = _spelled(spec)
    if not own.circuit:
        raise UsageError(f"the bench {own.name} takes any circuit that fits its channels", "train one on it")
    return board(own.circuit)


def _spelled(spec: str) -> Description:
    """The bench that a simulator's name spells, with ``bench:`` before it or not."""
    return described(*spec.removeprefix("bench:").split(":"))


def _differs(own: Description, before: dict[str, Any], name: str) -> bool:
    """Whether a bench has an imperfection; ``before`` is it as a plain dict."""
    without = asdict(changed(own, f"no-{name}"))
    return any(repr(without[key]) != repr(before[key]) for key in before if key != "options")


def replay(log: str | Path, spec: str, circuit: Circuit | None = None) -> dict[str, Any]:
    """How a logged session with a bench differs from the twin of a description, or of one that was calibrated from what
    is believed now, as a JSON document: for every channel the mean difference, its root mean square, the worst, and by
    how much it drifts from the first row to the last with the standard error of that, in volts; ``off`` are all.

    Args:
        log: what ``DIODEQ_BENCH_LOG`` had written.
        spec: a shipped name or a TOML file, with options after colons.
        circuit: that was on the table; of the board that the description names unless given.

    Raises:
        UsageError: there is no such bench or option, or no circuit is named.
        InputError: a file cannot be read, or the log is of another bench.
    """
    own = _spelled(spec)
    table = on_table(own, circuit)
    at = Channels.of(table, own)
    found = log_of.replay(log, Twin(own, table) if own.calibrated is None else Expected(at))
    slopes, errors = found.drift
    names = [at.circuit.nodes[node] for node in at.read]
    columns = {"mean": found.mean, "rms": found.rms, "worst": found.worst, "drift": slopes, "drift_error": errors}
    channels = [
        {
            "node": name,
            **{key: float(codes[k] * at.reads.step) for key, codes in columns.items()},
            "line": int(line),
            "off": (found.off[:, k] * at.reads.step).tolist(),
        }
        for k, (name, line) in enumerate(zip(names, found.line, strict=True))
    ]
    return {"log": str(log), "bench": found.bench, "samples": found.rows, "channels": channels}
