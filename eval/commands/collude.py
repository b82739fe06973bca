"""Who is named when holders of copies average them, each copy marked under a key of its own.

``python -m soundsafe.eval.commands.collude [DATASET] [--copies N]... [--shared-key]``
marks each clip once for each holder, averages the first N copies, reads the mean with the key of each,
and prints one JSON line a clip and N: how many holders it names, and payloads that nobody was given.

`--shared-key`: all copies under one key, each with a payload of its own; the mean is read with that key.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

import soundsafe
from soundsafe import datasets
from soundsafe.aliases import Audio
from soundsafe.errors import InputError, NotMarkable
from soundsafe.eval.commands.json_rows import print_rows
from soundsafe.eval.running import seeds
from soundsafe.keys import derive

__all__ = ["Averaged", "main", "study"]


@dataclass(frozen=True)
class Averaged:
    """What is read from the mean of `copies` copies of a clip: how many holders are `named`, `wrong` payloads
    that nobody was given; `snr_db` of the mean from the first copy."""

    clip: str
    group: str
    copies: int
    shared_key: bool
    named: int
    wrong: int
    snr_db: float


def _copies(audio: Audio, rate: int, keys: Sequence[bytes], payloads: Sequence[bytes]) -> list[Audio]:
    marked = []
    for key, payload in zip(keys, payloads, strict=True):
        done = soundsafe.embed(audio, rate, payload, key).audio
        assert done is not None  # only files leave it out
        marked.append(done)
    return marked


def study(
    clips: Sequence[datasets.Clip], copies: Sequence[int], seconds: float, shared_key: bool, seed: int
) -> Iterator[Averaged]:
    """The rows, as they come.

    Args:
        clips: to be marked.
        copies: numbers of copies that are averaged, each at least 2.
        seconds: the first so many of each clip.
        shared_key: all copies under one key.
        seed: of keys and payloads.

    Raises:
        InputError: fewer than two copies.
    """
    most = max(copies, default=0)
    if min(copies, default=0) < 2:
        raise InputError("two copies or more are averaged")
    main_key = seeds.bench_key(seed)
    keys = [main_key if shared_key else derive(main_key, f"copy {i}", 32) for i in range(most)]
    payloads = [seeds.payload_of(seed, f"copy {i}", 16) for i in range(most)]
    for clip in clips:
        audio, rate = clip.read()
        try:
            marked = _copies(audio[:, : round(seconds * rate)], rate, keys, payloads)
        except NotMarkable:
            continue
        for n in copies:
            mean = np.asarray(np.mean(marked[:n], axis=0, dtype=np.float64), np.float32)
            read = {key: soundsafe.decode(mean, rate, key).payload for key in dict.fromkeys(keys[:n])}
            right = sum(read[key] == payload for key, payload in zip(keys[:n], payloads[:n], strict=True))
            wrong = sum(found is not None and found not in payloads[:n] for found in read.values())
            change = float(np.sum((mean - marked[0]).astype(np.float64) ** 2))
            snr = 10 * np.log10(float(np.sum(marked[0].astype(np.float64) ** 2)) / max(change, 1e-20))
            yield Averaged(clip.clip, clip.group or clip.clip, n, shared_key, right, wrong, round(snr, 1))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the rows as JSON, one a line."""
    parser = argparse.ArgumentParser(prog="python -m soundsafe.eval.commands.collude")
    parser.add_argument("dataset", nargs="?", default="bundled")
    parser.add_argument("--split")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--copies", type=int, nargs="+", default=[2, 3, 5])
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--shared-key", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)

    def rows() -> Iterator[Averaged]:
        clips = datasets.load(asked.dataset, split=asked.split).clips[: asked.limit]
        yield from study(clips, asked.copies, asked.seconds, asked.shared_key, asked.seed)

    return print_rows(rows)


if __name__ == "__main__":
    sys.exit(main())
