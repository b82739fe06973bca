import hashlib
import hmac

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from soundsafe.pipeline.moore_glasberg import MooreGlasbergAnalyzer
from soundsafe.pipeline.sync_anchors import SyncAnchor, SyncDetector
from soundsafe.stft import RATE, stft

TIME = np.arange(RATE) / RATE


def music(seed=0, seconds=1):
    """Noise with the slope of music under a few notes that come and go."""
    rng = np.random.default_rng(seed)
    n = seconds * RATE
    spectrum = np.fft.rfft(rng.standard_normal(n))
    hz = np.fft.rfftfreq(n, 1 / RATE)
    x = np.fft.irfft(spectrum / np.maximum(hz, 200.0), n)
    x *= 0.05 / x.std()
    t = np.arange(n) / RATE
    for f in rng.uniform(200, 2000, 6):
        x += 0.03 * np.sin(2 * np.pi * f * t) * (0.6 + 0.4 * np.sin(2 * np.pi * rng.uniform(1, 4) * t))
    return x.astype(np.float32)


class TestAnchors:
    def test_seed_by_hand(self):
        digest = hashlib.sha256(b"(3, 5, 8, 11)_44100_soundsafe_anchor").hexdigest()
        bands = tuple(np.array([3, 5, 8, 11]))  # NumPy's own scalars must not be printed
        assert SyncAnchor().seed(bands, 44100) == int(digest[:8], 16) == 0x8D3F48EA
        keyed = hmac.new(b"k" * 32, b"(3, 5, 8, 11)_44100_x", "sha256").hexdigest()
        assert SyncAnchor(hashing_salt="x", key=b"k" * 32).seed(bands, 44100) == int(keyed[:8], 16)

    @pytest.mark.parametrize("method", ["median", "mean"])
    def test_to_the_letter(self, method):
        x = music()
        thr = MooreGlasbergAnalyzer().band_thresholds(stft(x.astype(np.float64)).abs())
        q = np.floor(thr / 1e-6) * 1e-6
        energies = np.median(q, axis=1) if method == "median" else np.mean(q, axis=1)
        bands = sorted(int(b) for b in np.argsort(energies)[-4:])
        ordered = np.sort(energies)
        top, rest = ordered[-4:].mean(), ordered[:-4].mean()
        text = f"({', '.join(map(str, bands))})_44100_soundsafe_anchor".encode()
        seed, confidence = SyncAnchor(ranking_method=method).detect_anchor_and_seed(x[None])
        assert seed == int(hashlib.sha256(text).hexdigest()[:8], 16)
        assert confidence == pytest.approx((top - rest) / (top + 1e-12))

    def test_tones_name_their_bands(self):
        x = sum(0.1 * np.sin(2 * np.pi * f * TIME) for f in (300, 1000))
        for rank_by in ("thresholds", "levels"):
            anchor = SyncAnchor(rank_by=rank_by)
            bands = anchor.anchor_bands(anchor.band_energies(x))
            expected = {int(np.searchsorted(anchor.analyzer.band_edges, f) - 1) for f in (300, 1000)}
            assert expected <= set(bands)
            assert list(bands) == sorted(bands)

    def test_below_the_threshold_there_is_no_seed(self):
        x = music()
        seed, confidence = SyncAnchor().detect_anchor_and_seed(x, 0.99999)
        assert seed is None
        assert confidence < 0.99999
        assert SyncAnchor().detect_anchor_and_seed(x, confidence)[0] is not None

    @pytest.mark.parametrize("gain", [0.05, 10 ** (-3 / 20), 1.4])
    def test_levels_are_free_of_gain(self, gain):
        x = music().astype(np.float64)
        anchor = SyncAnchor(rank_by="levels", key=b"key")
        seed, confidence = anchor.detect_anchor_and_seed(x)
        assert anchor.detect_anchor_and_seed(x * gain) == (seed, pytest.approx(confidence, abs=1e-5))

    def test_segment_length_salt_and_number_of_anchors_count(self):
        x = music()
        seeds = {
            SyncAnchor().detect_anchor_and_seed(x)[0],
            SyncAnchor(hashing_salt="other").detect_anchor_and_seed(x)[0],
            SyncAnchor(n_anchor_bands=3).detect_anchor_and_seed(x)[0],
            SyncAnchor(key=b"key").detect_anchor_and_seed(x)[0],
        }
        assert len(seeds) == 4
        assert SyncAnchor().seed((1, 2), 44100) != SyncAnchor().seed((1, 2), 44099)

    def test_candidates_begin_with_the_seed_and_then_swap_the_closest(self):
        anchor = SyncAnchor()
        energies = np.full(24, 0.01)
        energies[[2, 4, 6, 8, 10]] = [1.0, 0.9, 0.8, 0.7, 0.69]
        seeds = anchor.candidate_seeds(energies, RATE, 3)
        assert seeds == [anchor.seed(b, RATE) for b in ((2, 4, 6, 8), (2, 4, 6, 10), (2, 4, 8, 10))]

    @given(seed=st.integers(0, 50), channels=st.integers(1, 3), threads=st.sampled_from([1, 2]))
    @settings(max_examples=10, deadline=None)
    def test_one_seed_whatever_the_type_shape_and_number_of_threads(self, seed, channels, threads):
        x = music(seed)
        expected = SyncAnchor().detect_anchor_and_seed(x)
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            for form in (
                x.astype(np.float64),
                x[None],
                torch.from_numpy(x),
                np.repeat(x[None], 2 ** (channels - 1), axis=0),
            ):
                assert SyncAnchor().detect_anchor_and_seed(form) == expected
        finally:
            torch.set_num_threads(before)

    def test_errors(self):
        with pytest.raises(ValueError, match="not one of"):
            SyncAnchor(pattern_type="click")
        with pytest.raises(ValueError, match="anchor"):
            SyncAnchor(n_anchor_bands=24)
        with pytest.raises(ValueError, match="finite"):
            SyncAnchor().detect_anchor_and_seed(np.full(RATE, np.nan, np.float32))
        with pytest.raises(ValueError, match="channels, samples"):
            SyncAnchor().detect_anchor_and_seed(np.zeros((1, 1, RATE), np.float32))

    def test_the_key_is_not_shown(self):
        assert "secret" not in repr(SyncAnchor(key=b"secret"))


def flat_noise(anchor):
    """Noise whose bands are equally strong."""
    x = np.random.default_rng(0).standard_normal(RATE)
    bands = anchor.analyzer.band_indices
    for _ in range(4):
        gain = 1.0 / anchor.band_energies(x)[bands]
        hz = np.linspace(0, RATE / 2, len(bands))
        x = np.fft.irfft(np.fft.rfft(x) * np.interp(np.fft.rfftfreq(RATE, 1 / RATE), hz, gain), RATE)
        x *= 0.05 / x.std()
    return x.astype(np.float32)


@pytest.mark.parametrize("kind", ["chirp", "tone", "noise"])
class TestPattern:
    def test_length_and_band(self, kind):
        pattern = SyncAnchor(pattern_type=kind).pattern
        assert len(pattern) == 2205
        assert np.abs(pattern).max() == pytest.approx(1.0)
        power = np.abs(np.fft.rfft(pattern)) ** 2
        hz = np.fft.rfftfreq(2205, 1 / RATE)
        assert power[(hz > 400) & (hz < 11_200)].sum() > 0.98 * power.sum()

    @pytest.mark.parametrize("offset", [0, 1, 12345, 43000])
    def test_found_to_the_sample_at_any_offset(self, kind, offset):
        anchor = SyncAnchor(pattern_type=kind)
        x = music(3, seconds=2)
        marked = np.concatenate([anchor.embed_pattern(x[i * RATE :][:RATE]).numpy() for i in (0, 1)])
        start = (RATE - offset) % RATE
        found, confidence = anchor.find_pattern(marked[start : start + RATE])
        assert found == offset
        assert confidence > 0.02

    def test_stays_below_the_masking_threshold(self, kind):
        anchor, x = SyncAnchor(pattern_type=kind), music(1)
        change = anchor.embed_pattern(x).double().numpy() - x
        assert np.abs(change).max() > 0
        assert (np.abs(change[4000:]) < 1e-6).all()
        before = stft(x.astype(np.float64)).abs().numpy()
        ratio = anchor.analyzer.band_power(stft(change).abs()) / anchor.analyzer.masked_power(before)
        assert ratio.max() < 1.02

    def test_found_in_what_is_too_quiet_to_be_heard(self, kind):
        anchor = SyncAnchor(pattern_type=kind)
        offset, confidence = anchor.find_pattern(torch.roll(anchor.embed_pattern(1e-3 * music(2)), 777))
        assert offset == 777
        assert confidence > 0.05

    def test_not_found_where_there_is_none(self, kind):
        anchor = SyncAnchor(pattern_type=kind)
        assert max(anchor.find_pattern(music(i))[1] for i in range(6)) < 0.05

    def test_nothing_is_added_to_silence(self, kind):
        silence = np.zeros((2, RATE), np.float32)
        assert (SyncAnchor(pattern_type=kind).embed_pattern(silence) == 0).all()
        assert SyncAnchor(pattern_type=kind).find_pattern(silence) == (0, 0.0)


class TestDetector:
    def test_anchors_answer_first_with_offset_0(self):
        x = music()
        seed, confidence = SyncAnchor().detect_anchor_and_seed(x)
        assert SyncDetector().detect_robust(x) == (0, confidence, seed)

    def test_the_pattern_answers_where_anchors_do_not(self):
        anchor = SyncAnchor(pattern_type="noise")
        marked = np.roll(anchor.embed_pattern(music(5)).numpy(), 777)
        offset, confidence, seed = SyncDetector(anchor).detect_robust(marked, anchor_threshold=1.1)
        assert (offset, seed) == (777, None)
        assert 0.05 <= confidence < 1

    def test_the_robust_detector_also_finds_the_offset(self):
        anchor = SyncAnchor(pattern_type="noise", rank_by="levels", key=b"key")
        marked = np.roll(anchor.embed_pattern(music(5)).numpy(), 777)
        offset, confidence, seed = SyncDetector(anchor, always_offset=True).detect_robust(marked)
        assert offset == 777
        assert 0.05 <= confidence < 1
        assert seed == anchor.detect_anchor_and_seed(np.roll(marked, -777))[0]

    def test_what_finds_the_beginning_can_be_given(self):
        sure = SyncDetector(always_offset=True, find=lambda audio: (100, 0.5))
        unsure = SyncDetector(always_offset=True, find=lambda audio: (100, 0.01))
        assert sure.detect_robust(music())[:2] == (100, 0.5)
        assert unsure.detect_robust(music())[:2] == (0, 0.0)

    def test_flat_sound_has_no_anchors_and_is_found_by_the_pattern(self):
        """At the default thresholds of the original design."""
        anchor = SyncAnchor()
        flat = flat_noise(anchor)
        assert anchor.detect_anchor_and_seed(flat)[0] is None
        marked = np.roll(anchor.embed_pattern(flat).numpy(), 777)
        offset, confidence, seed = SyncDetector(anchor).detect_robust(marked)
        assert (offset, seed) == (777, None)
        assert confidence > 0.05

    def test_neither(self):
        offset, confidence, seed = SyncDetector().detect_robust(music(6), anchor_threshold=1.1)
        assert (offset, seed) == (0, None)
        assert confidence < 0.05

    def test_other_keys_have_other_noise(self):
        marked = SyncAnchor(pattern_type="noise", key=b"a").embed_pattern(music(5))
        assert SyncAnchor(pattern_type="noise", key=b"b").find_pattern(marked)[1] < 0.05


def test_patterns_of_several_seconds_count_together():
    anchor = SyncAnchor()
    x = np.concatenate([anchor.embed_pattern(music(seed)).numpy() for seed in range(3)])[20_000:]
    offset, together = anchor.find_pattern(x, period=RATE)
    assert offset == RATE - 20_000
    assert together > anchor.find_pattern(x[:RATE])[1] + 0.05
    found = SyncDetector(always_offset=True).detect_robust(x)
    assert found[:2] == (offset, together)
    assert found[2] == anchor.detect_anchor_and_seed(x[offset : offset + RATE])[0]
    assert anchor.find_pattern(music(5, seconds=3), period=RATE)[1] < 0.05
