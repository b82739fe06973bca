"""The default profile's layouts: the same samples give the same slots, whatever brings them."""

import io

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import soundsafe
from soundsafe import datasets
from soundsafe.cells.code import CellCode
from soundsafe.cells.detector import detect
from soundsafe.cells.profile import PHASES
from soundsafe.message.coding import N
from soundsafe.stft import RATE

CODE = CellCode()

EULS = PHASES


def clip(seed, channels=2):
    """16-bit noise of a random slope under a random tone: `EULS` seconds, ``[channels, samples]``."""
    rng = np.random.default_rng(seed)
    n = EULS * RATE
    hz = np.fft.rfftfreq(n, 1 / RATE)
    tilt = np.maximum(hz, 100.0) ** rng.uniform(0, 2.5)
    x = np.fft.irfft(np.fft.rfft(rng.standard_normal((channels, n))) / tilt, n)
    x = x / np.abs(x).max() + 0.5 * np.sin(2 * np.pi * rng.uniform(50, 8000) * np.arange(n) / RATE)
    x *= 10 ** rng.uniform(-2, -0.2) / np.abs(x).max()
    return (np.round(x * 2**15) / 2**15).astype(np.float32)


def answer(x):
    return [(eul.slots, eul.seed, eul.allocator) for eul in soundsafe.layouts(x, RATE)]


@given(seed=st.integers(0, 10**6))
@settings(max_examples=4, deadline=None)
def test_types_strides_and_memory(seed):
    x = clip(seed)
    frozen = x.copy()
    frozen.flags.writeable = False
    for form in (x.astype(np.float64), torch.from_numpy(x), torch.from_numpy(x).double(),
                 np.asfortranarray(x), np.stack([x, x], axis=2)[:, :, 1], frozen):  # fmt: skip
        assert answer(form) == answer(x)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=4, deadline=None)
def test_one_or_many_threads(seed):
    x = clip(seed)
    before = torch.get_num_threads()
    answers = []
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            answers.append(answer(x))
    finally:
        torch.set_num_threads(before)
    assert answers[0] == answers[1] == answers[2]


@given(seed=st.integers(0, 10**6))
@settings(max_examples=3, deadline=None)
def test_alone_or_within_more(seed):
    """The layout of a second does not depend on how many seconds are analysed together."""
    x = clip(seed)
    whole = answer(x)
    for euls in range(1, EULS):
        assert answer(x[:, : euls * RATE + RATE // 2])[:euls] == whole[:euls]


@given(seed=st.integers(0, 10**6), subtype=st.sampled_from(["PCM_16", "PCM_24"]))
@settings(max_examples=4, deadline=None)
def test_a_flac_round_trip(seed, subtype):
    x = clip(seed)
    file = io.BytesIO()
    soundfile.write(file, x.T, RATE, format="FLAC", subtype=subtype)
    file.seek(0)
    back, _ = soundfile.read(file, dtype="float32", always_2d=True)
    assert answer(back.T) == answer(x)


@pytest.mark.parametrize("name", ["silence", "tone", "impulse", "dc"])
def test_2040_bits_for_any_input(name):
    x = np.zeros((2, EULS * RATE), np.float32)
    if name == "tone":
        x[:] = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(x.shape[1]) / RATE)
    elif name == "impulse":
        x[:, ::RATE] = 1.0
    elif name == "dc":
        x[:] = 0.5
    for eul in soundsafe.layouts(x, RATE):
        for mixture in eul.allocator.get("mixtures", [eul.allocator]):
            assert sum(mixture["bits_per_band"]) == N


def test_channels_apart_have_layouts_of_their_own():
    last = soundsafe.layouts(clip(1), RATE)[PHASES - 1]
    assert len(last.allocator["mixtures"]) == 2
    assert last.features.shape[0] == 48
    left = clip(1)
    left[1] = 0.0
    assert soundsafe.layouts(left, RATE)[PHASES - 1].slots != last.slots


@pytest.fixture(scope="module")
def marked():
    audio, rate = datasets.load("bundled").clips[1].read()
    return soundsafe.embed(audio[:, : EULS * rate], rate, b"mark").audio


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 1000, 30_011, RATE, 10 * RATE], ids=str)
def test_the_detector_takes_the_same_slots_from_any_blocks(marked, size):
    if size == 1:  # one sample at first, then the rest
        blocks = [marked[:, :1], marked[:, 1:]]
    else:
        blocks = [marked[:, i : i + size] for i in range(0, marked.shape[1], size)]
    found = detect(iter(blocks), CODE).euls
    whole = detect(iter([marked]), CODE).euls
    assert [(e.start_s, e.slots, e.seed, e.ok) for e in found] == [
        (e.start_s, e.slots, e.seed, e.ok) for e in whole
    ]
    assert len(whole) == EULS


@pytest.mark.slow
def test_the_detector_takes_the_embedders_slots(marked):
    audio, rate = datasets.load("bundled").clips[1].read()
    clean = soundsafe.layouts(audio[:, : EULS * rate], rate)
    assert [e.slots for e in soundsafe.decode(marked, rate).euls] == [e.slots for e in clean]
