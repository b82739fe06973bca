"""Whether the payload came back, from one EUL, from a whole clip, and after how long."""

from __future__ import annotations

from collections.abc import Sequence

from soundsafe.eval.metrics.registry import metric

__all__ = ["clip_success", "goodput", "payload_success", "time_to_payload"]


@metric("payload_success", unit="share of EULs", better="higher", level="eul")
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
def time_to_payload(eul_ok: Sequence[bool], clip_ok: bool, clip_s: float) -> float:
    """Seconds of audio, from its start, needed for the payload; infinite where it never comes.

    The first EUL that decodes alone, counted from 1; where none does but combined EULs give the payload, the
    whole clip, since this measures nothing shorter than it.
    """
    if not clip_ok:
        return float("inf")
    for i, ok in enumerate(eul_ok):
        if ok:
            return float(i + 1)
    return float(clip_s)


@metric("goodput_bps", unit="bit/s", better="higher", level="eul")
def goodput(success: float, payload_bytes: float) -> float:
    """Payload bits delivered for each second of audio by EULs that decode alone."""
    return 8.0 * payload_bytes * success
