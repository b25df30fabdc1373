"""A circuit becomes a KiCad project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from diodeq.analysis.quantization import Cost, best_scaled, cost, drawn_drives
from diodeq.api.things import demand_circuit
from diodeq.board.build import Built, build
from diodeq.board.drivers import driven
from diodeq.board.fabrication import fabricated
from diodeq.board.parasitics import Surroundings, realistic
from diodeq.board.programmable import rungs
from diodeq.board.purchase import odd_values
from diodeq.circuit import Circuit
from diodeq.devices.hardware.ladder import ladder
from diodeq.errors import UsageError
from diodeq.files import write_folder
from diodeq.pool import TIME_LIMIT
from diodeq.printable import change, counted
from diodeq.simulators import computing
from diodeq.simulators.base import Simulator
from diodeq.synthesis.quantize import quantize


@dataclass(frozen=True, eq=False)
class BoardProject:
    """A project's ``files`` by their names, the ``built`` boards, what its parts ``moves`` at the outputs (None: it has
    the circuit's own), what the copper does (``copper_moves``) and the circuit with it (``real``), where asked for."""

    built: Built
    files: Mapping[str, str | bytes]
    moves: Cost | None
    copper_moves: Cost | None
    real: Circuit | None

    def save(self, folder: str | Path, overwrite: bool = False) -> None:
        """Write it into a folder, which must not be there unless ``overwrite``; raises ``InputError``."""
        write_folder(folder, self.files, overwrite, (".kicad_pro",))

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        moved = {"moved": self.moves and self.moves.to_json()}
        return {**moved, "copper_moves": self.copper_moves and self.copper_moves.to_json(), **self.built.to_json()}


def kicad_project(
    circuit: Circuit,
    name: str = "board",
    *,
    fixed: bool = False,
    programmable: str = "",
    complement: str = "connector",
    buffers: bool = False,
    amplifier: str = "TL074",
    package: str = "0603",
    size: tuple[float, float] | None = None,
    drives: ArrayLike | None = None,
    surroundings: Surroundings | None = None,
    gerbers: bool = False,
    simulator: str = "wave",
    time_limit: float = TIME_LIMIT,
) -> BoardProject:
    """A circuit as a KiCad project: schematic, boards placed and routed, parts list, and the libraries that they need.

    Resistors are the circuit's own, with ``fixed`` the nearest of E24, or potentiometers called ``programmable``.
    ``complement`` says where -x comes from ("connector", "amplifier"), ``buffers`` whether followers are at outputs;
    both are of ``amplifier``. Boards are no larger than ``size`` in mm. The schematic is simulated with ``drives``
    float64[n_in] volts (0). ``surroundings`` are the contacts and the surface with which the copper is computed.

    Raises:
        UsageError: options that exclude each other, or an unknown part.
        NotRealizableError: a part that nobody can solder, or boards that are too small.
        SimulatorMissingError: ``gerbers`` without KiCad.

    Example:
        >>> import diodeq
        >>> project = diodeq.kicad_project(diodeq.layered((2, 3, 1)), "xor", fixed=True)
        >>> "xor.kicad_pcb" in project.files
        True
    """
    demand_circuit(circuit)
    if fixed and programmable:
        raise UsageError("--fixed and --programmable exclude each other", "give one of them")
    if complement not in ("connector", "amplifier"):
        raise UsageError(f"there is no complement {complement!r}", "take connector or amplifier")
    amplifiers = complement == "amplifier", buffers
    with computing(simulator, 1, time_limit) as engine:
        changed, notes = _of_parts(engine, circuit, fixed, programmable)
        if any(amplifiers):
            changed = driven(changed, *amplifiers, amplifier)
        moves = None if changed is circuit else cost(engine, circuit, changed, drawn_drives(circuit))
        if programmable and moves and moves.apart > (span := rungs(programmable).single.span):
            notes.append(
                f"nodes come {moves.apart:.3g} V apart, but {programmable} takes {span:g} V; train with --supply 2.5"
            )
        built = build(changed, name, drives, notes, programmable, size, package)
        made = fabricated(built.files) if gerbers else {}
        real = None if surroundings is None else realistic(built, surroundings)
        copper = None if real is None else cost(engine, changed, real, drawn_drives(changed))
    return BoardProject(built, {**built.files, **made}, moves, copper, real)


def _of_parts(engine: Simulator, circuit: Circuit, fixed: bool, programmable: str) -> tuple[Circuit, list[str]]:
    """The circuit with the resistors asked for, the same object where it has them, and sentences about them."""
    if not fixed and not programmable:
        odd = odd_values(circuit)
        have = "has a value" if odd == 1 else "have values"
        told = f"{counted(odd, 'resistor')} {have} that no shop has; add --fixed, or see diodeq quantize"
        return circuit, [told] * bool(odd)
    if programmable:
        quantized = best_scaled(engine, circuit, rungs(programmable), drawn_drives(circuit))
    else:
        quantized = quantize(circuit, ladder("E24"))
    worst = float(np.abs(quantized.errors).max(initial=0.0))
    scaled = f" after all conductances times {quantized.scale:.4g}" if quantized.scale != 1.0 else ""
    told = f"resistors are the nearest of {quantized.ladder.name}{scaled}, the worst {change(worst)} off in conductance"
    beyond = f"{counted(quantized.beyond, 'resistor')} lay outside the values that there are"
    return quantized.circuit, [told, *[beyond] * bool(quantized.beyond)]
