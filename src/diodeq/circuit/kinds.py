"""What the element kinds are: each says here, once, all that the rest of the house needs to know of it.

Checking, equations, folding, the adjoint, gradients, netlists, scaling and reports iterate over ``KINDS``; none of them
lists kinds again, so a new kind is one entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from diodeq.errors import CircuitError

# In a ``Flow``: the part's own current and the equation of its branch, instead of terminals.
OWN = -1
_OWN, _PORT, _OTHER, _SWAPPED = (OWN,), (0, 1), (2, 3), (2, 3, 0, 1)
# In a ``Card``: where the name of a nonlinear part's model goes.
MODEL = "model"


@dataclass(frozen=True)
class Flow:
    """What a part adds to its circuit's equations: ``sign`` times what controls it, times its value where ``valued``.

    ``control`` is the voltage between two terminals, plus and minus, or the part's own current, ``(OWN,)``. ``out`` is
    where it counts: a current that leaves the node of the first terminal into the part and comes back at the second's,
    or a term of the equation of the part's branch, ``(OWN,)``.
    """

    out: tuple[int, ...]
    control: tuple[int, ...]
    sign: float = 1.0
    valued: bool = True


@dataclass(frozen=True)
class Card:
    """One SPICE element of those that spell a part: its name and what follows, before the number that ends the line.

    ``name`` and texts among ``fields`` have ``{}`` for the part's name; numbers are terminals, ``MODEL`` the model's
    name. The number is ``factor`` times the part's value, or the value's inverse where ``inverse``; with ``factor``
    None there is none.
    """

    name: str
    fields: tuple[int | str, ...]
    factor: float | None = 1.0
    inverse: bool = False


@dataclass(frozen=True)
class Adjoint:
    """What stands for a part in the transposed circuit: a part of ``kind`` whose terminals are these of the part's, and
    whose value is ``factor`` times its (0 for an independent source)."""

    kind: str
    terminals: tuple[int, ...]
    factor: float


@dataclass(frozen=True)
class Kind:
    """An element kind.

    Args:
        singular: what one is called. prefix: begins every part's name.
        terminals: a part's nodes in order. quantity, unit: what ``Bank.values`` means.
        ports: the pairs of terminals that carry current from one to the other.
        stamp: the part's linear equations. branch: the port whose current, entering its first terminal, is an unknown
            of its own (``OWN``), or None.
        holds: the port whose voltage it fixes whatever flows, or None; a loop of them has no unique solution.
        source: of an independent source, where its value stands on the right side of the equations: (``OWN`` or a
            terminal, sign).
        nonlinear: values are numbers of one-port models (``Circuit.models``), the current is theirs.
        adjoint: what stands for it in the transposed circuit.
        level: the power of a common factor of all admittances with which the value grows (sources of current and
            conductances: 1).
        passive: whether it never gives power, whatever its value, sources aside: where all are, and one-ports' laws
            rise, there is one operating point at most.
        allowed: which values are, "positive", "not zero" or "finite" (all finite ones).
        cards: how SPICE spells it. sensed: which card's current is the branch's.
        symbol: of two terminals, the symbol of its picture (schemdraw's name); of more, a box, what its value follows.
    """

    singular: str
    prefix: str
    terminals: tuple[str, ...]
    quantity: str
    unit: str
    ports: tuple[tuple[int, int], ...]
    adjoint: Adjoint
    cards: tuple[Card, ...]
    stamp: tuple[Flow, ...] = ()
    branch: tuple[int, int] | None = None
    holds: tuple[int, int] | None = None
    source: tuple[tuple[int, float], ...] = ()
    nonlinear: bool = False
    level: int = 0
    allowed: str = "finite"
    passive: bool = False
    sensed: str = ""
    symbol: str = ""

    @property
    def reciprocal(self) -> bool:
        """Whether the part is its own adjoint, an independent source's zeroing aside."""
        own = self.adjoint
        return own.terminals == tuple(range(len(self.terminals))) and (own.factor == 1.0 or bool(self.source))

    @property
    def conductive(self) -> bool:
        """Whether the part is a positive conductance between its terminals, and nothing more."""
        return self.allowed == "positive" and self.stamp == (Flow(_PORT, _PORT),)

    @property
    def stiff(self) -> bool:
        """Whether the part fixes a port's voltage by a current that nothing else depends on: what is straight across
        it moves no node, whatever it carries."""
        return self.holds is not None and all(flow.out == self.holds for flow in self.stamp if flow.control == _OWN)

    @property
    def trainable(self) -> bool:
        """Whether the value is a factor of the equations, so that it has a gradient by local products."""
        return any(flow.valued for flow in self.stamp)

    @property
    def inner(self) -> tuple[str, ...]:
        """Nodes that its spelling adds, with ``{}`` for the part's name."""
        names = {card.name for card in self.cards}
        texts = (field for card in self.cards for field in card.fields if isinstance(field, str))
        return tuple(dict.fromkeys(text for text in texts if text not in names and text != MODEL))


def _branch(port: tuple[int, int]) -> tuple[Flow, ...]:
    """A current of the part's own through a port, whose voltage is in its equation."""
    return Flow(port, _OWN, valued=False), Flow(_OWN, port, valued=False)


# Laws, with v = difference of a port's nodes and i = current entering its first node:
#   resistor i = g v; voltage source v+ - v- = value; current source: value flows from + through the source to -;
#   transformer v1 = n v2, i2 = -n i1; gyrator i1 = g v2, i2 = -g v1;
#   buffer (voltage-controlled voltage source) v_out = a v_ctrl; mirror (current-controlled current source):
#   its sense port is a short, i_out = a i_sense.
KINDS: dict[str, Kind] = {
    "resistors": Kind(
        singular="resistor",
        passive=True,
        prefix="r",
        terminals=("a", "b"),
        quantity="conductance in siemens",
        unit="S",
        ports=(_PORT,),
        stamp=(Flow(_PORT, _PORT),),
        adjoint=Adjoint("resistors", (0, 1), 1.0),
        level=1,
        allowed="positive",
        cards=(Card("{}", (0, 1), inverse=True),),
        symbol="Resistor",
    ),
    "diodes": Kind(
        singular="diode",
        passive=True,
        prefix="d",
        terminals=("anode", "cathode"),
        quantity="index of the diode model",
        unit="",
        ports=(_PORT,),
        nonlinear=True,
        adjoint=Adjoint("diodes", (0, 1), 1.0),
        cards=(Card("{}", (0, 1, MODEL), None),),
        symbol="Diode",
    ),
    "voltage_sources": Kind(
        singular="voltage source",
        passive=True,
        prefix="v",
        terminals=("plus", "minus"),
        quantity="volts",
        unit="V",
        ports=(_PORT,),
        stamp=_branch(_PORT),
        branch=_PORT,
        holds=_PORT,
        source=((OWN, 1.0),),
        adjoint=Adjoint("voltage_sources", (0, 1), 0.0),
        cards=(Card("{}", (0, 1)),),
        sensed="{}",
        symbol="SourceV",
    ),
    "current_sources": Kind(
        singular="current source",
        passive=True,
        prefix="i",
        terminals=("plus", "minus"),
        quantity="amperes",
        unit="A",
        ports=(),
        source=((0, -1.0), (1, 1.0)),
        adjoint=Adjoint("current_sources", (0, 1), 0.0),
        level=1,
        cards=(Card("{}", (0, 1)),),
        symbol="SourceI",
    ),
    "transformers": Kind(
        singular="transformer",
        passive=True,
        prefix="t",
        terminals=("plus1", "minus1", "plus2", "minus2"),
        quantity="turns ratio n",
        unit="turns ratio",
        ports=(_PORT, _OTHER),
        stamp=(*_branch(_PORT), Flow(_OTHER, _OWN, -1.0), Flow(_OWN, _OTHER, -1.0)),
        branch=_PORT,
        adjoint=Adjoint("transformers", (0, 1, 2, 3), 1.0),
        allowed="not zero",
        # v1 = n v2 by the E source, i2 = -n i1 by the F source, i1 being what flows through the 0 V source.
        cards=(
            Card("v_{}", (0, "x_{}"), 0.0),
            Card("e_{}", ("x_{}", 1, 2, 3)),
            Card("f_{}", (2, 3, "v_{}"), -1.0),
        ),
        sensed="v_{}",
        symbol="n = ",
    ),
    "gyrators": Kind(
        singular="gyrator",
        passive=True,
        prefix="y",
        terminals=("plus1", "minus1", "plus2", "minus2"),
        quantity="siemens",
        unit="S",
        ports=(_PORT, _OTHER),
        stamp=(Flow(_PORT, _OTHER), Flow(_OTHER, _PORT, -1.0)),
        adjoint=Adjoint("gyrators", (0, 1, 2, 3), -1.0),
        level=1,
        cards=(Card("g_{}_a", (0, 1, 2, 3)), Card("g_{}_b", (2, 3, 0, 1), -1.0)),
        symbol="",
    ),
    "buffers": Kind(
        singular="buffer",
        prefix="e",
        terminals=("out_plus", "out_minus", "ctrl_plus", "ctrl_minus"),
        quantity="voltage gain",
        unit="V/V",
        ports=(_PORT,),
        stamp=(*_branch(_PORT), Flow(_OWN, _OTHER, -1.0)),
        branch=_PORT,
        holds=_PORT,
        adjoint=Adjoint("mirrors", _SWAPPED, -1.0),
        cards=(Card("{}", (0, 1, 2, 3)),),
        sensed="{}",
        symbol="×",
    ),
    "mirrors": Kind(
        singular="mirror",
        prefix="f",
        terminals=("out_plus", "out_minus", "sense_plus", "sense_minus"),
        quantity="current gain",
        unit="A/A",
        ports=(_OTHER,),
        stamp=(*_branch(_OTHER), Flow(_PORT, _OWN)),
        branch=_OTHER,
        holds=_OTHER,
        adjoint=Adjoint("buffers", _SWAPPED, -1.0),
        cards=(Card("v_{}", (2, 3), 0.0), Card("{}", (0, 1, "v_{}"))),
        sensed="v_{}",
        symbol="×",
    ),
}


def source_kinds() -> list[str]:
    """The kinds of independent sources, in the order in which ``Inputs.source`` counts through them."""
    return [kind for kind, spec in KINDS.items() if spec.source]


def nonlinear_kinds() -> list[str]:
    """The kinds whose currents are those of one-port models."""
    return [kind for kind, spec in KINDS.items() if spec.nonlinear]


def learn(further: Mapping[str, Kind]) -> None:
    """Know the kinds that a circuit from another process brings along, too.

    Raises:
        CircuitError: one of them is something else here.
    """
    for kind, spec in further.items():
        if KINDS.setdefault(kind, spec) != spec:
            raise CircuitError(
                f"a circuit comes from a process where {kind} are something else than here",
                "give every process the same kinds",
            )
