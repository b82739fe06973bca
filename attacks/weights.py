"""Weights of networks that this package does not bring: folders of the user's own."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from soundsafe.errors import InputError

__all__ = ["Weights"]


@dataclass(frozen=True)
class Weights:
    """A model's folder, which the user names in an environment variable.

    Args:
        variable: name of the environment variable.
        package: module that runs the model.
        extra: of this package, that brings the module.

    Example:
        >>> Weights("NO_SUCH_VARIABLE", "json", "neural").missing()
        'needs weights: NO_SUCH_VARIABLE names their folder'
    """

    variable: str
    package: str
    extra: str

    def missing(self) -> str:
        """Why the model cannot be had.

        Returns:
            One line; '' where it can be had.
        """
        if find_spec(self.package) is None:
            return f"needs {self.package}: pip install 'soundsafe[{self.extra}]'"
        folder = os.environ.get(self.variable)
        if not folder:
            return f"needs weights: {self.variable} names their folder"
        if not Path(folder).is_dir():
            return f"needs weights: {self.variable} names no folder"
        return ""

    def folder(self) -> Path:
        """The model's folder.

        Returns:
            A folder that is there.

        Raises:
            InputError: there is none.
        """
        reason = self.missing()
        if reason:
            raise InputError(reason)
        return Path(os.environ[self.variable])

    def digest(self) -> str:
        """What the folder holds, as a number to compare.

        Returns:
            16 hexadecimal digits of the SHA-256 of the folder's files.

        Raises:
            InputError: there is no folder.
        """
        digest = hashlib.sha256()
        for path in sorted(p for p in self.folder().rglob("*") if p.is_file()):
            digest.update(path.relative_to(self.folder()).as_posix().encode() + b"\0")
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()[:16]
