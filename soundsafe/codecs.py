"""Lossy codecs in process: MP3 (LAME), AAC, Opus and Vorbis, each as a round trip encode → decode.

Audio is float32 `[channels, samples]`, nominally in [-1, 1]. Every round trip takes `align`:

- `align=False` leaves in what a listener's file has: the delay of encoder and decoder and the padding of the
  last block, so that the result may be shifted and longer than the input;
- `align=True` removes that delay and returns exactly the input's length.

A codec takes only some sample rates; other rates are resampled (soxr, very high quality) to the nearest
that it takes, and back. More than two channels are coded in pairs, each pair at the given bit rate.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import lameenc
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from soundsafe.aliases import Audio

if TYPE_CHECKING:
    from av import AudioFrame

MPEG1_RATES = (32000, 44100, 48000)
OPUS_RATES = (48000,)

# Samples at the coded rate, measured (tests/soundsafe/test_codecs.py). LAME's encoder delays by 576 and an
# MP3 decoder by 529; FFmpeg's AAC encoder primes with one frame; Ogg carries Opus's pre-skip, which decoders
# remove.
MP3_DELAY = 1105
AAC_DELAY = 1024
OPUS_DELAY = 0
VORBIS_DELAY = 0

_VORBIS_BLOCK = 8192  # libsndfile's Vorbis writer keeps a whole write on its stack


def mp3_roundtrip(
    audio: Audio,
    rate: int,
    *,
    kbps: int | None = None,
    vbr: float | None = None,
    joint: bool = True,
    align: bool = False,
    effort: int = 2,
) -> Audio:
    """MP3 by LAME and back.

    Args:
        audio: `[channels, samples]`; rounded to 16 bits without dither and clipped, as LAME's input.
        rate: samples per second.
        kbps: constant bit rate, 8 to 320 in kbit/s; or
        vbr: LAME's V quality, 0 (best) to 9. Exactly one of the two.
        joint: joint stereo (LAME's default); False codes left and right apart, at a constant bit rate only.
        align: see the module.
        effort: LAME's -q, 0 (slow, best) to 9.

    At low rates LAME chooses a lower sample rate by itself, as its program does (64 kbit/s stereo: 24 kHz);
    the decoded audio is then resampled back.
    """
    if (kbps is None) == (vbr is None):
        raise ValueError("mp3_roundtrip: give either kbps or vbr")
    if kbps is None and not joint:
        raise ValueError("mp3_roundtrip: joint=False needs kbps")
    if not joint and effort != 2:
        raise ValueError("mp3_roundtrip: joint=False codes with LAME's own effort")

    def code(pair: Audio, coded_rate: int) -> tuple[Audio, int]:
        if kbps is not None and not joint and len(pair) == 2:
            return _decode_sndfile(_lame_left_right(pair, coded_rate, kbps))
        data = _lame(pair, coded_rate, kbps, vbr, effort)
        # Without a Xing header, which lameenc does not write, libsndfile misjudges the length of a VBR file.
        return _decode_sndfile(data) if vbr is None else ffmpeg_decode(data, "mp3")

    return _roundtrip(audio, rate, code, MPEG1_RATES, MP3_DELAY, align)


def mp3_delay(rate: int, *, kbps: int | None = None, vbr: float | None = None, channels: int = 2) -> int:
    """Samples at `rate` by which `mp3_roundtrip(..., align=False)` shifts the audio.

    `MP3_DELAY` where LAME keeps the rate, in proportion where it chooses a lower one.
    """
    coded_rate = _nearest(MPEG1_RATES, rate)
    return round(MP3_DELAY * rate / _lame_rate(coded_rate, kbps, vbr, min(channels, 2)))


def coded_delay(rate: int, rates: tuple[int, ...], delay: int) -> int:
    """`delay` samples at the coded rate (the one of `rates` that serves `rate`) as samples at `rate`."""
    return round(delay * rate / _nearest(rates, rate))


def aac_roundtrip(audio: Audio, rate: int, *, kbps: int, align: bool = False) -> Audio:
    """AAC-LC by FFmpeg's encoder, in ADTS, and back. `kbps`: mean bit rate in kbit/s."""

    def code(pair: Audio, coded_rate: int) -> tuple[Audio, int]:
        return ffmpeg_decode(ffmpeg_encode(pair, coded_rate, "aac", "adts", "fltp", 1000 * kbps), "aac")

    return _roundtrip(audio, rate, code, MPEG1_RATES, AAC_DELAY, align)


def opus_roundtrip(audio: Audio, rate: int, *, kbps: int, align: bool = False) -> Audio:
    """Opus by libopus (variable rate, `audio` mode), in Ogg at 48 kHz, and back. `kbps`: target, kbit/s."""

    def code(pair: Audio, coded_rate: int) -> tuple[Audio, int]:
        return ffmpeg_decode(ffmpeg_encode(pair, coded_rate, "libopus", "ogg", "flt", 1000 * kbps), "ogg")

    return _roundtrip(audio, rate, code, OPUS_RATES, OPUS_DELAY, align)


def vorbis_roundtrip(audio: Audio, rate: int, *, quality: float, align: bool = False) -> Audio:
    """Vorbis by libvorbis, in Ogg, and back. `quality`: 0 to 10, as in `oggenc -q`."""

    def code(pair: Audio, coded_rate: int) -> tuple[Audio, int]:
        buffer = io.BytesIO()
        with soundfile.SoundFile(
            buffer,
            "w",
            samplerate=coded_rate,
            channels=len(pair),
            format="OGG",
            subtype="VORBIS",
            compression_level=1.0 - quality / 10.0,
        ) as out:
            for start in range(0, pair.shape[1], _VORBIS_BLOCK):
                out.write(pair[:, start : start + _VORBIS_BLOCK].T)
        return _decode_sndfile(buffer.getvalue())

    return _roundtrip(audio, rate, code, MPEG1_RATES, VORBIS_DELAY, align)


def resample(audio: Audio, rate: int, new_rate: int) -> Audio:
    """Band-limited resampling of `[channels, samples]` (soxr, very high quality); no delay."""
    if rate == new_rate:
        return audio
    out = soxr.resample(np.ascontiguousarray(audio.T), rate, new_rate, quality="VHQ")
    return np.ascontiguousarray(out.T, dtype=np.float32)


def fit_length(audio: Audio, samples: int) -> Audio:
    """`audio` cut or padded with silence at its end to exactly `samples`."""
    if audio.shape[1] >= samples:
        return np.ascontiguousarray(audio[:, :samples])
    return np.pad(audio, ((0, 0), (0, samples - audio.shape[1])))


def _roundtrip(
    audio: Audio,
    rate: int,
    code: Callable[[Audio, int], tuple[Audio, int]],
    rates: tuple[int, ...],
    delay: int,
    align: bool,
) -> Audio:
    coded_rate = _nearest(rates, rate)
    source = resample(np.asarray(audio, dtype=np.float32), rate, coded_rate)
    parts = []
    for first in range(0, len(source), 2):
        pair = source[first : first + 2]
        # The odd channel of several goes as both of a pair, which has the others' delay and bits.
        lone = len(pair) == 1 and len(source) > 1
        decoded, decoded_rate = code(np.repeat(pair, 2, axis=0) if lone else pair, coded_rate)
        decoded = decoded[:1] if lone else decoded
        if align:
            decoded = decoded[:, delay:]
        parts.append(resample(decoded, decoded_rate, rate))
    out = np.concatenate([fit_length(part, max(p.shape[1] for p in parts)) for part in parts])
    return fit_length(out, audio.shape[1]) if align else np.ascontiguousarray(out)


def _nearest(rates: tuple[int, ...], rate: int) -> int:
    """The lowest of `rates` that loses nothing of audio at `rate`, else the highest."""
    return next((r for r in rates if r >= rate), rates[-1])


@lru_cache(maxsize=256)
def _lame_rate(rate: int, kbps: int | None, vbr: float | None, channels: int) -> int:
    return _decode_sndfile(_lame(np.zeros((channels, 2304), np.float32), rate, kbps, vbr))[1]


def _lame(audio: Audio, rate: int, kbps: int | None, vbr: float | None, effort: int = 2) -> bytes:
    encoder = lameenc.Encoder()
    if kbps is not None:
        encoder.set_bit_rate(kbps)
    else:
        encoder.set_vbr(4)  # vbr_mtrh, what `lame -V` uses
        encoder.set_vbr_quality(vbr)
    encoder.set_in_sample_rate(rate)
    encoder.set_channels(len(audio))
    encoder.set_quality(effort)
    encoder.silence()
    pcm = np.clip(np.rint(audio * 32768.0), -32768, 32767).astype("<i2")
    return bytes(encoder.encode(pcm.T.tobytes()) + encoder.flush())


def _lame_left_right(audio: Audio, rate: int, kbps: int) -> bytes:
    """LAME through FFmpeg: lameenc cannot switch joint stereo off."""
    pcm = (np.clip(np.rint(audio * 32768.0), -32768, 32767) / 32768.0).astype(np.float32)
    # No Xing header: with it the decoder would remove the delay.
    container_options = {"write_xing": "0", "id3v2_version": "0"}
    return ffmpeg_encode(
        pcm, rate, "libmp3lame", "mp3", "fltp", 1000 * kbps, {"joint_stereo": "0"}, container_options
    )


def ffmpeg_encode(
    audio: NDArray[np.generic],
    rate: int,
    codec: str,
    container: str,
    sample_format: str,
    bits_per_s: int | None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> bytes:
    """A file by FFmpeg's libraries.

    Args:
        audio: one or two channels `[channels, samples]`, of the type that `sample_format` has.
        rate: samples per second, one that the codec takes.
        codec: the encoder's name.
        container: the format's name.
        sample_format: FFmpeg's name of the samples' type, one that the encoder takes; "p" at the end: planar.
        bits_per_s: the bit rate; None: what `options` say.
        options: of the encoder.
        container_options: of the format.

    Example:
        >>> data = ffmpeg_encode(np.zeros((1, 4800), np.float32), 48000, "libopus", "ogg", "flt", 64000)
        >>> ffmpeg_decode(data, "ogg")[1]
        48000
    """
    import av  # takes 40 ms, in which `list attacks` is done

    buffer = io.BytesIO()
    layout = "mono" if len(audio) == 1 else "stereo"
    planes = audio if sample_format.endswith("p") else audio.T.reshape(1, -1)
    with av.open(buffer, "w", format=container, options=container_options) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout, options=options)
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.format = av.AudioFormat(sample_format)
        if bits_per_s is not None:
            stream.codec_context.bit_rate = bits_per_s
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(planes), format=sample_format, layout=layout)
        frame.sample_rate = rate
        out.mux(stream.encode(frame) + stream.encode(None))
    return buffer.getvalue()


def frame_samples(frame: AudioFrame) -> Audio:
    """What a frame of FFmpeg's libraries holds, whatever the type of its samples.

    Args:
        frame: as it was decoded.

    Returns:
        `[channels, samples]`, whole numbers as shares of full scale.
    """
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    if samples.dtype.kind == "f":
        return samples.astype(np.float32, copy=False)
    full = 2.0 ** (8 * samples.dtype.itemsize - 1)
    middle = full if samples.dtype.kind == "u" else 0.0
    return ((samples - middle) / full).astype(np.float32)


def ffmpeg_decode(data: bytes, container: str) -> tuple[Audio, int]:
    """What FFmpeg's libraries make of a file.

    Args:
        data: the file.
        container: the format's name.

    Returns:
        `[channels, samples]`, whole numbers as shares of full scale, and samples per second.
    """
    import av

    with av.open(io.BytesIO(data), "r", format=container) as source:
        frames = list(source.decode(audio=0))
    return np.concatenate([frame_samples(f) for f in frames], axis=1), frames[0].sample_rate


def _decode_sndfile(data: bytes) -> tuple[Audio, int]:
    decoded, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    return np.ascontiguousarray(decoded.T), int(rate)
