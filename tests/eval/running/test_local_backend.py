"""Workers that die cost what they were at, and no more."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from soundsafe.eval.running import local_backend, runner
from soundsafe.eval.running.plan import make_plan
from soundsafe.eval.running.run_folder import document_of
from soundsafe.eval.running.store import MarkingLine, UnitFile
from soundsafe.eval.running.units import Unit


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_steps_that_die_once_each_are_all_done(
    fakes: ModuleType, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    died: set[str] = set()
    plan = make_plan("toy", [fakes.Noise(0.01 * i) for i in range(1, 7)], clips, limit=1)

    def pool(units: list[Unit], jobs: int, tick: object) -> bool:
        """One step of each call, every second of them only when it is tried again."""
        (unit,) = units
        done = UnitFile(unit.path).read()
        steps = [unit.marking_key, *(unit.cell_key(t) for t in unit.treatments)]
        left = [s for s in steps if s not in done]
        for step in left:
            if steps.index(step) % 2 and step not in died:
                died.add(step)
                return False
            UnitFile(unit.path).append(MarkingLine(step))
        return True

    given_up: list[str] = []
    monkeypatch.setattr(local_backend, "_POOL_TRIES", 0)
    monkeypatch.setattr(local_backend, "_pool", pool)
    monkeypatch.setattr(local_backend, "give_up", lambda unit, message: given_up.append(message))
    (unit,) = runner._units(plan, tmp_path, document_of(plan, "running"))
    local_backend.run_units([unit], 1, lambda: None)
    assert len(died) == 3
    assert given_up == []
