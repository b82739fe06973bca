"""The same samples give the same slots: whatever the threads, types, batches, blocks and processes."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from soundsafe.pipeline.ingest_and_chunk import iter_euls
from soundsafe.stft import RATE
from soundsafe.streams.eul_driver import EULDriver

DRIVERS = {name: EULDriver(profile=name, quality="fast") for name in ("seed", "robust")}
BOTH = pytest.mark.parametrize("driver", DRIVERS.values(), ids=DRIVERS.keys())


def second(seed):
    """A second of 16-bit samples: noise of a random slope under a random tone, at a random level."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal(RATE))
    hz = np.fft.rfftfreq(RATE, 1 / RATE)
    x = np.fft.irfft(spectrum / np.maximum(hz, 100.0) ** rng.uniform(0, 1.5), RATE)
    x = x / np.abs(x).max() + 0.5 * np.sin(2 * np.pi * rng.uniform(50, 8000) * np.arange(RATE) / RATE)
    x *= 10 ** rng.uniform(-3, -0.2) / np.abs(x).max()
    return (np.round(x * 2**15) / 2**15).astype(np.float32)


def answer(driver, x):
    """Everything that a layout says."""
    eul = driver.layout(x)
    return [eul.slots, eul.seed, eul.allocator["bits_per_band"]]


@pytest.mark.slow
@BOTH
@given(seed=st.integers(0, 10**6))
@settings(max_examples=3, deadline=None)
def test_types_shapes_strides_and_batches(driver, seed):
    x = second(seed)
    expected = answer(driver, x)
    strided = np.zeros((RATE, 2), np.float64)
    strided[:, 1] = x
    frozen = x.copy()
    frozen.flags.writeable = False
    for form in (
        x.astype(np.float64),
        x[None],
        torch.from_numpy(x),
        torch.from_numpy(x).double()[None],
        strided[:, 1],
        frozen,
        np.stack([x, x]),
        torch.from_numpy(np.stack([second(1), x, second(2)]))[1],
    ):
        assert answer(driver, form) == expected


@pytest.mark.slow
@BOTH
@given(seed=st.integers(0, 10**6))
@settings(max_examples=3, deadline=None)
def test_one_or_many_threads(driver, seed):
    x = second(seed)
    before = torch.get_num_threads()
    answers = []
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            answers.append(answer(driver, x))
    finally:
        torch.set_num_threads(before)
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.slow
@BOTH
@given(seed=st.integers(0, 10**6), cut=st.integers(1, 3 * RATE - 1))
@settings(max_examples=3, deadline=None)
def test_any_cutting_of_the_file(driver, seed, cut):
    x = np.concatenate([second(seed + i) for i in range(3)])[None]
    whole = [driver.layout(s).slots for s in iter_euls([x])]
    pieces = [driver.layout(s).slots for s in iter_euls([x[:, :cut], x[:, cut:]])]
    assert whole == pieces == [driver.layout(second(seed + i)).slots for i in range(3)]


@pytest.mark.slow
@BOTH
@given(seed=st.integers(0, 10**6), subtype=st.sampled_from(["PCM_16", "PCM_24"]))
@settings(max_examples=5, deadline=None)
def test_a_flac_round_trip(driver, seed, subtype):
    x = second(seed)
    file = io.BytesIO()
    soundfile.write(file, x, RATE, format="FLAC", subtype=subtype)
    file.seek(0)
    back, _ = soundfile.read(file, dtype="float32")
    assert answer(driver, back) == answer(driver, x)


@BOTH
def test_writing_is_deterministic(driver):
    payload = bytes(range(191))
    x = second(3)
    assert torch.equal(
        driver.encode_eul(x, payload), driver.encode_eul(x.astype(np.float64)[None], payload)[0]
    )


PROGRAM = """
import json, sys
import numpy as np
from soundsafe.streams.eul_driver import EULDriver
x = np.frombuffer(sys.stdin.buffer.read(), np.float32)
euls = [EULDriver(profile=profile).layout(x) for profile in ("seed", "robust")]
print(json.dumps([[e.slots, e.seed, e.allocator["bits_per_band"]] for e in euls]))
"""


@pytest.mark.slow
def test_two_processes_with_different_hash_seeds():
    x = second(11)
    answers = []
    for hash_seed in ("0", "12345"):
        process = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            input=x.tobytes(),
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
        )
        answers.append(json.loads(process.stdout))
    here = [answer(driver, x) for driver in DRIVERS.values()]
    assert answers[0] == answers[1] == here
