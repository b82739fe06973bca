"""docs/guide/json.md names every key that the commands answer with, and no other."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import soundsafe
from soundsafe import datasets
from soundsafe.eval import evaluate

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "json.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def keys(table: str) -> set[str]:
    """The names in backticks of a table's first column."""
    firsts = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return {name for first in firsts for name in re.findall(r"`(\w+)`", first)}


@pytest.fixture(scope="module")
def marked() -> soundsafe.Embedded:
    audio, rate = next(c for c in datasets.load("bundled").clips if c.clip == "rock").read()
    return soundsafe.embed(audio[:, : 2 * rate], rate, b"hello", quality="fast")


@pytest.mark.slow
def test_embed(marked: soundsafe.Embedded) -> None:
    assert keys(section("`soundsafe embed`")) == set(marked.to_json())


def test_decode(marked: soundsafe.Embedded) -> None:
    answer = soundsafe.decode(np.asarray(marked.audio), 44_100).to_json()
    text = section("`soundsafe decode`")
    assert keys(text) == set(answer)
    assert set(re.findall(r"`(\w+)` \(", text.split("Each of `euls` has")[1])) == set(answer["euls"][0])
    entry = text.split("Each of `payloads` has")[1].split("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", entry)) - {"key_id"} == set(answer["payloads"][0])


def test_summary(tmp_path: Path) -> None:
    evaluate("null", ["none", "unmarked"], limit=1, seconds=2, out=tmp_path / "run")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    text = section("`summary.json` of a run")
    assert set(re.findall(r'"(\w+)": \[', text)) == set(summary)
    assert keys(text) == set(summary["rows"][0])
    named = set(re.findall(r"`(\w+)`", text.split("A row of `quality`")[1])) - {"_worst"}
    assert named == {key.removesuffix("_worst") for key in summary["quality"][0]}
