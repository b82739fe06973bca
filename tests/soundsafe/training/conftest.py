"""Audio to train on, and which tests need the extra `train`."""

from importlib.util import find_spec

import pytest
import torch

from soundsafe.datasets import load

# What the extra holds is looked up, as importing it takes seconds.
_NEEDED = ("safetensors", "lightning_fabric", "tensorboard")
_WITH_EXTRA = ["test_devices.py", "test_gpu.py", "test_network_command.py", "test_trainer.py"]
collect_ignore = _WITH_EXTRA if any(find_spec(name) is None for name in _NEEDED) else []


@pytest.fixture(scope="module")
def seconds():
    audio, _ = load("bundled").clips[4].read()
    return torch.from_numpy(audio[0, : 3 * 44_100].reshape(3, 44_100).copy())
