"""A folder of mixed files, good, broken, foreign and with odd names: batch decode accounts for each.

python tests/long/mixed_folder.py [--files 2000] [--jobs 1] [--seed 0]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile

from soundsafe.keys import DEFAULT_KEY
from soundsafe.service.batch import decode_all, gather

NAMES = ("a b", "é", "e\u0301", "=1+1", "-x", "'q'", "x\ny", "\x1b[31m", "日本", "#", "%41", "a;b", "😀")
SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".aiff", ".W64", ".caf", ".au", ".m4a")
FOREIGN = (".jpg", ".txt", ".pdf", "", ".zip", ".cue", ".log")


def sound(folder: Path, rng: np.random.Generator) -> list[bytes]:
    """Short audio in several formats, as bytes."""
    out = []
    for fmt, subtype in (
        ("WAV", "PCM_16"),
        ("FLAC", "PCM_16"),
        ("MP3", None),
        ("OGG", None),
        ("AIFF", "PCM_24"),
    ):
        path = folder / "x"
        soundfile.write(path, rng.standard_normal((6_000, 1)) * 0.1, 16_000, format=fmt, subtype=subtype)
        out.append(path.read_bytes())
    path.unlink()
    return out


def fill(folder: Path, files: int, rng: np.random.Generator) -> Counter[str]:
    """Make so many files, and count them by kind."""
    sounds = sound(folder, rng)
    kinds: Counter[str] = Counter()
    for number in range(files):
        kind = ("good", "broken", "foreign", "hidden")[int(rng.choice(4, p=(0.3, 0.3, 0.3, 0.1)))]
        kinds[kind] += 1
        name = f"{NAMES[int(rng.integers(len(NAMES)))]}{number}"
        data = sounds[int(rng.integers(len(sounds)))]
        if kind == "broken":
            data = (data[: int(rng.integers(40))], rng.bytes(500), b"", b"text " * 50)[int(rng.integers(4))]
        suffix = (FOREIGN if kind == "foreign" else SUFFIXES)[int(rng.integers(7))]
        place = folder / f"d{number % 20}"
        place.mkdir(exist_ok=True)
        (place / f"{'.' if kind == 'hidden' else ''}{name}{suffix}").write_bytes(data)
    return kinds


def main() -> None:
    """Measure, and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    with tempfile.TemporaryDirectory() as name:
        source, out = Path(name, "in"), Path(name, "out")
        source.mkdir()
        kinds = fill(source, asked.files, rng)
        start = time.perf_counter()
        summary = decode_all(gather(source, out), out, DEFAULT_KEY, jobs=asked.jobs)
        lines = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
        there = {
            os.path.relpath(os.path.join(at, file), source)
            for at, _, all_ in os.walk(source)
            for file in all_
        }
        told = Counter(
            "skipped" if "skipped" in line else "error" if "error" in line else "read" for line in lines
        )
        errors = [line["error"] for line in lines if "error" in line]
        print(
            json.dumps(
                {
                    "made": dict(kinds),
                    "told": dict(told),
                    "files_without_a_line": len(there - {line["file"] for line in lines}),
                    "lines_without_a_file": len({line["file"] for line in lines} - there),
                    "lines": len(lines),
                    "internal_errors": [
                        error for error in errors if "internal" in error or "crashed" in error
                    ][:5],
                    "summary": summary.to_json(),
                    "seconds": round(time.perf_counter() - start, 1),
                }
            )
        )


if __name__ == "__main__":
    main()
