"""Attacks in process against the same ones through programs: `pytest benchmarks/test_attacks.py --dist no`.

Each cell is an attack on a stereo clip. A program is started for every cell, one after the other, as a script
would do it, on a WAV file that is already there, and its result is read back; the encoder's effort is the
same. The library works in one process, and on all cores as the bench does. All are timed in one run; the
ratios are printed below the table. Needs ffmpeg, sox and lame. Where audiomentations is installed, its own
calls are timed too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pytest_benchmark.fixture import BenchmarkFixture

from soundsafe import attacks, datasets
from soundsafe.aliases import Audio

RATE = 44_100
_FFMPEG = "ffmpeg -nostdin -loglevel error -y"
PROGRAMS = {
    "mp3_192": "lame --quiet -q 2 -b 192 {i} {t}.mp3 && lame --quiet --decode {t}.mp3 {o}",
    "mp3_V2": "lame --quiet -q 2 -V 2 {i} {t}.mp3 && lame --quiet --decode {t}.mp3 {o}",
    "aac_128": f"{_FFMPEG} -i {{i}} -c:a aac -b:a 128k {{t}}.m4a && {_FFMPEG} -i {{t}}.m4a {{o}}",
    "opus_96": f"{_FFMPEG} -i {{i}} -c:a libopus -b:a 96k {{t}}.ogg"
    f" && {_FFMPEG} -i {{t}}.ogg -ar 44100 {{o}}",
    "vorbis_q5": f"{_FFMPEG} -i {{i}} -c:a libvorbis -q:a 5 {{t}}.ogg && {_FFMPEG} -i {{t}}.ogg {{o}}",
    "limiter_-3dB": f"{_FFMPEG} -i {{i}} -af alimiter=limit=0.7:level=false {{o}}",
    "gain_-3dB": "sox {i} {o} gain -3",
    "gain_-6dB": "sox {i} {o} gain -6",
    "lowpass_8000Hz": "sox {i} {o} lowpass 8000",
    "highpass_100Hz": "sox {i} {o} highpass 100",
    "resample_22050": "sox {i} -r 22050 {t}.wav && sox {t}.wav -r 44100 {o}",
    "resample_16000": "sox {i} -r 16000 {t}.wav && sox {t}.wav -r 44100 {o}",
    "bits_8": "sox {i} -b 8 {t}.wav && sox {t}.wav -b 16 {o}",
    "speed_+5%": "sox {i} {o} speed 1.05 rate 44100",
    "speed_-5%": "sox {i} {o} speed 0.95 rate 44100",
    "tempo_wsola_+5%": "sox {i} {o} tempo 1.05",
    "crop_0.5s": "sox {i} {o} trim 0.5",
}
FACTOR = {10: 2.5, 1: 5.0}
"""How many times as many cells a second the library must do on all cores, by seconds of audio."""


def _clip(seconds: int) -> Audio:
    audio = next(c for c in datasets.load("bundled").clips if c.clip == "rock").read()[0]
    return np.ascontiguousarray(np.tile(audio, (1, 2))[:, : seconds * RATE])


def _seconds(work: Callable[[], object], rounds: int = 5) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def _cell(name: str, audio: Audio) -> int:
    return int(attacks.get(name).apply(audio, RATE, np.random.default_rng(0)).shape[1])


@pytest.mark.parametrize("seconds", list(FACTOR))
def test_against_programs(benchmark: BenchmarkFixture, tmp_path: Path, seconds: int) -> None:
    for program in ("ffmpeg", "sox", "lame"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    audio = _clip(seconds)
    source = tmp_path / "in.wav"
    soundfile.write(source, audio.T, RATE, subtype="PCM_16")

    def in_process() -> None:
        for name in PROGRAMS:
            _cell(name, audio)

    def through_programs() -> None:
        for number, line in enumerate(PROGRAMS.values()):
            out = tmp_path / f"out{number}.wav"
            command = line.format(i=source, o=out, t=tmp_path / f"middle{number}")
            subprocess.run(command, shell=True, check=True, capture_output=True)
            soundfile.read(out, dtype="float32")

    benchmark.pedantic(in_process, rounds=3, warmup_rounds=1)
    programs = _seconds(through_programs)
    cores = len(os.sched_getaffinity(0))
    # Codecs, NumPy and soxr let go of the interpreter as they work.
    with ThreadPoolExecutor(cores) as pool:
        on_cores = _seconds(lambda: list(pool.map(_cell, PROGRAMS, [audio] * len(PROGRAMS))))
    benchmark.extra_info["cells"] = len(PROGRAMS)
    benchmark.extra_info["times_as_fast_in_one_process"] = round(programs / _seconds(in_process), 2)
    benchmark.extra_info[f"times_as_fast_on_{cores}_cores"] = round(programs / on_cores, 2)
    assert programs / on_cores >= FACTOR[seconds]


def test_against_audiomentations(benchmark: BenchmarkFixture) -> None:
    """Where both have the transform, of the same steepness and effort: no slower but for the clock."""
    other = pytest.importorskip("audiomentations")
    pairs = {
        "gain_-3dB": other.Gain(min_gain_db=-3, max_gain_db=-3, p=1.0),
        "lowpass_8000Hz": other.LowPassFilter(
            min_cutoff_freq=8000, max_cutoff_freq=8000, min_rolloff=24, max_rolloff=24, p=1.0
        ),
        "highpass_100Hz": other.HighPassFilter(
            min_cutoff_freq=100, max_cutoff_freq=100, min_rolloff=24, max_rolloff=24, p=1.0
        ),
        "noise_white_20dB": other.AddGaussianSNR(min_snr_db=20, max_snr_db=20, p=1.0),
        "tempo_signalsmith_+5%": other.TimeStretch(
            min_rate=1.05, max_rate=1.05, leave_length_unchanged=False, p=1.0
        ),
        "mp3_192": other.Mp3Compression(
            min_bitrate=192, max_bitrate=192, backend="lameenc", quality=2, preserve_delay=True, p=1.0
        ),
    }
    audio = _clip(10)
    found = {}
    for name, transform in pairs.items():
        attack = attacks.get(name)
        found[name] = (
            _seconds(lambda t=transform: t(samples=audio, sample_rate=RATE)),  # type: ignore[misc]
            _seconds(lambda a=attack: a.apply(audio, RATE, np.random.default_rng(0))),  # type: ignore[misc]
        )
        benchmark.extra_info[name] = round(found[name][0] / found[name][1], 2)
    chosen = [attacks.get(name) for name in found]
    benchmark.pedantic(lambda: [a.apply(audio, RATE, np.random.default_rng(0)) for a in chosen], rounds=3)
    theirs, ours = (sum(times) for times in zip(*found.values(), strict=True))
    benchmark.extra_info["times_as_fast_as_audiomentations"] = round(theirs / ours, 2)
    assert theirs >= 0.97 * ours
