"""What sixteen bytes survive, and how far the mark is from the original.

    python benchmarks/short_payloads.py measure DEV --out rows.jsonl --marks marks
    python benchmarks/short_payloads.py table DEV rows.jsonl --marks marks --before old.jsonl old_marks

`measure` embeds 16 random bytes under a random key into the first 8 s of each clip of music and speech of the
test split, and decodes the result and what attacks leave of it. It uses nothing but `embed` and `decode`, so
that it also runs with an earlier version on the path, and goes on where it stopped. `table` prints distances,
noise to mask and shares of seconds and clips with 95 % intervals, clustered by group.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
import zimtohrli

ATTACKS = (
    "limiter_drive_6dB", "mp3_320", "mp3_192", "mp3_128", "aac_128", "opus_96", "vorbis_q5", "downmix_mono",
    "aac_96", "mp3_64", "opus_64", "bits_8", "noise_white_30dB", "noise_white_20dB", "telephone_g711_mulaw",
    "telephone_g722_64",
)  # fmt: skip
SECONDS = 8


def clips(dev: Path) -> list[dict[str, str]]:
    """Four of music, one of speech, and so on: what is stopped early holds both."""
    with open(dev / "manifest.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    by = {kind: sorted(r["clip"] for r in rows if r["category"] == kind) for kind in ("music", "speech")}
    named = {row["clip"]: row for row in rows}
    order: list[str] = []
    while by["music"] or by["speech"]:
        order += by["music"][:4] + by["speech"][:1]
        by = {"music": by["music"][4:], "speech": by["speech"][1:]}
    return [named[clip] for clip in order]


def audio_of(dev: Path, row: dict[str, str]) -> tuple[np.ndarray, int]:
    audio, rate = soundfile.read(dev / row["file"], dtype="float32", always_2d=True)
    return np.ascontiguousarray(audio.T[:, : SECONDS * rate]), rate


def distance(original: np.ndarray, marked: np.ndarray, rate: int) -> float:
    """Zimtohrli's of the worst channel."""
    pairs = [
        [soxr.resample(v, rate, 48_000, quality="HQ").astype(np.float32) for v in pair]
        for pair in zip(original, marked, strict=True)
    ]
    return max(float(zimtohrli.Pyohrli().distance(a, b)) for a, b in pairs)


def measure(dev: Path, out: Path, marks: Path, limit: int | None, attacked: bool) -> None:
    import soundsafe

    if attacked:
        from soundsafe.attacks import get
    marks.mkdir(parents=True, exist_ok=True)
    done = {row["clip"] for row in rows_of(out)} if out.exists() else set()
    for number, row in enumerate(clips(dev)[:limit]):
        if row["clip"] in done:
            continue
        audio, rate = audio_of(dev, row)
        rng = np.random.default_rng([0, number])
        payload, key = rng.bytes(16), rng.bytes(32)
        started = time.process_time()
        answer = soundsafe.embed(audio, rate, payload, key)
        took = time.process_time() - started
        marked = answer.audio
        assert marked is not None  # given as an array
        np.save(marks / f"{row['clip']}.npy", marked)
        line: dict[str, Any] = {name: row[name] for name in ("clip", "category", "group")}
        line |= {
            "embed_cpu_s": took / SECONDS,
            "snr_db": answer.snr_db,
            "zimtohrli": distance(audio, marked, rate),
        }
        cuts = [slice(i * rate, (i + 1) * rate) for i in range(SECONDS)]
        line["seconds_zimtohrli"] = [distance(audio[:, cut], marked[:, cut], rate) for cut in cuts]
        for name in ("none", *(ATTACKS if attacked else ())):
            heard = marked
            if name != "none":
                heard = get(name).apply(marked, rate, np.random.default_rng([0, number]))
            found = soundsafe.decode(heard, rate, key)
            line[name] = [sum(second.ok for second in found.euls), int(found.payload == payload)]
        with open(out, "a") as file:
            file.write(json.dumps(line) + "\n")


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def noise_to_mask_of(dev: Path, rows: Sequence[dict[str, Any]], marks: Path) -> list[float]:
    from soundsafe.distance.nmr import masked_noise

    found = []
    named = {row["clip"]: row for row in clips(dev)}
    for row in rows:
        audio, rate = audio_of(dev, named[row["clip"]])
        marked = np.load(marks / f"{row['clip']}.npy")
        found.append(max(masked_noise(a, b, rate).db for a, b in zip(audio, marked, strict=True)))
    return found


def table(dev: Path, path: Path, marks: Path, before: tuple[Path, Path] | None) -> None:
    import pandas as pd

    from soundsafe.eval.analysis.stats import proportion_interval

    rows = rows_of(path)
    sides = {"now": (rows, marks)}
    if before is not None:
        earlier = {row["clip"]: row for row in rows_of(before[0])}
        rows = [row for row in rows if row["clip"] in earlier]
        sides = {"before": ([earlier[row["clip"]] for row in rows], before[1]), "now": (rows, marks)}
    print("| clips | | n | Zimtohrli, mean | worst clip | of seconds | SNR, dB | NMR, dB | embed, CPU s/s |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|")
    for kind in ("music", "speech"):
        for name, (its, where) in sides.items():
            part = [row for row in its if row["category"] == kind]
            if not part:
                continue
            clip = [row["zimtohrli"] for row in part]
            seconds = [v for row in part for v in row["seconds_zimtohrli"]]
            figures = (
                f"{len(part)} | {np.mean(clip):.2e} | {max(clip):.2e} | {np.mean(seconds):.2e} |"
                f" {np.mean([row['snr_db'] for row in part]):.1f} |"
                f" {np.mean(noise_to_mask_of(dev, part, where)):.1f} |"
                f" {np.median([row['embed_cpu_s'] for row in part]):.3f}"
            )
            print(f"| {kind} | {name} | {figures} |")
    print("\n| attack | seconds, music | clips, music | seconds, speech | clips, speech |")
    print("|---|--:|--:|--:|--:|")
    for attack in ("none", *ATTACKS):
        cells = []
        for kind in ("music", "speech"):
            part = [row for row in rows_of(path) if row["category"] == kind and attack in row]
            groups = pd.Series([row["group"] for row in part for _ in range(SECONDS)])
            read = pd.Series([i < row[attack][0] for row in part for i in range(SECONDS)])
            whole = pd.Series([bool(row[attack][1]) for row in part])
            for flags, of in ((read, groups), (whole, pd.Series([row["group"] for row in part]))):
                ends = proportion_interval(flags, of) if len(flags) else None
                within = "" if ends is None else f" ({100 * ends[0]:.0f} to {100 * ends[1]:.0f})"
                cells.append(f"{100 * flags.mean():.1f}{within}" if len(flags) else "–")
        print(f"| `{attack}` | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("measure")
    one.add_argument("dev", type=Path)
    one.add_argument("--out", type=Path, required=True)
    one.add_argument("--marks", type=Path, required=True)
    one.add_argument("--limit", type=int)
    one.add_argument("--unattacked", action="store_true", help="Distances alone.")
    two = commands.add_parser("table")
    two.add_argument("dev", type=Path)
    two.add_argument("rows", type=Path)
    two.add_argument("--marks", type=Path, required=True)
    two.add_argument("--before", type=Path, nargs=2, metavar=("ROWS", "MARKS"))
    asked = parser.parse_args()
    if asked.command == "measure":
        measure(asked.dev, asked.out, asked.marks, asked.limit, not asked.unattacked)
    else:
        table(asked.dev, asked.rows, asked.marks, tuple(asked.before) if asked.before else None)


if __name__ == "__main__":
    main()
