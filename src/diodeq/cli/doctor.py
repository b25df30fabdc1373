"""``diodeq doctor``: what is installed and which engines work, found out by running a circuit on each."""

from __future__ import annotations

import importlib.metadata
import platform

import rich_click as click

from diodeq import __version__
from diodeq.cli.options import JSON, print_json
from diodeq.cli.terminal import say
from diodeq.errors import SimulatorMissingError

PACKAGES = ("numpy", "scipy", "PySpice", "networkx", "jinja2", "click", "matplotlib", "scikit-learn")


@click.command()
@JSON
def doctor(as_json: bool) -> None:
    """Say what is installed and run a real one-diode circuit on every engine. Exit code 5 when one does not work.

    Example: diodeq doctor
    """
    from diodeq.simulators import ENGINES
    from diodeq.simulators.selftest import self_test

    engines = {name: self_test(name) for name in ENGINES}
    packages = {name: importlib.metadata.version(name) for name in PACKAGES}
    if as_json:
        print_json(
            {"diodeq": __version__, "python": platform.python_version(), "packages": packages, "engines": engines}
        )
    else:
        say(f"diodeq {__version__}, Python {platform.python_version()}, {platform.platform()}")
        say("  " + ", ".join(f"{name} {version}" for name, version in packages.items()))
        for name, result in engines.items():
            say(f"  {name}: {'works' if result['works'] else 'does not work'} ({result['detail']})")
    for name, result in engines.items():
        if not result["works"]:
            raise SimulatorMissingError(f"the engine {name} does not work here: {result['problem']}", result["remedy"])
