"""The learned map: its inverse is exact, gain does not count, its file says what it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from soundsafe.models.steps import BANDS, MAP_SIZES, StepMap, read_map, write_map

PER_LOG = 20.0 / np.log(10.0)


def random_map(size: str = "small", fixed: tuple[int, ...] = (9, 13), seed: int = 0) -> StepMap:
    """A map whose weights are drawn by lot, so that its factors differ."""
    torch.manual_seed(seed)
    model = StepMap(size, fixed)
    with torch.no_grad():
        for half in model.halves:
            assert isinstance(half, torch.nn.Sequential)
            torch.nn.init.normal_(half[-1].weight, std=0.2)
        model.shift.fill_(-0.1)
    return model.eval()


def levels(seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(20.0 * np.random.default_rng(seed).normal(size=(2, BANDS, 100))).float()


@pytest.mark.parametrize("size", MAP_SIZES)
def test_the_inverse_has_the_same_factors(size: str) -> None:
    model, level = random_map(size), levels()
    with torch.no_grad():
        factors = model(level)
        back = model.inverse(level - PER_LOG * factors)
    assert factors.std() > 0.02
    assert (back - factors).abs().max() < 1e-3


def test_gain_does_not_count() -> None:
    model, level = random_map(), levels()
    with torch.no_grad():
        assert torch.allclose(model(level), model(level + 17.0), atol=1e-4)


def test_factors_stay_within_their_bound_and_fixed_bands_have_none() -> None:
    model = random_map()
    with torch.no_grad():
        factors = model(100.0 * levels())
    assert factors.abs().max() <= 0.4 + 0.1 + 1e-6
    assert not factors[:, [9, 13]].any()


def test_frames_far_away_do_not_count() -> None:
    model, level = random_map("large"), levels()
    other = level.clone()
    other[..., 70:] += 9.0 * torch.randn_like(other[..., 70:])
    with torch.no_grad():
        assert torch.equal(model(level)[..., :30], model(other)[..., :30])


def test_a_file_holds_weights_and_card(tmp_path: Path) -> None:
    model = random_map("medium")
    write_map(tmp_path / "map.npz", model, {"command": "soundsafe train steps"})
    again, card = read_map(tmp_path / "map.npz")
    assert card["command"] == "soundsafe train steps"
    assert (again.size, again.fixed) == ("medium", (9, 13))
    with torch.no_grad():
        assert torch.equal(again(levels()), model(levels()))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", bytes(1000)])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "map.npz").write_bytes(content)
    with pytest.raises((ValueError, OSError)):
        read_map(tmp_path / "map.npz")


def test_other_arrays_and_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", card=np.array("{}"))
    with pytest.raises(ValueError, match="is no model"):
        read_map(tmp_path / "other.npz")
    broken = random_map()
    with torch.no_grad():
        broken.bias[3] = torch.nan
    write_map(tmp_path / "broken.npz", broken, {})
    with pytest.raises(ValueError, match="not finite"):
        read_map(tmp_path / "broken.npz")


def test_an_unknown_size_is_refused() -> None:
    with pytest.raises(ValueError, match="small, medium, large"):
        StepMap("huge")
