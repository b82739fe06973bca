"""A terminal for tables and lists."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from soundsafe.console.output import one_line

__all__ = ["lines_of", "screen"]

_UNSEEN_WIDTH = 140
"""Characters of a table that goes to a file or a log, where COLUMNS does not say otherwise."""

_GAP = "  "
_SHORTEST = 20
"""Characters of a description that are shown at least, or the column before it drops out."""

_USUAL = 36
"""A longer name or figure does not make its whole column wider: its line alone goes further right."""


class _Screen(Console):
    """A console whose content cannot move the cursor: names of clips and categories may hold all sorts."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control or segment.text.replace("\n", "").isprintable():
                yield segment
            else:
                shown = "\n".join(one_line(line) for line in segment.text.split("\n"))
                yield Segment(shown, segment.style, segment.control)


def screen() -> Console:
    """Where tables are printed: as wide as the terminal, and wide enough where nobody looks."""
    # Names of clips and categories are no markup, and figures in names no numbers to colour.
    wide = (
        None if (sys.stdout is not None and sys.stdout.isatty()) or "COLUMNS" in os.environ else _UNSEEN_WIDTH
    )
    return _Screen(width=wide, markup=False, emoji=False, highlight=False)


def lines_of(
    console: Console, heads: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int] = ()
) -> Iterator[str]:
    """A line for each row, below the heads: names and figures whole, only the description at the end is cut.

    Args:
        console: for its width; where nobody looks, nothing is cut.
        heads: above each column.
        rows: cells, the last one a description.
        right: numbers of the columns that end at the right.
    """
    shown = [[one_line(cell) for cell in row] for row in (heads, *rows)]
    widths = [min(_USUAL, max(cell_len(row[i]) for row in shown)) for i in range(len(heads) - 1)]
    while (
        console.is_terminal
        and len(widths) > 1
        and sum(widths) + len(_GAP * len(widths)) + _SHORTEST > console.width
    ):
        widths.pop()
        shown = [[*row[: len(widths)], row[-1]] for row in shown]
    for number, row in enumerate(shown):
        cells = []
        for i, width in enumerate(widths):
            blank = " " * (width - cell_len(row[i]))
            cells.append(blank + row[i] if i in right else row[i] + blank)
        room = max(_SHORTEST, console.width - cell_len(_GAP.join([*cells, ""])))
        end = row[-1]
        if cells and console.is_terminal and cell_len(end) > room:
            end = set_cell_size(end, room - 1).rpartition(" ")[0].rstrip(" ,;:") or set_cell_size(
                end, room - 1
            )
            end += "…"
        line = _GAP.join([*cells, end]).rstrip()
        yield (f"\x1b[1m{line}\x1b[0m" if number == 0 and console.color_system else line) + "\n"
