"""Tables of the terminal as LaTeX (package booktabs), for papers."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from soundsafe.reports.columns import Fitted

__all__ = ["Sheets", "escaped", "tabular"]

_SPECIAL = {
    "\\": r"\textbackslash{}", "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "–": "--", "−": "$-$", ">": "$>$", "<": "$<$", "…": r"\dots{}", "×": r"$\times$",
}  # fmt: skip


class Sheets(Console):
    """A console without an edge that keeps the tables printed on it, and prints nothing."""

    def __init__(self) -> None:
        super().__init__(file=io.StringIO(), width=100_000)
        self.tables: list[Fitted] = []

    def print(self, *objects: object, **how: object) -> None:
        self.tables += [thing for thing in objects if isinstance(thing, Fitted)]

    def document(self) -> bytes:
        """All of them, one after another."""
        return "\n".join(["% needs \\usepackage{booktabs}", *map(tabular, self.tables)]).encode()


def escaped(text: str) -> str:
    """Text in which nothing is a command.

    >>> print(escaped("mp3_128, 50 %"))
    mp3\\_128, 50 \\%
    """
    return "".join(_SPECIAL.get(c, c) for c in text)


def _line(cells: Sequence[object]) -> str:
    return " & ".join(escaped(c.plain if isinstance(c, Text) else str(c)) for c in cells) + r" \\"


def tabular(sheet: Fitted) -> str:
    """A table for `\\input`: a float with its caption, figures at the right.

    Args:
        sheet: as `soundsafe.reports.tables` makes them.

    Example:
        >>> from soundsafe.reports.columns import Column, fitted
        >>> sheet = fitted([Column("attack", ["mp3_128"], left=True), Column("clips %", ["93.8"])], 80)
        >>> print(tabular(sheet))
        \\begin{table}
        \\begin{tabular}{lr}
        \\toprule
        attack & clips \\% \\\\
        \\midrule
        mp3\\_128 & 93.8 \\\\
        \\bottomrule
        \\end{tabular}
        \\end{table}
        <BLANKLINE>
    """
    columns = sheet.table.columns
    said = " ".join(
        text if text.endswith(".") else f"{text}." for text in (sheet.title, sheet.caption) if text
    )
    out = [r"\begin{table}"]
    out += [rf"\caption{{{escaped(said)}}}"] if said else []
    out += [rf"\begin{{tabular}}{{{''.join('l' if c.justify == 'left' else 'r' for c in columns)}}}"]
    out += [r"\toprule", _line([c.header for c in columns]), r"\midrule"]
    rows = list(zip(*(c.cells for c in columns), strict=True))
    for number, cells in enumerate(rows):
        out.append(_line(cells))
        if sheet.table.rows[number].end_section and number + 1 < len(rows):
            out.append(r"\midrule")
    return "\n".join([*out, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])
