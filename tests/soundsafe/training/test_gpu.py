"""A GPU comes to the CPU's slots, and training runs there; skipped where there is none."""

import numpy as np
import pandas as pd
import pytest
import torch

from soundsafe.models import INNWatermarker
from soundsafe.pipeline.ingest_and_chunk import EULDriver
from soundsafe.training import TrainConfig, train_network

if not torch.cuda.is_available():
    pytest.skip("no GPU", allow_module_level=True)


@pytest.mark.parametrize("profile", ["seed", "robust"])
def test_audio_on_the_gpu_gives_the_slots_and_the_bytes_of_the_cpu(seconds, profile):
    driver = EULDriver(profile=profile)
    for x in seconds:
        assert driver.layout(x.cuda()).slots == driver.layout(x).slots
    marked = driver.encode_eul(seconds[0].cuda(), bytes(range(191)))
    assert torch.equal(marked, driver.encode_eul(seconds[0], bytes(range(191))))
    assert driver.decode_eul(marked.cuda()) == driver.decode_eul(marked)


def test_the_network_marks_and_reads_on_the_gpu_as_on_the_cpu(seconds):
    torch.manual_seed(0)
    model = INNWatermarker(bits=520).eval()
    bits = (torch.arange(3 * 520).reshape(3, 520) % 3 == 0).float()
    with torch.no_grad():
        marked = model.embed(seconds, bits)
        logits = model.read(marked)
        there = model.cuda()
        mark = there.embed(seconds.cuda(), bits.cuda()).cpu()
        read = there.read(marked.cuda()).cpu()
    assert float((mark - marked).abs().max()) < 1e-3 * float((marked - seconds).abs().max())
    assert float((read - logits).abs().max()) < 1e-2 * float(logits.abs().max())


def test_training_on_the_gpu_goes_as_on_the_cpu(seconds, tmp_path, monkeypatch):
    # Phase A alone: codecs decide by rounding, and so does what comes after them.
    cfg = TrainConfig(rs_payload_bytes=1, steps=60, batch=2, evaluate_every=60)
    train_network(cfg, seconds[:2], seconds[2:], tmp_path / "gpu", stop_after=20)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    train_network(cfg, seconds[:2], seconds[2:], tmp_path / "cpu", stop_after=20)
    gpu, cpu = (pd.read_csv(tmp_path / name / "log.csv") for name in ("gpu", "cpu"))
    np.testing.assert_allclose(gpu["loss"], cpu["loss"], rtol=1e-2)
