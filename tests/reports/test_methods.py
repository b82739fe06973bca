"""The commands that a report names make its runs, or it says that none does."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from soundsafe.errors import InputError
from soundsafe.eval.analysis.again import commands
from soundsafe.eval.analysis.stored import AskedSuite, Run, read_run
from soundsafe.eval.running import plan as plans
from soundsafe.eval.running import runner
from soundsafe.eval.running.plan import Plan, make_plan


def test_the_command_makes_the_run_again(
    make_rows: Any, make_run: Any, command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plans, "to_ask", tuple)  # as if every metric's package were there
    Path("quiet.toml").write_text('suite = "quiet"\nversion = 3\nattacks = ["gain_-3dB"]\n')
    plan = make_plan(
        ["null", "qim"], ["quiet.toml", "gain"], "bundled", limit=2, seconds=2.5, seed=5,
        attacked_controls=True, metrics=["visqol", "pesq"],
    )  # fmt: skip
    rows = make_rows([("null", 3.0, 4)])
    run = read_run(make_run(tmp_path / "first", rows, configuration=plan.configuration(), seed=5))
    comment, line = commands(run).splitlines()
    assert comment == "# quiet.toml: the file of suite quiet, version 3"
    planned: list[Plan] = []

    def stop(plan: Plan, folder: Path, **options: Any) -> None:
        planned.append(plan)
        raise InputError(str(folder))

    monkeypatch.setattr(runner, "run", stop)
    name, *words = shlex.split(line)
    code, _, err = command(*words)
    assert (name, code, err) == ("soundsafe-eval", 2, "soundsafe-eval: first\n")
    assert planned[0].configuration() == plan.configuration()


def _asked(run: Run, suite: AskedSuite) -> Run:
    return replace(run, document=replace(run.document, suites=(suite,)))


def test_a_run_that_no_options_make_has_no_command(make_rows: Any, make_run: Any, tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "mine", make_rows([("own", 3.0, 4)])))
    start = "# mine: no options of soundsafe-eval run make it ("
    assert commands(run) == f"{start}own is not registered as a system)"
    run = _asked(run, AskedSuite("custom", None))
    assert commands(run) == f"{start}own is not registered as a system; attacks of no suite)"
    run = _asked(run, AskedSuite("smoke", 1))
    systems = {"own": {**run.document.described("own"), "checkpoint": "0123"}}
    run = replace(run, document=replace(run.document, systems=systems))
    assert commands(run) == f"{start}own is a network: soundsafe-eval phases runs it)"


def test_a_name_in_a_comment_stays_in_its_line(make_rows: Any, make_run: Any, tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "run", make_rows([("soundsafe", 3.0, 4)])))
    run = _asked(run, AskedSuite("a\nsh b", 1))
    comment, *rest = commands(run).splitlines()
    assert comment == "# a sh b.toml: the file of suite a sh b, version 1"
    assert shlex.split("\n".join(rest))[:4] == ["soundsafe-eval", "run", "--suite", "a\nsh b.toml"]
