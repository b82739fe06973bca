import numpy as np
import pytest

from soundsafe.pipeline.parity import parity_bits, parity_by_band, parity_frames, parity_slots, seed_parity

A = np.arange(12).reshape(3, 4)
B = A.copy()
B[0, 1] += 1
B[2, 1] += 1
B[2, 3] -= 1


def test_frames():
    assert parity_frames(A, A) == 1.0
    assert parity_frames(A, B) == 0.5
    assert parity_frames(A, A + 1) == 0.0


def test_by_band():
    assert parity_by_band(A, B).tolist() == [0.75, 1.0, 0.5]


def test_bits():
    assert parity_bits([[1, 2], [3, 4]], [np.array([1, 2]), (3, 5)]) == 0.5


def test_slots_as_lists_or_digests():
    one, other = [(1, 2), (3, 4)], [(3, 4), (1, 2)]
    assert parity_slots([one, one], [np.array(one), other]) == 0.5
    assert parity_slots(["ab", "cd"], ["ab", "ce"]) == 0.5
    assert parity_slots([one], [one[:1]]) == 0.0


def test_seeds_and_no_seed():
    assert seed_parity([1, 2, None, None], [1, 3, None, 4]) == 0.25


def test_errors():
    with pytest.raises(ValueError, match="one shape"):
        parity_frames(A, A[:, :3])
    with pytest.raises(ValueError, match="one shape"):
        parity_by_band(np.zeros((3, 0)), np.zeros((3, 0)))
    for function in (parity_bits, parity_slots, seed_parity):
        with pytest.raises(ValueError, match="EULs"):
            function([], [])
        with pytest.raises(ValueError, match="EULs"):
            function([1], [1, 2])
