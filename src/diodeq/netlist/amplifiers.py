"""Operational amplifiers in text: a subcircuit for each kind, and an instance of it for each amplifier.

What is inside is what the circuit has, card by card, so that the deck computes what the circuit does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from diodeq.circuit.primitives import Primitive
from diodeq.netlist.listing import Section
from diodeq.printable import counted

PINS = ("inp", "inn", "out", "high", "low", "plus", "minus")
# The cards of one in their order, by what follows its number in their names, and what each is for.
CARDS = {
    "offset": "the input offset",
    "plus": "the input currents",
    "minus": "",
    "supply": "the supply current",
    "gain": "the gain, from the inputs to a, and its way to b",
    "high": "b stays between the rails less the swing: pins high and low",
    "low": "",
    "out": "what b is, behind the resistance and the current limit of the output where it has them",
}
# Where the pins are among the fields of cards that always have them; inputs are where the offset or the gain has them.
_AT = {
    ("d", "high"): {1: "high"},
    ("d", "low"): {0: "low"},
    ("i", "plus"): {0: "inp"},
    ("i", "minus"): {0: "inn"},
    ("i", "supply"): {0: "plus", 1: "minus"},
}
_NAME = re.compile(r"(x?)([a-z])_(u[0-9]+)_([a-z]+)")

# letter and purpose of a card -> what it has.
Cards = dict[tuple[str, str], Primitive]


def instances(
    name: str, sections: Sequence[Section], line: Callable[[Primitive], str]
) -> Iterator[tuple[str, list[str]]]:
    """Headings and lines for all amplifiers called ``name``: their instances, then the subcircuit of each sort of them.

    Amplifiers whose values were changed have a subcircuit of their own.
    """
    found: dict[str, Cards] = {}
    for section in sections:
        for (part, fields, value), _ in section.rows:
            matched = _NAME.fullmatch(part)
            assert matched is not None, part
            wrapped, letter, number, purpose = matched.groups()
            found.setdefault(number, {})[letter, purpose] = (f"{wrapped}{letter}_{purpose}", fields, value)
    called = "amp_" + re.sub(r"[^a-z0-9_]", "_", name.lower())
    bodies: dict[tuple[Primitive, ...], str] = {}
    calls, used = [], [*PINS]
    for number, cards in found.items():
        pins, body = _opened(number, cards)
        title = bodies.setdefault(body, called if not bodies else f"{called}_{len(bodies) + 1}")
        used = [pin for pin in PINS if pin in pins]
        calls.append(f"x_{number} {' '.join(pins[pin] for pin in used)} {title}")
    yield (
        f"{counted(len(calls), 'amplifier')} {name}: inputs + and -, output, what that stays within, supplies",
        calls,
    )
    for body, title in bodies.items():
        lines = [f".subckt {title} {' '.join(used)}"]
        for card in body:
            said = CARDS[card[0].rpartition("_")[2]]
            if said and f"* {said}" not in lines:
                lines.append(f"* {said}")
            lines.append(line(card))
        yield f"{name}, what is known of it at rest", [*lines, ".ends"]


def _opened(number: str, cards: Cards) -> tuple[dict[str, str], tuple[Primitive, ...]]:
    """The nodes that an amplifier's pins are at, and its cards with pins and nodes of their own."""
    last = ("d", "out") if ("d", "out") in cards else ("e", "out")
    places = {
        **_AT,
        ("e", "gain"): {3: "inn"} | ({} if ("v", "offset") in cards else {2: "inp"}),
        ("v", "offset"): {1: "inp"},
        last: {1 if last[0] == "d" else 0: "out"},
    }
    pins: dict[str, str] = {}
    body = []
    for key in sorted(cards, key=lambda key: ([*CARDS].index(key[1]), "veird".index(key[0]))):
        part, fields, value = cards[key]
        inner = []
        for place, field in enumerate(fields):
            pin = places.get(key, {}).get(place)
            if pin is not None:
                pins[pin] = field
            inner.append(pin or field.removeprefix(f"{number}_"))
        body.append((part, tuple(inner), value))
    return pins, tuple(body)
