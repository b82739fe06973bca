"""The action's steps, run by bash with a command that writes down how it was called: no runner is needed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from soundsafe.eval.commands import cli

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
SUMMARY = {"GITHUB_STEP_SUMMARY": "summary.md"}


def called(step: str, tmp_path: Path, **inputs: str) -> list[str]:
    """The arguments of the command in a step; inputs that are not given have their defaults."""
    stub = tmp_path / "soundsafe-eval"
    stub.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > called\n')
    stub.chmod(0o755)
    known = {name: str(said.get("default", "")) for name, said in ACTION["inputs"].items()} | inputs
    environment = {
        name: known[value.removeprefix("${{ inputs.").removesuffix(" }}")]
        for name, value in STEPS[step]["env"].items()
    }
    subprocess.run(
        ["bash", "-eo", "pipefail", "-c", STEPS[step]["run"]], cwd=tmp_path, check=True,
        env=os.environ | SUMMARY | environment | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )  # fmt: skip
    return (tmp_path / "called").read_text().splitlines()


def options_of(command: str) -> set[str]:
    parser: Any = typer.main.get_command(cli.app)
    return {name for parameter in parser.commands[command].params for name in parameter.opts}


def test_the_run_has_what_was_asked_for(tmp_path: Path) -> None:
    given = called("Run", tmp_path, suite="smoke gain", plugin="my plug.py", limit="2", dataset="a b")
    assert given == [
        "run", "--dataset", "a b", "--out", "runs/gate", "--force", "--suite", "smoke", "--suite", "gain",
        "--system", "soundsafe", "--plugin", "my plug.py", "--limit", "2",
    ]  # fmt: skip
    assert {word for word in given if word.startswith("--")} <= options_of("run")


def test_the_gate_writes_the_summary(tmp_path: Path) -> None:
    given = called("Gate", tmp_path, baseline="baselines/b.json")
    assert given == [
        "gate", "runs/gate", "--baseline", "baselines/b.json", "--junit", "runs/gate/gate.xml", "--markdown",
        "summary.md",
    ]  # fmt: skip
    assert {word for word in given if word.startswith("--")} <= options_of("gate")


def test_no_input_is_put_into_a_script() -> None:
    """What a pull request may name must stay data."""
    assert not [name for name, step in STEPS.items() if "${{" in step["run"]]
