"""Parameters beyond their range, as ngspice takes them: what it sets back or does not use, measured in ngspice 39."""

from __future__ import annotations

from diodeq.devices.diode.law import LEAST
from diodeq.devices.diode.model import PARAMETERS
from diodeq.errors import InputError

STEEPEST = PARAMETERS["m"].high
NEXT_TO_NONE = 1e-100
"""A: a breakdown current so small that breakdown begins at BV, as it does without one."""


def as_taken(name: str, values: dict[str, float]) -> list[str]:
    """Set the values of a diode's parameters to what ngspice makes of them, and say in a phrase each what was changed.

    Raises `InputError` where what is set back would change a current in another way.
    """
    said: list[str] = []

    def take(key: str, value: float | None, why: str) -> None:
        said.append(f"{key.upper()}={values.pop(key):g} {why}")
        if value is not None:
            values[key] = value

    recombines = values.get("isr", 0.0) != 0.0
    if values.get("is") == 0.0:
        take("is", LEAST, f"is taken as {LEAST:g}, as ngspice does")
    for knee in ("ikf", "ikr"):
        if values.get(knee, LEAST) < LEAST and values[knee] != 0.0:
            take(knee, None, "has no effect in ngspice")
    if values.get("bv") == 0.0:
        take("bv", None, "means no breakdown")
    if values.get("ibv", 1.0) <= 0.0:
        take("ibv", NEXT_TO_NONE, "is taken for none: breakdown begins at BV, as in ngspice")
    if values.get("m", 0.0) > STEEPEST:
        if recombines and any(values.get(key) for key in ("tm1", "tm2")):
            raise InputError(f"diode {name}: M={values['m']:g} follows the temperature", "give an M of at most 0.9")
        take("m", STEEPEST, f"is limited to {STEEPEST:g}, as in ngspice")
    if values.get("fc", 0.0) >= 1.0:
        if recombines:
            raise InputError(f"diode {name}: FC={values['fc']:g} limits VJ, by which ISR goes", "give an FC below 1")
        take("fc", PARAMETERS["fc"].high, "is taken as just below 1; it has no part in a direct current")
    return said
