"""Attacks of published benchmarks against the output of the benchmarks' own code.

`originals.npz` holds, for each attack and two bundled clips (three seconds from the first second on, the mean
of the channels, at the rate that the benchmark runs at): the number of samples of the original's output, the
rate, its RMS, and 96 samples at places drawn by `default_rng(0)`. The original code ran at the commits named
in `attacks/sources.py`, its random numbers drawn from `default_rng(7)` as ours are.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from soundsafe import attacks, codecs, datasets
from soundsafe.attacks import published

ORIGINALS = dict(np.load(Path(__file__).with_name("originals.npz")))
CLIPS = ("rock", "speech_ukrainian")
HEAD = 3
AT_LEAST_DB = 40.0

# What another release of an encoder makes of the same settings (FFmpeg 5.1 and libopus of the originals), or
# LAME of samples that were rounded to 16 bits elsewhere. The level is held to a decibel.
OTHER_ENCODER = {
    "rawbench_aac_64": 20.0, "rawbench_aac_128": 30.0, "omniseal_aac_12": 25.0, "omniseal_aac_24": 30.0,
    "deepmark_mp3_q3": 35.0, "audiowmark_double_mp3_128": 30.0,
}  # fmt: skip
OTHER_OPUS = {f"audiomarkbench_opus_{k}" for k in (1, 2, 4, 8, 16, 31)}


def clip(name: str, rate: int) -> NDArray[np.float32]:
    file = Path(datasets.__file__).parent / "corpus" / f"{name}.flac"
    samples, own = soundfile.read(file, dtype="float32", always_2d=True, start=44100, frames=3 * 44100)
    return codecs.resample(samples.T.mean(axis=0, keepdims=True), own, rate)


def compare(name: str, which: int) -> tuple[int, float, float]:
    """Samples too many, decibels too loud, and the SNR against the original's output, at the probes."""
    stored = ORIGINALS[name][which]
    samples, rate, rms = int(stored[0]), int(stored[1]), float(stored[2])
    attack = attacks.get(name)
    if attack.left_out:
        pytest.skip(attack.left_out)
    out = attack.apply(clip(CLIPS[which], rate), rate, np.random.default_rng(7))
    assert out.shape[0] == 1
    probes = stored[HEAD:].astype(np.float64)
    places = np.random.default_rng(0).integers(0, samples, len(probes))
    got = codecs.fit_length(out, samples)[0, places].astype(np.float64)
    level = float(np.sqrt(np.mean(out.astype(np.float64) ** 2)))
    error = max(float(np.sum((got - probes) ** 2)), 1e-30)
    snr = 10 * np.log10(max(float(np.sum(probes**2)), 1e-30) / error)
    return out.shape[1] - samples, 20 * np.log10(max(level, 1e-12) / max(rms, 1e-12)), snr


def _cases() -> list[object]:
    """All attacks and clips; the first strength of each kind with the first clip, all else marked `slow`."""
    seen: set[str] = set()
    out: list[object] = []
    for name in (n for n in ORIGINALS if n not in OTHER_OPUS):
        kind = attacks.get(name).kind
        for which, title in enumerate(CLIPS):
            marks = [pytest.mark.slow] if kind in seen else []
            out.append(pytest.param(name, which, id=f"{name}-{title}", marks=marks))
            seen.add(kind)
    return out


@pytest.mark.parametrize(("name", "which"), _cases())
def test_it_is_the_original(name: str, which: int) -> None:
    too_many, louder_db, snr_db = compare(name, which)
    assert too_many == 0
    assert abs(louder_db) <= (1.0 if name in OTHER_ENCODER else 0.1)
    assert snr_db >= OTHER_ENCODER.get(name, AT_LEAST_DB)


@pytest.mark.parametrize("name", ["audiomarkbench_opus_16", "audiomarkbench_opus_31"])
def test_opus_is_as_long_and_as_loud_as_the_original(name: str) -> None:
    too_many, louder_db, _ = compare(name, 1)
    assert too_many == 0
    assert abs(louder_db) <= 1.0


def test_at_least_sixty_attacks_are_held_to_their_originals() -> None:
    assert len(set(ORIGINALS) - OTHER_OPUS - set(OTHER_ENCODER)) >= 60


@pytest.mark.parametrize("name", ["rawbench_compression_-27dB", "omniseal_smooth_10", "omniseal_boost_50%"])
def test_the_comparison_can_fail(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the output of the next strength in the place of its own, it does."""
    other = {
        "rawbench_compression_-27dB": "rawbench_compression_-18dB",
        "omniseal_smooth_10": "omniseal_smooth_8",
        "omniseal_boost_50%": "omniseal_boost_60%",
    }[name]
    monkeypatch.setitem(ORIGINALS, name, ORIGINALS[other])
    assert compare(name, 0)[2] < AT_LEAST_DB


def test_smoothing_is_a_mean_of_what_follows() -> None:
    audio = np.arange(6, dtype=np.float32)[None]
    np.testing.assert_allclose(published.smoothed(audio, 3), [[1, 2, 3, 4, 0, 0]])
    assert not published.smoothed(audio, 7).any()


def test_an_echo_before_keeps_the_peak_and_ends_in_silence() -> None:
    audio = np.zeros((1, 100), np.float32)
    audio[0, 60] = 0.5
    out = published.echo_before(audio, 11, 0.4)
    assert out[0, 60] == pytest.approx(0.5)
    assert out[0, 50] == pytest.approx(0.2)
    assert not out[0, 90:].any()
    np.testing.assert_array_equal(published.echo_before(audio[:, :5], 11, 0.4), audio[:, :5])
