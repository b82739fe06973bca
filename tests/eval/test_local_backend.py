"""Workers that die cost what they were at, and no more."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from soundsafe.eval import local_backend, runner
from soundsafe.eval.plan import make_plan


def test_a_dead_worker_loses_nothing(
    fakes: ModuleType, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = tmp_path / "deaths"
    monkeypatch.setenv("BENCH_FAKE_DEATHS", str(deaths))
    plan = make_plan("dying", [fakes.Noise(0.05), "unmarked"], clips, limit=2)
    deaths.write_text("1")
    killed = runner.run(plan, tmp_path / "killed", jobs=2)
    assert set(killed.rows["status"]) == {"ok"}
    deaths.write_text("0")
    calm = runner.run(plan, tmp_path / "calm", jobs=0)
    assert killed.rows.equals(calm.rows)


def test_a_worker_that_always_dies_becomes_a_row(
    fakes: ModuleType, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = tmp_path / "deaths"
    monkeypatch.setenv("BENCH_FAKE_DEATHS", str(deaths))
    monkeypatch.setattr(local_backend, "_POOL_TRIES", 1)
    deaths.write_text("3")  # once in the pool, twice alone
    plan = make_plan("dying", [fakes.Noise(0.05), "unmarked"], clips, limit=1)
    rows = runner.run(plan, tmp_path / "run", jobs=1).rows
    assert rows.groupby("attack")["status"].first().to_dict() == {
        "noise_0.05": "worker_died",
        "unmarked": "ok",
    }
    assert len(rows) == 6
