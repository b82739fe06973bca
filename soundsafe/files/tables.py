"""Text files and tables as programs write them, those of Windows among them.

A table has columns separated by commas, semicolons or tabs; its encoding is UTF-8, with a byte-order mark or
without, UTF-16 with one, or Windows-1252, of which a note says so; its lines end in any way.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from soundsafe.errors import InputError, reason

__all__ = ["Table", "Text", "in_cell", "read_table", "read_text"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SEPARATORS = ",;\t"
_STATED_SEPARATOR = re.compile(r"sep=([,;\t])\r?\n?", re.IGNORECASE)
_FORMULA = re.compile(r"^[\s]*[=+\-@\t\r]")


@dataclass(frozen=True)
class Text:
    """What a text file holds. `note`: a remark on its encoding, or None."""

    content: str
    note: str | None = None


def read_text(path: Path) -> Text:
    """A text file in UTF-8, UTF-16 with a byte-order mark, or Windows-1252.

    Raises:
        InputError: it cannot be read, or is in none of these.
    """
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {reason(error)}") from None
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                return Text(data[len(mark) :].decode(encoding))
            except UnicodeDecodeError:
                raise InputError(f"{path} begins as {encoding} and is damaged further on") from None
    try:
        return Text(data.decode())
    except UnicodeDecodeError as error:
        wrong = data[error.start]
    if b"\0" in data:
        raise InputError(f"{path} is not a text file")
    try:
        content = data.decode("cp1252")
    except UnicodeDecodeError:
        raise InputError(f"{path} is neither UTF-8 nor Windows-1252: save it as UTF-8") from None
    return Text(content, f"{path} is not UTF-8 (byte {wrong:#x}): read as Windows-1252 (cp1252)")


@dataclass(frozen=True)
class Table:
    """The lines of a table as dictionaries. `columns`: headings without blanks around them, in lower case."""

    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]
    note: str | None = None


def read_table(path: Path, needs: str = "file") -> Table:
    """A table whose first line holds headings, one of which is `needs`.

    A cell that a line lacks is empty. Headings may have capitals; each row has its cells by the heading as it
    is written and by that in lower case.

    Raises:
        InputError: it cannot be read as text or as a table, or has no column `needs`.
    """
    text = read_text(path)
    content = text.content if "\n" in text.content else text.content.replace("\r", "\n")
    stated = _STATED_SEPARATOR.match(content)
    if stated:
        content = content[stated.end() :]
    separator = stated[1] if stated else _separator(content, needs)
    try:
        lines = list(csv.reader(io.StringIO(content, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise InputError(f"{path} cannot be read as CSV: {error}") from None
    headings = [cell.strip() for cell in lines[0]] if lines else []
    columns = tuple(heading.lower() for heading in headings)
    if needs not in columns:
        raise InputError(f"{path} has no column named {needs}: its first line names the columns")
    rows = []
    for line in lines[1:]:
        if line:
            cells = [*line, *[""] * (len(headings) - len(line))][: len(headings)]
            row = dict(zip(columns, cells, strict=True))
            rows.append(row | dict(zip(headings, cells, strict=True)))
    return Table(columns, tuple(rows), text.note)


def _separator(content: str, needs: str) -> str:
    """The separator by which the first line has most columns, among them `needs`."""

    def columns(separator: str) -> Iterator[str]:
        with_end = io.StringIO(content, newline="")
        try:
            return (cell.strip().lower() for cell in next(csv.reader(with_end, delimiter=separator), []))
        except csv.Error:
            return iter(())

    counted = {separator: list(columns(separator)) for separator in _SEPARATORS}
    fit = [separator for separator, names in counted.items() if needs in names]
    return max(fit, key=lambda separator: len(counted[separator]), default=",")


def in_cell(text: str) -> str:
    """`text` as a cell of a table that spreadsheets open: what they would take for a formula gets an
    apostrophe before it, which they do not show.

    >>> in_cell("=HYPERLINK(1)"), in_cell("a.wav"), in_cell("-0.5")
    ("'=HYPERLINK(1)", 'a.wav', '-0.5')
    """
    if not _FORMULA.match(text):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text
