"""The corpus that comes with the package: complete, small, licensed."""

from __future__ import annotations

import numpy as np

from soundsafe import datasets
from soundsafe.datasets import dataset as module

FOLDER = module._FOLDERS[datasets.BUNDLED]
LICENCES = {"MIT", "CC-BY-SA-3.0", "GPL-2.0-only", "GPL-2.0-or-later"}


def test_eight_clips_of_eight_seconds() -> None:
    dataset = datasets.load(datasets.BUNDLED, split="test")
    assert dataset.name == "bundled"
    assert len(dataset.clips) == 8
    assert dataset.clips == datasets.load("bundled").clips
    assert {c.category for c in dataset.clips} == {"music", "speech"}
    assert len({c.group for c in dataset.clips}) == 8
    for clip in dataset.clips:
        audio, rate = clip.read()
        assert rate == 44100
        assert audio.shape[0] in (1, 2)
        assert audio.shape[1] == 8 * rate
        assert 0.01 < np.abs(audio).max() <= 1


def test_small() -> None:
    assert sum(f.stat().st_size for f in FOLDER.iterdir()) <= 6_000_000


def test_licences_are_carried() -> None:
    text = (FOLDER / "LICENSES.md").read_text(encoding="utf-8")
    clips = datasets.load("bundled").clips
    assert {c.license for c in clips} == LICENCES
    for clip in clips:
        row = next(line for line in text.splitlines() if f"`{clip.clip}`" in line)
        assert row.rstrip(" |").endswith(clip.license)
    for name in ("GPL-2.0.txt", "MIT.txt"):
        assert (FOLDER / name).stat().st_size > 1000
        assert name in text


def test_every_file_belongs() -> None:
    listed = {c.path.name for c in datasets.load("bundled").clips}
    assert {f.name for f in FOLDER.iterdir()} == listed | {
        "manifest.csv",
        "LICENSES.md",
        "GPL-2.0.txt",
        "MIT.txt",
    }


def test_mono_of_the_bundled_clips() -> None:
    assert {c.read()[0].shape[0] for c in datasets.load("bundled:mono").clips} == {1}
