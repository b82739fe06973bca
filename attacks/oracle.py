"""Black box: searches that only ask the detector, so many times and no more."""

from __future__ import annotations

import math

import numpy as np

from soundsafe.attacks.access import Access, at_snr, within
from soundsafe.attacks.noise import add_noise
from soundsafe.attacks.registry import Audio, attack
from soundsafe.errors import InputError

QUERIES = (50, 1000)
_START = 0.5  # the square's share of the plane at first


def _square(
    audio: Audio, rng: np.random.Generator, snr_db: float, queries: int, access: Access, wanted: bool
) -> Audio:
    """The change of `snr_db` that a search by squares finds best to make the detector accept, or not.

    Noise with the audio's own spectrum, phases drawn at random; each query draws those of one square of
    the time-frequency plane anew, and keeps them where the score moves the right way. Squares shrink as the
    queries are used up. It ends early where the detector says what is wanted.
    """
    import torch

    from soundsafe.stft import Stft

    grid = Stft()
    whole = grid.whole_hops(audio)
    magnitude = grid.forward(whole).abs()
    sign = 1.0 if wanted else -1.0

    def noise(phase: np.ndarray) -> Audio:
        turn = torch.from_numpy(phase.astype(np.float32))
        change = grid.inverse(torch.polar(magnitude, turn), whole.shape[1]).numpy()
        return at_snr(audio, change[:, : audio.shape[1]], snr_db)

    phase = rng.uniform(-np.pi, np.pi, magnitude.shape)
    best = noise(phase)
    accepted, score = access.ask(best)
    for query in range(1, queries):
        if accepted == wanted:
            return best
        if not math.isfinite(score):
            raise InputError("the system gives no score to search by")
        side = math.sqrt(_START * (1 - query / queries) + 1e-3)
        tried = phase.copy()
        high, wide = (max(1, round(side * n)) for n in phase.shape[1:])
        row, column = rng.integers(phase.shape[1] - high + 1), rng.integers(phase.shape[2] - wide + 1)
        part = (slice(None), slice(row, row + high), slice(column, column + wide))
        tried[part] = rng.uniform(-np.pi, np.pi, tried[part].shape)
        candidate = noise(tried)
        accepts, new = access.ask(candidate)
        if accepts == wanted or sign * new > sign * score:
            phase, best, accepted, score = tried, candidate, accepts, new
    return best


@attack(
    "adversarial",
    {f"square_20dB_{n}q": {"snr_db": 20.0, "queries": n} for n in QUERIES},
    needs_access=True,
)
def square(
    audio: Audio, rate: int, rng: np.random.Generator, *, snr_db: float, queries: int, access: Access
) -> Audio:
    """Removal by random search on the score, within `snr_db`. Uses `ask`.

    After Andriushchenko et al., "Square Attack", ECCV 2020; in the time-frequency plane instead of an image.
    """
    return _square(audio, rng, snr_db, queries, access, wanted=False)


@attack(
    "adversarial",
    {f"forge_search_20dB_{n}q": {"snr_db": 20.0, "queries": n} for n in QUERIES},
    needs_access=True,
)
def forge_search(
    audio: Audio, rate: int, rng: np.random.Generator, *, snr_db: float, queries: int, access: Access
) -> Audio:
    """The same search the other way: unmarked audio changed until the detector accepts it. Uses `ask`."""
    return _square(audio, rng, snr_db, queries, access, wanted=True)


@attack(
    "adversarial",
    {f"boundary_20dB_{n}q": {"snr_db": 20.0, "queries": n} for n in QUERIES},
    needs_access=True,
)
def boundary(
    audio: Audio, rate: int, rng: np.random.Generator, *, snr_db: float, queries: int, access: Access
) -> Audio:
    """From noise that hides the mark back towards the audio, along the edge of what the detector rejects.

    Uses `ask`, of its answers only yes and no. After Brendel, Rauber and Bethge, "Decision-based adversarial
    attacks", ICLR 2018: pink noise, louder by 6 dB until the mark is gone, then bisection, then random steps
    beside and towards. Where what is found lies further than `snr_db`, it is drawn back to it.
    """
    asked = 0

    def rejected(candidate: Audio) -> bool:
        nonlocal asked
        asked += 1
        return not access.ask(candidate)[0]

    far: Audio | None = None
    for snr in range(round(snr_db), -31, -6):
        if asked >= queries:
            break
        candidate = add_noise(audio, rate, rng, "pink", float(snr))
        if rejected(candidate):
            far = candidate
            break
    if far is None:
        return within(audio, add_noise(audio, rate, rng, "pink", snr_db), snr_db)
    near = 0.0  # share of the way to `far` that is known to be accepted
    share = 1.0
    for _ in range(5):
        if asked >= queries:
            break
        middle = (near + share) / 2
        if rejected(audio + np.float32(middle) * (far - audio)):
            share = middle
        else:
            near = middle
    change = np.float32(share) * (far - audio)
    beside, towards = 0.3, 0.1
    while asked < queries:
        length = float(np.linalg.norm(change))
        step = add_noise(audio, rate, rng, "pink", 0.0) - audio
        step -= change * np.float32(np.vdot(step, change) / max(length**2, 1e-20))
        turned = change + step * np.float32(beside * length / max(float(np.linalg.norm(step)), 1e-20))
        turned *= np.float32((1 - towards) * length / max(float(np.linalg.norm(turned)), 1e-20))
        if rejected(audio + turned):
            change, towards = turned, min(towards * 1.3, 0.5)
        else:
            towards, beside = max(towards * 0.7, 1e-3), max(beside * 0.9, 0.02)
    return within(audio, audio + change, snr_db)
