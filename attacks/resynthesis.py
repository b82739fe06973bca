"""Sound taken apart and put together with less: rounded linear prediction, spectrogram and wavelets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundsafe import codecs
from soundsafe.attacks.registry import Audio, attack

Signal = NDArray[np.float64]
_FRAME_S = 0.02
_STFT = (1024, 256)


@attack(
    "lpc",
    {f"lpc_{order}_{bits}bit": {"order": order, "bits": bits} for order in (16, 32) for bits in (4, 3, 2)}
    | {"lpc_16_noise": {"order": 16, "bits": 0}},
)
def lpc(audio: Audio, rate: int, rng: np.random.Generator, *, order: int, bits: int) -> Audio:
    """Linear prediction in frames of 20 ms, half overlapping; what it does not foresee is rounded to `bits`,
    or replaced by noise as loud (0), and the sound made from it again. No delay, length kept."""
    hop = max(order, round(_FRAME_S * rate / 2))
    frame = 2 * hop
    padded = np.pad(audio.astype(np.float64), ((0, 0), (frame, 2 * frame)))
    window = np.hanning(frame + 1)[:frame]
    out = np.zeros_like(padded)
    for channel, source in zip(out, padded, strict=True):
        for start in range(0, len(source) - frame, hop):
            channel[start : start + frame] += window * _resynthesised(
                source[max(0, start - order) : start + frame], min(order, start), order, bits, rng
            )
    return out[:, frame : frame + audio.shape[1]].astype(np.float32)


def _resynthesised(piece: Signal, history: int, order: int, bits: int, rng: np.random.Generator) -> Signal:
    """The part of `piece` after its first `history` samples, made again from its rounded residual."""
    from scipy.linalg import solve_toeplitz
    from scipy.signal import lfilter

    frame = piece[history:]
    shaped = frame * np.hanning(len(frame))
    power = np.fft.irfft(np.abs(np.fft.rfft(shaped, 2 * len(frame))) ** 2)[: order + 1]
    if power[0] < 1e-9:
        return frame
    power[0] *= 1 + 1e-4
    foresees = np.concatenate([[1.0], -solve_toeplitz(power[:-1], power[1:])])
    residual = lfilter(foresees, [1.0], piece)[history:]
    level = float(np.sqrt(np.mean(residual**2)))
    if bits:
        step = 8 * level / 2**bits
        residual = np.clip(np.floor(residual / step) + 0.5, -(2 ** (bits - 1)), 2 ** (bits - 1)) * step
    else:
        residual = level * rng.standard_normal(len(residual))
    # The filter begins in the state that the sound itself left it in.
    state = np.zeros(order)
    past = piece[:history][::-1]
    for k in range(order):
        for j in range(k, order):
            if j - k < len(past):
                state[k] -= foresees[j + 1] * past[j - k]
    return np.asarray(lfilter([1.0], foresees, residual, zi=state)[0])


@attack(
    "spectral_quantisation",
    {f"spectral_levels_{db}dB": {"db": db, "phases": 0} for db in (1.5, 3, 6)}
    | {f"spectral_phases_{n}": {"db": 0, "phases": n} for n in (16, 8, 4)},
)
def spectral_quantisation(
    audio: Audio, rate: int, rng: np.random.Generator, *, db: float, phases: int
) -> Audio:
    """Magnitudes of the spectrogram rounded to steps of `db`, or phases to `phases` directions. No delay,
    length kept."""
    import torch

    size, hop = _STFT
    window = torch.hann_window(size)
    source = torch.from_numpy(codecs.fit_length(audio, max(audio.shape[1], size)))
    spectrum = torch.stft(source, size, hop, window=window, return_complex=True)
    magnitude, angle = spectrum.abs(), spectrum.angle()
    if db:
        level = 20 * torch.log10(magnitude.clamp(min=1e-9))
        magnitude = 10 ** (torch.round(level / db) * db / 20)
    if phases:
        angle = torch.round(angle * phases / (2 * torch.pi)) * 2 * torch.pi / phases
    out = torch.istft(torch.polar(magnitude, angle), size, hop, window=window, length=source.shape[1])
    return codecs.fit_length(out.numpy(), audio.shape[1])


@attack(
    "wavelet",
    {f"wavelet_round_{b}bit": {"bits": b, "threshold": 0.0} for b in (8, 6, 4)}
    | {f"wavelet_threshold_{t}": {"bits": 0, "threshold": t} for t in (0.5, 1.0, 2.0)},
)
def wavelet(audio: Audio, rate: int, rng: np.random.Generator, *, bits: int, threshold: float) -> Audio:
    """Haar wavelets of eight levels, each level rounded to `bits` of its own highest, or drawn towards zero
    by `threshold` times its median. No delay, length kept."""
    levels = 8
    padded = np.pad(audio.astype(np.float64), ((0, 0), (0, -audio.shape[1] % 2**levels)))
    out = np.stack([_by_wavelets(c, levels, bits, threshold) for c in padded])
    return out[:, : audio.shape[1]].astype(np.float32)


def _by_wavelets(signal: Signal, levels: int, bits: int, threshold: float) -> Signal:
    details: list[Signal] = []
    for _ in range(levels):
        pairs = signal.reshape(-1, 2)
        details.append(_reduced((pairs[:, 0] - pairs[:, 1]) / np.sqrt(2), bits, threshold))
        signal = pairs.sum(axis=1) / np.sqrt(2)
    for detail in reversed(details):
        signal = np.stack([signal + detail, signal - detail], axis=1).ravel() / np.sqrt(2)
    return signal


def _reduced(values: Signal, bits: int, threshold: float) -> Signal:
    if bits:
        step = float(np.abs(values).max(initial=0.0)) / 2 ** (bits - 1)
        return np.rint(values / step) * step if step > 0 else values
    least = threshold * float(np.median(np.abs(values)))
    return np.sign(values) * np.maximum(np.abs(values) - least, 0)
