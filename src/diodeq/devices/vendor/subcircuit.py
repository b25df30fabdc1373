"""A ``.subckt`` as the devices between its pins: one of two pins, or each that an array, a dual or a bridge holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from diodeq.devices.composite.form import Branch as Piece
from diodeq.devices.composite.form import Form, Leaf, ReducedForm, leaves, reduced
from diodeq.devices.composite.model import CompositeModel
from diodeq.devices.composite.parts import LEGAL_NODE, CompositePart
from diodeq.devices.composite.printing import ENTRY
from diodeq.devices.diode.model import DiodeModel
from diodeq.devices.vendor.control import settled
from diodeq.devices.vendor.elements import MEASURE, Reader, VendorBranch
from diodeq.errors import InputError
from diodeq.spice.numbers import shown


@dataclass(frozen=True)
class Device:
    """A device between two pins of a subcircuit, of which the first is its anode; ``turned`` is the same the other way
    round, where only the law tells which way is forward."""

    model: DiodeModel | CompositeModel
    ends: tuple[str, str]
    turned: Device | None = None


@dataclass(frozen=True)
class _Joined:
    """The branches that are no shorts, and the nodes of each once shorts have joined them."""

    kept: Sequence[VendorBranch]
    ends: Sequence[tuple[str, str]]


def devices_of(reader: Reader) -> tuple[list[Device], tuple[str, ...]]:
    """A subcircuit's devices, and a phrase for each thing left out.

    One diode with resistors in series is a diode, whose RS they join; all else between two pins is a composite. With
    more than two pins, what lies between each two of them is a device of its own, named after these.

    Raises:
        InputError: naming the line of what cannot be read, or the subcircuit that is no such thing.
    """
    body, text, source = reader.body, reader.text, reader.source
    branches = reader.branches()
    known = settled(branches, body.pins, text)
    joined = _joined(known, body.pins)
    pins = list(dict.fromkeys(joined.get(pin, pin) for pin in body.pins))
    kept = [branch for branch in known if branch.kind != "short"]
    ends = [(joined.get(start, start), joined.get(end, end)) for start, end in (branch.ends for branch in kept)]
    whole = _Joined(kept, ends)
    net = reduced(ends, frozenset(pins))
    _demand_sound(net, kept)
    idle = [kept[leaf.part].name for form in (*net.loose, *net.shorted) for leaf in leaves(form)]
    reader.ignored.extend(f"{name} carries no direct current" for name in idle)
    if len(body.pins) == 2:
        if not net.branches:
            raise InputError(f"no direct current leads through .subckt {shown(body.name)}", "connect its two pins")
        if len(net.branches) > 1:
            raise InputError(
                f"the parts of .subckt {shown(body.name)} are not in series and in parallel, as a bridge's are not",
                MEASURE,
            )
        return [_device(body.name, net.branches[0], whole, source)], tuple(reader.ignored)
    found: list[Device] = []
    for piece in net.branches:
        if inner := sorted({piece.start, piece.end} - set(pins)):
            raise InputError(
                f"the parts of .subckt {shown(body.name)} meet at {shown(inner[0])}, which is none of its pins", MEASURE
            )
        own = [kept[leaf.part] for leaf in leaves(piece.form)]
        if not any(each.kind == "diode" for each in own):
            reader.ignored.extend(f"{each.name} is part of no diode" for each in own)
            continue
        found.append(_called_by_pins(_device(body.name, piece, whole, source)))
    if not found:
        raise InputError(f".subckt {shown(body.name)} holds no diode", "give one that does")
    return found, tuple(reader.ignored)


def _joined(branches: Sequence[VendorBranch], pins: Sequence[str]) -> dict[str, str]:
    """The node that stands for each of those that shorts join: the first pin among them."""
    found: dict[str, str] = {}

    def root(node: str) -> str:
        while node in found:
            node = found[node]
        return node

    rank = {pin: k for k, pin in enumerate(pins)}
    for branch in branches:
        if branch.kind == "short":
            nodes = sorted({root(node) for node in branch.ends}, key=lambda node: rank.get(node, len(pins)))
            if len(nodes) == 2:
                found[nodes[1]] = nodes[0]
    return {node: root(node) for node in found}


def _demand_sound(net: ReducedForm, kept: Sequence[VendorBranch]) -> None:
    for forms, kind, why in ((net.shorted, "volts", "is shorted"), (net.loose, "amperes", "leads nowhere")):
        for form in forms:
            for leaf in leaves(form):
                if kept[leaf.part].kind == kind:
                    raise InputError(f"the source {shown(kept[leaf.part].name)} {why}", "leave it out")


def _device(name: str, piece: Piece, joined: _Joined, source: str) -> Device:
    """The device that a piece of a net is, from its anode to its cathode."""
    own = [(leaf, joined.kept[leaf.part]) for leaf in leaves(piece.form)]
    diodes = [(leaf, each) for leaf, each in own if each.kind == "diode"]
    form = piece.form
    plain = isinstance(form, Leaf) or (form.series and all(isinstance(child, Leaf) for child in form.children))
    plain &= len(diodes) == 1 and all(each.kind in ("diode", "ohms") for _, each in own)
    ohms = sum(each.value for _, each in own if each.kind == "ohms")
    model = diodes[0][1].diode if diodes else None
    if plain and model is not None:
        warm = any(each.tc1 or each.tc2 for _, each in own) or any(model.get(key) for key in ("trs1", "trs2"))
        if not (ohms and warm):
            ends = (piece.start, piece.end) if diodes[0][0].forward else (piece.end, piece.start)
            return Device(_behind(model, ohms, name, source), ends)
    forward = _composite(name, piece.form, piece.start, piece.end, joined, source)
    backward = _composite(name, piece.form, piece.end, piece.start, joined, source)
    return Device(forward, (piece.start, piece.end), Device(backward, (piece.end, piece.start)))


def _called_by_pins(device: Device) -> Device:
    """The device with the names of its pins behind its own."""
    model = replace(device.model, name="_".join([device.model.name, *device.ends]))
    return replace(device, model=model, turned=device.turned and _called_by_pins(device.turned))


def _behind(model: DiodeModel, ohms: float, name: str, source: str) -> DiodeModel:
    given = dict(model.parameters)
    if ohms:
        given["rs"] = model.get("rs") + ohms
    return replace(model, name=name, parameters=tuple(given.items()), source=source)


def _composite(name: str, form: Form, anode: str, cathode: str, joined: _Joined, source: str) -> CompositeModel:
    """What lies between two nodes, its nodes by their own names where a netlist can hold them."""
    names = {anode: "a", cathode: "c"}
    parts = []
    for part in sorted(leaf.part for leaf in leaves(form)):
        branch = joined.kept[part]
        for node in joined.ends[part]:
            legal = LEGAL_NODE.fullmatch(node) and node not in ("a", "c", "0", "gnd", ENTRY)
            if node not in names:
                names[node] = node if legal and node not in names.values() else f"n{len(names)}_"
        start, end = (names[node] for node in joined.ends[part])
        parts.append(CompositePart(branch.kind, start, end, branch.value, branch.tc1, branch.tc2, branch.diode))
    return CompositeModel(name, tuple(parts), source)
