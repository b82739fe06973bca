"""Black box: searches that only ask the detector, so many times and no more."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from soundsafe.attacks.access import Access, at_snr, within
from soundsafe.attacks.noise import add_noise
from soundsafe.attacks.registry import Audio, attack
from soundsafe.errors import InputError

Values = NDArray[np.float64]

QUERIES = (50, 1000)
_START = 0.5  # the square's share of the plane at first
_STRETCH = 16  # samples of one sign at first
_PROBES = 10  # directions that are asked for at the first hop; more at later ones
_REACH = 0.1  # how far they go, as a share of the change


def _searched(
    access: Access,
    queries: int,
    wanted: bool,
    first: Values,
    made: Callable[[Values], Audio],
    other: Callable[[Values, float], Values],
) -> Audio:
    """What random search on the score finds best to make the detector accept, or not.

    `made` is the audio of some values; `other` draws a part of them anew, a smaller one the less is left of
    the queries (1 to 0). What moves the score the right way is kept. It ends early where the detector says
    what is wanted.
    """
    sign = 1.0 if wanted else -1.0
    values, best = first, made(first)
    accepted, score = access.ask(best)
    for query in range(1, queries):
        if accepted == wanted:
            return best
        if not math.isfinite(score):
            raise InputError("the system gives no score to search by")
        tried = other(values, 1 - query / queries)
        candidate = made(tried)
        accepts, new = access.ask(candidate)
        if accepts == wanted or sign * new > sign * score:
            values, best, accepted, score = tried, candidate, accepts, new
    return best


def _square(
    audio: Audio, rng: np.random.Generator, snr_db: float, queries: int, access: Access, wanted: bool
) -> Audio:
    """The change of `snr_db` that a search by squares finds best.

    Noise with the audio's own spectrum, phases drawn at random; each query draws those of one square of
    the time-frequency plane anew.
    """
    import torch

    from soundsafe.stft import Stft

    grid = Stft()
    whole = grid.whole_hops(audio)
    magnitude = grid.forward(whole).abs()

    def noise(phase: Values) -> Audio:
        turn = torch.from_numpy(phase.astype(np.float32))
        change = grid.inverse(torch.polar(magnitude, turn), whole.shape[1]).numpy()
        return at_snr(audio, change[:, : audio.shape[1]], snr_db)

    def other(phase: Values, left: float) -> Values:
        side = math.sqrt(_START * left + 1e-3)
        tried = phase.copy()
        high, wide = (max(1, round(side * n)) for n in phase.shape[1:])
        row, column = rng.integers(phase.shape[1] - high + 1), rng.integers(phase.shape[2] - wide + 1)
        part = (slice(None), slice(row, row + high), slice(column, column + wide))
        tried[part] = rng.uniform(-np.pi, np.pi, tried[part].shape)
        return tried

    first = rng.uniform(-np.pi, np.pi, tuple(magnitude.shape))
    return _searched(access, queries, wanted, first, noise, other)


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
    {f"square_waveform_20dB_{n}q": {"snr_db": 20.0, "queries": n} for n in QUERIES},
    needs_access=True,
)
def square_waveform(
    audio: Audio, rate: int, rng: np.random.Generator, *, snr_db: float, queries: int, access: Access
) -> Audio:
    """Removal by random search on the score, in time: stretches get signs of their own. Uses `ask`.

    Andriushchenko et al., "Square Attack", ECCV 2020, its L-infinity form with stretches of samples in place
    of squares: every sample is moved up or down by the same amount, which gives `snr_db`; a query turns one
    stretch, in all channels alike, and is kept where the score falls. It ends early where nothing is found.
    """
    samples = audio.shape[1]
    step = math.sqrt(float(np.mean(audio.astype(np.float64) ** 2)) * 10 ** (-snr_db / 10))

    def moved(signs: Values) -> Audio:
        return (audio + step * signs).astype(np.float32)

    def other(signs: Values, left: float) -> Values:
        wide = max(2, round(samples * _START * left**2 / 10))
        start = int(rng.integers(max(1, samples - wide)))
        tried = signs.copy()
        tried[start : start + wide] = rng.choice([-1.0, 1.0])
        return tried

    first = rng.choice([-1.0, 1.0], -(-samples // _STRETCH)).repeat(_STRETCH)[:samples]
    return _searched(access, queries, False, first, moved, other)


class _Counted:
    """The detector's yes and no, so many times."""

    def __init__(self, access: Access, queries: int) -> None:
        self._access, self.left = access, queries

    def rejects(self, candidate: Audio) -> bool:
        self.left -= 1
        return not self._access.ask(candidate)[0]


def _hidden(
    audio: Audio, rate: int, rng: np.random.Generator, snr_db: float, detector: _Counted
) -> Audio | None:
    """The audio under pink noise, louder by 6 dB until the mark is gone; None where it never is."""
    for snr in range(round(snr_db), -31, -6):
        if detector.left <= 0:
            break
        candidate = add_noise(audio, rate, rng, "pink", float(snr))
        if detector.rejects(candidate):
            return candidate
    return None


def _nearest(audio: Audio, change: Audio, detector: _Counted, steps: int) -> Audio:
    """A rejected change made smaller by bisection, as long as it stays rejected."""
    near, share = 0.0, 1.0  # of the change: known to be accepted, and to be rejected
    for _ in range(steps):
        if detector.left <= 0:
            break
        middle = (near + share) / 2
        if detector.rejects(audio + np.float32(middle) * change):
            share = middle
        else:
            near = middle
    return np.float32(share) * change


def _unit(change: Audio) -> Audio:
    return change / np.float32(max(float(np.linalg.norm(change)), 1e-20))


@attack(
    "adversarial",
    {f"hop_skip_20dB_{n}q": {"snr_db": 20.0, "queries": n} for n in QUERIES},
    needs_access=True,
)
def hop_skip(
    audio: Audio, rate: int, rng: np.random.Generator, *, snr_db: float, queries: int, access: Access
) -> Audio:
    """Along the edge of what the detector rejects, down a slope that is estimated by questions.

    Uses `ask`, of its answers only yes and no. After Chen, Jordan and Wainwright, "HopSkipJumpAttack",
    IEEE S&P 2020: bisection to the edge; there, pink noise in several directions tells on which side each
    lies, and their signed mean is the way into what is rejected; a step that way, halved until it is
    rejected, and bisection again. Where what is found lies further than `snr_db`, it is drawn back to it.
    """
    detector = _Counted(access, queries)
    far = _hidden(audio, rate, rng, snr_db, detector)
    if far is None:
        return within(audio, add_noise(audio, rate, rng, "pink", snr_db), snr_db)
    change = _nearest(audio, far - audio, detector, steps=6)
    best, hop = change, 0
    while detector.left > 0:
        hop += 1
        length = float(np.linalg.norm(change))
        probes = min(max(1, detector.left - 4), round(_PROBES * math.sqrt(hop)))
        directions = [_unit(add_noise(audio, rate, rng, "pink", 0.0) - audio) for _ in range(probes)]
        reach = np.float32(_REACH * length)
        signs = [2.0 * detector.rejects(audio + change + reach * d) - 1 for d in directions]
        mean = 0.0 if len(set(signs)) == 1 else float(np.mean(signs))
        slope = _unit(
            np.sum([np.float32(s - mean) * d for s, d in zip(signs, directions, strict=True)], axis=0)
        )
        step = length / math.sqrt(hop)
        while detector.left > 0 and step > 1e-3 * length:
            further = change + np.float32(step) * slope
            if detector.rejects(audio + further):
                change = _nearest(audio, further, detector, steps=6)
                break
            step /= 2
        if np.linalg.norm(change) < np.linalg.norm(best):
            best = change
    return within(audio, audio + best, snr_db)


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
    detector = _Counted(access, queries)
    far = _hidden(audio, rate, rng, snr_db, detector)
    if far is None:
        return within(audio, add_noise(audio, rate, rng, "pink", snr_db), snr_db)
    change = _nearest(audio, far - audio, detector, steps=5)
    beside, towards = 0.3, 0.1
    while detector.left > 0:
        length = float(np.linalg.norm(change))
        step = add_noise(audio, rate, rng, "pink", 0.0) - audio
        step -= change * np.float32(np.vdot(step, change) / max(length**2, 1e-20))
        turned = change + step * np.float32(beside * length / max(float(np.linalg.norm(step)), 1e-20))
        turned *= np.float32((1 - towards) * length / max(float(np.linalg.norm(turned)), 1e-20))
        if detector.rejects(audio + turned):
            change, towards = turned, min(towards * 1.3, 0.5)
        else:
            towards, beside = max(towards * 0.7, 1e-3), max(beside * 0.9, 0.02)
    return within(audio, audio + change, snr_db)
