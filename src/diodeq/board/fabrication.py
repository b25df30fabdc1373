"""What a board house wants of a project, as KiCad makes it: Gerbers, drills, positions."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from diodeq.errors import SimulatorMissingError
from diodeq.files import write_folder

FABRICATION = "fabrication"
"""The folder of a project where it lies."""
_SECONDS = 600.0  # that KiCad may take for a file


def fabricated(files: Mapping[str, str]) -> dict[str, bytes]:
    """The files for every board among a project's ``files``.

    Raises:
        SimulatorMissingError: KiCad's command line is not installed, or cannot do it.
    """
    found: dict[str, bytes] = {}
    for name in (file.removesuffix(".kicad_pcb") for file in files if file.endswith(".kicad_pcb")):
        found |= _exported(name, files)
    return found


def _exported(name: str, files: Mapping[str, str]) -> dict[str, bytes]:
    tool = shutil.which("kicad-cli")
    if tool is None:
        raise SimulatorMissingError("kicad-cli is not installed, which writes Gerbers", "install KiCad 8 or 9")
    with tempfile.TemporaryDirectory() as folder:
        write_folder(Path(folder) / name, files)
        board, made = str(Path(folder) / name / f"{name}.kicad_pcb"), Path(folder) / FABRICATION
        made.mkdir()
        for words in (["gerbers"], ["drill"], ["pos", "--format", "csv"]):
            where = str(made / "positions.csv") if words[0] == "pos" else f"{made}/"
            done = subprocess.run(
                [tool, "pcb", "export", *words, "--output", where, board],
                capture_output=True, text=True, timeout=_SECONDS, check=False,
            )  # fmt: skip
            if done.returncode:
                raise SimulatorMissingError(f"kicad-cli cannot export {words[0]}: {done.stderr.strip()}", "see KiCad")
        return {f"{FABRICATION}/{path.name}": path.read_bytes() for path in sorted(made.iterdir())}
