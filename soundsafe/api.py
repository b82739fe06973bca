"""Embedding and detection of arrays and files, at any rate and length: the package's functions.

`soundsafe.streams.marker` marks, `soundsafe.streams.reader` reads, both in streams; what was marked is read
back before it is given away.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from soundsafe.aliases import Audio, Bits, Progress
from soundsafe.cells.code import CellCode
from soundsafe.cells.detector import Detection, detect
from soundsafe.cells.host import code_of_second
from soundsafe.cells.layout import choose_layout, described, features
from soundsafe.cells.mixtures import mix_channels, mixtures
from soundsafe.cells.profile import EUL_FRAMES, EUL_SAMPLES, PHASES, ROBUST, Profile
from soundsafe.cells.settings import QUALITIES
from soundsafe.codecs import fit_length, resample
from soundsafe.distance.difference import Difference, compare
from soundsafe.errors import InputError, NotMarkable
from soundsafe.files.audio_file import (
    LOUDEST,
    MAX_CHANNELS,
    MAX_RATE,
    MIN_RATE,
    AudioInfo,
    AudioReader,
    AudioWriter,
)
from soundsafe.keys import given
from soundsafe.message.container import BODY, MAX_PAYLOAD
from soundsafe.result import Decoded, Embedded, Eul
from soundsafe.stft import RATE, stft
from soundsafe.streams.blas import one_blas_thread
from soundsafe.streams.layers import LAYERS, layers_of, tile_code_beside
from soundsafe.streams.marker import BLOCK_EULS, Marker, words_of_seconds
from soundsafe.streams.reader import decoded, read, to_44k
from soundsafe.streams.strength import strength_of
from soundsafe.tiles.geometry import TileCode

__all__ = ["LAYERS", "coded_bits", "decode", "decode_file", "embed", "embed_file", "layouts"]

_QUIET = 2.0**-8
"""Largest sample of audio that nobody would keep in 16 bits: it is marked for finer formats."""


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


def _verified(
    originals: Iterable[Audio],
    marked: Iterable[Audio],
    again: Iterable[Audio],
    rate: int,
    code: CellCode,
) -> tuple[Detection, Difference]:
    """What is read from the marked blocks `again`, and meanwhile how `marked` differ from the originals."""
    stopped = threading.Event()

    def until_stopped() -> Iterator[Audio]:
        for block in originals:
            if stopped.is_set():
                return  # then `compare` raises, to nobody
            yield block

    with ThreadPoolExecutor(1) as pool:
        comparing = pool.submit(compare, until_stopped(), marked, rate)
        try:
            found = detect(to_44k(again, rate), code)
            return found, comparing.result()
        except BaseException:
            # Leaving the pool waits: an interrupt should not last until all is compared.
            stopped.set()
            raise


def _tiles(code: CellCode, layers: tuple[str, ...]) -> TileCode | None:
    return tile_code_beside(code) if "tile" in layers else None


def _blocks(audio: Audio, rate: int) -> Iterator[Audio]:
    for start in range(0, audio.shape[1], BLOCK_EULS * rate):
        yield audio[:, start : start + BLOCK_EULS * rate]


@one_blas_thread
def decode(audio: object, rate: int, key: bytes | None = None, *, profile: Profile = ROBUST) -> Decoded:
    """Find and read a mark, from the audio and the key alone.

    Where the audio as it is gives no payload, its first minute is searched for echoes and for changes of
    speed, tempo and pitch by up to some 5 %.

    Args:
        audio: ``[channels, samples]`` or ``[samples]``, 1 to 8 channels, floating point in [-1, 1], NumPy or
            torch.
        rate: samples per second, 8,000 to 192,000.
        key: 32 secret bytes; None: the public default key.
        profile: the carrier's parameters, the same as those of the embedder.

    Returns:
        What was found; no mark is an answer, too: then `ok` is False and `payload` None.

    Raises:
        InputError: audio that cannot be worked on, an empty key.

    Example:
        >>> import numpy as np, soundsafe
        >>> noise = np.random.default_rng(0).normal(0, 0.1, (1, 22_050)).astype(np.float32)
        >>> soundsafe.decode(noise, 44_100).ok
        False
    """
    x, rate = _array(audio, rate), int(rate)  # NumPy's small integers overflow
    started = time.perf_counter()
    code = CellCode(given(key), profile)
    found, recovered = read(lambda: _blocks(x, rate), rate, code, tile_code_beside(code))
    return decoded(found, recovered, code, started, x.shape[1] / rate, rate)


@one_blas_thread
def decode_file(
    path: str | os.PathLike[str],
    key: bytes | None = None,
    *,
    profile: Profile = ROBUST,
    progress: Progress | None = None,
) -> Decoded:
    """`decode` of a file, in the memory of its first minute.

    Args:
        path: WAV, FLAC, MP3 or OGG, 8 to 192 kHz, 1 to 8 channels.
        key: 32 secret bytes; None: the public default key.
        profile: the carrier's parameters.
        progress: called with the share that is done, 0 to 1, and a few words.

    Returns:
        What was found, as `decode` does.

    Raises:
        InputError: a file that cannot be worked on; the message names it.

    Example:
        >>> import tempfile, soundfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     soundfile.write(f"{folder}/plain.wav", np.zeros(22_050), 44_100)
        ...     decode_file(f"{folder}/plain.wav").ok
        False
    """
    started = time.perf_counter()
    report = progress or _quiet
    seconds = 0.0

    def blocks() -> Iterator[Audio]:
        nonlocal seconds
        with AudioReader(path, tags=False) as reader:
            info = reader.info
            done = 0
            for block in reader.blocks(BLOCK_EULS * info.rate):
                done += block.shape[1]
                yield block
                report(min(1.0, done / max(info.frames, 1)), "reading the mark")
            seconds = done / info.rate

    with AudioReader(path, tags=False) as reader:
        rate = reader.info.rate
    code = CellCode(given(key), profile)
    found, recovered = read(blocks, rate, code, tile_code_beside(code))
    return decoded(found, recovered, code, started, seconds, rate)


def _check_request(payload: bytes, quality: str) -> None:
    if not isinstance(payload, bytes):
        raise InputError(f"a payload is bytes, not {type(payload).__name__}")
    if not 1 <= len(payload) <= MAX_PAYLOAD:
        raise InputError(f"a payload has 1 to {MAX_PAYLOAD} bytes, not {len(payload)}")
    if quality not in QUALITIES:
        raise InputError(f"unknown quality {quality!r}: {', '.join(QUALITIES)}")


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
    differ: Difference,
    found: Detection,
    payload: bytes,
    started: float,
    name: str,
    notes: tuple[str, ...] = (),
    strength_db: float = 0.0,
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
    margins = [eul.margin_db for eul in found.euls if eul.margin_db is not None]
    took = time.perf_counter() - started
    seconds = differ.samples / rate
    return Embedded(
        audio=audio,
        euls=euls,
        euls_verified=euls - len(missing),
        payload_bytes=len(payload),
        capacity_bytes_per_eul=BODY,
        snr_db=differ.snr_db,
        zimtohrli=differ.zimtohrli,
        seconds=took,
        realtime_factor=took / max(seconds, 1e-9),
        warnings=[*warnings, *notes],
        unmarked_seconds=missing,
        nmr_db=differ.nmr_db,
        margin_db=min(margins, default=math.nan),
        strength_db=strength_db,
    )


@one_blas_thread
def embed(
    audio: object,
    rate: int,
    payload: bytes,
    key: bytes | None = None,
    *,
    quality: str = "default",
    layers: str | Iterable[str] = LAYERS,
    strength: str | float = "default",
    profile: Profile = ROBUST,
) -> Embedded:
    """Mark audio with a payload, and decode it again before it is given away.

    Args:
        audio: ``[channels, samples]`` or ``[samples]``, 1 to 8 channels, at least one second, floating point
            in [-1, 1], NumPy or torch.
        rate: samples per second, 8,000 to 192,000.
        payload: 1 to 4096 bytes; 175 fit into each second.
        key: 32 secret bytes; None: the public default key, which gives no security.
        quality: ``fast``, ``default`` or ``best``: how hard to work.
        layers: ``eul`` or ``eul,tile``, or these names one by one; the tile layer lets the payload come back
            after changes of tempo and pitch: up to 24 bytes from some six seconds on, more from some ten to
            twenty, and their identifier from some four.
        strength: ``quiet``, ``default`` or ``strong``, or decibels against the default, -6 to 6: what is
            stronger survives more and is heard sooner.
        profile: the carrier's parameters; the detector needs the same.

    Returns:
        The marked `audio`, float32 ``[channels, samples]`` as long as what was given, with its figures.

    Raises:
        InputError: audio, payload or options that cannot be worked on.
        NotMarkable: the payload does not read back.

    Example:
        >>> noise = 0.1 * np.random.default_rng(0).normal(size=(1, 44_100))
        >>> marked = embed(noise, 44_100, b"hello", quality="fast", layers="eul")
        >>> marked.audio.shape, marked.euls_verified
        ((1, 44100), 1)
        >>> decode(marked.audio, 44_100).payload
        b'hello'
    """
    x, rate = _array(audio, rate), int(rate)
    _check_request(payload, quality)
    chosen, strength_db = layers_of(layers), strength_of(strength)
    _check_length(payload, x.shape[1], rate, "the audio")
    started = time.perf_counter()
    code = CellCode(given(key), profile)
    tiles, fine = _tiles(code, chosen), float(np.abs(x).max()) < _QUIET
    marker = Marker(rate, x.shape[0], payload, code, tiles, quality, strength_db, fine=fine)
    parts = [part for block in _blocks(x, rate) for part in marker.feed(block)]
    marked = np.concatenate([*parts, *marker.finish()], axis=1)
    again = marker.upright(_blocks(marked, rate))
    found, differ = _verified(_blocks(x, rate), _blocks(marked, rate), again, rate, code)
    return _answer(marked, differ, found, payload, started, "the audio", strength_db=strength_db)


@one_blas_thread
def embed_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    payload: bytes,
    key: bytes | None = None,
    *,
    quality: str = "default",
    layers: str | Iterable[str] = LAYERS,
    strength: str | float = "default",
    profile: Profile = ROBUST,
    progress: Progress | None = None,
) -> Embedded:
    """`embed` of a file into another of the same rate, channels, length, sample format and tags.

    Args:
        source: WAV, FLAC, MP3 or OGG, 8 to 192 kHz, 1 to 8 channels, at least one second.
        target: ``.wav`` or ``.flac``; it appears whole or not at all.
        payload: 1 to 4096 bytes.
        key: 32 secret bytes; None: the public default key.
        quality: ``fast``, ``default`` or ``best``.
        layers: ``eul`` or ``eul,tile``, or these names one by one.
        strength: ``quiet``, ``default`` or ``strong``, or decibels against the default, -6 to 6.
        profile: the carrier's parameters.
        progress: called with the share that is done, 0 to 1, and a few words.

    Returns:
        The figures, without `audio`; `warnings` name what could not be kept, and an input that seems cut off.

    Raises:
        InputError: files, payload or options that cannot be worked on.
        NotMarkable: the payload does not read back from what was written.

    Example:
        >>> import tempfile, soundfile
        >>> noise = 0.1 * np.random.default_rng(0).normal(size=44_100)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     source, target = f"{folder}/in.wav", f"{folder}/out.wav"
        ...     soundfile.write(source, noise, 44_100)
        ...     embed_file(source, target, b"hello", quality="fast", layers="eul").euls_verified
        ...     decode_file(target).payload
        1
        b'hello'
    """
    _check_request(payload, quality)
    chosen, strength_db = layers_of(layers), strength_of(strength)
    report = progress or _quiet
    code = CellCode(given(key), profile)
    started = time.perf_counter()
    name = os.fspath(source)
    with AudioReader(source) as reader:
        info: AudioInfo = reader.info
        _check_length(payload, info.frames, info.rate, name)
        with AudioWriter(target, info) as writer:
            tiles, fine = _tiles(code, chosen), writer.fine
            marker = Marker(info.rate, info.channels, payload, code, tiles, quality, strength_db, fine=fine)
            done = 0
            for block in reader.blocks(BLOCK_EULS * info.rate):
                done += block.shape[1]
                for part in marker.feed(block):
                    writer.write(part)
                report(0.85 * min(1.0, done / max(info.frames, 1)), "marking")
            _check_length(payload, done, info.rate, name)  # damaged MP3 files give less than they say
            for part in marker.finish():
                writer.write(part)
            partial = writer.finish()
            report(0.88, "verifying")
            size = BLOCK_EULS * info.rate
            with (
                AudioReader(source, tags=False) as one,
                AudioReader(partial, tags=False) as two,
                AudioReader(partial, tags=False) as three,
            ):
                again = marker.upright(three.blocks(size))
                found, differ = _verified(one.blocks(size), two.blocks(size), again, info.rate, code)
            notes = (*reader.warnings, *writer.warnings)
            answer = _answer(None, differ, found, payload, started, name, notes, strength_db)
            writer.commit()
    report(1.0, "done")
    return answer


def coded_bits(
    payload: bytes, key: bytes | None, n_euls: int, profile: Profile = ROBUST, first: int = 0
) -> Bits:
    """What `embed` puts into some seconds, before it is put there.

    Args:
        payload: 1 to 4096 bytes.
        key: 32 secret bytes; None: the public default key.
        n_euls: how many seconds.
        profile: the carrier's parameters.
        first: number of the first second, 0 for the first of the audio.

    Returns:
        ``[n_euls, 2040]``, each 0 or 1, in the order of the code.

    Raises:
        InputError: a payload of another length, an empty key.

    Example:
        >>> import soundsafe
        >>> soundsafe.coded_bits(b"licensed to A", None, 3).shape
        (3, 2040)
    """
    return words_of_seconds(payload, CellCode(given(key), profile), n_euls, first)


def layouts(audio: object, rate: int, key: bytes | None = None, *, profile: Profile = ROBUST) -> list[Eul]:
    """Features, slots and seed of each second as the audio itself names them, on a grid from sample 0 on.

    The reference for allocator parity; nothing is read.

    Args:
        audio: ``[channels, samples]`` or ``[samples]``, floating point in [-1, 1].
        rate: samples per second, 8,000 to 192,000.
        key: 32 secret bytes; None: the public default key.
        profile: the carrier's parameters.

    Returns:
        One for each whole second, in order.

    Raises:
        InputError: audio that cannot be worked on, an empty key.

    Example:
        >>> noise = 0.1 * np.random.default_rng(0).normal(size=(1, 88_200))
        >>> [second.start_s for second in layouts(noise, 44_100)]
        [0.0, 1.0]
    """
    x, rate = _array(audio, rate), int(rate)
    x = fit_length(resample(x, rate, RATE), -(-x.shape[1] * RATE // rate))
    spectrum = stft(torch.from_numpy(np.ascontiguousarray(x)))
    code = CellCode(given(key), profile)
    out = []
    for i in range(x.shape[1] // EUL_SAMPLES):
        here = spectrum[..., i * EUL_FRAMES : (i + 1) * EUL_FRAMES]
        mixed = [mix_channels(here, mix) for mix in mixtures(x.shape[0], i % PHASES)]
        found = [
            choose_layout(features(one, profile), code_of_second(one, i % PHASES, code), i % PHASES)
            for one in mixed
        ]
        out.append(Eul(start_s=float(i), ok=False, corrected_bytes=0, erasures=0, **described(found)))
    return out
