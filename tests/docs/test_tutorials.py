"""The tutorials are run as they stand, in an empty folder, and print what they say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
MARK = "=== block"

RUN = """
import json, shlex, sys
from soundsafe.eval.commands.cli import main

names = {"__name__": "__main__"}
for kind, text in json.load(sys.stdin):
    if kind == "python":
        exec(compile(text, "tutorial", "exec"), names)
    for line in text.splitlines() if kind == "bash" else ():
        program, *arguments = shlex.split(line)
        assert program == "soundsafe-eval", line
        try:
            main(arguments)
        except SystemExit as end:
            assert not end.code, line
    print("=== block")
"""


@pytest.mark.parametrize("name", ["system", "attack", "report"])
def test_tutorial(name: str, tmp_path: Path) -> None:
    import json

    blocks = BLOCK.findall((DOCS / f"tutorial_{name}.md").read_text(encoding="utf-8"))
    done = subprocess.run(
        [sys.executable, "-c", RUN], input=json.dumps(blocks), cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    printed = done.stdout.split(MARK + "\n")
    said = 0
    for (before, _), (kind, text), output in zip(blocks, blocks[1:], printed, strict=False):
        if kind == "text":
            assert before == "python"
            assert [line.rstrip() for line in output.splitlines()] == [t.rstrip() for t in text.splitlines()]
            said += 1
    assert said >= 1


def test_links_lead_somewhere() -> None:
    for page in DOCS.rglob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
