"""From audio to seconds and back: one second, 191 bytes, 2040 slots.

`EULDriver` writes 191 bytes into one second and reads them again from the audio alone: Reed-Solomon
(255,191), bytes interleaved to depth 4, one bit a slot, slots from the deterministic allocator. Both
profiles run the same code with other `Rules`:

========================  =================================  ====================================
rule                      ``SEED``                           ``ROBUST``
========================  =================================  ====================================
features                  thresholds in steps of 1e-6        1 s medians of levels relative to the
                                                             middle bands, in steps of 3 dB
significance measured on  thresholds cut to whole numbers    whole steps of 3 dB
bands that carry          all 24                             4 to 18 (262 Hz to 8.4 kHz)
slots of a band           the loudest cells                  cells in the order of a keyed hash
seed                      quantised thresholds of the four   anchor bands (SyncAnchor), keyed
                          strongest bands, first frame
edges of the quantiser    wherever levels fall               levels moved 0.5 dB away first
detector                  one allocation                     up to 8 allocations, likeliest first
========================  =================================  ====================================

**The seed rules do not survive the mark itself.** A slot's place hangs on thresholds and magnitudes to a
millionth, and writing the bits changes them: the detector's slots differ from the embedder's on every second
of audio, before any attack, and `decode_eul` finds nothing. With the embedder's slots handed over, the same
bits read back without error. That is what this profile is for: to measure it.

A bit lies in the real part of its cell: at an even multiple of the cell's step for 0, at an odd one for 1
(quantisation index modulation; Chen and Wornell, IEEE Trans. Inf. Theory 47, 2001). The step is the
excitation of the cell's band over five frames, less a masking offset: unlike the masked threshold, it hardly
moves when bits are written, and gain scales it as it scales the cell. No cell is asked to move further than
masking hides. One cell a bit is the plainest carrier there is: it survives gain and rounding, not lossy
codecs, whichever the rules.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import soxr
import torch
from numpy.typing import NDArray

from soundsafe.errors import NotMarkable
from soundsafe.keys import DEFAULT_KEY
from soundsafe.message.coding import (
    N,
    deinterleave_bytes,
    interleave_bytes,
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
    candidate_levels,
    levels_db,
    magnitude,
    mono,
    nudges_db,
    quantized_thresholds,
)
from soundsafe.pipeline.moore_glasberg import MooreGlasbergAnalyzer, masking_offset_db
from soundsafe.pipeline.rules import ROBUST, SEED, THR_STEP, Rules
from soundsafe.pipeline.sync_anchors import SyncAnchor
from soundsafe.stft import RATE, Array, Stft, as_tensor

__all__ = [
    "Allocation",
    "EULDriver",
    "Readout",
    "allocate_slots_and_amplitudes",
    "allocator_seed",
    "deinterleave_bytes",
    "interleave_bytes",
    "iter_euls",
    "rs_decode_255_191",
    "rs_encode_255_191",
]

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
        >>> allocation = EULDriver().allocation(x)
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
        >>> reading = EULDriver().read(np.random.default_rng(0).normal(0, 0.1, 44_100))
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
            features = candidate_levels(levels_db(mag_ft, analyzer), rules)[0]
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


def _resampled(x: torch.Tensor, rate: int, new_rate: int, length: int) -> torch.Tensor:
    """`x` ``[samples]`` at another rate, cut or padded to `length`."""
    if rate == new_rate:
        return x
    y = torch.from_numpy(soxr.resample(x.numpy(), rate, new_rate, quality="VHQ"))[:length]
    return torch.nn.functional.pad(y, (0, length - len(y)))


def _to_lattice(p: Floats, bits: NDArray[np.uint8]) -> Floats:
    """Way from `p` to the nearest even (bit 0) or odd (bit 1) number, in [-1, 1]."""
    return 2.0 * np.round((p - bits) / 2.0) + bits - p


@dataclass(frozen=True)
class EULDriver:
    """Writes and reads one second, the unit that carries one codeword: 191 bytes in 2040 bits.

    Audio is ``[samples]`` or ``[channels, samples]``, NumPy or torch, exactly one second at `orig_sr` Hz
    (None: at `sr`), of finite samples; all channels carry the same mark.

    Args:
        sr: sample rate of the grid in Hz.
        n_fft: length of the transform in samples.
        hop: samples from frame to frame.
        per_eul_bits_target: coded bits of a second; 2040 is the only value.
        rules: the profile, `ROBUST` or `SEED`.
        key: 32 secret bytes that the seed of the robust rules depends on.
        thr_step: quantisation step of thresholds, in units of magnitude (seed rules).
        use_anchor_seeding: take a seed from the audio; without, ties are broken by unseeded hashes.
        iterations: rounds of writing, at least 1.

    Raises:
        ValueError: another number of bits; in all methods, audio of another shape or length, or samples that
            are not finite.

    Example:
        >>> x = np.random.default_rng(0).normal(0, 0.1, 44_100)
        >>> driver, payload = EULDriver(), bytes(range(191))
        >>> marked = driver.encode_eul(x, payload)
        >>> driver.decode_eul(marked) == payload, driver.decode_eul(x) is None
        (True, True)
    """

    sr: int = RATE
    n_fft: int = 882
    hop: int = 441
    per_eul_bits_target: int = N
    rules: Rules = ROBUST
    key: bytes = field(default=DEFAULT_KEY, repr=False)
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
        """The anchors that these rules rank; keyed where the rules take their seed from them."""
        return SyncAnchor(
            sr=self.sr,
            n_fft=self.n_fft,
            hop=self.hop,
            key=self.key if self.rules.seed == "anchors" else None,
            rank_by=self.rules.anchors,
        )

    @property
    def _grid(self) -> Stft:
        return Stft(self.n_fft, self.hop)

    # Layouts

    def allocation(self, x_wave: Array, orig_sr: int | None = None) -> Allocation:
        """The allocation that a second of audio gives: the first of `allocations`.

        Args:
            x_wave: one second, ``[samples]`` or ``[channels, samples]``.
            orig_sr: its rate in Hz; None: `sr`.

        Returns:
            The allocation of 2040 slots.
        """
        return self._allocations(self._ingest(x_wave, orig_sr), 1)[0]

    def allocations(self, x_wave: Array, orig_sr: int | None = None) -> list[Allocation]:
        """The allocations that a detector tries on a second of audio.

        Args:
            x_wave: one second, ``[samples]`` or ``[channels, samples]``.
            orig_sr: its rate in Hz; None: `sr`.

        Returns:
            At most ``rules.candidates`` allocations, the likeliest first.
        """
        return self._allocations(self._ingest(x_wave, orig_sr), self.rules.candidates)

    def _allocations(self, x: torch.Tensor, count: int) -> list[Allocation]:
        mag = magnitude(x, self.n_fft, self.hop)
        if self.rules.features == "thresholds":
            return [self._allocate(mag, None, None)]
        features = candidate_levels(levels_db(mag, self.analyzer), self.rules)
        seeds: list[int | None] = [None]
        if self.use_anchor_seeding:
            energies = self.sync_anchor.band_energies(x)
            seeds = list(self.sync_anchor.candidate_seeds(energies, len(x), count))
        # By the sum of both ranks: the plain reading, then one deviation of either, and so on.
        pairs = sorted((i + j, i, j) for i in range(len(features)) for j in range(len(seeds)))[:count]
        return [self._allocate(mag, features[i], seeds[j]) for _, i, j in pairs]

    def _allocate(self, mag: Floats, features: NDArray[np.int64] | None, seed: int | None) -> Allocation:
        return allocate_slots_and_amplitudes(
            mag,
            self.analyzer,
            self.per_eul_bits_target,
            thr_step=self.thr_step,
            use_anchor_seeding=self.use_anchor_seeding,
            rules=self.rules,
            features=features,
            anchor_seed=seed,
        )

    # Writing

    def encode_eul(self, x_wave: Array, payload: bytes, orig_sr: int | None = None) -> torch.Tensor:
        """Write 191 bytes into a second.

        The robust rules verify that the bytes read back; the seed rules do not, and by them they do not read
        back: see the module.

        Args:
            x_wave: one second, ``[samples]`` or ``[channels, samples]``.
            payload: 191 bytes.
            orig_sr: its rate in Hz; None: `sr`.

        Returns:
            The marked audio, float32, of the shape and rate of `x_wave`.

        Raises:
            NotMarkable: digital silence, or the bytes do not read back (robust rules).
            ValueError: a payload of another length.
        """
        bits = self.coded_bits(payload)
        x = self._ingest(x_wave, orig_sr)
        if not bool(x.any()):
            raise NotMarkable("digital silence cannot carry a mark")
        if self.rules.guard_db == 0:
            return self._mixed(x_wave, self._write(x, bits, self._allocations(x, 1)[0]) - x, orig_sr)
        for attempt in range(4):
            steady = self._steadied(x, self.rules.guard_db + 0.2 * attempt)
            y = self._write(steady, bits, self._allocations(steady, 1)[0])
            marked = self._mixed(x_wave, y - x, orig_sr)
            if self.decode_eul(marked, orig_sr) == payload:
                return marked
        raise NotMarkable("the bytes do not read back from this second")

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

    def _steadied(self, x: torch.Tensor, guard_db: float) -> torch.Tensor:
        """`x` with its levels moved off the quantiser's edges by gains of bands, as far as that succeeds."""
        guard_db = min(guard_db, 0.45 * self.rules.step)
        steady = x
        for _ in range(4):
            levels = levels_db(magnitude(steady, self.n_fft, self.hop), self.analyzer)
            nudge = nudges_db(levels, self.rules, guard_db)
            if not nudge.any():
                break
            gain = torch.from_numpy(10.0 ** (nudge / 20.0))[torch.from_numpy(self.analyzer.band_indices)]
            spectrum = self._grid.forward(steady) * gain[:, None]
            steady = self._grid.inverse(spectrum, len(x))
        return steady

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
            orig_sr: its rate in Hz; None: `sr`.

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
        decoded = rs_decode_255_191(code)
        payload, corrected = (None, 0) if decoded is None else decoded
        if payload is not None and not any(payload):  # clicks and tones leave most cells at 0 as well
            payload = None
        return Readout(soft, allocation, payload, corrected)

    def decode_eul(self, x_wave: Array, orig_sr: int | None = None) -> bytes | None:
        """The bytes in a second of audio.

        Args:
            x_wave: one second, ``[samples]`` or ``[channels, samples]``.
            orig_sr: its rate in Hz; None: `sr`.

        Returns:
            191 bytes, or None where no allocation tried gives a codeword.
        """
        return self.read(x_wave, orig_sr).payload

    def read(self, x_wave: Array, orig_sr: int | None = None) -> Readout:
        """Read one second by each of `allocations` until one gives a codeword.

        Args:
            x_wave: one second, ``[samples]`` or ``[channels, samples]``.
            orig_sr: its rate in Hz; None: `sr`.

        Returns:
            The first reading that is a codeword, or the first of all where none is.
        """
        first = None
        for allocation in self.allocations(x_wave, orig_sr):
            reading = self.read_eul(x_wave, allocation, orig_sr)
            if reading.payload is not None:
                return reading
            first = first or reading
        assert first is not None  # there is always a likeliest allocation
        return first

    # Audio in, audio out

    def _ingest(self, x_wave: Array, orig_sr: int | None) -> torch.Tensor:
        """One second, mixed to one channel, at `sr`: float64 ``[sr]``."""
        rate = self.sr if orig_sr is None else orig_sr
        x = mono(x_wave)
        if len(x) != rate:
            raise ValueError(f"an EUL is one second: {rate} samples at {rate} Hz, not {len(x)}")
        return _resampled(x, rate, self.sr, self.sr).float().double()

    def _mixed(self, x_wave: Array, change: torch.Tensor, orig_sr: int | None) -> torch.Tensor:
        """`x_wave` with the change ``[sr]`` added to each channel at its own rate; no clipping is added."""
        rate = self.sr if orig_sr is None else orig_sr
        x = as_tensor(x_wave).detach().cpu().float()
        change = _resampled(change, self.sr, rate, rate).float()
        limit = x.abs().clamp(min=1.0)
        return torch.minimum(torch.maximum(x + change, -limit), limit)
