"""`soundsafe train smoke|small|large|FILE`: a folder of audio in, checkpoints and tables out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from soundsafe.aliases import Progress
from soundsafe.codecs import resample
from soundsafe.errors import InputError
from soundsafe.files.audio_folder import Clip
from soundsafe.stft import RATE
from soundsafe.training.checkpoint import require_safetensors
from soundsafe.training.command import clips_of, evenly
from soundsafe.training.config import load_config
from soundsafe.training.devices import first_process
from soundsafe.training.trainer import SHOWN, train_network

__all__ = ["seconds_of", "train_from_folder"]

_VALIDATION_CLIPS, _SECONDS_OF_CLIP = 24, 5
"""Of the validation split: so many clips, evenly drawn, and of each so many seconds, evenly spread."""

_QUIET = 1e-3


def seconds_of(data: Path | None, split: str) -> list[torch.Tensor]:
    """Every whole second, mono at 44.1 kHz, of the split's clips; silent ones left out; clip by clip."""
    dataset = clips_of(data, split)
    found = []
    for clip in dataset.clips:
        audio, rate = clip.read()
        audio = resample(audio.mean(axis=0, keepdims=True), rate, RATE)[0]
        whole = audio[: len(audio) // RATE * RATE].reshape(-1, RATE)
        loud = whole[np.abs(whole).max(axis=1) > _QUIET]
        if len(loud):
            found.append(torch.from_numpy(np.ascontiguousarray(loud)))
    if not found:
        raise InputError(f"{dataset.name}: no clip of split {split} has a second of sound: give --data DIR")
    return found


def _keep_apart(data: Path | None) -> None:
    """Raises InputError where audio to validate on is audio to train on: clips of no split are both."""
    train, held_out = (clips_of(data, split).clips for split in ("train", "val"))
    both = {clip.path for clip in train} & {clip.path for clip in held_out}
    if both:
        _some_audio(str(data), train)
        raise InputError(
            f"{data}: {min(both).name} would be both trained on and validated on: a manifest.csv must put "
            "each clip into one split, train, val or test"
        )


def _some_audio(folder: str, clips: Sequence[Clip]) -> None:
    """Raises InputError where none of the clips can be read."""
    reason = ""
    for clip in clips:
        try:
            clip.read()
            return
        except InputError as error:
            reason = reason or str(error)
    raise InputError(f"{folder}: none of its files can be read as audio: {reason}")


def train_from_folder(
    what: str, data: Path | None, out: Path | None, resume: bool, report: Progress
) -> list[str]:
    """Train the network of a configuration; the lines to print come back. Raises InputError."""
    cfg = load_config(what)
    if out is None:
        raise InputError(f"cannot train {what} without a folder for its checkpoints: give --out DIR")
    require_safetensors()
    _keep_apart(data)
    train = torch.cat(seconds_of(data, "train"))
    clips = evenly(seconds_of(data, "val"), _VALIDATION_CLIPS)
    held = [torch.stack(evenly(list(clip), _SECONDS_OF_CLIP)) for clip in clips]
    validation = torch.cat(held)
    groups = [i for i, some in enumerate(held) for _ in some]

    def tell(share: float, figures: dict[str, float]) -> None:
        report(share, " ".join(f"{name} {figures[name]:.3g}" for name in SHOWN))

    try:
        rows = train_network(cfg, train, validation, out, resume, tell, groups=groups)
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror}") from None
    if not first_process():
        return []
    lines = [f"{len(train)} seconds to train on, {len(validation)} to validate"]
    for row in rows:
        lines.append(
            f"{cfg.rs_payload_bytes} payload byte(s) a second: BER {row['ber']:.3f}, "
            f"payload_ok {row['payload_ok']:.2f}, SNR {row['snr_db']:.1f} dB, "
            f"parity of frames {row['parity_frames']:.3f}"
        )
        share, low, high = (100 * row[f"stability_share{end}"] for end in ("", "_low", "_high"))
        lines.append(f"stability loss {share:.1f} % of its start (95 %: {low:.1f} to {high:.1f})")
    lines.append(f"attacks, phase by phase: soundsafe-eval phases {out}")
    lines.append(f"written: {out}")
    return lines
