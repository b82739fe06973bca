"""The store survives being cut anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from soundsafe.eval import store


def test_addresses_follow_content() -> None:
    assert store.address("a", {"x": 1, "y": 2.5}) == store.address("a", {"y": 2.5, "x": 1})
    assert store.address("a", 1) != store.address("a", 2)
    assert store.address("ab") != store.address("a", "b")


def test_a_file_cut_at_any_byte_keeps_its_whole_lines(tmp_path: Path) -> None:
    full = store.UnitFile(tmp_path / "full")
    items = [{"key": f"k{i}", "value": "ü" * i} for i in range(3)]
    for item in items:
        full.append(item)
    data = full.path.read_bytes()
    for cut in range(len(data) + 1):
        file = store.UnitFile(tmp_path / "cut")
        file.path.write_bytes(data[:cut])
        file.repair()
        kept = data[:cut].count(b"\n")
        assert list(file.read()) == [f"k{i}" for i in range(kept)]
        file.append({"key": "new"})
        assert "new" in file.read()


def test_a_damaged_line_ends_what_is_read(tmp_path: Path) -> None:
    file = store.UnitFile(tmp_path / "f")
    file.path.write_bytes(b'{"key": "a"}\nnonsense\n{"key": "b"}\n')
    assert list(file.read()) == ["a"]
    file.repair()
    assert file.path.read_bytes() == b'{"key": "a"}\n'
    assert store.UnitFile(tmp_path / "none").read() == {}
    assert store.lines_in(tmp_path / "none") == 0


def test_writing_is_atomic(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    store.write_atomically(path, b"one")
    with pytest.raises(TypeError):
        store.write_atomically(path, "not bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"one"
    assert [p.name for p in tmp_path.iterdir()] == ["out.json"]
