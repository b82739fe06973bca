"""Codecs of telephones and of Bluetooth: FFmpeg's own by PyAV, others by FFmpeg's program.

Every channel goes by itself through the codec's rate. Most delay by a few milliseconds, which are left in;
the length is kept. AAC-HE and AMR wide band are not here: neither PyAV nor Debian's FFmpeg can write them.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from soundsafe import codecs
from soundsafe.attacks import published
from soundsafe.attacks.audiomarkbench import opus_round_trip
from soundsafe.attacks.programs import Program
from soundsafe.attacks.registry import Audio, attack, unknown_delay
from soundsafe.errors import InputError

FFMPEG = Program("ffmpeg", "ffmpeg")


def _each(audio: Audio, rate: int, own_rate: int, code: Callable[[Audio], Audio]) -> Audio:
    """`code` applied to each channel at `own_rate`; as long as before."""
    down = codecs.resample(audio, rate, own_rate)
    out = [codecs.resample(code(channel[None]), own_rate, rate) for channel in down]
    return np.concatenate([codecs.fit_length(channel, audio.shape[1]) for channel in out])


@attack(
    "telephone",
    {
        "telephone_g711_mulaw": {"codec": "pcm_mulaw", "hz": 8000, "kbps": 64},
        "telephone_g711_alaw": {"codec": "pcm_alaw", "hz": 8000, "kbps": 64},
        "telephone_g722_64": {"codec": "g722", "hz": 16000, "kbps": 64},
    }
    | {
        f"telephone_amr_{k}": {"codec": "libopencore_amrnb", "hz": 8000, "kbps": k}
        for k in (12.2, 7.95, 4.75)
    },
    engine="FFmpeg (PyAV)",
)
def telephone(
    audio: Audio, rate: int, rng: np.random.Generator, *, codec: str, hz: int, kbps: float
) -> Audio:
    """G.711 (its two laws), G.722 and AMR narrow band, at the codec's rate of 8 or 16 kHz. AMR delays
    by 5 ms, the others by less; length kept."""
    return _each(audio, rate, hz, lambda x: _packets(x, codec, hz, round(1000 * kbps)))


@attack(
    "telephone",
    {f"telephone_opus_{k}": {"kbps": k} for k in (24, 16)},
    engine="libopus (PyAV)",
)
def telephone_opus(audio: Audio, rate: int, rng: np.random.Generator, *, kbps: int) -> Audio:
    """Opus of calls over the internet: one channel of 16 kHz. No delay, length kept."""
    return _each(audio, rate, 16000, lambda x: opus_round_trip(x, 16000, 1000 * kbps, 5))


@attack(
    "telephone",
    {f"telephone_g726_{k}": {"kbps": k} for k in (32, 24, 16)},
    engine="FFmpeg (PyAV)",
)
def telephone_g726(audio: Audio, rate: int, rng: np.random.Generator, *, kbps: int) -> Audio:
    """G.726 at 8 kHz, in WAV. No delay, length kept."""
    return _each(audio, rate, 8000, lambda x: _in_wav(x, "g726", 8000, 1000 * kbps))


def _in_wav(audio: Audio, codec: str, rate: int, bits_per_s: int) -> Audio:
    pcm = np.clip(np.rint(audio * 32768), -32768, 32767).astype(np.int16)
    return codecs.ffmpeg_decode(codecs.ffmpeg_encode(pcm, rate, codec, "wav", "s16", bits_per_s), "wav")[0]


@attack(
    "bluetooth",
    {f"bluetooth_sbc_{k}": {"codec": "sbc", "hz": 44100, "kbps": k} for k in (328, 229, 128)}
    | {"bluetooth_aptx": {"codec": "aptx", "hz": 44100, "kbps": 352}},
    engine="FFmpeg (PyAV)",
)
def bluetooth(audio: Audio, rate: int, rng: np.random.Generator, *, codec: str, hz: int, kbps: int) -> Audio:
    """What headphones get: SBC at a bit rate for two channels, aptX at its one. Delayed by 2 ms or less,
    length kept."""

    def code(channel: Audio) -> Audio:
        return _packets(np.repeat(channel, 2, axis=0), codec, hz, 1000 * kbps)[:1]

    return _each(audio, rate, hz, code)


_FORMATS = {"pcm_mulaw": "s16", "pcm_alaw": "s16", "g722": "s16", "libopencore_amrnb": "s16",
            "sbc": "s16", "aptx": "s32p"}  # fmt: skip
_DECODERS = {"libopencore_amrnb": "amrnb"}
_WHOLE = {"s16": 32768.0, "s16p": 32768.0, "s32p": 2147483648.0}


def _packets(audio: Audio, codec: str, rate: int, bits_per_s: int) -> Audio:
    """`audio` (one or two channels) through encoder and decoder, packet by packet, with no container."""
    import av  # takes 40 ms, in which `list attacks` is done

    layout = "stereo" if len(audio) == 2 else "mono"
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.AudioCodecContext)
    name = _FORMATS[codec]
    encoder.sample_rate, encoder.layout, encoder.format = rate, layout, av.AudioFormat(name)
    encoder.bit_rate = bits_per_s
    encoder.open()
    decoder = av.CodecContext.create(_DECODERS.get(codec, codec), "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.sample_rate, decoder.layout = rate, layout
    whole = _WHOLE[name]
    steps = np.clip(np.rint(audio.astype(np.float64) * whole), -whole, whole - 1)
    steps = steps.astype(np.int16 if whole == 32768.0 else np.int32)
    size = encoder.frame_size or 320
    steps = np.pad(steps, ((0, 0), (0, -steps.shape[1] % size + 4 * size)))
    out: list[Audio] = []
    for start in range(0, steps.shape[1], size):
        piece = np.ascontiguousarray(steps[:, start : start + size])
        planes = piece if name.endswith("p") else piece.T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(planes), format=name, layout=layout)
        frame.sample_rate, frame.pts = rate, start
        for packet in encoder.encode(frame):
            out += [codecs.frame_samples(f) for f in decoder.decode(packet)]
    return np.concatenate(out, axis=1)[: len(audio)]


@attack(
    "telephone",
    {
        "telephone_gsm": {"codec": "libgsm", "suffix": "gsm", "hz": 8000, "kbps": 13},
        "telephone_speex_8": {"codec": "libspeex", "suffix": "spx", "hz": 8000, "kbps": 8},
        "telephone_speex_24": {"codec": "libspeex", "suffix": "spx", "hz": 16000, "kbps": 24},
        "telephone_codec2_3.2": {"codec": "libcodec2", "suffix": "c2", "hz": 8000, "kbps": 3.2},
    },
    engine="FFmpeg (program)",
    delay=unknown_delay,
    program=FFMPEG,
)
def telephone_by_program(
    audio: Audio, rate: int, rng: np.random.Generator, *, codec: str, suffix: str, hz: int, kbps: float
) -> Audio:
    """GSM full rate, Speex and Codec 2, which FFmpeg's program has in Debian and PyAV has not. Delayed by up
    to two frames of 20 ms, length kept."""
    return _each(audio, rate, hz, lambda x: _by_program(x, hz, codec, suffix, kbps))


def _by_program(audio: Audio, rate: int, codec: str, suffix: str, kbps: float) -> Audio:
    if reason := FFMPEG.missing():
        raise InputError(reason)
    with tempfile.TemporaryDirectory() as folder:
        source, between, target = (Path(folder) / n for n in ("in.wav", f"between.{suffix}", "out.wav"))
        soundfile.write(source, audio.T, rate, subtype="PCM_16")
        mode = ["-mode", "3200"] if codec == "libcodec2" else ["-b:a", f"{kbps}k"]
        for options in (
            ["-i", str(source), "-c:a", codec, *mode, str(between)],
            ["-i", str(between), "-ar", str(rate), "-ac", "1", str(target)],
        ):
            done = subprocess.run([FFMPEG.name, "-y", "-v", "error", *options], capture_output=True)
            if done.returncode:
                last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
                raise InputError(f"ffmpeg cannot code {codec}: {' '.join(last)}")
        samples = soundfile.read(target, dtype="float32", always_2d=True)[0]
    return np.ascontiguousarray(samples.T)


@attack(
    "telephone",
    {f"telephone_mp3_8kHz_{k}": {"kbps": k} for k in (8, 16, 24)},
    engine="LAME (PyAV)",
)
def telephone_mp3(audio: Audio, rate: int, rng: np.random.Generator, *, kbps: int) -> Audio:
    """MP3 at 8 kHz, as of answering machines and dictation. No delay, length kept."""
    return _each(audio, rate, 8000, lambda x: published.mp3_aligned(x, 8000, 1000 * kbps))
