"""What codecs do to the carriers of marked seconds, to which the learned map (`soundsafe.models.steps`) is
fitted.

Codecs are straight through: what they did to a carrier is taken as it was found, whatever the map makes of
its step, and only the map's own factors have a gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from soundsafe.aliases import Audio
from soundsafe.cells.code import CellCode
from soundsafe.cells.embedder import mark_block
from soundsafe.cells.host import code_of_second
from soundsafe.cells.lattice import project_slots
from soundsafe.cells.layout import choose_layout, features
from soundsafe.cells.masking import band_power, threshold
from soundsafe.cells.mixtures import mix_channels, mixtures
from soundsafe.cells.profile import EUL_FRAMES, PHASES
from soundsafe.cells.settings import QUALITIES
from soundsafe.codecs import fit_length
from soundsafe.message.coding import N
from soundsafe.stft import RATE, stft
from soundsafe.training.carrier import JUDGES

__all__ = ["CHANNELS", "Observations", "level_db", "observe"]

_FLOOR = 1e-9


def _noise(audio: Audio) -> Audio:
    """White noise 30 dB under the audio, the same each time."""
    noise = np.random.default_rng(0).normal(size=audio.shape)
    return (audio + noise * np.sqrt(np.mean(audio**2) * 1e-3)).astype(np.float32)


CHANNELS: dict[str, Callable[[Audio], Audio]] = {
    "noise_30dB": _noise,
    **JUDGES,
}
"""What marked audio goes through; phase A of the training knows the first alone."""


@dataclass(frozen=True)
class Observations:
    """Marked seconds before and after `CHANNELS`.

    `band`, `frame` ``[n, 2040]`` of each second's slots; `marked` ``[n, 2040]`` and `heard`
    ``[n, channels, 2040]``: their projections in steps of the profile; `level` ``[n, 24, 100]`` and
    `heard_level` ``[n, channels, 24, 100]``: of bands, in dB.
    """

    band: torch.Tensor
    frame: torch.Tensor
    marked: torch.Tensor
    heard: torch.Tensor
    level: torch.Tensor
    heard_level: torch.Tensor

    def __len__(self) -> int:
        return len(self.marked)


def level_db(spectrum: torch.Tensor, code: CellCode) -> torch.Tensor:
    """Mean power of the bands of a spectrum ``[bins, frames]`` in dB, ``[24, frames]``."""
    power = band_power(spectrum.real.square() + spectrum.imag.square(), code.profile)
    return 10.0 * torch.log10(power + _FLOOR)


def observe(clips: Sequence[Audio], seed: int = 0) -> Observations:
    """Mark clips with random bits, and see what each channel does to their carriers.

    Args:
        clips: ``[channels, samples]`` at 44.1 kHz, at least a second each.
        seed: of the bits.

    Returns:
        The seconds that mark the mean of the channels.
    """
    rng, code = np.random.default_rng(seed), CellCode()
    found: dict[str, list[torch.Tensor]] = {name: [] for name in Observations.__annotations__}
    for clip in clips:
        seconds = clip.shape[1] // RATE
        coded = rng.integers(0, 2, (seconds, N)).astype(np.uint8)
        marked = mark_block(clip, 0, coded, 0, code, QUALITIES["fast"])
        before, after = (stft(torch.from_numpy(np.ascontiguousarray(x))) for x in (clip, marked))
        through = [
            stft(torch.from_numpy(np.ascontiguousarray(fit_length(channel(marked), clip.shape[1]))))
            for channel in CHANNELS.values()
        ]
        for second in range(seconds):
            phase, mix = second % PHASES, mixtures(len(clip), second % PHASES)[0]
            if len(clip) > 1 and phase == PHASES - 1:
                continue
            here = slice(second * EUL_FRAMES, (second + 1) * EUL_FRAMES)
            plain, now, *others = (mix_channels(s, mix)[:, here] for s in (before, after, *through))
            own = code_of_second(plain, phase, code)
            lay = choose_layout(features(plain, code.profile), own, phase)
            at = [project_slots(s / threshold(s, code.profile), lay, own.geometry) for s in (now, *others)]
            found["band"].append(torch.from_numpy(own.geometry.band[lay.slots]).long())
            found["frame"].append(torch.from_numpy(own.geometry.frame[lay.slots]).long())
            found["marked"].append(at[0])
            found["heard"].append(torch.stack(at[1:]))
            found["level"].append(level_db(now, code))
            found["heard_level"].append(torch.stack([level_db(s, code) for s in others]))
    return Observations(**{name: torch.stack(values) for name, values in found.items()})
