"""Tables say what the summary says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from soundsafe.eval.commands.screen import screen
from soundsafe.eval.rows import QualityRow, SummaryRow
from soundsafe.reports import format as fmt
from soundsafe.reports import tables

ROW = SummaryRow(
    system="s", suite="t", attack="mp3_192", params={"kbps": 192}, category="all", clips=8, euls=64,
    ber=0.00123, ber_ci95=(0.001, 0.002), payload_success=0.99951, payload_success_ci95=(0.9, 1.0),
    clip_success=1.0, time_to_payload_s=1.0,
)  # fmt: skip


def _text(table: Any) -> str:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_attack_table() -> None:
    text = _text(tables.attack_table([ROW, replace(ROW, category="speech", attack="hidden")], title="T"))
    for part in ("mp3_192", "0.12", ">99.9", "90.0–100", "100", "–", "clustered"):
        assert part in text
    assert "hidden" not in text


def test_controls_after_attacks_are_shown_only_where_they_accepted() -> None:
    quiet = replace(ROW, attack="unmarked+then+mp3_64", payload_success=0.0, clip_success=0.0)
    loud = replace(ROW, attack="wrong_key+then+mp3_64", payload_success=0.0, clip_success=0.125)
    text = _text(tables.attack_table([ROW, quiet, loud]))
    assert "unmarked+then" not in text
    assert "wrong_key+then" in text


def test_category_table() -> None:
    rows = [replace(ROW, category=c, clips=n) for c, n in (("all", 8), ("music", 5), ("speech", 3))]
    text = _text(tables.category_table([*rows, replace(rows[1], attack="none", payload_success=0.5)]))
    for part in ("music (5)", "speech (3)", ">99.9 / 100", "50.0 / 100", "–"):
        assert part in text
    assert tables.category_table(rows[:2]) is None


def test_quality_table_scales_zimtohrli_and_copes_with_nulls() -> None:
    row = QualityRow(
        "s", "all", 8, snr_db=30.0, snr_db_worst=20.0, zimtohrli=8.4e-5, zimtohrli_worst=2e-4,
        false_accepts=0, unmarked_euls=128,
    )  # fmt: skip
    text = _text(tables.quality_table([row]))
    for part in ("8.4", "20.0", "–", "0 of 128"):
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
        console.print(tables.category_table(rows, title="[x]"))
        console.print(tables.attack_table(rows, title="s[/b]"))
    for part in ("music [vocal] (8)", "a[/b] (8)", ":smile: (8)", "[x]", "s[/b]"):
        assert part in capture.get()
