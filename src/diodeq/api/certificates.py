"""What is proved of every board that may be built of a circuit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from diodeq.analysis.box import Box
from diodeq.analysis.certified import Certified
from diodeq.analysis.certified import certify as certified
from diodeq.analysis.stuck import may_stick
from diodeq.api.units import labels_in, volts_of
from diodeq.arrays import real, scalar
from diodeq.circuit import Circuit
from diodeq.circuit.amplifiers import groups_of
from diodeq.errors import InputError, UsageError
from diodeq.pool import TIME_LIMIT
from diodeq.printable import counted
from diodeq.simulators import computing
from diodeq.spice.numbers import number

# Siemens of what conducts nothing.
OPEN = 1e-15


def certify(
    circuit: Circuit,
    inputs: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    tolerances: Sequence[float] = (0.01,),
    supply: float = 0.0,
    temperatures: tuple[float, float] | None = None,
    diodes: Mapping[str, float] | None = None,
    input_error: float = 0.0,
    stuck: Sequence[str | float] = (),
    amplifiers: Mapping[str, float] | None = None,
    units: str = "network",
    simulator: str = "wave",
    workers: int | None = None,
    time_limit: float = TIME_LIMIT,
    on_sample: Callable[[int], object] = lambda done: None,
) -> list[Certified]:
    """Bounds of every output on every board, and which decisions no board can change, for each tolerance.

    Args:
        circuit: any; bounds are tighter for those of resistors, diodes (or other one-ports) and sources.
        inputs: float64[B, n_in]. labels: class numbers int[B]. units: of inputs.
        tolerances: of all resistances, shares. supply: of constant sources, a share.
        temperatures: °C, the coldest and the hottest; the circuit's own by default.
        diodes: of their IS, N and RS, shares, as {"is": 0.3}. input_error: volts by which every input may be off.
        stuck: ohms, "low", "high" or "open", at one of which any one resistor may be stuck (`levels_of`).
        amplifiers: the largest offset (V) and input current (A) of any, of either sign, and the least gain, as
            {"offset": 3e-3}.
        simulator, workers, time_limit: what solves the board in the middle.
        on_sample: called with the number of samples that are done.

    Raises:
        InputError: the circuit has laws that fall, or none that are known to grow with temperature; inputs or labels
            do not fit.
        UsageError: diodes or amplifiers have no such parameter, resistors no such level, or a number makes no sense.

    Example:
        >>> import diodeq
        >>> (found,) = diodeq.certify(diodeq.layered((2, 3, 2)), [[1.0, -1.0]], tolerances=[0.01])
        >>> bool(0 < found.bounds.max() < 0.1)
        True
    """
    drives = volts_of(circuit, inputs, units)
    known = None if labels is None or circuit.scaling.regresses else labels_in(circuit, labels, units)
    classes = None if known is None else known.astype(np.int64)
    if classes is not None and classes.shape != (len(drives),):
        raise InputError(
            f"labels of shape {classes.shape} are not those of {counted(len(drives), 'sample')}",
            "give one label a sample",
        )
    box = boxed(
        circuit,
        supply=supply,
        temperatures=temperatures,
        diodes=diodes,
        input_error=input_error,
        stuck=stuck,
        amplifiers=amplifiers,
    )
    shares = np.atleast_1d(real("the tolerances", tolerances))
    if shares.ndim > 1 or not len(shares):
        raise UsageError(f"tolerances cannot be {tolerances!r}", "give one or several, such as [0.01, 0.05]")
    boxes = [replace(box, tolerance=each) for each in shares.tolist()]
    with computing(simulator, workers, time_limit) as engine:
        return certified(circuit, drives, classes, boxes, engine, on_sample)


def boxed(
    circuit: Circuit,
    *,
    tolerance: float = 0.0,
    supply: float = 0.0,
    temperatures: tuple[float, float] | None = None,
    diodes: Mapping[str, float] | None = None,
    input_error: float = 0.0,
    stuck: Sequence[str | float] = (),
    amplifiers: Mapping[str, float] | None = None,
) -> Box:
    """The boards of a circuit whose parts are off by so much at most; arguments as of `certify`.

    Raises:
        UsageError: diodes or amplifiers have no such parameter, a number is none, or resistors have no such level.
    """
    own, known = (
        {key: scalar(f"the figure {key!r}", value) for key, value in _named(what, given).items()}
        for what, given in (("diodes", diodes), ("amplifiers", amplifiers))
    )
    unknown = sorted(set(own) - {"is", "n", "rs"})
    if unknown or not all(0.0 <= share < 1.0 for share in own.values()):
        raise UsageError(
            f"{unknown[0] if unknown else own!r} is no tolerance of diodes", "write such as is=30%,n=2%,rs=20%"
        )
    ends = np.atleast_1d(real("the temperatures", (circuit.temperature,) * 2 if temperatures is None else temperatures))
    if ends.shape != (2,):
        raise UsageError(
            f"temperatures cannot be {temperatures!r}", "give the coldest and the hottest, such as (0, 70)"
        )
    cold, hot = ends.tolist()
    shares = (own.get("is", 0.0), own.get("n", 0.0), own.get("rs", 0.0))
    figures = {"offset": 0.0, "bias": 0.0, "gain": math.inf} | known
    if len(figures) > 3 or not all(value >= 0.0 for value in figures.values()) or not figures["gain"] > 0.0:
        raise UsageError(f"{known!r} are no figures of amplifiers", "write such as offset=3m,gain=1e5")
    if known and not groups_of(circuit):
        raise UsageError(f"circuit {circuit.title!r} has no amplifiers", "leave their figures out")
    return Box(
        scalar("the tolerance", tolerance),
        scalar("the tolerance of sources", supply),
        cold,
        hot,
        *shares,
        inputs=scalar("the error of inputs", input_error),
        stuck=levels_of(circuit, stuck),
        offset=figures["offset"],
        bias=figures["bias"],
        gain=figures["gain"],
    )


def _named(what: str, given: Mapping[str, float] | None) -> Mapping[str, float]:
    if given is not None and not isinstance(given, Mapping):
        raise UsageError(f"{what} cannot be {given!r}", "give figures by name, such as {'is': 0.3} or {'offset': 3e-3}")
    return given or {}


def levels_of(circuit: Circuit, words: Sequence[str | float]) -> tuple[float, ...]:
    """Conductances in siemens that "low" and "high", the least and the largest of the circuit's resistors that may
    be stuck, "open", a petaohm, and ohms stand for.

    Raises:
        UsageError: what is none of these, or a circuit without resistors.
    """
    if isinstance(words, str) or not isinstance(words, Sequence):
        raise UsageError(f"levels cannot be {words!r}", 'give several, such as ["open", "low"]')
    own = circuit.conductances[may_stick(circuit)]
    if len(words) and not len(own):
        raise UsageError(f"circuit {circuit.title!r} has no resistors", "leave out what may be stuck")
    named = {"open": OPEN, "low": float(own.min(initial=np.inf)), "high": float(own.max(initial=0.0))}
    found = []
    for word in words:
        level = named.get(word) if isinstance(word, str) else None
        if level is None:
            ohms = _ohms(word)
            if not 0.0 < ohms < np.inf:
                raise UsageError(f"no resistor can be stuck at {word}", "write low, high, open, or ohms such as 10k")
            level = 1.0 / ohms
        found.append(level)
    return tuple(found)


def _ohms(word: str | float) -> float:
    try:
        return number(word) if isinstance(word, str) else scalar("a level", word)
    except InputError:
        return np.nan
