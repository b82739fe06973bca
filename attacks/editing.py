"""Cuts, insertions and other edits in time, and edits of single samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundsafe.attacks.registry import Audio, attack, unknown_delay


def _crop_delay(rate: int, channels: int, *, start_s: float) -> int:
    return -round(start_s * rate)


def _shift_delay(rate: int, channels: int, *, samples: int) -> int:
    return samples


@attack(
    "editing",
    {f"crop_{s}s": {"start_s": s} for s in (0.01, 0.1, 0.25, 0.333, 0.5)},
    changes_length=True,
    differentiable=True,
    delay=_crop_delay,
)
def crop(audio: Audio, rate: int, rng: np.random.Generator, *, start_s: float) -> Audio:
    """The first `start_s` seconds cut off."""
    return audio[:, round(start_s * rate) :]


@attack(
    "editing",
    {f"excerpt_{s}s": {"seconds": s} for s in (1.2, 2.2, 3.5, 5)},
    changes_length=True,
    differentiable=True,
    delay=unknown_delay,
)
def excerpt(audio: Audio, rate: int, rng: np.random.Generator, *, seconds: float) -> Audio:
    """`seconds` from a random sample on, all where there is no more."""
    length = min(round(seconds * rate), audio.shape[1])
    start = int(rng.integers(0, audio.shape[1] - length + 1))
    return audio[:, start : start + length]


@attack(
    "editing",
    {f"cut_{s}s": {"seconds": s} for s in (0.001, 0.01, 0.1, 0.5)},
    changes_length=True,
    differentiable=True,
    delay=unknown_delay,
)
def cut(audio: Audio, rate: int, rng: np.random.Generator, *, seconds: float) -> Audio:
    """`seconds` taken out at a random place."""
    length = min(round(seconds * rate), audio.shape[1] // 2)
    start = int(rng.integers(0, audio.shape[1] - length + 1))
    return np.concatenate([audio[:, :start], audio[:, start + length :]], axis=1)


@attack(
    "editing",
    {f"insert_{s}s": {"seconds": s} for s in (0.001, 0.01, 0.1, 0.5)},
    changes_length=True,
    differentiable=True,
    delay=unknown_delay,
)
def insert_silence(audio: Audio, rate: int, rng: np.random.Generator, *, seconds: float) -> Audio:
    """`seconds` of silence put in at a random place."""
    at = int(rng.integers(0, audio.shape[1] + 1))
    silence = np.zeros((len(audio), round(seconds * rate)), np.float32)
    return np.concatenate([audio[:, :at], silence, audio[:, at:]], axis=1)


@attack(
    "editing",
    {f"repeat_{s}s": {"seconds": s} for s in (0.01, 0.1)},
    changes_length=True,
    differentiable=True,
    delay=unknown_delay,
)
def repeat(audio: Audio, rate: int, rng: np.random.Generator, *, seconds: float) -> Audio:
    """`seconds` at a random place played twice."""
    length = min(round(seconds * rate), audio.shape[1])
    start = int(rng.integers(0, audio.shape[1] - length + 1))
    end = start + length
    return np.concatenate([audio[:, :end], audio[:, start:]], axis=1)


@attack(
    "editing",
    {f"shift_{n}": {"samples": n} for n in (1, 10, 100, 1000, 10000)},
    changes_length=True,
    differentiable=True,
    delay=_shift_delay,
)
def shift(audio: Audio, rate: int, rng: np.random.Generator, *, samples: int) -> Audio:
    """Later by `samples` of silence before the first."""
    return np.pad(audio, ((0, 0), (samples, 0)))


@attack(
    "editing",
    {f"shuffle_{s}s": {"seconds": s} for s in (0.25, 0.5, 1, 2)},
    differentiable=True,
    delay=unknown_delay,
)
def shuffle(audio: Audio, rate: int, rng: np.random.Generator, *, seconds: float) -> Audio:
    """Segments of `seconds`, at most half of the clip, in a random order other than theirs; the rest at the
    end stays there."""
    length = max(1, min(round(seconds * rate), audio.shape[1] // 2))
    whole = audio.shape[1] // length
    order = rng.permutation(whole)
    if whole > 1 and (np.diff(order) > 0).all():
        order = order[::-1]
    pieces = [audio[:, i * length : (i + 1) * length] for i in order]
    return np.concatenate([*pieces, audio[:, whole * length :]], axis=1)


@attack("editing", {"reverse": {}}, differentiable=True, delay=unknown_delay)
def reverse(audio: Audio, rate: int, rng: np.random.Generator) -> Audio:
    """Played backwards."""
    return audio[:, ::-1]


@attack(
    "editing",
    {f"delete_{p}%": {"percent": p} for p in (0.001, 0.01, 0.1, 1)},
    changes_length=True,
    differentiable=True,
    delay=unknown_delay,
)
def delete(audio: Audio, rate: int, rng: np.random.Generator, *, percent: float) -> Audio:
    """Single samples left out at random places, at least one."""
    lost = _some(rng, audio.shape[1], percent / 100)
    return audio[:, ~lost] if audio.shape[1] > 1 else audio


@attack("editing", {f"jitter_{p}%": {"percent": p} for p in (0.1, 1, 5, 20)}, differentiable=True)
def jitter(audio: Audio, rate: int, rng: np.random.Generator, *, percent: float) -> Audio:
    """A share of the samples, at random places, change places with the next one, unless that one does."""
    order = np.arange(audio.shape[1])
    chosen = np.flatnonzero(rng.random(audio.shape[1] - 1) < percent / 100)
    # Of neighbours only the first, so that no sample moves twice: of 20 % some 16 % are left.
    chosen = chosen[np.diff(chosen, prepend=-2) > 1]
    order[chosen], order[chosen + 1] = chosen + 1, chosen
    return audio[:, order]


@attack("editing", {f"clock_jitter_{s}": {"std": s} for s in (0.01, 0.05, 0.2)}, differentiable=True)
def clock_jitter(audio: Audio, rate: int, rng: np.random.Generator, *, std: float) -> Audio:
    """Each sample read a normal deviate of `std` samples away, on the line between its neighbours."""
    at = np.arange(audio.shape[1])
    when = at + std * rng.standard_normal(audio.shape[1])
    return np.stack([np.interp(when, at, channel) for channel in audio]).astype(np.float32)


@attack("editing", {f"shush_{p}%": {"percent": p} for p in (1, 10, 30)}, differentiable=True)
def shush(audio: Audio, rate: int, rng: np.random.Generator, *, percent: float) -> Audio:
    """The first `percent` of the clip silent, at least one sample."""
    out = audio.copy()
    out[:, : max(1, round(percent / 100 * audio.shape[1]))] = 0
    return out


@attack("editing", {f"dropout_{p}%": {"percent": p, "ms": 20} for p in (1, 5, 10)}, differentiable=True)
def dropout(audio: Audio, rate: int, rng: np.random.Generator, *, percent: float, ms: float) -> Audio:
    """Each block of `ms` silent with this probability, at least one, as packets that were lost."""
    size = max(1, round(ms * rate / 1000))
    lost = _some(rng, -(-audio.shape[1] // size), percent / 100)
    return np.where(np.repeat(lost, size)[: audio.shape[1]], np.float32(0), audio)


@attack("editing", {f"fade_{s}s": {"seconds": s} for s in (0.1, 1)}, differentiable=True)
def fade(audio: Audio, rate: int, rng: np.random.Generator, *, seconds: float) -> Audio:
    """Faded in and out over `seconds`, at most half of the clip each."""
    length = min(round(seconds * rate), audio.shape[1] // 2)
    ramp = np.linspace(0, 1, length, endpoint=False, dtype=np.float32)
    envelope = np.ones(audio.shape[1], np.float32)
    envelope[:length] = ramp
    envelope[audio.shape[1] - length :] *= ramp[::-1]
    return audio * envelope


@attack(
    "editing",
    {f"trim_{db}dB": {"below_peak_db": -db} for db in (-60, -40)},
    changes_length=True,
    differentiable=True,
    delay=unknown_delay,
)
def trim(audio: Audio, rate: int, rng: np.random.Generator, *, below_peak_db: float) -> Audio:
    """Without what is quieter at its ends than `below_peak_db` below the peak."""
    level = np.abs(audio).max(axis=0)
    loud = np.flatnonzero(level >= level.max(initial=0.0) * 10 ** (-below_peak_db / 20))
    return audio[:, loud[0] : loud[-1] + 1] if len(loud) else audio


@attack("editing", {"polarity": {}}, differentiable=True)
def polarity(audio: Audio, rate: int, rng: np.random.Generator) -> Audio:
    """The opposite sign."""
    return -audio


@attack("editing", {f"dc_{v}": {"offset": v} for v in (0.001, 0.01, 0.1)}, differentiable=True)
def dc(audio: Audio, rate: int, rng: np.random.Generator, *, offset: float) -> Audio:
    """`offset` added to every sample."""
    return audio + np.float32(offset)


def _some(rng: np.random.Generator, count: int, share: float) -> NDArray[np.bool_]:
    """Which of `count` are hit, each with the probability `share`; the likeliest where none is."""
    drawn = rng.random(count)
    return (drawn < share) | (drawn == drawn.min(initial=1.0))
