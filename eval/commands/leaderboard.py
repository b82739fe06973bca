"""`soundsafe-eval leaderboard`: many systems of many runs on one page, and their stored summaries."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundsafe.console import tell
from soundsafe.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from soundsafe.eval.analysis.entries import Entry

__all__ = ["leaderboard"]


def _found(path: Path) -> list[Entry]:
    """The entries of a run's folder, a stored entry, or a folder of these."""
    from soundsafe.eval.analysis.entries import entries_of, read_entry
    from soundsafe.eval.analysis.stored import read_run

    if path.is_file():
        return [read_entry(path)]
    if (path / "run.json").is_file():
        return entries_of(read_run(path))
    files = sorted(path.glob("*.json"))
    if not files:
        raise InputError(f"{path} is neither a run's folder nor one of stored entries")
    return [read_entry(file) for file in files]


def _file_name(entry: Entry) -> str:
    seconds = "" if entry.seconds is None else f"-{entry.seconds:g}s"
    return re.sub(r"[^a-z0-9.+=-]+", "_", f"{entry.system}{seconds}".lower()) + ".json"


def _verdicts(runs: list[Path], own: str) -> bytes:
    """One system against all others of the runs' folders."""
    from soundsafe.eval.analysis.stored import read_rows
    from soundsafe.eval.analysis.verdicts import verdicts
    from soundsafe.reports.leaderboard import verdict_table

    frames: dict[str, pd.DataFrame] = {}
    for path in runs:
        if (path / "run.json").is_file():
            frames |= {str(name): rows for name, rows in read_rows(path).groupby("system", sort=False)}
    return verdict_table(verdicts(frames, own), own)


def leaderboard(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Runs' folders, stored entries, folders of these.")
    ],
    html: Annotated[
        Path | None, typer.Option(help="HTML file; leaderboard.html where nothing else is asked for.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="CSV file of every figure.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Markdown table.")] = None,
    latex: Annotated[Path | None, typer.Option(help="LaTeX table.")] = None,
    store: Annotated[Path | None, typer.Option(help="Folder to keep an entry of each system in.")] = None,
    payload: Annotated[
        str | None, typer.Option(help="Only 'presence', 'up to 20 bits', '21 to 64 bits' or 'more'.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Only clips of this length.")] = None,
    title: Annotated[str, typer.Option(help="Title of the page.")] = "Leaderboard",
    against: Annotated[
        str | None, typer.Option(help="System that --verdicts sets against every other, from runs' folders.")
    ] = None,
    verdicts: Annotated[Path | None, typer.Option(help="Markdown of paired verdicts, losses first.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only look whether every entry is sound.")] = False,
) -> None:
    """Set systems of any number of runs and machines on one board."""
    from soundsafe.eval.analysis.entries import entry_json
    from soundsafe.eval.commands.stored import writable
    from soundsafe.eval.running.store import make_folder, write_atomically
    from soundsafe.reports import leaderboard as board_of

    if (against is None) != (verdicts is None):
        raise InputError("--against and --verdicts go together")
    entries = [entry for path in runs for entry in _found(path)]
    if check:
        tell(f"{len(entries)} entries are sound")
        return
    board = board_of.lines(entries, payload=payload, seconds=seconds)
    if not any((html, csv, markdown, latex, store, verdicts)):
        html = Path("leaderboard.html")
    asked = [
        (html, lambda: board_of.page(board, title)),
        (csv, lambda: board_of.csv_table(board)),
        (markdown, lambda: board_of.markdown(board)),
        (latex, lambda: board_of.latex(board)),
        (verdicts, lambda: _verdicts(runs, str(against))),
    ]
    for path, _ in asked:
        writable(path)
    for path, render in asked:
        if path is not None:
            write_atomically(path, render())
            tell(str(path))
    if store is not None:
        make_folder(store)
        for line in board:
            path = store / _file_name(line.entry)
            write_atomically(path, entry_json(line.entry))
            tell(str(path))
