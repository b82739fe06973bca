"""What a run came to, on the terminal: families or attacks first, then sound, false accepts and cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from soundsafe.eval.analysis.families import ALL, family_rows
from soundsafe.reports import tables

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from soundsafe.eval.rows import Summary, SummaryRow

__all__ = ["Outcome", "next_steps", "show_outcome"]


_MOST_NAMED = 4
"""Systems that a title names."""


@dataclass(frozen=True)
class Outcome:
    """A finished run: its summary, its rows (a line for each second), its times, maybe none, its folder."""

    summary: Summary
    rows: pd.DataFrame
    timing: pd.DataFrame
    folder: Path


def show_outcome(
    console: Console, outcome: Outcome, *, every_attack: bool = False, categories: bool = False
) -> None:
    """Print a run: many attacks by families, several systems side by side.

    Args:
        console: see `soundsafe.console.screen`.
        outcome: what is printed.
        every_attack: a line for each attack, however many there are.
        categories: what came of each category of clips, too.
    """
    rows = outcome.summary.rows
    for suite in dict.fromkeys(row.suite for row in rows):
        mine = [row for row in rows if row.suite == suite]
        systems = list(dict.fromkeys(row.system for row in mine))
        named = ", ".join(systems) if len(systems) <= _MOST_NAMED else f"{len(systems)} systems"
        title = f"{named}, suite {suite}: {_size(mine)}"
        attacks = tables.attack_lines(mine)
        by_family = len(attacks) > tables.FEW and not every_attack
        if by_family:
            families = [row for row in family_rows(outcome.rows, mine) if row.suite == suite]
            title += f", {len(attacks)} attacks by family"
        if len(systems) == 1:
            if by_family:
                console.print(tables.family_table(families, console.width, title=title), "")
            else:
                console.print(tables.attack_table(mine, console.width, title=title), "")
        else:
            lines = tables.family_lines(families) if by_family else attacks
            sections = [i + k for i, name in enumerate(lines) if name == ALL for k in (0, 1)]
            for table in tables.matrix(
                lines, systems, console.width, head="family" if by_family else "attack", title=title,
                caption="Clips that gave their payload, %; of the controls, those falsely accepted.",
                sections=sections,
            ):  # fmt: skip
                console.print(table)
                console.print()
        if categories:
            for system in systems:
                its = [row for row in mine if row.system == system]
                for table in tables.category_tables(
                    its, console.width, title=f"{system}, by category (clips)"
                ):
                    console.print(table)
                console.print()
    costs = _costs(outcome.timing)
    console.print(tables.facts(outcome.summary.quality, _bits(rows), costs, console.width))


def next_steps(outcome: Outcome, every_attack: bool) -> list[str]:
    """Commands that go on from a run's folder."""
    out = [f"soundsafe-eval report {outcome.folder} --open"]
    by_family = len(tables.attack_lines(outcome.summary.rows)) > tables.FEW and not every_attack
    return [*out, f"soundsafe-eval show {outcome.folder} --attacks"] if by_family else out


def _size(rows: list[SummaryRow]) -> str:
    whole = [row for row in rows if row.category == "all"]
    clips, seconds = max((row.clips for row in whole), default=0), max((row.euls for row in whole), default=0)
    return f"{clips} clip{'s' * (clips != 1)}, {seconds} seconds"


def _bits(rows: tuple[SummaryRow, ...]) -> dict[str, int]:
    bits: dict[str, int] = {}
    for row in rows:
        bits[row.system] = max(bits.get(row.system, 0), row.payload_bits or 0)
    return bits


def _costs(timing: pd.DataFrame) -> dict[str, tables.Cost]:
    """Seconds of work for a second of audio, by system; of those that marked and read anything."""
    needed = {"system", "clip", "clip_s", "audio_s", "embed_s", "decode_s"}
    if not needed <= set(timing.columns):
        return {}
    out = {}
    for system, its in timing.groupby("system", sort=False):
        marked = its.drop_duplicates("clip")
        done, read = marked[marked["embed_s"].notna()], its[its["decode_s"].notna()]
        if done["clip_s"].sum() > 0 and read["audio_s"].sum() > 0:
            out[str(system)] = tables.Cost(
                embed=done["embed_s"].sum() / done["clip_s"].sum(),
                decode=read["decode_s"].sum() / read["audio_s"].sum(),
            )
    return out
