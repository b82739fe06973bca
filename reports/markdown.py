"""A report as Markdown: text and tables, as model and dataset cards are kept. Charts are left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from soundsafe.reports.format import plain
from soundsafe.reports.model import (
    Block,
    Code,
    Column,
    Heading,
    Report,
    Table,
    TableCell,
    Text,
    Tiles,
    Verdicts,
    flat,
)

__all__ = ["render"]

_SPECIAL = re.compile(r"([\\`*\[\]<>#|~&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")


def _text(text: str) -> str:
    """Words as they are: nothing in them is markup, and they stay on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(plain(text).split()))


def _paragraph(text: str) -> str:
    parts = plain(text).split("`")
    if len(parts) % 2 == 0:
        return _text(text)
    return "".join(f"`{part}`" if i % 2 else _SPECIAL.sub(r"\\\1", part) for i, part in enumerate(parts))


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _table(columns: Iterable[Column], rows: Iterable[Iterable[TableCell]], caption: str) -> Iterator[str]:
    columns = list(columns)
    yield _paragraph(caption)
    yield ""
    yield _row(_text(f"{c.group} {c.label}".strip()) for c in columns)
    yield _row("--:" if c.numeric else ":--" for c in columns)
    for row in rows:
        yield _row(_text(f"{c.text} ({c.note})" if c.note else c.text) or " " for c in row)


_WORDS = {True: "met", False: "not met", None: "not tested"}


def _block(b: Block) -> Iterator[str]:
    if isinstance(b, Text):
        yield f"> {_paragraph(b.text)}" if b.kind == "note" else _paragraph(b.text)
    elif isinstance(b, Heading):
        yield f"### {_text(b.text)}"
    elif isinstance(b, Code):
        body = plain(b.text)
        fence = "`" * max(3, 1 + max((len(m) for m in re.findall("`+", body)), default=0))
        yield f"{fence}\n{body}\n{fence}"
    elif isinstance(b, Tiles):
        for t in b.tiles:
            yield f"- {_text(t.label)}: {_text(t.value)}" + (f" ({_text(t.note)})" if t.note else "")
    elif isinstance(b, Verdicts):
        columns = [Column("Criterion"), *(Column(s) for s in b.subjects)]
        rows = [
            [TableCell(name), *(TableCell(f"{_WORDS[v.ok]}: {v.text}") for v in found)]
            for name, found in b.items
        ]
        yield from _table(columns, rows, b.caption)
    elif isinstance(b, Table):
        yield from _table(b.columns, b.printed, b.caption)


def render(report: Report) -> bytes:
    """The report as Markdown, UTF-8."""
    lines = [f"# {_text(report.title)}", "", _paragraph(report.subtitle), ""]
    lines += [f"- {_text(name)}: {_text(value)}" for name, value in report.facts]
    for section in report.sections:
        lines += ["", f"## {_text(section.title)}"]
        for block in flat(section.blocks):
            found = list(_block(block))
            lines += ["", *found] if found else []
    return ("\n".join(lines).strip() + "\n").encode("utf-8", errors="replace")
