"""What a batch of detections found, as a table: `results.csv` beside `results.jsonl`, and lines to print."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from soundsafe.console.answers import printable
from soundsafe.files.tables import in_cell

__all__ = ["CSV", "found_lines", "write_csv"]

CSV = "results.csv"

_COLUMNS = (
    "file", "ok", "payload_hex", "text", "id_hex", "euls_ok", "euls", "where", "false_accept_bound", "score",
    "tempo", "pitch", "key_id", "error",
)  # fmt: skip


def _lines(results: Path) -> Iterator[dict[str, Any]]:
    with open(results, "rb") as file:
        for text in file:
            line = json.loads(text)
            if "skipped" not in line:
                yield line


def _text_of(line: dict[str, Any]) -> str:
    """The payload as text; '' where it is none."""
    return printable(bytes.fromhex(line.get("payload_hex") or "")) or ""


def write_csv(results: Path) -> Path:
    """Write the answers of `results.jsonl` as a table beside it.

    Args:
        results: the file of lines; files that were skipped are left out.

    Returns:
        The table's path. `where` has the seconds of the first payload, such as `0-8;12-14`. No cell is a
        spreadsheet's formula.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for line in _lines(results):
        first: dict[str, Any] = next(iter(line.get("payloads") or ()), {})
        places = ";".join(f"{start:g}-{end:g}" for start, end in first.get("ranges", ()))
        known = line | {"text": _text_of(line), "where": places}
        cells = ("" if (value := known.get(name)) is None else value for name in _COLUMNS)
        writer.writerow([in_cell(cell) if isinstance(cell, str) else cell for cell in cells])
    path = results.with_name(CSV)
    fresh = path.with_name(f".{CSV}.tmp")
    fresh.write_text(buffer.getvalue(), encoding="utf-8")
    os.replace(fresh, path)
    return path


def found_lines(results: Path, most: int) -> tuple[list[tuple[str, ...]], int]:
    """Cells to print of each file: name, what came of it, seconds read, payload.

    Args:
        results: the file of lines.
        most: so many files at most.

    Returns:
        The cells, and how many files there are beyond them.
    """
    rows: list[tuple[str, ...]] = []
    left = 0
    for line in _lines(results):
        if len(rows) >= most:
            left += 1
            continue
        seconds = f"{line['euls_ok']}/{line['euls']}" if "euls" in line else ""
        if "error" in line:
            said, what = "failed", str(line["error"])
        elif line.get("ok"):
            said, what = "read", _text_of(line) or str(line["payload_hex"])
        elif line.get("id_ok"):
            said, what = "identifier", str(line["id_hex"])
        else:
            said, what = "no mark", ""
        rows.append((str(line["file"]), said, seconds, what))
    return rows, left
