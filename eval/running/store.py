"""The append-only store of a run: one file for each system × clip, one line for each finished cell.

A cell is one attack on one marked clip. A line is a JSON object with `key`, the content address of
what it holds. A process killed at any moment leaves at most one torn last line, which is cut off before
anything is appended; finished lines are never rewritten.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
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


def _whole_lines(data: bytes) -> tuple[list[dict[str, Any]], int]:
    """The leading lines that are whole JSON objects, and how many bytes they take."""
    out: list[dict[str, Any]] = []
    size = 0
    for line in data.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break
        try:
            item = json.loads(line)
        except ValueError:
            break
        if not isinstance(item, dict) or "key" not in item:
            break
        out.append(item)
        size += len(line)
    return out, size


class UnitFile:
    """One unit's lines. Opening it for writing cuts off a torn last line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, dict[str, Any]]:
        """Finished lines by their key; the first one of a key counts."""
        out: dict[str, dict[str, Any]] = {}
        if self.path.exists():
            for item in _whole_lines(self.path.read_bytes())[0]:
                out.setdefault(item["key"], item)
        return out

    def repair(self) -> None:
        """Cut off what is not a whole line."""
        if self.path.exists():
            data = self.path.read_bytes()
            size = _whole_lines(data)[1]
            if size < len(data):
                os.truncate(self.path, size)

    def append(self, item: dict[str, Any]) -> None:
        """Append one line with one write."""
        line = json.dumps(item, sort_keys=True, separators=(",", ":")).encode() + b"\n"
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
