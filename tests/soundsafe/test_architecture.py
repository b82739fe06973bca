"""Which room imports which: read from the source, compared with what is allowed, no arrow up and no circle.

A room is a folder; the files directly in `soundsafe/` are two: the ground, on which everything stands, and
the face, which users see.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FACE = {"__init__", "api", "cli"}
"""Files directly in `soundsafe/` that stand above its rooms; all others are the ground below them."""

ROWS = {"rows", "documents", "frames"}
"""Files directly in `eval/`: what was measured, as values, as documents and as tables."""

MOST_FILES = 12
"""Files directly in `soundsafe/`, at most."""

BENCH = ("soundsafe/*", "attacks", "datasets")

ALLOWED: dict[str, tuple[str, ...]] = {
    "ground": (),
    "console": ("ground",),
    # The codec, from the bottom up.
    "message": ("ground",),
    "distance": ("ground",),
    "files": ("ground",),
    "pipeline": ("ground", "message"),
    "models": ("ground",),
    "cells": ("ground", "message", "pipeline", "models", "distance"),
    "tiles": ("ground", "message", "pipeline"),
    "recovery": ("ground", "message", "cells", "tiles"),
    "streams": ("ground", "message", "pipeline", "cells", "tiles", "recovery"),
    "training": ("ground", "message", "pipeline", "models", "cells", "distance", "files"),
    "face": (
        "ground", "console", "message", "distance", "files", "cells", "tiles", "streams", "service",
        "training",
    ),
    "service": ("ground", "console", "message", "files", "face"),
    # Beside the codec.
    "attacks": ("soundsafe/*",),
    "datasets": ("ground", "files"),
    "reports": ("eval", "eval/rows", "eval/analysis", "ground"),
    "eval": (*BENCH, "eval/rows", "eval/systems", "eval/running"),
    "eval/rows": ("ground", "files"),
    "eval/metrics": (*BENCH, "eval/rows"),
    "eval/systems": (*BENCH, "eval/rows", "eval/metrics"),
    "eval/analysis": ("ground", "files", "attacks", "eval/rows", "eval/metrics", "eval/systems"),
    "eval/running": (*BENCH, "eval/rows", "eval/metrics", "eval/systems", "eval/analysis"),
    "eval/commands": (
        *BENCH, "eval/rows", "eval/metrics", "eval/systems", "eval/analysis", "eval/running", "reports",
    ),
}  # fmt: skip
"""The rooms that each room may import, beside itself. `soundsafe/*`: any room of the codec."""

LAZY = {("face", "service"), ("face", "training")}
"""The command loads these when it is asked for them; their modules import its functions."""

OTHER_NAMES = {"soundsafe/pipeline/ingest_and_chunk.py imports streams"}
"""The driver of both profiles stands above the rooms that it is made of, and also has the original design's
name, in `pipeline`: a `__getattr__` of the module looks it up when it is asked for."""

KNOWN: set[str] = set()
"""Arrows that are not allowed and still there, as ``file imports room``. Only ever shorter."""

GROUND_OF_MESSAGE = {"keys", "errors", "aliases"}
"""What of the ground `message` may import."""

BESIDE = ("attacks", "datasets", "reports", "eval")
"""Folders beside `soundsafe/`, imported as `soundsafe.NAME`."""

CODEC = [room for room in ALLOWED if room.split("/")[0] not in BESIDE]


@dataclass(frozen=True)
class Arrow:
    """An import in `file` at `line` of `module`, from room to room; `inside`: within a function."""

    file: str
    line: int
    module: str
    source: str
    target: str
    inside: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.source} imports {self.target} ({self.module})"


def room_of(path: Path) -> str:
    """The room of a file, relative to the root of the repository."""
    parts = path.with_suffix("").parts
    if parts[0] == "soundsafe":
        return parts[1] if len(parts) > 2 else "face" if parts[1] in FACE else "ground"
    if parts[0] == "eval":
        return "eval" if parts[1] == "__init__" else "eval/rows" if parts[1] in ROWS else f"eval/{parts[1]}"
    return parts[0]


@cache
def file_of(module: str) -> Path | None:
    """The file of a dotted name below `soundsafe`, or of the module that it is an attribute of."""
    parts = module.split(".")
    if parts[0] != "soundsafe":
        return None
    for used in range(len(parts), 0, -1):
        inner = parts[1:used]
        home = Path(*inner) if inner and inner[0] in BESIDE else Path("soundsafe", *inner)
        for path in (home.with_suffix(".py"), home / "__init__.py"):
            if (ROOT / path).is_file():
                return path
    return None


def python_files() -> Iterator[Path]:
    """All files of the rooms, relative to the root; links from room to room are not followed."""
    for top in ("soundsafe", *BESIDE):
        for folder in sorted({ROOT / top, *(p.parent for p in (ROOT / top).rglob("*.py"))}):
            inner = folder.relative_to(ROOT)
            if not any((ROOT / part).is_symlink() for part in (inner, *inner.parents)):
                yield from (path.relative_to(ROOT) for path in sorted(folder.glob("*.py")))


def imports_of(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Line, dotted name and whether it is inside a function, of each import of ours; not those for types."""
    tree = ast.parse((ROOT / path).read_text())
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    functions = [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    lazy = {id(inner) for function in functions for inner in ast.walk(function)}
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (
            (node.lineno, name, id(node) in lazy) for name in names if name.split(".")[0] == "soundsafe"
        )


@cache
def arrows() -> tuple[Arrow, ...]:
    """All imports from one room to another."""
    found = []
    for path in python_files():
        for line, module, inside in imports_of(path):
            home = file_of(module)
            if home is not None and room_of(home) != room_of(path):
                found.append(Arrow(path.as_posix(), line, module, room_of(path), room_of(home), inside))
    return tuple(found)


def allowed(source: str, target: str) -> bool:
    rooms = ALLOWED[source]
    return target in rooms or ("soundsafe/*" in rooms and target in CODEC)


def known_name(arrow: Arrow) -> str:
    return f"{arrow.file} imports {arrow.target}"


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_what_it_may(room: str) -> None:
    wrong = [a for a in arrows() if a.source == room and not allowed(a.source, a.target)]
    new = [str(a) for a in wrong if known_name(a) not in KNOWN | OTHER_NAMES]
    assert not new, "\n".join(["imports that the house does not allow:", *new])


def test_no_known_exception_has_gone() -> None:
    there = {known_name(a) for a in arrows() if not allowed(a.source, a.target)}
    assert sorted((KNOWN | OTHER_NAMES) - there) == [], "take these out of KNOWN"


def test_other_names_are_looked_up_when_asked_for() -> None:
    assert all(arrow.inside for arrow in arrows() if known_name(arrow) in OTHER_NAMES)


def test_every_file_has_a_room() -> None:
    assert {room_of(path) for path in python_files()} <= set(ALLOWED)


def test_message_stands_on_keys_and_errors_alone() -> None:
    ground = [a for a in arrows() if a.source == "message" and a.target == "ground"]
    wrong = [str(a) for a in ground if a.module.split(".")[1] not in GROUND_OF_MESSAGE]
    assert not wrong, "\n".join(wrong)


def test_no_circle_and_no_arrow_up() -> None:
    """Rooms have an order in which each imports rooms before it alone."""
    below: dict[str, set[str]] = {room: set() for room in ALLOWED}
    for arrow in arrows():
        lazy = arrow.inside and (arrow.source, arrow.target) in LAZY
        if not lazy and known_name(arrow) not in KNOWN | OTHER_NAMES:
            below[arrow.source].add(arrow.target)
    list(TopologicalSorter(below).static_order())  # raises CycleError with the rooms of a circle


def reached(start: str) -> set[str]:
    """All modules that a module imports, through others too."""
    seen: set[str] = set()
    waiting = [file_of(start)]
    while waiting:
        path = waiting.pop()
        if path is None or path.as_posix() in seen:
            continue
        seen.add(path.as_posix())
        waiting += [file_of(module) for _, module, _ in imports_of(path)]
    return seen


@pytest.mark.parametrize("layer", ["cells", "tiles"])
def test_a_detector_imports_no_embedder(layer: str) -> None:
    seen = reached(f"soundsafe.{layer}.detector")
    assert (
        f"soundsafe/{layer}/geometry.py" in seen or f"soundsafe/{layer}/code.py" in seen
    )  # it saw something
    assert not [path for path in seen if path.endswith("embedder.py")]


def test_few_files_lie_directly_in_the_package() -> None:
    files = sorted(path.name for path in (ROOT / "soundsafe").glob("*.py"))
    assert len(files) <= MOST_FILES, files
