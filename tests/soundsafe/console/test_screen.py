from __future__ import annotations

import pytest
from rich.table import Table

from soundsafe.console.screen import screen


def test_names_do_not_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(title="x\x1b]0;owned\x07")
    table.add_column("clip\x1b[2J")
    table.add_row("a\x1b[31mred\x9b1A", style="bold")
    screen().print(table)
    screen().print("line\x1b[1A\nnext")
    out = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\x9b"} & set(out)
    assert r"a\x1b[31m" in out
    assert "line\\x1b[1A\nnext\n" in out
