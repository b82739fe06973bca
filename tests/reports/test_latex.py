"""Tables as LaTeX: every line of the table, nothing in a name a command."""

from __future__ import annotations

import pytest

from soundsafe.eval.analysis.families import ALL, FORGERY, FamilyRow
from soundsafe.reports import tables
from soundsafe.reports.latex import Sheets, escaped


def test_a_table_has_all_columns_however_narrow_the_terminal_is() -> None:
    rows = [
        FamilyRow("s", "a", "mp3_low", attacks=3, clip_success=0.5, clip_success_ci95=(0.1, 0.9)),
        FamilyRow("s", "a", ALL, attacks=3, clip_success=0.5),
        FamilyRow("s", "a", "copy", goal=FORGERY, attacks=1, clip_success=0.0),
    ]
    sheets = Sheets()
    sheets.print(tables.family_table(rows, sheets.width, title="50 % & more"))
    text = sheets.document().decode()
    assert r"\caption{50 \% \& more. Kinds of attacks" in text
    assert r"mp3\_low & 3 & 50.0 & 10.0--90.0 & 0 of 3" in text
    lines = text.splitlines()
    assert lines.count(r"\midrule") == 3  # below the heads, before the line of all families and after it
    widths = {line.count("&") for line in lines if line.endswith(r"\\") and r"\&" not in line}
    assert len(widths) == 1
    assert next(line for line in lines if "tabular}{" in line).endswith(
        "}{l" + "r" * (widths.pop() - 1) + "l}"
    )


@pytest.mark.parametrize("text", ["a_b", "50 %", "{x}", "\\input{/etc}", "#1", "$", "~^", "–−×…"])
def test_nothing_is_a_command(text: str) -> None:
    found = escaped(text)
    for command in (r"\textbackslash{}", r"\textasciitilde{}", r"\textasciicircum{}", r"\dots{}"):
        found = found.replace(command, "")
    for known in ("$-$", r"$\times$", *(rf"\{c}" for c in "_%&#${}")):
        found = found.replace(known, "")
    assert not set(found) & set("\\{}$%#&_~^")
