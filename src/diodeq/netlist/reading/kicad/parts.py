"""A part of a KiCad schematic as lines of SPICE, by what its fields say of its simulation.

``Sim.*`` are the fields of KiCad 7 and later, ``Spice_*`` those before; without any, KiCad takes R, C, L, V and I by
the reference and the value. Beyond KiCad, a D without them is a diode whose value names its model, and what has no
effect (a connector, one pin) is left out. What KiCad makes something of that ngspice cannot run is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from diodeq.errors import InputError
from diodeq.netlist.reading.deck import Notes
from diodeq.netlist.reading.kicad.values import filled, pairs, spice_value, without_tolerance
from diodeq.spice.numbers import shown

# The arguments of a source's waveform, in their order; the value in direct current is the first one.
_WAVEFORMS = {
    "SIN": ("dc", "ampl", "f", "td", "theta", "phase"),
    "PULSE": ("y1", "y2", "td", "tr", "tf", "tw", "per", "np"),
    "EXP": ("y1", "y2", "td1", "tau1", "td2", "tau2"),
}
_MODEL_PINS = {
    **dict.fromkeys("RCLVI", ("+", "-")),
    **dict.fromkeys("EG", ("N+", "N-", "C+", "C-")),
    "D": ("A", "K"),
}
_INSTANCE = ("area", "m", "pj")  # of a diode, not of its model
_LEGACY = ("Spice_Primitive", "Spice_Model", "Spice_Netlist_Enabled", "Spice_Lib_File")
_NAME = re.compile(r"[^\s,()={}'\"`;+*.][^\s,()={}'\"`;]*")
_OFF = re.compile(r"[nf0]", re.IGNORECASE)
_WITHOUT_EFFECT = re.compile(r"(Connector\w*|Mechanical|Graphic\w*):|.*:TestPoint")


@dataclass
class KicadPart:
    """A part with its fields, and its pins as (number, name, node) in the order of their numbers."""

    line: int
    reference: str
    library: str
    fields: dict[str, str]
    pins: list[tuple[str, str, str]]
    order: list[str]
    """The pins' numbers in the order of the file."""

    def field(self, name: str) -> str:
        """A field's text, without spaces around it; empty without one."""
        return filled(self.fields.get(name, ""), self.fields).strip()

    def named(self, letter: str) -> str:
        """The part's name in a netlist, which begins with the letter of what it is."""
        if not _NAME.fullmatch(self.reference):
            raise InputError(f"{shown(self.reference)} is no name that a part can have", "annotate the schematic")
        return self.reference if self.reference.startswith(letter) else letter + self.reference


def spice_lines(part: KicadPart, notes: Notes) -> list[str]:
    """The lines of a part: none where it is not simulated or has no effect.

    Raises:
        InputError: a device that no circuit holds, or fields that say nothing that can be simulated.
    """
    device, old = part.field("Sim.Device"), any(part.fields.get(name) for name in _LEGACY)
    if any(_OFF.match(part.field(name)) for name in ("Sim.Enable", "Spice_Netlist_Enabled")):
        notes.add("parts that KiCad does not simulate were left out", part.reference, part.line)
        return []
    if device in _DEVICES:
        return _DEVICES[device](part, device, notes)
    if device or part.field("Sim.Library"):
        what = f"simulated as {shown(device)}" if device else "simulated by a model of another file"
        raise InputError(f"{shown(part.reference)} is {what}", f"a circuit holds {', '.join(_DEVICES)}; replace it")
    return _old(part) if old else _guessed(part, notes)


def _guessed(part: KicadPart, notes: Notes) -> list[str]:
    """The line of a part without any field of simulation."""
    letter = part.reference[:1].upper()
    if len(part.pins) < 2 or _WITHOUT_EFFECT.match(part.library):
        notes.add("connectors and what has one pin were left out", part.reference, part.line)
        return []
    if len(part.pins) == 2 and (letter == "D" or part.reference[:3].upper() == "LED"):
        return _plain_diode(part, notes)
    if len(part.pins) == 2 and letter in {*"RCLVI"}:
        return _DEVICES[letter](part, letter, notes)
    raise InputError(
        f"{shown(part.reference)} ({shown(part.library)}) does not say how it is simulated",
        "replace it by what it stands for, or exclude it from simulation in its properties",
    )


def _nodes(part: KicadPart, device: str) -> list[str]:
    """The nodes of the model's pins: in the order of the symbol's, unless Sim.Pins says otherwise."""
    names = _MODEL_PINS[device]
    numbers = [number for number, _, _ in part.pins]
    wanted = dict(zip(names, numbers, strict=False))
    if device in "VI" and not part.field("Sim.Pins") and part.order and part.order != numbers:
        # KiCad 9 takes them in the order of the file, which changes from one saving to the next
        raise InputError(f"which pin of {shown(part.reference)} is + is not said", "give it the field Sim.Pins 1=+ 2=-")
    for number, name in _pin_names(part):
        if name.isdecimal() and 0 < int(name[:3]) <= len(names):
            name = names[int(name) - 1]
        if name not in names or number not in numbers:
            problem = f"Sim.Pins of {shown(part.reference)} joins pin {shown(number)} to {shown(name)}"
            raise InputError(problem, f"a {device} has {', '.join(names)}; correct the field in KiCad")
        wanted[name] = number
    return [_node(part, wanted.get(name, "")) for name in names]


def _pin_names(part: KicadPart) -> list[tuple[str, str]]:
    """The pairs of Sim.Pins: a number on the symbol, and a name or a number in the model."""
    found = []
    for pair in part.field("Sim.Pins").split():
        number, _, name = pair.partition("=")
        if not name:
            raise InputError(f"Sim.Pins of {shown(part.reference)} is no list of NUMBER=PIN", "correct it in KiCad")
        found.append((number, name))
    return found


def _node(part: KicadPart, number: str) -> str:
    for own, _, node in part.pins:
        if own == number:
            return node
    raise InputError(
        f"{shown(part.reference)} has no pin {shown(number)} on the sheet", "correct its Sim.Pins in KiCad"
    )


def _value(part: KicadPart, notes: Notes) -> str:
    """The value of R, C or L: the one of Sim.Params, else the part's own."""
    given = part.field("Sim.Params")
    if "=" in given:
        params = pairs(given)
        if params.keys() == {part.field("Sim.Device").lower()}:
            return spice_value(params.popitem()[1])
        return " ".join(f"{name}={value}" for name, value in params.items())  # as they stand, as KiCad prints them
    value, rated = without_tolerance(given or part.field("Value"))
    if rated:
        notes.add("tolerances of values change nothing and were left out", part.reference, part.line)
    return spice_value(value, infix=not given)


def _passive(part: KicadPart, device: str, notes: Notes) -> list[str]:
    if part.field("Sim.Type") not in ("", "="):
        problem = f"{shown(part.reference)} is simulated as {device} of type {shown(part.field('Sim.Type'))}"
        raise InputError(problem, "draw what it stands for, such as two resistors for a potentiometer")
    return [" ".join([part.named(device), *_nodes(part, device), _value(part, notes)])]


def _controlled(part: KicadPart, device: str, notes: Notes) -> list[str]:
    given = part.field("Sim.Params")  # KiCad copies it, and so 1M is SPICE's milli
    gain = pairs(given).get("gain", given) if "=" in given else given
    return [" ".join([part.named(device), *_nodes(part, device), gain or part.field("Value")])]


def _source(part: KicadPart, device: str, notes: Notes) -> list[str]:
    kind = part.field("Sim.Type") or "DC"
    nodes = _nodes(part, device)
    given = part.field("Sim.Params")
    if kind == "=":
        return [" ".join([part.named("B"), *nodes, given.replace('"', "") or f"{device}{part.field('Value')}"])]
    if "=" not in given:
        return [" ".join([part.named(device), *nodes, given or _constant(part.field("Value"))])]
    params = pairs(given)
    alternating = [params.pop(key) for key in ("ac", "ph") if key in params]
    said = [f"DC {spice_value(params.get('dc', '0'))}"] if kind in ("DC", "SIN") or "dc" in params else []
    if kind == "PWL":
        points = " ".join(spice_value(word) for word in params.pop("pwl", "").split())
        said.append(f"PWL( {points} )")
    elif kind in _WAVEFORMS:
        names = _WAVEFORMS[kind]
        last = max((names.index(name) for name in params if name in names), default=0)
        said.append(f"{kind}( {' '.join(spice_value(params.pop(name, '0')) for name in names[: last + 1])} )")
    elif kind != "DC":
        problem = f"the waveform {shown(kind)} of {shown(part.reference)} has no value in direct current"
        raise InputError(problem, "make it a source of type DC")
    params.pop("dc", None)
    if params:
        problem = f"{shown(part.reference)} is a source of type {kind}, which has no {shown(min(params))}"
        raise InputError(problem, "correct its Sim.Params in KiCad")
    if alternating:
        said.append(f"AC {' '.join(map(spice_value, alternating))}")
    return [" ".join([part.named(device), *nodes, *said])]


def _constant(text: str) -> str:
    """The value of a source that has no Sim.Params: KiCad prints it after the word DC."""
    if re.match(r"dc\b", text, re.IGNORECASE):
        return text
    # ngspice takes a DC without a number for 0, whatever follows
    return f"DC 0 {text}" if re.match(r"[A-Za-z]+\s*\(|ac\b", text, re.IGNORECASE) else f"DC {spice_value(text, True)}"


def _diode(part: KicadPart, device: str, notes: Notes) -> list[str]:
    nodes = _nodes(part, device)
    if library := part.field("Sim.Library"):
        if part.field("Sim.Params"):
            problem = f"{shown(part.reference)} changes parameters of a model of another file"
            raise InputError(problem, "give it a .model of its own")
        return [f'.include "{library}"', " ".join([part.named("D"), *nodes, part.field("Sim.Name")])]
    name = f"__{part.reference}"
    given = {key: spice_value(value) for key, value in pairs(part.field("Sim.Params")).items()}
    if not given:
        said = "a diode whose simulation model has no parameters is ngspice's own, as in KiCad, whatever its value says"
        notes.add(said, f"{part.reference} {part.field('Value')}", part.line)
    card = " ".join(f"{key}={value}" for key, value in given.items() if key not in _INSTANCE)
    own = [f"{key}={given[key]}" for key in _INSTANCE if key in given]
    return [f".model {name} D({card})", " ".join([part.named("D"), *nodes, name, *own])]


def _plain_diode(part: KicadPart, notes: Notes) -> list[str]:
    """A diode that KiCad would not simulate: its value is its model's name, its pins' names tell them apart."""
    by_name = {name.upper()[:1]: node for _, name, node in part.pins}
    if by_name.keys() != {"A", "K"}:
        problem = f"the pins of {shown(part.reference)} are not called A and K"
        raise InputError(problem, "use a symbol of KiCad's library, or give it the field Sim.Pins")
    notes.add("diodes without a simulation model have the model that their value names", part.reference, part.line)
    return [f"{part.named('D')} {by_name['A']} {by_name['K']} {part.field('Value')}"]


def _ordered(part: KicadPart) -> list[str]:
    """The nodes of a model whose pins have numbers only: in the order of the symbol's, unless Sim.Pins has numbers."""
    order = {int(name): number for number, name in _pin_names(part) if name.isdecimal()}
    return [_node(part, order[at]) for at in sorted(order)] or [node for _, _, node in part.pins]


def _raw(part: KicadPart, device: str, notes: Notes) -> list[str]:
    """What a field says in SPICE's own words."""
    given = part.field("Sim.Params")
    params = pairs(given) if re.match(r"\w+=", given) else {"model": given}
    letter = params.get("type", part.reference[:1])
    if not letter[:1].isalpha() or not params.get("model"):
        problem = f"{shown(part.reference)} does not say what it is"
        raise InputError(problem, 'give type="…" and model="…" in its Sim.Params')
    return [
        *([f'.include "{params["lib"]}"'] if "lib" in params else []),
        " ".join([part.named(letter), *_ordered(part), params.get("model", "")]),
    ]


def _subcircuit(part: KicadPart, device: str, notes: Notes) -> list[str]:
    if any(not name.isdecimal() for _, name in _pin_names(part)):
        problem = f"the pins of {shown(part.reference)} are named in another file, which is not opened"
        raise InputError(problem, "draw what it stands for")
    given = " ".join(f"{key}={spice_value(value)}" for key, value in pairs(part.field("Sim.Params")).items())
    if not part.field("Sim.Library") or not part.field("Sim.Name"):
        raise InputError(f"{shown(part.reference)} does not say which subcircuit it is", "draw what it stands for")
    line = " ".join([part.named("X"), *_ordered(part), part.field("Sim.Name"), given])
    return [f'.include "{part.field("Sim.Library")}"', line]


def _old(part: KicadPart) -> list[str]:
    """A part with the fields of KiCad 4 to 6."""
    letter = part.field("Spice_Primitive") or part.reference[:1]
    sequence = re.split(r"[\s,;]+", part.field("Spice_Node_Sequence")) if part.field("Spice_Node_Sequence") else []
    numbers = [number for number, _, _ in part.pins]
    try:
        # positions among the symbol's pins
        nodes = [_node(part, numbers[int(at) - 1]) for at in sequence] or [node for _, _, node in part.pins]
    except (ValueError, IndexError):
        problem = f"Spice_Node_Sequence of {shown(part.reference)} names pins that it has not"
        raise InputError(problem, "give the numbers of its pins") from None
    library = part.field("Spice_Lib_File")
    model = part.field("Spice_Model") or part.field("Value")
    if letter in ("R", "C", "L"):
        model = spice_value(model, infix=not part.field("Spice_Model"))
    elif letter in ("V", "I"):
        given = re.sub(r"[^\s(),]+", lambda word: spice_value(word[0]), part.field("Spice_Model"))
        model = given or _constant(part.field("Value"))
    return [*([f'.include "{library}"'] if library else []), " ".join([part.named(letter), *nodes, model])]


_DEVICES: dict[str, Callable[[KicadPart, str, Notes], list[str]]] = {
    **dict.fromkeys("RCL", _passive),
    **dict.fromkeys("VI", _source),
    **dict.fromkeys("EG", _controlled),
    "D": _diode,
    "SUBCKT": _subcircuit,
    "SPICE": _raw,
}
