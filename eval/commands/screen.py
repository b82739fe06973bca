"""A terminal for tables."""

from __future__ import annotations

import sys

from rich.console import Console

__all__ = ["screen"]


def screen() -> Console:
    """Where tables are printed: no narrower than they need where nobody looks, names of clips as they are."""
    # Redirected output must not be cut to a terminal's width. Names of clips and categories are no markup.
    return Console(width=None if sys.stdout.isatty() else 120, markup=False, emoji=False)
