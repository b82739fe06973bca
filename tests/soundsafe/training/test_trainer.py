import numpy as np
import pandas as pd
import pytest
import torch

from soundsafe.errors import InputError
from soundsafe.training import devices, trainer
from soundsafe.training.checkpoint import build_model, read_checkpoint
from soundsafe.training.config import TrainConfig
from soundsafe.training.plots import images
from soundsafe.training.trainer import Diverged, train_network

pytestmark = pytest.mark.xdist_group("trainer")  # one worker makes what they share

CFG = TrainConfig(rs_payload_bytes=1, steps=10, batch=1, evaluate_every=5, curriculum_frac=0.2)


@pytest.fixture(scope="module")
def whole(seconds, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "whole"
    rows = train_network(CFG, seconds[:2], seconds[2:], out)
    return out, rows


@pytest.mark.slow
def test_a_run_leaves_a_checkpoint_and_a_table_for_each_phase(whole):
    out, rows = whole
    (row,) = rows
    assert (row["attack"], row["seconds"]) == ("none", 1)
    for phase, step in (("A", 4), ("B", 6), ("C", 10)):
        checkpoint = read_checkpoint(out / f"phase_{phase}" / "model.safetensors")
        assert (checkpoint.step, checkpoint.config) == (step, CFG)
        table = pd.read_csv(out / f"phase_{phase}" / "table.csv")
        assert list(table["attack"]) == ["none"]
        assert list(table["payload_bytes"]) == [1]
        for name in ("ber", "parity", "losses", "stability", "w_stab", "gradient_norms"):
            assert (out / f"phase_{phase}" / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
        assert not list((out / f"phase_{phase}").glob(".*"))
    log = pd.read_csv(out / "log.csv")
    assert list(log["step"]) == list(range(1, 11))
    assert "".join(log["phase"]) == "AAAABBCCCC"
    assert (log.filter(like="grad/affine_coupling").to_numpy() > 0).any(axis=0).all()
    held = pd.read_csv(out / "validation.csv")
    assert list(held["step"]) == [0, 4, 5, 6, 10]
    assert held["stability_start"].nunique() == 1
    assert held["stability"][0] == held["stability_start"][0]
    assert held["stability_share"][4] == pytest.approx(held["stability"][4] / held["stability"][0])


@pytest.mark.slow
def test_a_run_leaves_every_step_and_the_spread_of_gradient_norms_for_tensorboard(whole):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out, _ = whole
    board = EventAccumulator(str(out / "tensorboard"), {"scalars": 0, "histograms": 0}).Reload()
    log = pd.read_csv(out / "log.csv")
    assert [(e.step, e.value) for e in board.Scalars("loss")] == [
        (step, pytest.approx(loss, rel=1e-6)) for step, loss in zip(log["step"], log["loss"], strict=True)
    ]
    name = "grad/affine_coupling.0.phi.proj"
    spreads = [e.histogram_value for e in board.Histograms(name)]
    assert sum(s.num for s in spreads) == 10
    assert max(s.max for s in spreads) == pytest.approx(log[name].max(), rel=1e-6)


@pytest.mark.slow
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(seconds, whole, tmp_path):
    out, _ = whole
    train_network(CFG, seconds[:2], seconds[2:], tmp_path / "run", stop_after=5)
    assert read_checkpoint(tmp_path / "run" / "last.safetensors").step == 5
    train_network(CFG, seconds[:2], seconds[2:], tmp_path / "run", resume=True)
    for name in ("log.csv", "validation.csv"):
        assert (out / name).read_bytes() == (tmp_path / "run" / name).read_bytes()
    a, b = (read_checkpoint(f / "last.safetensors") for f in (out, tmp_path / "run"))
    assert all(torch.equal(a.weights[k], b.weights[k]) for k in a.weights)


@pytest.mark.slow
def test_plots_of_a_phase_are_the_same_when_made_again(whole):
    out, _ = whole
    log = pd.read_csv(out / "log.csv")
    for phase in "ABC":
        table = pd.read_csv(out / f"phase_{phase}" / "table.csv")
        held = pd.read_csv(out / "validation.csv")
        for name, image in images(table, log, phase, held).items():
            assert (out / f"phase_{phase}" / name).read_bytes() == image, name


@pytest.mark.slow
def test_a_finished_run_that_is_resumed_gives_its_last_figures(seconds, whole):
    out, rows = whole
    again = train_network(CFG, seconds[:2], seconds[2:], out, resume=True)
    assert [{name: row[name] for name in rows[0]} for row in again] == rows


@pytest.mark.slow
def test_what_cannot_be_resumed(seconds, whole):
    out, _ = whole
    with pytest.raises(InputError, match="--resume"):
        train_network(CFG, seconds[:2], seconds[2:], out)
    with pytest.raises(InputError, match="the audio"):
        train_network(CFG, seconds[1:2], seconds[2:], out, resume=True)
    other = TrainConfig(**(CFG.to_json() | {"w_msg": 1.0}))
    with pytest.raises(InputError, match="w_msg was 10"):
        train_network(other, seconds[:2], seconds[2:], out, resume=True)


@pytest.mark.slow
def test_training_stops_where_the_loss_is_not_finite_and_keeps_the_last_good(seconds, tmp_path, monkeypatch):
    real, calls = devices.compute_losses_and_metrics, []

    def failing(*args):
        result = real(*args)
        calls.append(1)
        return result | {"loss": result["loss"] * float("nan")} if len(calls) == 8 else result

    monkeypatch.setattr(devices, "compute_losses_and_metrics", failing)
    with pytest.raises(Diverged, match=r"step 8.*last\.safetensors"):
        train_network(CFG, seconds[:2], seconds[2:], tmp_path)
    weights = read_checkpoint(tmp_path / "last.safetensors").weights
    assert all(torch.isfinite(w).all() for w in weights.values() if w.is_floating_point())


def test_a_network_that_gives_no_numbers_ends_the_run_in_one_line(seconds, tmp_path, monkeypatch):
    def broken(cfg):
        model = build_model(cfg)
        with torch.no_grad():
            model.affine_coupling[0].phi.proj.bias.fill_(1e9)
        return model

    monkeypatch.setattr(trainer, "build_model", broken)
    with pytest.raises(Diverged, match=r"step 1: loss nan.*no checkpoint"):
        train_network(CFG, seconds[:2], seconds[2:], tmp_path)


def test_one_loud_step_is_no_divergence_and_several_are(tmp_path):
    before = [1.0] * 50
    trainer._check(25.0, 1.0, before, 50, tmp_path / "last")
    with pytest.raises(Diverged, match="loss 25 after a median of 1"):
        trainer._check(25.0, 1.0, [*before[2:], 25.0, 25.0], 52, tmp_path / "last")


@pytest.mark.slow
def test_mixed_precision_starts_where_the_plain_one_does(seconds, whole, tmp_path):
    cfg = TrainConfig(**(CFG.to_json() | {"precision": "bf16-mixed"}))
    train_network(cfg, seconds[:2], seconds[2:], tmp_path, stop_after=4)  # phase A ends: a table is written
    mixed, plain = (pd.read_csv(f / "log.csv")["loss"][:3] for f in (tmp_path, whole[0]))
    assert not np.array_equal(mixed, plain)
    np.testing.assert_allclose(mixed, plain, rtol=0.01)


def test_a_pattern_without_a_layer_is_one_line():
    with pytest.raises(InputError, match=r"sn_layers.*no_such"):
        build_model(TrainConfig(**(CFG.to_json() | {"sn_layers": ["no_such/layer"], "sn_enable": False})))
