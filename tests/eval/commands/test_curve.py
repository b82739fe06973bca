"""`soundsafe-eval curve`: what cannot be drawn is refused before anything is loaded or run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--size", 0, "1 to 4096 bytes"),
        ("--strength", "loud", "unknown strength"),
        ("--suite", "none", "none"),
    ],
)
def test_what_cannot_be_drawn(
    command: Callable[..., tuple[int, str, str]], tmp_path: Path, option: str, value: Any, said: str
) -> None:
    suite = () if option == "--suite" else ("--suite", "gain")
    code, _, err = command("curve", *suite, "--out", tmp_path / "out", option, value)
    assert code == 2
    assert said in err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_small_curve(command: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    out = tmp_path / "out"
    suite = tmp_path / "one.toml"
    suite.write_text('suite = "one"\nversion = 1\ndescription = "one"\nattacks = ["gain_-3dB"]\n')
    code, said, _ = command(
        "curve", "--suite", suite, "--size", 8, "--strength", "quiet", "--strength", "strong",
        "--limit", 1, "--seconds", 2, "--jobs", 1, "--out", out,
    )  # fmt: skip
    assert code == 0
    lines = said.splitlines()
    assert lines[2].startswith("| 8 | quiet |")
    assert float(lines[2].split("|")[3]) < float(lines[3].split("|")[3])
    assert {"curve.csv", "curve.md", "curve.svg", "curve.png"} <= {path.name for path in out.iterdir()}
