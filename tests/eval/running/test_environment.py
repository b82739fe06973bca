"""What `run.json` says of the code that ran."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from soundsafe.eval.running import environment


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


def test_the_source_is_the_same_however_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms = ("attacks", "datasets", "eval", "reports")
    for name in ("soundsafe", "soundsafe/pipeline", *rooms):
        (tmp_path / "beside" / name).mkdir(parents=True)
        (tmp_path / "beside" / name / "__init__.py").write_text(f"name = {name!r}\n")
    shutil.copytree(tmp_path / "beside" / "soundsafe", tmp_path / "within" / "soundsafe")
    for name in rooms:
        shutil.copytree(tmp_path / "beside" / name, tmp_path / "within" / "soundsafe" / name)

    def found(where: str) -> str:
        def spec(package: str) -> SimpleNamespace:
            place = package.replace(".", "/")
            if where == "beside":
                place = place.removeprefix("soundsafe/")
            return SimpleNamespace(origin=str(tmp_path / where / place / "__init__.py"))

        monkeypatch.setattr(environment, "find_spec", spec)
        return environment.source_hash.__wrapped__()

    before = found("beside")
    assert found("within") == before
    (tmp_path / "within" / "soundsafe" / "reports" / "__init__.py").write_text("drawn = 'otherwise'\n")
    assert found("within") == before
    (tmp_path / "within" / "soundsafe" / "pipeline" / "__init__.py").write_text("other = 1\n")
    assert found("within") != before
