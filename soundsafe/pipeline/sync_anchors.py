"""A seed from the audio itself, and a pattern that marks where a second begins.

*Anchors.* The strongest critical bands of a second, in order of frequency, name its seed. No side
information: embedder and detector each find the same bands, as long as their order of strength at the edge
of the chosen few survives.

*Pattern.* For audio whose anchors are not pronounced, 50 ms of a chirp, of tones or of noise hide under the
masking threshold at the beginning of the second; a matched filter over the spectrum whitened by that same
threshold finds it, to the sample.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
import torch
from numpy.typing import NDArray

from soundsafe.pipeline.features import Floats, levels_db, magnitude, mono, quantized_thresholds
from soundsafe.pipeline.moore_glasberg import MooreGlasbergAnalyzer
from soundsafe.pipeline.rules import THR_STEP
from soundsafe.stft import RATE, Array, Stft, as_tensor

__all__ = ["SyncAnchor", "SyncDetector"]

_PATTERN_HZ = (500.0, 11_000.0)
_SUPPORT = 0.1
_TAKE_BACKS = 16
_LEAST_THRESHOLD = 1e-12
_NO_POWER = 1e-20
_CHANCE_PEAK = 6.2  # standard deviations


@dataclass(frozen=True)
class SyncAnchor:
    """Anchors and sync pattern of segments of one second.

    Args:
        sync_length_ms: length of the pattern in milliseconds, at least 1.
        sr: sample rate in Hz.
        n_fft: length of the transform in samples.
        hop: samples from frame to frame.
        pattern_type: ``chirp`` (up and down, 500 Hz to 11 kHz), ``tone`` (one in each critical band of that
            range) or ``noise``.
        n_anchor_bands: how many bands are anchors, at least 1 and fewer than there are bands.
        ranking_method: ``median`` or ``mean`` over frames.
        hashing_salt: text that ends what is hashed.
        key: the seed is an HMAC under it, and noise is drawn from it; None: neither.
        rank_by: ``thresholds`` quantised in millionths, as in the seed profile, or ``levels``, which gain
            does not move.

    Raises:
        ValueError: a value outside these.

    Example:
        >>> anchor = SyncAnchor()
        >>> x = np.random.default_rng(0).normal(0, 0.1, 44_100)
        >>> energies = anchor.band_energies(x)
        >>> len(anchor.anchor_bands(energies)), 0.0 <= anchor.confidence(energies) <= 1.0
        (4, True)
        >>> offset, confidence = anchor.find_pattern(torch.roll(anchor.embed_pattern(x), 1234))
        >>> offset, confidence > 0.1
        (1234, True)
    """

    sync_length_ms: int = 50
    sr: int = RATE
    n_fft: int = 882
    hop: int = 441
    pattern_type: str = "chirp"
    n_anchor_bands: int = 4
    ranking_method: str = "median"
    hashing_salt: str = "soundsafe_anchor"
    key: bytes | None = field(default=None, repr=False)
    rank_by: str = "thresholds"

    def __post_init__(self) -> None:
        for value, allowed in (
            (self.pattern_type, ("chirp", "tone", "noise")),
            (self.ranking_method, ("median", "mean")),
            (self.rank_by, ("thresholds", "levels")),
        ):
            if value not in allowed:
                raise ValueError(f"{value!r} is not one of {allowed}")
        if not 1 <= self.n_anchor_bands < self.analyzer.n_critical_bands or self.sync_length_ms < 1:
            raise ValueError(
                "at least one anchor, fewer than there are bands, and a pattern of a millisecond"
            )

    @cached_property
    def analyzer(self) -> MooreGlasbergAnalyzer:
        """The masking model, 24 bands."""
        return MooreGlasbergAnalyzer(self.sr, self.n_fft, self.hop)

    @property
    def _grid(self) -> Stft:
        return Stft(self.n_fft, self.hop)

    # Anchors

    def band_energies(self, audio_1s: Array) -> Floats:
        """Strength of each band, by which anchors are ranked.

        Args:
            audio_1s: ``[samples]`` or ``[channels, samples]``, finite.

        Returns:
            ``[bands]``, at least 0, in units of magnitude.

        Raises:
            ValueError: another shape, or samples that are not finite.
        """
        mag = magnitude(audio_1s, self.n_fft, self.hop)
        if self.rank_by == "levels":
            if self.ranking_method == "median":
                return 10.0 ** (levels_db(mag, self.analyzer) / 20.0)
            return 10.0 ** (np.mean(self.analyzer.band_levels_db(mag), axis=1) / 20.0)
        q = quantized_thresholds(self.analyzer.band_thresholds(mag), THR_STEP)
        return np.median(q, axis=1) if self.ranking_method == "median" else np.mean(q, axis=1)

    def anchor_bands(self, energies: Floats) -> tuple[int, ...]:
        """The strongest bands that have bins, in order of frequency.

        Args:
            energies: ``[bands]``, as `band_energies` gives them.

        Returns:
            At most `n_anchor_bands` numbers of bands, ascending, as plain integers.
        """
        return self._canonical(np.argsort(energies, kind="stable")[-self.n_anchor_bands :])

    def _canonical(self, bands: NDArray[np.int64]) -> tuple[int, ...]:
        # Bands rise with frequency: the order of their numbers is that of their mean bins.
        return tuple(sorted(int(b) for b in bands if self.analyzer.bins_per_band[b] > 0))

    def confidence(self, energies: Floats) -> float:
        """How far the anchors stand out: (their mean - the others' mean) / (their mean + 1e-12).

        Args:
            energies: ``[bands]``, at least 0.

        Returns:
            0 to 1.
        """
        ordered = np.sort(energies)
        top = float(np.mean(ordered[-self.n_anchor_bands :]))
        rest = float(np.mean(ordered[: -self.n_anchor_bands]))
        return min(1.0, (top - rest) / (top + 1e-12))

    def seed(self, bands: tuple[int, ...], segment_length: int) -> int:
        """The seed of anchor bands: 8 hexadecimal digits of SHA-256 of ``{bands}_{length}_{salt}``.

        With a key, of HMAC-SHA256 under it.

        Args:
            bands: numbers of the anchor bands, ascending.
            segment_length: of the segment, in samples.

        Returns:
            32 bits.
        """
        text = f"{tuple(int(b) for b in bands)}_{segment_length}_{self.hashing_salt}".encode()
        if self.key is None:
            digest = hashlib.sha256(text).hexdigest()
        else:
            digest = hmac.new(self.key, text, hashlib.sha256).hexdigest()
        return int(digest[:8], 16)

    def detect_anchor_and_seed(
        self, audio_1s: Array, confidence_threshold: float = 0.3
    ) -> tuple[int | None, float]:
        """The seed of a segment and how far to trust it.

        Args:
            audio_1s: ``[samples]`` or ``[channels, samples]``, finite.
            confidence_threshold: 0 to 1, below which there is no seed.

        Returns:
            The seed, 32 bits or None, and the confidence, 0 to 1.

        Raises:
            ValueError: another shape, or samples that are not finite.
        """
        energies = self.band_energies(audio_1s)
        confidence = self.confidence(energies)
        if confidence < confidence_threshold:
            return None, confidence
        return self.seed(self.anchor_bands(energies), as_tensor(audio_1s).shape[-1]), confidence

    def candidate_seeds(self, energies: Floats, segment_length: int, count: int) -> list[int]:
        """Seeds that the segment may have had: one anchor may have changed places with another band.

        Args:
            energies: ``[bands]``, at least 0.
            segment_length: of the segment, in samples.
            count: how many at most.

        Returns:
            Seeds, in ascending order of the difference in dB between the two bands: the likeliest first.
        """
        level = 20.0 * np.log10(np.maximum(energies, 1e-12))
        return [self.seed(bands, segment_length) for _, bands in self.candidate_bands(level, count)]

    def candidate_bands(
        self, level_db: Floats, count: int, margin_db: float = np.inf
    ) -> list[tuple[float, tuple[int, ...]]]:
        """Sets of anchors that the segment may have had, each with its distance.

        The first, at distance 0, has the strongest bands; in the others one of them has changed places with
        another band. Neither lies further than `margin_db` from the middle between the weakest anchor and the
        strongest other band.

        Args:
            level_db: ``[bands]``, in dB.
            count: how many at most.
            margin_db: how far from the edge bands are exchanged, in dB.

        Returns:
            (difference of the exchanged bands in dB, numbers of the bands), the likeliest first.
        """
        chosen, swaps = self._swaps(level_db, margin_db)
        sets = [(0.0, chosen)] + [(d, np.where(chosen == a, b, chosen)) for d, a, b in swaps[: count - 1]]
        return [(d, self._canonical(s)) for d, s in sets]

    def exchanged_twice(
        self, level_db: Floats, count: int, margin_db: float
    ) -> list[tuple[float, tuple[int, ...]]]:
        """Sets in which two anchors have changed places with two other bands, each with its distance.

        Args:
            level_db: ``[bands]``, in dB.
            count: how many at most.
            margin_db: the largest sum of both differences, in dB.

        Returns:
            (sum of both differences in dB, numbers of the bands), the likeliest first.
        """
        chosen, swaps = self._swaps(level_db, margin_db)
        pairs = sorted(
            (d + e, a, b, c, f)
            for (d, a, b), (e, c, f) in itertools.combinations(swaps, 2)
            if d + e <= margin_db and a < c and b != f
        )
        # Whichever anchor takes which place, the set is the same.
        found: dict[tuple[int, ...], float] = {}
        for d, a, b, c, f in pairs:
            bands = self._canonical(np.where(chosen == a, b, np.where(chosen == c, f, chosen)))
            found.setdefault(bands, d)
        return [(d, bands) for bands, d in found.items()][:count]

    def _swaps(
        self, level_db: Floats, margin_db: float
    ) -> tuple[NDArray[np.int64], list[tuple[float, int, int]]]:
        """The anchors, and each pair of an anchor and another band that lie no further than `margin_db` from
        the middle between anchors and others, behind their difference in dB, the smallest first."""
        # The later of two equal bands counts as the stronger, as in `anchor_bands`.
        order = np.argsort(level_db, kind="stable")[::-1]
        chosen, rest = order[: self.n_anchor_bands], order[self.n_anchor_bands :]
        edge = (level_db[chosen[-1]] + level_db[rest[0]]) / 2.0
        inside = [b for b in chosen if level_db[b] <= edge + margin_db]
        outside = [b for b in rest if level_db[b] >= edge - margin_db]
        return chosen, sorted(
            (float(level_db[a] - level_db[b]), int(a), int(b)) for a, b in itertools.product(inside, outside)
        )

    # Pattern

    @cached_property
    def pattern(self) -> Floats:
        """The sync pattern, ``[samples]`` (2205 by default), faded in and out over a tenth at each end."""
        n = int(self.sync_length_ms * self.sr / 1000)
        t = np.arange(n) / self.sr
        low, high = _PATTERN_HZ[0], min(_PATTERN_HZ[1], 0.45 * self.sr)
        if self.pattern_type == "chirp":
            slope = (high - low) / (2 * n / self.sr)
            x = np.sin(2 * np.pi * (low * t + slope * t**2)) + np.sin(2 * np.pi * (high * t - slope * t**2))
        elif self.pattern_type == "tone":
            tones = [f for f in self.analyzer.center_frequencies if low < f < high]
            # Phases that grow with the square of the number keep the peaks low (Schroeder 1970).
            x = np.sum([np.cos(2 * np.pi * f * t + i * i) for i, f in enumerate(tones)], axis=0)
        else:
            x = self._noise(n, low, high)
        fade = np.sin(np.linspace(0, np.pi / 2, n // 10)) ** 2
        x[: len(fade)] *= fade
        x[n - len(fade) :] *= fade[::-1]
        return x / np.abs(x).max()

    def _noise(self, n: int, low: float, high: float) -> Floats:
        label = b"sync pattern " + self.hashing_salt.encode() + (self.key or b"")
        bits = np.unpackbits(np.frombuffer(hashlib.shake_256(label).digest(n // 8 + 1), np.uint8))[:n]
        spectrum = np.fft.rfft(1.0 - 2.0 * bits)
        hz = np.fft.rfftfreq(n, 1 / self.sr)
        return np.fft.irfft(np.where((hz >= low) & (hz <= high), spectrum, 0), n)

    def _phases(self, length: int) -> torch.Tensor:
        """The pattern at sample 0 of `length`, flattened: ``[bins, frames]``, 0 where it has no energy.

        In each band and frame that it touches, its cells are equal in size and their power is the number of
        the band's bins: times a threshold for each cell, that is just what the band hides.
        """
        x = torch.zeros(length, dtype=torch.float64)
        x[: len(self.pattern)] = torch.from_numpy(self.pattern)[:length]
        spectrum = self._grid.forward(x)
        size = spectrum.abs()
        support = (size > _SUPPORT * size.max()).double()
        band = torch.from_numpy(self.analyzer.band_indices)
        counts = torch.zeros(self.analyzer.n_critical_bands, size.shape[1], dtype=torch.float64)
        counts.index_add_(0, band, support)
        room = torch.from_numpy(self.analyzer.bins_per_band).double()[:, None]
        gain = torch.sqrt(room / counts.clamp(min=1.0))[band]
        return spectrum / size.clamp(min=1e-30) * support * gain

    def embed_pattern(self, audio_1s: Array, strength: float = 1.0) -> torch.Tensor:
        """Add the pattern at the beginning of a segment.

        The change has in each band and frame at most `strength`, as a ratio of amplitudes, of what masking
        hides there, each channel by itself; digital silence stays silent.

        Args:
            audio_1s: ``[samples]`` or ``[channels, samples]``, at least as long as the pattern.
            strength: at least 0; 1 is what masking just hides.

        Returns:
            The audio with the pattern, float32, of the same shape.

        Raises:
            ValueError: the segment is shorter than the pattern.
        """
        x = as_tensor(audio_1s).detach().cpu().float()
        if x.shape[-1] < len(self.pattern):
            raise ValueError(f"the pattern has {len(self.pattern)} samples, the segment {x.shape[-1]}")
        phases = self._phases(x.shape[-1])
        marked = []
        for channel in x.reshape(-1, x.shape[-1]):
            marked.append(channel + strength * self._hidden(channel.double(), phases).float())
        return torch.stack(marked).reshape(x.shape)

    def _hidden(self, x: torch.Tensor, phases: torch.Tensor) -> torch.Tensor:
        """The signal nearest to `phases` that masking in `x` ``[samples]`` hides in each band and frame."""
        mag = self._grid.forward(x).abs().numpy()
        allowed = np.maximum(self.analyzer.masked_power(mag, quiet=False), _NO_POWER)
        gain = torch.from_numpy(_lowest_of_three(self.analyzer.cell_thresholds(mag, quiet=False)))
        excess = np.ones_like(allowed)
        # A change reaches into neighbouring frames and bands: measure what arrives, and take back there.
        for _ in range(_TAKE_BACKS):
            around = _highest_of_three(_highest_of_three(excess).T).T
            gain /= torch.from_numpy(around[self.analyzer.band_indices])
            change = self._grid.inverse(phases * gain, len(x))
            arrived = self.analyzer.band_power(self._grid.forward(change).abs().numpy())
            excess = np.maximum(np.sqrt(arrived / allowed), 1.0)
        return change / float(excess.max())

    def find_pattern(self, audio_1s: Array, period: int | None = None) -> tuple[int, float]:
        """Where the pattern begins.

        Circular: a segment cut from a longer signal with a pattern every second may begin anywhere in it. The
        confidence is the share of the matched filter's peak that lies above 6.2 standard deviations, which is
        about what a hundred seconds of unmarked music, speech and effects reach.

        Args:
            audio_1s: ``[samples]`` or ``[channels, samples]``, finite.
            period: samples after which the pattern repeats: in longer audio all repetitions count together.
                None: the pattern lies there once.

        Returns:
            The first sample of the pattern, less than `period`, and the confidence, 0 to 1.
        """
        x = mono(audio_1s)
        if len(x) < len(self.pattern):
            return 0, 0.0
        match = self._match(x)
        if period is not None:
            place = np.arange(len(x)) % period
            count = np.bincount(place, minlength=period)
            match = np.bincount(place, match, period) / np.sqrt(np.maximum(count, 1))
        deviation = max(float(np.median(np.abs(match))) / 0.6745, 1.0)
        best = int(np.argmax(match))
        peak = float(match[best])
        return best, max(0.0, 1.0 - _CHANCE_PEAK * deviation / peak) if peak > 0 else 0.0

    def _match(self, x: torch.Tensor) -> Floats:
        """The matched filter over `x` ``[samples]``, in deviations of what there is around, circular."""
        spectrum = self._grid.forward(x)
        size = spectrum.abs()
        # Without the threshold of hearing, of which the embedder knows nothing either.
        hidden = self.analyzer.cell_thresholds(size.numpy(), quiet=False)
        threshold = torch.from_numpy(np.maximum(hidden, _LEAST_THRESHOLD))
        # Loud cells count as their phase alone, so that no note outvotes the pattern, and the less the
        # further they stand above what the pattern may have there; hidden ones count by their size.
        loud = torch.maximum(size, threshold)
        white = spectrum / loud * torch.sqrt(threshold / loud)
        hz = np.fft.rfftfreq(len(x), 1 / self.sr)
        inside = (hz >= _PATTERN_HZ[0]) & (hz <= _PATTERN_HZ[1])
        signal = np.fft.rfft(self._grid.inverse(white, len(x)).numpy()) * inside
        pattern = np.fft.rfft(self._grid.inverse(self._phases(len(x)), len(x)).numpy()) * inside
        match = np.fft.irfft(signal * pattern.conj(), len(x))
        # A second may be half silent: count in deviations of what there is where the pattern would lie.
        here = np.zeros(len(x))
        here[: len(self.pattern)] = 1 / len(self.pattern)
        energy = np.fft.irfft(signal, len(x)) ** 2
        local = np.maximum(np.fft.irfft(np.fft.rfft(energy) * np.fft.rfft(here).conj(), len(x)), 0.0)
        norm = np.sqrt((local + 0.5 * energy.mean()) * (np.fft.irfft(pattern, len(x)) ** 2).sum())
        return match / np.maximum(norm, 1e-30)


def _lowest_of_three(x: Floats) -> Floats:
    """Of each frame of ``[rows, frames]`` and the two beside it, the lowest."""
    padded = np.pad(x, ((0, 0), (1, 1)), mode="edge")
    return np.minimum(np.minimum(padded[:, :-2], padded[:, 1:-1]), padded[:, 2:])


def _highest_of_three(x: Floats) -> Floats:
    """Of each column of ``[rows, columns]`` and the two beside it, the highest."""
    return -_lowest_of_three(-x)


@dataclass(frozen=True)
class SyncDetector:
    """Finds the seed and the beginning of a second: anchors first, the pattern where they do not answer.

    Anchors nearly always answer, and say nothing of where a second begins: `always_offset` is for audio that
    may begin anywhere.

    Args:
        sync_anchor: anchors and pattern to look for.
        always_offset: look for the beginning first, and take the anchors of the second that begins there
            (the robust profile); without it, anchors answer with offset 0.
        find: what finds the beginning, as `SyncAnchor.find_pattern` does: audio to sample and confidence.
            None: that itself. `soundsafe.streams.eul_driver.EULDriver` gives its pilots.

    Example:
        >>> x = np.random.default_rng(0).normal(0, 0.1, 44_100)
        >>> offset, confidence, seed = SyncDetector().detect_robust(x, anchor_threshold=0.0)
        >>> offset, seed == SyncAnchor().detect_anchor_and_seed(x, 0.0)[0]
        (0, True)
    """

    sync_anchor: SyncAnchor = field(default_factory=SyncAnchor)
    always_offset: bool = False
    find: Callable[[Array], tuple[int, float]] | None = None

    def detect_robust(
        self, audio_1s: Array, threshold: float = 0.05, anchor_threshold: float = 0.3
    ) -> tuple[int, float, int | None]:
        """Offset, confidence and seed of a segment.

        Where the anchors' confidence reaches `anchor_threshold`: their seed and confidence. Otherwise no
        seed, and the pattern's confidence. The offset is the pattern's where its confidence reaches
        `threshold`, else 0. With `always_offset` the confidence is the pattern's, 0 where it is not found.

        Args:
            audio_1s: ``[samples]`` or ``[channels, samples]``, finite; of longer audio than one second all
                patterns count together, and two seconds are sure where one is not
                (``benchmarks/sync_pattern.py``).
            threshold: confidence from which the pattern counts, 0 to 1.
            anchor_threshold: confidence from which anchors count, 0 to 1.

        Returns:
            The offset in samples, the confidence (0 to 1), and the seed (32 bits or None).

        Raises:
            ValueError: another shape, or samples that are not finite.
        """
        find = self.find or partial(self.sync_anchor.find_pattern, period=self.sync_anchor.sr)
        if self.always_offset:
            offset, found = find(audio_1s)
            if found < threshold:
                offset, found = 0, 0.0
            second = torch.roll(as_tensor(audio_1s), -offset, -1)[..., : self.sync_anchor.sr]
            seed, _ = self.sync_anchor.detect_anchor_and_seed(second, anchor_threshold)
            return offset, found, seed
        seed, confidence = self.sync_anchor.detect_anchor_and_seed(audio_1s, anchor_threshold)
        if seed is not None:
            return 0, confidence, seed
        offset, found = find(audio_1s)
        return (offset if found >= threshold else 0), found, None
