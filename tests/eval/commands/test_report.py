"""`soundsafe-eval report` and `listen` from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.slow
def test_both_files_and_both_cards(command: Any, four_systems: Path, tmp_path: Path) -> None:
    names = [tmp_path / n for n in ("r.html", "r.pdf", "model.md", "data.md")]
    options = ("--html", "--pdf", "--model-card", "--dataset-card")
    arguments = [a for pair in zip(options, names, strict=True) for a in pair]
    code, out, err = command("report", four_systems, *arguments)
    assert (code, err) == (0, "")
    assert out.split() == [str(n) for n in names]
    assert names[0].read_bytes().startswith(b"<!doctype html>")
    assert names[1].read_bytes().startswith(b"%PDF")
    assert "# Model card: soundsafe" in names[2].read_text()
    assert "# Dataset card: bundled" in names[3].read_text()


@pytest.mark.slow
def test_files_go_into_the_run_by_default(command: Any, four_systems: Path) -> None:
    code, out, _ = command("report", four_systems, "--title", "Two < three")
    assert code == 0
    assert out.split() == [str(four_systems / "report.html"), str(four_systems / "report.pdf")]
    assert "<title>Two &lt; three" in (four_systems / "report.html").read_text()


@pytest.mark.slow
def test_a_baseline_gives_a_verdict(command: Any, four_systems: Path, tmp_path: Path) -> None:
    base = tmp_path / "base.json"
    assert command("baseline", four_systems, "--out", base)[0] == 0
    assert command("report", four_systems, "--baseline", base, "--html", tmp_path / "r.html")[0] == 0
    assert "checks against the baseline passed" in (tmp_path / "r.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--html", "/nowhere/at/all.html"], "not a folder"),
        (["--audio", "-1"], "--audio -1"),
        (["--model-card", "card.docx"], ".md"),
        (["--scores", "/nowhere.json"], "cannot be read"),
        (["--baseline", "/nowhere.json"], "/nowhere.json"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(
    command: Any,
    four_systems: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = command("report", four_systems, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err


def test_no_run_is_one_line_and_exit_2(command: Any, tmp_path: Path) -> None:
    for name in ("report", "listen"):
        code, out, err = command(name, tmp_path)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert str(tmp_path) in err


@pytest.mark.slow
def test_scores_need_the_key_of_their_test(command: Any, four_systems: Path, tmp_path: Path) -> None:
    answers = tmp_path / "a.json"
    answers.write_text(json.dumps({"format": 1, "test": "ffff", "listener": "x", "abx": [], "ratings": []}))
    code, _, err = command("listen", four_systems, "--scores", answers)
    assert code == 2
    assert "no run given here has the key of test ffff" in err
