"""Distance against survival: how far a mark is from the original, and what of it comes back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from soundsafe.eval.rows import Figure, Interval, Summary, control_of

__all__ = ["CurvePoint", "curve_points", "system_of"]


@dataclass(frozen=True)
class CurvePoint:
    """One attack on marks of one size and strength.

    Attributes:
        payload_bytes: of the payload.
        strength: as it was asked for.
        attack: its name.
        clips: how many.
        zimtohrli: mean distance of marked and original audio.
        nmr_db: mean noise-to-mask ratio.
        clip_success: share of clips that give the payload, with
        clip_success_ci95: its interval, clustered by group.
        payload_success: share of seconds that give it by themselves, with
        payload_success_ci95: the same.
    """

    payload_bytes: int
    strength: str
    attack: str
    clips: int
    zimtohrli: Figure
    nmr_db: Figure
    clip_success: Figure
    clip_success_ci95: Interval
    payload_success: Figure
    payload_success_ci95: Interval


def system_of(payload_bytes: int, strength: str) -> str:
    """The name under which the bench knows this codec with such a payload and strength.

    Example:
        >>> system_of(16, "quiet")
        'soundsafe:payload_bytes=16,strength=quiet'
    """
    return f"soundsafe:payload_bytes={payload_bytes},strength={strength}"


def curve_points(summary: Summary, sizes: Sequence[int], strengths: Sequence[str]) -> Iterator[CurvePoint]:
    """The points of a run of all sizes at all strengths, over all categories.

    Args:
        summary: of the run.
        sizes: bytes of payloads.
        strengths: as they were asked for.

    Yields:
        A point for each size, strength and attack that was measured, in that order.
    """
    quality = {row.system: row for row in summary.quality if row.category == "all"}
    for size in sizes:
        for strength in strengths:
            system = system_of(size, strength)
            sound = quality.get(system)
            for row in summary.rows:
                if row.system != system or row.category != "all" or control_of(row.attack):
                    continue
                yield CurvePoint(
                    payload_bytes=size,
                    strength=strength,
                    attack=row.attack,
                    clips=row.clips,
                    zimtohrli=None if sound is None else sound.zimtohrli,
                    nmr_db=None if sound is None else sound.nmr_db,
                    clip_success=row.clip_success,
                    clip_success_ci95=row.clip_success_ci95,
                    payload_success=row.payload_success,
                    payload_success_ci95=row.payload_success_ci95,
                )
