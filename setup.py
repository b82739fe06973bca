"""Writes the commit that a wheel or a source archive is made of into it; all else is in `pyproject.toml`."""

from __future__ import annotations

import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

_FILE = "soundsafe/commit.txt"


def _write(folder: str) -> None:
    """Write the checkout's commit below a folder; nothing where this is none, as in an unpacked archive."""
    here = Path(__file__).resolve().parent
    if not (here / ".git").exists():
        return
    try:
        done = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return
    if done.returncode == 0:
        (Path(folder) / _FILE).write_text(done.stdout, encoding="ascii")


class BuildWithCommit(build_py):
    """As ever, and then the commit; an editable install asks its checkout."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            _write(self.build_lib)


class ArchiveWithCommit(sdist):
    """As ever, and then the commit."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        _write(base_dir)


setup(cmdclass={"build_py": BuildWithCommit, "sdist": ArchiveWithCommit})
