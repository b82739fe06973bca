"""A report as one HTML file that opens from disk and asks the network for nothing.

Everything is inside it: style, script, charts, numbers. What it shows of a run's names is escaped, and a
content security policy forbids every request and every script but its own, should an escape ever be missing.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup, escape

from soundsafe.eval.rows import Json
from soundsafe.reports.format import plain
from soundsafe.reports.glossary import Term, glossary, marked_terms
from soundsafe.reports.model import (
    Audio,
    Beside,
    Block,
    Code,
    Figure,
    Folded,
    Heading,
    Image,
    Report,
    Section,
    Table,
    TableCell,
    Text,
    Tiles,
    Verdicts,
)  # fmt: skip
from soundsafe.reports.svg import COLOURS, chart_css, level_colours

__all__ = ["packed", "page_script", "read_template", "render", "script_json", "script_source"]

_SHORT = 40
"""Longer tables are packed, and made by the page when they are looked at: else a report of a thousand attacks
is tens of megabytes that a browser has to lay out before anything is seen."""


def read_template(name: str) -> str:
    """A file of this package's `templates` folder."""
    return (files("soundsafe.reports") / "templates" / name).read_text(encoding="utf-8")


def page_script(name: str) -> str:
    """The script of a page: `page.js`, which pages share, and the file `name` of `templates`."""
    return read_template("page.js") + read_template(name)


def script_json(value: object) -> Markup:
    """JSON to stand inside a script element: nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def script_source(script: str) -> str:
    """What a content security policy calls this inline script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _exact(value: object) -> str:
    return json.dumps(value)


def packed(value: object) -> str:
    """JSON, compressed by gzip and in base64; the page's script unpacks it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode("utf-8", "replace"), 9, mtime=0)).decode()


class _Words:
    """Text as HTML: words between backticks as code, a term a button where a section first has it."""

    def __init__(self, terms: tuple[Term, ...]) -> None:
        self._terms = terms
        self._used: set[str] = set()

    def begin(self) -> None:
        """A new section: terms are explained anew."""
        self._used.clear()

    def __call__(self, text: str) -> Markup:
        parts = plain(text).split("`")
        if len(parts) % 2 == 0:
            return marked_terms("`".join(parts), self._terms, self._used)
        return Markup("").join(
            Markup("<code>{}</code>").format(part) if i % 2 else marked_terms(part, self._terms, self._used)
            for i, part in enumerate(parts)
        )


def _soft(text: str) -> Markup:
    """Text that may break after its underscores and slashes."""
    return Markup(re.sub(r"([_/])(?=.)", r"\1<wbr>", str(escape(plain(text)))))


def _groups(table: Table) -> list[tuple[str, int]]:
    """Headings over columns with how many columns each spans; '' where there is none."""
    out: list[tuple[str, int]] = []
    for column in table.columns:
        if out and out[-1][0] == column.group:
            out[-1] = (column.group, out[-1][1] + 1)
        else:
            out.append((column.group, 1))
    return out


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _finalize(value: object) -> object:
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def environment() -> jinja2.Environment:
    """Templates with autoescaping; text that cannot be printed is replaced."""
    env = jinja2.Environment(
        loader=jinja2.FunctionLoader(read_template), autoescape=True, undefined=jinja2.StrictUndefined,
        finalize=_finalize, trim_blocks=False,
    )  # fmt: skip
    env.filters |= {
        "exact": _exact,
        "soft": _soft,
        "groups": _groups,
        "grouped": lambda table: any(c.group for c in table.columns),
        "numbers": lambda figure: script_json({"columns": figure.columns, "rows": figure.rows}),
        "data_uri": _data_uri,
    }
    return env


def colour_css() -> str:
    """Colours of both themes as variables: the reader's system decides, or the button."""
    light, dark = (
        "".join(f"--{name}:{pair[i]};" for name, pair in COLOURS.items())
        + "".join(f"--b{k}:{back};--f{k}:{ink};" for k, (back, ink) in enumerate(level_colours(dark=bool(i))))
        for i in (0, 1)
    )
    cells = "".join(
        f".m{k}{{background:var(--b{k});color:var(--f{k})}}" for k, _ in enumerate(level_colours())
    )
    return (
        f":root{{{light}}}@media screen and "
        f"(prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}@media "
        f"screen{{:root[data-theme=dark]{{{dark}}}}}{cells}\n"
    )


def _packed_cell(c: TableCell) -> Json:
    """A cell as the page's script takes it: its text alone, or what it has beside it."""
    value = c.value if isinstance(c.value, int | float) and not isinstance(c.value, bool) else None
    out: list[Json] = [plain(c.text), value, c.level, plain(c.note)]
    while len(out) > 1 and out[-1] in (None, ""):
        out.pop()
    return out[0] if len(out) == 1 else out


def _packed_rows(rows: tuple[tuple[TableCell, ...], ...]) -> Json:
    return [[_packed_cell(c) for c in row] for row in rows]


class _Page:
    """What a page is made of while its blocks are rendered: numbers given, tables set aside."""

    def __init__(self) -> None:
        self.terms = glossary()
        self.words = _Words(self.terms)
        self.store: dict[str, Json] = {}
        self.figures = self.tables = 0
        self._macros: Any = environment().get_template("blocks.html.j2").module

    def section(self, s: Section) -> list[Markup]:
        """The blocks of a section."""
        self.words.begin()
        return [self(b) for b in s.blocks]

    def __call__(self, b: Block) -> Markup:
        m = self._macros
        if isinstance(b, Beside | Folded):
            inner = [self(x) for x in b.blocks]
            if isinstance(b, Beside):
                return Markup(m.beside(inner, b.widths))
            return Markup(m.folded(b.title, inner))
        if isinstance(b, Verdicts):
            self.tables += 1
            return Markup(m.verdicts(b, self.tables, self.words))
        if isinstance(b, Table):
            return self._table(b)
        if isinstance(b, Figure | Image):
            self.figures += 1
            return Markup((m.figure if isinstance(b, Figure) else m.image)(b, self.figures, self.words))
        if isinstance(b, Text):
            return Markup(m.text(b, self.words))
        if isinstance(b, Heading):
            return Markup(m.heading(b))
        return Markup({Code: m.code, Tiles: m.tiles, Audio: m.audio}[type(b)](b))

    def _table(self, b: Table) -> Markup:
        self.tables += 1
        lazy = len(b.rows) > _SHORT
        if lazy or b.groups:
            folded = {g.id: _packed_rows(g.rows) for g in b.groups if g.rows}
            self.store[b.id] = {"rows": _packed_rows(b.rows)} if lazy else {"groups": folded}
        return Markup(self._macros.table(b, self.tables, self.words, lazy))


def render(report: Report) -> bytes:
    """The report as HTML, UTF-8; the same to the byte for the same report."""
    script = page_script("report.js")
    page = _Page()
    sections = [(s, page.section(s)) for s in report.sections]
    text = environment().get_template("report.html.j2").render(
        report=report,
        sections=sections,
        terms=page.terms,
        colours=Markup(colour_css()),
        css=Markup(read_template("report.css")),
        chart_css=Markup(chart_css(lambda name: f"var(--{name})", prefix=".plot ")),
        store=packed(page.store),
        data=packed(report.data) if report.data else "",
        script=Markup(script),
        script_hash=script_source(script),
    )  # fmt: skip
    return text.encode("utf-8", errors="replace")
