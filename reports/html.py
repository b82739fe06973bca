"""A report as one HTML file that opens from disk and asks the network for nothing.

Everything is inside it: style, script, charts, numbers. What it shows of a run's names is escaped, and a
content security policy forbids every request and every script but its own, should an escape ever be missing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup, escape

from soundsafe.reports.format import plain
from soundsafe.reports.model import (
    Audio,
    Block,
    Code,
    Figure,
    Heading,
    Image,
    Report,
    Table,
    Text,
    Tiles,
    Verdicts,
)  # fmt: skip
from soundsafe.reports.svg import COLOURS, chart_css, level_colours

__all__ = ["read_template", "render", "script_json", "script_source"]


def read_template(name: str) -> str:
    """A file of this package's `templates` folder."""
    return (files("soundsafe.reports") / "templates" / name).read_text(encoding="utf-8")


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


def _ticks(text: str) -> Markup:
    """Words between backticks as code."""
    parts = plain(text).split("`")
    if len(parts) % 2 == 0:
        return escape("`".join(parts))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if i % 2 else escape(part) for i, part in enumerate(parts)
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
        "ticks": _ticks,
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


def _renderer() -> Callable[[Block], Markup]:
    macros: Any = environment().get_template("blocks.html.j2").module
    figures = tables = 0

    def block(b: Block) -> Markup:
        nonlocal figures, tables
        if isinstance(b, Table | Verdicts):
            tables += 1
            return Markup((macros.table if isinstance(b, Table) else macros.verdicts)(b, tables))
        if isinstance(b, Figure | Image):
            figures += 1
            return Markup((macros.figure if isinstance(b, Figure) else macros.image)(b, figures))
        plain_blocks = {
            Text: macros.text, Heading: macros.heading, Code: macros.code, Tiles: macros.tiles,
            Audio: macros.audio,
        }  # fmt: skip
        return Markup(plain_blocks[type(b)](b))

    return block


def render(report: Report) -> bytes:
    """The report as HTML, UTF-8; the same to the byte for the same report."""
    script = read_template("report.js")
    text = environment().get_template("report.html.j2").render(
        report=report,
        block=_renderer(),
        colours=Markup(colour_css()),
        css=Markup(read_template("report.css")),
        chart_css=Markup(chart_css(lambda name: f"var(--{name})", prefix=".plot ")),
        data=script_json(report.data),
        script=Markup(script),
        script_hash=script_source(script),
    )  # fmt: skip
    return text.encode("utf-8", errors="replace")
