"""Tables of what marking and reading cost, and of how much audio it takes, for the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from soundsafe.reports import format as fmt
from soundsafe.reports.columns import Cell, Column, Fitted, fitted

__all__ = ["cost_table", "time_table"]

Values = Mapping[str, object]

_COSTS: tuple[tuple[str, str, float, str, int], ...] = (
    ("clips", "clips", 1.0, ".0f", 6),
    ("embed_cpu_s", "embed, CPU s", 1.0, ".3f", 0),
    ("embed_s", "clock s", 1.0, ".3f", 3),
    ("decode_cpu_s", "decode, CPU s", 1.0, ".3f", 0),
    ("decode_s", "clock s ", 1.0, ".3f", 4),
    ("search_cpu_s", "search, CPU s", 1.0, ".3f", 1),
    ("search_s", "clock s  ", 1.0, ".3f", 5),
    ("embed_mp3", "embed, MP3 trips", 1.0, ".0f", 8),
    ("decode_mp3", "decode, MP3 trips", 1.0, ".1f", 9),
    ("zimtohrli", "Zimtohrli, 1e-5", 1e5, ".1f", 2),
    ("snr_db", "SNR, dB", 1.0, ".1f", 7),
    ("start_mb", "MB before", 1.0, ".0f", 3),
    ("embed_mb", "embed, MB", 1.0, ".0f", 2),
    ("decode_mb", "decode, MB", 1.0, ".0f", 2),
    ("search_mb", "search, MB", 1.0, ".0f", 6),
)
"""Key, heading, scale, format and rank of each column that a row may have."""


def _number(value: object) -> float | None:
    number = isinstance(value, int | float) and math.isfinite(value)
    return float(value) if number else None  # type: ignore[arg-type]


def cost_table(rows: Sequence[Values], width: int, attack: str = "") -> Fitted:
    """One line for each quality, or for each length of the audio.

    Args:
        rows: of `soundsafe.eval.running.cost`, as JSON: seconds of work for each second of audio.
        width: of the terminal.
        attack: what success was measured after; '': it was not measured.
    """
    columns = [Column("quality", [str(row["quality"]) for row in rows], left=True)]
    if all("seconds" in row for row in rows):
        columns.append(Column("audio, s", [f"{row['seconds']:g}" for row in rows]))
    for key, heading, scale, spec, rank in _COSTS:
        if any(key in row for row in rows):
            values = [_number(row.get(key)) for row in rows]
            texts = [fmt.DASH if v is None else f"{v * scale:{spec}}" for v in values]
            columns.append(Column(heading, texts, rank))
    if attack:
        columns.append(Column("seconds read %", [fmt.percent(row.get("success")) for row in rows]))
        limits = [(_number(row.get("low")), _number(row.get("high"))) for row in rows]
        known = [fmt.interval((a, b)) if a is not None and b is not None else fmt.DASH for a, b in limits]
        columns.append(Column("95 %", known, 2))
        columns.append(Column("clips read %", [fmt.percent(row.get("clip_success")) for row in rows], 1))
    if any("reads" in row for row in rows):
        columns.append(
            Column("reads", [Cell("yes", "green") if row["reads"] else Cell("no", "red") for row in rows])
        )
    caption = "Of work, for each second of audio. Search: decoding audio that bears no mark."
    return fitted(columns, width, caption=f"{caption} Read: after {attack}." if attack else caption)


def time_table(rows: Sequence[Values], width: int) -> Fitted:
    """Shares of clips that had given the identifier and the payload after so many seconds.

    Args:
        rows: of `soundsafe.eval.running.time_to_payload.curves`, as JSON.
        width: of the terminal; where it is narrow, some of the lengths drop out, the last ones stay longest.
    """
    lines = list(dict.fromkeys((str(row["attack"]), str(row["word"])) for row in rows))
    lengths = sorted({float(str(row["seconds"])) for row in rows})
    found = {(str(r["attack"]), str(r["word"]), float(str(r["seconds"]))): r["share"] for r in rows}
    names = [attack if i == 0 or lines[i - 1][0] != attack else "" for i, (attack, _) in enumerate(lines)]
    columns = [Column("attack", names, left=True), Column("gives", [word for _, word in lines], left=True)]
    # Every second length goes before its neighbours do.
    for number, length in enumerate(lengths):
        cells = [_share(found.get((*line, length))) for line in lines]
        back = len(lengths) - 1 - number
        columns.append(Column(f"{length:g} s", cells, 0 if back == 0 else 2 if back % 2 else 1))
    return fitted(columns, width, caption="Clips, %, that gave it within so many seconds.")


def _share(value: object) -> Cell:
    share = _number(value)
    if share is None:
        return Cell(fmt.DASH)
    return Cell(f"{100 * share:.0f}", "green" if share >= 0.9 else "yellow" if share >= 0.5 else "red")
