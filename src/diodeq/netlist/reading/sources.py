"""Lines of independent sources: the constant, or where a waveform starts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

from diodeq.errors import InputError
from diodeq.netlist.reading.parts import FIXED, LEFT_OUT, DeckPart, Where
from diodeq.spice.numbers import NUMBER, number, shown


def _sine(a: list[float]) -> float:
    offset, amplitude, hertz, delay, damping, phase = (*a, *([0.0] * (6 - len(a))))[:6]
    late = max(-delay, 0.0)  # how long ago it began, at 0 s
    return offset + amplitude * math.sin(math.tau * hertz * late + math.radians(phase)) * math.exp(-damping * late)


def _first(a: list[float]) -> float:
    if len(a) > 2 and a[2] < 0.0:
        raise InputError("a waveform that begins before 0 s", "give the source's DC value")
    return a[0]


def _points(a: list[float]) -> float:
    """The value at 0 s of a line through (seconds, value) pairs, and beyond them as at the ends."""
    times, values = a[0::2], a[1::2]
    if any(end <= start for start, end in itertools.pairwise(times)):
        raise InputError("a PWL whose times do not rise", "give each point a later time")
    for start, low, end, high in zip(times, values, times[1:], values[1:], strict=False):
        if start <= 0.0 < end:
            return low + (high - low) * -start / (end - start)
    return values[0] if times[0] > 0.0 else values[len(values) - 1]


def _modulated(a: list[float]) -> float:
    raise InputError("a modulated wave, whose numbers simulators do not read alike", "give the source's DC value")


# Their value at 0 s, which is that in direct current: SIN(offset amplitude hertz delay damping phase).
_WAVEFORMS: dict[str, Callable[[list[float]], float]] = {
    "pulse": _first,
    "exp": _first,
    "sffm": lambda a: a[0] if len(a) < 6 else _modulated(a),
    "am": _modulated,
    "sin": _sine,
    "sine": _sine,
    "pwl": _points,
}
# What follows these changes no direct current, where the source has a constant as well.
_SMALL_SIGNALS = frozenset(["ac", "distof1", "distof2"])
_NOISE = frozenset(["trnoise", "trrandom"])
# What these say, LTspice looks up in a file, or as time goes on: no constant follows from it.
_ELSEWHERE = frozenset(["wavefile", "chan", "file", "value_scale_factor", "time_scale_factor", "trigger"])
_WORDS = frozenset(["dc", "rser", "cpar", *_SMALL_SIGNALS, *_NOISE, *_WAVEFORMS])


def _start(name: str, wave: tuple[str, list[float]] | None, noisy: bool) -> float:
    """What a source without a constant gives at 0 s."""
    if noisy:
        raise InputError(f"{shown(name)} is noise", "give its DC value")
    if wave is None:
        return 0.0
    word, numbers = wave
    if len(numbers) < 2:
        raise InputError(f"{word.upper()} of {shown(name)} has too few numbers", "give its DC value")
    return _WAVEFORMS[word](numbers)


def _is_number(word: str) -> bool:
    return bool(NUMBER.match(word)) or word[0] in "{'"


def _argument(words: list[str], at: int, where: Where) -> bool:
    """Whether a word is a number of a waveform, in digits or by a constant's name."""
    word = words[at]
    if _is_number(word):
        return True
    return word.lower() not in _WORDS and word in where.scope


def _unrepeated(words: list[str], at: int) -> list[str]:
    """The words of a PWL whose numbers begin ``at`` without ``REPEAT FOREVER (…) ENDREPEAT``, or ``REPEAT FOR N``: the
    first cycle is left where the PWL begins with it; what comes later says nothing of the beginning."""
    lower = [word.lower() for word in words]
    if "repeat" not in lower[at:]:
        return words
    repeat = lower.index("repeat", at)
    begin = repeat + (2 if lower[repeat + 1 : repeat + 2] == ["forever"] else 3)
    end = lower.index("endrepeat", repeat) if "endrepeat" in lower[repeat:] else len(words)
    rest = end + 1
    while rest < len(words) and _is_number(words[rest]):
        rest += 1
    if repeat > at and not number(words[repeat - 2]) >= 0.0:
        raise InputError("a PWL that repeats what begins before 0 s", "give the source's DC value")
    return [*words[:repeat], *(words[begin:end] if repeat == at else ()), *words[rest:]]


def source(words: list[str], where: Where) -> list[DeckPart]:
    """A source, with its series resistance as a second part where it has one; not a number is the constant of one whose
    waveform is elsewhere."""
    name, line = words[0].lower(), where.line.number
    nodes = tuple(word.lower() for word in words[1:3])
    if len(nodes) < 2 or "=" in nodes:
        raise InputError(f"{shown(words[0])} has too few fields", f"write {words[0]} NODE NODE VALUE")
    constant: float | None = None
    series = 0.0
    wave: tuple[str, list[float]] | None = None
    varied = noisy = elsewhere = False
    at = 3
    while at < len(words):
        word = words[at].lower()
        at += 1
        if word == "pwl" and wave is None:
            words = _unrepeated(words, at)
        if word in ("rser", "cpar") and words[at : at + 1] == ["="]:
            if word == "rser" and name[0] == "v":
                series = where.scope.number("".join(words[at + 1 : at + 2]))
            else:
                where.note(LEFT_OUT, f"{name} {word}")
            at += 2
        elif word == "dc":
            at += words[at : at + 1] == ["="]
            given = at < len(words) and words[at].lower() not in _WORDS
            if constant is not None:
                raise InputError(f"{shown(words[0])} has two constants", "leave one out")
            constant = where.scope.number(words[at]) if given else 0.0
            at += given
        elif word in _ELSEWHERE and word not in where.scope:
            varied = elsewhere = True
            while at < len(words) and words[at].lower() not in _WORDS | _ELSEWHERE:
                at += 1
            where.note("a waveform that a file or an event decides is not read: the source is an input", name)
        elif word in _WORDS:
            at += word == "ac" and words[at : at + 1] == ["="]
            arguments: list[float] = []
            while at < len(words) and _argument(words, at, where):
                # What is of no effect may be no constant either.
                value = 0.0 if word in _SMALL_SIGNALS else where.scope.number(words[at])
                if word == "pwl" and words[at][0] == "+" and len(arguments) % 2 == 0 and len(arguments) > 1:
                    # LTspice counts it from the last time, ngspice from 0 s; both begin alike
                    if arguments[-2] < 0.0:
                        raise InputError("a PWL with + before what follows a time below 0 s", "write it without +")
                    value += arguments[-2]
                arguments.append(value)
                at += 1
            varied = True
            noisy = noisy or word in _NOISE
            if word in _WAVEFORMS:
                wave = word, arguments
                said = "a waveform is not read: the source has its DC value, or the waveform's first where it has none"
                where.note(said, name)
        elif constant is None:
            constant = where.scope.number(words[at - 1])
        else:
            raise InputError(f"{shown(words[at - 1])} of {shown(words[0])} is not understood", "give its DC value")
    if constant is None:
        constant = math.nan if elsewhere else _start(words[0], wave, noisy)
    whole = DeckPart(name[0], name, nodes, constant, "", line, varied)
    if series == 0.0:
        return [whole]
    inner = f"{name} inner"
    return [whole._replace(nodes=(nodes[0], inner)), DeckPart(FIXED, f"r {name}", (inner, nodes[1]), series, "", line)]
