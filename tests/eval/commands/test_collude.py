"""Who is named where copies are averaged."""

from __future__ import annotations

import json

import pytest

from soundsafe.eval.commands.collude import main


@pytest.mark.slow
def test_two_copies_under_two_keys_name_both(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--limit", "1", "--copies", "2", "--seconds", "4"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    row = json.loads(line)
    assert (row["copies"], row["named"], row["wrong"]) == (2, 2, 0)
    assert row["snr_db"] > 20


def test_one_copy_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--copies", "1"]) == 2
    assert capsys.readouterr().err == "two copies or more are averaged\n"
