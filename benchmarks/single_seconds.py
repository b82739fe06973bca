"""Single seconds of `EULDriver`, where each begins unknown: `python benchmarks/single_seconds.py DATASET`.

From each clip a few seconds are marked with 191 random bytes each, put back into the clip, attacked there
with the second before and after, and read from two cuts whose place is drawn at random:

- *window*: two seconds that hold the marked one, with unmarked audio around it;
- *cut*: exactly one second, from three seconds that were marked one by one with the same word.

Prints, as Markdown, the share of seconds that read back to the byte, with its 95 % interval by groups; a
second that cannot be marked counts as not read, and in a last column does not count. `unmarked` counts words
read where there are none.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from soundsafe import attacks, datasets
from soundsafe.aliases import Audio
from soundsafe.errors import NotMarkable
from soundsafe.eval.analysis.stats import proportion_interval
from soundsafe.stft import RATE
from soundsafe.streams.eul_driver import EULDriver

ATTACKS = ("none", "gain_+3dB", "gain_-3dB", "limiter_-3dB", "mp3_192")


def _marked(driver: EULDriver, around: Audio, word: bytes, every: bool, beside: bool) -> Audio:
    """Three seconds with the middle one marked, or each by itself; raises NotMarkable for the middle one."""
    out, seconds = around.copy(), np.split(around, 3, axis=1)
    for i in (1, 0, 2) if every else (1,):
        near = (seconds[i - 1] if i else None, seconds[i + 1] if i < 2 else None)
        try:
            marked = driver.encode_eul(seconds[i], word, around=near if beside else (None, None))
            out[:, i * RATE : (i + 1) * RATE] = marked.numpy()
        except NotMarkable:
            if i == 1:
                raise
    return out


def _rows(
    driver: EULDriver, around: Audio, rng: np.random.Generator, given: argparse.Namespace
) -> list[dict[str, object]]:
    word = rng.bytes(191)
    late = int(rng.integers(0, RATE))  # how long before the marked second a cut begins
    rows: list[dict[str, object]] = []
    plain = driver.decode_eul(around[:, RATE - late : 3 * RATE - late], orig_sr=RATE)
    rows.append({"how": "window", "attack": "unmarked", "ok": plain is not None, "late": late})
    for how in given.cuts.split(","):
        try:
            marked = _marked(driver, around, word, how == "cut", not given.alone)
        except NotMarkable:
            refused = {"how": how, "ok": False, "late": late, "refused": True}
            rows += [refused | {"attack": name} for name in ATTACKS]
            continue
        for name in ATTACKS:
            out = attacks.get(name).apply(marked.copy(), RATE, np.random.default_rng(0))
            length = 2 * RATE if how == "window" else RATE
            part = np.ascontiguousarray(out[:, RATE - late : RATE - late + length])
            ok = driver.decode_eul(part, orig_sr=RATE) == word
            rows.append({"how": how, "attack": name, "ok": ok, "late": late})
    return rows


def _table(frame: pd.DataFrame) -> str:
    lines = ["| cut | attack | all | music | music that can be marked |", "|---|---|---|---|---|"]
    for (how, attack), rows in frame.groupby(["how", "attack"], sort=False):
        cells = []
        music = rows[rows.category == "music"]
        for part in (rows, music, music[~music.refused]):
            interval = proportion_interval(part.ok.astype(float), part.group)
            between = "" if interval is None else f" ({interval[0]:.2f} to {interval[1]:.2f})"
            cells.append(f"{part.ok.sum()} of {len(part)}: {part.ok.mean():.3f}{between}")
        lines.append(f"| {how} | {attack} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("dataset", nargs="?", default="bundled")
    parser.add_argument("--split", default="test")
    parser.add_argument("--per-clip", type=int, default=2, help="seconds of each clip")
    parser.add_argument("--code", default="ldpc", help="ldpc or rs")
    parser.add_argument("--quality", default="default")
    parser.add_argument("--cuts", default="window,cut")
    parser.add_argument("--alone", action="store_true", help="mark seconds without telling what is around")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=Path, help="keep every reading in this CSV file")
    given = parser.parse_args()
    torch.set_num_threads(1)
    driver = EULDriver(code=given.code, quality=given.quality)
    rows: list[dict[str, object]] = []
    for number, clip in enumerate(datasets.load(given.dataset, split=given.split).clips):
        audio, rate = clip.read()
        if rate != RATE:
            continue
        places = np.linspace(0, audio.shape[1] - 3 * RATE, given.per_clip + 2)[1:-1].astype(int)
        for i, first in enumerate(places):
            around = np.ascontiguousarray(audio[:, first : first + 3 * RATE])
            rng = np.random.default_rng([given.seed, number, i])
            facts = {"clip": clip.clip, "group": clip.group, "category": clip.category, "second": i}
            rows += [facts | row for row in _rows(driver, around, rng, given)]
        if given.rows is not None:
            pd.DataFrame(rows).to_csv(given.rows, index=False)
    print(_table(pd.DataFrame(rows).fillna({"refused": False}).astype({"refused": bool})))


if __name__ == "__main__":
    main()
