"""A circuit that is too large for one board, on several with connectors for the nets that they share."""

from __future__ import annotations

from collections.abc import Sequence

from diodeq.board.blocks import Block
from diodeq.board.completed import Bench, joined
from diodeq.board.copper import Layout
from diodeq.board.layout import Plan, laid_out
from diodeq.board.matrix import matrix
from diodeq.board.parts import Part
from diodeq.errors import NotRealizableError

MOST = 200
"""Boards of one circuit."""
_CUTS = 4
"""So many ways of cutting a matrix's columns are tried: into one to four runs."""


def boards(bench: Bench, size: tuple[float, float] | None) -> list[tuple[Plan, Layout]]:
    """The boards of a circuit, none larger than ``size`` in mm, its sides either way; one where no size is asked for.

    Raises:
        NotRealizableError: no board so small holds even a part, or it takes too many.
    """
    plan = bench.plan(bench.bridges, bench.blocks)
    layout = laid_out(plan)
    if size is None or _fits(layout, size):
        return [(plan, layout)]
    ways = [found for cut in range(1, _CUTS + 1) if (found := _divided(bench, plan, cut, size))]
    if not ways:
        width, height = layout.size
        raise NotRealizableError(
            f"boards of {size[0]:g} x {size[1]:g} mm are too small for a circuit of {width:.0f} x {height:.0f} mm,"
            f" or it takes more than {MOST}",
            "give a larger --size",
            arguments=("size",),
        )
    return min(ways, key=len)


def _fits(layout: Layout, size: tuple[float, float]) -> bool:
    """As it is or turned."""
    return all(side <= most for side, most in zip(sorted(layout.size), sorted(size), strict=True))


def _divided(bench: Bench, whole: Plan, cut: int, size: tuple[float, float]) -> list[tuple[Plan, Layout]]:
    """Boards with a run of columns each, of so many, and as many rows as fit; none where that does not go."""
    found: list[tuple[Plan, Layout]] = []
    for run in _runs(whole, cut):
        while run:
            # Bisection: the more parts, the larger the board.
            low, high, best = 0, len(run), None
            while low < high:
                middle = (low + high + 1) // 2
                made = _board(bench, run[:middle], size)
                low, high, best = (middle, high, made) if made else (low, middle - 1, best)
            if best is None or len(found) == MOST:
                return []
            found.append(best)
            run = run[low:]
    return found


def _runs(whole: Plan, cut: int) -> list[list[Part | Block]]:
    """What the boards are filled with, in order: the parts of each run of columns, row by row; then the packages."""
    lines = matrix(whole.bridges, whole.held, 0)
    place = {net: k * cut // len(lines.columns) for k, net in enumerate(lines.columns)}
    runs: list[list[Part | Block]] = [[] for _ in range(cut)]
    for line in (line for band in lines.bands for line in (band.upper, band.lower) if line):
        for element in line.elements:
            runs[place[element.column]].append(element.part)
    return [*runs, list(whole.blocks)]


def _board(bench: Bench, some: Sequence[Part | Block], size: tuple[float, float]) -> tuple[Plan, Layout] | None:
    """A board with some of the parts, or None where it is too large."""
    bridges = [each for each in some if isinstance(each, Part)]
    blocks = [each for each in some if isinstance(each, Block)]
    names = {part.reference for part in bridges} | {block.part.reference for block in blocks}
    others = set(
        joined(
            [part for part in bench.bridges if part.reference not in names],
            [block for block in bench.blocks if block.part.reference not in names],
        )
    )
    shared = {net for net in joined(bridges, blocks) if net in others} - bench.held
    plan = bench.plan(bridges, blocks, shared, divided=True)
    layout = laid_out(plan)
    return (plan, layout) if _fits(layout, size) else None
