"""From audio to seconds and slots, by the rules of the original design.

`allocate_slots_and_amplitudes` lays 2040 bits out in a second; `SlotDriver` writes and reads them, one bit in
one cell, and is the profile ``seed`` of `EULDriver`: Reed-Solomon (255,191), bytes interleaved to depth 4,
slots in the loudest cells. The profile ``robust``, the default, is the cell layer of `soundsafe.embed`:
`EULDriver` itself stands in `soundsafe.streams.eul_driver`, above both, and has its name here too.

**The seed rules do not survive the mark itself.** A slot's place hangs on thresholds and magnitudes to a
millionth, and writing the bits changes them: the detector's slots differ from the embedder's on every second
of audio, before any attack, and nothing decodes. With the embedder's slots handed over, the same bits read
back without error. That is what this profile is for: to measure it.

A bit lies in the real part of its cell: at an even multiple of the cell's step for 0, at an odd one for 1
(quantisation index modulation; Chen and Wornell, IEEE Trans. Inf. Theory 47, 2001). The step is the
excitation of the cell's band over five frames, less a masking offset: unlike the masked threshold, it hardly
moves when bits are written, and gain scales it as it scales the cell. No cell is asked to move further than
masking hides.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import soxr
import torch
from numpy.typing import NDArray

from soundsafe.errors import NotMarkable
from soundsafe.message.coding import (
    N,
    deinterleave_bytes,
    interleave_bytes,
    rs_correct_255_191,
    rs_decode_255_191,
    rs_encode_255_191,
)
from soundsafe.pipeline.adaptive_bit_allocation import (
    AdaptiveBitAllocator,
    PerceptualSignificanceMetric,
    Slot,
    expand_allocation_to_slots,
)
from soundsafe.pipeline.features import (
    Floats,
    levels_db,
    magnitude,
    mono,
    quantized_levels,
    quantized_thresholds,
)
from soundsafe.pipeline.moore_glasberg import MooreGlasbergAnalyzer, masking_offset_db
from soundsafe.pipeline.rules import SEED, THR_STEP, Rules
from soundsafe.pipeline.sync_anchors import SyncAnchor
from soundsafe.stft import RATE, Array, Stft, as_tensor

if TYPE_CHECKING:
    from soundsafe.streams.eul_driver import EULDriver

__all__ = [
    "COMMON_RATES",
    "Allocation",
    "EULDriver",
    "Readout",
    "SlotDriver",
    "allocate_slots_and_amplitudes",
    "allocator_seed",
    "deinterleave_bytes",
    "interleave_bytes",
    "iter_euls",
    "one_second",
    "rate_of_second",
    "rs_decode_255_191",
    "rs_encode_255_191",
]

COMMON_RATES = (
    8_000,
    11_025,
    16_000,
    22_050,
    24_000,
    32_000,
    44_100,
    48_000,
    88_200,
    96_000,
    176_400,
    192_000,
)
"""Rates in Hz by which a second is known from its number of samples, where its rate is not given."""

# Between a noise that masks (0) and a tone (1): what a step stays below for nearly all music.
_TONALITY = 0.75
# Share of a step, each way, within which a bit is left where it is.
_SLACK = 0.2
_LEAST_STEP = 1e-9


@dataclass(frozen=True)
class Allocation:
    """Where the bits of one second are.

    Attributes:
        slots: (bin, frame) of each bit, in the order of the bits.
        amplitudes: masked threshold of each slot, ``[slots]``, in units of magnitude.
        bits_per_band: ``[bands]``.
        significance: ``[bands]``.
        features: whole quantisation steps, ``[bands, frames]`` of thresholds or ``[bands, 1]`` of levels.
        seed: 32 bits; None where it was not asked for.

    Example:
        >>> x = np.random.default_rng(0).normal(0, 0.1, 44_100)
        >>> allocation = SlotDriver().allocation(x)
        >>> len(set(allocation.slots)), int(allocation.bits_per_band.sum()), allocation.amplitudes.shape
        (2040, 2040, (2040,))
    """

    slots: list[Slot]
    amplitudes: Floats
    bits_per_band: NDArray[np.int64]
    significance: NDArray[np.int64]
    features: NDArray[np.int64]
    seed: int | None

    @property
    def digest(self) -> str:
        """SHA-256 of the slot list, in hexadecimal: equal for equal lists."""
        return hashlib.sha256(np.array(self.slots, dtype="<i4").tobytes()).hexdigest()


@dataclass(frozen=True)
class Readout:
    """What one second of audio says.

    Attributes:
        soft: soft decisions ``[bits]`` in [-1, 1]: +1 is a certain 0, -1 a certain 1, 0 says nothing.
        allocation: the allocation that it was read by.
        payload: the 191 bytes, or None where they do not decode.
        corrected_bytes: how many of the 255 code bytes were put right, 0 to 32.

    Example:
        >>> reading = SlotDriver().read(np.random.default_rng(0).normal(0, 0.1, 44_100))
        >>> reading.bits.shape, reading.payload is None
        ((2040,), True)
    """

    soft: Floats
    allocation: Allocation
    payload: bytes | None
    corrected_bytes: int

    @property
    def bits(self) -> NDArray[np.uint8]:
        """Hard decisions, ``[bits]``."""
        return (self.soft < 0).astype(np.uint8)


def allocator_seed(quantized_thr_bt: Floats, n_bands: int = 4) -> int:
    """The seed profile's seed, from quantised thresholds.

    Of the bands of largest mean, in ascending order of it, the first frame in millionths, rounded down,
    modulo 2^32, as four big-endian bytes; the first four bytes of the SHA-256 of all.

    Args:
        quantized_thr_bt: ``[bands, frames]``, at least 0, in units of magnitude.
        n_bands: how many bands, at least 1.

    Returns:
        32 bits.

    Example:
        >>> allocator_seed(np.array([[0.5], [0.25], [0.125], [2.0], [1.0]])) < 2**32
        True
    """
    top = np.argsort(np.mean(quantized_thr_bt, axis=1), kind="stable")[-n_bands:]
    data = b"".join((int(quantized_thr_bt[b, 0] * 1e6) % 2**32).to_bytes(4, "big") for b in top)
    return int.from_bytes(hashlib.sha256(data).digest()[:4], "big")


def allocate_slots_and_amplitudes(
    mag_ft: Floats,
    analyzer: MooreGlasbergAnalyzer | None = None,
    total_bits: int = N,
    *,
    thr_step: float = THR_STEP,
    use_anchor_seeding: bool = True,
    rules: Rules = SEED,
    features: NDArray[np.int64] | None = None,
    anchor_seed: int | None = None,
) -> Allocation:
    """The allocation of a number of bits in a spectrum.

    Args:
        mag_ft: magnitudes ``[bins, frames]`` of the pipeline's transform, finite and not negative.
        analyzer: the masking model; None: the default one.
        total_bits: how many slots; every one of them different.
        thr_step: quantisation step of thresholds, above 0, where the rules use them.
        use_anchor_seeding: with a seed from the audio; without, ties are broken by unseeded hashes.
        rules: which profile's rules.
        features: quantised levels ``[bands]`` to lay out by, instead of those of `mag_ft` (rules with
            levels).
        anchor_seed: the anchors' seed, for rules that take it.

    Returns:
        The allocation, of `total_bits` slots.

    Raises:
        ValueError: the bands have fewer cells than `total_bits`, or `anchor_seed` is missing.

    Example:
        >>> x = np.random.default_rng(0).normal(0, 0.1, 44_100)
        >>> allocation = allocate_slots_and_amplitudes(magnitude(x), total_bits=100)
        >>> len(allocation.slots), int(allocation.bits_per_band.sum())
        (100, 100)
    """
    analyzer = analyzer or MooreGlasbergAnalyzer()
    threshold = analyzer.band_thresholds(mag_ft)
    if rules.features == "thresholds":
        quantized = quantized_thresholds(threshold, thr_step)
        steps = np.floor(threshold / thr_step).astype(np.int64)
    else:
        if features is None:
            features = quantized_levels(levels_db(mag_ft, analyzer), rules)
        quantized = features[:, None].astype(np.float64)
        steps = features[:, None]

    seed = None
    if use_anchor_seeding:
        if rules.seed == "anchors" and anchor_seed is None:
            raise ValueError("these rules need the anchors' seed")
        seed = anchor_seed if rules.seed == "anchors" else allocator_seed(quantized)

    carries = np.zeros(analyzer.n_critical_bands, dtype=bool)
    carries[rules.bands[0] : rules.bands[1]] = True
    significance = np.where(carries, PerceptualSignificanceMetric().compute(quantized), 0)
    bits = AdaptiveBitAllocator(total_bits, seed=seed).allocate_bits(
        significance,
        np.median(quantized, axis=1),
        capacity_b=np.where(carries, analyzer.bins_per_band * mag_ft.shape[1], 0),
    )["bits_per_band"]
    slots = expand_allocation_to_slots(mag_ft, analyzer.band_indices, bits, seed=seed, ranking=rules.ranking)
    bins, frames = np.array(slots, dtype=np.int64).reshape(-1, 2).T
    amplitudes = threshold[analyzer.band_indices[bins], frames]
    return Allocation(
        slots=slots,
        amplitudes=amplitudes,
        bits_per_band=bits,
        significance=significance,
        features=steps,
        seed=seed,
    )


def iter_euls(blocks: Iterable[Array], sr: int = RATE) -> Iterator[torch.Tensor]:
    """Whole seconds of a signal that comes in blocks of any length.

    The seconds count from the first sample and do not depend on the blocks; what is left at the end is
    dropped.

    Args:
        blocks: audio ``[channels, samples]``, NumPy or torch.
        sr: sample rate in Hz.

    Yields:
        ``[channels, sr]``.

    Raises:
        ValueError: blocks that differ in channels, or have another shape.

    Example:
        >>> [tuple(second.shape) for second in iter_euls([np.zeros((2, 7)), np.zeros((2, 6))], sr=4)]
        [(2, 4), (2, 4), (2, 4)]
    """
    held: list[torch.Tensor] = []
    length = 0
    for block in blocks:
        x = as_tensor(block)
        if x.ndim != 2 or (held and x.shape[0] != held[0].shape[0]):
            raise ValueError(f"blocks must be [channels, samples] of the same channels, not {tuple(x.shape)}")
        held.append(x)
        length += x.shape[1]
        if length >= sr:
            whole = torch.cat(held, dim=1)
            for start in range(0, length - sr + 1, sr):
                yield whole[:, start : start + sr].clone()
            held = [whole[:, length - length % sr :]]
            length %= sr


def one_second(x_wave: Array, sr: int = RATE, orig_sr: int | None = None) -> torch.Tensor:
    """One second, at another rate where that is needed.

    Args:
        x_wave: ``[samples]`` or ``[channels, samples]``.
        sr: the rate that is wanted in Hz.
        orig_sr: the rate of `x_wave` in Hz. None: `sr` where there are as many samples, otherwise guessed
            from their number, with a warning.

    Returns:
        ``[..., sr]``; `x_wave` itself where nothing is to be done.

    Raises:
        ValueError: not one second at `orig_sr`, or a number of samples that is no rate in use.

    Example:
        >>> one_second(np.zeros(48_000), orig_sr=48_000).shape, one_second(np.zeros(44_100)).shape
        (torch.Size([44100]), torch.Size([44100]))
    """
    x = as_tensor(x_wave)
    rate = rate_of_second(x.shape[-1], sr, orig_sr)
    if rate == sr:
        return x
    flat = x.reshape(-1, x.shape[-1]).detach().cpu().numpy()
    y = torch.from_numpy(soxr.resample(flat.T, rate, sr, quality="VHQ").T[:, :sr].copy())
    return torch.nn.functional.pad(y, (0, sr - y.shape[1])).reshape(*x.shape[:-1], sr)


def rate_of_second(samples: int, sr: int = RATE, orig_sr: int | None = None) -> int:
    """The rate in Hz of a second of so many samples: `orig_sr` where it is given, otherwise a guess.

    Args:
        samples: how many there are.
        sr: the rate that needs no guess.
        orig_sr: the rate in Hz; None: not known.

    Returns:
        Hz.

    Raises:
        ValueError: not one second, or no rate in use.

    Example:
        >>> rate_of_second(44_100), rate_of_second(48_000, orig_sr=48_000)
        (44100, 48000)
    """
    if orig_sr is None and samples != sr and samples in COMMON_RATES:
        warnings.warn(
            f"{samples} samples are taken for one second at {samples} Hz: give orig_sr to be sure",
            stacklevel=2,
        )
        return samples
    rate = sr if orig_sr is None else orig_sr
    if samples != rate:
        raise ValueError(f"an EUL is one second: {rate} samples at {rate} Hz, not {samples}")
    return rate


def _to_lattice(p: Floats, bits: NDArray[np.uint8]) -> Floats:
    """Way from `p` to the nearest even (bit 0) or odd (bit 1) number, in [-1, 1]."""
    return 2.0 * np.round((p - bits) / 2.0) + bits - p


@dataclass(frozen=True)
class SlotDriver:
    """Writes and reads one second by the rules `SEED`: 191 bytes in 2040 cells, a bit in each.

    Audio is ``[samples]`` or ``[channels, samples]``, NumPy or torch, exactly one second at `orig_sr` Hz
    (None: see `one_second`), of finite samples; all channels carry the same mark.

    Args:
        sr: sample rate of the grid in Hz.
        n_fft: length of the transform in samples.
        hop: samples from frame to frame.
        per_eul_bits_target: coded bits of a second; 2040 is the only value.
        thr_step: quantisation step of thresholds, in units of magnitude.
        use_anchor_seeding: take a seed from the audio; without, ties are broken by unseeded hashes.
        iterations: rounds of writing, at least 1.

    Raises:
        ValueError: another number of bits; in all methods, audio of another shape or length, or samples that
            are not finite.

    Example:
        >>> x = np.random.default_rng(0).normal(0, 0.1, 44_100)
        >>> driver, payload = SlotDriver(), bytes(range(191))
        >>> marked = driver.encode_eul(x, payload)
        >>> driver.decode_eul(marked) is None
        True
        >>> driver.read_eul(marked, driver.allocation(x)).payload == payload
        True
    """

    sr: int = RATE
    n_fft: int = 882
    hop: int = 441
    per_eul_bits_target: int = N
    thr_step: float = THR_STEP
    use_anchor_seeding: bool = True
    iterations: int = 16

    def __post_init__(self) -> None:
        if self.per_eul_bits_target != N:
            raise ValueError(f"an EUL has {N} coded bits, not {self.per_eul_bits_target}")

    @cached_property
    def analyzer(self) -> MooreGlasbergAnalyzer:
        """The masking model."""
        return MooreGlasbergAnalyzer(self.sr, self.n_fft, self.hop)

    @cached_property
    def sync_anchor(self) -> SyncAnchor:
        """The anchors, ranked by thresholds."""
        return SyncAnchor(sr=self.sr, n_fft=self.n_fft, hop=self.hop)

    @property
    def _grid(self) -> Stft:
        return Stft(self.n_fft, self.hop)

    def allocation(self, x_wave: Array, orig_sr: int | None = None) -> Allocation:
        """The allocation that a second of audio gives.

        Args:
            x_wave: one second, ``[samples]`` or ``[channels, samples]``.
            orig_sr: its rate in Hz.

        Returns:
            The allocation of 2040 slots.
        """
        return self._allocation(self._ingest(x_wave, orig_sr))

    def _allocation(self, x: torch.Tensor) -> Allocation:
        return allocate_slots_and_amplitudes(
            magnitude(x, self.n_fft, self.hop),
            self.analyzer,
            self.per_eul_bits_target,
            thr_step=self.thr_step,
            use_anchor_seeding=self.use_anchor_seeding,
        )

    # Writing

    def encode_eul(self, x_wave: Array, payload: bytes, orig_sr: int | None = None) -> torch.Tensor:
        """Write 191 bytes into a second. Whether they read back is not verified: see the module.

        Args:
            x_wave: one second, ``[samples]`` or ``[channels, samples]``.
            payload: 191 bytes.
            orig_sr: its rate in Hz.

        Returns:
            The marked audio, float32, of the shape and rate of `x_wave`.

        Raises:
            NotMarkable: digital silence.
            ValueError: a payload of another length.
        """
        bits = self.coded_bits(payload)
        x = self._ingest(x_wave, orig_sr)
        if not bool(x.any()):
            raise NotMarkable("digital silence cannot carry a mark")
        return self._mixed(x_wave, self._write(x, bits, self._allocation(x)) - x)

    @staticmethod
    def coded_bits(payload: bytes) -> NDArray[np.uint8]:
        """The coded bits of 191 bytes: Reed-Solomon, interleaved, the highest bit of a byte first.

        Args:
            payload: 191 bytes.

        Returns:
            ``[2040]``, 0 or 1.

        Raises:
            ValueError: a payload of another length.
        """
        return np.unpackbits(np.frombuffer(interleave_bytes(rs_encode_255_191(payload)), np.uint8))

    def _write(self, x: torch.Tensor, bits: NDArray[np.uint8], allocation: Allocation) -> torch.Tensor:
        """`x` moved until every slot of `allocation` says its bit, or as near as the rounds bring it."""
        bins, frames = np.array(allocation.slots).T
        # As many slots as a band has in a frame share what the band hides.
        band = self.analyzer.band_indices[bins]
        shared = np.zeros((self.analyzer.n_critical_bands, self._grid.frames(len(x))))
        np.add.at(shared, (band, frames), 1)
        room = allocation.amplitudes * np.sqrt(self.analyzer.bins_per_band[band] / shared[band, frames])
        start = self._grid.forward(x).real.numpy()[bins, frames]
        y = x
        for _ in range(self.iterations):
            spectrum = self._grid.forward(y)
            step = self._steps(spectrum)[bins, frames]
            here = spectrum.real.numpy()[bins, frames]
            missing = _to_lattice(here / step, bits)
            wanted = here + np.sign(missing) * np.maximum(np.abs(missing) - _SLACK, 0.0) * step
            wanted = np.clip(wanted, start - room, start + room)
            change = torch.zeros_like(spectrum)
            change[bins, frames] = torch.from_numpy(wanted - here).to(change.dtype)
            y = y + self._grid.inverse(change, len(x))
        return y

    def _steps(self, spectrum: torch.Tensor) -> Floats:
        """Distance between a 0 and a 1 in each cell ``[bins, frames]``, in units of magnitude."""
        power = self.analyzer.excitation(spectrum.abs().numpy())
        padded = np.pad(power, ((0, 0), (2, 2)), mode="edge")
        mean = sum(padded[:, i : i + power.shape[1]] for i in range(5)) / 5.0
        offset = masking_offset_db(self.analyzer.center_frequencies, _TONALITY)[:, None]
        step = self.analyzer.per_bin(mean * 10.0 ** (-offset / 10.0))[self.analyzer.band_indices]
        return np.maximum(step, _LEAST_STEP)

    # Readouts

    def read_eul(self, x_wave: Array, allocation: Allocation, orig_sr: int | None = None) -> Readout:
        """Read one second by a given allocation.

        Digital silence says nothing and gives no payload. 191 zeros look the same as cells that say
        nothing, and are no payload either.

        Args:
            x_wave: one second, ``[samples]`` or ``[channels, samples]``.
            allocation: where the bits are.
            orig_sr: its rate in Hz.

        Returns:
            The reading.
        """
        x = self._ingest(x_wave, orig_sr)
        if not bool(x.any()):  # every cell would say 0, and 255 zeros are a codeword
            return Readout(np.zeros(len(allocation.slots)), allocation, None, 0)
        spectrum = self._grid.forward(x)
        bins, frames = np.array(allocation.slots).T
        soft = np.cos(np.pi * spectrum.real.numpy()[bins, frames] / self._steps(spectrum)[bins, frames])
        code = deinterleave_bytes(np.packbits(soft < 0).tobytes())
        decoded = rs_correct_255_191(code)
        payload, corrected = (None, 0) if decoded is None else decoded
        if payload is not None and not any(payload):  # clicks and tones leave most cells at 0 as well
            payload = None
        return Readout(soft, allocation, payload, corrected)

    def decode_eul(self, x_wave: Array, orig_sr: int | None = None) -> bytes | None:
        """The bytes in a second of audio.

        Args:
            x_wave: one second, ``[samples]`` or ``[channels, samples]``.
            orig_sr: its rate in Hz.

        Returns:
            191 bytes, or None where its allocation gives no codeword.
        """
        return self.read(x_wave, orig_sr).payload

    def read(self, x_wave: Array, orig_sr: int | None = None) -> Readout:
        """Read one second by the allocation that it gives itself.

        Args:
            x_wave: one second, ``[samples]`` or ``[channels, samples]``.
            orig_sr: its rate in Hz.

        Returns:
            The reading.
        """
        return self.read_eul(x_wave, self.allocation(x_wave, orig_sr), orig_sr)

    # Audio in, audio out

    def _resample_to_target_sr(self, x_wave: torch.Tensor, orig_sr: int | None = None) -> torch.Tensor:
        """`x_wave` at `sr`: see `one_second`."""
        return one_second(x_wave, self.sr, orig_sr)

    def _ingest(self, x_wave: Array, orig_sr: int | None) -> torch.Tensor:
        """One second, mixed to one channel, at `sr`: float64 ``[sr]``."""
        return self._resample_to_target_sr(mono(x_wave), orig_sr).float().double()

    def _mixed(self, x_wave: Array, change: torch.Tensor) -> torch.Tensor:
        """`x_wave` with the change ``[sr]`` added to each channel at its own rate; no clipping is added."""
        x = as_tensor(x_wave).detach().cpu().float()
        change = one_second(change, x.shape[-1], self.sr).float()
        limit = x.abs().clamp(min=1.0)
        return torch.minimum(torch.maximum(x + change, -limit), limit)


def __getattr__(name: str) -> object:
    # The design's name of the driver, which stands above this room: looked up when it is asked for.
    if name == "EULDriver":
        from soundsafe.streams.eul_driver import EULDriver

        return EULDriver
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
