from __future__ import annotations

import json
import logging

import pytest

from soundsafe import console


def test_json_has_null_for_what_is_not_finite(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_json({"a": [float("nan"), 1.5], "b": {"c": float("inf")}})
    assert json.loads(capsys.readouterr().out) == {"a": [None, 1.5], "b": {"c": None}}


def test_a_line_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    console.tell("a\x1b[2Jb\nc")
    console.say("d\re", "toy: ")
    out = capsys.readouterr()
    assert (out.out, out.err) == ("a\\x1b[2Jb\\nc\n", "toy: d\\re\n")


def test_remarks_are_records_of_the_packages_logger(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("to a file", level=logging.ERROR)
    logging.getLogger("soundsafe.serve").warning("from a module: %d", 3)
    assert capsys.readouterr().err == "to a file\nfrom a module: 3\n"
