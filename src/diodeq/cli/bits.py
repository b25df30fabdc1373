"""``diodeq quantize --bits``: how few bits, levels or preferred values a network's weights or a circuit's resistors
need, and what is proved with each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from diodeq import archives
from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.cli.console import WIDE, Terminal, bar
from diodeq.cli.drives import labels_of
from diodeq.cli.networks import open_network
from diodeq.cli.options import WEIGHTS, print_json, together
from diodeq.cli.quantizing import PartOptions, siemens
from diodeq.cli.terminal import mention, say
from diodeq.devices.hardware.variation import Variation
from diodeq.errors import InputError, UsageError
from diodeq.measures import Labels, measure_for
from diodeq.network import Network
from diodeq.printable import counted, percent
from diodeq.simulators import computing
from diodeq.tables import read_matrix

if TYPE_CHECKING:
    from diodeq.analysis.bits import FewValues, FewWeights

MAY_LOSE = 0.01
"""Share of samples that fewer values may certify less than as drawn, in the last line."""
PROOFS = {"change": "‖ΔW‖ < m", "margin": "margin", "weights": "weights of units", "": "nothing"}

# --bits and what goes with it alone.
BITS = together(
    click.option(
        "--bits",
        metavar="LEAST:MOST",
        help="Instead of writing a circuit, try so many bits, such as 2:8, of resistors or of a network's weights, and"
        " say what is proved. For circuits E12 or AD5206 may stand among them: 2:8,E12,E24.",
    ),
    click.option(
        "--tolerance",
        metavar="T",
        default="1%",
        show_default=True,
        callback=lambda context, parameter, value: Variation.parse(f"tolerance={value}").tolerance,
        help="With --bits: of all resistors of the boards that are certified.",
    ),
    WEIGHTS,
)


def asked_for(word: str) -> list[str]:
    """The numbers of bits and the names of values that ``2:4,E12`` spells: 2, 3, 4, E12."""
    found: list[str] = []
    for part in word.split(","):
        first, colon, last = part.strip().partition(":")
        if not _plain(first) or (colon and not _plain(last)):
            if colon or not first or first.isnumeric():
                raise UsageError(f"--bits {word!r} is no range", "write --bits 2:8, or --bits 2:8,E12,E24")
            found.append(first)
            continue
        low, high = int(first), int(last if colon else first)
        if not 1 <= low <= high <= 32:
            raise UsageError(f"--bits {part.strip()} is no range", "give numbers from 1 to 32, the smaller first")
        found += map(str, range(low, high + 1))
    return found


def _plain(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 9


def is_circuit(path: Path) -> bool:
    """Whether a file is one of diodeq's circuits, as far as that is seen without reading it whole."""
    try:
        return path.suffix.lower() == ".npz" and "header" in archives.read(path, ("header",))
    except (InputError, OSError):
        return False


def try_bits(
    path: Path,
    word: str,
    parts: PartOptions,
    tolerance: float,
    weights: dict[str, Any],
    engine: tuple[str, int | None, float],
    as_json: bool,
) -> None:
    """All of the command: read, ask, print."""
    for option in ("series", "programmable", "levels", "pairs"):
        if getattr(parts, option):
            raise UsageError(f"--{option} and --bits exclude each other", "name the values in --bits: 2:8,E12")
    if parts.scale != "1":
        raise UsageError("--scale has no meaning with --bits", "leave it out")
    values = asked_for(word)
    if is_circuit(path):
        given = next((f"--{name}" for name, value in weights.items() if value is not None), None)
        if given:
            raise UsageError(f"{given} is for weights files, and {path} is a circuit", "leave it out")
        _of_circuit(path, values, parts, tolerance, engine, as_json)
        return
    if parts.ohms is not None:
        raise UsageError("--ohms is for circuits, and the file is no circuit", "leave it out")
    strange = next((each for each in values if not each.isdigit()), None)
    if strange:
        raise UsageError(f"weights are of bits, not of {strange}", "leave it out, or give a circuit")
    loaded = open_network(path, weights["activation"], weights["layers"], weights["margin"], as_json)
    _of_network(path, loaded.network, [int(each) for each in values], parts, as_json)


def _of_network(path: Path, network: Network, bits: list[int], parts: PartOptions, as_json: bool) -> None:
    from diodeq.analysis.bits import of_network

    rows, labels = _rows(path, network, parts)
    found = of_network(network, bits, rows, labels)
    least = _least([bool(each.rounded.proof) for each in found], bits)
    if as_json:
        document = {"file": str(path), "of": "network", "samples": 0 if rows is None else len(rows)}
        print_json({**document, "rows": [each.to_json() for each in found], "least_unique": least})
        return
    radius = found[0].rounded.radius
    Terminal(least=WIDE).print(_network_table(found, labels is not None, rows is not None))
    say(
        f"m = {radius:.4g}; "
        + (
            "no number of bits of these is proved to leave one equilibrium"
            if least is None
            else f"from {counted(least, 'bit')} on one equilibrium for every input is proved"
        )
    )


def _rows(path: Path, network: Network, parts: PartOptions) -> tuple[Floats | None, Labels | None]:
    samples, count = parts.samples, network.widths[0]
    if not samples.given:
        return None, None
    if samples.inputs is None:
        found = samples.held_out(path, lambda data: "")
        wide, high = found.x_test.shape[1], len(found.classes or found.targets)
        if (wide, high) != (count, network.widths[-1]):
            raise InputError(
                f"{found.name} has {wide} features and {high} classes or targets, the network of {path} {count} inputs"
                f" and {network.widths[-1]} outputs",
                "give the data that it is for",
            )
        return found.x_test, found.y_test
    rows = read_matrix(samples.inputs, [f"x{k}" for k in range(count)], samples.labelled)
    return rows[:, :count], labels_of(samples.inputs, rows, network.widths[-1]) if samples.labelled else None


def _of_circuit(
    path: Path,
    values: list[str],
    parts: PartOptions,
    tolerance: float,
    engine: tuple[str, int | None, float],
    as_json: bool,
) -> None:
    from diodeq.analysis.bits import boards_of, of_circuit, share

    circuit = Circuit.load(path)
    drives, labels, _ = parts.drives(circuit, path)
    names = [str(2 ** int(each)) if each.isdigit() else each for each in values]
    ends = None if parts.ohms is None else siemens(parts.ohms)
    with computing(*engine) as simulator:
        drawn = boards_of(circuit, drives, labels, tolerance, simulator)
        with bar("values", len(names)) as tell:
            found = of_circuit(circuit, names, drives, labels, tolerance, simulator, ends, tell)
        version = simulator.version
    levels = [each for each in found if each.name.isdigit()]
    counts = [int(each.name) for each in levels]
    unique = _least([each.unique for each in levels], counts)
    decides = not circuit.scaling.regresses
    enough = share(drawn) - MAY_LOSE if decides and drawn is not None else None
    kept = None if enough is None else _least([(each.share or 0.0) >= enough for each in levels], counts)
    if as_json:
        document = {"file": str(path), "of": "circuit", "samples": len(drives), "simulator": version}
        proved = None if drawn is None else drawn.to_json()
        document |= {"tolerance": tolerance, "drawn": proved, "rows": [each.to_json() for each in found]}
        print_json({**document, "least_unique": unique, "least_certified": kept})
        return
    Terminal(least=WIDE).print(_circuit_table(found, labels, tolerance, decides))
    if drawn is None:
        mention(f"boards of circuit {circuit.title!r} are not bounded: diodeq certify says why")
        return
    board = f"on every board of {percent(tolerance)} ({version})"
    if not decides:
        say(f"as drawn outputs are off by at most {drawn.bounds.max():.3g} V {board}")
        return
    least = "no number of levels comes" if kept is None else f"from {kept} levels on they come"
    say(f"as drawn {percent(share(drawn))} certified; {least} within {percent(MAY_LOSE)} of that, {board}")


def _least(proved: Sequence[bool], counts: Sequence[int]) -> int | None:
    """The first count from which on all are proved; None where that of the largest is not."""
    order = sorted(range(len(counts)), key=counts.__getitem__)
    last = next((k for k in reversed(range(len(order))) if not proved[order[k]]), -1)
    return counts[order[last + 1]] if last + 1 < len(order) else None


def _named(values: str) -> str:
    return f"{values} levels" if values.isdigit() else values


def _network_table(found: list[FewWeights], labelled: bool, sampled: bool) -> Any:
    from rich.table import Table

    table = Table()
    shares = [("accuracy", "accuracy")] if labelled else []
    shares += [("agreement", "as drawn"), ("proved", "proved so")] if sampled else []
    for column in ("bits", "‖ΔW‖", "margin", "weighed", "one equilibrium by", *(title for _, title in shares)):
        table.add_column(column, justify="right")
    for each in found:
        few = each.rounded
        numbers = (few.change, few.margin, few.weighed)
        known = [getattr(each, name) for name, _ in shares]
        table.add_row(
            str(few.bits),
            *(f"{number:.4g}" for number in numbers),
            PROOFS[few.proof],
            *("–" if value is None else percent(value) for value in known),
        )
    return table


def _circuit_table(found: list[FewValues], labels: Labels | None, tolerance: float, decides: bool) -> Any:
    from rich.table import Table

    table = Table()
    known = [] if labels is None else [measure_for(labels).name]
    boards = f"{'certified' if decides else 'boards off by'} at {percent(tolerance)}"
    shares = [*known, *(["decided as drawn"] if decides else []), boards]
    for column in ("values", "one operating point", "outputs off by, rms", *shares):
        table.add_column(column, justify="right")
    for each in found:
        measured = [each.cost.known().partition(",")[0].removeprefix(f"{name} ") for name in known]
        bound = "–"
        if each.certified is not None:
            bound = percent(each.share or 0.0) if decides else f"{each.certified.bounds.max():.3g} V"
        table.add_row(
            _named(each.name),
            "proved" if each.unique else "not proved",
            percent(each.cost.relative),
            *measured,
            *([percent(each.cost.agreement)] if decides else []),
            bound,
        )
    return table
