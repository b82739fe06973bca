"""How often the sync pattern is found, to the sample, in audio cut from anywhere, and how often without one.

    python benchmarks/sync_pattern.py path/to/dev --split test --per-clip 4

Each second of a clip gets the pattern of `SyncAnchor`; windows are cut at places drawn at random. Found: to
within 2 samples. Unmarked windows are of the same clips, ``--unmarked`` of each length in all. Before that:
how often anchors name another seed after a gain or a limiter.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from soundsafe import attacks
from soundsafe.aliases import Audio
from soundsafe.codecs import fit_length, mp3_roundtrip, resample
from soundsafe.files.audio_folder import read_folder
from soundsafe.pipeline.sync_anchors import SyncAnchor
from soundsafe.stft import RATE

ATTACKS: dict[str, Callable[[Audio], Audio]] = {
    "none": lambda x: x,
    "mp3_192": lambda x: fit_length(mp3_roundtrip(x, RATE, kbps=192, align=True, effort=3), x.shape[1]),
}
LEAST = 0.05


DRY: dict[str, Callable[[Audio], Audio]] = {
    "gain_+3dB": lambda x: x * np.float32(10 ** (3 / 20)),
    "gain_-3dB": lambda x: x * np.float32(10 ** (-3 / 20)),
    "limiter_-3dB": lambda x: attacks.get("limiter_-3dB").apply(x.copy(), RATE, np.random.default_rng(0)),
}


def print_seeds(clips: list[Audio]) -> None:
    """How many seconds have another seed from their anchors after an attack, by both rankings."""
    seconds = [x[:, i * RATE : (i + 1) * RATE] for x in clips for i in (1, 4)]
    for rank_by in ("thresholds", "levels"):
        anchor = SyncAnchor(rank_by=rank_by)
        own = [anchor.detect_anchor_and_seed(x, 0.0)[0] for x in seconds]
        for name, attack in DRY.items():
            after = [np.asarray(attack(x), np.float32) for x in clips]
            cut = [x[:, i * RATE : (i + 1) * RATE] for x in after for i in (1, 4)]
            energies = [anchor.band_energies(x) for x in cut]
            seeds = [anchor.candidate_seeds(e, RATE, 9) for e in energies]
            other = sum(s[0] != o for s, o in zip(seeds, own, strict=True))
            lost = sum(o not in s for s, o in zip(seeds, own, strict=True))
            told = f"{other} of {len(own)} differ, {lost} are not among nine candidates"
            print(f"seeds by {rank_by}, {name}: {told}")


def windows(
    clips: list[Audio], seconds: int, per_clip: int, rng: np.random.Generator
) -> list[tuple[Audio, int]]:
    """Cuts of so many seconds, and where in each a second begins."""
    out = []
    for x in clips:
        for _ in range(per_clip):
            at = int(rng.integers(0, x.shape[1] - seconds * RATE))
            out.append((x[:, at : at + seconds * RATE], -at % RATE))
    return out


def marked(x: Audio, anchor: SyncAnchor) -> Audio:
    """`x` with the pattern in each whole second."""
    y = x.copy()
    for i in range(0, x.shape[1] - RATE + 1, RATE):
        y[:, i : i + RATE] = anchor.embed_pattern(torch.from_numpy(x[:, i : i + RATE].copy())).numpy()
    return y


def audio_of(folder: Path, split: str, length: int) -> list[Audio]:
    """The mean of each clip's channels at 44.1 kHz, from its middle."""
    out = []
    for clip in read_folder(folder, split).clips:
        audio, rate = clip.read()
        x = resample(audio.mean(axis=0, keepdims=True), rate, RATE)
        if x.shape[1] >= length and float(np.abs(x).max()) > 1e-3:
            first = (x.shape[1] - length) // 2
            out.append(np.ascontiguousarray(x[:, first : first + length]))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--per-clip", type=int, default=2)
    parser.add_argument("--unmarked", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds-only", action="store_true", help="compare the anchors' seeds, nothing else")
    args = parser.parse_args()
    anchor, rng = SyncAnchor(), np.random.default_rng(args.seed)
    clips = audio_of(args.folder, args.split, 6 * RATE)
    print(f"{len(clips)} clips of split {args.split}")
    print_seeds(clips)
    if args.seeds_only:
        return
    carrying = [marked(x, anchor) for x in clips]
    for name, attack in ATTACKS.items():
        attacked = [attack(x) for x in carrying]
        for seconds in (1, 2, 4):
            tried = windows(attacked, seconds, args.per_clip, rng)
            found = 0
            for x, start in tried:
                offset, confidence = anchor.find_pattern(x, period=RATE)
                off = (offset - start + RATE // 2) % RATE - RATE // 2
                found += confidence >= LEAST and abs(off) <= 2
            print(f"{name:8} windows of {seconds} s: {found} of {len(tried)} found", flush=True)
    if args.unmarked:
        per = -(-args.unmarked // len(clips))
        for seconds in (1, 2):
            tried = windows(clips, seconds, per, rng)
            heard = np.sort([anchor.find_pattern(x, period=RATE)[1] for x, _ in tried])
            print(
                f"unmarked, windows of {seconds} s: {(heard >= LEAST).sum()} of {len(heard)} found; "
                f"highest confidences {np.round(heard[-4:], 3).tolist()}",
                flush=True,
            )


if __name__ == "__main__":
    main()
