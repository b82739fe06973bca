"""Collages of pieces that carry different payloads: which payloads are named, untouched and after MP3.

    python tests/long/collages.py FOLDER [--collages 200] [--bytes 16] [--seed 0]

FOLDER is a dataset with a split `test`. Each collage joins 2 to 8 payloads in pieces of 1 to 10 s, cut
anywhere in clips of which every second was marked. A payload with a piece of two seconds or more must be
named, and none that is not there. Each collage that fails has a line on stderr.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

import soundsafe
from soundsafe import attacks, datasets
from soundsafe.codecs import resample
from soundsafe.errors import InputError, NotMarkable
from soundsafe.eval.analysis.stats import proportion_interval

RATE = 44_100
Audio = NDArray[np.float32]


@dataclass(frozen=True)
class Collage:
    """`must`: payloads with a piece of at least two seconds; `there`: all payloads in it; `pieces`: payload
    and seconds of each, in order."""

    audio: Audio
    must: frozenset[bytes]
    there: frozenset[bytes]
    pieces: tuple[tuple[bytes, float], ...]


@dataclass
class Tally:
    """`whole`: collages of which all payloads due, and no other, were named; `cost`: CPU seconds."""

    collages: int = 0
    whole: int = 0
    due: int = 0
    named: int = 0
    invented: int = 0
    seconds: float = 0.0
    cost: float = 0.0

    def add(self, collage: Collage, audio: Audio) -> None:
        """Read a collage after an attack."""
        start = time.process_time()
        found = {each.payload for each in soundsafe.decode(audio, RATE).payloads}
        self.cost += time.process_time() - start
        self.seconds += audio.shape[1] / RATE
        self.collages += 1
        self.whole += collage.must <= found <= collage.there
        self.due += len(collage.must)
        self.named += len(collage.must & found)
        self.invented += len(found - collage.there)
        if missed := collage.must - found:
            lengths = [f"{seconds:.1f}{'!' * (payload in missed)}" for payload, seconds in collage.pieces]
            print(
                f"collage {self.collages}: not named, of {' '.join(lengths)} s", file=sys.stderr, flush=True
            )

    def figures(self) -> dict[str, object]:
        """What is printed."""
        right = np.repeat([1, 0], [self.whole, self.collages - self.whole])
        return asdict(self) | {
            "whole_ci95": proportion_interval(right, np.arange(self.collages)),
            "cost_s_per_s": round(self.cost / self.seconds, 4),
        }


def stereo(clip: datasets.Clip) -> Audio:
    """A clip at 44.1 kHz in two channels."""
    audio, rate = clip.read()
    audio = resample(audio, rate, RATE)
    return np.ascontiguousarray(np.broadcast_to(audio[:2], (2, audio.shape[1])), np.float32)


def marked_clips(folder: str, size: int, rng: np.random.Generator, count: int) -> list[tuple[bytes, Audio]]:
    """So many clips of the test split, each marked with a payload of its own, without those that cannot be
    marked throughout."""
    out = []
    for clip in rng.permutation(np.array(datasets.load(folder, "test").clips, dtype=object))[:count]:
        payload = rng.bytes(size)
        try:
            marked = soundsafe.embed(stereo(clip), RATE, payload)
        except (NotMarkable, InputError):
            continue
        if marked.audio is not None and marked.euls_verified == marked.euls:
            out.append((payload, marked.audio))
    return out


def collages(clips: list[tuple[bytes, Audio]], rng: np.random.Generator) -> Iterator[Collage]:
    """Random ones without end."""
    while True:
        chosen = rng.choice(len(clips), int(rng.integers(2, 9)), replace=False)
        pieces, must = [], set()
        for number in chosen:
            payload, audio = clips[number]
            length = min(int(rng.uniform(1, 10) * RATE), audio.shape[1])
            start = int(rng.integers(audio.shape[1] - length + 1))
            pieces.append(audio[:, start : start + length])
            if length >= 2 * RATE:
                must.add(payload)
        there = frozenset(clips[number][0] for number in chosen)
        order = tuple((clips[n][0], piece.shape[1] / RATE) for n, piece in zip(chosen, pieces, strict=True))
        yield Collage(np.concatenate(pieces, axis=1), frozenset(must), there, order)


def main() -> None:
    """Measure, and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--collages", type=int, default=200)
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--bytes", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    clips = marked_clips(asked.folder, asked.bytes, rng, asked.clips)
    tallies = {name: Tally() for name in ("none", "mp3_128")}
    for number, collage in enumerate(collages(clips, rng), 1):
        for name, tally in tallies.items():
            tally.add(collage, attacks.get(name).apply(collage.audio, RATE, rng))
        if number % 10 == 0 or number == asked.collages:
            print(json.dumps({name: tally.figures() for name, tally in tallies.items()}), flush=True)
        if number == asked.collages:
            return


if __name__ == "__main__":
    main()
