"""Profiles whose lattice lies in the image of a learned map (`soundsafe.models.steps`).

The map divides each critical band of each frame by a factor, which for the lattice is a larger or a smaller
masking threshold: `learned_factors` gives these to `soundsafe.cells.masking`. Pilots keep their own: bands in
which they lie have no factor, so that a second is found before its map is known.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import torch

from soundsafe.cells.profile import EUL_FRAMES, Profile, with_code
from soundsafe.errors import InputError
from soundsafe.models.steps import StepMap, read_map

__all__ = ["MODELS", "LearnedProfile", "learned_factors", "model_card", "profile_of", "with_model"]

MODELS = {"steps": "steps.npz"}
"""Networks that come with the package, and their files in `soundsafe.models`."""


@dataclass(frozen=True)
class LearnedProfile(Profile):
    """A profile with a network.

    Args:
        file: of its weights: a name of `MODELS`, or a path.
        weights: SHA-256 of the file, hexadecimal.
    """

    file: str = "steps"
    weights: str = ""

    @property
    def model(self) -> str | None:
        """Name or path of the network."""
        return self.file


def _path(name: str) -> Path:
    """The file of a network by its name or path."""
    return Path(str(files("soundsafe.models").joinpath(MODELS[name]))) if name in MODELS else Path(name)


def _unreadable(name: str, error: OSError) -> InputError:
    return InputError(f"cannot read the model {name}: {error.strerror}; known: {', '.join(MODELS)}")


@lru_cache(maxsize=4)
def _loaded(name: str, weights: str) -> tuple[StepMap, dict[str, object]]:
    """The network whose file has this digest."""
    path = _path(name)
    try:
        if hashlib.sha256(path.read_bytes()).hexdigest() != weights:
            raise InputError(f"{path} has changed since it was first read")
        return read_map(path)
    except OSError as error:
        raise _unreadable(name, error) from None
    except ValueError as error:
        raise InputError(str(error)) from None


def with_model(name: str, code: str = "ldpc") -> LearnedProfile:
    """The default profile with a network.

    Args:
        name: one of `MODELS`, or the path of a file that `soundsafe train steps` wrote.
        code: ``ldpc`` or ``rs``.

    Raises:
        InputError: no such network, or a file that is none.

    Example:
        >>> with_model("steps").name
        'robust-steps'
    """
    try:
        weights = hashlib.sha256(_path(name).read_bytes()).hexdigest()
    except OSError as error:
        raise _unreadable(name, error) from None
    _loaded(name, weights)  # what is no model is refused here
    base = with_code(code)
    return LearnedProfile(name=f"{base.name}-{Path(name).stem}", code=base.code, file=name, weights=weights)


def profile_of(model: str | None, code: str = "ldpc") -> Profile:
    """The default profile with one of both codes, and with a network where one is named.

    Args:
        model: one of `MODELS`, a path, or None.
        code: ``ldpc`` or ``rs``.

    Raises:
        InputError: no such network or code.

    Example:
        >>> profile_of(None).model, profile_of("steps").model
        (None, 'steps')
    """
    return with_code(code) if model is None else with_model(model, code)


def model_card(profile: Profile) -> dict[str, object]:
    """What the file of a profile's network says of it.

    Example:
        >>> sorted(set(model_card(with_model("steps"))) & {"fixed", "size"})
        ['fixed', 'size']
    """
    return _loaded(profile.file, profile.weights)[1] if isinstance(profile, LearnedProfile) else {}


def learned_factors(power: torch.Tensor, profile: LearnedProfile) -> torch.Tensor:
    """Factors of the threshold of each band.

    Args:
        power: mean power of the cells of each band ``[..., 24, frames]``. Where frames are a whole number of
            seconds, each second is looked at by itself, as the detector hears them one by one.
        profile: with a network.

    Returns:
        The shape of `power`, within a factor of 2.
    """
    net, _ = _loaded(profile.file, profile.weights)
    level = 10.0 * torch.log10(power + profile.threshold_floor)
    frames = level.shape[-1]
    length = EUL_FRAMES if frames % EUL_FRAMES == 0 else frames
    by_second = level.unflatten(-1, (-1, length)).movedim(-2, 0)
    with torch.no_grad():
        log = net(by_second.reshape(-1, *by_second.shape[-2:]))
    return torch.exp(log.view(by_second.shape).movedim(0, -2).flatten(-2))
