"""torchaudio where torch is a build for the CPU alone.

PyPI has torchaudio for Linux built against CUDA only. Its compiled part, which serves a few filters, does not
load beside a torch without CUDA, and its import ends there; all else is Python and needs no CUDA.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

__all__ = ["load_torchaudio"]

_EXTENSION = "torchaudio._extension"


def load_torchaudio() -> Any:
    """torchaudio, without its compiled part where that does not load.

    Returns:
        The module, with `functional` and `transforms`.

    Raises:
        ImportError: torchaudio is not installed.
    """
    try:
        module = importlib.import_module("torchaudio")
    except OSError:
        for name in [n for n in sys.modules if n == "torchaudio" or n.startswith("torchaudio.")]:
            del sys.modules[name]
        sys.modules[_EXTENSION] = _without_compiled_part()
        module = importlib.import_module("torchaudio")
    importlib.import_module("torchaudio.functional")
    importlib.import_module("torchaudio.transforms")
    return module


def _without_compiled_part() -> ModuleType:
    extension = ModuleType(_EXTENSION)
    vars(extension).update(
        _IS_TORCHAUDIO_EXT_AVAILABLE=False,
        _IS_ALIGN_AVAILABLE=False,
        fail_if_no_align=lambda function: function,
    )
    return extension
