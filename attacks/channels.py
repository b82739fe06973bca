"""What happens to channels: mixed, swapped, delayed, lost, one alone. Mono audio mostly stays as it is."""

from __future__ import annotations

import numpy as np

from soundsafe.attacks.registry import Audio, attack


@attack("channels", {"downmix_mono": {}}, differentiable=True, to_mono=True)
def downmix_mono(audio: Audio, rate: int, rng: np.random.Generator) -> Audio:
    """One channel: the mean of all."""
    return audio.mean(axis=0, keepdims=True)


@attack(
    "channels",
    {"left_only": {"channel": 0}, "right_only": {"channel": 1}},
    differentiable=True,
    to_mono=True,
)
def one_channel(audio: Audio, rate: int, rng: np.random.Generator, *, channel: int) -> Audio:
    """One channel alone, as a mono file."""
    index = min(channel, len(audio) - 1)
    return audio[index : index + 1]


@attack("channels", {"channel_swap": {}}, differentiable=True)
def channel_swap(audio: Audio, rate: int, rng: np.random.Generator) -> Audio:
    """The channels in the opposite order."""
    return audio[::-1]


@attack(
    "channels",
    {"channel_lost_left": {"channel": 0}, "channel_lost_right": {"channel": 1}},
    differentiable=True,
)
def channel_lost(audio: Audio, rate: int, rng: np.random.Generator, *, channel: int) -> Audio:
    """One channel silent, the number of channels kept."""
    out = audio.copy()
    if len(out) > 1:
        out[channel] = 0
    return out


@attack(
    "channels",
    {f"channel_delay_{ms}ms": {"ms": ms} for ms in (0.1, 1, 10)},
    differentiable=True,
)
def channel_delay(audio: Audio, rate: int, rng: np.random.Generator, *, ms: float) -> Audio:
    """All channels but the first later by `ms`; the length is kept."""
    shift = min(round(ms * rate / 1000), audio.shape[1])
    out = audio.copy()
    out[1:] = 0
    out[1:, shift:] = audio[1:, : audio.shape[1] - shift]
    return out


@attack("channels", {"channel_invert_right": {}}, differentiable=True)
def channel_invert(audio: Audio, rate: int, rng: np.random.Generator) -> Audio:
    """The second channel with the opposite sign: a cable wired wrongly."""
    return np.concatenate([audio[:1], -audio[1:2], audio[2:]])


@attack("channels", {f"stereo_width_{p}%": {"percent": p} for p in (0, 50, 150, 200)}, differentiable=True)
def stereo_width(audio: Audio, rate: int, rng: np.random.Generator, *, percent: float) -> Audio:
    """What differs from the mean of the channels, made weaker or stronger."""
    middle = audio.mean(axis=0, keepdims=True)
    return middle + (audio - middle) * np.float32(percent / 100)


@attack("channels", {f"balance_{db}dB": {"db": -db} for db in (-3, -6)}, differentiable=True)
def balance(audio: Audio, rate: int, rng: np.random.Generator, *, db: float) -> Audio:
    """The second channel quieter by `db`."""
    return np.concatenate([audio[:1], audio[1:2] * np.float32(10 ** (-db / 20)), audio[2:]])
