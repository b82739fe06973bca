"""Progress of what takes long: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

from soundsafe.aliases import Progress
from soundsafe.console.output import one_line, say

__all__ = ["progress", "tracked"]

T = TypeVar("T")

_LINE_EVERY_S = 30.0
"""Who reads a log should not have to ask whether the work still goes on."""


@contextlib.contextmanager
def progress(first: str = "starting") -> Iterator[Progress]:
    """A bar that says what is being done, from the first moment on, with the time left once that is known.

    It is shown where stderr is a terminal, and gone when the work is done. Elsewhere, in a log for example,
    work of more than half a minute says every half minute how far it is, in a line that `--quiet` leaves out.

    Args:
        first: what is being done until the first report.

    Yields:
        A function of the share that is done, 0 to 1, and a few words.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        with _lines(first) as report:
            yield report
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


@contextlib.contextmanager
def _lines(first: str) -> Iterator[Progress]:
    """As `progress`, in lines. A thread of its own writes them: one step may take long."""
    last = first
    over = threading.Event()

    def report(done: float, what: str) -> None:
        nonlocal last
        last = f"{100 * done:.0f} %, {what}"

    def speak() -> None:
        while not over.wait(_LINE_EVERY_S):
            say(last)

    speaker = threading.Thread(target=speak, daemon=True)
    speaker.start()
    try:
        yield report
    finally:
        over.set()
        speaker.join()


def tracked(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """The items one by one, with a bar of how many of `total` are done."""
    with progress(f"{what} 1/{total}") as update:
        for count, item in enumerate(items):
            update(count / max(1, total), f"{what} {count + 1}/{total}")
            yield item
