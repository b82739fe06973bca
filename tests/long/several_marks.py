"""Marks of several owners in one file, one over the other: which of them still read.

    python tests/long/several_marks.py --seconds 8 --marks 2

For each bundled clip one JSON document: for each mark, in the order of embedding, whether its payload reads,
and how many seconds read alone; and the SNR of all marks together. `--same-key`: one owner, another payload
each time.
"""

from __future__ import annotations

import argparse
import json

import numpy as np

import soundsafe
from soundsafe import datasets
from soundsafe.errors import NotMarkable


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--marks", type=int, default=2)
    parser.add_argument("--quality", default="default")
    parser.add_argument("--clips", nargs="*", help="of the bundled ones; all without")
    parser.add_argument("--same-key", action="store_true")
    asked = parser.parse_args()
    for clip in datasets.load("bundled").clips:
        if asked.clips and clip.clip not in asked.clips:
            continue
        audio, rate = clip.read()
        original = audio[:, : int(asked.seconds * rate)]
        keys = [bytes([0 if asked.same_key else i]) * 32 for i in range(asked.marks)]
        payloads = [f"of owner {i}".encode() for i in range(asked.marks)]
        marked = original
        try:
            for key, payload in zip(keys, payloads, strict=True):
                marked = soundsafe.embed(marked, rate, payload, key, quality=asked.quality).audio
        except NotMarkable as error:
            print(json.dumps({"clip": clip.clip, "error": str(error)}), flush=True)
            continue
        found = [soundsafe.decode(marked, rate, key) for key in keys]
        noise = float(np.mean(np.square(marked - original)))
        document = {
            "clip": clip.clip,
            "euls": len(found[-1].euls),
            "reads": [f.payload == p for f, p in zip(found, payloads, strict=True)],
            "euls_ok": [sum(eul.ok for eul in f.euls) for f in found],
            "snr_db": round(10 * np.log10(float(np.mean(np.square(original))) / noise), 1),
        }
        print(json.dumps(document), flush=True)


if __name__ == "__main__":
    main()
