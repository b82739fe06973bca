"""What a report consists of, apart from how it looks: sections of text, tables, figures and verdicts.

`content` fills it, `html` and `pdf` render it; so both say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from soundsafe.eval.rows import Json

__all__ = [
    "Audio",
    "Block",
    "Code",
    "Column",
    "Figure",
    "Heading",
    "Image",
    "Report",
    "Section",
    "Table",
    "TableCell",
    "Text",
    "Tile",
    "Tiles",
    "Verdict",
    "Verdicts",
]  # fmt: skip

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Text:
    """One paragraph of plain text. `kind` `note` is set apart: a limit, or why something is missing."""

    text: str
    kind: Literal["plain", "note", "source"] = "plain"


@dataclass(frozen=True)
class Heading:
    """A title inside a section."""

    text: str


@dataclass(frozen=True)
class Code:
    """Commands or data, set as they are."""

    text: str


@dataclass(frozen=True)
class Tile:
    """One key figure."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Tiles:
    """Key figures side by side."""

    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Verdict:
    """Whether a criterion is met, and by what figures; `ok` None where it could not be tested."""

    ok: bool | None
    text: str


@dataclass(frozen=True)
class Verdicts:
    """Criteria, each with a verdict for every subject."""

    id: str
    caption: str
    subjects: tuple[str, ...]
    items: tuple[tuple[str, tuple[Verdict, ...]], ...]


@dataclass(frozen=True)
class Column:
    """`group` is a heading over neighbouring columns of the same group. `pdf`: also in the printed table."""

    label: str
    numeric: bool = False
    group: str = ""
    help: str = ""
    pdf: bool = True


@dataclass(frozen=True)
class TableCell:
    """What is shown; the exact value behind it; and, in a matrix, its place from 0 (worst) to 10 (best)."""

    text: str
    value: Value = None
    level: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of one cell for each column. `id` also names its CSV file; `pdf`: also printed."""

    id: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[TableCell, ...], ...]
    pdf: bool = True


@dataclass(frozen=True)
class Figure:
    """A drawing as SVG (see `svg`), and the numbers in it: `columns` and `rows` of plain values.

    `alt` says in words what the drawing shows.
    """

    id: str
    caption: str
    alt: str
    svg: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True)
class Image:
    """A PNG picture, such as spectrograms."""

    id: str
    caption: str
    alt: str
    png: bytes


@dataclass(frozen=True)
class Audio:
    """Players for one clip: (label, FLAC bytes) each. Left out of the PDF."""

    id: str
    caption: str
    tracks: tuple[tuple[str, bytes], ...]


Block = Text | Heading | Code | Tiles | Verdicts | Table | Figure | Image | Audio


@dataclass(frozen=True)
class Section:
    """A titled part of the report; `id` is what links lead to."""

    id: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Report:
    """`data` is put into the HTML as it is, for the table of all figures and for other programs."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    facts: tuple[tuple[str, str], ...] = ()
    data: Mapping[str, Json] = field(default_factory=dict)
