"""The API reference builds without a warning, has a page for each module and says what its docstrings say."""

from __future__ import annotations

import html
import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import soundsafe
from soundsafe.eval.systems.interface import System

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("pdoc")
    folder = tmp_path_factory.mktemp("api")
    script = str(ROOT / "docs" / "api" / "build.py")
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", script, str(folder)],
        capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(folder / "index.html")
    return folder


def _text(page: Path) -> str:
    return " ".join(html.unescape(re.sub("<[^>]+>", "", page.read_text(encoding="utf-8"))).split())


def test_every_module_has_a_page(reference: Path) -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    for name, folder in settings["package-dir"].items():
        page = reference / Path(*name.split("."))
        assert page.with_suffix(".html").is_file()
        for source in (ROOT / folder).glob("*.py"):
            if source.stem != "__init__":
                assert (page / f"{source.stem}.html").is_file(), source


@pytest.mark.parametrize(
    ("page", "item"),
    [
        ("soundsafe", soundsafe.embed),
        ("soundsafe", soundsafe.Decoded),
        ("soundsafe/eval/systems/interface", System),
    ],
)
def test_pages_say_what_docstrings_say(reference: Path, page: str, item: object) -> None:
    words = inspect.getdoc(item)
    assert words
    first = " ".join(words.split("\n\n")[0].replace("`", "").replace("*", "").split())
    assert first in _text(reference / f"{page}.html")


def test_all_that_modules_offer_has_a_docstring() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    bare = []
    for name, folder in settings["package-dir"].items():
        for source in (ROOT / folder).glob("*.py"):
            module = importlib.import_module(name if source.stem == "__init__" else f"{name}.{source.stem}")
            for public in getattr(module, "__all__", ()):
                item = getattr(module, public)
                if not (inspect.isfunction(item) or inspect.isclass(item)):
                    continue
                words = inspect.getdoc(item) or ""
                # A dataclass without one has its signature instead.
                if not words or words.startswith(f"{item.__name__}("):
                    bare.append(f"{module.__name__}.{public}")
    assert bare == []
