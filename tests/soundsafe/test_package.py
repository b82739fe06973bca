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
import sysconfig
import tomllib
import venv
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


def test_each_room_beside_the_codec_is_linked_in_it() -> None:
    for room in ROOMS[1:]:
        assert os.readlink(ROOT / "soundsafe" / room) == f"../{room}"


def test_no_name_but_ours_is_installed() -> None:
    assert {name.split(".")[0] for name in project()["tool"]["setuptools"]["packages"]} == {"soundsafe"}


def names(*requirements: list[str]) -> set[str]:
    """What `requirements` are imported as."""
    lines = itertools.chain(*requirements)
    return {re.split(r"[<>=\[ ]", line)[0].lower().replace("-", "_") for line in lines}


@pytest.mark.slow
def test_commands_start_without_extras() -> None:
    extras = project()["project"]["optional-dependencies"]
    only = names(*extras.values()) - names(project()["project"]["dependencies"])
    programs = "soundsafe.api, soundsafe.cli, soundsafe.eval.commands.cli, soundsafe.eval.running.runner"
    code = f"import sys, {programs}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
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


IMPORTS = "import soundsafe.eval, soundsafe.reports, soundsafe.attacks; print(soundsafe.eval.__file__)"


def clean(**more: str) -> dict[str, str]:
    """The environment without what tells Python where to look."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | more


def source_in(folder: Path, *, links: bool = True) -> Path:
    """The clone's packages and what building them needs, copied into `folder`, with its links or without."""
    for room in ROOMS:
        linked = ("__pycache__",) if links or room != "soundsafe" else ("__pycache__", *ROOMS[1:])
        ignore = shutil.ignore_patterns(*linked)
        shutil.copytree(ROOT / room, folder / room, symlinks=True, ignore=ignore)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    return folder


PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


def pip(*arguments: str, cwd: Path) -> None:
    done = subprocess.run([*PIP, *arguments], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """For each kind of installation: a clone, and the Python of an environment that it is installed in."""
    pytest.importorskip("setuptools", "77")
    made = {}
    for kind, options in (("plain", ()), ("editable", ("--editable",))):
        clone = source_in(tmp_path_factory.mktemp(f"clone_{kind}"))
        home = tmp_path_factory.mktemp(f"environment_{kind}")
        venv.create(home, symlinks=True)
        python = home / "bin" / "python"
        site = home / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
        # What soundsafe needs is taken from where this Python has it.
        (site / "zz_dependencies.pth").write_text(sysconfig.get_path("purelib"))
        install = ("install", "--no-deps", "--no-build-isolation", "--no-index", *options, ".")
        pip("--python", str(python), *install, cwd=clone)
        made[kind] = (clone, python)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "editable"])
def test_a_clone_imports_all_rooms_from_any_folder(
    environments: dict[str, tuple[Path, Path]], kind: str, tmp_path: Path
) -> None:
    clone, python = environments[kind]
    for folder in (clone, clone / "eval", tmp_path):
        done = subprocess.run(
            [python, "-c", IMPORTS], capture_output=True, text=True, cwd=folder, env=clean()
        )
        assert done.returncode == 0, f"in {folder}: {done.stderr}"
        found = Path(done.stdout.strip())
        expected = clone if kind == "editable" or folder == clone else python.parents[1]
        assert found.is_relative_to(expected), found


def test_a_copy_without_links_imports_all_rooms(tmp_path: Path) -> None:
    copy = source_in(tmp_path, links=False)
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, cwd=copy, env=clean()
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == copy / "eval" / "__init__.py"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("setuptools", "77")
    folder = tmp_path_factory.mktemp("wheel")
    source = source_in(folder / "source")
    (source / "soundsafe" / "commit.txt").write_text("c0ffee\n")  # as a source archive has it
    build = ("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder))
    pip(*build, str(source), cwd=folder)
    return next(folder.glob("*.whl"))


@pytest.mark.slow
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
from soundsafe.eval.running.environment import commit
assert commit() == "c0ffee"
print(json.dumps([soundsafe.__file__, names, len(clips), len(attacks.all_attacks()), list(attacks.suites())]))
"""


@pytest.mark.slow
def test_the_wheel_installs_and_imports(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    install = ("install", "--no-deps", "--no-index", "--target", str(target), str(wheel))
    pip(*install, cwd=tmp_path)
    environment = clean(PYTHONPATH=str(target))
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


def test_what_is_at_the_top() -> None:
    import soundsafe
    from soundsafe import errors, keys
    from soundsafe.eval.running import runner

    assert soundsafe.__version__ == project()["project"]["version"]
    assert (soundsafe.InputError, soundsafe.NotMarkable) == (errors.InputError, errors.NotMarkable)
    assert (soundsafe.read_key_file, soundsafe.evaluate) == (keys.read_key_file, runner.evaluate)
    assert {"evaluate", "__version__", *soundsafe.__all__} <= set(dir(soundsafe))
    assert not hasattr(soundsafe, "nothing_such")


def test_a_version_costs_nothing() -> None:
    code = "import sys, soundsafe; soundsafe.__version__, soundsafe.InputError; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "pandas"} & set(loaded.stdout.split())


def test_help_and_usage_errors_do_without_the_codec() -> None:
    code = """
import sys
from soundsafe.cli import main
for arguments in (["--help"], ["embed", "a.wav", "b.wav", "--message", "x", "--layers", "none"]):
    try:
        main(arguments)
    except SystemExit as end:
        print("code", end.code or 0)
print(*sys.modules)
"""
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *_, help_code, usage_code, modules = loaded.stdout.splitlines()
    assert (help_code, usage_code) == ("code 0", "code 2")
    assert not {"torch", "scipy", "pandas"} & set(modules.split())


@pytest.mark.parametrize("kind", ["suites", "systems", "attacks"])
def test_lists_do_without_what_only_running_needs(kind: str) -> None:
    code = f"""
import sys
from soundsafe.eval.commands.cli import main
try:
    main(["list", "{kind}"])
finally:
    print(*sys.modules)
"""
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "scipy", "pandas", "matplotlib", "av"} & set(loaded.stdout.splitlines()[-1].split())
