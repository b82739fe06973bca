"""The lattice steps, fitted by direct search with the real embedder, real codecs and the real detector.

One round marks every clip with the present steps and, region by region, with larger ones. What a region gives
(information after the codecs) against what it costs (the logarithm of the Zimtohrli distance) decides
whether its steps grow or shrink; all steps together are then scaled so that the distance stays where it was.
The codecs that judge are not those that run in the embedder's loop.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from soundsafe.aliases import Audio, Bits, Floats, Progress
from soundsafe.cells.code import CellCode
from soundsafe.cells.embedder import mark_block
from soundsafe.cells.profile import EUL_SAMPLES, PHASES, Profile
from soundsafe.cells.reading import read_second
from soundsafe.cells.settings import QUALITIES
from soundsafe.codecs import aac_roundtrip, fit_length, mp3_roundtrip, opus_roundtrip
from soundsafe.distance.zimtohrli import worst_channel
from soundsafe.message.coding import N
from soundsafe.stft import RATE

__all__ = ["Fit", "Trial", "fit_carrier", "trial"]

JUDGES: dict[str, Callable[[Audio], Audio]] = {
    "mp3_192": lambda audio: mp3_roundtrip(audio, RATE, kbps=192, align=True, effort=3),
    "mp3_128": lambda audio: mp3_roundtrip(audio, RATE, kbps=128, align=True, effort=3),
    "aac_128": lambda audio: aac_roundtrip(audio, RATE, kbps=128, align=True),
    "opus_96": lambda audio: opus_roundtrip(audio, RATE, kbps=96, align=True),
}

_NUDGE = 1.2
_RATE = 0.5
_LARGEST_MOVE = 0.12


@dataclass(frozen=True)
class Trial:
    """What the lattice's steps give and cost on a set of clips.

    Attributes:
        log_distance: mean over clips of the natural logarithm of the Zimtohrli distance.
        information: bits of information for each coded bit after each codec, 0 to 1, by the codec's name.

    Example:
        >>> Trial(-10.0, {"mp3_128": 0.25, "aac_128": 0.75}).value
        0.5
    """

    log_distance: float
    information: dict[str, float]

    @property
    def value(self) -> float:
        """Mean information over the codecs."""
        return float(np.mean(list(self.information.values())))


@dataclass(frozen=True)
class Fit:
    """What a fit comes to.

    Attributes:
        profile: the fitted one.
        history: the trials before the first round and after each.

    Example:
        >>> from soundsafe.cells.profile import ROBUST
        >>> Fit(ROBUST, (Trial(-10.0, {"mp3_128": 0.25}),)).history[0].value
        0.25
    """

    profile: Profile
    history: tuple[Trial, ...]


def _true_information(llr: Floats, bits: Bits) -> float:
    """1 - E[log2(1 + exp(-s))], where s is the soft value towards the right bit; never below 0."""
    right = np.clip(llr * (1.0 - 2.0 * bits), -40.0, 40.0)
    return max(0.0, float(1.0 - np.mean(np.log2(1.0 + np.exp(-right)))))


def trial(clips: Sequence[Audio], profile: Profile, seed: int) -> Trial:
    """Mark `clips` ``[channels, samples]`` (44.1 kHz, at least a second) with fixed steps and measure."""
    quality, code = QUALITIES["default"], CellCode(profile=profile)
    rng = np.random.default_rng(seed)
    distances: list[float] = []
    information: dict[str, list[float]] = {name: [] for name in JUDGES}
    for clip in clips:
        euls = clip.shape[1] // EUL_SAMPLES
        coded = rng.integers(0, 2, (euls, N)).astype(np.uint8)
        marked = mark_block(clip, 0, coded, 0, code, quality)
        distances.append(math.log(max(worst_channel(clip, marked, RATE), 1e-7)))
        for name, codec in JUDGES.items():
            attacked = fit_length(codec(marked), clip.shape[1])
            for i in range(euls):
                reading = read_second(attacked, i * EUL_SAMPLES, i % PHASES, code)
                got = 0.0 if reading is None else _true_information(reading.llr, coded[i])
                information[name].append(got)
    return Trial(float(np.mean(distances)), {name: float(np.mean(v)) for name, v in information.items()})


def _scaled(profile: Profile, factors: Floats) -> Profile:
    """`profile` with the steps of each region multiplied."""
    region = np.searchsorted(profile.region_hz, profile.step_hz)
    step = tuple(round(float(s * factors[r]), 4) for s, r in zip(profile.step, region, strict=True))
    return dataclasses.replace(profile, step=step)


def fit_carrier(
    clips: Sequence[Audio],
    profile: Profile,
    rounds: int = 3,
    seed: int = 0,
    report: Progress | None = None,
) -> Fit:
    """Lattice steps that carry more information at the same distance.

    Takes some minutes for ten clips of three seconds.

    Args:
        clips: audio ``[channels, samples]`` at 44.1 kHz, at least a second each.
        profile: where the search starts.
        rounds: of search; 0 measures the start alone.
        seed: of the bits that are marked.
        report: gets the share done, 0 to 1, and a line of text.

    Returns:
        The fitted profile and the trials on the way.

    Example:
        >>> from soundsafe.cells.profile import ROBUST
        >>> noise = np.random.default_rng(0).normal(0, 0.1, (1, 44_100)).astype(np.float32)
        >>> len(fit_carrier([noise], ROBUST, rounds=0).history)
        1
    """
    tell = report or (lambda _share, _words: None)
    total = rounds * (profile.regions + 2) + 1
    done = 0

    def measure(candidate: Profile) -> Trial:
        nonlocal done
        result = trial(clips, candidate, seed)
        done += 1
        tell(done / total, f"information {result.value:.4f} at distance {math.exp(result.log_distance):.2e}")
        return result

    # One candidate scale keeps the detector from choosing another by chance.
    plain = dataclasses.replace(profile, scales=(1.0,))
    start = now = measure(plain)
    best = (now.value, plain)
    history = [now]
    ones = np.ones(profile.regions)
    for _ in range(rounds):
        gain = np.zeros(profile.regions)
        for r in range(profile.regions):
            factors = ones.copy()
            factors[r] = _NUDGE
            other = measure(_scaled(plain, factors))
            cost = max(other.log_distance - now.log_distance, 1e-3)
            gain[r] = (other.value - now.value) / cost
        worth = gain / max(float(np.mean(np.maximum(gain, 0.0))), 1e-6)
        move = np.clip(_RATE * (worth - 1.0), -1.0, 1.0) * _LARGEST_MOVE
        candidate = _scaled(plain, np.exp(move))
        after = measure(candidate)
        louder = measure(_scaled(candidate, ones * _NUDGE))
        slope = (louder.log_distance - after.log_distance) / math.log(_NUDGE)
        candidate = _scaled(
            candidate, ones * math.exp((start.log_distance - after.log_distance) / max(slope, 0.3))
        )
        plain = candidate
        now = trial(clips, plain, seed)
        history.append(now)
        if now.value > best[0] and now.log_distance < start.log_distance + 0.03:
            best = (now.value, plain)
    return Fit(dataclasses.replace(best[1], scales=profile.scales), tuple(history))
