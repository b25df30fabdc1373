"""The cheapest circuit, in parts that exist, that is expected to be as exact as asked for."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from diodeq.devices.amplifier import Amplifier
from diodeq.errors import NotRealizableError, UsageError
from diodeq.network import Network
from diodeq.synthesis.compile import NAMES, Compiled, compile_network
from diodeq.synthesis.report import cost


def cheapest(network: Network, error: float, amplifier: str | Amplifier = "ideal", **options: Any) -> Compiled:
    """The cheapest of the realizations whose parts can be bought with an expected error of at most ``error``.

    Tried is every realization with this amplifier: transformers and gyrators for direct current are pumps, and buffers
    have a supply. The report says why. Args: ``error`` is a share of the largest output, ``options``
    those of ``compile_network``.

    Raises:
        UsageError: the error is not positive. NotRealizableError: none is as exact; the message has what each reaches.
    """
    if not 0.0 < error < math.inf:
        raise UsageError(f"an error of {error:g} is not possible", "give a positive share", arguments=("error",))
    found: dict[str, Compiled] = {}
    said = []
    for realization in NAMES:
        try:
            compiled = compile_network(network, realization, amplifier=amplifier, **options)
        except NotRealizableError as refused:
            said.append(f"{realization} is not possible, as {refused.problem}")
            continue
        found[realization] = compiled
        said.append(f"{realization} is expected to be off by {_off(compiled):.2g} and costs about {_cost(compiled):g}")
    exact = [each for each in found.values() if _off(each) <= error]
    if not exact:
        raise NotRealizableError(
            f"nothing is within {error:.2g} of the largest output: {'; '.join(said)}",
            "allow a larger --error, or take another --amplifier, --diode or --supply",
            arguments=("error", "amplifier", "diode", "supply"),
        )
    chosen = min(exact, key=_cost)
    why = f"the cheapest within {error:.2g} of the largest output, in resistors: {'; '.join(said)}"
    return replace(chosen, report=replace(chosen.report, why=why))


def _off(compiled: Compiled) -> float:
    return compiled.report.choice.error


def _cost(compiled: Compiled) -> float:
    report = compiled.report
    return cost({**report.parts, "amplifiers": sum(report.amplifiers.values())})
