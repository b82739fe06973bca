"""An audio watermark: `embed` hides a payload in music and speech, `decode` reads it from the audio alone."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from soundsafe.api import coded_bits, decode, decode_file, embed, embed_file, layouts
    from soundsafe.errors import InputError, NotMarkable
    from soundsafe.keys import read_key_file, write_key_file
    from soundsafe.result import Decoded, Embedded, Eul

    __version__: str

__all__ = [
    "Decoded",
    "Embedded",
    "Eul",
    "InputError",
    "NotMarkable",
    "coded_bits",
    "decode",
    "decode_file",
    "embed",
    "embed_file",
    "layouts",
    "read_key_file",
    "write_key_file",
]

_HOMES = {
    "Decoded": "result",
    "Embedded": "result",
    "Eul": "result",
    "InputError": "errors",
    "NotMarkable": "errors",
    "evaluate": "eval.running.runner",
    "read_key_file": "keys",
    "write_key_file": "keys",
}
"""Where names are that are not in `soundsafe.api`; `evaluate` is the bench's, which stands on all of it."""


_here = Path(__file__).resolve().parent
if not (_here / "eval").is_dir() and (_here.parent / "eval" / "__init__.py").is_file():
    # A copy of a clone whose links to the bench's folders were lost on the way: they lie beside this one.
    __path__.append(str(_here.parent))


def _version() -> str:
    """Of the installed package, or what a clone says of itself."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("soundsafe")
    except PackageNotFoundError:
        import tomllib

        text = (_here.parent / "pyproject.toml").read_text(encoding="utf-8")
        return str(tomllib.loads(text)["project"]["version"])


def __getattr__(name: str) -> Any:
    # Loaded when first asked for: bad input and --version are answered without waiting for torch.
    if name == "__version__":
        return _version()
    if name in __all__ or name in _HOMES:
        return getattr(import_module(f"soundsafe.{_HOMES.get(name, 'api')}"), name)
    raise AttributeError(f"module 'soundsafe' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__", "evaluate"])
