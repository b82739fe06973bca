"""The API reference from docstrings, as a folder of HTML: `python docs/api/build.py [FOLDER]`."""

from __future__ import annotations

import sys
import tomllib
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pdoc

ROOT = Path(__file__).parents[2]


def packages() -> list[str]:
    """Names of all packages, as pyproject.toml lists them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return list(settings["tool"]["setuptools"]["packages"])


def opened(names: list[str]) -> list[str]:
    """Import all modules of the packages, and make pdoc see in each package what it would not find by itself.

    That is: names that are loaded when first asked for, modules that `__all__` does not name, and packages
    whose folder lies elsewhere. Returns the names of all modules.
    """
    found = []
    for name in names:
        package = import_module(name)
        public = list(getattr(package, "__all__", ()))
        for lazy in public:
            setattr(package, lazy, getattr(package, lazy))
        inside = {m.name for m in iter_modules(package.__path__)}
        inside |= {n.rpartition(".")[2] for n in names if n.rpartition(".")[0] == name}
        for module in inside:
            import_module(f"{name}.{module}")
        found += [name, *(f"{name}.{module}" for module in inside)]
        package.__all__ = [*public, *sorted(inside - set(public))]  # type: ignore[attr-defined]
    return sorted(set(found))


def build(folder: Path) -> list[str]:
    """Write a page for each module, an index and its search; returns the names of the modules."""
    names = opened(packages())
    pdoc.render.configure(docformat="google", show_source=False)
    pdoc.pdoc("soundsafe", output_directory=folder)
    return names


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "api"
    build(target)
    print(target / "index.html")
