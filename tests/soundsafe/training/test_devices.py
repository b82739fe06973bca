"""Two processes that share each batch do what one does."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from soundsafe.errors import InputError
from soundsafe.training import devices
from soundsafe.training.config import TrainConfig

# Phase A alone, which ends at step 20: codecs decide by rounding, and so does what comes after them.
# The log is written with an evaluation, so one falls on the last step.
RUN = """
import sys
from pathlib import Path
import torch
from soundsafe.datasets import load
from soundsafe.training import TrainConfig, train_network
audio, _ = load("bundled").clips[4].read()
seconds = torch.from_numpy(audio[0, : 3 * 44_100].reshape(3, 44_100).copy())
cfg = TrainConfig(rs_payload_bytes=1, steps=60, batch=2, evaluate_every=6, devices=int(sys.argv[1]))
train_network(cfg, seconds[:2], seconds[2:], Path(sys.argv[2]), stop_after=6)
"""


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one(tmp_path):
    (tmp_path / "run.py").write_text(RUN)
    logs = []
    for count in ("1", "2"):
        command = [sys.executable, str(tmp_path / "run.py"), count, str(tmp_path / count)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
        assert done.returncode == 0, done.stderr
        logs.append(pd.read_csv(tmp_path / count / "log.csv"))
    one, two = logs
    assert list(two["step"]) == list(range(1, 7))
    np.testing.assert_allclose(two["loss"], one["loss"], rtol=1e-5)


def test_a_batch_that_devices_cannot_share_and_a_missing_extra_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="multiple of devices"):
        TrainConfig(batch=3, devices=2)
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(InputError, match="pip install"):
        devices.launched(TrainConfig())
