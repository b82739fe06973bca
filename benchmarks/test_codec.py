"""Cost of marking and reading, as ratios: `pytest benchmarks --dist no`.

Times of different machines cannot be compared. Two ratios can, roughly, and are printed below the table:
seconds of work per second of audio, and the time in units of one MP3 round trip of the same audio.
"""

from __future__ import annotations

import time

import pytest
import soxr
from pytest_benchmark.fixture import BenchmarkFixture

import soundsafe
from soundsafe import datasets
from soundsafe.aliases import Audio
from soundsafe.codecs import mp3_roundtrip

RATE, SECONDS = 44_100, 8


@pytest.fixture(scope="module", params=["mono", "stereo"])
def audio(request: pytest.FixtureRequest) -> Audio:
    clip = next(c for c in datasets.load("bundled").clips if c.clip == "rock").read()[0]
    return clip if request.param == "stereo" else clip.mean(axis=0, keepdims=True)


@pytest.fixture(scope="module")
def mp3_seconds(audio: Audio) -> float:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        mp3_roundtrip(audio, RATE, kbps=192)
        times.append(time.perf_counter() - start)
    return min(times)


def note(benchmark: BenchmarkFixture, mp3_seconds: float) -> None:
    if benchmark.stats is not None:
        best = benchmark.stats.stats.min
        benchmark.extra_info["seconds_per_second_of_audio"] = round(best / SECONDS, 4)
        benchmark.extra_info["mp3_round_trips"] = round(best / mp3_seconds, 2)


@pytest.mark.parametrize("quality", ["fast", "default", "best"])
def test_embed(benchmark: BenchmarkFixture, audio: Audio, mp3_seconds: float, quality: str) -> None:
    answer = benchmark.pedantic(
        soundsafe.embed, (audio, RATE, b"benchmark"), {"quality": quality}, rounds=3, warmup_rounds=1
    )
    note(benchmark, mp3_seconds)
    assert answer.euls == SECONDS


@pytest.mark.parametrize("state", ["marked", "cut", "unmarked"])
def test_decode(benchmark: BenchmarkFixture, audio: Audio, mp3_seconds: float, state: str) -> None:
    heard = audio if state == "unmarked" else soundsafe.embed(audio, RATE, b"benchmark").audio
    assert heard is not None
    heard = heard[:, 12_345:] if state == "cut" else heard
    answer = benchmark.pedantic(soundsafe.decode, (heard, RATE), rounds=5, warmup_rounds=1)
    note(benchmark, mp3_seconds)
    assert answer.ok == (state != "unmarked")


def test_decode_at_48_khz(benchmark: BenchmarkFixture, audio: Audio, mp3_seconds: float) -> None:
    marked = soundsafe.embed(audio, RATE, b"benchmark").audio
    assert marked is not None
    heard = soxr.resample(marked.T, RATE, 48_000).T
    answer = benchmark.pedantic(soundsafe.decode, (heard, 48_000), rounds=5, warmup_rounds=1)
    note(benchmark, mp3_seconds)
    assert answer.ok
