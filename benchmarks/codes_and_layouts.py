"""LDPC against RS, adaptive against fixed layout: `python benchmarks/codes_and_layouts.py DATASET`.

The layer of seconds alone, marked three times with one key and payload and read behind each attack by the
detector that knows that profile. Prints, as Markdown, the share of single seconds that read, the clips whose
payload is back, the bit errors of all seconds found, and the quality.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
import torch

from soundsafe import attacks, datasets
from soundsafe.eval.running.seeds import bench_key, generator, payload_of
from soundsafe.eval.systems.codec import Soundsafe
from soundsafe.eval.systems.registry import get

ATTACKS = ("none", "limiter_drive_6dB", "mp3_192", "mp3_160", "mp3_128", "aac_128", "noise_white_40dB")
SYSTEMS = ("soundsafe-eul", "soundsafe-rs", "soundsafe-fixed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", nargs="?", default="bundled")
    parser.add_argument("--split", default="test")
    parser.add_argument("--category", default="music")
    parser.add_argument("--step", type=int, default=1, help="every so manieth clip")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    clips = [c for c in datasets.load(given.dataset, split=given.split).clips if c.category == given.category]
    rows, quality = [], []
    for clip in clips[:: given.step]:
        audio, rate = clip.read()
        audio = np.ascontiguousarray(audio[:, : int(given.seconds * rate)])
        seconds = audio.shape[1] // rate
        key = bench_key(given.seed)
        for name in SYSTEMS:
            system = get(name)
            assert isinstance(system, Soundsafe)
            payload = payload_of(given.seed, clip.clip, system.payload_bytes)
            marked = system.embed(audio, rate, payload, key)
            quality.append({"system": name, "clip": clip.clip, "zimtohrli": marked.zimtohrli})
            sent = system.coded_bits(payload, key, seconds)
            for attack in map(attacks.get, ATTACKS):
                out = attack.apply(
                    marked.audio, rate, generator(given.seed, clip.clip, attack.name, attack.params)
                )
                found = system.decode(out, rate, key)
                wrong = [np.mean(e.bits != sent[0]) for e in found.euls if e.bits is not None]
                rows.append(
                    {"system": name, "attack": attack.name, "clip": clip.clip, "seconds": seconds,
                     "ok": sum(e.ok for e in found.euls), "clip_ok": found.payload == payload,
                     "ber": np.mean(wrong) if wrong else 0.5}
                )  # fmt: skip
    frame = pd.DataFrame(rows)
    table = frame.groupby(["attack", "system"], sort=False).agg(
        ok=("ok", "sum"), seconds=("seconds", "sum"), clips=("clip_ok", "mean"), ber=("ber", "mean")
    )
    n = frame["clip"].nunique()
    print(f"{n} clips, {given.seconds:g} s each: single seconds % / clips % / bit errors %\n")
    print("| attack | " + " | ".join(SYSTEMS) + " |\n|---|" + "---|" * len(SYSTEMS))
    for name in ATTACKS:
        cells = [table.loc[(name, s)] for s in SYSTEMS]
        line = [
            f"{100 * c['ok'] / c['seconds']:.1f} / {100 * c['clips']:.0f} / {100 * c['ber']:.2f}"
            for c in cells
        ]
        print(f"| {name} | " + " | ".join(line) + " |")
    distance = pd.DataFrame(quality).groupby("system")["zimtohrli"].agg(["mean", "max"])
    cells = [f"{distance.loc[s, 'mean']:.2e} / {distance.loc[s, 'max']:.2e}" for s in SYSTEMS]
    print("| Zimtohrli distance, mean / worst | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
