"""A bench whose converters Linux drives: files of its industrial I/O subsystem, a whole number in each."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from diodeq.errors import BenchLostError, DiodeqError, InputError
from diodeq.simulators.bench.links.spans import Ints, Spans, no_tone

ROOT = "/sys/bus/iio/devices"
_FILE = re.compile(r"iio:device[0-9]{1,4}/(?:in|out)_[a-z0-9_-]{1,60}_raw")
"""A description may come from anybody, and names files that are written: nothing else than channels."""
_RANGE = re.compile(r"\{([0-9]{1,4})\.\.([0-9]{1,4})\}")


class IioBody:
    """``files`` under ``root`` of taps, drives, injections and reads: one for each channel, such as
    ``iio:device0/out_resistance0_raw``, or several, ``iio:device0/out_resistance{0..7}_raw``.

    ``settle`` seconds go by before each reading. Outputs cannot be held.

    Raises:
        InputError: another number of files than channels, or a name that leaves ``root``.
        BenchLostError: a file is missing or not to be used.
    """

    def __init__(
        self,
        spans: Spans,
        files: Mapping[str, Sequence[str]],
        root: str = ROOT,
        settle: float = 0.0,
    ) -> None:
        spans = spans.without_holds()
        self._spans, self._settle, self._root = spans, settle, root
        self._files = {sort: self._named(sort, names) for sort, names in files.items()}
        for sort, paths in self._files.items():
            for path in paths:
                self._get(path) if sort in ("taps", "reads") else self._there(path)
        self.rest()

    @property
    def identity(self) -> str:
        """The root, and the names of the devices in it that are used."""
        devices = dict.fromkeys(path.parent for paths in self._files.values() for path in paths)
        names = [_text(device / "name") or device.name for device in devices]
        return f"iio {self._root} {' '.join(names)}"

    def set_taps(self, codes: Ints) -> None:
        """Set every programmable resistor, int64[n_taps]."""
        self._put("taps", self._spans.taps.demand("tap", codes))

    def taps(self) -> Ints:
        """The codes as the files have them, int64[n_taps]."""
        return np.array([self._get(path) for path in self._files["taps"]], np.int64)

    def read(self, drives: Ints, injections: Ints, holds: Ints | None = None) -> Ints:
        """What the channels read, int64[B, n_reads]; see ``Body``."""
        drives, injections, _ = self._spans.demand_row(drives, injections, holds)
        found = np.empty((len(drives), self._spans.reads.count), np.int64)
        try:
            for row in range(len(drives)):
                self._put("drives", drives[row])
                self._put("injections", injections[row])
                time.sleep(self._settle)
                found[row] = [self._get(path) for path in self._files["reads"]]
        except BaseException:
            with suppress(DiodeqError):
                self.rest()
            raise
        self.rest()
        return np.clip(found, self._spans.reads.low, self._spans.reads.high)

    def tone(self, drives: Ints, injections: Ints, millihertz: int) -> Ints:
        """Raises ``InputError``: files are set once a sample."""
        raise no_tone(f"the bench at {self._root}", "leave lock-in out")

    def demand_holds(self) -> None:
        """Raises ``InputError`` where outputs cannot be held."""
        self._spans.demand_holds()

    def rest(self) -> None:
        """Drives at 0 V, injections at 0 A."""
        for sort in ("drives", "injections"):
            span = getattr(self._spans, sort)
            self._put(sort, np.full(span.count, span.rest, np.int64))

    def close(self) -> None:
        """At rest; there is no link to release."""
        try:
            self.rest()
        except DiodeqError:
            return

    def _named(self, sort: str, names: Sequence[str]) -> list[Path]:
        found = [each for name in names for each in _spread(name)]
        wanted = getattr(self._spans, sort).count
        if len(found) != wanted:
            raise InputError(f"[link] names {len(found)} files of {sort}, and the bench has {wanted}", "name one each")
        if bad := next((name for name in found if not _FILE.fullmatch(name)), None):
            raise InputError(
                f"[link] names {bad!r}, which is no channel", "write it like iio:device0/out_voltage0_raw, under root"
            )
        return [Path(self._root) / name for name in found]

    def _there(self, path: Path) -> None:
        if not path.exists():
            raise BenchLostError(f"there is no {path}", "load the driver, or correct the [link]")

    def _put(self, sort: str, codes: Ints) -> None:
        for path, code in zip(self._files[sort], codes.tolist(), strict=True):
            try:
                path.write_text(f"{code}\n", encoding="ascii")
            except OSError as error:
                raise self._lost(path, error) from None

    def _get(self, path: Path) -> int:
        try:
            return int(path.read_text(encoding="ascii").strip()[:24])
        except OSError as error:
            raise self._lost(path, error) from None
        except ValueError:
            raise BenchLostError(f"{path} holds no whole number", "name a _raw file") from None

    def _lost(self, path: Path, error: OSError) -> BenchLostError:
        return BenchLostError(f"{path} cannot be used: {error.strerror or error}", "check the device and your rights")


def _spread(name: str) -> list[str]:
    found = _RANGE.search(name)
    if found is None:
        return [name]
    return [name[: found.start()] + str(k) + name[found.end() :] for k in range(int(found[1]), int(found[2]) + 1)]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()[:80]
    except OSError:
        return ""
