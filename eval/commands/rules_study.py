"""Which rule of the seed profile breaks parity, one rule at a time.

``python -m soundsafe.eval.commands.rules_study [DATASET] [--split S] [--seconds N] [--limit N]`` marks
clips with the default profile, attacks them, undoes the attack's known delay (so that no rule is blamed for a
shift), and prints for each rule the share of whole seconds in which it gives exactly the same. The first
column compares the original with the marked audio, the others the marked with the attacked. Where a rule says
something of each frame, two finer units follow: the share of frames that are equal in all bands, and of all
pairs of band and frame.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from soundsafe import attacks, datasets, embed
from soundsafe.aliases import Audio
from soundsafe.cells.code import CellCode
from soundsafe.cells.layout import Layout, choose_layout, features
from soundsafe.cells.masking import ANALYZER
from soundsafe.cells.profile import EUL_FRAMES, EUL_SAMPLES, ROBUST
from soundsafe.errors import NotMarkable
from soundsafe.pipeline.features import levels_db, magnitude, quantized_thresholds
from soundsafe.pipeline.ingest_and_chunk import allocate_slots_and_amplitudes, allocator_seed
from soundsafe.pipeline.parity import parity_by_band, parity_frames
from soundsafe.pipeline.sync_anchors import SyncAnchor
from soundsafe.stft import RATE, stft

__all__ = ["RULES", "main", "study"]

ATTACKS = ("gain_-3dB", "limiter_-3dB", "mp3_192", "mp3_128")


def _thresholds(x: Audio) -> NDArray[np.float64]:
    return quantized_thresholds(ANALYZER.band_thresholds(magnitude(x)), 1e-6)


def _frame_levels(x: Audio) -> NDArray[np.float64]:
    return np.floor(ANALYZER.band_levels_db(magnitude(x))[4:19] / 3.0)


def _median_levels(x: Audio) -> NDArray[np.float64]:
    return np.floor(levels_db(magnitude(x), ANALYZER)[4:19] / 3.0)


def _loudest_cells(x: Audio) -> list[list[int]]:
    # The bits of every band given: only the ranking by magnitude is left to differ.
    mag = magnitude(x)
    return [np.argsort(-np.floor(mag[:, t] * 1e6), kind="stable")[:20].tolist() for t in range(mag.shape[1])]


def _robust(x: Audio) -> Layout:
    spectrum = stft(torch.from_numpy(np.ascontiguousarray(x.mean(axis=0))))[:, :EUL_FRAMES]
    return choose_layout(features(spectrum, ROBUST), CellCode(), 0)


def _frame_alive(x: Audio) -> NDArray[np.float64]:
    """Which bands are alive in each frame by itself, 0 or 1; the codec asks the median over a second."""
    spectrum = stft(torch.from_numpy(np.ascontiguousarray(x.mean(axis=0))))[:, :EUL_FRAMES]
    frames = [features(spectrum[:, t : t + 1], ROBUST).level_db for t in range(spectrum.shape[1])]
    return (np.stack(frames, axis=1) > -ROBUST.dead_db).astype(np.float64)


RULES: dict[str, Callable[[Audio], object]] = {
    "seed: thresholds in steps of 1e-6, all frames": lambda x: _thresholds(x).tolist(),
    "seed: bits for each band": lambda x: allocate_slots_and_amplitudes(magnitude(x)).bits_per_band.tolist(),
    "seed: the 20 loudest cells of each frame": _loudest_cells,
    "seed: seed of ties and slots": lambda x: allocator_seed(_thresholds(x)),
    "levels in steps of 3 dB, all frames": lambda x: _frame_levels(x).tolist(),
    "1 s medians of levels in steps of 3 dB": lambda x: _median_levels(x).tolist(),
    "anchors ranked by thresholds": lambda x: SyncAnchor().anchor_bands(SyncAnchor().band_energies(x)),
    "robust: live bands (one step, at -58 dB)": lambda x: _robust(x).alive.tolist(),
    "robust: anchors ranked by 1 s medians": lambda x: _robust(x).anchors,
    "robust: slots, without candidates": lambda x: _robust(x).digest,
}
"""What each rule makes of one second ``[channels, 44100]``; equal answers are parity."""


FRAME_RULES: dict[str, Callable[[Audio], NDArray[np.float64]]] = {
    "seed: thresholds in steps of 1e-6": _thresholds,
    "levels in steps of 3 dB": _frame_levels,
    "robust: alive or dead (one step, at -58 dB)": _frame_alive,
}
"""What a rule makes of each frame of a second, ``[bands, frames]``; compared in finer units than seconds."""

UNITS: dict[str, Callable[[NDArray[np.float64], NDArray[np.float64]], float]] = {
    "frames": parity_frames,
    "bands and frames": lambda a, b: float(parity_by_band(a, b).mean()),
}
"""The share of equal units of two seconds by name, of `FRAME_RULES`."""


def _seconds(x: Audio, start: int, count: int) -> list[Audio]:
    cuts = [x[:, start + i * EUL_SAMPLES : start + (i + 1) * EUL_SAMPLES] for i in range(count)]
    return [np.ascontiguousarray(c) for c in cuts if c.shape[1] == EUL_SAMPLES]


def study(clips: Sequence[datasets.Clip], seconds: int) -> dict[str, dict[str, float]]:
    """Share of equal units for each rule, ``RULE [UNIT]``, and each of `marked`, `ATTACKS`."""
    names = ("marked", *ATTACKS)
    equal: dict[str, dict[str, list[float]]] = {f"{r} [seconds]": {n: [] for n in names} for r in RULES}
    equal |= {f"{r} [{unit}]": {n: [] for n in names} for r in FRAME_RULES for unit in UNITS}
    for clip in clips:
        audio, rate = clip.read()
        audio = np.ascontiguousarray(audio[:, : seconds * RATE])
        if rate != RATE:
            continue
        try:
            marked = embed(audio, rate, clip.clip.encode()[:64]).audio
        except NotMarkable:
            continue
        assert marked is not None  # only files leave it out
        cut = {"original": _seconds(audio, 0, seconds), "marked": _seconds(marked, 0, seconds)}
        for name in ATTACKS:
            attack = attacks.get(name)
            x = attack.apply(marked.copy(), rate, np.random.default_rng(0))
            cut[name] = _seconds(x, attack.delay_samples(rate, len(marked)) or 0, seconds)
        for rule, function in RULES.items():
            said = {name: [function(x) for x in parts] for name, parts in cut.items()}
            for name in names:
                reference = said["original" if name == "marked" else "marked"]
                pairs = zip(reference, said[name], strict=False)
                equal[f"{rule} [seconds]"][name] += [float(a == b) for a, b in pairs]
        for rule, each in FRAME_RULES.items():
            arrays = {name: [each(x) for x in parts] for name, parts in cut.items()}
            for name, (unit, share) in itertools.product(names, UNITS.items()):
                clean = arrays["original" if name == "marked" else "marked"]
                equal[f"{rule} [{unit}]"][name] += map(share, clean, arrays[name])
    return {rule: {n: float(np.mean(v)) for n, v in columns.items()} for rule, columns in equal.items()}


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m soundsafe.eval.commands.rules_study")
    parser.add_argument("dataset", nargs="?", default="bundled")
    parser.add_argument("--split")
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    torch.set_num_threads(1)
    clips = datasets.load(options.dataset, split=options.split).clips[: options.limit]
    names = ("marked", *ATTACKS)
    print("| rule [unit] | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    for rule, columns in study(clips, options.seconds).items():
        print(f"| {rule} | " + " | ".join(f"{columns[n]:.2f}" for n in names) + " |")


if __name__ == "__main__":
    main()
