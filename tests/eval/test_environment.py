"""What `run.json` says of the code that ran."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from soundsafe.eval import environment


def test_the_commit_of_a_checkout_and_of_links_to_it_but_not_of_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "checkout"
    git = ["git", "-C", str(checkout), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for folder in ("checkout", "linked", "copied"):
        (tmp_path / folder / "soundsafe").mkdir(parents=True)
    (checkout / "soundsafe" / "__init__.py").touch()
    (tmp_path / "linked/soundsafe/__init__.py").symlink_to(checkout / "soundsafe" / "__init__.py")
    (tmp_path / "copied/soundsafe/__init__.py").touch()
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    head = subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()

    def found(folder: str) -> str | None:
        origin = str(tmp_path / folder / "soundsafe" / "__init__.py")
        monkeypatch.setattr(environment, "find_spec", lambda name: SimpleNamespace(origin=origin))
        return environment.commit()

    assert [found(folder) for folder in ("checkout", "linked", "copied")] == [head, head, None]
