"""A report as a PDF: the page's content set by Typst, with vector charts, captions and page numbers.

Tables of more than a page are not printed: they are attached to the PDF as CSV, every digit of them.
"""

from __future__ import annotations

import itertools
import json
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

import matplotlib
import typst

from soundsafe.eval.rows import Json
from soundsafe.reports.csv_files import table_csv
from soundsafe.reports.format import plain
from soundsafe.reports.html import read_template
from soundsafe.reports.model import (
    Audio,
    Beside,
    Block,
    Code,
    Column,
    Figure,
    Folded,
    Heading,
    Image,
    Report,
    Table,
    TableCell,
    Text,
    Tiles,
    Verdicts,
    flat,
)  # fmt: skip
from soundsafe.reports.svg import COLOURS, chart_css, level_colours, light_colour

__all__ = ["render"]

FONT = "Libertinus Serif"
"""Comes with Typst, so that a PDF looks the same wherever it is made."""

# A page holds about so many columns of figures.
_COLUMNS = 13
_ROWS = 60
"""Tables of more rows are attached, not printed; families of attacks are, whatever their number."""

_LINES = 40
"""Of commands and settings; longer ones stand in `run.json`."""
_LONG_WORD = re.compile(r"[^\s\u200b]{13,}")


def _breakable(text: str) -> str:
    """U+200B where a long word may break: after its punctuation, else anywhere (no character in the PDF)."""

    def pieces(match: re.Match[str]) -> str:
        word = re.sub(r"([_/+,.\-:=])(?=.)", "\\1\u200b", match.group())
        return re.sub(r"([^\u200b]{20})(?=[^\u200b])", "\\1\u200b", word)

    return _LONG_WORD.sub(pieces, plain(text))


def _runs(text: str) -> list[Json]:
    """Text as [piece, is code]."""
    parts = plain(text).split("`")
    if len(parts) % 2 == 0:
        return [[_breakable(text), False]]
    return [[_breakable(part), bool(i % 2)] for i, part in enumerate(parts) if part]


def _parts(table: Table) -> list[list[int]]:
    """Which columns stand together on a page: the leading ones without a group in each part."""
    wanted = [i for i, c in enumerate(table.columns) if c.pdf]
    if len(wanted) <= _COLUMNS:
        return [wanted]
    lead = []
    for i in wanted:
        if table.columns[i].group:
            break
        lead.append(i)
    if len(lead) == len(wanted) or not lead:
        return [wanted[i : i + _COLUMNS] for i in range(0, len(wanted), _COLUMNS)]
    parts: list[list[int]] = []
    blocks: list[list[int]] = []
    for i in wanted[len(lead) :]:
        same = (
            blocks
            and table.columns[i].group
            and table.columns[blocks[-1][-1]].group == table.columns[i].group
        )
        if same:
            blocks[-1].append(i)
        else:
            blocks.append([i])
    for block in blocks:
        if parts and len(parts[-1]) + len(block) <= _COLUMNS:
            parts[-1] += block
        else:
            parts.append([*lead, *block])
    return parts


def _heads(columns: list[Column]) -> list[Json]:
    """Headings over neighbouring columns, each with how many it spans."""
    groups = itertools.groupby(_breakable(c.group) for c in columns)
    return [[group, len(list(same))] for group, same in groups]


def _cell(c: TableCell) -> dict[str, Json]:
    return {"text": _breakable(c.text), "note": c.note, "level": c.level}


def _table(table: Table) -> list[dict[str, Json]]:
    parts = _parts(table)
    out: list[dict[str, Json]] = []
    for n, part in enumerate(parts):
        columns = [table.columns[i] for i in part]
        out.append({
            "kind": "table",
            "caption": plain(table.caption) + (f" (part {n + 1} of {len(parts)})" if len(parts) > 1 else ""),
            "continued": n > 0,
            "labels": [_breakable(c.label) for c in columns],
            "numeric": [c.numeric for c in columns],
            "heads": _heads(columns) if any(c.group for c in columns) else [],
            "rows": [[_cell(row[i]) for i in part] for row in table.printed],
            "badges": {name: plain(text) for name, text in table.badges.items()},
            "notes": [_runs(note) for note in table.notes] if n == len(parts) - 1 else [],
        })  # fmt: skip
    return out


def _attached(table: Table, folder: Path, why: str) -> dict[str, Json]:
    """A line in place of a table whose rows are attached as CSV."""
    name = f"{table.id}.csv"
    (folder / name).write_bytes(table_csv(table))
    return {"kind": "attached", "file": name, "caption": plain(table.caption), "why": why}


def _blocks(blocks: Iterable[Block], folder: Path) -> Iterable[dict[str, Json]]:
    """Blocks as Typst reads them; charts and pictures go into files of the folder."""
    for b in blocks:
        if isinstance(b, Text):
            yield {"kind": "text", "runs": _runs(b.text), "style": b.kind}
        elif isinstance(b, Heading):
            yield {"kind": "heading", "text": _breakable(b.text)}
        elif isinstance(b, Code):
            lines = plain(b.text).splitlines()
            more = [f"… {len(lines) - _LINES} more lines: see run.json"] if len(lines) > _LINES else []
            yield {"kind": "code", "text": "\n".join(lines[:_LINES] + more)}
        elif isinstance(b, Folded):
            yield from _blocks(b.blocks, folder)
        elif isinstance(b, Beside):
            parts = [x for x in b.blocks if x.pdf]
            yield {"kind": "beside", "widths": list(b.widths), "parts": list(_blocks(parts, folder))}
        elif isinstance(b, Tiles):
            yield {
                "kind": "tiles",
                "tiles": [{"value": t.value, "label": t.label, "note": t.note} for t in b.tiles],
            }
        elif isinstance(b, Verdicts):
            yield {
                "kind": "verdicts", "caption": b.caption, "subjects": [_breakable(s) for s in b.subjects],
                "items": [
                    {"name": name, "found": [{"ok": v.ok, "text": _breakable(v.text)} for v in found]}
                    for name, found in b.items
                ],
            }  # fmt: skip
        elif isinstance(b, Table):
            if b.groups:
                yield from _table(b)
                yield _attached(b, folder, f"every one of {len(b.every_row)} attacks")
            elif not b.pdf or len(b.rows) > _ROWS:
                yield _attached(b, folder, f"{len(b.rows)} rows")
            else:
                yield from _table(b)
        elif isinstance(b, Figure):
            if not b.pdf:
                continue
            name = f"{b.id}.svg"
            (folder / name).write_text(_chart(b.svg), encoding="utf-8")
            yield {"kind": "figure", "file": name, "caption": plain(b.caption), "alt": plain(b.alt)}
        elif isinstance(b, Image):
            name = f"{b.id}.png"
            (folder / name).write_bytes(b.png)
            yield {"kind": "figure", "file": name, "caption": plain(b.caption), "alt": plain(b.alt)}
        elif isinstance(b, Audio):
            pictures: list[Json] = []
            for i, track in enumerate(b.tracks):
                name = f"{b.id}-{i}.png"
                (folder / name).write_bytes(track.spectrogram)
                pictures.append({"file": name, "label": _breakable(track.label)})
            caption = (
                f"{plain(b.caption)} Spectrograms, {b.seconds:g} s wide and up to {b.top_hz / 1000:g} kHz, "
                "from -100 to -20 dB of full scale. To be heard in the HTML report."
            )
            yield {
                "kind": "pictures", "pictures": pictures, "caption": caption.replace(" -", " −"),
                "alt": plain(b.alt),
            }  # fmt: skip


def _chart(svg: str) -> str:
    """The chart with plain colours, and without what only a pointer could show."""
    css = chart_css(light_colour, font=f"'{FONT}'")
    bare = re.sub(r"<title>.*?</title>", "", svg, flags=re.DOTALL)
    return re.sub(r"(<svg[^>]*>)", lambda m: f"{m.group(1)}<style>{css}</style>", bare, count=1)


def render(report: Report) -> bytes:
    """The report as PDF/UA on A4 pages; the same to the byte for the same report.

    Where a name needs letters that no font here has, it is a plain PDF, with a box for each such letter.
    """
    with tempfile.TemporaryDirectory(prefix="soundsafe-report-") as name:
        folder = Path(name)
        document = {
            "title": plain(report.title),
            "subtitle": _breakable(report.subtitle),
            "facts": [[a, _breakable(b)] for a, b in report.facts],
            "font": FONT,
            "levels": level_colours(),
            "colours": {k: v[0] for k, v in COLOURS.items()},
            "sections": [
                {"title": _breakable(s.title), "blocks": list(_blocks(s.blocks, folder))}
                for s in report.sections
                if s.pdf
            ],
            "appendix": [
                _attached(t, folder, f"{len(t.every_row)} rows")
                for s in report.sections
                if not s.pdf
                for t in flat(s.blocks)
                if isinstance(t, Table)
            ],
        }
        (folder / "report.json").write_text(json.dumps(document, ensure_ascii=True), encoding="utf-8")
        (folder / "report.typ").write_text(read_template("report.typ"), encoding="utf-8")
        source = folder / "report.typ"
        fonts = [Path(matplotlib.get_data_path()) / "fonts" / "ttf"]
        try:
            return bytes(typst.compile(source, root=folder, font_paths=fonts, pdf_standards=["ua-1"]))
        except typst.TypstError:
            # A name in letters that no font at hand has: PDF/UA forbids boxes in their place.
            return bytes(typst.compile(source, root=folder, font_paths=fonts))
