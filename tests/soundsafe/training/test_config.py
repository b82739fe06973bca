import dataclasses
import json

import pytest

from soundsafe.errors import InputError
from soundsafe.training.config import CONFIGS, TrainConfig, load_config


def test_defaults_are_the_missions():
    wanted = {
        "rs_payload_bytes": 191, "w_msg": 10.0, "w_perc": 1.0, "w_inv": 1.0, "w_stab": 0.05, "thr_step": 0.1,
        "stability_ramp_start": 0.33, "stability_ramp_end": 1.0, "sn_enable": True, "sn_target": 1.2,
        "sn_power_iter": 1, "csd_start_frac": 0.6, "csd_final_scale": 0.7, "csd_schedule": "cosine",
        "csd_feature_aware": True, "decode_precision": "fp32",
        "sn_layers": ["affine_coupling.*/proj.*", "coupling_net.*/fc.*", ".*1x1.*"],
    }  # fmt: skip
    assert wanted.items() <= TrainConfig().to_json().items()
    assert TrainConfig().bits == 2040
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().steps = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    "wrong",
    [
        {"rs_payload_bytes": 192}, {"w_msg": -1.0}, {"w_perc": float("nan")}, {"sn_target": 0.0},
        {"csd_schedule": "step"}, {"decode_precision": "fp16"}, {"stability_ramp_start": 1.0},
        {"sn_layers": ("(",)}, {"sn_layers": (1,)}, {"seed": 10**30}, {"seed": -1},
        {"size": "tiny"}, {"steps": 2}, {"batch": True}, {"sn_power_iter": 0}, {"csd_start_frac": 1.0},
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TrainConfig(**wrong)


def test_no_patterns_given_are_the_default_ones():
    assert TrainConfig(sn_layers=None) == TrainConfig()
    assert TrainConfig(sn_layers=()).sn_layers == ()


def test_configurations_come_from_the_package_and_from_files(tmp_path):
    assert [load_config(name).size for name in CONFIGS] == ["small", "small", "large"]
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(TrainConfig(steps=12, thr_step=1).to_json()))
    assert load_config(str(path)) == TrainConfig(steps=12, thr_step=1.0)
    for text, said in (("stepz = 3", "stepz"), ("steps = 1", "at least 10"), ("steps", "neither TOML")):
        bad = tmp_path / "bad.toml"
        bad.write_text(text)
        with pytest.raises(InputError, match=said):
            load_config(str(bad))
    with pytest.raises(InputError, match="carrier, smoke"):
        load_config("nothing_of_that_name")
