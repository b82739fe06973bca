"""One second, 191 bytes: `EULDriver`, the codec of the unit that carries one codeword, under two profiles.

========================  ==================================  ===========================================
what                      ``seed``                            ``robust``, the default
========================  ==================================  ===========================================
made of                   `soundsafe.pipeline.SlotDriver`     `soundsafe.cells`, as `soundsafe.embed` does
a bit lies in             one cell                            six cells of a band and frame
code                      RS(255,191), hard decisions         low density, soft decisions; or RS
where a second begins     at the first sample                 found by pilots, to a fraction of a sample
the layout is             what the audio gives                of those near it, the one that fits
========================  ==================================  ===========================================

`soundsafe.embed` is the robust driver over a file: of one second both make the same mark, bit for bit. The
driver takes the 191 bytes as they are; `soundsafe.embed` puts a payload and its authentication tag into them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch

from soundsafe.aliases import Audio, Bits, Floats
from soundsafe.cells.code import CellCode
from soundsafe.cells.cut import read_cut
from soundsafe.cells.embedder import mark_block
from soundsafe.cells.host import code_of_second
from soundsafe.cells.joint import read_jointly
from soundsafe.cells.layout import choose_layout, described, features
from soundsafe.cells.learned import profile_of
from soundsafe.cells.mixtures import mix_channels, mixtures
from soundsafe.cells.profile import EUL_FRAMES, EUL_SAMPLES, PHASES
from soundsafe.cells.profile import ROBUST as PROFILE
from soundsafe.cells.reading import Reading, read_second
from soundsafe.cells.settings import DETECTOR, QUALITIES
from soundsafe.cells.sync import scan, try_offsets
from soundsafe.cells.tracking import Tracker
from soundsafe.codecs import fit_length, resample
from soundsafe.errors import NotMarkable
from soundsafe.keys import DEFAULT_KEY
from soundsafe.message.coding import N
from soundsafe.message.words import ERASED, read_block, worth
from soundsafe.pipeline.ingest_and_chunk import Allocation, Readout, SlotDriver, one_second, rate_of_second
from soundsafe.pipeline.rules import SEED, THR_STEP, Rules
from soundsafe.pipeline.sync_anchors import SyncAnchor, SyncDetector
from soundsafe.result import Eul
from soundsafe.stft import HOP, N_FFT, RATE, Array, as_tensor, stft
from soundsafe.streams.blas import one_blas_thread
from soundsafe.streams.marker import change_by, with_change

__all__ = ["EULDriver", "EulReading"]

_PROFILES = ("robust", "seed")
_LEAST_CONFIDENCE = 1e-3


@dataclass(frozen=True)
class EulReading:
    """What a second of audio says.

    Attributes:
        payload: the 191 bytes, or None where they do not decode.
        soft: soft decisions ``[2040]`` in the order of the code, positive for 0; 0 says nothing.
        eul: where the second was found and by which layout, as `soundsafe.decode` tells it.

    Example:
        >>> reading = EULDriver().read(np.random.default_rng(0).normal(0, 0.1, 44_100))
        >>> reading.payload is None, reading.eul.ok
        (True, False)
    """

    payload: bytes | None
    soft: Floats
    eul: Eul


@dataclass(frozen=True)
class EULDriver:
    """Writes and reads one second, the unit that carries one codeword: 191 bytes in 2040 bits.

    Audio is ``[samples]`` or ``[channels, samples]``, NumPy or torch, of finite samples: one second at
    `orig_sr` Hz. Where that is None, `sr` is taken, or a rate that the number of samples suggests, with a
    warning.

    Args:
        sr: sample rate of the grid in Hz.
        n_fft: length of the transform in samples.
        hop: samples from frame to frame.
        per_eul_bits_target: coded bits of a second; 2040 is the only value.
        rules: `SEED` chooses the profile ``seed``, as its name does; None: `profile` chooses.
        key: 32 secret bytes (``robust``).
        thr_step: quantisation step of thresholds, in units of magnitude (``seed``).
        use_anchor_seeding: take a seed from the audio; without, unseeded hashes break ties (``seed``).
        iterations: rounds of writing, at least 1 (``seed``).
        profile: ``robust`` or ``seed``.
        code: ``ldpc`` or ``rs``, the error-correcting code (``robust``; the seed's is RS).
        quality: ``fast``, ``default`` or ``best``: how hard to work (``robust``).
        model: a network through whose map the mark lies (``robust``): a name of
            `soundsafe.cells.learned.MODELS`, or a file of `soundsafe train steps`.

    Raises:
        ValueError: values outside these; in all methods, audio of another shape or length, or samples that
            are not finite.

    Example:
        >>> x = np.random.default_rng(0).normal(0, 0.1, 44_100)
        >>> driver, payload = EULDriver(quality="fast"), bytes(range(191))
        >>> marked = driver.encode_eul(x, payload)
        >>> driver.decode_eul(marked) == payload, driver.decode_eul(x) is None
        (True, True)
    """

    sr: int = RATE
    n_fft: int = N_FFT
    hop: int = HOP
    per_eul_bits_target: int = N
    rules: Rules | None = None
    key: bytes = field(default=DEFAULT_KEY, repr=False)
    thr_step: float = THR_STEP
    use_anchor_seeding: bool = True
    iterations: int = 16
    profile: str = "robust"
    code: str = "ldpc"
    quality: str = "default"
    model: str | None = None

    def __post_init__(self) -> None:
        if self.rules is not None:
            object.__setattr__(self, "profile", self.rules.name)
        if self.profile not in _PROFILES:
            raise ValueError(f"unknown profile {self.profile!r}: {' or '.join(_PROFILES)}")
        if self.rules is not None and self.profile == "seed" and self.rules != SEED:
            raise ValueError("the rules of the profile seed are SEED")
        if self.per_eul_bits_target != N:
            raise ValueError(f"an EUL has {N} coded bits, not {self.per_eul_bits_target}")
        if self.profile == "robust" and (self.sr, self.n_fft, self.hop) != (RATE, N_FFT, HOP):
            raise ValueError(f"the robust profile has one grid: {RATE} Hz, {N_FFT} and {HOP} samples")
        if self.code not in ("ldpc", "rs"):
            raise ValueError(f"unknown code {self.code!r}: ldpc or rs")
        if self.quality not in QUALITIES:
            raise ValueError(f"unknown quality {self.quality!r}: {', '.join(QUALITIES)}")
        if self.model is not None and self.profile != "robust":
            raise ValueError("a model goes with the robust profile")
        profile_of(self.model, self.code)  # what is no model is refused here

    @cached_property
    def cell_code(self) -> CellCode:
        """Key and parameters of the robust profile's carriers."""
        return CellCode(self.key, profile_of(self.model, self.code))

    @cached_property
    def slot_driver(self) -> SlotDriver:
        """The seed profile's writer and reader."""
        return SlotDriver(
            self.sr,
            self.n_fft,
            self.hop,
            thr_step=self.thr_step,
            use_anchor_seeding=self.use_anchor_seeding,
            iterations=self.iterations,
        )

    @cached_property
    def sync_detector(self) -> SyncDetector:
        """What finds seed and beginning of a second that may begin anywhere.

        The robust profile's pattern are its pilots, which lie in every frame; the seed profile's is that of
        `SyncAnchor`.
        """
        if self.profile == "seed":
            return SyncDetector(SyncAnchor(sr=self.sr, n_fft=self.n_fft, hop=self.hop))
        salt = self.cell_code.geometry.anchor_salt
        anchors = SyncAnchor(n_anchor_bands=PROFILE.anchors, hashing_salt=salt, rank_by="levels")
        return SyncDetector(anchors, always_offset=True, find=self._find_pilots)

    def _find_pilots(self, audio_1s: Array) -> tuple[int, float]:
        """The sample at which a second begins by its pilots, and how far they stand out, 0 to 1."""
        lock = scan(_channels(audio_1s), self.cell_code)
        return round(lock.start), max(0.0, 1.0 - DETECTOR.lock_z / max(lock.z, 1e-9))

    # Writing

    def coded_bits(self, payload: bytes) -> Bits:
        """The coded bits of 191 bytes.

        Args:
            payload: 191 bytes.

        Returns:
            ``[2040]``, 0 or 1, in the order of the code.

        Raises:
            ValueError: a payload of another length.
        """
        if len(payload) != 191:
            raise ValueError(f"an EUL carries 191 bytes, not {len(payload)}")
        if self.profile == "seed":
            return self.slot_driver.coded_bits(payload)
        return self.cell_code.encode_block(payload)

    @one_blas_thread
    def encode_eul(
        self,
        x_wave: Array,
        payload: bytes,
        orig_sr: int | None = None,
        *,
        second: int = 0,
        around: tuple[Array | None, Array | None] = (None, None),
    ) -> torch.Tensor:
        """Write 191 bytes into a second.

        The robust profile verifies that the bytes read back; the seed's does not, and by its rules they do
        not: see `soundsafe.pipeline.ingest_and_chunk`.

        Args:
            x_wave: one second, ``[samples]`` or ``[channels, samples]``.
            payload: 191 bytes.
            orig_sr: its rate in Hz.
            second: its number in a file, at least 0: carriers change places with it (``robust``).
            around: a second of the audio before and one after it, where they are known (``robust``): codecs
                work on what surrounds a second too, and the mark is made to survive them there.

        Returns:
            The marked audio, float32, of the shape and rate of `x_wave`.

        Raises:
            NotMarkable: digital silence, or the bytes do not read back (``robust``).
            ValueError: a payload of another length, or surroundings of another shape.
        """
        coded = self.coded_bits(payload)
        if self.profile == "seed":
            return self.slot_driver.encode_eul(x_wave, payload, orig_sr)
        x = _channels(x_wave)
        rate = rate_of_second(x.shape[1], self.sr, orig_sr)
        if not x.any():
            raise NotMarkable("digital silence cannot carry a mark")
        before, after = (np.zeros((len(x), 0), np.float32) if y is None else _channels(y) for y in around)
        if any(y.shape not in ((len(x), 0), x.shape) for y in (before, after)):
            raise ValueError("what is around a second are whole seconds of the same channels")
        code, effort, phase = self.cell_code, QUALITIES[self.quality], second % PHASES
        lead = EUL_SAMPLES if before.size else 0

        def mark(audio: Audio) -> Audio:
            origin = second * EUL_SAMPLES - lead
            return mark_block(audio, lead, coded[None], phase, code, effort, origin=origin)

        change = change_by(mark, np.concatenate([before, x, after], axis=1), rate)
        marked = with_change(x, change[:, before.shape[1] :][:, :rate])
        if self._read(self._at_44k(marked, rate)).payload != payload:
            raise NotMarkable("the bytes do not read back from this second")
        return torch.from_numpy(marked).reshape(as_tensor(x_wave).shape)

    # Reading

    def decode_eul(self, x_wave: Array, orig_sr: int | None = None) -> bytes | None:
        """The bytes in a second of audio.

        Args:
            x_wave: one second, ``[samples]`` or ``[channels, samples]``; with the profile ``robust``, cut
                from anywhere, or longer where `orig_sr` is given: what begins within its first second counts.
            orig_sr: its rate in Hz.

        Returns:
            191 bytes, or None where nothing decodes.
        """
        return self.read(x_wave, orig_sr).payload

    @one_blas_thread
    def read(self, x_wave: Array, orig_sr: int | None = None) -> EulReading:
        """`decode_eul`, with all that was seen on the way.

        Args:
            x_wave: as for `decode_eul`.
            orig_sr: its rate in Hz.

        Returns:
            The first second that decodes, or what was read instead.

        Raises:
            ValueError: less than one second.
        """
        if self.profile == "seed":
            return _of_slots(self.slot_driver.read(x_wave, orig_sr))
        x = _channels(x_wave)
        rate = rate_of_second(x.shape[1], self.sr, orig_sr) if orig_sr is None else orig_sr
        if x.shape[1] < rate:
            raise ValueError(f"an EUL is one second: {rate} samples at {rate} Hz, not {x.shape[1]}")
        return self._read(self._at_44k(x, rate))

    def layout(self, x_wave: Array, orig_sr: int | None = None, *, second: int = 0) -> Eul:
        """Features, slots and seed of a second as the audio itself names them; nothing is read.

        Args:
            x_wave: one second, ``[samples]`` or ``[channels, samples]``.
            orig_sr: its rate in Hz.
            second: its number in a file, at least 0 (``robust``).

        Returns:
            The reference for allocator parity.
        """
        if self.profile == "seed":
            return _described(self.slot_driver.allocation(x_wave, orig_sr))
        x = self._resample_to_target_sr(torch.from_numpy(_channels(x_wave)), orig_sr)
        spectrum = stft(x)[..., :EUL_FRAMES]
        code, phase = self.cell_code, second % PHASES
        mixed = [mix_channels(spectrum, mix) for mix in mixtures(len(x), phase)]
        found = [
            choose_layout(features(one, code.profile), code_of_second(one, phase, code), phase)
            for one in mixed
        ]
        return Eul(start_s=0.0, ok=False, corrected_bytes=0, erasures=0, **described(found))

    def _read(self, audio: Audio) -> EulReading:
        """What ``[channels, samples]`` at 44.1 kHz say, as they are or turned over."""
        upright = self._read_upright(audio)
        if upright.payload is not None:
            return upright
        turned = self._read_upright(-audio)
        return upright if turned.payload is None else turned

    def _read_upright(self, audio: Audio) -> EulReading:
        code = self.cell_code
        first = None
        for second in Tracker([audio], code):
            if second.reading.start > EUL_SAMPLES:
                break
            found = self._decoded(second.reading)
            if found.payload is None and second.at != round(second.at):
                # Pilots tell eighths of a sample, roughly: what was not resampled begins at a whole one.
                whole = read_second(second.audio, round(second.at), second.phase, code)
                if whole is not None and whole.fit > second.reading.fit:
                    found = self._decoded(replace(whole, start=round(second.reading.start)))
            if found.payload is not None:
                return found
            first = first or found
        if audio.shape[1] < 2 * EUL_SAMPLES:
            offset, confidence, _ = self.sync_detector.detect_robust(audio, threshold=_LEAST_CONFIDENCE)
            cut = None
            if confidence >= _LEAST_CONFIDENCE:
                cut = read_cut(audio, try_offsets(audio, [offset % HOP], code), code)
            if cut is not None:
                found = self._decoded(cut)
                if found.payload is not None or first is None:
                    return found
        return first or _nothing()

    def _decoded(self, reading: Reading) -> EulReading:
        """The block of one second's soft values, re-read with what the code makes of them where it can be."""
        code, llr = self.cell_code, reading.llr
        beliefs = code.beliefs
        found = None
        for turn in range(1 + DETECTOR.reread_turns):
            if worth(llr) <= (DETECTOR.reread_information if turn else DETECTOR.decode_information):
                break
            if turn:
                if beliefs is None or not reading.mixtures:
                    break
                (llr,) = read_jointly([reading.mixtures], [llr], code, beliefs, rounds=1)
            found = read_block(llr, code.profile.code)
            if found is not None:
                break
        block, corrected = found or (None, 0)
        eul = Eul(
            start_s=reading.start / RATE,
            ok=block is not None,
            corrected_bytes=corrected,
            erasures=int((np.abs(llr) < ERASED).sum()),
            bits=(llr < 0).astype(np.uint8),
            **described(reading.layouts, scales=list(reading.scales)),
        )
        return EulReading(block, llr, eul)

    # Rates

    def _resample_to_target_sr(self, x_wave: torch.Tensor, orig_sr: int | None = None) -> torch.Tensor:
        """`x_wave` at `sr`: see `soundsafe.pipeline.ingest_and_chunk.one_second`."""
        return one_second(x_wave, self.sr, orig_sr)

    @staticmethod
    def _at_44k(audio: Audio, rate: int) -> Audio:
        return fit_length(resample(audio, rate, RATE), -(-audio.shape[1] * RATE // rate))


def _channels(x_wave: Array) -> Audio:
    """float32 ``[channels, samples]``; raises ValueError for other shapes and samples that are not finite."""
    x = as_tensor(x_wave).detach().cpu().float()
    if x.ndim not in (1, 2) or x.numel() == 0:
        raise ValueError(f"audio must be [channels, samples], not {tuple(x.shape)}")
    if not torch.isfinite(x).all():
        raise ValueError("samples must be finite")
    return np.array(x.reshape(-1, x.shape[-1]).numpy(), np.float32, order="C")


def _nothing() -> EulReading:
    return EulReading(None, np.zeros(N), Eul(0.0, False, 0, N, {}))


def _of_slots(readout: Readout) -> EulReading:
    """A reading of the seed profile in the terms of both."""
    ok, corrected = readout.payload is not None, readout.corrected_bytes
    return EulReading(
        readout.payload, readout.soft, _described(readout.allocation, ok, corrected, readout.bits)
    )


def _described(allocation: Allocation, ok: bool = False, corrected: int = 0, bits: Bits | None = None) -> Eul:
    """An allocation as the bench compares it; features in whole steps are wider than 16 bits."""
    return Eul(
        start_s=0.0,
        ok=ok,
        corrected_bytes=corrected,
        erasures=0,
        allocator={"bits_per_band": [int(b) for b in allocation.bits_per_band], "seed": allocation.seed},
        bits=bits,
        features=allocation.features,  # type: ignore[arg-type]
        slots=allocation.digest,
        seed=allocation.seed,
    )
