"""Tables and lists as programs write them: separators, encodings, line ends, headings."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from soundsafe.errors import InputError
from soundsafe.files.tables import in_cell, read_table, read_text

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252")
CELL = st.text(
    st.characters(codec="cp1252", exclude_categories=("Cc", "Cs"), exclude_characters="\ufeff"), max_size=12
)


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.slow
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(CELL, CELL), max_size=5),
    separator=st.sampled_from(",;\t"),
    encoding=st.sampled_from(ENCODINGS),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    headings=st.sampled_from([("file", "message"), ("File", "MESSAGE"), (" FILE ", "Message")]),
    told=st.booleans(),
)
def test_every_way_of_writing_a_table(
    tmp_path: Path,
    rows: list[tuple[str, str]],
    separator: str,
    encoding: str,
    end: str,
    headings: tuple[str, str],
    told: bool,
) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=separator, lineterminator=end, quoting=csv.QUOTE_ALL).writerow(headings)
    csv.writer(buffer, delimiter=separator, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    first = f"sep={separator}{end}" if told else ""
    path = tmp_path / "t.csv"
    written = (first + buffer.getvalue()).encode(encoding)
    # "Â" and a no-break space are the bytes of one UTF-8 character: nobody can tell which was meant.
    assume(encoding != "cp1252" or buffer.getvalue().isascii() or not is_utf8(written))
    path.write_bytes(written)
    table = read_table(path)
    assert [(row["file"], row["message"]) for row in table.rows] == rows
    assert [row[headings[1].strip()] for row in table.rows] == [message for _, message in rows]
    plain = buffer.getvalue().isascii()
    try:
        buffer.getvalue().encode("cp1252").decode()
        ambiguous = True
    except UnicodeDecodeError:
        ambiguous = False
    assert bool(table.note) == (encoding == "cp1252" and not plain and not ambiguous)
    if table.note:
        assert "cp1252" in table.note


def test_the_table_of_the_report(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"file;message\na.wav;x\n")
    assert read_table(tmp_path / "t.csv").rows == ({"file": "a.wav", "message": "x"},)


def test_a_comma_in_a_heading_of_semicolons(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('file;"last, first";message\na.wav;b, c;x\n')
    (row,) = read_table(tmp_path / "t.csv").rows
    assert row["last, first"] == "b, c"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no column named file"),
        (b"name;message\na;b\n", "no column named file"),
        (b'file,message\n"a,b\n', "cannot be read as CSV"),
        (b"file\n\x81\x8d\n", "neither UTF-8 nor Windows-1252"),
        (b"\x00\x01\xff\xfe", "not a text file"),
        (b"\xff\xfea", "damaged"),
    ],
)
def test_what_is_no_table(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        read_table(tmp_path / "t.csv")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_text(tmp_path / "none")


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@x", "\t=1", " =1", "\r=1", "=cmd|' /C calc'!A0"])
def test_formulas_are_not_put_into_cells(text: str) -> None:
    assert in_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["a", "-1.5", "+3", "1e-6", "", "a=b", "é"])
def test_other_cells_stay(text: str) -> None:
    assert in_cell(text) == text
