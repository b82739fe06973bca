from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundsafe.errors import InputError
from soundsafe.service.payloads import Payloads, read_table


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    with soundfile.SoundFile(tmp_path / "x.flac", "w", 8000, 1) as file:
        file.artist = "Somebody"
        file.write(np.zeros(100))
    return tmp_path / "x.flac"


def test_one_for_all(clip: Path) -> None:
    assert Payloads(fixed=b"\x00\xff").of("any", clip) == b"\x00\xff"


def test_a_template_is_filled_from_name_table_and_tags(clip: Path) -> None:
    table = {"sub/x.flac": {"buyer": "B", "name": "from the table"}}
    make = Payloads(template="{ARTIST} to {buyer}: {file} {} {{ }", table=table)
    assert make.of("sub/x.flac", clip) == b"Somebody to B: sub/x.flac {} {{ }"
    assert Payloads(template="{name}", table=table).of("sub/x.flac", clip) == b"from the table"
    assert Payloads(template="{name}").of("sub/x.flac", clip) == b"x"
    with pytest.raises(InputError, match="neither the table nor its tags have buyer"):
        make.of("other.flac", clip)
    with pytest.raises(InputError, match="0 bytes"):
        Payloads(template="{b}", table={"x": {"b": ""}}).of("x", clip)


def test_it_is_told_which_payloads_need_the_audio(clip: Path) -> None:
    table = {"x": {"buyer": "B", "ARTIST": "A"}, "y": {"buyer": "C"}}
    make = Payloads(template="{ARTIST} to {buyer}: {file} {name} {}", table=table)
    assert [make.needs_tags(file) for file in ("x", "y")] == [False, True]
    assert make.of("x", Path("nowhere")) == b"A to B: x x {}"
    assert not Payloads(fixed=b"{ARTIST}").needs_tags("y")
    assert not Payloads(table={"y": {"message": "{ARTIST}"}}).needs_tags("y")
    assert make.only("y").table == {"y": table["y"]}
    assert make.only("y").of("y", clip) == make.of("y", clip)
    assert make.only("z").table == {}


def test_values_are_not_filled_again(clip: Path) -> None:
    assert Payloads(template="{a}", table={"x": {"a": "{name}"}}).of("x", clip) == b"{name}"


def test_a_table_gives_bytes_or_text(tmp_path: Path, clip: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes('\ufefffile,payload_hex,message\na,00fF,x\nb,,grüße\nc,zz,\nd,,\n"e,f",,g\n'.encode())
    table = Payloads(table=read_table(path, complete=True))
    assert table.of("a", clip) == b"\x00\xff"
    assert table.of("b", clip) == "grüße".encode()
    assert table.of("e,f", clip) == b"g"
    for file, reason in {"c": "hexadecimal", "d": "0 bytes", "missing": "no line"}.items():
        with pytest.raises(InputError, match=reason):
            table.of(file, clip)


def test_names_in_a_table_are_as_in_a_list(tmp_path: Path, clip: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("file,message\n ./in//a.wav ,hello\n")
    assert Payloads(table=read_table(table, complete=True)).of("in/a.wav", clip) == b"hello"
    table.write_text("file,message\n./a.wav,hello\na.wav,hello\n")
    with pytest.raises(InputError, match=r"names a\.wav twice"):
        read_table(table, complete=True)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no column named file"),
        (b"name,message\na,b\n", "no column named file"),
        (b"file,buyer\na,b\n", "payload_hex or message"),
        (b"file,message\na,b\na,c\n", "names a twice"),
        (b"file,message\n,c\n", "without a file"),
        (b"\xff\xfe\x00", "damaged"),
        (b'file,message\n"a,b', "cannot be read as CSV"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=reason):
        read_table(tmp_path / "t.csv", complete=True)


def test_a_missing_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_table(tmp_path / "t.csv", complete=False)
