"""What a training run is: every field has its default, every value is checked, nothing changes afterwards."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from soundsafe.errors import InputError
from soundsafe.models import SIZES

__all__ = ["CONFIGS", "TrainConfig", "load_config"]

CONFIGS = ("smoke", "small", "large")
"""Configurations that come with the package."""

PARITY_BYTES = 64
_SN_LAYERS = ("affine_coupling.*/proj.*", "coupling_net.*/fc.*", ".*1x1.*")


@dataclass(frozen=True)
class TrainConfig:
    """A run of training; nothing changes afterwards. Shares of training run from 0 to 1.

    Args:
        rs_payload_bytes: payload of a second, 1 to 191; 64 bytes of Reed-Solomon parity join it.
        w_msg: weight of the message loss, at least 0.
        w_perc: weight of the perceptual loss, at least 0.
        w_inv: weight of the invertibility loss, at least 0.
        w_stab: weight of the stability loss before its ramp, at least 0.
        thr_step: quantisation step of the profile ``seed``'s thresholds, above 0, in units of magnitude.
        stability_ramp_start: share of training at which `w_stab` begins to rise.
        stability_ramp_end: share at which it reaches 0.5.
        stability_ramp: ``rollout`` (through 0.3 at 0.6) or ``linear``.
        sn_enable: bound the spectral norm of layers.
        sn_target: the bound, above 0.
        sn_power_iter: power iterations at each step, at least 1.
        sn_layers: patterns of layers' names, see `apply_spectral_normalization`; None: the default.
        csd_start_frac: share at which the random channel begins, below 1.
        csd_final_scale: strength of the random channel at the end, at least 0.
        csd_schedule: its rise, ``cosine`` or ``linear``.
        csd_feature_aware: keep the channel's gains so small that the allocator's features stay as they are.
        decode_precision: of reading in evaluations, ``fp32`` or ``fp64``.
        size: of the network, ``small`` or ``large``.
        steps: how many, at least 10.
        batch: seconds of audio in a step, a multiple of `devices`.
        evaluate_every: steps of an epoch, at least 1.
        learning_rate: at the start, above 0.
        clip_norm: largest norm of the gradient, above 0.
        curriculum_frac: share over which the perceptual weight rises from 0, below 1.
        devices: how many share each batch, a process each.
        precision: of training, ``32-true`` or ``bf16-mixed``.
        seed: of everything random, 0 to 2^63 - 1.
        profile: whose features the stability loss and the random channel look at: ``robust`` (levels in
            dB, which gain does not move) or ``seed`` (thresholds, as in the original design).

    Raises:
        ValueError: a value of another type or out of its range.

    Example:
        >>> cfg = TrainConfig(steps=100)
        >>> cfg.bits, cfg.stability_ramp_start, cfg.csd_schedule
        (2040, 0.33, 'cosine')
    """

    rs_payload_bytes: int = 191
    w_msg: float = 10.0
    w_perc: float = 1.0
    w_inv: float = 1.0
    w_stab: float = 0.05
    thr_step: float = 0.10
    stability_ramp_start: float = 0.33
    stability_ramp_end: float = 1.0
    stability_ramp: str = "rollout"
    sn_enable: bool = True
    sn_target: float = 1.2
    sn_power_iter: int = 1
    sn_layers: tuple[str, ...] = _SN_LAYERS
    csd_start_frac: float = 0.6
    csd_final_scale: float = 0.7
    csd_schedule: str = "cosine"
    csd_feature_aware: bool = True
    decode_precision: str = "fp32"
    size: str = "small"
    steps: int = 1000
    batch: int = 2
    evaluate_every: int = 100
    learning_rate: float = 1e-3
    clip_norm: float = 1.0
    curriculum_frac: float = 0.3
    devices: int = 1
    precision: str = "32-true"
    seed: int = 0
    profile: str = "robust"

    def __post_init__(self) -> None:
        object.__setattr__(self, "sn_layers", tuple(_SN_LAYERS if self.sn_layers is None else self.sn_layers))
        given = dict(vars(self))
        for field in dataclasses.fields(self):
            value = given[field.name]
            wanted = type(field.default)
            if isinstance(value, int) and wanted is float and not isinstance(value, bool):
                object.__setattr__(self, field.name, float(value))
            elif type(value) is not wanted:
                raise ValueError(f"{field.name} must be of type {wanted.__name__}, not {value!r}")
            if wanted is float and not (math.isfinite(float(value)) and value >= 0):
                raise ValueError(f"{field.name} must be finite and not negative, not {value}")
        self._choices()
        self._ranges()

    def _choices(self) -> None:
        for name, value, known in (
            ("profile", self.profile, ("robust", "seed")),
            ("stability_ramp", self.stability_ramp, ("rollout", "linear")),
            ("csd_schedule", self.csd_schedule, ("cosine", "linear")),
            ("decode_precision", self.decode_precision, ("fp32", "fp64")),
            ("size", self.size, tuple(SIZES)),
            ("precision", self.precision, ("32-true", "bf16-mixed")),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")

    def _ranges(self) -> None:
        if not 1 <= self.rs_payload_bytes <= 191:
            raise ValueError(f"rs_payload_bytes must be 1 to 191, not {self.rs_payload_bytes}")
        if not 0 <= self.stability_ramp_start < self.stability_ramp_end <= 1:
            raise ValueError("the ramp needs 0 <= stability_ramp_start < stability_ramp_end <= 1")
        given = vars(self)
        for name in ("csd_start_frac", "curriculum_frac"):
            if not 0 <= given[name] < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, not {given[name]}")
        for name in ("thr_step", "sn_target", "learning_rate", "clip_norm"):
            if given[name] <= 0:
                raise ValueError(f"{name} must be positive")
        for name in ("sn_power_iter", "batch", "evaluate_every", "devices"):
            if given[name] < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.batch % self.devices:
            raise ValueError(f"batch must be a multiple of devices, not {self.batch} on {self.devices}")
        if self.steps < 10:
            raise ValueError(f"steps must be at least 10, not {self.steps}")
        if not 0 <= self.seed < 2**63:
            raise ValueError("seed must be a whole number from 0 on, below 2^63")
        for pattern in self.sn_layers:
            try:
                re.compile(pattern)
            except (re.error, TypeError):
                raise ValueError(f"sn_layers: {pattern!r} is no regular expression") from None

    @property
    def bits(self) -> int:
        """Coded bits in a second."""
        return 8 * (self.rs_payload_bytes + PARITY_BYTES)

    def to_json(self) -> dict[str, Any]:
        """All fields by name.

        Returns:
            Values that JSON can hold.
        """
        return dataclasses.asdict(self) | {"sn_layers": list(self.sn_layers)}


def load_config(what: str) -> TrainConfig:
    """A configuration by name or from a file.

    Args:
        what: ``smoke``, ``small`` or ``large``, or the path of a TOML or JSON file.

    Returns:
        The configuration.

    Raises:
        InputError: a file that cannot be read, an unknown field, or a value out of range.

    Example:
        >>> load_config("smoke").size
        'small'
    """
    try:
        if what in CONFIGS:
            text = files("soundsafe.training").joinpath(f"configs/{what}.toml").read_text()
            given = tomllib.loads(text)
        else:
            text = Path(what).read_text(encoding="utf-8")
            given = json.loads(text) if what.endswith(".json") else tomllib.loads(text)
    except OSError as error:
        names = ", ".join(("carrier", *CONFIGS))
        raise InputError(f"cannot read {what}: {error.strerror}; give {names} or a file") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{what} is neither TOML nor JSON: {error}") from None
    if not isinstance(given, dict):
        raise InputError(f"{what} must hold a table of fields")
    unknown = set(given) - {field.name for field in dataclasses.fields(TrainConfig)}
    if unknown:
        raise InputError(f"{what}: unknown field {sorted(unknown)[0]}")
    if isinstance(given.get("sn_layers"), list):
        given["sn_layers"] = tuple(given["sn_layers"])
    try:
        return TrainConfig(**given)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what}: {error}") from None
