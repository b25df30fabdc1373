"""The parts that a circuit is made of on a board: resistors, one-ports, amplifiers, and the sources that drive it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np

from diodeq.board.brackets import digits, legal
from diodeq.board.parts import GROUND, Part
from diodeq.board.purchase import diode_package, resistor_number
from diodeq.board.symbols import symbol
from diodeq.circuit import KINDS, Circuit
from diodeq.circuit.amplifiers import inside, swing_nodes
from diodeq.circuit.bank import Floats
from diodeq.circuit.graph import first_source, idle
from diodeq.circuit.schematic.layers import layers
from diodeq.devices.diode.model import DiodeModel
from diodeq.errors import NotRealizableError
from diodeq.netlist.bom import engineering
from diodeq.spice.numbers import shortest

SUPPLIES = "supplies"
ELSEWHERE = "parts"
# What a board holds as parts or as pins of a connector.
_BUILT = ("resistors", "diodes", "voltage_sources")


def net_names(circuit: Circuit) -> list[str]:
    """What each node is called on the board: ground GND, all others by their own names."""
    found, taken = [GROUND], {GROUND.lower()}
    for node in circuit.nodes[1:]:
        name = legal(node)
        while name.lower() in taken:
            name += "_"
        taken.add(name.lower())
        found.append(name)
    return found


def demand_buildable(circuit: Circuit) -> None:
    """Raise ``NotRealizableError`` for a circuit with parts that nobody can solder."""
    for kind, spec in KINDS.items():
        own = np.flatnonzero(~inside(circuit, kind))
        if kind in _BUILT or not len(own):
            continue
        name = circuit.part_names(kind)[int(own[0])]
        remedy = "compile with --amplifier, such as TL074" if kind == "buffers" else "compile or train it without"
        raise NotRealizableError(f"{name} is an ideal {spec.singular}, which no board holds", remedy, parts=(name,))
    own = np.flatnonzero(~inside(circuit, "voltage_sources"))
    ends = circuit.voltage_sources.terminals[own]
    for at in np.flatnonzero((ends != 0).all(axis=1)).tolist():
        name = circuit.part_names("voltage_sources")[int(own[at])]
        first, second = (circuit.nodes[node] for node in ends[at].tolist())
        raise NotRealizableError(
            f"voltage source {name} is between {first} and {second}, and a connector holds nodes against ground only",
            "refer it to ground",
            parts=(name,),
        )


def resistors(circuit: Circuit, names: list[str], chip: str) -> Iterator[Part]:
    """A chip resistor for each, on the sheet of its layer."""
    sheets = _sheets(circuit)
    own = np.flatnonzero(~inside(circuit, "resistors")).tolist()
    called, ends = references(circuit.part_names("resistors")), circuit.resistors.terminals.tolist()
    for k in own:
        ohms = 1.0 / float(circuit.conductances[k])
        first, second = ends[k]
        sheet = sheets[second] if sheets[second] != ELSEWHERE else sheets[first]
        value = engineering(ohms)
        yield Part(
            called[k],
            value,
            symbol("R"),
            f"R_{chip}",
            (("1", names[first]), ("2", names[second])),
            sheet,
            "resistor 1 %",
            (("Sim.Device", "R"), ("Sim.Pins", "1=+ 2=-"), ("Sim.Params", f"r={digits(ohms)}")),
            True,
            resistor_number(ohms, chip),
        )


def diodes(circuit: Circuit, names: list[str]) -> Iterator[Part]:
    """A package for each diode, on the sheet of the layer of its node."""
    sheets = _sheets(circuit)
    called, ends = references(circuit.part_names("diodes")), circuit.diodes.terminals.tolist()
    for k in np.flatnonzero(~inside(circuit, "diodes")).tolist():
        model = circuit.models[int(circuit.diodes.values[k])]
        if not isinstance(model, DiodeModel):
            raise NotRealizableError(
                f"{called[k]} is a {model.name}, which is no diode with a package of its own",
                "build the circuit with a diode of `diodeq devices list`",
                parts=(called[k],),
            )
        anode, cathode = ends[k]
        footprint, number = diode_package(model.name)
        # KiCad takes M for the number of diodes in parallel.
        card = " ".join(
            f"{'MJ' if key == 'm' else key.upper()}={digits(value)}" for key, value in model.at_rest().full_card()
        )
        sot = footprint == "SOT-23"
        yield Part(
            called[k],
            model.name,
            symbol("D_SOT" if sot else "D"),
            footprint,
            (("3", names[cathode]), ("1", names[anode]), ("2", names[anode]))
            if sot
            else (("1", names[cathode]), ("2", names[anode])),
            sheets[anode] if sheets[anode] != ELSEWHERE else sheets[cathode],
            "diode",
            (("Sim.Device", "D"), ("Sim.Pins", "3=K 1=A" if sot else "1=K 2=A"), ("Sim.Params", card)),
            True,
            number,
        )


def sources(circuit: Circuit, names: list[str], drives: Floats) -> Iterator[Part]:
    """What drives the circuit in a simulation, and is no part of the board."""
    volts = circuit.source_values(drives)[0]
    called, ends = references(circuit.part_names("voltage_sources")), circuit.voltage_sources.terminals.tolist()
    start = first_source(circuit, "voltage_sources")
    unused = idle(circuit, "voltage_sources") | inside(circuit, "voltage_sources")
    unused |= np.isin(circuit.voltage_sources.terminals[:, 0], list(swing_nodes(circuit)))
    for k in np.flatnonzero(~unused).tolist():
        signed = float(volts[start + k])
        # KiCad prints a negative number with six digits, a positive one as it stands.
        pins = "1=- 2=+" if signed < 0.0 else "1=+ 2=-"
        yield Part(
            called[k],
            shortest(signed),
            symbol("V"),
            "",
            (("1", names[ends[k][0]]), ("2", names[ends[k][1]])),
            SUPPLIES,
            fields=(
                ("Sim.Device", "V"),
                ("Sim.Type", "DC"),
                ("Sim.Pins", pins),
                ("Sim.Params", f"dc={digits(abs(signed))}"),
            ),
            simulated=True,
        )


def references(names: Sequence[str]) -> list[str]:
    """What parts are called on the board: their names in capitals, with a number at the end, as KiCad wants it."""
    found = [name.upper() for name in names]
    taken = {name for name in found if name[-1:].isdecimal()}
    for k, name in enumerate(found):
        if not name[-1:].isdecimal():
            found[k] = next(free for number in count() if (free := f"{name}{number}") not in taken)
            taken.add(found[k])
    return found


def _sheets(circuit: Circuit) -> list[str]:
    """The sheet of each node: that of its layer."""
    found = [ELSEWHERE] * len(circuit.nodes)
    bought = ~inside(circuit, "resistors")
    number = 0
    for layer in layers(circuit):
        if not any(bought[some].any() for some in (layer.crossings, layer.within, layer.shunts)):
            continue
        number += 1
        for node in layer.nodes:
            found[node] = f"layer_{number}"
    return found
