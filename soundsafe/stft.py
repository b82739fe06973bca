"""The one home of short-time Fourier transforms.

The pipeline's grid is ``n_fft`` 882, ``hop`` 441 (20 ms and 10 ms at 44,100 Hz), a periodic Hann window as
long as the transform, centred, with reflected ends: ``Stft()`` with no arguments. Other grids (tile energies,
losses) come from the same functions.

Short input. Reflection needs more samples than it reflects, so where ``n_fft // 2`` >= the number of samples
the transform is not centred: frame 0 starts at sample 0 and zeros after the signal fill the frame.

Conventions: time is the last axis; a spectrum is ``[..., bins, frames]``; frame ``t`` of a centred transform
has its middle at sample ``t * hop``. Nothing is scaled: a full-scale sine measures ``n_fft / 4`` in its bin.
Precision follows the input: float32 gives complex64, float64 complex128.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["HOP", "N_FFT", "RATE", "Stft", "as_tensor", "istft", "stft"]

RATE = 44_100
"""Sampling rate of the pipeline's grid in Hz."""

N_FFT = 882
"""Samples of a frame of the pipeline's grid: 20 ms."""

HOP = 441
"""Samples from frame to frame of the pipeline's grid: 10 ms."""

_PIECE = 256
"""Frames that are transformed at a time where that can be chosen: some 2 MB in two channels."""

Array = torch.Tensor | NDArray[np.floating]


@lru_cache(maxsize=32)
def _window(n_fft: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    # Made in float64 and rounded once, so that both precisions use the same window.
    return torch.hann_window(n_fft, periodic=True, dtype=torch.float64).to(device=device, dtype=dtype)


def as_tensor(x: Array) -> torch.Tensor:
    """Audio as a real floating tensor, shared with the caller where possible.

    Args:
        x: of any shape, NumPy or torch.

    Returns:
        float32 or float64, of the same shape; other kinds of numbers become float32.

    Raises:
        ValueError: complex numbers.

    Example:
        >>> as_tensor(np.zeros(3, np.int16)).dtype
        torch.float32
    """
    if not isinstance(x, torch.Tensor):
        a = np.asarray(x)
        if not a.flags.writeable or any(s < 0 for s in a.strides):
            a = a.copy()
        x = torch.from_numpy(a)
    if x.is_complex():
        raise ValueError("audio must be real")
    return x if x.dtype in (torch.float32, torch.float64) else x.to(torch.float32)


@dataclass(frozen=True)
class Stft:
    """A grid of time and frequency.

    Args:
        n_fft: samples of a frame, even, at least 2.
        hop: samples from frame to frame, 1 to `n_fft`.

    Raises:
        ValueError: values outside these.

    Example:
        >>> grid = Stft()
        >>> grid.bins, grid.frames(44_100), float(grid.frequencies()[20])
        (442, 101, 1000.0)
        >>> x = torch.randn(2, 44_100)
        >>> bool(torch.allclose(grid.inverse(grid.forward(x), 44_100), x, atol=1e-5))
        True
    """

    n_fft: int = N_FFT
    hop: int = HOP

    def __post_init__(self) -> None:
        if self.n_fft < 2 or self.n_fft % 2 or not 1 <= self.hop <= self.n_fft:
            raise ValueError(f"a grid needs an even n_fft and 1 <= hop <= n_fft, not {self.n_fft}/{self.hop}")

    @property
    def bins(self) -> int:
        """Number of frequency bins, 0 Hz to half the rate."""
        return self.n_fft // 2 + 1

    def centred(self, length: int) -> bool:
        """Whether a signal is long enough to be centred (the short-input rule).

        Args:
            length: of the signal, in samples.

        Returns:
            True where it has more than ``n_fft // 2`` samples.
        """
        return self.n_fft // 2 < length

    def frames(self, length: int) -> int:
        """Number of frames of a signal.

        Args:
            length: of the signal, in samples.

        Returns:
            At least 1.
        """
        return 1 + length // self.hop if self.centred(length) else 1

    def frequencies(self, rate: float = RATE) -> NDArray[np.float64]:
        """Frequency of each bin.

        Args:
            rate: sample rate in Hz.

        Returns:
            Hz, ``[bins]``, from 0 to half the rate.
        """
        return np.arange(self.bins, dtype=np.float64) * (rate / self.n_fft)

    def whole_hops(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """A signal with zeros after it up to a multiple of ``hop``.

        What is changed in the spectrum of that is not amplified at the end; see `inverse`.

        Args:
            x: ``[..., samples]``.

        Returns:
            ``[..., samples]``, a multiple of ``hop`` long.
        """
        return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, -x.shape[-1] % self.hop)])

    def forward(self, x: Array) -> torch.Tensor:
        """The spectrum of a signal; differentiable.

        Args:
            x: real, ``[..., samples]``, NumPy or torch.

        Returns:
            ``[..., bins, frames]``: complex64 of float32, complex128 of float64.

        Raises:
            ValueError: an empty signal.
        """
        x = as_tensor(x)
        length = x.shape[-1] if x.ndim else 0
        if length == 0:
            raise ValueError("no samples to transform")
        centred = self.centred(length)
        if not centred:
            x = torch.nn.functional.pad(x, (0, self.n_fft - length))
        flat = torch.stft(
            x.reshape(-1, x.shape[-1]),
            self.n_fft,
            self.hop,
            window=_window(self.n_fft, x.dtype, x.device),
            center=centred,
            pad_mode="reflect" if centred else "constant",
            return_complex=True,
        )
        return flat.reshape(*x.shape[:-1], *flat.shape[-2:])

    def pieces(self, length: int) -> list[slice]:
        """All frames of a signal, a few hundred at a time: what stays in a processor's cache is transformed
        in half the time.

        Args:
            length: of the signal, in samples.

        Returns:
            Slices of frames, in order.
        """
        frames = self.frames(length)
        return [slice(first, min(first + _PIECE, frames)) for first in range(0, frames, _PIECE)]

    def padded(self, x: torch.Tensor) -> torch.Tensor:
        """A signal with its reflected ends, of which `rows` takes frames.

        Args:
            x: ``[channels, samples]``, more than ``n_fft // 2`` of them.

        Returns:
            ``[channels, samples + n_fft]``.
        """
        return torch.nn.functional.pad(x[None], (self.n_fft // 2, self.n_fft // 2), mode="reflect")[0]

    def rows(self, padded: torch.Tensor, frames: slice) -> torch.Tensor:
        """Some frames of `forward`, as rows.

        Args:
            padded: of `padded`.
            frames: which, from a first to a last.

        Returns:
            ``[channels, frames, bins]``.
        """
        here = padded[:, frames.start * self.hop : (frames.stop - 1) * self.hop + self.n_fft]
        window = _window(self.n_fft, padded.dtype, padded.device)
        return torch.fft.rfft(here.unfold(-1, self.n_fft, self.hop) * window)

    def inverse_rows(self, rows: torch.Tensor, length: int) -> torch.Tensor:
        """`inverse` of a spectrum whose frames are rows, on a grid whose frames are a whole number of hops.

        Args:
            rows: ``[channels, frames, bins]`` of a signal longer than ``n_fft // 2``; bins that are missing
                at the end are 0.
            length: of the signal, in samples.

        Returns:
            ``[channels, length]``.
        """
        share, half = self.n_fft // self.hop, self.n_fft // 2
        window = _window(
            self.n_fft, torch.float32 if rows.dtype == torch.complex64 else torch.float64, rows.device
        )
        weight = window.square().reshape(share, self.hop)
        count = rows.shape[1]
        total = window.new_zeros(len(rows), count + share - 1, self.hop)
        weights = window.new_zeros(count + share - 1, self.hop)
        for i in range(share):
            weights[i : i + count] += weight[i]
        for here in self.pieces(length):
            frames = torch.fft.irfft(rows[:, here], n=self.n_fft).mul_(window)
            parts = frames.unflatten(-1, (share, self.hop))
            for i in range(share):
                total[:, here.start + i : here.stop + i] += parts[..., i, :]
        total.div_(weights.clamp_min(torch.finfo(weights.dtype).tiny))
        return total.flatten(-2)[..., half : half + length]

    def inverse(self, spectrum: torch.Tensor, length: int) -> torch.Tensor:
        """The signal whose spectrum is nearest to a given one; differentiable.

        Least squares (Griffin and Lim, "Signal estimation from modified short-time Fourier transform",
        IEEE Trans. ASSP 32, 1984): exact for a spectrum of ``forward`` where ``hop <= n_fft // 2``. Past the
        middle of the last frame the window falls, and what was changed in the spectrum is amplified there,
        unless `length` is a multiple of ``hop``. In the short-input case the first sample has weight zero
        and comes back as zero.

        Args:
            spectrum: ``[..., bins, frames]``.
            length: of the signal, in samples.

        Returns:
            ``[..., length]``.

        Raises:
            ValueError: the shape does not belong to `length`.
        """
        if spectrum.shape[-2:] != (self.bins, self.frames(length)):
            raise ValueError(
                f"{length} samples have {self.bins} bins and {self.frames(length)} frames on this grid, "
                f"not {tuple(spectrum.shape[-2:])}"
            )
        real = torch.float64 if spectrum.dtype == torch.complex128 else torch.float32
        window = _window(self.n_fft, real, spectrum.device)
        if not self.centred(length):
            frame = torch.fft.irfft(spectrum[..., 0], n=self.n_fft)[..., :length]
            weight = window[:length]
            return torch.where(weight > 0, frame / weight.clamp(min=torch.finfo(real).tiny), 0.0)
        if self.n_fft % self.hop == 0:
            half = self.n_fft // 2
            return self._overlap_add(spectrum, window)[..., half : half + length]
        flat = torch.istft(
            spectrum.reshape(-1, *spectrum.shape[-2:]),
            self.n_fft,
            self.hop,
            window=window,
            center=True,
            length=length,
        )
        return flat.reshape(*spectrum.shape[:-2], length)

    def _overlap_add(self, spectrum: torch.Tensor, window: torch.Tensor) -> torch.Tensor:
        """What torch.istft does, in half the time: shifted sums, where a frame is a whole number of hops."""
        count, share = spectrum.shape[-1], self.n_fft // self.hop
        frames = torch.fft.irfft(spectrum.transpose(-1, -2), n=self.n_fft).mul_(window)
        parts = frames.unflatten(-1, (share, self.hop))
        weight = window.square().reshape(share, self.hop)
        total = frames.new_zeros(*frames.shape[:-2], count + share - 1, self.hop)
        weights = frames.new_zeros(count + share - 1, self.hop)
        for i in range(share):
            total[..., i : i + count, :] += parts[..., i, :]
            weights[i : i + count] += weight[i]
        return total.div_(weights.clamp_min(torch.finfo(weights.dtype).tiny)).flatten(-2)


def stft(x: Array, n_fft: int = N_FFT, hop: int = HOP) -> torch.Tensor:
    """The spectrum of a signal on one grid; see `Stft.forward`.

    Args:
        x: real, ``[..., samples]``, NumPy or torch.
        n_fft: samples of a frame, even.
        hop: samples from frame to frame.

    Returns:
        ``[..., bins, frames]``.

    Example:
        >>> tuple(stft(torch.zeros(44_100)).shape)
        (442, 101)
    """
    return Stft(n_fft, hop).forward(x)


def istft(spectrum: torch.Tensor, length: int, n_fft: int = N_FFT, hop: int = HOP) -> torch.Tensor:
    """The signal of a spectrum on one grid; see `Stft.inverse`.

    Args:
        spectrum: ``[..., bins, frames]``.
        length: of the signal, in samples.
        n_fft: samples of a frame, even.
        hop: samples from frame to frame.

    Returns:
        ``[..., length]``.

    Example:
        >>> x = torch.randn(44_100)
        >>> bool(torch.allclose(istft(stft(x), 44_100), x, atol=1e-5))
        True
    """
    return Stft(n_fft, hop).inverse(spectrum, length)
