"""Whether the payload came back, from one EUL, from a whole clip, and after how long."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from soundsafe.eval.metrics.registry import metric
from soundsafe.eval.rows import GOODPUT_BITS

__all__ = [
    "GOODPUT_BITS",
    "capacity",
    "clip_success",
    "goodput",
    "goodput_of",
    "payload_success",
    "prefix",
    "time_to_payload",
]


@metric("payload_success", unit="share of seconds", better="higher", level="eul")
def payload_success(codeword_ok: bool, decoded: bytes | None, embedded: bytes) -> bool:
    """An EUL's own codeword decodes alone and gives the embedded payload (controls: the share accepted).

    A codeword authenticates with a 64-bit tag, so one that decodes while the clip gives another payload is a
    false accept, not a success.
    """
    return bool(codeword_ok) and decoded == embedded


@metric("clip_success", unit="share of clips", better="higher", level="clip")
def clip_success(ok: bool, decoded: bytes | None, embedded: bytes) -> bool:
    """The embedded payload is recovered from the clip, combining of EULs allowed."""
    return bool(ok) and decoded == embedded


@metric("time_to_payload_s", unit="s", better="lower", level="clip")
def time_to_payload(ends_s: Sequence[float], clip_ok: bool, clip_s: float) -> float:
    """Seconds of audio, from its start, needed for the payload; infinite where it never comes.

    `ends_s`: where EULs end that decode alone. Where none does but combined EULs give the payload, the whole
    clip, since this measures nothing shorter than it.
    """
    return min([*ends_s, float(clip_s)]) if clip_ok else math.inf


_STEP_S = 0.5
"""By how much beginnings of the audio differ that are tried."""


@metric("prefix_s", unit="s", better="lower", level="clip", costly=True)
def prefix(gives: Callable[[float], bool], clip_s: float) -> float:
    """Seconds of audio, from its beginning, that give the payload when they are read by themselves.

    By bisection in steps of half a second, which takes it that what a beginning gives a longer one gives too.

    Args:
        gives: whether so many seconds of the audio give the payload.
        clip_s: length of the audio, which gives it.

    Example:
        >>> prefix(lambda seconds: seconds >= 2.2, 9.7)
        2.5
    """
    low, high = 0, math.ceil(clip_s / _STEP_S)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if gives(middle * _STEP_S) else (middle, high)
    return min(high * _STEP_S, clip_s)


@metric("goodput_bps", unit="bit/s", better="higher", level="eul")
def goodput(success: float, payload_bytes: float) -> float:
    """Payload bits delivered for each second of audio by EULs that decode alone."""
    return 8.0 * payload_bytes * success


@metric("goodput_16_bps", unit="bit/s", better="higher", level="clip")
def goodput_of(bits: int, payload_bytes: float, times_s: Sequence[float]) -> float:
    """Bits of a payload of 16 (also 40, 128) per second of audio until a clip gives it, mean over clips.

    A longer payload counts as no more than `bits`, a shorter one as what it is: so systems of unequal payload
    compare. `times_s`: each clip's time to the payload, infinite where it never comes.
    """
    delivered = min(float(bits), 8.0 * payload_bytes)
    return delivered * math.fsum(1.0 / t for t in times_s if t > 0) / len(times_s)


@metric("capacity_bits", unit="bits per second", better="higher", level="eul")
def capacity(bits: float, ber: float) -> float:
    """What a perfect code could carry in an EUL: n(1 - H(BER)).

    The channel is taken as binary, symmetric and without memory. `ber` is the mean over EULs; at 0.5 and
    above nothing is left.
    """
    p = min(max(ber, 0.0), 0.5)
    entropy = -sum(q * math.log2(q) for q in (p, 1 - p) if q > 0)
    return bits * (1 - entropy)
