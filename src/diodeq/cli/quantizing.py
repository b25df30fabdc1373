"""The options that say which parts a circuit's resistors are made of, and the words that say what that costs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import rich_click as click

from diodeq.analysis.quantization import Cost, drawn_drives
from diodeq.api.changes import Exchanged, quantize_at_cost
from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.cli.drives import quantities_of, volts
from diodeq.cli.options import Amount, together
from diodeq.cli.samples import Samples, sampled
from diodeq.devices.hardware.ladder import PAIRS, Ladder, ladder
from diodeq.devices.hardware.preferred import SERIES
from diodeq.errors import UsageError
from diodeq.measures import Labels
from diodeq.netlist.bom import engineering
from diodeq.printable import change, counted, percent

# --series, --programmable, --levels, --pairs, --ohms, --scale, and the samples to measure the cost with.
quantizing = together(
    click.option("--series", type=click.Choice(list(SERIES), case_sensitive=False), help="Preferred values to buy."),
    click.option("--programmable", metavar="PART", help="Digital potentiometers: AD5206, AD5293, MCP41010 …"),
    click.option(
        "--levels",
        type=click.IntRange(min=2),
        metavar="N",
        help="N evenly spaced conductances over --ohms: memory cells.",
    ),
    click.option("--pairs", type=click.Choice(PAIRS), help="Let two parts make a resistor where that is nearer."),
    click.option(
        "--ohms",
        type=Amount("ohms"),
        nargs=2,
        metavar="LOW HIGH",
        help="Range of resistances, such as 1k 100k.  [default: 1 10meg, the part's]",
    ),
    click.option(
        "--scale",
        default="1",
        show_default=True,
        metavar="S|auto",
        help="Multiply all conductances first, which moves voltages only by the diodes; auto takes the best.",
    ),
    sampled,
)


@dataclass(frozen=True)
class PartOptions:
    """The values of the options."""

    series: str | None
    programmable: str | None
    levels: int | None
    pairs: str | None
    ohms: tuple[float, float] | None
    scale: str
    samples: Samples

    @classmethod
    def taken(cls, options: dict[str, Any]) -> Self:
        """The options' values, taken out of a command's."""
        samples = Samples(**{each.name: options.pop(each.name) for each in fields(Samples)})
        own = {each.name: options.pop(each.name) for each in fields(cls) if each.name != "samples"}
        return cls(**own, samples=samples)

    def ladder(self) -> Ladder | None:
        """The ladder asked for, or None; raises ``UsageError`` where the options exclude each other."""
        named = [word for word in (self.series, self.programmable, self.levels and str(self.levels)) if word]
        if len(named) > 1:
            raise UsageError("--series, --programmable and --levels exclude each other", "give one of them")
        if not named:
            meant = [name for name in ("pairs", "ohms") if getattr(self, name)]
            meant += [each.name for each in fields(Samples) if getattr(self.samples, each.name)]
            if meant or self.scale != "1":
                option = meant[0] if meant else "scale"
                raise UsageError(
                    f"--{option} has no meaning without parts to choose from",
                    "add --series E24 or --programmable AD5206",
                )
            return None
        if self.programmable and self.programmable.isdigit():
            raise UsageError(f"{self.programmable} is no part", f"write --levels {self.programmable}")
        if self.levels and self.ohms is None:
            raise UsageError(f"--levels {self.levels} needs a range", "add --ohms LOW HIGH, such as --ohms 1k 100k")
        low, high = (0.0, np.inf) if self.ohms is None else siemens(self.ohms)
        return ladder(f"{named[0]}:{self.pairs}" if self.pairs else named[0], low, high)

    def apply(self, circuit: Circuit, file: Path, rungs: Ladder, **asked: Any) -> Exchanged:
        """The quantized circuit of a ``file`` and what it costs; ``asked`` says of what simulator."""
        scale = self.scale if self.scale == "auto" else _number(self.scale)
        rows, labels = self._rows(circuit, file)
        return quantize_at_cost(
            circuit, rungs, scale=scale, inputs=rows, labels=quantities_of(circuit, labels), **asked
        )

    def drives(self, circuit: Circuit, file: Path) -> tuple[Floats, Labels | None, int]:
        """Input volts, class numbers, and how many values the circuit's limit cut."""
        rows, labels = self._rows(circuit, file)
        if rows is None:
            return drawn_drives(circuit), None, 0
        return volts(circuit, rows, self.samples.inputs), labels, circuit.scaling.clipped(rows)

    def _rows(self, circuit: Circuit, file: Path) -> tuple[Floats | None, Labels | None]:
        """Rows in the user's units and class numbers, None where none are given."""
        if not self.samples.given:
            return None, None
        rows, labels = self.samples.rows(file, circuit)
        volts(circuit, rows, self.samples.inputs)  # which says of a value by its place that it is none
        return rows, labels


def document(changed: Exchanged) -> dict[str, Any]:
    """What was done, what it costs and asks for, for --json."""
    quantized = changed.quantized
    errors = np.abs(quantized.errors)
    return {
        "parts": quantized.ladder.name,
        "values": len(quantized.ladder),
        "scale": quantized.scale,
        "resistors": len(errors),
        "outside": quantized.beyond,
        "median_relative_error": float(np.median(errors)) if len(errors) else 0.0,
        "simulator": changed.version,
        **changed.cost.to_json(),
        "feasibility": changed.feasibility.to_json(),
        "volts_allowed": quantized.ladder.single.span if np.isfinite(quantized.ladder.single.span) else None,
    }


def words(changed: Exchanged, drawn: bool) -> str:
    """The same in sentences, one a line."""
    found, quantized = changed.cost, changed.quantized
    single, errors = quantized.ladder.single, np.abs(quantized.errors)
    scaled = f" after all conductances times {quantized.scale:.4g}" if quantized.scale != 1.0 else ""
    lines = [
        f"{counted(len(errors), 'resistor')} onto {counted(len(quantized.ladder), 'value')} of"
        f" {quantized.ladder.name}{scaled}: half are"
        f" within {100 * np.median(errors) if len(errors) else 0:.2g} %, {quantized.beyond:,} lay outside"
        f" {engineering(1 / quantized.ladder.high)} … {engineering(1 / quantized.ladder.low)} ohm"
    ]
    lines.append(moved(found, len(quantized.circuit.outputs), drawn, changed.version))
    if known := found.known():
        lines.append(known)
    lines.append(changed.feasibility.sentence())
    if found.apart > single.span:
        lines.append(
            f"note: nodes come {found.apart:.3g} V apart, but {single.part} takes {single.span:g} V between its"
            " supplies; train with fewer --supply or choose another part"
        )
    return "\n".join(lines)


def moved(cost: Cost, outputs: int, drawn: bool, simulator: str) -> str:
    """How far so many outputs move, over samples that were drawn at random or given."""
    kept = "" if outputs < 2 else f"; {percent(cost.agreement)} keep their highest output"
    return (
        f"outputs move by {cost.rms:.3g} V rms ({change(cost.relative)}), {cost.largest:.3g} V at most,"
        f" over {counted(cost.samples, 'sample')} {'drawn at random' if drawn else 'given'}{kept} ({simulator})"
    )


def siemens(ohms: tuple[float, float]) -> tuple[float, float]:
    """The least and the largest conductance of a range of resistances; raises ``UsageError`` where it is none."""
    low, high = ohms
    if not 0.0 < low < high < np.inf:
        raise UsageError(f"--ohms {low:g} {high:g} is no range", "give the least resistance, then the largest")
    return 1.0 / high, 1.0 / low


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--scale {text!r} is neither a number nor auto", "write --scale auto or --scale 4") from None
