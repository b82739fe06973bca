"""Tables say what the summary says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from soundsafe.console.screen import screen
from soundsafe.eval.analysis.families import ALL, FORGERY, FamilyRow
from soundsafe.eval.rows import ComparisonRow, PowerRow, QualityRow, SummaryRow
from soundsafe.reports import format as fmt
from soundsafe.reports import tables

ROW = SummaryRow(
    system="s", suite="t", attack="mp3_192", params={"kbps": 192}, category="all", clips=8, euls=64,
    ber=0.00123, ber_ci95=(0.001, 0.002), payload_success=0.99951, payload_success_ci95=(0.9, 1.0),
    clip_success=1.0, time_to_payload_s=1.0,
)  # fmt: skip


def _text(table: Any, width: int = 160) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_attack_table() -> None:
    text = _text(tables.attack_table([ROW, replace(ROW, category="speech", attack="hidden")], title="T"))
    for part in ("mp3_192", "0.12", ">99.9", "90.0–100", "100", "–", "clustered"):
        assert part in text
    assert "hidden" not in text


def test_a_system_that_reads_no_second_has_no_share_of_seconds() -> None:
    whole = replace(
        ROW, ber=None, payload_success=0.0, payload_success_ci95=(0.0, 0.4), time_to_payload_s=8.0125
    )
    text = _text(tables.attack_table([whole]))
    assert "8.01" in text
    assert "8.0125" not in text
    assert "seconds %" not in text
    assert "seconds %" in _text(tables.attack_table([whole, replace(ROW, payload_success=0.0)]))
    row = ComparisonRow(
        "s", "mp3_192", 8, 64, 0.0, 0.0, 0.0, None, 0, 0, 1.0, None, None, None, clip_success_a=1.0
    )
    text = _text(tables.comparison_table([row]))
    assert "seconds A" not in text
    assert "B − A" not in text
    assert "B − A" in _text(tables.comparison_table([replace(row, ber_a=0.5)]))


def test_controls_after_attacks_are_shown_only_where_they_accepted() -> None:
    quiet = replace(ROW, attack="unmarked+then+mp3_64", payload_success=0.0, clip_success=0.0)
    loud = replace(ROW, attack="wrong_key+then+mp3_64", payload_success=0.0, clip_success=0.125)
    text = _text(tables.attack_table([ROW, quiet, loud]))
    assert "unmarked+then" not in text
    assert "wrong_key+then" in text
    quiet_there = replace(loud, system="t", clip_success=0.0, payload_success=0.0)
    lines = tables.attack_lines([ROW, quiet, loud, quiet_there])
    assert list(lines) == ["mp3_192", loud.attack]
    assert {system: cell.text for system, cell in lines[loud.attack].items()} == {"s": "12.5", "t": "0"}  # type: ignore[union-attr]


def test_category_tables() -> None:
    rows = [replace(ROW, category=c, clips=n) for c, n in (("all", 8), ("music", 5), ("speech", 3))]
    (table,) = tables.category_tables([*rows, replace(rows[1], attack="none", clip_success=0.5)])
    for part in ("music (5)", "speech (3)", "100", "50.0", "–"):
        assert part in _text(table)
    assert tables.category_tables(rows[:2]) == []


def test_facts_scale_zimtohrli_and_cope_with_nulls() -> None:
    row = QualityRow(
        "s", "all", 8, snr_db=30.0, snr_db_worst=20.0, zimtohrli=8.4e-5, zimtohrli_worst=2e-4,
        false_accepts=0, unmarked_euls=128,
    )  # fmt: skip
    text = _text(tables.facts([row], {"s": 128}, {"s": tables.Cost(0.14, 0.01)}))
    for part in ("8.4 20.0 30.0 20.0", "0 of 128", "0.140", "128"):
        assert part in " ".join(text.split())
    assert "loudness" not in text  # of which nothing is known
    narrow = _text(tables.facts([row], {}, {}, 60), 60)
    assert "presence" in narrow
    assert "8.4" in narrow
    assert "In a wider terminal" in narrow


@pytest.mark.parametrize("width", [80, 100, 140])
def test_no_digit_and_no_name_is_cut(width: int) -> None:
    """Columns drop out instead, and are named; the share of clips stays."""
    names = ["mp3_192", "tempo_rubberband_R3_+0.5%", "echo_0.02s_50%+then+gain_-3dB"]
    rows = [replace(ROW, attack=n, clip_success_ci95=(0.71, 1.0), parity_slots=0.123) for n in names]
    text = _text(tables.attack_table(rows, width, title="T"), width)
    for part in (*names, ">99.9", "71.0–100", "100"):
        assert text.count(part) >= (3 if part not in names else 1)
    assert "…" not in text
    assert ("In a wider terminal" in text) == ("12.3" not in text) == (width == 80)
    assert all(len(line.rstrip()) <= width for line in text.splitlines())


@pytest.mark.parametrize("width", [100, 140])
def test_no_two_columns_have_one_name(width: int) -> None:
    known = {"clip_success_ci95": (0.7, 1.0), "payload_success_ci95": (0.8, 1.0)}
    families = [FamilyRow("s", "t", "mp3", attacks=3, clip_success=0.9, payload_success=0.9, **known)]
    change = ComparisonRow(
        "s", "mp3_192", 8, 64, 0.9, 0.8, -0.1, (-0.2, 0.0), 3, 1, 0.6, 0.5, 0.1, 0.2, p_holm=0.5,
        clip_success_a=1.0, clip_success_b=0.9, p_clips_holm=0.25,
    )  # fmt: skip
    power = PowerRow("s", "mp3_192", 8, 64, 0.9, 0.1, 40, 0.3, 80)
    tables_of_all = [
        tables.attack_table([replace(ROW, clip_success_ci95=(0.7, 1.0))], width),
        tables.family_table(families, width),
        tables.comparison_table([change], width),
        tables.power_table([power], 0.05, width),
    ]
    for table in tables_of_all:
        heads = [column.header for column in table.table.columns]
        assert len(heads) == len(set(heads)) > 3
    compared = _text(tables_of_all[2], width)
    assert "p, clips" in compared
    assert ("0.25" in compared) == ("p, clips" in compared.splitlines()[0])


@pytest.mark.parametrize("width", [60, 140])
def test_several_systems_are_one_matrix(width: int) -> None:
    systems = [f"system-{i}" for i in range(6)]
    rows = [replace(ROW, system=s, clip_success=i / 10) for i, s in enumerate(systems)]
    found = tables.matrix(tables.attack_lines(rows), systems, width, title="T", caption="C")
    text = "".join(_text(table, width) for table in found)
    assert len(found) == (2 if width == 60 else 1)
    assert text.count("mp3_192") == len(found)
    assert all(text.count(s) == 1 for s in systems)
    assert text.count("50.0") == text.count("T") == text.count("C") == 1


def test_families_with_their_adversaries() -> None:
    rows = [
        FamilyRow("s", "t", "mp3", attacks=6, clip_success=0.5, survived_by_all=2, survived_by_none=1),
        FamilyRow("s", "t", ALL, attacks=6, clip_success=0.5),
        FamilyRow("s", "t", "copy", goal=FORGERY, attacks=1, clip_success=0.25),
    ]
    text = _text(tables.family_table(rows))
    for part in ("mp3", "2 of 6", "1 of 6", "50.0", "25.0", "false accepts"):
        assert part in text


@pytest.mark.parametrize(
    ("value", "text"), [((0.0, 1.0), "0–100"), ((0.0001, 0.9999), "<0.1–>99.9"), (None, "")]
)
def test_intervals_never_claim_more_than_they_know(value: Any, text: str) -> None:
    assert fmt.interval(value) == text


def test_terminal_and_report_round_alike() -> None:
    row = replace(ROW, ber=0.1234, payload_success=0.0001)
    cells = _text(tables.attack_table([row])).split()
    assert {fmt.ber(0.1234), fmt.percent(0.0001)} == {"12.3", "<0.1"} <= set(cells)


def test_names_are_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    console = screen()
    rows = [replace(ROW, category=c) for c in ("all", "music [vocal]", "a[/b]", ":smile:")]
    with console.capture() as capture:
        for table in tables.category_tables(rows, title="[x]"):
            console.print(table)
        console.print(tables.attack_table(rows, title="s[/b]"))
    for part in ("music [vocal] (8)", "a[/b] (8)", ":smile: (8)", "[x]", "s[/b]"):
        assert part in capture.get()
