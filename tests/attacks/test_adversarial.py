"""Attacks of an adversary against a mark so simple that what each must achieve can be said."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from soundsafe import attacks
from soundsafe.aliases import Audio
from soundsafe.distance.nmr import MaskedNoise, masked_noise
from soundsafe.errors import InputError

RATE = 44100
ATTACKS = tuple(a for a in attacks.all_attacks() if a.needs_access)
FEW = tuple(a for a in ATTACKS if not a.name.endswith("1000q"))


class Simple:
    """A mark of keyed noise 30 dB below the audio, detected by correlation."""

    def __init__(self, audio: Audio) -> None:
        self.audio = audio
        self.queries = 0

    def pattern(self, label: int, shape: tuple[int, ...]) -> Audio:
        return np.random.default_rng([7, label]).standard_normal(shape).astype(np.float32)

    def marked(self, label: int, audio: Audio | None = None) -> Audio:
        x = self.audio if audio is None else audio
        return attacks.at_snr(x, self.pattern(label, x.shape), 30)

    def score(self, audio: Audio) -> float:
        p = self.pattern(0, self.audio.shape)
        size = float(np.linalg.norm(p)) * max(float(np.linalg.norm(self.audio)), 1e-9)
        return float(np.vdot(audio - self.audio, p)) / size

    def ask(self, audio: Audio) -> tuple[bool, float]:
        self.queries += 1
        return self.score(audio) > 0.01, self.score(audio)

    @property
    def access(self) -> attacks.Access:
        return attacks.Access(
            copies=lambda n: [self.marked(100 + i) for i in range(n)],
            others=lambda n: [self.marked(0, np.roll(self.audio, 1000 * i + 999, 1)) for i in range(n)],
            mark=lambda audio: self.marked(200, audio),
            ask=self.ask,
            gradient=lambda audio: self.pattern(0, audio.shape),
        )


def _snr(audio: Audio, changed: Audio) -> float:
    return float(10 * np.log10(np.sum(audio**2.0) / max(np.sum((changed - audio) ** 2.0), 1e-20)))


def _nmr(audio: Audio, changed: Audio) -> float:
    return sum((masked_noise(a, b, RATE) for a, b in zip(audio, changed, strict=True)), MaskedNoise()).db


@pytest.mark.slow
@pytest.mark.parametrize("attack", FEW, ids=lambda a: a.name)
@pytest.mark.parametrize("clip", ["stereo", "mono", "one_second"])
def test_runs_deterministically_within_its_budget(
    attack: attacks.Attack, clip: str, request: pytest.FixtureRequest
) -> None:
    simple = Simple(request.getfixturevalue(clip))
    marked = simple.marked(0)
    before = marked.copy()
    first, second = (attack.apply(marked, RATE, np.random.default_rng(3), simple.access) for _ in range(2))
    np.testing.assert_array_equal(marked, before)
    np.testing.assert_array_equal(first, second)
    assert first.shape == marked.shape
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    if "nmr_db" in attack.params:
        assert _nmr(marked, first) <= attack.params["nmr_db"] + 0.01
    else:
        assert _snr(marked, first) >= attack.params["snr_db"] - 0.01
    assert simple.queries <= 2 * attack.params.get("queries", 0)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.name)
def test_says_what_it_needs(attack: attacks.Attack) -> None:
    # What mixes marked audio is no adversary, and has no budget to keep to.
    assert attack.family in ("adversarial", "marked_mix")
    if "nmr_db" in attack.params:
        assert attack.params["nmr_db"] <= 0
    else:
        assert attack.params["snr_db"] >= (20 if attack.family == "adversarial" else 0)
    with pytest.raises(InputError, match="soundsafe-eval runs it"):
        attack.apply(np.zeros((1, RATE), np.float32), RATE, np.random.default_rng(0))
    with pytest.raises(InputError, match="soundsafe-eval runs it"):
        attacks.get(f"gain_-3dB+then+{attack.name}").apply(
            np.zeros((1, RATE), np.float32), RATE, np.random.default_rng(0)
        )


@pytest.mark.parametrize("name", [a.name for a in FEW])
def test_silence_does_not_break_it(name: str) -> None:
    simple = Simple(np.zeros((1, RATE), np.float32))
    result = attacks.get(name).apply(simple.audio, RATE, np.random.default_rng(0), simple.access)
    assert np.isfinite(result).all()


def test_collusion_leaves_each_copy_its_share(stereo: Audio) -> None:
    simple = Simple(stereo)
    marked = simple.marked(0)
    for n in (2, 5, 10):
        out = attacks.get(f"collusion_average_{n}").apply(
            marked, RATE, np.random.default_rng(0), simple.access
        )
        assert simple.score(out) == pytest.approx(simple.score(marked) / n, rel=0.15)


def test_the_gradient_removes(stereo: Audio) -> None:
    simple = Simple(stereo)
    marked = simple.marked(0)
    assert simple.ask(marked)[0]
    out = attacks.get("gradient_20dB").apply(marked, RATE, np.random.default_rng(0), simple.access)
    assert not simple.ask(out)[0]


@pytest.mark.parametrize("rate", [16000, 48000])
def test_the_mask_is_kept_at_other_rates(rate: int) -> None:
    audio = np.random.default_rng(0).normal(0, 0.1, (2, rate + 7)).astype(np.float32)
    slope = np.random.default_rng(1).normal(0, 1, audio.shape).astype(np.float32)
    access = dataclasses.replace(Simple(audio).access, gradient=lambda audio: slope)
    out = attacks.get("gradient_nmr_-10dB").apply(audio, rate, np.random.default_rng(0), access)
    found = sum((masked_noise(a, b, rate) for a, b in zip(audio, out, strict=True)), MaskedNoise()).db
    assert -20 < found <= -9.99
    assert float(np.vdot(out - audio, slope)) < 0


@pytest.mark.parametrize(
    ("name", "better"),
    [("square_20dB_50q", -1), ("square_waveform_20dB_50q", -1), ("forge_search_20dB_50q", 1)],
)
def test_searches_move_the_score_their_way(name: str, better: int, stereo: Audio) -> None:
    simple = Simple(stereo)
    source = simple.marked(0) if better < 0 else stereo
    search = attacks.get(name)
    found = search.apply(source, RATE, np.random.default_rng(1), simple.access)
    start = search.function(
        source, RATE, np.random.default_rng(1), snr_db=20.0, queries=1, access=simple.access
    )
    assert better * simple.score(found) > better * simple.score(start)


@pytest.mark.parametrize("name", ["boundary_20dB_50q", "hop_skip_20dB_50q"])
def test_the_boundary_is_found_and_crossed(name: str, stereo: Audio) -> None:
    """A detector that gives up at an SNR of 30 dB: what comes back lies a little below that."""
    simple = Simple(stereo)
    access = dataclasses.replace(simple.access, ask=lambda audio: (_snr(stereo, audio) > 30, float("nan")))
    out = attacks.get(name).apply(stereo, RATE, np.random.default_rng(0), access)
    assert 27 < _snr(stereo, out) <= 30


@pytest.mark.parametrize("name", ["boundary_20dB_50q", "hop_skip_20dB_50q"])
def test_more_questions_take_less_change(name: str, stereo: Audio) -> None:
    """Of few samples, in which a direction says something; whatever comes back is rejected."""
    simple = Simple(stereo[:1, RATE : RATE + 1000])
    marked = simple.marked(0)
    ask = attacks.get(name).function
    found = []
    for queries in (12, 600):
        rng = np.random.default_rng(2)
        out = ask(marked, RATE, rng, snr_db=-12.0, queries=queries, access=simple.access)
        assert not simple.ask(out)[0]
        found.append(_snr(marked, out))
    assert found[1] > found[0] + 3


@pytest.mark.parametrize("name", ["copy_20dB", "forge_average_20dB"])
def test_copying_carries_a_mark_that_does_not_follow_the_audio(name: str, stereo: Audio) -> None:
    simple = Simple(stereo)
    out = attacks.get(name).apply(stereo, RATE, np.random.default_rng(0), simple.access)
    assert _snr(stereo, out) == pytest.approx(20, abs=0.01)
    assert simple.score(out) > 0.001  # by chance 0.0002: 0.1 over the root of the number of samples


def test_no_gradient_and_no_score_are_said(stereo: Audio) -> None:
    simple = Simple(stereo)
    deaf = dataclasses.replace(simple.access, ask=lambda audio: (True, float("nan")), gradient=None)
    for name, text in (("gradient_20dB", "no gradient"), ("square_20dB_50q", "no score")):
        with pytest.raises(InputError, match=text):
            attacks.get(name).apply(stereo, RATE, np.random.default_rng(0), deaf)


def test_replacement_keeps_what_repeats_and_blurs_what_does_not() -> None:
    rng = np.random.default_rng(0)
    loop = np.tile(rng.standard_normal((1, 2048 * 8)), (1, 6)).astype(np.float32)
    mark = attacks.at_snr(loop, rng.standard_normal(loop.shape).astype(np.float32), 30) - loop
    out = attacks.get("replace_10dB").apply(loop + mark, RATE, rng)
    assert _snr(loop, out) > 25
    left = float(np.vdot(out - loop, mark) / np.vdot(mark, mark))
    assert left < 0.7


@pytest.mark.parametrize("rest", [1, 440, 1016, 1023])
def test_what_is_replaced_is_as_quiet_at_the_end(rest: int) -> None:
    audio = np.random.default_rng(2).normal(0, 0.1, (2, 40 * 1024 + rest)).astype(np.float32)
    result = attacks.get("replace_20dB").apply(audio, RATE, np.random.default_rng(0))
    change = result - audio
    assert 10 * np.log10(np.mean(audio**2) / np.mean(change**2)) > 18
    assert np.abs(change[:, -500:]).max() < 3 * np.abs(change[:, :-500]).max()


@pytest.mark.parametrize("rest", [0, 1, 430, 440])
def test_a_guessed_mark_is_spread_over_the_audio(rest: int) -> None:
    from soundsafe.attacks.forgery import _residue

    audio = np.random.default_rng(3).normal(0, 0.1, (1, 100 * 441 + rest)).astype(np.float32)
    found = _residue(audio) ** 2
    assert found.shape == audio.shape
    assert found[:, -441:].sum() < 0.05 * found.sum()
