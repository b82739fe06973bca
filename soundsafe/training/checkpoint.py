"""Checkpoints: one safetensors file of weights and the optimiser's state, with its origin as metadata."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from soundsafe.errors import InputError
from soundsafe.models import INNWatermarker, bound_norms, matched_layers
from soundsafe.training.config import TrainConfig

__all__ = [
    "Checkpoint",
    "apply_spectral_normalization",
    "build_model",
    "read_checkpoint",
    "require_safetensors",
    "write_atomically",
    "write_checkpoint",
]


@dataclass(frozen=True)
class Checkpoint:
    """Everything that the next step depends on: `step` steps are done, `rng` is the generator's state."""

    config: TrainConfig
    data_hash: str
    code_version: str
    step: int
    rng: dict[str, Any]
    weights: dict[str, torch.Tensor]
    optimizer: dict[str, torch.Tensor]

    def model(self) -> INNWatermarker:
        """The network with these weights. Raises InputError where they are another's."""
        model = build_model(self.config)
        try:
            model.load_state_dict(self.weights)
        except RuntimeError:
            raise InputError("the checkpoint's weights are not those of the network that it names") from None
        return model


def build_model(cfg: TrainConfig) -> INNWatermarker:
    """The network of `cfg` with its seed's random start, its layers bounded where ``cfg.sn_enable``.

    Raises InputError where one of ``cfg.sn_layers`` matches no layer.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(cfg.seed)
        model = INNWatermarker(cfg.size, cfg.bits, key=cfg.seed)
    try:
        matched_layers(model, cfg.sn_layers)
    except ValueError as error:
        raise InputError(f"sn_layers: {error}") from None
    apply_spectral_normalization(model, cfg)
    return model


def apply_spectral_normalization(model: torch.nn.Module, cfg: TrainConfig) -> list[str]:
    """Bound the layers that a configuration names.

    Nothing is changed without ``cfg.sn_enable``.

    Args:
        model: whose layers are changed in place.
        cfg: its `sn_layers`, `sn_target` and `sn_power_iter` are used.

    Returns:
        Names of the layers that were bounded now, sorted.

    Raises:
        ValueError: a pattern that matches no linear or convolution layer.

    Example:
        >>> names = apply_spectral_normalization(INNWatermarker(bits=64), TrainConfig())
        >>> names[0], "coupling_net.fc_in" in names
        ('affine_coupling.0.eta.mix1x1', True)
    """
    if not cfg.sn_enable:
        return []
    return bound_norms(model, cfg.sn_layers, cfg.sn_target, cfg.sn_power_iter)


def require_safetensors() -> Any:
    """The two modules of safetensors. Raises InputError where it is not installed."""
    try:
        return importlib.import_module("safetensors.torch"), importlib.import_module("safetensors")
    except ImportError:
        raise InputError("training networks needs safetensors: pip install 'soundsafe[train]'") from None


def write_checkpoint(
    path: Path, model: INNWatermarker, optimizer: torch.optim.Optimizer, cfg: TrainConfig, data_hash: str,
    step: int, rng: dict[str, Any],
) -> None:  # fmt: skip
    """Write `path` by atomic rename."""
    tensors = {f"model.{k}": v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            tensors[f"optimizer.{index}.{name}"] = torch.as_tensor(value).detach().cpu().contiguous()
    metadata = {
        "config": json.dumps(cfg.to_json()),
        "data_hash": data_hash,
        "code_version": version("soundsafe"),
        "step": str(step),
        "rng": json.dumps(rng),
    }
    torch_files, _ = require_safetensors()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, torch_files.save(tensors, metadata=metadata))


def write_atomically(path: Path, data: bytes) -> None:
    """Write `path` by rename; nothing of it stays where that fails."""
    partial = path.with_name(f".{path.name}.tmp")
    try:
        partial.write_bytes(data)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def read_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint in `path`. Raises InputError where there is none."""
    torch_files, plain = require_safetensors()
    try:
        tensors = torch_files.load_file(str(path))
        with plain.safe_open(str(path), framework="pt") as file:
            meta = file.metadata()
        config = json.loads(meta["config"])
        cfg = TrainConfig(**(config | {"sn_layers": tuple(config["sn_layers"])}))
        rng, step = json.loads(meta["rng"]), int(meta["step"])
        origin = meta["data_hash"], meta["code_version"]
        parts: dict[str, dict[str, torch.Tensor]] = {"model": {}, "optimizer": {}}
        for name, value in tensors.items():
            kind, _, rest = name.partition(".")
            parts[kind][rest] = value
    except FileNotFoundError:
        raise InputError(f"no checkpoint {path}") from None
    except (OSError, KeyError, TypeError, ValueError, RecursionError, plain.SafetensorError) as error:
        raise InputError(f"{path} is no checkpoint of a training run: {error}") from None
    return Checkpoint(
        config=cfg,
        data_hash=origin[0],
        code_version=origin[1],
        step=step,
        rng=rng,
        weights=parts["model"],
        optimizer=parts["optimizer"],
    )


def restore_optimizer(optimizer: torch.optim.Optimizer, checkpoint: Checkpoint) -> None:
    """Give `optimizer`, made for the checkpoint's network, the state it had."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in checkpoint.optimizer.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def same_run(checkpoint: Checkpoint, cfg: TrainConfig, data_hash: str) -> None:
    """Raise InputError unless the checkpoint belongs to `cfg` and the same audio."""
    then = dataclasses.asdict(checkpoint.config)
    for name, now in dataclasses.asdict(cfg).items():
        if then[name] != now:
            raise InputError(f"cannot resume: {name} was {then[name]} and is {now}")
    if checkpoint.data_hash != data_hash:
        raise InputError("cannot resume: the audio is not that of the run")
