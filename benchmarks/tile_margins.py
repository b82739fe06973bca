"""What the tile layer alone reads of 16 bytes, and by how much: `python benchmarks/tile_margins.py DATASET`.

The first seconds of clips of music and speech are marked in the tile layer alone, by version 1 of the mark
and by version 2, changed in tempo or pitch, cut at the beginning and read blindly. Prints, as Markdown, how
many words are read and their mean margin: by how many dB each could have been noisier (negative where it was
not read), with the paired difference between both versions.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from soundsafe import attacks, datasets
from soundsafe.aliases import Audio
from soundsafe.message.short_words import encode_short_word, read_short_word, short_margin_db
from soundsafe.stft import RATE
from soundsafe.tiles.detector import SoftBlocks, short_llr, short_zeros
from soundsafe.tiles.embedder import SHORT_EFFORT, mark_tiles
from soundsafe.tiles.geometry import LEARNABLE_TILES, ROBUST_TILES, TileCode
from soundsafe.tiles.warp import Spectrogram, find

KEY, PAYLOAD = bytes(range(32)), b"sixteen bytes it"
ATTACKS = "tempo_signalsmith_+5%,tempo_signalsmith_-5%,pitch_signalsmith_+5%,pitch_signalsmith_-5%"
CUT = 5_000
"""Samples that are cut off at the beginning: where blocks lie is not known."""

NOTHING_DB = -5.0
"""Margin where no block lies in what is left, and the least that is counted."""


def reading(audio: Audio, code: TileCode) -> tuple[bool, float]:
    """Whether the payload is read, and its margin in dB."""
    spec = Spectrogram(audio, code.long.geometry if code.profile.host_bound else code.learnable.geometry)
    blocks = SoftBlocks(spec, find(spec), code, 16)
    if not len(blocks.number):
        return False, NOTHING_DB
    geo = code.geometry
    zero = short_zeros(blocks.number, geo) if geo.named.shape[1] else None
    llr = short_llr(blocks.values(zero), blocks.number, geo)
    margin = short_margin_db(PAYLOAD, llr, encode_short_word(PAYLOAD, KEY, geo.word))
    return read_short_word(llr, KEY).payload == PAYLOAD, max(margin, NOTHING_DB)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--split", default="train,val")
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--attacks", default=ATTACKS)
    parser.add_argument("--seed", type=int, default=0, help="draws the clips")
    given = parser.parse_args()
    torch.set_num_threads(1)
    length = round(given.seconds * RATE)
    clips = [
        clip
        for split in given.split.split(",")
        for clip in datasets.load(given.dataset, split=split).clips
        if clip.category in ("music", "speech")
    ]
    codes = [TileCode(KEY, profile).short for profile in (LEARNABLE_TILES, ROBUST_TILES)]
    found: dict[str, list[list[tuple[bool, float]]]] = {name: [] for name in given.attacks.split(",")}
    taken = 0
    for i in np.random.default_rng(given.seed).permutation(len(clips)):
        if taken == given.clips:
            break
        audio, rate = clips[i].read()
        if rate != RATE or audio.shape[1] < length:
            continue
        taken += 1
        marked = [mark_tiles(audio[:, :length], PAYLOAD, code, effort=SHORT_EFFORT) for code in codes]
        for name, rows in found.items():
            changed = [attacks.get(name).apply(m, RATE, np.random.default_rng(0)) for m in marked]
            rows.append([reading(c[:, CUT:], code) for c, code in zip(changed, codes, strict=True)])
    print("| attack | n | read, version 1 | version 2 | margin, dB, version 1 | version 2 | difference |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    read = np.array([[[one[0] for one in row] for row in rows] for rows in found.values()])
    margin = np.array([[[one[1] for one in row] for row in rows] for rows in found.values()])
    for i, name in enumerate([*found, "all"]):
        here = slice(i, i + 1) if i < len(found) else slice(None)
        by_clip = margin[here].mean(axis=0)  # attacks on one clip are not independent
        apart = by_clip[:, 1] - by_clip[:, 0]
        error = apart.std(ddof=1) / np.sqrt(len(apart)) if len(apart) > 1 else float("nan")
        first, second = read[here].sum(axis=(0, 1))
        print(
            f"| {name} | {read[here][..., 0].size} | {first} | {second} | {by_clip[:, 0].mean():.2f} "
            f"| {by_clip[:, 1].mean():.2f} | {apart.mean():+.2f} (standard error {error:.2f}) |"
        )


if __name__ == "__main__":
    main()
