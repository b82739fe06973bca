"""Names of layers: the same in the command and in Python."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

import soundsafe
from soundsafe.errors import InputError
from soundsafe.streams.layers import LAYERS, layers_of


@pytest.mark.parametrize(
    ("names", "layers"),
    [
        ("eul", ("eul",)),
        ("eul,tile", LAYERS),
        ("tile,eul", LAYERS),
        ("both", LAYERS),
        (["eul"], ("eul",)),
        (("tile", "eul"), LAYERS),
    ],
)
def test_layers_by_name(names: str | Sequence[str], layers: tuple[str, ...]) -> None:
    assert layers_of(names) == layers


@pytest.mark.parametrize("names", ["", "tile", "eul,eul", "eul, tile", ("eul", "lead"), ()])
def test_other_names_are_refused(names: str | Sequence[str]) -> None:
    with pytest.raises(InputError, match="eul or eul,tile"):
        layers_of(names)


def test_python_takes_what_the_command_takes() -> None:
    silence = np.zeros((1, 44_100), np.float32)
    with pytest.raises(InputError, match="unknown layers lead: eul or eul,tile"):
        soundsafe.embed(silence, 44_100, b"x", layers="lead")
