"""Tests lie where what they test lies: `tests/reports/test_svg.py` tests `reports/svg.py`.

`test_svg_in_browser.py` beside it tests one side of the same, and `tests/eval/test_metrics.py` all of the
folder `eval/metrics`.
"""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent
ROOMS = ("soundsafe", "attacks", "datasets", "eval", "reports")

# What is tested there in several modules at once, or in the whole codec.
OF_MANY = {
    "attacks/test_adversarial.py",
    "attacks/test_every_attack.py",
    "attacks/test_lossy.py",
    "attacks/test_sampling.py",
    "soundsafe/golden/test_golden.py",
    "soundsafe/test_architecture.py",
    "soundsafe/test_package.py",
    "soundsafe/training/test_gpu.py",
}
WHOLE = TESTS / "soundsafe" / "whole"


def sources(folder: Path) -> set[str]:
    """Names of the modules and folders with code in a folder of the source."""
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    return modules | {path.parent.name for path in folder.glob("*/__init__.py")}


def has_source(path: Path, names: set[str]) -> bool:
    name = path.stem.removeprefix("test_")
    return any(name == known or name.startswith(f"{known}_") for known in names)


def test_every_test_has_its_source_where_it_lies() -> None:
    stray = []
    for room in ROOMS:
        for path in (TESTS / room).rglob("test_*.py"):
            relative = path.relative_to(TESTS)
            if relative.as_posix() in OF_MANY or path.parent == WHOLE:
                continue
            if not has_source(path, sources(ROOT / relative.parent)):
                stray.append(relative.as_posix())
    assert stray == []


def test_no_exception_has_gone() -> None:
    assert [name for name in OF_MANY if not (TESTS / name).is_file()] == []
