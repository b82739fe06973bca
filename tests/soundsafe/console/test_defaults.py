"""Defaults from a file, by the whole command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from soundsafe import cli
from soundsafe.console.defaults import read_defaults


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            cli.main(arguments)
        out = capsys.readouterr()
        return int(stop.value.code or 0), out.out, out.err

    return call


def test_the_file_in_the_folder_another_one_and_the_command_line(run: Any) -> None:
    assert run("keygen", "main")[0] == 0
    Path("soundsafe.toml").write_text('[soundsafe.keygen]\nfrom-key = "main"\nname = "label A"\n')
    assert "the key of 'label A'" in run("keygen", "a")[1]
    assert "the key of 'label B'" in run("keygen", "b", "--name", "label B")[1]
    Path("other.toml").write_text('[soundsafe.keygen]\nfrom_key = "main"\nname = "label C"\n')
    assert "the key of 'label C'" in run("keygen", "c", "--config", "other.toml")[1]
    assert "the key of 'label C'" in run("--config", "other.toml", "keygen", "d")[1]
    Path("soundsafe.toml").write_text("[soundsafe-eval.run]\njobs = 2\n")  # another program's
    assert "a new key" in run("keygen", "e")[1]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[soundsafe", "soundsafe.toml is no TOML: "),
        ("[soundsafe.keygn]\n", "[soundsafe]: unknown command keygn: did you mean keygen?"),
        ("[soundsafe.keygen]\nnme = 1\n", "[soundsafe.keygen]: unknown option nme: did you mean name?"),
        ("[soundsafe.keygen]\nname = [1]\n", "[soundsafe.keygen]: name takes one value"),
        ("[soundsafe]\nkeygen = 1\n", "keygen is a table of options: [soundsafe.keygen]"),
        ("soundsafe = 1\n", "soundsafe is a table of commands: [soundsafe.COMMAND]"),
    ],
)
def test_what_is_no_default_is_refused(run: Any, text: str, line: str) -> None:
    Path("soundsafe.toml").write_text(text)
    code, out, errors = run("keygen", "k")
    assert (code, out, errors.count("\n")) == (2, "", 1)
    assert line in errors
    assert not Path("k").exists()


def test_a_list_for_options_that_come_again(tmp_path: Path) -> None:
    import typer

    (tmp_path / "d.toml").write_text(
        '[soundsafe.decode]\nkey-file = "a"\n[soundsafe.batch.decode]\njobs = 3\n'
    )
    found = read_defaults(tmp_path / "d.toml", "soundsafe", typer.main.get_command(cli.app))
    assert found == {"decode": {"key_file": ["a"]}, "batch": {"decode": {"jobs": 3}}}
