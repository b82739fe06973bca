"""Progress of what takes long, on a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from soundsafe.aliases import Progress
from soundsafe.console.output import one_line

__all__ = ["progress", "tracked"]

T = TypeVar("T")


@contextlib.contextmanager
def progress(first: str = "starting") -> Iterator[Progress]:
    """A bar that says what is being done, from the first moment on, with the time left once that is known.

    It is shown where stderr is a terminal, and gone when the work is done.

    Args:
        first: what is being done until the first report.

    Yields:
        A function of the share that is done, 0 to 1, and a few words.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda done, what: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        SpinnerColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar
    from rich.table import Column

    columns = (
        SpinnerColumn(),
        TextColumn(
            "{task.description}",
            markup=False,
            table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
        ),
        BarColumn(bar_width=10),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(file=sys.stderr), transient=True, expand=True) as bar:
        task = bar.add_task(one_line(first), total=None)

        def update(done: float, what: str) -> None:
            bar.update(task, completed=done, total=1.0, description=one_line(what))

        yield update


def tracked(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """The items one by one, with a bar of how many of `total` are done."""
    with progress(f"{what} 1/{total}") as update:
        for count, item in enumerate(items):
            update(count / max(1, total), f"{what} {count + 1}/{total}")
            yield item
