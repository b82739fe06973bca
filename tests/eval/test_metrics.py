"""Figures against values worked out by hand, and on what is empty, silent or too short."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from soundsafe import datasets
from soundsafe.errors import InputError
from soundsafe.eval.metrics import (
    attacked,
    ber,
    detection,
    metrics,
    parity,
    payload,
    quality,
    registry,
    to_ask,
)

RATE = 44100


@pytest.fixture
def tone() -> np.ndarray:
    t = np.arange(RATE) / RATE
    return np.stack([0.5 * np.sin(2 * np.pi * f * t) for f in (440, 660)]).astype(np.float32)


def test_names_are_unique_and_described() -> None:
    found = metrics()
    assert len({m.name for m in found}) == len(found) >= 15
    assert all(m.description and m.unit for m in found)


def test_bit_error_rate() -> None:
    assert ber.bit_error_rate([0, 1, 1, 0], [0, 1, 0, 0]) == 0.25
    assert ber.bit_error_rate(None, [0, 1]) == 0.5
    with pytest.raises(ValueError, match="3 bits read, 2 embedded"):
        ber.bit_error_rate([0, 0, 0], [0, 1])
    with pytest.raises(ValueError, match="0 bits"):
        ber.bit_error_rate([], [])


def test_payload_figures() -> None:
    assert payload.payload_success(True, b"a", b"a")
    assert not payload.payload_success(True, b"b", b"a")
    assert not payload.clip_success(False, b"a", b"a")
    assert payload.time_to_payload([4.5, 3.0], True, 8.0) == 3
    assert payload.time_to_payload([], True, 8.0) == 8
    assert payload.time_to_payload([1.0], False, 8.0) == math.inf
    assert payload.goodput(0.5, 175) == 700


def test_thresholds_are_quantiles_or_where_asked_for_of_a_fitted_tail() -> None:
    rng = np.random.default_rng(0)

    def threshold(scores: object, rate: float, beyond: bool = False) -> float:
        point = detection.operating_point(scores, rate, extrapolate=beyond)  # type: ignore[arg-type]
        if point is None:
            return math.nan
        assert point.extrapolated == (point.false_positives is None) == beyond
        return point.threshold

    many = rng.exponential(1.0, 20_000)
    assert threshold(many, 1e-3) == pytest.approx(math.log(1000), abs=0.6)
    assert math.isnan(threshold(rng.exponential(1.0, 200), 1e-6))
    few = [threshold(rng.exponential(1.0, 200), 1e-6, beyond=True) for _ in range(50)]
    assert np.median(few) == pytest.approx(math.log(1e6), rel=0.1)
    # Of Gaussian scores, whose tail is shorter, it errs on the safe side.
    assert threshold(rng.normal(size=2000), 1e-6, beyond=True) > 4.75
    assert math.isnan(threshold([1.0, 2.0, math.nan], 1e-3, beyond=True))


def test_a_perfect_detector_detects_all_whatever_its_scores_are_bounded_by() -> None:
    rng = np.random.default_rng(1)
    for unmarked in (rng.uniform(0.0, 0.6, 100), np.zeros(100)):
        assert detection.detection_rate(np.ones(20), unmarked) == 1
        assert math.isnan(detection.detection_rate(np.ones(20), unmarked, 1e-6))
    bounded = rng.beta(2, 9, 60)
    assert detection.detection_rate(np.full(20, 1 - 1e-9), bounded, 1e-6, extrapolate=True) == 1
    wide = np.clip(
        rng.normal(0.5, 0.5, 60), 0, 1
    )  # some unmarked scores lie at the bound: no rarer one is told
    assert math.isnan(detection.detection_rate(np.ones(20), wide, 1e-6, extrapolate=True))
    # An unmarked clip that scores like a marked one counts as often as it comes: once in 200 is below 1 %.
    one = np.array([*np.zeros(199), 1.0])
    assert detection.detection_rate(np.ones(20), one) == 1
    assert detection.detection_rate(np.ones(20), one, 1e-3) != 1


def test_a_threshold_has_the_false_positive_rate_that_its_interval_says() -> None:
    rng = np.random.default_rng(2)
    held, rates = 0, []
    for _ in range(400):
        point = detection.operating_point(rng.normal(size=250), 0.01)
        assert point is not None
        assert point.false_positives is not None
        true = 0.5 * math.erfc(point.threshold / math.sqrt(2))
        rates.append(true)
        held += point.false_positives[0] <= true <= point.false_positives[1]
    assert held / 400 == pytest.approx(0.95, abs=0.03)
    assert np.mean(rates) == pytest.approx(2 / 251, rel=0.1)
    alike = detection.operating_point(rng.normal(size=250), 0.01, groups=25)
    assert alike is not None
    assert alike.false_positives is not None
    assert alike.false_positives[1] > 5 * 2 / 251


def test_rates_of_detection() -> None:
    many = np.random.default_rng(0).exponential(1.0, 20_000)
    assert detection.detection_rate([0.0, 30.0, math.nan], many, 1e-3) == 0.5
    assert math.isnan(detection.detection_rate([], many))


def test_auc() -> None:
    assert detection.auc([2, 3], [1, 0]) == 1
    assert detection.auc([1, 1], [1, 1]) == 0.5
    assert math.isnan(detection.auc([1.0], [math.nan]))


def test_parity_where_a_system_has_none() -> None:
    assert math.isnan(parity.frame_parity(None, None))
    assert math.isnan(parity.slot_parity("", "a"))
    assert math.isnan(parity.seed_parity(None, 3))
    assert parity.frame_parity(np.zeros((2, 3)), np.zeros((2, 4))) == 0
    assert parity.slot_parity("a", None) == 0


def test_snr(tone: np.ndarray) -> None:
    assert quality.snr_db(tone, tone * 1.1, RATE) == pytest.approx(20, abs=0.01)
    assert math.isnan(quality.snr_db(tone, tone, RATE))
    with pytest.raises(ValueError, match="one shape"):
        quality.snr_db(tone, tone[:, :-1], RATE)


def test_loudness(tone: np.ndarray) -> None:
    assert quality.lufs_difference(tone, tone * 10 ** (-6 / 20), RATE) == pytest.approx(-6, abs=0.01)
    assert math.isnan(quality.lufs_difference(tone * 0, tone * 0, RATE))
    assert math.isnan(quality.lufs_difference(tone[:, :4000], tone[:, :4000], RATE))
    eight = np.repeat(tone[:1], 8, axis=0)
    assert quality.lufs_difference(eight, eight, RATE) == 0
    rumbling = eight * np.array([1, 1, 1, 10, 1, 1, 1, 1], np.float32)[:, None]
    assert quality.lufs_difference(eight, rumbling, RATE) == 0


def test_zimtohrli_is_the_worst_channel(tone: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    noisy = tone + rng.normal(0, 0.003, tone.shape).astype(np.float32)
    one = tone.copy()
    one[1] = noisy[1]
    assert quality.zimtohrli(tone, tone, RATE) == 0
    both, second = quality.zimtohrli(tone, noisy, RATE), quality.zimtohrli(tone, one, RATE)
    assert both >= second > 1e-6
    assert second == quality.zimtohrli(tone[1:], noisy[1:], RATE)


@pytest.mark.parametrize("samples", [1, 100, 4000])
def test_zimtohrli_leaves_short_audio_alone(samples: int) -> None:
    x = np.full((1, samples), 0.1, np.float32)
    assert math.isnan(quality.zimtohrli(x, x, RATE))


def test_clipping_and_silence(tone: np.ndarray) -> None:
    marked = tone.copy()
    marked[0, 5] = 1.0
    assert quality.clipped_samples(tone, marked, RATE) == 1
    assert quality.clipped_samples(marked, marked, RATE) == 0
    gap = tone.copy()
    gap[:, 1000:2000] = 0
    marked = gap.copy()
    marked[1, 1500] = -0.25
    assert quality.added_to_silence(gap, marked, RATE) == 0.25
    assert quality.added_to_silence(gap, gap, RATE) == 0
    assert quality.added_to_silence(tone * 0, marked, RATE) == pytest.approx(0.5, abs=0.01)


def test_measure_has_all_of_a_row(tone: np.ndarray) -> None:
    from soundsafe.eval.rows import QUALITY

    measured = quality.measure(tone, tone, RATE)
    assert tuple(vars(measured)) == QUALITY
    assert math.isnan(measured.visqol)  # nobody asked


def test_one_figure_that_fails_leaves_the_others(tone: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "visqol", None)
    failed: dict[str, str] = {}
    measured = quality.measure(
        tone, 0.9 * tone, RATE, ["visqol"], lambda name, error: failed.update({name: str(error)})
    )
    assert list(failed) == ["visqol"]
    assert math.isnan(measured.visqol)
    assert math.isfinite(measured.snr_db)


def test_noise_to_mask_of_noise_in_noise() -> None:
    """Of magnitudes, so that a part in quadrature does not count; and it moves with the noise."""
    rng = np.random.default_rng(0)
    loud = 0.1 * rng.standard_normal((1, 2 * 48000)).astype(np.float32)
    added = 0.1 * rng.standard_normal(loud.shape).astype(np.float32)
    shares = [np.float32(10 ** (-db / 20)) for db in (10, 20, 30)]
    by_level = [quality.nmr_db(loud, loud + share * added, 48000) for share in shares]
    assert by_level[0] == pytest.approx(-10.5, abs=1)
    assert np.diff(by_level) == pytest.approx([-10, -10], abs=0.5)


def test_noise_beside_a_tone_is_heard_and_noise_under_it_is_not() -> None:
    t = np.arange(2 * 48000) / 48000
    tone = (0.5 * np.sin(2 * np.pi * 1000 * t)).astype(np.float32)[None]
    near, far = (
        tone + np.float32(0.005) * np.sin(2 * np.pi * f * t).astype(np.float32) for f in (1100.0, 8000.0)
    )
    assert quality.nmr_db(tone, far, 48000) > quality.nmr_db(tone, near, 48000) + 20
    assert math.isnan(quality.nmr_db(tone, tone, 48000))
    assert math.isnan(quality.nmr_db(tone * 0, tone, 48000))
    both = np.concatenate([tone, tone])
    assert quality.nmr_db(both, np.concatenate([tone, near]), 48000) == quality.nmr_db(tone, near, 48000)
    assert math.isfinite(quality.nmr_db(tone[:, :300], near[:, :300], 48000))


def test_what_takes_long_is_measured_when_asked(tone: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="unknown metric loveliness"):
        to_ask(["loveliness"])
    assert to_ask(["snr_db"]) == ()
    monkeypatch.setitem(sys.modules, "visqol", None)
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'soundsafe\[quality\]'"):
        to_ask(["stoi", "snr_db"])
    with pytest.raises(InputError, match="visqol needs a package"):
        quality.measure(tone, tone, RATE, ["visqol"])


@pytest.mark.parametrize("name", ["pesq", "stoi"])
def test_measures_of_speech(name: str) -> None:
    pytest.importorskip({"stoi": "pystoi"}.get(name, name))
    clip = next(c for c in datasets.load("bundled").clips if c.clip == "speech_ukrainian")
    audio, rate = clip.read()
    audio = audio[:, : 3 * rate]
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(audio.shape).astype(np.float32)
    worse = [audio + np.float32(level) * noise for level in (0.001, 0.1)]
    same, little, much = (vars(quality.measure(audio, x, rate, [name]))[name] for x in (audio, *worse))
    assert same > little > much
    assert math.isnan(vars(quality.measure(audio[:, :1000], worse[0][:, :1000], rate, [name]))[name])


def test_what_an_attack_leaves_of_the_sound() -> None:
    rng = np.random.default_rng(3)
    before = rng.normal(0, 0.1, (2, 44_100)).astype(np.float32)
    noise = rng.normal(0, 0.01, before.shape).astype(np.float32)
    late = np.pad(before + noise, ((0, 0), (100, 0)))[:, :-50]
    a, b = attacked.both_have(before, late, 100)
    assert a.shape == b.shape == (2, 44_050)
    assert attacked.si_snr_db(a, 0.5 * b) == pytest.approx(20, abs=0.1)  # whatever the level
    assert np.isnan(attacked.si_snr_db(a, a))
    assert np.isnan(attacked.si_snr_db(0 * a, b))
    mono, mean = attacked.both_have(before, before[:1], 0)
    assert mono.shape == mean.shape == (1, 44_100)
    assert attacked.attacked_zimtohrli(a, a, 44_100) == 0 < attacked.attacked_zimtohrli(a, b, 44_100)
