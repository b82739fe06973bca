"""Marks carried from one piece to another: what embedding changed is added to other audio.

    python tests/long/transplants.py DATASET --n 1000

The forger has the original of a marked piece, so that he knows the mark exactly, and adds it to audio that
was never marked, at the level at which it was or louder. The reader is told where each second and each block
lies, and is generous: it reads seconds alone and together, the tile layer, and both at once. As a control
each mark is added to its own original, and must be read. With --attack the other audio is attacked first:
behind high-passes the reader tries more. Prints one JSON document; exit code 1 where a
transplant is accepted, or a control is not.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter

import numpy as np
import torch

import soundsafe
from soundsafe import datasets
from soundsafe.aliases import Audio
from soundsafe.attacks import get
from soundsafe.cells.code import CellCode
from soundsafe.cells.combining import combine, read_alone, short_soft_values
from soundsafe.cells.profile import PHASES
from soundsafe.cells.reading import read_second
from soundsafe.cells.settings import DETECTOR
from soundsafe.cells.tracking import TrackedSecond
from soundsafe.errors import NotMarkable
from soundsafe.stft import RATE
from soundsafe.tiles.detector import read_words
from soundsafe.tiles.geometry import TileCode
from soundsafe.tiles.warp import Spectrogram, Warp

_LOUDER_DB = (0.0, 6.0)


def read(audio: Audio, code: CellCode, tiles: TileCode) -> list[str]:
    """By which ways a payload is read from audio that was marked from its first sample on."""
    ways, readings = [], []
    for number in range(audio.shape[1] // RATE):
        reading = read_second(audio, number * RATE, number % PHASES, code)
        if reading is not None:
            word, _, reading = read_alone(reading, code)
            readings.append(reading)
            if word is not None:
                ways.append("second")
                continue
            second = TrackedSecond(reading, audio, float(number * RATE), number % PHASES)
            for other, _ in second.behind_high_pass(code, DETECTOR, None):
                if read_alone(other, code)[0] is not None:
                    ways.append("second behind a high-pass")
    if combine(readings, [], code).payload is not None:
        ways.append("seconds")
    beside = list(short_soft_values(readings, code))
    # As if pilots were sure: all descriptions of each block are considered.
    warp = Warp(1.0, 1.0, 0.0, 0, z=20.0)
    if read_words(Spectrogram(audio, tiles.geometry), warp, tiles, 64, beside).payload is not None:
        ways.append("tiles")
    return ways


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("dataset", nargs="?", default="bundled")
    parser.add_argument("--split", default="")
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--attack", default="none")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(asked.seed)
    key, payload = rng.bytes(32), rng.bytes(16)
    code, tiles = CellCode(key), TileCode(key)
    started = time.process_time()
    pieces: list[tuple[Audio, Audio, str]] = []  # original, what marking changed, group
    for clip in datasets.load(asked.dataset, split=asked.split or None).clips:
        audio, rate = clip.read()
        audio = np.ascontiguousarray(np.broadcast_to(audio, (2, audio.shape[1]))[:, : asked.seconds * RATE])
        if rate != RATE or audio.shape[1] < asked.seconds * RATE:
            continue
        try:
            marked = soundsafe.embed(audio, rate, payload, key).audio
        except NotMarkable:
            continue
        assert marked is not None  # given as an array
        pieces.append((audio, marked - audio, clip.group))
    controls: Counter[str] = Counter(
        "read" if read(audio + change, code, tiles) else "not read" for audio, change, _ in pieces
    )
    hosts = [
        get(asked.attack).apply(audio, RATE, np.random.default_rng(asked.seed)) for audio, _, _ in pieces
    ]
    pairs = [(i, k) for i in range(len(pieces)) for k in range(len(pieces)) if pieces[i][2] != pieces[k][2]]
    accepted: Counter[str] = Counter()
    done = wrong = 0
    for number in rng.permutation(len(pairs))[: asked.n]:
        origin, target = pairs[number]
        factor = np.float32(10.0 ** (_LOUDER_DB[done % len(_LOUDER_DB)] / 20.0))
        ways = read(hosts[target] + factor * pieces[origin][1], code, tiles)
        accepted.update(set(ways))
        wrong += bool(ways)
        done += 1
        if done % 50 == 0:
            print(f"{done} done, {wrong} accepted", file=sys.stderr, flush=True)
    document = {
        "transplants": done,
        "pieces": len(pieces),
        "seconds": asked.seconds,
        "louder_db": _LOUDER_DB,
        "accepted": wrong,
        "by": dict(accepted),
        "bound_95": None if wrong else 3 / max(done, 1),
        "controls": dict(controls),
        "attack": asked.attack,
        "seed": asked.seed,
        "cpu_s": round(time.process_time() - started, 1),
    }
    print(json.dumps(document))
    sys.exit(1 if wrong or controls["not read"] else 0)


if __name__ == "__main__":
    main()
