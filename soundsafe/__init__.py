"""An audio watermark: `embed` hides a payload in music and speech, `decode` reads it from the audio alone."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from soundsafe.api import coded_bits, decode, decode_file, embed, embed_file, layouts
    from soundsafe.result import Decoded, Embedded, Eul

__all__ = [
    "Decoded",
    "Embedded",
    "Eul",
    "coded_bits",
    "decode",
    "decode_file",
    "embed",
    "embed_file",
    "layouts",
]


_beside = Path(__file__).resolve().parent.parent
if (_beside / "pyproject.toml").is_file() and (_beside / "eval").is_dir():
    # In a clone the bench's folders lie beside this one: here they are found without an installation.
    __path__.append(str(_beside))


def __getattr__(name: str) -> Any:
    # Loaded when first asked for: bad input and --version are answered without waiting for torch.
    if name in __all__:
        home = "soundsafe.result" if name in ("Decoded", "Embedded", "Eul") else "soundsafe.api"
        return getattr(import_module(home), name)
    raise AttributeError(f"module 'soundsafe' has no attribute {name!r}")
