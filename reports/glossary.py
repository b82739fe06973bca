"""The glossary's terms, to be explained where they stand: the same text as the page `docs/glossary.md`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from markupsafe import Markup, escape

__all__ = ["Term", "glossary", "marked_terms"]

_LINE = re.compile(r"^\|\s*(\*\*.+?)\s*\|\s*(.+?)\s*\|\s*$")
_COMMON = frozenset({"second", "segment", "band", "tag", "step", "slot", "layout", "cycle"})
"""Too frequent, or used in their everyday sense too often, to be a button wherever they stand."""


@dataclass(frozen=True)
class Term:
    """`names` are the ways to write it, the first in its plainest form; `id` is what buttons lead to."""

    id: str
    names: tuple[str, ...]
    text: str


@cache
def glossary() -> tuple[Term, ...]:
    """All terms, from the copy of `docs/glossary.md` that is part of this package."""
    page = (files("soundsafe.reports") / "templates" / "glossary.md").read_text(encoding="utf-8")
    out = []
    for line in page.splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        names = tuple(re.sub(r"[*`]", "", n).strip() for n in found[1].split(","))
        text = re.sub(r"[*`]", "", found[2])
        out.append(Term(f"term-{re.sub(r'[^a-z0-9]+', '-', names[0].lower()).strip('-')}", names, text))
    return tuple(out)


def marked_terms(text: str, terms: Sequence[Term], used: set[str]) -> Markup:
    """Escaped text in which the first of each term is a button that opens its explanation.

    Args:
        text: plain.
        terms: from `glossary`.
        used: ids of terms that were explained before; those explained here are added.
    """
    names = {
        name.lower(): term
        for term in terms
        if term.id not in used
        for name in term.names
        if name.lower() not in _COMMON and len(name) > 2
    }
    if not names:
        return escape(text)
    longest_first = sorted(names, key=len, reverse=True)
    pattern = re.compile(
        rf"(?<![\w/_-])({'|'.join(map(re.escape, longest_first))})(?![\w/_-])", re.IGNORECASE
    )
    out, at = Markup(""), 0
    for match in pattern.finditer(text):
        term = names[match[1].lower()]
        if term.id in used:
            continue
        used.add(term.id)
        button = Markup('<button type="button" class="term" popovertarget="{}">{}</button>')
        out += escape(text[at : match.start()]) + button.format(term.id, match[1])
        at = match.end()
    return out + escape(text[at:])
