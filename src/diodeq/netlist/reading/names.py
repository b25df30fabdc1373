"""Names of a stranger's deck as names that a netlist of diodeq can hold: ``[a-z][a-z0-9_]*``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from diodeq.circuit.check import LEGAL_NAME

_SIGNS = {"+": "p", "-": "n"}


def legal(names: Sequence[str], prefix: str, taken: set[str]) -> list[str]:
    """Each name's legal form, all different and none in ``taken``, to which they are added.

    Names that are legal and begin with ``prefix`` stay; others get it in front, letters for the signs at their ends
    (``+5v`` is ``p5v``, ``in-`` is ``in_n``) and underscores for other illegal letters.
    """
    found: list[str] = []
    for name in names:
        stays = LEGAL_NAME.fullmatch(name) and name.startswith(prefix) and name != "gnd" and name not in taken
        found.append(name if stays else "")
        if stays:
            taken.add(name)
    counts: dict[str, int] = {}
    for index, name in enumerate(names):
        if found[index]:
            continue
        base = _spelled(name, prefix)
        unique = base
        while unique in taken or unique == "gnd":
            counts[base] = counts.get(base, 1) + 1
            unique = f"{base}_{counts[base]}"
        taken.add(unique)
        found[index] = unique
    return found


def _spelled(name: str, prefix: str) -> str:
    """A name's legal form without regard to others; a sign after the prefix is one at its beginning."""
    name = name.lstrip("/")  # KiCad's nets are paths
    name = re.sub(r"[+-]$", lambda sign: f"_{_SIGNS[sign[0]]}", name)
    name = re.sub(rf"^({prefix})([+-])(?=\d)", lambda sign: sign[1] + _SIGNS[sign[2]], name)
    name = re.sub(rf"^({prefix})([+-])(?=.)", lambda sign: f"{sign[1]}{_SIGNS[sign[2]]}_", name)
    base = re.sub(r"[^a-z0-9_]", "_", name)
    if not base.startswith(prefix) or not base[:1].isalpha():
        base = f"{prefix or 'n'}{'' if base[:1].isdigit() else '_'}{base.lstrip('_')}"
    return base
