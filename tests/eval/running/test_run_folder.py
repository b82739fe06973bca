"""A run's folder is held by one run, gone on with where nothing differs, and read again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from soundsafe.datasets.recipe import read_recipe
from soundsafe.errors import InputError
from soundsafe.eval.analysis.stored import read_rows
from soundsafe.eval.running import runner
from soundsafe.eval.running.plan import make_plan
from soundsafe.eval.running.run_folder import corpus_of


def test_a_run_is_not_resumed_with_other_code_of_somebody_elses(
    fakes: ModuleType, clips: Path, tmp_path: Path
) -> None:
    plan = make_plan(fakes.Toy(), ["none"], clips, limit=1)
    assert list(plan.configuration()["plugged"]) == ["bench_fakes"]
    assert "plugged" not in make_plan("qim", ["none"], clips, limit=1).configuration()
    out = tmp_path / "run"
    runner.run(plan, out, jobs=0)
    document = json.loads((out / "run.json").read_text())
    document["configuration"]["plugged"]["bench_fakes"] = 64 * "0"  # the file was another one
    (out / "run.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match="another configuration \\(plugged\\)"):
        runner.run(plan, out, jobs=0, resume=True)


@pytest.mark.slow
def test_a_folder_that_holds_a_run(fakes: ModuleType, clips: Path, tmp_path: Path) -> None:
    plan = make_plan(fakes.Toy(), ["none"], clips, limit=1)
    other = make_plan(fakes.Toy(), ["none"], clips, limit=2)
    out = tmp_path / "run"
    runner.run(plan, out, jobs=0)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds a run"):
        runner.run(plan, out, jobs=0)
    with pytest.raises(InputError, match="another configuration \\(clips\\)"):
        runner.run(other, out, jobs=0, resume=True)
    with pytest.raises(InputError, match="give one of them"):
        runner.run(plan, out, jobs=0, resume=True, force=True)
    assert len(runner.run(plan, out, jobs=0, resume=True).rows) == 3
    assert len(runner.run(other, out, jobs=0, force=True).rows) == 6
    assert (out / "notes.txt").exists()
    for text in ("{", "[]", "[" * 100_000):
        (out / "run.json").write_text(text)
        with pytest.raises(InputError, match="damaged"):
            runner.run(other, out, jobs=0, resume=True)


def test_a_folder_that_never_held_a_run(fakes: ModuleType, clips: Path, tmp_path: Path) -> None:
    plan = make_plan(fakes.Toy(), ["none"], clips, limit=1)
    out = tmp_path / "mine"
    (out / "store").mkdir(parents=True)
    (out / "store" / "notes").write_text("mine")
    for options in ({}, {"force": True}, {"resume": True}):
        with pytest.raises(InputError, match="holds files but no run"):
            runner.run(plan, out, jobs=0, **options)
    assert (out / "store" / "notes").read_text() == "mine"
    assert {p.name for p in out.iterdir()} == {"store", ".lock"}
    (out / "empty").mkdir()
    for name, text in (("empty", "holds no run"), ("gone", "no such folder")):
        with pytest.raises(InputError, match=f"{name}.* {text} to go on"):
            runner.run(plan, out / name, jobs=0, resume=True)
    assert not (out / "gone").exists()
    for name in ("store", "absent"):  # one that is empty, but for its lock
        (out / "store" / "notes").unlink(missing_ok=True)
        runner.run(plan, out / name, jobs=0, force=True)
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes").write_text("mine")  # not in the way
    runner.run(plan, other, jobs=0)


@pytest.mark.slow
def test_rows_that_no_run_wrote(rows: Any, tmp_path: Path) -> None:
    path = tmp_path / "results.parquet"
    for damaged, text in (
        (rows.drop(columns="status"), "lacks the columns status"),
        (rows.assign(ber="low"), "ber holds no numbers"),
        (rows.assign(payload_ok="yes"), "payload_ok holds more than yes and no"),
        (pd.concat([rows, rows.iloc[:1]]), "rows of the same system"),
    ):
        damaged.to_parquet(path)
        with pytest.raises(InputError, match=text):
            read_rows(tmp_path)
    rows.drop(columns="parity_slots").to_parquet(path)
    assert read_rows(tmp_path)["parity_slots"].isna().all()


def test_two_runs_do_not_share_a_folder(fakes: ModuleType, clips: Path, tmp_path: Path) -> None:
    from soundsafe.service.claim import claim

    plan = make_plan(fakes.Toy(), ["none"], clips, limit=1)
    tmp_path.joinpath("run").mkdir()
    with claim(tmp_path / "run"), pytest.raises(InputError, match="another run"):
        runner.run(plan, tmp_path / "run", jobs=0)
    rows = runner.run(plan, tmp_path / "run", jobs=0).rows
    with claim(tmp_path / "run"), pytest.raises(InputError, match="another run"):
        runner.run(plan, tmp_path / "run", jobs=0, force=True)
    assert read_rows(tmp_path / "run").equals(rows)


def test_run_json_says_what_was_run(fakes: ModuleType, clips: Path, tmp_path: Path) -> None:
    runner.run(make_plan(fakes.Toy(), ["none"], clips, limit=1), tmp_path / "r", jobs=0)
    document = json.loads((tmp_path / "r/run.json").read_text())
    assert document["seed"] == 0
    assert document["systems"]["toy"]["level"] == 0.02
    assert document["versions"]["numpy"] == np.__version__
    assert list(document["configuration"]["clips"]) == ["c0"]
    assert document["state"] == "finished"
    assert document["corpus"] == ""


def test_a_corpus_has_the_name_of_its_recipe_wherever_it_lies(
    fakes: ModuleType, clips: Path, tmp_path: Path
) -> None:
    plan = make_plan(fakes.Toy(), ["none"], clips, limit=2)
    made = [{"clip": e.clip, "sha256": e.sha256} for e in read_recipe("open-audio-long").entries]

    def named(*lines: dict[str, str], dataset: str = "mine") -> str:
        found = tuple(replace(c, columns=line) for c, line in zip(plan.clips, lines, strict=True))
        return corpus_of(replace(plan, clips=found, dataset=dataset))

    assert named(made[3], made[0]) == "open-audio-long"
    assert named(*made[:2], dataset="mine:mono") == "open-audio-long:mono"
    assert named(made[0], made[1] | {"sha256": "0" * 64}) == ""
    assert named({}, {}) == ""
