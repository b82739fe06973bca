"""The pages hang together: links lead somewhere, the site has all, README is short, results have sources."""

from __future__ import annotations

import importlib
import inspect
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / ".github").rglob("*.md")]
RESULTS = [p for p in sorted((DOCS / "results").glob("*.md")) if p.name != "index.md"]
FENCE = re.compile(r"^```.*?^```$", re.M | re.S)


def prose(page: Path) -> str:
    """A page without its code."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_site_holds_every_page() -> None:
    listed = set(re.findall(r": ([\w/]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.M))
    assert listed == {p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md")}


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 800


@pytest.mark.parametrize("page", RESULTS, ids=lambda p: p.name)
def test_results_name_their_command_commit_and_environment(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "```bash" in text
    assert re.search(r"[Cc]ommits? `[0-9a-f]{7}`", text)
    assert re.search(r"[Nn]umeric environment", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_prose_says_second_and_not_eul(page: Path) -> None:
    if page.name not in ("glossary.md", "CHANGELOG.md"):
        assert not re.findall(r"\bEULs?\b", prose(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_results_are_of_the_mark_as_it_is(page: Path) -> None:
    assert not re.findall(
        r"earlier mark|before the present|attacks as they", page.read_text(encoding="utf-8")
    )


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
