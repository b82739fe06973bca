import hashlib
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from soundsafe.errors import NotMarkable
from soundsafe.message import coding
from soundsafe.pipeline import ingest_and_chunk
from soundsafe.pipeline.features import magnitude
from soundsafe.pipeline.ingest_and_chunk import (
    SlotDriver,
    allocate_slots_and_amplitudes,
    allocator_seed,
    iter_euls,
    one_second,
    rate_of_second,
)
from soundsafe.pipeline.moore_glasberg import MooreGlasbergAnalyzer
from soundsafe.pipeline.parity import parity_frames
from soundsafe.pipeline.rules import ROBUST, SEED
from soundsafe.stft import RATE

ANALYZER = MooreGlasbergAnalyzer()
PAYLOAD = bytes(range(191))
ALL_RULES = pytest.mark.parametrize("rules", [SEED, ROBUST], ids=lambda rules: rules.name)


def music(seed=0, rate=RATE):
    """One second: noise with the slope of music under six notes that come and go."""
    rng = np.random.default_rng(seed)
    hz = np.fft.rfftfreq(rate, 1 / rate)
    x = np.fft.irfft(np.fft.rfft(rng.standard_normal(rate)) / np.maximum(hz, 200.0), rate)
    x *= 0.05 / x.std()
    t = np.arange(rate) / rate
    for f in rng.uniform(200, 2000, 6):
        x += 0.03 * np.sin(2 * np.pi * f * t) * (0.6 + 0.4 * np.sin(2 * np.pi * rng.uniform(1, 4) * t))
    return x.astype(np.float32)


TIME = np.arange(RATE) / RATE
ODD_INPUTS = {
    "silence": np.zeros(RATE, np.float32),
    "tone": np.sin(2 * np.pi * 1000 * TIME).astype(np.float32),
    "low tone": np.sin(2 * np.pi * 30 * TIME).astype(np.float32),
    "high tone": np.sin(2 * np.pi * 21_000 * TIME).astype(np.float32),
    "constant": np.ones(RATE, np.float32),
    "click": np.eye(1, RATE, 20_000, dtype=np.float32)[0],
    "faint noise": 1e-7 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32),
    "full-scale square": np.sign(np.sin(2 * np.pi * 100 * TIME)).astype(np.float32),
    "half silent": np.where(TIME < 0.5, music(), 0).astype(np.float32),
}


class TestAllocatorSeed:
    def test_by_hand(self):
        q = np.zeros((6, 2))
        q[:, 0] = [0.000001, 0.25, 0.5, 0.125, 4000.0, 0.000002]
        q[:, 1] = [0.0, 0.25, 0.5, 0.125, 4000.0, 0.0]
        values = [125_000, 250_000, 500_000, 4_000_000_000]  # ascending means
        data = b"".join(v.to_bytes(4, "big") for v in values)
        assert allocator_seed(q) == int.from_bytes(hashlib.sha256(data).digest()[:4], "big")

    def test_modulo_two_to_the_32(self):
        """5000 is 5 * 10^9 millionths, which four bytes do not hold."""
        q = np.array([[5000.0], [1.0], [2.0], [3.0]])
        values = [1_000_000, 2_000_000, 3_000_000, 5_000_000_000 - 2**32]
        data = b"".join(v.to_bytes(4, "big") for v in values)
        assert allocator_seed(q) == int.from_bytes(hashlib.sha256(data).digest()[:4], "big")


class TestAllocation:
    def test_the_seed_rules_to_the_letter(self):
        mag = magnitude(music())
        allocation = allocate_slots_and_amplitudes(mag)
        thr = ANALYZER.band_thresholds(mag)
        q = np.floor(thr / 1e-6) * 1e-6
        agg = np.median(q, axis=1).astype(np.int64) + 1
        sig = 1_000_000 // (agg + 1)
        sig = sig * 1_000_000 // (sig.sum() + 1)
        assert allocation.significance.tolist() == sig.tolist()
        assert np.array_equal(allocation.features, np.floor(thr / 1e-6))
        assert allocation.seed == allocator_seed(q)
        raw = sig * 2040 // (sig.sum() + 1)
        assert ((allocation.bits_per_band - raw >= 0) & (allocation.bits_per_band - raw <= 1)).all()
        assert allocation.bits_per_band.sum() == 2040

    @ALL_RULES
    @pytest.mark.parametrize("name", ODD_INPUTS)
    def test_every_input_gives_2040_different_slots(self, rules, name):
        allocation = allocate_slots_and_amplitudes(magnitude(ODD_INPUTS[name]), rules=rules, anchor_seed=7)
        assert allocation.bits_per_band.sum() == 2040
        assert len(allocation.slots) == len(set(allocation.slots)) == 2040
        assert np.isfinite(allocation.amplitudes).all()
        assert (allocation.amplitudes > 0).all()

    @ALL_RULES
    @given(
        seed=st.integers(0, 1000),
        level=st.floats(-120, 10),
        tone=st.floats(20, 22_000),
        total=st.sampled_from([1, 23, 2040, 10_000]),
    )
    @settings(max_examples=10, deadline=None)
    def test_totals_are_exact_for_all_inputs(self, rules, seed, level, tone, total):
        x = music(seed) + 0.5 * np.sin(2 * np.pi * tone * TIME)
        allocation = allocate_slots_and_amplitudes(
            magnitude(10 ** (level / 20) * x), total_bits=total, rules=rules, anchor_seed=7
        )
        assert len(set(allocation.slots)) == len(allocation.slots) == total
        band = ANALYZER.band_indices[[f for f, _ in allocation.slots]]
        assert np.bincount(band, minlength=24).tolist() == allocation.bits_per_band.tolist()
        assert rules.bands[0] <= band.min()
        assert band.max() < rules.bands[1]

    def test_without_anchor_seeding(self):
        mag = magnitude(music())
        allocation = allocate_slots_and_amplitudes(mag, use_anchor_seeding=False)
        assert allocation.seed is None
        assert len(allocation.slots) == 2040
        assert SlotDriver(use_anchor_seeding=False).allocation(music()).seed is None

    def test_threshold_step(self):
        mag = magnitude(music())
        coarse = allocate_slots_and_amplitudes(mag, thr_step=0.1)
        assert np.array_equal(coarse.features, np.floor(ANALYZER.band_thresholds(mag) / 0.1))

    def test_amplitudes_are_the_thresholds_of_the_slots(self):
        mag = magnitude(music())
        allocation = allocate_slots_and_amplitudes(mag)
        threshold = ANALYZER.cell_thresholds(mag)
        assert allocation.amplitudes.tolist() == [threshold[s] for s in allocation.slots]

    def test_errors(self):
        with pytest.raises(ValueError, match="do not fit"):
            allocate_slots_and_amplitudes(magnitude(music()), total_bits=442 * 101 + 1)
        with pytest.raises(ValueError, match="anchors' seed"):
            allocate_slots_and_amplitudes(magnitude(music()), rules=ROBUST)


class TestSeedProfile:
    """What the original rules do when run as written."""

    DRIVER = SlotDriver()

    def test_all_thresholds_below_1_weigh_the_same(self):
        """At -40 dBFS every threshold is below 1: significance is flat, and the allocation with it."""
        allocation = self.DRIVER.allocation(0.01 * music())
        assert len(set(allocation.significance.tolist())) == 1
        assert set(allocation.bits_per_band.tolist()) == {85}

    def test_gain_changes_the_slots(self):
        a, b = self.DRIVER.allocation(music()), self.DRIVER.allocation(music() * np.float32(0.7))
        assert a.digest != b.digest
        assert a.seed != b.seed
        assert parity_frames(a.features, b.features) == 0.0

    def test_embedder_and_detector_do_not_find_the_same_slots(self):
        """The mark itself moves what its place is computed from: nothing decodes, with no attack at all."""
        x = music()
        marked = self.DRIVER.encode_eul(x, PAYLOAD)
        a, b = self.DRIVER.allocation(x), self.DRIVER.allocation(marked)
        assert a.slots != b.slots
        assert a.seed != b.seed
        assert parity_frames(a.features, b.features) < 0.1
        assert self.DRIVER.decode_eul(marked) is None
        truth = self.DRIVER.coded_bits(PAYLOAD)
        assert (self.DRIVER.read(marked).bits != truth).mean() > 0.2

    def test_the_bits_are_there_for_whoever_is_told_the_slots(self):
        x = music()
        marked = self.DRIVER.encode_eul(x, PAYLOAD)
        reading = self.DRIVER.read_eul(marked, self.DRIVER.allocation(x))
        assert (reading.bits != self.DRIVER.coded_bits(PAYLOAD)).mean() < 0.01
        assert reading.payload == PAYLOAD

    def test_one_16_bit_step_changes_the_slots(self):
        """In the first frame, from which the seed comes."""
        x = music()
        changed = x.copy()
        changed[100] += 2**-15
        assert self.DRIVER.allocation(x).digest != self.DRIVER.allocation(changed).digest


class TestAudioInAndOut:
    DRIVER = SlotDriver()

    def test_shape_type_and_channels(self):
        x = np.stack([music(0), music(1)])
        marked = self.DRIVER.encode_eul(x, PAYLOAD)
        assert isinstance(marked, torch.Tensor)
        assert marked.dtype == torch.float32
        assert marked.shape == x.shape
        change = marked.numpy() - x
        np.testing.assert_allclose(change[0], change[1], atol=1e-6)

    @pytest.mark.parametrize("rate", [48_000, 32_000, 96_000])
    def test_other_rates(self, rate):
        x = music(2, rate)
        marked = self.DRIVER.encode_eul(x, PAYLOAD, orig_sr=rate)
        assert marked.shape == x.shape
        layout = self.DRIVER.allocation(x, orig_sr=rate)
        assert self.DRIVER.read_eul(marked, layout, orig_sr=rate).payload == PAYLOAD

    def test_no_clipping_is_added(self):
        x = music()
        x = x / np.abs(x).max()
        assert self.DRIVER.encode_eul(x, PAYLOAD).abs().max() <= 1.0

    def test_silence_is_refused(self):
        with pytest.raises(NotMarkable, match="silence"):
            self.DRIVER.encode_eul(np.zeros(RATE, np.float32), PAYLOAD)

    @pytest.mark.parametrize("x", [np.zeros(RATE, np.float32), np.outer([1, -1], music())], ids=["0", "L=-R"])
    def test_silence_says_nothing(self, x):
        """Though 255 zeros are a codeword."""
        reading = self.DRIVER.read(x)
        assert reading.payload is None
        assert not reading.soft.any()

    def test_errors(self):
        with pytest.raises(ValueError, match="191 bytes"):
            self.DRIVER.encode_eul(music(), PAYLOAD[:190])
        with pytest.raises(ValueError, match="one second"):
            self.DRIVER.decode_eul(music()[:-1])
        with pytest.raises(ValueError, match="finite"):
            self.DRIVER.decode_eul(np.full(RATE, np.nan, np.float32))
        with pytest.raises(ValueError, match="2040"):
            SlotDriver(per_eul_bits_target=1336)


class TestRates:
    """A rate that is given wins; one that the length suggests is taken with a warning; others are refused."""

    def test_nothing_to_do(self):
        x = torch.from_numpy(music())
        assert one_second(x) is x
        assert one_second(x, orig_sr=RATE) is x

    @pytest.mark.parametrize("rate", [22_050, 48_000])
    def test_guessed_with_a_warning(self, rate):
        x = np.stack([music(0, rate), music(1, rate)])
        with pytest.warns(UserWarning, match="give orig_sr"):
            guessed = one_second(x)
        assert torch.equal(guessed, one_second(x, orig_sr=rate))
        assert guessed.shape == (2, RATE)

    def test_what_is_given_wins(self):
        with pytest.raises(ValueError, match="44100 samples at 44100 Hz, not 48000"):
            rate_of_second(48_000, orig_sr=44_100)
        assert rate_of_second(12_345, orig_sr=12_345) == 12_345

    def test_no_rate_in_use(self):
        with pytest.raises(ValueError, match="one second"):
            rate_of_second(44_099)

    def test_the_drivers_take_it(self):
        x = music(2, 48_000)
        with pytest.warns(UserWarning, match="48000 Hz"):
            assert SlotDriver().encode_eul(x, PAYLOAD).shape == x.shape
        assert torch.equal(
            SlotDriver()._resample_to_target_sr(torch.from_numpy(music())), torch.from_numpy(music())
        )


def test_the_driver_of_both_profiles_has_its_name_here_too():
    from soundsafe.streams import eul_driver

    assert ingest_and_chunk.EULDriver is eul_driver.EULDriver
    with pytest.raises(AttributeError, match="EULDrivers"):
        ingest_and_chunk.EULDrivers  # noqa: B018


class TestCode:
    def test_the_same_functions_as_the_codecs(self):
        for name in ("rs_encode_255_191", "rs_decode_255_191", "interleave_bytes", "deinterleave_bytes"):
            assert getattr(ingest_and_chunk, name) is getattr(coding, name)

    def test_coded_bits(self):
        bits = SlotDriver.coded_bits(PAYLOAD)
        assert bits.shape == (2040,)
        code = coding.deinterleave_bytes(np.packbits(bits).tobytes())
        assert code[:191] == PAYLOAD


@given(cuts=st.lists(st.integers(0, 2500), max_size=8), rate=st.sampled_from([500, 1000]))
@settings(max_examples=50, deadline=None)
def test_seconds_do_not_depend_on_blocks(cuts, rate):
    x = np.arange(2 * 2600, dtype=np.float32).reshape(2, 2600)
    edges = [0, *sorted(cuts), 2600]
    blocks = [x[:, a:b] for a, b in pairwise(edges)]
    seconds = list(iter_euls(blocks, rate))
    assert len(seconds) == 2600 // rate
    for i, second in enumerate(seconds):
        assert np.array_equal(second.numpy(), x[:, i * rate : (i + 1) * rate])


def test_blocks_of_other_channels_are_refused():
    with pytest.raises(ValueError, match="same channels"):
        list(iter_euls([np.zeros((2, 10), np.float32), np.zeros((1, 10), np.float32)], 100))
