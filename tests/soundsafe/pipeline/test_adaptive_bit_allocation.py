import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from soundsafe.pipeline.adaptive_bit_allocation import (
    AdaptiveBitAllocator,
    PerceptualSignificanceMetric,
    expand_allocation_to_slots,
)

BANDS = 24
significances = st.lists(st.integers(0, 1_000_000), min_size=1, max_size=BANDS)


def key(text):
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)


class TestSignificance:
    def test_by_hand(self):
        """Medians 0, 3 and 9: agg 1, 4, 10; 1e6 // (agg + 1) is 500000, 200000, 90909, of sum 790909."""
        q = np.array([[0, 0, 5], [1, 3, 30], [9, 9, 9]])
        expected = [v * 1_000_000 // 790_910 for v in (500_000, 200_000, 90_909)]
        sig = PerceptualSignificanceMetric().compute(q)
        assert sig.dtype == np.int64
        assert sig.tolist() == expected

    def test_mean_by_hand(self):
        q = np.array([[0, 0, 6], [3, 3, 3]])  # means 2 and 3: agg 3 and 4
        expected = [v * 1_000_000 // 450_001 for v in (250_000, 200_000)]
        assert PerceptualSignificanceMetric(use_median=False).compute(q).tolist() == expected

    def test_log_inverse_by_hand(self):
        q = np.array([[0], [9]])  # agg 1 and 10: ln 2 = 0.6931..., ln 11 = 2.3978...
        values = [1_000_000 // 694.1471805599453, 1_000_000 // 2398.8952727983707]
        expected = [int(v) * 1_000_000 // (int(sum(values)) + 1) for v in values]
        assert PerceptualSignificanceMetric(method="log_inverse").compute(q).tolist() == expected

    def test_softmax_by_hand(self):
        """x = 500000 and 200000: 4 halvings and 37856 of 65536 steps apart."""
        small = ((1 << 20) * (2 * 65536 - 37856) // (2 * 65536)) >> 4
        expected = [v * 1_000_000 // ((1 << 20) + small + 1) for v in (1 << 20, small)]
        assert PerceptualSignificanceMetric(method="softmax").compute([[0.0], [3.0]]).tolist() == expected

    @pytest.mark.parametrize("method", ["inverse", "log_inverse", "softmax"])
    def test_all_thresholds_below_1_weigh_the_same(self, method):
        """The rule truncates to integers first, so what lies between 1e-6 and 0.999999 is lost."""
        q = np.array([[1e-6], [0.01], [0.5], [0.999999]])
        sig = PerceptualSignificanceMetric(method=method).compute(q)
        assert len(set(sig.tolist())) == 1
        assert PerceptualSignificanceMetric(method=method).compute([[0.999999], [1.0]])[0] > sig[0]

    @pytest.mark.parametrize("method", ["inverse", "log_inverse", "softmax"])
    @given(q=arrays(np.float64, (5, 3), elements=st.floats(0, 1e12)))
    @settings(max_examples=50, deadline=None)
    def test_lower_thresholds_never_weigh_less(self, method, q):
        sig = PerceptualSignificanceMetric(method=method).compute(q)
        assert (sig >= 0).all()
        assert sig.sum() <= 1_000_000
        order = np.argsort(np.median(q, axis=1))
        assert (np.diff(sig[order]) <= 0).all()

    @pytest.mark.parametrize(
        ("arguments", "q", "message"),
        [
            ({}, np.zeros(3), "bands, frames"),
            ({}, np.zeros((3, 0)), "bands, frames"),
            ({}, [[-1.0]], "not negative"),
            ({}, [[np.nan]], "finite"),
            ({"method": "square"}, [[0.0]], "method"),
            ({"eps": 0}, [[0.0]], "eps"),
        ],
    )
    def test_errors(self, arguments, q, message):
        with pytest.raises(ValueError, match=message):
            PerceptualSignificanceMetric(**arguments).compute(q)


class TestAllocator:
    def test_by_hand(self):
        """10 bits over 600, 300, 100 of 1001: 5, 2, 0, and one more to each."""
        bits = AdaptiveBitAllocator(10).allocate_bits([600, 300, 100], [1.5, 2.5, 3.5])["bits_per_band"]
        assert bits.tolist() == [6, 3, 1]

    @pytest.mark.parametrize("seed", [None, 0, 12345])
    def test_the_remainder_goes_by_descending_keys(self, seed):
        sig, thr = [10, 10, 10, 10], [0.0, 1.9, 2.0, 7.0]
        tail = "" if seed is None else f"_{seed}"
        keys = [key(f"{b}_10_{t}{tail}") for b, t in enumerate([0, 1, 2, 7])]
        result = AdaptiveBitAllocator(6, seed=seed).allocate_bits(sig, thr)  # 60 // 41 = 1 each, 2 left
        assert result["tie_keys"].tolist() == keys
        winners = sorted(range(4), key=lambda b: -keys[b])[:2]
        assert result["bits_per_band"].tolist() == [2 if b in winners else 1 for b in range(4)]

    def test_a_known_hash(self):
        """SHA-256 of "0_1000000_0" begins with these 32 bits, here and everywhere."""
        keys = AdaptiveBitAllocator(1).allocate_bits([1_000_000])["tie_keys"]
        assert keys.tolist() == [key("0_1000000_0")]
        assert keys[0] == 0x657892D9

    def test_proportional_gives_the_remainder_to_the_largest_rests(self):
        allocator = AdaptiveBitAllocator(10, "proportional")
        # Of 101: 6.93, 2.08, 0.89 bits.
        assert allocator.allocate_bits([70, 21, 9])["bits_per_band"].tolist() == [7, 2, 1]

    def test_threshold_follows_the_thresholds(self):
        allocator = AdaptiveBitAllocator(1000, "threshold")
        bits = allocator.allocate_bits([1, 1], [0.3, 0.1])["bits_per_band"]
        assert bits.tolist() == [750, 250]

    @given(sig=significances, total=st.integers(0, 5000), seed=st.none() | st.integers(0, 2**32 - 1))
    @settings(max_examples=150, deadline=None)
    def test_the_total_is_exact_for_all_significances(self, sig, total, seed):
        for strategy in ("optimal", "proportional", "threshold"):
            result = AdaptiveBitAllocator(total, strategy, seed=seed).allocate_bits(sig, np.array(sig) / 7)
            assert result["bits_per_band"].sum() == total
            assert (result["bits_per_band"] >= 0).all()

    @given(data=st.data(), sig=significances, low=st.integers(0, 200), extra=st.integers(0, 400))
    @settings(max_examples=150, deadline=None)
    def test_minima_maxima_and_capacities_are_honoured(self, data, sig, low, extra):
        high, bands = low + extra, len(sig)
        capacity = np.array(data.draw(st.lists(st.integers(0, 500), min_size=bands, max_size=bands)))
        least, most = np.minimum(low, np.minimum(capacity, high)), np.minimum(capacity, high)
        total = data.draw(st.integers(int(least.sum()), int(most.sum())))
        allocator = AdaptiveBitAllocator(total, min_bits_per_band=low, max_bits_per_band=high)
        bits = allocator.allocate_bits(sig, capacity_b=capacity)["bits_per_band"]
        assert bits.sum() == total
        assert (least <= bits).all()
        assert (bits <= most).all()

    @pytest.mark.parametrize("bands", [1, 7, 24])
    def test_a_remainder_above_the_number_of_bands_goes_round_again(self, bands):
        """All-zero significance leaves every bit to the remainder: one pass would lose most."""
        bits = AdaptiveBitAllocator(2040, seed=1).allocate_bits([0] * bands)["bits_per_band"]
        assert bits.sum() == 2040
        assert bits.max() - bits.min() <= 1

    @given(sig=significances, total=st.integers(0, 300), low=st.integers(0, 3), room=st.integers(1, 40))
    @settings(max_examples=100, deadline=None)
    def test_whole_rounds_equal_one_bit_at_a_time(self, sig, total, low, room):
        bands, high = len(sig), low + room
        total = min(max(total, low * bands), high * bands)
        result = AdaptiveBitAllocator(total, min_bits_per_band=low, max_bits_per_band=high).allocate_bits(sig)
        bits = [min(max(s * total // (sum(sig) + 1), low), high) for s in sig]
        order = sorted(range(bands), key=lambda b: -result["tie_keys"][b])
        while sum(bits) < total:
            for b in order:
                if sum(bits) < total and bits[b] < high:
                    bits[b] += 1
        while sum(bits) > total:
            for b in order[::-1]:
                if sum(bits) > total and bits[b] > low:
                    bits[b] -= 1
        assert result["bits_per_band"].tolist() == bits

    def test_huge_significances_do_not_overflow(self):
        bits = AdaptiveBitAllocator(2040).allocate_bits(np.array([2**62, 2**62, 1]))["bits_per_band"]
        assert sorted(bits.tolist()) in ([0, 1020, 1020], [1, 1019, 1020])

    @pytest.mark.parametrize(
        ("arguments", "call", "message"),
        [
            ({"allocation_strategy": "best"}, ([1],), "allocation_strategy"),
            ({"min_bits_per_band": 5, "max_bits_per_band": 4}, ([1],), "minimum"),
            ({"min_bits_per_band": 6}, ([1, 1],), "do not fit"),
            ({"max_bits_per_band": 4}, ([1, 1],), "do not fit"),
            ({}, ([],), "together"),
            ({}, ([1, 2], [1.0]), "together"),
            ({}, ([-1],), "not negative"),
            ({}, ([1], [np.inf]), "finite"),
            ({"allocation_strategy": "threshold"}, ([1],), "quantized_thr_b"),
        ],
    )
    def test_errors(self, arguments, call, message):
        with pytest.raises(ValueError, match=message):
            AdaptiveBitAllocator(10, **arguments).allocate_bits(*call)


def slots_by_the_letter(mag, band_of, wanted, seed):
    """The rule, written down once more and naively, for given counts ``wanted[band, frame]``."""
    tail = "" if seed is None else f"_{seed}"
    slots = []
    for b in range(wanted.shape[0]):
        bins = [f for f in range(len(band_of)) if band_of[f] == b]
        for t in range(wanted.shape[1]):
            whole = {f: int(np.int64(mag[f, t] * 1_000_000)) for f in bins}
            order = sorted(bins, key=lambda f: (-whole[f], key(f"{f}_{whole[f]}_{t}_{b}{tail}")))
            k = wanted[b, t]
            slots += [(f, t) for f in (bins if k >= len(bins) else order[:k])]
    return slots


class TestSlots:
    BAND_OF = np.array([0, 1, 1, 1, 2, 2, 2, 2, 2, 3])

    @pytest.mark.parametrize("seed", [None, 99])
    def test_equal_to_the_letter_with_many_ties(self, seed):
        rng = np.random.default_rng(0)
        mag = rng.integers(0, 3, (10, 6)).astype(np.float64)
        bits = np.array([6, 6, 12, 0])  # one a frame, one a frame, two a frame, none
        wanted = np.repeat(bits[:, None] // 6, 6, axis=1)
        slots = expand_allocation_to_slots(mag, self.BAND_OF, bits, seed=seed)
        assert slots == slots_by_the_letter(mag, self.BAND_OF, wanted, seed)

    def test_the_loudest_first_and_all_bins_in_order_of_frequency(self):
        mag = np.array([[1.0], [3.0], [9.0], [5.0], [1], [2], [3], [4], [5], [0]])
        assert expand_allocation_to_slots(mag, self.BAND_OF, [0, 2, 5, 0]) == [
            (2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0)
        ]  # fmt: skip

    def test_magnitudes_count_in_millionths_or_whole(self):
        mag = np.array([[0.0], [0.3], [0.9], [0.5], [0], [0], [0], [0], [0], [0]])
        assert expand_allocation_to_slots(mag, self.BAND_OF, [0, 1, 0, 0]) == [(2, 0)]
        ties = min((1, 2, 3), key=lambda f: key(f"{f}_0_0_1"))
        assert expand_allocation_to_slots(mag, self.BAND_OF, [0, 1, 0, 0], quantize_magnitude=False) == [
            (ties, 0)
        ]

    def test_weights_share_a_bands_bits_among_frames(self):
        mag = np.random.default_rng(0).random((10, 4))
        weights = np.ones((4, 4))
        weights[2] = [3, 1, 0, 0]
        slots = expand_allocation_to_slots(mag, self.BAND_OF, [0, 0, 4, 0], weights)
        assert np.bincount([t for _, t in slots], minlength=4).tolist() == [3, 1, 0, 0]

    @given(
        data=st.data(),
        seed=st.none() | st.integers(0, 2**32 - 1),
        ranking=st.sampled_from(["magnitude", "keyed"]),
    )
    @settings(max_examples=100, deadline=None)
    def test_each_cell_once_in_its_band_and_as_many_as_allocated(self, data, seed, ranking):
        frames = data.draw(st.integers(1, 7))
        mag = data.draw(arrays(np.float64, (10, frames), elements=st.floats(0, 10)))
        room = np.bincount(self.BAND_OF) * frames
        bits = np.array([data.draw(st.integers(0, int(r) + 2)) for r in room])
        weights = data.draw(st.none() | arrays(np.float64, (4, frames), elements=st.floats(0, 5)))
        slots = expand_allocation_to_slots(mag, self.BAND_OF, bits, weights, seed, ranking=ranking)
        assert len(set(slots)) == len(slots)
        got = np.bincount([self.BAND_OF[f] for f, _ in slots], minlength=4)
        assert got.tolist() == np.minimum(bits, room).tolist()
        assert all(0 <= t < frames for _, t in slots)

    def test_keyed_slots_do_not_depend_on_magnitudes_but_on_the_seed(self):
        rng = np.random.default_rng(0)
        bits = np.array([3, 8, 12, 2])

        def keyed(seed):
            return expand_allocation_to_slots(
                rng.random((10, 6)), self.BAND_OF, bits, seed=seed, ranking="keyed"
            )

        assert keyed(1) == keyed(1)
        assert keyed(1) != keyed(2)

    def test_magnitude_ranking_hangs_on_a_millionth(self):
        """What no lossy codec preserves: one step of 1e-6 swaps two slots."""
        mag = np.zeros((10, 1))
        mag[1:3, 0] = 0.5, 0.500001
        changed = mag.copy()
        changed[1, 0] += 2e-6
        bits = [0, 1, 0, 0]
        assert expand_allocation_to_slots(mag, self.BAND_OF, bits) == [(2, 0)]
        assert expand_allocation_to_slots(changed, self.BAND_OF, bits) == [(1, 0)]

    @pytest.mark.parametrize(
        ("mag", "bits", "arguments", "message"),
        [
            (np.zeros((9, 2)), [0, 0, 0, 0], {}, "together"),
            (np.full((10, 2), np.nan), [0, 0, 0, 0], {}, "finite"),
            (np.full((10, 2), -1.0), [0, 0, 0, 0], {}, "not negative"),
            (np.zeros((10, 2)), [-1, 0, 0, 0], {}, "not negative"),
            (np.zeros((10, 2)), [1, 0, 0, 0], {"per_frame_weight_bt": np.ones((4, 3))}, "weights"),
            (np.zeros((10, 2)), [1, 0, 0, 0], {"ranking": "random"}, "ranking"),
        ],
    )
    def test_errors(self, mag, bits, arguments, message):
        with pytest.raises(ValueError, match=message):
            expand_allocation_to_slots(mag, self.BAND_OF, bits, **arguments)
