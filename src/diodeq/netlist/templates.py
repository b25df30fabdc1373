"""The jinja2 templates that print decks: found in the installed package, else in the checkout."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import jinja2


@functools.cache
def _environment() -> jinja2.Environment:
    package = Path(__file__).resolve().parent.parent
    folders = [package / "netlist_templates", package.parent.parent / "netlist_templates"]
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        undefined=jinja2.StrictUndefined,
        auto_reload=False,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(template: str, **context: Any) -> str:
    """The text of a template; an undefined variable raises ``jinja2.UndefinedError``."""
    return _environment().get_template(template).render(**context)
