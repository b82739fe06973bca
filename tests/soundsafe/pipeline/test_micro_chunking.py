from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import soundsafe.pipeline.micro_chunking as micro_chunking
from soundsafe.pipeline.micro_chunking import (
    DeterministicMapper,
    MicroChunker,
    apply_psychoacoustic_gate,
    apply_psychoacoustic_gate_batched,
)
from soundsafe.pipeline.moore_glasberg import MooreGlasbergAnalyzer
from soundsafe.stft import RATE, stft


def music(length, seed=0):
    """Two tones over quiet noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(length) / RATE
    tones = 0.2 * np.sin(2 * np.pi * 440 * t) + 0.1 * np.sin(2 * np.pi * 3100 * t)
    return (tones + 0.003 * rng.standard_normal(length)).astype(np.float32)


class TestMicroChunker:
    def test_the_missions_numbers(self):
        chunker = MicroChunker()
        assert (chunker.window_samples, chunker.hop_samples) == (661, 330)
        assert chunker.chunk(np.zeros((1, RATE), np.float32)).shape == (1, 133, 661)
        assert chunker.starts(RATE)[:3].tolist() == [0, 330, 660]

    @given(
        length=st.integers(1, 5000),
        overlap=st.sampled_from([0.0, 0.25, 0.5, 0.75]),
        double=st.booleans(),
        seed=st.integers(0, 1000),
    )
    @settings(max_examples=60, deadline=None)
    def test_overlap_add_is_perfect(self, length, overlap, double, seed):
        x = torch.from_numpy(np.random.default_rng(seed).standard_normal((2, length)))
        x = x if double else x.float()
        chunker = MicroChunker(overlap_ratio=overlap)
        back = chunker.overlap_add(chunker.chunk(x), length)
        assert back.shape == x.shape
        torch.testing.assert_close(back, x, atol=1e-14 if double else 1e-6, rtol=0)

    def test_every_sample_is_covered(self):
        chunker = MicroChunker()
        for length in (1, 661, 662, 991, 992, RATE):
            end = chunker.starts(length)[-1] + chunker.window_samples
            assert length <= end < length + chunker.window_samples

    def test_errors(self):
        with pytest.raises(ValueError, match="overlap_ratio"):
            MicroChunker(overlap_ratio=1.0)
        with pytest.raises(ValueError, match="no window"):
            MicroChunker(window_ms=0)
        with pytest.raises(ValueError, match="no samples"):
            MicroChunker().chunk(np.zeros(0, np.float32))
        with pytest.raises(ValueError, match="windows"):
            MicroChunker().overlap_add(torch.zeros(3, 661), RATE)


class TestDeterministicMapper:
    def test_the_missions_numbers(self):
        mapper = DeterministicMapper()
        assert (mapper.n_freq_bins, mapper.window_frames) == (442, 1)

    @given(window=st.integers(0, 10**6), n=st.integers(0, 442), seed=st.integers(0, 2**32 - 1))
    @settings(max_examples=40, deadline=None)
    def test_no_slot_repeats_and_more_slots_continue_the_list(self, window, n, seed):
        slots = DeterministicMapper().map_slots(window, n, seed)
        assert len(slots) == len(set(slots)) == n
        assert all(0 <= f < 442 and t == 0 for f, t in slots)
        assert slots == DeterministicMapper().map_slots(window, 442, seed)[:n]

    def test_seed_and_window_count(self):
        lists = [DeterministicMapper().map_slots(w, 20, s) for w in (0, 1) for s in (0, 1)]
        assert len({tuple(slots) for slots in lists}) == 4

    def test_longer_windows_have_more_frames(self):
        mapper = DeterministicMapper(window_ms=50)
        assert mapper.window_frames == 5
        assert {t for _, t in mapper.map_slots(0, 5 * 442, 0)} == set(range(5))

    def test_errors(self):
        with pytest.raises(ValueError, match="442 cells"):
            DeterministicMapper().map_slots(0, 443, 0)
        with pytest.raises(ValueError, match="no frame"):
            DeterministicMapper(window_ms=9)


def test_no_repetition_and_no_fusion():
    assert not {"EnhancedDeterministicMapper", "fuse_symbol_evidence"} & set(dir(micro_chunking))


class TestGate:
    def test_keeps_what_rises_above_the_masked_threshold_in_order(self):
        x = music(661)
        every = [(f, t) for f in reversed(range(442)) for t in (0, 1)]
        mag = stft(x.astype(np.float64)).abs().numpy()
        loud = mag >= MooreGlasbergAnalyzer().cell_thresholds(mag)
        kept = apply_psychoacoustic_gate(x, every, None)
        assert kept == [s for s in every if loud[s]]
        assert (9, 1) in kept  # the tone
        assert 0 < len(kept) < len(every)

    def test_silence_keeps_nothing(self):
        assert apply_psychoacoustic_gate(np.zeros(661, np.float32), [(5, 0), (50, 1)], None) == []

    @given(data=st.data(), n=st.integers(0, 5), length=st.sampled_from([300, 661, 4410]))
    @settings(max_examples=30, deadline=None)
    def test_batched_agrees_slot_by_slot(self, data, n, length):
        windows = np.stack([music(length, i) * 10.0**-i for i in range(n)]) if n else np.zeros((0, length))
        frames = stft(np.zeros(length)).shape[-1]
        slot = st.tuples(st.integers(0, 441), st.integers(0, frames - 1))
        lists = [data.draw(st.lists(slot, max_size=40)) for _ in range(n)]
        batched = apply_psychoacoustic_gate_batched(windows, lists)
        assert batched == [apply_psychoacoustic_gate(w, s, None) for w, s in zip(windows, lists, strict=True)]

    def test_a_models_transform_gives_the_same(self):
        def two_channels(x):
            spectrum = stft(x.double())
            return torch.stack([spectrum.real, spectrum.imag], 1)

        x = torch.from_numpy(music(661))[None]
        every = [(f, 1) for f in range(442)]
        model = SimpleNamespace(stft=two_channels)
        assert apply_psychoacoustic_gate(x, every, model) == apply_psychoacoustic_gate(x, every, None)

    def test_short_windows_and_other_grids(self):
        assert apply_psychoacoustic_gate(music(300), [(9, 0)], None) == [(9, 0)]
        assert apply_psychoacoustic_gate(music(661), [(5, 2)], None, n_fft=512, hop=256) == [(5, 2)]

    def test_errors(self):
        with pytest.raises(ValueError, match="2 frames"):
            apply_psychoacoustic_gate(music(661), [(0, 2)], None)
        with pytest.raises(ValueError, match="do not go with"):
            apply_psychoacoustic_gate_batched(np.zeros((2, 661)), [[]])
        with pytest.raises(ValueError, match="overlap_ratio"):
            apply_psychoacoustic_gate_batched(np.zeros((1, 661)), [[]], overlap_ratio=1.5)
