"""A leaderboard of stored entries: a page that opens from disk; the same table as CSV, Markdown and LaTeX.

Each line is a system in one run, each column a family of attacks. Systems of unequal payload, and figures of
clips of unequal length, are not one contest: the page chooses among both, and says what each figure is of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from soundsafe.errors import InputError
from soundsafe.eval.analysis.entries import AttackEntry, Entry
from soundsafe.eval.analysis.families import ALL, PROCESSING, UNATTACKED
from soundsafe.eval.analysis.verdicts import Verdict
from soundsafe.eval.frames import table_bytes
from soundsafe.eval.rows import Figure, Json, real
from soundsafe.reports import format as fmt
from soundsafe.reports.cells import share_level
from soundsafe.reports.html import (
    colour_css,
    environment,
    page_script,
    read_template,
    script_json,
    script_source,
)
from soundsafe.reports.latex import escaped
from soundsafe.reports.svg import chart_css

__all__ = ["Line", "classes", "csv_table", "latex", "lines", "markdown", "page", "verdict_table"]

_CLASSES = (("presence", 0, 0), ("up to 20 bits", 1, 20), ("21 to 64 bits", 21, 64), ("more", 65, 10**9))
"""Payloads that are near enough to each other to compare: name, fewest and most bits."""

_WEAKEST = 6
"""Attacks in a system's section."""


@dataclass(frozen=True)
class Line:
    """An entry as one line of the board; `label` tells it from every other."""

    label: str
    slug: str
    entry: Entry

    @property
    def payload(self) -> str:
        """The class of its payload."""
        return next(name for name, low, high in _CLASSES if low <= self.entry.payload_bits <= high)

    @property
    def mean(self) -> Figure:
        """Success over all families, each counted the same."""
        row = self.entry.family(ALL)
        return None if row is None else row.clip_success

    @property
    def weakest(self) -> list[AttackEntry]:
        """The attacks that it stands least, worst first."""
        known = [
            a
            for a in self.entry.attacks
            if a.attack != "none" and real(a.attack) and a.clip_success is not None
        ]
        return sorted(known, key=lambda a: (a.clip_success or 0.0, a.bit_accuracy or 0.0))[:_WEAKEST]


def classes() -> tuple[str, ...]:
    """Names of the classes of payload."""
    return tuple(name for name, _, _ in _CLASSES)


def lines(
    entries: Iterable[Entry], *, payload: str | None = None, seconds: float | None = None
) -> list[Line]:
    """The lines of a board, best first.

    Args:
        entries: as `entries_of` and `read_entry` give them; the same one twice counts once.
        payload: one of `classes()`; None: all.
        seconds: length of clips; None: all.

    Returns:
        Sorted by mean success over families, then by name.

    Raises:
        InputError: nothing is left, or there is no such class.

    Example:
        >>> lines([], payload="much")
        Traceback (most recent call last):
        ...
        soundsafe.errors.InputError: no payload is called much: presence, up to 20 bits, 21 to 64 bits, more
    """
    if payload is not None and payload not in classes():
        raise InputError(f"no payload is called {payload}: {', '.join(classes())}")
    found = {(e.system, e.rows_digest): e for e in entries}
    out: list[Line] = []
    taken: set[str] = set()
    for entry in found.values():
        label = entry.system + _apart(entry, [e for e in found.values() if e.system == entry.system])
        number, tried = 2, label
        while tried in taken:
            tried, number = f"{label} {number}", number + 1
        taken.add(tried)
        line = Line(tried, "s-" + re.sub(r"[^a-z0-9]+", "-", tried.lower()).strip("-"), entry)
        if payload in (None, line.payload) and seconds in (None, entry.seconds):
            out.append(line)
    if not out:
        raise InputError("no system is left: choose another payload or length")
    return sorted(out, key=lambda line: (-(line.mean if line.mean is not None else -1.0), line.label))


def _apart(entry: Entry, namesakes: Sequence[Entry]) -> str:
    """What tells an entry from others of its name: the data, the length, or both; '' where nothing need."""
    parts = [entry.dataset] if len({e.dataset for e in namesakes}) > 1 else []
    parts += [f"{entry.seconds or 0:g} s"] if len({e.seconds for e in namesakes}) > 1 else []
    return f" ({', '.join(parts)})" if parts else ""


def _families(board: Sequence[Line]) -> list[str]:
    """Families of processing in the order in which they first appear."""
    found = [f.family for line in board for f in line.entry.families if f.goal == PROCESSING]
    return [f for f in dict.fromkeys(found) if f not in (ALL, UNATTACKED)]


def _record(line: Line, families: Sequence[str]) -> dict[str, Json]:
    """A line as the flat object of a table."""
    e = line.entry
    out: dict[str, Json] = {
        "system": line.label, "version": e.version, "payload_bits": e.payload_bits, "checked": e.checked,
        "clip_s": e.seconds, "clips": e.clips, "groups": e.groups, "zimtohrli": e.zimtohrli,
        "snr_db": e.snr_db, "nmr_db": e.nmr_db, "embed_s": e.embed_s, "decode_s": e.decode_s,
        "false_accepts": e.false_accepts, "unmarked_clips": e.unmarked_clips,
    }  # fmt: skip
    for family in (ALL, UNATTACKED, *families):
        row = e.family(family)
        low, high = (None, None) if row is None or row.clip_success_ci95 is None else row.clip_success_ci95
        out |= {
            family: None if row is None else row.clip_success, f"{family} low": low, f"{family} high": high,
            f"{family} bit_accuracy": None if row is None else row.bit_accuracy,
        }  # fmt: skip
    return out


def csv_table(board: Sequence[Line]) -> bytes:
    """Every figure of the board."""
    families = _families(board)
    return table_bytes(pd.DataFrame([_record(line, families) for line in board]))


def _short(line: Line, families: Sequence[str], cell: str) -> list[str]:
    """The cells of a line for a table in text; `cell` puts a share and its interval together."""
    e = line.entry
    out = [
        line.label,
        str(e.payload_bits),
        fmt.decibel((e.zimtohrli or 0) * 1e5) if e.zimtohrli else fmt.DASH,
    ]
    for family in (ALL, UNATTACKED, *families):
        row = e.family(family)
        text = fmt.percent(None if row is None else row.clip_success)
        limits = "" if row is None else fmt.interval(row.clip_success_ci95)
        out.append(cell.format(text, limits) if limits else text)
    return [*out, f"{e.false_accepts}/{e.unmarked_clips}"]


def _heads(families: Sequence[str]) -> list[str]:
    return ["system", "bits", "distance, 1e-5", "all families", "no attack", *families, "false accepts"]


def markdown(board: Sequence[Line]) -> bytes:
    """The board as a table of Markdown: payload back, in per cent, with 95 % intervals."""
    families = _families(board)
    heads = _heads(families)
    rows = ["| " + " | ".join(heads) + " |", "|---|" + "--:|" * (len(heads) - 1)]
    for line in board:
        cells = [c.replace("|", "\\|") for c in _short(line, families, "{} ({})")]
        rows.append("| " + " | ".join([f"`{cells[0]}`", *cells[1:]]) + " |")
    return ("\n".join(rows) + "\n").encode()


def verdict_table(found: Sequence[Verdict], own: str) -> bytes:
    """Paired verdicts as Markdown: how often each system was beaten, then every line that is no plain tie."""
    others = list(dict.fromkeys(v.other for v in found))
    rows = [f"| `{own}` against | losses | ties | wins | all families: own | other | difference | p |",
            "|---|--:|--:|--:|--:|--:|--:|--:|"]  # fmt: skip
    for other in others:
        mine = [v for v in found if v.other == other]
        count = [sum(v.verdict == k and v.family != ALL for v in mine) for k in ("loss", "tie", "win")]
        total = next((v for v in mine if v.family == ALL), None)
        cells = [f"`{other}`", *map(str, count)]
        if total is not None:
            cells += [fmt.percent(total.own_success), fmt.percent(total.other_success)]
            cells += [_points(total), f"{total.p:.3g}"]
        rows.append("| " + " | ".join(cells) + " |")
    rows += ["", "| verdict | against | family | own | other | difference, 95 % | p | p, Holm |",
             "|---|---|---|--:|--:|--:|--:|--:|"]  # fmt: skip
    for v in found:
        if v.family != ALL and (v.verdict == "loss" or v.difference):
            cells = [v.verdict, f"`{v.other}`", v.family, fmt.percent(v.own_success)]
            cells += [fmt.percent(v.other_success), _points(v), f"{v.p:.3g}", f"{v.p_holm:.3g}"]
            rows.append("| " + " | ".join(cells) + " |")
    return ("\n".join(rows) + "\n").encode()


def _points(v: Verdict) -> str:
    """A difference in points of per cent, with its interval."""

    def signed(x: float) -> str:
        return f"{100 * x:+.1f}".replace("-", "−")

    text = signed(v.difference)
    return text if v.difference_ci95 is None else f"{text} ({' to '.join(map(signed, v.difference_ci95))})"


def latex(board: Sequence[Line]) -> bytes:
    """The board as a LaTeX table (package booktabs): payload back, in per cent, intervals small below."""
    families = _families(board)
    heads = _heads(families)
    rows = [
        "% needs \\usepackage{booktabs}",
        f"\\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}",
        "\\toprule",
        " & ".join(escaped(h) for h in heads) + r" \\",
        "\\midrule",
    ]
    for line in board:
        name, *cells = [escaped(c) for c in _short(line, families, "{}|{}")]
        made = [re.sub(r"^(.*)\|(.*)$", r"\1 {\\tiny[\2]}", c) for c in cells]
        rows.append(" & ".join([name, *made]) + r" \\")
    return ("\n".join([*rows, "\\bottomrule", "\\end{tabular}"]) + "\n").encode()


def _data(board: Sequence[Line]) -> dict[str, object]:
    """What the page's script draws from."""
    systems = []
    for line in board:
        e = line.entry
        figures: dict[str, dict[str, list[Figure | int]]] = {}
        for f in e.families:
            if f.goal == PROCESSING:
                low, high = f.clip_success_ci95 or (None, None)
                figures.setdefault(f.category, {})[f.family] = [
                    f.clip_success, low, high, f.bit_accuracy, f.auc, f.attacks, f.clips,
                ]  # fmt: skip
        systems.append(
            {
                "label": line.label, "slug": line.slug, "payload": line.payload, "bits": e.payload_bits,
                "checked": e.checked, "seconds": e.seconds, "clips": e.clips, "groups": e.groups,
                "zimtohrli": e.zimtohrli, "snr": e.snr_db, "nmr": e.nmr_db, "embed": e.embed_s,
                "decode": e.decode_s, "accepts": e.false_accepts, "unmarked": e.unmarked_clips,
                "figures": figures,
            }
        )  # fmt: skip
    return {
        "systems": systems, "families": _families(board), "all": ALL, "unattacked": UNATTACKED,
        "classes": [c for c in classes() if any(line.payload == c for line in board)],
    }  # fmt: skip


def _several(values: Iterable[object], many: str) -> str:
    found = list(dict.fromkeys(v for v in values if v))
    return str(found[0]) if len(found) == 1 else f"{len(found)} {many}"


def page(board: Sequence[Line], title: str = "Leaderboard") -> bytes:
    """The board as one HTML file: no request, no other file; the same to the byte for the same lines."""
    entries = [line.entry for line in board]
    script = page_script("leaderboard.js")
    lengths = sorted({e.seconds for e in entries if e.seconds})
    families = _families(board)
    facts = [
        ("Systems", str(len(board))),
        ("Families of attacks", str(len(families))),
        ("Clips", _several((f"{e.clips} of {e.groups} sources" for e in entries), "selections")),
        ("Length", ", ".join(f"{s:g} s" for s in lengths)),
        ("Data", _several((e.dataset for e in entries), "datasets")),
    ]
    text = environment().get_template("leaderboard.html.j2").render(
        title=title,
        facts=facts,
        board=board,
        families=families,
        all_families=ALL,
        unattacked=UNATTACKED,
        classes=[c for c in classes() if any(line.payload == c for line in board)],
        lengths=lengths,
        categories=list(dict.fromkeys(f.category for e in entries for f in e.families)),
        percent=fmt.percent,
        interval=fmt.interval,
        decibel=fmt.decibel,
        seconds=fmt.seconds,
        level=share_level,
        colours=Markup(colour_css()),
        css=Markup(read_template("report.css") + read_template("leaderboard.css")),
        chart_css=Markup(chart_css(lambda name: f"var(--{name})", prefix=".plot ")),
        data=script_json(_data(board)),
        script=Markup(script),
        script_hash=script_source(script),
    )  # fmt: skip
    return text.encode("utf-8", errors="replace")
