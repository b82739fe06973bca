from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import fields, replace
from pathlib import Path

import pytest

from soundsafe.errors import InputError
from soundsafe.keys import key_id
from soundsafe.message.container import payload_id
from soundsafe.service.registry import FILE_NAME, Mark, Registry, lookup

KEY = b"k" * 32
MARK = Mark(
    file="a.flac",
    output="a.flac",
    payload_hex=b"for a".hex(),
    payload_id=payload_id(b"for a").hex(),
    key_id=key_id(KEY),
    sha256=hashlib.sha256(b"bytes of a").hexdigest(),
    version="0.1.0",
    marked_at="2026-01-01T00:00:00+00:00",
    answer='{"euls": 3}',
    source='{"path": "/in/a.flac", "size": 9, "mtime_ns": 1}',
)
OTHER = replace(
    MARK, file="b.wav", output="b.wav", payload_hex=b"for b".hex(), sha256="00", payload_id="11" * 8
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Registry(tmp_path / FILE_NAME, write=True) as registry:
        registry.put(OTHER)
        registry.put(MARK)
    return tmp_path / FILE_NAME


def test_lines_come_back_in_order_and_are_replaced(path: Path) -> None:
    with Registry(path, write=True) as registry:
        assert list(registry.search()) == [MARK, OTHER]
        assert registry.get("a.flac") == MARK
        assert registry.get("c") is None
        changed = replace(MARK, version="2")
        registry.put(changed)
        assert list(registry.search(key_id=MARK.key_id)) == [changed, OTHER]
        registry.remove("a.flac")
        registry.remove("a.flac")
        assert list(registry.search()) == [OTHER]
    assert OTHER.to_json()["answer"] == {"euls": 3}
    assert OTHER.to_json()["source"] == {"path": "/in/a.flac", "size": 9, "mtime_ns": 1}


def test_lookup_by_every_condition(path: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").write_bytes(b"bytes of a")
    assert lookup(path, payload=b"for a") == [MARK]
    assert lookup(path, id_hex=MARK.payload_id.upper()) == [MARK]
    assert lookup(path, file=tmp_path / "copy") == [MARK]
    assert lookup(tmp_path, key=KEY) == [MARK, OTHER]
    assert lookup(path, key=b"x" * 32) == []
    assert lookup(path, payload=b"for a", file=path) == []
    with pytest.raises(InputError, match="16 hexadecimal"):
        lookup(path, id_hex="12")
    with pytest.raises(InputError, match="cannot read"):
        lookup(path, file=tmp_path / "missing")


def test_no_key_is_in_the_file(path: Path) -> None:
    content = path.read_bytes()
    assert KEY not in content
    assert KEY.hex().encode() not in content
    assert key_id(KEY).encode() in content


def test_what_is_no_registry_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such registry"):
        lookup(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "text").write_text("not a database\n" * 100)
    with pytest.raises(InputError, match="file is not a database"):
        lookup(tmp_path / "text")
    with sqlite3.connect(tmp_path / "other") as other:
        other.execute("CREATE TABLE marks (x)")
    with pytest.raises(InputError, match="not a registry of format 2"):
        lookup(tmp_path / "other")
    with pytest.raises(InputError, match="not a registry of format 2"):
        Registry(tmp_path / "other", write=True)
    (tmp_path / "empty").touch()
    with pytest.raises(InputError, match="not a registry"):
        lookup(tmp_path / "empty")


def test_damaged_lines_are_refused(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("UPDATE marks SET answer = '{' WHERE file = 'a.flac'")
        database.execute("UPDATE marks SET output = x'ff' WHERE file = 'b.wav'")
    with pytest.raises(InputError, match=r"line of a\.flac is damaged"):
        lookup(path, payload=b"for a")[0].to_json()
    with pytest.raises(InputError, match="is damaged"):
        lookup(path)


@pytest.mark.parametrize("size", [0, 1, 100, 5000])
def test_a_cut_or_scrambled_registry_gives_one_line(path: Path, size: int) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:size])
    with pytest.raises(InputError):
        lookup(path)
    scrambled = bytearray(whole)
    scrambled[100:] = bytes(len(whole) - 100)
    path.write_bytes(bytes(scrambled))
    with pytest.raises(InputError):
        lookup(path)


def test_reading_while_another_writes(path: Path) -> None:
    with Registry(path, write=True) as writer:
        writer._database.execute("BEGIN IMMEDIATE")
        writer.remove("a.flac")
        assert len(lookup(path)) == 2
        writer._database.execute("ROLLBACK")


def test_unknown_columns_are_a_defect(path: Path) -> None:
    with Registry(path) as registry, pytest.raises(ValueError, match="no such columns: nothing"):
        list(registry.search(nothing="x"))


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW marks AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
        " SELECT {columns} FROM n",
        "CREATE TABLE marks ({generated})",
        "CREATE VIRTUAL TABLE marks USING fts5({names})",
        "CREATE TABLE marks (file TEXT)",
    ],
)
def test_marks_that_are_no_table_are_refused(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "r.sqlite"
    names = [f.name for f in fields(Mark)]
    database = sqlite3.connect(path)
    try:
        database.execute(
            statement.format(
                columns=", ".join(f"'x' AS {name}" for name in names),
                generated=", ".join(["seed TEXT", *(f"{name} TEXT AS (seed)" for name in names)]),
                names=", ".join(names),
            )
        )
    except sqlite3.OperationalError:
        pytest.skip("this SQLite has no such tables")
    database.execute("PRAGMA user_version = 2")
    database.commit()
    database.close()
    with pytest.raises(InputError, match="not a registry"):
        lookup(path)
