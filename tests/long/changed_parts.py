"""A marked part of ten seconds inside two minutes of other music, changed: how often it is found; the cost.

    python tests/long/changed_parts.py FOLDER [--trials 50] [--bytes 16] [--seed 0]

FOLDER is a dataset with a split `test`. The part lies at a random place; `found`: its payload was read.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
import soxr
from numpy.typing import NDArray

import soundsafe
from soundsafe import attacks, datasets
from soundsafe.attacks import tempo_pitch
from soundsafe.codecs import resample

RATE = 44_100
Audio = NDArray[np.float32]


def faster(factor: float) -> Callable[[Audio], Audio]:
    """Speed by resampling."""
    return lambda audio: soxr.resample(audio.T, factor, 1.0).T.astype(np.float32)


def warped(tempo: float = 1.0, pitch: float = 1.0) -> Callable[[Audio], Audio]:
    """Tempo or pitch by a phase vocoder."""
    return lambda audio: tempo_pitch._signalsmith(audio, RATE, tempo=tempo, pitch=pitch)


CHANGES: dict[str, Callable[[Audio], Audio]] = {
    "speed +3 %": faster(1.03),
    "tempo -3 %": warped(tempo=0.97),
    "pitch +2 %": warped(pitch=1.02),
    "echo 0.3 s 30 %": lambda x: attacks.get("echo_0.3s_30%").apply(x, RATE, np.random.default_rng(0)),
    "speed +8 %": faster(1.08),
    "speed -10 %": faster(0.90),
    "tempo +8 %": warped(tempo=1.08),
    "tempo -10 %": warped(tempo=0.90),
}


def stereo(clip: datasets.Clip) -> Audio:
    """A clip at 44.1 kHz in two channels."""
    audio, rate = clip.read()
    audio = resample(audio, rate, RATE)
    return np.ascontiguousarray(np.broadcast_to(audio[:2], (2, audio.shape[1])), np.float32)


def main() -> None:
    """Measure, and print a line of JSON for each trial's state."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--bytes", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--change", action="append", choices=list(CHANGES))
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    music = [c for c in datasets.load(asked.folder, "test").clips if c.category == "music"]
    found: dict[str, list[int]] = {name: [] for name in asked.change or CHANGES}
    cost: list[float] = []
    for _ in range(asked.trials):
        order = [stereo(music[i]) for i in rng.permutation(len(music))]
        part = np.concatenate(order[:2], axis=1)[:, : 12 * RATE]
        payload = rng.bytes(asked.bytes)
        marked = soundsafe.embed(part, RATE, payload).audio
        assert marked is not None
        other = np.concatenate(order[2:], axis=1)[:, : round((asked.seconds - 10) * RATE)]
        place = int(rng.integers(other.shape[1]))
        for name, hits in found.items():
            changed = CHANGES[name](marked)[:, : 10 * RATE]
            audio = np.concatenate([other[:, :place], changed, other[:, place:]], axis=1)
            start = time.process_time()
            hits.append(int(soundsafe.decode(np.ascontiguousarray(audio), RATE).payload == payload))
            cost.append((time.process_time() - start) * RATE / audio.shape[1])
            figures = {each: f"{sum(of)} of {len(of)}" for each, of in found.items()}
            print(json.dumps(figures | {"cpu_s_per_s": round(float(np.mean(cost)), 3)}), flush=True)


if __name__ == "__main__":
    main()
