"""Round trips through the real codecs: delays, lengths, quality, silence."""

from __future__ import annotations

from collections.abc import Callable

import av
import numpy as np
import pytest
from scipy.signal import butter, fftconvolve, sosfilt

from soundsafe import codecs
from soundsafe.aliases import Audio

CODECS: dict[str, Callable[..., Audio]] = {
    "mp3_192": lambda a, r, **kw: codecs.mp3_roundtrip(a, r, kbps=192, **kw),
    "mp3_192_left_right": lambda a, r, **kw: codecs.mp3_roundtrip(a, r, kbps=192, joint=False, **kw),
    "mp3_64": lambda a, r, **kw: codecs.mp3_roundtrip(a, r, kbps=64, **kw),
    "mp3_V2": lambda a, r, **kw: codecs.mp3_roundtrip(a, r, vbr=2, **kw),
    "aac_128": lambda a, r, **kw: codecs.aac_roundtrip(a, r, kbps=128, **kw),
    "opus_96": lambda a, r, **kw: codecs.opus_roundtrip(a, r, kbps=96, **kw),
    "vorbis_q5": lambda a, r, **kw: codecs.vorbis_roundtrip(a, r, quality=5, **kw),
}
DELAYS = {
    "mp3_192": codecs.MP3_DELAY,
    "mp3_192_left_right": codecs.MP3_DELAY,
    "mp3_V2": codecs.MP3_DELAY,
    "aac_128": codecs.AAC_DELAY,
    "opus_96": codecs.OPUS_DELAY,
    "vorbis_q5": codecs.VORBIS_DELAY,
}


def signal(channels: int, rate: int = 44100, seconds: float = 1.0) -> Audio:
    """Noise between 200 Hz and 4 kHz with moving loudness: one sharp peak of correlation."""
    rng = np.random.default_rng(5)
    noise = rng.standard_normal((channels, round(rate * seconds)))
    shaped = sosfilt(butter(2, [200, 4000], "band", fs=rate, output="sos"), noise)
    envelope = 0.6 + 0.4 * np.sin(np.arange(noise.shape[1]) * 2 * np.pi * 3 / rate)
    return (0.2 * shaped * envelope / shaped.std()).astype(np.float32).clip(-1, 1)


def delay(result: Audio, source: Audio) -> int:
    n = source.shape[1]
    correlation = fftconvolve(result[0], source[0, ::-1])
    return int(np.argmax(correlation)) - (n - 1)


def snr_db(source: Audio, result: Audio) -> float:
    return float(10 * np.log10(np.sum(source**2) / np.sum((source - result) ** 2)))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("name", DELAYS)
def test_real_delay_is_the_measured_one(name: str, channels: int) -> None:
    rate = 48000 if name.startswith("opus") else 44100
    source = signal(channels, rate)
    result = CODECS[name](source, rate)
    assert delay(result, source) == DELAYS[name]
    assert result.dtype == np.float32
    assert result.shape[0] == channels
    assert result.shape[1] >= source.shape[1]


def test_lame_delay_is_1105_samples() -> None:
    assert codecs.MP3_DELAY == 1105


@pytest.mark.parametrize("rate", [22050, 44100, 48000, 96000])
@pytest.mark.parametrize(("kbps", "channels"), [(192, 2), (96, 2), (64, 2), (64, 1), (48, 1)])
def test_mp3_delay_where_lame_changes_the_rate(kbps: int, channels: int, rate: int) -> None:
    source = signal(channels, rate)
    result = codecs.mp3_roundtrip(source, rate, kbps=kbps)
    assert abs(delay(result, source) - codecs.mp3_delay(rate, kbps=kbps, channels=channels)) <= 1


@pytest.mark.parametrize("rate", [16000, 32000, 44100, 48000, 96000])
@pytest.mark.parametrize("name", CODECS)
def test_align_restores_place_and_length(name: str, rate: int) -> None:
    source = signal(2, rate)
    result = CODECS[name](source, rate, align=True)
    assert result.shape == source.shape
    assert result.dtype == np.float32
    assert delay(result, source) == 0
    assert snr_db(source, result) > 5


@pytest.mark.parametrize("name", CODECS)
def test_many_channels_and_short_or_silent_audio(name: str) -> None:
    three = np.concatenate([signal(2), signal(1)])
    out = CODECS[name](three, 44100, align=True)
    assert out.shape == three.shape
    assert [delay(out[i : i + 1], three[i : i + 1]) for i in range(3)] == [0, 0, 0]
    for audio in (np.zeros((2, 44100), np.float32), signal(1)[:, :300]):
        result = CODECS[name](audio, 44100, align=True)
        assert result.shape == audio.shape
        assert np.isfinite(result).all()


def test_more_bits_give_less_error() -> None:
    source = signal(2)
    results = [codecs.mp3_roundtrip(source, 44100, kbps=kbps, align=True) for kbps in (320, 192, 128)]
    ratios = [snr_db(source, result) for result in results]
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[0] > ratios[-1] + 3


def test_joint_stereo_saves_bits_where_the_channels_agree() -> None:
    source = np.repeat(signal(1), 2, axis=0)
    joint = codecs.mp3_roundtrip(source, 44100, kbps=128, align=True)
    apart = codecs.mp3_roundtrip(source, 44100, kbps=128, joint=False, align=True)
    assert snr_db(source, joint) > snr_db(source, apart) + 3


def test_loud_audio_is_clipped_not_wrapped() -> None:
    loud = signal(1) * 8
    result = codecs.mp3_roundtrip(loud, 44100, kbps=320, align=True)
    assert np.abs(result).max() < 2.0
    assert snr_db(loud.clip(-1, 1), result) > 10


def test_lame_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    codecs.mp3_roundtrip(signal(2), 44100, kbps=128)
    codecs.mp3_roundtrip(signal(2), 44100, kbps=128, joint=False)
    codecs.mp3_roundtrip(signal(2), 44100, vbr=2)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_deterministic() -> None:
    source = signal(2)
    for codec in CODECS.values():
        np.testing.assert_array_equal(codec(source, 44100), codec(source, 44100))


@pytest.mark.parametrize("arguments", [{}, {"kbps": 128, "vbr": 2}, {"vbr": 2, "joint": False}])
def test_contradictory_mp3_settings(arguments: dict) -> None:
    with pytest.raises(ValueError, match="mp3_roundtrip"):
        codecs.mp3_roundtrip(signal(1), 44100, **arguments)


@pytest.mark.parametrize("name", ["mp3_64", "mp3_192", "opus_96"])
def test_an_odd_channel_comes_as_late_as_the_pairs(name: str) -> None:
    three = np.repeat(signal(1), 3, axis=0)
    out = CODECS[name](three, 44100)
    assert len(out) == 3
    lags = [int(np.argmax(fftconvolve(heard, three[0][::-1]))) for heard in out]
    assert max(lags) - min(lags) <= 1


@pytest.mark.parametrize("name", ["u8", "s16", "s32", "flt", "dbl"])
@pytest.mark.parametrize("planar", [False, True])
def test_a_frame_of_any_type_gives_its_channels_as_shares_of_full_scale(name: str, planar: bool) -> None:
    shares = np.array([[-1.0, -0.5, 0.0, 0.5], [0.25, 0.0, -0.25, 0.75]])
    full, kind = {"u8": (128, "u1"), "s16": (2**15, "i2"), "s32": (2**31, "i4")}.get(name, (1, "f8"))
    values = (shares * full + (128 if name == "u8" else 0)).astype("f4" if name == "flt" else kind)
    planes = values if planar else values.T.reshape(1, -1)
    form = f"{name}p" if planar else name
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(planes), format=form, layout="stereo")
    samples = codecs.frame_samples(frame)
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples, shares)
