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
from pathlib import Path
from typing import Any

from soundsafe.errors import InputError

__all__ = ["UnitFile", "address", "lines_in", "make_folder", "write_atomically"]


def address(*parts: Any) -> str:
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


def _sum_of(item: dict[str, Any]) -> str:
    return address({name: value for name, value in item.items() if name != "sum"})


def _sound_lines(data: bytes) -> Iterator[dict[str, Any]]:
    """The lines that are as they were written."""
    for line in data.split(b"\n"):
        try:
            item = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(item, dict) and isinstance(item.get("key"), str) and item.get("sum") == _sum_of(item):
            del item["sum"]
            yield item


class UnitFile:
    """One unit's lines. Opening it for writing cuts off a torn last line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, dict[str, Any]]:
        """Finished lines by their key; the first one of a key counts."""
        out: dict[str, dict[str, Any]] = {}
        if self.path.exists():
            for item in _sound_lines(self.path.read_bytes()):
                out.setdefault(item["key"], item)
        return out

    def repair(self) -> None:
        """Cut off what is not a whole line."""
        if self.path.exists():
            data = self.path.read_bytes()
            size = data.rfind(b"\n") + 1
            if size < len(data):
                os.truncate(self.path, size)

    def append(self, item: dict[str, Any]) -> None:
        """Append one line with one write."""
        whole = json.loads(json.dumps(item))  # as it will be read
        line = (
            json.dumps(whole | {"sum": _sum_of(whole)}, sort_keys=True, separators=(",", ":")).encode()
            + b"\n"
        )
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            if os.write(handle, line) != len(line):
                raise OSError(28, "No space left on device", str(self.path))
        finally:
            os.close(handle)


def lines_in(path: Path) -> int:
    """How many lines a unit's file has so far: a cheap measure of progress; 0 where there is no file."""
    try:
        return path.read_bytes().count(b"\n")
    except OSError:
        return 0
