"""A terminal for tables."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from soundsafe.console import one_line

__all__ = ["screen"]


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
    """Where tables are printed: no narrower than they need where nobody looks, names of clips as they are."""
    # Redirected output must not be cut to a terminal's width. Names of clips and categories are no markup.
    return _Screen(width=None if sys.stdout.isatty() else 120, markup=False, emoji=False)
