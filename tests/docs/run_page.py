"""Run the blocks of one page of the documentation in order, as `test_blocks.py` asks.

Reads a JSON list of `[kind, text]` on standard input. After the output of each block it prints `MARK`.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from typing import Any

MARK = "=== end of block"
SHELL = set("|&;<>$`(*")


def commands() -> dict[str, Callable[[list[str]], object]]:
    """The project's own commands: called here, so that each does not load everything anew."""
    from soundsafe.cli import main as codec
    from soundsafe.eval.commands.cli import main as bench

    return {"soundsafe": codec, "soundsafe-eval": bench}


def run_line(line: str, background: list[subprocess.Popen[bytes]]) -> None:
    """Run one line of shell; one that ends with `&` goes on until the page has ended."""
    name, *arguments = shlex.split(line)
    own = commands()
    if line.rstrip().endswith("&"):
        background.append(subprocess.Popen(shlex.split(line.rstrip()[:-1])))
    elif name in own and not SHELL & set(line.replace('"', " ").replace("'", " ")):
        try:
            own[name](arguments)
        except SystemExit as end:
            if end.code:
                raise AssertionError(f"exit code {end.code}: {line}") from end
    else:
        subprocess.run(["bash", "-euo", "pipefail", "-c", line], check=True)


def run_block(kind: str, text: str, names: dict[str, Any], background: list[subprocess.Popen[bytes]]) -> None:
    """Run a block of Python or of shell; other kinds are not run."""
    if kind == "python":
        exec(compile(text, "page", "exec"), names)
    elif kind == "bash":
        for line in text.replace("\\\n", " ").splitlines():
            if line.strip() and not line.lstrip().startswith("#"):
                run_line(line, background)


def main() -> None:
    # A run whose number of processes the page leaves open has one: the tests keep the other cores busy.
    os.cpu_count = lambda: 1
    names: dict[str, Any] = {"__name__": "page"}
    background: list[subprocess.Popen[bytes]] = []
    try:
        for kind, text in json.load(sys.stdin):
            run_block(kind, text, names, background)
            sys.stdout.flush()
            print(MARK, flush=True)
    finally:
        for process in background:
            process.terminate()
            process.wait(60)


if __name__ == "__main__":
    main()
