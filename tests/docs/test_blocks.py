"""Every fenced block of README, guide and design runs as it stands, and prints what the page says.

The blocks of a page run in order, in one folder that holds links to `datasets` and `baselines` and nothing
else. A block of `text` holds what the block before it prints; `...` in it stands for anything. TOML and JSON
are parsed. A block that is not run has a comment above it that says why, in one of two forms:

    <!-- long: 3 h; made docs/results/survives.md -->
    <!-- elsewhere: .ci/run -->

The first names how long it takes and the page with what it printed (or `no figures kept`), the second the
file of the repository that runs it. Pages of results are not run: there every command has such a comment.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNNER = Path(__file__).with_name("run_page.py")
MARK = "=== end of block\n"
KINDS = {"bash", "python", "text", "toml", "json", "yaml"}
LONG = re.compile(r"long: \d+ (s|min|h|days?); (made (?P<file>\S+)|no figures kept)")
ELSEWHERE = re.compile(r"elsewhere: (?P<file>\S+)")
BLOCK = re.compile(r"(?:<!-- (?P<reason>[^>]*) -->\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.M | re.S)

PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md"]
PAGES = [p for p in PAGES if (ROOT / p).is_file()]
PAGES += sorted(
    page.relative_to(ROOT).as_posix()
    for shelf in ("guide", "design")
    for page in (ROOT / "docs" / shelf).glob("*.md")
)
RESULTS = sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "docs" / "results").glob("*.md"))
NEEDS = {"docs/guide/service.md": ("fastapi", "curl")}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; `reason`: the comment above it that says why it is not run, or ''."""

    kind: str
    text: str
    reason: str


def blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    found = [Block(m["kind"], m["text"], m["reason"] or "") for m in BLOCK.finditer(text)]
    assert text.count("\n```") == 2 * len(found), f"{page}: a fence that is not closed, or is indented"
    return found


def tidy(text: str) -> str:
    """A text whose widths of columns and ends of lines do not count."""
    return "\n".join(re.sub(r" +", " ", line).strip() for line in text.strip().splitlines())


def pattern(said: str) -> re.Pattern[str]:
    """What a block of text stands for."""
    return re.compile(re.escape(tidy(said)).replace(re.escape("..."), ".*"), re.DOTALL)


@pytest.mark.parametrize("page", PAGES + RESULTS)
def test_kinds_and_reasons(page: str) -> None:
    for block in blocks(page):
        assert block.kind in KINDS
        if page in RESULTS and block.kind in ("bash", "python"):
            assert block.reason, f"{page}: a command without a comment that says how long it takes"
        if block.kind == "toml":
            tomllib.loads(block.text)
        if block.kind == "json":
            json.loads(block.text)
        if block.reason:
            told = LONG.fullmatch(block.reason) or ELSEWHERE.fullmatch(block.reason)
            assert told, f"{page}: <!-- {block.reason} --> says neither how long it takes nor where it is run"
            assert not told["file"] or (ROOT / told["file"]).is_file(), told["file"]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_blocks(page: str, tmp_path: Path) -> None:
    found = [b for b in blocks(page) if not b.reason]
    if not any(b.kind in ("bash", "python") for b in found):
        return
    for need in NEEDS.get(page, ()):
        if not shutil.which(need):
            pytest.importorskip(need)
    for folder in ("datasets", "baselines"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    done = subprocess.run(
        [sys.executable, str(RUNNER)], input=json.dumps([[b.kind, b.text] for b in found]), cwd=tmp_path,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    printed = done.stdout.split(MARK)
    for before, block, output in zip(found, found[1:], printed, strict=False):
        if block.kind == "text":
            assert before.kind in ("bash", "python"), f"a block of text follows one of {before.kind}"
            as_said = pattern(block.text).fullmatch(tidy(output))
            assert as_said, f"{page} says:\n{block.text}\nand not:\n{output}"
