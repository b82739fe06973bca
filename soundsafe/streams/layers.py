"""The layers of a mark, by the names that commands and functions take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from soundsafe.errors import InputError

if TYPE_CHECKING:
    from soundsafe.cells.code import CellCode
    from soundsafe.tiles.geometry import TileCode

__all__ = ["LAYERS", "layers_of", "tile_code_beside"]

LAYERS = ("eul", "tile")
"""``eul``, the layer of one-second segments, and ``tile``, the one under it that survives phase vocoders."""

_SETS = (("eul",), LAYERS)


def layers_of(names: str | Iterable[str]) -> tuple[str, ...]:
    """The layers that are named.

    Args:
        names: ``"eul"`` or ``"eul,tile"``, or the same names one by one; ``"both"`` stands for the latter.

    Returns:
        The names in the order of `LAYERS`.

    Raises:
        InputError: any other names.

    Example:
        >>> layers_of("eul,tile"), layers_of(["eul"])
        (('eul', 'tile'), ('eul',))
    """
    if names == "both":
        return LAYERS
    asked = names.split(",") if isinstance(names, str) else list(names)
    for layers in _SETS:
        if sorted(asked) == sorted(layers):
            return layers
    shown = ",".join(str(name) for name in asked)
    raise InputError(f"unknown layers {shown}: {' or '.join(','.join(layers) for layers in _SETS)}")


def tile_code_beside(code: CellCode) -> TileCode:
    """The code of the tile layer that goes with one of the cell layer: bound to its audio where that is.

    Example:
        >>> from soundsafe.cells.code import CellCode
        >>> tile_code_beside(CellCode()).profile.host_bound == CellCode().profile.host_bound
        True
    """
    from soundsafe.tiles.geometry import LEARNABLE_TILES, TileCode  # with torch, which names do without

    return TileCode(code.key) if code.profile.host_bound else TileCode(code.key, LEARNABLE_TILES)
