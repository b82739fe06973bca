"""`soundsafe train carrier`: clips in, a fitted profile out."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from soundsafe.aliases import Audio, Progress
from soundsafe.cells.profile import EUL_SAMPLES, ROBUST
from soundsafe.codecs import resample
from soundsafe.errors import InputError
from soundsafe.files.audio_folder import MONO, Dataset, read_folder
from soundsafe.stft import RATE
from soundsafe.training.carrier import fit_carrier

__all__ = ["clips_of", "evenly", "train_carrier"]

T = TypeVar("T")

_CLIPS = 12
_EULS = 3


def evenly(items: Sequence[T], most: int) -> list[T]:
    """At most so many of the items, evenly drawn from the first on."""
    many = min(most, len(items))
    return [items[i * len(items) // many] for i in range(many)]


def clips_of(data: Path | None, split: str) -> Dataset:
    """The clips to train on.

    Args:
        data: a folder of audio files; with ``:mono`` at its end clips are read as the mean of their channels.
        split: of its manifest, where it has one.

    Raises:
        InputError: no folder (the bundled clips are for tests alone), or none that can be used.
    """
    if data is None:
        raise InputError("no clips to train on come with the package: give --data DIR")
    text = str(data)
    return read_folder(Path(text.removesuffix(MONO)), split, mono=text.endswith(MONO))


def _clips(data: Path | None) -> list[Audio]:
    """Up to twelve stretches of three seconds, evenly drawn from the train split."""
    dataset = clips_of(data, "train")
    found = []
    for clip in evenly(dataset.clips, _CLIPS):
        audio, rate = clip.read()
        audio = resample(audio, rate, RATE)
        if audio.shape[1] >= _EULS * EUL_SAMPLES and float(np.abs(audio).max()) > 1e-3:
            start = (audio.shape[1] - _EULS * EUL_SAMPLES) // 2 // EUL_SAMPLES * EUL_SAMPLES
            found.append(np.ascontiguousarray(audio[:, start : start + _EULS * EUL_SAMPLES]))
    if not found:
        raise InputError(f"{dataset.name}: no clip of the train split is {_EULS} s long: give --data DIR")
    return found


def train_carrier(data: Path | None, out: Path | None, report: Progress) -> list[str]:
    """Fit, write ``carrier.json`` into `out` (by atomic rename), and return the lines to print."""
    clips = _clips(data)
    fit = fit_carrier(clips, ROBUST, report=report)
    lines = [f"{len(clips)} clips of {_EULS} s; distance and information for each round:"]
    for i, one in enumerate(fit.history):
        figures = ", ".join(f"{name} {value:.3f}" for name, value in one.information.items())
        lines.append(f"{i}: {math.exp(one.log_distance):.3e}  {one.value:.4f}  ({figures})")
    lines.append("step_hz = " + ", ".join(f"{hz:g}" for hz in fit.profile.step_hz))
    lines.append("step    = " + ", ".join(f"{step:g}" for step in fit.profile.step))
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
            partial = out / ".carrier.json.tmp"
            partial.write_text(json.dumps(fit.profile.to_json(), indent=2) + "\n")
            os.replace(partial, out / "carrier.json")
        except OSError as error:
            raise InputError(f"cannot write {out}: {error.strerror}") from None
        lines.append(f"written: {out / 'carrier.json'}")
    return lines
