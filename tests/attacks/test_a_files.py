"""What the attacks of The A-Files promise beside their likeness to the originals (`test_published.py`)."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks
from soundsafe.attacks.a_files import SNR_DB, resampling_target

RATE = 44100


def apply(name: str, audio: NDArray[np.float32], rate: int = RATE) -> NDArray[np.float32]:
    return attacks.get(f"a_files_{name}").apply(audio, rate, np.random.default_rng(0))


@pytest.mark.parametrize("kind", ["awgn", "pink_noise", "impulse_noise"])
def test_noise_is_as_loud_as_it_says(kind: str, stereo: NDArray[np.float32]) -> None:
    for severity, snr_db in zip(("mild", "moderate", "strong", "extreme"), SNR_DB, strict=True):
        added = apply(f"{kind}_{severity}", stereo) - stereo
        assert 10 * np.log10(np.mean(stereo**2) / np.mean(added**2)) == pytest.approx(snr_db, abs=0.2)


def test_targets_follow_from_the_rate() -> None:
    assert [resampling_target(16000, k) for k in range(4)] == [22050, 8000, 8000, 8000]
    assert [resampling_target(8000, k) for k in range(4)] == [16000] * 4
    assert resampling_target(96000, 0) == 48000


def test_four_severities_of_each_kind() -> None:
    names = [a.name for a in attacks.all_attacks() if a.family == "a_files"]
    kinds = {n.rsplit("_", 1)[0] for n in names if n.endswith(("mild", "moderate", "strong", "extreme"))}
    assert len(kinds) == 28
    assert len(names) == 4 * len(kinds) + 5


def test_stages_of_a_pipeline_add_up(stereo: NDArray[np.float32]) -> None:
    attack = attacks.get("a_files_broadcast")
    if attack.left_out:
        pytest.skip(attack.left_out)
    out = attack.apply(stereo, RATE, np.random.default_rng(0))
    assert out.shape == stereo.shape
    above = np.fft.rfftfreq(out.shape[1], 1 / RATE) > 12000
    for channel, before in zip(out, stereo, strict=True):
        ratio = np.sum(np.abs(np.fft.rfft(channel))[above] ** 2) / np.sum(np.abs(np.fft.rfft(before)) ** 2)
        assert ratio < 0.01
