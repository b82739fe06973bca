"""Programs that attacks run, which the user installs."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

__all__ = ["Program"]


@dataclass(frozen=True)
class Program:
    """A command of that name; `package` of Debian and Ubuntu brings it."""

    name: str
    package: str

    def missing(self) -> str:
        """Why it cannot be run, in one line; '' where it can."""
        if shutil.which(self.name):
            return ""
        return f"needs the program {self.name} (Debian and Ubuntu: {self.package})"
