"""How hard the embedder of the cell layer works, and where its detector draws its lines.

Neither changes what a mark is: marks made with any `Quality` are read with any `DetectorSettings`. What both
sides must share is in `soundsafe.cells.profile`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from soundsafe.aliases import Audio
from soundsafe.cells.sync import LOCK_Z
from soundsafe.codecs import mp3_roundtrip
from soundsafe.stft import RATE

__all__ = [
    "DETECTOR",
    "QUALITIES",
    "REPEATED",
    "RETREAT",
    "ROUGH",
    "SHORT_QUALITIES",
    "DetectorSettings",
    "Quality",
]

RETREAT = 0.7
"""Scales go with this power of the distance that they make."""


def _mp3(effort: int, lead: int, audio: Audio) -> Audio:
    """`audio` after LAME, its frames `lead` samples early: 192 kbit/s in stereo, 128 in mono."""
    kbps = 128 if len(audio) == 1 else 192
    padded = np.pad(audio, ((0, 0), (lead, 0)))
    return mp3_roundtrip(padded, RATE, kbps=kbps, align=True, effort=effort)[:, lead:]


# LAME with and without noise shaping: informed on one alone, the mark reads best after that one. The judge
# is a third, whose frames lie elsewhere.
_CODECS = (partial(_mp3, 7, 0), partial(_mp3, 3, 0))
_JUDGE = partial(_mp3, 5, 150)


@dataclass(frozen=True)
class Quality:
    """How hard the embedder works.

    Args:
        steps: Gauss-Newton steps, at least 1.
        refresh: steps between runs of the codecs in the loop, at least 1.
        memory: how much of what codecs did before still counts, each time, 0 to 1.
        trust: share of it that is compensated, 0 to 1: the next encoder will not do quite the same.
        codecs: aligned round trips, which take turns; none: nothing is compensated.
        judge: a round trip that is not in the loop, and sets the scales.
        stay: share of the way to the lattice point that is not gone, 0 to 1 (distortion compensation: Chen
            and Wornell 2001).
        reach: factor of a step, 1 to 2: frames overlap by half, so that about half of what is added to the
            cells of one is not found there again.
        near: share of Delta round there that counts as near enough, 0 to 1.
        error_goal: share of the bits that should be wrong after the judge, 0 to 0.5; with
        error_goal_apart: where channels carry the second each by itself, and their soft values are added; and
        error_goal_mono: in mono.
        probe: steps of a first pass at the first scale. After it, and after each but the last of
        rounds: of `steps`, the judge's errors set the scales of each second anew.
        distance_limit: the largest Zimtohrli distance of a second, positive.
        strength: factor of the scales, and with them of the limit (`louder`), positive.

    Raises:
        ValueError: a figure out of its range.
    """

    steps: int = 10
    refresh: int = 3
    memory: float = 0.85
    trust: float = 0.5
    codecs: tuple[Callable[[Audio], Audio], ...] = _CODECS
    judge: Callable[[Audio], Audio] = _JUDGE
    stay: float = 0.2
    reach: float = 1.0
    near: float = 0.08
    error_goal: float = 0.049
    error_goal_apart: float = 0.1
    error_goal_mono: float = 0.02
    probe: int = 5
    rounds: int = 1
    distance_limit: float = 1.2e-4
    strength: float = 1.0

    def louder(self, factor: float) -> Quality:
        """The same, with a mark whose amplitude is `factor` times as large."""
        limit = self.distance_limit * factor ** (1.0 / RETREAT)
        return replace(self, strength=self.strength * factor, distance_limit=limit)

    def __post_init__(self) -> None:
        if min(self.steps, self.refresh) < 1 or min(self.probe, self.rounds) < 0:
            raise ValueError("steps and refresh are at least 1, probe and rounds at least 0")
        if not all(0.0 <= share <= 1.0 for share in (self.memory, self.trust, self.stay, self.near)):
            raise ValueError("memory, trust, stay and near are shares, 0 to 1")
        if not all(
            0.0 < goal < 0.5 for goal in (self.error_goal, self.error_goal_apart, self.error_goal_mono)
        ):
            raise ValueError("goals of errors lie between 0 and 0.5")
        if not 1.0 <= self.reach <= 2.0:
            raise ValueError("reach lies between 1 and 2")
        if self.distance_limit <= 0.0:
            raise ValueError("distance_limit must be positive")
        if self.strength <= 0.0:
            raise ValueError("strength must be positive")


ROUGH = Quality(probe=5, rounds=0, codecs=())
"""About what the cells will add, for the layer that is solved before them."""

QUALITIES: dict[str, Quality] = {
    "fast": Quality(probe=4, steps=8, refresh=4),
    "default": Quality(),
    "best": Quality(steps=16, refresh=1, rounds=2),
}
"""The qualities that users name."""

_SHORT = Quality(probe=2, steps=3, reach=1.9, codecs=(), rounds=0, distance_limit=0.7e-4)

SHORT_QUALITIES: dict[str, Quality] = {
    "fast": replace(_SHORT, probe=1, steps=2),
    "default": _SHORT,
    "best": replace(_SHORT, steps=6),
}
"""What they mean for short words: no codec in the loop, whose place a code of low rate takes. Strength is the
scale of all seconds but those that exceed the limit."""


@dataclass(frozen=True)
class DetectorSettings:
    """Where the detector draws its lines. They decide what is tried and how long, never what is believed.

    A *z* is a sum of pilots' cosines, a *fit* the same of carriers with bits: both standard normal by chance.
    An *information* is what soft values claim to know, in bits for each coded bit, 0 to 1.

    Args:
        known_offsets: samples at which a mark's first second may begin, tried before all others: untouched
            audio, and LAME's encoder and decoder delay.
        lock_z: smallest z that counts as the pilots found.
        sure_z: z so large that it is no side lobe, at least `lock_z`: in tonal music side lobes reach a third
            of the best z possible.
        keep_fit: fit under which a second may lie elsewhere: the best by chance, of all layouts and scales,
            is about 5.
        most_patience: seconds that fit nothing before the pilots are looked for again, at most: each look in
            vain doubles it.
        nudged_fit: clocks drift: a second that fits less is looked for nearby, and
        nudge: read again if it is more than so many samples away.
        equalised_fit: a second that still fits less may have gone through an equaliser;
        equalised_tries: how many that did not are tried in a row.
        unfiltered_fit: a fit, of one mixture of channels, that no equaliser leaves, at least `equalised_fit`:
            after it none is looked for.
        supposed_layouts: layouts that are tried for each supposed equaliser, and
        supposed_fit: the quick fit that ends that search.
        high_pass_tries: how many seconds in a row that were not read are tried as if behind a high-pass,
        high_pass_z: if their pilots have this z once its phases are undone, and
        high_pass_layouts: how many layouts, at least 1, that the lost bands may have named, and
        high_pass_searches: of how many seconds in all: one takes two CPU seconds.
        sure_fit: fit, over five regions, of a layout after which no other is tried.
        sure_name: fit of the named bits of a short word after which no other code and layout are tried.
        host_words: descriptions of a second's audio that are tried, at least 1, and
        laid_out_codes: of which all layouts are tried, if none is sure, and
        host_codes: of which short words are read, if none is sure, and if it is
        host_doubt: less unlikely than this (natural logarithm) against the likeliest.
        unsure_codes: descriptions, at least 1, of which a second is kept whole if none is sure, and
        unsure_away: how many decibels farther than the nearest they may be.
        host_noise: decibels of a description's distance that make it less likely by a factor of e.
        doubt: what a decibel of distance takes from the fit of a layout: where codecs have left no fit, the
            audio's own features are the better witness.
        decode_information: information above which decoding is tried;
        reread_information: above which a second is read again with what its code makes of it,
        reread_turns: so often;
        join_information: above which seconds that carry the same word are read together.
        longest_cycle: seconds after which parts repeat, at most, where no second has named their number;
        most_cycles: how many such cycles are tried.
        most_together: seconds that are read together, at most.
        most_kept: seconds that are kept to be added up, the best of a longer file: some 30 MB of mono, twice
            that of stereo.

    Raises:
        ValueError: figures that contradict each other, or are not positive.
    """

    known_offsets: tuple[int, ...] = (0, 1105)
    lock_z: float = LOCK_Z
    sure_z: float = 2.0 * LOCK_Z
    keep_fit: float = 6.0
    most_patience: int = 16
    nudged_fit: float = 25.0
    nudge: float = 0.2
    equalised_fit: float = 15.0
    equalised_tries: int = 3
    unfiltered_fit: float = 34.0
    supposed_layouts: int = 12
    supposed_fit: float = 12.0
    high_pass_layouts: int = 2000
    high_pass_tries: int = 4
    high_pass_z: float = 4.0
    high_pass_searches: int = 60
    sure_fit: float = 25.0
    sure_name: float = 5.5
    doubt: float = 4.0
    host_words: int = 16
    laid_out_codes: int = 3
    host_codes: int = 8
    host_doubt: float = 5.0
    unsure_codes: int = 4
    unsure_away: float = 3.0
    host_noise: float = 0.6
    decode_information: float = 0.45
    reread_information: float = 0.5
    reread_turns: int = 3
    join_information: float = 0.2
    longest_cycle: int = 25
    most_cycles: int = 3
    most_together: int = 48
    most_kept: int = 1200

    def __post_init__(self) -> None:
        if not 0.0 < self.lock_z <= self.sure_z:
            raise ValueError("a sure z is at least that of a lock, and both are positive")
        if not 0.0 < self.keep_fit <= self.equalised_fit <= self.unfiltered_fit:
            raise ValueError("fits rise: 0 < keep_fit <= equalised_fit <= unfiltered_fit")
        counts = (
            self.most_patience,
            self.supposed_layouts,
            self.high_pass_layouts,
            self.longest_cycle,
            self.most_together,
            self.most_cycles,
            self.most_kept,
        )
        if (
            min(counts) < 1
            or min(self.equalised_tries, self.high_pass_tries, self.high_pass_searches, self.reread_turns) < 0
        ):
            raise ValueError("counts are positive, tries and turns at least 0")
        if not self.known_offsets or min(self.known_offsets) < 0:
            raise ValueError("known_offsets holds at least one sample, none before the first")
        shares = (self.decode_information, self.reread_information, self.join_information)
        if not all(0.0 <= share <= 1.0 for share in shares):
            raise ValueError("informations lie between 0 and 1")
        if min(self.host_words, self.laid_out_codes, self.host_codes, self.unsure_codes) < 1:
            raise ValueError("at least one description of a second is tried, and read")
        others = (
            self.host_noise,
            self.host_doubt,
            self.unsure_away,
            self.nudged_fit,
            self.nudge,
            self.supposed_fit,
            self.sure_fit,
            self.sure_name,
            self.doubt,
        )
        if not all(value > 0.0 for value in others):
            raise ValueError("nudge, doubt and all fits are positive")


DETECTOR = DetectorSettings()
"""The default."""

REPEATED = replace(DETECTOR, high_pass_tries=0)
"""For what was read in vain already and is read again in another way: no second search for a high-pass."""
