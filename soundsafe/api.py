"""Embedding and detection of arrays and files, at any rate and length.

The mark is made at 44.1 kHz and added as a difference, so that what lies outside its band is left as it is.
Blocks of 16 EULs lie on a grid fixed by absolute position and are worked with a second on either side; a
file of any length therefore takes the memory of a few blocks, and gives the same result however it is read
and however many of them are marked side by side.

Reading first takes the audio as it is. Only where that gives no payload, a constant offset is taken out, and
the first `SEARCH_S` seconds are searched for echoes (`soundsafe.echo`) and for a change of speed, tempo or
pitch (`soundsafe.warped`); echoes and changes of speed that are found there are undone for all of the audio,
read a second time.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from threadpoolctl import ThreadpoolController, threadpool_limits

from soundsafe.audio_file import (
    LOUDEST,
    MAX_CHANNELS,
    MAX_RATE,
    MIN_RATE,
    AudioInfo,
    AudioReader,
    AudioWriter,
)
from soundsafe.both_layers import CHUNK_EULS, mark_both
from soundsafe.container import BODY, MAX_PAYLOAD, Tally, pack
from soundsafe.detector import Detection, detect
from soundsafe.distance import worst_channel
from soundsafe.echo import read_echoed, undo_echoes
from soundsafe.embedder import HEADROOM, QUALITIES, Quality, mark_block, mix_channels, views
from soundsafe.errors import InputError, NotMarkable
from soundsafe.keys import given
from soundsafe.layout import PHASES, allocation, features, layout
from soundsafe.profile import EUL_FRAMES, EUL_SAMPLES, ROBUST, Profile
from soundsafe.result import Decoded, Embedded, Eul
from soundsafe.stft import RATE, stft
from soundsafe.warped import WarpedReading, read_warped
from soundsafe.words import encode_block

__all__ = ["LAYERS", "SEARCH_S", "coded_bits", "decode", "decode_file", "embed", "embed_file", "layouts"]

Audio = NDArray[np.float32]
Progress = Callable[[float, str], None]

BLOCK_EULS = CHUNK_EULS
LAYERS = ("eul", "tile")
"""The layer of one-second EULs, and the tile layer under it that survives phase vocoders."""

DEFAULT_LAYERS = LAYERS

SEARCH_S = 60.0
"""Seconds of audio that are kept and searched for a change of speed, tempo or pitch."""

_RAMP_S = 0.003

_OFFSET = 2e-3
"""A constant offset above this drowns the lowest bands: it is tried without."""

_MOST_LANES = 4
"""Blocks that are marked side by side, at most; each needs some 300 MB."""

_SILENCE = 1e-6
"""RMS (full scale 1) under which a second counts as silent."""


class _OneThread(contextlib.ContextDecorator):
    """One BLAS thread while any call works. Their number is the process's: the second of two calls that
    overlap would otherwise find the first one's limit, and restore that for good."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls = 0

    def __enter__(self) -> None:
        with self._lock:
            if self._calls == 0:
                self._blas = ThreadpoolController().select(user_api="blas")
                self._limit = self._blas.limit(limits=1)
                self._let_others()
            self._calls += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._calls -= 1
            if self._calls == 0:
                self._limit.restore_original_limits()
                self._let_others()

    def _let_others(self) -> None:
        # threadpoolctl obeys no other thread than the one that set a number, until a context of that ends.
        with self._blas.limit(limits=None):
            pass


# Products of matrices are small here: BLAS threads wait for each other longer than they work.
_one_thread_for_small_products = _OneThread()


def _quiet(_share: float, _words: str) -> None:
    pass


def _array(audio: object, rate: int) -> Audio:
    """float32 ``[channels, samples]`` from NumPy or torch; raises InputError for what cannot be worked on."""
    if isinstance(audio, torch.Tensor):
        audio = audio.detach().cpu()
        audio = (audio.float() if audio.dtype == torch.bfloat16 else audio).numpy()
    x = np.asarray(audio)
    if x.ndim == 1:
        x = x[None]
    if x.ndim != 2 or x.shape[1] == 0:
        raise InputError(f"audio must be [channels, samples] and not empty, not an array of shape {x.shape}")
    if not 1 <= x.shape[0] <= MAX_CHANNELS:
        raise InputError(f"audio has {x.shape[0]} channels: 1 to {MAX_CHANNELS} work, as [channels, samples]")
    if not isinstance(rate, (int, np.integer)):
        raise InputError(f"a rate is a whole number of Hz, not {rate!r}")
    if not MIN_RATE <= rate <= MAX_RATE:
        raise InputError(f"a rate of {rate} Hz is not supported: {MIN_RATE} to {MAX_RATE} Hz work")
    if not np.issubdtype(x.dtype, np.floating):
        raise InputError(f"audio must be floating point in [-1, 1], not {x.dtype}")
    if not np.isfinite(x).all():
        raise InputError("audio has samples that are not finite numbers (NaN or infinity)")
    peak = np.abs(x).max()
    if peak > LOUDEST:
        raise InputError(f"audio has a sample of {peak:.3g}: full scale is 1")
    x = np.ascontiguousarray(x, dtype=np.float32)
    return x if x.flags.writeable else x.copy()  # torch takes no other


def _resample(audio: Audio, rate: int, new_rate: int, samples: int) -> Audio:
    if rate != new_rate:
        audio = np.ascontiguousarray(
            soxr.resample(audio.T, rate, new_rate, quality="VHQ").T, dtype=np.float32
        )
    if audio.shape[1] < samples:
        return np.pad(audio, ((0, 0), (0, samples - audio.shape[1])))
    return audio[:, :samples]


def _digital_silence(audio: Audio, rate: int) -> NDArray[np.bool_]:
    """Which samples of ``[channels, samples]`` lie in a run of zeros of a millisecond or more."""
    run = max(1, rate // 1000)
    zero = np.pad(audio == 0.0, ((0, 0), (1, 1)))
    out = np.zeros(audio.shape, np.bool_)
    for channel, flags in enumerate(np.diff(zero.astype(np.int8), axis=1)):
        for first, end in zip(np.flatnonzero(flags == 1), np.flatnonzero(flags == -1), strict=True):
            out[channel, first:end] = end - first >= run
    return out


def _away_from_silence(audio: Audio, rate: int) -> Audio:
    """0 in digital silence, 1 from `_RAMP_S` away from it on: a mark that ended at once would click."""
    width = round(_RAMP_S * rate) | 1
    silent = maximum_filter1d(_digital_silence(audio, rate).astype(np.float32), width, axis=1)
    return 1.0 - uniform_filter1d(silent, width, axis=1)


def coded_bits(
    payload: bytes, key: bytes | None, n_euls: int, profile: Profile = ROBUST
) -> NDArray[np.uint8]:
    """What `embed` puts into the first `n_euls` EULs: ``[n_euls, 2040]``, in the order of the code."""
    words = np.stack([encode_block(block, profile) for block in pack(payload, given(key))])
    return words[np.arange(n_euls) % len(words)]


class _Marker:
    """Marks a stream of blocks at any rate; ``feed`` and ``finish`` return what is ready.

    Each block is marked in the unmarked audio round it, so that blocks need not wait for each other and one
    thread each may work on them; where two meet, their changes add.
    """

    def __init__(
        self,
        rate: int,
        channels: int,
        payload: bytes,
        key: bytes,
        profile: Profile,
        quality: Quality,
        layers: tuple[str, ...] = DEFAULT_LAYERS,
    ) -> None:
        self.rate, self.key, self.profile, self.quality = rate, key, profile, quality
        self.tiled = "tile" in layers
        self.payload = payload
        self.lanes = min(torch.get_num_threads(), _MOST_LANES)
        self.audio = np.zeros((channels, 0), np.float32)  # unmarked, from `lead` before the next block on
        self.change = np.zeros((channels, 0), np.float32)  # what is to be added to it so far
        self.lead = 0
        self.first = 0  # number of the next EUL

    def feed(self, block: Audio) -> Iterator[Audio]:
        self.audio = np.concatenate([self.audio, block], axis=1)
        while self.audio.shape[1] - self.lead >= (self.lanes * BLOCK_EULS + 1) * self.rate:
            yield self._mark([BLOCK_EULS] * self.lanes)

    def finish(self) -> Iterator[Audio]:
        left = (self.audio.shape[1] - self.lead) // self.rate
        sizes = [min(BLOCK_EULS, left - done) for done in range(0, left, BLOCK_EULS)]
        for i in range(0, len(sizes), self.lanes):
            yield self._mark(sizes[i : i + self.lanes], last=i + self.lanes >= len(sizes))
        yield self._added(self.audio.shape[1])

    def _mark(self, sizes: list[int], last: bool = False) -> Audio:
        """Mark blocks of so many EULs side by side and return all that no later block will touch."""
        jobs, at, first = [], self.lead, self.first
        for number, euls in enumerate(sizes):
            begin, end = max(0, at - self.rate), at + (euls + 1) * self.rate
            here = self.audio[:, begin:end]
            ends = last and number == len(sizes) - 1
            jobs.append((here, at - begin, first, euls, ends, len(sizes) == 1))
            at, first = at + euls * self.rate, first + euls
        total = np.zeros((len(self.audio), min(self.audio.shape[1], at + self.rate)), np.float32)
        total[:, : self.change.shape[1]] = self.change[:, : total.shape[1]]
        with ThreadPoolExecutor(len(jobs)) as pool:
            changes = list(pool.map(lambda job: self._changed(*job), jobs))
        for (here, lead, number, *_), change in zip(jobs, changes, strict=True):
            begin = self.lead + (number - self.first) * self.rate - lead
            total[:, begin : begin + here.shape[1]] += change
        self.change = total
        out = self._added(at - self.rate)
        self.lead, self.first = self.rate, first
        return out

    def _added(self, samples: int) -> Audio:
        """The first `samples`, marked; they are let go."""
        self.change = np.pad(self.change, ((0, 0), (0, max(0, samples - self.change.shape[1]))))
        plain, change = self.audio[:, :samples], self.change[:, :samples]
        self.audio, self.change = self.audio[:, samples:], self.change[:, samples:]
        bound = np.maximum(np.abs(plain), HEADROOM)
        return np.clip(plain + change, -bound, bound)

    def _changed(self, buffer: Audio, lead: int, first: int, euls: int, last: bool, alone: bool) -> Audio:
        """What marking `euls` EULs from sample `lead` on adds to `buffer`; `first`: number of the first."""
        torch.get_num_threads()  # torch decides on a new thread's number when it is first asked
        with threadpool_limits(limits=None if alone else 1, user_api="openmp"):
            n44 = -(-buffer.shape[1] * RATE // self.rate)
            x = _resample(buffer, self.rate, RATE, n44)
            coded = coded_bits(self.payload, self.key, first + euls, self.profile)[first:]
            start = lead // self.rate * EUL_SAMPLES
            origin = first * EUL_SAMPLES - start
            phase, effort = first % PHASES, self.quality
            if self.tiled:
                y = mark_both(
                    x, start, coded, first, phase, self.payload, self.key, self.profile, effort, last=last
                )
            else:
                y = mark_block(x, start, coded, phase, self.key, self.profile, effort, origin)
            if self.rate != RATE:
                bound = np.maximum(np.abs(buffer), HEADROOM)
                y = np.clip(buffer + _resample(y - x, RATE, self.rate, buffer.shape[1]), -bound, bound)
            return _away_from_silence(buffer, self.rate) * (y - buffer)


class _Differ:
    """Running comparison of original and marked audio; the audio itself is not kept."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.power = self.noise = self.distance = 0.0
        self.samples = 0
        self.silent: list[int] = []

    def add(self, original: Audio, marked: Audio) -> None:
        """Two stretches of equal length, a whole number of seconds but for the last."""
        difference = marked - original
        self.power += float(np.sum(original.astype(np.float64) ** 2))
        self.noise += float(np.sum(difference.astype(np.float64) ** 2))
        first = self.samples // self.rate
        for i in range(original.shape[1] // self.rate):
            second = original[:, i * self.rate : (i + 1) * self.rate]
            if float(np.sqrt(np.mean(second.astype(np.float64) ** 2))) < _SILENCE:
                self.silent.append(first + i)
        if original.shape[1] >= self.rate // 2:
            self.distance += original.shape[1] * worst_channel(original, marked, self.rate)
        self.samples += original.shape[1]

    @property
    def snr_db(self) -> float:
        return (
            10.0 * float(np.log10(self.power / self.noise))
            if self.noise > 0 and self.power > 0
            else float("inf")
        )


def _compare(originals: Iterable[Audio], marked: Iterable[Audio], rate: int) -> _Differ:
    differ = _Differ(rate)
    for a, b in zip(originals, marked, strict=True):
        differ.add(a, b)
    return differ


def _verified(
    originals: Iterable[Audio],
    marked: Iterable[Audio],
    again: Iterable[Audio],
    rate: int,
    key: bytes,
    profile: Profile,
) -> tuple[Detection, _Differ]:
    """What is read from the marked blocks `again`, and meanwhile how `marked` differ from the originals."""
    with ThreadPoolExecutor(1) as pool:
        comparing = pool.submit(_compare, originals, marked, rate)
        found = detect(_to_44k(again, rate), key, profile)
        return found, comparing.result()


def _to_44k(blocks: Iterable[Audio], rate: int, factor: float = 1.0) -> Iterator[Audio]:
    """Blocks at 44.1 kHz from blocks at `rate`, made `factor` times as long."""
    if rate == RATE and factor == 1.0:
        yield from blocks
        return
    resampler: soxr.ResampleStream | None = None
    channels = 1
    for block in blocks:
        if resampler is None:
            channels = block.shape[0]
            resampler = soxr.ResampleStream(rate, RATE * factor, channels, dtype="float32", quality="VHQ")
        out = resampler.resample_chunk(np.ascontiguousarray(block.T))
        if len(out):
            yield np.ascontiguousarray(out.reshape(-1, channels).T)
    if resampler is not None:
        out = resampler.resample_chunk(np.zeros((0, channels), np.float32), last=True)
        if len(out):
            yield np.ascontiguousarray(out.reshape(-1, channels).T)


def _keep_first(blocks: Iterable[Audio], kept: list[Audio], seconds: float) -> Iterator[Audio]:
    """The same blocks at 44.1 kHz, the first `seconds` of them put into `kept` as they pass."""
    room = round(seconds * RATE)
    for block in blocks:
        if room > 0:
            kept.append(block[:, :room])
            room -= kept[-1].shape[1]
        yield block


def _read(
    blocks: Callable[[], Iterable[Audio]], rate: int, key: bytes, profile: Profile
) -> tuple[Detection, WarpedReading | None]:
    """The plain reading of all blocks; where that has no payload, what is read without a constant offset, or
    without echoes, or else what a search says of the first blocks."""
    kept: list[Audio] = []
    tally = Tally()

    def tallied(audio: Iterable[Audio]) -> Detection:
        found = detect(audio, key, profile)
        tally.add(found.bound)
        return replace(found, bound=tally.bound)

    found = tallied(_keep_first(_to_44k(blocks(), rate), kept, SEARCH_S))
    if found.payload is not None or not kept:
        return found, None
    start = np.concatenate(kept, axis=1)
    offset = start.mean(axis=1, keepdims=True)
    if float(np.abs(offset).max()) < _OFFSET:
        offset = np.zeros_like(offset)

    def stream(undo: Callable[[Iterable[Audio]], Iterable[Audio]], factor: float = 1.0) -> Detection:
        return tallied(undo(block - offset for block in _to_44k(blocks(), rate, factor)))

    if offset.any():
        start = start - offset
        level = stream(lambda audio: audio)
        if level.payload is not None:
            return level, None
        found = level if level.score >= found.score else found
    longer = found.samples > start.shape[1]
    echoed = read_echoed(start, found.score, key, profile, tally)
    if echoed is not None:
        heard, echoes = echoed
        if longer:
            whole = stream(lambda audio: undo_echoes(audio, echoes))
            heard = whole if whole.payload is not None else heard
        return replace(heard, bound=tally.bound), None
    warped = read_warped(start, key, profile, tally=tally, clock_found=found.start is not None)
    if warped is not None and warped.detection is not None and longer:
        # More audio than was searched, its speed and polarity now known.
        sign = np.float32(-1.0 if warped.inverted else 1.0)
        whole = stream(lambda audio: (sign * block for block in audio), warped.speed)
        if whole.payload is not None:
            warped = replace(
                warped,
                detection=whole,
                payload=whole.payload,
                identifier=whole.identifier,
                combined=whole.combined,
            )
    return replace(found, bound=tally.bound), warped


def _decoded(
    found: Detection,
    warped: WarpedReading | None,
    profile: Profile,
    started: float,
    seconds_of_audio: float,
    rate: int,
) -> Decoded:
    took = time.perf_counter() - started
    native = rate / RATE
    plain = Decoded(
        ok=found.payload is not None,
        payload=found.payload,
        score=found.score,
        code=profile.code,
        layer="eul" if found.payload is not None else None,
        id_ok=found.identifier is not None,
        id_hex=found.identifier.hex() if found.identifier else None,
        euls=found.euls,
        combined=found.combined,
        speed=1.0,
        tempo=1.0,
        pitch=1.0,
        offset_samples=None if found.start is None else round(found.start * native),
        false_accept_bound=found.bound,
        seconds=took,
        realtime_factor=took / max(seconds_of_audio, 1e-9),
        factor_confidence=1.0 if found.payload is not None else 0.0,
    )
    if warped is None:
        return plain
    plain = replace(plain, score=max(found.score, warped.score))
    if warped.identifier is None:
        return plain
    euls = found.euls
    if warped.detection is not None:
        # Seconds of the audio as it was marked, told in the time of the audio as it is.
        euls = [replace(eul, start_s=eul.start_s / warped.speed) for eul in warped.detection.euls]
    return replace(
        plain,
        ok=warped.payload is not None,
        payload=warped.payload,
        layer=warped.layer,
        id_ok=True,
        id_hex=warped.identifier.hex(),
        euls=euls,
        combined=warped.combined,
        speed=warped.speed,
        tempo=warped.tempo,
        pitch=warped.pitch,
        offset_samples=round(warped.offset * native),
        factor_confidence=warped.confidence,
    )


def _blocks(audio: Audio, rate: int) -> Iterator[Audio]:
    for start in range(0, audio.shape[1], BLOCK_EULS * rate):
        yield audio[:, start : start + BLOCK_EULS * rate]


@_one_thread_for_small_products
def decode(audio: object, rate: int, key: bytes | None = None, *, profile: Profile = ROBUST) -> Decoded:
    """Find and read a mark in `audio` ``[channels, samples]``, floating point in [-1, 1], at `rate` Hz.

    Needs the audio and the key alone. Where the audio as it is gives no payload, its first `SEARCH_S` seconds
    are searched for echoes and for changes of speed, tempo and pitch up to 5 %. Raises InputError for audio
    that cannot be worked on; no mark is an answer (`ok` is False).
    """
    x, rate = _array(audio, rate), int(rate)  # NumPy's small integers overflow
    started = time.perf_counter()
    found, warped = _read(lambda: _blocks(x, rate), rate, given(key), profile)
    return _decoded(found, warped, profile, started, x.shape[1] / rate, rate)


@_one_thread_for_small_products
def decode_file(
    path: str | os.PathLike[str],
    key: bytes | None = None,
    progress: Progress | None = None,
    *,
    profile: Profile = ROBUST,
) -> Decoded:
    """`decode` of a file, in the memory of its first `SEARCH_S` seconds. Raises InputError that names it."""
    started = time.perf_counter()
    report = progress or _quiet
    seconds = 0.0

    def blocks() -> Iterator[Audio]:
        nonlocal seconds
        with AudioReader(path) as reader:
            info = reader.info
            done = 0
            for block in reader.blocks(BLOCK_EULS * info.rate):
                done += block.shape[1]
                yield block
                report(min(1.0, done / max(info.frames, 1)), "reading the mark")
            seconds = done / info.rate

    with AudioReader(path) as reader:
        rate = reader.info.rate
    found, warped = _read(blocks, rate, given(key), profile)
    return _decoded(found, warped, profile, started, seconds, rate)


def _check_request(payload: bytes, quality: str, layers: tuple[str, ...]) -> Quality:
    if not isinstance(payload, bytes):
        raise InputError(f"a payload is bytes, not {type(payload).__name__}")
    if not 1 <= len(payload) <= MAX_PAYLOAD:
        raise InputError(f"a payload has 1 to {MAX_PAYLOAD} bytes, not {len(payload)}")
    if quality not in QUALITIES:
        raise InputError(f"unknown quality {quality!r}: {', '.join(QUALITIES)}")
    if sorted(layers) not in (["eul"], ["eul", "tile"]):
        raise InputError(f"unknown layers {layers!r}: ('eul',) or ('eul', 'tile')")
    return QUALITIES[quality]


def _check_length(payload: bytes, samples: int, rate: int, name: str) -> None:
    if samples < rate:
        seconds = math.floor(100 * samples / rate) / 100
        raise InputError(f"{name} is {seconds:.2f} s long: marking needs at least one second")
    if len(payload) > samples // rate * BODY:
        raise InputError(
            f"{name} has room for {samples // rate * BODY} bytes: {len(payload)} need"
            f" {-(-len(payload) // BODY)} seconds"
        )


def _answer(
    audio: Audio | None,
    differ: _Differ,
    found: Detection,
    payload: bytes,
    started: float,
    name: str,
    notes: tuple[str, ...] = (),
) -> Embedded:
    """The answer for marked audio that was decoded again; raises NotMarkable where it does not read back."""
    rate = differ.rate
    euls = differ.samples // rate
    if found.payload != payload:
        if len(differ.silent) == euls:
            raise NotMarkable(f"{name} is silent throughout: nothing can be marked")
        raise NotMarkable(
            f"{name} cannot be marked: the payload does not read back"
            f" ({len(differ.silent)} of {euls} s silent)"
        )
    good = {round(eul.start_s) for eul in found.euls if eul.ok}
    missing = [i for i in range(euls) if i not in good]
    silent = set(differ.silent)
    warnings = [
        f"second {i}: "
        + ("silence, nothing to hide in" if i in silent else "does not read back alone (too quiet or sparse)")
        for i in missing
    ]
    took = time.perf_counter() - started
    seconds = differ.samples / rate
    return Embedded(
        audio=audio,
        euls=euls,
        euls_verified=euls - len(missing),
        payload_bytes=len(payload),
        capacity_bytes_per_eul=BODY,
        snr_db=differ.snr_db,
        zimtohrli=differ.distance / max(differ.samples, 1),
        seconds=took,
        realtime_factor=took / max(seconds, 1e-9),
        warnings=[*warnings, *notes],
        unmarked_seconds=missing,
    )


@_one_thread_for_small_products
def embed(
    audio: object,
    rate: int,
    payload: bytes,
    key: bytes | None = None,
    *,
    quality: str = "default",
    profile: Profile = ROBUST,
    layers: tuple[str, ...] = DEFAULT_LAYERS,
) -> Embedded:
    """Mark `audio` ``[channels, samples]``, floating point in [-1, 1], at `rate` Hz with 1 to 4096 bytes.

    `layers`: ``("eul",)`` or ``("eul", "tile")``; the tile layer lets the payload come back after changes of
    tempo and pitch, from some ten seconds on, and its identifier from some four.
    The result's `audio` has the same shape. It has been decoded: raises NotMarkable where the payload does
    not read back, InputError for audio or a payload that cannot be worked on (less than one second, say).
    """
    x, rate = _array(audio, rate), int(rate)
    effort = _check_request(payload, quality, layers)
    _check_length(payload, x.shape[1], rate, "the audio")
    started = time.perf_counter()
    key = given(key)
    marker = _Marker(rate, x.shape[0], payload, key, profile, effort, layers)
    parts = [part for block in _blocks(x, rate) for part in marker.feed(block)]
    marked = np.concatenate([*parts, *marker.finish()], axis=1)
    found, differ = _verified(
        _blocks(x, rate), _blocks(marked, rate), _blocks(marked, rate), rate, key, profile
    )
    return _answer(marked, differ, found, payload, started, "the audio")


@_one_thread_for_small_products
def embed_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    payload: bytes,
    key: bytes | None = None,
    quality: str = "default",
    progress: Progress | None = None,
    *,
    profile: Profile = ROBUST,
    layers: tuple[str, ...] = DEFAULT_LAYERS,
) -> Embedded:
    """`embed` of a file into another of the same rate, channels, length, sample format and tags.

    Raises NotMarkable, and writes nothing, where the payload does not read back from what was written.
    """
    effort = _check_request(payload, quality, layers)
    report = progress or _quiet
    key = given(key)
    started = time.perf_counter()
    name = os.fspath(source)
    with AudioReader(source) as reader:
        info: AudioInfo = reader.info
        # The length of an MP3 is an estimate: what was read counts, below.
        if info.format != "MP3":
            _check_length(payload, info.frames, info.rate, name)
        with AudioWriter(target, info) as writer:
            marker = _Marker(info.rate, info.channels, payload, key, profile, effort, layers)
            done = 0
            for block in reader.blocks(BLOCK_EULS * info.rate):
                done += block.shape[1]
                for part in marker.feed(block):
                    writer.write(part)
                report(0.85 * min(1.0, done / max(info.frames, 1)), "marking")
            _check_length(payload, done, info.rate, name)
            for part in marker.finish():
                writer.write(part)
            partial = writer.finish()
            report(0.88, "verifying")
            size = BLOCK_EULS * info.rate
            with AudioReader(source) as one, AudioReader(partial) as two, AudioReader(partial) as again:
                found, differ = _verified(
                    one.blocks(size), two.blocks(size), again.blocks(size), info.rate, key, profile
                )
            answer = _answer(None, differ, found, payload, started, name, tuple(writer.warnings))
            writer.commit()
    report(1.0, "done")
    return answer


def layouts(audio: object, rate: int, key: bytes | None = None, *, profile: Profile = ROBUST) -> list[Eul]:
    """Features, slots and seed of each EUL as the audio itself names them, on a grid from sample 0 on.

    The reference for allocator parity; nothing is read.
    """
    x, rate = _array(audio, rate), int(rate)
    x = _resample(x, rate, RATE, -(-x.shape[1] * RATE // rate))
    spectrum = stft(torch.from_numpy(np.ascontiguousarray(x)))
    key = given(key)
    out = []
    for i in range(x.shape[1] // EUL_SAMPLES):
        here = spectrum[..., i * EUL_FRAMES : (i + 1) * EUL_FRAMES]
        found = [
            layout(features(mix_channels(here, mix), profile), key, profile, i % PHASES)
            for mix in views(x.shape[0], i % PHASES)
        ]
        out.append(Eul(float(i), False, 0, 0, **allocation(found)))
    return out
