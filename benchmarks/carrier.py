"""What the fitted steps are worth: `python benchmarks/carrier.py DIR [--seconds 3]`.

Marks seconds of DIR's test split with the shipped carrier and with the constants that it started from, all
with fixed steps, scaled until the mean of the logarithm of the Zimtohrli distance is the same, and reads
single EULs behind codecs and noise that the embedder does not hear. Prints the share of wrong hard decisions
(half of those of an EUL that is not read), and the paired difference with its interval, clustered by group.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equal_distance import tell
from soundsafe import attacks, datasets
from soundsafe.aliases import Audio
from soundsafe.cells.code import CellCode
from soundsafe.cells.embedder import mark_block
from soundsafe.cells.profile import EUL_SAMPLES, PHASES, ROBUST, Profile
from soundsafe.cells.reading import read_second
from soundsafe.cells.settings import QUALITIES
from soundsafe.codecs import resample
from soundsafe.eval.systems.as_far import at_distance, log_distance
from soundsafe.message.coding import N
from soundsafe.stft import RATE

ATTACKS = ("mp3_96", "aac_96", "opus_64", "noise_white_30dB")

# Step Delta / w: a tilt w in dB at the middle of each band, from 650 Hz to 13.5 kHz.
_TILT_HZ = (650.0, 1150.0, 2000.0, 3250.0, 5000.0, 7500.0, 10_500.0)
_TILT_DB = (8.0, 8.0, 7.0, 2.5, 1.0, -3.0, -7.0)


def _start(share: float, cells: int) -> Profile:
    """Steps that follow `share` of a tilt learnt for MP3 alone, with carriers of `cells` cells."""
    step = tuple(10.0 ** (-share * db / 20.0) for db in _TILT_DB)
    return dataclasses.replace(ROBUST, step_hz=_TILT_HZ, step=step, cells=cells, scales=(1.0,))


CARRIERS = {
    "shipped": dataclasses.replace(ROBUST, scales=(1.0,)),
    "flat": _start(0.0, 9),
    "a quarter of MP3's tilt": _start(0.25, 9),
    "MP3's tilt": _start(1.0, 9),
    "shipped steps, 9 cells": dataclasses.replace(ROBUST, scales=(1.0,), cells=9),
}


def _seconds(folder: Path, seconds: int) -> list[tuple[str, Audio]]:
    found = []
    for clip in datasets.load(str(folder), "test").clips:
        audio, rate = clip.read()
        audio = resample(audio, rate, RATE)
        start = (audio.shape[1] - seconds * EUL_SAMPLES) // 2 // EUL_SAMPLES * EUL_SAMPLES
        if start >= 0 and float(np.abs(audio).max()) > 1e-3:
            found.append((clip.group, audio[:, start : start + seconds * EUL_SAMPLES].copy()))
    return found


def _mark(clips: list[tuple[str, Audio]], words: list[NDArray[np.uint8]], profile: Profile) -> list[Audio]:
    quality = QUALITIES["default"]
    return [
        mark_block(x, 0, word, 0, CellCode(profile=profile), quality)
        for (_, x), word in zip(clips, words, strict=True)
    ]


def _scaled(profile: Profile, factor: float) -> Profile:
    return dataclasses.replace(profile, step=tuple(s * factor for s in profile.step))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=int, default=3)
    given = parser.parse_args()
    clips = _seconds(given.folder, given.seconds)
    groups = np.repeat([group for group, _ in clips], given.seconds)
    rng = np.random.default_rng(0)
    words = [rng.integers(0, 2, (given.seconds, N)).astype(np.uint8) for _ in clips]
    first: tuple[str, NDArray[np.float64]] | None = None
    wanted: float | None = None
    for name, carrier in CARRIERS.items():

        def mark(factor: float, carrier: Profile = carrier) -> tuple[list[Audio], float]:
            marked = _mark(clips, words, _scaled(carrier, factor))
            return marked, log_distance((x, y) for (_, x), y in zip(clips, marked, strict=True))

        factor, distance, marked = at_distance(mark, wanted)
        profile = _scaled(carrier, factor)
        rows = np.full((len(ATTACKS), len(groups)), 0.5)
        for a, attack in enumerate(ATTACKS):
            for c, y in enumerate(marked):
                z = attacks.get(attack).apply(y, RATE, np.random.default_rng(c))
                delay = attacks.get(attack).delay_samples(RATE, len(y)) or 0
                for i in range(given.seconds):
                    reading = read_second(z, delay + i * EUL_SAMPLES, i % PHASES, CellCode(profile=profile))
                    if reading is not None:
                        bits = (reading.llr < 0).astype(np.uint8)
                        rows[a, c * given.seconds + i] = float(np.mean(bits != words[c][i]))
        tell(
            f"{name}: distance {math.exp(distance):.2e}, steps x {factor:.2f}",
            ATTACKS,
            rows,
            first,
            groups,
        )
        if first is None:
            wanted, first = distance, (name, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
