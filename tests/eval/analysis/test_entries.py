"""What is kept of a system: it comes back as it was, and what cannot be is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from soundsafe.errors import InputError
from soundsafe.eval.analysis.entries import Entry, entries_of, entry_json, read_entry
from soundsafe.eval.analysis.stored import read_run


@pytest.fixture(scope="module")
def entry(
    make_rows: Callable[..., pd.DataFrame],
    make_run: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Entry:
    rows = make_rows([("soundsafe", 3.0, 175)], euls=2)
    return entries_of(read_run(make_run(tmp_path_factory.mktemp("run") / "one", rows)))[0]


def test_an_entry_comes_back_as_it_was(entry: Entry, tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_bytes(entry_json(entry))
    assert read_entry(path) == entry
    assert (entry.system, entry.payload_bits, entry.checked, entry.clips) == ("soundsafe", 1400, True, 8)
    run = "soundsafe-eval run --suite core --dataset bundled --split test --limit 8"
    assert entry.command == f"{run} --no-attacked-controls --system soundsafe"
    assert entry.embed_s == pytest.approx(0.5 / entry.seconds)
    assert {a.attack for a in entry.attacks} >= {"none", "unmarked"}
    assert "wrong_key" not in {a.attack for a in entry.attacks}
    assert str(tmp_path) not in path.read_text()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 2}, "no entry of schema 1"),
        ({"opinion": "best"}, "opinion is no field"),
        ({"version": ""}, "version is missing"),
        ({"rows_digest": "00"}, "rows_digest is no SHA-256"),
        ({"groups": 99}, "8 clips of 99 groups cannot be"),
        ({"families": []}, "families is no list of figures"),
        ({"system": "qim"}, "is of soundsafe, not of qim"),
    ],
)
def test_what_cannot_be_is_refused(entry: Entry, tmp_path: Path, change, words: str) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps(json.loads(entry_json(entry)) | change))
    with pytest.raises(InputError, match=words):
        read_entry(path)


def test_a_share_outside_its_interval_is_refused(entry: Entry, tmp_path: Path) -> None:
    item = json.loads(entry_json(entry))
    row = next(a for a in item["attacks"] if a["clip_success"] == 1.0)
    row["clip_success"] = 0.01
    path = tmp_path / "one.json"
    path.write_text(json.dumps(item))
    with pytest.raises(InputError, match="lies outside its interval"):
        read_entry(path)


def test_an_entry_says_where_its_clips_can_be_had_and_what_was_asked(
    make_rows: Callable[..., pd.DataFrame], make_run: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_run(tmp_path / "one", make_rows([("soundsafe", 3.0, 175)], euls=2), corpus="open-audio")
    document = json.loads((folder / "run.json").read_text())
    document["configuration"] |= {
        "suites": [{"suite": "custom", "version": None}], "split": None,
        "attacks": ["none", "unmarked", "mp3_128"],
        "dataset": "/home/me/audio",
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(document))
    (entry,) = entries_of(read_run(folder))
    assert entry.dataset == "open-audio"
    run = "soundsafe-eval run --attack none --attack mp3_128 --dataset open-audio --split all --limit 8"
    assert entry.command == f"{run} --system soundsafe"


def test_every_entry_in_results_is_sound() -> None:
    stored = sorted((Path(__file__).parents[3] / "results").glob("*.json"))
    entries = [read_entry(path) for path in stored]
    assert len({(e.system, e.rows_digest) for e in entries}) == len(stored)
