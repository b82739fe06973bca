"""Neural codecs: left out without weights; with networks of chance weights, run as they should be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks
from soundsafe.attacks import neural
from soundsafe.errors import InputError
from soundsafe.eval.running.plan import make_plan

RATE = 44_100
NEURAL = [a for a in attacks.all_attacks() if a.weights]


@pytest.fixture(autouse=True)
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    for weights in neural.WEIGHTS.values():
        monkeypatch.delenv(weights.variable, raising=False)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The smallest networks of each kind, with weights by chance."""
    transformers = pytest.importorskip("transformers")
    import torch

    torch.manual_seed(0)
    small = {"num_filters": 2, "num_residual_layers": 1, "hidden_size": 8, "codebook_dim": 8}
    models = {
        "encodec": transformers.EncodecModel(
            transformers.EncodecConfig(**small, num_lstm_layers=1, codebook_size=16)
        ),
        "dac": transformers.DacModel(
            transformers.DacConfig(
                encoder_hidden_size=4, decoder_hidden_size=32, n_codebooks=9, codebook_size=16,
                sampling_rate=44_100,
            )
        ),
        "mimi": transformers.MimiModel(
            transformers.MimiConfig(
                **small, codebook_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
                head_dim=4, intermediate_size=8, vector_quantization_hidden_dimension=8, upsample_groups=8,
            )
        ),
        "univnet": transformers.UnivNetModel(
            transformers.UnivNetConfig(model_hidden_channels=4)
        ),
    }  # fmt: skip
    folder = tmp_path_factory.mktemp("weights")
    for name, model in models.items():
        model.save_pretrained(folder / name)
    transformers.UnivNetFeatureExtractor().save_pretrained(folder / "univnet")
    return {name: folder / name for name in models}


@pytest.fixture
def weights(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, folder in folders.items():
        monkeypatch.setenv(neural.WEIGHTS[name].variable, str(folder))
    yield
    neural._model.cache_clear()


def test_without_weights_they_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(NEURAL) >= 10
    for attack in NEURAL:
        assert "needs " in attack.left_out
        with pytest.raises(InputError, match="needs "):
            attack.apply(np.zeros((1, RATE), np.float32), RATE, np.random.default_rng(0))
    assert attacks.get("mp3_128+then+dac").left_out
    assert not attacks.get("mp3_128").left_out
    plan = make_plan("soundsafe", ["neural"], "bundled", limit=1)
    assert [cell.name for cell, _ in plan.cells] == list(attacks.CONTROLS)
    assert [line.split()[0] for line in plan.left_out] == [a.name for a in NEURAL]
    with pytest.raises(InputError, match="dac needs "):
        make_plan("soundsafe", ["none", "dac"], "bundled", limit=1)
    pytest.importorskip("transformers")
    monkeypatch.setenv("SOUNDSAFE_WEIGHTS_DAC", str(tmp_path / "nowhere"))
    assert attacks.get("dac").left_out == "needs weights: SOUNDSAFE_WEIGHTS_DAC names no folder"


@pytest.mark.parametrize("name", [a.name for a in NEURAL])
@pytest.mark.parametrize("clip", ["stereo", "mono", "one_second"])
def test_they_run(name: str, clip: str, weights: None, request: pytest.FixtureRequest) -> None:
    audio: NDArray[np.float32] = request.getfixturevalue(clip)
    attack = attacks.get(name)
    assert not attack.left_out
    before = audio.copy()
    first, second = (attack.apply(audio, RATE, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(audio, before)
    np.testing.assert_array_equal(first, second)
    assert first.shape == audio.shape
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert np.abs(first).max() > 0


def test_quantisers_matter_and_channels_stay_apart(weights: None, stereo: NDArray[np.float32]) -> None:
    rng = np.random.default_rng(0)
    few, all_ = (attacks.get(name).apply(stereo, RATE, rng) for name in ("dac_3q", "dac"))
    assert not np.array_equal(few, all_)
    right = attacks.get("dac").apply(stereo[1:], RATE, rng)
    np.testing.assert_allclose(all_[1:], right, atol=1e-5)


def test_runs_say_which_weights(weights: None) -> None:
    plan = make_plan("soundsafe", ["neural"], "bundled", limit=1)
    assert plan.left_out == ()
    found = plan.configuration()["weights"]
    assert list(found) == [w.variable for w in neural.WEIGHTS.values()]
    assert len(set(found.values())) == len(found)
    assert "weights" not in make_plan("soundsafe", ["none"], "bundled", limit=1).configuration()
