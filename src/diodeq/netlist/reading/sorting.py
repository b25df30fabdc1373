"""The lines of a deck, sorted into what they are; what nothing needs may be unreadable until something does."""

from __future__ import annotations

import re
from collections.abc import Iterator

from diodeq.devices.vendor.cards import add_card, split_card
from diodeq.devices.vendor.elements import SubcircuitBody, open_body
from diodeq.errors import InputError, PlacedError
from diodeq.netlist.reading.commands import COMMANDS, REFUSED, WHOLE, WITHOUT_EFFECT
from diodeq.netlist.reading.conditions import chosen, conditional, enters
from diodeq.netlist.reading.deck import Notes, ParsedDeck
from diodeq.printable import counted
from diodeq.spice import LogicalLine, Scope, SpiceText, tokens
from diodeq.spice.expressions import EXCLUSIVE_OR
from diodeq.spice.functions import Function
from diodeq.spice.numbers import shown
from diodeq.spice.text import assignments

# What diodeq writes above a source and at the end of a deck.
_INPUT = re.compile(r"input (.+?) \(([+-]?\d[^\s()]*)\)(?: times ([^\s:]+))?(?:: volts are .*?)?(?: \+ |$)")
_OUTPUT = re.compile(r"output (.+) = v\(([^,()]+)(?:,([^,()]+))?\)")
_FUNCTION = re.compile(
    r"""\.(?:func(?:tion)?|param(?:s|eters?)?)\s+([A-Za-z_]\w*)\s*\(([^()]*)\)\s*=?\s*(?:(\{[^{}]*\}|'[^']*'|"[^"]*")\s*(.*)|(.+))""",
    re.IGNORECASE | re.ASCII,
)

_QUOTED = re.compile(r"[{'\"]")
_PLUS = re.compile(r"\+(?=[\s)]|$)")  # what is left of lines that somebody joined
_PAIR = re.compile(
    r"\.param(?:s|eters?)?\s+([A-Za-z_]\w*)\s+([^\s=]+|[a-z]\w*\s*\([^=()]*\))", re.IGNORECASE | re.ASCII
)

DEFINING = frozenset([".param", ".params", ".parameter", ".parameters", ".func", ".function"])
LONGEST_REMARK = 10_000  # letters


def sort_lines(text: SpiceText, notes: Notes) -> ParsedDeck:
    """The deck of a text, with what is noted of it already.

    Raises:
        InputError: naming the line of a command that has no place in it.
    """
    notes.called = text.called
    deck = ParsedDeck(text, notes=notes)
    if re.match(r"\.subckt\s", text.title, re.IGNORECASE):
        text = SpiceText(text.path, "", [LogicalLine(1, text.title), *text.lines], text.others)
        notes.add("the first line of a deck is its title; this one opens a subcircuit, and was read", text.path, 1)
    elif re.match(r"[rdvixefg]\w*(\s+\S+){3}", text.title, re.IGNORECASE):
        notes.add("the first line of a deck is its title, although it looks like a part", text.title[:40], 1)
    lines = [*_uncontrolled(text, notes)]
    if any(conditional(line) for line in lines):
        lines = _outer_branches(lines, text, notes)
    sorter = _Sorter(deck, own=any(line.text.startswith("* written by diodeq ") for line in text.lines[:5]))
    for line in lines:
        sorter.take(line)
    if sorter.body is not None:
        raise text.error(sorter.body.line, f".subckt {shown(sorter.body.name)} is never ended", "add .ends")
    _adopt_a_lone_subcircuit(deck)
    for name, (line_number, first) in deck.stepped.items():
        if name in deck.constants:
            said = "no sweep over a constant is done; its .param value holds"
            notes.add(said, f"{name}={deck.constants[name]}", line_number)
        else:
            deck.constants[name] = first
            notes.add("a stepped constant has the first value of its steps", f"{name}={first}", line_number)
    return deck


def _uncontrolled(text: SpiceText, notes: Notes) -> Iterator[LogicalLine]:
    """The lines up to .end and the comments right after it, without what stands in .control blocks."""
    skipping = 0  # since which line
    ended = False
    for line in text.lines:
        first = line.text[0]
        command = first == "." and not ended and line.text.split(maxsplit=1)[0].lower()
        if skipping or command == ".control":
            if command == ".endc":
                said = "commands between .control and .endc are never run, and were skipped"
                notes.add(said, counted(line.number - skipping + 1, "line"), skipping)
            skipping = 0 if command == ".endc" else skipping or line.number
            continue
        if ended and first != "*":
            notes.add("what follows .end was left out", line.text[:40], line.number)
            break
        ended = ended or command == ".end"
        yield line
    if skipping:
        raise text.error(skipping, ".control is never ended", "add .endc after its last command")


def _outer_branches(lines: list[LogicalLine], text: SpiceText, notes: Notes) -> list[LogicalLine]:
    """The lines without the branches, outside subcircuits, that the deck's constants do not choose."""
    constants: dict[str, str] = {}
    functions: dict[str, Function] = {}
    depth = branches = 0
    for line in lines:
        depth += enters(line)
        word = conditional(line) if depth <= 0 else ""
        branches += (word == "if") - (word == "endif")
        command = line.text.split(maxsplit=1)[0].lower()
        if depth <= 0 and command in DEFINING:
            with text.at(line.number):
                if branches > 0:
                    # ngspice (39) takes the constants of all branches, and the last of a name
                    raise InputError(f"{command} within .if, which simulators read differently", "give it outside")
                _constants(line, constants, functions)
    kept = list(chosen(lines, Scope(constants, functions=functions), text))
    taken = set(kept)
    for line in lines:
        if line not in taken and not conditional(line) and line.text[0] != "*":
            notes.add("branches of .if that the constants do not choose were left out", line.text[:40], line.number)
    return kept


def _constants(line: LogicalLine, constants: dict[str, str], functions: dict[str, Function]) -> None:
    """Take the constants or the function of a .param or .func line."""
    if found := _FUNCTION.fullmatch(line.text):
        name, given, more = found[1].lower(), found[2], found[4]
        said = found[3][1:-1] if found[3] else found[5]
        arguments = tuple(word.strip().lower() for word in given.split(",")) if given.strip() else ()
        if not all(word.isidentifier() for word in arguments) or len({*arguments}) < len(arguments):
            raise InputError(f"{shown(found[1])} is no function of named arguments", "write .func NAME(X,Y) {…}")
        if name in functions or name in ("v", "i"):
            raise InputError(f"the function {shown(name)} is given twice", "keep one of the two")
        functions[name] = Function(arguments, said)
        if more:
            _constants(LogicalLine(line.number, f".param {more}"), constants, functions)
        return
    if line.text.lower().startswith(".func"):
        raise InputError("this .func has no name or no arguments", "write .func NAME(X,Y) {…}")
    pair = _PAIR.fullmatch(line.text)  # as LTspice lets one write it
    for name, value in ({pair[1].lower(): pair[2]} if pair else assignments(line.text)).items():
        if name in constants:
            raise InputError(f".param {name} is given twice", "keep one of the two")
        constants[name] = value


class _Sorter:
    """Takes one line after the other; ``own``: diodeq wrote the deck, and its comments mean something."""

    def __init__(self, deck: ParsedDeck, own: bool) -> None:
        self.deck, self.own = deck, own
        # LTspice's ^ is no power.
        self.ltspice = any(line.text.lower().startswith(".backanno") for line in deck.text.lines)
        self.body: SubcircuitBody | None = None
        self.within = 0  # how many subcircuits are open within the open one
        self.branches = 0  # of .if, in it
        self.remark = ""

    def take(self, line: LogicalLine) -> None:
        deck, text = self.deck, self.deck.text
        if line.text[0] == "*":
            # A person may well write "input stage (2)" above a source.
            self.remark = line.text[1:].strip() if self.own else ""
            if found := _OUTPUT.fullmatch(self.remark):
                deck.outputs.append((found[1], found[2].lower(), (found[3] or "0").lower()))
            return
        try:
            if "^" in line.text:
                line = self._power(line)
            if line.text[0] == ".":
                self._command(line)
            else:
                self._element(line)
        except PlacedError:
            raise
        except InputError as error:
            placed = text.placed(line.number, error)
            if self.body is None:
                raise placed from None
            deck.faults.setdefault((self.body.name.lower(), ""), placed)
        self.remark = ""

    def _power(self, line: LogicalLine) -> LogicalLine:
        if self.ltspice:
            return LogicalLine(line.number, line.text.replace("^", EXCLUSIVE_OR))
        said = "^ is a power, as in ngspice; LTspice reads it as an exclusive or"
        self.deck.notes.add(said, line.text.split(maxsplit=1)[0], line.number)
        return line

    def _element(self, line: LogicalLine) -> None:
        (self.deck.elements if self.body is None else self.body.lines).append(line)
        if self.remark.startswith("input "):
            if len(self.remark) > LONGEST_REMARK:
                raise InputError("the comment above it is too long", "shorten it")
            if noted := _inputs(self.remark):
                self.deck.inputs[line.number] = noted

    def _command(self, line: LogicalLine) -> None:
        deck, body = self.deck, self.body
        words = tokens(line.text)
        command = _spelled_out(words[0].lower())
        if command == ".subckt":
            self._open(line)
        elif command == ".ends":
            self._close()
        elif body is not None and (word := conditional(line)):
            self.branches += (word == "if") - (word == "endif")
            body.lines.append(line)
        elif body is not None and self.branches > 0:
            raise InputError(f"{shown(words[0])} within .if of a subcircuit", "only parts may stand there")
        elif body is not None and command in WHOLE and {".temp", "temp", "tnom"} & {word.lower() for word in words}:
            # It would hold for the whole circuit, whether anything needs the subcircuit or not.
            said = "a temperature within a subcircuit"
            raise deck.text.error(line.number, said, "a circuit has one temperature; give it outside")
        elif command in DEFINING:
            if body is None:
                _constants(line, deck.constants, deck.functions)
            else:
                functions: dict[str, Function] = {}
                _constants(line, body.constants, functions)
                if functions:
                    raise InputError("a function within a subcircuit", "define it outside")
        elif command == ".model":
            self._model(line, words)
        elif command in COMMANDS:
            COMMANDS[command](deck, line, words)
        elif command not in WITHOUT_EFFECT:
            raise InputError(f"{shown(words[0])} is not understood", REFUSED.get(command, "remove the line"))

    def _open(self, line: LogicalLine) -> None:
        if self.body is not None:
            self.within += 1
            raise InputError("a subcircuit within a subcircuit", "define it outside")
        try:
            self.body = open_body(line)
        except InputError as error:
            self.body = SubcircuitBody(line.number, "".join(tokens(line.text)[1:2]), [], {})
            raise error

    def _close(self) -> None:
        body, bodies = self.body, self.deck.bodies
        if body is None:
            raise InputError(".ends without .subckt", "remove the line")
        if self.within:
            self.within -= 1
            return
        self.body, self.branches = None, 0
        earlier = bodies.setdefault(body.name.lower(), body)
        if earlier is not body:
            what = f"subcircuit {shown(body.name)}"
            _twice(self.deck, (body.name.lower(), ""), body.line, what, _same(earlier, body))

    def _model(self, line: LogicalLine, words: list[str]) -> None:
        deck, body = self.deck, self.body
        cards = deck.cards if body is None else body.cards
        key = (body.name.lower() if body else "", "".join(words[1:2]).casefold())
        try:
            # Within braces and quotes a + is a sum.
            card = split_card(line.text if _QUOTED.search(line.text) else _PLUS.sub(" ", line.text))
        except InputError as error:
            deck.faults.setdefault(key, deck.text.placed(line.number, error))
            return
        if key[1] in cards:
            _twice(deck, key, line.number, f"model {shown(card.name)}", cards[key[1]][1] == card)
            return
        add_card(card, line.number, cards)
        deck.remarks[line.number] = self.remark


def _spelled_out(command: str) -> str:
    """A command without what SPICEs do not look at behind its name, as in .measure, .meassure or .fourier."""
    return next((name for name in (".meas", ".four") if command.startswith(name)), command)


def _same(one: SubcircuitBody, other: SubcircuitBody) -> bool:
    texts = [
        (body.pins, body.constants, [card for _, card in body.cards.values()], [line.text for line in body.lines])
        for body in (one, other)
    ]
    return texts[0] == texts[1]


def _twice(deck: ParsedDeck, key: tuple[str, str], line: int, what: str, same: bool) -> None:
    """Note what is defined twice alike; what differs may not be used, as simulators do not choose alike."""
    if same:
        deck.notes.add("what is defined twice alike counts once", what, line)
    else:
        error = InputError(f"{what} is defined twice, differently", "keep one of the two")
        deck.faults.setdefault(key, deck.text.placed(line, error))


def _inputs(remark: str) -> list[tuple[str, float, float]]:
    found = []
    for name, value, gain in _INPUT.findall(remark):
        try:
            found.append((name, float(value), float(gain or 1)))
        except ValueError:
            return []
    return found


def _adopt_a_lone_subcircuit(deck: ParsedDeck) -> None:
    """Of a deck that is subcircuits alone, the one that no other holds is the circuit, its pins are nodes."""
    if deck.elements or not deck.bodies:
        return
    held = {word.lower() for body in deck.bodies.values() for line in body.lines for word in tokens(line.text)[1:]}
    top = [name for name in deck.bodies if name not in held]
    if len(top) != 1:
        names = ", ".join(map(shown, top[:5]))
        said = f"the deck has no parts outside its subcircuits {names}"
        raise deck.text.error(1, said, "add an X line that says which one is meant")
    (name,) = top
    if fault := deck.faults.get((name, "")):
        raise fault
    body = deck.bodies.pop(name)
    deck.elements = body.lines
    deck.constants = {**deck.constants, **body.constants}
    deck.cards = {**deck.cards, **body.cards}
    deck.faults.update({("", model): fault for (inside, model), fault in deck.faults.items() if inside == name})
    deck.notes.add("the deck is a subcircuit alone, and was read as the circuit", body.name, body.line)
