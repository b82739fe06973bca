"""The registry: which file was marked with which payload under which key, in one SQLite file.

It holds an identifier of the key (`soundsafe.keys.key_id`) and never the key. A line counts once it is
committed; a process killed at any moment leaves all committed lines and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any

from soundsafe.errors import InputError, reason
from soundsafe.files.names import existing
from soundsafe.keys import key_id

__all__ = ["FILE_NAME", "Mark", "Registry", "RegistryError", "lookup", "sha256_of"]

FILE_NAME = "registry.sqlite"
"""Name of the registry in a batch's folder."""

_FORMAT = 2
_LONGEST = 1 << 28
"""Bytes of one value: answers of hours of audio are long."""


@dataclass(frozen=True)
class Mark:
    """One marked file. `file`: its source as listed; `output`: what was made, relative to the registry.

    `sha256`: of the output's bytes; `marked_at`: UTC, ISO 8601; `answer`: the JSON of the embedding;
    `source`: JSON that tells where the source was, its size and its time.
    """

    file: str
    output: str
    payload_hex: str
    payload_id: str
    key_id: str
    sha256: str
    version: str
    marked_at: str
    answer: str
    source: str

    def to_json(self) -> dict[str, Any]:
        """All fields, answer and source as documents of their own. Raises InputError where one is none."""
        try:
            answer, source = json.loads(self.answer), json.loads(self.source)
            if not isinstance(answer, dict):
                raise ValueError
        except (ValueError, RecursionError):
            raise InputError(f"the registry's line of {self.file} is damaged") from None
        return {**asdict(self), "answer": answer, "source": source}


_COLUMNS = tuple(f.name for f in fields(Mark))


def _other_forms(name: str) -> list[str]:
    forms = {unicodedata.normalize(form, name) for form in ("NFC", "NFD")}
    return sorted(forms - {name})


class RegistryError(InputError):
    """The registry itself cannot be read or written: nothing that needs it can go on."""


class Registry:
    """The registry at `path`; a context manager. Raises InputError for what is not one.

    Opened to write it is made where it is missing; without `write` it is only read, also while another
    process writes it.
    """

    def __init__(self, path: str | os.PathLike[str], write: bool = False) -> None:
        self._path = Path(path)
        if not write and not self._path.is_file():
            raise InputError(f"{path}: no such registry; soundsafe batch embed makes one in its --out")
        # A reader may have to take back what a killed writer left half done.
        mode = "rwc" if write else "rw" if os.access(self._path, os.W_OK) else "ro"
        with self._errors():
            self._database = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=30
            )
        try:
            with self._errors():
                self._database.execute("PRAGMA trusted_schema = OFF")
                self._database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
                if write:
                    self._make()
                found = self._database.execute("PRAGMA user_version").fetchone()[0]
                if found != _FORMAT:
                    raise InputError(f"{path} is not a registry of format {_FORMAT}")
                self._check_table()
        except BaseException:
            self.close()
            raise

    def _check_table(self) -> None:
        """Raise InputError where `marks` is no plain table: a view, say, could give lines without end."""
        found = self._database.execute("SELECT type, sql FROM sqlite_master WHERE name = 'marks'").fetchall()
        plain = [(kind, str(text).split("(")[0].upper().split()) for kind, text in found]
        columns = self._database.execute("PRAGMA table_xinfo(marks)").fetchall()
        names = tuple(column[1] for column in columns if column[6] == 0)
        if (
            plain != [("table", ["CREATE", "TABLE", "MARKS"])]
            or names != _COLUMNS
            or len(columns) > len(names)
        ):
            raise InputError(f"{self._path} is not a registry: its marks are not a table of what a mark has")

    def _make(self) -> None:
        self._database.execute("PRAGMA synchronous = FULL")
        if self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return
        columns = ", ".join(f"{name} TEXT NOT NULL" for name in _COLUMNS)
        self._database.execute("BEGIN IMMEDIATE")
        self._database.execute(f"CREATE TABLE marks ({columns}, PRIMARY KEY (file)) WITHOUT ROWID")
        for name in ("payload_id", "sha256", "key_id"):
            self._database.execute(f"CREATE INDEX by_{name} ON marks ({name})")
        self._database.execute(f"PRAGMA user_version = {_FORMAT}")
        self._database.execute("COMMIT")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:  # even the message may be no text
            raise RegistryError(f"the registry {self._path} cannot be used: {error}") from None

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is put and removed in the block counts at its end, all of it; none where the block raises."""
        with self._errors():
            self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            with self._errors():
                self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def put(self, mark: Mark) -> None:
        """Add a line, in place of any of the same `file`."""
        places = ", ".join("?" * len(_COLUMNS))
        with self._errors():
            self._database.execute(f"INSERT OR REPLACE INTO marks VALUES ({places})", astuple(mark))

    def remove(self, file: str) -> None:
        """Take back the line of `file`, if there is one."""
        with self._errors():
            self._database.execute("DELETE FROM marks WHERE file = ?", (file,))

    def get(self, file: str) -> Mark | None:
        """The line of `file`, or else of the one name that looks the same (`soundsafe.files.names`)."""
        names = [file] if file.isascii() else [file, *_other_forms(file)]
        return next((mark for name in names for mark in self.search(file=name)), None)

    def search(self, **values: str) -> Iterator[Mark]:
        """All lines whose columns have these values, in order of `file`."""
        if unknown := set(values) - set(_COLUMNS):
            raise ValueError(f"no such columns: {', '.join(sorted(unknown))}")
        where = " AND ".join(f"{name} = ?" for name in values) or "1"
        with self._errors():
            query = f"SELECT {', '.join(_COLUMNS)} FROM marks WHERE {where} ORDER BY file"
            for row in self._database.execute(query, tuple(values.values())):
                if not all(isinstance(value, str) for value in row):
                    raise InputError(f"the registry {self._path} is damaged")
                yield Mark(*row)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Registry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Hexadecimal SHA-256 of a file's bytes. Raises InputError for one that cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {reason(error)}") from None


def lookup(
    path: Path,
    *,
    payload: bytes | None = None,
    id_hex: str | None = None,
    file: Path | None = None,
    key: bytes | None = None,
) -> list[Mark]:
    """All lines of the registry `path` (or in that folder) to which every condition that is given applies.

    `id_hex`: the payload's identifier, as detection gives it; `file`: a marked file, known by its bytes.
    Raises InputError for an identifier that is none and files that cannot be read.
    """
    values = {}
    if payload is not None:
        values["payload_hex"] = payload.hex()
    if id_hex is not None:
        if not re.fullmatch("[0-9a-fA-F]{16}", id_hex):
            raise InputError("an identifier has 16 hexadecimal digits")
        values["payload_id"] = id_hex.lower()
    if file is not None:
        values["sha256"] = sha256_of(existing(file))
    if key is not None:
        values["key_id"] = key_id(key)
    with Registry(path / FILE_NAME if path.is_dir() else path) as registry:
        return list(registry.search(**values))
