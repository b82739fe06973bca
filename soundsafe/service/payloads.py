"""Which file of many gets which payload: one for all, a table, or a text with fields.

A table (`soundsafe.files.tables`) has a column `file` (the name as listed, or relative to the folder) and a
column `payload_hex` or `message`; headings may have capitals. A name that the table does not have as it is is
taken for the one that looks the same (`soundsafe.files.names`). A text may name fields in braces: columns of
the table, tags of the audio (`{ARTIST}`), `{name}` (the file's name without folders and ending) and `{file}`.
Other braces stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from soundsafe.errors import InputError
from soundsafe.files import tables
from soundsafe.files.audio_file import AudioReader
from soundsafe.files.names import value_of
from soundsafe.message.container import MAX_PAYLOAD

__all__ = ["Payloads", "read_table"]

_FIELD = re.compile(r"\{([^\W\d]\w*)\}")

Row = Mapping[str, str]


@dataclass(frozen=True)
class Payloads:
    """`fixed`: for every file. Otherwise `template`, filled for each; otherwise what `table` says of it."""

    fixed: bytes | None = None
    template: str | None = None
    table: Mapping[str, Row] = field(default_factory=dict)

    def needs_tags(self, file: str) -> bool:
        """Whether `of` opens the audio of `file`, which whoever distrusts it does in another process."""
        known = {"file", "name", *self._columns(file)}
        names = _FIELD.findall(self.template or "") if self.fixed is None else []
        return not known.issuperset(names)

    def _columns(self, file: str) -> Row:
        """What the table says of `file`; nothing where it has no line for it."""
        row = value_of(self.table, file)
        return {} if row is None else row

    def only(self, file: str) -> Payloads:
        """What `of` needs for `file` alone: a table may be long."""
        row = value_of(self.table, file)
        return replace(self, table={} if row is None else {file: row})

    def of(self, file: str, path: Path) -> bytes:
        """The payload of the file listed as `file`, whose audio is at `path`; InputError without one."""
        if self.fixed is not None:
            payload = self.fixed
        elif self.template is not None:
            payload = _encoded(_filled(self.template, file, path, self._columns(file)))
        elif (row := value_of(self.table, file)) is None:
            raise InputError("the table of payloads has no line for it")
        elif digits := row.get("payload_hex", ""):
            if not re.fullmatch(r"([0-9a-fA-F]{2})+", digits):
                raise InputError("its payload_hex is not an even number of hexadecimal digits")
            payload = bytes.fromhex(digits)
        else:
            payload = _encoded(row.get("message", ""))
        if not 1 <= len(payload) <= MAX_PAYLOAD:
            raise InputError(f"its payload has {len(payload)} bytes: 1 to {MAX_PAYLOAD} work")
        return payload


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InputError("its payload is not valid text") from None


def _filled(template: str, file: str, path: Path, row: Row) -> str:
    tags: Mapping[str, tuple[str, ...]] | None = None

    def value(match: re.Match[str]) -> str:
        nonlocal tags
        name = match[1]
        own: dict[str, Callable[[], str]] = {"file": lambda: file, "name": lambda: PurePosixPath(file).stem}
        if name in row:
            return row[name]
        if name in own:
            return own[name]()
        if tags is None:
            with AudioReader(path) as reader:
                tags = reader.info.tags
        if name not in tags:
            raise InputError(f"neither the table nor its tags have {name}, which the message names")
        return tags[name][0]

    return _FIELD.sub(value, template)


def read_table(path: Path, complete: bool, warn: Callable[[str], None] | None = None) -> dict[str, Row]:
    """The lines of a table by their column `file`.

    Args:
        path: of the table.
        complete: whether there must be a column `payload_hex` or `message`.
        warn: called with a remark on the table's encoding.

    Raises:
        InputError: it cannot be used.
    """
    found = tables.read_table(path)
    if found.note and warn:
        warn(found.note)
    if complete and not {"payload_hex", "message"} & set(found.columns):
        raise InputError(f"{path} has no column named payload_hex or message")
    table: dict[str, Row] = {}
    for row in found.rows:
        if not (file := row["file"].strip()):
            raise InputError(f"{path} has a line without a file")
        file = Path(file).as_posix()  # as a list's lines are: ./a.wav is a.wav
        if file in table:
            raise InputError(f"{path} names {file} twice")
        table[file] = row
    return table
