"""Audio to train on."""

import pytest
import torch

from soundsafe.datasets import load


@pytest.fixture(scope="module")
def seconds():
    audio, _ = load("bundled").clips[4].read()
    return torch.from_numpy(audio[0, : 3 * 44_100].reshape(3, 44_100).copy())
