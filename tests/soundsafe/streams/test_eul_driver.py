"""One second, 191 bytes: the mark of `soundsafe.embed`, found wherever it begins; and the original rules."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import soxr
import torch

import soundsafe
from soundsafe.aliases import Audio
from soundsafe.errors import NotMarkable
from soundsafe.keys import DEFAULT_KEY
from soundsafe.message.container import BODY, pack
from soundsafe.pipeline.ingest_and_chunk import SlotDriver
from soundsafe.pipeline.rules import ROBUST, SEED
from soundsafe.streams.eul_driver import EULDriver

Cut = Callable[..., Audio]

RATE = 44_100
WORD = np.random.default_rng(0).bytes(191)
DRIVER = EULDriver(quality="fast")


@pytest.fixture(scope="module")
def second(cut: Cut) -> Audio:
    return cut("rock", 2.0)[:, RATE:].copy()


@pytest.fixture(scope="module")
def marked(second: Audio) -> torch.Tensor:
    return DRIVER.encode_eul(second, WORD)


class TestTheMarkOfEmbed:
    @pytest.mark.parametrize(("rate", "channels"), [(RATE, 2), (48_000, 1)])
    def test_bit_for_bit(self, second: Audio, rate: int, channels: int) -> None:
        x = soxr.resample(second[:channels].T, RATE, rate, quality="VHQ").T[:, :rate].astype(np.float32)
        payload = np.random.default_rng(1).bytes(BODY)
        (block,) = pack(payload, DEFAULT_KEY)
        by_driver = DRIVER.encode_eul(x, block, orig_sr=rate)
        by_embed = soundsafe.embed(x, rate, payload, layers="eul", quality="fast")
        assert np.array_equal(by_driver.numpy(), by_embed.audio)
        assert DRIVER.decode_eul(by_embed.audio, orig_sr=rate) == block
        assert soundsafe.decode(by_driver, rate).payload == payload

    def test_the_layout_of_the_audio_is_the_one_that_is_read(
        self, second: Audio, marked: torch.Tensor
    ) -> None:
        clean, found = DRIVER.layout(second), DRIVER.read(marked).eul
        assert (clean.slots, clean.seed) == (found.slots, found.seed)


class TestSurroundings:
    def test_the_second_alone_changes_and_reads(self, cut: Cut) -> None:
        audio = cut("rock", 3.0)
        before, second, after = np.split(audio, 3, axis=1)
        marked = DRIVER.encode_eul(second, WORD, second=1, around=(before, after))
        assert marked.shape == second.shape
        whole = np.concatenate([before, marked.numpy(), after], axis=1)
        assert DRIVER.decode_eul(whole[:, 30_000 : 30_000 + 2 * RATE], orig_sr=RATE) == WORD
        assert not np.array_equal(marked.numpy(), DRIVER.encode_eul(second, WORD, second=1).numpy())

    def test_other_shapes_are_refused(self, second: Audio) -> None:
        with pytest.raises(ValueError, match="whole seconds"):
            DRIVER.encode_eul(second, WORD, around=(second[:1], None))


class TestReading:
    def test_any_word(self, marked: torch.Tensor) -> None:
        reading = DRIVER.read(marked)
        assert reading.payload == WORD == DRIVER.decode_eul(marked)
        assert reading.eul.ok
        assert reading.eul.start_s == 0.0
        assert ((reading.soft < 0) != DRIVER.coded_bits(WORD)).mean() < 0.02

    @pytest.mark.parametrize("gain", [0.1, 10 ** (-3 / 20), 10 ** (3 / 20), -1.0])
    def test_gain_and_16_bits(self, marked: torch.Tensor, gain: float) -> None:
        assert DRIVER.decode_eul(np.round(marked.numpy() * gain * 2**15) / 2**15) == WORD

    @pytest.mark.parametrize("offset", [1, 4_410, 22_050, 35_000, 43_000])
    def test_a_second_cut_from_anywhere(self, marked: torch.Tensor, offset: int) -> None:
        """Of seconds marked one by one, here of one that comes again and again."""
        reading = DRIVER.read(torch.roll(marked, offset, -1))
        assert reading.payload == WORD
        assert abs(reading.eul.start_s * RATE - offset) < 1

    def test_a_second_in_longer_audio(self, second: Audio, marked: torch.Tensor) -> None:
        longer = np.concatenate([second[:, -12_000:], marked.numpy(), second[:, :20_000]], axis=1)
        reading = DRIVER.read(longer, orig_sr=RATE)
        assert reading.payload == WORD
        assert abs(reading.eul.start_s * RATE - 12_000) < 1
        with pytest.raises(ValueError, match="one second"):
            DRIVER.read(longer)

    def test_nothing_in_unmarked_audio_and_silence(self, second: Audio) -> None:
        for x in (second, np.zeros(RATE, np.float32), np.outer([1, -1], second[0])):
            reading = DRIVER.read(x)
            assert reading.payload is None
            assert not reading.eul.ok

    def test_another_key_reads_nothing(self, marked: torch.Tensor) -> None:
        other = EULDriver(key=b"other")
        assert other.decode_eul(marked) is None
        assert "other" not in repr(other)


class TestSync:
    def test_pilots_find_where_a_second_begins(self, marked: torch.Tensor) -> None:
        offset, confidence, seed = DRIVER.sync_detector.detect_robust(torch.roll(marked, 12_345, -1))
        assert offset == 12_345
        assert confidence > 0.3
        assert seed == DRIVER.sync_detector.detect_robust(marked)[2]

    def test_and_nothing_in_unmarked_audio(self, second: Audio) -> None:
        assert DRIVER.sync_detector.detect_robust(second)[:2] == (0, 0.0)

    def test_the_seed_profile_asks_its_anchors_first(self, second: Audio) -> None:
        offset, confidence, seed = EULDriver(profile="seed").sync_detector.detect_robust(second)
        assert (offset, seed is None) == (0, False)
        assert confidence >= 0.3


class TestReedSolomon:
    DRIVER = EULDriver(code="rs", quality="fast")

    def test_writes_and_reads(self, second: Audio, marked: torch.Tensor) -> None:
        by_rs = self.DRIVER.encode_eul(second, WORD)
        assert self.DRIVER.decode_eul(by_rs) == WORD
        assert DRIVER.decode_eul(by_rs) is None
        assert self.DRIVER.decode_eul(marked) is None

    def test_the_bits_are_those_of_the_seed_profile(self) -> None:
        assert np.array_equal(self.DRIVER.coded_bits(WORD), SlotDriver.coded_bits(WORD))


class TestProfiles:
    def test_names(self) -> None:
        assert EULDriver().profile == "robust"
        assert EULDriver(rules=SEED).profile == EULDriver(profile="seed").profile == "seed"
        assert EULDriver(rules=ROBUST).profile == "robust"

    def test_the_seed_profile_is_the_slot_driver(self, second: Audio) -> None:
        driver = EULDriver(profile="seed")
        marked = driver.encode_eul(second, WORD)
        assert torch.equal(marked, SlotDriver().encode_eul(second, WORD))
        assert driver.decode_eul(marked) is None
        reading = driver.read(marked)
        assert reading.eul.slots == SlotDriver().read(marked).allocation.digest
        assert driver.layout(second).slots != reading.eul.slots

    @pytest.mark.parametrize(
        "wrong",
        [
            {"profile": "loud"},
            {"code": "turbo"},
            {"quality": "perfect"},
            {"sr": 48_000},
            {"per_eul_bits_target": 1336},
        ],
    )
    def test_what_there_is_not(self, wrong: dict[str, object]) -> None:
        with pytest.raises(ValueError, match=r"unknown|one grid|2040"):
            EULDriver(**wrong)  # type: ignore[arg-type]


class TestInput:
    def test_shape_and_type(self, second: Audio) -> None:
        marked = DRIVER.encode_eul(second[0].astype(np.float64), WORD)
        assert marked.shape == (RATE,)
        assert marked.dtype == torch.float32
        assert marked.abs().max() <= max(1.0, np.abs(second).max())

    def test_a_rate_that_is_not_given_is_guessed_aloud(self, second: Audio) -> None:
        x = soxr.resample(second[0], RATE, 48_000, quality="VHQ")[:48_000].astype(np.float32)
        with pytest.warns(UserWarning, match="48000 Hz"):
            marked = DRIVER.encode_eul(x, WORD)
        assert DRIVER.decode_eul(marked, orig_sr=48_000) == WORD
        assert DRIVER._resample_to_target_sr(torch.from_numpy(x), 48_000).shape == (RATE,)

    def test_errors(self, second: Audio) -> None:
        with pytest.raises(ValueError, match="191 bytes"):
            DRIVER.encode_eul(second, WORD[:190])
        with pytest.raises(ValueError, match="one second"):
            DRIVER.decode_eul(second[:, :-1])
        with pytest.raises(ValueError, match="one second"):
            DRIVER.decode_eul(second, orig_sr=48_000)
        with pytest.raises(ValueError, match="finite"):
            DRIVER.decode_eul(np.full(RATE, np.nan, np.float32))
        with pytest.raises(ValueError, match="channels, samples"):
            DRIVER.decode_eul(np.zeros((1, 2, RATE), np.float32))
        with pytest.raises(NotMarkable, match="silence"):
            DRIVER.encode_eul(np.zeros(RATE, np.float32), WORD)
