"""Runs of different numeric environments are told apart by gate, compare and --resume."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from soundsafe.eval.analysis import gate
from soundsafe.eval.analysis.environments import differences
from soundsafe.eval.analysis.stored import read_configuration, read_numeric, read_rows
from soundsafe.eval.commands.compare import compare
from soundsafe.eval.running import runner
from soundsafe.eval.running.plan import make_plan


def test_gate_compare_and_resume_warn(
    fakes: ModuleType, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = make_plan(fakes.Toy(), fakes.attacks(), clips, limit=1)
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        runner.run(plan, folder, jobs=0)
    here = read_numeric(first)
    assert {"blas", "aten_capability", "mkl", "numpy"} <= set(here)
    assert not differences(here, read_numeric(second))
    baseline = gate.make_baseline(read_rows(first), read_configuration(first), here)
    (tmp_path / "baseline.json").write_text(json.dumps(baseline.to_json()))
    assert gate.read_baseline(tmp_path / "baseline.json").numeric == here

    document = json.loads((second / "run.json").read_text())
    document["environment"]["aten_capability"] = "none such"
    (second / "run.json").write_text(json.dumps(document))
    (told,) = differences(here, read_numeric(second))
    assert told == f"aten_capability {here['aten_capability']}, now none such"
    assert any(told in line for line in gate.check(read_rows(second), baseline, read_numeric(second)).remarks)
    old = replace(baseline, numeric={})  # of an earlier version: it says nothing of where it was made
    assert not any("numeric" in line for line in gate.check(read_rows(second), old, here).remarks)
    compare(first, second, as_json=True)
    assert told in capsys.readouterr().err
    (remark,) = runner.run(plan, second, jobs=0, resume=True).remarks
    assert "aten_capability none such, now" in remark
    document = json.loads((second / "run.json").read_text())
    assert document["environment"]["aten_capability"] == "none such"
    assert document["resumed_in"] == [json.loads((first / "run.json").read_text())["environment"]]
