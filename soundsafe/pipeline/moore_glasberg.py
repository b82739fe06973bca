"""Masking thresholds in critical bands, after Moore and Glasberg.

The model, one frame at a time (no temporal masking):

1. *Bands.* `n_critical_bands` bands of equal width on the ERB-rate scale, from 0 Hz to half the rate
   (24 bands at 44.1 kHz are 1.77 ERB wide each). ERB(f) = 24.7 (0.00437 f + 1) Hz and
   ERB-rate(f) = 21.4 log10(0.00437 f + 1): Glasberg and Moore, "Derivation of auditory filter shapes from
   notched-noise data", Hearing Research 47, 1990.
2. *Level.* The power of a band's bins, corrected for the window, in dB SPL: a full-scale sine plays at
   `full_scale_db` (96 dB SPL, the level that MPEG-1's models assume for 16 bits).
3. *Offset.* What a masker hides lies below it by 14.5 + z dB where it is a tone masking noise (z: its rate in
   Bark) and by 5.5 dB where it is noise masking a tone: Johnston, "Transform coding of audio signals using
   perceptual noise criteria", IEEE JSAC 6, 1988, with Traunmüller's Bark formula (JASA 88, 1990).
   Between the two stands the tonality of the band, from the spectral flatness around it.
4. *Spreading.* The excitation at a band's centre is the sum over maskers through roex(p) filters,
   W(g) = (1 + pg) exp(-pg), with p = 4 fc / ERB(fc) above fc. Below fc that value falls with the masker's
   level X in dB SPL by the factor 1 - 0.35 (X - 51) / 30.2 (Moore, Glasberg and Baer, JAES 45, 1997): the
   louder the masker, the further its masking spreads upwards.
5. *Threshold in quiet.* Terhardt's formula ("Calculating virtual pitch", Hearing Research 1, 1979), at the
   most sensitive frequency of the band, held above 12.5 kHz, where ISO 226 ends too: nothing is allowed to be
   loud because it is high. The larger of masking and quiet counts.

Everything is float64 and built from elementwise operations and sums of fixed order, so that a frame's result
does not depend on how many frames are asked for at once, or on threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "MooreGlasbergAnalyzer",
    "bark",
    "erb",
    "erb_rate",
    "erb_rate_to_hz",
    "masking_offset_db",
    "roex",
    "threshold_in_quiet_db",
]

Floats = NDArray[np.float64]

_HELD_ABOVE_HZ = 12_500.0
_MIN_FLATNESS_BINS = 9
# Flatness in dB of Gaussian noise (mean of ln of an exponential variable: -Euler's gamma) and of a tone.
_FLATNESS_NOISE_DB = -2.5
_FLATNESS_TONE_DB = -17.5


def erb(hz: ArrayLike) -> Floats:
    """Equivalent rectangular bandwidth of the auditory filter at a frequency.

    Args:
        hz: frequency in Hz, at least 0; a number or an array.

    Returns:
        Bandwidth in Hz, of the shape of `hz`: 24.7 (4.37 f / 1000 + 1), Glasberg and Moore, "Derivation of
        auditory filter shapes from notched-noise data", Hearing Research 47, 1990.

    Example:
        >>> float(erb(1000.0).round(1))
        132.6
    """
    return 24.7 * (0.00437 * np.asarray(hz, dtype=np.float64) + 1.0)


def erb_rate(hz: ArrayLike) -> Floats:
    """Number of equivalent rectangular bandwidths below a frequency.

    Args:
        hz: frequency in Hz, at least 0; a number or an array.

    Returns:
        Position on the ERB-rate scale, of the shape of `hz` (Glasberg and Moore 1990).

    Example:
        >>> float(erb_rate(1000.0).round(1))
        15.6
    """
    return 21.4 * np.log10(0.00437 * np.asarray(hz, dtype=np.float64) + 1.0)


def erb_rate_to_hz(number: ArrayLike) -> Floats:
    """Frequency at a position on the ERB-rate scale: the inverse of `erb_rate`.

    Args:
        number: ERBs below the frequency, at least 0; a number or an array.

    Returns:
        Frequency in Hz, of the shape of `number`.

    Example:
        >>> float(erb_rate_to_hz(erb_rate(1000.0)).round(6))
        1000.0
    """
    return (10.0 ** (np.asarray(number, dtype=np.float64) / 21.4) - 1.0) / 0.00437


def bark(hz: ArrayLike) -> Floats:
    """Critical-band rate of a frequency.

    Args:
        hz: frequency in Hz, at least 0; a number or an array.

    Returns:
        Bark, at least 0, of the shape of `hz`: 26.81 f / (1960 + f) - 0.53, Traunmüller, "Analytical
        expressions for the tonotopic sensory scale", J. Acoust. Soc. Am. 88, 1990.

    Example:
        >>> float(bark(1000.0).round(1))
        8.5
    """
    f = np.asarray(hz, dtype=np.float64)
    return np.maximum(26.81 * f / (1960.0 + f) - 0.53, 0.0)


def threshold_in_quiet_db(hz: ArrayLike) -> Floats:
    """Level of the softest tone that is heard in silence.

    Args:
        hz: frequency in Hz; below 20 counts as 20; a number or an array.

    Returns:
        dB SPL, of the shape of `hz`, by the formula of Terhardt, "Calculating virtual pitch", Hearing
        Research 1, 1979.

    Example:
        >>> float(threshold_in_quiet_db(1000.0).round(1))
        3.4
    """
    khz = np.maximum(np.asarray(hz, dtype=np.float64), 20.0) / 1000.0
    return 3.64 * khz**-0.8 - 6.5 * np.exp(-0.6 * (khz - 3.3) ** 2) + 1e-3 * khz**4


def masking_offset_db(hz: ArrayLike, tonality: ArrayLike) -> Floats:
    """How far the masked threshold lies below the masker.

    Args:
        hz: frequency of the masker in Hz.
        tonality: 0 (noise) to 1 (tone).

    Returns:
        dB, at least 5.5, of the common shape of both: 14.5 + bark for a tone and 5.5 for noise, as in
        Johnston, "Transform coding of audio signals using perceptual noise criteria", IEEE JSAC 6, 1988.

    Example:
        >>> float(masking_offset_db(1000.0, 0.0))
        5.5
    """
    alpha = np.asarray(tonality, dtype=np.float64)
    return alpha * (14.5 + bark(hz)) + (1.0 - alpha) * 5.5


def roex(centre_hz: ArrayLike, hz: ArrayLike, level_db: ArrayLike) -> Floats:
    """Power response of the auditory filter at one frequency to a component at another.

    A rounded exponential, (1 + pg) exp(-pg) with g the distance in units of the centre; its lower slope
    becomes flatter with level (Glasberg and Moore 1990).

    Args:
        centre_hz: centre of the filter in Hz, above 0.
        hz: frequency of the component in Hz.
        level_db: level of the component in dB SPL; held between 0 and 110, where every slope is positive.

    Returns:
        Response, 0 to 1, of the shape to which the three broadcast.

    Example:
        >>> float(roex(1000.0, 1000.0, 60.0))
        1.0
    """
    fc = np.asarray(centre_hz, dtype=np.float64)
    g = (np.asarray(hz, dtype=np.float64) - fc) / fc
    p = 4.0 * fc / erb(fc)
    p_1k = 4000.0 / erb(1000.0)
    lower = p * (1.0 - 0.35 / p_1k * (np.clip(level_db, 0.0, 110.0) - 51.0))
    pg = np.where(g < 0, -lower * g, p * g)
    return (1.0 + pg) * np.exp(-pg)


@dataclass(frozen=True)
class MooreGlasbergAnalyzer:
    """Critical-band analysis of magnitude spectra ``[bins, frames]`` of the transform in `soundsafe.stft`.

    Args:
        sample_rate: in Hz.
        n_fft: length of the transform in samples, even.
        hop_length: samples from frame to frame; recorded, nothing depends on it.
        n_critical_bands: number of bands, equally wide on the ERB-rate scale from 0 to half the rate.
        full_scale_db: playback level of a full-scale sine in dB SPL.

    Raises:
        ValueError: a value that makes no grid.

    Example:
        >>> import torch
        >>> from soundsafe.stft import stft
        >>> tone = 0.5 * torch.sin(2 * torch.pi * 4000 / 44_100 * torch.arange(44_100, dtype=torch.float64))
        >>> mag = stft(tone).abs().numpy()
        >>> analyzer = MooreGlasbergAnalyzer()
        >>> power = analyzer.band_power(mag)
        >>> power.shape, float(power.max().round(2))
        ((24, 101), 0.25)
        >>> bool((analyzer.band_thresholds(mag)[:, 50] < mag[:, 50].max()).all())
        True
    """

    sample_rate: int = 44_100
    n_fft: int = 882
    hop_length: int = 441
    n_critical_bands: int = 24
    full_scale_db: float = 96.0

    def __post_init__(self) -> None:
        if self.sample_rate <= 0 or self.n_fft < 2 or self.hop_length < 1 or self.n_critical_bands < 1:
            raise ValueError("sample rate, n_fft, hop and number of bands must be positive")

    @property
    def n_bins(self) -> int:
        """Number of frequency bins."""
        return self.n_fft // 2 + 1

    @cached_property
    def bin_frequencies(self) -> Floats:
        """Frequency of each bin in Hz, ``[bins]``."""
        return np.arange(self.n_bins, dtype=np.float64) * (self.sample_rate / self.n_fft)

    @cached_property
    def band_edges(self) -> Floats:
        """Edges of the bands in Hz, ``[bands + 1]``, from 0 to half the rate."""
        top = erb_rate(self.sample_rate / 2)
        return erb_rate_to_hz(np.linspace(0.0, float(top), self.n_critical_bands + 1))

    @cached_property
    def center_frequencies(self) -> Floats:
        """Middle of each band on the ERB-rate scale, in Hz, ``[bands]``."""
        rates = erb_rate(self.band_edges)
        return erb_rate_to_hz((rates[:-1] + rates[1:]) / 2)

    @cached_property
    def bandwidths(self) -> Floats:
        """Width of each band in Hz, ``[bands]``."""
        return np.diff(self.band_edges)

    @cached_property
    def band_indices(self) -> NDArray[np.int64]:
        """Band of each bin, ``[bins]``, rising from 0; a narrow band may have none."""
        inner = self.band_edges[1:-1]
        return np.searchsorted(inner, self.bin_frequencies, side="right").astype(np.int64)

    @cached_property
    def bins_per_band(self) -> NDArray[np.int64]:
        """Number of bins of each band, ``[bands]``."""
        return np.bincount(self.band_indices, minlength=self.n_critical_bands)

    @cached_property
    def quiet_db(self) -> Floats:
        """Threshold in quiet of each band in dB SPL, ``[bands]``: the lowest within the band."""
        lows, highs = self.band_edges[:-1], np.minimum(self.band_edges[1:], _HELD_ABOVE_HZ)
        grid = np.linspace(np.minimum(lows, _HELD_ABOVE_HZ), highs, 33)
        return threshold_in_quiet_db(grid).min(axis=0)

    @cached_property
    def _slices(self) -> list[slice]:
        """Bins of each band; for a band without bins, the one nearest to its centre stands in."""
        slices = []
        for band, centre in enumerate(self.center_frequencies):
            bins = np.flatnonzero(self.band_indices == band)
            if bins.size == 0:
                bins = np.array([np.abs(self.bin_frequencies - centre).argmin()])
            slices.append(slice(int(bins[0]), int(bins[-1]) + 1))
        return slices

    @cached_property
    def _neighbourhoods(self) -> list[slice]:
        """The band's bins, widened evenly to enough of them that flatness means something."""
        wide = []
        for s in self._slices:
            missing = max(0, _MIN_FLATNESS_BINS - (s.stop - s.start))
            start = max(0, min(s.start - missing // 2, self.n_bins - _MIN_FLATNESS_BINS))
            wide.append(slice(start, min(self.n_bins, max(s.stop, start + _MIN_FLATNESS_BINS))))
        return wide

    @property
    def _full_scale_power(self) -> float:
        # Sum of |X|^2 over the main lobe of a full-scale sine under a Hann window: 1 + 2/4 times its peak.
        return 1.5 * (self.n_fft / 4) ** 2

    def _checked(self, mag: ArrayLike | torch.Tensor) -> Floats:
        if isinstance(mag, torch.Tensor):
            mag = mag.detach().cpu().numpy()
        m = np.asarray(mag, dtype=np.float64)
        if m.ndim != 2 or m.shape[0] != self.n_bins:
            raise ValueError(f"magnitudes must be [{self.n_bins} bins, frames], not {m.shape}")
        if not np.isfinite(m).all() or (m < 0).any():
            raise ValueError("magnitudes must be finite and not negative")
        return m

    def _band_sums(self, x: Floats, slices: list[slice]) -> Floats:
        # Row by row: the order of summation then depends on nothing but the band.
        out = np.empty((len(slices), x.shape[1]))
        for band, s in enumerate(slices):
            total = x[s.start].copy()
            for row in range(s.start + 1, s.stop):
                total += x[row]
            out[band] = total
        return out

    def band_power(self, mag: ArrayLike | torch.Tensor) -> Floats:
        """Power of each band and frame.

        Args:
            mag: magnitudes ``[bins, frames]``, NumPy or torch, finite and not negative.

        Returns:
            ``[bands, frames]``, at least 0; a full-scale sine has 1.

        Raises:
            ValueError: `mag` has another shape, or values that are negative or not finite.
        """
        return self._band_sums(self._checked(mag) ** 2, self._slices) / self._full_scale_power

    def band_levels_db(
        self, mag: ArrayLike | torch.Tensor, reference: slice = slice(4, 19), floor_db: float = 120.0
    ) -> Floats:
        """Level of each band relative to the mean level of the `reference` bands of the same frame.

        A ratio, so that gain does not move it. A silent frame is 0 throughout.

        Args:
            mag: magnitudes ``[bins, frames]``, finite and not negative.
            reference: the bands whose mean is 0 dB.
            floor_db: no band counts as further than this many dB below the loudest of its frame.

        Returns:
            dB, ``[bands, frames]``.

        Raises:
            ValueError: `mag` has another shape, or values that are negative or not finite.
        """
        power = self.band_power(mag)
        peak = power.max(axis=0)
        silent = peak < np.finfo(np.float64).tiny * 1e20
        share = np.maximum(power / np.where(silent, 1.0, peak), 10.0 ** (-floor_db / 10.0))
        level = 10.0 * np.log10(np.where(silent, 1.0, share))
        rows = level[reference]
        mean = rows[0].copy()
        for row in rows[1:]:
            mean += row
        return level - mean / len(rows)

    def tonality(self, mag: ArrayLike | torch.Tensor) -> Floats:
        """How tonal each band and frame is, from its spectral flatness.

        Flatness is the geometric over the arithmetic mean of the band's power; bands of fewer than nine bins
        are widened to nine. -2.5 dB, what Gaussian noise measures, gives 0 and -17.5 dB gives 1.

        Args:
            mag: magnitudes ``[bins, frames]``, finite and not negative.

        Returns:
            ``[bands, frames]``, 0 (as flat as noise) to 1 (as peaked as a tone).

        Raises:
            ValueError: `mag` has another shape, or values that are negative or not finite.
        """
        power = self._checked(mag) ** 2
        counts = np.array([s.stop - s.start for s in self._neighbourhoods], dtype=np.float64)[:, None]
        mean = self._band_sums(power, self._neighbourhoods) / counts
        # A floor relative to the frame, so that a gain changes nothing and an empty bin is no infinity.
        floor = np.maximum(power.max(axis=0) * 1e-12, 1e-300)
        log_mean = self._band_sums(np.log10(power + floor), self._neighbourhoods) / counts
        flatness = 10.0 * (log_mean - np.log10(mean + floor))
        return np.clip((_FLATNESS_NOISE_DB - flatness) / (_FLATNESS_NOISE_DB - _FLATNESS_TONE_DB), 0.0, 1.0)

    def masked_power(self, mag: ArrayLike | torch.Tensor, quiet: bool = True) -> Floats:
        """Largest power that each band and frame hides.

        Args:
            mag: magnitudes ``[bins, frames]``, finite and not negative.
            quiet: count the threshold in quiet too; without it masking alone, which is 0 in silence.

        Returns:
            ``[bands, frames]``, at least 0; a full-scale sine has 1.

        Raises:
            ValueError: `mag` has another shape, or values that are negative or not finite.
        """
        power = self.band_power(mag)
        fc = self.center_frequencies
        level = self.full_scale_db + 10.0 * np.log10(np.maximum(power, 1e-30))
        hidden = power * 10.0 ** (-masking_offset_db(fc[:, None], self.tonality(mag)) / 10.0)
        total = np.zeros_like(power)
        for masker in range(self.n_critical_bands):
            if self.bins_per_band[masker]:
                total += roex(fc[:, None], fc[masker], level[masker][None]) * hidden[masker][None]
        if quiet:
            total = np.maximum(total, 10.0 ** ((self.quiet_db - self.full_scale_db) / 10.0)[:, None])
        return total

    def excitation(self, mag: ArrayLike | torch.Tensor) -> Floats:
        """Power of each band and frame after spreading by the auditory filters.

        The filters are those for 51 dB whatever the level, so that the result scales with the audio's power.

        Args:
            mag: magnitudes ``[bins, frames]``, finite and not negative.

        Returns:
            ``[bands, frames]``, at least 0; a full-scale sine has 1.

        Raises:
            ValueError: `mag` has another shape, or values that are negative or not finite.
        """
        power = self.band_power(mag)
        fc = self.center_frequencies
        total = np.zeros_like(power)
        for masker in range(self.n_critical_bands):
            if self.bins_per_band[masker]:
                total += roex(fc, fc[masker], 51.0)[:, None] * power[masker][None]
        return total

    def band_thresholds(self, mag: ArrayLike | torch.Tensor) -> Floats:
        """Masked threshold of each band and frame as a magnitude.

        Adding it to every bin of the band reaches the power that the band just hides.

        Args:
            mag: magnitudes ``[bins, frames]``, finite and not negative.

        Returns:
            ``[bands, frames]``, at least 0, in the units of `mag`.

        Raises:
            ValueError: `mag` has another shape, or values that are negative or not finite.
        """
        return self.per_bin(self.masked_power(mag))

    def per_bin(self, power: Floats) -> Floats:
        """Magnitude that gives a band its power when every bin of the band has it.

        Args:
            power: ``[bands, frames]``, at least 0; a full-scale sine has 1.

        Returns:
            ``[bands, frames]``, in units of the transform's magnitudes.
        """
        cells = np.maximum(self.bins_per_band, 1)[:, None]
        return np.sqrt(power * self._full_scale_power / cells)

    def cell_thresholds(self, mag: ArrayLike | torch.Tensor, quiet: bool = True) -> Floats:
        """Masked threshold of the band of each cell.

        Args:
            mag: magnitudes ``[bins, frames]``, finite and not negative.
            quiet: count the threshold in quiet too; without it masking alone.

        Returns:
            ``[bins, frames]``, at least 0, in the units of `mag`.

        Raises:
            ValueError: `mag` has another shape, or values that are negative or not finite.
        """
        return self.per_bin(self.masked_power(mag, quiet))[self.band_indices]
