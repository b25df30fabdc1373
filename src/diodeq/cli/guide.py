"""``diodeq guide``: the pages of the guide, listed in the order of their index or shown in the terminal."""

from __future__ import annotations

import pkgutil
import re
import sys
from dataclasses import asdict, dataclass

import rich_click as click
from click.shell_completion import CompletionItem

from diodeq.cli.options import JSON, print_json
from diodeq.cli.terminal import say
from diodeq.errors import UsageError

INDEX = "index"
_CHAPTER = re.compile(r"^## (.+)$|^- \[([^]]+)\]\(([\w-]+)\.md\): (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[([^]]+)\]\(([\w-]+)\.md(?:#[\w-]*)?\)")
_PICTURE = re.compile(r"!\[([^]]*)\]\([^)]*\)")


@dataclass(frozen=True)
class GuidePage:
    """A page: the name by which it is asked for, what it is called, its chapter, and what it is about in a line."""

    page: str
    title: str
    chapter: str
    about: str


def text_of(page: str) -> str:
    """The Markdown of a page that exists."""
    return (pkgutil.get_data("diodeq", f"guide/{page}.md") or b"").decode()


def pages() -> list[GuidePage]:
    """All pages, in the order of the index."""
    found, chapter = [], ""
    for heading, title, page, about in _CHAPTER.findall(text_of(INDEX)):
        if heading:
            chapter = heading
        else:
            found.append(GuidePage(page, title, chapter, about))
    return found


def _completed(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(each.page, help=each.about) for each in pages() if each.page.startswith(incomplete)]


@click.command()
@click.argument("page", required=False, shell_complete=_completed)
@JSON
def guide(page: str | None, as_json: bool) -> None:
    """List the pages of the guide, or show PAGE. What is not shown on a terminal is plain Markdown.

    Example: diodeq guide two-by-two
    """
    known = pages()
    if page is None or page.removesuffix(".md") == INDEX:
        print_json([asdict(each) for each in known]) if as_json else _list(known)
        return
    chosen = next((each for each in known if each.page == page.removesuffix(".md")), None)
    if chosen is None:
        raise UsageError(f"the guide has no page {page!r}", f"choose one of {', '.join(each.page for each in known)}")
    text = text_of(chosen.page)
    if as_json:
        print_json({**asdict(chosen), "markdown": text})
    elif sys.stdout.isatty():
        _show(text)
    else:
        say(text.removesuffix("\n"))


def _list(known: list[GuidePage]) -> None:
    width = max(len(each.page) for each in known)
    chapter = ""
    for each in known:
        if each.chapter != chapter:
            say(f"{chapter and chr(10)}{each.chapter}")
            chapter = each.chapter
        say(f"  {each.page:<{width}}  {each.about}")


def _show(text: str) -> None:
    """Links to other pages as what one types to see them, pictures as what they show."""
    from rich.markdown import Markdown

    from diodeq.cli.console import Terminal

    text = _LINK.sub(r"\1 (`diodeq guide \2`)", _PICTURE.sub(r"*[picture: \1]*", text))
    Terminal().print(Markdown(text, hyperlinks=False))
