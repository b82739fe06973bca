"""What is installed: the packages of the tree, all of them, with their data, under one name."""

from __future__ import annotations

import ast
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("soundsafe", "attacks", "datasets", "eval", "reports")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def folders() -> dict[str, str]:
    """Every package in the tree: its folder, by the name that it is imported as."""
    found = {}
    for room in ROOMS:
        for init in sorted((ROOT / room).rglob("__init__.py")):
            folder = init.parent.relative_to(ROOT).as_posix()
            dotted = folder.replace("/", ".")
            found[dotted if room == "soundsafe" else f"soundsafe.{dotted}"] = folder
    return found


def test_the_list_of_packages_is_the_tree() -> None:
    tool = project()["tool"]["setuptools"]
    assert sorted(tool["packages"]) == sorted(folders())
    assert tool["package-dir"] == folders()


def test_every_folder_with_code_is_a_package() -> None:
    homes = {p.parent.relative_to(ROOT).as_posix() for room in ROOMS for p in (ROOT / room).rglob("*.py")}
    assert homes == set(folders().values())


def test_no_name_but_ours_is_installed() -> None:
    assert {name.split(".")[0] for name in project()["tool"]["setuptools"]["packages"]} == {"soundsafe"}


def names(*requirements: list[str]) -> set[str]:
    """What `requirements` are imported as."""
    lines = itertools.chain(*requirements)
    return {re.split(r"[<>=\[ ]", line)[0].lower().replace("-", "_") for line in lines}


def test_commands_start_without_extras() -> None:
    extras = project()["project"]["optional-dependencies"]
    only = names(*extras.values()) - names(project()["project"]["dependencies"])
    code = "import sys, soundsafe.api, soundsafe.cli, soundsafe.eval.commands.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert not only & set(loaded.stdout.split())


def test_what_is_imported_is_declared() -> None:
    extras = [e for name, e in project()["project"]["optional-dependencies"].items() if name != "dev"]
    declared = names(project()["project"]["dependencies"], *extras)
    imported = set()
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    imported.add(node.module.split(".")[0])
    foreign = imported - set(sys.stdlib_module_names) - {"soundsafe"}
    assert foreign <= declared


def test_one_version_everywhere() -> None:
    version = project()["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()


def test_ci_runs_the_readmes_tests() -> None:
    last = (ROOT / ".ci" / "run").read_text().splitlines()[-1]
    assert f"\n{last}\n" in (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("setuptools", "77")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for room in ROOMS:
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--wheel-dir",
        str(folder),
        str(source),
    ]
    subprocess.run([*pip, *build], check=True, capture_output=True, cwd=folder)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_all_files(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for room in ROOMS:
        for path in (ROOT / room).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                name = path.relative_to(ROOT).as_posix()
                assert (name if room == "soundsafe" else f"soundsafe/{name}") in names
    licences = {name.split("licenses/")[1] for name in names if ".dist-info/licenses/" in name}
    assert licences == set(project()["project"]["license-files"])
    assert not [name for name in names if name.startswith(("tests", "datasets", "eval"))]


SCRIPT = """
import importlib, json, pkgutil, sys
import soundsafe
names = [m.name for m in pkgutil.walk_packages(soundsafe.__path__, "soundsafe.")]
for name in names:
    importlib.import_module(name)
from soundsafe import attacks, datasets
clips = datasets.load("bundled").clips
clips[0].read()
print(json.dumps([soundsafe.__file__, names, len(clips), len(attacks.all_attacks()), list(attacks.suites())]))
"""


def test_the_wheel_installs_and_imports(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    install = ["install", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    subprocess.run([*pip, *install], check=True, capture_output=True, cwd=tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(target)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    home, names, clips, n_attacks, suites = json.loads(done.stdout)
    assert Path(home).is_relative_to(target)
    assert {*folders()} <= {*names, "soundsafe"}
    assert clips == 8
    assert n_attacks > 100
    assert {"mp3", "gain", "limiter"} <= set(suites)
    for command in ("soundsafe", "soundsafe-eval"):
        assert (target / "bin" / command).exists()
