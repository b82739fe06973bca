from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from soundsafe.files.names import composed, existing, value_of

NFC = "Café/Ångström.wav"
NFD = unicodedata.normalize("NFD", NFC)


@pytest.mark.parametrize(("there", "asked"), [(NFC, NFD), (NFD, NFC), (NFC, NFC)])
def test_a_path_is_found_in_either_form(tmp_path: Path, there: str, asked: str) -> None:
    (tmp_path / there).parent.mkdir()
    (tmp_path / there).touch()
    assert existing(tmp_path / asked) == tmp_path / there


def test_the_exact_name_comes_first(tmp_path: Path) -> None:
    for name in (composed("é"), unicodedata.normalize("NFD", "é")):
        (tmp_path / name).touch()
        assert existing(tmp_path / name).name == name


def test_what_is_not_there_stays_as_it_was(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path / "a" / "b", Path("x"), Path("/")):
        assert existing(path) == path


def test_values_by_name() -> None:
    table = {composed("é"): 1, "b": 2}
    assert value_of(table, unicodedata.normalize("NFD", "é")) == 1
    assert value_of(table, "b") == 2
    assert value_of(table, "c") is None
    assert value_of(table, "ö") is None
