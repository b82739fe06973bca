"""What a report consists of, apart from how it looks: sections of text, tables, figures and verdicts.

`content` fills it, `html` and `pdf` render it; so both say the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from soundsafe.eval.rows import Json

__all__ = [
    "Audio",
    "Beside",
    "Block",
    "Code",
    "Column",
    "Figure",
    "Folded",
    "Heading",
    "Image",
    "Report",
    "RowGroup",
    "Section",
    "Table",
    "TableCell",
    "Text",
    "Tile",
    "Tiles",
    "Track",
    "Value",
    "Verdict",
    "Verdicts",
    "flat",
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
    """`group` is a heading over neighbouring columns of the same group. `help` says what is in the column.
    `pdf`: also in the printed table."""

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
class RowGroup:
    """A row that can be folded out to others of the same columns; `id` is what links lead to."""

    id: str
    head: tuple[TableCell, ...]
    rows: tuple[tuple[TableCell, ...], ...]


@dataclass(frozen=True)
class Table:
    """Rows of one cell for each column. `id` also names its CSV file.

    Attributes:
        pdf: also printed, where it is not too long for that.
        groups: in place of `rows`, rows that fold out. Only their heads are printed.
        notes: footnotes.
        badges: short words set beside the first cell of a row, by that cell's text.
    """

    id: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[TableCell, ...], ...] = ()
    pdf: bool = True
    groups: tuple[RowGroup, ...] = ()
    notes: tuple[str, ...] = ()
    badges: Mapping[str, str] = field(default_factory=dict)

    @property
    def every_row(self) -> tuple[tuple[TableCell, ...], ...]:
        """All rows, those that are folded away too; of groups, what they fold out to."""
        return self.rows + tuple(row for group in self.groups for row in group.rows)

    @property
    def printed(self) -> tuple[tuple[TableCell, ...], ...]:
        """The rows that stand on paper."""
        return self.rows + tuple(group.head for group in self.groups)


@dataclass(frozen=True)
class Figure:
    """A drawing as SVG (see `svg`), and the numbers in it: `columns` and `rows` of plain values.

    `alt` says in words what the drawing shows. `pdf`: also printed.
    """

    id: str
    caption: str
    alt: str
    svg: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    pdf: bool = True


@dataclass(frozen=True)
class Beside:
    """Blocks that share a line where there is room; `widths`: their shares of it."""

    blocks: tuple[Figure, ...]
    widths: tuple[int, ...]


@dataclass(frozen=True)
class Image:
    """A PNG picture."""

    id: str
    caption: str
    alt: str
    png: bytes


@dataclass(frozen=True)
class Track:
    """One version of a clip: MP3 bytes, and its spectrogram as a grey PNG, louder is brighter."""

    label: str
    mp3: bytes
    spectrogram: bytes


@dataclass(frozen=True)
class Audio:
    """Versions of one clip that play in step. Paper shows their spectrograms."""

    id: str
    caption: str
    tracks: tuple[Track, ...]
    alt: str = ""
    seconds: float = 0.0
    top_hz: float = 0.0


@dataclass(frozen=True)
class Folded:
    """Blocks that stay closed until a reader opens them. Paper shows them as they are."""

    title: str
    blocks: tuple[Block, ...]


Block: TypeAlias = (
    "Text | Heading | Code | Tiles | Verdicts | Table | Figure | Beside | Image | Audio | Folded"
)


def flat(blocks: Iterable[Block]) -> Iterator[Block]:
    """All blocks, those that stand beside one another or are folded too, in their order."""
    for b in blocks:
        if isinstance(b, Beside | Folded):
            yield from flat(b.blocks)
        else:
            yield b


@dataclass(frozen=True)
class Section:
    """A titled part of the report.

    Attributes:
        id: what links lead to.
        folded: closed until a reader opens it.
        gist: what is in it, beside its title.
        pdf: also printed.
    """

    id: str
    title: str
    blocks: tuple[Block, ...]
    folded: bool = False
    gist: str = ""
    pdf: bool = True


@dataclass(frozen=True)
class Report:
    """`data` is put into the HTML as it is, for the table of all figures and for other programs."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    facts: tuple[tuple[str, str], ...] = ()
    data: Mapping[str, Json] = field(default_factory=dict)
