"""Charts as SVG, drawn by hand: small, sharp at every size, and themed by a style sheet.

A chart holds classes, not colours. `chart_css` gives the colours: variables of the page in HTML, plain values
for the PDF. Series differ in colour, in marker and in dash, so that they can be told apart without colour.
Every mark has a `<title>` that says its numbers.

Why reports are not drawn by matplotlib, which makes the files of a run (`reports.plots`): a report holds
dozens of charts. The same chart of bit errors for five attacks is 2 kB and takes 0.4 ms here; there it is
22 kB (letters kept as text) to 44 kB, takes about a second, has no numbers to point at, and its colours
cannot follow the reader's theme. Files that are opened by themselves and put into papers are what matplotlib
is for.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape as _escape

from soundsafe.reports.format import plain

__all__ = [
    "COLOURS",
    "LEVELS",
    "SERIES",
    "Axis",
    "Panel",
    "Point",
    "Series",
    "chart_css",
    "cloud",
    "dots",
    "field",
    "heat",
    "level_colours",
    "light_colour",
    "lines",
    "strips",
]

SERIES = 8
"""How many series differ; further ones begin anew."""

COLOURS: Mapping[str, tuple[str, str]] = {
    "ink": ("#1b1f24", "#e8eaed"),
    "mute": ("#575e68", "#a8b0ba"),
    "grid": ("#e3e6ea", "#31363d"),
    "axis": ("#9aa2ac", "#6d7680"),
    "band": ("#f4f6f8", "#1c2127"),
    "paper": ("#ffffff", "#14181d"),
    "s0": ("#0b5cad", "#6cb2f5"),
    "s1": ("#c2410c", "#f7925a"),
    "s2": ("#0f7b5f", "#4fcf9f"),
    "s3": ("#8a3ea8", "#d397ee"),
    "s4": ("#946200", "#e5b53c"),
    "s5": ("#be2b6b", "#f583b2"),
    "s6": ("#3f4a5a", "#b9c4d2"),
    "s7": ("#1f8a9c", "#6bd3e3"),
}
"""Colour names, each with its value on light and on dark paper."""

_DASHES = ("", "7 3", "2 3", "9 3 2 3", "4 2", "1 2", "12 4", "5 2 1 2")

# Worst to best, on light and on dark paper. Lightness moves one way all along, so that grey copies keep the
# order, and away from the paper's towards the worst; no red against green.
_LEVEL_STOPS = {
    False: ((122, 45, 10), (196, 98, 32), (240, 178, 104), (250, 226, 180), (231, 243, 250)),
    True: ((255, 176, 112), (214, 120, 52), (146, 80, 36), (84, 58, 42), (24, 44, 60)),
}
LEVELS = 11


def _luminance(rgb: tuple[int, ...]) -> float:
    """Relative luminance of sRGB (WCAG 2)."""
    linear = [(c / 255 / 12.92) if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def level_colours(*, dark: bool = False) -> list[tuple[str, str]]:
    """(background, text) of a matrix's cells from the worst level to the best."""
    stops = _LEVEL_STOPS[dark]
    out = []
    for i in range(LEVELS):
        at = i / (LEVELS - 1) * (len(stops) - 1)
        k = min(int(at), len(stops) - 2)
        rgb = tuple(round(a + (at - k) * (b - a)) for a, b in zip(stops[k], stops[k + 1], strict=True))
        ink = "#ffffff" if 1.05 / (_luminance(rgb) + 0.05) > (_luminance(rgb) + 0.05) / 0.0525 else "#101418"
        out.append(("#{:02x}{:02x}{:02x}".format(*rgb), ink))
    return out


def chart_css(colour: Callable[[str], str], *, prefix: str = "", font: str = "") -> str:
    """The style sheet of charts.

    Args:
        colour: the value of a name in `COLOURS`, or of `b0`, `f0` … (background and text of a level).
        prefix: selector in front of each rule.
        font: family of all text, where it is not inherited.
    """
    family = f"font-family:{font};" if font else ""
    rules = [
        (".t", f"{family}font-size:12px;fill:{colour('ink')}"),
        (".m", f"{family}font-size:11px;fill:{colour('mute')}"),
        (".h", f"{family}font-size:12px;font-weight:600;fill:{colour('ink')}"),
        (".g", f"stroke:{colour('grid')};stroke-width:1;fill:none"),
        (".a", f"stroke:{colour('axis')};stroke-width:1;fill:none"),
        (".b", f"fill:{colour('band')}"),
        (".r", f"stroke:{colour('mute')};stroke-width:1;stroke-dasharray:4 3;fill:none"),
    ]
    for i in range(SERIES):
        value = colour(f"s{i}")
        dash = f";stroke-dasharray:{_DASHES[i]}" if _DASHES[i] else ""
        rules += [
            (f".p{i}", f"fill:{value};stroke:{colour('paper')};stroke-width:1"),
            (f".l{i}", f"fill:none;stroke:{value};stroke-width:2;stroke-linejoin:round{dash}"),
            (f".w{i}", f"fill:none;stroke:{value};stroke-width:2;stroke-opacity:.45"),
        ]
    for i in range(LEVELS):
        rules += [
            (f".c{i}", f"fill:{colour(f'b{i}')}"),
            (f".f{i}", f"{family}font-size:9px;fill:{colour(f'f{i}')}"),
        ]
    return "\n".join(f"{prefix}{selector}{{{body}}}" for selector, body in rules)


def light_colour(name: str) -> str:
    """The value of a name of `chart_css` on light paper."""
    if name in COLOURS:
        return COLOURS[name][0]
    return level_colours()[int(name[1:])]["bf".index(name[0])]


@dataclass(frozen=True)
class Point:
    """A value on the axis, its interval where there is one, and what it says when pointed at."""

    x: float
    y: float = 0.0
    low: float | None = None
    high: float | None = None
    tip: str = ""


@dataclass(frozen=True)
class Series:
    """`index` decides colour and marker: the same system has the same one in every chart."""

    name: str
    index: int
    points: tuple[Point | None, ...]


@dataclass(frozen=True)
class Axis:
    """Limits, ticks as (place, label), and a name. `log`: places are positive."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    name: str = ""
    log: bool = False

    def share(self, value: float) -> float:
        """Place between the limits, from 0 to 1, kept within them."""
        low, high, v = self.low, self.high, value
        if self.log:
            low, high, v = math.log(low), math.log(high), math.log(max(v, self.low))
        return min(1.0, max(0.0, (v - low) / (high - low))) if high > low else 0.5


@dataclass(frozen=True)
class Panel:
    """One of several small charts of lines that share their series."""

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    steps: bool = False
    marks: bool = True
    diagonal: bool = False
    reference: float | None = None
    dodge: float = 0.0
    """How far apart, in pixels, series stand that share a place on the x axis."""


def escape(text: str) -> str:
    return _escape(plain(text))


def _n(value: float) -> str:
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def _width(text: str) -> float:
    """Rough width of 12 px text; letters beyond Latin are taken to be wide."""
    return sum(6.6 if ord(c) < 0x2000 else 12.0 for c in text)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


class _Canvas:
    def __init__(self) -> None:
        self.parts: list[str] = []

    def line(self, cls: str, x1: float, y1: float, x2: float, y2: float) -> None:
        self.parts.append(f'<path class="{cls}" d="M{_n(x1)} {_n(y1)}L{_n(x2)} {_n(y2)}"/>')

    def path(self, cls: str, points: Iterable[tuple[float, float]]) -> None:
        d = "L".join(f"{_n(x)} {_n(y)}" for x, y in points)
        if d:
            self.parts.append(f'<path class="{cls}" d="M{d}"/>')

    def box(self, cls: str, x: float, y: float, w: float, h: float, tip: str = "") -> None:
        size = f'x="{_n(x)}" y="{_n(y)}" width="{_n(w)}" height="{_n(h)}"'
        end = f"><title>{escape(tip)}</title></rect>" if tip else "/>"
        self.parts.append(f'<rect class="{cls}" {size}{end}')

    def text(self, cls: str, x: float, y: float, text: str, anchor: str = "", turn: float = 0) -> None:
        end = f' text-anchor="{anchor}"' if anchor else ""
        if turn:
            end += f' transform="rotate({_n(turn)} {_n(x)} {_n(y)})"'
        self.parts.append(f'<text class="{cls}" x="{_n(x)}" y="{_n(y)}"{end}>{escape(text)}</text>')

    def marker(self, index: int, x: float, y: float, tip: str = "", size: float = 4.5) -> None:
        i = index % SERIES
        r = size
        shapes = (
            "",
            f"M{_n(x - r)} {_n(y - r)}h{_n(2 * r)}v{_n(2 * r)}h{_n(-2 * r)}Z",
            f"M{_n(x)} {_n(y - 1.2 * r)}L{_n(x + 1.2 * r)} {_n(y + r)}H{_n(x - 1.2 * r)}Z",
            f"M{_n(x)} {_n(y - 1.35 * r)}L{_n(x + 1.35 * r)} {_n(y)}L{_n(x)} "
            f"{_n(y + 1.35 * r)}L{_n(x - 1.35 * r)} {_n(y)}Z",
            f"M{_n(x)} {_n(y + 1.2 * r)}L{_n(x + 1.2 * r)} {_n(y - r)}H{_n(x - 1.2 * r)}Z",
            f"M{_n(x - r)} {_n(y - 0.5 * r)}h{_n(2 * r)}v{_n(r)}h{_n(-2 * r)}Z",
            f"M{_n(x - 0.5 * r)} {_n(y - 1.2 * r)}h{_n(r)}v{_n(2.4 * r)}h{_n(-r)}Z",
            f"M{_n(x - 1.2 * r)} {_n(y)}L{_n(x + r)} {_n(y - 1.2 * r)}V{_n(y + 1.2 * r)}Z",
        )
        title = f"<title>{escape(tip)}</title>" if tip else ""
        shape = shapes[i]
        if shape:
            self.parts.append(f'<path class="p{i}" d="{shape}">{title}</path>')
        else:
            self.parts.append(f'<circle class="p{i}" cx="{_n(x)}" cy="{_n(y)}" r="{_n(r)}">{title}</circle>')

    def legend(self, names: Sequence[tuple[str, int]], x: float, y: float, width: float) -> float:
        """Markers and names from (x, y) on, in as many lines as needed; returns the y below them."""
        at = x
        for name, index in names:
            text = _cut(name, 48)
            wide = 24 + _width(text)
            if at > x and at + wide > x + width:
                at, y = x, y + 18
            self.marker(index, at + 5, y)
            self.text("t", at + 14, y + 4, text)
            at += wide
        return y + 18

    def svg(self, width: float, height: float) -> str:
        body = "".join(self.parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" '
            f'width="{_n(width)}" height="{_n(height)}">{body}</svg>'
        )


_FULL = 760.0


def _names(series: Iterable[Series]) -> list[tuple[str, int]]:
    return list({s.name: s.index for s in series}.items())


def dots(
    labels: Sequence[str],
    series: Sequence[Series],
    axis: Axis,
    *,
    groups: Sequence[str] = (),
    reference: float | None = None,
) -> str:
    """One line for each label, a dot with its interval for each series; `Point.x` is the value.

    Args:
        labels: of the lines, top to bottom.
        series: each with a point, or None, for each label.
        axis: of the values.
        groups: a heading for each label; shown where it changes.
        reference: a value to draw a line at.
    """
    canvas = _Canvas()
    left = min(250.0, 20 + max((_width(_cut(t, 36)) for t in labels), default=0))
    right, top = _FULL - 24, 8.0
    shown = _names(series)
    if len(shown) > 1:
        top = canvas.legend(shown, left, 14, right - left)
    apart = 6.0
    step = max(20.0, apart * len(series) + 6)
    span = right - left

    def place(value: float) -> float:
        return left + span * axis.share(value)

    rows: list[tuple[float, int]] = []
    y = top + 4
    before = None
    for i in range(len(labels)):
        if groups and groups[i] != before:
            before = groups[i]
            canvas.text("h", 4, y + 13, _cut(before, 36))
            y += 17
        rows.append((y, i))
        y += step
    bottom = y
    for n, (at, _) in enumerate(rows):
        if n % 2 == 0:
            canvas.box("b", left, at, span, step)
    for value, text in axis.ticks:
        x = place(value)
        canvas.line("g", x, top + 4, x, bottom)
        canvas.text("m", x, bottom + 15, text, "middle")
    canvas.line("a", left, bottom, right, bottom)
    canvas.text("m", left + span / 2, bottom + 33, axis.name, "middle")
    if reference is not None:
        canvas.line("r", place(reference), top + 4, place(reference), bottom)
    for at, i in rows:
        canvas.text("t", left - 8, at + step / 2 + 4, _cut(labels[i], 36), "end")
        for k, s in enumerate(series):
            point = s.points[i]
            if point is None:
                continue
            middle = at + step / 2 + apart * (k - (len(series) - 1) / 2)
            if point.low is not None and point.high is not None:
                canvas.line(f"w{s.index % SERIES}", place(point.low), middle, place(point.high), middle)
            canvas.marker(s.index, place(point.x), middle, point.tip, 4.5 if len(series) < 3 else 3.5)
    return canvas.svg(_FULL, bottom + 42)


def heat(
    labels: Sequence[str],
    columns: Sequence[str],
    cells: Sequence[Sequence[tuple[int, str, str] | None]],
    name: str,
) -> str:
    """A field of coloured cells.

    Args:
        labels: of the lines, top to bottom.
        columns: names of the columns.
        cells: for each line and column its level (see `level_colours`), text and tip, or None.
        name: of all columns.
    """
    canvas = _Canvas()
    left = min(250.0, 20 + max((_width(_cut(t, 36)) for t in labels), default=0))
    right, top, tall = _FULL - 24, 8.0, 19.0
    wide = (right - left) / max(1, len(columns))
    bottom = top + tall * len(labels)
    for i, (label, line) in enumerate(zip(labels, cells, strict=True)):
        y = top + tall * i
        canvas.text("t", left - 8, y + tall / 2 + 4, _cut(label, 36), "end")
        for k, cell in enumerate(line):
            if cell is None:
                continue
            level, text, tip = cell
            x = left + wide * k
            canvas.box(f"c{level}", x, y, wide - 1, tall - 1, tip)
            if text:
                canvas.text(f"f{level}", x + (wide - 1) / 2, y + tall / 2 + 3, text, "middle")
    every = max(1, math.ceil((max((_width(t) for t in columns), default=1) + 6) / wide))
    for k, text in enumerate(columns):
        if k % every == 0:
            canvas.text("m", left + wide * (k + 0.5), bottom + 13, text, "middle")
    canvas.text("m", (left + right) / 2, bottom + 31, name, "middle")
    return canvas.svg(_FULL, bottom + 40)


def field(
    labels: Sequence[str],
    columns: Sequence[tuple[str, int]],
    cells: Sequence[Sequence[tuple[int, str, str] | None]],
    *,
    width: float = _FULL,
) -> str:
    """A field of coloured cells whose lines go on in further blocks beside the first, to stay low.

    Args:
        labels: of the lines, top to bottom, then block by block.
        columns: name and index of the series of each column: its marker stands above the cells.
        cells: for each line and column its level (see `level_colours`), text and tip, or None.
        width: of all blocks together, in pixels.
    """
    canvas = _Canvas()
    blocks = next((n for n, most in enumerate((14, 32, 84), start=1) if len(labels) <= most), 4)
    tall = math.ceil(len(labels) / blocks)
    step = 30.0 if tall <= 8 else 24.0 if tall <= 14 else 17.0
    top = canvas.legend(columns, 4, 12, width - 8) + 14
    gap = 22.0
    whole = (width - gap * (blocks - 1)) / blocks
    room = min(max((_width(t) for t in labels), default=0) + 18, whole * 0.62)
    wide = min(150.0 if blocks == 1 else 96.0, (whole - room) / max(1, len(columns)))
    most = int((room - 8) / 6.2)
    for i, (label, line) in enumerate(zip(labels, cells, strict=True)):
        x, y = (whole + gap) * (i // tall), top + step * (i % tall)
        if i % tall == 0:
            for k, (_, index) in enumerate(columns):
                canvas.marker(index, x + room + wide * (k + 0.5), top - 10, size=4)
        canvas.text("t", x + room - 8, y + step / 2 + 4, _cut(label, most), "end")
        for k, cell in enumerate(line):
            if cell is not None:
                level, text, tip = cell
                canvas.box(f"c{level}", x + room + wide * k, y, wide - 2, step - 2, tip)
                canvas.text(f"f{level}", x + room + wide * (k + 0.5) - 1, y + step / 2 + 2.5, text, "middle")
    return canvas.svg(width, top + step * tall + 4)


def cloud(
    points: Sequence[tuple[str, int, Point]],
    x: Axis,
    y: Axis,
    *,
    upright: tuple[float, str] | None = None,
    height: float = 300,
) -> str:
    """Points in a plane, each with its name and its interval of y.

    Args:
        points: (name, index of the series, point).
        x, y: the axes.
        upright: a value of x to draw a line at, and its name.
        height: of the plane in pixels.
    """
    canvas = _Canvas()
    width, left, up = 420.0, 52.0, 26.0
    right, down = width - 14, up + height
    series = [Series(name, index, (point,)) for name, index, point in points]
    _panel(canvas, Panel("", x, y, tuple(series)), left, right, up, down)
    if upright is not None:
        at = left + (right - left) * x.share(upright[0])
        canvas.line("r", at, up, at, down)
        before = at > (left + right) / 2
        canvas.text("m", at + (-6 if before else 6), down - 6, upright[1], "end" if before else "start")
    taken: list[float] = []
    for name, _, p in sorted(points, key=lambda q: -q[2].y):
        px, py = left + (right - left) * x.share(p.x), down - (down - up) * y.share(p.y) - 8
        while any(abs(py - other) < 14 for other in taken):
            py += 14
        taken.append(py)
        before = px > (left + right) / 2
        canvas.text("t", px + (-9 if before else 9), py, _cut(name, 28), "end" if before else "start")
    return canvas.svg(width, down + 42)


def _stairs(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    out = list(points[:1])
    for (_, y0), (x1, y1) in itertools.pairwise(points):
        out += [(x1, y0), (x1, y1)]
    return out


def lines(panels: Sequence[Panel], *, columns: int = 2, height: float = 210) -> str:
    """Small charts of lines in a grid, with one legend; `Point.low` and `high` are intervals of y."""
    canvas = _Canvas()
    columns = max(1, min(columns, len(panels)))
    shown = _names(s for p in panels for s in p.series)
    top = canvas.legend(shown, 52, 14, _FULL - 60) + 6 if len(shown) > 1 else 8.0
    wide = _FULL / columns
    tall = height + 74
    for k, panel in enumerate(panels):
        left, right = wide * (k % columns) + 52, wide * (k % columns + 1) - 18
        up = top + tall * (k // columns) + 22
        _panel(canvas, panel, left, right, up, up + height)
    return canvas.svg(_FULL, top + tall * math.ceil(len(panels) / columns))


def _panel(canvas: _Canvas, panel: Panel, left: float, right: float, up: float, down: float) -> None:
    if panel.title:
        canvas.text("h", left, up - 9, _cut(panel.title, int((right - left) / 6.8)))

    def px(value: float) -> float:
        return left + (right - left) * panel.x.share(value)

    def py(value: float) -> float:
        return down - (down - up) * panel.y.share(value)

    for value, text in panel.y.ticks:
        canvas.line("g", left, py(value), right, py(value))
        canvas.text("m", left - 7, py(value) + 4, text, "end")
    room = (right - left) / max(1, max((_width(t) for _, t in panel.x.ticks), default=1) + 8)
    every = max(1, math.ceil(len(panel.x.ticks) / max(1.0, room)))
    for i, (value, text) in enumerate(panel.x.ticks):
        canvas.line("a", px(value), down, px(value), down + 4)
        if i % every == 0:
            canvas.text("m", px(value), down + 17, text, "middle")
    canvas.line("a", left, down, right, down)
    canvas.text("m", (left + right) / 2, down + 34, panel.x.name, "middle")
    if panel.y.name:
        canvas.text("m", left - 40, (up + down) / 2, panel.y.name, "middle", -90)
    if panel.diagonal:
        canvas.line("r", px(panel.x.low), py(panel.y.low), px(panel.x.high), py(panel.y.high))
    if panel.reference is not None:
        canvas.line("r", left, py(panel.reference), right, py(panel.reference))
    for k, s in enumerate(panel.series):
        points = [p for p in s.points if p is not None]
        aside = panel.dodge * (k - (len(panel.series) - 1) / 2)
        at = [(px(p.x) + aside, py(p.y)) for p in points]
        for p, (x, _) in zip(points, at, strict=True):
            if p.low is not None and p.high is not None:
                canvas.line(f"w{s.index % SERIES}", x, py(p.low), x, py(p.high))
        canvas.path(f"l{s.index % SERIES}", _stairs(at) if panel.steps else at)
        for p, (x, y) in zip(points, at, strict=True):
            if panel.marks:
                canvas.marker(s.index, x, y, p.tip, 4)


def _swarm(xs: Sequence[float], size: float, reach: float) -> list[float]:
    """Offsets that keep dots at places `xs` (in pixels) apart, as far as there is room."""
    placed: list[tuple[float, float]] = []
    out = [0.0] * len(xs)
    for i in sorted(range(len(xs)), key=lambda k: xs[k]):
        near = [p for p in placed[-40:] if abs(p[0] - xs[i]) < size]
        offset, k = 0.0, 0
        while any((p[0] - xs[i]) ** 2 + (p[1] - offset) ** 2 < size * size for p in near):
            k += 1
            offset = (k + 1) // 2 * size * 0.5 * (1 if k % 2 else -1)
            if abs(offset) > reach:
                offset = reach * (1 if k % 2 else -1)
                break
        placed.append((xs[i], offset))
        out[i] = offset
    return out


def strips(rows: Sequence[tuple[str, int, Sequence[Point]]], axis: Axis) -> str:
    """All values of each row as dots beside one another, with a line at their median.

    Args:
        rows: (label, index of the series, points).
        axis: of the values.
    """
    canvas = _Canvas()
    left = min(250.0, 20 + max((_width(_cut(t, 36)) for t, _, _ in rows), default=0))
    right, top, step = _FULL - 24, 8.0, 38.0
    span = right - left
    bottom = top + step * len(rows)
    for i in range(0, len(rows), 2):
        canvas.box("b", left, top + step * i, span, step)
    for value, text in axis.ticks:
        x = left + span * axis.share(value)
        canvas.line("g", x, top, x, bottom)
        canvas.text("m", x, bottom + 15, text, "middle")
    canvas.line("a", left, bottom, right, bottom)
    canvas.text("m", left + span / 2, bottom + 33, axis.name, "middle")
    for i, (label, index, points) in enumerate(rows):
        middle = top + step * (i + 0.5)
        canvas.text("t", left - 8, middle + 4, _cut(label, 36), "end")
        if not points:
            continue
        xs = [left + span * axis.share(p.x) for p in points]
        for p, x, offset in zip(points, xs, _swarm(xs, 6.0, step / 2 - 5), strict=True):
            canvas.marker(index, x, middle + offset, p.tip, 3)
        ordered = sorted(xs)
        half = len(ordered) // 2
        median = ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
        canvas.line("a", median, middle - step / 2 + 3, median, middle + step / 2 - 3)
    return canvas.svg(_FULL, bottom + 42)
