"""A batch over many short files, killed again and again with SIGKILL at random moments, then finished.

    python tests/long/batch_kills.py --files 500 --kills 10

Fails unless every file is marked once (a line of the registry never changes once it has a file), registry and
folder agree, and nothing else is left in the folder. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import soundfile

from soundsafe import datasets
from soundsafe.service.registry import FILE_NAME, Mark, Registry


def make_files(folder: Path, count: int) -> None:
    """`count` different seconds of the bundled clips, some in a folder below."""
    # Music: a second of speech may be a pause, which cannot be marked.
    clips = [clip.read() for clip in datasets.load("bundled").clips if clip.category == "music"]
    (folder / "sub").mkdir(parents=True)
    for i in range(count):
        audio, rate = clips[i % len(clips)]
        start = (i // len(clips) * rate // 7) % (audio.shape[1] - rate)
        name = f"{'sub/' if i % 3 == 0 else ''}{i:04d}.{'wav' if i % 2 else 'flac'}"
        soundfile.write(folder / name, audio[:, start : start + rate].T, rate)


def marks_of(out: Path) -> dict[str, Mark]:
    """The lines of the registry whose file is there."""
    if not (out / FILE_NAME).exists():
        return {}
    with Registry(out / FILE_NAME) as registry:
        return {mark.output: mark for mark in registry.search() if (out / mark.output).exists()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rng = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        out = folder / "out"
        make_files(folder / "in", asked.files)
        command = [
            sys.executable, "-m", "soundsafe.cli", "batch", "embed", str(folder / "in"),
            "--out", str(out), "--message", "to {name}", "--quality", "fast", "--layers", "eul",
            "--jobs", str(asked.jobs), "--json",
        ]  # fmt: skip
        started, kills, finished = time.monotonic(), 0, ""
        before: dict[str, Mark] = {}
        while not finished:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            had = len(before)
            # Random work between kills, then a random moment in a file.
            target = had + rng.randint(1, max(1, 2 * asked.files // (asked.kills + 1) - 1))
            while kills < asked.kills and process.poll() is None and len(marks_of(out)) < target:
                time.sleep(0.05)
            if kills < asked.kills and process.poll() is None:
                time.sleep(rng.random())
                process.send_signal(signal.SIGKILL)
                process.communicate()
                kills += 1
            else:
                finished, complaints = process.communicate()
                assert process.returncode in (0, 1), complaints
            now = marks_of(out)
            print(f"{len(now)} marked, {kills} kills, {time.monotonic() - started:.0f} s", file=sys.stderr)
            changed = [output for output, mark in before.items() if now.get(output) != mark]
            assert not changed, f"marked again: {changed}"
            before = now
        assert kills == asked.kills, f"{kills} kills before it was done: ask for more files"
        summary = json.loads(finished)
        audio = {
            path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in out.rglob("*")
            if path.suffix in (".wav", ".flac")
        }
        failed = [
            line
            for line in map(json.loads, (out / "results.jsonl").read_text().splitlines())
            if not line["ok"]
        ]
        lines = (out / "results.jsonl").read_text().count("\n")
        assert {output: mark.sha256 for output, mark in before.items()} == audio, complaints
        with Registry(out / FILE_NAME) as registry:
            assert len(list(registry.search())) == len(audio), "lines without a file"
        assert lines == asked.files == summary["files"] == len(audio) + len(failed), summary
        assert all(line["exit_code"] == 1 for line in failed), failed
        extra = {path.name for path in out.iterdir()} - {path.split("/")[0] for path in audio}
        assert extra == {".lock", FILE_NAME, "results.jsonl", "summary.json"}, extra
        print(
            json.dumps(
                {
                    "files": asked.files,
                    "kills": kills,
                    "marked": len(audio),
                    "not_markable": len(failed),
                    "jobs": asked.jobs,
                    "seed": asked.seed,
                    "seconds": round(time.monotonic() - started, 1),
                }
            )
        )


if __name__ == "__main__":
    main()
