"""The store survives being cut anywhere."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from soundsafe.errors import InputError
from soundsafe.eval.rows import Measured, Quality
from soundsafe.eval.running import store


def test_addresses_follow_content() -> None:
    assert store.address("a", {"x": 1, "y": 2.5}) == store.address("a", {"y": 2.5, "x": 1})
    assert store.address("a", 1) != store.address("a", 2)
    assert store.address("ab") != store.address("a", "b")


def _line(key: str, message: str = "") -> store.MarkingLine:
    return store.MarkingLine(
        key, message=message, quality=Quality(snr_db=30.5), warnings=("second 1: silent",)
    )


def test_lines_come_back_as_they_were(tmp_path: Path) -> None:
    file = store.UnitFile(tmp_path / "f")
    rows = (
        Measured(0, score=1 / 3, time_to_payload_s=math.inf),
        Measured(1, status="refused", message="why"),
    )
    cell = store.CellLine("c", "mp3_128", rows, attack_s=0.25)
    file.append(_line("m"))
    file.append(cell)
    found = file.read()
    assert repr(found) == repr({"m": _line("m"), "c": cell})  # NaN equals nothing


def test_a_file_cut_at_any_byte_keeps_its_whole_lines(tmp_path: Path) -> None:
    full = store.UnitFile(tmp_path / "full")
    for i in range(3):
        full.append(_line(f"k{i}", "ü" * i))
    data = full.path.read_bytes()
    for cut in range(len(data) + 1):
        file = store.UnitFile(tmp_path / "cut")
        file.path.write_bytes(data[:cut])
        file.repair()
        kept = data[:cut].count(b"\n")
        assert list(file.read()) == [f"k{i}" for i in range(kept)]
        file.append(_line("new"))
        assert "new" in file.read()


@pytest.mark.parametrize("change", ["nonsense", "value", "key", "sum", "nested", "bytes", "field"])
def test_a_damaged_or_changed_line_counts_as_none(tmp_path: Path, change: str) -> None:
    file = store.UnitFile(tmp_path / "f")
    for i in range(3):
        file.append(_line(f"k{i}"))
    whole = file.read()
    lines = file.path.read_bytes().split(b"\n")
    lines[1] = {
        "nonsense": b"nonsense",
        "value": lines[1].replace(b"30.5", b"40.5"),
        "key": lines[1].replace(b"k1", b"k9"),
        "sum": b'{"key":"k1","value":1}',
        "nested": b'{"key":' + b"[" * 100_000,
        "bytes": lines[1][:-4] + b"\xff\x00" + lines[1][-4:],
        "field": b"[1]",
    }[change]
    file.path.write_bytes(b"\n".join(lines))
    assert list(file.read()) == ["k0", "k2"]
    file.repair()
    file.append(_line("k1"))
    assert sorted(file.read()) == sorted(whole)
    assert store.UnitFile(tmp_path / "none").read() == {}
    assert store.lines_in(tmp_path / "none") == 0


def test_writing_is_atomic(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    store.write_atomically(path, b"one")
    with pytest.raises(TypeError):
        store.write_atomically(path, "not bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"one"
    assert [p.name for p in tmp_path.iterdir()] == ["out.json"]


def test_only_files_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/dev/null")
    for name in ("folder", "link"):
        with pytest.raises(InputError, match=f"{name} is not a regular file"):
            store.write_atomically(tmp_path / name, b"x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "link"]


def test_what_cannot_be_written_is_named_as_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "x"
    with pytest.raises(FileNotFoundError) as caught:
        store.write_atomically(path, b"x")
    assert caught.value.filename == str(path)


def test_the_umask_holds(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        store.write_atomically(tmp_path / "x", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640
