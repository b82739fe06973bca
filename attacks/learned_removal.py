"""Removal of the mark by what is learned from marked audio; how is in `soundsafe.attacks.learned`."""

from __future__ import annotations

import numpy as np

from soundsafe.attacks.access import Access, within
from soundsafe.attacks.registry import Audio, attack
from soundsafe.codecs import fit_length, resample

__all__ = ["learned_removal"]

_RATE = 44_100


@attack(
    "adversarial",
    {f"learned_removal_{n}": {"files": n, "snr_db": 20.0} for n in (0, 4)},
    needs_access=True,
)
def learned_removal(
    audio: Audio, rate: int, rng: np.random.Generator, *, files: int, snr_db: float, access: Access
) -> Audio:
    """Pilots learned and moved by half a step: of the cell layer from this audio, of the tile layer from this
    and `files` others. Uses `others`.

    Audio must start where its mark does. At other rates all is done at 44.1 kHz and added as a difference.
    """
    # These load torch, which a list of attacks does without.
    from soundsafe.attacks.learned import remove_pilots, remove_tile_pilots
    from soundsafe.attacks.learning import learn_pilots, learn_tiles, pilot_tile_bands

    own = _resampled(audio, rate, _RATE)
    quiet = remove_pilots(own, learn_pilots([own])) if own.shape[1] >= _RATE else own
    if files:
        others = [_resampled(other, rate, _RATE) for other in access.others(files)]
        quiet = remove_tile_pilots(quiet, learn_tiles([own, *others], alike=False, bands=pilot_tile_bands()))
    change = _resampled(quiet - own, _RATE, rate)
    return within(audio, audio + fit_length(change, audio.shape[1]), snr_db)


def _resampled(audio: Audio, rate: int, wanted: int) -> Audio:
    return audio if rate == wanted else resample(audio, rate, wanted)
