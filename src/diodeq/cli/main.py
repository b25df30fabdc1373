"""The ``diodeq`` command: its subcommands, where options come from, and how errors become exit codes."""

from __future__ import annotations

import os
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from typing import Any

import rich_click as click
from click.exceptions import Exit

from diodeq import __version__, interrupts
from diodeq.cli.cautions import spoken
from diodeq.cli.terminal import ROWS, complain
from diodeq.documents import toml
from diodeq.errors import DiodeqError, InputError
from diodeq.files import read_bytes
from diodeq.printable import printable


class Commands(Mapping[str, click.Command]):
    """Commands by name, each loaded when it is asked for: what others need costs it no time."""

    def __init__(self, places: dict[str, str]) -> None:
        self._places = places

    def __getitem__(self, name: str) -> click.Command:
        module, attribute = self._places[name].split(":")
        found: click.Command = getattr(import_module(f"diodeq.cli.{module}"), attribute)
        return found

    def described(self) -> dict[str, click.Command]:
        """Commands that do nothing and have the others' names and help, read without loading what those need."""
        return {name: click.RichCommand(name=name, help=self._help(name)) for name in self}

    def _help(self, name: str) -> str | None:
        module, attribute = self._places[name].split(":")
        source = (pkgutil.get_data("diodeq.cli", f"{module}.py") or b"").decode()
        docstring = source.partition(f"\ndef {attribute}(")[2].partition('"""')[2].partition('"""')[0]
        return cleandoc(docstring) or None

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


COMMANDS = Commands(
    {
        "doctor": "doctor:doctor",
        "train": "train:train",
        "compile": "compile:compile_command",
        "extract": "extract:extract",
        "verify": "verify:verify",
        "simulate": "simulate:simulate",
        "gradcheck": "gradcheck:gradcheck",
        "audit": "audit:audit",
        "compare": "compare:compare",
        "front": "front:front",
        "export": "export:export",
        "prune": "prune:prune",
        "quantize": "quantize:quantize_command",
        "crossbar": "crossbar:crossbar",
        "board": "board:board",
        "bench": "bench:bench",
        "montecarlo": "montecarlo:montecarlo",
        "certify": "certify:certify",
        "settle": "settle:settle",
        "noise": "noise:noise",
        "report": "report:report",
        "import": "import_deck:import_command",
        "devices": "devices:devices",
        "guide": "guide:guide",
    }
)

CONFIG = Path("diodeq.toml")
LARGEST_CONFIG = 1 << 16  # bytes


class _Group(click.RichGroup):
    """Meets its commands after it is made: rich_click would look at each."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.commands: Any = COMMANDS

    def format_help(self, context: Any, formatter: Any) -> None:
        """Describe all commands, in their own words."""
        self.commands = COMMANDS.described()
        try:
            super().format_help(context, formatter)
        finally:
            self.commands = COMMANDS


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "DIODEQ"},
    epilog="Options also come from DIODEQ_COMMAND_OPTION variables and from tables in diodeq.toml, in that order.",
)
@click.version_option(__version__, prog_name="diodeq")
def cli() -> None:
    """Compile neural networks into resistor-diode circuits, simulate them in ngspice, train them in circuit.

    Example: diodeq train iris --out run
    """


def read_config(path: Path = CONFIG) -> dict[str, Any]:
    """Defaults per command from ``diodeq.toml`` in the current folder, if there is one.

    It may come with a folder from anybody, so it never says where a command writes.

    Raises:
        InputError: not TOML, a table that is no command, an option that there is not, or one that names an output.
    """
    try:
        tables = toml(read_bytes(path, LARGEST_CONFIG))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read: {reason}", "correct it or remove it") from error
    for name, table in tables.items():
        if name not in COMMANDS or not isinstance(table, dict):
            raise InputError(f"{path} has an entry {name!r}", f"use tables named {', '.join(COMMANDS)}")
        _check(path, name, COMMANDS[name], table)
    return {name: _spelled(table) for name, table in tables.items()}


def _spelled(table: dict[str, Any]) -> dict[str, Any]:
    """The table with options as click calls them, and commands below as they are called."""
    return {
        key if isinstance(value, dict) else key.replace("-", "_"): _spelled(value) if isinstance(value, dict) else value
        for key, value in table.items()
    }


def _check(path: Path, name: str, command: click.Command, table: dict[str, Any]) -> None:
    """Refuse an entry that is no option of the command, or says where it writes."""
    from diodeq.cli.options import Written

    known, below = {parameter.name: parameter for parameter in command.params}, getattr(command, "commands", {})
    for key, value in table.items():
        if key in below and isinstance(value, dict):
            _check(path, f"{name} {key}", below[key], value)
            continue
        parameter = known.get(key.replace("-", "_"))
        if parameter is None:
            raise InputError(f"{path} sets {key!r} for {name}, which has no such option", f"see diodeq {name} --help")
        if isinstance(parameter.type, Written):
            raise InputError(
                f"{path} sets {key!r} for {name}, but a {CONFIG} never names a file to write",
                "remove the entry and name the file on the command line",
            )


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code (0 done, 1 a bug, 2 … 7 as in ``errors.py``, 130 interrupted)."""
    known: dict[str, Any] = {}
    try:
        interrupts.listen()
        with spoken():
            result = cli.main(
                args=arguments, prog_name="diodeq", standalone_mode=False, default_map=read_config(), obj=known
            )
        return result if isinstance(result, int) else 0
    except BaseException as error:
        if interrupts.received(error) or isinstance(error, click.Abort):
            complain("interrupted")
            return interrupts.EXIT_CODE
        return _ended(error, known)


def run() -> None:
    """The console script."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell: what is said there goes nowhere, least of all elsewhere
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        else:
            stream.reconfigure(errors="backslashreplace")
    code = main()
    try:
        sys.stdout.flush()
    except OSError as error:
        if code == 0 and not isinstance(error, BrokenPipeError):
            code = _unusable(error)
        # Python flushes once more when it ends: what could not be written goes nowhere then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    interrupts.end_at_once()
    sys.exit(code)


def plainly(work: Callable[[], int | None]) -> int:
    """Do the work of a script and return its exit code; what it cannot use is said as the command line says it."""
    try:
        return work() or 0
    except (DiodeqError, OSError, MemoryError) as error:
        return _ended(error, {})


def _ended(error: BaseException, known: dict[str, Any]) -> int:
    """Say what ended the command, and return its exit code; ``known`` is what the command told of itself."""
    if isinstance(error, Exit):
        return error.exit_code
    if isinstance(error, SystemExit):
        return 0  # click's, when the reader of our output left; that is its right
    if isinstance(error, click.ClickException):
        vars(error)["message"] = printable(error.message, keep="\n")
        error.show()
        return error.exit_code
    if isinstance(error, OSError):
        return _unusable(error)
    if isinstance(error, DiodeqError):
        complain(_typed(error, known.get(ROWS, ())))
        return error.exit_code
    if isinstance(error, MemoryError):
        complain("there is not enough memory; give a smaller circuit or fewer samples")
        return InputError.exit_code
    if os.environ.get("DIODEQ_DEBUG"):
        raise error
    complain(f"a bug: {type(error).__name__}: {error}; set DIODEQ_DEBUG=1 to see where")
    return 1


def _typed(error: DiodeqError, rows: Sequence[int]) -> str:
    """An error of the library in the words of the command line: arguments as options, samples as ``rows`` of a file."""
    if error.sample is not None and error.sample < len(rows):
        error.renumber(rows[error.sample], "row")
    text = str(error)
    for name in error.arguments:
        text = re.sub(rf"\b{name}\b(?: =)?", f"--{name.replace('_', '-')}", text)
    return text


def _unusable(error: OSError) -> int:
    reason = f"{error.filename or 'the output'} cannot be used: {error.strerror or error}"
    complain(f"{reason}; free space, or choose another place")
    return InputError.exit_code


if __name__ == "__main__":
    run()
