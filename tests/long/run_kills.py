"""A run of the bench, killed again and again with SIGKILL at random moments, resumed and finished.

    python tests/long/run_kills.py --kills 5 --jobs 2

Fails unless its files are the same, to the byte, as those of a run in one process that nobody disturbed, and
no finished cell was ever computed again. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAME = (
    "summary.csv", "summary.json", "results.parquet", "quality.csv", "parity_by_band.csv", "families.csv",
    "run.json",
)  # fmt: skip
START = "import sys; from soundsafe.eval.commands.cli import main; main(sys.argv[1:])"


def lines_of(out: Path) -> dict[str, list[bytes]]:
    """The whole lines of each file of the store."""
    files = sorted((out / "store").glob("*.jsonl"))
    return {p.name: p.read_bytes().rpartition(b"\n")[0].splitlines() for p in files}


def count(out: Path) -> int:
    return sum(map(len, lines_of(out).values()))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--suite", default="smoke")
    parser.add_argument("--limit", type=int, default=4, help="number of clips")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each clip")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    asked = parser.parse_args()
    rng = random.Random(asked.seed)
    run = [sys.executable, "-c", START, "run", "--suite", asked.suite, "--limit", str(asked.limit)]
    run += ["--seconds", str(asked.seconds), "--json"]
    with tempfile.TemporaryDirectory() as name:
        calm, out = Path(name) / "calm", Path(name) / "killed"
        subprocess.run([*run, "--jobs", "1", "--out", str(calm)], check=True, stdout=subprocess.DEVNULL)
        total = count(calm)
        moments = sorted(rng.sample(range(total - asked.kills), asked.kills))
        killed: list[int] = []
        before: dict[str, list[bytes]] = {}
        while True:
            command = [*run, "--jobs", str(asked.jobs), "--out", str(out)]
            command += ["--resume"] if (out / "run.json").exists() else []
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            moment = total + 1
            if len(killed) < asked.kills:
                moment = max(moments[len(killed)], count(out) + 1)
            while process.poll() is None and count(out) < moment:
                time.sleep(0.02)
            if process.poll() is not None:
                break
            time.sleep(rng.random())  # a random moment within a cell
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed.append(count(out))
            print(f"killed at {killed[-1]} of {total} lines", file=sys.stderr)
            for file, lines in before.items():
                assert lines_of(out)[file][: len(lines)] == lines, f"{file}: finished lines changed"
            before = lines_of(out)
        assert process.returncode == 0, process.returncode
        assert len(killed) == asked.kills, "it was over too soon: more clips are needed"
        for file, lines in lines_of(out).items():
            old = before.get(file, [])
            assert lines[: len(old)] == old, f"{file}: finished lines changed"
            assert len(lines) == len(lines_of(calm)[file]), f"{file}: cells repeated"
        for file in SAME:
            assert (out / file).read_bytes() == (calm / file).read_bytes(), file
    found = {"lines": total, "killed_at": killed, "jobs": asked.jobs, "seed": asked.seed, "same": SAME}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
