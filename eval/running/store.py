"""The append-only store of a run: one file for each system × clip, one line for each finished cell.

A cell is one attack on one marked clip. A line is a JSON object with `key`, the content address of what was
asked, and `sum`, a checksum of the line. A process killed at any moment leaves at most one torn last line,
which is cut off before anything is appended; finished lines are never rewritten. A line that was damaged or
changed counts as none: its cell is run again, and those after it stay.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from soundsafe.errors import InputError
from soundsafe.eval.rows import Attacked, Figure, Measured, Quality

__all__ = [
    "CellLine", "Line", "MarkingLine", "UnitFile", "address", "lines_in", "make_folder", "write_atomically",
]  # fmt: skip


@dataclass(frozen=True)
class MarkingLine:
    """What marking did to a unit's clip, or why there is none.

    `embed_s`: seconds of work; None where it failed. `quality_failed` as `status`: it was marked, but not all
    of its quality could be measured. `marked_sha256`: of the marked audio where the run keeps it.
    """

    key: str
    status: str = "ok"
    message: str = ""
    quality: Quality = field(default_factory=Quality)
    payload_bytes: int = 0
    payload_bits: int = 0
    embed_s: Figure = None
    warnings: tuple[str, ...] = ()
    traceback: str = ""
    marked_sha256: str = ""


@dataclass(frozen=True)
class CellLine:
    """What was measured of a unit's clip after one treatment, and the times, in seconds.

    `attacked`: of the audio that was read. `delay`: the attack's, in samples, where it is known. `traceback`:
    of the error that a step ended in, where that was no refusal.
    """

    key: str
    name: str
    rows: tuple[Measured, ...]
    attacked: Attacked = field(default_factory=Attacked)
    attack_s: Figure = None
    decode_s: Figure = None
    audio_s: Figure = None
    traceback: str = ""
    delay: int | None = None


Line = MarkingLine | CellLine


def address(*parts: object) -> str:
    """Content address: 32 hex digits of the SHA-256 of the parts as canonical JSON."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, where they are missing. Raises InputError where they cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        # Where folders cannot be made at all, as in /proc, the system says that there is no such file.
        reason = "" if isinstance(error, FileNotFoundError) else f" ({error.strerror})"
        raise InputError(f"{path} cannot be written to{reason}: give --out another name") from error


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that nobody ever sees half of it: a temporary one beside it, then a rename.

    Raises:
        InputError: what has the name is no regular file.
        OSError: it cannot be written; names `path`.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is not a regular file: give another name")
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        with open(partial, "xb") as file:
            file.write(data)
        os.replace(partial, path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _sum_of(item: dict[str, object]) -> str:
    return address({name: value for name, value in item.items() if name != "sum"})


def _decoded(text: bytes) -> Line | None:
    """A line as it was written; None for what is none, or was changed since."""
    try:
        item = json.loads(text)
        if item.pop("sum") != _sum_of(item):
            return None
        if "rows" in item:
            rows = tuple(Measured(**row) for row in item["rows"])
            return CellLine(**item | {"rows": rows, "attacked": Attacked(**item["attacked"])})
        more = {"quality": Quality(**item["quality"]), "warnings": tuple(item["warnings"])}
        return MarkingLine(**item | more)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _sound_lines(data: bytes) -> Iterator[Line]:
    """The lines that are as they were written."""
    for text in data.split(b"\n"):
        if (line := _decoded(text)) is not None:
            yield line


class UnitFile:
    """One unit's lines. Opening it for writing cuts off a torn last line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Line]:
        """Finished lines by their key; the first one of a key counts."""
        out: dict[str, Line] = {}
        if self.path.exists():
            for line in _sound_lines(self.path.read_bytes()):
                out.setdefault(line.key, line)
        return out

    def repair(self) -> None:
        """Cut off what is not a whole line."""
        if self.path.exists():
            data = self.path.read_bytes()
            size = data.rfind(b"\n") + 1
            if size < len(data):
                os.truncate(self.path, size)

    def append(self, line: Line) -> None:
        """Append one line with one write, in Python's own words for NaN and infinity."""
        item = json.loads(json.dumps(asdict(line)))  # as it will be read
        text = json.dumps(item | {"sum": _sum_of(item)}, sort_keys=True, separators=(",", ":"))
        data = text.encode() + b"\n"
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            if os.write(handle, data) != len(data):
                raise OSError(28, "No space left on device", str(self.path))
        finally:
            os.close(handle)


def lines_in(path: Path) -> int:
    """How many lines a unit's file has so far: a cheap measure of progress; 0 where there is no file."""
    try:
        return path.read_bytes().count(b"\n")
    except OSError:
        return 0
