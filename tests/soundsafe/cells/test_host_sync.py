from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import soundsafe
from soundsafe import datasets
from soundsafe.attacks.learned import remove_pilots
from soundsafe.attacks.learning import learn_pilots
from soundsafe.cells.code import CellCode, pilots_alone
from soundsafe.cells.host import host_features, host_word, host_words
from soundsafe.cells.host_sync import host_pilots, likeliest_codes, phase_scores
from soundsafe.cells.masking import threshold
from soundsafe.cells.profile import EUL_FRAMES, HOST_BOUND, PATTERNS, ROBUST
from soundsafe.cells.sync import LOCK_Z, scan, try_offsets
from soundsafe.stft import RATE, stft

KEY = bytes(range(32))
CODE = CellCode(KEY, HOST_BOUND)
PAYLOAD = np.random.default_rng(3).bytes(175)
Audio = NDArray[np.float32]


def clip(name: str) -> Audio:
    (found,) = [c for c in datasets.load("bundled").clips if c.clip == name]
    return found.read()[0]


@pytest.fixture(scope="module")
def marked() -> Audio:
    made = soundsafe.embed(
        clip("rock"), RATE, PAYLOAD, KEY, layers=("eul",), quality="fast", profile=HOST_BOUND
    )
    assert made.euls_verified == 8
    assert made.audio is not None
    return made.audio


def test_pilots_alone_are_those_of_the_geometry() -> None:
    for code in (CellCode(KEY), CODE.of_host(7)):
        geo, own = code.geometry, pilots_alone(code)
        rows = geo.pilot[:PATTERNS]
        cells = own.bins.shape[-1]
        np.testing.assert_array_equal(own.bins, geo.bins[rows][..., :cells])
        np.testing.assert_allclose(own.weight, geo.weight[torch.from_numpy(rows)][..., :cells].numpy())
        assert torch.equal(own.dither, geo.pilot_dither)
        assert torch.equal(own.sign, geo.pilot_sign)


def test_what_all_descriptions_share_and_what_is_their_own() -> None:
    one, other = CODE.of_host(1).geometry, CODE.of_host(2).geometry
    for name in ("frame", "band", "region", "pilot", "data", "fine", "scramble"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert torch.equal(one.step, other.step)
    for first, second in ((one.bins, other.bins), (one.weight.numpy(), other.weight.numpy())):
        assert (first != second).mean() > 0.3
    assert one.slot_key != other.slot_key
    assert one.dither_key != other.dither_key
    assert (one.pilot_dither != other.pilot_dither).all()
    # No dither of a pilot comes twice, within a second or between two.
    assert len(torch.unique(torch.cat([one.pilot_dither, other.pilot_dither]))) > 390


def test_the_right_description_stands_out(marked: Audio) -> None:
    spectrum = stft(torch.from_numpy(np.ascontiguousarray(marked.mean(axis=0))))[:, :EUL_FRAMES]
    ratio = spectrum / threshold(spectrum, HOST_BOUND)
    original = stft(torch.from_numpy(np.ascontiguousarray(clip("rock").mean(axis=0))))[:, :EUL_FRAMES]
    right = host_word(host_features(original))
    scores = {
        word: phase_scores(ratio, CODE.of_host(word), torch.zeros(1))[:, 0]
        for word, _ in host_words(host_features(spectrum), 16)
    }
    assert scores[right][0] > 10
    assert int(scores[right].argmax()) == 0
    assert max(float(z.max()) for word, z in scores.items() if word != right) < 5
    (first, *_) = likeliest_codes(spectrum, 0, CODE, 16, 8.0)
    assert first == CODE.of_host(right)


@pytest.mark.slow
def test_it_is_found_at_any_sample(marked: Audio) -> None:
    for cut in (30_017, 100_000):
        lock = scan(marked[:, cut : cut + 3 * RATE], CODE)
        assert lock.z > 2 * LOCK_Z
        assert (lock.start + cut) % RATE == pytest.approx(0, abs=0.6)
        assert lock.phase == round((lock.start + cut) / RATE) % 4


def test_nothing_is_found_where_nothing_is() -> None:
    assert scan(clip("rock")[:, : 3 * RATE], CODE).z < LOCK_Z
    assert try_offsets(clip("rock"), [0], CellCode(bytes(32), HOST_BOUND)).z < LOCK_Z


@pytest.mark.slow
def test_reads_after_a_cut_and_not_with_another_key_or_profile(marked: Audio) -> None:
    found = soundsafe.decode(marked[:, 25_000:], RATE, KEY, profile=HOST_BOUND)
    assert found.payload == PAYLOAD
    assert sum(eul.ok for eul in found.euls) == 7
    assert not soundsafe.decode(marked, RATE, bytes(32), profile=HOST_BOUND).ok
    assert not soundsafe.decode(marked[:, : 3 * RATE], RATE, KEY, profile=ROBUST).ok


@pytest.mark.slow
def test_a_mark_carried_to_other_audio_is_not_read(marked: Audio) -> None:
    carried = clip("caribbean") + (marked - clip("rock"))
    assert not soundsafe.decode(carried, RATE, KEY, profile=HOST_BOUND).ok


def test_its_pilots_are_not_learned_nor_removed(marked: Audio) -> None:
    found = learn_pilots([marked])
    right = 0
    for host in {host_word(host_features(stft(torch.from_numpy(marked.mean(axis=0)))[:, :EUL_FRAMES]))}:
        own = host_pilots(CODE.of_host(host))
        for pilot in found:
            right += any(
                set(pilot.bins.tolist()) == set(cells.tolist()) and pilot.score > 16
                for cells in own.bins[pilot.pattern]
            )
    assert right == 0
    assert max(pilot.score for pilot in found) < 20  # the largest by chance is about 15
    removed = remove_pilots(marked, found)
    read = soundsafe.decode(removed, RATE, KEY, profile=HOST_BOUND)
    assert read.payload == PAYLOAD
    assert sum(eul.ok for eul in read.euls) == 8
