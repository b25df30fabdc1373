"""Names of a stranger's deck as names that a netlist of diodeq can hold: ``[a-z][a-z0-9_]*``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from diodeq.circuit.check import LEGAL_NAME

_POLARITY = str.maketrans({"+": "_p", "-": "_n"})


def legal(names: Sequence[str], prefix: str, taken: set[str]) -> list[str]:
    """Each name's legal form, all different and none in ``taken``, to which they are added.

    Names that are legal and begin with ``prefix`` stay; others get it in front, and underscores for illegal letters.
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
        base = re.sub(r"[^a-z0-9_]", "_", re.sub(r"[+-]$", lambda sign: sign[0].translate(_POLARITY), name))
        if not base.startswith(prefix) or not base[0].isalpha():
            base = f"{prefix or 'n'}{'' if base[0].isdigit() else '_'}{base.lstrip('_')}"
        unique = base
        while unique in taken or unique == "gnd":
            counts[base] = counts.get(base, 1) + 1
            unique = f"{base}_{counts[base]}"
        taken.add(unique)
        found[index] = unique
    return found
