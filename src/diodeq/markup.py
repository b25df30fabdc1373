"""Objects as notebooks show them: a heading, figures in a table, and maybe a picture."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from diodeq.printable import printable

_TABLE = "border-collapse:collapse;font-variant-numeric:tabular-nums;margin:.4em 0"
_CELL = "text-align:left;padding:.15em 1.2em .15em 0"


def card(title: str, rows: Iterable[Sequence[str]], head: Sequence[str] = (), picture: str = "") -> str:
    """HTML in the page's own colours and fonts; all but ``picture``, which is markup, is escaped."""

    def words(text: str) -> str:
        return html.escape(printable(text))

    def line(tag: str, cells: Sequence[str]) -> str:
        return "<tr>" + "".join(f'<{tag} style="{_CELL}">{words(cell)}</{tag}>' for cell in cells) + "</tr>"

    top = line("th", head) if head else ""
    table = f'<table style="{_TABLE}">{top}{"".join(line("td", row) for row in rows)}</table>'
    below = f'<div style="overflow-x:auto">{picture}</div>' if picture else ""
    return f"<div><strong>{words(title)}</strong>{table}{below}</div>"
