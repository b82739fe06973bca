import numpy as np
import pytest

from soundsafe.pipeline.parity import parity_by_band, parity_frames

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


def test_errors():
    with pytest.raises(ValueError, match="one shape"):
        parity_frames(A, A[:, :3])
    with pytest.raises(ValueError, match="one shape"):
        parity_by_band(np.zeros((3, 0)), np.zeros((3, 0)))
