"""Micro-chunks of 15 ms, slots inside them, and the gate that keeps slots where a mark stays hidden.

There is one symbol for each slot: no slot repeats another, and nothing fuses symbols. Redundancy is the
code's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from soundsafe.pipeline.adaptive_bit_allocation import Slot, keyed_ranks
from soundsafe.pipeline.moore_glasberg import MooreGlasbergAnalyzer
from soundsafe.stft import RATE, Array, Stft, as_tensor

__all__ = [
    "DeterministicMapper",
    "MicroChunker",
    "SpectralModel",
    "apply_psychoacoustic_gate",
    "apply_psychoacoustic_gate_batched",
]


class SpectralModel(Protocol):
    """What transforms audio: ``stft(x [batch, samples]) -> [batch, 2 (real, imaginary), bins, frames]``.

    Example:
        >>> from soundsafe.models import INNWatermarker
        >>> tuple(INNWatermarker(bits=8).stft(torch.zeros(1, 44_100)).shape)
        (1, 2, 442, 101)
    """

    stft: Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class MicroChunker:
    """Cuts audio into overlapping windows and adds them up again, without loss.

    Args:
        window_ms: length of a window in milliseconds.
        overlap_ratio: share of a window that the next one covers too, at least 0 and below 1.
        sr: sample rate in Hz.

    Raises:
        ValueError: values that leave no window or no hop.

    Example:
        >>> chunker = MicroChunker()
        >>> chunker.window_samples, chunker.hop_samples
        (661, 330)
        >>> windows = chunker.chunk(np.ones(2000, np.float32))
        >>> windows.shape == (chunker.count(2000), 661), chunker.starts(2000).tolist()[:3]
        (True, [0, 330, 660])
        >>> chunker.overlap_add(windows, 2000).unique().tolist()
        [1.0]
    """

    window_ms: int = 15
    overlap_ratio: float = 0.5
    sr: int = RATE

    def __post_init__(self) -> None:
        if not 0 <= self.overlap_ratio < 1:
            raise ValueError(f"overlap_ratio must be in [0, 1), not {self.overlap_ratio}")
        if self.window_samples < 1 or self.hop_samples < 1:
            raise ValueError(f"{self.window_ms} ms at {self.sr} Hz leave no window or no hop")

    @property
    def window_samples(self) -> int:
        """Samples of a window, rounded down."""
        return int(self.window_ms * self.sr / 1000)

    @property
    def hop_samples(self) -> int:
        """Samples from window to window, rounded down."""
        return int(self.window_samples * (1 - self.overlap_ratio))

    def count(self, length: int) -> int:
        """Number of windows that cover a signal.

        Args:
            length: in samples.

        Returns:
            At least 1.
        """
        return 1 + max(0, -(-(length - self.window_samples) // self.hop_samples))

    def starts(self, length: int) -> NDArray[np.int64]:
        """First sample of each window.

        Args:
            length: of the signal, in samples.

        Returns:
            ``[windows]``.
        """
        return np.arange(self.count(length), dtype=np.int64) * self.hop_samples

    def chunk(self, audio: Array) -> torch.Tensor:
        """The windows of a signal, unweighted; zeros fill the last one.

        Args:
            audio: ``[..., samples]``, NumPy or torch.

        Returns:
            ``[..., windows, window_samples]``.

        Raises:
            ValueError: an empty signal.
        """
        x = as_tensor(audio)
        if x.ndim == 0 or x.shape[-1] == 0:
            raise ValueError("no samples to cut")
        n = self.count(x.shape[-1])
        missing = (n - 1) * self.hop_samples + self.window_samples - x.shape[-1]
        return torch.nn.functional.pad(x, (0, missing)).unfold(-1, self.window_samples, self.hop_samples)

    def overlap_add(self, windows: torch.Tensor, length: int) -> torch.Tensor:
        """The signal that windows make: the inverse of `chunk`.

        Where windows overlap, the mean weighted by a raised cosine, so that changed windows join smoothly.

        Args:
            windows: ``[..., windows, window_samples]``.
            length: of the signal, in samples.

        Returns:
            ``[..., length]``.

        Raises:
            ValueError: the shape does not belong to `length`.
        """
        n, size = self.count(length), self.window_samples
        if windows.shape[-2:] != (n, size):
            raise ValueError(f"{length} samples have {n} windows of {size}, not {tuple(windows.shape[-2:])}")
        phase = (torch.arange(size, dtype=windows.dtype, device=windows.device) + 0.5) * (torch.pi / size)
        weight = torch.sin(phase).square()
        total = windows.new_zeros(*windows.shape[:-2], (n - 1) * self.hop_samples + size)
        weights = windows.new_zeros(total.shape[-1])
        for i in range(n):
            here = slice(i * self.hop_samples, i * self.hop_samples + size)
            total[..., here] += windows[..., i, :] * weight
            weights[here] += weight
        return (total / weights.clamp(min=torch.finfo(windows.dtype).tiny))[..., :length]


@dataclass(frozen=True)
class DeterministicMapper:
    """Slots of a micro-chunk from its number and a seed alone.

    A window has ``n_freq_bins`` x ``window_frames`` cells, 442 x 1 by default.

    Args:
        n_fft: length of the transform in samples, at least 2.
        hop: samples from frame to frame, at least 1.
        sr: sample rate in Hz.
        window_ms: length of a window in milliseconds.

    Raises:
        ValueError: values that leave no cell.

    Example:
        >>> mapper = DeterministicMapper()
        >>> slots = mapper.map_slots(0, 3, seed=7)
        >>> len(set(slots)), slots == mapper.map_slots(0, 5, seed=7)[:3]
        (3, True)
    """

    n_fft: int = 882
    hop: int = 441
    sr: int = RATE
    window_ms: int = 15

    def __post_init__(self) -> None:
        if self.n_fft < 2 or self.hop < 1 or self.window_frames < 1:
            raise ValueError(f"{self.window_ms} ms hold no frame of {self.hop} samples at {self.sr} Hz")

    @property
    def n_freq_bins(self) -> int:
        """Number of frequency bins."""
        return self.n_fft // 2 + 1

    @property
    def window_frames(self) -> int:
        """Whole frames in a window, rounded down."""
        return int(self.window_ms * self.sr / (self.hop * 1000))

    def map_slots(self, window: int, n_slots: int, seed: int) -> list[Slot]:
        """Different slots, in ascending order of a hash of the seed, the window and the cell.

        Args:
            window: number of the micro-chunk, from 0 on.
            n_slots: how many, from 0 to the number of cells; more slots continue the same list.
            seed: any integer.

        Returns:
            Slots (bin, frame within the window).

        Raises:
            ValueError: fewer cells than slots, or a negative number.
        """
        cells = self.n_freq_bins * self.window_frames
        if not 0 <= n_slots <= cells or window < 0:
            raise ValueError(f"a window has {cells} cells, not {n_slots}, and its number is not negative")
        ranks = keyed_ranks((self.n_freq_bins, self.window_frames), f"window_{seed}_{window}")
        flat = np.argsort(ranks.reshape(-1), kind="stable")[:n_slots]
        return [(int(i) // self.window_frames, int(i) % self.window_frames) for i in flat]


def apply_psychoacoustic_gate(
    audio_window: Array,
    slots: Sequence[Slot],
    model: SpectralModel | None,
    n_fft: int = 882,
    hop: int = 441,
) -> list[Slot]:
    """The slots of one window in which a mark stays hidden, in their order.

    A slot passes where its cell is at least as loud as the masked threshold of its band: there is something
    to hide behind, and a change as large as the threshold never exceeds the cell itself.

    Args:
        audio_window: ``[samples]`` or ``[1, samples]`` at 44.1 kHz.
        slots: cells (bin, frame) of the window's transform.
        model: its transform is used if it is not None; the pipeline's own otherwise, which gives the same.
        n_fft: length of the transform in samples.
        hop: samples from frame to frame.

    Returns:
        Those of `slots` that pass.

    Raises:
        ValueError: another shape, or a slot outside the grid.

    Example:
        >>> tone = np.sin(2 * np.pi * 1000 / 44_100 * np.arange(661))
        >>> apply_psychoacoustic_gate(tone, [(19, 0), (20, 0)], None)
        [(19, 0)]
    """
    x = as_tensor(audio_window)
    return _gate(x[None] if x.ndim == 1 else x, [list(slots)], model, n_fft, hop)[0]


def apply_psychoacoustic_gate_batched(
    audio_windows: Array,
    all_slots: Sequence[Sequence[Slot]],
    overlap_ratio: float = 0.5,
    n_fft: int = 882,
    hop: int = 441,
) -> list[list[Slot]]:
    """`apply_psychoacoustic_gate` for many windows, with the same result for each.

    Args:
        audio_windows: ``[windows, samples]`` at 44.1 kHz.
        all_slots: for each window its slots (bin, frame).
        overlap_ratio: by which the windows overlap, at least 0 and below 1; checked, and changes nothing:
            each window is judged by itself on the fixed grid.
        n_fft: length of the transform in samples.
        hop: samples from frame to frame.

    Returns:
        For each window the slots that pass.

    Raises:
        ValueError: another shape, a slot outside the grid, or windows and lists that differ in number.

    Example:
        >>> tone = np.sin(2 * np.pi * 1000 / 44_100 * np.arange(661))
        >>> apply_psychoacoustic_gate_batched(np.stack([tone, 0 * tone]), [[(19, 0)], [(19, 0)]])
        [[(19, 0)], []]
    """
    if not 0 <= overlap_ratio < 1:
        raise ValueError(f"overlap_ratio must be in [0, 1), not {overlap_ratio}")
    return _gate(as_tensor(audio_windows), [list(s) for s in all_slots], None, n_fft, hop)


def _gate(
    windows: torch.Tensor, all_slots: list[list[Slot]], model: SpectralModel | None, n_fft: int, hop: int
) -> list[list[Slot]]:
    if windows.ndim != 2 or len(windows) != len(all_slots):
        raise ValueError(f"{len(all_slots)} lists of slots do not go with windows {tuple(windows.shape)}")
    if not all_slots:
        return []
    if model is None:
        mag = Stft(n_fft, hop).forward(windows.double()).abs()
    else:
        spectrum = model.stft(windows).double()
        mag = torch.hypot(spectrum[:, 0], spectrum[:, 1])
    audible = _audible(mag.detach().cpu().numpy(), n_fft, hop)
    bins, frames = audible.shape[1:]
    for slots in all_slots:
        if not all(0 <= f < bins and 0 <= t < frames for f, t in slots):
            raise ValueError(f"slots must lie in {bins} bins and {frames} frames")
    return [[s for s in slots if cells[s]] for cells, slots in zip(audible, all_slots, strict=True)]


def _audible(mag: NDArray[np.float64], n_fft: int, hop: int) -> NDArray[np.bool_]:
    """Which cells ``[windows, bins, frames]`` reach the threshold of their band."""
    windows, bins, frames = mag.shape
    side_by_side = mag.transpose(1, 0, 2).reshape(bins, windows * frames)
    thresholds = _analyzer(n_fft, hop).cell_thresholds(side_by_side)
    return (side_by_side >= thresholds).reshape(bins, windows, frames).transpose(1, 0, 2)


@lru_cache(maxsize=8)
def _analyzer(n_fft: int, hop: int) -> MooreGlasbergAnalyzer:
    return MooreGlasbergAnalyzer(RATE, n_fft, hop)
