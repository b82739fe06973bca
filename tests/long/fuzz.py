"""Coverage-guided fuzzing of everything that reads files or bytes from outside, with atheris (Linux).

    pip install atheris
    python tests/long/fuzz.py container --seconds 300

A target (`readers.py`) may raise InputError and nothing else, and no input may take more than five seconds.
Prints one JSON document: how many inputs ran, how many of them were sound enough to be taken, and every way
in which one failed, with the input.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import runpy
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

import atheris
import numpy as np

from soundsafe.errors import InputError

TARGETS = runpy.run_path(str(Path(__file__).with_name("readers.py")))["TARGETS"]


def load(name: str) -> Any:
    """A module, with itself and what it brings from this package watched by the fuzzer."""
    with atheris.instrument_imports(include=["soundsafe"]):
        return importlib.import_module(name)


def fuzz(target: str, work: Path, corpus: Path, options: list[str]) -> None:
    """Runs in a process of its own, which libFuzzer ends: every new way to fail is a line in `work`."""
    seeds: list[bytes] = []
    (work / "files").mkdir()
    check = TARGETS[target](load, work / "files", seeds)
    for number, seed in enumerate(seeds):
        (corpus / f"seed{number}").write_bytes(seed)
    known: set[str] = set()
    taken = np.memmap(work / "taken", np.uint64, "w+", shape=1)  # outlives how libFuzzer ends

    @atheris.instrument_func
    def one(data: bytes) -> None:
        try:
            check(data)
            taken[0] += 1
        except InputError:
            pass
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            way = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
            if way not in known:
                known.add(way)
                with open(work / "failures.jsonl", "a") as lines:
                    lines.write(
                        json.dumps({"failure": way, "says": str(error)[:200], "input": data.hex()}) + "\n"
                    )

    atheris.Setup([sys.argv[0], *options, str(corpus)], one)
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--inputs", type=int, default=-1, help="at most so many; -1: no limit")
    parser.add_argument("--corpus", type=Path, help="folder that keeps what was found, for the next time")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    options = [
        f"-max_total_time={asked.seconds}", f"-runs={asked.inputs}", "-timeout=5", "-rss_limit_mb=4096",
        "-max_len=65536", "-print_final_stats=1",
    ]  # fmt: skip
    if asked.work:
        fuzz(asked.target, asked.work, asked.corpus, [*options, f"-artifact_prefix={asked.work}/hang-"])
        return
    with tempfile.TemporaryDirectory(prefix="soundsafe-fuzz-") as name:
        work = Path(name)
        corpus = asked.corpus or work / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, *sys.argv, "--work", name, "--corpus", str(corpus)]
        done = subprocess.run(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, errors="replace"
        )
        figures = dict(re.findall(r"stat::(\w+): +(\d+)", done.stderr))
        hangs = [path.read_bytes().hex() for path in work.glob("hang-*")]
        found = work / "failures.jsonl"
        failures = [json.loads(line) for line in found.read_text().splitlines()] if found.exists() else []
        answer = {
            "target": asked.target,
            "inputs": int(figures.get("number_of_executed_units", 0)),
            "taken": int(np.fromfile(work / "taken", np.uint64)[0]) if (work / "taken").exists() else 0,
            "slowest_s": int(figures.get("slowest_unit_time_sec", -1)),
            "failures": failures,
            "crashes_and_hangs": hangs,
        }
        print(json.dumps(answer))
        if not figures:
            sys.exit(done.stderr[-2000:])
        sys.exit(1 if failures or hangs else 0)


if __name__ == "__main__":
    main()
