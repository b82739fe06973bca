"""Cards say what the data say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from soundsafe.eval.analysis.stored import read_run
from soundsafe.reports import cards, html, markdown
from soundsafe.reports import format as fmt
from soundsafe.reports.model import Report, Table

CLIPS = [
    {
        "clip": f"clip_{i}",
        "license": "MIT" if i else "",
        "integrated_lufs": str(-30 + 2 * i),
        "genre": "a | <b>",
    }
    for i in range(8)
]


def _table(report: Report, name: str) -> Table:
    return next(b for s in report.sections for b in s.blocks if isinstance(b, Table) and b.id == name)


@pytest.mark.slow
def test_model_card_by_kind_of_audio(four_systems: Path) -> None:
    run = read_run(four_systems)
    report = cards.model_card([run], system="perth", clips=CLIPS)
    rows = {(r[0].text, r[1].text): r for r in _table(report, "kinds").rows}
    assert set(rows) == {
        ("all", "all"), ("category", "music"), ("category", "speech"),
        ("integrated_lufs, split at -23", "quieter"), ("integrated_lufs, split at -23", "louder"),
    }  # fmt: skip
    frame = run.frame
    mine = frame[(frame["system"] == "perth") & ~frame["attack"].isin(["none", "unmarked", "wrong_key"])]
    music = mine[mine["category"] == "music"]
    share = music.groupby("attack")["payload_ok"].mean().mean()
    assert rows["category", "music"][3].value == pytest.approx(share)
    assert rows["category", "music"][3].text == fmt.percent(share)
    assert rows["all", "all"][2].value == 8
    loud = mine[mine["clip"].isin([f"clip_{i}" for i in range(4, 8)])]
    mean = loud.groupby("attack")["payload_ok"].mean().mean()
    assert rows["integrated_lufs, split at -23", "louder"][3].value == pytest.approx(mean)


@pytest.mark.slow
def test_model_card_names_the_hardest_attacks_worst_first(four_systems: Path) -> None:
    table = _table(cards.model_card([read_run(four_systems)]), "hardest")
    shares = [row[1].value for row in table.rows]
    assert shares == sorted(shares)  # type: ignore[type-var]
    assert "mp3_64" in [row[0].text for row in table.rows]


def test_cards_render_as_markdown_and_html(four_systems: Path) -> None:
    for report in (
        cards.model_card([read_run(four_systems)], clips=CLIPS),
        cards.dataset_card(read_run(four_systems), CLIPS),
    ):
        text = markdown.render(report).decode()
        assert text.startswith("# ")
        assert "nan" not in text.lower().replace("finan", "")
        assert html.render(report).startswith(b"<!doctype html>")


def test_dataset_card_counts_licences_and_escapes(four_systems: Path) -> None:
    report = cards.dataset_card(read_run(four_systems), CLIPS)
    rows = {r[0].text: (r[1].value, r[2].value) for r in _table(report, "by-licence").rows}
    assert rows == {"MIT": (7, 42.0), "not stated": (1, 6.0)}
    text = markdown.render(report).decode()
    assert "1 clips without a stated licence" in text
    assert "a \\| \\<b\\>" in text
    assert "<b>" not in text


def test_cards_of_a_run_whose_data_are_gone(
    make_rows: Callable[..., pd.DataFrame], make_run: Callable[..., Path], tmp_path: Path
) -> None:
    rows = make_rows([("x", 9.0, 1)], clips=[("only", "")], euls=1)
    run = read_run(make_run(tmp_path / "x", rows, configuration={}, systems={}, versions={}))
    text = (
        markdown.render(cards.model_card([run])).decode()
        + markdown.render(cards.dataset_card(run, [])).decode()
    )
    assert "not known here" in text
    assert "every clip gives its payload" in text
