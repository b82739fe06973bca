"""What the bench gives to attacks of an adversary (`soundsafe.attacks.Access`), clip by clip."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import soxr

from soundsafe.aliases import Audio
from soundsafe.attacks import Access
from soundsafe.errors import InputError, NotMarkable
from soundsafe.eval.running import seeds
from soundsafe.eval.running.messages import message_of
from soundsafe.eval.systems.answers import answer
from soundsafe.eval.systems.interface import System

__all__ = ["access"]


def _as_channels(audio: Audio, channels: int) -> Audio:
    """As many channels, by repeating or leaving out."""
    return audio[np.arange(channels) % len(audio)]


def access(system: System, original: Audio, rate: int, *, clip: str, seed: int, truth: bytes) -> Access:
    """The adversary's means against one clip: float32 `[channels, samples]` at `rate` Hz.

    Copies are further markings of `original` with the run's key. Others are bundled clips, this one left
    out, in the order of their manifest, marked with the run's key, no longer than this one; clips that the
    system refuses are passed over. The oracle reads with the run's key. The adversary's own key is that of
    the control `wrong_key`. All of it depends on the clip and the seed alone. What is marked is kept.
    """
    channels, samples = original.shape
    key = seeds.bench_key(seed)
    copies: list[Audio] = []
    others: list[Audio] = []

    def mark(audio: Audio, what: str, own: bytes = key) -> Audio:
        payload = message_of(system, seed, f"{clip}: {what}")
        return np.asarray(system.embed(audio.copy(), rate, payload, own).audio, dtype=np.float32)

    def more_copies(n: int) -> list[Audio]:
        while len(copies) < n:
            copies.append(mark(original, f"copy {len(copies)}"))
        return copies[:n]

    def more_others(n: int) -> list[Audio]:
        if len(others) < n:
            others[:] = _others(n)
        return others[:n]

    def _others(n: int) -> list[Audio]:
        from soundsafe import datasets

        found: list[Audio] = []
        for other in datasets.load("bundled").clips:
            if str(other.clip) == clip or len(found) == n:
                continue
            audio, own_rate = other.read()
            if own_rate != rate:
                audio = soxr.resample(audio.T, own_rate, rate, quality="HQ").T
            audio = np.ascontiguousarray(_as_channels(audio, channels)[:, :samples], dtype=np.float32)
            try:
                found.append(mark(audio, f"other {other.clip}"))
            except (NotMarkable, InputError):
                continue
        if len(found) < n:
            raise InputError(f"the system marks {len(found)} of the bundled clips, the attack needs {n}")
        return found

    def ask(audio: Audio) -> tuple[bool, float]:
        found = answer(system.decode(np.array(audio, dtype=np.float32), rate, key))
        return found.ok, found.score

    return Access(
        copies=more_copies,
        others=more_others,
        mark=lambda audio: mark(audio, "adversary", seeds.wrong_key(seed)),
        ask=ask,
        gradient=_gradient(system, rate, key, truth),
    )


def _gradient(system: System, rate: int, key: bytes, payload: bytes) -> Callable[[Audio], Audio] | None:
    from soundsafe.eval.running import white_box  # torch and the codec: most runs have no adversary

    own = white_box.gradient_of(system)
    return None if own is None else lambda audio: own(audio, rate, payload, key)
