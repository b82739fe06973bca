"""Tables as LaTeX: every line of the table, nothing in a name a command."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from soundsafe.eval.analysis.families import ALL, FORGERY, FamilyRow, family_rows
from soundsafe.eval.analysis.stored import read_run
from soundsafe.reports import format as fmt
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


def _read(text: str) -> list[list[list[str]]]:
    """The tables of a document, as cells without escapes; fails where LaTeX would."""
    found: list[list[list[str]]] = []
    around: list[str] = []
    plain = re.sub(r"\\[{}]", "", text)
    assert plain.count("{") == plain.count("}")
    columns = ""
    for line in text.splitlines():
        if line.startswith("%") or line in ("", r"\toprule", r"\midrule", r"\bottomrule"):
            continue
        if begun := re.fullmatch(r"\\begin\{(\w+)\}(?:\{([lr]+)\})?", line):
            around.append(begun[1])
            if begun[1] == "tabular":
                columns = begun[2]
                found.append([])
        elif ended := re.fullmatch(r"\\end\{(\w+)\}", line):
            assert around.pop() == ended[1]
        elif said := re.fullmatch(r"\\caption\{(.*)\}", line):
            assert around == ["table"]
            _plain(said[1])
        else:
            assert around[-1] == "tabular"
            assert line.endswith(r" \\")
            found[-1].append([_plain(cell) for cell in re.split(r"(?<!\\)&", line[:-3])])
            assert len(found[-1][-1]) == len(columns)
    assert around == []
    return found


def _plain(cell: str) -> str:
    """A cell's text; fails where it holds what is a command."""
    cell = re.sub(r" \{\\tiny\[[^][]*\]\}", "", cell.strip()).replace("$-$", "−").replace("--", "–")
    cell = cell.replace("$>$", ">").replace("$<$", "<").replace(r"\dots{}", "…")
    assert not re.search(r"(?<!\\)[%&#$_{}~^]|\\(?![%&#$_{}])", cell), cell
    return re.sub(r"\\(.)", r"\1", cell)


def test_every_command_writes_tables_that_latex_reads(
    command: Any,
    make_rows: Callable[..., pd.DataFrame],
    make_run: Callable[..., Path],
    four_systems: Path,
    tmp_path: Path,
) -> None:
    file = tmp_path / "tables.tex"
    run = read_run(four_systems)
    whole = {(r.system, r.attack): r for r in run.summary.rows if r.category == "all"}

    assert command("show", four_systems, "--latex", file)[0] == 0
    matrix, facts = _read(file.read_text())
    systems = matrix[0][1:]
    assert systems == ["soundsafe", "perth", "spread-spectrum", "null"]
    assert len(matrix) == 1 + len({attack for _, attack in whole})
    for attack, *cells in matrix[1:]:
        assert cells == [fmt.percent(whole[system, attack].clip_success) for system in systems]
    assert [row[0] for row in facts[1:]] == systems

    later = make_run(tmp_path / "later_50%", make_rows([("soundsafe", 1.0, 175)]))
    assert command("compare", four_systems, later, "--latex", file)[0] == 0
    ((heads, *compared),) = _read(file.read_text())
    assert {"clips A %", "clips B %", "p, clips", "p, seconds", "95 %"} <= set(heads)
    worse = {r.attack: r for r in read_run(later).summary.rows if r.category == "all"}
    for cells in compared:
        its = dict(zip(heads, cells, strict=True))
        assert its["clips A %"] == fmt.percent(whole["soundsafe", its["attack"]].clip_success)
        assert its["clips B %"] == fmt.percent(worse[its["attack"]].clip_success)
        assert re.fullmatch(r"\+\d+\.\d|−\d+\.\d", its["B − A"])
    assert any("−" in cell for cells in compared for cell in cells)

    assert command("leaderboard", four_systems, "--latex", file)[0] == 0
    ((heads, *board),) = _read(file.read_text())
    found = {(r.system, r.family): r for r in family_rows(run.frame, run.summary.rows)}
    for cells in board:
        its = dict(zip(heads, cells, strict=True))
        for family in ("mp3", "noise", "no attack"):
            assert its[family] == fmt.percent(found[its["system"], family].clip_success)
        assert its["all families"] == fmt.percent(found[its["system"], ALL].clip_success)
