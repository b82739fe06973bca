"""torchaudio beside a torch without CUDA: what is Python in it works."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch

from soundsafe.attacks.torchaudio_cpu import load_torchaudio

pytestmark = pytest.mark.skipif(find_spec("torchaudio") is None, reason="torchaudio is not installed")


def test_functional_and_transforms_work() -> None:
    torchaudio = load_torchaudio()
    audio = torch.sin(torch.arange(8000) * 0.1)[None]
    assert torchaudio.transforms.Speed(8000, 2.0)(audio)[0].shape == (1, 4000)
    assert torchaudio.functional.pitch_shift(audio, 8000, 1).shape == audio.shape


def test_a_second_call_gives_the_same_module() -> None:
    assert load_torchaudio() is load_torchaudio()
