"""Build the site of guide, command line and reference into a folder (build/site), from the files that there are.

Nothing on a page is fetched from elsewhere. A broken link, picture or anchor ends it with an error.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import yaml

from diodeq.cli.guide import pages

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parent / "src" / "diodeq"

CONFIG = {
    "site_name": "diodeq",
    "site_description": "Neural networks as resistor-diode circuits",
    "use_directory_urls": False,  # so that the folder can be read without a server
    "theme": {
        "name": "material",
        "custom_dir": str(HERE / "site"),  # search in pages that no server sends, without fetching what does it
        "font": False,
        "features": ["navigation.sections", "navigation.footer", "content.code.copy"],
        "palette": [
            {
                "media": f"(prefers-color-scheme: {scheme})",
                "scheme": name,
                "primary": "blue grey",
                "toggle": {"icon": icon, "name": f"To the {other} page"},
            }
            for scheme, name, icon, other in (
                ("light", "default", "material/weather-night", "dark"),
                ("dark", "slate", "material/weather-sunny", "light"),
            )
        ],
    },
    "markdown_extensions": ["tables", "attr_list", "pymdownx.highlight", "pymdownx.superfences", "mkdocs-click"],
    "plugins": [
        "search",
        "offline",  # search without a server
        {
            "mkdocstrings": {
                "handlers": {
                    "python": {
                        "paths": [str(PACKAGE.parent)],
                        "options": {
                            "docstring_style": "google",
                            "heading_level": 3,
                            "show_root_heading": False,
                            "show_root_toc_entry": False,
                            "show_source": False,
                            "separate_signature": True,
                        },
                    }
                }
            }
        },
    ],
    "validation": {"anchors": "warn", "unrecognized_links": "warn"},
}


COMMANDS = """# Commands

Every command has `--help` with an example, and `--json`. `diodeq guide` shows the guide's pages in a terminal.

::: mkdocs-click
    :module: diodeq.cli.main
    :command: cli
    :prog_name: diodeq
    :depth: 1
    :style: plain
    :list_subcommands: True
"""


def exported() -> Iterator[tuple[str, str]]:
    """Every name of ``import diodeq`` and where it is defined, from the stub that says so."""
    for each in ast.parse((PACKAGE / "__init__.pyi").read_text()).body:
        if isinstance(each, ast.ImportFrom):
            module = f"diodeq.{each.module}" if each.module else "diodeq"
            yield from ((alias.asname or alias.name, f"{module}.{alias.name}") for alias in each.names)


def reference() -> str:
    """One section a name; rooms of the package, such as ``devices``, with what they offer."""
    text = ["# Reference\n\nWhat `import diodeq` offers, and where the source has it.\n"]
    for name, place in sorted(exported(), key=lambda each: each[0].lower()):
        text.append(f"## diodeq.{name}\n\n::: {place}\n")
    return "\n".join(text)


def nav() -> list[object]:
    """The guide's chapters in the order of its index, then what is made of the source."""
    found: list[object] = [{"The guide": "index.md"}]
    for chapter, those in groupby(pages(), key=lambda each: each.chapter):
        found.append({chapter: [{each.title: f"{each.page}.md"} for each in those]})
    return [*found, {"Reference": [{"Commands": "commands.md"}, {"import diodeq": "reference.md"}]}]


def fetched(site: Path) -> int:
    """1, and a line for each, where a page would fetch something from elsewhere."""
    pattern = re.compile(r"<(?:script|img|link|iframe)[^>]* (?:src|href)=[\"']?(https?:)?//")
    those = [page for page in sorted(site.rglob("*.html")) if pattern.search(page.read_text(encoding="utf-8"))]
    for page in those:
        print(f"{page} fetches something from elsewhere", file=sys.stderr)
    return int(bool(those))


def main() -> int:
    """Build it, and return mkdocs' exit code, or 1 where a page needs a connection."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=HERE.parent / "build" / "site")
    site = parser.parse_args().folder.resolve()
    with tempfile.TemporaryDirectory() as folder:
        sources = Path(folder) / "docs"
        shutil.copytree(PACKAGE / "guide", sources, ignore=shutil.ignore_patterns("__pycache__"))
        (sources / "commands.md").write_text(COMMANDS, encoding="utf-8")
        (sources / "reference.md").write_text(reference(), encoding="utf-8")
        config = Path(folder) / "mkdocs.yml"
        config.write_text(yaml.safe_dump({**CONFIG, "nav": nav()}, allow_unicode=True), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "mkdocs",
            "build",
            "--strict",
            "--clean",
            "--quiet",
            "--config-file",
            str(config),
        ]
        quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
        done = subprocess.run([*command, "--site-dir", str(site)], check=False, env=quiet).returncode
    done = done or fetched(site)
    if done == 0:
        print(f"{site / 'index.html'}")
    return done


if __name__ == "__main__":
    sys.exit(main())
