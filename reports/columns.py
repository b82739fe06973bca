"""A table that fits: columns drop out, those of least weight first, before a digit or a name is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

__all__ = ["ALWAYS", "Cell", "Column", "Fitted", "chunks", "fitted"]

ALWAYS = 0
"""The rank of a column that never drops out."""

_GAP = 2
"""Blanks between two columns."""

_SHORTEST_NAME = 16
"""Characters that a column of names keeps at least; longer names go on in a further line."""


@dataclass(frozen=True)
class Cell:
    """A text, and how it looks: a style of rich's, such as `red`, or ''."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: above it, with the unit of what is below.
        cells: one for each row.
        rank: the column of the highest rank drops out first; `ALWAYS`: never.
        left: names, which begin at the left; figures end at the right.
    """

    name: str
    cells: Sequence[Cell | str]
    rank: int = ALWAYS
    left: bool = False

    @property
    def width(self) -> int:
        """Characters that its widest line takes."""
        return max(map(cell_len, (self.name, *(_text(cell) for cell in self.cells))))

    @property
    def empty(self) -> bool:
        """Whether nothing is known in any row."""
        return all(_text(cell) in ("", "–") for cell in self.cells)


@dataclass(frozen=True)
class Fitted:
    """A table with a line above and below it, which may be wider than the table is."""

    title: str
    table: Table
    caption: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self.title:
            yield Text(self.title, style="bold")
        yield self.table
        if self.caption:
            yield Text(self.caption, style="dim")


def _text(cell: Cell | str) -> str:
    return cell if isinstance(cell, str) else cell.text


def _total(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + _GAP * (len(columns) - 1)


def fitted(
    columns: Sequence[Column],
    width: int,
    *,
    title: str = "",
    caption: str = "",
    sections: Sequence[int] = (),
) -> Fitted:
    """The columns as a table of at most `width` characters, where that is possible without cutting a figure.

    Args:
        columns: of equal length; one in which nothing is known is left out, unless it always stays.
        width: of the terminal.
        title: above the table.
        caption: below it; the columns that dropped out are named there.
        sections: rows before which a line is drawn.

    Returns:
        What rich prints.

    Example:
        >>> names = Column("attack", ["mp3_192", "crop_0.5s"], left=True)
        >>> more = Column("clips %", ["100", "37.5"], rank=1)
        >>> [column.header for column in fitted([names, more], 80).table.columns]
        ['attack', 'clips %']
        >>> narrow = fitted([names, more], 14)
        >>> [column.header for column in narrow.table.columns], narrow.caption
        (['attack'], 'In a wider terminal: clips %.')
    """
    shown = [column for column in columns if column.rank == ALWAYS or not column.empty]
    dropped: list[Column] = []
    while _total(shown) > width and (most := max(column.rank for column in shown)) > ALWAYS:
        last = max(i for i, column in enumerate(shown) if column.rank == most)
        dropped.insert(0, shown.pop(last))
    if dropped:
        order = [column for column in columns if column in dropped]
        caption = f"{caption} In a wider terminal: {' · '.join(c.name.strip() for c in order)}.".strip()
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, _GAP - 1, 0, 0),  # beside it stands the blank that parts columns
        pad_edge=False,
        header_style="bold",
    )
    excess = _total(shown) - width
    for number, column in enumerate(shown):
        fold = number == 0 and column.left and excess > 0
        table.add_column(
            column.name.strip(),
            justify="left" if column.left else "right",
            no_wrap=not fold,
            overflow="fold",
            width=max(_SHORTEST_NAME, column.width - excess) if fold else column.width,
        )
    for row in range(len(columns[0].cells) if columns else 0):
        if row in sections and row:
            table.add_section()
        table.add_row(*(_styled(column.cells[row]) for column in shown))
    return Fitted(title, table, caption)


def _styled(cell: Cell | str) -> Text:
    return Text(cell) if isinstance(cell, str) else Text(cell.text, style=cell.style)


def chunks(first: Column, others: Sequence[Column], width: int) -> list[list[Column]]:
    """The columns in groups that fit side by side, `first` before each: for columns none of which may go.

    Example:
        >>> first = Column("attack", ["mp3_192"], left=True)
        >>> groups = chunks(first, [Column(name, ["100"]) for name in ("one", "two", "three")], 17)
        >>> [[column.name for column in group] for group in groups]
        [['attack', 'one', 'two'], ['attack', 'three']]
    """
    out: list[list[Column]] = []
    for column in others:
        if out and _total([*out[-1], column]) <= width:
            out[-1].append(column)
        else:
            out.append([first, column])
    return out or [[first]]
