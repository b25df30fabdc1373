"""``diodeq doctor``: what is installed and which engines work, found out by running a circuit on each."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shutil
import subprocess
from typing import Any

import rich_click as click
from packaging.requirements import Requirement

from diodeq import __version__, processors
from diodeq.cli.options import JSON, print_json
from diodeq.cli.terminal import say
from diodeq.errors import SimulatorMissingError

PACKAGES = ("numpy", "scipy", "PySpice", "networkx", "jinja2", "click", "matplotlib", "scikit-learn")
FOR_DEVELOPERS = ("docs", "lint", "test")


@click.command()
@JSON
def doctor(as_json: bool) -> None:
    """Say what is installed and run a real one-diode circuit on every engine. Exit code 5 when one does not work.

    The command ngspice runs exported decks by hand; diodeq itself uses ngspice's library. Extras are optional.

    Example: diodeq doctor
    """
    from diodeq.simulators import BENCH, ENGINES
    from diodeq.simulators.selftest import self_test

    engines = {name: self_test(name) for name in ENGINES if name != BENCH}
    found = {
        "diodeq": __version__,
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "blas": processors.kernels(),
        "engines": engines,
        "ngspice_command": ngspice_command(),
        "extras": extras(),
    }
    if as_json:
        print_json(found)
    else:
        say("\n  ".join(_lines(found)))
    for name, result in engines.items():
        if not result["works"]:
            raise SimulatorMissingError(f"the engine {name} does not work here: {result['problem']}", result["remedy"])


def ngspice_command() -> dict[str, Any]:
    """The command on the path, apart from the library: {"path", "version", "remedy"}, None where there is none."""
    path = shutil.which("ngspice")
    if path is None:
        remedy = "install it with 'apt-get install ngspice' (Debian, Ubuntu) or 'brew install ngspice' (macOS)"
        return {"path": None, "version": None, "remedy": remedy}
    try:
        said = subprocess.run(
            [path, "--version"], capture_output=True, stdin=subprocess.DEVNULL, timeout=10, check=False
        ).stdout.decode(errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        said = ""
    version = re.search(r"ngspice-\d[\w.+-]*", said)
    if version is None:
        return {"path": path, "version": None, "remedy": f"see what '{path} --version' says"}
    return {"path": path, "version": version[0], "remedy": None}


def extras() -> dict[str, dict[str, Any]]:
    """By extra of the installed diodeq: {"installed", "packages" (None where missing), "remedy" (None if not needed)}.

    A package of a version that diodeq does not take counts as missing.
    """
    try:
        about = importlib.metadata.metadata("diodeq")
    except importlib.metadata.PackageNotFoundError:  # a bare copy of the source tells of no extras
        return {}
    wanted = [Requirement(line) for line in about.get_all("Requires-Dist") or ()]
    found = {}
    for extra in about.get_all("Provides-Extra") or ():
        if extra in FOR_DEVELOPERS:
            continue
        packages = {
            each.name: _version(each)
            for each in wanted
            if each.marker and each.marker.evaluate({"extra": extra}) and not each.marker.evaluate({"extra": ""})
        }
        installed = None not in packages.values()
        remedy = None if installed else f"pip install 'diodeq[{extra}]'"
        found[extra] = {"installed": installed, "packages": packages, "remedy": remedy}
    return found


def _version(wanted: Requirement) -> str | None:
    try:
        version = importlib.metadata.version(wanted.name)
    except importlib.metadata.PackageNotFoundError:
        return None
    return version if wanted.specifier.contains(version, prereleases=True) else None


def _lines(found: dict[str, Any]) -> list[str]:
    """What a person reads; all but the first line are indented."""
    lines = [f"diodeq {found['diodeq']}, Python {found['python']}, {platform.platform()}"]
    lines.append(", ".join(f"{name} {version}" for name, version in found["packages"].items()))
    lines.append(f"linear algebra: {processors.named(found['blas'])}")
    for name, result in found["engines"].items():
        lines.append(f"{name}: {'works' if result['works'] else 'does not work'} ({result['detail']})")
    command = found["ngspice_command"]
    said = (command["path"], command["version"], command["remedy"])
    lines.append(f"command ngspice: {', '.join(filter(None, said)) if said[0] else f'not installed; {said[2]}'}")
    for name, extra in found["extras"].items():
        have = ", ".join(f"{package} {version}" for package, version in extra["packages"].items() if version)
        missing = [package for package, version in extra["packages"].items() if version is None]
        without = f"without {', '.join(missing)}: {extra['remedy']}" if missing else ""
        lines.append(f"extra {name}: {'; '.join(filter(None, (have, without)))}")
    return lines
