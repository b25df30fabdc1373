"""One self-contained HTML page: numbered sections of sentences, tables and pictures, light or dark as wished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup

import diodeq
from diodeq.printable import printable


@dataclass(frozen=True)
class Fact:
    """A figure worth seeing first: what it is, the figure, and a remark."""

    name: str
    value: str
    remark: str = ""


@dataclass(frozen=True)
class PageTable:
    """Rows of text under column heads; the first column is set left, the others right unless ``plain``."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    plain: bool = False
    name: str = "table"


@dataclass(frozen=True)
class Picture:
    """An ``<svg>`` with its caption; a ``wide`` one has a row to itself."""

    svg: str
    caption: str
    wide: bool = False
    name: str = "picture"

    @property
    def markup(self) -> Markup:
        """The drawing, as it is."""
        return Markup(self.svg)


@dataclass(frozen=True)
class Code:
    """Text to copy."""

    text: str
    name: str = "code"


@dataclass(frozen=True)
class PageSection:
    """A heading, sentences, and what they speak about."""

    title: str
    text: Sequence[str]
    blocks: Sequence[PageTable | Picture | Code] = ()


def _shown(value: object) -> object:
    """What a page is given, without letters that steer; markup of ours is as it is."""
    return printable(value, keep="\n") if isinstance(value, str) and not isinstance(value, Markup) else value


def render(kind: str, title: str, lead: str, facts: Sequence[Fact], sections: Sequence[PageSection]) -> str:
    """The page; ``kind`` is the line above the title, ``lead`` the paragraph below it. All text is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        kind=kind, title=title, lead=lead, facts=facts, sections=sections, version=diodeq.__version__
    )
