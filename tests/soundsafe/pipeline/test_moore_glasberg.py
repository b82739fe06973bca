import numpy as np
import pytest
import torch

from soundsafe.pipeline.moore_glasberg import (
    MooreGlasbergAnalyzer,
    bark,
    erb,
    erb_rate,
    erb_rate_to_hz,
    masking_offset_db,
    roex,
    threshold_in_quiet_db,
)
from soundsafe.stft import RATE, stft

ANALYZER = MooreGlasbergAnalyzer()
TIME = np.arange(RATE) / RATE


def magnitude(x):
    return stft(np.asarray(x, dtype=np.float64)).abs().numpy()


def noise(level=0.1, seed=0):
    return level * np.random.default_rng(seed).standard_normal(RATE)


def band_noise(low, high, rms, seed=0):
    spectrum = np.fft.rfft(noise(1.0, seed))
    hz = np.fft.rfftfreq(RATE, 1 / RATE)
    x = np.fft.irfft(np.where((hz >= low) & (hz < high), spectrum, 0), RATE)
    return x * rms / x.std()


def level_db(power):
    """Median over frames in dB re full scale."""
    return 10 * np.log10(np.median(power, axis=-1))


class TestPublishedValues:
    def test_equivalent_rectangular_bandwidth(self):
        """Glasberg and Moore 1990: 132.6 Hz at 1 kHz, 456.5 Hz at 4 kHz; 15.6 ERBs below 1 kHz."""
        np.testing.assert_allclose(erb([1000, 4000]), [132.64, 456.46], atol=0.01)
        assert erb_rate(1000) == pytest.approx(15.62, abs=0.01)
        np.testing.assert_allclose(erb_rate_to_hz(erb_rate([50, 1000, 16000])), [50, 1000, 16000])

    def test_threshold_in_quiet(self):
        """Terhardt 1979; the ear is most sensitive between 3 and 4 kHz, at about -5 dB SPL."""
        np.testing.assert_allclose(
            threshold_in_quiet_db([100, 1000, 3300, 10000]), [22.95, 3.37, -4.98, 10.58], atol=0.02
        )
        assert 3000 < 50 * np.argmin(threshold_in_quiet_db(50.0 * np.arange(1, 400))) < 4000

    def test_offsets(self):
        """Johnston 1988: a tone hides noise 14.5 + z dB below it, noise hides a tone 5.5 dB below it."""
        assert bark(1000) == pytest.approx(8.53, abs=0.01)
        assert masking_offset_db(1000, 1.0) == pytest.approx(23.03, abs=0.01)
        np.testing.assert_allclose(masking_offset_db([100, 1000, 8000], 0.0), 5.5)

    def test_filters_have_the_bandwidth_that_names_them(self):
        """A roex(p) filter with p = 4 fc / ERB integrates to ERB at the level where both slopes are equal."""
        hz = np.arange(1.0, 8000.0)
        for fc in (500.0, 1000.0, 3000.0):
            assert roex(fc, hz, 51.0).sum() == pytest.approx(erb(fc), rel=0.01)
            assert roex(fc, fc, 80.0) == 1.0

    def test_filters_widen_downwards_with_level(self):
        assert roex(1000.0, 600.0, 80.0) > 10 * roex(1000.0, 600.0, 40.0)
        assert roex(1000.0, 1400.0, 80.0) == roex(1000.0, 1400.0, 40.0)


class TestBands:
    def test_24_bands_cover_the_spectrum(self):
        edges = ANALYZER.band_edges
        assert (edges[0], edges[-1], len(edges)) == (0, pytest.approx(22050), 25)
        assert np.allclose(np.diff(erb_rate(edges)), 1.773, atol=0.001)
        assert ANALYZER.band_indices.shape == (442,)
        assert (np.diff(ANALYZER.band_indices) >= 0).all()
        assert (ANALYZER.bins_per_band > 0).all()
        assert ANALYZER.bins_per_band.sum() == 442
        centres = ANALYZER.center_frequencies
        assert ((edges[:-1] < centres) & (centres < edges[1:])).all()
        np.testing.assert_allclose(ANALYZER.bandwidths, np.diff(edges))

    def test_every_bin_lies_in_its_band(self):
        low, high = ANALYZER.band_edges[:-1], ANALYZER.band_edges[1:]
        hz, band = ANALYZER.bin_frequencies, ANALYZER.band_indices
        assert ((low[band] <= hz) & (hz <= high[band] + 1e-6)).all()

    @pytest.mark.parametrize(("rate", "n_fft", "bands"), [(44100, 64, 24), (8000, 128, 40), (44100, 882, 64)])
    def test_bands_without_bins(self, rate, n_fft, bands):
        analyzer = MooreGlasbergAnalyzer(rate, n_fft, n_fft // 2, bands)
        empty = analyzer.bins_per_band == 0
        assert empty.any()
        mag = np.random.default_rng(0).random((analyzer.n_bins, 5))
        for values in (analyzer.band_thresholds(mag), analyzer.band_levels_db(mag), analyzer.tonality(mag)):
            assert values.shape == (bands, 5)
            assert np.isfinite(values).all()
        assert (analyzer.band_thresholds(mag) > 0).all()


class TestMasking:
    def test_a_tone_masks_noise_about_23_db_below_it(self):
        mag = magnitude(0.1 * np.sin(2 * np.pi * 935 * TIME))
        band = 8
        offset = level_db(ANALYZER.band_power(mag)[band]) - level_db(ANALYZER.masked_power(mag)[band])
        assert offset == pytest.approx(23, abs=3)
        assert level_db(ANALYZER.band_power(mag)[band]) == pytest.approx(-20, abs=0.5)

    def test_noise_masks_5_to_6_db_below_it(self):
        mag = magnitude(noise())
        offset = level_db(ANALYZER.band_power(mag)) - level_db(ANALYZER.masked_power(mag, quiet=False))
        assert np.median(offset[5:]) == pytest.approx(5.5, abs=1)

    def test_critical_band_noise_at_1_khz_never_hides_more_than_listeners_allow(self):
        """A tone in critical-band noise is heard from about 3 dB below the noise (Zwicker and Fastl)."""
        mag = magnitude(band_noise(824, 1045, 0.1))
        band = 8
        offset = level_db(ANALYZER.band_power(mag)[band]) - level_db(ANALYZER.masked_power(mag)[band])
        assert 3 < offset < 14

    def test_masking_spreads_up_more_than_down_and_faster_than_the_masker_grows(self):
        def spread(rms):
            masked = level_db(ANALYZER.masked_power(magnitude(band_noise(824, 1045, rms)), quiet=False))
            return masked[11], masked[5]

        quiet_up, quiet_down = spread(0.01)
        loud_up, loud_down = spread(0.1)
        assert loud_up > loud_down
        assert loud_up - quiet_up > 25
        assert loud_down - quiet_down == pytest.approx(20, abs=0.5)

    def test_silence_has_the_threshold_in_quiet(self):
        power = ANALYZER.masked_power(np.zeros((442, 3)))
        np.testing.assert_allclose(10 * np.log10(power[:, 1]) + 96, ANALYZER.quiet_db)
        assert (ANALYZER.masked_power(np.zeros((442, 3)), quiet=False) == 0).all()
        assert ANALYZER.quiet_db[8] == pytest.approx(3.2, abs=0.1)
        assert ANALYZER.quiet_db[-1] < 30

    def test_a_threshold_in_every_bin_adds_up_to_what_the_band_hides(self):
        mag = magnitude(noise())
        cells = ANALYZER.cell_thresholds(mag)
        assert cells.shape == mag.shape
        np.testing.assert_allclose(ANALYZER.band_power(cells), ANALYZER.masked_power(mag))

    def test_tonality_tells_tones_from_noise(self):
        tones = magnitude(sum(np.sin(2 * np.pi * f * TIME) for f in (1000, 4000, 9000)))
        bands = ANALYZER.band_indices[[20, 80, 180]]
        assert np.median(ANALYZER.tonality(tones)[bands]) > 0.9
        assert np.median(ANALYZER.tonality(magnitude(noise()))) < 0.1


class TestRelativeLevels:
    @pytest.mark.parametrize("gain", [1e-4, 10 ** (-3 / 20), 0.5, 10.0])
    def test_gain_does_not_move_them(self, gain):
        mag = magnitude(noise() * np.hanning(RATE))
        np.testing.assert_allclose(
            ANALYZER.band_levels_db(mag * gain), ANALYZER.band_levels_db(mag), atol=1e-9
        )

    def test_they_are_differences_of_levels(self):
        mag = magnitude(noise() + band_noise(3000, 3700, 0.2))
        level = ANALYZER.band_levels_db(mag)
        np.testing.assert_allclose(level[4:19].mean(axis=0), 0, atol=1e-9)
        power = 10 * np.log10(ANALYZER.band_power(mag))
        np.testing.assert_allclose(level[14] - level[7], power[14] - power[7])

    def test_silence_is_level_and_an_empty_band_is_floored(self):
        mag = np.zeros((442, 2))
        mag[100, 1] = 1.0
        level = ANALYZER.band_levels_db(mag)
        assert (level[:, 0] == 0).all()
        assert level[:, 1].max() - level[:, 1].min() == pytest.approx(120)


def test_one_frame_or_many_torch_or_numpy_float32_or_64():
    mag = magnitude(noise()).astype(np.float32)
    whole = ANALYZER.band_thresholds(mag)
    assert whole.dtype == np.float64
    assert whole.shape == (24, 101)
    for t in (0, 50, 100):
        assert np.array_equal(ANALYZER.band_thresholds(mag[:, t : t + 1])[:, 0], whole[:, t])
    assert np.array_equal(ANALYZER.band_thresholds(torch.from_numpy(mag)), whole)
    assert np.array_equal(ANALYZER.band_thresholds(mag.astype(np.float64)), whole)


def test_errors():
    with pytest.raises(ValueError, match="442 bins"):
        ANALYZER.band_thresholds(np.zeros((441, 3)))
    with pytest.raises(ValueError, match="finite"):
        ANALYZER.band_thresholds(np.full((442, 3), np.nan))
    with pytest.raises(ValueError, match="not negative"):
        ANALYZER.band_thresholds(np.full((442, 3), -1.0))
    with pytest.raises(ValueError, match="positive"):
        MooreGlasbergAnalyzer(n_critical_bands=0)
